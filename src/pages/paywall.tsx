// The page of a 402: what it is, what it costs, how to pay.
import { formatPrice } from '../policy/rules.ts'
import { Page } from './page.tsx'

export type PaywallView = {
  brand: string
  title: string
  teaser: string | null
  /** Why this page is shown again after a payment; null on the first visit. */
  problem: string | null
  offers: readonly { name: string | null; micros: bigint; accessSeconds: number }[]
  networks: readonly string[]
  resourceUrl: string
}

export const paywallPage = (view: PaywallView): string =>
  (
    <Page title={view.title} brand={view.brand}>
      <h1>{view.title}</h1>
      {view.teaser === null ? null : <p>{view.teaser}</p>}
      {view.problem === null ? null : <p role="alert">{view.problem}</p>}
      <h2>What it costs</h2>
      <ul>
        {view.offers.map((offer) => (
          <li>
            <strong class="price">{formatPrice(offer.micros)}</strong> {offer.name ?? 'This page'}{' '}
            <span class="quiet">{accessInWords(offer.accessSeconds)}</span>
          </li>
        ))}
      </ul>
      <h2>How to pay</h2>
      <p>
        In USDC on {view.networks.join(' or ')}, with any x402 client. No account is needed, and nothing is charged
        unless the page is delivered.
      </p>
      <p class="quiet">
        <code>{view.resourceUrl}</code>
      </p>
    </Page>
  ).toString()

function accessInWords(seconds: number): string {
  if (seconds === 0) return 'once'
  const [count, unit] =
    seconds % 86_400 === 0
      ? [seconds / 86_400, 'day']
      : seconds % 3600 === 0
        ? [seconds / 3600, 'hour']
        : [seconds / 60, 'minute']
  return `for ${count} ${unit}${count === 1 ? '' : 's'}`
}
