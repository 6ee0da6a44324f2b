// The receipt of one payment, for reading, printing and keeping.
import { formatPrice, type Money } from '../policy/rules.ts'
import { Footer } from './footer.tsx'
import { type Brand, type Page, render } from './page.tsx'
import type { Strings } from './strings/strings.ts'

type ReceiptRow = { resource: string; title?: string; offer: string; price: Money; paidAt: string; receipt: string }

/** All purchases of a reader at this site, each with its receipt. */
export function receiptsPage(rows: readonly ReceiptRow[], brand: Brand, strings: Strings): Promise<Page> {
  const text = strings.receipt
  return render({
    lang: strings.lang,
    brand,
    title: text.list,
    head: <meta name="robots" content="noindex" />,
    footer: <Footer brand={brand} strings={strings} />,
    children: (
      <>
        <h1>{text.list}</h1>
        {rows.length === 0 ? <p>{text.none}</p> : null}
        <ul class="rows">
          {rows.map((row) => (
            <li>
              <a href={row.resource}>
                {row.title === undefined ? new URL(row.resource).pathname : <bdi>{row.title}</bdi>}
              </a>
              {row.offer === '' ? '' : ` (${row.offer})`} · <strong>{formatPrice(row.price)}</strong>
              <small>
                <time dateTime={row.paidAt}>{shownTime(row.paidAt)}</time> · <a href={row.receipt}>{text.title}</a>
              </small>
            </li>
          ))}
        </ul>
      </>
    ),
  })
}

const shownTime = (iso: string) => iso.replace('T', ' ').replace('Z', ' UTC')

export type ReceiptView = {
  brand: Brand
  strings: Strings
  resource: string
  /** What the content was called when it was delivered, where that is known. */
  title?: string
  /** Name of the offer; "" is the resource itself. */
  offer: string
  /** ISO 8601, UTC. */
  paidAt: string
  price: Money
  /** The token's own name, such as USDC. */
  symbol: string
  networkName: string
  payTo: string
  payer: string
  transaction: string
  /** At the network's explorer; null where none is known. */
  transactionUrl: string | null
  signed: { jws: string; keyUrl: string } | null
}

export function receiptPage(view: ReceiptView): Promise<Page> {
  const { brand, strings } = view
  const text = strings.receipt
  return render({
    lang: strings.lang,
    brand,
    title: text.title,
    head: <meta name="robots" content="noindex" />,
    footer: <Footer brand={brand} strings={strings} />,
    children: (
      <>
        <h1>{text.title}</h1>
        <dl>
          <dt>{text.what}</dt>
          <dd>
            {view.title === undefined ? null : (
              <>
                <bdi>{view.title}</bdi>
                <br />
              </>
            )}
            {view.offer === '' ? text.wholePage : view.offer}: <a href={view.resource}>{view.resource}</a>
          </dd>
          <dt>{text.when}</dt>
          <dd>
            <time dateTime={view.paidAt}>{shownTime(view.paidAt)}</time>
          </dd>
          <dt>{text.amount}</dt>
          <dd>
            <strong class="price">{formatPrice(view.price)}</strong> {text.currency.replace('{symbol}', view.symbol)}{' '}
            {view.networkName}
          </dd>
          <dt>{text.payTo}</dt>
          <dd>
            <code>{view.payTo}</code>
          </dd>
          <dt>{text.payer}</dt>
          <dd>
            <code>{view.payer}</code>
          </dd>
          <dt>{text.transaction}</dt>
          <dd>
            {view.transactionUrl === null ? (
              <code>{view.transaction}</code>
            ) : (
              <a href={view.transactionUrl} rel="noreferrer">
                <code>{view.transaction}</code>
              </a>
            )}
          </dd>
        </dl>
        {view.signed === null ? null : <SignedReceipt {...view.signed} text={text} />}
      </>
    ),
  })
}

const SignedReceipt = ({ jws, keyUrl, text }: { jws: string; keyUrl: string; text: Strings['receipt'] }) => (
  <details class="screen">
    <summary>{text.signed}</summary>
    <p>{text.signedMeaning}</p>
    <p>
      <code>{jws}</code>
    </p>
    <p>
      <a href={`data:application/jose,${jws}`} download="receipt.jws">
        {text.download}
      </a>
    </p>
    <p>
      {text.howToVerify} <code>npm run verify-receipt -- receipt.jws</code>
    </p>
    <p>
      {text.key}: <a href={keyUrl}>{keyUrl}</a>
    </p>
  </details>
)
