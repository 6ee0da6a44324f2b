// What each Solana network's RPC says: that it is of that network, that the payee is a wallet whose token account can be paid
// into, and that it answers what the search for a lost payment asks.
import * as z from 'zod'
import { type Answer, type Budget, type Rpc, read } from '../../src/chain.ts'
import type { Config } from '../../src/config.ts'
import { associatedTokenAccount } from '../../src/networks/solana.ts'
import type { SvmAsset } from '../../src/x402/assets.ts'
import { MEMO_PROGRAM } from '../../src/x402/svm.ts'
import type { Surroundings } from './asking.ts'
import { openEndpoint } from './endpoint.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'
import { type Account, type Accounts, payeeFindings } from './token-account.ts'
import { mintsSold } from './tokens.ts'

/** Requests to one network; some public endpoints allow few more a minute. */
const MOST_REQUESTS = 20
/** A head this old is not the chain's. */
const OLDEST_HEAD_SECONDS = 120
/** A quote lives ten minutes, a transaction some minutes more, and clocks differ: what is asked about is no older. */
const LEAST_HISTORY_SECONDS = 1_800
/** For what is asked again later, and for the books. */
const GOOD_HISTORY_SECONDS = 86_400
/** Among so many transactions at the memo program some wrote a memo themselves; others only had it called. */
const MEMOS_LOOKED_AT = 50
/** No node is so far ahead. */
const FAR_SLOTS = 1_000_000

const LOST = 'what became of a lost payment could not be found out'
const OTHER = 'write another endpoint'

export async function solanaFindings(config: Config, surroundings: Surroundings): Promise<Finding[]> {
  const each = mintsSold(config).map((asset) => lookAt(asset, config, surroundings))
  return (await Promise.all(each)).flat()
}

async function lookAt(asset: SvmAsset, config: Config, surroundings: Surroundings): Promise<Finding[]> {
  const { network } = asset
  const url = config.rpcUrls[network] ?? asset.rpcUrl
  const at = `RPC_URLS.${network}`
  const opened = await openEndpoint(asset, url, at, surroundings)
  if (!opened.ok) return [opened.error]
  const { rpc, clock } = opened.value
  const budget: Budget = { left: MOST_REQUESTS }
  const index = config.networks.findIndex((known) => known.network === network)
  const accounts = await accountsOf(rpc, asset, config.payTo.solana ?? '', budget)
  const unknown = `${hostOf(url)} does not say what this address is on ${asset.name}; ${OTHER}`
  return [
    ...(clock === null ? [] : [warning('clock', clock)]),
    ...(accounts
      ? payeeFindings(accounts, asset, `NETWORKS[${index}]`, hostOf(url))
      : [notChecked('PAY_TO.solana', unknown)]),
    ...(await historyFindings(rpc, at, surroundings, budget)),
  ]
}

const account = z
  .object({ owner: z.string(), data: z.tuple([z.string(), z.literal('base64')]) })
  .transform(({ owner, data: [text] }): Account => ({ program: owner, data: Buffer.from(text, 'base64') }))
const accountsReply = z.object({ value: z.tuple([account.nullable(), account.nullable(), account.nullable()]) })

async function accountsOf(rpc: Rpc, asset: SvmAsset, payTo: string, budget: Budget): Promise<Accounts | null> {
  const address = await associatedTokenAccount(payTo, asset.asset)
  const params = [[payTo, asset.asset, address], { encoding: 'base64', commitment: 'confirmed' }]
  const found = read(accountsReply, await rpc.ask({ method: 'getMultipleAccounts', params }, budget))
  if (!found.ok) return null
  const [wallet, mint, tokens] = found.value.value
  return { payTo, wallet, mint, address, tokens }
}

const slot = z.int().nonnegative()
const epochInfo = z.object({ absoluteSlot: slot, blockHeight: slot })
const listed = z.array(z.object({ signature: z.string(), memo: z.string().nullish() }))

