// The page of a 402: what it is, what it costs, what will be signed, and how to pay. It explains itself without script;
// the script reads what it needs from the page.
import { CHECKOUT } from '../browser/checkout.gen.ts'
import { ELSEWHERE } from '../browser/elsewhere.gen.ts'
import { SOLANA } from '../browser/solana.gen.ts'
import type { Refusal } from '../errors.ts'
import type { Kind } from '../policy/article.ts'
import type { Sale } from '../policy/policy.ts'
import { formatAmounts } from '../policy/rules.ts'
import { scriptAddress } from '../wall/csp.ts'
import { type Asset, type Currency, type Network, namespaceOf, offeredOn } from '../x402/assets.ts'
import { messageOf } from './error.tsx'
import { Footer } from './footer.tsx'
import { type Brand, data, type Page, render } from './page.tsx'
import type { Strings, Unit } from './strings/strings.ts'

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

const publisherOf = ({ brand, resourceUrl }: PaywallView) => brand.name || new URL(resourceUrl).host

export function paywallPage(view: PaywallView): Promise<Page> {
  const { brand, strings, title, teaser, challenge } = view
  const publisher = publisherOf(view)
  return render({
    lang: strings.lang,
    brand,
    title,
    head: <Preview view={view} publisher={publisher} />,
    footer: <Footer brand={brand} strings={strings} />,
    ...(challenge === null ? {} : { script: { ...CHECKOUT, loads: loadedScripts(view) } }),
    children: (
      <>
        <article>
          <h1 dir="auto">{title}</h1>
          {teaser === null ? null : (
            <p dir="auto" class="teaser more">
              {teaser}
            </p>
          )}
        </article>
        <Card view={view} />
      </>
    ),
  })
}

const onSolana = ({ network }: Network): boolean => namespaceOf(network) === 'solana'

/** Addresses of what the script may load: its parts, from the origin that the reader's browser knows. */
export function loadedScripts({ networks, resourceUrl, origin }: PaywallView): string[] {
  const parts = [ELSEWHERE, ...(networks.some(onSolana) ? [SOLANA] : [])]
  const sites = [new URL(resourceUrl).origin, origin]
  return [...new Set(sites.flatMap((site) => parts.flatMap(({ path }) => scriptAddress(path, site) ?? [])))]
}

/** What is on sale and how to pay for it, with what the script needs. */
export const Card = ({ view }: { view: PaywallView }) => {
  const { strings, refused, challenge } = view
  const { pay } = strings
  const publisher = publisherOf(view)
  const tokens = tokensOf(view)
  const forPrograms = tokens.filter(({ kind }) => kind === 'permit2')
  const isForWallets = challenge !== null && forPrograms.length < tokens.length
  return (
    <>
      <section class="card paywall" aria-labelledby="offers">
        <h2 id="offers">{pay.heading[view.kind]}</h2>
        {refused.code === 'payment_required' ? null : (
          <p class="problem" role="alert">
            {messageOf(refused, strings)}
          </p>
        )}
        <Offers view={view} />
        {challenge === null ? null : <Currencies view={view} />}
        <p id="status" role="status" tabindex={-1}></p>
        <div id="wallets">{challenge === null ? null : <Stuck view={view} />}</div>
        {challenge === null ? <p>{pay.notByPage}</p> : null}
        <p class="quiet">
          {isForWallets ? `${pay.terms(publisher)} ` : ''}
          {takenOn(tokens, pay)} {forPrograms.length === 0 ? '' : `${pay.permit2(symbolsIn(forPrograms))} `}
          {forPrograms.length < tokens.length ? pay.programs : ''}
        </p>
      </section>
      {challenge === null ? null : (
        <script id="checkout" type="application/json">
          {data({
            challenge,
            resource: view.resourceUrl,
            isLasting: view.offers.map((offer) => offer.accessSeconds > 0),
            names: view.offers.map((offer) => offer.name),
            tokens: shownOf(view),
            networks: view.networks.filter((network) => hasWallets(network, view)).map(forWallets),
            solana: view.networks.some(onSolana) ? SOLANA.path : null,
            elsewhere: ELSEWHERE.path,
            topup: topUpOf(view),
            texts: strings.checkout,
          })}
        </script>
      )}
    </>
  )
}

/** The currencies that something is on sale for. */
const currenciesOf = ({ offers }: PaywallView): Currency[] => [
  ...new Set(offers.flatMap(({ amounts }) => amounts.map(({ currency }) => currency))),
]

/** The tokens that what is on sale here can be paid with. */
function tokensOf(view: PaywallView): Asset[] {
  const sold = currenciesOf(view)
  return offeredOn(view.networks, view.tokens).filter(({ currency }) => sold.includes(currency))
}

/** Which tokens can be paid with here, and on which networks: those of the same networks in one sentence. */
function takenOn(taken: readonly Asset[], pay: Strings['pay']): string {
  const symbols = [...new Set(taken.map(({ symbol }) => symbol))]
  const placesOf = (symbol: string) => [...new Set(taken.flatMap((one) => (one.symbol === symbol ? one.name : [])))]
  const byPlaces = Map.groupBy(symbols, (symbol) => placesOf(symbol).join(', '))
  return [...byPlaces].map(([places, tokens]) => pay.networks(tokens.join(', '), places)).join(' ')
}

