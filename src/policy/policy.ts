// Who pays what: request facts and rules in, a decision out. It does not fetch, and does not know the wire.
import { fail, ok, type Result } from '../errors.ts'
import { type Offer, offerOf, type Way } from '../x402/payment.ts'
import { nearby } from './nearby.ts'
import {
  LONGEST_PATH,
  LONGEST_RAW_PATH,
  matchesAsRead,
  matchesDecoded,
  matchesLoosely,
  matchesPattern,
  readingsOf,
} from './paths.ts'
import { isReadTwoWays, LONGEST_RAW_QUERY } from './query.ts'
import { type Amounts, type ExtraOffer, isSameAmount, type Money, type Price, type Rule, unitsOf } from './rules.ts'

/** What policy may look at. `country` is ISO 3166-1 alpha-2 as Cloudflare found it. */
export type RequestFacts = {
  host: string
  method: string
  /** The canonical path; where there is none, the path as sent. */
  path: string
  isCanonical: boolean
  /** Path and query as sent. */
  rawPath: string
  query: string
  header: (name: string) => string | null
  country: string | null
}

/** One thing on sale, still without network and payee. `scope` null is the requested resource itself. */
export type Sale = {
  name: string | null
  amounts: Amounts
  accessSeconds: number
  scope: string | null
  /** What the publisher says of it. */
  text: string | null
}

/** `variant`: the headers that made the price, as part of a resource's identity; '' where none did. */
export type Decision =
  | { kind: 'open' }
  | { kind: 'free' | 'gated'; rule: Rule; price: Price; variant: string }
  /** Free for everybody for now; `price` is what would have been asked for. */
  | { kind: 'observed'; rule: Rule; price: Price; variant: string }

/** HEAD shares the gate of GET, so that it never shows the headers of unpaid content. */
const gateMethod = (method: string) => (method === 'HEAD' ? 'GET' : method)

/**
 * The first rule that matches decides. An address that other software could take for one behind another rule is refused
 * with `invalid_path`, unless nobody pays behind any of them; so is a priced parameter that can be read in two ways.
 */
