// What a site says about its sales afterwards: the receipt of a payment, to its payer alone, and the key it signs with.
import type { Config } from './config.ts'
import type { Refusal, Result } from './errors.ts'
import { RECEIPTS } from './pages/bar.tsx'
import { receiptPage, receiptsPage } from './pages/receipt.tsx'
import type { Strings } from './pages/strings/strings.ts'
import { siteOf } from './request.ts'
import { inPrivate, inPublic, refuse } from './respond.ts'
import { assetOf, transactionUrl } from './x402/assets.ts'
import { DID_PATH, didDocument } from './x402/did.ts'
import { signReceipt } from './x402/extensions/offer-receipt.ts'
import type { Signer } from './x402/jws.ts'

/** A settled payment, as the ledger has it. Amount in atomic units. */
type Purchase = {
  resource: string
  /** Name of the offer; "" is the resource itself. */
  offer: string
  network: string
  asset: string
  amount: bigint
  payer: string
  payTo: string
  transaction: string
  settledAtSeconds: number
}

/** What `index` hands in. */
export type Records = {
  /** Null without `RECEIPT_KEY`. */
  signer: Signer | null
  /** Addresses whose live purchases the request's pass holds; none without a pass of this site. */
  payersOf: (request: Request, site: string) => Promise<string[]>
  /** What they paid for at this site, the newest first. */
  list: (payers: readonly string[], site: string) => Promise<Result<Purchase[]>>
  /** The payment one of them made in this transaction at this site. */
  find: (transaction: string, payers: readonly string[], site: string) => Promise<Result<Purchase | null>>
}

/** `GET /.well-known/did.json`. */
export async function answerDid(request: Request, config: Config, { signer }: Records): Promise<Response> {
  const site = siteOf(request, config)
  if (site === null) return refuse(request, config.brand, { code: 'misdirected_request' })
  if (signer === null) return refuse(request, config.brand, { code: 'not_found' })
  return inPublic(didDocument(site, signer.publicJwk))
}

/** `GET /_newsstand/receipts`: what the holder of a pass has bought here. */
export async function answerReceipts(request: Request, config: Config, { payersOf, list }: Records): Promise<Response> {
  const no = (code: Refusal['code']) => refuse(request, config.brand, { code })
  const site = siteOf(request, config)
  if (site === null) return no('misdirected_request')
  const payers = await payersOf(request, site)
  if (payers.length === 0) return no('not_found')
  const found = await list(payers, site)
  if (!found.ok) return no(found.error.code)
  const rows = found.value.map(({ resource, offer, amount, transaction, settledAtSeconds }) => ({
    resource: site + resource,
    offer,
    micros: amount,
    paidAt: isoTime(settledAtSeconds),
    receipt: `${RECEIPTS}/${transaction}`,
  }))
  const json = { purchases: rows.map(({ micros, ...row }) => ({ ...row, amount: micros.toString() })) }
  return inPrivate(request, json, { page: (strings) => receiptsPage(rows, config.brand, strings) })
}

const isoTime = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000', '')

/** `GET /_newsstand/receipts/<transaction>`. Whose receipt it is not cannot learn whether there is one. */
export async function answerReceipt(
  request: Request,
  config: Config,
  { signer, payersOf, find }: Records,
  transaction: string,
): Promise<Response> {
  const no = (code: Refusal['code']) => refuse(request, config.brand, { code })
  const site = siteOf(request, config)
  if (site === null) return no('misdirected_request')
  const payers = await payersOf(request, site)
  if (payers.length === 0 || !/^0x[0-9a-fA-F]{64}$/.test(transaction)) return no('not_found')
  const found = await find(transaction.toLowerCase(), payers, site)
  if (!found.ok) return no(found.error.code)
  const purchase = found.value
  if (!purchase) return no('receipt_not_found')

  const { offer, network, asset, amount, payer, payTo, settledAtSeconds } = purchase
  const resource = site + purchase.resource
  const receipt = signer && (await signReceipt(site, resource, purchase, settledAtSeconds, signer))
  const paidAt = isoTime(settledAtSeconds)
  const shown = { resource, offer, paidAt, network, asset, payTo, payer, transaction: purchase.transaction }
  const page = (strings: Strings) =>
    receiptPage({
      ...shown,
      strings,
      brand: config.brand,
      micros: amount,
      networkName: assetOf(network)?.name ?? network,
      transactionUrl: transactionUrl(network, purchase.transaction),
      signed: receipt && { jws: receipt.signature, keyUrl: site + DID_PATH },
    })
  return inPrivate(request, { ...shown, amount: amount.toString(), receipt }, { page })
}
