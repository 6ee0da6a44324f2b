// What each EVM network's RPC says: that it is of that chain, that the token is the one that is signed for, that the payee can
// be paid there, and that it answers what reconciliation asks. It asks through the worker's own functions.
import { randomBytes } from 'node:crypto'
import { decodeAbiParameters, domainSeparator, type Hex, isHex, toFunctionSelector } from 'viem'
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
  word,
} from '../../src/chain.ts'
import type { Config } from '../../src/config.ts'
import { fail, ok, type Result } from '../../src/errors.ts'
import { receiptOf } from '../../src/payer/proof.ts'
import { searchOn, settledBlock, usesTrail } from '../../src/payer/search.ts'
import { chainIdOf, DECIMALS, type Eip3009Asset, evmTokensOn } from '../../src/x402/assets.ts'
import type { Surroundings } from './asking.ts'
import { openEndpoint } from './endpoint.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'

/** Requests to one network; some public endpoints allow few more a minute. */
const MOST_REQUESTS = 40
/** A head this old is not the chain's. */
const OLDEST_HEAD_SECONDS = 120
/** What a reconciliation has to look through after five minutes, in blocks of a fast chain. */
const LOG_BLOCKS = 1_000
/** With fewer blocks at once, a search takes more calls than a request has. */
const LEAST_LOG_BLOCKS = 100

/** What the token is asked, and the type of its answer. */
const TOKEN = {
  name: ['name()', 'string'],
  version: ['version()', 'string'],
  decimals: ['decimals()', 'uint256'],
  separator: ['DOMAIN_SEPARATOR()', 'bytes32'],
  isBlocked: ['isBlacklisted(address)', 'bool'],
  balance: ['balanceOf(address)', 'uint256'],
} as const

/** What a payee is on one network. `delegated` wallets (EIP-7702) keep their own key. */
type Payee = { asset: Eip3009Asset; kind: 'contract' | 'used' | 'fresh' }
type Looked = { findings: Finding[]; payee: Payee | null }

