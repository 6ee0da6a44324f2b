// JSON-RPC in front of a Solana: several nodes behind one address, some of which lag, forget, or leave things out.
import type { World } from './clock.ts'
import { type Answer, type RpcCall, refuse, type ServedKnobs, serveCalls } from './rpc.ts'
import { type Commitment, DEPTHS, type SolanaChain } from './solana-chain.ts'

const GENESIS_HASH = '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d'

export type SolanaKnobs = ServedKnobs & {
  leavesOutMemos: boolean
  hasNoTimes: boolean
  /** What is older than so many slots is gone. */
  keepsSlots: number
  /** The most that is listed at once. */
  mostListed: number
}

export type SolanaRpc = { knobs: SolanaKnobs; readonly url: string; requests(): number }

export function serveSolanaRpc(world: World, chain: SolanaChain, url: string): SolanaRpc {
  const knobs: SolanaKnobs = {
    state: 'up',
    lags: [0],
    leavesOutMemos: false,
    hasNoTimes: false,
    keepsSlots: Number.POSITIVE_INFINITY,
    mostListed: 1_000,
  }
  let turn = 0
  const nextLag = () => knobs.lags[turn++ % knobs.lags.length] ?? 0
  const answered = (call: RpcCall) => ({
    jsonrpc: '2.0',
    id: call.id,
    ...answerOf(chain, knobs, call, chain.headNumber() - nextLag()),
  })
  const requests = serveCalls(world, url, knobs, (calls, isBatch) =>
    isBatch ? calls.map(answered) : calls.map(answered)[0],
  )
  return { knobs, url, requests }
}

const fieldsOf = (value: unknown): Map<string, unknown> =>
  typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : new Map()

const isCommitment = (name: unknown): name is Commitment => typeof name === 'string' && name in DEPTHS

function answerOf(chain: SolanaChain, knobs: SolanaKnobs, { method, params }: RpcCall, head: number): Answer {
  const reached = (commitment: unknown) => head - DEPTHS[isCommitment(commitment) ? commitment : 'finalized']
  const oldest = chain.headNumber() - knobs.keepsSlots
  const statusOf = (slot: number) =>
    slot <= reached('finalized') ? 'finalized' : slot <= reached('confirmed') ? 'confirmed' : 'processed'
  const isKnown = ({ slot }: { slot: number }) => slot <= head && slot >= oldest
  const [first, second] = params
  switch (method) {
    case 'getGenesisHash':
      return { result: GENESIS_HASH }
    case 'getEpochInfo': {
      const at = reached(fieldsOf(first).get('commitment'))
      return { result: { absoluteSlot: at, blockHeight: chain.heightAt(at), epoch: 1 } }
    }
    case 'getFirstAvailableBlock':
      return { result: Math.max(1, Math.min(oldest, head)) }
    case 'getBlockTime':
      return knobs.hasNoTimes ? { result: null } : { result: Math.max(1, chain.timeOf(Number(first))) }
    case 'getSignatureStatuses': {
      const asked: unknown = Array.isArray(first) ? first[0] : undefined
      const found = chain.entries().find((entry) => entry.signature === asked && isKnown(entry))
      const status = found && { slot: found.slot, err: found.err, confirmationStatus: statusOf(found.slot) }
      return { result: { context: { slot: head }, value: [status ?? null] } }
    }
    case 'getSignaturesForAddress': {
      const options = fieldsOf(second)
      const at = reached(options.get('commitment'))
      if (at < Number(options.get('minContextSlot') ?? 0)) {
        return refuse('Minimum context slot has not been reached', -32016)
      }
      const before = options.get('before')
      const all = chain.entries().filter((entry) => entry.source === first && isKnown(entry) && entry.slot <= at)
      const place = before === undefined ? 0 : all.findIndex(({ signature }) => signature === before) + 1
      // Behind a transaction that it does not know a node lists nothing.
      if (before !== undefined && place === 0) return { result: [] }
      const listed = all.slice(place, place + Math.min(Number(options.get('limit')), knobs.mostListed))
      return {
        result: listed.map(({ signature, slot, err, memo }) => ({
          signature,
          slot,
          err,
          memo: knobs.leavesOutMemos ? null : memo,
          blockTime: knobs.hasNoTimes ? null : chain.timeOf(slot),
          confirmationStatus: statusOf(slot),
        })),
      }
    }
    case 'getTransaction': {
      const found = chain.entries().find((entry) => entry.signature === first && isKnown(entry))
      if (!found || found.slot > reached('confirmed')) return { result: null }
      return { result: { slot: found.slot, meta: { err: found.err }, transaction: [found.bytes, 'base64'] } }
    }
    default:
      return refuse('Method not found', -32601)
  }
}