const symbolsIn = (tokens: readonly Asset[]): string => [...new Set(tokens.map(({ symbol }) => symbol))].join(', ')

/** Where test money comes from: its issuer's own faucet. */
const FAUCET = 'https://faucet.circle.com/'

/** Where a reader whose wallet holds too little may get more; null where nobody says. */
function topUpOf({ brand, networks, resourceUrl }: PaywallView): string | null {
  if (networks.some(({ isTest }) => isTest)) return FAUCET
  return brand.topup && new URL(brand.topup, resourceUrl).href
}

/** What the script says of a token by its network and address: one address may be two tokens on two networks. */
const shownOf = ({
  networks,
  tokens,
}: PaywallView): Record<string, [symbol: string, currency: Currency, decimals: number]> =>
  Object.fromEntries(
    offeredOn(networks, tokens).map(({ network, asset, symbol, currency, decimals }) => [
      `${network} ${asset}`,
      [symbol, currency, decimals],
    ]),
  )

/** What stands there until the script runs, and stays where it does not. */
const Stuck = ({ view: { strings, resourceUrl } }: { view: PaywallView }) => (
  <div class="stuck">
    <p>{strings.pay.noScript}</p>
    <a class="button plain" href={resourceUrl}>
      {strings.pay.reload}
    </a>
  </div>
)

/** Whether the page can pay in a token of a network; by Permit2 it cannot. */
const hasWallets = (network: Network, { tokens }: PaywallView): boolean =>
  offeredOn([network], tokens).some(({ kind }) => kind !== 'permit2')

/** What a wallet has to be told of a network; on Solana the name by which it knows it (wallet-standard). */
const forWallets = ({ network, name, isTest, rpcUrl }: Network) =>
  namespaceOf(network) === 'solana'
    ? { network, name, chain: isTest ? 'solana:devnet' : 'solana:mainnet' }
    : { network, name, rpcUrl, currency: NATIVE[network] ?? 'ETH' }

/** A network's own currency, where that is not ether: a wallet that does not know the network has to be told. */
const NATIVE: Record<string, string> = {
  'eip155:137': 'POL',
  'eip155:80002': 'POL',
  'eip155:43114': 'AVAX',
  'eip155:43113': 'AVAX',
}

const Offers = ({ view: { offers, strings, kind } }: { view: PaywallView }) => (
  <fieldset>
    <legend>{offers.length === 1 ? strings.pay.offer : strings.pay.offers}</legend>
    {offers.map((offer, i) => (
      <label class="offer">
        <input type="radio" name="offer" value={String(i)} checked={i === 0} hidden={offers.length === 1} />
        <span>
          <span dir="auto">{offer.name ?? strings.pay.thisOne[kind]}</span>
          <small>{terms(offer, strings)}</small>
        </span>
        <strong class="price">{formatAmounts(offer.amounts)}</strong>
      </label>
    ))}
  </fieldset>
)

/** What to pay in, where there is a choice: the script fills it in and shows it, once it knows what the wallets can pay. */
const Currencies = ({ view }: { view: PaywallView }) => {
  const currencies = currenciesOf(view)
  return currencies.length < 2 ? null : (
    <fieldset hidden>
      <legend>{view.strings.pay.currencies}</legend>
      <div class="ways">
        {currencies.map((currency) => (
          <label>
            <input type="radio" name="currency" value={currency} />
            <span></span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}

function terms({ accessSeconds, scope }: Sale, { pay }: Strings): string {
  const access = accessSeconds === 0 ? pay.once : pay.lasting(...inUnits(accessSeconds))
  return scope === null ? access : `${pay.section(scope.replace(/\*$/, ''))}, ${access}`
}

function inUnits(seconds: number): [count: number, unit: Unit] {
  if (seconds % 86_400 === 0) return [seconds / 86_400, 'day']
  return seconds % 3600 === 0 ? [seconds / 3600, 'hour'] : [seconds / 60, 'minute']
}

/** What search engines and link previews read: that there is an article here, and that it is paid for. */
const Preview = ({ view, publisher }: { view: PaywallView; publisher: string }) => {
  const { title, description, resourceUrl } = view
  const article = {
    '@context': 'https://schema.org',
    '@type': 'Article',
    headline: title,
    ...(description === '' ? {} : { description }),
    url: resourceUrl,
    publisher: { '@type': 'Organization', name: publisher },
    isAccessibleForFree: false,
    hasPart: { '@type': 'WebPageElement', isAccessibleForFree: false, cssSelector: '.paywall' },
  }
  return (
    <>
      {description === '' ? null : <meta name="description" content={description} />}
      <link rel="canonical" href={resourceUrl} />
      <meta property="og:type" content="article" />
      <meta property="og:title" content={title} />
      {description === '' ? null : <meta property="og:description" content={description} />}
      <meta property="og:url" content={resourceUrl} />
      <meta property="og:site_name" content={publisher} />
      <script type="application/ld+json">{data(article)}</script>
    </>
  )
}
