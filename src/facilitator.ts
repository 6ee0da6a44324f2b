// The hosted facilitator: /settle, and /verify for what cannot be proven here. Envelopes are built field by field,
// replies are checked against what was asked, and a failure to learn the outcome is `unknown`, never a refusal.
import * as z from 'zod/mini'
import { Breaker } from './breaker.ts'
import type { PaymentReason } from './errors.ts'
import { exchange, type Reply } from './http.ts'
import { assetOf } from './x402/assets.ts'
import type { Authorization, Offer } from './x402/payment.ts'
import { requirementsV2 } from './x402/v2.ts'

/** A facilitator waits for the chain before it answers /settle; after this, the chain is asked instead. */
const SETTLE_TIMEOUT_MS = 30_000
const VERIFY_TIMEOUT_MS = 5_000
/** How long a facilitator that did not answer may take to show that it is alive. */
const PROBE_TIMEOUT_MS = 2_000

export type SignedPayment = { authorization: Authorization; signature: `0x${string}`; offer: Offer }

export type SettleReply =
  | { kind: 'settled'; transaction: string }
  /** Refused for sure: nothing was broadcast. `payment_refused` is policy (sanctions, geography). */
  | { kind: 'refused'; reason: PaymentReason | 'payment_refused' }
  /** The nonce is used on chain; only the chain can say what for. */
  | { kind: 'nonce_used' }
  | { kind: 'unknown' }
  /** Nothing reached a facilitator. */
  | { kind: 'unsent' }

export type VerifyReply =
  | { kind: 'valid' }
  | { kind: 'refused'; reason: PaymentReason | 'payment_refused' }
  /** Everything is in order but that the nonce is used: perhaps by this very payment. */
  | { kind: 'nonce_used' }
  | { kind: 'unavailable' }

/** Of this isolate: what one payer's purchase learnt of a facilitator serves the next payer. */
const breaker = new Breaker()

/** One call, whose outcome the breaker hears of. */
async function ask(base: string, path: '/settle' | '/verify', payment: SignedPayment, timeoutMs: number) {
  const reply = await exchange(`${base}${path}`, envelope(payment), timeoutMs)
  breaker.note(base, reply.ok && reply.value.status < 500, Date.now())
  return reply
}

const settleReply = z.object({
  success: z.boolean(),
  errorReason: z.optional(z.nullable(z.string())),
  transaction: z.optional(z.nullable(z.string())),
  network: z.optional(z.nullable(z.string())),
  payer: z.optional(z.nullable(z.string())),
  amount: z.optional(z.nullable(z.string())),
})

const verifyReply = z.object({
  isValid: z.boolean(),
  invalidReason: z.optional(z.nullable(z.string())),
  payer: z.optional(z.nullable(z.string())),
})

/** `POST /settle` at the first facilitator that can be reached (x402 v2 §7). Never throws. */
export async function settle(facilitators: readonly string[], payment: SignedPayment): Promise<SettleReply> {
  for (const base of breaker.order(facilitators, Date.now())) {
    const reply = await ask(base, '/settle', payment, SETTLE_TIMEOUT_MS)
    if (reply.ok) {
      const outcome = readSettlement(reply.value, payment)
      // A gateway in front of a facilitator that is down answers with an error page of its own.
      const isGateway = reply.value.status >= 500 && reply.value.json === undefined
      if (outcome.kind !== 'unsent' && !(isGateway && !(await isAlive(base)))) return outcome
    } else if (reply.error === 'garbled' || (await isAlive(base))) {
      return { kind: 'unknown' }
    }
  }
  return { kind: 'unsent' }
}

/** `POST /verify` at the first facilitator that answers. Never throws, charges nothing. */
export async function verify(facilitators: readonly string[], payment: SignedPayment): Promise<VerifyReply> {
  for (const base of breaker.order(facilitators, Date.now())) {
    const reply = await ask(base, '/verify', payment, VERIFY_TIMEOUT_MS)
    const parsed = reply.ok ? z.safeParse(verifyReply, reply.value.json) : null
    if (!parsed?.success) continue
    const { isValid, invalidReason, payer } = parsed.data
    if (!isValid && NONCE_USED.test(invalidReason ?? '')) return { kind: 'nonce_used' }
    if (!isValid) return { kind: 'refused', reason: publicReason(invalidReason ?? '') }
    if (payer && payer.toLowerCase() !== payment.authorization.from) continue
    return { kind: 'valid' }
  }
  return { kind: 'unavailable' }
}

