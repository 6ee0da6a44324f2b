// Reads an EVM chain: its newest settled block, the block of a time, receipts, and the transfers to the payees, range by range.
// An endpoint that refuses a range is asked for half of it.
import { type Hex, isHex } from 'viem'
import * as z from 'zod'
import {
  type Block,
  blockAt,
  blockCall,
  blockIn,
  type Call,
  type ChainFailure,
  read,
  toHex,
  word,
} from '../../src/chain.ts'
import { fail, ok, type Result } from '../../src/errors.ts'
import { isHash, type Receipt, receiptOf, TRANSFER } from '../../src/payer/proof.ts'
import { foundLogs } from '../../src/payer/search.ts'
import type { EvmAsset } from '../../src/x402/assets.ts'
import { Refusal } from '../command.ts'
import { another, BOUNDLESS, type Chain, persistently, silent } from './endpoint.ts'
import { permitTransfersIn, type Sent, type Transfer, transfersIn } from './transfers.ts'

export type EvmChain = Chain<EvmAsset>

/** Throws a `Refusal` where there is no such block, or no answer. */
export async function blockOf(chain: EvmChain, at: number | 'latest'): Promise<Block> {
  const block = await persistently(async () => {
    const found = await blockAt(chain.rpc, at, BOUNDLESS)
    return found ? ok(found) : fail('unreachable' as const)
  })
  if (!block.ok) throw silent(chain)
  return block.value
}

/** The newest block that is no later than a time; 0 where the chain is younger. Steps back in doubled strides, then halves. */
export async function newestUpTo(
  blockAtHeight: (height: number) => Promise<Block>,
  head: Block,
  seconds: number,
): Promise<number> {
  if (head.time <= seconds) return head.number
  let late = head.number
  let early = 0
  for (let stride = 1; late > 0; stride *= 2) {
    const height = Math.max(0, late - stride)
    if ((await blockAtHeight(height)).time <= seconds) {
      early = height
      break
    }
    late = height
  }
  while (late - early > 1) {
    const middle = Math.floor((early + late) / 2)
    if ((await blockAtHeight(middle)).time <= seconds) early = middle
    else late = middle
  }
  return early
}

/** The hash of a block, by which a chain is known again; null where it has no such block. */
export async function hashOf({ rpc }: EvmChain, height: number): Promise<string | null> {
  const block = z.object({ hash: z.string() })
  const answer = await persistently(() => rpc.ask(blockCall(height), BOUNDLESS))
  return block.safeParse(answer.ok ? answer.value : null).data?.hash.toLowerCase() ?? null
}

/** The payments in a transaction; null where the chain knows none of that hash. Throws a `Refusal` where it does not answer. */
export async function paymentsAt(chain: EvmChain, transaction: string): Promise<Transfer[] | null> {
  const { kind, asset } = chain.asset
  const receipt = await receiptAt(chain, transaction)
  if (!receipt) return null
  if (kind === 'eip3009') return transfersIn(transaction, receipt, asset)
  // A permit leaves no log of its own: what was settled stands in the call.
  const sent = await sentAt(chain, transaction)
  return sent && permitTransfersIn(transaction, receipt, sent, asset)
}

const hexText = z.custom<Hex>((text) => isHex(text))
const storedCall = z.nullable(z.object({ to: z.nullable(z.string()), input: hexText }))

async function sentAt(chain: EvmChain, transaction: string): Promise<Sent | null> {
  const call: Call = { method: 'eth_getTransactionByHash', params: [transaction] }
  const sent = await persistently(async () => read(storedCall, await chain.rpc.ask(call, BOUNDLESS)))
  if (sent.ok) return sent.value
  if (sent.error === 'unreachable') throw silent(chain)
  throw new Refusal(`the RPC at ${chain.host} refuses transactions; ${another(chain.asset)}`)
}

async function receiptAt(chain: EvmChain, transaction: string): Promise<Receipt | null> {
  if (!isHash(transaction)) return null
  const receipt = await persistently(() => receiptOf(chain.rpc, transaction, BOUNDLESS))
  if (receipt.ok) return receipt.value
  if (receipt.error === 'unreachable') throw silent(chain)
  throw new Refusal(`the RPC at ${chain.host} refuses receipts; ${another(chain.asset)}`)
}

/** How many blocks of logs are asked for at once, and how often in a row that was answered. */
export type Step = { blocks: number; answered: number }

/** What public RPCs answer for. */
export const FIRST_STEP: Step = { blocks: 2_000, answered: 0 }
const LONGEST_STEP = 10_000
/** A refusal may be about one crowded stretch, so the step grows again, but not at every turn. */
const ANSWERS_TO_GROW = 20

