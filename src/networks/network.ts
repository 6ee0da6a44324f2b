// Proof that a payment is good: terms → window → signature, the cheap before the costly. Makes every VerifiedPayment.
import { fail, ok, type Refusal, type Result } from '../errors.ts'
import { assetOf } from '../x402/assets.ts'
import type { Offer, Payment, VerifiedPayment, Window } from '../x402/payment.ts'
import { isSignedByPayer, replayKey } from './evm.ts'

/** Time a settlement needs before `validBefore`: the facilitator's own margin is 6 s; a block and a reply on top. */
const SETTLE_MARGIN_SECONDS = 8n
/** Longest time an authorization may remain spendable. Longer ones would have to be remembered that long. */
const LONGEST_WINDOW_SECONDS = 30n * 86_400n

export type Verification =
  /** Signed by the payer. With an objection it may only be recognised as one already redeemed. */
  | { kind: 'proven'; verified: VerifiedPayment; objection: Refusal | null }
  /** Nothing else is wrong, but the signature is not the payer's own key: ask a facilitator's `/verify`. */
  | { kind: 'unproven'; confirm: () => VerifiedPayment; offer: Offer }

/**
 * Checks a payment against the live offers at a resource. Errors are those no known payment can answer with.
 *
 * @param nowSeconds Unix time
 */
export async function verifyPayment(
  payment: Payment,
  offers: readonly Offer[],
  nowSeconds: number,
): Promise<Result<Verification>> {
  const asset = assetOf(payment.network)
  if (payment.scheme !== 'exact' || !asset || !offers.some((offer) => offer.network === payment.network)) {
    return fail({ code: 'invalid_payment_requirements' })
  }
  const terms = matchTerms(payment, offers)
  if (!terms.ok && terms.error.code === 'invalid_exact_evm_payload_recipient_mismatch') return terms
  const window = windowOf(payment, nowSeconds)
  const objection = terms.ok ? WINDOW_OBJECTIONS[window] : terms.error
  const offer = terms.ok ? terms.value : null
  const confirm = () => ({ payment, offer, window, key: replayKey(payment.authorization, asset) }) as VerifiedPayment
  if (await isSignedByPayer(payment.authorization, payment.signature, asset)) {
    return ok({ kind: 'proven', verified: confirm(), objection })
  }
  if (objection || !offer) return fail(objection ?? { code: 'invalid_payment_requirements' })
  return ok({ kind: 'unproven', confirm, offer })
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
  if (agreed.length === 0) return fail({ code: 'invalid_payment_requirements' })
  const payable = agreed.filter((offer) => same(offer.payTo, authorization.to))
  if (payable.length === 0) return fail({ code: 'invalid_exact_evm_payload_recipient_mismatch' })
  const offer = payable.find((candidate) => candidate.amount === authorization.value)
  return offer ? ok(offer) : fail({ code: 'invalid_exact_evm_payload_authorization_value_mismatch' })
}

function windowOf({ authorization }: Payment, nowSeconds: number): Window {
  const now = BigInt(nowSeconds)
  if (authorization.validAfter > now) return 'not_yet'
  const left = authorization.validBefore - now
  return left < SETTLE_MARGIN_SECONDS || left > LONGEST_WINDOW_SECONDS ? 'over' : 'open'
}
