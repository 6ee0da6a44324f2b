// Proof that a payment is good: signature → terms → window. Makes every VerifiedPayment.
import { fail, ok, type Refusal, type Result } from '../errors.ts'
import { type Asset, assetsOn, type Eip3009Asset, isSameAddress, isSameToken, networkOf } from '../x402/assets.ts'
import type {
  Cost,
  Eip3009Transfer,
  Offer,
  Owner,
  Payment,
  Transfer,
  VerifiedPayment,
  Window,
} from '../x402/payment.ts'
import type { SvmTransfer } from '../x402/svm.ts'
import { isSignedByPayer, replayKey } from './evm.ts'
import { type Binding, isMemoOf, memoEndsAtSeconds } from './memo.ts'
import { associatedTokenAccount, isSignedBySigners, svmReplayKey } from './solana.ts'

/** Time a settlement needs before the payment ends: the facilitator's own margin is 6 s; a block and a reply on top. */
const SETTLE_MARGIN_SECONDS = 8n
/** Longest time an authorization may remain spendable. Longer ones would have to be remembered that long. */
const LONGEST_WINDOW_SECONDS = 30n * 86_400n

/** A payment with an objection may not be sent, but may be recognised as one that was redeemed before. */
export type Verification =
  /** Signed by the payer's own key. */
  | { kind: 'proven'; verified: VerifiedPayment; objection: Refusal | null }
  /**
   * Perhaps signed by a contract: it is recognised from an earlier request, or confirmed by `/verify`. v1 names no token:
   * then it may be for each of them, and the likeliest stands before the others.
   */
  | ({ kind: 'unproven'; others: readonly Reading[] } & Reading)

/** What a payment that is not proven here would be, in one token. */
export type Reading = {
  key: string
  confirm: () => VerifiedPayment
  offer: Offer | null
  objection: Refusal | null
}

/** What binds a payment to this site beside its amount, where its network has room for that (Solana). */
export type Bond = Binding & {
  /** Base URLs of those whose fee payers this site has offered. */
  facilitators: readonly string[]
  /** Every token that may have been signed for. */
  tokens: readonly Asset[]
}

/**
 * Checks a payment: signature, then the terms of the live offers at a resource, then the window. What was paid is
 * recognised whatever is on offer today, so other terms are an objection and no error.
 *
 * @param nowSeconds Unix time
 */
export async function verifyPayment(
  payment: Payment,
  offers: readonly Offer[],
  bond: Bond,
  nowSeconds: number,
): Promise<Result<Verification>> {
  const { transfer } = payment
  const known = networkOf(payment.network)
  if (payment.scheme !== 'exact' || !known)
    return fail({ code: 'invalid_payment_requirements', why: 'unknown scheme or network' })
  return transfer.kind === 'svm'
    ? verifyOnSolana(payment, transfer, offers, bond, nowSeconds)
    : verifyOnEvm(payment, transfer, offers, bond, nowSeconds)
}

async function verifyOnEvm(
  payment: Payment,
  transfer: Eip3009Transfer,
  offers: readonly Offer[],
  bond: Bond,
  nowSeconds: number,
): Promise<Result<Verification>> {
  const { authorization, signature } = transfer
  const { to, value, validAfter, validBefore } = authorization
  const onNetwork = offersOn(payment, offers)
  const tokens = tokensFor(payment, value, onNetwork, bond)
  const signed = await Promise.all(tokens.map((token) => isSignedByPayer(authorization, signature, token)))
  const window = windowOf(validAfter, validBefore, nowSeconds)
  const readAs = (asset: string) => {
    const inToken = onNetwork.filter((candidate) => isSameAddress(candidate.asset, asset))
    const terms = matchTerms(payment, to, value, inToken)
    const offer = terms.ok ? terms.value : null
    const key = replayKey(authorization, { network: payment.network, asset })
    const verifiedBy = (owner: Owner) =>
      ({ payment, offer, costs: costsOf(offer, offers), window, owner, key }) as VerifiedPayment
    return { key, offer, objection: terms.ok ? WINDOW_OBJECTIONS.eip3009[window] : terms.error, verifiedBy }
  }
  const proven = tokens[signed.indexOf(true)]
  if (proven) {
    const { objection, verifiedBy } = readAs(proven.asset)
    return ok({ kind: 'proven', verified: verifiedBy('key'), objection })
  }
  const unlisted = unlistedToken(payment, tokens)
  const [first, ...others] = (unlisted === null ? tokens.map(({ asset }) => asset) : [unlisted]).map(
    (asset): Reading => {
      const { verifiedBy, ...reading } = readAs(asset)
      return { ...reading, confirm: () => verifiedBy('code') }
    },
  )
  if (!first) return fail({ code: 'invalid_payment_requirements', why: 'no token of this kind on this network' })
  return ok({ kind: 'unproven', ...first, others })
}

/**
 * The token that a payment names where none of these is it: one that was in the settings when it was paid may be. Nobody
 * here knows its domain any more, but the payer's record knows the signature.
 */
function unlistedToken({ accepted }: Payment, tokens: readonly Asset[]): string | null {
  const named = accepted?.asset ?? ''
  const isListed = tokens.some(({ asset }) => isSameAddress(asset, named))
  return !isListed && /^0x[0-9a-f]{40}$/i.test(named) ? named : null
}

/**
 * The tokens whose domain may have been signed, the likeliest first: v2 names one. v1 does not, and its signature tells; where
 * only the chain can check that, the price does.
 */
