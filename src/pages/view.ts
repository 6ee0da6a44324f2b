// What the page of a 402 and the card in a publisher's page are made of, and what follows from it.
import type { Refusal } from '../errors.ts'
import type { Kind } from '../policy/article.ts'
import type { Sale } from '../policy/policy.ts'
import { type Asset, type Currency, type Network, offeredOn } from '../x402/assets.ts'
import type { Brand } from './page.tsx'
import { primary, type Strings, type Unit } from './strings/strings.ts'

export type PaywallView = {
  brand: Brand
  strings: Strings
  title: string
  description: string
  teaser: string | null
  kind: Kind
  /** Why this page is shown again after a payment. */
  refused: Refusal
  offers: readonly Sale[]
  networks: readonly Network[]
  tokens: readonly Asset[]
  /** Canonical address. */
  resourceUrl: string
  /** The origin that was asked, where that is not the canonical one: a proxy may stand between, or not. */
  origin: string
  /** The `PAYMENT-REQUIRED` header; null where a page cannot ask again as the request did. */
  challenge: string | null
}

export const publisherOf = ({ brand, resourceUrl }: PaywallView) => brand.name || new URL(resourceUrl).host

/** The language of the publisher's own words, where it is another than the page's. */
export function quotedIn({ brand: { lang }, strings }: Pick<PaywallView, 'brand' | 'strings'>): string | undefined {
  return lang === null || primary(lang) === primary(strings.lang) ? undefined : lang
}

export const forProgramsAlone = ({ kind }: Asset) => kind === 'permit2'

/** Whether a wallet can pay here in the page. */
export const isForWallets = (view: PaywallView) => view.challenge !== null && !tokensOf(view).every(forProgramsAlone)

/** The currencies that something is on sale for. */
export const currenciesOf = ({ offers }: PaywallView): Currency[] => [
  ...new Set(offers.flatMap(({ amounts }) => amounts.map(({ currency }) => currency))),
]

/** The tokens that what is on sale here can be paid with. */
export function tokensOf(view: PaywallView): Asset[] {
  const sold = currenciesOf(view)
  return offeredOn(view.networks, view.tokens).filter(({ currency }) => sold.includes(currency))
}

/** For how long something opens, in words. */
export const accessOf = ({ accessSeconds }: Pick<Sale, 'accessSeconds'>, { pay }: Strings): string =>
  pay.lasting(...inUnits(accessSeconds))

function inUnits(seconds: number): [count: number, unit: Unit] {
  if (seconds % 86_400 === 0) return [seconds / 86_400, 'day']
  return seconds % 3600 === 0 ? [seconds / 3600, 'hour'] : [seconds / 60, 'minute']
}
