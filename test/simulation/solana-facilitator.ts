// How a facilitator settles a message of Solana: it signs for the fee, sends, and waits until that is confirmed, as
// @x402/svm 2.27 does. Whoever forgets what it had answers a message that comes again in another way.
import { readTransaction } from '../../src/x402/svm.ts'
import type { World } from './clock.ts'
import type { Facilitator, Settling } from './facilitator.ts'
import { DEPTHS, feeWalletOf, SOLANA, type SolanaChain } from './solana-chain.ts'
import { json, type WireReply } from './wire.ts'

/** `remembers`: `duplicate_settlement`; `waits`: success, once it has landed; `simulates`: what has landed fails there. */
export type Memory = 'remembers' | 'waits' | 'simulates'

/** So long a message is remembered (`SettlementCache`). */
const REMEMBERED_MS = 120_000
const SIMULATION_FAILED = 'invalid_exact_svm_transaction_simulation_failed'

const fieldsOf = (value: unknown): Map<string, unknown> =>
  typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : new Map()

export const isOnSolana = (text: string): boolean =>
  fieldsOf(fieldsOf(JSON.parse(text)).get('paymentRequirements')).get('network') === SOLANA

/** `POST /settle` of one facilitator. */
export function solanaSettling(
  world: World,
  chain: SolanaChain,
  facilitator: Facilitator,
): (text: string) => Promise<WireReply> {
  const rememberedMs = new Map<string, number>()

  return async (text) => {
    const payload = fieldsOf(fieldsOf(fieldsOf(JSON.parse(text)).get('paymentPayload')).get('payload'))
    const read = readTransaction(String(payload.get('transaction')))
    const transfer = read.ok ? chain.transferOf(read.value.message) : null
    const answer = (errorReason: string | null, transaction = '') =>
      json({ success: errorReason === null, errorReason, transaction, network: SOLANA, payer: transfer?.payer ?? '' })
    if (!transfer || transfer.feePayer !== feeWalletOf(facilitator.url).address) {
      return answer('invalid_exact_svm_payload_fee_payer_mismatch')
    }
    const { message, source, amount, payer: from } = transfer
    facilitator.counts.settle += 1
    facilitator.settles.push({ atMs: world.now(), from, mark: message, network: SOLANA })
    const how: Settling = facilitator.settlingMessage({ number: facilitator.counts.settle, message, from })
    world.note(`${facilitator.url} settles a message: ${JSON.stringify(how)}`)
    const send = (afterMs = 0, fails = false) => {
      rememberedMs.set(message, world.now())
      return chain.send(message, afterMs, fails)
    }
    const confirmed = async (): Promise<string | null> => {
      const outcome = await chain.ended(message)
      if (!outcome) return 'transaction_failed'
      await world.wait((DEPTHS.confirmed + 1) * chain.blockMs)
      return outcome.err === null ? null : 'transaction_failed'
    }
    switch (how.kind) {
      case 'nothing':
        if (how.reply === 'lost' || how.reply === 'silent') return { kind: how.reply }
        return { kind: 'reply', status: how.reply.status, body: '<html>Bad gateway</html>' }
      case 'claims':
        return answer(null, how.transaction)
      case 'refuses':
        if (how.settlesAfterMs !== undefined) send(how.settlesAfterMs)
        return answer(how.reason, how.transaction)
      case 'fails on chain': {
        const transaction = send(0, true)
        return answer(await confirmed(), transaction)
      }
      case 'honest':
      case 'settles, but':
      case 'answers before it settles':
      case 'pending':
    }
    const isKnown = world.now() - (rememberedMs.get(message) ?? Number.NEGATIVE_INFINITY) < REMEMBERED_MS
    if (isKnown && facilitator.memory === 'remembers') return answer('duplicate_settlement')
    const isAgain = chain.outcomeOf(message) !== null && facilitator.memory === 'waits'
    if (!isAgain && (!chain.mayLand(message) || chain.balance(source) < amount)) return answer(SIMULATION_FAILED)
    const transaction = send(how.afterMs)
    if (how.kind === 'answers before it settles') return answer(null, transaction)
    if (how.kind === 'pending') return answer(how.reason ?? 'settlement_pending', how.names ? transaction : '')
    const failed = await confirmed()
    if (failed !== null) rememberedMs.delete(message)
    if (how.kind === 'honest') return answer(failed, failed === null ? transaction : '')
    return how.reply === 'page' ? { kind: 'reply', status: 502, body: '<html>Bad gateway</html>' } : { kind: how.reply }
  }
}
