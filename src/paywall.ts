// The sentence: request → policy → content → pass → payment → proof → redeem → deliver, with a challenge wherever paying
// helps. The only file that knows the order of the steps.
import { type Access, accessOf, passHeaders, passTokenOf } from './access.ts'
import { withBar } from './bar.ts'
import { answerChallenge } from './challenge.ts'
import { type Content, findStored, isReadable, openStored, reached, type StoredContent } from './content.ts'
import { fail, invites, ok, type Refusal, type Result } from './errors.ts'
import type { Purpose } from './headers.ts'
import { note, timed } from './journal.ts'
import { log } from './log.ts'
import { askedFor, asMarkdown, storedAsked } from './markdown.ts'
import { answeredOffer, isSignedFor } from './mpp.ts'
import { type Bond, verifyPayment } from './networks/network.ts'
import { askOrigin } from './origin.ts'
import type { Grant } from './pass.ts'
import type { RedeemOutcome } from './payer/protocol.ts'
import { playerFor } from './player.ts'
import { LONGEST_PATH } from './policy/paths.ts'
import { decide, payableSales, priceHeaders, pricingHeaders, type Sale, saleOffers, salesAt } from './policy/policy.ts'
import { identifyingQuery } from './policy/query.ts'
import type { Amounts, Rule } from './policy/rules.ts'
import { type Resource, urlOf } from './policy/scope.ts'
import { unpayable } from './price-problems.ts'
import { type Proven, prove } from './proving.ts'
import {
  countFailure,
  countHangUp,
  hadRefusal,
  handingOut,
  isBlocked,
  lookFirst,
  noteRefusal,
  objectionTo,
  type Report,
  redeem,
  useUp,
} from './purchase.ts'
import { contextOf, quotedOffers } from './quote.ts'
import { moneyOf, receiptFor } from './receipt.ts'
import { isFromElsewhere, isSafe, isUpgrade, namesAnother, readPayment, type Target } from './request.ts'
import { type Answer, preflight, refuse } from './respond.ts'
import { nowSeconds, readKeysOf, type SellingWorld, sellingIn, upstreamIn, type World } from './site.ts'
import { waysToPay } from './supported.ts'
import { isOpen, maySubscribe, teaserOf } from './teaser.ts'
import type { Teaser } from './wall.ts'
import { isSameAddress } from './x402/assets.ts'
import { encodeFailure, encodeSettlement, MOST_OFFERS } from './x402/codec.ts'
import { encodeReceipt } from './x402/mpp.ts'
import type { Offer, Payment, Settlement, VerifiedPayment } from './x402/payment.ts'

/** One request at one gated resource. */
type Visit = {
  request: Request
  world: SellingWorld
  target: Target
  rule: Rule
  resource: Resource
  /** What is stored for it; null where it is the origin's. */
  found: StoredContent | null
  price: Amounts
}

/** With what is on offer, for whoever has to pay or does. */
type Sold = Visit & { sales: readonly Sale[]; offers: readonly Offer[] }

