// What each EVM network's RPC says: that it is of that chain, that its tokens are those that are signed for, that the payee can
// be paid there, and that it answers what reconciliation asks. It asks through the worker's own functions.
import { randomBytes } from 'node:crypto'
import type { Hex } from 'viem'
import * as z from 'zod'
import {
  type Block,
  type Budget,
  blockAt,
  blockCall,
  type ChainFailure,
  type Rpc,
  read,
  toHex,
} from '../../src/chain.ts'
import type { Config } from '../../src/config.ts'
import { fail, ok, type Result } from '../../src/errors.ts'
import { receiptOf } from '../../src/payer/proof.ts'
import { searchOn, settledBlock, usesTrail } from '../../src/payer/search.ts'
import type { Eip3009Asset } from '../../src/x402/assets.ts'
import type { Surroundings } from './asking.ts'
import { openEndpoint } from './endpoint.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'
import { orderFindings } from './order.ts'
import { askToken, hexText, tokenFindings } from './token.ts'
import { evmTokensSold, isOwn, settingOf } from './tokens.ts'

/** Requests to one network, but for its tokens; some public endpoints allow few more a minute. */
const MOST_REQUESTS = 34
/** To one token about itself. */
const TOKEN_REQUESTS = 8
/** And for the order of its logs. */
const ORDER_REQUESTS = 20
/** A head this old is not the chain's. */
const OLDEST_HEAD_SECONDS = 120
/** What a reconciliation has to look through after five minutes, in blocks of a fast chain. */
const LOG_BLOCKS = 1_000
/** With fewer blocks at once, a search takes more calls than a request has. */
const LEAST_LOG_BLOCKS = 100

/** What a payee is on one network. `delegated` wallets (EIP-7702) keep their own key. */
type Payee = { asset: Eip3009Asset; kind: 'contract' | 'used' | 'fresh' }
type Looked = { findings: Finding[]; payee: Payee | null }

export async function chainFindings(config: Config, surroundings: Surroundings): Promise<Finding[]> {
  const looked = await Promise.all(evmTokensSold(config).map((tokens) => lookAt(tokens, config, surroundings)))
  const payees = looked.flatMap(({ payee }) => payee ?? [])
  return [...looked.flatMap(({ findings }) => findings), ...payeeFindings(payees)]
}

/** One address on several networks: with a key of its own it is the same owner everywhere, with code it need not be. */
export function payeeFindings(payees: readonly Payee[]): Finding[] {
  const at = 'PAY_TO.eip155'
  const names = (list: readonly Payee[]) => list.map(({ asset }) => asset.name).join(' and ')
  const contracts = payees.filter(({ kind }) => kind === 'contract')
  const others = payees.filter(({ kind }) => kind !== 'contract')
  if (contracts.length > 0 && others.length > 0) {
    const message = `it is a contract on ${names(contracts)} and has no code on ${names(others)}, where what is paid may be out of reach`
    return [error(at, `${message}; write an address that is yours on all of NETWORKS, or remove the others`)]
  }
  if (contracts.length > 0) {
    return [warning(at, `it is a contract on ${names(contracts)}; send a cent there and back before you sell`)]
  }
  const isFresh = payees.length > 0 && payees.every(({ kind }) => kind === 'fresh')
  if (!isFresh) return []
  return [
    warning(at, `nobody has used this address on ${names(payees)} yet; send a cent there and back before you sell`),
  ]
}

/** `tokens`: what is sold in on one network, the first of them by its endpoint and its name. */
async function lookAt(tokens: readonly Eip3009Asset[], config: Config, surroundings: Surroundings): Promise<Looked> {
  const [first] = tokens
  if (!first) return { findings: [], payee: null }
  const { network, name } = first
  const url = config.rpcUrls[network] ?? first.rpcUrl
  const host = hostOf(url)
  const at = `RPC_URLS.${network}`
  const opened = await openEndpoint(first, url, at, surroundings)
  if (!opened.ok) return { findings: [opened.error], payee: null }
  const { rpc, clock } = opened.value
  const found: Finding[] = []
  for (const token of tokens) found.push(...(await tokenFindings(rpc, token, config, { left: TOKEN_REQUESTS })))
  const budget: Budget = { left: MOST_REQUESTS }
  const payee = await payeeOn(rpc, tokens, config.payTo.eip155 ?? '', budget)
  const search = await searchFindings(rpc, first, at, surroundings, budget)
  for (const token of tokens.filter(isOwn)) {
    search.push(...(await orderFindings(rpc, token, settingOf(token, config), { left: ORDER_REQUESTS })))
  }
  const unknown = payee.ok ? [] : [notChecked('PAY_TO.eip155', `${host} does not say what this address is on ${name}`)]
  return {
    findings: [...(clock === null ? [] : [warning('clock', clock)]), ...found, ...unknown, ...search],
    payee: payee.ok ? payee.value : null,
  }
}

/** Code that hands a wallet's calls on, and leaves it its key (EIP-7702). */
const DELEGATION = /^0xef0100/i

