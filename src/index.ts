// Composition root: Env → Config → Services → app. The only file that sees every part.
import { createApp, type World } from './app.ts'
import { type Config, type ConfigProblem, parseConfig } from './config.ts'
import { type Found, fetchOrigin, findInKv, findInR2, type Origin } from './content.ts'
import { fail, isPaymentReason, ok, type Refusal, type Result } from './errors.ts'
import { verify } from './facilitator.ts'
import { findPayment, paymentsOf } from './ledger.ts'
import { addressOf, Limits } from './limits.ts'
import { issueNonce } from './nonce.ts'
import { type Grant, grantFor, issuePass, passCookie, passOf, readPass } from './pass.ts'
import type { RedeemOutcome, RedeemRequest } from './payer/redeem.ts'
import type { Services } from './paywall.ts'
import type { Sale } from './policy/policy.ts'
import { type Resource, scopeOf, urlOf } from './policy/scope.ts'
import { issueQuote, PAYMENT_SECONDS, quotedOffers } from './quote.ts'
import { signIn } from './sign-in.ts'
import { deriveKey } from './token.ts'
import { encodeBytes } from './x402/base64.ts'
import { signOffers, signReceipt } from './x402/extensions/offer-receipt.ts'
import { SIGN_IN_WITH_X } from './x402/extensions/sign-in-with-x.ts'
import { importSigner, type Signer } from './x402/jws.ts'
import type { Offer, VerifiedPayment } from './x402/payment.ts'

export { Payer } from './payer/payer.ts'

/**
 * What an isolate keeps per environment: the parsed configuration, the imported key and its memory of failures, nothing
 * of any request.
 */
type Isolate = { config: Result<Config, ConfigProblem[]>; limits: Limits; signer: Signer | null }

const isolates = new WeakMap<Env, Isolate>()

function isolateOf(env: Env): Isolate {
  const known = isolates.get(env)
  if (known) return known
  const isolate = { config: parseConfig({ ...env }), limits: new Limits(), signer: null }
  isolates.set(env, isolate)
  return isolate
}

/** The key, not the promise of it, is kept: a promise would belong to the request that began it. */
async function signerOf(env: Env, { receiptKey }: Config): Promise<Signer | null> {
  const isolate = isolateOf(env)
  if (receiptKey !== null) isolate.signer ??= await importSigner(receiptKey)
  return isolate.signer
}

const nowSeconds = () => Math.floor(Date.now() / 1000)

