// `ledger reconcile`: compares the ledger with the chain, network by network, and says what does not fit. It changes
// nothing but its own note of how far it came.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { SETTLED_SECONDS } from '../../src/payer/search.ts'
import { type Eip3009Asset, evmTokensOn, networkOf } from '../../src/x402/assets.ts'
import { Refusal } from '../command.ts'
import {
  compare,
  type Finding,
  type Findings,
  notChecked,
  titleOf,
  toLookUp,
  unknownTokens,
  type View,
} from './compare.ts'
import { type Query, queryOf } from './database.ts'
import { openProgress, type Progress } from './progress.ts'
import { ALWAYS, isoTime, printable, type Row, rowsOf } from './rows.ts'
import { blockOf, type Chain, hashOf, newestUpTo, openChain, receiptAt, scan } from './scan.ts'
import { type Settings, SOURCE_FLAGS, settingsOf, sourceOf } from './source.ts'
import { type Transfer, transfersIn } from './transfers.ts'

const DAY_SECONDS = 86_400
/** Without --days: this far back, or to the oldest row where that is older. */
const DEFAULT_DAYS = 30
/** The clock of the site and that of the chain differ, and a row is written after its transfer. */
const MARGIN_SECONDS = 3_600
const SHOWN_EVERY_MS = 2_000
/** Behind the machine's clock by more than this, an RPC does not know what happened lately. */
const LAG_SECONDS = 300

const group = z.object({ network: z.string(), pay_to: z.string(), since: z.int() })
type Group = z.infer<typeof group>

export type Wish = { fromBlock: number | null; days: number | null; isAfresh: boolean }

/** What was read of one network, for the report. */
export type Checked = { view: View; host: string; rows: number; others: number }

export async function reconcile(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...SOURCE_FLAGS,
      'from-block': { type: 'string' },
      days: { type: 'string' },
      rpc: { type: 'string', multiple: true },
      progress: { type: 'string' },
      afresh: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const wish = {
    fromBlock: wholeNumber(values['from-block'], '--from-block'),
    days: wholeNumber(values.days, '--days'),
    isAfresh: values.afresh === true,
  }
  if (wish.fromBlock !== null && wish.days !== null) throw new Refusal('give --from-block or --days, not both')
  const source = sourceOf(values)
  const settings = await settingsOf(source, values.rpc ?? [])
  const progress = openProgress(resolve(values.progress ?? inCheckout('.wrangler/ledger-progress.jsonl')))
  const result = await compareAll(await queryOf(source), settings, wish, progress)
  console.log(values.json ? asJson(result) : asText(result))
  if (result.findings.errors.length > 0) process.exitCode = 1
}

/** Compares the rows that `query` gives with the chains of `settings`. Throws a `Refusal` where nothing can be compared. */
export async function compareAll(
  query: Query,
  settings: Settings,
  wish: Wish,
  progress: Progress,
): Promise<{ checked: Checked[]; findings: Findings }> {
  const groups = await groupsIn(query)
  const payees = payeesOf(groups, settings.payTo)
  const known = groups.flatMap(({ network }) => networkOf(network) ?? [])
  const assets = new Set<Eip3009Asset>(evmTokensOn([...settings.networks, ...known]))
  if (payees.length === 0) throw new Refusal('the ledger is empty and PAY_TO is not set: there is nothing to compare')
  if (wish.fromBlock !== null && assets.size > 1) {
    throw new Refusal('--from-block counts the blocks of one network, and here are several; use --days')
  }

  const views: { view: View; chain: Chain; others: number }[] = []
  const findings: Findings = { errors: [], notYet: [], open: [] }
  for (const asset of assets) {
    const own = groups.filter(({ network }) => network === asset.network)
    const view = await orNotChecked(asset.network, findings, async () => {
      const chain = await openChain(asset, settings.rpcUrls.get(asset.network) ?? asset.rpcUrl)
      return { chain, ...(await read(chain, payees, own, wish, progress)) }
    })
    if (view) views.push(view)
  }

  // After the chain, so that each row was written behind a transfer that was read.
  const rows: Row[] = []
  for await (const row of rowsOf(query, ALWAYS)) rows.push(row)
  findings.errors.push(...unknownTokens(rows))
  const checked: Checked[] = []
  for (const { view, chain, others } of views) {
    await orNotChecked(view.asset.network, findings, async () => {
      const whole = { ...view, inReceipts: await receiptsOf(chain, toLookUp(rows, view)) }
      const found = compare(rows, whole)
      findings.errors.push(...found.errors)
      findings.notYet.push(...found.notYet)
      findings.open.push(...found.open)
      const own = rows.filter(({ network }) => network === view.asset.network)
      checked.push({ view: whole, host: chain.host, rows: own.length, others })
    })
  }
  return { checked, findings }
}

/** What one network's endpoint does not tell is an error of the books, and keeps no other network from being checked. */
async function orNotChecked<Value>(
  network: string,
  { errors }: Findings,
  act: () => Promise<Value>,
): Promise<Value | null> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    errors.push(notChecked(network, error.message))
    return null
  }
}

function wholeNumber(text: string | undefined, flag: string): number | null {
  if (text === undefined) return null
  if (!/^\d{1,12}$/.test(text)) throw new Refusal(`${flag} ${text} is no whole number; write one such as ${flag} 30`)
  return Number(text)
}

async function groupsIn(query: Query): Promise<Group[]> {
  const found = await query(
    'SELECT network, lower(pay_to) AS pay_to, min(settled_at_seconds) AS since FROM payments GROUP BY network, lower(pay_to)',
  )
  const groups = z.array(group).safeParse(found)
  if (!groups.success) throw new Refusal('the ledger has rows without network, payee or time; take them out')
  return groups.data
}