export async function chainFindings(config: Config, surroundings: Surroundings): Promise<Finding[]> {
  const looked = await Promise.all(evmTokensOn(config.networks).map((asset) => lookAt(asset, config, surroundings)))
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

async function lookAt(asset: Eip3009Asset, config: Config, surroundings: Surroundings): Promise<Looked> {
  const { network, name } = asset
  const index = config.networks.findIndex((known) => known.network === network)
  const url = config.rpcUrls[network] ?? asset.rpcUrl
  const host = hostOf(url)
  const at = `RPC_URLS.${network}`
  const opened = await openEndpoint(asset, url, at, surroundings)
  if (!opened.ok) return { findings: [opened.error], payee: null }
  const { rpc, clock } = opened.value
  const budget: Budget = { left: MOST_REQUESTS }
  const token = await tokenFindings(rpc, asset, index, config, budget)
  const payee = await payeeOn(rpc, asset, config.payTo.eip155 ?? '', budget)
  const search = await searchFindings(rpc, asset, at, surroundings, budget)
  const unknown = payee.ok ? [] : [notChecked('PAY_TO.eip155', `${host} does not say what this address is on ${name}`)]
  return {
    findings: [...(clock === null ? [] : [warning('clock', clock)]), ...token, ...unknown, ...search],
    payee: payee.ok ? payee.value : null,
  }
}

const hexText = z.string().regex(/^0x[0-9a-fA-F]*$/)

/** `account`: for the questions that are about one. */
async function askToken(
  rpc: Rpc,
  { asset }: Eip3009Asset,
  question: keyof typeof TOKEN,
  budget: Budget,
  account?: string,
): Promise<Result<unknown, ChainFailure>> {
  const [signature, type] = TOKEN[question]
  const data = `${toFunctionSelector(signature)}${account === undefined ? '' : word(account)}`
  const answer = read(hexText, await rpc.ask({ method: 'eth_call', params: [{ to: asset, data }, 'latest'] }, budget))
  if (!answer.ok) return answer
  try {
    return isHex(answer.value) ? ok(decodeAbiParameters([{ type }], answer.value)[0]) : fail('refused')
  } catch {
    // No such function, or another answer.
    return fail('refused')
  }
}

/** Whether the token is the one that readers sign for, and pays this payee. */
async function tokenFindings(
  rpc: Rpc,
  asset: Eip3009Asset,
  index: number,
  config: Config,
  budget: Budget,
): Promise<Finding[]> {
  const { name, network, eip712, asset: address } = asset
  const host = hostOf(rpc.url)
  const at = `NETWORKS[${index}]`
  const code = read(hexText, await rpc.ask({ method: 'eth_getCode', params: [address, 'latest'] }, budget))
  if (!code.ok) return [notChecked(at, `${host} does not show the token's code on ${name}; write another endpoint`)]
  if (code.value === '0x') {
    return [error(at, `${host} shows no token at ${address} on ${name}; write an endpoint of the real ${name}`)]
  }
  const ask = (question: keyof typeof TOKEN, account?: string) => askToken(rpc, asset, question, budget, account)
  const separator = await ask('separator')
  const expected = domainSeparator({ domain: { ...eip712, chainId: chainIdOf(network), verifyingContract: address } })
  const findings: Finding[] = []
  const report = 'remove the network from NETWORKS, and report it'
  if (!separator.ok || separator.value !== expected) {
    const theirName = await ask('name')
    const theirVersion = await ask('version')
    const isSame =
      theirName.ok && theirName.value === eip712.name && theirVersion.ok && theirVersion.value === eip712.version
    if (!separator.ok && (!theirName.ok || !theirVersion.ok)) {
      const advice = 'write another endpoint'
      findings.push(notChecked(at, `${host} does not say what the token on ${name} is called; ${advice}`))
    } else if (separator.ok || !isSame) {
      const theirs = `"${shown(theirName)}", version "${shown(theirVersion)}"`
      const ours = `"${eip712.name}", version "${eip712.version}"`
      findings.push(error(at, `the token on ${name} is ${theirs}, and readers would sign for ${ours}; ${report}`))
    }
  }
  const decimals = await ask('decimals')
  if (decimals.ok && decimals.value !== BigInt(DECIMALS)) {
    findings.push(
      error(at, `the token on ${name} has ${String(decimals.value)} decimals, prices have ${DECIMALS}; ${report}`),
    )
  }
  const blocked = await ask('isBlocked', config.payTo.eip155 ?? '')
  if (blocked.ok && blocked.value === true) {
    findings.push(error('PAY_TO.eip155', `the token's issuer blocks this address on ${name}; write another one`))
  }
  return findings
}

const shown = (answer: Result<unknown, ChainFailure>): string =>
  answer.ok && typeof answer.value === 'string' ? answer.value.slice(0, 40) : '?'

/** Code that hands a wallet's calls on, and leaves it its key (EIP-7702). */
const DELEGATION = /^0xef0100/i

async function payeeOn(
  rpc: Rpc,
  asset: Eip3009Asset,
  address: string,
  budget: Budget,
): Promise<Result<Payee, ChainFailure>> {
  const ask = async (method: string) => read(hexText, await rpc.ask({ method, params: [address, 'latest'] }, budget))
  const code = await ask('eth_getCode')
  if (!code.ok) return code
  if (code.value !== '0x' && !DELEGATION.test(code.value)) return ok({ asset, kind: 'contract' })
  const sent = await ask('eth_getTransactionCount')
  const coins = await ask('eth_getBalance')
  const dollars = await askToken(rpc, asset, 'balance', budget, address)
  const isUsed =
    [sent, coins].some((answer) => !answer.ok || BigInt(answer.value) > 0n) || !dollars.ok || dollars.value !== 0n
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
