// The tool `read`: one request to the paywall, with a call's payment and pass in its headers, and the answer as a tool says it. It takes
// no money and opens no content itself.
import * as z from 'zod/mini'
import { findStored } from '../content.ts'
import { type Refusal, sentenceOf } from '../errors.ts'
import { isDecoded } from '../headers.ts'
import { askedFor } from '../markdown.ts'
import { bearerToken, cookieName } from '../pass.ts'
import { LONGEST_PATH } from '../policy/paths.ts'
import { decide } from '../policy/policy.ts'
import type { Rule } from '../policy/rules.ts'
import type { World } from '../site.ts'
import { charsetOf } from '../wall/charset.ts'
import { decodeJson, encodeJson, encodePadded } from '../x402/base64.ts'
import { addressIn, readArguments } from './tools.ts'
import { around, type Call, inAscii, inJson, metaOf, refused, refusedBy, type ToolResult, tell } from './wire.ts'

/** Asks the paywall, as any request does. `refusal`: what it answered instead of content, where that is in our own words. */
export type Visit = (request: Request) => Promise<{ response: Response; refusal: Refusal | null }>

/** What a call may use. */
export type Tools = {
  request: Request
  world: World
  site: string
  isReserved: (path: string) => boolean
  visit: Visit
}
export type Body = string | ReadableStream<Uint8Array>

const PAYMENT = 'x402/payment'

/** Answers one call of `read`. */
export async function read(tools: Tools, call: Call, given: unknown): Promise<Body> {
  const { request, world, site, isReserved, visit } = tools
  const asked = z.safeParse(readArguments, given)
  const own = new URL(request.url).origin
  const address = asked.success ? addressIn(asked.data, [own, site]) : null
  if (address === null) {
    return refused(call, 'invalid_arguments', 'Give the path or the url of one article of this site.')
  }
  const url = own + address
  if (isReserved(new URL(url).pathname)) return refusedBy(call, { code: 'not_found' })
  const payment = paymentIn(call)
  if (payment === undefined) return refusedBy(call, { code: 'invalid_payload' })
  const inner = asPaywallSees(request, url, payment)
  const source = await sourceOf(inner, world)
  if (typeof source === 'string') return translated(tools, call, site + address, source, await visit(inner))
  return source.isOurs ? refusedBy(call, source.refusal) : refused(call, ...source.said)
}

/** The header of the payment that a call carries: as an object or as base64; null where there is none, undefined where it is neither. */
function paymentIn({ params }: Call): string | null | undefined {
  const sent = metaOf(params)[PAYMENT]
  if (sent === undefined || sent === null) return null
  // What is no header value is no payment either.
  if (typeof sent === 'string') return /^[\t -~]*$/.test(sent.trim()) ? sent.trim() : undefined
  return typeof sent === 'object' ? encodeJson(sent) : undefined
}

/** Markdown where it can be had, else what a page or an interface says. No page of ours. */
const ACCEPT = 'text/markdown, text/html;q=0.9, text/plain;q=0.8, */*;q=0.1'
/** Who asks, and in which language: nothing else of the message is the reader's. */
const PASSED_ON = ['CF-Connecting-IP', 'User-Agent', 'Accept-Language']

function asPaywallSees(request: Request, url: string, payment: string | null): Request {
  const headers = new Headers({ Accept: ACCEPT, 'Accept-Encoding': 'identity' })
  for (const name of PASSED_ON) {
    const value = request.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  const token = bearerToken(request.headers)
  if (token !== null) headers.set('Authorization', `Bearer ${token}`)
  if (payment !== null) headers.set('PAYMENT-SIGNATURE', payment)
  const { cf, signal } = request
  return new Request(url, { headers, redirect: 'manual', signal, ...(cf ? { cf: { ...cf } } : {}) })
}

type Objection = { isOurs: true; refusal: Refusal } | { isOurs: false; said: [error: string, message: string] }

const ELSEWHERE: Objection = {
  isOurs: false,
  said: [
    'not_for_sale',
    'This tool reads what has a price here, or is part of it. Other pages are open at their addresses.',
  ],
}
const NO_TEXT: Objection = { isOurs: false, said: ['no_text', 'This is no text. Get it at its own address.'] }

/** Where the text lies. What is no text at a route for `GET` is refused before any price is named. It is looked up once more where it is opened. */
async function sourceOf(inner: Request, world: World): Promise<Rule['content'] | Objection> {
  const target = await askedFor(inner, world)
  if (!target.ok) return { isOurs: true, refusal: target.error }
  const { facts } = target.value
  if (facts.path.length > LONGEST_PATH) return { isOurs: true, refusal: { code: 'uri_too_long' } }
  const decided = decide(facts, world.config.rules)
  if (!decided.ok) return { isOurs: true, refusal: decided.error }
  if (decided.value.kind === 'open') return ELSEWHERE
  const { content, mimeType } = decided.value.rule
  if (content === 'origin') return mimeType === '' || isText(mimeType) ? content : NO_TEXT
  const found = await findStored(world.env, content, facts.path, mimeType)
  if (!found.ok) return { isOurs: true, refusal: found.error }
  await found.value.discard()
  const type = found.value.article.contentType ?? (mimeType || (content === 'kv' ? 'text/html' : ''))
  return isText(type) ? content : NO_TEXT
}

const isText = (type: string): boolean =>
  /^\s*(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml)\b|application\/(?:x-)?(?:yaml|javascript)\b)/i.test(type)

