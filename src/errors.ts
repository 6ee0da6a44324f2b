// Result and the closed union of refusals: every answer newsstand gives instead of content, one row each. Nothing here may
// carry the text of an exception.

export type Result<Value, Failure = Refusal> = { ok: true; value: Value } | { ok: false; error: Failure }

export const ok = <Value>(value: Value): { ok: true; value: Value } => ({ ok: true, value })
export const fail = <Failure>(error: Failure): { ok: false; error: Failure } => ({ ok: false, error })

type RefusalRow = {
  status: number
  /** One sentence a person can act on. */
  message: string
  /** Seconds; sent as `Retry-After`. */
  retryAfterSeconds: number | null
  /** Whether `PAYMENT-RESPONSE` reports it, since it is about a payment (x402 v2, HTTP transport). */
  isReported: boolean
  /**
   * What it means for the client's address. `noted`: remembered for a minute; the client caused it, and no work for
   * anybody. `counted`: remembered, and counted as a failure; it caused work. Null: the cause may be ours.
   */
  blame: 'noted' | 'counted' | null
}

const row = (status: number, message: string, retryAfterSeconds: number | null = null): RefusalRow => ({
  status,
  message,
  retryAfterSeconds,
  isReported: false,
  blame: null,
})
/** Cannot be read. It costs us no more than a request without a payment. */
const unreadable = (message: string): RefusalRow => ({ ...row(400, message), blame: 'noted' })
/** The client has not paid, or its sign-in opens nothing. */
const unpaid = (message: string): RefusalRow => ({ ...row(402, message), blame: 'counted' })
/** A sign-in or a credential that is refused before anybody works for it. */
const unread = (message: string): RefusalRow => ({ ...row(402, message), blame: 'noted' })
/** A payment that did not go through. */
const unsettled = (message: string): RefusalRow => ({ ...unpaid(message), isReported: true })
/** A payment that cannot go through before its payer has done something else (x402 v2, transports: 412). */
const unprepared = (message: string): RefusalRow => ({ ...unsettled(message), status: 412 })

/**
 * Why a payment did not go through, as its payer may see it: the `errorReason` of `PAYMENT-RESPONSE` and the `error` of
 * the body. Names: x402 specifications v1 and v2 (§9), and the reference facilitator's of `exact` on EVM and Solana.
 */
const PAYMENT_REASONS = {
  insufficient_funds: unsettled('The wallet holds too little of the asset. Top it up and pay again.'),
  invalid_exact_evm_payload_authorization_valid_after: unsettled('The authorization is not valid yet. Sign a new one.'),
  invalid_exact_evm_payload_authorization_valid_before: unsettled('The authorization has expired. Sign a new one.'),
  invalid_exact_evm_payload_authorization_value_mismatch: unsettled(
    'The signed amount is not the price. Sign exactly the amount quoted.',
  ),
  invalid_exact_evm_payload_recipient_mismatch: unsettled('The payment is made out to another address than payTo.'),
  invalid_exact_evm_payload_signature: unsettled('The signature does not belong to this authorization and payer.'),
  invalid_permit2_spender: unsettled('The permit is made out to another spender than the exact proxy of x402.'),
  invalid_permit2_recipient_mismatch: unsettled('The permit is made out to another address than payTo.'),
  invalid_permit2_signature: unsettled('The signature does not belong to this permit and payer.'),
  permit2_token_mismatch: unsettled('The permit is for another token than the one quoted.'),
  permit2_amount_mismatch: unsettled('The permitted amount is not the price. Sign exactly the amount quoted.'),
  permit2_not_yet_valid: unsettled('The permit is not valid yet. Sign a new one.'),
  permit2_deadline_expired: unsettled('The permit has expired. Sign a new one.'),
  permit2_allowance_required: unprepared(
    'The wallet has not approved Permit2 for this token. Approve it, then send the same payment again; nothing was charged.',
  ),
  invalid_exact_svm_payload_signature_invalid: unsettled('The transaction is not signed by the one who is to pay.'),
  invalid_exact_svm_payload_mint_mismatch: unsettled('The transaction moves another token than the one quoted.'),
  invalid_exact_svm_payload_recipient_mismatch: unsettled(
    'The transaction does not pay the token account of payTo. Pay that one.',
  ),
  invalid_exact_svm_payload_amount_mismatch: unsettled(
    'The amount is not the price. Transfer exactly the amount quoted.',
  ),
  invalid_exact_svm_payload_memo_mismatch: unsettled(
    'The transaction does not carry the memo of this offer. Put extra.memo into it as it is, and pay with its fee payer.',
  ),
  invalid_exact_svm_transaction_simulation_failed: unsettled(
    'The transaction cannot go through: the wallet may hold too little of the token. Nothing was paid.',
  ),
  invalid_exact_svm_transaction_failed: unsettled(
    'The transaction failed on chain and nothing was paid. Sign a new one.',
  ),
  settle_exact_svm_block_height_exceeded: unsettled(
    'The transaction was not put on chain in time, and never will be. Nothing was paid; sign a new one.',
  ),
  payment_expired: unsettled('The quote of this payment has expired. Ask again, and sign a new payment.'),
  invalid_transaction_state: unsettled('The transaction failed on chain and nothing was paid. Sign a new payment.'),
  unexpected_settle_error: unsettled('The facilitator refused the payment and nothing was paid. Sign a new payment.'),
} as const

