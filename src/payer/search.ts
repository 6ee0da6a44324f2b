// Finds the transaction that used an authorization or a permit, and the newest block that is not undone any more. It reports how far
// it came and what it found; what that means for the payment is not decided here.
import * as z from 'zod/mini'
import {
  type Answer,
  type Block,
  type Budget,
  blockAt,
  blockCall,
  blockIn,
  type Call,
  type ChainFailure,
  type Rpc,
  read,
  safeNumber,
  toHex,
  word,
} from '../chain.ts'
import { ok, type Result } from '../errors.ts'
import {
  AUTHORIZATION_CANCELED,
  AUTHORIZATION_USED,
  isUse,
  type Log,
  logEntry,
  type Nonce,
  transactionHash,
} from './proof.ts'

export type Search = {
  /** First block of the window to search. */
  fromBlock: number
  /** No log up to here: absence proven at 20 s behind the head; `fromBlock - 1` at first. */
  searchedTo: number
  /** When (Unix seconds, our clock) the whole window had first been searched without a find; null before. */
  emptySinceSeconds: number | null
}

/** A block this much older than the head is not undone, and every node behind one address has it. */
export const SETTLED_SECONDS = 20
/** Up to this age the last settled block is used again; a verdict that waits for a fresher one has 25 seconds in all. */
const SETTLED_REUSED_SECONDS = 21
/** 60 s on a chain of two seconds a block, 7 s on the fastest: there the second try finds it. */
const FIRST_DISTANCE = 30
const SETTLED_TRIES = 4
/** Nodes that lag are this much behind at most, and our clock is this far off. */
const MARGIN_SECONDS = 300
/** Between these lie the chains we know; a burst or a standstill must not lead the search astray. */
const LEAST_SECONDS_PER_BLOCK = 0.05
const MOST_SECONDS_PER_BLOCK = 15
/** A steady chain needs one or two. */
const START_TRIES = 4
/** Two calls each; free RPCs are known to take ten calls in a batch. */
const PARTS_AT_ONCE = 4
/** Where an answer is larger than what is read, the next ranges are this part of what was asked for, one at a time. */
const OVERSIZED_SHARE = 16
/** Kept back: a log that is found still needs its receipt, and a verdict the state of the nonce. */
const RESERVED_REQUESTS = 2

/** On a chain younger than that, nothing is settled. */
const NOTHING_SETTLED: Block = { number: -1, time: 0 }

/** The newest block known to lie at least 20 s behind the head; null where there is no answer. */
export async function settledBlock(rpc: Rpc, head: Block, budget: Budget): Promise<Block | null> {
  const last = rpc.memory.settled
  const lastAge = last ? head.time - last.time : 0
  if (last && lastAge >= SETTLED_SECONDS && lastAge <= SETTLED_REUSED_SECONDS) return last
  let distance = rpc.memory.secondsPerBlock === null ? FIRST_DISTANCE : blocksIn(SETTLED_SECONDS, rpc) + 1
  let best: Block = NOTHING_SETTLED
  for (let tries = 0; tries < SETTLED_TRIES; tries++) {
    const number = Math.max(0, head.number - distance)
    if (number <= best.number) break
    const block = await blockAt(rpc, number, budget)
    if (!block) return best === NOTHING_SETTLED ? null : best
    measure(rpc, block, head)
    const age = head.time - block.time
    if (age >= SETTLED_SECONDS) {
      best = block
      rpc.memory.settled = block
      if (age <= SETTLED_REUSED_SECONDS + (rpc.memory.secondsPerBlock ?? 0)) break
      // Further back than needed: blocks come more slowly of late.
      distance = Math.min(distance - 1, blocksIn(SETTLED_SECONDS, rpc) + 1)
    } else {
      if (number === 0 || best !== NOTHING_SETTLED) break
      distance = Math.max(Math.ceil(distance * 1.5), blocksIn(SETTLED_SECONDS, rpc) + 1)
    }
  }
  return best
}

const blocksIn = (seconds: number, rpc: Rpc) =>
  Math.ceil(seconds / (rpc.memory.secondsPerBlock ?? LEAST_SECONDS_PER_BLOCK))