/** What the paywall answered, as a tool says it. Nothing of an answer that is no content is passed on but our own words. */
async function translated(
  { site }: Tools,
  call: Call,
  url: string,
  source: Rule['content'],
  { response, refusal }: Awaited<ReturnType<Visit>>,
): Promise<Body> {
  const { status, headers, body } = response
  const required = headers.get('PAYMENT-REQUIRED')
  const receipt = receiptIn(headers)
  const settled = receipt === null ? {} : { 'x402/payment-response': receipt }
  if (status >= 200 && status < 300 && body !== null) {
    const pass = passIn(headers, site)
    const _meta = { ...settled, ...(pass === null ? {} : { 'newsstand/pass': pass }) }
    const encoding = headers.get('Content-Encoding')
    // What the platform can decode is decoded as it is read; a file leaves as it lies there.
    const isZipped = source === 'r2' && encoding === 'gzip'
    const isReadable = encoding === null || isZipped || (source !== 'r2' && isDecoded(encoding))
    const mimeType = headers.get('Content-Type') ?? 'application/octet-stream'
    const shown = { uri: url, mimeType, isPlain: isReadable && isText(mimeType) }
    const read = isZipped ? body.pipeThrough(new DecompressionStream('gzip')) : body
    return streamed(call, { isError: false, _meta }, shown, read)
  }
  await body?.cancel().catch(() => {})
  const json = required === null ? null : decodeJson(required)
  const challenge = json?.ok ? z.safeParse(challenged, json.value) : null
  if (challenge?.success) {
    const { accepts, ...rest } = challenge.data
    // Terms are signed to the letter.
    const said = { ...z.parse(z.looseObject({}), inAscii(rest)), accepts }
    return tell(call, { isError: true, _meta: { 'x402/error': said } }, said)
  }
  const said = refusal
    ? { error: refusal.code, message: sentenceOf(refusal) }
    : { error: 'content_unavailable', message: `The site answered ${status} instead of content.` }
  const wait = headers.get('Retry-After')
  const retry = wait !== null && /^\d{1,6}$/.test(wait) ? { retryAfterSeconds: Number(wait) } : {}
  return tell(call, { isError: true, ...(receipt === null ? {} : { _meta: settled }) }, { ...said, ...retry })
}

const challenged = z.lazy(() => z.looseObject({ accepts: z.array(z.unknown()) }))
const settlement = z.lazy(() => z.looseObject({ success: z.boolean() }))

/** What became of a payment that was settled, as its header says. */
function receiptIn(headers: Headers): z.infer<typeof settlement> | null {
  const json = decodeJson(headers.get('PAYMENT-RESPONSE') ?? '')
  const read = json.ok ? z.safeParse(settlement, json.value) : null
  return read?.success ? read.data : null
}

/** The pass of what was just bought. A browser would get it as a cookie. */
function passIn(headers: Headers, site: string): { token: string; expiresInSeconds: number } | null {
  for (const cookie of headers.getSetCookie()) {
    const [pair = '', ...attributes] = cookie.split(';')
    const [name = '', token = ''] = pair.split('=')
    const seconds = attributes.map((attribute) => /^\s*Max-Age=(\d{1,10})$/.exec(attribute)?.[1]).find(Boolean)
    if (name === cookieName(site) && seconds !== undefined) return { token, expiresInSeconds: Number(seconds) }
  }
  return null
}

/** A text as it comes, or other content in base64. Whoever goes away lets it go: it counts as delivered when all of it was taken. */
function streamed(
  call: Call,
  result: ToolResult,
  { uri, mimeType, isPlain }: { uri: string; mimeType: string; isPlain: boolean },
  body: ReadableStream<Uint8Array>,
): Body {
  const encoder = new TextEncoder()
  const reader = body.getReader()
  /** The first piece says how it is written, and what stands around it. */
  function begin(start: Uint8Array): { before: string; write: Writer; after: string } {
    const charset = isPlain ? charsetOf(mimeType, /^text\/html/i.test(mimeType) ? start : new Uint8Array()) : null
    const content = charset === null ? { type: 'resource' as const, uri, mimeType } : { type: 'text' as const }
    const [before, after] = around(call, result, content)
    return { before, write: charset === null ? base64Writer() : textWriter(charset), after }
  }
  let begun: ReturnType<typeof begin> | null = null
  return new ReadableStream<Uint8Array>(
    {
      async pull(out) {
        let said = ''
        let isOver = false
        // Some pieces end in the middle of a letter, and say nothing yet.
        while (said === '' && !isOver) {
          const { done, value } = await reader.read()
          if (begun === null) {
            begun = begin(value ?? new Uint8Array())
            said = begun.before
          }
          said += begun.write(value ?? null) + (done ? begun.after : '')
          isOver = done
        }
        out.enqueue(encoder.encode(said))
        if (isOver) out.close()
      },
      cancel: (reason) => reader.cancel(reason),
    },
    // Nothing is read ahead of who takes it.
    { highWaterMark: 0 },
  )
}

/** Bytes as they come, null at their end; as much of the text as is whole by then. */
type Writer = (bytes: Uint8Array | null) => string

function textWriter(charset: string): Writer {
  const decoder = new TextDecoder(charset)
  return (bytes) => inJson(bytes === null ? decoder.decode() : decoder.decode(bytes, { stream: true }))
}

/** Three bytes are four letters: what is over waits for the next. */
function base64Writer(): Writer {
  let over = new Uint8Array()
  return (bytes) => {
    const all = new Uint8Array(over.byteLength + (bytes?.byteLength ?? 0))
    all.set(over)
    if (bytes) all.set(bytes, over.byteLength)
    const whole = bytes === null ? all.byteLength : all.byteLength - (all.byteLength % 3)
    over = all.slice(whole)
    return encodePadded(all.subarray(0, whole))
  }
}
