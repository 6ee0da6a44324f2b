// The shape of a parsed route, and prices as amounts of currencies.

import { fail, ok, type Result } from '../errors.ts'
import type { ConfigProblem } from '../settings.ts'
import type { Selector } from '../wall/select.ts'
import type { Asset, Currency } from '../x402/assets.ts'
import type { Pattern } from './paths.ts'
import type { Upstream } from './upstream.ts'

/** A price has at most so many, whatever its tokens have: prices are kept in millionths. */
const DECIMALS = 6

/** An amount in millionths of a currency. */
export type Money = { currency: Currency; micros: bigint }

/** What something costs: one amount for each currency it can be paid in, and whoever pays picks one. The first is shown first. */
export type Amounts = readonly [Money, ...Money[]]

export type Price = 'free' | Amounts

/** What a payment buys: seconds of access; 0 is `"once"`. */
export type AccessSeconds = number

export type PriceRule = {
  query: Record<string, string>
  header: Record<string, string>
  country: readonly string[]
  price: Price
}

export type ExtraOffer = {
  name: string
  price: Amounts
  accessSeconds: AccessSeconds
  scope: Pattern
  /** What it says to a reader, in the publication's language. */
  text: string | null
}

/** The cut in a page: after `keep` paragraphs of `select` (null: the usual places), answered with `status`. */
export type WallRule = { select: Selector | null; keep: number; status: 402 | 200 }

export type Rule = {
  path: Pattern
  /** Observed: everybody is served, and the log says what would have been asked for. */
  isObserved: boolean
  host: string | null
  methods: readonly string[] | null
  price: Price
  prices: readonly PriceRule[]
  accessSeconds: AccessSeconds
  content: 'kv' | 'r2' | 'origin'
  /** Where it is fetched from; null is the site's own origin. A secret that cannot be used stops this route alone. */
  upstream: Result<Upstream, ConfigProblem[]> | null
  description: string
  mimeType: string
  /** Where a page of the publisher's is cut for who has not paid; null shows the plain page. */
  wall: WallRule | null
  offers: readonly ExtraOffer[]
}

const SIGNS: Readonly<Record<Currency, string>> = { USD: '$', EUR: '€' }
/** What to write where a price cannot be read. */
export const PRICE_ADVICE = 'write a price such as "$0.05" or "€0.05", a list with one for each currency, or "free"'

/**
 * `"$0.05"` → millionths of a dollar, by integer arithmetic; `"free"` → `'free'`.
 * The error is what to write instead.
 */
export function parsePrice(text: string): Result<Price, string> {
  return text === 'free' ? ok('free') : parseAmounts([text])
}

/** One amount for each currency: `["$0.05", "€0.05"]`. Nothing is converted. */
export function parseAmounts(texts: readonly string[]): Result<Amounts, string> {
  const amounts: Money[] = []
  for (const text of texts) {
    const amount = parseMoney(text)
    if (!amount.ok) return amount
    if (amounts.some(({ currency }) => currency === amount.value.currency))
      return fail('two prices in one currency; write one for each currency, such as ["$0.05", "€0.05"]')
    amounts.push(amount.value)
  }
  const [first, ...others] = amounts
  return first ? ok([first, ...others]) : fail(PRICE_ADVICE)
}

function parseMoney(text: string): Result<Money, string> {
  const match = /^([$€])(0|[1-9][0-9]{0,8})(?:\.([0-9]+))?$/.exec(text)
  if (!match) return fail(PRICE_ADVICE)
  const [, sign, whole = '0', fraction = ''] = match
  const currency = sign === '€' ? 'EUR' : 'USD'
  if (fraction.length > DECIMALS) {
    return fail(
      `a price has at most ${DECIMALS} decimals, this one has ${fraction.length}; write fewer, e.g. "${sign}0.000001"`,
    )
  }
  const micros = BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(DECIMALS, '0'))
  return micros === 0n ? fail('a price of zero is written "free"') : ok({ currency, micros })
}

/** Millionths as atomic units of a token; null where it has too few decimals for them. Nothing is rounded. */
export function unitsOf(micros: bigint, { decimals }: Pick<Asset, 'decimals'>): bigint | null {
  if (decimals >= DECIMALS) return micros * 10n ** BigInt(decimals - DECIMALS)
  const unit = 10n ** BigInt(DECIMALS - decimals)
  return micros % unit === 0n ? micros / unit : null
}

/** Atomic units of a token as millionths, which is what it was sold for. */
export const microsOf = (units: bigint, { decimals }: Pick<Asset, 'decimals'>): bigint =>
  (units * 10n ** BigInt(DECIMALS)) / 10n ** BigInt(decimals)

/** What something costs in one currency; null where it is not sold in it. */
export const amountIn = (amounts: readonly Money[], currency: Currency): bigint | null =>
  amounts.find((amount) => amount.currency === currency)?.micros ?? null

/** Whether two prices cannot be told apart in some currency. */
export const isSameAmount = (a: readonly Money[], b: readonly Money[]): boolean =>
  a.some(({ currency, micros }) => amountIn(b, currency) === micros)

/** `"$0.05"`, or all of them: `"$0.05 · €0.05"`. */
export const formatAmounts = (amounts: readonly Money[]): string => amounts.map(formatPrice).join(' · ')

/** Millionths of a currency → `"$0.05"`, at least two decimals. */
export const formatPrice = ({ currency, micros }: Money): string => `${SIGNS[currency]}${wholeUnits(micros, DECIMALS)}`

/** Atomic units as exact decimal text, with at least two decimals: `50000n` of six decimals is `0.05`. */
export function wholeUnits(amount: bigint, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, '0')
  const point = digits.length - decimals
  return `${digits.slice(0, point)}.${digits.slice(point).replace(/0+$/, '').padEnd(2, '0')}`
}

const UNIT_SECONDS: Record<string, number> = { m: 60, h: 3600, d: 86_400 }
const LONGEST_ACCESS_SECONDS = 3650 * 86_400

/** `"once"`, `"10m"`, `"24h"`, `"30d"` → seconds. The error is what to write instead. */
export function parseAccess(text: string): Result<AccessSeconds, string> {
  if (text === 'once') return ok(0)
  const match = /^([1-9][0-9]{0,4})([mhd])$/.exec(text)
  const seconds = match ? Number(match[1]) * (UNIT_SECONDS[match[2] ?? ''] ?? 0) : 0
  if (seconds === 0 || seconds > LONGEST_ACCESS_SECONDS) {
    return fail('write "once", or a duration such as "10m", "24h" or "30d"')
  }
  return ok(seconds)
}