function measure(rpc: Rpc, older: Block, newer: Block): void {
  if (newer.number <= older.number) return
  const measured = (newer.time - older.time) / (newer.number - older.number)
  rpc.memory.secondsPerBlock = Math.min(MOST_SECONDS_PER_BLOCK, Math.max(LEAST_SECONDS_PER_BLOCK, measured))
}

/** Where a search starts: a margin before the block at which the nonce was seen unused, or before the claim's time. */
export async function startSearch(
  rpc: Rpc,
  head: Block,
  { seenBlock, claimedAtSeconds }: { seenBlock: number | null; claimedAtSeconds: number },
  budget: Budget,
): Promise<Search | null> {
  const fromBlock =
    seenBlock === null
      ? await blockBefore(rpc, head, claimedAtSeconds - MARGIN_SECONDS, budget)
      : Math.max(0, seenBlock - blocksIn(MARGIN_SECONDS, rpc))
  return fromBlock === null ? null : { fromBlock, searchedTo: fromBlock - 1, emptySinceSeconds: null }
}

/** The height of a block no later than `seconds`, and near it where few tries find one; null where there is no answer. */
async function blockBefore(rpc: Rpc, head: Block, seconds: number, budget: Budget): Promise<number | null> {
  if (head.time <= seconds) return head.number
  let low: Block = NOTHING_SETTLED
  let high = head
  let number = head.number - blocksIn(head.time - seconds, rpc)
  for (let tries = 0; tries < START_TRIES; tries++) {
    number = Math.min(high.number - 1, Math.max(low.number + 1, number))
    const block = number < 0 ? null : await blockAt(rpc, number, budget)
    // The lower bound will do: it is only earlier than it needs to be.
    if (!block) return low.number < 0 ? null : low.number
    if (block.time > seconds) {
      if (number === 0) return 0
      // Where the chain was faster than it is now, the next step is longer.
      number =
        high.number -
        Math.ceil(((high.time - seconds) / Math.max(1, high.time - block.time)) * (high.number - number) * 1.1)
      high = block
    } else {
      if (seconds - block.time <= MARGIN_SECONDS || high.number - number <= 1) return number
      const part = (seconds - block.time) / (high.time - block.time)
      number += Math.floor(part * (high.number - number) * 0.95)
      low = block
    }
  }
  return Math.max(0, low.number < 0 ? number : low.number)
}

/** What is searched for. */
export type Trail = {
  /** Nothing that comes later (Unix seconds) can be it. */
  endsAtSeconds: bigint
  /** The logs that are asked for. */
  filter: { address: string; topics: readonly (string | readonly string[])[] }
  /** Whether a log is one of these: nodes may answer with others. */
  isOnIt: (log: Log) => boolean
  /** Whether the transaction of such a log is the one, and null from it where nobody says. Without it each is. */
  isIt: ((transaction: string, budget: Budget) => Promise<boolean | null>) | null
}

/** The use or cancellation of an authorization: a log that only it can have. */
export const usesTrail = (asset: string, authorization: Nonce & { validBefore: bigint }): Trail => ({
  endsAtSeconds: authorization.validBefore,
  filter: {
    address: asset,
    topics: [[AUTHORIZATION_USED, AUTHORIZATION_CANCELED], `0x${word(authorization.from)}`, authorization.nonce],
  },
  isOnIt: (log) => isUse(log, asset, authorization),
  isIt: null,
})

export type SearchResult =
  | { kind: 'found'; transaction: string; searchedTo: number }
  /** No trace of it: the window is over, and all of it lies behind the settled block. */
  | { kind: 'nothing'; searchedTo: number }
  /** Not the whole window yet; `searchedTo` is how far absence is proven. */
  | { kind: 'searching'; searchedTo: number }
  | { kind: 'unreachable'; searchedTo: number }

type Part = { from: number; to: number }

