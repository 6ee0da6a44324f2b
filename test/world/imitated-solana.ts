// A Solana with the nodes behind one RPC address, in place of `fetch`: slots, heights, three commitments, forks, and
// transactions that are listed by address. Slots are numbers: only those with transactions are kept.
import { vi } from 'vitest'
import * as z from 'zod'
import { encodeBase58 } from '../../src/x402/base58.ts'
import { readTransaction, type SvmTransfer } from '../../src/x402/svm.ts'
import { base64, DRAFT, type Draft, FEE_WALLET, messageBytes, signatures, text, transaction, withStep } from './svm.ts'

export const CLUSTER = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const GENESIS_HASH = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG'
const GENESIS_SECONDS = 1_700_000_000
/** Slots without a block: the height is lower than the slot. */
const SKIPPED = 20_000
const SECONDS_PER_SLOT = 0.4
/** How far behind the head a slot is by then. */
const DEPTHS: Record<string, number> = { processed: 0, confirmed: 2, finalized: 32 }
const MEMO_MAC = 'a'.repeat(22)

/** A message and the transaction that a fee payer makes of it. */
export type Signed = { transfer: SvmTransfer; transaction: string; bytes: string }

/** A payment with a memo of this site that ends at a time (Unix seconds). */
export function signedFor(
  endsAtSeconds: number,
  id = 'quote',
  change: (draft: Draft) => Draft = (same) => same,
): Signed {
  const memo = `${id}.${endsAtSeconds.toString(36)}.${MEMO_MAC}`
  const draft = change({ ...DRAFT, steps: withStep(3, { data: text(memo) }).steps })
  const read = readTransaction(transaction(draft))
  if (!read.ok) throw new Error(read.error)
  const fee = FEE_WALLET.sign(messageBytes(draft))
  const [, ...others] = signatures(draft)
  return {
    transfer: read.value,
    transaction: encodeBase58(Uint8Array.from(fee)),
    bytes: transaction(draft, [fee, ...others]),
  }
}

/** `names`: the only account it is listed for; null: whichever is asked for. */
type Landed = {
  signature: string
  slot: number
  err: unknown
  memo: string | null
  bytes: string
  names: string | null
}
const callSchema = z.object({ id: z.number(), method: z.string(), params: z.array(z.unknown()) })
type Call = z.infer<typeof callSchema>
const optionsSchema = z.object({
  commitment: z.string().optional(),
  minContextSlot: z.number().default(0),
  before: z.string().optional(),
  limit: z.number().default(1_000),
})

/** What the nodes do wrong. */
export type SolanaKnobs = {
  isDown: boolean
  /** How many slots the node that answers this method is behind. */
  lags: Partial<Record<string, number>>
  ignoresMinContextSlot: boolean
  leavesOutMemos: boolean
  hasNoTimes: boolean
  /** All before this slot is gone. */
  firstSlot: number
  /** So many are listed at once, whatever is asked for. */
  mostListed: number
  genesisHash: string
  /** Replaces what is answered to a method; undefined leaves it. */
  instead: (method: string, answer: unknown) => unknown
}

