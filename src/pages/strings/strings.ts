// The words of every page, one file per language, and which of them a reader gets. Texts with a slot are functions.
import type { Refusal } from '../../errors.ts'
import type { Kind } from '../../policy/article.ts'
import { en } from './en.ts'

export type Unit = 'day' | 'hour' | 'minute'

/**
 * What the checkout script says in each of its states. `{price}`, `{units}`, `{step}`, `{payee}`, `{seller}`, `{when}`, `{missing}`, `{token}`, `{tokens}`, `{other}`, `{network}`,
 * `{wallet}` and `{seconds}` are filled in by the script.
 */
export type CheckoutStrings = Record<
  | 'payWith'
  | 'yoursOnce'
  | 'yoursUntil'
  | 'showsAmount'
  | 'showsPayee'
  | 'millionths'
  | 'stepsOf'
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
  | 'paidUntil'
  | 'receipt'
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
  /** BCP 47. */
  lang: string
  /** Translated by a machine: the page says so. */
  isMachineMade?: true
  pay: {
    heading: Record<Kind, string>
    offer: string
    offers: string
    thisOne: Record<Kind, string>
    section: (scope: string) => string
    once: string
    lasting: (count: number, unit: Unit) => string
    /** What a reader may rely on, in three short lines; the third may be one of the checkout's. */
    recursNot: string
    chargedIf: string
    yours: (access: string) => string
    how: string
    /** What is signed, in words. */
    terms: (publisher: string) => string
    /** Above the steps of a payment. */
    steps: string
    connect: string
    sign: string
    /** Whom the money goes to, by name and address. */
    seller: string
    refunds: string
    machineMade: string
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
  bar: { bought: string; until: (when: string) => string; receipt: string; close: string }
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
    | 'download'
    | 'until'
    | 'opensUntil'
    | 'number'
    | 'seller'
    | 'older'
    | 'opens'
    | 'noPass'
    | 'allOf'
    | 'shownUntil'
    | 'signOut'
    | 'signIn'
    | 'signInText'
    | 'signInWith'
    | 'noScript'
    | 'noCookies'
    | 'nothingBought'
    | 'unreadable'
    | 'print'
    | 'check'
    | 'checkGood'
    | 'checkBad'
    | 'checkUnable'
    | 'checkLater',
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
    /** Loads the address again. */
    again: string
  }
}

/** A language that says less: what it does not say is said in English. */
export type Translation = { lang: string; isMachineMade: true } & {
  [Part in Exclude<keyof Strings, 'lang' | 'isMachineMade'>]: Partial<Strings[Part]>
}

const completed = (own: Translation): Strings => ({
  lang: own.lang,
  isMachineMade: own.isMachineMade,
  pay: { ...en.pay, ...own.pay },
  checkout: { ...en.checkout, ...own.checkout },
  elsewhere: { ...en.elsewhere, ...own.elsewhere },
  handOver: { ...en.handOver, ...own.handOver },
  player: { ...en.player, ...own.player },
  bar: { ...en.bar, ...own.bar },
  receipt: { ...en.receipt, ...own.receipt },
  errors: { ...en.errors, ...own.errors },
})

/** Every language but English is evaluated when it is first wanted. */
const LANGUAGES: ReadonlyMap<string, () => Promise<Strings>> = new Map([
  ['en', async () => en],
  ['de', async () => (await import('./de.ts')).de],
  ['es', async () => (await import('./es.ts')).es],
  ['fr', async () => completed((await import('./fr.ts')).fr)],
  ['it', async () => completed((await import('./it.ts')).it)],
  ['pt', async () => completed((await import('./pt.ts')).pt)],
  ['ja', async () => completed((await import('./ja.ts')).ja)],
])

/** A language without its region. */
export const primary = (tag: string) => tag.toLowerCase().split('-')[0] ?? ''

/**
 * The publication's language (BCP 47; null where it names none); else the one that `Accept-Language` ranks highest among ours
 * (RFC 9110 §12.5.4); else English. Its tag has the region with it: times and prices follow that.
 */
export async function stringsFor(publication: string | null, acceptLanguage: string | null): Promise<Strings> {
  const tag = publication !== null && LANGUAGES.has(primary(publication)) ? publication : preferred(acceptLanguage)
  const strings = (await LANGUAGES.get(primary(tag))?.()) ?? en
  return { ...strings, lang: tag }
}

function preferred(acceptLanguage: string | null): string {
  let best = { tag: en.lang, quality: 0 }
  for (const range of (acceptLanguage ?? '').slice(0, 1000).split(',')) {
    const [tag = '', ...parameters] = range.split(';').map((part) => part.trim())
    const q = parameters.map((parameter) => /^q=(.*)$/i.exec(parameter)?.[1]).find((found) => found !== undefined)
    const quality = q === undefined ? 1 : Number(q)
    if (!LANGUAGES.has(primary(tag)) || !(quality > best.quality && quality <= 1)) continue
    // What else a client writes there goes into no page.
    best = { tag: /^[a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?$/i.test(tag) ? tag : primary(tag), quality }
  }
  return best.tag
}