/** Answers one request. */
export async function paywall(request: Request, world: World): Promise<Answer> {
  const { config } = world
  const no = (refusal: Refusal) => refuse(request, config.brand, refusal)

  // Request: what is asked for, in its one spelling.
  const target = await askedFor(request, world)
  if (!target.ok) return no(target.error)
  const { path } = target.value.facts

  // Policy: who pays what.
  const decided = decide(target.value.facts, config.rules)
  if (!decided.ok) return no(decided.error)
  const decision = decided.value
  if (decision.kind === 'open') {
    const content = await fromOrigin(request, world, target.value, 'free', null)
    return content.ok ? { kind: 'open', response: content.value.response } : no(content.error)
  }
  const { rule } = decision
  const isObserved = decision.kind === 'observed'
  note(world, { rule })
  const isStored = rule.content !== 'origin'
  if (request.method === 'OPTIONS' && (isStored || decision.kind === 'gated')) return preflight(request)
  if (path.length > LONGEST_PATH && (isStored || decision.kind === 'gated')) return no({ code: 'uri_too_long' })
  if (isStored && !isSafe(request.method)) {
    return refuse(request, config.brand, { code: 'method_not_allowed' }, { Allow: 'GET, HEAD, OPTIONS' })
  }

  // A route that needs a key asks for nothing without it, and sells nothing.
  const ready = upstreamIn(rule)
  if (!ready.ok) return no(ready.error)

  // Content: what is stored is found before it is sold, and may name its own price.
  const finding = rule.content === 'origin' ? null : findStored(world.env, rule.content, path, rule.mimeType)
  const stored = finding ? await timed(world, 'contentMs', finding) : ok(null)
  if (!stored.ok) return no(stored.error)
  const found = stored.value
  const price = found?.article.price ?? decision.price
  if (price === 'free' || isObserved) {
    if (price !== 'free') note(world, { decision: 'observed', price: price[0] })
    return serveFree(request, world, target.value, rule, found)
  }
  const query = isStored ? ok('') : identifyingQuery(target.value.facts.query)
  if (!query.ok) return no(query.error)
  // What only selling needs is asked for where something is for sale, whoever wants it.
  const selling = await sellingIn(world)
  if (!selling.ok) {
    await found?.discard()
    return no(selling.error)
  }
  const variant = found?.article.price ? '' : decision.variant
  const resource = resourceOf(request, target.value, query.value + variant)
  const holding: Visit = { request, world: selling.value, target: target.value, rule, resource, found, price }

  // Pass: what this request may open already.
  const access = await accessOf(request, world, resource)
  if (access.opening) return serveHolder(holding, access, access.opening)
  const visit = await offered(holding)

  // Payment. HEAD and a WebSocket never redeem one: they could not deliver what was paid for.
  const reason: Refusal = access.objection ?? { code: 'payment_required' }
  if (request.method === 'HEAD' || isUpgrade(request)) return unpaid(visit, reason)
  const payment = readPayment(request)
  if (!payment.ok) return declined(visit, null, payment.error)
  if (!payment.value) return unpaid(visit, reason)

  // Proof: the signature, here or by its contract; then today's offers and those of a live quote.
  const proof = await proofOf(visit, payment.value)
  if (!proof.ok) return declined(visit, payment.value, proof.error)
  const { verified, objection, verdict, look } = proof.value
  note(world, { payer: verified.payment.payer })

  // Redeem: for a safe method the content is in hand before; any other is settled upfront. A payment with an objection
  // is not settled any more, so the origin is not asked before it is recognised.
  const isDoubtful = objection === null && (verdict !== null || hadRefusal(world, request))
  const known = isDoubtful ? await objectionTo(world, proof.value, resource) : null
  if (known) return declined(visit, payment.value, known)
  const isHeard = countHangUp(world, request)
  const looking = look === undefined && objection === null ? lookFirst(world, verified) : (look ?? null)
  const first = objection === null && isSafe(request.method) ? await contentOf(visit, 'purchase') : null
  if (first && !first.ok) return declined(visit, payment.value, first.error)
  // A subscriber of the publisher pays nothing.
  if (first && maySubscribe(request, world, rule, resource.site) && isOpen(first.value.response))
    return subscribed(visit, first.value.response, isHeard)
  if (first && !isDeliverable(first.value.response, request.method)) return unsold(visit, first.value.response)
  const purchase = { verified, objection, verdict, resource, look: await looking, title: first?.value.title.atOnce }
  const outcome = await timed(world, 'payerMs', redeem(world, purchase, request.signal))
  isHeard()
  if (outcome.kind === 'refused') {
    await first?.value.response.body?.cancel()
    return declined(visit, payment.value, outcome.refusal)
  }

  // Deliver: with the receipt, and a pass where access lasts.
  const report = handingOut(world, verified, outcome.handout)
  return deliver(visit, verified, outcome, first?.value ?? null, access.kept, report).catch((fault: unknown) => {
    report(false)
    throw fault
  })
}

/** What is on offer here and now. Where nobody knows yet who pays the fee on Solana, it is waited for. */
async function offered(visit: Visit): Promise<Sold> {
  const { request, world, target, rule, price } = visit
  const { path } = target.facts
  const ways = await waysToPay(world, nowSeconds())
  const all = salesAt(path, price, rule)
  const sales = payableSales(all, ways, MOST_OFFERS)
  const problem = sales.length < all.length ? unpayable(price, world.config.networks, world.config.tokens) : null
  if (problem !== null) log({ event: 'configuration_error', path, problem })
  return { ...visit, sales, offers: saleOffers(sales, ways, isSafe(request.method)) }
}