export function decide(facts: RequestFacts, rules: readonly Rule[]): Result<Decision> {
  const method = gateMethod(facts.method)
  const isInReach = ({ host, methods }: Rule) =>
    (host === null || host === facts.host) &&
    // A preflight asks for every method of the path; it is answered without content.
    (methods === null || method === 'OPTIONS' || methods.includes(method))
  const near = (path: string) => nearby(rules, path).filter(isInReach)
  const here = near(facts.path)
  const rule = here.find((candidate) => matchesPattern(candidate.path, facts.path))
  const isTooLong = facts.rawPath.length > LONGEST_RAW_PATH
  const refused = fail({ code: isTooLong ? 'uri_too_long' : 'invalid_path' } as const)
  const readings = readingsOf(facts.rawPath)
  if (readings === null && !rules.filter(isInReach).every(isFreeForAll)) return refused
  const others = (readings ?? []).flatMap((reading) => {
    const candidates = reading === facts.path ? here : near(reading)
    return [
      candidates.find((candidate) => matchesDecoded(candidate.path, reading)),
      candidates.find((candidate) => matchesLoosely(candidate.path, reading)),
    ]
  })
  if (others.some((other) => other !== rule) && ![rule, ...others].every(isFreeForAll)) return refused
  if (!rule) return ok({ kind: 'open' })
  if (rule.isObserved) return observed(rule, facts)
  if (isTooLong && !isFreeForAll(rule)) return refused
  // What is stored lies under canonical paths alone, and so does what is asked for with a key of ours; what is sold is
  // named in headers.
  const mayBeOdd =
    rule.content === 'origin' && rule.upstream === null && (isFreeForAll(rule) || /^[!#-[\]-~]+$/.test(facts.path))
  if (!facts.isCanonical && !mayBeOdd) return refused
  const priced = rule.prices.flatMap(({ query }) => Object.entries(query).map(([name, value]) => ({ name, value })))
  if (priced.length > 0 && facts.query.length > LONGEST_RAW_QUERY) return fail({ code: 'uri_too_long' })
  if (isReadTwoWays(facts.query, priced)) return fail({ code: 'invalid_path' })
  const { price, variant } = priceFor(rule, facts)
  return ok({ kind: price === 'free' ? 'free' : 'gated', rule, price, variant })
}

/** An observed route refuses nothing. Where content lies under canonical paths alone, nothing is there under any other. */
function observed(rule: Rule, facts: RequestFacts): Result<Decision> {
  const isStored = rule.content !== 'origin'
  const isNowhere =
    (!facts.isCanonical && (isStored || rule.upstream !== null)) || (isStored && facts.path.length > LONGEST_PATH)
  return isNowhere ? fail({ code: 'not_found' }) : ok({ kind: 'observed', rule, ...priceFor(rule, facts) })
}

/** The price for this request, and which headers made it. */
function priceFor(rule: Rule, facts: RequestFacts): { price: Price; variant: string } {
  const entry = rule.prices.find((candidate) => applies(candidate, facts))
  return { price: entry?.price ?? rule.price, variant: variantOf(entry) }
}

/** Whether nobody pays at this route, and no key of ours is used, or there is none. */
const isFreeForAll = (rule: Rule | undefined) =>
  rule === undefined ||
  (rule.upstream === null && (rule.isObserved || [rule, ...rule.prices].every(({ price }) => price === 'free')))

/** Names of the headers, in small letters, that make the price of a request: those of the one rule that applies. */
export const pricingHeaders = (rule: Rule, facts: RequestFacts): string[] =>
  Object.keys(rule.prices.find((candidate) => applies(candidate, facts))?.header ?? {}).map((name) =>
    name.toLowerCase(),
  )

function applies(entry: Rule['prices'][number], facts: RequestFacts): boolean {
  const query = new URLSearchParams(facts.query)
  return (
    Object.entries(entry.query).every(([name, value]) => query.get(name) === value) &&
    Object.entries(entry.header).every(([name, value]) => facts.header(name) === value) &&
    (entry.country.length === 0 || (facts.country !== null && entry.country.includes(facts.country)))
  )
}

/** What was bought at one price must not open what the same address shows, for other headers, at another price. */
function variantOf(entry: Rule['prices'][number] | undefined): string {
  if (!entry) return ''
  const headers = new URLSearchParams(entry.header).toString()
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
export function salesAt(path: string, price: Amounts, rule: Rule): Sale[] {
  const extra = rule.offers.filter((offer) => matchesAsRead(offer.scope, path)).map(saleOfOffer)
  const own = { name: null, amounts: price, accessSeconds: rule.accessSeconds, scope: null, text: null }
  return extra.some((sale) => isSameAmount(sale.amounts, own.amounts)) ? extra : [own, ...extra]
}

const saleOfOffer = (offer: ExtraOffer): Sale => ({
  name: offer.name,
  amounts: offer.price,
  accessSeconds: offer.accessSeconds,
  scope: offer.scope.text,
  text: offer.text,
})

/**
 * The sales as they can be paid: without amounts that no way takes, and no more than `most` offers. Each sale keeps its
 * first price before any has a second one, so that an article's own list of prices takes no other offer away.
 */
export function payableSales(sales: readonly Sale[], ways: readonly Way[], most: number): Sale[] {
  const counted = sales.flatMap(({ amounts }) =>
    amounts
      .map((amount) => ({ amount, offers: waysFor(amount, ways).length }))
      .filter(({ offers }) => offers > 0)
      .map((entry, rank) => ({ ...entry, rank })),
  )
  let left = most
  const kept = new Set<Money>()
  for (const { amount, offers } of counted.toSorted((a, b) => a.rank - b.rank)) {
    if (offers > left) continue
    left -= offers
    kept.add(amount)
  }
  return sales.flatMap((sale) => {
    const [first, ...others] = sale.amounts.filter((amount) => kept.has(amount))
    return first ? [{ ...sale, amounts: [first, ...others] }] : []
  })
}

/** The ways that can pay exactly this, each with how many atomic units that is. */
const waysFor = ({ currency, micros }: Money, ways: readonly Way[]): { way: Way; amount: bigint }[] =>
  ways.flatMap((way) => {
    const amount = way.asset.currency === currency ? unitsOf(micros, way.asset) : null
    return amount === null ? [] : { way, amount }
  })

/** The sales in each way they can be paid: currency by currency as the price has them, in each the networks in their order. */
export const saleOffers = (sales: readonly Sale[], ways: readonly Way[], isSafe: boolean): Offer[] =>
  sales.flatMap(({ amounts, name, accessSeconds, scope }) =>
    amounts.flatMap((money) =>
      waysFor(money, ways).map(({ way, amount }) => {
        const flow = isSafe ? 'authorization' : 'upfront'
        return offerOf(way, { amount, name, accessSeconds, scope, flow })
      }),
    ),
  )
