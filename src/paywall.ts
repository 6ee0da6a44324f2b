// The pipeline, and the only file that knows its order:
// request → policy → challenge → decode → verify → redeem → grant → content.
import { withBar } from './bar.ts'
import { answerChallenge, type Item } from './challenge.ts'
import type { Config } from './config.ts'
import { fail, isPaymentFailure, ok, publicError, type Refusal, type Result } from './errors.ts'
import { type Verification, verifyPayment } from './networks/network.ts'
import type { Grant, Grants } from './pass.ts'
import { decide, priceHeaders, type Sale, salesAt } from './policy/policy.ts'
import { canonicalPath, LONGEST_PATH, type Price, type Rule } from './policy/rules.ts'
import { identifyingQuery, type Resource } from './policy/scope.ts'
import { countryOf, readPayment, siteOf, splitUrl } from './request.ts'
import { openToScripts, preflight, privately, refuse, varying } from './respond.ts'
import { encodeFailure, encodeSettlement } from './x402/codec.ts'
import type { Signed } from './x402/extensions/offer-receipt.ts'
import type { SignInChallenge } from './x402/extensions/sign-in-with-x.ts'
import type { FirstLook, Offer, Payment, Settlement, VerifiedPayment } from './x402/payment.ts'
import type { QuoteToken } from './x402/wire.ts'

/** Ranges and conditions reach free content, ranges a pass holder's; a purchase is answered whole. */
type Purpose = 'free' | 'holder' | 'purchase'

/** What an article says about itself, as far as the sale goes. */
type Article = NonNullable<Item['article']> & { price: Price | null }

type Found = {
  article: Article
  open: (range: string | null) => Promise<Response>
  discard: () => Promise<void>
}

export type Redeemed =
  | {
      kind: 'granted'
      settlement: Settlement
      receipt: Signed | null
      grant: Grant | null
      /** To be called once: all of the content was taken, or it was not. */
      report: (isTaken: boolean) => void
    }
  | { kind: 'refused'; refusal: Refusal }

/** The narrow verbs the pipeline needs from the world; `index` builds them. Faults throw. */
export type Services = {
  nowSeconds: () => number
  /** KV and R2: the content, null when there is none, `configuration_error` when its metadata cannot be read. */
  find: (source: 'kv' | 'r2', path: string, mimeType: string) => Promise<Result<Found | null>>
  origin: (
    request: Request,
    wanted: { site: string; path: string; query: string; purpose: Purpose },
  ) => Promise<Response>
  quote: (offers: readonly Offer[], resource: Resource) => Promise<QuoteToken>
  /** Null where nothing lasting is sold. */
  signInChallenge: (offers: readonly Offer[], resource: Resource) => Promise<SignInChallenge | null>
  quoted: (proof: string, resource: Resource) => Promise<Offer[]>
  grants: (request: Request, resource: Resource) => Promise<Grants>
  /** `Set-Cookie` for these grants. */
  passCookie: (grants: readonly Grant[], site: string) => Promise<string>
  /** Whether payments from this client's address failed too often of late. */
  isBlocked: (request: Request) => boolean
  /** Whether payments from this client's address were refused within the last minute. */
  hadRefusal: (request: Request) => boolean
  /** Counts a hang-up of a client whose payment makes somebody work: it would not hear that it is refused. */
  countHangUp: (request: Request) => void
  /** Counts a payment that was sent for what is not there. */
  countMiss: (request: Request) => Promise<void>
  /** Remembers for a minute that a payment from this client's address was refused, and counts what is its own doing. */
  noteRefusal: (request: Request, refused: Refusal) => Promise<void>
  /** Whether a payment that cannot be proven here was proven before. */
  isRecognised: (payment: Payment, key: string) => Promise<Result<boolean>>
  /** Asks a facilitator whether a payment that cannot be proven here is good. */
  confirm: (payment: Payment, offer: Offer, request: Request) => Promise<Result<null>>
  /** What the chain says of a payment that nobody has sent yet; null where it does not answer in time. */
  look: (payment: Payment) => Promise<FirstLook | null>
  /** What a payment would be refused with, from what is known of it already. */
  objectionTo: (verified: VerifiedPayment, resource: Resource) => Promise<Refusal | null>
  redeem: (
    verified: VerifiedPayment,
    objection: Refusal | null,
    look: FirstLook | null,
    resource: Resource,
    signal: AbortSignal,
  ) => Promise<Redeemed>
  /** Uses up a payment that came beside a pass: it counts as used here, and is never settled. */
  useUp: (verified: VerifiedPayment, resource: Resource) => Promise<void>
  /** Passes a body through and reports, once, whether all of it was taken. */
  watch: (body: ReadableStream, taken: (all: boolean) => void) => ReadableStream
  offerTerms: (sale: Sale, upfront: boolean) => Offer[]
}