/** Content that this request does not pay for. */
async function serveFree(
  request: Request,
  world: World,
  target: Target,
  rule: Rule,
  found: StoredContent | null,
): Promise<Answer> {
  const isForSome = rule.prices.length > 0 && !rule.isObserved
  // Free for this request alone, or asked for with our key: what else it says must not ask for what others pay for.
  const purpose = isForSome || rule.upstream !== null ? 'holder' : 'free'
  // Nothing free is converted. What has an address of its own is there.
  const stored = found && target.markdown === 'addressed' ? await storedAsked(found, request.method) : null
  const content =
    stored ?? (await (found ? openStored(found, request, request) : fromOrigin(request, world, target, purpose, rule)))
  if (!content.ok) return refuse(request, world.config.brand, content.error)
  return { kind: 'free', response: content.value.response, dependsOn: isForSome ? priceHeaders(rule) : [] }
}

/** HEAD is for what GET would get. */
function resourceOf(request: Request, { site, facts: { path } }: Target, more: string): Resource {
  const method = request.method === 'HEAD' ? 'GET' : request.method
  return { site, method, path, id: path + more }
}

/** What is free reaches the origin byte for byte; what is sold, under the one spelling it is sold by. */
const fromOrigin = (
  request: Request,
  world: World,
  { site, originPath, facts }: Target,
  purpose: Purpose,
  rule: Rule | null,
  signal: AbortSignal | null = null,
) => {
  const wanted = {
    site,
    path: purpose === 'free' ? facts.rawPath : originPath,
    query: facts.query,
    purpose,
    upstream: rule?.upstream ?? null,
    pricing: rule ? pricingHeaders(rule, facts) : [],
    signal,
  }
  return timed(world, 'contentMs', askOrigin(world, request, wanted))
}

/** The content of a gated resource in the form that is asked for, or why it cannot be had. */
async function contentOf(visit: Visit, purpose: Purpose): Promise<Result<Content>> {
  const { request, target, rule, found } = visit
  const stored = found && target.markdown ? await storedAsked(found, request.method) : null
  const content = stored ?? (await pageOf(visit, purpose))
  if (!content.ok || target.markdown === null) return content
  return reached(() => asMarkdown(content.value, request.method, rule, target.site + target.originPath))
}

/** The content as it lies there. */
async function pageOf({ request, world, target, rule, found }: Visit, purpose: Purpose): Promise<Result<Content>> {
  if (found) return openStored(found, request, purpose === 'holder' ? request : null)
  const content = await fromOrigin(request, world, target, purpose, rule)
  // Part of the content is neither what was paid for nor to be given away.
  const isPart = content.ok && purpose === 'purchase' && content.value.response.status === 206
  return isPart ? fail({ code: 'content_unavailable' }) : content
}

/** Whether content is worth its price: for GET a 2xx answer with a body, for another method any that is no error. */
const isDeliverable = ({ status, body }: Response, method: string): boolean =>
  isSafe(method) ? status >= 200 && status < 300 && body !== null : status < 400

/** The content for the holder of a pass: with ranges, without the origin's caching. Our files may stay with their reader. */
async function serveHolder(visit: Visit, { headers }: Access, grant: Grant): Promise<Answer> {
  const { request, world, target, rule, found } = visit
  note(world, { decision: 'held' })
  await useUpPayment(visit, grant)
  const isFile = rule.content === 'r2'
  const player = isFile && found ? await playerFor(request, world.config.brand, target, rule, found, grant) : null
  if (player) return player
  const content = await contentOf(visit, 'holder')
  if (!content.ok) {
    await found?.discard()
    return refuse(request, world.config.brand, content.error)
  }
  const { response: whole } = content.value
  const response = isReadable(whole, isFile) ? await withBar(request, world.config.brand, whole, grant) : whole
  // A page with the bar is another one for every reader: its file's ETag does not name it.
  return { kind: isFile && response === whole ? 'held' : 'gated', response, headers }
}

/** A payment sent beside its payer's own pass is not settled: nobody pays twice. It counts as used all the same. */
async function useUpPayment(visit: Visit, { payer }: Grant): Promise<void> {
  const { request, world, resource } = visit
  const payment = readPayment(request)
  if (request.method === 'HEAD' || world.config.isPaused || !payment.ok || !payment.value) return
  if (!isSameAddress(payment.value.payer, payer)) return
  const { offers } = await offered(visit)
  const answered = await answeredBy(world, resource, payment.value)
  if (!answered.ok) return
  const bond = await bondOf(world, resource)
  const verification = await verifyPayment(payment.value, [...answered.value, ...offers], bond, nowSeconds())
  if (!verification.ok || verification.value.kind !== 'proven' || verification.value.objection) return
  await useUp(world, verification.value.verified, resource)
}

