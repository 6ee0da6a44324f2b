// The headers of every answer, by its kind, set where every answer leaves (`dressed`): CORS and Vary, no caching of what
// is paid or refused. And newsstand's own answers: JSON for programs, a page for browsers.
import { isWorthZipping, PROBLEM_TYPE, prefersHtml, prefersMarkdown, prefersProblem } from './accept.ts'
import { publicError, type Refusal, sentenceOf } from './errors.ts'
import { copyOf, remembered } from './headers.ts'
import { errorPage } from './pages/error.tsx'
import type { Brand, Page } from './pages/page.tsx'
import { type Strings, stringsFor } from './pages/strings/strings.ts'
import { isPreviewBot } from './policy/visitors.ts'
import { problemType } from './x402/mpp.ts'

/** What no cache may keep, since it is one reader's. */
export const PRIVATE = 'private, no-store'

/** Response headers that scripts of other origins may read. */
const EXPOSED = 'PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE, WWW-Authenticate, Payment-Receipt, Retry-After'
/** Request headers a buying script sends; `Access-Control-Expose-Headers` because stock clients send it by mistake. */
const ALLOWED = [
  'PAYMENT-SIGNATURE',
  'X-PAYMENT',
  'SIGN-IN-WITH-X',
  'Authorization',
  'Payment-Authorization',
  'Accept-Payment',
  'Content-Type',
  'Access-Control-Expose-Headers',
]
/** What answers at a gated address depend on. */
export const VARY =
  'Accept, PAYMENT-SIGNATURE, X-PAYMENT, SIGN-IN-WITH-X, Authorization, Payment-Authorization, Cookie, Origin'

/** What is said to caches: HTTP's own words, and those of nginx, Varnish, LiteSpeed, Akamai, Fastly, Cloudflare and others. */
const CACHING =
  /^(?:age|expires|pragma|xkey|(?:.*-)?cache-(?:control|tags?|ttl|expires)|(?:x-accel|x-litespeed|edge|surrogate|cdn)-.*)$/
/** By these a shared cache could confirm that its copy is fresh. */
const VALIDATORS = ['etag', 'last-modified']
/** What an origin says to newsstand alone. */
const TO_US = ['newsstand-access']

/** An answer on its way out. */
export type Answer =
  /** Not for sale: the publisher's own, untouched. */
  | { kind: 'open'; response: Response }
  /** Free, but these request headers may decide for whom. */
  | { kind: 'free'; response: Response; dependsOn: readonly string[] }
  /** The content of a gated address for a reader who may have it, with newsstand's own headers. */
  | { kind: 'gated'; response: Response; headers: Record<string, string> }
  /** A file of ours for who holds a pass: its reader may keep it, and asks again before showing it. */
  | { kind: 'held'; response: Response; headers: Record<string, string> }
  /** newsstand's own words: refusals, challenges, preflights, receipts. `refusal`: which one, where it is one. */
  | { kind: 'ours'; response: Response; isZipped: boolean; refusal?: Refusal }

/** The answer as it leaves. */
export function dressed(answer: Answer): Response {
  if (answer.kind === 'open' || (answer.kind === 'free' && answer.dependsOn.length === 0)) return answer.response
  if (answer.kind === 'ours') {
    openToScripts(answer.response.headers)
    return answer.isZipped ? zipped(answer.response) : answer.response
  }
  const copy = copyOf(answer.response)
  const { headers } = copy
  switch (answer.kind) {
    case 'free':
      varying(headers, answer.dependsOn)
      return copy
    case 'gated':
      for (const name of [...VALIDATORS, ...TO_US]) headers.delete(name)
      privately(headers, PRIVATE, answer.headers)
      openToScripts(headers)
      return copy
    case 'held':
      privately(headers, 'private, no-cache', answer.headers)
      openToScripts(headers)
      return copy
  }
}

/** CORS without credentials: a script may buy with its own wallet, and never read through a reader's cookie. */
function openToScripts(headers: Headers): void {
  headers.set('Access-Control-Allow-Origin', '*')
  headers.append('Access-Control-Expose-Headers', EXPOSED)
}

/** What only one reader may have: no shared cache keeps it, and the origin's own CORS headers do not count. */
function privately(headers: Headers, caching: string, extra: Record<string, string>): void {
  for (const name of [...headers.keys()]) if (isOthers(name)) headers.delete(name)
  headers.set('Cache-Control', caching)
  headers.append('Vary', VARY)
  for (const [name, value] of Object.entries(extra)) headers.append(name, value)
}

