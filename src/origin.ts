// Content that is fetched: from the publisher's own origin, or from the upstream of a route with a key of the seller's.
// Requests go there without anything of ours; answers come from there without anything that only we may say.
import { peeked } from './body.ts'
import type { Config } from './config.ts'
import { type Content, isReadable, Missing, reached, startFor, titleIn, unwatched } from './content.ts'
import { fail, type Result } from './errors.ts'
import {
  copyOf,
  forOrigin,
  forUpstream,
  isClean,
  isDecoded,
  isUnpaid,
  locationAt,
  type Purpose,
  withoutClaims,
  withoutSellers,
} from './headers.ts'
import { log } from './log.ts'
import { isPass, ourCookies, tokensIn } from './pass.ts'
import type { Rule } from './policy/rules.ts'
import { hostOf } from './policy/scope.ts'
import type { Upstream } from './policy/upstream.ts'
import { isSafe } from './request.ts'
import { readKeysOf, type World } from './site.ts'

/** Where `content = "origin"` is fetched from, by precedence: the service binding, `ORIGIN_URL`, the zone's own origin. */
type Origin = { kind: 'service'; service: Fetcher } | { kind: 'url'; url: string } | { kind: 'zone' }

/** Marks a request to the zone's own origin: should it come back here, the zone has no origin behind this worker. */
const HOP = 'X-Newsstand-Hop'

export type OriginRequest = {
  site: string
  /** The path under which it is asked for, and the query as sent. */
  path: string
  query: string
  purpose: Purpose
  /** Asked instead of the site's own origin, where it has its secrets. */
  upstream: Rule['upstream']
  /** Names of the headers that made the price: only those go to an upstream beside the usual ones. */
  pricing: readonly string[]
  /** Gives it up; null where it is waited for. */
  signal: AbortSignal | null
}

/** The origin's answer; `content_unavailable` where it cannot be reached, or an upstream refuses the seller. */
export async function askOrigin(world: World, request: Request, wanted: OriginRequest): Promise<Result<Content>> {
  const { upstream } = wanted
  if (upstream === null) return reached(() => fetchOrigin(world, request, wanted))
  return upstream.ok ? askUpstream(request, wanted, upstream.value) : fail({ code: 'configuration_error' })
}

/** A key that is not taken, a bill that is not paid, a limit: this is between an upstream and the seller. */
const ABOUT_THE_SELLER = [401, 402, 403, 429]

async function askUpstream(request: Request, wanted: OriginRequest, upstream: Upstream): Promise<Result<Content>> {
  const answer = await reached(() => fetchUpstream(request, wanted, upstream))
  if (!answer.ok) return answer
  const { status, headers, body } = answer.value
  const isBeforePayment = isUnpaid(wanted.purpose) && isSafe(request.method)
  // Whoever is sent elsewhere might get there what has not been paid for yet.
  const isAway = status >= 300 && status < 400 && headers.get('Location')?.startsWith(`${wanted.site}/`) === false
  if (!ABOUT_THE_SELLER.includes(status) && !(isBeforePayment && isAway)) {
    return reached(() => handedOn(answer.value, wanted.purpose, lengthOf))
  }
  await body?.cancel()
  log({ event: 'upstream_refused', upstream: new URL(upstream.url).host, status })
  return fail({ code: 'content_unavailable', isCostly: true })
}

/** Asks an upstream with the seller's headers. They go to this one address: no redirect is followed. */
async function fetchUpstream(request: Request, wanted: OriginRequest, upstream: Upstream): Promise<Response> {
  const headers = forUpstream(request, wanted.purpose, upstream, wanted.pricing)
  const response = await fetch(...outgoingTo(upstream.url, request, wanted, headers))
  // Its reason phrase is a text as well, and stays behind.
  const copy = copyOf(response, { status: response.status, headers: response.headers })
  // Seen from its own address: it knows no other.
  const location = copy.headers.get('Location')
  const asked = addressAt(upstream.url, wanted)
  if (location !== null && URL.canParse(location, asked)) {
    copy.headers.set('Location', locationAt(wanted.site, upstream.url, new URL(location, asked).href))
  }
  withoutClaims(copy.headers, ourCookies(wanted.site))
  withoutSellers(copy.headers, upstream)
  return copy
}

function originOf(env: Env, config: Config): Origin {
  if (env.ORIGIN) return { kind: 'service', service: env.ORIGIN }
  return config.originUrl === null ? { kind: 'zone' } : { kind: 'url', url: config.originUrl }
}

