// What a site says about its sales afterwards: the receipt of a payment, to its payer alone, and the key it signs with.
import type { Config } from './config.ts'
import { ok, type Refusal } from './errors.ts'
import { findPayment, type LedgerEntry, type Mark, paymentsOf, type Readable } from './ledger.ts'
import { RECEIPTS } from './pages/bar.tsx'
import { receiptPage } from './pages/receipt.tsx'
import { receiptsPage } from './pages/receipts.tsx'
import type { Strings } from './pages/strings/strings.ts'
import { type Money, microsOf } from './policy/rules.ts'
import { pathAndQueryOf } from './policy/scope.ts'
import { allOf, heldBy, readingIn, signInForReceipts, signInOffer } from './receipt-access.ts'
import { sessionCookie } from './receipt-session.ts'
import { siteOf } from './request.ts'
import { type Answer, inPrivate, inPublic, PRIVATE, refuse, wantsPage } from './respond.ts'
import { type Selling, sellingIn, type World } from './site.ts'
import { type Asset, assetAt, networkOf, oneSpelling, transactionUrl } from './x402/assets.ts'
import { DID_PATH, didDocument } from './x402/did.ts'
import { type Signed, signReceipt } from './x402/extensions/offer-receipt.ts'
import { SIGN_IN_WITH_X } from './x402/extensions/sign-in-with-x.ts'
import type { Settlement } from './x402/payment.ts'

/** `GET /.well-known/did.json`. */
export async function answerDid(request: Request, world: World): Promise<Answer> {
  const { config } = world
  const no = (refusal: Refusal) => refuse(request, config.brand, refusal)
  const site = siteOf(request, config)
  if (site === null) return no({ code: 'misdirected_request' })
  const selling = await sellingIn(world)
  if (!selling.ok) return no(selling.error)
  const { signer, otherKeys } = selling.value
  const keys = [...(signer === null ? [] : [signer.publicJwk]), ...otherKeys]
  return keys.length === 0 ? no({ code: 'not_found' }) : inPublic(didDocument(site, keys))
}

/** `GET /_newsstand/receipts`: what a wallet that has signed in bought here, else what the holder of a pass has; it always answers. */
export async function answerReceipts(request: Request, world: World): Promise<Answer> {
  const { config } = world
  const no = (code: Refusal['code']) => refuse(request, config.brand, { code })
  const site = siteOf(request, config)
  if (site === null) return no('misdirected_request')
  const { session, grants, opening } = await readingIn(request, world, site)
  const after = markIn(request)
  const readable = session ? allOf(session) : heldBy(grants)
  const found = await paymentsOf(world.env.LEDGER_DB, readable, site, after)
  // A program is told by the status; a person gets the page, with a sentence.
  if (!found.ok && !wantsPage(request)) return no(found.error.code)
  const { entries, next } = found.ok ? found.value : { entries: [], next: null }
  const rows = entries.map((row) => rowOf(config, site, row))
  const older = next && `${RECEIPTS}?after=${next.settledAtSeconds}.${next.transaction}`
  const signIn = await signInOffer(world, site)
  const json = {
    purchases: rows.map(({ price, ...row }) => ({ ...row, currency: price.currency })),
    ...(older === null ? {} : { next: older }),
    // How a wallet reads all of its receipts: `POST` here, with this signed in `SIGN-IN-WITH-X`.
    ...(session ? { payer: session.payer } : { extensions: { [SIGN_IN_WITH_X]: signIn } }),
  }
  const page = (strings: Strings) =>
    receiptsPage({
      site,
      origin: new URL(request.url).origin,
      rows,
      older,
      isFirst: after === null,
      brand: config.brand,
      strings,
      session: session && { payer: session.payer, endsAt: isoTime(session.endsAtSeconds) },
      opens: session ? [] : opening.map(({ scope, endsAtSeconds }) => opened(scope, endsAtSeconds)),
      isReadable: found.ok,
      signIn: { info: signIn.info, networks: config.networks },
    })
  return inPrivate(request, json, { brand: config.brand, page })
}

