// Composition root: Env → Config → Services → app. The only file that sees every part.
import { createApp, type World } from './app.ts'
import { Rpc } from './chain.ts'
import type { Config } from './config.ts'
import { type Found, fetchOrigin, findInKv, findInR2, type Origin } from './content.ts'
import { fail, isClientsDoing, isCounted, ok, type Result } from './errors.ts'
import { verify } from './facilitator.ts'
import { findPayment, paymentsOf } from './ledger.ts'
import { addressOf } from './limits.ts'
import { issueNonce } from './nonce.ts'
import { type Grant, grantFor, issuePass, passCookie, passOf, readPass } from './pass.ts'
import { firstLook } from './payer/reconcile.ts'
import { within } from './payer/waiting.ts'
import type { Services } from './paywall.ts'
import type { Sale } from './policy/policy.ts'
import { type Resource, urlOf } from './policy/scope.ts'
import {
  fingerprint,
  handingOut,
  isRecognised,
  logFault,
  objectionTo,
  type World as PurchaseWorld,
  payerOf,
  redeem,
  useUp,
} from './purchase.ts'
import { issueQuote, PAYMENT_SECONDS, quotedOffers } from './quote.ts'
import { signIn } from './sign-in.ts'
import { isolateOf, rpcMemoryOf, signerOf } from './site.ts'
import { deriveKey } from './token.ts'
import { assetOf } from './x402/assets.ts'
import { signOffers, signReceipt } from './x402/extensions/offer-receipt.ts'
import { SIGN_IN_WITH_X } from './x402/extensions/sign-in-with-x.ts'
import type { Offer } from './x402/payment.ts'

export { Payer } from './payer/payer.ts'

/** Sending waits this long at most for the look at the chain, which runs beside the content. */
const LOOK_TIMEOUT_MS = 1_500
/** Chain id, head and state. */
const MOST_LOOK_CALLS = 3

const nowSeconds = () => Math.floor(Date.now() / 1000)

const services: World['services'] = async (env, config, waitUntil): Promise<Services> => {
  const isolate = isolateOf(env)
  const { limits, breaker } = isolate
  const world: PurchaseWorld = { payers: env.PAYERS, waitUntil }
  const rpcOf = (network: string): Rpc | null => {
    const asset = assetOf(network)
    const url = config.rpcUrls[network] ?? asset?.rpcUrl
    return asset && url ? new Rpc(url, asset.chainId, rpcMemoryOf(isolate, url)) : null
  }
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
    const recordOf = (network: string, address: string) => payerOf(env.PAYERS, network, address)
    const signInWorld = { config, key: await signInKey(), nowSeconds: nowSeconds(), recordOf, rpcOf }
    const signed = await orUnavailable(() => signIn(header, resource, signInWorld))
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
    hadRefusal: (request) => limits.hadRefusal(addressOf(request), Date.now()),
    countHangUp: (request) =>
      request.signal.addEventListener('abort', () =>
        waitUntil(limits.failed(env.FAILED_PAYMENTS, addressOf(request), Date.now())),
      ),
    countMiss: (request) => limits.failed(env.FAILED_PAYMENTS, addressOf(request), Date.now()),
    noteRefusal: async (request, refused) => {
      if (!isClientsDoing(refused)) return
      await limits.failed(isCounted(refused) ? env.FAILED_PAYMENTS : undefined, addressOf(request), Date.now())
    },
    isRecognised: (payment, key) => orUnavailable(() => isRecognised(world, payment, key)),
    confirm: async ({ authorization, signature }, offer, request) => {
      const hash = await fingerprint([signature, offer.network, ...Object.values(authorization)].join('|'))
      const known = limits.refused.get(hash, Date.now())
      if (known) return fail(known)
      const reply = await verify(config.facilitators, breaker, { authorization, signature, offer })
      if (reply.kind === 'valid') return ok(null)
      if (reply.kind === 'nonce_used') return fail({ code: 'payment_already_used' })
      if (reply.kind === 'unavailable') {
        // What nobody has proven made a facilitator work, and perhaps fail: bounded as what it refuses.
        await limits.failed(env.FAILED_PAYMENTS, addressOf(request), Date.now())
        return fail({ code: 'facilitator_unavailable' })
      }
      const refusal = { code: reply.reason }
      limits.refused.set(hash, refusal, Date.now())
      return fail(refusal)
    },
    look: async ({ network, authorization }) => {
      const asset = assetOf(network)
      const rpc = rpcOf(network)
      if (!asset || !rpc) return null
      return within(firstLook(rpc, asset.asset, authorization, { left: MOST_LOOK_CALLS }), LOOK_TIMEOUT_MS)
    },
    objectionTo: async (verified, resource) => {
      const known = await orUnavailable(async () =>
        ok(await objectionTo(world, { verified, resource, objection: null, look: null })),
      )
      return known.ok ? known.value : known.error
    },
    redeem: async (verified, objection, look, resource, signal) => {
      const outcome = await redeem(world, { verified, objection, look, resource }, signal)
      if (outcome.kind === 'refused') return outcome
      const { settlement, settledAtSeconds, scope: owned, endsAtSeconds, handout } = outcome
      const receipt =
        signer && (await signReceipt(resource.site, urlOf(resource), settlement, settledAtSeconds, signer))
      const grant =
        endsAtSeconds === null || endsAtSeconds <= nowSeconds()
          ? null
          : { scope: owned, method: resource.method, endsAtSeconds, payer: settlement.payer }
      return { kind: 'granted', settlement, receipt, grant, report: handingOut(world, verified, handout) }
    },
    useUp: async (verified, resource) => {
      await orUnavailable(async () => ok(await useUp(world, verified, resource)))
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

/** The payer's object may break off, as any call may. */
async function orUnavailable<Value>(call: () => Promise<Result<Value>>): Promise<Result<Value>> {
  try {
    return await call()
  } catch (fault) {
    logFault(fault)
    return fail({ code: 'unavailable' })
  }
}

const nameOf = (fault: unknown) => (fault instanceof Error ? fault.name : typeof fault)

export default createApp({ config: (env) => isolateOf(env).config, services, records })
