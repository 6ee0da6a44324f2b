// The tokens that a site's prices are paid in: on each network the first of each currency. Pure.
import type { Config } from '../../src/config.ts'
import {
  type Asset,
  assetAt,
  type Eip3009Asset,
  offeredOn,
  type Permit2Asset,
  type SvmAsset,
} from '../../src/x402/assets.ts'

/** Whether a token is one of `ASSETS`, which nobody here has tested. */
export const isOwn = ({ network, asset }: Asset): boolean => assetAt(network, asset) === undefined

/** Where a token is written. */
export const settingOf = (token: Asset, { networks }: Config): string =>
  isOwn(token)
    ? `ASSETS.${token.network}`
    : `NETWORKS[${networks.findIndex(({ network }) => network === token.network)}]`

/** What routes are sold in, and the site's own tokens that are offered: an article may have a price of its own in them. */
function tokensSold({ networks, tokens, rules }: Config): Asset[] {
  const prices = rules.flatMap((rule) => [rule.price, ...[...rule.offers, ...rule.prices].map(({ price }) => price)])
  const currencies = new Set(prices.flatMap((price) => (price === 'free' ? [] : price.map(({ currency }) => currency))))
  return offeredOn(networks, tokens).filter((token) => currencies.has(token.currency) || isOwn(token))
}

export const mintsSold = (config: Config): SvmAsset[] => tokensSold(config).filter((token) => token.kind === 'svm')

export const permitTokensSold = (config: Config): Permit2Asset[] =>
  tokensSold(config).filter((token) => token.kind === 'permit2')

/** By network, at least one for each: its chain is asked where nothing has a price yet. */
export function evmTokensSold(config: Config): Eip3009Asset[][] {
  const sold = tokensSold(config)
  return config.networks.flatMap(({ network }) => {
    const isThere = (token: Asset): token is Eip3009Asset => token.kind === 'eip3009' && token.network === network
    const own = sold.filter(isThere)
    const tokens = own.length > 0 ? own : config.tokens.filter(isThere).slice(0, 1)
    return tokens.length > 0 ? [tokens] : []
  })
}
