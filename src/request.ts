// What a request says before policy looks at it: its site, its path as sent, its country, its payment.
import type { Config } from './config.ts'
import { decodePayment } from './x402/codec.ts'

/** The site a request is for: the only one, or the listed one that `Host` picks; null for a host that is not listed. */
export function siteOf(request: Request, config: Config): string | null {
  if (!config.hostPicksSite) return config.sites[0] ?? null
  const { host } = new URL(request.url)
  return config.sites.find((site) => new URL(site).host === host) ?? null
}

/** Path and query exactly as sent: a URL parser would resolve the very spellings that must be refused. */
export function splitUrl(url: string): { rawPath: string; query: string } {
  const [, rawPath = '', query = ''] = /^[a-z]+:\/\/[^/?#]*([^?#]*)(\?[^#]*)?/i.exec(url) ?? []
  return { rawPath: rawPath || '/', query }
}

/** Cloudflare's own finding; a header could be written by anybody. */
export function countryOf(request: Request): string | null {
  const country = request.cf?.country
  return typeof country === 'string' ? country : null
}

/** The payment in its headers, well-formed or an error; null where there is none. */
export const readPayment = (request: Request) =>
  decodePayment({
    paymentSignature: request.headers.get('PAYMENT-SIGNATURE'),
    xPayment: request.headers.get('X-PAYMENT'),
  })
