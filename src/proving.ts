// Whether a payment is good, where its signature alone does not say so: whether it was proven before, and what a facilitator's
// `/verify` says of it. Nothing is charged or claimed here.
import { fail, isClientsDoing, ok, type Refusal, type Result } from './errors.ts'
import { verify } from './facilitator.ts'
import type { Reading, Verification } from './networks/network.ts'
import { PROTOCOL } from './payer/protocol.ts'
import type { Resource } from './policy/scope.ts'
import { countFailure, fingerprint, isBlocked, isToClaim, lookFirst, orUnavailable, payerOf } from './purchase.ts'
import type { RefusalReason, VerifyReply } from './replies.ts'
import type { World } from './site.ts'
import { within } from './waiting.ts'
import { type FirstLook, type Offer, type Payment, textOf, type VerifiedPayment } from './x402/payment.ts'

/** A permit goes on without a verdict then: facilitators that are down must not use up its time. */
const VERDICT_MS = 6_000

/** An approval may be given at once, and a wallet topped up. */
const MAY_CHANGE_AT_ONCE: ReadonlySet<RefusalReason> = new Set(['permit2_allowance_required', 'insufficient_funds'])

/** `look`: what the chain said of it where it was asked already; null where it did not answer. */
export type Proven = { verified: VerifiedPayment; objection: Refusal | null; look?: FirstLook | null }

/**
 * The payment, proven: by its payer's key, by an earlier proof of the same signature, or by a facilitator's `/verify`. A new permit
 * is shown to `/verify` in any case: its key says nothing of the approval that it needs.
 */
export async function prove(
  world: World,
  request: Request,
  payment: Payment,
  resource: Resource,
  verification: Verification,
): Promise<Result<Proven>> {
  if (verification.kind === 'proven') return provePermit(world, request, resource, verification)
  const readings = [verification, ...verification.others]
  const known = await recognised(world, payment, readings)
  if (!known.ok) return known
  if (known.value) return ok(known.value)
  if (isBlocked(world, request)) return fail({ code: 'too_many_requests' })
  let refusal = verification.objection
  for (const { confirm, offer, objection } of readings) {
    if (objection || !offer) continue
    const confirmed = await askFacilitator(world, request, payment, offer)
    if (confirmed.ok) return ok({ verified: confirm(), objection })
    refusal = confirmed.error
    // Whoever could not be asked about one token is not asked about the next.
    if (!isClientsDoing(refusal)) break
    // It was refused for what it has just paid, where another request with it was faster.
    const since = await recognised(world, payment, readings)
    if (since.ok && since.value) return ok(since.value)
  }
  return fail(refusal ?? { code: 'invalid_payment_requirements' })
}

/**
 * A facilitator is asked about a proven permit that would be claimed now: it knows of the approval. Before that the chain is asked,
 * since whoever is shown a permit may settle it. What cannot be said now, whoever settles it says.
 */
async function provePermit(
  world: World,
  request: Request,
  resource: Resource,
  { verified, objection }: Extract<Verification, { kind: 'proven' }>,
): Promise<Result<Proven>> {
  const { payment, offer } = verified
  if (payment.transfer.kind !== 'permit2' || objection || !offer || isBlocked(world, request))
    return ok({ verified, objection })
  if (!(await isToClaim(world, verified, resource))) return ok({ verified, objection })
  const look = await lookFirst(world, verified)
  if (look?.kind === 'used') return ok({ verified, objection, look })
  const { limits } = world.isolate
  if (!limits.mayAskFor(payment.payer, Date.now())) return fail({ code: 'too_many_requests' })
  const verdict = await within(verdictOf(world, payment, offer), VERDICT_MS)
  // Without a reason of its own only a simulation failed: the nonce may be used, perhaps for this very permit.
  if (verdict?.kind !== 'refused' || verdict.refusal.code === 'unexpected_settle_error')
    return ok({ verified, objection, look })
  // It was refused for what it, or another payment for the same, has just paid: the payer's record knows better.
  if (!(await isToClaim(world, verified, resource))) return ok({ verified, objection, look })
  limits.refusedFor(payment.payer, Date.now())
  return fail(verdict.refusal)
}

/** The reading in which a payment was proven before, by the same signature; null where there is none. */
async function recognised(
  world: World,
  payment: Payment,
  readings: readonly Reading[],
): Promise<Result<Proven | null>> {
  for (const { key, confirm, objection } of readings) {
    const known = await orUnavailable(() => recognise(world, payment, key))
    if (!known.ok) return known
    if (known.value) return ok({ verified: confirm(), objection })
  }
  return ok(null)
}

/** Whether a payment whose signature cannot be checked here was proven before, by the same signature. Faults throw. */
async function recognise(world: World, payment: Payment, key: string): Promise<Result<boolean>> {
  const signatureHash = await fingerprint(payment.transfer.signature)
  const known = await payerOf(world, payment.network, payment.payer).recognise({
    protocol: PROTOCOL,
    key,
    signatureHash,
  })
  return known === null ? fail({ code: 'unavailable' }) : ok(known)
}

/** Asks a facilitator whether a payment that cannot be proven here is good. */
async function askFacilitator(world: World, request: Request, payment: Payment, offer: Offer): Promise<Result<null>> {
  const verdict = await verdictOf(world, payment, offer)
  switch (verdict.kind) {
    case 'valid':
      return ok(null)
    case 'nonce_used':
      return fail({ code: 'payment_already_used' })
    case 'unavailable':
      // An unproven payment made a facilitator work, and perhaps fail: it counts like one that is refused.
      if (verdict.hasWorked) await countFailure(world, request)
      return fail({ code: 'facilitator_unavailable' })
    case 'refused':
      return fail(verdict.refusal)
  }
}

type Verdict = Exclude<VerifyReply, { kind: 'refused' }> | { kind: 'refused'; refusal: Refusal }

/** What a facilitator says of a payment. What it refuses is remembered for a minute, unless that may change. */
async function verdictOf(world: World, { payer, transfer }: Payment, offer: Offer): Promise<Verdict> {
  const { limits } = world.isolate
  const hash = await fingerprint([offer.network, offer.asset, textOf(transfer)].join('|'))
  const known = limits.refused.get(hash, Date.now())
  if (known) return { kind: 'refused', refusal: known }
  const reply = await verify(world.config.facilitators, world.isolate, { payer, transfer, offer, bought: null })
  if (reply.kind !== 'refused') return reply
  const refusal = { code: reply.reason }
  if (!MAY_CHANGE_AT_ONCE.has(reply.reason)) limits.refused.set(hash, refusal, Date.now())
  return { kind: 'refused', refusal }
}
