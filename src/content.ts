// Where the content is: KV, R2 or the publisher's own origin. It is found before it is sold, and streamed. Requests go
// to the origin without anything of ours; answers come from it without anything that only we may say.
import * as z from 'zod/mini'
import { peeked, watched } from './body.ts'
import type { Config } from './config.ts'
import { fail, ok, type Result } from './errors.ts'
import { log, nameOf } from './log.ts'
import { cookieName } from './pass.ts'
import { type Price, parsePrice } from './policy/rules.ts'
import { parseRange } from './range.ts'
import type { World } from './site.ts'

/** What an article says about itself; a route's own words stand where it is silent (contract §2 "Content"). */
export type Article = {
  title: string | null
  description: string | null
  contentType: string | null
  teaser: string | null
  price: Price | null
}

/** What was opened, and whether all of its body was taken (`Watched`). Null: it has none, or none that is for sale. */
export type Content = { response: Response; taken: Promise<void> | null }

export type Found = {
  article: Article
  /** The content itself; `range` is the client's `Range` header, honoured for R2. Call once. */
  open: (range: string | null) => Promise<Content>
  /** Lets go of content that is not wanted after all. */
  discard: () => Promise<void>
}

const metadata = z.object({
  title: z.optional(z.string()),
  description: z.optional(z.string()),
  contentType: z.optional(z.string()),
  price: z.optional(z.string()),
  teaser: z.optional(z.string()),
})

/**
 * What lies under a path of a route that is not the origin's: `not_found` where there is none, or nothing in it,
 * `configuration_error` where its metadata cannot be read, `unavailable` where the store does not answer.
 */
export async function findStored(
  env: Pick<Env, 'CONTENT_KV' | 'CONTENT_R2'>,
  source: 'kv' | 'r2',
  path: string,
  mimeType: string,
): Promise<Result<Found>> {
  try {
    const found = await (source === 'kv'
      ? findInKv(env.CONTENT_KV, path, mimeType)
      : findInR2(env.CONTENT_R2, path, mimeType))
    if (!found.ok) log({ event: 'configuration_error', path: found.error.key, problem: found.error.problem })
    if (!found.ok) return fail({ code: 'configuration_error' })
    return found.value ? ok(found.value) : fail({ code: 'not_found' })
  } catch (fault) {
    log({ event: `${source}_unavailable`, problem: nameOf(fault) })
    return fail({ code: 'unavailable' })
  }
}

/** Opens what was found: to `HEAD` without its body. */
export async function openStored(found: Found, request: Request, range: string | null): Promise<Result<Content>> {
  const content = await reached(() => found.open(range))
  if (!content.ok || request.method !== 'HEAD') return content
  const { response } = content.value
  await response.body?.cancel()
  return ok(unwatched(new Response(null, response)))
}

const unwatched = (response: Response): Content => ({ response, taken: null })

/** The origin's answer; `content_unavailable` where it cannot be reached. */
export const askOrigin = ({ env, config }: World, request: Request, wanted: OriginRequest): Promise<Result<Content>> =>
  reached(() => fetchOrigin(originOf(env, config), request, wanted))

async function reached(open: () => Promise<Content>): Promise<Result<Content>> {
  try {
    return ok(await open())
  } catch (fault) {
    log({ event: 'content_unavailable', problem: fault instanceof Error ? fault.message : '' })
    return fail({ code: 'content_unavailable' })
  }
}

function originOf(env: Env, config: Config): Origin {
  if (env.ORIGIN) return { kind: 'service', service: env.ORIGIN }
  return config.originUrl === null ? { kind: 'zone' } : { kind: 'url', url: config.originUrl }
}

/** What is wrong with an article's metadata, for the publisher's log. */
type ArticleProblem = { key: string; problem: string }

function parseArticle(key: string, raw: unknown): Result<Article, ArticleProblem> {
  const parsed = z.safeParse(metadata, raw ?? {})
  if (!parsed.success) return fail({ key, problem: 'its metadata is not a table of texts' })
  const { title, description, contentType, price, teaser } = parsed.data
  const own = price === undefined ? null : parsePrice(price)
  if (own && !own.ok) return fail({ key, problem: `its price "${price}" cannot be read: ${own.error}` })
  return ok({
    title: title ?? null,
    description: description ?? null,
    contentType: contentType ?? null,
    teaser: teaser ?? null,
    price: own ? own.value : null,
  })
}

