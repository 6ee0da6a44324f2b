// What a request says before policy looks at it: its site, its path in one spelling, its country, its payment.
import type { Config } from './config.ts'
import { fail, ok, type Result } from './errors.ts'
import { canonicalPath } from './policy/paths.ts'
import type { RequestFacts } from './policy/policy.ts'
import { identifyingQuery } from './policy/query.ts'
import { hostOf, pathAndQueryOf, type Resource } from './policy/scope.ts'
import { decodePayment } from './x402/codec.ts'
import { decodeCredential, isOfScheme } from './x402/mpp.ts'
import type { Payment } from './x402/payment.ts'

/** What a request asks for, and all that policy may look at. */
export type Target = {
  /** Canonical origin of the site. */
  site: string
  /** What the origin is asked for where it is sold: the path with the trailing slash the client sent. */
  originPath: string
  facts: RequestFacts
  /** Whether Markdown is asked for: by `Accept`, or by an address of its own. */
  markdown: 'accepted' | 'addressed' | null
}

/** `misdirected_request` for a host that is not served; `invalid_path` for what is no path. */
export function targetOf(request: Request, config: Config): Result<Target> {
  const site = siteOf(request, config)
  if (site === null) return fail({ code: 'misdirected_request' })
  const { rawPath, query } = splitUrl(request.url)
  const canonical = canonicalPath(rawPath)
  if (!canonical.ok && !rawPath.startsWith('/')) return canonical
  const path = canonical.ok ? canonical.value : rawPath
  return ok({
    site,
    originPath: canonical.ok && path !== '/' && rawPath.endsWith('/') ? `${path}/` : path,
    facts: {
      host: hostOf(site),
      method: request.method,
      path,
      isCanonical: canonical.ok,
      rawPath,
      query,
      header: (name) => request.headers.get(name),
      // Looked at where a price depends on it: what Cloudflare found is parsed each time.
      get country() {
        return countryOf(request)
      },
    },
    markdown: null,
  })
}

/** The site a request is for: the only one, or the listed one that `Host` picks; null for a host that is not listed. */
export function siteOf(request: Request, config: Config): string | null {
  if (!config.hostPicksSite) return config.sites[0] ?? null
  const { host } = new URL(request.url)
  return config.sites.find((site) => hostOf(site) === host) ?? null
}

/** Path and query exactly as sent, "" for what is no URL: a parser would resolve the very spellings that matter. */
function splitUrl(url: string): { rawPath: string; query: string } {
  const [isUrl, rawPath = '', query = ''] = /^[a-z]+:\/\/[^/?#]*([^?#]*)(\?[^#]*)?/i.exec(url) ?? []
  return { rawPath: rawPath || (isUrl ? '/' : ''), query }
}

/** As Cloudflare found it; a header could come from anybody. */
function countryOf(request: Request): string | null {
  const country = request.cf?.country
  return typeof country === 'string' ? country : null
}

/** The payment in its headers, well-formed or an error; null where there is none. It is sent in one dialect. */
export function readPayment(request: Request): Result<Payment | null> {
  const { headers } = request
  if (!hasCredential(request))
    return decodePayment({ paymentSignature: headers.get('PAYMENT-SIGNATURE'), xPayment: headers.get('X-PAYMENT') })
  if (isOfX402(request)) return fail({ code: 'invalid_payload', why: 'payments in two dialects' })
  return decodeCredential({
    authorization: headers.get('Authorization'),
    paymentAuthorization: headers.get('Payment-Authorization'),
    idempotencyKey: headers.get('Idempotency-Key'),
  })
}

const isOfX402 = ({ headers }: Request) => headers.has('PAYMENT-SIGNATURE') || headers.has('X-PAYMENT')

/** Whether a credential of the `Payment` scheme was sent. */
const hasCredential = ({ headers }: Request) =>
  headers.has('Payment-Authorization') || isOfScheme(headers.get('Authorization'))

/** Whether anything that claims to be a payment was sent. */
export const isPaying = (request: Request): boolean => isOfX402(request) || hasCredential(request)

/** Whether `Authorization` says something else than a payment: a credential has to go beside it. */
export const isAuthorized = ({ headers }: Request): boolean =>
  headers.has('Authorization') && !isOfScheme(headers.get('Authorization'))

/**
 * Whether a payment names another page of the site than the one it is sent for: by canonical path and query, without
 * tracking parameters. Hosts are left out of it; and a long challenge leaves the query out of its URL.
 *
 * @param named `resource.url` as the client sent it; what is no address names nothing
 * @param isStored what is stored is one thing with any query
 */
export function namesAnother(named: string, resource: Resource, isStored: boolean): boolean {
  const { rawPath, query } = splitUrl(named.startsWith('/') ? resource.site + named : named)
  if (rawPath === '') return false
  const path = canonicalPath(rawPath)
  if ((path.ok ? path.value : rawPath) !== resource.path) return true
  const wanted = identifyingQuery(query)
  if (isStored || !wanted.ok) return !isStored
  return resource.path + wanted.value !== pathAndQueryOf(resource.id) && wanted.value !== ''
}

/** Methods that only read: what they ask for is in hand before it is paid for. */
export const isSafe = (method: string): boolean => method === 'GET' || method === 'HEAD'

/**
 * Whether a script of another origin asks, whose browser keeps no cookie of ours. No browser leaves `Origin` out there, and
 * none lets a page write it.
 */
export function isFromElsewhere({ headers }: Request, site: string): boolean {
  const origin = headers.get('Origin')
  return origin !== null && origin !== site && headers.get('Sec-Fetch-Site') !== 'same-origin'
}

/** Asks for a WebSocket (RFC 6455 §4.1). */
export const isUpgrade = (request: Request): boolean =>
  (request.headers.get('Upgrade') ?? '').split(',').some((name) => name.trim().toLowerCase() === 'websocket')

/** Whether a browser opens the answer as a page of its own, as far as is known. Who only asks for a price gets no page. */
export function isForDocument({ method, headers }: Request): boolean {
  const dest = headers.get('Sec-Fetch-Dest')
  return method === 'GET' && (dest === null || dest === 'document')
}

/** What of a request may choose a page's language and form, and nothing that says who asks; and whether it came from here. */
const IMPERSONAL = ['Accept', 'Accept-Language', 'User-Agent', 'X-Newsstand-Hop']

/**
 * The same request as if by nobody: a whole page is asked for, without cookies, keys, conditions and ranges.
 *
 * @param more names of headers by which the page may be another
 */
export function withoutReader({ url, headers }: Request, more: readonly string[]): Request {
  const said = [...IMPERSONAL, ...more].flatMap((name): [string, string][] => {
    const value = headers.get(name)
    return value === null ? [] : [[name, value]]
  })
  return new Request(url, { headers: new Headers(said), redirect: 'manual' })
}

/** Headers that pay, sign in or open something: who sends one is no visitor without anything. */
const CLAIMS = ['Authorization', 'Payment-Authorization', 'PAYMENT-SIGNATURE', 'X-PAYMENT', 'SIGN-IN-WITH-X']

export const claimsNothing = ({ headers }: Request): boolean => !CLAIMS.some((name) => headers.has(name))
