// The receipt of one payment, for reading, printing and keeping.
import { RECEIPTS_SCRIPT } from '../browser/receipts.gen.ts'
import type { Money } from '../policy/rules.ts'
import { RECEIPTS } from './bar.tsx'
import { Footer } from './footer.tsx'
import { shownAmounts } from './money.ts'
import { type Brand, data, type Page, render } from './page.tsx'
import type { Strings } from './strings/strings.ts'
import { quotedIn } from './view.ts'

/** In the reader's language and in UTC; the script puts it into the reader's own time zone. */
export const Time = ({ iso, lang }: { iso: string; lang: string }) => (
  <time dateTime={iso}>
    {new Intl.DateTimeFormat(lang, {
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      hour: 'numeric',
      minute: '2-digit',
      timeZone: 'UTC',
      timeZoneName: 'short',
    }).format(new Date(iso))}
  </time>
)

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
  /** When access ends; a single answer has no end. */
  endsAt?: string
  number: string
  /** Who sold it. */
  seller: string
  price: Money
  /** The token's own name, such as USDC. */
  symbol: string
  networkName: string
  payTo: string
  payer: string
  transaction: string
  /** At the network's explorer; null where none is known. */
  transactionUrl: string | null
  /** `said`: what the signed receipt has to say, if it is of this page. */
  signed: { jws: string; keyUrl: string; said: Record<string, string> } | null
}

export function receiptPage(view: ReceiptView): Promise<Page> {
  const { brand, strings, signed } = view
  const text = strings.receipt
  return render({
    lang: strings.lang,
    brand,
    title: `${text.title} ${view.number}`,
    head: <meta name="robots" content="noindex" />,
    footer: <Footer brand={brand} strings={strings} />,
    script: { ...RECEIPTS_SCRIPT, loads: [] },
    children: (
      <>
        <h1>{text.title}</h1>
        <dl>
          <dt>{text.number}</dt>
          <dd>{view.number}</dd>
          <dt>{text.what}</dt>
          <dd>
            {view.title === undefined ? null : (
              <>
                <bdi lang={quotedIn(view)}>{view.title}</bdi>
                <br />
              </>
            )}
            {view.offer === '' ? text.wholePage : view.offer}: <a href={view.resource}>{view.resource}</a>
          </dd>
          <dt>{text.seller}</dt>
          <dd lang={quotedIn(view)}>{view.seller}</dd>
          <dt>{text.when}</dt>
          <dd>
            <Time iso={view.paidAt} lang={strings.lang} />
          </dd>
          {view.endsAt === undefined ? null : (
            <>
              <dt>{text.opensUntil}</dt>
              <dd>
                <Time iso={view.endsAt} lang={strings.lang} />
              </dd>
            </>
          )}
          <dt>{text.amount}</dt>
          <dd>
            <strong class="price">{shownAmounts([view.price], strings.lang)}</strong>{' '}
            {text.currency.replace('{symbol}', view.symbol)} {view.networkName}
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
        <button id="print" type="button" class="plain" hidden>
          {text.print}
        </button>
        {signed === null ? null : <SignedReceipt {...signed} text={text} />}
        <p class="screen">
          <a href={RECEIPTS}>{text.list}</a>
        </p>
        <script id="receipts" type="application/json">
          {data({
            ...(signed === null ? {} : { signed: { jws: signed.jws, said: signed.said } }),
            texts: {
              checkGood: text.checkGood,
              checkBad: text.checkBad,
              checkUnable: text.checkUnable,
              checkLater: text.checkLater,
            },
          })}
        </script>
      </>
    ),
  })
}

const SignedReceipt = ({ jws, keyUrl, text }: { jws: string; keyUrl: string; text: Strings['receipt'] }) => (
  <details class="screen">
    <summary>{text.signed}</summary>
    <p>{text.signedMeaning}</p>
    <button id="check" type="button" class="plain" hidden>
      {text.check}
    </button>
    <p id="checked" role="status"></p>
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