/**
 * workerd does not tell a refused connection from one that broke off. A facilitator that still answers may have got
 * the payment; one that does not answer at all is passed over.
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

function readSettlement({ status, json }: Reply, { authorization, offer }: SignedPayment): SettleReply {
  const parsed = z.safeParse(settleReply, json)
  if (!parsed.success) return { kind: isNotProcessed(status) ? 'unsent' : 'unknown' }
  const { success, errorReason, transaction, network, payer, amount } = parsed.data
  if (!success) return readFailure(errorReason ?? '', transaction ?? '')
  const asAsked =
    (!network || network === offer.network || network === assetOf(offer.network)?.v1Name) &&
    (!payer || payer.toLowerCase() === authorization.from) &&
    (!amount || amount === offer.amount.toString())
  if (!asAsked || !transaction || !/^0x[0-9a-fA-F]{64}$/.test(transaction)) return { kind: 'unknown' }
  return { kind: 'settled', transaction: transaction.toLowerCase() }
}

/** Answers that come before a payment is looked at: no key, no such path, too many requests, an edge without origin. */
const isNotProcessed = (status: number) => [401, 403, 404, 405, 429, 521, 523, 525, 526, 530].includes(status)

/** What facilitators call it → what payers are told. The reference packages and the specification differ in names. */
const REASONS: Record<string, PaymentReason> = {
  insufficient_funds: 'insufficient_funds',
  invalid_exact_evm_insufficient_balance: 'insufficient_funds',
  invalid_exact_evm_payload_authorization_valid_after: 'invalid_exact_evm_payload_authorization_valid_after',
  invalid_exact_evm_payload_authorization_valid_before: 'invalid_exact_evm_payload_authorization_valid_before',
  payment_expired: 'invalid_exact_evm_payload_authorization_valid_before',
  invalid_exact_evm_payload_authorization_value: 'invalid_exact_evm_payload_authorization_value_mismatch',
  invalid_exact_evm_payload_authorization_value_mismatch: 'invalid_exact_evm_payload_authorization_value_mismatch',
  invalid_exact_evm_authorization_value: 'invalid_exact_evm_payload_authorization_value_mismatch',
  invalid_exact_evm_payload_recipient_mismatch: 'invalid_exact_evm_payload_recipient_mismatch',
  invalid_exact_evm_recipient_mismatch: 'invalid_exact_evm_payload_recipient_mismatch',
  invalid_exact_evm_payload_signature: 'invalid_exact_evm_payload_signature',
  invalid_exact_evm_payload_signature_address: 'invalid_exact_evm_payload_signature',
  invalid_exact_evm_signature: 'invalid_exact_evm_payload_signature',
  invalid_exact_evm_failed_to_parse_signature: 'invalid_exact_evm_payload_signature',
  invalid_exact_evm_payload_undeployed_smart_wallet: 'invalid_exact_evm_payload_signature',
}

const POLICY = /_kyt$|^kyt_|^request_blocked_by_location$|^blocked$/
const NONCE_USED = /nonce_already_used|^duplicate_settlement$|authorization_used/
/** Refusals that come from looking at the payment, before anything is broadcast. */
const SURE =
  /^(?:invalid_|insufficient_|unsupported_|asset_|eip6492_|payment_expired$|amount_too_low$|self_send_|permit2_disabled$|preflight_)/
/** Of those, the ones only the chain can judge: a mined transaction may have been overtaken by another. */
const OPEN = /transaction_failed|invalid_transaction_state|transfer_event|simulation_failed|pending|timed_out/

function readFailure(reason: string, transaction: string): SettleReply {
  if (NONCE_USED.test(reason)) return { kind: 'nonce_used' }
  if (POLICY.test(reason)) return { kind: 'refused', reason: 'payment_refused' }
  // A failure that names a transaction was broadcast, and a reason nobody knows says nothing.
  if (!SURE.test(reason) || OPEN.test(reason) || transaction !== '') return { kind: 'unknown' }
  return { kind: 'refused', reason: publicReason(reason) }
}

function publicReason(reason: string): PaymentReason | 'payment_refused' {
  if (POLICY.test(reason)) return 'payment_refused'
  return REASONS[reason] ?? 'unexpected_settle_error'
}