/** Asks what is asked about a payment whose outcome nobody told. */
async function historyFindings(rpc: Rpc, at: string, { nowMs }: Surroundings, budget: Budget): Promise<Finding[]> {
  const host = hostOf(rpc.url)
  const ask = (method: string, ...params: unknown[]): Promise<Answer> => rpc.ask({ method, params }, budget)
  const no = (what: string) => error(at, `${host} ${what}; ${LOST}: ${OTHER}`)
  const confirmed = read(epochInfo, await ask('getEpochInfo', { commitment: 'confirmed' }))
  const finalized = read(epochInfo, await ask('getEpochInfo', { commitment: 'finalized' }))
  if (!confirmed.ok || !finalized.ok) return [no('does not say how high the chain is (getEpochInfo)')]
  const { absoluteSlot } = finalized.value
  const headSeconds = read(z.int(), await ask('getBlockTime', absoluteSlot))
  const first = read(slot, await ask('getFirstAvailableBlock'))
  const firstSeconds = first.ok ? read(z.int(), await ask('getBlockTime', first.value)) : first
  if (!headSeconds.ok || !first.ok || (!firstSeconds.ok && first.value > 0)) {
    return [no('does not say what it remembers (getFirstAvailableBlock, getBlockTime)')]
  }
  const findings: Finding[] = []
  const age = Math.round(nowMs() / 1000 - headSeconds.value)
  if (age > OLDEST_HEAD_SECONDS) {
    findings.push(warning(at, `the newest block of ${host} is ${age} s old, so payments look unsettled; ${OTHER}`))
  }
  const kept = firstSeconds.ok ? headSeconds.value - firstSeconds.value : 0
  const isWhole = first.value === 0
  if (!isWhole && kept < LEAST_HISTORY_SECONDS) {
    findings.push(no(`remembers ${Math.floor(kept / 60)} minutes only`))
  } else if (!isWhole && kept < GOOD_HISTORY_SECONDS) {
    const why = 'what is asked later, and the books (npm run ledger), need more'
    findings.push(warning(at, `${host} remembers ${Math.floor(kept / 3_600)} hours only; ${why}: ${OTHER}`))
  }
  return [...findings, ...(await listFindings(ask, no, at, host, absoluteSlot))]
}

const statuses = z.object({ value: z.tuple([z.unknown()]) })

/** Lists, and what they list. The memo program stands in for a payer: on a chain in use it always has transactions. */
async function listFindings(
  ask: (method: string, ...params: unknown[]) => Promise<Answer>,
  no: (what: string) => Finding,
  at: string,
  host: string,
  minContextSlot: number,
): Promise<Finding[]> {
  const options = { commitment: 'finalized', limit: MEMOS_LOOKED_AT }
  const list = read(listed, await ask('getSignaturesForAddress', MEMO_PROGRAM, { ...options, minContextSlot }))
  if (!list.ok) return [no('lists no transactions (getSignaturesForAddress)')]
  const findings: Finding[] = []
  const ahead = { ...options, minContextSlot: minContextSlot + FAR_SLOTS }
  if ((await ask('getSignaturesForAddress', MEMO_PROGRAM, ahead)).ok) {
    const why = 'a node that lags would look like one that knows of no payment'
    findings.push(error(at, `${host} answers as of a slot that it has not reached (minContextSlot); ${why}: ${OTHER}`))
  }
  const [newest] = list.value
  if (newest === undefined) return findings
  if (list.value.every(({ memo }) => memo === null || memo === undefined)) {
    findings.push(warning(at, `${host} leaves memos out of its lists; to find a lost payment takes longer: ${OTHER}`))
  }
  const encoded = { encoding: 'base64', commitment: 'confirmed', maxSupportedTransactionVersion: 0 }
  const shown = await ask('getTransaction', newest.signature, encoded)
  if (!shown.ok || shown.value === null) findings.push(no('does not show a transaction that it lists (getTransaction)'))
  const known = read(
    statuses,
    await ask('getSignatureStatuses', [newest.signature], { searchTransactionHistory: true }),
  )
  if (!known.ok || known.value.value[0] === null) {
    findings.push(no('does not know a transaction that it lists (getSignatureStatuses)'))
  }
  return findings
}
