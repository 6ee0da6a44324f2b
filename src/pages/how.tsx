// What a reader may rely on, how a payment goes, and who is paid.
import type { Asset } from '../x402/assets.ts'
import type { Strings } from './strings/strings.ts'
import { accessOf, forProgramsAlone, isForWallets, type PaywallView, publisherOf, quotedIn, tokensOf } from './view.ts'

/** What a reader may rely on. The script says until when. */
export const Promises = ({ view: { strings, offers } }: { view: PaywallView }) => {
  const { pay } = strings
  const [first] = offers
  return (
    <ul class="ticks">
      <li>{pay.recursNot}</li>
      <li>{pay.chargedIf}</li>
      <li id="yours">
        {!first || first.accessSeconds === 0 ? strings.checkout.yoursOnce : pay.yours(accessOf(first, strings))}
      </li>
    </ul>
  )
}

/** What is signed, what it can be paid with, and who is paid. */
export const How = ({ view }: { view: PaywallView }) => {
  const { strings, brand } = view
  const { pay } = strings
  const tokens = tokensOf(view)
  const forPrograms = tokens.filter(forProgramsAlone)
  return (
    <details class="quiet">
      <summary>{pay.how}</summary>
      {isForWallets(view) ? <p>{pay.terms(publisherOf(view))}</p> : null}
      <p>
        {takenOn(tokens, pay)} {forPrograms.length === 0 ? '' : `${pay.permit2(symbolsIn(forPrograms))} `}
        {forPrograms.length < tokens.length ? pay.programs : ''}
      </p>
      {brand.legal === null ? null : (
        <p>
          {pay.seller}: <span lang={quotedIn(view)}>{brand.legal}</span>
        </p>
      )}
      {brand.refunds === null ? null : <Refunds view={view} refunds={brand.refunds} />}
    </details>
  )
}

/** A sentence of the publisher's, or where one reads of it. */
const Refunds = ({ view, refunds }: { view: PaywallView; refunds: string }) => {
  const { refunds: label } = view.strings.pay
  const isLink = /^(?:https:\/\/|mailto:|\/(?!\/))\S+$/.test(refunds) && URL.canParse(refunds, view.resourceUrl)
  const link = isLink ? new URL(refunds, view.resourceUrl).href : null
  return (
    <p>
      {link === null ? (
        <>
          {label}: <span lang={quotedIn(view)}>{refunds}</span>
        </>
      ) : (
        <a href={link}>{label}</a>
      )}
    </p>
  )
}

/** Which tokens can be paid with here, and on which networks: those of the same networks in one sentence. */
function takenOn(taken: readonly Asset[], pay: Strings['pay']): string {
  const symbols = [...new Set(taken.map(({ symbol }) => symbol))]
  const placesOf = (symbol: string) => [...new Set(taken.flatMap((one) => (one.symbol === symbol ? one.name : [])))]
  const byPlaces = Map.groupBy(symbols, (symbol) => placesOf(symbol).join(', '))
  return [...byPlaces].map(([places, tokens]) => pay.networks(tokens.join(', '), places)).join(' ')
}

const symbolsIn = (tokens: readonly Asset[]): string => [...new Set(tokens.map(({ symbol }) => symbol))].join(', ')
