// The wire versions: headers in, one Payment out; offers in, one 402 for both versions out. Past this file nobody asks
// which version was spoken.
import * as z from 'zod/mini'
import { errorReason, fail, ok, publicError, type Refusal, type Result } from '../errors.ts'
import { decodeJson, encodeJson } from './base64.ts'
import type { PassToken } from './extensions/newsstand-pass.ts'
import type { Signed } from './extensions/offer-receipt.ts'
import type { SignInChallenge } from './extensions/sign-in-with-x.ts'
import { type Offer, type Payment, type Settlement, textOf } from './payment.ts'
import { challengeV1, failureV1, paymentV1, settlementV1 } from './v1.ts'
import { challengeV2, failureV2, paymentV2, settlementV2 } from './v2.ts'
import type { QuoteToken, ResourceInfo } from './wire.ts'

/** Longest `PAYMENT-REQUIRED`, in characters: Cloudflare's advice for x402 headers. */
const CHALLENGE_BUDGET = 2048
/** What each further offer may add to it: its terms, and those in the quote's proof. */
const OFFER_BUDGET = 640
/** Most offers of one challenge, each network counted: with 8 its header leaves 1.6 KiB of 8 to the others. */
export const MOST_OFFERS = 8

export type PaymentHeaders = { paymentSignature: string | null; xPayment: string | null }

/**
 * The payment a request carries, null when it carries none. Dispatches on the decoded `x402Version`, not on the header.
 * Two headers must hold the same signed fields; what one of them names, both do. Errors: `invalid_payload`, `invalid_x402_version`.
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
  if (first && second && signedFields(first) !== signedFields(second)) {
    return fail({ code: 'invalid_payload', why: 'two headers with different payments' })
  }
  const identifiers = new Set(payments.flatMap(({ identifier }) => identifier ?? []))
  if (identifiers.size > 1) return fail({ code: 'invalid_payload', why: 'two headers with different identifiers' })
  const [identifier = null] = identifiers
  return ok(first ? { ...first, identifier } : null)
}

const signedFields = ({ network, transfer }: Payment) => [network, textOf(transfer)].join('|')

const envelope = z.lazy(() => z.object({ x402Version: z.number() }))

function decodeHeader(header: string): Result<Payment> {
  const json = decodeJson(header)
  if (!json.ok) return fail({ code: 'invalid_payload', why: json.error })
  const version = z.safeParse(envelope, json.value)
  if (!version.success) return fail({ code: 'invalid_payload', why: whatIsWrong(version.error) })
  const { x402Version } = version.data
  if (x402Version !== 1 && x402Version !== 2) return fail({ code: 'invalid_x402_version' })
  const payment = z.safeParse(x402Version === 1 ? paymentV1 : paymentV2, json.value)
  return payment.success ? ok(payment.data) : fail({ code: 'invalid_payload', why: whatIsWrong(payment.error) })
}

/** Where a payload is wrong, and in what way; none of its values. */
function whatIsWrong({ issues }: z.core.$ZodError): string {
  const [first] = issues
  return first ? `${first.path.join('.') || 'payload'}: ${first.code}` : 'payload'
}

/** One 402 for both versions: the v2 header, and the v1 body as an object that errors may be added to. */
export function encodeChallenge(
  error: string,
  resource: ResourceInfo,
  offers: readonly Offer[],
  quote: QuoteToken,
  signIn: SignInChallenge | null,
) {
  return { header: fitHeader(error, resource, offers, quote, signIn), body: challengeV1(resource, offers, quote) }
}

/**
 * The first header that fits. Each try is shorter: without the signed offers (the body has them), with a sign-in for the
 * whole site, with a shorter description, without the query, and at last without a sign-in. Terms are never cut.
 */
function fitHeader(
  error: string,
  resource: ResourceInfo,
  offers: readonly Offer[],
  quote: QuoteToken,
  signIn: SignInChallenge | null,
): string {
  const unsigned: QuoteToken = { ...quote, signedOffers: [] }
  const encode = (shown: ResourceInfo, uri: string | null, shownQuote = unsigned) =>
    encodeJson(
      challengeV2(error, shown, offers, shownQuote, signIn && uri !== null ? { challenge: signIn, uri } : null),
    )
  const budget = CHALLENGE_BUDGET + (offers.length - 1) * OFFER_BUDGET
  // The quote's proof, not this URL, says what is being bought.
  const url = resource.url.split('?')[0] ?? ''
  if (quote.signedOffers.length > 0) {
    const signed = encode(resource, url, quote)
    if (signed.length <= CHALLENGE_BUDGET) return signed
  }
  const site = signIn?.site ?? null
  for (const [shown, uri] of shortened(resource, url, site)) {
    const header = encode(shown, uri)
    if (header.length <= budget) return header
  }
  return signIn
    ? fitHeader(error, resource, offers, unsigned, null)
    : encode({ ...resource, description: '', url }, null)
}

/** A resource ever shorter, each with the address a sign-in is for: its description from 200 characters down to none. */
function* shortened(
  resource: ResourceInfo,
  url: string,
  site: string | null,
): Generator<[shown: ResourceInfo, uri: string | null]> {
  const { description } = resource
  const to = (length: number) => {
    const chars = description.length > length ? [...description] : []
    return chars.length > length ? `${chars.slice(0, length).join('')}…` : description
  }
  const whole = { ...resource, description: to(200) }
  yield [whole, url]
  yield [whole, site]
  for (const length of [100, 50, 25, 12, 6]) {
    if (length < description.length) yield [{ ...resource, description: to(length) }, site]
  }
  yield [{ ...resource, description: '' }, site]
  yield [{ ...resource, description: '', url }, site]
}

/**
 * `PAYMENT-RESPONSE`, with the signed receipt of what was delivered, and the pass where no cookie brings it.
 * `X-PAYMENT-RESPONSE` for a payer who spoke v1, as v1 has it: receipt and pass are in the other.
 */
export function encodeSettlement(
  settlement: Settlement,
  payment: Payment,
  receipt: Signed | null,
  pass: PassToken | null = null,
): Record<string, string> {
  return {
    'PAYMENT-RESPONSE': encodeJson(settlementV2(settlement, receipt, pass)),
    ...(payment.x402Version === 1 ? { 'X-PAYMENT-RESPONSE': encodeJson(settlementV1(settlement)) } : {}),
  }
}

/** As `encodeSettlement`, for a payment that did not go through; none where the refusal is not about a payment. */
export function encodeFailure({ code, transaction = '' }: Refusal, payment: Payment): Record<string, string> {
  if (!publicError(code).isReported) return {}
  const { network, payer } = payment
  const reason = errorReason(code, transaction)
  return {
    'PAYMENT-RESPONSE': encodeJson(failureV2(reason, network, payer, transaction)),
    ...(payment.x402Version === 1
      ? { 'X-PAYMENT-RESPONSE': encodeJson(failureV1(reason, network, payer, transaction)) }
      : {}),
  }
}
