// The words of every page, one file per language, and which of them a reader gets. Texts with a slot are functions.
import type { Refusal } from '../../errors.ts'
import type { Kind } from '../../policy/article.ts'
import { de } from './de.ts'
import { en } from './en.ts'
import { es } from './es.ts'

export type Unit = 'day' | 'hour' | 'minute'

/**
 * What the checkout script says in each of its states. `{price}`, `{missing}`, `{token}`, `{tokens}`, `{other}`, `{network}`,
 * `{wallet}` and `{seconds}` are filled in by the script.
 */
export type CheckoutStrings = Record<
  | 'payWith'
  | 'yourWallet'
  | 'unavailable'
  | 'looking'
  | 'notHere'
  | 'noWallet'
  | 'noWalletHelp'
  | 'noWay'
  | 'checkAgain'
  | 'openWallet'
  | 'pending'
  | 'unprepared'
  | 'switching'
  | 'locked'
  | 'noAccount'
  | 'wrongNetwork'
  | 'signing'
  | 'declined'
  | 'otherAccount'
  | 'tooLittle'
  | 'otherCurrency'
  | 'heldTooLittle'
  | 'cannotLand'
  | 'priceChanged'
  | 'quoteExpired'
  | 'settling'
  | 'waiting'
  | 'tryNow'
  | 'lost'
  | 'sendAgain'
  | 'refused'
  | 'startAgain'
  | 'notAccepted'
  | 'opening'
  | 'bought'
  | 'open'
  | 'noCookie'
  | 'walletFailed'
  | 'signIn'
  | 'signInText'
  | 'signedInNothing'
  | 'signInOther'
  | 'signInUnasked'
  | 'signInPending'
  | 'signInFailed'
  | 'willSign'
  | 'elsewhere'
  | 'topUp'
  | 'payOn'
  | 'useOther'
  | 'enoughNow',
  string
>

export type Strings = {
  lang: string
  pay: {
    heading: Record<Kind, string>
    offer: string
    offers: string
    thisOne: Record<Kind, string>
    section: (scope: string) => string
    once: string
    lasting: (count: number, unit: Unit) => string
    /** What is signed, in words. */
    terms: (publisher: string) => string
    networks: (tokens: string, names: string) => string
    /** Where no script runs. */
    noScript: string
    reload: string
    /** These tokens the page cannot pay in. */
    permit2: (tokens: string) => string
    programs: string
    notByPage: string
    /** Above the currencies to choose from. */
    currencies: string
    /** Beside the card in a publisher's page, for browsers that cannot show it. */
    rest: (price: string) => string
    /** In place of a picture; short. */
    picture: (price: string) => string
    login: string
    why: string
    termsLink: string
    support: string
  }
  checkout: CheckoutStrings
  /** Below what is watched, heard or looked at. */
  player: { save: string }
  /** What the part for wallets that are elsewhere says; the site sends it along with the code. `{wallet}` is filled in there. */
  elsewhere: Record<
    'scan' | 'onPhone' | 'openIn' | 'words' | 'opensHere' | 'onlyThere' | 'qr' | 'copy' | 'copied' | 'over' | 'again',
    string
  >
  /** Of the page that asks whether what was bought opens on another screen too. */
  handOver: Record<'heading' | 'what' | 'words' | 'yes' | 'no' | 'meaning', string>
  bar: { bought: string; until: (when: string) => string; receipt: string }
  receipt: Record<
    | 'title'
    | 'list'
    | 'none'
    | 'what'
    | 'wholePage'
    | 'when'
    | 'amount'
    | 'currency'
    | 'payTo'
    | 'payer'
    | 'transaction'
    | 'signed'
    | 'signedMeaning'
    | 'howToVerify'
    | 'key'
    | 'download',
    string
  >
  errors: {
    headings: Record<number, string>
    fallback: string
    /** Where a language says nothing of its own, the sentence of the JSON answer is shown. */
    messages: Partial<Record<Refusal['code'], string>>
    /** Where `PAY_TO` cannot be used. */
    noPayee?: string
    back: string
  }
}

const LANGUAGES: readonly Strings[] = [en, de, es]

/** The language that `Accept-Language` ranks highest among ours (RFC 9110 §12.5.4); English when it names none. */
export function stringsFor(acceptLanguage: string | null): Strings {
  let best = { strings: en, quality: 0 }
  for (const range of (acceptLanguage ?? '').slice(0, 1000).split(',')) {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const strings = LANGUAGES.find(({ lang }) => lang === tag.split('-')[0])
    const q = parameters.find((parameter) => parameter.startsWith('q='))
    const quality = q === undefined ? 1 : Number(q.slice(2))
    if (strings && quality > best.quality && quality <= 1) best = { strings, quality }
  }
  return best.strings
}