/** One request at one gated resource, as the later steps see it. */
type Visit = {
  request: Request
  config: Config
  services: Services
  rule: Rule
  resource: Resource
  /** Path with the trailing slash the client sent, and its query: what the origin is asked for. */
  originPath: string
  query: string
  found: Found | null
  sales: Sale[]
  offers: Offer[]
}

/** Answers one request. */
export async function paywall(request: Request, config: Config, services: Services): Promise<Response> {
  const result = await decideAndServe(request, config, services)
  return openToScripts(result.ok ? result.value : await refuse(request, config.brand, result.error))
}

async function decideAndServe(request: Request, config: Config, services: Services): Promise<Result<Response>> {
  const site = siteOf(request, config)
  if (site === null) return fail({ code: 'misdirected_request' })
  const { rawPath, query } = splitUrl(request.url)
  const path = canonicalPath(rawPath)
  if (!path.ok) return path
  const originPath = path.value !== '/' && rawPath.endsWith('/') ? `${path.value}/` : path.value

  const decision = decide(
    {
      host: new URL(site).host,
      method: request.method,
      path: path.value,
      query: new URLSearchParams(query),
      header: (name) => request.headers.get(name),
      country: countryOf(request),
    },
    config.rules,
  )
  if (!decision.ok) return decision
  const open = () => services.origin(request, { site, path: originPath, query, purpose: 'free' })
  if (decision.value.kind === 'open') return reach(open)
  const { rule } = decision.value
  const stored = rule.content !== 'origin'
  if (request.method === 'OPTIONS' && (stored || decision.value.kind === 'gated')) return ok(preflight(request))
  if (path.value.length > LONGEST_PATH) return fail({ code: 'uri_too_long' })
  if (stored && !isSafe(request.method)) return fail({ code: 'method_not_allowed' })

  let found: Found | null = null
  if (rule.content !== 'origin') {
    const looked = await services.find(rule.content, path.value, rule.mimeType)
    if (!looked.ok) return looked
    if (!looked.value) return fail({ code: 'not_found' })
    found = looked.value
  }
  const decided = decision.value.kind === 'free' ? { price: 'free' as const, variant: '' } : decision.value
  const price = found?.article.price ?? decided.price
  if (price === 'free') {
    const free = await (found ? openFound(found, request, request.headers.get('Range')) : reach(open))
    return free.ok ? ok(varying(free.value, priceHeaders(rule))) : free
  }

  const method = request.method === 'HEAD' ? 'GET' : request.method
  const variant = found?.article.price ? '' : decided.variant
  const id = path.value + (stored ? '' : identifyingQuery(new URLSearchParams(query))) + variant
  const sales = salesAt(path.value, price, rule)
  const visit: Visit = {
    request,
    config,
    services,
    rule,
    resource: { site, method, path: path.value, id },
    originPath,
    query,
    found,
    sales,
    offers: sales.flatMap((sale) => services.offerTerms(sale, !isSafe(method))),
  }
  return ok(await serveGated(visit))
}

async function serveGated(visit: Visit): Promise<Response> {
  const { request, services, resource } = visit
  const grants = await services.grants(request, resource)
  if (grants.opening) return serveHolder(visit, grants.opening, grants)
  const answer = await sell(visit, grants)
  if (answer.ok) return answer.value
  if (answer.error.isPaid) await services.noteRefusal(request, answer.error.refusal)
  await visit.found?.discard()
  return challengeOrRefuse(visit, answer.error)
}

