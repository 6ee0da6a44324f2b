// The ledger's rows, as tests spoil them on purpose.
import type { Shop } from './shop.ts'

/** What a row has had since there are titles; later columns may be empty. */
export const COLUMNS = `id, site, resource, scheme, network, asset, amount, payer, pay_to, "transaction", offer, access_seconds,
  settled_at_seconds, position, remark, title`
/** The key of another row, as SQL. */
export const OTHER_ID = `substr(id, 1, length(id) - 8) || 'deadbeef'`

/** Each as SQL. */
type Copied = { id: string; transaction?: string; position?: string }

/** The SQL that adds a row like this one, but for its key and its place on the chain. */
export const copyOf = (row: string, { id, transaction = '"transaction"', position = 'position' }: Copied) =>
  `INSERT INTO payments (${COLUMNS}) SELECT ${id}, site, resource, scheme, network, asset, amount, payer, pay_to, ${transaction}, offer,
   access_seconds, settled_at_seconds, ${position}, remark, title FROM payments WHERE id = ${row}`

/** Changes the ledger for one test, and puts everything back. */
export async function withLedger(
  { site, ledger }: Pick<Shop, 'site' | 'ledger'>,
  sql: string,
  act: () => Promise<void>,
): Promise<void> {
  const rows = await ledger()
  await site.db.prepare(sql).run()
  try {
    await act()
  } finally {
    const names = Object.keys(rows[0] ?? {})
    const insert = site.db.prepare(
      `INSERT INTO payments (${names.map((name) => `"${name}"`).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
    )
    await site.db.prepare('DELETE FROM payments').run()
    await site.db.batch(rows.map((row) => insert.bind(...Object.values(row))))
  }
}
