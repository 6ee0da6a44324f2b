// The life of one authorization as a pure function of state and event. Nothing else decides what became of a payment;
// what it means for other payments is `next.ts`. docs/redemption.md draws it.
import type { RefusalReason, SettleReply } from '../replies.ts'
import type { Truth } from './reconcile.ts'

export type Status =
  /** Ours to settle; no sending has reached anybody. */
  | 'claimed'
  /** A sending is on its way. */
  | 'settling'
  /** Sent, and nobody can say yet what became of it. Never "failed". */
  | 'unknown'
  | 'settled'
  /** Not paid, as far as a facilitator or the chain could say; it may be tried again. */
  | 'refused'
  /** It can never pay: cancelled, or its nonce was spent on something else. */
  | 'void'
  /** Another payment paid for this wish; this one is not to be sent. */
  | 'covered'

export type Redemption = {
  status: Status
  /** Sendings that may have reached a facilitator. */
  sent: number
  /** Of those, how many may still land for all we know. A refusal ends a payment only where it is the last of them. */
  doubt: number
  /** Why it is refused; of an unknown payment, the failure that a facilitator reported and the chain has to confirm. */
  reason: RefusalReason | null
  /** When that failure was reported (Unix seconds). */
  failedAtSeconds: number | null
  /** The transaction that paid; of an unknown payment, one that was named and is asked first. "" where there is none. */
  transaction: string
  /** Where in that transaction's receipt the proof stands; null as long as only a facilitator has said so. */
  position: number | null
  /** Key of the payment that paid in this one's place. */
  coveredBy: string | null
}

export type RedemptionEvent =
  /** It is about to be handed to a facilitator. The new state is on disk before it leaves. */
  | { kind: 'send' }
  /** How one sending ended. Each sending is heard at most once. */
  | { kind: 'reply'; reply: SettleReply; nowSeconds: number }
  | { kind: 'truth'; truth: Truth }
  /** The time to hold a request is over, or the object was restarted while settling. */
  | { kind: 'give_up' }
  /** Another payment has paid for the wish. */
  | { kind: 'cover'; by: string }
  /** It has landed, although another payment had paid for the wish: its money is owed back. */
  | { kind: 'paid twice'; by: string }

export const CLAIMED: Redemption = {
  status: 'claimed',
  sent: 0,
  doubt: 0,
  reason: null,
  failedAtSeconds: null,
  transaction: '',
  position: null,
  coveredBy: null,
}

/** After this many sendings that may have reached somebody only the chain is asked. */
export const MOST_SENDINGS = 3

/** The outcome is open: it may still pay us. */
export const isOpen = ({ status }: Redemption) => status === 'claimed' || status === 'settling' || status === 'unknown'

/** Whether it may ever have been sent. A payment that never was can only land if its signer broadcasts it. */
export const wasSent = ({ sent }: Redemption) => sent > 0

export const maySend = (state: Redemption) =>
  (state.status === 'claimed' || state.status === 'unknown' || state.status === 'refused') && state.sent < MOST_SENDINGS

/** The next state. An event that says nothing new about a state leaves it as it is. */
export function step(state: Redemption, event: RedemptionEvent): Redemption {
  switch (event.kind) {
    case 'send':
      return maySend(state) ? { ...state, status: 'settling', sent: state.sent + 1, doubt: state.doubt + 1 } : state
    case 'give_up':
      return state.status === 'settling' ? { ...state, status: 'unknown' } : state
    case 'cover':
      return isOpen(state) || state.status === 'refused' ? { ...state, status: 'covered', coveredBy: event.by } : state
    case 'paid twice':
      return state.status === 'settled' && state.coveredBy === null ? { ...state, coveredBy: event.by } : state
    case 'reply':
      return afterReply(state, event.reply, event.nowSeconds)
    case 'truth':
      return afterTruth(state, event.truth)
  }
}

const paid = (state: Redemption, transaction: string, position: number | null): Redemption => ({
  ...state,
  status: 'settled',
  doubt: 0,
  reason: null,
  failedAtSeconds: null,
  transaction,
  position,
})

function afterReply(state: Redemption, reply: SettleReply, nowSeconds: number): Redemption {
  // A success counts from any sending, late ones too. It does not overrule a chain that has proven the payment void.
  if (reply.kind === 'settled') {
    return state.status === 'settled' || state.status === 'void' ? state : paid(state, reply.transaction, null)
  }
  const isHeard = state.status === 'settling' || state.status === 'unknown'
  if (!isHeard) return state
  switch (reply.kind) {
    case 'refused':
      return state.doubt <= 1
        ? { ...state, status: 'refused', doubt: 0, reason: reply.reason, failedAtSeconds: null, transaction: '' }
        : { ...state, status: 'unknown', doubt: state.doubt - 1, reason: state.reason ?? reply.reason }
    case 'unsent': {
      const left = { ...state, sent: state.sent - 1, doubt: state.doubt - 1 }
      if (left.doubt > 0) return { ...left, status: 'unknown' }
      return { ...left, status: left.reason === null ? 'claimed' : 'refused' }
    }
    case 'failed':
      return {
        ...state,
        status: 'unknown',
        reason: reply.reason,
        failedAtSeconds: nowSeconds,
        transaction: reply.transaction || state.transaction,
      }
    case 'pending':
      return { ...state, status: 'unknown', transaction: reply.transaction || state.transaction }
    case 'nonce_used':
    case 'unknown':
    case 'unanswered':
      return { ...state, status: 'unknown' }
  }
}

function afterTruth(state: Redemption, truth: Truth): Redemption {
  if (truth.kind === 'settled') {
    // For a settled payment it fills in the proof, and the transaction where another one was named.
    const isKnown = state.status === 'settled' && state.position !== null
    return isKnown ? state : paid(state, truth.transaction, truth.position)
  }
  if (state.status === 'settled' || state.status === 'void') return state
  switch (truth.kind) {
    case 'void':
      // A covered payment stays covered.
      if (state.status === 'covered') return { ...state, doubt: 0 }
      return { ...state, status: 'void', doubt: 0, transaction: truth.transaction }
    case 'used_before':
      if (state.status === 'covered') return { ...state, doubt: 0 }
      return { ...state, status: 'void', doubt: 0, transaction: '' }
    case 'expired':
      return isOpen(state)
        ? {
            ...state,
            status: 'refused',
            doubt: 0,
            reason: truth.reason,
            failedAtSeconds: null,
            transaction: '',
          }
        : { ...state, doubt: 0 }
    case 'unused':
      return hasFailed(state, truth) ? { ...state, status: 'refused', doubt: 0, failedAtSeconds: null } : state
    case 'unclear':
      // Its nonce is used by somebody: neither a refusal nor a claim that was never sent is the last word on it.
      return state.status === 'claimed' || state.status === 'refused'
        ? { ...state, status: 'unknown', sent: Math.max(1, state.sent), doubt: Math.max(1, state.doubt) }
        : state
    case 'unreachable':
      return state
  }
}

/**
 * A reported failure is true once the nonce is unused at a settled block from after the report, and the transaction
 * that was named, if any, has reverted. Not while another sending may land.
 */
function hasFailed(state: Redemption, truth: Extract<Truth, { kind: 'unused' }>): boolean {
  const { status, doubt, reason, failedAtSeconds, transaction } = state
  return (
    status === 'unknown' &&
    doubt <= 1 &&
    reason !== null &&
    failedAtSeconds !== null &&
    truth.pinnedSeconds !== null &&
    truth.pinnedSeconds >= failedAtSeconds &&
    (transaction === '' || truth.reverted === true)
  )
}
