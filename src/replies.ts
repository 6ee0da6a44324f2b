// What facilitators' answers mean. They are checked against what was asked, and a failure to learn the outcome is never a
// refusal. It never fetches.
import * as z from 'zod/mini'
import type { PaymentReason } from './errors.ts'
import type { Reply } from './http.ts'
import { isTransactionOf } from './networks/solana.ts'
import { isSameAddress, networkOf } from './x402/assets.ts'
import { isSolanaAddress } from './x402/base58.ts'
import type { Offer, Transfer } from './x402/payment.ts'

export type SignedPayment = {
  payer: string
  transfer: Transfer
  offer: Offer
  /** What it is for, without its query; null where that is nobody's business. */
  bought: { url: string; method: string } | null
}

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

/** What a facilitator says of a payment that cannot be proven here. */
export type VerifyReply =
  | { kind: 'valid' }
  | { kind: 'refused'; reason: RefusalReason }
  /** Everything is in order but that the nonce is used: perhaps by this very payment. */
  | { kind: 'nonce_used' }
  /** `hasWorked`: somebody was made to work for it, and not only for a key of ours that is wrong. */
  | { kind: 'unavailable'; hasWorked: boolean }

const text = z.lazy(() => z.optional(z.nullable(z.string())))
const settleReply = z.lazy(() =>
  z.object({ success: z.boolean(), errorReason: text, transaction: text, network: text, payer: text, amount: text }),
)
const verifyReply = z.lazy(() => z.object({ isValid: z.boolean(), invalidReason: text, payer: text }))
/** How facilitators say that a request is malformed, or not for them. */
const reasons = z.lazy(() =>
  z.object({
    errorType: text,
    errorReason: text,
    error: text,
    isValid: z.optional(z.boolean()),
    invalidReason: text,
    transaction: text,
  }),
)

/** What one facilitator's answer says. `unsent`: it did not look at the payment; `unanswered`: only its gateway answered. */
export async function readSettlement(answer: Reply, payment: SignedPayment): Promise<SettleReply> {
  const { status, json } = answer
  // A redirect is not followed; whoever sent it may have read the payment.
  if (status >= 300 && status < 400) return { kind: 'unknown' }
  const parsed = z.safeParse(settleReply, json)
  const reply = parsed.data
  if (reply?.success) return readSuccess(reply, payment)
  if (reply?.errorReason || reply?.transaction)
    return readFailure(reply.errorReason ?? '', reply.transaction ?? '', payment)
  // Whatever else it says: it has sent something.
  const named = await transactionIn(z.safeParse(reasons, json).data?.transaction ?? '', payment)
  if (named !== '') return { kind: 'unknown' }
  // Some refuse in the words of /verify.
  const verified = status >= 400 && status < 500 ? z.safeParse(verifyReply, json).data : undefined
  if (verified && !verified.isValid && verified.invalidReason) return readFailure(verified.invalidReason, '', payment)
  // Meant as a settlement, and no more is said: nothing follows from it, whatever the status.
  if (typeof json === 'object' && json !== null && 'success' in json) {
    return { kind: status >= 500 && parsed.success ? 'unanswered' : 'unknown' }
  }
  if (isUnprocessed(answer)) return { kind: 'unsent' }
  return { kind: status >= 500 ? 'unanswered' : 'unknown' }
}

/** Whether an answer came before the payment was looked at. */
const isUnprocessed = (reply: Reply): boolean => isAboutUsAlone(reply) || NOT_PROCESSED.has(reply.status)

/** Whether it is about our key, our haste or our words: whoever pays has no part in it. */
export function isAboutUsAlone({ status, json }: Reply): boolean {
  const { data } = z.safeParse(reasons, json)
  // An answer to the question it was asked.
  if (data?.isValid !== undefined) return false
  if (KEY_REFUSED.has(status) || status === TOO_MANY_REQUESTS) return true
  return (
    status === 400 && !data?.transaction && (data?.errorType === 'invalid_request' || data?.error === 'invalid_request')
  )
}

/** Answers about our key: none, a wrong one, one that is not paid for. */
export const KEY_REFUSED = new Set([401, 402, 403])
export const TOO_MANY_REQUESTS = 429
/** Answers that come before a payment is looked at: no such path, an edge without origin. */
const NOT_PROCESSED = new Set([404, 405, 521, 523, 525, 526, 530])

/** A success counts only if it is one: of this payment, with its transaction, and without a reason for failing. */
async function readSuccess(reply: z.infer<typeof settleReply>, payment: SignedPayment): Promise<SettleReply> {
  const { payer: signer, offer } = payment
  const { errorReason, network, payer, amount } = reply
  const transaction = await transactionIn(reply.transaction ?? '', payment)
  const isAsAsked =
    (!network || network === offer.network || network === networkOf(offer.network)?.v1Name) &&
    (!payer || isSameAddress(payer, signer)) &&
    (!amount || amount === offer.amount.toString())
  return isAsAsked && !errorReason && transaction !== '' ? { kind: 'settled', transaction } : { kind: 'unknown' }
}

