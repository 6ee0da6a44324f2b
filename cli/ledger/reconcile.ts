// `ledger reconcile`: compares the ledger with the chain, network by network, and says what does not fit. It changes
// nothing but its own note of how far it came.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import {
  ASSETS,
  type Asset,
  assetAt,
  evmTokensOn,
  isSameToken,
  namespaceOf,
  networkOf,
  svmTokensOn,
} from '../../src/x402/assets.ts'
import { isSolanaAddress } from '../../src/x402/base58.ts'
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
import { openChain } from './endpoint.ts'
import { lookUpEvm, readEvm } from './evm.ts'
import { openProgress, type Progress } from './progress.ts'
import type { Group, Reading, Wish } from './reading.ts'
import { ALWAYS, isoTime, printable, type Row, rowsOf } from './rows.ts'
import { lookUpSolana, readSolana } from './solana.ts'
import { type Settings, SOURCE_FLAGS, settingsOf, sourceOf } from './source.ts'
import type { Transfer } from './transfers.ts'

const group = z.object({ network: z.string(), asset: z.string(), payee: z.string(), since: z.int() })

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
  const known = groups.flatMap(({ network }) => networkOf(network) ?? [])
  const networks = [...settings.networks, ...known]
  // The token of most sales, whatever else was sold in, and the site's own.
  const tokens = [...ASSETS, ...settings.ownTokens]
  const sold = groups.flatMap(({ network, asset }) => assetAt(network, asset, tokens) ?? [])
  const own = settings.ownTokens.filter((token) => settings.networks.some(({ network }) => network === token.network))
  const assets = new Set<Asset>([...evmTokensOn(networks), ...svmTokensOn(networks), ...sold, ...own])
  if (groups.length === 0 && Object.keys(settings.payTo).length === 0) {
    throw new Refusal('the ledger is empty and PAY_TO is not set: there is nothing to compare')
  }
  if (wish.fromBlock !== null && new Set([...assets].map(({ network }) => network)).size > 1) {
    throw new Refusal('--from-block counts the blocks of one network, and here are several; use --days')
  }

  const readings: Opened[] = []
  const findings: Findings = { errors: [], notYet: [], open: [] }
  for (const asset of assets) {
    const reading = await orNotChecked(asset.network, findings, () => readOne(asset, groups, settings, wish, progress))
    if (reading) readings.push(reading)
  }

  // After the chain, so that each row was written behind a transfer that was read.
  const rows: Row[] = []
  for await (const row of rowsOf(query, ALWAYS)) rows.push(row)
  findings.errors.push(...unknownTokens(rows, tokens))
  const checked: Checked[] = []
  for (const { view, host, lookUp, others } of readings) {
    await orNotChecked(view.asset.network, findings, async () => {
      const whole = { ...view, inReceipts: await lookUp(toLookUp(rows, view)) }
      const found = compare(rows, whole)
      findings.errors.push(...found.errors)
      findings.notYet.push(...found.notYet)
      findings.open.push(...found.open)
      const own = rows.filter((row) => isSameToken(row, view.asset))
      checked.push({ view: whole, host, rows: own.length, others })
    })
  }
  return { checked, findings }
}

/** What was read of a network, and how single transactions are looked up there. */
type Opened = Reading & { host: string; lookUp: (transactions: readonly string[]) => Promise<Transfer[]> }

/** Throws a `Refusal` where the network cannot be read. */
async function readOne(
  asset: Asset,
  groups: readonly Group[],
  settings: Settings,
  wish: Wish,
  progress: Progress,
): Promise<Opened> {
  const payees = payeesOn(asset, groups, settings.payTo)
  const namespace = namespaceOf(asset.network)
  if (payees.length === 0) throw new Refusal(`nobody is paid there; write PAY_TO.${namespace}, or remove the network`)
  const own = groups.filter((one) => isSameToken(one, asset))
  const url = settings.rpcUrls.get(asset.network) ?? asset.rpcUrl
  if (asset.kind === 'svm') {
    const chain = await openChain(asset, url)
    const lookUp = (transactions: readonly string[]) => lookUpSolana(chain, transactions)
    return { host: chain.host, lookUp, ...(await readSolana(chain, payees, own, wish, progress)) }
  }
  const chain = await openChain(asset, url)
  const lookUp = (transactions: readonly string[]) => lookUpEvm(chain, transactions)
  return { host: chain.host, lookUp, ...(await readEvm(chain, payees, own, wish, progress)) }
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
  // Capitals of an EVM address mean nothing, and those of base58 do.
  const payee = `CASE WHEN pay_to LIKE '0x%' THEN lower(pay_to) ELSE pay_to END`
  const found = await query(
    `SELECT network, asset, ${payee} AS payee, min(settled_at_seconds) AS since FROM payments GROUP BY network, asset, ${payee}`,
  )
  const groups = z.array(group).safeParse(found)
  if (!groups.success) throw new Refusal('the ledger has rows without network, payee or time; take them out')
  return groups.data
}

/** Whoever was paid, and who is paid from now on. A row that names no address is found by the comparison. */
function payeesOn({ kind, network }: Asset, groups: readonly Group[], payTo: Settings['payTo']): string[] {
  const now = payTo[namespaceOf(network)]
  const isAddress = (payee: string) => (kind === 'svm' ? isSolanaAddress(payee) : /^0x[0-9a-f]{40}$/.test(payee))
  const known = groups.map(({ payee }) => payee)
  return [...new Set([...known, ...(now === undefined ? [] : [now])])].filter(isAddress).sort()
}

type Result = { checked: readonly Checked[]; findings: Findings }

function asJson({ checked, findings }: Result): string {
  const networks = checked.map(({ view, host, rows, others }) => ({
    network: view.asset.network,
    rpcHost: host,
    payees: view.payees,
    // Solana is read by time.
    fromBlock: view.asset.kind === 'svm' ? null : view.from,
    toBlock: view.asset.kind === 'svm' ? null : view.to,
    fromSeconds: view.fromSeconds,
    rows,
    payments: view.transfers.length,
    otherTransfers: others,
  }))
  return JSON.stringify({ ok: findings.errors.length === 0, networks, ...findings }, null, 2)
}

function asText({ checked, findings: { errors, notYet, open } }: Result): string {
  const summary = checked.flatMap(({ view, host, rows, others }) => [
    `${view.asset.symbol} on ${view.asset.name} (${view.asset.network}), asked at ${host}: ${spanOf(view)}`,
    `  ${counted(rows, 'row')}, ${counted(view.transfers.length, 'payment')} by ${proofOf(view)}, ${counted(others, 'other transfer')}`,
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

const spanOf = ({ asset, from, to, fromSeconds }: View) =>
  asset.kind === 'svm'
    ? `from ${isoTime(from)} to ${isoTime(to)}`
    : `blocks ${from} to ${to}, from ${isoTime(fromSeconds)}`

/** By what a payment is told from other transfers. */
const proofOf = ({ asset: { kind } }: View) => ({ svm: 'memo', permit2: 'permit', eip3009: 'authorization' })[kind]

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
