// The life of one authorization as a pure function of state and event. The payer's Durable Object drives it; nothing
// else decides what became of a payment. docs/redemption.md draws it.
import type { PaymentReason } from '../errors.ts'
import type { SettleReply } from '../facilitator.ts'
import type { Truth } from './reconcile.ts'

export type RefusalReason = PaymentReason | 'payment_refused' | 'payment_already_used'

export type Redemption =
  /** Ours to settle; nothing was sent to anybody. */
  | { status: 'claimed' }
  /** On its way. `doubt`: an earlier sending may have landed, so a refusal of this one proves nothing. */
  | { status: 'settling'; doubt: boolean }
  /** Sent, and nobody can say yet what became of it. Never "failed". */
  | { status: 'unknown' }
  | { status: 'settled'; transaction: string }
  | { status: 'refused'; reason: RefusalReason; transaction: string }

export type RedemptionEvent =
  | { kind: 'send' }
  /** A refused payment is asked for again: it is claimed anew before anything else happens. */
  | { kind: 'retry' }
  | { kind: 'reply'; reply: SettleReply }
  | { kind: 'truth'; truth: Truth }
  /** The time to hold a request is over, or the object was restarted while settling. */
  | { kind: 'give_up' }

const UNKNOWN: Redemption = { status: 'unknown' }

/** The next state. Events that say nothing new about a state leave it as it is; `settled` is final. */
export function step(state: Redemption, event: RedemptionEvent): Redemption {
  switch (state.status) {
    case 'settled':
      return state
    case 'claimed':
      // A crash before sending leaves a claim; it lapses with its authorization, or somebody else has settled it.
      if (event.kind === 'truth' && !isOpen(event.truth)) return fromTruth(event.truth)
      return event.kind === 'send' ? { status: 'settling', doubt: false } : state
    case 'refused':
      // A facilitator may have refused what it settled all the same; the chain has the last word.
      if (event.kind === 'truth' && event.truth.kind === 'settled') return fromTruth(event.truth)
      // Sent again it may find that the wallet has been topped up.
      return event.kind === 'retry' && state.reason !== 'payment_already_used' ? { status: 'claimed' } : state
    case 'unknown':
      if (event.kind === 'send') return { status: 'settling', doubt: true }
      return event.kind === 'truth' ? fromTruth(event.truth) : state
    case 'settling':
      if (event.kind === 'give_up') return UNKNOWN
      if (event.kind === 'truth') return isOpen(event.truth) ? state : fromTruth(event.truth)
      if (event.kind === 'reply') return fromReply(event.reply, state.doubt)
      return state
  }
}

const isOpen = (truth: Truth) => truth.kind === 'unused' || truth.kind === 'unreachable'

function fromReply(reply: SettleReply, doubt: boolean): Redemption {
  switch (reply.kind) {
    case 'settled':
      return { status: 'settled', transaction: reply.transaction }
    case 'refused':
      return doubt ? UNKNOWN : { status: 'refused', reason: reply.reason, transaction: '' }
    case 'nonce_used':
    case 'unknown':
    case 'unsent':
      return UNKNOWN
  }
}

function fromTruth(truth: Truth): Redemption {
  switch (truth.kind) {
    case 'settled':
      return { status: 'settled', transaction: truth.transaction }
    case 'used_before':
      return { status: 'refused', reason: 'payment_already_used', transaction: truth.transaction }
    case 'spent_otherwise':
      return { status: 'refused', reason: 'payment_already_used', transaction: '' }
    case 'expired':
      return {
        status: 'refused',
        reason: 'invalid_exact_evm_payload_authorization_valid_before',
        transaction: '',
      }
    case 'unused':
    case 'unreachable':
      return UNKNOWN
  }
}