/** What the memo of a payment for this resource is bound to. */
const bondOf = async (world: World, resource: Resource): Promise<Bond> => ({
  context: contextOf(resource),
  keys: await readKeysOf(world, 'memo'),
  facilitators: world.config.facilitators.map(({ url }) => url),
  tokens: world.config.tokens,
})

/** What this site has offered to this payment: the live quote it names, or the challenge of MPP it answers. */
async function answeredBy(world: World, resource: Resource, payment: Payment): Promise<Result<Offer[]>> {
  const { tokens, machines } = world.config
  if (payment.answering === null) {
    const keys = await readKeysOf(world, 'quote')
    return ok(payment.quote === null ? [] : await quotedOffers(payment.quote, resource, keys, nowSeconds(), tokens))
  }
  if (!machines.mpp) return fail({ code: 'invalid_payment_requirements', why: 'MPP is switched off' })
  const offer = await answeredOffer(payment, resource, await readKeysOf(world, 'mpp'), nowSeconds(), tokens)
  return offer.ok ? ok([offer.value]) : offer
}

/** What MPP says of its own challenge that was settled: of what another payment or challenge has paid, it says nothing. */
async function mppReceipt({ world, resource }: Visit, settlement: Settlement, payment: Payment, atSeconds: number) {
  if (payment.answering === null) return {}
  const isIts = await isSignedFor(payment, resource, await readKeysOf(world, 'mpp'))
  return isIts ? encodeReceipt(settlement, payment, atSeconds) : {}
}

/** Nothing is sold for now. What is paid already is recognised all the same. */
const PAUSED: Refusal = { code: 'unavailable' }
const ASTRAY: Refusal = { code: 'invalid_payment_requirements', why: 'resource.url names another page' }

/** The payment, proven, and why it may not be sent. A blocked address may still collect what it has paid for. */
async function proofOf({ request, world, resource, found, offers }: Sold, payment: Payment): Promise<Result<Proven>> {
  const answered = await answeredBy(world, resource, payment)
  const quoted = answered.ok ? answered.value : []
  const bond = await bondOf(world, resource)
  const verification = await verifyPayment(payment, [...quoted, ...offers], bond, nowSeconds())
  if (!verification.ok) return verification
  const named = payment.accepted?.resource ?? null
  const isAstray = named !== null && namesAnother(named, resource, found !== null)
  const { value } = verification
  const unanswered = answered.ok ? null : answered.error
  const objected = <Found extends { objection: Refusal | null }>(found: Found): Found => ({
    ...found,
    objection: world.config.isPaused ? PAUSED : (unanswered ?? found.objection ?? (isAstray ? ASTRAY : null)),
  })
  const objecting =
    value.kind === 'proven' ? objected(value) : { ...objected(value), others: value.others.map(objected) }
  const proof = await prove(world, request, payment, resource, objecting)
  if (!proof.ok || !isBlocked(world, request)) return proof
  return ok({ ...proof.value, objection: { code: 'too_many_requests' } })
}

/** What the origin answers instead of content is passed on, and nobody is charged. */
async function unsold({ request, world, rule }: Visit, response: Response): Promise<Answer> {
  note(world, { decision: 'unsold' })
  // An upstream was asked with the seller's key, whatever it answered.
  const isClients = response.status >= 400 && response.status < 500
  if (isClients || rule.upstream !== null) await countFailure(world, request)
  return { kind: 'gated', response, headers: {} }
}

