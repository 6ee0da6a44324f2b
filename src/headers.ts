// Which headers pass between a reader and the publisher's origin, or a route's upstream: what they must not be told, and what
// of their answers must not reach the reader. Pure.
import type { Upstream } from './policy/upstream.ts'
import { isOfScheme } from './x402/mpp.ts'

/** Headers that pay, sign in, or tell of it: none comes from an origin, or goes to one. */
const isOurs = (name: string): boolean =>
  /^(?:payment-|accept-payment$|x-payment|sign-in-with-x$|settlement-overrides$|x-newsstand-)/.test(name)

const CONDITIONAL = /^if-(?:none-match|match|modified-since|unmodified-since|range)$/

const OVERRIDES = [
  // The origin's own word to us: one that repeats what it is sent must not say it.
  /^newsstand-access$/,
  // Of proxies: what was asked for before they changed it. The client's address is Cloudflare's word, the rest ours.
  /^forwarded$/,
  /^x-forwarded-(?!for$)/,
  // IIS, Symfony, Envoy, Azure, Traefik, Next.js, Home Assistant and others: the path, or the method, instead of the real one.
  /^(?:x-)?(?:original|rewrite|envoy-original|ms-original|replaced|request(?:ed)?|matched|invoke|ingress|base|context|proxy|http|(?:waws-)?unencoded)-(?:ur[il]|path|prefix|query|host|method)(?:-override)?$/,
  /^x-method-override$/,
  /^x-middleware-/,
  // CGI and its children (WSGI, Rack, PHP): where the program ends and its path begins.
  /^(?:x-)?(?:script-(?:name|ur[il]|filename)|path-(?:info|translated)|document-ur[il]|redirect-url)$/,
  // Rack: which file is sent in place of which.
  /^x-(?:accel-mapping|sendfile-type)$/,
]

/**
 * Ranges and conditions are for free content; ranges alone for pass holders; a purchase is answered whole, and so is what a
 * document is shown of before anything is paid.
 */
export type Purpose = 'free' | 'holder' | 'purchase' | 'teaser'

/** Whether nothing has been paid for it yet. */
export const isUnpaid = (purpose: Purpose): boolean => purpose === 'purchase' || purpose === 'teaser'

/**
 * What becomes of a request's header on its way to an origin. `never`: it is ours, or makes an origin read another path, host or
 * method; `free`: only where nothing is sold; `whole`: not before a purchase, which is answered whole; `always`.
 */
type Passage = 'never' | 'free' | 'whole' | 'always'

function passageOf(name: string): Passage {
  // To CGI and its children both spellings are one, and a rule that prices by header looks at one of them.
  const spelt = name.replaceAll('_', '-')
  if (isOurs(spelt) || OVERRIDES.some((known) => known.test(spelt))) return 'never'
  if (CONDITIONAL.test(spelt) || spelt !== name) return 'free'
  return name === 'range' ? 'whole' : 'always'
}

/** So many names are remembered: the same few come again and again, and strangers may send any. */
const MOST_NAMES = 256
const LONGEST_NAME = 64

/** The same answers about names of headers, found out once for most of them. */
export function remembered<Said>(find: (name: string) => Said): (name: string) => Said {
  const known = new Map<string, Said>()
  return (name) => {
    const before = known.get(name)
    if (before !== undefined) return before
    const said = find(name)
    if (known.size < MOST_NAMES && name.length <= LONGEST_NAME) known.set(name, said)
    return said
  }
}

const knownPassage = remembered(passageOf)

/** A request's headers without what is ours, and without what makes an origin read another path, host or method. */
export function forOrigin(request: Request, purpose: Purpose): Headers {
  const headers = new Headers(request.headers)
  for (const name of [...headers.keys()]) {
    const passage = knownPassage(name)
    const isUnwanted =
      passage === 'never' || (passage === 'free' && purpose !== 'free') || (passage === 'whole' && isUnpaid(purpose))
    if (isUnwanted) headers.delete(name)
  }
  if (isOfScheme(headers.get('Authorization'))) headers.delete('Authorization')
  const accepted = headers.get('Accept-Encoding')
  if (isUnpaid(purpose) && accepted !== null) headers.set('Accept-Encoding', decodable(accepted))
  return headers
}

/** What the answer may depend on, and what describes a body. Any other header could choose something else, with our key. */
const TOLD = /^(?:accept|accept-language|accept-encoding|range|content-(?:type|length|encoding|language))$/

/** What an upstream is asked with: nothing of who asks, a little of what is asked for, and the seller's own headers. */
export function forUpstream(
  request: Request,
  purpose: Purpose,
  upstream: Upstream,
  pricing: readonly string[],
): Headers {
  const headers = forOrigin(request, purpose)
  for (const [name, value] of [...headers]) {
    const isPriced = pricing.includes(name) && upstream.priced.some((known) => known[0] === name && known[1] === value)
    if (!TOLD.test(name) && !isPriced) headers.delete(name)
  }
  // Some interfaces refuse whoever has no name. The reader's own would tell of the reader.
  headers.set('User-Agent', 'newsstand')
  for (const [name, value] of upstream.headers) headers.set(name, value)
  return headers
}