function tokensFor(
  { network, accepted }: Payment,
  amount: bigint,
  offers: readonly Offer[],
  bond: Bond,
): Eip3009Asset[] {
  const known = assetsOn(network, bond.tokens).filter((asset) => asset.kind === 'eip3009')
  const isNamed = (asset: Asset) => accepted !== null && isSameAddress(asset.asset, accepted.asset)
  const named = known.filter(isNamed)
  if (named.length > 0) return named
  const isPriced = (asset: Asset) =>
    offers.some((offer) => offer.amount === amount && isSameAddress(offer.asset, asset.asset))
  return known.toSorted((a, b) => Number(isPriced(b)) - Number(isPriced(a)))
}

/** Only keys sign here, and whoever is named as the payer has signed the whole message. */
async function verifyOnSolana(
  payment: Payment,
  transfer: SvmTransfer,
  offers: readonly Offer[],
  bond: Bond,
  nowSeconds: number,
): Promise<Result<Verification>> {
  if (!(await isSignedBySigners(transfer))) return fail({ code: 'invalid_exact_svm_payload_signature_invalid' })
  const terms = await matchSolanaTerms(payment, transfer, offersOn(payment, offers), bond)
  const endsAtSeconds = memoEndsAtSeconds(transfer.memo)
  const window = windowOf(0n, BigInt(endsAtSeconds ?? 0), nowSeconds)
  const objection = terms.ok ? WINDOW_OBJECTIONS.svm[window] : terms.error
  const offer = terms.ok ? terms.value : null
  const key = svmReplayKey(payment.network, transfer)
  const owner: Owner = 'key'
  const facts = { payment, offer, costs: costsOf(offer, offers), window, owner, key }
  return ok({ kind: 'proven', verified: facts as VerifiedPayment, objection })
}

const offersOn = ({ network, transfer }: Payment, offers: readonly Offer[]): Offer[] =>
  offers.filter((offer) => offer.network === network && offer.transfer.kind === transfer.kind)

/** What the same thing costs in every token it is sold for. */
function costsOf(bought: Offer | null, offers: readonly Offer[]): readonly Cost[] {
  if (bought === null) return []
  const isSame = ({ name, scope, accessSeconds }: Offer) =>
    name === bought.name && scope === bought.scope && accessSeconds === bought.accessSeconds
  const costs = [bought, ...offers.filter(isSame)].map(({ network, asset, amount }) => ({ network, asset, amount }))
  return costs.filter((cost, i) => costs.findIndex((other) => isSameToken(other, cost)) === i)
}

const WINDOW_OBJECTIONS: Record<Transfer['kind'], Record<Window, Refusal | null>> = {
  eip3009: {
    open: null,
    not_yet: { code: 'invalid_exact_evm_payload_authorization_valid_after' },
    over: { code: 'invalid_exact_evm_payload_authorization_valid_before' },
  },
  svm: { open: null, not_yet: null, over: { code: 'payment_expired' } },
}

/** What each kind of network calls it. */
const MISMATCH = {
  eip3009: {
    recipient: 'invalid_exact_evm_payload_recipient_mismatch',
    amount: 'invalid_exact_evm_payload_authorization_value_mismatch',
  },
  svm: {
    recipient: 'invalid_exact_svm_payload_recipient_mismatch',
    amount: 'invalid_exact_svm_payload_amount_mismatch',
  },
} as const

/** The offer a payment of `amount` to `paid` is for. Amounts at a resource differ, so the amount names it. */
function matchTerms(payment: Payment, paid: string, amount: bigint, offers: readonly Offer[]): Result<Offer> {
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

/**
 * As `matchTerms`. The memo has to be one that this site made for this very offer, with the fee payer that the transaction
 * names: that also tells whose fee payer it is.
 */
async function matchSolanaTerms(
  payment: Payment,
  transfer: SvmTransfer,
  offers: readonly Offer[],
  bond: Bond,
): Promise<Result<Offer>> {
  const ofMint = offers.filter(({ asset }) => asset === transfer.mint)
  if (offers.length > 0 && ofMint.length === 0) return fail({ code: 'invalid_exact_svm_payload_mint_mismatch' })
  const paid = (await payeeOf(transfer, ofMint)) ?? ''
  const terms = matchTerms(payment, paid, transfer.amount, ofMint)
  if (!terms.ok) return terms
  // The price of today and that of a quote may be the same, and what they buy another.
  const matches = ofMint.filter((offer) => matchTerms(payment, paid, transfer.amount, [offer]).ok)
  const { feePayer } = transfer
  for (const offer of matches) {
    for (const facilitator of bond.facilitators) {
      const asMade: Offer = { ...offer, transfer: { kind: 'svm', feePayer, facilitator } }
      if (await isMemoOf(transfer.memo, asMade, bond)) return ok(asMade)
    }
  }
  return fail({ code: 'invalid_exact_svm_payload_memo_mismatch' })
}

/** The payee whose token account is paid; null where it is nobody's that is offered. */
async function payeeOf({ destination, mint }: SvmTransfer, offers: readonly Offer[]): Promise<string | null> {
  for (const payTo of new Set(offers.map((offer) => offer.payTo)))
    if ((await associatedTokenAccount(payTo, mint)) === destination) return payTo
  return null
}

function windowOf(validAfter: bigint, validBefore: bigint, nowSeconds: number): Window {
  const now = BigInt(nowSeconds)
  if (validAfter > now) return 'not_yet'
  const left = validBefore - now
  return left < SETTLE_MARGIN_SECONDS || left > LONGEST_WINDOW_SECONDS ? 'over' : 'open'
}