const services: World['services'] = async (env, config, waitUntil): Promise<Services> => {
  const { limits } = isolateOf(env)
  const isBlocked = (request: Request) => !limits.mayTry(addressOf(request), Date.now())
  const passKey = () => deriveKey(config.passSecret, 'pass')
  const quoteKey = () => deriveKey(config.passSecret, 'quote')
  const signInKey = () => deriveKey(config.passSecret, 'sign-in')
  const cookieFor = async (grants: readonly Grant[], site: string) => {
    const token = await issuePass(grants, site, await passKey(), nowSeconds())
    const endsAtSeconds = Math.max(...grants.map((grant) => grant.endsAtSeconds))
    return passCookie(token, site, endsAtSeconds, nowSeconds())
  }
  const signedIn = async (header: string, request: Request, resource: Resource): Promise<Result<Grant[]>> => {
    if (isBlocked(request)) return fail({ code: 'too_many_requests' })
    const recordOf = (network: string, address: string) => payerOf(env, network, address)
    const world = { config, key: await signInKey(), nowSeconds: nowSeconds(), recordOf }
    const signed = await signIn(header, resource, world).catch((fault: unknown): Result<Grant[]> => {
      console.error(JSON.stringify({ event: 'payer_unavailable', problem: nameOf(fault) }))
      return fail({ code: 'unavailable' })
    })
    // These made a record, or the chain, work.
    const isCostly = !signed.ok && /^(?:sign_in_nothing_bought|invalid_siwx_signature)$/.test(signed.error.code)
    if (isCostly) await limits.failed(env.FAILED_PAYMENTS, addressOf(request), Date.now())
    return signed
  }
  const signer = await signerOf(env, config)
  return {
    nowSeconds,
    find: async (source, path, mimeType) => {
      try {
        const found = await (source === 'kv'
          ? findInKv(env.CONTENT_KV, path, mimeType)
          : findInR2(env.CONTENT_R2, path, mimeType))
        return found.ok ? found : articleProblem(found.error)
      } catch (fault) {
        console.error(JSON.stringify({ event: `${source}_unavailable`, problem: nameOf(fault) }))
        return fail({ code: 'unavailable' })
      }
    },
    origin: (request, wanted) => fetchOrigin(originOf(env, config), request, wanted),
    quote: async (offers, resource) => {
      const random = crypto.getRandomValues(new Uint8Array(9))
      const quote = await issueQuote(offers, resource, await quoteKey(), nowSeconds(), random)
      const signedOffers =
        signer && (await signOffers(resource.site, urlOf(resource), offers, quote.expiresAtSeconds, signer))
      return { ...quote, signedOffers: signedOffers ?? [] }
    },
    signInChallenge: async (offers, { site }) => {
      if (!offers.some((offer) => offer.accessSeconds > 0)) return null
      const issuedAtSeconds = nowSeconds()
      const random = crypto.getRandomValues(new Uint8Array(4))
      const nonce = await issueNonce(site, await signInKey(), issuedAtSeconds, random)
      return { site, nonce, issuedAtSeconds, networks: config.networks.map(({ network }) => network) }
    },
    quoted: async (proof, resource) => quotedOffers(proof, resource, await quoteKey(), nowSeconds()),
    grants: async (request, resource) => {
      const token = passOf(request.headers, resource.site)
      const held = token === null ? [] : await readPass(token, resource.site, await passKey(), nowSeconds())
      const opening = grantFor(held, resource) ?? null
      const header = request.headers.get(SIGN_IN_WITH_X)
      // HEAD uses nothing up: it could not deliver what is asked for.
      if (opening || header === null || request.method === 'HEAD') {
        return { all: held, opening, headers: {}, objection: null }
      }
      const signed = await signedIn(header, request, resource)
      if (!signed.ok) return { all: held, opening, headers: {}, objection: signed.error }
      const owned = [...signed.value, ...held].sort((a, b) => b.endsAtSeconds - a.endsAtSeconds)
      const opened = grantFor(owned, resource) ?? null
      // First, so that it is in the cookie, whatever else has no room there.
      const all = opened ? [opened, ...owned] : owned
      const headers = { 'Set-Cookie': await cookieFor(all, resource.site) }
      return { all, opening: opened, headers, objection: null }
    },
    passCookie: cookieFor,
    isBlocked,
    confirm: async ({ authorization, signature }, offer, request) => {
      const hash = await fingerprint([signature, offer.network, ...Object.values(authorization)].join('|'))
      const known = limits.refused.get(hash, Date.now())
      if (known) return fail(known)
      if (isBlocked(request)) return fail({ code: 'too_many_requests' })
      const reply = await verify(config.facilitators, { authorization, signature, offer })
      if (reply.kind === 'valid') return ok(null)
      if (reply.kind === 'nonce_used') return ok({ code: 'payment_already_used' })
      if (reply.kind === 'unavailable') return fail({ code: 'facilitator_unavailable' })
      const refusal = { code: reply.reason }
      limits.refused.set(hash, refusal, Date.now())
      await limits.failed(env.FAILED_PAYMENTS, addressOf(request), Date.now())
      return fail(refusal)
    },
    redeem: async (verified, objection, resource, request) => {
      const { key, payment } = verified
      const address = addressOf(request)
      const payer = payerOf(env, payment.network, payment.authorization.from)
      request.signal.addEventListener('abort', () => waitUntil(payer.abandon(key)))
      const redeeming = redeem(env, await requestOf(verified, objection, resource))
      // A hang-up ends the request and what comes after this line; what was handed out to nobody is taken back.
      waitUntil(
        redeeming.then(async (outcome) => {
          if (request.signal.aborted && outcome.kind === 'granted' && outcome.lease !== null) {
            await payer.released(key, outcome.lease)
          }
        }),
      )
      const outcome = await redeeming
      if (outcome.kind === 'refused') {
        if (isPaymentReason(outcome.refusal.code)) await limits.failed(env.FAILED_PAYMENTS, address, Date.now())
        return outcome
      }
      const { settlement, settledAtSeconds, scope: owned, endsAtSeconds, lease } = outcome
      const receipt =
        signer && (await signReceipt(resource.site, urlOf(resource), settlement, settledAtSeconds, signer))
      const grant =
        endsAtSeconds === null || endsAtSeconds <= nowSeconds()
          ? null
          : { scope: owned, method: resource.method, endsAtSeconds, payer: settlement.payer }
      return { kind: 'granted', settlement, receipt, grant, lease }
    },
    useUp: async (verified, resource) => {
      const { network, authorization } = verified.payment
      await payerOf(env, network, authorization.from).useUp(await requestOf(verified, null, resource))
    },
    handedOut: ({ key, payment }, lease, delivered) => {
      const payer = payerOf(env, payment.network, payment.authorization.from)
      waitUntil(delivered ? payer.delivered(key, lease) : payer.released(key, lease))
    },
    // A script stream: the platform's own transform streams cannot be piped into one another.
    watch: (body, taken) =>
      body.pipeThrough(new TransformStream({ flush: () => taken(true), cancel: () => taken(false) })),
    offerTerms: (sale, upfront) => offersOf(config, sale, upfront),
  }
}