/** `POST /_newsstand/receipts`, with a sign-in: begins a session that reads all of a wallet's receipts here. */
export async function signInToReceipts(request: Request, world: World): Promise<Answer> {
  const { config } = world
  const site = siteOf(request, config)
  if (site === null) return refuse(request, config.brand, { code: 'misdirected_request' })
  if (!isOwnPage(request, site)) return refuse(request, config.brand, { code: 'not_found' })
  const begun = await signInForReceipts(request, world, site)
  return begun.ok ? toList(begun.value) : refuse(request, config.brand, begun.error)
}

/** `POST /_newsstand/receipts/sign-out`: ends the session, on this site's own pages alone. */
export async function signOutOfReceipts(request: Request, world: World): Promise<Answer> {
  const { config } = world
  const site = siteOf(request, config)
  if (site === null) return refuse(request, config.brand, { code: 'misdirected_request' })
  if (!isOwnPage(request, site)) return refuse(request, config.brand, { code: 'not_found' })
  return toList(sessionCookie('', site, 0))
}

/** Back to the list, with a session or without. */
const toList = (cookie: string): Answer => {
  const headers = { Location: RECEIPTS, 'Set-Cookie': cookie, 'Cache-Control': PRIVATE }
  return { kind: 'ours', response: new Response(null, { status: 303, headers }), isZipped: false }
}

/** Whether no page of another site has sent it. A program that is no browser names none; a proxy may have changed the host. */
const isOwnPage = ({ headers, url }: Request, site: string): boolean =>
  (headers.get('Sec-Fetch-Site') ?? 'same-origin') === 'same-origin' &&
  [null, site, new URL(url).origin].includes(headers.get('Origin'))

/** Where a page of the list begins: `?after=seconds.transaction`. Anything else is the first page. */
function markIn({ url }: Request): Mark | null {
  const [, seconds, transaction] =
    /^(\d{1,12})\.([0-9A-Za-z]{1,88})$/.exec(new URL(url).searchParams.get('after') ?? '') ?? []
  return seconds === undefined || transaction === undefined ? null : { settledAtSeconds: Number(seconds), transaction }
}

/** What a pass opens, as a reader may read it, and until when. */
const opened = (scope: string, endsAtSeconds: number) => ({
  path: scope.startsWith('=') ? pathAndQueryOf(scope.slice(1)) : null,
  section: scope.replace(/^[=~]/, '').replace(/\*$/, ''),
  endsAt: isoTime(endsAtSeconds),
})

function rowOf(config: Config, site: string, row: LedgerEntry) {
  const { resource, title, offer, amount, transaction, settledAtSeconds, accessSeconds } = row
  return {
    resource: site + resource,
    ...named(title),
    offer,
    amount: amount.toString(),
    ...paidIn(config, row),
    paidAt: isoTime(settledAtSeconds),
    ...(accessSeconds === 0 ? {} : { endsAt: isoTime(settledAtSeconds + accessSeconds) }),
    number: numberOf(row),
    receipt: `${RECEIPTS}/${transaction}`,
  }
}

/** A receipt's short number, to say on the phone: the day, and the last characters of its transaction. */
const numberOf = ({ settledAtSeconds, transaction }: LedgerEntry): string =>
  `${isoTime(settledAtSeconds).slice(0, 10).replaceAll('-', '')}-${transaction.slice(-6)}`

/** What was paid, as people count it. */
export function moneyOf({ tokens }: Pick<Config, 'tokens'>, network: string, asset: string, amount: bigint): Money {
  const { currency, decimals } = assetAt(network, asset, tokens) ?? UNKNOWN
  return { currency, micros: microsOf(amount, { decimals }) }
}

/** What a token that nobody knows any more is counted in: before there were others, all had six decimals. */
const UNKNOWN: Pick<Asset, 'currency' | 'decimals'> = { currency: 'USD', decimals: 6 }

