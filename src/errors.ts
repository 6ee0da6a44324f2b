// Result and the closed union of refusals: every answer newsstand gives instead of content, with its status,
// its public code and one sentence a person can act on. Nothing here may carry the text of an exception.

export type Result<Value, Failure = Refusal> = { ok: true; value: Value } | { ok: false; error: Failure }

export const ok = <Value>(value: Value): { ok: true; value: Value } => ({ ok: true, value })
export const fail = <Failure>(error: Failure): { ok: false; error: Failure } => ({ ok: false, error })

/**
 * Reasons a payment did not go through that its payer may see, as `errorReason` of `PAYMENT-RESPONSE` and as the
 * `error` of the body. Names: x402 v2 specification §9, and `exact` on EVM.
 */
export const PAYMENT_REASONS = {
  insufficient_funds: 'The wallet holds too little of the asset. Top it up and pay again.',
  invalid_exact_evm_payload_authorization_valid_after: 'The authorization is not valid yet. Sign a new one.',
  invalid_exact_evm_payload_authorization_valid_before: 'The authorization has expired. Sign a new one.',
  invalid_exact_evm_payload_authorization_value_mismatch:
    'The signed amount is not the price. Sign exactly the amount quoted.',
  invalid_exact_evm_payload_recipient_mismatch: 'The payment is made out to another address than payTo.',
  invalid_exact_evm_payload_signature: 'The signature does not belong to this authorization and payer.',
  invalid_transaction_state: 'The transaction failed on chain and nothing was paid. Sign a new payment.',
  unexpected_settle_error: 'The facilitator refused the payment and nothing was paid. Sign a new payment.',
} as const

export type PaymentReason = keyof typeof PAYMENT_REASONS

export const isPaymentReason = (code: string): code is PaymentReason => Object.hasOwn(PAYMENT_REASONS, code)

type Answer = {
  status: number
  message: string
  /** Seconds; sent as `Retry-After`. */
  retryAfterSeconds: number | null
}

const answer = (status: number, message: string, retryAfterSeconds: number | null = null): Answer => ({
  status,
  message,
  retryAfterSeconds,
})

const REFUSALS = {
  invalid_payload: answer(400, 'The payment or sign-in could not be read. Send one, as base64 JSON of at most 8 KiB.'),
  invalid_x402_version: answer(400, 'This site speaks x402 versions 1 and 2.'),
  invalid_path: answer(400, 'This address can be read in more than one way. Use its plain spelling.'),
  payment_required: answer(402, 'This content is for sale. Pay one of the offers and ask again.'),
  invalid_payment_requirements: answer(
    402,
    'The payment is for other terms than those on offer. Pay one of the offers.',
  ),
  payment_already_used: answer(402, 'This payment has already been used. Sign a new one to buy something else.'),
  invalid_siwx_domain_mismatch: answer(402, 'The sign-in was signed for another site. Sign the one of this challenge.'),
  invalid_siwx_uri_mismatch: answer(
    402,
    'The sign-in names the address of another site. Sign the one of this challenge.',
  ),
  invalid_siwx_unsupported_chain: answer(
    402,
    'The sign-in is for a network this site is not paid on. Sign for another.',
  ),
  invalid_siwx_expired: answer(402, 'The sign-in has expired. Sign the one of this challenge.'),
  invalid_siwx_not_yet_valid: answer(402, 'The sign-in is not valid yet. Sign the one of this challenge.'),
  invalid_siwx_nonce: answer(
    402,
    'The sign-in has been used, or its nonce is not from this site. Sign the one of this challenge.',
  ),
  invalid_siwx_signature: answer(402, 'The signature does not belong to this sign-in and its address.'),
  sign_in_nothing_bought: answer(
    402,
    'This address has bought nothing that opens this page, or its access has ended. Pay one of the offers.',
  ),
  payment_refused: answer(403, 'This payment cannot be accepted here. Nothing was charged.'),
  not_found: answer(404, 'There is nothing at this address. Nothing was charged.'),
  receipt_not_found: answer(
    404,
    'Your pass has no receipt at this address. Just after a payment it may not be written yet: try again in a minute.',
  ),
  method_not_allowed: answer(405, 'This address can be read with GET or HEAD only.'),
  payment_identifier_conflict: answer(409, 'This payment-identifier belongs to another payment. Use a new one.'),
  uri_too_long: answer(414, 'This address is too long. Nothing was charged.'),
  misdirected_request: answer(421, 'This host name is not served here.'),
  too_many_requests: answer(429, 'Too many payments from your address have failed. Try again in a minute.', 60),
  configuration_error: answer(500, 'This site is not set up correctly. Its publisher finds the details in the log.'),
  internal_error: answer(500, 'Something went wrong on this site. Send the same payment again; do not sign a new one.'),
  content_unavailable: answer(502, 'The content could not be fetched. Try again soon.', 10),
  payment_in_progress: answer(503, 'This payment is being settled. Send the same payment again in a moment.', 2),
  settlement_pending: answer(
    503,
    'The outcome of this payment is not known yet. Send the same payment again; do not sign a new one.',
    15,
  ),
  facilitator_unavailable: answer(
    503,
    'Payments cannot be settled right now. Nothing was charged; try again soon.',
    15,
  ),
  unavailable: answer(503, 'This site cannot take payments right now. Send the same payment again soon.', 15),
} as const

export type Refusal = {
  code: keyof typeof REFUSALS | PaymentReason
  /** The transaction this refusal is about, where one is known. */
  transaction?: string
  /** The same payment once more where it was used: what a client does that has lost its answer. */
  isRepeat?: true
}

/** The status, sentence and `Retry-After` of a refusal. Exhaustive by type: a code without its sentence does not compile. */
export function publicError(code: Refusal['code']): Answer {
  return isPaymentReason(code) ? answer(402, PAYMENT_REASONS[code]) : REFUSALS[code]
}

/** `errorReason` of a failure `PAYMENT-RESPONSE`. */
export type FailureReason =
  | PaymentReason
  | 'invalid_payment_requirements'
  | 'payment_already_used'
  | 'settlement_pending'

/**
 * `errorReason` of a refusal. The protocol's `settlement_pending` names a transaction; where there is none, its clients
 * are told another word.
 */
export const errorReason = (code: FailureReason, transaction: string): string =>
  code === 'settlement_pending' && transaction === '' ? 'settlement_unknown' : code

/**
 * Whether a refused payment counts against its client's address: it is the client's doing, and made somebody work. What
 * cannot even be read costs no more than asking for the price.
 */
export const isCounted = ({ code, isRepeat }: Refusal): boolean =>
  !isRepeat && [402, 409].includes(publicError(code).status)

/** Whether a refused payment is its client's doing, and no fault of ours. */
export const isClientsDoing = ({ code }: Refusal): boolean => [400, 402, 409].includes(publicError(code).status)

/** True when the refusal is of a payment, which `PAYMENT-RESPONSE` then reports (x402 v2, http transport). */
export function isPaymentFailure(code: Refusal['code']): code is FailureReason {
  return (
    isPaymentReason(code) ||
    code === 'invalid_payment_requirements' ||
    code === 'payment_already_used' ||
    code === 'settlement_pending'
  )
}
