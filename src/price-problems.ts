// Prices of a route that each are right by themselves, and that nobody could pay, tell apart or fit into a challenge.
import type { Route } from './policy/routes.ts'
import { formatAmounts, formatPrice, isSameAmount, type Money, microsOf, type Price, unitsOf } from './policy/rules.ts'
import type { ConfigProblem } from './settings.ts'
import { type Asset, type Network, offeredOn } from './x402/assets.ts'
import { MOST_OFFERS } from './x402/codec.ts'

/** `at`: where the route is written. */
export function priceProblems(
  route: Route,
  networks: readonly Network[],
  tokens: readonly Asset[],
  at: string,
): ConfigProblem[] {
  const { price, prices = [], offers = [] } = route
  const problems: ConfigProblem[] = []
  const sold = [price, ...offers.map((offer) => offer.price)].filter((amounts) => amounts !== 'free')
  if (sold.some((one, i) => sold.slice(i + 1).some((other) => isSameAmount(one, other)))) {
    problems.push({
      path: `${at}.offers`,
      message: 'two offers have the same price, and a payment could not say which it buys; make them differ',
    })
  }
  const written: [string, Price][] = [
    ['price', price],
    ...prices.map((rule, i): [string, Price] => [`prices[${i}].price`, rule.price]),
    ...offers.map((offer, i): [string, Price] => [`offers[${i}].price`, offer.price]),
  ]
  for (const [path, amounts] of written) {
    for (const money of amounts === 'free' ? [] : amounts) {
      const message = inexact([money], networks, tokens) ?? unpayable([money], networks, tokens)
      if (message !== null) problems.push({ path: `${at}.${path}`, message })
    }
  }
  const waysOf = (amounts: Price) => (amounts === 'free' ? 0 : tokensFor(amounts, networks, tokens).length)
  const own = Math.max(...[price, ...prices.map((rule) => rule.price)].map(waysOf))
  if (offers.reduce((sum, offer) => sum + waysOf(offer.price), own) > MOST_OFFERS) {
    problems.push({
      path: at,
      message: `prices times networks are more than ${MOST_OFFERS}, too many for a header; name fewer offers, currencies or NETWORKS`,
    })
  }
  return problems
}

/** What is wrong with a price that some token on offer has too few decimals for; null where each can pay it exactly. */
export function inexact(price: Price, networks: readonly Network[], tokens: readonly Asset[]): string | null {
  for (const { currency, micros } of price === 'free' ? [] : price) {
    const coarse = offeredOn(networks, tokens).find(
      (asset) => asset.currency === currency && unitsOf(micros, asset) === null,
    )
    if (!coarse) continue
    const { symbol, name, decimals } = coarse
    const least = formatPrice({ currency, micros: microsOf(1n, coarse) })
    return `${formatPrice({ currency, micros })} cannot be paid exactly in ${symbol} on ${name}, which has ${decimals} decimals; write a multiple of ${least}`
  }
  return null
}

/** What is wrong with a price of which no amount can be paid in any token of these networks; null where one can. */
export function unpayable(price: Price, networks: readonly Network[], tokens: readonly Asset[]): string | null {
  if (price === 'free' || tokensFor(price, networks, tokens).length > 0) return null
  const advice = 'write a price in another currency, or add a network that has one'
  return inexact(price, networks, tokens) ?? `no network in NETWORKS has a token for ${formatAmounts(price)}; ${advice}`
}

/** The tokens these amounts can be paid in. */
const tokensFor = (amounts: readonly Money[], networks: readonly Network[], tokens: readonly Asset[]) =>
  offeredOn(networks, tokens).filter((asset) =>
    amounts.some(({ currency, micros }) => currency === asset.currency && unitsOf(micros, asset) !== null),
  )