/** For who holds a pass: the content with its ranges, not the origin's caching. */
async function serveHolder(visit: Visit, grant: Grant, { headers }: Grants): Promise<Response> {
  await useUpPayment(visit, grant)
  const opened = await openContent(visit, 'holder')
  if (opened.ok) return privately(withBar(visit.request, opened.value, grant), headers)
  return challengeOrRefuse(visit, { refusal: opened.error, payment: null, isPaid: false })
}

/** A payment sent beside its payer's own pass is not settled: nobody pays twice. It counts as used all the same. */
async function useUpPayment({ request, services, resource, offers }: Visit, { payer }: Grant): Promise<void> {
  const payment = readPayment(request)
  if (request.method === 'HEAD' || !payment.ok || !payment.value) return
  if (payment.value.authorization.from !== payer.toLowerCase()) return
  const verification = await verifyPayment(payment.value, offers, services.nowSeconds())
  if (!verification.ok || verification.value.kind !== 'proven' || verification.value.objection) return
  await services.useUp(verification.value.verified, resource)
}

/** `isPaid`: something that claims to be a payment was sent. */
type Failure = { refusal: Refusal; payment: Payment | null; isPaid: boolean }

async function sell(visit: Visit, grants: Grants): Promise<Result<Response, Failure>> {
  const { request, services, resource, offers } = visit
  // HEAD never redeems a payment: it could not deliver what was paid for.
  if (request.method === 'HEAD') return fail({ refusal: { code: 'payment_required' }, payment: null, isPaid: false })
  const decoded = readPayment(request)
  if (!decoded.ok) return fail({ refusal: decoded.error, payment: null, isPaid: true })
  const payment = decoded.value
  if (!payment) return fail({ refusal: grants.objection ?? { code: 'payment_required' }, payment: null, isPaid: false })
  const failure = (refusal: Refusal) => fail({ refusal, payment, isPaid: true })

  const quoted = payment.quote === null ? [] : await services.quoted(payment.quote, resource)
  const verification = await verifyPayment(payment, [...quoted, ...offers], services.nowSeconds())
  if (!verification.ok) return failure(verification.error)
  const proof = await prove(visit, payment, verification.value)
  if (!proof.ok) return failure(proof.error)
  const { verified } = proof.value
  // A blocked address may still collect what it has paid for.
  const isBlocked = services.isBlocked(request)
  const objection = isBlocked ? { code: 'too_many_requests' as const } : proof.value.objection

  // What is safe to ask for is in hand before the payment is redeemed; the rest is settled upfront. A payment that may
  // only be recognised charges nothing any more, and is not worth asking the origin before it is.
  const isSendable = objection === null
  if (isSendable && services.hadRefusal(request)) {
    const known = await services.objectionTo(verified, resource)
    if (known) return failure(known)
  }
  services.countHangUp(request)
  const looking = isSendable ? services.look(payment) : null
  const first = isSendable && isSafe(request.method) ? await openContent(visit, 'purchase') : null
  if (first && !first.ok) return failure(first.error)
  if (first && !isDeliverable(first.value, request.method)) {
    if (first.value.status >= 400 && first.value.status < 500) await services.countMiss(request)
    return ok(privately(first.value, {}))
  }

  const redeemed = await services.redeem(verified, objection, await looking, resource, request.signal)
  if (redeemed.kind === 'refused') {
    await first?.value.body?.cancel()
    return failure(redeemed.refusal)
  }
  return ok(await deliver(visit, verified, redeemed, first?.value ?? null, grants.all))
}