export function imitatedSolana({ slot = 1_000_000 } = {}) {
  const knobs: SolanaKnobs = {
    isDown: false,
    lags: {},
    ignoresMinContextSlot: false,
    leavesOutMemos: false,
    hasNoTimes: false,
    firstSlot: 0,
    mostListed: 1_000,
    genesisHash: GENESIS_HASH,
    instead: () => undefined,
  }
  const counts: { requests: number; calls: Call[] } = { requests: 0, calls: [] }
  let head = slot
  let landed: Landed[] = []
  const timeOf = (at: number) => GENESIS_SECONDS + Math.floor(at * SECONDS_PER_SLOT)
  const error = (message: string, code = -32000) => ({ error: { code, message } })

  function answer({ method, params }: Call): { result: unknown } | ReturnType<typeof error> {
    const own = head - (knobs.lags[method] ?? 0)
    const [first, second] = params
    const reached = (commitment = 'finalized') => own - (DEPTHS[commitment] ?? 0)
    const known = landed.filter((one) => one.slot <= own && one.slot >= knobs.firstSlot)
    const statusOf = (at: number) => ['finalized', 'confirmed', 'processed'].find((name) => at <= reached(name)) ?? null
    switch (method) {
      case 'getGenesisHash':
        return { result: knobs.genesisHash }
      case 'getEpochInfo': {
        const { commitment } = optionsSchema.parse(first)
        const at = reached(commitment)
        return { result: { absoluteSlot: at, blockHeight: at - SKIPPED, epoch: 1, slotIndex: 1, slotsInEpoch: 1 } }
      }
      case 'getFirstAvailableBlock':
        return { result: knobs.firstSlot }
      case 'getBlockTime':
        return { result: knobs.hasNoTimes ? null : timeOf(Number(first)) }
      case 'getSignatureStatuses': {
        const [asked] = z.tuple([z.string()]).parse(first)
        const found = known.find(({ signature }) => signature === asked)
        const status = found && { slot: found.slot, err: found.err, confirmationStatus: statusOf(found.slot) }
        return { result: { context: { slot: own }, value: [status ?? null] } }
      }
      case 'getSignaturesForAddress': {
        const { commitment, minContextSlot, before, limit } = optionsSchema.parse(second)
        if (reached(commitment) < minContextSlot && !knobs.ignoresMinContextSlot) {
          return error('Minimum context slot has not been reached', -32016)
        }
        const isListed = ({ slot: at, names }: Landed) =>
          at <= reached(commitment) && (names === null || names === first)
        const newest = known.filter(isListed).toReversed()
        const from = before === undefined ? 0 : newest.findIndex(({ signature }) => signature === before) + 1
        // What it does not know is the end of the list, as for Agave.
        const listed =
          before !== undefined && from === 0 ? [] : newest.slice(from, from + Math.min(limit, knobs.mostListed))
        const entries = listed.map(({ signature, slot: at, err, memo }) => ({
          signature,
          slot: at,
          err,
          memo: knobs.leavesOutMemos ? null : memo,
          blockTime: knobs.hasNoTimes ? null : timeOf(at),
          confirmationStatus: statusOf(at),
        }))
        return { result: entries }
      }
      case 'getTransaction': {
        const found = known.find(({ signature, slot: at }) => signature === first && at <= reached('confirmed'))
        if (!found) return { result: null }
        return {
          result: { slot: found.slot, meta: { err: found.err }, transaction: [found.bytes, 'base64'], version: 0 },
        }
      }
      default:
        return error('Method not found', -32601)
    }
  }

  vi.spyOn(globalThis, 'fetch').mockImplementation(async (_url, init) => {
    counts.requests += 1
    await new Promise((resolve) => setImmediate(resolve))
    if (knobs.isDown) throw new TypeError('fetch failed')
    const call = callSchema.parse(JSON.parse(String(init?.body)))
    counts.calls.push(call)
    const said = answer(call)
    const instead = knobs.instead(call.method, 'result' in said ? said.result : undefined)
    const body = instead === undefined ? said : instead instanceof Error ? error(instead.message) : { result: instead }
    return Response.json({ jsonrpc: '2.0', id: call.id, ...body })
  })

  const add = (one: Omit<Landed, 'slot' | 'names'>, at: number) => {
    landed = [...landed, { ...one, slot: at, names: null }].toSorted((a, b) => a.slot - b.slot)
    head = Math.max(head, at)
    return one.signature
  }

  return {
    knobs,
    counts,
    slot: () => head,
    height: () => head - SKIPPED,
    nowSeconds: () => timeOf(head),
    /** Lets slots pass. */
    pass: (slots: number) => {
      head += slots
    },
    passSeconds: (seconds: number) => {
      head += Math.ceil(seconds / SECONDS_PER_SLOT)
    },
    /** A payment in a new slot, or in the one named. */
    land: (
      { transfer, transaction: signature, bytes }: Signed,
      { at = head + 1, err = null }: { at?: number; err?: unknown } = {},
    ): string => add({ signature, err, memo: `[${transfer.memo.length}] ${transfer.memo}`, bytes }, at),
    /** So many transactions that only name the payer's account, or the one given, each in a new slot. */
    dust: (count: number, memo: string | null = null, slotsApart = 1, names: string | null = null): void => {
      for (let i = 0; i < count; i++) {
        const signature = encodeBase58(Uint8Array.of(...Buffer.alloc(56, 7), ...Buffer.from(`${1e7 + landed.length}`)))
        const bytes = base64(new Uint8Array(100))
        landed.push({ signature, slot: head + slotsApart, err: null, memo, bytes, names })
        head += slotsApart
      }
    },
    /** A fork without this transaction has won. */
    drop: (signature: string): void => {
      landed = landed.filter((one) => one.signature !== signature)
    },
  }
}

/** What has failed on the chain. */
export const OUT_OF_MONEY = { InstructionError: [2, { Custom: 1 }] }
