// Proof that a payment is good: signature → terms → window. Makes every VerifiedPayment.
import { fail, ok, type Refusal, type Result } from '../errors.ts'
import { assetOf } from '../x402/assets.ts'
import type { Offer, Owner, Payment, VerifiedPayment, Window } from '../x402/payment.ts'
import { isSignedByPayer, replayKey } from './evm.ts'

/** Time a settlement needs before `validBefore`: the facilitator's own margin is 6 s; a block and a reply on top. */
const SETTLE_MARGIN_SECONDS = 8n
/** Longest time an authorization may remain spendable. Longer ones would have to be remembered that long. */
const LONGEST_WINDOW_SECONDS = 30n * 86_400n

/** A payment with an objection may not be sent, but may be recognised as one that was redeemed before. */
export type Verification =
  /** Signed by the payer's own key. */
  | { kind: 'proven'; verified: VerifiedPayment; objection: Refusal | null }
  /** Perhaps signed by a contract: it is recognised from an earlier request, or confirmed by `/verify`. */
  | { kind: 'unproven'; key: string; confirm: () => VerifiedPayment; offer: Offer | null; objection: Refusal | null }

/**
 * Checks a payment: signature, then the terms of the live offers at a resource, then the window. What was paid is
 * recognised whatever is on offer today, so other terms are an objection and no error.
 *
 * @param nowSeconds Unix time
 */
export async function verifyPayment(
  payment: Payment,
  offers: readonly Offer[],
  nowSeconds: number,
): Promise<Result<Verification>> {
  const asset = assetOf(payment.network)
  if (payment.scheme !== 'exact' || !asset)
    return fail({ code: 'invalid_payment_requirements', why: 'unknown scheme or network' })
  const isProven = await isSignedByPayer(payment.authorization, payment.signature, asset)
  const terms = matchTerms(payment, offers)
  const window = windowOf(payment, nowSeconds)
  const objection = terms.ok ? WINDOW_OBJECTIONS[window] : terms.error
  const offer = terms.ok ? terms.value : null
  const key = replayKey(payment.authorization, asset)
  const verifiedBy = (owner: Owner) => ({ payment, offer, window, owner, key }) as VerifiedPayment
  if (isProven) return ok({ kind: 'proven', verified: verifiedBy('key'), objection })
  return ok({ kind: 'unproven', key, confirm: () => verifiedBy('code'), offer, objection })
}

const WINDOW_OBJECTIONS: Record<Window, Refusal | null> = {
  open: null,
  not_yet: { code: 'invalid_exact_evm_payload_authorization_valid_after' },
  over: { code: 'invalid_exact_evm_payload_authorization_valid_before' },
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** The offer a payment is for. Amounts at a resource differ, so the amount names it. */
function matchTerms(payment: Payment, offers: readonly Offer[]): Result<Offer> {
  const { accepted, authorization } = payment
  const onNetwork = offers.filter((offer) => offer.network === payment.network)
  const agreed = accepted
    ? onNetwork.filter(
        (offer) =>
          offer.amount === accepted.amount && same(offer.asset, accepted.asset) && same(offer.payTo, accepted.payTo),
      )
    : onNetwork
  if (onNetwork.length === 0)
    return fail({ code: 'invalid_payment_requirements', why: 'nothing is sold on this network' })
  if (agreed.length === 0) return fail({ code: 'invalid_payment_requirements', why: 'accepted is none of the offers' })
  const payable = agreed.filter((offer) => same(offer.payTo, authorization.to))
  if (payable.length === 0) return fail({ code: 'invalid_exact_evm_payload_recipient_mismatch' })
  const match = payable.find((candidate) => candidate.amount === authorization.value)
  return match ? ok(match) : fail({ code: 'invalid_exact_evm_payload_authorization_value_mismatch' })
}

function windowOf({ authorization }: Payment, nowSeconds: number): Window {
  const now = BigInt(nowSeconds)
  if (authorization.validAfter > now) return 'not_yet'
  const left = authorization.validBefore - now
  return left < SETTLE_MARGIN_SECONDS || left > LONGEST_WINDOW_SECONDS ? 'over' : 'open'
}
