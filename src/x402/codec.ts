// Which wire version is spoken: headers in, one Payment out; offers in, one 402 for both versions out.
// The wire version ends here.
import * as z from 'zod/mini'
import { type FailureReason, fail, ok, type Result } from '../errors.ts'
import { decodeText, encodeJson } from './base64.ts'
import type { Signed } from './extensions/offer-receipt.ts'
import type { Offer, Payment, Settlement } from './payment.ts'
import { challengeV1, failureV1, paymentV1, settlementV1 } from './v1.ts'
import { challengeV2, failureV2, paymentV2, settlementV2 } from './v2.ts'
import type { QuoteToken, ResourceInfo } from './wire.ts'

/** Largest payment header that is looked at, in characters. Real ones have about 1,000. */
const LARGEST_HEADER = 8192
/** Real payments are four levels deep; parsers behind us may recurse. */
const DEEPEST_JSON = 16
/** Longest `PAYMENT-REQUIRED`, in characters: Cloudflare's advice for x402 headers. */
const CHALLENGE_BUDGET = 2048

export type PaymentHeaders = { paymentSignature: string | null; xPayment: string | null }

/**
 * The payment a request carries, null when it carries none. Dispatches on the decoded `x402Version`, not on the header.
 * Two headers must hold the same signed fields. Errors: `invalid_payload`, `invalid_x402_version`.
 */
export function decodePayment(headers: PaymentHeaders): Result<Payment | null> {
  const sent = [headers.paymentSignature, headers.xPayment].filter((header) => header !== null)
  const payments: Payment[] = []
  for (const header of sent) {
    const payment = decodeHeader(header)
    if (!payment.ok) return payment
    payments.push(payment.value)
  }
  const [first, second] = payments
  if (first && second && signedFields(first) !== signedFields(second)) return fail({ code: 'invalid_payload' })
  return ok(first ?? null)
}

const signedFields = ({ network, authorization, signature }: Payment) =>
  [network, signature, ...Object.values(authorization)].join('|')

const envelope = z.object({ x402Version: z.number() })

function decodeHeader(header: string): Result<Payment> {
  const refused = fail({ code: 'invalid_payload' } as const)
  if (header.length > LARGEST_HEADER) return refused
  const text = decodeText(header)
  if (!text.ok || isDeep(text.value)) return refused
  let json: unknown
  try {
    json = JSON.parse(text.value)
  } catch {
    return refused
  }
  const version = z.safeParse(envelope, json)
  if (!version.success) return refused
  const { x402Version } = version.data
  if (x402Version !== 1 && x402Version !== 2) return fail({ code: 'invalid_x402_version' })
  const payment = z.safeParse(x402Version === 1 ? paymentV1 : paymentV2, json)
  return payment.success ? ok(payment.data) : refused
}

/** Counts brackets, those inside strings too: a payment has no reason to hold that many. */
function isDeep(json: string): boolean {
  let depth = 0
  for (const char of json) {
    if (char === '{' || char === '[') depth += 1
    if (char === '}' || char === ']') depth -= 1
    if (depth > DEEPEST_JSON) return true
  }
  return false
}

/** One 402 for both versions: the v2 header, and the v1 body as an object that errors may be added to. */
export function encodeChallenge(error: string, resource: ResourceInfo, offers: readonly Offer[], quote: QuoteToken) {
  return { header: fitHeader(error, resource, offers, quote), body: challengeV1(resource, offers, quote) }
}

/**
 * Leaves out the signed offers where they do not fit (the body has them), shortens the description until the header
 * fits, then leaves out the query; terms are never cut.
 */
function fitHeader(error: string, resource: ResourceInfo, offers: readonly Offer[], quote: QuoteToken): string {
  if (quote.signedOffers.length > 0) {
    const signed = encodeJson(challengeV2(error, resource, offers, quote))
    return signed.length <= CHALLENGE_BUDGET
      ? signed
      : fitHeader(error, resource, offers, { ...quote, signedOffers: [] })
  }
  const chars = [...resource.description]
  for (let length = Math.min(chars.length, 200); ; length = Math.floor(length / 2)) {
    const description = length < chars.length ? `${chars.slice(0, length).join('')}…` : resource.description
    const shortened = { ...resource, description: length === 0 ? '' : description }
    const header = encodeJson(challengeV2(error, shortened, offers, quote))
    if (header.length <= CHALLENGE_BUDGET) return header
    // The quote's proof, not this URL, says what is being bought.
    const url = resource.url.split('?')[0] ?? ''
    if (length === 0) return encodeJson(challengeV2(error, { ...shortened, url }, offers, quote))
  }
}

/** `PAYMENT-RESPONSE`, with the signed receipt of what was delivered; `X-PAYMENT-RESPONSE` for a payer who spoke v1. */
export function encodeSettlement(
  settlement: Settlement,
  payment: Payment,
  receipt: Signed | null,
): Record<string, string> {
  return {
    'PAYMENT-RESPONSE': encodeJson(settlementV2(settlement, receipt)),
    ...(payment.x402Version === 1 ? { 'X-PAYMENT-RESPONSE': encodeJson(settlementV1(settlement)) } : {}),
  }
}

/** As `encodeSettlement`, for a payment that did not go through. `transaction` is "" where there is none. */
export function encodeFailure(reason: FailureReason, payment: Payment, transaction: string): Record<string, string> {
  const { network, authorization } = payment
  return {
    'PAYMENT-RESPONSE': encodeJson(failureV2(reason, network, authorization.from, transaction)),
    ...(payment.x402Version === 1
      ? { 'X-PAYMENT-RESPONSE': encodeJson(failureV1(reason, network, authorization.from, transaction)) }
      : {}),
  }
}
