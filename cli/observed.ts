// `npm run ledger -- observed [FILE]`: what routes with mode = "observe" would have asked for, out of log lines. It reads a file or
// its input, and asks nobody.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { formatAmounts, formatPrice, type Money } from '../src/policy/rules.ts'

const USAGE = `name one file of log lines, or pipe them in:
  npx wrangler tail --format json > log.json, then: npm run ledger -- observed log.json`

/** The parts of a request's line that count here (`RequestLine` in `src/log.ts`). */
const requestLine = z.object({
  event: z.literal('request'),
  decision: z.literal('observed'),
  route: z.string(),
  class: z.string(),
  priceMicros: z.number().int().nonnegative().optional(),
  // Older lines name none.
  currency: z.enum(['USD', 'EUR']).default('USD'),
  weight: z.number().min(1).optional(),
})

/** Where the lines of a worker stand: in what `wrangler tail` prints, and in what Logpush writes. Nothing else of it is read. */
const tailed = z.union([
  z
    .object({ logs: z.array(z.object({ message: z.array(z.unknown()) })) })
    .transform(({ logs }) => logs.map((log) => log.message)),
  z
    .object({ Logs: z.array(z.object({ Message: z.array(z.unknown()) })) })
    .transform(({ Logs }) => Logs.map((log) => log.Message)),
])

/** Requests of one class at one route and price. */
export type ObservedRow = { route: string; class: string; price: Money; requests: number }

export type Observed = {
  /** The dearest first. */
  rows: readonly ObservedRow[]
  /** Observed requests that no route would have charged for, such as HEAD and errors. */
  unpriced: number
  /** Whether lines stood for more than one request. */
  isEstimate: boolean
}

/** Reads the lines of a log, one JSON value a line or one spread over several, and sums what was observed. */
export async function observedIn(lines: Iterable<string> | AsyncIterable<string>): Promise<Observed> {
  const rows = new Map<string, ObservedRow>()
  let unpriced = 0
  let isEstimate = false
  for await (const value of valuesIn(lines)) {
    for (const said of saidIn(value)) {
      const { route, class: visitor, priceMicros, currency, weight = 1 } = said
      isEstimate ||= weight !== 1
      if (priceMicros === undefined) {
        unpriced += weight
        continue
      }
      const key = JSON.stringify([route, visitor, priceMicros, currency])
      const row = rows.get(key) ?? {
        route,
        class: visitor,
        price: { currency, micros: BigInt(priceMicros) },
        requests: 0,
      }
      rows.set(key, { ...row, requests: row.requests + weight })
    }
  }
  const sorted = [...rows.values()].sort((a, b) => Number(sumOf(b) - sumOf(a)))
  return { rows: sorted, unpriced, isEstimate }
}

/** JSON values: of a line each, or from a line `{` to a line `}` as `wrangler tail` prints them. What is none is passed over. */
async function* valuesIn(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<unknown> {
  let open: string[] = []
  for await (const line of lines) {
    const text = line.trimEnd()
    if (text === '{') open = [text]
    else if (open.length > 0) open.push(text)
    if (open.length > 0 && text !== '}') continue
    const value = parsed(open.length > 0 ? open.join('\n') : text)
    open = []
    if (value !== undefined) yield value
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The observed requests a value tells of. A visitor's own words, which a tail holds too, are not looked at. */
function saidIn(value: unknown): z.infer<typeof requestLine>[] {
  const tail = tailed.safeParse(value)
  const messages = tail.success
    ? tail.data.map(([first]) => (typeof first === 'string' ? parsed(first) : first))
    : [value]
  return messages.flatMap((message) => {
    const line = requestLine.safeParse(message)
    return line.success ? [line.data] : []
  })
}

const sumOf = ({ price, requests }: ObservedRow): bigint => price.micros * BigInt(Math.round(requests))

/** The report, line by line. */
export function reportOf({ rows, unpriced, isEstimate }: Observed): string[] {
  if (rows.length === 0) {
    return [
      'These lines tell of no request that an observed route would have charged for.',
      ...(unpriced > 0 ? [leftOut(unpriced)] : []),
    ]
  }
  const cells = rows.map((row) => [
    row.route,
    row.class,
    String(Math.round(row.requests)),
    formatPrice(row.price),
    formatPrice({ ...row.price, micros: sumOf(row) }),
  ])
  const currencies = [...new Set(rows.map(({ price }) => price.currency))]
  const totals = currencies.map((currency) => ({
    currency,
    micros: rows.filter(({ price }) => price.currency === currency).reduce((sum, row) => sum + sumOf(row), 0n),
  }))
  return [
    'Upper bound: every request at its full price. It is no forecast: most who are asked to pay leave, who has bought reads on',
    'without paying, and a class is what a visitor looks like.',
    '',
    ...tableOf([
      ['route', 'class', 'requests', 'price', 'at most'],
      ...cells,
      ['in all', '', '', '', formatAmounts(totals)],
    ]),
    ...(isEstimate ? ['', 'Some lines stand for several requests (LOG_SAMPLE), so these numbers are estimates.'] : []),
    ...(unpriced > 0 ? ['', leftOut(unpriced)] : []),
  ]
}

const leftOut = (unpriced: number) =>
  `Left out, because nothing would have been asked for (HEAD, OPTIONS, redirects, errors): ${Math.round(unpriced)}.`

/** Columns of text, numbers to the right. */
function tableOf(table: readonly (readonly string[])[]): string[] {
  const shown = table.map((row) => row.map(printable))
  const widths = (shown[0] ?? []).map((_, i) => Math.max(...shown.map((row) => (row[i] ?? '').length)))
  return shown.map((row) =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

/** A file may come from anywhere: nothing in it steers the terminal. */
const printable = (text: string) => text.replace(/[^\x20-\x7e\u00a1-\u{10ffff}]/gu, '?').slice(0, 200)

/** `observed [FILE]`; without a file, or with `-`, it reads its input. */
export async function observed(args: string[]): Promise<void> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} })
  const [file = '-'] = positionals
  if (positionals.length > 1 || (file === '-' && process.stdin.isTTY)) throw new Error(USAGE)
  const input = file === '-' ? process.stdin : createReadStream(file, 'utf8')
  // A file that cannot be opened says so here; the lines would only end.
  const broken = new Promise<never>((_, reject) => input.once('error', reject))
  const read = observedIn(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))
  for (const line of reportOf(await Promise.race([read, broken]))) console.log(line)
}
