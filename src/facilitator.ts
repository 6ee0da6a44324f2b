// The hosted facilitator: /settle, and /verify for what cannot be proven here. Envelopes are built field by field,
// replies are checked against what was asked, and a failure to learn the outcome is never a refusal.
import * as z from 'zod/mini'
import type { Breaker } from './breaker.ts'
import type { PaymentReason } from './errors.ts'
import { exchange, type Reply } from './http.ts'
import { assetOf } from './x402/assets.ts'
import type { Authorization, Offer } from './x402/payment.ts'
import { requirementsV2 } from './x402/v2.ts'

/** For one sending, over all facilitators it tries: they wait for the chain before they answer. Then the chain is asked. */
const SETTLE_MS = 30_000
/** With less time left no further facilitator is tried: it could not answer in time, and would leave only doubt. */
const LEAST_LEFT_MS = 5_000
const VERIFY_TIMEOUT_MS = 5_000
/** How long a facilitator may take to show that it is there. */
const PROBE_TIMEOUT_MS = 2_000

/** Facilitators one sending tries. Those further down the list come first once the breaker passes over these. */
export const MOST_TRIED = 4

export type SignedPayment = { authorization: Authorization; signature: `0x${string}`; offer: Offer }

/** Why a payment was refused, as its payer may see it. `payment_refused` is policy (sanctions, geography). */
export type RefusalReason = PaymentReason | 'payment_refused'

/** What one sending came to. Transactions are lower-case hashes; '' where none, or no hash, was named. */
export type SettleReply =
  | { kind: 'settled'; transaction: string }
  /** Refused for sure: nothing was broadcast, and no other facilitator may have got it in this sending. */
  | { kind: 'refused'; reason: RefusalReason }
  /** Said to have failed, but a transaction may have been broadcast: the chain has to agree. */
  | { kind: 'failed'; reason: RefusalReason; transaction: string }
  /** The nonce is used on chain; only the chain can say what for. */
  | { kind: 'nonce_used' }
  /** Broadcast, or about to be; the facilitator does not know the outcome either. */
  | { kind: 'pending'; transaction: string }
  /** A facilitator that is alive may have got it, and did not say what became of it. */
  | { kind: 'unknown' }
  /** No facilitator answered; one may have got it. */
  | { kind: 'unanswered' }
  /** It reached no facilitator. */
  | { kind: 'unsent' }

export type VerifyReply =
  | { kind: 'valid' }
  | { kind: 'refused'; reason: RefusalReason }
  /** Everything is in order but that the nonce is used: perhaps by this very payment. */
  | { kind: 'nonce_used' }
  | { kind: 'unavailable' }

/** One call. The breaker notes how it went. */
async function ask(
  base: string,
  path: '/settle' | '/verify',
  breaker: Breaker,
  payment: SignedPayment,
  timeoutMs: number,
) {
  const reply = await exchange(`${base}${path}`, envelope(payment), timeoutMs)
  breaker.note(base, reply.ok && reply.value.status < 500, Date.now())
  return reply
}

const text = z.optional(z.nullable(z.string()))
const settleReply = z.object({
  success: z.boolean(),
  errorReason: text,
  transaction: text,
  network: text,
  payer: text,
  amount: text,
})
const verifyReply = z.object({ isValid: z.boolean(), invalidReason: text, payer: text })

/**
 * `POST /settle` (x402 v2 §7), at the next facilitator only where the one before got nothing or is no longer alive.
 * Ends within 32 s: 30 s for all of them, and 2 s for whether the last one is alive. Never throws.
 *
 * `isAgain`: the payment may have been sent before. Then, and where the breaker is open, a facilitator is sent nothing
 * before it has shown that it is alive.
 */