/** Half of it; null where it was one block: its length is not the trouble. */
export const refused = ({ blocks }: Step): Step | null =>
  blocks <= 1 ? null : { blocks: Math.floor(blocks / 2), answered: 0 }

export const answered = ({ blocks, answered }: Step): Step =>
  answered + 1 < ANSWERS_TO_GROW
    ? { blocks, answered: answered + 1 }
    : { blocks: Math.min(LONGEST_STEP, blocks * 2), answered: 0 }

/**
 * A range of the chain that was read (`Transfer.block` says in what): what came as payments with the time of its block, and how
 * many other transfers. `hash`: by which the chain is known again.
 */
export type Scanned = {
  from: number
  to: number
  hash: string
  transfers: (Transfer & { time: number })[]
  others: number
}

/** Reads all transfers to the payees from one block to another. Throws a `Refusal`; what came before counts. */
export async function* scan(
  chain: EvmChain,
  payees: readonly string[],
  { from, to }: { from: number; to: number },
): AsyncGenerator<Scanned> {
  let step = FIRST_STEP
  for (let at = from; at <= to; ) {
    const last = Math.min(to, at + step.blocks - 1)
    const found = await persistently(() => logsOf(chain, payees, at, last))
    if (found.ok) {
      yield { from: at, to: last, hash: found.value.hash, ...(await weighed(chain, payees, found.value.logs)) }
      step = answered(step)
      at = last + 1
      continue
    }
    // An answer that is too large gets lost as well, so silence counts as a refusal while there is another answer.
    if (found.error === 'unreachable') await blockOf(chain, 'latest')
    const smaller = refused({ ...step, blocks: last - at + 1 })
    if (!smaller) {
      throw new Refusal(`the RPC at ${chain.host} refuses the logs of the single block ${at}; ${another(chain.asset)}`)
    }
    step = smaller
  }
}

type FoundLog = z.infer<typeof foundLogs>[number]
const header = z.object({ hash: z.string() })

async function logsOf(
  { rpc, asset }: EvmChain,
  payees: readonly string[],
  from: number,
  to: number,
): Promise<Result<{ logs: FoundLog[]; hash: string }, ChainFailure>> {
  const topics = [TRANSFER, null, payees.map((payee) => `0x${word(payee)}`)]
  const filter = { address: asset.asset, topics, fromBlock: toHex(from), toBlock: toHex(to) }
  const call: Call = { method: 'eth_getLogs', params: [filter] }
  const [logs, last] = await rpc.askAll([call, blockCall(to)], BOUNDLESS)
  if (!logs?.ok) return logs ?? fail('unreachable')
  const found = read(foundLogs, logs)
  // A node answers a range beyond its head with an empty list, so it has to show the last block of the range.
  const hash = blockIn(last, to) && last?.ok ? header.safeParse(last.value).data?.hash : undefined
  if (!found.ok || hash === undefined) return fail('unreachable')
  const isAsked = ({ address, topics: [event, , payee = ''], blockNumber, removed }: FoundLog) =>
    address === asset.asset.toLowerCase() &&
    event === TRANSFER &&
    payees.includes(`0x${payee.slice(-40)}`) &&
    blockNumber >= from &&
    blockNumber <= to &&
    removed !== true
  return ok({ logs: found.value.filter(isAsked), hash: hash.toLowerCase() })
}

/** Tells payments from other transfers. A transfer of nothing pays for nothing, so nobody asks for its receipt. */
async function weighed(
  chain: EvmChain,
  payees: readonly string[],
  logs: readonly FoundLog[],
): Promise<Pick<Scanned, 'transfers' | 'others'>> {
  const paying = logs.filter(({ data }) => isHash(data) && BigInt(data) > 0n)
  const transactions = [...new Set(paying.map(({ transactionHash }) => transactionHash))]
  const inEach = await Promise.all(
    transactions.map(async (transaction) => {
      const payments = await paymentsAt(chain, transaction)
      if (payments) return payments
      throw new Refusal(
        `the RPC at ${chain.host} has a log of ${transaction} and not its receipt; ${another(chain.asset)}`,
      )
    }),
  )
  const ours = inEach.flat().filter(({ payTo, amount }) => payees.includes(payTo) && amount > 0n)
  const heights = [...new Set(ours.map(({ block }) => block))]
  const times = new Map(
    await Promise.all(heights.map(async (height) => [height, (await blockOf(chain, height)).time] as const)),
  )
  return {
    transfers: ours.map((transfer) => ({ ...transfer, time: times.get(transfer.block) ?? 0 })),
    others: Math.max(0, logs.length - ours.length),
  }
}