/** A paid answer. `content` is null where the payment was settled upfront: it is fetched only now. */
async function deliver(
  visit: Visit,
  verified: VerifiedPayment,
  outcome: Extract<RedeemOutcome, { kind: 'granted' }>,
  content: Content | null,
  grants: readonly Grant[],
  report: Report,
): Promise<Answer> {
  const { request, world, resource } = visit
  const { settlement, settledAtSeconds, scope, endsAtSeconds } = outcome
  // What is handed out once more has been sold before.
  const isFirst = outcome.handout.key === verified.key && outcome.handout.number === 1
  const { amount, network, asset } = settlement
  note(world, {
    decision: isFirst ? 'sold' : 'collected',
    price: moneyOf(world.config, network, asset, amount),
    network,
  })
  const opened = content ? ok(content) : await contentOf(visit, 'purchase')
  if (!opened.ok || !isDeliverable(opened.value.response, request.method)) {
    report(false)
    if (!opened.ok) note(world, { refusal: opened.error })
    const response = opened.ok
      ? opened.value.response
      : (await refuse(request, world.config.brand, opened.error)).response
    // Paid, but not delivered: the signed receipt would say both.
    return { kind: 'gated', response, headers: encodeSettlement(settlement, verified.payment, null) }
  }
  const { response, taken, title } = opened.value
  const receipt = await receiptFor(world, resource.site, urlOf(resource), settlement, settledAtSeconds)
  const isLasting = endsAtSeconds !== null && endsAtSeconds > nowSeconds()
  const bought = isLasting ? { scope, method: resource.method, endsAtSeconds, payer: settlement.payer } : null
  const token =
    bought && isFromElsewhere(request, resource.site) ? await passTokenOf(world, bought, resource.site) : null
  const settled = {
    ...encodeSettlement(settlement, verified.payment, receipt, token),
    ...(response.ok && outcome.isOwn === true
      ? await mppReceipt(visit, settlement, verified.payment, settledAtSeconds)
      : {}),
  }
  const cookie = bought ? await passHeaders(world, [bought, ...grants], resource.site, settled) : {}
  // Whoever has gone by now is sent nothing, so nothing would break off.
  if (request.signal.aborted) {
    report(false, title.asRead)
    await response.body?.cancel()
    return { kind: 'gated', response: new Response(null, { status: 503 }), headers: {} }
  }
  const isTaken = (taken ?? Promise.resolve()).then(
    () => true,
    () => false,
  )
  world.waitUntil(isTaken.then((isWhole) => report(isWhole, title.asRead)))
  return { kind: 'gated', response, headers: { ...settled, ...cookie } }
}

/** Nothing that claims to be a payment was sent. */
async function unpaid(visit: Sold, refusal: Refusal): Promise<Answer> {
  const { request, world, target, rule, found, offers } = visit
  const { site, originPath, facts } = target
  const teaser = await teaserOf({
    request,
    world,
    rule,
    isForSale: refusal.code === 'payment_required' && !world.config.isPaused && offers.length > 0,
    site,
    address: site + originPath + facts.query,
    found,
    pricing: pricingHeaders(rule, facts),
    ask: (asked, signal) => fromOrigin(asked, world, target, 'teaser', rule, signal),
  })
  if (teaser?.kind === 'open') return subscribed(visit, teaser.response)
  if (teaser?.kind === 'answer') {
    note(world, { decision: 'passed' })
    return { kind: 'gated', response: teaser.response, headers: {} }
  }
  const isWaitedFor = teaser?.kind === 'silence' && (teaser.isForSubscriber || rule.wall?.status === 200)
  return isWaitedFor ? refuse(request, world.config.brand, PAUSED) : challengeOrRefuse(visit, refusal, {}, teaser)
}

/** The origin lets a subscriber in: nothing is charged. */
function subscribed({ world }: Visit, response: Response, isHeard: () => void = () => {}): Answer {
  isHeard()
  note(world, { decision: 'subscribed' })
  return { kind: 'gated', response, headers: {} }
}

/** A payment that buys nothing, or what cannot be read as one. */
async function declined(visit: Sold, payment: Payment | null, refusal: Refusal): Promise<Answer> {
  note(visit.world, { decision: 'declined' })
  // Where nothing is for sale it is not the client's doing.
  const isOurs = visit.world.config.isPaused || visit.offers.length === 0
  if (!isOurs) await noteRefusal(visit.world, visit.request, refusal)
  return challengeOrRefuse(visit, refusal, payment ? encodeFailure(refusal, payment) : {})
}

/** A fresh challenge where paying (again) can help (402, 412), else the refusal alone. */
async function challengeOrRefuse(
  visit: Sold,
  refusal: Refusal,
  outcome: Record<string, string>,
  teaser: Teaser | null = null,
): Promise<Answer> {
  const { request, world, rule, resource, found, sales, offers } = visit
  await found?.discard()
  if (!invites(refusal)) return refuse(request, world.config.brand, refusal, outcome)
  if (world.config.isPaused) return refuse(request, world.config.brand, PAUSED)
  if (offers.length === 0) return refuse(request, world.config.brand, { code: 'facilitator_unavailable' })
  const item = { rule, resource, article: found?.article ?? null, sales, offers }
  return answerChallenge(request, world, refusal, item, outcome, teaser)
}
