// A Solana: slots by the clock, some without a block, messages that land once or never while their blockhash lives, three
// commitments and forks. What is true on it, a judge asks here.
import { encodeBase58 } from '../../src/x402/base58.ts'
import type { SvmTransfer } from '../../src/x402/svm.ts'
import { base64, wallet } from '../world/svm.ts'
import type { Fate, Place } from './chain.ts'
import type { World } from './clock.ts'

export const SOLANA = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
const SLOT_MS = 400
const START_SLOT = 5_000_000
/** One slot in so many has no block, so that a height is never taken for a slot. */
const SKIPS = 20
const BLOCKHASH_BLOCKS = 150
/** How many slots behind the head it is by then. */
export const DEPTHS = { processed: 0, confirmed: 2, finalized: 32 } as const
export type Commitment = keyof typeof DEPTHS

/** Whose keys pay the fees, by facilitator. */
const FEE_WALLETS: ReadonlyMap<string, ReturnType<typeof wallet>> = new Map([
  ['https://one.example', wallet(41)],
  ['https://two.example', wallet(42)],
])
export function feeWalletOf(facilitator: string): ReturnType<typeof wallet> {
  const found = FEE_WALLETS.get(facilitator)
  if (!found) throw new Error(`${facilitator} pays no fees`)
  return found
}

export type Entry = {
  signature: string
  slot: number
  err: unknown
  memo: string | null
  bytes: string
  source: string
}
type Known = { transfer: SvmTransfer; transaction: string; bytes: string; lastHeight: number; timer: Timer | null }
type Timer = { cancel(): void }
type Landed = { slot: number; err: unknown }
/** How a message ended: in a slot, or never. */
export type Outcome = Landed | null

export type SolanaChain = ReturnType<typeof createSolanaChain>

