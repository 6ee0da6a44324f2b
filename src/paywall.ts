// The sentence: request → policy → content → pass → payment → proof → redeem → deliver, with a challenge wherever paying
// helps. The only file that knows the order of the steps.
import { type Access, accessOf, passHeaders } from './access.ts'
import { withBar } from './bar.ts'
import { answerChallenge } from './challenge.ts'
import { askOrigin, type Content, type Found, findStored, openStored, type Purpose } from './content.ts'
import { fail, ok, publicError, type Refusal, type Result } from './errors.ts'
import { log } from './log.ts'
import { verifyPayment } from './networks/network.ts'
import type { Grant } from './pass.ts'
import type { RedeemOutcome } from './payer/protocol.ts'
import { decide, priceHeaders, type Sale, saleOffers, salesAt } from './policy/policy.ts'
import { LONGEST_PATH, type Rule } from './policy/rules.ts'
import { identifyingQuery, type Resource, urlOf } from './policy/scope.ts'
import {
  countFailure,
  countHangUp,
  hadRefusal,
  handingOut,
  isBlocked,
  lookFirst,
  noteRefusal,
  objectionTo,
  prove,
  redeem,
  useUp,
} from './purchase.ts'
import { quotedOffers } from './quote.ts'
import { receiptFor } from './receipt.ts'
import { type Asked, askedFor, isSafe, readPayment } from './request.ts'
import { type Answer, preflight, refuse } from './respond.ts'
import { keyOf, nowSeconds, type World } from './site.ts'
import { encodeFailure, encodeSettlement } from './x402/codec.ts'
import type { Offer, Payment, VerifiedPayment } from './x402/payment.ts'

/** One request at one gated resource, as the later steps see it. */
type Visit = {
  request: Request
  world: World
  asked: Asked
  rule: Rule
  resource: Resource
  /** What is stored for it; null where it is the origin's. */
  found: Found | null
  sales: readonly Sale[]
  offers: readonly Offer[]
}

/** Answers one request. */
export async function paywall(request: Request, world: World): Promise<Answer> {
  const { config } = world
  const no = (refusal: Refusal) => refuse(request, config.brand, refusal)

  // Request: what is asked for, in its one spelling.
  const asked = askedFor(request, config)
  if (!asked.ok) return no(asked.error)
  const { path } = asked.value

  // Policy: who pays what.
  const decided = decide(asked.value.facts, config.rules)
  if (!decided.ok) return no(decided.error)
  const decision = decided.value
  if (decision.kind === 'open') {
    const content = await fromOrigin(request, world, asked.value, 'free')
    return content.ok ? { kind: 'open', response: content.value.response } : no(content.error)
  }
  const { rule } = decision
  const isStored = rule.content !== 'origin'
  if (request.method === 'OPTIONS' && (isStored || decision.kind === 'gated')) return preflight(request)
  if (path.length > LONGEST_PATH) return no({ code: 'uri_too_long' })
  if (isStored && !isSafe(request.method)) return no({ code: 'method_not_allowed' })

  // Content: what is stored is found before it is sold, and may name its own price.
  const stored = rule.content === 'origin' ? ok(null) : await findStored(world.env, rule.content, path, rule.mimeType)
  if (!stored.ok) return no(stored.error)
  const found = stored.value
  const price = found?.article.price ?? decision.price
  if (price === 'free') {
    const range = request.headers.get('Range')
    const content = found
      ? await openStored(found, request, range)
      : await fromOrigin(request, world, asked.value, 'free')
    if (!content.ok) return no(content.error)
    return { kind: 'free', response: content.value.response, dependsOn: priceHeaders(rule) }
  }
  const variant = found?.article.price ? '' : decision.variant
  const resource = resourceOf(request, asked.value, isStored, variant)
  const sales = salesAt(path, price, rule)
  const offers = saleOffers(sales, config.networks, config.payTo.eip155, isSafe(request.method))
  const visit: Visit = { request, world, asked: asked.value, rule, resource, found, sales, offers }

  // Pass: what this request may open already.
  const access = await accessOf(request, world, resource)
  if (access.opening) return serveHolder(visit, access, access.opening)

  // Payment. HEAD never redeems one: it could not deliver what was paid for.
  if (request.method === 'HEAD') return unpaid(visit, { code: 'payment_required' })
  const payment = readPayment(request)
  if (!payment.ok) return declined(visit, null, payment.error)
  if (!payment.value) return unpaid(visit, access.objection ?? { code: 'payment_required' })

  // Proof: the signature, here or by its contract; then today's offers and those of a live quote.
  const proof = await proofOf(visit, payment.value)
  if (!proof.ok) return declined(visit, payment.value, proof.error)
  const { verified, objection } = proof.value

  // Redeem: what is safe to ask for is in hand before; the rest is settled upfront. A payment that may only be
  // recognised charges nothing any more, and is not worth asking the origin before it is.
  const known = objection === null && hadRefusal(world, request) ? await objectionTo(world, verified, resource) : null
  if (known) return declined(visit, payment.value, known)
  countHangUp(world, request)
  const looking = objection === null ? lookFirst(world, payment.value) : null
  const first = objection === null && isSafe(request.method) ? await contentOf(visit, 'purchase') : null
  if (first && !first.ok) return declined(visit, payment.value, first.error)
  if (first && !isDeliverable(first.value.response, request.method)) return unsold(visit, first.value.response)
  const outcome = await redeem(world, { verified, objection, resource, look: await looking }, request.signal)
  if (outcome.kind === 'refused') {
    await first?.value.response.body?.cancel()
    return declined(visit, payment.value, outcome.refusal)
  }

  // Deliver: with the receipt, and a pass where access lasts.
  return deliver(visit, verified, outcome, first?.value ?? null, access.all)
}

