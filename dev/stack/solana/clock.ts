// Slots, their time, heights and blockhashes, and the three commitments. A slot is a number that is worked out when
// somebody asks: no timer runs.
import { createHash } from 'node:crypto'
import { getBase58Decoder } from '@solana/kit'

export const COMMITMENTS = ['processed', 'confirmed', 'finalized'] as const
export type Commitment = (typeof COMMITMENTS)[number]

export type ClockOptions = {
  /** `'by hand'`: slots pass when told to, and one for each transaction. `'by clock'`: one every 400 ms besides. */
  slots: 'by hand' | 'by clock'
  /** How many slots a transaction stays `processed` before it is `confirmed`. */
  confirmedAfter: number
}

export const SLOT_MS = 400
/** How far `finalized` is behind `confirmed`. */
export const FINALIZED_AFTER = 32
/** A transaction lands up to this many blocks after the one whose hash it names. */
export const BLOCKHASH_LIFE = 150
/** Slots and heights differ on a real chain, by all the slots ever skipped. */
const FIRST_SLOT = 340_000_000
const SKIPPED_BEFORE = 12_000_000

export type Clock = {
  slot(): number
  /** The newest slot with this commitment; `lag`: of a node that is so many slots behind. */
  slotAt(commitment: Commitment, lag?: number): number
  height(slot: number): number
  /** Unix seconds. */
  time(slot: number): number
  /** The newest block's hash at this slot. */
  blockhash(slot: number): string
  /** The height up to which transactions with this blockhash land, by a node that knows blocks up to `slot`. */
  lastValidHeight(blockhash: string, slot: number): number | null
  isSkipped(slot: number): boolean
  /** Slots pass, and their time; `skipped`: without a block. */
  pass(slots: number, options?: { skipped?: boolean }): void
  /** The slot that the next transaction lands in. */
  next(): number
  /** The same, which is the current one from now on. */
  open(): number
  /** From this slot on the blocks are others. */
  fork(since: number): void
  readonly firstSlot: number
}

let clocks = 0

export function startClock({ slots, confirmedAfter }: ClockOptions): Clock {
  const startedAt = Date.now()
  clocks += 1
  // What was signed for one chain lands on no other.
  const chain = `${startedAt}, ${process.pid}, ${clocks}`
  let passed = 0
  const skipped: { first: number; count: number }[] = []
  const forks: number[] = []
  const hashes = new Map<number, string>()

  const slot = () => FIRST_SLOT + passed + (slots === 'by clock' ? Math.floor((Date.now() - startedAt) / SLOT_MS) : 0)
  const isSkipped = (at: number) => skipped.some(({ first, count }) => at >= first && at < first + count)
  const lastBlock = (at: number): number => {
    let block = at
    while (isSkipped(block)) block -= 1
    return block
  }
  const height = (at: number) =>
    at -
    SKIPPED_BEFORE -
    skipped.reduce((sum, { first, count }) => sum + Math.min(Math.max(at + 1 - first, 0), count), 0)
  const blockhash = (at: number): string => {
    const block = lastBlock(at)
    const known = hashes.get(block)
    if (known !== undefined) return known
    const branch = forks.filter((since) => since <= block).length
    const name = `block ${block} of branch ${branch} of ${chain}`
    const hash = getBase58Decoder().decode(createHash('sha256').update(name).digest())
    hashes.set(block, hash)
    return hash
  }
  return {
    firstSlot: FIRST_SLOT,
    slot,
    slotAt(commitment, lag = 0) {
      const behind = { processed: 0, confirmed: confirmedAfter, finalized: confirmedAfter + FINALIZED_AFTER }
      return slot() - lag - behind[commitment]
    },
    height,
    time: (at) => Math.floor((startedAt + (at - FIRST_SLOT) * SLOT_MS) / 1000),
    blockhash,
    lastValidHeight(hash, at) {
      const oldest = height(at) - BLOCKHASH_LIFE
      for (let block = at; height(block) >= oldest; block -= 1) {
        if (!isSkipped(block) && blockhash(block) === hash) return height(block) + BLOCKHASH_LIFE
      }
      return null
    },
    isSkipped,
    pass(count, { skipped: isEmpty = false } = {}) {
      if (isEmpty) skipped.push({ first: slot() + 1, count })
      passed += count
    },
    next: () => (slots === 'by hand' ? slot() + 1 : lastBlock(slot())),
    open() {
      if (slots === 'by hand') passed += 1
      return lastBlock(slot())
    },
    fork(since) {
      forks.push(since)
      hashes.clear()
    },
  }
}