/** The payment, proven: by its payer's key, by an earlier proof of the same signature, or by a facilitator's `/verify`. */
async function prove(
  { request, services }: Visit,
  payment: Payment,
  verification: Verification,
): Promise<Result<{ verified: VerifiedPayment; objection: Refusal | null }>> {
  if (verification.kind === 'proven') return ok(verification)
  const { key, confirm, offer, objection } = verification
  const recognised = await services.isRecognised(payment, key)
  if (!recognised.ok) return recognised
  if (!recognised.value) {
    if (services.isBlocked(request)) return fail({ code: 'too_many_requests' })
    if (objection || !offer) return fail(objection ?? { code: 'invalid_payment_requirements' })
    const confirmed = await services.confirm(payment, offer, request)
    if (!confirmed.ok) return confirmed
  }
  return ok({ verified: confirm(), objection })
}

/** A paid answer. `content` is null where it is fetched only now, settled upfront. */
async function deliver(
  visit: Visit,
  verified: VerifiedPayment,
  { settlement, receipt, grant, report }: Extract<Redeemed, { kind: 'granted' }>,
  content: Response | null,
  grants: readonly Grant[],
): Promise<Response> {
  const { request, services, resource } = visit
  const opened = content ? ok(content) : await openContent(visit, 'purchase')
  if (!opened.ok || !isDeliverable(opened.value, request.method)) {
    report(false)
    const answer = opened.ok ? opened.value : await refuse(request, visit.config.brand, opened.error)
    // Paid, but not delivered: the signed receipt would say both.
    return privately(answer, encodeSettlement(settlement, verified.payment, null))
  }
  if (request.signal.aborted) {
    report(false)
    await opened.value.body?.cancel()
    return new Response(null, { status: 503 })
  }
  const cookie = grant ? { 'Set-Cookie': await services.passCookie([grant, ...grants], resource.site) } : {}
  const answer = privately(opened.value, { ...encodeSettlement(settlement, verified.payment, receipt), ...cookie })
  if (!answer.body) {
    report(true)
    return answer
  }
  return new Response(services.watch(answer.body, report), answer)
}

/** The content of a gated resource, or why it cannot be had. */
async function openContent(visit: Visit, purpose: Purpose): Promise<Result<Response>> {
  const { request, services, resource, originPath, query, found } = visit
  if (found) return openFound(found, request, purpose === 'holder' ? request.headers.get('Range') : null)
  const content = await reach(() => services.origin(request, { site: resource.site, path: originPath, query, purpose }))
  // Part of the content is neither what was paid for nor to be given away.
  const isPart = content.ok && purpose === 'purchase' && content.value.status === 206
  return isPart ? fail({ code: 'content_unavailable' }) : content
}

function openFound(found: Found, request: Request, range: string | null): Promise<Result<Response>> {
  return reach(async () => {
    const content = await found.open(range)
    if (request.method !== 'HEAD') return content
    await content.body?.cancel()
    return new Response(null, content)
  })
}

async function reach(open: () => Promise<Response>): Promise<Result<Response>> {
  try {
    return ok(await open())
  } catch (fault) {
    console.error(
      JSON.stringify({ event: 'content_unavailable', problem: fault instanceof Error ? fault.message : '' }),
    )
    return fail({ code: 'content_unavailable' })
  }
}

/** Content worth its price: to GET a 2xx answer with something in it, to another method any that is no error. */
const isDeliverable = ({ status, body }: Response, method: string) =>
  isSafe(method) ? status >= 200 && status < 300 && body !== null : status < 400

const isSafe = (method: string) => method === 'GET' || method === 'HEAD'

/** 402 with a fresh challenge where paying (again) can help, else the refusal alone. */
async function challengeOrRefuse(visit: Visit, { refusal: refused, payment }: Failure): Promise<Response> {
  const { request, config, services, rule, resource, found, sales, offers } = visit
  const outcome: Record<string, string> =
    payment && isPaymentFailure(refused.code) ? encodeFailure(refused.code, payment, refused.transaction ?? '') : {}
  if (publicError(refused.code).status !== 402) return refuse(request, config.brand, refused, outcome)
  const quote = await services.quote(offers, resource)
  const signIn = await services.signInChallenge(offers, resource)
  const item = { rule, resource, article: found?.article ?? null, sales, offers, signIn }
  return answerChallenge(request, config, refused, item, quote, outcome)
}