/** What an upstream says to its customer, the seller; and what it would have a browser do with its own site. */
const TO_THE_SELLER = [
  /^(?:set-cookie2?|www-authenticate|(?:proxy-)?authenticat(?:e|ion-info)|proxy-authenticate|(?:proxy-)?authorization|server-timing)$/,
  // RateLimit, X-RateLimit-*, X-Rate-Limit-*, and those with a name before or behind it.
  /rate-?limit|(?:^|-)(?:quotas?|credits?|throttl[a-z]*)(?:-|$)/,
  /(?:^|-)(?:account|billing|customer|organization|project|tenant)(?:-|$)/,
  /^(?:alt-svc|clear-site-data|nel|report-to|reporting-endpoints|service-worker-allowed|strict-transport-security)$/,
]

/** Takes out of an upstream's answer what is meant for the seller, and every header that holds a secret of theirs. */
export function withoutSellers(headers: Headers, { secrets }: Pick<Upstream, 'secrets'>): void {
  for (const [name, value] of [...headers]) {
    const spelt = name.replaceAll('_', '-')
    const line = `${name}: ${value}`.toLowerCase()
    const isMeant = TO_THE_SELLER.some((known) => known.test(spelt))
    if (isMeant || secrets.some((secret) => line.includes(secret))) headers.delete(name)
  }
}

/** Names of an answer's headers of which something may have to be taken out, or changed. */
const isTouched = remembered(
  (name: string) => isOurs(name) || /^(?:www-authenticate|set-cookie|clear-site-data|location)$/.test(name),
)

/** Whether an origin's answer says nothing that only newsstand may say: it goes out as it came. */
export const isClean = (headers: Headers): boolean => ![...headers.keys()].some(isTouched)

/** Takes out of an origin's answer what only newsstand may say, and what takes the reader's pass away. */
export function withoutClaims(headers: Headers, ourCookies: readonly string[]): void {
  for (const name of [...headers.keys()]) if (isOurs(name)) headers.delete(name)
  // A program would pay whoever it names.
  if (isOfScheme(headers.get('WWW-Authenticate'))) headers.delete('WWW-Authenticate')
  const cookies = headers.getSetCookie()
  // What has none of ours is not written anew: its bytes may be no text.
  if (cookies.some((cookie) => ourCookies.includes(nameOf(cookie)))) {
    headers.delete('Set-Cookie')
    for (const cookie of cookies) if (!ourCookies.includes(nameOf(cookie))) headers.append('Set-Cookie', cookie)
  }
  const cleared = (headers.get('Clear-Site-Data') ?? '').split(',').map((part) => part.trim())
  const harmless = cleared.filter((part) => !/^"?(?:cookies|\*)"?$/i.test(part))
  if (harmless.length === cleared.length) return
  headers.delete('Clear-Site-Data')
  if (harmless.length > 0) headers.set('Clear-Site-Data', harmless.join(', '))
}

/** The name a browser sends a cookie back under: one without a name is sent as its value alone, and that reads as a name. */
const nameOf = (cookie: string): string => /^[\s=]*([^=;]*)/.exec(cookie)?.[1]?.trim() ?? ''

/** Encodings (RFC 9110 §8.4) that the platform decodes when a body is read, in this spelling only. */
const DECODED = ['gzip', 'br']

export const isDecoded = (encoding: string | null): boolean => encoding !== null && DECODED.includes(encoding)

/** What is left of `Accept-Encoding` for a body that is looked into before it is sold. */
const decodable = (accepted: string): string =>
  accepted
    .split(',')
    .filter((part) => /^\s*(?:gzip|br|identity)\s*(?:;|$)/i.test(part))
    .join(',')
    .trim() || 'identity'

/**
 * Where a redirect of the origin at `base` leads at `site`. What lies outside of `base` is not ours, and stays as it is;
 * an origin that knows the site's name but not its own base path is understood as well.
 */
export function locationAt(site: string, base: string, location: string): string {
  const { origin, pathname } = new URL(base)
  const basePath = pathname === '/' ? '' : pathname
  const [, authority = '', rest = ''] = /^((?:https?:)?\/\/[^/?#\\]*)?(.*)$/is.exec(location) ?? []
  const target = authority === '' ? origin : originAt(authority, base)
  if (target !== origin && (target !== site || basePath === '')) return location
  if (authority === '' && basePath === '') return location
  if (!rest.startsWith(basePath)) return location
  const below = rest.slice(basePath.length)
  if (!/^(?:[/?#]|$)/.test(below)) return location
  // With the site's name: `//` at the start of a path alone would name another site.
  return `${site}${below.startsWith('/') ? '' : '/'}${below}`
}

function originAt(authority: string, base: string): string | null {
  return URL.canParse(authority, base) ? new URL(authority, base).origin : null
}

/** What an answer says of its very bytes (RFC 9530, and before): untrue of a page that is changed. */
export const OF_THE_BYTES = ['Content-Length', 'Content-Digest', 'Repr-Digest', 'Digest', 'Content-MD5']

/** The same answer, to be changed: with its WebSocket, and encoded or not as it is. `as`: what is kept of it. */
export const copyOf = (response: Response, as: ResponseInit = response): Response =>
  new Response(NULL_BODY.includes(response.status) ? null : response.body, as)

/** Statuses that have no body (Fetch standard). */
const NULL_BODY = [101, 204, 205, 304]