/**
 * A transaction as its network names it: a hash in lower case; on Solana the fee payer's signature, if it is one under this
 * very payment. '' for anything else.
 */
async function transactionIn(named: string, { transfer }: SignedPayment): Promise<string> {
  if (transfer.kind === 'svm') return (await isTransactionOf(named, transfer)) ? named : ''
  return /^0x[0-9a-fA-F]{64}$/.test(named) && !NONE.test(named) ? named.toLowerCase() : ''
}

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
  ['permit2_insufficient_balance', 'insufficient_funds'],
  ['invalid_permit2_spender', 'invalid_permit2_spender'],
  ['invalid_permit2_recipient_mismatch', 'invalid_permit2_recipient_mismatch'],
  ['invalid_permit2_signature', 'invalid_permit2_signature'],
  ['permit2_token_mismatch', 'permit2_token_mismatch'],
  ['permit2_amount_mismatch', 'permit2_amount_mismatch'],
  ['permit2_not_yet_valid', 'permit2_not_yet_valid'],
  ['permit2_payment_too_early', 'permit2_not_yet_valid'],
  ['permit2_deadline_expired', 'permit2_deadline_expired'],
  ['permit2_allowance_required', 'permit2_allowance_required'],
  ['invalid_exact_evm_permit2_payload_spender', 'invalid_permit2_spender'],
  ['invalid_exact_evm_permit2_payload_recipient', 'invalid_permit2_recipient_mismatch'],
  ['invalid_exact_evm_permit2_payload_signature', 'invalid_permit2_signature'],
  ['invalid_exact_evm_permit2_payload_amount', 'permit2_amount_mismatch'],
  ['invalid_exact_evm_permit2_payload_valid_after', 'permit2_not_yet_valid'],
  ['invalid_exact_evm_permit2_payload_deadline', 'permit2_deadline_expired'],
  ['invalid_exact_evm_permit2_payload_allowance_required', 'permit2_allowance_required'],
  ['invalid_exact_svm_payload_signature_invalid', 'invalid_exact_svm_payload_signature_invalid'],
  ['invalid_exact_svm_payload_mint_mismatch', 'invalid_exact_svm_payload_mint_mismatch'],
  ['invalid_exact_svm_payload_recipient_mismatch', 'invalid_exact_svm_payload_recipient_mismatch'],
  ['invalid_exact_svm_payload_amount_mismatch', 'invalid_exact_svm_payload_amount_mismatch'],
  ['invalid_exact_svm_payload_memo_mismatch', 'invalid_exact_svm_payload_memo_mismatch'],
  ['invalid_exact_svm_payload_memo_count', 'invalid_exact_svm_payload_memo_mismatch'],
  ['invalid_exact_svm_transaction_simulation_failed', 'invalid_exact_svm_transaction_simulation_failed'],
  ['invalid_exact_svm_payload_transaction_simulation_failed', 'invalid_exact_svm_transaction_simulation_failed'],
  ['invalid_exact_svm_transaction_failed', 'invalid_exact_svm_transaction_failed'],
  ['settle_exact_svm_block_height_exceeded', 'settle_exact_svm_block_height_exceeded'],
  ['eip6492_factory_not_allowed', 'invalid_exact_evm_payload_signature'],
])

/** Some facilitators have one word for every network. What a payer on Solana is told names nothing of EVM. */
const ON_SOLANA: ReadonlyMap<PaymentReason, PaymentReason> = new Map<PaymentReason, PaymentReason>([
  ['invalid_exact_evm_payload_authorization_valid_after', 'unexpected_settle_error'],
  ['invalid_exact_evm_payload_authorization_valid_before', 'payment_expired'],
  ['invalid_exact_evm_payload_authorization_value_mismatch', 'invalid_exact_svm_payload_amount_mismatch'],
  ['invalid_exact_evm_payload_recipient_mismatch', 'invalid_exact_svm_payload_recipient_mismatch'],
  ['invalid_exact_evm_payload_signature', 'invalid_exact_svm_payload_signature_invalid'],
])

const POLICY = /_kyt$|^kyt_|^request_blocked_by_location$|^blocked$/
const NONCE_USED =
  /nonce_(?:already_)?used|^duplicate_settlement$|authorization[_ ](?:is[_ ])?used|^permit2_invalid_nonce$/
/** The facilitator itself does not know yet. */
const PENDING = /pending|timed_out/
/** It serves another network, scheme, version or way to pay, or puts other wallets on the chain (ERC-6492). */
const NOT_SERVED =
  /^(?:invalid|unsupported)_(?:network|scheme)$|^invalid_x402_version$|^unsupported_payload_type$|^permit2_disabled$|^eip6492_factory_not_allowed$/
/** What a facilitator could not find out. */
const UNDECIDED = /^unknown_error$|node_failure|^unexpected_|pending|timed_out/
/** Only the chain can judge: what was mined may have been overtaken, and a simulation also fails on a used nonce. */
const ON_CHAIN =
  /transaction_failed|invalid_transaction_state|failed_on_?chain|transfer_event|simulation_failed|deployment_failed|failed_to_execute|block_height_exceeded/