const records: World['records'] = async (env, config) => ({
  signer: await signerOf(env, config),
  payersOf: async (request, site) => {
    const token = passOf(request.headers, site)
    if (token === null) return []
    const grants = await readPass(token, site, await deriveKey(config.passSecret, 'pass'), nowSeconds())
    return [...new Set(grants.map((grant) => grant.payer.toLowerCase()))]
  },
  find: (transaction, payers, site) => fromLedger(() => findPayment(env.LEDGER_DB, transaction, payers, site)),
  list: (payers, site) => fromLedger(() => paymentsOf(env.LEDGER_DB, payers, site)),
})

async function fromLedger<Found>(read: () => Promise<Found>): Promise<Result<Found>> {
  try {
    return ok(await read())
  } catch (fault) {
    console.error(JSON.stringify({ event: 'ledger_unavailable', problem: nameOf(fault) }))
    return fail({ code: 'content_unavailable' })
  }
}

/** A sale on each of the site's networks, in the configured order. All assets have six decimals, as prices do. */
const offersOf = (config: Config, sale: Sale, upfront: boolean): Offer[] =>
  config.networks.map((asset) => ({
    network: asset.network,
    asset: asset.asset,
    eip712: asset.eip712,
    payTo: config.payTo.eip155,
    amount: sale.micros,
    maxTimeoutSeconds: PAYMENT_SECONDS,
    name: sale.name,
    accessSeconds: sale.accessSeconds,
    scope: sale.scope,
    flow: upfront ? 'upfront' : 'authorization',
  }))

function originOf(env: Env, config: Config): Origin {
  if (env.ORIGIN) return { kind: 'service', service: env.ORIGIN }
  return config.originUrl === null ? { kind: 'zone' } : { kind: 'url', url: config.originUrl }
}

function articleProblem({ key, problem }: { key: string; problem: string }): Result<Found | null> {
  console.error(`configuration_error ${key}: ${problem}`)
  return fail({ code: 'configuration_error' })
}

const payerOf = (env: Env, network: string, address: string) =>
  env.PAYERS.get(env.PAYERS.idFromName(`${network}:${address}`))

async function requestOf(
  { key, payment, offer }: VerifiedPayment,
  objection: Refusal | null,
  resource: Resource,
): Promise<RedeemRequest> {
  const scope = offer ? scopeOf(offer, resource) : ''
  const accessSeconds = offer?.accessSeconds ?? 0
  const signatureHash = await fingerprint(payment.signature)
  return { key, payment, offer, objection, resource, scope, accessSeconds, signatureHash }
}

async function fingerprint(signature: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(signature))
  return encodeBytes(new Uint8Array(digest))
}

/** Redeeming is idempotent, so a call that broke off on its way is made once more. */
async function redeem(env: Env, request: RedeemRequest): Promise<RedeemOutcome> {
  const { network, authorization } = request.payment
  for (const isLast of [false, true]) {
    try {
      return await payerOf(env, network, authorization.from).redeem(request)
    } catch (fault) {
      console.error(JSON.stringify({ event: 'payer_unavailable', problem: nameOf(fault) }))
      if (isLast || !isRetryable(fault)) break
    }
  }
  return { kind: 'refused', refusal: { code: 'unavailable' } }
}

const nameOf = (fault: unknown) => (fault instanceof Error ? fault.name : typeof fault)

const isRetryable = (fault: unknown) =>
  fault instanceof Error &&
  'retryable' in fault &&
  fault.retryable === true &&
  !('overloaded' in fault && fault.overloaded)

export default createApp({ config: (env) => isolateOf(env).config, services, records })