/**
 * Content that is free only for some, as these request headers decide: every cache has to ask here before each use. `Vary`
 * alone does not do, since many shared caches ignore it. Search engines are told to keep no copy.
 */
function varying(headers: Headers, names: readonly string[]): void {
  dropCaching(headers)
  headers.set('Cache-Control', 'no-cache')
  headers.append('Vary', names.join(', '))
  headers.append('X-Robots-Tag', 'noarchive')
}

const isCaching = remembered((name) => CACHING.test(name))
const isOthers = remembered((name) => CACHING.test(name) || name.startsWith('access-control-'))

function dropCaching(headers: Headers): void {
  for (const name of [...headers.keys()]) if (isCaching(name)) headers.delete(name)
}

/** The same answer with what it took, for who runs the site: no cache keeps it. */
export function withTiming(response: Response, timing: string): Response {
  const copy = copyOf(response)
  dropCaching(copy.headers)
  copy.headers.set('Cache-Control', PRIVATE)
  copy.headers.append('Server-Timing', timing)
  return copy
}

const ours = (response: Response, isZipped = false): Answer => ({ kind: 'ours', response, isZipped })

/** Compressed here: the platform compresses no 402, and nothing that it may not transform. */
function zipped(response: Response): Response {
  const headers = new Headers(response.headers)
  headers.set('Content-Encoding', 'gzip')
  const body = response.body?.pipeThrough(new CompressionStream('gzip')) ?? null
  return new Response(body, { status: response.status, headers, encodeBody: 'manual' })
}

/** Nobody on the way may write into a page: its policy would stop what they add. */
const caching = (directives: string, page: Page | null) => (page ? `${directives}, no-transform` : directives)

/** The answer to `OPTIONS` at a gated address: never charged, never forwarded. */
export function preflight(request: Request): Answer {
  const wanted = (request.headers.get('Access-Control-Request-Headers') ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name))
    .slice(0, 32)
  const known = ALLOWED.map((name) => name.toLowerCase())
  const allowed = [...ALLOWED, ...wanted.filter((name) => !known.includes(name.toLowerCase()))]
  const response = new Response(null, {
    status: 204,
    headers: {
      'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS',
      'Access-Control-Allow-Headers': allowed.join(', '),
      'Access-Control-Max-Age': '86400',
      'Cache-Control': 'no-store',
      Vary: `${VARY}, Access-Control-Request-Headers`,
    },
  })
  return ours(response)
}

export type RefusalParts = {
  headers: Record<string, string>
  /** Further keys of the JSON body: the v1 challenge. */
  json: Record<string, unknown>
  brand: Brand
  /** The page for people in their language; made only when one is wanted. */
  page: (strings: Strings) => Promise<Page>
  /** An SVG for the place of a picture; where there is none, it stays empty. */
  picture?: (strings: Strings) => string
}

/** A refusal as JSON `{ error, message }`, or as a page when the client prefers HTML. */
export async function answerRefusal(request: Request, refusal: Refusal, parts: RefusalParts): Promise<Answer> {
  const { code } = refusal
  const { status, retryAfterSeconds } = publicError(code)
  const picture = isForPicture(request) ? (parts.picture?.(await stringsOf(request, parts.brand)) ?? null) : null
  const page = picture === null ? await pageFor(request, parts) : null
  const isProblem = page === null && picture === null && prefersProblem(request.headers.get('Accept'))
  const headers = {
    'Content-Type': isProblem ? PROBLEM_TYPE : picture === null ? typeOf(page) : 'image/svg+xml',
    'Cache-Control': caching('no-store', page),
    'X-Content-Type-Options': 'nosniff',
    Vary: `${VARY}, Accept-Encoding`,
    ...(picture === null ? {} : { 'Content-Security-Policy': "default-src 'none'" }),
    ...(page ? pageHeaders(page) : {}),
    ...(retryAfterSeconds === null ? {} : { 'Retry-After': String(retryAfterSeconds) }),
    ...parts.headers,
  }
  const message = sentenceOf(refusal)
  const problem = isProblem ? { type: problemType(code, status), title: code, status, detail: message } : {}
  const body = picture ?? (page ? page.html : JSON.stringify({ ...problem, error: code, message, ...parts.json }))
  const response = new Response(request.method === 'HEAD' ? null : body, { status, headers })
  return { kind: 'ours', response, isZipped: isWorthZipping(request, body), refusal }
}

/** A refusal that no payment can mend. */
export function refuse(
  request: Request,
  brand: Brand,
  refusal: Refusal,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return answerRefusal(request, refusal, {
    headers,
    json: {},
    brand,
    page: (strings) => errorPage(refusal, brand, strings),
  })
}