export async function settle(
  facilitators: readonly string[],
  breaker: Breaker,
  payment: SignedPayment,
  isAgain: boolean,
): Promise<SettleReply> {
  const endMs = Date.now() + SETTLE_MS
  // A clock that is set back must not make a wait longer.
  const leftMs = () => Math.min(SETTLE_MS, endMs - Date.now())
  let isDoubtful = false
  for (const base of breaker.order(facilitators, Date.now()).slice(0, MOST_TRIED)) {
    if (leftMs() < LEAST_LEFT_MS) break
    if ((isAgain || breaker.isOpen(base, Date.now())) && !(await isAlive(base))) {
      breaker.note(base, false, Date.now())
      continue
    }
    const reply = await ask(base, '/settle', breaker, payment, leftMs())
    const outcome: SettleReply = reply.ok ? readReply(reply.value, payment) : { kind: 'unanswered' }
    if (outcome.kind === 'unsent') continue
    if (outcome.kind === 'unanswered') {
      if (await isAlive(base)) return { kind: 'unknown' }
      isDoubtful = true
      continue
    }
    // The one before may have broadcast what this one refuses.
    const isRefusal = outcome.kind === 'refused' || outcome.kind === 'failed'
    return isDoubtful && isRefusal ? { kind: 'unknown' } : outcome
  }
  return { kind: isDoubtful ? 'unanswered' : 'unsent' }
}

/** `POST /verify` at the first facilitator that answers. Never throws, charges nothing. */
export async function verify(
  facilitators: readonly string[],
  breaker: Breaker,
  payment: SignedPayment,
): Promise<VerifyReply> {
  for (const base of breaker.order(facilitators, Date.now())) {
    const reply = await ask(base, '/verify', breaker, payment, VERIFY_TIMEOUT_MS)
    const parsed = reply.ok ? z.safeParse(verifyReply, reply.value.json) : null
    if (!parsed?.success) continue
    const { isValid, invalidReason, payer } = parsed.data
    if (!isValid && NONCE_USED.test(invalidReason ?? '')) return { kind: 'nonce_used' }
    if (!isValid) return { kind: 'refused', reason: publicReason(invalidReason ?? '') ?? 'unexpected_settle_error' }
    if (payer && payer.toLowerCase() !== payment.authorization.from) continue
    return { kind: 'valid' }
  }
  return { kind: 'unavailable' }
}

/**
 * Whether a facilitator answers anything at all. The platform does not tell a refused connection from one that broke
 * off, so a facilitator that is alive may have got what was sent. An error page of its gateway says that it is not alive.
 */
async function isAlive(base: string): Promise<boolean> {
  const reply = await exchange(`${base}/supported`, undefined, PROBE_TIMEOUT_MS)
  return reply.ok ? reply.value.status < 500 : reply.error === 'garbled'
}

/** Always version 2: what is signed is the same in both versions, so one envelope serves both. */
function envelope({ authorization, signature, offer }: SignedPayment) {
  const paymentRequirements = requirementsV2(offer)
  return {
    x402Version: 2,
    paymentPayload: {
      x402Version: 2,
      accepted: paymentRequirements,
      payload: {
        signature,
        authorization: {
          from: authorization.from,
          to: authorization.to,
          value: authorization.value.toString(),
          validAfter: authorization.validAfter.toString(),
          validBefore: authorization.validBefore.toString(),
          nonce: authorization.nonce,
        },
      },
    },
    paymentRequirements,
  }
}

/** What one facilitator's answer says. `unsent`: it did not look at the payment; `unanswered`: only its gateway answered. */
function readReply({ status, json }: Reply, payment: SignedPayment): SettleReply {
  // A redirect is not followed; whoever sent it may have read the payment.
  if (status >= 300 && status < 400) return { kind: 'unknown' }
  const parsed = z.safeParse(settleReply, json)
  const reply = parsed.data
  if (reply?.success) return readSuccess(reply, payment)
  if (reply?.errorReason || reply?.transaction) return readFailure(reply.errorReason ?? '', reply.transaction ?? '')
  // Meant as a settlement, but malformed: nothing follows from it, whatever the status.
  if (!parsed.success && typeof json === 'object' && json !== null && 'success' in json) return { kind: 'unknown' }
  if (NOT_PROCESSED.has(status)) return { kind: 'unsent' }
  return { kind: status >= 500 ? 'unanswered' : 'unknown' }
}

/** Answers that come before a payment is looked at: no key, no such path, too many requests, an edge without origin. */
const NOT_PROCESSED = new Set([401, 403, 404, 405, 429, 521, 523, 525, 526, 530])

