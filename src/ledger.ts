// The publisher's ledger in D1: one row per settled payment. Writing a row twice stores it once.
import type { Asset } from './x402/assets.ts'

export type LedgerRow = {
  /** The replay key of the authorization. */
  id: string
  site: string
  resource: string
  amount: bigint
  payer: string
  payTo: string
  transaction: string
  /** Name of the offer; "" is the resource itself. */
  offer: string
  accessSeconds: number
  settledAtSeconds: number
}

/** Throws when D1 does not answer; the caller keeps the row and tries again. */
export async function recordPayment(db: D1Database, asset: Asset, row: LedgerRow): Promise<void> {
  await db
    .prepare(
      `INSERT INTO payments (id, site, resource, scheme, network, asset, amount, payer, pay_to, "transaction", offer,
         access_seconds, settled_at_seconds)
       VALUES (?, ?, ?, 'exact', ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO NOTHING`,
    )
    .bind(
      row.id,
      row.site,
      row.resource,
      asset.network,
      asset.asset,
      row.amount.toString(),
      row.payer,
      row.payTo,
      row.transaction,
      row.offer,
      row.accessSeconds,
      row.settledAtSeconds,
    )
    .run()
}
