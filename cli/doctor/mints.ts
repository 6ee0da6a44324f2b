// The tokens that a site's prices are paid in: of each network the first of each currency. Pure.
import type { Config } from '../../src/config.ts'
import { type Asset, offeredOn, type Permit2Asset, type SvmAsset } from '../../src/x402/assets.ts'

function tokensSold({ networks, tokens, rules }: Config): Asset[] {
  const prices = rules.flatMap((rule) => [rule.price, ...[...rule.offers, ...rule.prices].map(({ price }) => price)])
  const currencies = new Set(prices.flatMap((price) => (price === 'free' ? [] : price.map(({ currency }) => currency))))
  return offeredOn(networks, tokens).filter(({ currency }) => currencies.has(currency))
}

export const mintsSold = (config: Config): SvmAsset[] =>
  tokensSold(config).flatMap((asset) => (asset.kind === 'svm' ? asset : []))

export const permitTokensSold = (config: Config): Permit2Asset[] =>
  tokensSold(config).flatMap((asset) => (asset.kind === 'permit2' ? asset : []))