async function payeeOn(
  rpc: Rpc,
  tokens: readonly Eip3009Asset[],
  address: string,
  budget: Budget,
): Promise<Result<Payee, ChainFailure>> {
  const [asset] = tokens
  if (!asset) return fail('refused')
  const ask = async (method: string) => read(hexText, await rpc.ask({ method, params: [address, 'latest'] }, budget))
  const code = await ask('eth_getCode')
  if (!code.ok) return code
  if (code.value !== '0x' && !DELEGATION.test(code.value)) return ok({ asset, kind: 'contract' })
  const sent = await ask('eth_getTransactionCount')
  const coins = await ask('eth_getBalance')
  const held: Result<unknown, ChainFailure>[] = []
  for (const token of tokens) held.push(await askToken(rpc, token, 'balance', budget, address))
  const isUsed =
    [sent, coins].some((answer) => !answer.ok || BigInt(answer.value) > 0n) ||
    held.some((answer) => !answer.ok || answer.value !== 0n)
  return ok({ asset, kind: isUsed ? 'used' : 'fresh' })
}

const blockWithTransactions = z.object({ transactions: z.array(z.string()) })

/** Asks what is asked about a payment whose outcome nobody told: one that does not exist. */
async function searchFindings(
  rpc: Rpc,
  asset: Eip3009Asset,
  at: string,
  { nowMs }: Surroundings,
  budget: Budget,
): Promise<Finding[]> {
  const host = hostOf(rpc.url)
  const lost = 'what became of a lost payment could not be found out'
  const other = 'write another endpoint'
  const head = await blockAt(rpc, 'latest', budget)
  if (!head) return [notChecked(at, `${host} did not show its newest block; run doctor again, or ${other}`)]
  const findings: Finding[] = []
  const age = Math.round(nowMs() / 1000 - head.time)
  if (age > OLDEST_HEAD_SECONDS) {
    findings.push(warning(at, `the newest block of ${host} is ${age} s old, so payments look unsettled; ${other}`))
  }
  const settled = await settledBlock(rpc, head, budget)
  if (!settled) return [...findings, error(at, `${host} does not show a block of half a minute ago; ${lost}: ${other}`)]
  const nobody = { from: anyHex(20), nonce: anyHex(32) }
  const height = toHex(settled.number < 0 ? head.number : settled.number)
  // Any state of that time will do; the token itself may be younger on a chain for tests.
  const past = await rpc.ask({ method: 'eth_getBalance', params: [nobody.from, height] }, budget)
  if (!past.ok) {
    findings.push(
      warning(at, `${host} does not know what a wallet was 20 s ago; payments take longer to prove: ${other}`),
    )
  }
  return [
    ...findings,
    ...(await logFindings(rpc, asset, at, nobody, { head, settled }, budget)),
    ...(await receiptFindings(rpc, at, head, budget)),
  ]
}

async function logFindings(
  rpc: Rpc,
  { asset }: Eip3009Asset,
  at: string,
  nobody: { from: Hex; nonce: Hex },
  place: { head: Block; settled: Block },
  budget: Budget,
): Promise<Finding[]> {
  const host = hostOf(rpc.url)
  const fromBlock = Math.max(0, place.head.number - LOG_BLOCKS)
  const search = { fromBlock, searchedTo: fromBlock - 1, emptySinceSeconds: null }
  const endless = { ...nobody, validBefore: BigInt(Number.MAX_SAFE_INTEGER) }
  const result = await searchOn(rpc, usesTrail(asset, endless), search, place, budget)
  const other = 'write another endpoint'
  if (result.kind === 'unreachable') {
    return [
      error(at, `${host} does not answer for logs (eth_getLogs); a lost payment could not be found again: ${other}`),
    ]
  }
  const findings: Finding[] = []
  if (rpc.memory.logBlocks < LEAST_LOG_BLOCKS) {
    const blocks = rpc.memory.logBlocks === 1 ? '1 block' : `${rpc.memory.logBlocks} blocks`
    findings.push(
      warning(at, `${host} answers for the logs of ${blocks} at once; to find a lost payment takes long: ${other}`),
    )
  }
  if (rpc.memory.takesBatches === false) {
    findings.push(
      warning(at, `${host} takes one call in a request only; to find a lost payment takes longer: ${other}`),
    )
  }
  return findings
}

/** The receipt is the proof of a payment. It is asked for a transaction of the newest blocks. */
async function receiptFindings(rpc: Rpc, at: string, head: Block, budget: Budget): Promise<Finding[]> {
  const call = { ...blockCall(head.number), params: [toHex(Math.max(0, head.number - 1)), false] }
  const block = read(blockWithTransactions, await rpc.ask(call, budget))
  const [transaction] = block.ok ? block.value.transactions : []
  if (transaction === undefined) return []
  const receipt = await receiptOf(rpc, transaction, budget)
  if (receipt.ok && receipt.value !== null) return []
  const message = `${hostOf(rpc.url)} shows no receipt of a transaction it lists; no payment could be proven: write another endpoint`
  return [error(at, message)]
}

const anyHex = (bytes: number): Hex => `0x${randomBytes(bytes).toString('hex')}`