/** Goes forward from where the search stands: finds count up to the head, absence up to the settled block. */
export async function searchOn(
  rpc: Rpc,
  trail: Trail,
  search: Search,
  { head, settled }: { head: Block; settled: Block },
  budget: Budget,
): Promise<SearchResult> {
  let at = search.searchedTo
  // What others put on the trail is no trouble of the node's: for the next payment it is asked as ever.
  let mostBlocks: number | null = null
  const soFar = () => ({ searchedTo: Math.max(search.searchedTo, Math.min(at, settled.number)) })
  const isOver = (block: Block) => block.number <= settled.number && BigInt(block.time) > trail.endsAtSeconds
  const isWhole = () => at >= settled.number && isOver(settled)
  while (at < head.number && !isWhole() && budget.left > RESERVED_REQUESTS) {
    const parts = partsOf(at + 1, head.number, mostBlocks, rpc)
    const answers = await rpc.askAll(
      parts.flatMap(({ from, to }) => [logsCall(trail, from, to), blockCall(to)]),
      budget,
    )
    for (const [i, { from, to }] of parts.entries()) {
      const traces = tracesIn(answers[2 * i], trail, { from, to })
      for (const { transactionHash, blockNumber } of traces.ok ? traces.value : []) {
        if (trail.isIt === null) return { kind: 'found', transaction: transactionHash, ...soFar() }
        // What comes before it has been looked at.
        at = Math.max(at, blockNumber - 1)
        if (budget.left <= RESERVED_REQUESTS) return { kind: 'searching', ...soFar() }
        const isIt = await trail.isIt(transactionHash, budget)
        if (isIt) return { kind: 'found', transaction: transactionHash, ...soFar() }
        if (isIt === null) return { kind: 'unreachable', ...soFar() }
      }
      if (!traces.ok && traces.error === 'oversized') {
        const asked = (parts.at(-1)?.to ?? to) - from + 1
        if (asked === 1) return { kind: 'unreachable', ...soFar() }
        mostBlocks = Math.max(1, Math.floor(asked / OVERSIZED_SHARE))
        break
      }
      if (!traces.ok && traces.error === 'refused') {
        // Refused after others that were answered: it is asked again, as the first.
        if (i > 0 || rpc.refuseLogs(to - from + 1)) break
        return { kind: 'unreachable', ...soFar() }
      }
      // Nodes answer a range beyond their head with an empty list, so this one must show the last block of the range.
      const last = blockIn(answers[2 * i + 1], to)
      if (!traces.ok || !last) return { kind: budget.left <= 0 ? 'searching' : 'unreachable', ...soFar() }
      at = to
      if (isOver(last)) return { kind: 'nothing', ...soFar() }
    }
  }
  return { kind: isWhole() ? 'nothing' : 'searching', ...soFar() }
}

/** The next ranges: several at once only where a batch is known to be taken, and no answer was too large (`mostBlocks`). */
function partsOf(from: number, head: number, mostBlocks: number | null, rpc: Rpc): Part[] {
  const blocks = Math.min(mostBlocks ?? rpc.memory.logBlocks, rpc.memory.logBlocks)
  const part = (start: number) => ({ from: start, to: Math.min(start + blocks - 1, head) })
  const parts: Part[] = [part(from)]
  const isOne = rpc.memory.takesBatches !== true || mostBlocks !== null
  for (let i = 1; !isOne && i < PARTS_AT_ONCE; i++) {
    const start = from + i * blocks
    if (start <= head) parts.push(part(start))
  }
  return parts
}

const logsCall = ({ filter }: Trail, fromBlock: number, toBlock: number): Call => ({
  method: 'eth_getLogs',
  params: [{ ...filter, fromBlock: toHex(fromBlock), toBlock: toHex(toBlock) }],
})

/** What `eth_getLogs` answers. */
export const foundLogs = z.lazy(() =>
  z.array(z.extend(logEntry, { transactionHash, blockNumber: safeNumber, removed: z.optional(z.boolean()) })),
)

/** The logs of this range that may lead to it, each transaction once, the earliest first. */
function tracesIn(
  answer: Answer | undefined,
  { isOnIt }: Trail,
  { from, to }: Part,
): Result<z.infer<typeof foundLogs>, ChainFailure> {
  const logs = read(foundLogs, answer)
  if (!logs.ok) return logs
  const found = logs.value
    .filter((log) => log.removed !== true && log.blockNumber >= from && log.blockNumber <= to && isOnIt(log))
    .toSorted((a, b) => a.blockNumber - b.blockNumber)
  return ok(found.filter((log, i) => found.findIndex((o) => o.transactionHash === log.transactionHash) === i))
}