/** What was paid, as the sale has it; older rows as their token is counted today. */
function paidIn(
  { tokens }: Config,
  { network, asset, amount, ...sold }: Pick<LedgerEntry, 'network' | 'asset' | 'amount' | 'currency' | 'decimals'>,
): { price: Money; decimals: number } {
  const today = assetAt(network, asset, tokens) ?? UNKNOWN
  const currency = sold.currency ?? today.currency
  const decimals = sold.decimals ?? today.decimals
  return { price: { currency, micros: microsOf(amount, { decimals }) }, decimals }
}

/** What was bought by its name, where it has one. */
const named = (title: string | null) => (title === null ? {} : { title })

const isoTime = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000', '')

/** A hash in hexadecimal, or a signature in base58. */
const TRANSACTION = /^(?:0x[0-9a-fA-F]{64}|[1-9A-HJ-NP-Za-km-z]{64,88})$/

/** `GET /_newsstand/receipts/<transaction>`. Only its payer can learn whether there is one. */
export async function answerReceipt(request: Request, world: World, transaction: string): Promise<Answer> {
  const { config } = world
  const no = (code: Refusal['code']) => refuse(request, config.brand, { code })
  const site = siteOf(request, config)
  if (site === null) return no('misdirected_request')
  const { session, grants } = await readingIn(request, world, site)
  if ((session === null && grants.length === 0) || !TRANSACTION.test(transaction)) return no('not_found')
  const lookUp = (readable: Readable) => findPayment(world.env.LEDGER_DB, oneSpelling(transaction), readable, site)
  // Who has signed in with one wallet may have bought with another since.
  const ofSession = session ? await lookUp(allOf(session)) : ok(null)
  const found = ofSession.ok && ofSession.value === null ? await lookUp(heldBy(grants)) : ofSession
  if (!found.ok) return no(found.error.code)
  const purchase = found.value
  if (!purchase) return no('receipt_not_found')
  const selling = await sellingIn(world)
  if (!selling.ok) return no(selling.error.code)

  const { offer, network, asset, amount, payer, payTo, settledAtSeconds } = purchase
  const resource = site + purchase.resource
  const receipt = await receiptFor(selling.value, site, resource, purchase, settledAtSeconds)
  const paidAt = isoTime(settledAtSeconds)
  const { price, decimals } = paidIn(config, purchase)
  const shown = {
    resource,
    ...named(purchase.title),
    offer,
    paidAt,
    network,
    asset,
    payTo,
    payer,
    transaction: purchase.transaction,
    ...(purchase.accessSeconds === 0 ? {} : { endsAt: isoTime(settledAtSeconds + purchase.accessSeconds) }),
    number: numberOf(purchase),
  }
  const page = (strings: Strings) =>
    receiptPage({
      ...shown,
      strings,
      brand: config.brand,
      price,
      symbol: purchase.symbol ?? assetAt(network, asset, config.tokens)?.symbol ?? '',
      networkName: networkOf(network)?.name ?? network,
      transactionUrl: transactionUrl(network, purchase.transaction),
      seller: config.brand.legal ?? (config.brand.name || new URL(site).host),
      signed: receipt && {
        jws: receipt.signature,
        keyUrl: site + DID_PATH,
        said: { resourceUrl: resource, payer, network, transaction: purchase.transaction },
      },
    })
  return inPrivate(request, { ...shown, amount: amount.toString(), decimals, receipt }, { brand: config.brand, page })
}

/** The signed receipt of a payment; null without `RECEIPT_KEY`. `resource` is its address. */
export async function receiptFor(
  { signer }: Pick<Selling, 'signer'>,
  site: string,
  resource: string,
  settlement: Omit<Settlement, 'amount' | 'asset'>,
  settledAtSeconds: number,
): Promise<Signed | null> {
  return signer && signReceipt(site, resource, settlement, settledAtSeconds, signer)
}