/** An answer of newsstand's own for one reader only, as JSON or as a page. */
export const inPrivate = async (
  request: Request,
  json: Record<string, unknown>,
  parts: Pick<RefusalParts, 'brand' | 'page'>,
): Promise<Answer> => forOneReader(request, json, await pageFor(request, parts))

/** A page of newsstand's own for one reader only. */
export const pageInPrivate = async (
  request: Request,
  { brand, page }: Pick<RefusalParts, 'brand' | 'page'>,
): Promise<Answer> => forOneReader(request, {}, await page(await stringsOf(request, brand)))

function forOneReader(request: Request, json: Record<string, unknown>, page: Page | null): Answer {
  const headers = new Headers({
    'Content-Type': typeOf(page),
    'Cache-Control': caching(PRIVATE, page),
    'X-Content-Type-Options': 'nosniff',
    Vary: 'Accept, Accept-Encoding, Accept-Language, Authorization, Cookie',
    ...(page ? pageHeaders(page) : {}),
  })
  const body = page ? page.html : JSON.stringify(json)
  return ours(new Response(body, { headers }), isWorthZipping(request, body))
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** A short answer in which nothing is chosen by what the client prefers. */
const plain = (body: string, type: string, caching: string, extra: Record<string, string> = {}, status = 200) =>
  new Response(body, {
    status,
    headers: { 'Content-Type': type, 'Cache-Control': caching, 'X-Content-Type-Options': 'nosniff', ...extra },
  })

/** An answer of newsstand's own for everybody: JSON that may be kept for an hour. */
export const inPublic = (json: Record<string, unknown>): Answer =>
  ours(plain(JSON.stringify(json), JSON_TYPE, 'public, max-age=3600'))

/** A script of newsstand's own, at an address that changes with it: it may be kept for good. */
export const keptScript = (request: Request, script: string): Answer =>
  ours(
    plain(script, 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable', { Vary: 'Accept-Encoding' }),
    isWorthZipping(request, script),
  )

/** A short answer to a page of this site, about one reader. */
export const toPage = (json: Record<string, unknown>, headers: Record<string, string> = {}, status = 200): Answer =>
  ours(plain(JSON.stringify(json), JSON_TYPE, PRIVATE, headers, status))

/** A short answer of newsstand's own to programs that watch it; nobody keeps it. */
export const report = (json: Record<string, unknown>, status: number): Answer =>
  ours(plain(JSON.stringify(json), JSON_TYPE, 'no-store', { Vary: 'Authorization' }, status))

/** The answer to a program that uses tools, about one reader; null is no body. */
export function toTools(
  body: string | ReadableStream<Uint8Array> | null,
  status: number,
  extra: Record<string, string> = {},
): Answer {
  if (body !== null) return ours(new Response(body, { status, headers: { ...TOOL_HEADERS, ...extra } }))
  return ours(new Response(null, { status, headers: { 'Cache-Control': PRIVATE, ...extra } }))
}

const TOOL_HEADERS = {
  'Content-Type': 'application/json',
  'Cache-Control': PRIVATE,
  'X-Content-Type-Options': 'nosniff',
  Vary: 'Authorization, Origin',
}

/** The page in the reader's language; null for a client that does not prefer HTML. */
const pageFor = async (
  request: Request,
  { brand, page }: Pick<RefusalParts, 'brand' | 'page'>,
): Promise<Page | null> => (wantsPage(request) ? page(await stringsOf(request, brand)) : null)

export const stringsOf = ({ headers }: Request, { lang }: Brand): Promise<Strings> =>
  stringsFor(lang, headers.get('Accept-Language'))
const typeOf = (page: Page | null) => (page ? 'text/html; charset=utf-8' : JSON_TYPE)

/** Whether it fills the place of a picture in a page (Fetch Metadata). */
const isForPicture = ({ headers }: Request) => headers.get('Sec-Fetch-Dest') === 'image'

/** A program that makes a preview of a link says that it takes anything, and reads pages. Who likes Markdown best reads none. */
export const wantsPage = ({ headers }: Request): boolean => {
  const accept = headers.get('Accept')
  if (prefersMarkdown(accept)) return false
  return prefersHtml(accept) || ((accept ?? '*/*') === '*/*' && isPreviewBot(headers.get('User-Agent')))
}

const pageHeaders = ({ policy }: Page) => ({
  'Content-Security-Policy': policy,
  'Referrer-Policy': 'strict-origin-when-cross-origin',
})
