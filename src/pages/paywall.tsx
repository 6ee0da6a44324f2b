// The page of a 402: what it is, what it costs, what will be signed, and how to pay. It explains itself without script;
// the script reads what it needs from the page.
import { CHECKOUT } from '../browser/checkout.gen.ts'
import { ELSEWHERE } from '../browser/elsewhere.gen.ts'
import { SOLANA } from '../browser/solana.gen.ts'
import type { Sale } from '../policy/policy.ts'
import { scriptAddress } from '../wall/csp.ts'
import { type Currency, type Network, namespaceOf, offeredOn } from '../x402/assets.ts'
import { messageOf } from './error.tsx'
import { Footer } from './footer.tsx'
import { How, Promises } from './how.tsx'
import { shownAmounts } from './money.ts'
import { data, type Page, render } from './page.tsx'
import type { CheckoutStrings, Strings } from './strings/strings.ts'
import { accessOf, currenciesOf, isForWallets, type PaywallView, publisherOf, quotedIn } from './view.ts'

export function paywallPage(view: PaywallView): Promise<Page> {
  const { brand, strings, title, teaser, challenge } = view
  const publisher = publisherOf(view)
  return render({
    lang: strings.lang,
    brand,
    title,
    head: <Preview view={view} publisher={publisher} />,
    footer: <Footer brand={brand} strings={strings} />,
    opens: challenge !== null && view.offers.some(({ accessSeconds }) => accessSeconds === 0),
    ...(challenge === null ? {} : { script: { ...CHECKOUT, loads: loadedScripts(view) } }),
    children: (
      <>
        <article>
          <h1 dir="auto" lang={quotedIn(view)}>
            {title}
          </h1>
          {teaser === null ? null : (
            <p dir="auto" lang={quotedIn(view)} class="teaser more">
              {teaser}
            </p>
          )}
        </article>
        <Card view={view} />
      </>
    ),
  })
}

export const onSolana = ({ network }: Network): boolean => namespaceOf(network) === 'solana'

/** Addresses of what the script may load: its parts. */
export const loadedScripts = (view: PaywallView): string[] =>
  addressesOf([ELSEWHERE, ...(view.networks.some(onSolana) ? [SOLANA] : [])], view)

/** Addresses of parts of a script, from the origin that the reader's browser knows. */
export function addressesOf(
  parts: readonly { path: string }[],
  { resourceUrl, origin }: Pick<PaywallView, 'resourceUrl' | 'origin'>,
): string[] {
  const sites = [new URL(resourceUrl).origin, origin]
  return [...new Set(sites.flatMap((site) => parts.flatMap(({ path }) => scriptAddress(path, site) ?? [])))]
}

/** What is on sale and how to pay for it, with what the script needs. */
export const Card = ({ view }: { view: PaywallView }) => {
  const { strings, refused, challenge } = view
  const { pay } = strings
  return (
    <>
      <section class="card paywall" aria-labelledby="offers">
        <h2 id="offers">{pay.heading[view.kind]}</h2>
        {refused.code === 'payment_required' ? null : (
          <p class="problem" role="alert" data-tone="bad">
            {messageOf(refused, strings)}
          </p>
        )}
        <Offers view={view} />
        {challenge === null ? null : <Currencies view={view} />}
        {isForWallets(view) ? <Promises view={view} /> : null}
        <ol id="steps" aria-label={pay.steps} hidden>
          <li>{pay.connect}</li>
          <li>{pay.sign}</li>
        </ol>
        <p id="status" role="status" tabindex={-1}></p>
        <div id="wallets">{challenge === null ? null : <Stuck view={view} />}</div>
        {challenge === null ? <p>{pay.notByPage}</p> : null}
        <How view={view} />
      </section>
      {challenge === null ? null : (
        <script id="checkout" type="application/json">
          {data({
            challenge,
            resource: view.resourceUrl,
            lang: strings.lang,
            seller: publisherOf(view),
            accessSeconds: view.offers.map((offer) => offer.accessSeconds),
            names: view.offers.map((offer) => offer.name),
            tokens: shownOf(view),
            networks: view.networks.filter((network) => hasWallets(network, view)).map(forWallets),
            solana: view.networks.some(onSolana) ? SOLANA.path : null,
            elsewhere: ELSEWHERE.path,
            topup: topUpOf(view),
            texts: textsOf(view),
          })}
        </script>
      )}
    </>
  )
}

/** What the script may have to say here: nothing of what this page does not offer. */
function textsOf({ networks, tokens, offers, strings }: PaywallView): Partial<CheckoutStrings> {
  const { noAccount, cannotLand, otherCurrency, payOn, stepsOf, yoursOnce, bought, ...texts } = strings.checkout
  return {
    ...texts,
    ...(networks.some(onSolana) ? { noAccount, cannotLand } : {}),
    ...(networks.length > 1 ? { payOn } : {}),
    ...(tokens.some(({ decimals }) => decimals !== 6) ? { stepsOf } : {}),
    ...(offers.some(({ amounts }) => amounts.length > 1) ? { otherCurrency } : {}),
    ...(offers.some(({ accessSeconds }) => accessSeconds === 0) ? { yoursOnce, bought } : {}),
  }
}

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
export const forWallets = ({ network, name, isTest, rpcUrl }: Network) =>
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

const Offers = ({ view }: { view: PaywallView }) => {
  const { offers, strings, kind } = view
  return (
    <fieldset>
      <legend>{offers.length === 1 ? strings.pay.offer : strings.pay.offers}</legend>
      {offers.map((offer, i) => (
        <label class="offer">
          <input type="radio" name="offer" value={String(i)} checked={i === 0} hidden={offers.length === 1} />
          <span>
            <span dir="auto" lang={offer.name === null ? undefined : quotedIn(view)}>
              {offer.name ?? strings.pay.thisOne[kind]}
            </span>
            {offer.text === null ? null : (
              <small dir="auto" lang={quotedIn(view)}>
                {offer.text}
              </small>
            )}
            <small>{terms(offer, strings)}</small>
          </span>
          <strong class="price">{shownAmounts(offer.amounts, strings.lang)}</strong>
        </label>
      ))}
    </fieldset>
  )
}

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

function terms({ accessSeconds, scope }: Sale, strings: Strings): string {
  const { pay } = strings
  const access = accessSeconds === 0 ? pay.once : accessOf({ accessSeconds }, strings)
  return scope === null ? access : `${pay.section(scope.replace(/\*$/, ''))}, ${access}`
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
