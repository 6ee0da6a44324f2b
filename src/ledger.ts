// The publisher's ledger in D1: one row per settled payment. Writing a row twice stores it once.
import * as z from 'zod/mini'
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

const entry = z.pipe(
  z.object({
    resource: z.string(),
    network: z.string(),
    asset: z.string(),
    amount: z.string().check(z.regex(/^[0-9]+$/)),
    payer: z.string(),
    pay_to: z.string(),
    transaction: z.string(),
    offer: z.string(),
    settled_at_seconds: z.number(),
  }),
  z.transform(({ pay_to, amount, settled_at_seconds, ...row }) => ({
    ...row,
    amount: BigInt(amount),
    payTo: pay_to,
    settledAtSeconds: settled_at_seconds,
  })),
)

const ENTRY = 'resource, network, asset, amount, payer, pay_to, "transaction", offer, settled_at_seconds'
const marks = (values: readonly string[]) => values.map(() => '?').join(', ')
/** What one page of purchases holds. */
const MOST_LISTED = 100

export type LedgerEntry = z.infer<typeof entry>

/**
 * What one of these payers paid in a transaction at a site; null when there is no such row. Addresses and the hash are
 * lower case. Throws when D1 does not answer.
 */
export async function findPayment(
  db: D1Database,
  transaction: string,
  payers: readonly string[],
  site: string,
): Promise<LedgerEntry | null> {
  const row = await db
    .prepare(
      `SELECT ${ENTRY} FROM payments WHERE payer IN (${marks(payers)}) AND lower("transaction") = ? AND site = ?
       ORDER BY settled_at_seconds LIMIT 1`,
    )
    .bind(...payers, transaction, site)
    .first()
  return row === null ? null : z.parse(entry, row)
}

/** What these payers paid at a site, the newest first. Throws when D1 does not answer. */
export async function paymentsOf(db: D1Database, payers: readonly string[], site: string): Promise<LedgerEntry[]> {
  const { results } = await db
    .prepare(
      `SELECT ${ENTRY} FROM payments WHERE payer IN (${marks(payers)}) AND site = ?
       ORDER BY settled_at_seconds DESC LIMIT ${MOST_LISTED}`,
    )
    .bind(...payers, site)
    .all()
  return z.parse(z.array(entry), results)
}