/** Whoever was paid, and who is paid from now on. A row that names no address is found by the comparison. */
const payeesOf = (groups: readonly Group[], payTo: string | null): string[] =>
  [...new Set([...groups.map(({ pay_to }) => pay_to), ...(payTo === null ? [] : [payTo])])]
    .filter((payee) => /^0x[0-9a-f]{40}$/.test(payee))
    .sort()

/** Reads one network's transfers to the payees, up to 20 seconds behind its head. */
async function read(
  chain: Chain,
  payees: readonly string[],
  groups: readonly Group[],
  wish: Wish,
  progress: Progress,
): Promise<{ view: View; others: number }> {
  const { network, name } = chain.asset
  const head = await blockOf(chain, 'latest')
  const behind = Math.floor(Date.now() / 1000) - head.time
  if (behind > LAG_SECONDS) {
    say(`${name}: the RPC at ${chain.host} is ${behind} s behind; what is younger is looked at when it knows of it`)
  }
  const at = (height: number) => blockOf(chain, height)
  const to = await newestUpTo(at, head, head.time - SETTLED_SECONDS)
  const oldest = Math.min(...groups.map(({ since }) => since))
  const backTo = Math.min(
    head.time - (wish.days ?? DEFAULT_DAYS) * DAY_SECONDS,
    wish.days === null ? oldest - MARGIN_SECONDS : Number.POSITIVE_INFINITY,
  )
  const from = wish.fromBlock ?? (await newestUpTo(at, head, backTo))
  if (from > head.number) throw new Refusal(`--from-block ${from} is not there yet; the newest block is ${head.number}`)

  if (!(await goesOn(chain, payees, from, wish, progress))) progress.forget(network)
  const start = (progress.known(network)?.to ?? from - 1) + 1
  if (start <= to) say(`${name}: reading blocks ${start} to ${to} at ${chain.host}`)
  let shownAt = Date.now()
  for await (const scanned of scan(chain, payees, { from: start, to })) {
    progress.add(network, payees, scanned)
    if (Date.now() - shownAt < SHOWN_EVERY_MS) continue
    shownAt = Date.now()
    say(`${name}: block ${scanned.to} of ${to} (${Math.floor((100 * (scanned.to - start)) / (to - start + 1))} %)`)
  }
  const known = progress.known(network)
  const fromSeconds = (await at(from)).time
  return {
    view: {
      asset: chain.asset,
      payees,
      from,
      to,
      fromSeconds,
      nowSeconds: head.time,
      transfers: (known?.transfers ?? []).filter(({ block }) => block >= from && block <= to),
      inReceipts: [],
    },
    others: known?.others ?? 0,
  }
}

/** Whether what an earlier run read is of this chain and these payees, and begins early enough. */
async function goesOn(
  chain: Chain,
  payees: readonly string[],
  from: number,
  { isAfresh }: Wish,
  progress: Progress,
): Promise<boolean> {
  const known = progress.known(chain.asset.network)
  if (!known || isAfresh || known.from > from || known.to < from - 1) return false
  if (known.payees.join() !== payees.join()) return false
  return (await hashOf(chain, known.to)) === known.hash
}

async function receiptsOf(chain: Chain, transactions: readonly string[]): Promise<Transfer[]> {
  if (transactions.length > 0) say(`${chain.asset.name}: asking for ${transactions.length} single transactions`)
  const found: Transfer[] = []
  for (const transaction of transactions) {
    const receipt = await receiptAt(chain, transaction)
    if (receipt) found.push(...transfersIn(transaction, receipt, chain.asset.asset))
  }
  return found
}

/** Beside the report, which may go into a file. */
const say = (text: string) => console.error(printable(text))

type Result = { checked: readonly Checked[]; findings: Findings }

function asJson({ checked, findings }: Result): string {
  const networks = checked.map(({ view, host, rows, others }) => ({
    network: view.asset.network,
    rpcHost: host,
    payees: view.payees,
    fromBlock: view.from,
    toBlock: view.to,
    rows,
    payments: view.transfers.length,
    otherTransfers: others,
  }))
  return JSON.stringify({ ok: findings.errors.length === 0, networks, ...findings }, null, 2)
}

function asText({ checked, findings: { errors, notYet, open } }: Result): string {
  const summary = checked.flatMap(({ view, host, rows, others }) => [
    `${view.asset.name} (${view.asset.network}), asked at ${host}: blocks ${view.from} to ${view.to}, from ${isoTime(view.fromSeconds)}`,
    `  ${counted(rows, 'row')}, ${counted(view.transfers.length, 'payment')} by authorization, ${counted(others, 'other transfer')}`,
  ])
  const list = (label: string, findings: readonly Finding[]) => findings.map((finding) => described(label, finding))
  const end =
    errors.length > 0
      ? `${counted(errors.length, 'error')}.`
      : notYet.length > 0
        ? 'No errors.'
        : 'All well: every row has its transfer, and every transfer its row.'
  return [
    ...summary,
    '',
    ...list('ERROR', errors),
    ...list('NOT YET', notYet),
    ...list('OPEN', open),
    open.length + notYet.length === 0 ? end : `${end} ${notYet.length} not yet, ${open.length} open.`,
  ].join('\n')
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

function described(label: string, { kind, what, ids, transaction, link, advice }: Finding): string {
  const lines = [
    `${label}: ${titleOf(kind)}`,
    `  ${what}`,
    ...ids.map((id) => `  payment id ${id}`),
    ...(transaction === '' ? [] : [`  transaction ${transaction}`]),
    ...(link === null ? [] : [`  ${link}`]),
    label === 'NOT YET' ? '  nothing to do: run this again in ten minutes' : `  what to do: ${advice}`,
  ]
  return `${lines.map(printable).join('\n')}\n`
}