/** A success counts only if it is one: of this payment, with its transaction, and without a reason for failing. */
function readSuccess(reply: z.infer<typeof settleReply>, { authorization, offer }: SignedPayment): SettleReply {
  const { errorReason, network, payer, amount } = reply
  const transaction = hashOf(reply.transaction ?? '')
  const isAsAsked =
    (!network || network === offer.network || network === assetOf(offer.network)?.v1Name) &&
    (!payer || payer.toLowerCase() === authorization.from) &&
    (!amount || amount === offer.amount.toString())
  return isAsAsked && !errorReason && transaction !== '' ? { kind: 'settled', transaction } : { kind: 'unknown' }
}

/** A transaction's hash in lower case, '' for anything else. */
const hashOf = (named: string) => (/^0x[0-9a-fA-F]{64}$/.test(named) && !NONE.test(named) ? named.toLowerCase() : '')

/** How facilitators write that there is no transaction. */
const NONE = /^(?:0x)?0*$/

/** What facilitators call it → what payers are told. The reference packages and the specification differ in names. */
const REASONS: ReadonlyMap<string, PaymentReason> = new Map<string, PaymentReason>([
  ['insufficient_funds', 'insufficient_funds'],
  ['invalid_exact_evm_insufficient_balance', 'insufficient_funds'],
  ['invalid_exact_evm_payload_authorization_valid_after', 'invalid_exact_evm_payload_authorization_valid_after'],
  ['invalid_exact_evm_payload_authorization_valid_before', 'invalid_exact_evm_payload_authorization_valid_before'],
  ['payment_expired', 'invalid_exact_evm_payload_authorization_valid_before'],
  ['invalid_exact_evm_payload_authorization_value', 'invalid_exact_evm_payload_authorization_value_mismatch'],
  ['invalid_exact_evm_payload_authorization_value_mismatch', 'invalid_exact_evm_payload_authorization_value_mismatch'],
  ['invalid_exact_evm_authorization_value', 'invalid_exact_evm_payload_authorization_value_mismatch'],
  ['invalid_exact_evm_payload_recipient_mismatch', 'invalid_exact_evm_payload_recipient_mismatch'],
  ['invalid_exact_evm_recipient_mismatch', 'invalid_exact_evm_payload_recipient_mismatch'],
  ['invalid_exact_evm_payload_signature', 'invalid_exact_evm_payload_signature'],
  ['invalid_exact_evm_payload_signature_address', 'invalid_exact_evm_payload_signature'],
  ['invalid_exact_evm_signature', 'invalid_exact_evm_payload_signature'],
  ['invalid_exact_evm_failed_to_parse_signature', 'invalid_exact_evm_payload_signature'],
  ['invalid_exact_evm_payload_undeployed_smart_wallet', 'invalid_exact_evm_payload_signature'],
])

const POLICY = /_kyt$|^kyt_|^request_blocked_by_location$|^blocked$/
const NONCE_USED = /nonce_(?:already_)?used|^duplicate_settlement$|authorization[_ ](?:is[_ ])?used/
/** The facilitator itself does not know yet. */
const PENDING = /pending|timed_out/
/** Only the chain can judge: what was mined may have been overtaken, and a simulation also fails on a used nonce. */
const ON_CHAIN =
  /transaction_failed|invalid_transaction_state|failed_on_?chain|transfer_event|simulation_failed|deployment_failed|failed_to_execute/
/** Refusals that come from looking at the payment, before anything is broadcast. */
const SURE =
  /^(?:invalid_|insufficient_|unsupported_|asset_|eip6492_|payment_expired$|amount_too_low$|self_send_|permit2_disabled$|preflight_)/

/** Reasons are an open set. An unknown one says nothing, but a transaction named beside it is worth a look. */
function readFailure(word: string, named: string): SettleReply {
  const transaction = hashOf(named)
  if (NONCE_USED.test(word)) return { kind: 'nonce_used' }
  if (PENDING.test(word)) return { kind: 'pending', transaction }
  const reason = publicReason(word)
  if (ON_CHAIN.test(word)) return { kind: 'failed', reason: reason ?? 'invalid_transaction_state', transaction }
  if (reason === null && !SURE.test(word)) return transaction ? { kind: 'pending', transaction } : { kind: 'unknown' }
  if (!NONE.test(named)) return { kind: 'failed', reason: reason ?? 'invalid_transaction_state', transaction }
  return { kind: 'refused', reason: reason ?? 'unexpected_settle_error' }
}

const publicReason = (word: string): RefusalReason | null =>
  POLICY.test(word) ? 'payment_refused' : (REASONS.get(word) ?? null)
