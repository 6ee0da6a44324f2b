// Proof that a payment is good: signature → terms → window. Makes every VerifiedPayment.
import { fail, ok, type Refusal, type Result } from '../errors.ts'
import { type Asset, assetsOn, type Eip3009Asset, isSameAddress, namespaceOf, networkOf } from '../x402/assets.ts'
import type {
  Eip3009Transfer,
  Offer,
  Owner,
  Payment,
  Permit,
  Permit2Transfer,
  VerifiedPayment,
} from '../x402/payment.ts'
import type { SvmTransfer } from '../x402/svm.ts'
import { isSignedByPayer, replayKey } from './evm.ts'
import { type Binding, isMemoOf, memoEndsAtSeconds } from './memo.ts'
import { EXACT_PROXY, isPermitSigned, permitKey } from './permit2.ts'
import { associatedTokenAccount, isSignedBySigners, svmReplayKey } from './solana.ts'
import { costsOf, matchTerms, offersOn, WINDOW_OBJECTIONS, windowOf } from './terms.ts'

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
  switch (transfer.kind) {
    case 'svm':
      return verifyOnSolana(payment, transfer, offers, bond, nowSeconds)
    case 'permit2':
      return verifyPermit(payment, transfer, offers, nowSeconds)
    case 'eip3009':
      return verifyOnEvm(payment, transfer, offers, bond, nowSeconds)
  }
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

/** A permit names its token, and is signed for Permit2's domain whatever the token. */
async function verifyPermit(
  payment: Payment,
  { permit, signature }: Permit2Transfer,
  offers: readonly Offer[],
  nowSeconds: number,
): Promise<Result<Verification>> {
  if (namespaceOf(payment.network) !== 'eip155')
    return fail({ code: 'invalid_payment_requirements', why: 'Permit2 is not on this network' })
  const terms = matchPermitTerms(payment, permit, offersOn(payment, offers))
  const window = windowOf(permit.validAfter, permit.deadline, nowSeconds)
  const objection = terms.ok ? WINDOW_OBJECTIONS.permit2[window] : terms.error
  const offer = terms.ok ? terms.value : null
  const key = permitKey(permit, payment.network)
  const verifiedBy = (owner: Owner) =>
    ({ payment, offer, costs: costsOf(offer, offers), window, owner, key }) as VerifiedPayment
  if (await isPermitSigned(permit, signature, payment.network))
    return ok({ kind: 'proven', objection, verified: verifiedBy('key') })
  return ok({ kind: 'unproven', key, offer, objection, confirm: () => verifiedBy('code'), others: [] })
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

/** As `matchTerms`. The spender is x402's proxy, and the token that of the offer. */
function matchPermitTerms(payment: Payment, permit: Permit, offers: readonly Offer[]): Result<Offer> {
  const { accepted } = payment
  if (permit.spender !== EXACT_PROXY) return fail({ code: 'invalid_permit2_spender' })
  const inToken = offers.filter(({ asset }) => isSameAddress(asset, permit.asset))
  const isOther = accepted !== null && !isSameAddress(accepted.asset, permit.asset)
  if (isOther || (offers.length > 0 && inToken.length === 0)) return fail({ code: 'permit2_token_mismatch' })
  return matchTerms(payment, permit.to, permit.value, inToken)
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
