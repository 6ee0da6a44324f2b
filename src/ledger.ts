// The publisher's ledger in D1: one row per settled payment. Writing a row twice stores it once.
import * as z from 'zod/mini'
import { fail, ok, type Result } from './errors.ts'
import { log, nameOf } from './log.ts'

export type LedgerRow = {
  /** The replay key of the authorization. */
  id: string
  site: string
  resource: string
  /** CAIP-2. */
  network: string
  /** The token contract. */
  asset: string
  amount: bigint
  payer: string
  payTo: string
  transaction: string
  /** Where in the transaction's receipt the proof stands; null where a facilitator's word was taken. */
  position: number | null
  /** Name of the offer; "" is the resource itself. */
  offer: string
  accessSeconds: number
  settledAtSeconds: number
  /** `refund_due`: it came beside another payment for the same wish. `unproven`: the chain shows no log of it. */
  remark: 'refund_due' | 'unproven' | null
  /** What the delivered content is called; null where nobody has read it, or not yet. */
  title: string | null
  /** What the token is called and counted in; null where nobody knows. */
  token: { symbol: string; currency: string; decimals: number } | null
}

const COLUMNS = [
  'id',
  'site',
  'resource',
  'scheme',
  'network',
  'asset',
  'amount',
  'payer',
  'pay_to',
  '"transaction"',
  'position',
  'offer',
  'access_seconds',
  'settled_at_seconds',
  'remark',
]
/** What tables of older releases lack. */
const LATER_COLUMNS = ['symbol', 'currency', 'decimals', 'title']

/**
 * `disputed`: another payment is in the ledger with the same proof. Throws when D1 does not answer; the caller keeps the
 * row and tries again.
 */
export async function recordPayment(db: D1Database, row: LedgerRow): Promise<'stored' | 'disputed'> {
  const insert = (columns: readonly string[], values: readonly (string | number | null)[]) =>
    db
      .prepare(`INSERT INTO payments (${columns.join(', ')}) VALUES (${marks(columns)}) ON CONFLICT DO NOTHING`)
      .bind(...values)
      .run()
  const plain = valuesOf(row)
  const { symbol, currency, decimals } = row.token ?? { symbol: null, currency: null, decimals: null }
  let isWhole = true
  const later = [symbol, currency, decimals, row.title]
  const { meta } = await insert([...COLUMNS, ...LATER_COLUMNS], [...plain, ...later]).catch((fault: unknown) => {
    if (!isOfOlderTable(fault)) throw fault
    isWhole = false
    return insert(COLUMNS, plain)
  })
  if (meta.changes > 0 && (isWhole || row.title === null)) return 'stored'
  // The row is there already, since a remark or a title is new or a reply was lost; or another row holds its proof.
  return (await noteOn(db, row)) ? 'stored' : 'disputed'
}

const valuesOf = (row: LedgerRow): (string | number | null)[] => [
  row.id,
  row.site,
  row.resource,
  'exact',
  row.network,
  row.asset,
  row.amount.toString(),
  row.payer,
  row.payTo,
  row.transaction,
  row.position,
  row.offer,
  row.accessSeconds,
  row.settledAtSeconds,
  row.remark,
]

/** The table of an older release lacks a column: the books go on without it. */
const isOfOlderTable = (fault: unknown): boolean =>
  fault instanceof Error && /no such column|has no column/i.test(fault.message)

/** Writes what may be learnt of a payment after it was stored. False where it is not there. The first title stays. */
async function noteOn(db: D1Database, { id, remark, title }: LedgerRow): Promise<boolean> {
  const plain = db.prepare('UPDATE payments SET remark = coalesce(?, remark) WHERE id = ?').bind(remark, id)
  if (title === null) return (await plain.run()).meta.changes > 0
  const titled = db
    .prepare('UPDATE payments SET remark = coalesce(?, remark), title = coalesce(title, ?) WHERE id = ?')
    .bind(remark, title, id)
  try {
    return (await titled.run()).meta.changes > 0
  } catch (fault) {
    if (!isOfOlderTable(fault)) throw fault
    return (await plain.run()).meta.changes > 0
  }
}

/** What one payer's object has not got to an end: how many payments, and since when (Unix seconds). */
export type Unresolved = { payments: number; sinceSeconds: number }

/** Notes what one payer's object has open; nothing takes the note away. Throws when D1 does not answer. */
export async function noteUnresolved(db: D1Database, object: string, open: Unresolved | null): Promise<void> {
  const statement =
    open === null
      ? db.prepare('DELETE FROM unresolved WHERE object = ?').bind(object)
      : db
          .prepare(
            `INSERT INTO unresolved (object, payments, since_seconds) VALUES (?, ?, ?)
             ON CONFLICT (object) DO UPDATE SET payments = excluded.payments, since_seconds = excluded.since_seconds`,
          )
          .bind(object, open.payments, open.sinceSeconds)
  await statement.run()
}

const unresolved = z.lazy(() => z.object({ payments: z.nullable(z.number()), since: z.nullable(z.number()) }))

/** What all payers have open together; null where there is nothing. `content_unavailable` when D1 does not answer. */
export const allUnresolved = (db: D1Database): Promise<Result<Unresolved | null>> =>
  reading(async () => {
    const row = await db
      .prepare('SELECT sum(payments) AS payments, min(since_seconds) AS since FROM unresolved')
      .first()
    const { payments, since } = z.parse(unresolved, row)
    return payments === null || since === null ? null : { payments, sinceSeconds: since }
  })

