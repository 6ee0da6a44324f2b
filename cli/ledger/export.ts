// `ledger export`: every row, with headings a bookkeeper understands, as CSV or JSON.
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { Refusal } from '../command.ts'
import { queryOf } from './database.ts'
import { ALWAYS, isoTime, linkOf, type Row, rowsOf, type Span, symbolOf, wholeAmountOf } from './rows.ts'
import { SOURCE_FLAGS, sourceOf } from './source.ts'

/** A name for JSON, a heading for CSV, and what stands there. */
const COLUMNS: readonly (readonly [name: string, heading: string, value: (row: Row) => string | number | null])[] = [
  ['time', 'Time (UTC)', (row) => isoTime(row.settledAtSeconds)],
  ['site', 'Site', (row) => row.site],
  ['resource', 'Resource', (row) => row.resource],
  ['network', 'Network', (row) => row.network],
  ['token', 'Token', symbolOf],
  ['amount', 'Amount', wholeAmountOf],
  ['amountAtomic', 'Amount (atomic units)', (row) => row.amount.toString()],
  ['payer', 'Payer', (row) => row.payer],
  ['payee', 'Payee', (row) => row.payTo],
  ['transaction', 'Transaction', (row) => row.transaction],
  ['offer', 'Offer', (row) => row.offer],
  ['accessSeconds', 'Access (seconds)', (row) => row.accessSeconds],
  ['remark', 'Remark', (row) => row.remark],
  ['tokenContract', 'Token contract', (row) => row.asset],
  ['scheme', 'Scheme', (row) => row.scheme],
  ['position', 'Position in the receipt', (row) => row.position],
  ['id', 'Payment id', (row) => row.id],
  ['link', 'Link', (row) => linkOf(row.network, row.transaction)],
  ['title', 'Title', (row) => row.title],
]

/** What a spreadsheet takes for a formula, also behind what it passes over. */
const FORMULA = /^[\p{Z}\p{C}]*[=+\-@＝＋－＠]|^[\t\r\n]/u

/** One cell by RFC 4180. A text that a spreadsheet would compute gets an apostrophe in front. */
export function csvCell(value: string | number | null): string {
  const text = value === null ? '' : String(value)
  const safe = typeof value === 'string' && FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n\t;]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

const csvLine = (cells: readonly (string | number | null)[]) => `${cells.map(csvCell).join(',')}\r\n`

/** The ledger as CSV, in pieces. Nothing comes before the first row is there, so a fault leaves nothing behind. */
export async function* asCsv(rows: AsyncIterable<Row>): AsyncGenerator<string> {
  let heading = csvLine(COLUMNS.map(([, text]) => text))
  for await (const row of rows) {
    yield `${heading}${csvLine(COLUMNS.map(([, , value]) => value(row)))}`
    heading = ''
  }
  if (heading !== '') yield heading
}

/** The ledger as one JSON array, in pieces. Amounts are strings. */
export async function* asJson(rows: AsyncIterable<Row>): AsyncGenerator<string> {
  let before = '['
  for await (const row of rows) {
    yield `${before}\n${JSON.stringify(Object.fromEntries(COLUMNS.map(([name, , value]) => [name, value(row)])))}`
    before = ','
  }
  yield before === '[' ? '[]\n' : '\n]\n'
}

const DAY_SECONDS = 86_400

/** From the start of a day to the end of another one, in UTC; or from one moment to another. */
export function spanOf(from: string | undefined, to: string | undefined): Span {
  const span = {
    fromSeconds: from === undefined ? ALWAYS.fromSeconds : momentOf(from, '--from'),
    toSeconds: to === undefined ? ALWAYS.toSeconds : momentOf(to, '--to') + (isDay(to) ? DAY_SECONDS - 1 : 0),
  }
  if (span.fromSeconds > span.toSeconds) throw new Refusal(`--from ${from} is later than --to ${to}; swap them`)
  return span
}

const isDay = (text: string) => /^\d{4}-\d{2}-\d{2}$/.test(text)

function momentOf(text: string, flag: string): number {
  const ms = isDay(text) || /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?Z$/.test(text) ? Date.parse(text) : Number.NaN
  // Some dates that are none, such as 31 February, are read as another day.
  if (!Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text.slice(0, 10))) return Math.floor(ms / 1000)
  throw new Refusal(`${flag} ${text} is no date in UTC; write 2026-11-30, or 2026-11-30T18:00:00Z`)
}

export async function exportRows(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...SOURCE_FLAGS,
      csv: { type: 'boolean' },
      json: { type: 'boolean' },
      from: { type: 'string' },
      to: { type: 'string' },
      out: { type: 'string' },
    },
  })
  if (values.csv && values.json) throw new Refusal('an export is --csv or --json, not both')
  const span = spanOf(values.from, values.to)
  const rows = rowsOf(await queryOf(sourceOf(values)), span)
  const text = values.json ? asJson(rows) : asCsv(rows)
  if (values.out === undefined) {
    for await (const piece of text) process.stdout.write(piece)
    return
  }
  // A file that is there under its name is whole.
  const part = `${values.out}.part`
  try {
    await pipeline(Readable.from(text), createWriteStream(part, { mode: 0o600 }))
    await rename(part, values.out)
  } catch (error) {
    await rm(part, { force: true })
    if (error instanceof Refusal) throw error
    throw new Refusal(`${values.out} cannot be written; name a file in a folder that is there`)
  }
  console.error(`Written to ${values.out}.`)
}
