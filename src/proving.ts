// Whether a payment is good, where its signature alone does not say so: whether it was proven before, and what a facilitator's
// `/verify` says of it. Nothing is charged or claimed here.
import { fail, isClientsDoing, ok, type Refusal, type Result } from './errors.ts'
import { verify } from './facilitator.ts'
import type { Reading, Verification } from './networks/network.ts'
import { PROTOCOL } from './payer/protocol.ts'
import type { Resource } from './policy/scope.ts'
import {
  countFailure,
  countHangUp,
  fingerprint,
  isBlocked,
  isToClaim,
  lookFirst,
  orUnavailable,
  payerOf,
} from './purchase.ts'
import type { VerifyReply } from './replies.ts'
import type { World } from './site.ts'
import { within } from './waiting.ts'
import { type FirstLook, type Offer, type Payment, textOf, type VerifiedPayment } from './x402/payment.ts'

/** A permit goes on without a verdict then: facilitators that are down must not use up its time. */
const VERDICT_MS = 6_000

/** Whoever pays may approve or top up at once, and send the same payment again. */
const MENDED_AT_ONCE: ReadonlySet<string> = new Set(['permit2_allowance_required', 'insufficient_funds'])

/**
 * A proven payment: why it may not be sent, and what a facilitator refuses it for. `look`: what the chain said of it where it was
 * asked already; null where it did not answer.
 */
export type Proven = {
  verified: VerifiedPayment
  objection: Refusal | null
  verdict: Refusal | null
  look?: FirstLook | null
}

/**
 * The payment, proven: by its payer's key, by an earlier proof of the same signature, or by a facilitator's `/verify`. A permit
 * that would be claimed is shown to `/verify` in any case: its key says nothing of the approval that it needs.
 */
export async function prove(
  world: World,
  request: Request,
  payment: Payment,
  resource: Resource,
  verification: Verification,
): Promise<Result<Proven>> {
  if (verification.kind === 'proven') return ok(await provePermit(world, request, resource, verification))
  const readings = [verification, ...verification.others]
  const before = await provenBefore(world, payment, readings)
  if (!before.ok) return before
  if (before.value) return ok(before.value)
  if (isBlocked(world, request)) return fail({ code: 'too_many_requests' })
  let refusal = verification.objection
  for (const { confirm, offer, objection } of readings) {
    if (objection || !offer) continue
    const confirmed = await askFacilitator(world, request, payment, offer)
    if (confirmed.ok) return ok({ verified: confirm(), objection, verdict: null })
    refusal = confirmed.error
    // Whoever could not be asked about one token is not asked about the next.
    if (!isClientsDoing(refusal)) break
  }
  // Another request may have settled it meanwhile, which is why it cannot be settled now.
  const since = await provenBefore(world, payment, readings)
  if (since.ok && since.value) return ok(since.value)
  return fail(refusal ?? { code: 'invalid_payment_requirements' })
}

/** What was proven before by the same signature; null where none of it was. */
async function provenBefore(
  world: World,
  payment: Payment,
  readings: readonly Reading[],
): Promise<Result<Proven | null>> {
  for (const { key, confirm, objection } of readings) {
    const recognised = await orUnavailable(() => recognise(world, payment, key))
    if (!recognised.ok) return recognised
    if (recognised.value) return ok({ verified: confirm(), objection, verdict: null })
  }
  return ok(null)
}

/**
 * A proven permit that would be claimed now is shown to a facilitator before that: it knows of the approval. Nothing is refused for its
 * verdict here: the payer may own what it is for meanwhile, or have paid with it a moment ago. The chain is asked first, since whoever
 * is shown a permit may settle it. What nobody can say now, whoever settles it says.
 */
async function provePermit(
  world: World,
  request: Request,
  resource: Resource,
  { verified, objection }: Extract<Verification, { kind: 'proven' }>,
): Promise<Proven> {
  const { payment, offer } = verified
  const asItIs: Proven = { verified, objection, verdict: null }
  if (payment.transfer.kind !== 'permit2' || objection || !offer || isBlocked(world, request)) return asItIs
  if (!(await isToClaim(world, verified, resource))) return asItIs
  const look = await lookFirst(world, verified)
  if (look?.kind === 'used') return { ...asItIs, look }
  const { limits } = world.isolate
  if (!limits.mayAskFor(payment.payer, Date.now())) return { ...asItIs, look, verdict: { code: 'too_many_requests' } }
  const verdict = await within(verdictOf(world, request, payment, offer), VERDICT_MS)
  // Without a reason of its own only a simulation failed: the nonce may be used, perhaps for this very permit.
  const isSure = verdict?.kind === 'refused' && verdict.refusal.code !== 'unexpected_settle_error'
  if (!isSure) return { ...asItIs, look }
  limits.refusedFor(payment.payer, Date.now())
  return { ...asItIs, look, verdict: verdict.refusal }
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
  const verdict = await verdictOf(world, request, payment, offer)
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

/**
 * What a facilitator says of a payment. What it refuses for good is remembered for a minute. Who hangs up meanwhile has made it work, and
 * would not hear that it is refused: that counts as a failure.
 */
async function verdictOf(world: World, request: Request, { payer, transfer }: Payment, offer: Offer): Promise<Verdict> {
  const { limits } = world.isolate
  const hash = await fingerprint([offer.network, offer.asset, textOf(transfer)].join('|'))
  const known = limits.refused.get(hash, Date.now())
  if (known) return { kind: 'refused', refusal: known }
  const isHeard = countHangUp(world, request)
  const asked = { payer, transfer, offer, bought: null }
  const reply = await verify(world.config.facilitators, world.isolate, asked).finally(isHeard)
  if (reply.kind !== 'refused') return reply
  const refusal = { code: reply.reason }
  if (!MENDED_AT_ONCE.has(reply.reason)) limits.refused.set(hash, refusal, Date.now())
  return { kind: 'refused', refusal }
}
