// The receipt of one payment, for reading, printing and keeping.
import { raw } from 'hono/html'
import { formatPrice } from '../policy/rules.ts'
import { Page } from './page.tsx'

const TEXT = {
  title: 'Receipt',
  what: 'What',
  wholePage: 'One page',
  when: 'When',
  amount: 'How much',
  currency: 'in USDC on',
  payTo: 'Paid to',
  payer: 'Paid by',
  transaction: 'Transaction',
  signed: 'Signed receipt',
  signedMeaning:
    'This site signed what was paid for, by whom and in which transaction. Whoever has this text can check it, also ' +
    'without this site’s help, as long as they have its public key.',
  howToVerify: 'To check it, with newsstand’s source at hand:',
  key: 'The site’s public key',
  download: 'Download the signed receipt',
}

const STYLE = `dl{margin:0}dt{color:var(--quiet);border-top:1px solid var(--line);padding-top:.5rem}
dd{margin:0 0 .5rem;overflow-wrap:anywhere}summary{cursor:pointer}
@media print{body{background:#fff;color:#000}main{max-width:none;padding:0}a{color:inherit}.screen{display:none}
a[rel]:after{content:' (' attr(href) ')'}}`

export type ReceiptView = {
  brand: string
  resource: string
  /** Name of the offer; "" is the resource itself. */
  offer: string
  /** ISO 8601, UTC. */
  paidAt: string
  micros: bigint
  networkName: string
  payTo: string
  payer: string
  transaction: string
  /** At the network's explorer; null where none is known. */
  transactionUrl: string | null
  signed: { jws: string; keyUrl: string } | null
}

export const receiptPage = (view: ReceiptView): string =>
  (
    <Page title={TEXT.title} brand={view.brand}>
      <style>{raw(STYLE)}</style>
      <h1>{TEXT.title}</h1>
      <dl>
        <dt>{TEXT.what}</dt>
        <dd>
          {view.offer === '' ? TEXT.wholePage : view.offer}: <a href={view.resource}>{view.resource}</a>
        </dd>
        <dt>{TEXT.when}</dt>
        <dd>
          <time dateTime={view.paidAt}>{view.paidAt.replace('T', ' ').replace('Z', ' UTC')}</time>
        </dd>
        <dt>{TEXT.amount}</dt>
        <dd>
          <strong class="price">{formatPrice(view.micros)}</strong> {TEXT.currency} {view.networkName}
        </dd>
        <dt>{TEXT.payTo}</dt>
        <dd>
          <code>{view.payTo}</code>
        </dd>
        <dt>{TEXT.payer}</dt>
        <dd>
          <code>{view.payer}</code>
        </dd>
        <dt>{TEXT.transaction}</dt>
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
      {view.signed === null ? null : <SignedReceipt {...view.signed} />}
    </Page>
  ).toString()

const SignedReceipt = ({ jws, keyUrl }: { jws: string; keyUrl: string }) => (
  <details class="screen">
    <summary>{TEXT.signed}</summary>
    <p>{TEXT.signedMeaning}</p>
    <p>
      <code>{jws}</code>
    </p>
    <p>
      <a href={`data:application/jose,${jws}`} download="receipt.jws">
        {TEXT.download}
      </a>
    </p>
    <p>
      {TEXT.howToVerify} <code>npm run verify-receipt -- receipt.jws</code>
    </p>
    <p>
      {TEXT.key}: <a href={keyUrl}>{keyUrl}</a>
    </p>
  </details>
)
