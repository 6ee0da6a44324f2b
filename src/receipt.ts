// What a site says about its sales afterwards: the receipt of a payment, to its payer alone, and the key it signs with.
import { payersIn } from './access.ts'
import type { Config } from './config.ts'
import type { Refusal } from './errors.ts'
import { findPayment, type LedgerEntry, paymentsOf } from './ledger.ts'
import { RECEIPTS } from './pages/bar.tsx'
import { receiptPage, receiptsPage } from './pages/receipt.tsx'
import type { Strings } from './pages/strings/strings.ts'
import { type Money, microsOf } from './policy/rules.ts'
import { siteOf } from './request.ts'
import { type Answer, inPrivate, inPublic, refuse } from './respond.ts'
import { type Selling, sellingIn, type World } from './site.ts'
import { type Asset, assetAt, networkOf, oneSpelling, transactionUrl } from './x402/assets.ts'
import { DID_PATH, didDocument } from './x402/did.ts'
import { type Signed, signReceipt } from './x402/extensions/offer-receipt.ts'
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

/** `GET /_newsstand/receipts`: what the holder of a pass has bought here. */
export async function answerReceipts(request: Request, world: World): Promise<Answer> {
  const { config } = world
  const no = (code: Refusal['code']) => refuse(request, config.brand, { code })
  const site = siteOf(request, config)
  if (site === null) return no('misdirected_request')
  const payers = await payersIn(request, world, site)
  if (payers.length === 0) return no('not_found')
  const found = await paymentsOf(world.env.LEDGER_DB, payers, site)
  if (!found.ok) return no(found.error.code)
  const rows = found.value.map(({ resource, title, offer, transaction, settledAtSeconds, ...paid }) => ({
    resource: site + resource,
    ...named(title),
    offer,
    amount: paid.amount.toString(),
    ...paidIn(config, paid),
    paidAt: isoTime(settledAtSeconds),
    receipt: `${RECEIPTS}/${transaction}`,
  }))
  const json = {
    purchases: rows.map(({ price, ...row }) => ({ ...row, currency: price.currency })),
  }
  return inPrivate(request, json, { brand: config.brand, page: (strings) => receiptsPage(rows, config.brand, strings) })
}

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
  const payers = await payersIn(request, world, site)
  if (payers.length === 0 || !TRANSACTION.test(transaction)) return no('not_found')
  const found = await findPayment(world.env.LEDGER_DB, oneSpelling(transaction), payers, site)
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
      signed: receipt && { jws: receipt.signature, keyUrl: site + DID_PATH },
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