/** HEAD is for what GET would get. */
function resourceOf(request: Request, { site, path, facts }: Asked, isStored: boolean, variant: string): Resource {
  const method = request.method === 'HEAD' ? 'GET' : request.method
  return { site, method, path, id: path + (isStored ? '' : identifyingQuery(facts.query)) + variant }
}

const fromOrigin = (request: Request, world: World, { site, originPath, query }: Asked, purpose: Purpose) =>
  askOrigin(world, request, { site, path: originPath, query, purpose })

/** The content of a gated resource, or why it cannot be had. */
async function contentOf({ request, world, asked, found }: Visit, purpose: Purpose): Promise<Result<Content>> {
  if (found) return openStored(found, request, purpose === 'holder' ? request.headers.get('Range') : null)
  const content = await fromOrigin(request, world, asked, purpose)
  // Part of the content is neither what was paid for nor to be given away.
  const isPart = content.ok && purpose === 'purchase' && content.value.response.status === 206
  return isPart ? fail({ code: 'content_unavailable' }) : content
}

/** Content worth its price: to GET a 2xx answer with something in it, to another method any that is no error. */
const isDeliverable = ({ status, body }: Response, method: string): boolean =>
  isSafe(method) ? status >= 200 && status < 300 && body !== null : status < 400

/** For who holds a pass: the content with its ranges, not the origin's caching. */
async function serveHolder(visit: Visit, { headers }: Access, grant: Grant): Promise<Answer> {
  await useUpPayment(visit, grant)
  const content = await contentOf(visit, 'holder')
  if (!content.ok) return challengeOrRefuse(visit, content.error, {})
  return { kind: 'gated', response: withBar(visit.request, content.value.response, grant), headers }
}

/** A payment sent beside its payer's own pass is not settled: nobody pays twice. It counts as used all the same. */
async function useUpPayment({ request, world, resource, offers }: Visit, { payer }: Grant): Promise<void> {
  const payment = readPayment(request)
  if (request.method === 'HEAD' || !payment.ok || !payment.value) return
  if (payment.value.authorization.from !== payer.toLowerCase()) return
  const verification = await verifyPayment(payment.value, offers, nowSeconds())
  if (!verification.ok || verification.value.kind !== 'proven' || verification.value.objection) return
  await useUp(world, verification.value.verified, resource)
}

