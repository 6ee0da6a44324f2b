// The mints that a site's prices are paid in on Solana: the first of each currency. Pure.
import type { Config } from '../../src/config.ts'
import { assetsOn, type SvmAsset } from '../../src/x402/assets.ts'

export function mintsSold({ networks, tokens, rules }: Config): SvmAsset[] {
  const prices = rules.flatMap((rule) => [rule.price, ...[...rule.offers, ...rule.prices].map(({ price }) => price)])
  const currencies = new Set(prices.flatMap((price) => (price === 'free' ? [] : price.map(({ currency }) => currency))))
  return networks.flatMap(({ network }) =>
    [...currencies].flatMap((currency) => {
      const first = assetsOn(network, tokens).find((asset) => asset.currency === currency)
      return first?.kind === 'svm' ? first : []
    }),
  )
}
