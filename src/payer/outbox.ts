// From the payer's outbox to the ledger: at least once, and the ledger stores each payment once.
import { recordPayment } from '../ledger.ts'
import { assetOf } from '../x402/assets.ts'
import type { PaymentRecords } from './records.ts'
import { settledAtSeconds } from './rows.ts'

/** Delivers what is in the outbox; false when the ledger did not take all of it. */
export async function deliverOutbox(records: PaymentRecords, ledger: D1Database): Promise<boolean> {
  for (const row of records.outboxRows()) {
    const asset = assetOf(row.network)
    if (!asset) continue
    try {
      await recordPayment(ledger, asset, {
        id: row.key,
        site: row.site,
        resource: row.resource,
        amount: row.amount,
        payer: row.payer,
        payTo: row.pay_to,
        transaction: row.tx,
        offer: row.offer ?? '',
        accessSeconds: row.access_seconds,
        settledAtSeconds: settledAtSeconds(row),
      })
      records.setLedgered(row.key)
    } catch {
      console.error(JSON.stringify({ event: 'ledger_unavailable', payment: row.key }))
      return false
    }
  }
  return true
}