/** Forwards a request. Throws when the origin cannot be reached. */
async function fetchOrigin(world: World, request: Request, wanted: OriginRequest): Promise<Content> {
  const origin = originOf(world.env, world.config)
  if (origin.kind === 'zone' && request.headers.has(HOP)) throw new Missing('the zone has no origin behind this worker')
  const base = origin.kind === 'url' ? origin.url : wanted.site
  const headers = forOrigin(request, wanted.purpose)
  await withoutPass(headers, wanted.site, world)
  headers.set('X-Forwarded-Host', hostOf(wanted.site))
  headers.set('X-Forwarded-Proto', wanted.site.startsWith('https:') ? 'https' : 'http')
  if (origin.kind === 'zone') headers.set(HOP, '1')
  const outgoing = outgoingTo(base, request, wanted, headers)
  const response = cleaned(
    await (origin.kind === 'service' ? origin.service.fetch(...outgoing) : fetch(...outgoing)),
    base,
    wanted.site,
  )
  // A worker may say any length; what came over HTTP has the one it says.
  return handedOn(response, wanted.purpose, origin.kind === 'service' ? () => null : lengthOf)
}

const addressAt = (base: string, { path, query }: OriginRequest): string => `${base}${path}${query}`

/** The request that goes out, as it is fetched. Nobody follows a redirect for the reader. */
function outgoingTo(
  base: string,
  request: Request,
  wanted: OriginRequest,
  headers: Headers,
): [asked: string | Request, how: RequestInit] {
  const { purpose, signal } = wanted
  const url = addressAt(base, wanted)
  const hasOddBody = isSafe(request.method) && request.body !== null
  const isOddBodyKept = hasOddBody && purpose === 'free'
  // What is sold is named by its address alone: the body of a `GET` could ask for something else there.
  if (hasOddBody && !isOddBodyKept) {
    for (const name of [...headers.keys()]) if (name.startsWith('content-')) headers.delete(name)
  }
  // The platform makes no `GET` with a body, but copies one that is not named.
  const how: RequestInit = {
    ...(isOddBodyKept ? {} : { method: request.method, body: hasOddBody ? null : request.body }),
    headers,
    redirect: 'manual',
    signal,
    // Paid content must not get into a cache that could serve it without a payment.
    ...(purpose === 'free' ? {} : { cache: 'no-store' }),
  }
  return [isOddBodyKept ? new Request(url, request) : url, how]
}

/** Only what is sold is watched. `bytesOf`: how long its body is; null where nobody knows. */
async function handedOn(
  response: Response,
  purpose: Purpose,
  bytesOf: (response: Response) => number | null,
): Promise<Content> {
  return purpose === 'purchase' ? unlessEmpty(response, bytesOf(response)) : unwatched(response)
}

/** Takes out the cookies of our names, and an `Authorization` that holds a pass of ours; others are the origin's own. */
async function withoutPass(headers: Headers, site: string, world: World): Promise<void> {
  withoutOurCookies(headers, site)
  for (const token of tokensIn(headers)) {
    const isOurs = world.passes.has(token) || (await isPass(token, world.config.sites, await readKeysOf(world, 'pass')))
    if (isOurs) headers.delete('Authorization')
  }
}

function withoutOurCookies(headers: Headers, site: string): void {
  const sent = headers.get('Cookie')?.split(';')
  if (!sent) return
  const ours = ourCookies(site)
  const cookies = sent.filter((part) => !ours.includes(part.split('=')[0]?.trim() ?? ''))
  // What has none of ours is not written anew: its bytes may be no text.
  if (cookies.length === sent.length) return
  if (cookies.join('').trim() === '') headers.delete('Cookie')
  else headers.set('Cookie', cookies.join(';').trim())
}

/** An empty body becomes none: it is not sold. Its encoding is gone where the platform decoded it. */
async function unlessEmpty(response: Response, bytes: number | null): Promise<Content> {
  const { status, statusText } = response
  const found = response.body && (await peeked(response.body))
  const contentType = response.headers.get('Content-Type') ?? ''
  const start = startFor(contentType, !isReadable(response, false))
  const content = found?.watched(bytes, start)
  const headers = new Headers(response.headers)
  if (isDecoded(headers.get('Content-Encoding'))) headers.delete('Content-Encoding')
  headers.delete('Content-Length')
  return {
    response: new Response(content?.body ?? null, { status, statusText, headers }),
    taken: content?.taken ?? null,
    title: titleIn(contentType, start),
  }
}

/** The bytes of a body that comes as it was sent; null where nobody has said, or the platform decodes it. */
function lengthOf({ headers }: Response): number | null {
  const length = headers.get('Content-Length') ?? ''
  return /^\d{1,15}$/.test(length) && !isDecoded(headers.get('Content-Encoding')) ? Number(length) : null
}

/** The origin's answer without headers that only we may send, and with redirects to itself pointing here. */
function cleaned(response: Response, base: string, site: string): Response {
  // A status that HTTP does not have is found out by the copy.
  if (response.status < 600 && isClean(response.headers)) return response
  const copy = copyOf(response)
  withoutClaims(copy.headers, ourCookies(site))
  const location = copy.headers.get('Location')
  if (location !== null) copy.headers.set('Location', locationAt(site, base, location))
  return copy
}