/** The payment, proven, and why it may not be sent. A blocked address may still collect what it has paid for. */
async function proofOf(
  { request, world, resource, offers }: Visit,
  payment: Payment,
): Promise<Result<{ verified: VerifiedPayment; objection: Refusal | null }>> {
  const quoteKey = await keyOf(world, 'quote')
  const quoted = payment.quote === null ? [] : await quotedOffers(payment.quote, resource, quoteKey, nowSeconds())
  const verification = await verifyPayment(payment, [...quoted, ...offers], nowSeconds())
  if (!verification.ok) return verification
  const proof = await prove(world, request, payment, verification.value)
  if (!proof.ok || !isBlocked(world, request)) return proof
  return ok({ ...proof.value, objection: { code: 'too_many_requests' } })
}

/** What the origin answers instead of content is passed on, and nobody is charged. */
async function unsold({ request, world }: Visit, response: Response): Promise<Answer> {
  if (response.status >= 400 && response.status < 500) await countFailure(world, request)
  return { kind: 'gated', response, headers: {} }
}

/** A paid answer. `content` is null where it is fetched only now, settled upfront. */
async function deliver(
  visit: Visit,
  verified: VerifiedPayment,
  outcome: Extract<RedeemOutcome, { kind: 'granted' }>,
  content: Content | null,
  grants: readonly Grant[],
): Promise<Answer> {
  const { request, world, resource } = visit
  const { settlement, settledAtSeconds, scope, endsAtSeconds } = outcome
  const report = handingOut(world, verified, outcome.handout)
  const opened = content ? ok(content) : await contentOf(visit, 'purchase')
  if (!opened.ok || !isDeliverable(opened.value.response, request.method)) {
    report(false)
    const response = opened.ok
      ? opened.value.response
      : (await refuse(request, world.config.brand, opened.error)).response
    // Paid, but not delivered: the signed receipt would say both.
    return { kind: 'gated', response, headers: encodeSettlement(settlement, verified.payment, null) }
  }
  const { response, taken } = opened.value
  const receipt = await receiptFor(world, resource.site, urlOf(resource), settlement, settledAtSeconds)
  const isLasting = endsAtSeconds !== null && endsAtSeconds > nowSeconds()
  const bought = isLasting ? [{ scope, method: resource.method, endsAtSeconds, payer: settlement.payer }] : []
  const pass = isLasting ? await passHeaders(world, [...bought, ...grants], resource.site) : {}
  const headers = { ...encodeSettlement(settlement, verified.payment, receipt), ...pass }
  // Whoever has gone by now is sent nothing, so nothing would break off.
  if (request.signal.aborted) {
    report(false)
    await response.body?.cancel()
    return { kind: 'gated', response: new Response(null, { status: 503 }), headers: {} }
  }
  const isTaken = (taken ?? Promise.resolve()).then(
    () => true,
    () => false,
  )
  world.waitUntil(isTaken.then(report))
  return { kind: 'gated', response, headers }
}

/** Nothing that claims to be a payment was sent. */
async function unpaid(visit: Visit, refusal: Refusal): Promise<Answer> {
  await visit.found?.discard()
  return challengeOrRefuse(visit, refusal, {})
}

/** A payment that buys nothing, or what cannot be read as one. */
async function declined(visit: Visit, payment: Payment | null, refusal: Refusal): Promise<Answer> {
  if (refusal.why) log({ event: 'payment_declined', code: refusal.code, why: refusal.why })
  await noteRefusal(visit.world, visit.request, refusal)
  await visit.found?.discard()
  return challengeOrRefuse(visit, refusal, payment ? encodeFailure(refusal, payment) : {})
}

/** 402 with a fresh challenge where paying (again) can help, else the refusal alone. */
function challengeOrRefuse(visit: Visit, refusal: Refusal, outcome: Record<string, string>): Promise<Answer> {
  const { request, world, rule, resource, found, sales, offers } = visit
  if (publicError(refusal.code).status !== 402) return refuse(request, world.config.brand, refusal, outcome)
  const item = { rule, resource, article: found?.article ?? null, sales, offers }
  return answerChallenge(request, world, refusal, item, outcome)
}
