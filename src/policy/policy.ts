// Who pays what: request facts and rules in, a decision out. It does not fetch, and does not know the wire.
import { fail, ok, type Result } from '../errors.ts'
import type { Asset } from '../x402/assets.ts'
import { type Offer, offerOf } from '../x402/payment.ts'
import { type ExtraOffer, matchesLoosely, matchesPattern, type Price, type Rule } from './rules.ts'

/** What policy may look at. `path` is canonical, `country` is ISO 3166-1 alpha-2 as Cloudflare found it. */
export type RequestFacts = {
  host: string
  method: string
  path: string
  query: URLSearchParams
  header: (name: string) => string | null
  country: string | null
}

/** One thing on sale, still without network and payee. `scope` null is the requested resource itself. */
export type Sale = {
  name: string | null
  micros: bigint
  accessSeconds: number
  scope: string | null
}

/** `variant`: the headers that made the price, as part of a resource's identity; '' where none did. */
export type Decision = { kind: 'open' } | { kind: 'free' | 'gated'; rule: Rule; price: Price; variant: string }

/** HEAD shares the gate of GET, so that it never shows the headers of unpaid content. */
const gateMethod = (method: string) => (method === 'HEAD' ? 'GET' : method)

/**
 * The first rule that matches decides. `invalid_path` for a path that other software could read as a path of another rule
 * (other case, `;parameters`, trailing dots, compatibility characters).
 */
export function decide(facts: RequestFacts, rules: readonly Rule[]): Result<Decision> {
  const method = gateMethod(facts.method)
  const inReach = rules.filter(
    (candidate) =>
      (candidate.host === null || candidate.host === facts.host) &&
      // A preflight asks for every method of the path; it is answered without content.
      (candidate.methods === null || method === 'OPTIONS' || candidate.methods.includes(method)),
  )
  const rule = inReach.find((candidate) => matchesPattern(candidate.path, facts.path))
  const loose = inReach.find((candidate) => matchesLoosely(candidate.path, facts.path))
  if (rule !== loose) return fail({ code: 'invalid_path' })
  if (!rule) return ok({ kind: 'open' })
  const priced = rule.prices.flatMap(({ query }) => Object.keys(query))
  // `?full=0&full=1`: software differs in which of the two it reads, so price and content could differ.
  if (priced.some((name) => new Set(facts.query.getAll(name)).size > 1)) return fail({ code: 'invalid_path' })
  const entry = rule.prices.find((candidate) => applies(candidate, facts))
  const price = entry?.price ?? rule.price
  return ok({ kind: price === 'free' ? 'free' : 'gated', rule, price, variant: variantOf(entry) })
}

function applies(entry: Rule['prices'][number], facts: RequestFacts): boolean {
  return (
    Object.entries(entry.query).every(([name, value]) => facts.query.get(name) === value) &&
    Object.entries(entry.header).every(([name, value]) => facts.header(name) === value) &&
    (entry.country.length === 0 || (facts.country !== null && entry.country.includes(facts.country)))
  )
}

/** What was bought at one price must not open what the same address shows, for other headers, at another price. */
function variantOf(entry: Rule['prices'][number] | undefined): string {
  const headers = new URLSearchParams(entry?.header).toString()
  return headers === '' ? '' : `#${headers}`
}

/** Request headers on which the price at a route depends: what is free for one visitor must not be kept for another. */
export const priceHeaders = (rule: Rule): string[] =>
  rule.prices.flatMap(({ header, country }) => [
    ...Object.keys(header),
    ...(country.length > 0 ? ['CF-IPCountry'] : []),
  ])

/**
 * What is on sale at one resource: the resource itself, and the route's offers whose scope covers it. Amounts differ,
 * so that an amount names its offer; where an article's own price equals an offer's, the wider offer stands.
 */
export function salesAt(path: string, price: { micros: bigint }, rule: Rule): Sale[] {
  const extra = rule.offers.filter((offer) => matchesPattern(offer.scope, path)).map(saleOfOffer)
  const own = { name: null, micros: price.micros, accessSeconds: rule.accessSeconds, scope: null }
  return extra.some((sale) => sale.micros === own.micros) ? extra : [own, ...extra]
}

const saleOfOffer = (offer: ExtraOffer): Sale => ({
  name: offer.name,
  micros: offer.price.micros,
  accessSeconds: offer.accessSeconds,
  scope: offer.scope.text,
})

/** The sales on each of a site's networks, in the configured order. All assets have six decimals, as prices do. */
export const saleOffers = (
  sales: readonly Sale[],
  networks: readonly Asset[],
  payTo: string,
  isSafe: boolean,
): Offer[] =>
  sales.flatMap(({ micros, name, accessSeconds, scope }) =>
    networks.map((asset) => {
      const flow = isSafe ? 'authorization' : 'upfront'
      return offerOf(asset, { payTo, amount: micros, name, accessSeconds, scope, flow })
    }),
  )