export function createSolanaChain(world: World) {
  const startMs = world.now()
  const known = new Map<string, Known>()
  const funded = new Map<string, bigint>()
  const waiting = new Map<string, ((outcome: Outcome) => void)[]>()
  let balances = new Map<string, bigint>()
  let landed = new Map<string, Landed>()
  let dust: Entry[] = []
  /** The newest first; made when it is asked for. */
  let listed: Entry[] | null = null

  const headNumber = () => START_SLOT + Math.floor((world.now() - startMs) / SLOT_MS)
  const heightAt = (slot: number) => slot - Math.floor(slot / SKIPS)
  const timeOf = (slot: number) => Math.floor((startMs + (slot - START_SLOT) * SLOT_MS) / 1000)
  const balance = (address: string) => balances.get(address) ?? 0n
  const knownOf = (message: string): Known => {
    const found = known.get(message)
    if (!found) throw new Error('nobody has signed this message')
    return found
  }
  const tell = (message: string, outcome: Outcome) => {
    for (const told of waiting.get(message)?.splice(0) ?? []) told(outcome)
  }

  const execute = (message: string, slot: number, fails: boolean) => {
    const { transfer, lastHeight, transaction } = knownOf(message)
    if (landed.has(message)) return
    if (heightAt(slot) > lastHeight) {
      world.note(`solana forgets ${transaction}`)
      return tell(message, null)
    }
    const { source, destination, amount } = transfer
    const isPaid = !fails && balance(source) >= amount
    if (isPaid) {
      balances.set(source, balance(source) - amount)
      balances.set(destination, balance(destination) + amount)
    }
    const outcome = { slot, err: isPaid ? null : { InstructionError: [2, { Custom: 1 }] } }
    landed.set(message, outcome)
    listed = null
    world.note(`solana slot ${slot}: ${transaction} ${isPaid ? 'pays' : 'fails'}`)
    tell(message, outcome)
  }

  const include = (message: string, afterMs: number, fails: boolean) => {
    const one = knownOf(message)
    one.timer?.cancel()
    const slot = START_SLOT + Math.floor((world.now() + afterMs - startMs) / SLOT_MS) + 1
    const atMs = startMs + (slot - START_SLOT) * SLOT_MS
    one.timer = world.after(atMs - world.now(), `solana includes ${one.transaction}`, () => {
      one.timer = null
      execute(message, slot, fails)
    })
  }

  const fateOf = (message: string): Fate => {
    const found = landed.get(message)
    if (!found || found.err !== null) return { kind: 'unused' }
    const { transfer, transaction } = knownOf(message)
    const { destination: to, amount: value, position } = transfer
    return { kind: 'moved', to, value, transaction, position, block: found.slot }
  }

  return {
    network: SOLANA,
    blockMs: SLOT_MS,
    headNumber,
    heightAt,
    timeOf,
    /** Gives tokens to a token account out of nowhere. */
    fund(source: string, value: bigint): void {
      funded.set(source, (funded.get(source) ?? 0n) + value)
      balances.set(source, balance(source) + value)
    },
    /** A payer has signed this, over a blockhash that is so many blocks old. `fee`: who will pay the fee. */
    authorize(transfer: SvmTransfer, fee: ReturnType<typeof wallet>, ageBlocks: number): void {
      const signed = Buffer.from(transfer.message, 'base64')
      const own = fee.sign(signed)
      const rest = Buffer.from(transfer.signature, 'base64').subarray(64)
      known.set(transfer.message, {
        transfer,
        transaction: encodeBase58(own),
        bytes: base64(Uint8Array.of(2, ...own, ...rest, ...signed)),
        lastHeight: heightAt(headNumber()) - ageBlocks + BLOCKHASH_BLOCKS,
        timer: null,
      })
    },
    transferOf: (message: string): SvmTransfer | null => known.get(message)?.transfer ?? null,
    /** Signs for the fee and sends; it lands `afterMs` from now at the earliest. The transaction, at once. */
    send(message: string, afterMs = 0, fails = false): string {
      const { transaction, timer } = knownOf(message)
      if (!landed.has(message) && timer === null) include(message, afterMs, fails)
      return transaction
    },
    /** Resolves when a message has landed, or cannot land any more. */
    ended: (message: string): Promise<Outcome> =>
      new Promise((resolve) => {
        const found = landed.get(message)
        if (found) return resolve(found)
        waiting.set(message, [...(waiting.get(message) ?? []), resolve])
      }),
    outcomeOf: (message: string): Outcome => landed.get(message) ?? null,
    balance,
    mayLand: (message: string): boolean =>
      !landed.has(message) && heightAt(headNumber() + 1) <= knownOf(message).lastHeight,
    /** A stranger names a token account in so many transactions. */
    dust(source: string, count: number): void {
      const slot = headNumber()
      for (let i = 0; i < count; i++) {
        const signature = encodeBase58(Uint8Array.of(...Buffer.alloc(56, 9), ...Buffer.from(`${1e7 + dust.length}`)))
        dust.push({ signature, slot, err: null, memo: null, bytes: base64(new Uint8Array(80)), source })
      }
      listed = null
    },
    entries(): readonly Entry[] {
      listed ??= [
        ...[...landed].map(([message, { slot, err }]): Entry => {
          const { transfer, transaction: signature, bytes } = knownOf(message)
          const memo = `[${transfer.memo.length}] ${transfer.memo}`
          return { signature, slot, err, memo, bytes, source: transfer.source }
        }),
        ...dust,
      ].sort((a, b) => b.slot - a.slot)
      return listed
    },
    /** Another fork wins. `place` says where each transaction of the last slots goes; none of them was finalized. */
    reorganise(depth: number, place: (transaction: string, slot: number) => Place): void {
      const fork = headNumber() - Math.min(depth, DEPTHS.finalized - 1)
      world.note(`solana drops ${headNumber() - fork} slots`)
      const before = [...landed].sort(([, a], [, b]) => a.slot - b.slot)
      landed = new Map()
      balances = new Map(funded)
      dust = dust.filter(({ slot }) => slot <= fork)
      listed = null
      for (const [message, { slot, err }] of before) {
        const to = slot <= fork ? slot : place(knownOf(message).transaction, slot)
        if (typeof to === 'number')
          execute(message, to === slot ? slot : Math.min(Math.max(to, fork + 1), headNumber()), err !== null)
        else if (to === 'pool') include(message, 0, false)
      }
    },
    /** What is true, for a judge. */
    truth: { fateOf },
  }
}
