// Content that is fetched: from the publisher's own origin. Requests go there without anything of ours; answers come from it
// without anything that only we may say.
import { peeked } from './body.ts'
import type { Config } from './config.ts'
import { type Content, Missing, reached, unwatched } from './content.ts'
import type { Result } from './errors.ts'
import { copyOf, forOrigin, isDecoded, locationAt, type Purpose, withoutClaims } from './headers.ts'
import { cookieName, isPass, tokensIn } from './pass.ts'
import { isSafe } from './request.ts'
import { keyOf, type World } from './site.ts'

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
}

/** The origin's answer; `content_unavailable` where it cannot be reached. */
export const askOrigin = (world: World, request: Request, wanted: OriginRequest): Promise<Result<Content>> =>
  reached(() => fetchOrigin(world, request, wanted))

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
  headers.set('X-Forwarded-Host', new URL(wanted.site).host)
  headers.set('X-Forwarded-Proto', new URL(wanted.site).protocol.slice(0, -1))
  if (origin.kind === 'zone') headers.set(HOP, '1')
  const url = `${base}${wanted.path}${wanted.query}`
  const hasOddBody = isSafe(request.method) && request.body !== null
  const isOddBodyKept = hasOddBody && wanted.purpose === 'free'
  // What is sold is named by its address alone: the body of a `GET` could ask for something else there.
  if (hasOddBody && !isOddBodyKept) {
    for (const name of [...headers.keys()]) if (name.startsWith('content-')) headers.delete(name)
  }
  // The platform makes no `GET` with a body, but copies one that is not named.
  const outgoing = new Request(isOddBodyKept ? new Request(url, request) : url, {
    ...(isOddBodyKept ? {} : { method: request.method, body: hasOddBody ? null : request.body }),
    headers,
    redirect: 'manual',
    // Paid content must not get into a cache that could serve it without a payment.
    ...(wanted.purpose === 'free' ? {} : { cache: 'no-store' as const }),
  })
  const response = cleaned(
    await (origin.kind === 'service' ? origin.service.fetch(outgoing) : fetch(outgoing)),
    base,
    wanted.site,
  )
  // A worker may say any length; what came over HTTP has the one it says.
  const bytes = origin.kind === 'service' ? null : lengthOf(response)
  return wanted.purpose === 'purchase' ? unlessEmpty(response, bytes) : unwatched(response)
}

/** Takes out the cookie of our name, and an `Authorization` that holds a pass of ours; others are the origin's own. */
async function withoutPass(headers: Headers, site: string, world: World): Promise<void> {
  const sent = (headers.get('Cookie') ?? '').split(';')
  const cookies = sent.filter((part) => part.split('=')[0]?.trim() !== cookieName(site))
  // What has none of ours is not written anew: its bytes may be no text.
  if (cookies.length < sent.length) {
    if (cookies.join('').trim() === '') headers.delete('Cookie')
    else headers.set('Cookie', cookies.join(';').trim())
  }
  for (const token of tokensIn(headers)) {
    if (await isPass(token, world.config.sites, await keyOf(world, 'pass'))) headers.delete('Authorization')
  }
}

/** An empty body becomes none: it is not sold. Its encoding is gone where the platform decoded it. */
async function unlessEmpty(response: Response, bytes: number | null): Promise<Content> {
  const { status, statusText } = response
  const content = response.body && (await peeked(response.body, bytes))
  const headers = new Headers(response.headers)
  if (isDecoded(headers.get('Content-Encoding'))) headers.delete('Content-Encoding')
  headers.delete('Content-Length')
  return {
    response: new Response(content?.body ?? null, { status, statusText, headers }),
    taken: content?.taken ?? null,
  }
}

/** The bytes of a body that comes as it was sent; null where nobody has said, or the platform decodes it. */
function lengthOf({ headers }: Response): number | null {
  const length = headers.get('Content-Length') ?? ''
  return /^\d{1,15}$/.test(length) && !isDecoded(headers.get('Content-Encoding')) ? Number(length) : null
}

/** The origin's answer without headers that only we may send, and with redirects to itself pointing here. */
function cleaned(response: Response, base: string, site: string): Response {
  const copy = copyOf(response)
  withoutClaims(copy.headers, cookieName(site))
  const location = copy.headers.get('Location')
  if (location !== null) copy.headers.set('Location', locationAt(site, base, location))
  return copy
}