const entry = z.lazy(() =>
  z.pipe(
    z.object({
      resource: z.string(),
      network: z.string(),
      asset: z.string(),
      amount: z.string().check(z.regex(/^[0-9]+$/)),
      payer: z.string(),
      pay_to: z.string(),
      transaction: z.string(),
      offer: z.string(),
      access_seconds: z.number(),
      settled_at_seconds: z.number(),
      title: z.optional(z.nullable(z.string())),
      symbol: z.optional(z.nullable(z.string())),
      currency: z.optional(z.nullable(z.enum(['USD', 'EUR']))),
      decimals: z.optional(z.nullable(z.number())),
    }),
    z.transform(
      ({ pay_to, amount, access_seconds, settled_at_seconds, title, symbol, currency, decimals, ...row }) => ({
        ...row,
        title: title ?? null,
        symbol: symbol ?? null,
        currency: currency ?? null,
        decimals: decimals ?? null,
        amount: BigInt(amount),
        payTo: pay_to,
        accessSeconds: access_seconds,
        settledAtSeconds: settled_at_seconds,
      }),
    ),
  ),
)

const marks = (values: readonly string[]) => values.map(() => '?').join(', ')
/** What one page of purchases holds. */
export const MOST_LISTED = 50

export type LedgerEntry = z.infer<typeof entry>

/**
 * Whose rows, with addresses in their one spelling. `payer`: all of one payer's, on one network where it is a wallet with code.
 * `grants`: of each the purchase it was made of, told by when it ends and by the resource it
 * opens, or the path below which its resources lie.
 */
export type Readable =
  | { kind: 'payer'; payer: string; network: string | null }
  | {
      kind: 'grants'
      grants: readonly { payer: string; endsAtSeconds: number; resource: string | null; below: string }[]
    }

/** Where the next page begins: after this one. */
export type Mark = { settledAtSeconds: number; transaction: string }

/** Before everything that was ever sold. */
const NEWEST: Mark = { settledAtSeconds: Number.MAX_SAFE_INTEGER, transaction: '' }

/** What is asked for as `?1`, `?2` …; grants go in as one, since there may be more of them than D1 binds. */
const whose = (readable: Readable, site: string) =>
  readable.kind === 'payer'
    ? {
        columns: 'payments.*',
        rows: 'payments WHERE site = ?1 AND payer = ?2 AND network = coalesce(?3, network)',
        bound: [site, readable.payer, readable.network],
      }
    : {
        // Two grants may be of one purchase.
        columns: 'DISTINCT payments.*',
        rows: `json_each(?2) AS held CROSS JOIN payments WHERE site = ?1 AND ?3 IS NULL AND payer = held.value ->> 'payer'
           AND settled_at_seconds + access_seconds = held.value ->> 'endsAtSeconds'
           AND resource = coalesce(held.value ->> 'resource', resource)
           AND substr(resource, 1, length(held.value ->> 'below')) = held.value ->> 'below'`,
        bound: [site, JSON.stringify(readable.grants), null],
      }

/** What a reader may read of a transaction at a site; null when there is no such row. `content_unavailable` when D1 does not answer. */
export const findPayment = (
  db: D1Database,
  transaction: string,
  readable: Readable,
  site: string,
): Promise<Result<LedgerEntry | null>> =>
  reading(async () => {
    const { columns, rows, bound } = whose(readable, site)
    const row = await db
      .prepare(`SELECT ${columns} FROM ${rows} AND "transaction" = ?4 ORDER BY settled_at_seconds LIMIT 1`)
      .bind(...bound, transaction)
      .first()
    return row === null ? null : z.parse(entry, row)
  })

/** What a reader may read at a site, the newest first, one page at a time. `content_unavailable` when D1 does not answer. */
export const paymentsOf = (
  db: D1Database,
  readable: Readable,
  site: string,
  after: Mark | null = null,
): Promise<Result<{ entries: LedgerEntry[]; next: Mark | null }>> =>
  reading(async () => {
    const { columns, rows, bound } = whose(readable, site)
    const { settledAtSeconds, transaction } = after ?? NEWEST
    const { results } = await db
      .prepare(
        `SELECT ${columns} FROM ${rows} AND (settled_at_seconds, "transaction") < (?4, ?5)
         ORDER BY settled_at_seconds DESC, "transaction" DESC LIMIT ${MOST_LISTED + 1}`,
      )
      .bind(...bound, settledAtSeconds, transaction)
      .all()
    const entries = z.parse(z.array(entry), results.slice(0, MOST_LISTED))
    return { entries, next: results.length > MOST_LISTED ? (entries.at(-1) ?? null) : null }
  })

/** Whether there is anything to read. `content_unavailable` when D1 does not answer. */
export const hasPayments = (db: D1Database, readable: Readable, site: string): Promise<Result<boolean>> =>
  reading(async () => {
    const { rows, bound } = whose(readable, site)
    return (
      (await db
        .prepare(`SELECT 1 FROM ${rows} LIMIT 1`)
        .bind(...bound)
        .first()) !== null
    )
  })

async function reading<Value>(read: () => Promise<Value>): Promise<Result<Value>> {
  try {
    return ok(await read())
  } catch (fault) {
    log({ event: 'ledger_unavailable', problem: nameOf(fault) })
    return fail({ code: 'content_unavailable' })
  }
}
