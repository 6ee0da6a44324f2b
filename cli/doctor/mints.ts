// The mints that a site's prices are paid in on Solana: the first of each currency. Pure.
import type { Config } from '../../src/config.ts'
import { offeredOn, type SvmAsset } from '../../src/x402/assets.ts'

export function mintsSold({ networks, tokens, rules }: Config): SvmAsset[] {
  const prices = rules.flatMap((rule) => [rule.price, ...[...rule.offers, ...rule.prices].map(({ price }) => price)])
  const currencies = new Set(prices.flatMap((price) => (price === 'free' ? [] : price.map(({ currency }) => currency))))
  return offeredOn(networks, tokens)
    .filter((asset) => asset.kind === 'svm')
    .filter(({ currency }) => currencies.has(currency))
}
