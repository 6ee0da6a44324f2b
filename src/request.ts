// What a request says before policy looks at it: its site, its path in one spelling, its country, its payment.
import type { Config } from './config.ts'
import { fail, ok, type Result } from './errors.ts'
import type { RequestFacts } from './policy/policy.ts'
import { canonicalPath } from './policy/rules.ts'
import { decodePayment } from './x402/codec.ts'
import type { Payment } from './x402/payment.ts'

/** What a request asks for, and all that policy may look at. */
export type Target = {
  /** Canonical origin of the site. */
  site: string
  /** Canonical path. */
  path: string
  /** Path with the trailing slash the client sent, and query as sent: what the origin is asked for. */
  originPath: string
  query: string
  facts: RequestFacts
}

/** `misdirected_request` for a host that is not served; `invalid_path` for a path that can be read in two ways. */
export function targetOf(request: Request, config: Config): Result<Target> {
  const site = siteOf(request, config)
  if (site === null) return fail({ code: 'misdirected_request' })
  const { rawPath, query } = splitUrl(request.url)
  const canonical = canonicalPath(rawPath)
  if (!canonical.ok) return canonical
  const path = canonical.value
  return ok({
    site,
    path,
    originPath: path !== '/' && rawPath.endsWith('/') ? `${path}/` : path,
    query,
    facts: {
      host: new URL(site).host,
      method: request.method,
      path,
      query: new URLSearchParams(query),
      header: (name) => request.headers.get(name),
      country: countryOf(request),
    },
  })
}

/** The site a request is for: the only one, or the listed one that `Host` picks; null for a host that is not listed. */
export function siteOf(request: Request, config: Config): string | null {
  if (!config.hostPicksSite) return config.sites[0] ?? null
  const { host } = new URL(request.url)
  return config.sites.find((site) => new URL(site).host === host) ?? null
}

/** Path and query exactly as sent: a URL parser would resolve the very spellings that must be refused. */
function splitUrl(url: string): { rawPath: string; query: string } {
  const [, rawPath = '', query = ''] = /^[a-z]+:\/\/[^/?#]*([^?#]*)(\?[^#]*)?/i.exec(url) ?? []
  return { rawPath: rawPath || '/', query }
}

/** As Cloudflare found it; a header could come from anybody. */
function countryOf(request: Request): string | null {
  const country = request.cf?.country
  return typeof country === 'string' ? country : null
}

/** The payment in its headers, well-formed or an error; null where there is none. */
export const readPayment = (request: Request): Result<Payment | null> =>
  decodePayment({
    paymentSignature: request.headers.get('PAYMENT-SIGNATURE'),
    xPayment: request.headers.get('X-PAYMENT'),
  })

/** Methods that only read: their content is fetched before it is paid for. */
export const isSafe = (method: string): boolean => method === 'GET' || method === 'HEAD'

/** Asks for a WebSocket (RFC 6455 §4.1). */
export const isUpgrade = (request: Request): boolean =>
  (request.headers.get('Upgrade') ?? '').split(',').some((name) => name.trim().toLowerCase() === 'websocket')
