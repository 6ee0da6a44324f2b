// Whether a payment's terms are those of an offer at a resource, and whether it is in its time. Pure.
import { fail, ok, type Refusal, type Result } from '../errors.ts'
import { isSameAddress, isSameToken } from '../x402/assets.ts'
import type { Cost, Offer, Payment, Transfer, Window } from '../x402/payment.ts'

/** Time a settlement needs before the payment ends: the facilitator's own margin is 6 s; a block and a reply on top. */
const SETTLE_MARGIN_SECONDS = 8n
/** Longest time an authorization may remain spendable. Longer ones would have to be remembered that long. */
const LONGEST_WINDOW_SECONDS = 30n * 86_400n

/** The offers that may be paid so, where it is paid. */
export const offersOn = ({ network, transfer }: Payment, offers: readonly Offer[]): Offer[] =>
  offers.filter((offer) => offer.network === network && offer.transfer.kind === transfer.kind)

/** What the same thing costs in every token it is sold for. */
export function costsOf(bought: Offer | null, offers: readonly Offer[]): readonly Cost[] {
  if (bought === null) return []
  const isSame = ({ name, scope, accessSeconds }: Offer) =>
    name === bought.name && scope === bought.scope && accessSeconds === bought.accessSeconds
  const costs = [bought, ...offers.filter(isSame)].map(({ network, asset, amount }) => ({ network, asset, amount }))
  return costs.filter((cost, i) => costs.findIndex((other) => isSameToken(other, cost)) === i)
}

/** Why a payment out of its time may not be sent. */
export const WINDOW_OBJECTIONS: Record<Transfer['kind'], Record<Window, Refusal | null>> = {
  eip3009: {
    open: null,
    not_yet: { code: 'invalid_exact_evm_payload_authorization_valid_after' },
    over: { code: 'invalid_exact_evm_payload_authorization_valid_before' },
  },
  permit2: {
    open: null,
    not_yet: { code: 'permit2_not_yet_valid' },
    over: { code: 'permit2_deadline_expired' },
  },
  svm: { open: null, not_yet: null, over: { code: 'payment_expired' } },
}

/** What each kind of network calls it. */
const MISMATCH = {
  eip3009: {
    recipient: 'invalid_exact_evm_payload_recipient_mismatch',
    amount: 'invalid_exact_evm_payload_authorization_value_mismatch',
  },
  permit2: { recipient: 'invalid_permit2_recipient_mismatch', amount: 'permit2_amount_mismatch' },
  svm: {
    recipient: 'invalid_exact_svm_payload_recipient_mismatch',
    amount: 'invalid_exact_svm_payload_amount_mismatch',
  },
} as const

/** The offer a payment of `amount` to `paid` is for. Amounts at a resource differ, so the amount names it. */
export function matchTerms(payment: Payment, paid: string, amount: bigint, offers: readonly Offer[]): Result<Offer> {
  const { accepted, transfer } = payment
  const agreed = accepted
    ? offers.filter(
        (offer) =>
          offer.amount === accepted.amount &&
          isSameAddress(offer.asset, accepted.asset) &&
          isSameAddress(offer.payTo, accepted.payTo),
      )
    : offers
  if (offers.length === 0) return fail({ code: 'invalid_payment_requirements', why: 'nothing is sold on this network' })
  if (agreed.length === 0) return fail({ code: 'invalid_payment_requirements', why: 'accepted is none of the offers' })
  const payable = agreed.filter((offer) => isSameAddress(offer.payTo, paid))
  if (payable.length === 0) return fail({ code: MISMATCH[transfer.kind].recipient })
  const match = payable.find((candidate) => candidate.amount === amount)
  return match ? ok(match) : fail({ code: MISMATCH[transfer.kind].amount })
}

/** @param nowSeconds Unix time */
export function windowOf(validAfter: bigint, validBefore: bigint, nowSeconds: number): Window {
  const now = BigInt(nowSeconds)
  if (validAfter > now) return 'not_yet'
  const left = validBefore - now
  return left < SETTLE_MARGIN_SECONDS || left > LONGEST_WINDOW_SECONDS ? 'over' : 'open'
}