const SIMULATED = /simulation_failed$/
/** Refusals that come from looking at the payment, before anything is broadcast. */
const SURE =
  /^(?:invalid_|insufficient_|unsupported_|asset_|eip6492_|payment_expired$|amount_too_low$|self_send_|permit2_(?:disabled|proxy_not_deployed|invalid_\w+)$|preflight_)/

/** Reasons are an open set. An unknown one says nothing, but a transaction named beside it is worth a look. */
async function readFailure(word: string, named: string, payment: SignedPayment): Promise<SettleReply> {
  const transaction = await transactionIn(named, payment)
  if (NONCE_USED.test(word)) return { kind: 'nonce_used' }
  if (PENDING.test(word)) return { kind: 'pending', transaction }
  // On Solana nothing was broadcast then; what an earlier sending broadcast is still in doubt.
  const isSimulated = payment.transfer.kind === 'svm' && SIMULATED.test(word)
  const reason = publicReason(word, payment) ?? (isSimulated ? 'invalid_exact_svm_transaction_simulation_failed' : null)
  if (ON_CHAIN.test(word) && !isSimulated)
    return { kind: 'failed', reason: reason ?? 'invalid_transaction_state', transaction }
  if (reason === null && !SURE.test(word)) return transaction ? { kind: 'pending', transaction } : { kind: 'unknown' }
  if (!NONE.test(named)) return { kind: 'failed', reason: reason ?? 'invalid_transaction_state', transaction }
  return { kind: 'refused', reason: reason ?? 'unexpected_settle_error' }
}

function publicReason(word: string, { transfer }: SignedPayment): RefusalReason | null {
  if (POLICY.test(word)) return 'payment_refused'
  const reason = REASONS.get(word)
  if (reason === undefined) return null
  return (transfer.kind === 'svm' ? ON_SOLANA.get(reason) : undefined) ?? reason
}

/** What an answer of `/verify` says; null where nothing can be told from it. */
export function readVerification({ status, json }: Reply, payment: SignedPayment): VerifyReply | null {
  const { data } = z.safeParse(verifyReply, json)
  if (!data) return null
  const { isValid, invalidReason, payer } = data
  const word = invalidReason ?? ''
  if (isValid) return payer && !isSameAddress(payer, payment.payer) ? null : { kind: 'valid' }
  if (NONCE_USED.test(word)) return { kind: 'nonce_used' }
  // Without a word the status counts, and that is no answer.
  const isSaid = status < 400 || word !== ''
  return !isSaid || UNDECIDED.test(word)
    ? null
    : { kind: 'refused', reason: publicReason(word, payment) ?? 'unexpected_settle_error' }
}

/** Of one facilitator on one network; more are not needed. */
const MOST_FEE_PAYERS = 32

/** What a facilitator serves with `exact`: networks as it names them (CAIP-2, or the names of v1), and its extensions. */
export type Supported = {
  networks: readonly string[]
  extensions: readonly string[]
  /** On Solana, by network: whose keys may pay the fee; the one it would have now comes first. */
  feePayers: Readonly<Record<string, readonly string[]>>
}

const supported = z.lazy(() =>
  z.object({
    kinds: z
      .array(
        z.object({
          scheme: z.string(),
          network: z.string(),
          extra: z.catch(z.optional(z.object({ feePayer: z.optional(z.string()) })), undefined),
        }),
      )
      .check(z.minLength(1)),
    extensions: z.catch(z.array(z.string()), []),
    signers: z.catch(z.optional(z.record(z.string(), z.array(z.string()))), undefined),
  }),
)

/** What an answer of `/supported` says; null where it lists nothing, or cannot be read. */
export function readSupport({ json }: Reply): Supported | null {
  const { data } = z.safeParse(supported, json)
  if (!data) return null
  const exact = data.kinds.filter(({ scheme }) => scheme === 'exact')
  const feePayers = exact.flatMap(({ network, extra }): [string, string[]][] => {
    const named = extra?.feePayer
    if (!network.startsWith('solana:') || named === undefined) return []
    const others = [...(data.signers?.[network] ?? []), ...(data.signers?.['solana:*'] ?? [])]
    return [[network, [...new Set([named, ...others])].filter(isSolanaAddress).slice(0, MOST_FEE_PAYERS)]]
  })
  return {
    networks: exact.map(({ network }) => network),
    extensions: data.extensions,
    feePayers: Object.fromEntries(feePayers.filter(([, known]) => known.length > 0)),
  }
}

/** Whether a facilitator says that it serves something else: it did not look at the payment, and the next one may serve it. */
export function isForOthers({ json }: Reply): boolean {
  const { data } = z.safeParse(reasons, json)
  return !data?.transaction && NOT_SERVED.test(data?.errorReason ?? data?.invalidReason ?? '')
}