/** The canonical key, and for names beyond ASCII the readable one, as people upload them. */
function keysOf(path: string): string[] {
  const readable = decodeURIComponent(path)
  return [path, ...(readable === path ? [] : [readable])].filter((key) => key !== '')
}

async function firstOf<Value>(keys: string[], find: (key: string) => Promise<Value | null>): Promise<Value | null> {
  for (const key of keys) {
    const found = await find(key)
    if (found !== null) return found
  }
  return null
}

/** An article in KV under its canonical path; null where there is none, or nothing in it. */
async function findInKv(
  kv: KVNamespace,
  path: string,
  mimeType: string,
): Promise<Result<Found | null, ArticleProblem>> {
  const entry = await firstOf(keysOf(path), async (key) => {
    const { value, metadata: stored } = await kv.getWithMetadata(key, 'stream')
    return value && { value, stored }
  })
  const content = entry && (await peeked(entry.value, null))
  if (!content) return ok(null)
  const { body, taken } = content
  const article = parseArticle(path, entry.stored)
  if (!article.ok) {
    await body.cancel()
    return article
  }
  const contentType = article.value.contentType ?? (mimeType || 'text/html; charset=utf-8')
  return ok({
    article: article.value,
    open: async () => ({
      response: new Response(body, { headers: { 'Content-Type': contentType, 'X-Content-Type-Options': 'nosniff' } }),
      taken,
    }),
    discard: () => body.cancel(),
  })
}

/** A file in R2 under its path without the leading slash; null where there is none, or nothing in it. */
async function findInR2(
  bucket: R2Bucket,
  path: string,
  mimeType: string,
): Promise<Result<Found | null, ArticleProblem>> {
  const head = await firstOf(keysOf(path.slice(1)), (name) => bucket.head(name))
  if (!head || head.size === 0) return ok(null)
  const { key } = head
  const article = parseArticle(key, { contentType: head.httpMetadata?.contentType, ...head.customMetadata })
  if (!article.ok) return article
  const headers = {
    'Content-Type': article.value.contentType ?? (mimeType || 'application/octet-stream'),
    'X-Content-Type-Options': 'nosniff',
    'Accept-Ranges': 'bytes',
    ETag: head.httpEtag,
    ...(head.httpMetadata?.cacheControl ? { 'Cache-Control': head.httpMetadata.cacheControl } : {}),
  }
  const open = async (rangeHeader: string | null): Promise<Content> => {
    const range = parseRange(rangeHeader, head.size)
    if (range === 'unsatisfiable') {
      return unwatched(new Response(null, { status: 416, headers: { 'Content-Range': `bytes */${head.size}` } }))
    }
    const object = await bucket.get(key, { onlyIf: { etagMatches: head.etag }, ...(range ? { range } : {}) })
    if (!object || !('body' in object)) throw new Error('the file changed while it was being read')
    const length = range ? range.length : head.size
    const { body, taken } = watched(object.body, length)
    if (!range) return { response: new Response(body, { headers }), taken }
    const last = range.offset + range.length - 1
    const contentRange = `bytes ${range.offset}-${last}/${head.size}`
    const response = new Response(body, { status: 206, headers: { ...headers, 'Content-Range': contentRange } })
    return { response, taken }
  }
  return ok({ article: article.value, open, discard: async () => {} })
}

/** Where `content = "origin"` is fetched from, by precedence: the service binding, `ORIGIN_URL`, the zone's own origin. */
type Origin = { kind: 'service'; service: Fetcher } | { kind: 'url'; url: string } | { kind: 'zone' }

/** Marks a request to the zone's own origin: should it come back here, the zone has no origin behind this worker. */
const HOP = 'X-Newsstand-Hop'

/** Headers that may make an origin read another path or method than the one that was decided on. */
const OVERRIDES = ['x-original-url', 'x-rewrite-url', 'x-http-method-override', 'x-http-method', 'x-method-override']
const CONDITIONAL = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range']