const REFUSALS = {
  ...PAYMENT_REASONS,
  invalid_payload: unreadable('The payment or sign-in could not be read. Send one, as base64 JSON of at most 8 KiB.'),
  malformed_credential: unread('The payment credential could not be read. Answer the challenge of this answer.'),
  invalid_x402_version: unreadable('This site speaks x402 versions 1 and 2.'),
  invalid_path: unreadable('This address can be read in more than one way. Use its plain spelling.'),
  payment_required: unpaid('This content is for sale. Pay one of the offers and ask again.'),
  invalid_payment_requirements: unsettled('The payment is for other terms than those on offer. Pay one of the offers.'),
  payment_already_used: unsettled('This payment has already been used. Sign a new one to buy something else.'),
  invalid_siwx_domain_mismatch: unread('The sign-in was signed for another site. Sign the one of this challenge.'),
  invalid_siwx_uri_mismatch: unread('The sign-in names the address of another site. Sign the one of this challenge.'),
  invalid_siwx_unsupported_chain: unread('The sign-in is for a network this site is not paid on. Sign for another.'),
  invalid_siwx_expired: unread('The sign-in has expired. Sign the one of this challenge.'),
  invalid_siwx_not_yet_valid: unread('The sign-in is not valid yet. Sign the one of this challenge.'),
  invalid_siwx_nonce: unread(
    'The sign-in has been used, or its nonce is not from this site. Sign the one of this challenge.',
  ),
  invalid_siwx_signature: unpaid('The signature does not belong to this sign-in and its address.'),
  invalid_siwx_verifier_error: row(
    503,
    'The chain cannot be asked about this wallet right now. Sign in again soon; nothing was charged, and nothing has to be.',
    15,
  ),
  sign_in_nothing_bought: unpaid(
    'This address has bought nothing that opens this page, or its access has ended. Pay one of the offers.',
  ),
  payment_refused: row(403, 'This payment cannot be accepted here. Nothing was charged.'),
  not_found: row(404, 'There is nothing at this address. Nothing was charged.'),
  receipt_not_found: row(
    404,
    'Your pass has no receipt at this address. Just after a payment it may not be written yet: try again in a minute.',
  ),
  method_not_allowed: row(405, 'This address can be read with GET or HEAD only.'),
  payment_identifier_conflict: {
    ...row(409, 'This payment-identifier belongs to another payment. Use a new one.'),
    blame: 'counted',
  },
  uri_too_long: row(414, 'This address is too long. Nothing was charged.'),
  misdirected_request: row(421, 'This host name is not served here.'),
  too_many_requests: row(429, 'Too many payments from your address have failed. Try again in a minute.', 60),
  configuration_error: row(500, 'This site is not set up correctly. Its publisher finds the details in the log.'),
  internal_error: row(500, 'Something went wrong on this site. Send the same payment again; do not sign a new one.'),
  content_unavailable: row(502, 'The content could not be fetched. Try again soon.', 10),
  payment_in_progress: row(503, 'This payment is being settled. Send the same payment again in a moment.', 2),
  settlement_pending: {
    ...row(
      503,
      'The outcome of this payment is not known yet. Send the same payment again; do not sign a new one.',
      15,
    ),
    isReported: true,
  },
  facilitator_unavailable: row(503, 'Payments cannot be settled right now. Nothing was charged; try again soon.', 15),
  unavailable: row(503, 'This site cannot take payments right now. Send the same payment again soon.', 15),
} as const satisfies Record<string, RefusalRow>

export type PaymentReason = keyof typeof PAYMENT_REASONS

export type Refusal = {
  code: keyof typeof REFUSALS
  /** The transaction this refusal is about, where one is known. */
  transaction?: string
  /** `PAY_TO` cannot be used: whoever has just deployed the demo is told so, and not only its log. */
  hasNoPayee?: true
  /** The exact reason, for the log alone: no value of the client's, and nothing secret. */
  why?: string
  /** The same payment came again for what it bought, as from a client that lost its answer. */
  isRepeat?: true
  /** An answer was fetched that cannot be passed on: it counts against the client's address, whatever its code. */
  isCostly?: true
}

export const REFUSAL_CODES = Object.keys(REFUSALS).filter((code): code is Refusal['code'] => code in REFUSALS)

/** What is said and done about a refusal. Exhaustive by type: a code without its row does not compile. */
export const publicError = (code: Refusal['code']): RefusalRow => REFUSALS[code]

/** The sentence of a refusal: what happened and what to do. */
export const sentenceOf = ({ code, hasNoPayee }: Refusal): string =>
  hasNoPayee
    ? 'Nothing is sold here yet: PAY_TO holds no address that can be paid. Write yours into the settings of this worker.'
    : publicError(code).message

export const isPaymentReason = (code: string): code is PaymentReason => Object.hasOwn(PAYMENT_REASONS, code)

/**
 * `errorReason` of a refusal. In the protocol `settlement_pending` names a transaction; without one the reason is
 * `settlement_unknown`.
 */
export const errorReason = (code: Refusal['code'], transaction: string): string =>
  code === 'settlement_pending' && transaction === '' ? 'settlement_unknown' : code

/** Whether paying, or paying again, may help: then the refusal comes with a challenge. */
export const invites = ({ code }: Refusal): boolean => {
  const { status } = REFUSALS[code]
  return status === 402 || status === 412
}

/** Whether a refused payment counts as a failure of its client's address: the client caused it, and it caused work. */
export const isCounted = ({ code, isRepeat, isCostly }: Refusal): boolean =>
  !isRepeat && (isCostly === true || REFUSALS[code].blame === 'counted')

/** Whether the client caused the refusal of its payment, or may have. */
export const isClientsDoing = ({ code, isCostly }: Refusal): boolean =>
  isCostly === true || REFUSALS[code].blame !== null
