// What is logged: a closed list of events, each one line of JSON. Never a signature, a token or a secret; and nothing that says
// who reads what: no wallet, address, transaction, query or header.

/** Each event and what it names. docs/operations.md says what to do about each. */
export type Event =
  /** A setting, or an article's metadata, cannot be read. */
  | { event: 'configuration_error'; path: string; problem: string }
  /** A bug or a broken binding: it became a 500, or an alarm that comes again. */
  | { event: 'fault' | 'alarm_failed'; problem: string }
  | { event: 'kv_unavailable' | 'r2_unavailable' | 'content_unavailable' | 'analytics_unavailable'; problem: string }
  /** An upstream refuses the seller, or sends a buyer elsewhere: its host, and the status it answered with. */
  | { event: 'upstream_refused'; upstream: string; status: number }
  /** What one request came to. */
  | RequestLine
  /** The payer's object broke off. */
  | { event: 'payer_unavailable'; problem: string }
  /** The ledger could not be read, or written for one payment. */
  | { event: 'ledger_unavailable'; problem: string }
  /** A facilitator does not take our key, or it cannot be read: its host, and the status it answered with. */
  | { event: 'facilitator_key_refused'; facilitator: string; status: number | null }
  /** A facilitator says that our request is malformed: nothing was sent on. */
  | { event: 'facilitator_request_refused'; facilitator: string; status: number }
  /** No facilitator serves this network any more: it is not offered. */
  | { event: 'network_off'; network: string }
  /** An RPC endpoint says that it is of another chain than it is configured for. */
  | { event: 'rpc_wrong_chain'; network: string }
  /** About one payment, by its alias (`src/networks/alias.ts`). */
  | { event: PaymentEvent; payment: string }

/**
 * What a request was answered with. `collected`: what was paid before is handed out. `unsold`: the content itself failed.
 * `passed`: the origin's own words where nothing is for sale. `subscribed`: the origin let a subscriber in.
 */
export type Decided =
  | 'free'
  | 'observed'
  | 'preflight'
  | 'challenged'
  | 'refused'
  | 'held'
  | 'passed'
  | 'subscribed'
  | 'sold'
  | 'collected'
  | 'declined'
  | 'unsold'

export type RequestLine = {
  event: 'request'
  decision: Decided
  status: number
  /** The pattern of the route; '' where none was reached. */
  route: string
  method: string
  class: string
  /** Clocks of Workers stand still but while they wait: this is waiting, not work. */
  ms: number
  contentMs: number
  payerMs: number
  /** The code of a refusal, and the exact reason, which holds no value of the client's. */
  refusal?: string
  why?: string
  /** Millionths of a currency: what was paid, or would have been asked for. */
  priceMicros?: number
  currency?: string
  network?: string
  /** The payer's alias of this month. */
  payer?: string
  /** For how many such requests this line stands; without it for one. */
  weight?: number
}

export type PaymentEvent =
  | 'ledger_disputed'
  | 'ledger_unavailable'
  | 'look_failed'
  | 'payment_unreadable'
  | 'payment_unresolved'
  | 'proof_taken'
  | 'settlement_unproven'
  | 'strange_logs'
  | 'too_many_steps'
  | 'transaction_named_twice'

/** What is usual is told at another level than what somebody should look at. */
export const log = (event: Event): void =>
  (event.event === 'request' ? console.log : console.error)(JSON.stringify(event))

/** The name of a fault: its message may hold what must not be logged. */
export const nameOf = (fault: unknown): string => (fault instanceof Error ? fault.name : typeof fault)

/** The same, and where it was thrown. */
export function nameAndPlaceOf(fault: unknown): string {
  const place = fault instanceof Error ? /^\s+at .*$/m.exec(fault.stack ?? '') : null
  return nameOf(fault) + (place?.[0].replace(/^\s+/, ' ') ?? '')
}