const isOurs = (name: string) => /^(?:payment-|x-payment|sign-in-with-x$|settlement-overrides$|x-newsstand-)/.test(name)

/** Ranges and conditions are for free content; ranges alone for pass holders; a purchase is answered whole. */
export type Purpose = 'free' | 'holder' | 'purchase'

export type OriginRequest = {
  site: string
  /** Canonical path, and the query as sent. */
  path: string
  query: string
  purpose: Purpose
}

/** Forwards a request. Throws when the origin cannot be reached. */
async function fetchOrigin(origin: Origin, request: Request, wanted: OriginRequest): Promise<Content> {
  if (origin.kind === 'zone' && request.headers.has(HOP)) throw new Error('the zone has no origin behind this worker')
  const base = origin.kind === 'url' ? origin.url : wanted.site
  const headers = new Headers(request.headers)
  for (const name of [...headers.keys()]) {
    if (isOurs(name) || OVERRIDES.includes(name)) headers.delete(name)
    if (wanted.purpose !== 'free' && CONDITIONAL.includes(name)) headers.delete(name)
  }
  if (wanted.purpose === 'purchase') headers.delete('Range')
  withoutPass(headers, wanted.site)
  headers.set('X-Forwarded-Host', new URL(wanted.site).host)
  headers.set('X-Forwarded-Proto', new URL(wanted.site).protocol.slice(0, -1))
  if (origin.kind === 'zone') headers.set(HOP, '1')
  const outgoing = new Request(`${base}${wanted.path}${wanted.query}`, {
    method: request.method,
    headers,
    body: request.body,
    redirect: 'manual',
    // Paid content is never stored in a cache it could be served from without its gate.
    ...(wanted.purpose === 'free' ? {} : { cache: 'no-store' as const }),
  })
  const response = cleaned(
    await (origin.kind === 'service' ? origin.service.fetch(outgoing) : fetch(outgoing)),
    base,
    wanted.site,
  )
  return wanted.purpose === 'purchase' ? unlessEmpty(response) : unwatched(response)
}

function withoutPass(headers: Headers, site: string): void {
  const cookies = (headers.get('Cookie') ?? '')
    .split(';')
    .filter((part) => part.split('=')[0]?.trim() !== cookieName(site))
  if (cookies.join('').trim() === '') headers.delete('Cookie')
  else headers.set('Cookie', cookies.join(';').trim())
  // A pass is a token of two parts; other bearer tokens are the origin's own.
  if (/^Bearer [A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/i.test(headers.get('Authorization') ?? ''))
    headers.delete('Authorization')
}

/** What is sold has a first byte: an empty body becomes none. The body is read here, so it goes out unencoded. */
async function unlessEmpty(response: Response): Promise<Content> {
  const { status, statusText } = response
  const content = response.body && (await peeked(response.body, lengthOf(response)))
  const headers = new Headers(response.headers)
  headers.delete('Content-Encoding')
  headers.delete('Content-Length')
  return {
    response: new Response(content?.body ?? null, { status, statusText, headers }),
    taken: content?.taken ?? null,
  }
}

/** The bytes of a body that comes as it was sent; null where nobody has said, or the platform may decode it. */
function lengthOf({ headers }: Response): number | null {
  const length = headers.get('Content-Length')
  return length !== null && /^\d{1,15}$/.test(length) && !headers.has('Content-Encoding') ? Number(length) : null
}

/** The origin's answer without headers that only we may send, and with redirects to itself pointing here. */
function cleaned(response: Response, base: string, site: string): Response {
  if (response.webSocket) return response
  const headers = new Headers(response.headers)
  for (const name of [...headers.keys()]) if (isOurs(name)) headers.delete(name)
  const location = headers.get('Location')
  if (location?.startsWith(`${base}/`)) headers.set('Location', `${site}${location.slice(base.length)}`)
  const body = isNullBody(response.status) ? null : response.body
  return new Response(body, { status: response.status, statusText: response.statusText, headers })
}

/** Statuses that have no body (Fetch standard). */
const isNullBody = (status: number) => [101, 204, 205, 304].includes(status)
