// The ledger's rows as they are stored, read page by page in the order of their time.
import * as z from 'zod'
import type { LedgerRow } from '../../src/ledger.ts'
import { monthOf, payerAlias, paymentAlias } from '../../src/networks/alias.ts'
import { wholeUnits } from '../../src/policy/rules.ts'
import { assetAt, namespaceOf, transactionUrl } from '../../src/x402/assets.ts'
import { Refusal } from '../command.ts'
import { type Query, quoted } from './database.ts'

/** A row has some 800 bytes with its title, so a page stays near a megabyte. */
const PAGE = 1_000

const storedRow = z.object({
  id: z.string(),
  site: z.string(),
  resource: z.string(),
  scheme: z.string(),
  network: z.string(),
  asset: z.string(),
  amount: z
    .string()
    .regex(/^\d{1,78}$/)
    .transform(BigInt),
  payer: z.string(),
  pay_to: z.string(),
  transaction: z.string(),
  position: z.int().nullable(),
  offer: z.string(),
  access_seconds: z.int(),
  settled_at_seconds: z.int(),
  remark: z.string().nullable(),
  // The table of an older release has none.
  title: z
    .string()
    .nullish()
    .transform((title) => title ?? null),
  symbol: z.string().nullish(),
  currency: z.string().nullish(),
  decimals: z.int().min(0).nullish(),
})

/** A row as anything may have written it: a table that was filled by hand has its own remarks. */
export type Row = Omit<LedgerRow, 'remark'> & { scheme: string; remark: string | null }

function rowOf(stored: unknown): Row {
  const parsed = storedRow.safeParse(stored)
  if (parsed.success) {
    const { pay_to, access_seconds, settled_at_seconds, symbol, currency, decimals, ...row } = parsed.data
    const token = symbol && currency && typeof decimals === 'number' ? { symbol, currency, decimals } : null
    return { ...row, token, payTo: pay_to, accessSeconds: access_seconds, settledAtSeconds: settled_at_seconds }
  }
  const id = z.object({ id: z.string() }).safeParse(stored).data?.id ?? 'without an id'
  const columns = [...new Set(parsed.error.issues.map(({ path }) => path.join('.')))].join(', ')
  throw new Refusal(`the ledger's row ${printable(id)} cannot be read (${columns}); correct it, or take it out`)
}

/** Unix seconds, both included. */
export type Span = { fromSeconds: number; toSeconds: number }
export const ALWAYS: Span = { fromSeconds: 0, toSeconds: Number.MAX_SAFE_INTEGER }

/** All rows of a time, the oldest first. Throws a `Refusal` at one that cannot be read. */
export async function* rowsOf(query: Query, { fromSeconds, toSeconds }: Span): AsyncGenerator<Row> {
  let after = { seconds: fromSeconds, id: '' }
  while (true) {
    const page = await query(
      `SELECT * FROM payments WHERE settled_at_seconds >= ${after.seconds} AND settled_at_seconds <= ${toSeconds}
       AND (settled_at_seconds > ${after.seconds} OR id > ${quoted(after.id)})
       ORDER BY settled_at_seconds, id LIMIT ${PAGE}`,
    )
    let last: Row | null = null
    for (const stored of page) {
      last = rowOf(stored)
      yield last
    }
    if (last === null || page.length < PAGE) return
    after = { seconds: last.settledAtSeconds, id: last.id }
  }
}

/** The rows that are meant by a transaction, a payment id or a payer's address, in any spelling. */
export async function rowsNamed(query: Query, name: string): Promise<Row[]> {
  // What is hexadecimal means the same in capitals; base58 does not.
  const isHex = /^(?:0x|3009\|)/i.test(name)
  const same = quoted(isHex ? name.toLowerCase() : name)
  const is = (column: string) => `${isHex ? `lower(${column})` : column} = ${same}`
  const found = await query(
    `SELECT * FROM payments WHERE ${is('"transaction"')} OR ${is('id')} OR ${is('payer')} ORDER BY settled_at_seconds, id`,
  )
  return found.map(rowOf)
}

/** The rows that a name in the log stands for, with the secrets it may have been made with. */
export async function rowsOfAlias(query: Query, alias: string, secrets: readonly string[]): Promise<Row[]> {
  const found: Row[] = []
  for await (const row of rowsOf(query, ALWAYS)) {
    const names = secrets.flatMap((secret) => [
      paymentAlias(secret, row.id),
      payerAlias(secret, row.payer, monthOf(row.settledAtSeconds)),
    ])
    if (names.includes(alias.toLowerCase())) found.push(row)
  }
  return found
}

type Paid = Pick<Row, 'network' | 'asset' | 'token'>

/** What the token was called at the sale; of older rows, what a token we know is called; else null. */
export const symbolOf = ({ network, asset, token }: Paid): string | null =>
  token?.symbol ?? assetAt(network, asset)?.symbol ?? null

/** Whole units as exact decimal text, as the token was counted at the sale; null where the token is not known. */
export function wholeAmountOf({ network, asset, token, amount }: Paid & Pick<Row, 'amount'>): string | null {
  const known = token ?? assetAt(network, asset)
  return known ? wholeUnits(amount, known.decimals) : null
}

/** An amount for people; atomic units where the token is not known. */
export function amountOf({ amount, ...paid }: Paid & Pick<Row, 'amount'>): string {
  const whole = wholeAmountOf({ amount, ...paid })
  return whole === null ? `${amount} units of ${printable(paid.asset)}` : `${whole} ${symbolOf(paid)}`
}

/** Where a row's transaction can be looked up; null for what is none. */
export const linkOf = (network: string, transaction: string): string | null =>
  /^(?:0x[0-9a-fA-F]{64}|[1-9A-HJ-NP-Za-km-z]{64,88})$/.test(transaction) ? transactionUrl(network, transaction) : null

/** Where in a transaction a payment stands. */
export const placeIn = (network: string, position: number): string =>
  `${namespaceOf(network) === 'solana' ? 'instruction' : 'log'} ${position}`

/** Seconds as ISO 8601 in UTC. */
export function isoTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace('.000Z', 'Z')
}

/** A text for a terminal: resources are chosen by strangers, and control characters could rewrite the screen. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
