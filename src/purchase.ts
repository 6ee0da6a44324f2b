// The worker's side of the payer's object, and what strangers may cost: look, redeem with one repetition, tell of
// hang-ups, report what became of the content, count failures. Decides nothing about money.
import { fail, isClientsDoing, isCounted, ok, type Refusal, type Result } from './errors.ts'
import { addressOf } from './limits.ts'
import { log, nameOf } from './log.ts'
import { type Handout, PROTOCOL, type RedeemOutcome, type RedeemRequest, refused } from './payer/protocol.ts'
import { evmSubjectOf, firstLook } from './payer/reconcile.ts'
import { type Resource, scopeOf } from './policy/scope.ts'
import { rpcOf, type World } from './site.ts'
import { within } from './waiting.ts'
import { namespaceOf, oneSpelling } from './x402/assets.ts'
import { encodeBytes } from './x402/base64.ts'
import type { FirstLook, Payment, VerifiedPayment } from './x402/payment.ts'

/** A proven payment, and what it is sent for. */
export type Purchase = {
  verified: VerifiedPayment
  /** Why it may not be sent. */
  objection: Refusal | null
  /** What a facilitator refuses it for, where one was asked. */
  verdict: Refusal | null
  resource: Resource
  look: FirstLook | null
  /** What the content in hand is called, where that is sure already. */
  title?: (() => string) | undefined
}

/** The part of the world in which failures are counted. */
type Counting = { env: Pick<Env, 'FAILED_PAYMENTS'>; isolate: Pick<World['isolate'], 'limits'> }

/** The part of the world in which a payer's object is found. */
type Payers = { env: Pick<Env, 'PAYERS'>; waitUntil: World['waitUntil'] }

/** A worker says this often that content is still on its way. */
const STILL_OPEN_MS = 20_000
/** Sending waits this long at most for the look at the chain, which runs beside the content. */
const LOOK_TIMEOUT_MS = 1_500
/** Chain id, head and state. */
const MOST_LOOK_CALLS = 3

/** One object per payer on all networks of a kind: its name is the signed payer alone. */
export function payerOf({ env: { PAYERS } }: Pick<Payers, 'env'>, network: string, address: string) {
  return PAYERS.get(PAYERS.idFromName(`${namespaceOf(network)}:${oneSpelling(address)}`))
}

/** The object of one hand-over: no payer's name looks like this one, and what is in it is nobody's money. */
export function handOverObject({ env: { PAYERS } }: Pick<Payers, 'env'>, name: string) {
  return PAYERS.get(PAYERS.idFromName(`hand-over:${name}`))
}

const objectOf = (world: Payers, { payment }: { payment: Payment }) => payerOf(world, payment.network, payment.payer)

/** Whether payments from this client's address failed too often of late. It may still collect what it has paid for. */
export const isBlocked = ({ isolate: { limits } }: World, request: Request): boolean =>
  !limits.mayTry(addressOf(request), Date.now())

/** Whether payments from this client's address were refused within the last minute. */
export const hadRefusal = ({ isolate: { limits } }: World, request: Request): boolean =>
  limits.hadRefusal(addressOf(request), Date.now())

/** Counts a failure of the client's address: it caused work for nothing. */
export const countFailure = ({ env, isolate: { limits } }: Counting, request: Request): Promise<void> =>
  limits.failed(env.FAILED_PAYMENTS, addressOf(request), Date.now())

/**
 * From now on a hang-up counts as a failure: the payment causes work, and the client would not hear a refusal. Until the
 * returned function is called: its outcome is known.
 */
export function countHangUp(world: Counting & Pick<World, 'waitUntil'>, request: Request): () => void {
  const count = () => world.waitUntil(countFailure(world, request))
  request.signal.addEventListener('abort', count)
  return () => request.signal.removeEventListener('abort', count)
}

/** Remembers for a minute a refusal that the client caused, and counts it where it caused work. */
export async function noteRefusal({ env, isolate }: World, request: Request, refusal: Refusal): Promise<void> {
  if (!isClientsDoing(refusal)) return
  const counter = isCounted(refusal) ? env.FAILED_PAYMENTS : undefined
  await isolate.limits.failed(counter, addressOf(request), Date.now())
}

/**
 * What the chain says of a payment that nobody has sent yet; null where it does not answer in time. On Solana it is not asked:
 * what carries this site's memo has bought nothing elsewhere.
 */
export async function lookFirst(world: World, { payment, offer }: VerifiedPayment): Promise<FirstLook | null> {
  const { network, transfer } = payment
  const rpc = rpcOf(world.isolate, world.config, network)
  if (transfer.kind === 'svm' || !offer || !rpc) return null
  return within(firstLook(rpc, evmSubjectOf(transfer, offer.asset), { left: MOST_LOOK_CALLS }), LOOK_TIMEOUT_MS)
}

/** What the payment would be refused with, from what is known already. Null: nothing. */
export async function objectionTo(
  world: World,
  { verified, verdict }: Pick<Purchase, 'verified' | 'verdict'>,
  resource: Resource,
): Promise<Refusal | null> {
  const request = await requestOf({ verified, verdict, resource, objection: null, look: null })
  const known = await orUnavailable(async () => ok(await objectOf(world, verified).objectionTo(request)))
  return known.ok ? known.value : known.error
}

/**
 * Whether a payment would be claimed as it comes. Else it was seen before, or its payer's other payments decide: what they own they
 * are given, and what may have landed is waited for.
 */
export async function isToClaim(world: World, verified: VerifiedPayment, resource: Resource): Promise<boolean> {
  const request = await requestOf({ verified, resource, objection: null, verdict: null, look: null })
  const known = await orUnavailable(async () => ok(await objectOf(world, verified).isToClaim(request)))
  return known.ok && known.value === true
}

/** Redeems a payment. When the client hangs up, its wait ends, and what it was granted is taken back. */
export async function redeem(world: Payers, purchase: Purchase, signal: AbortSignal): Promise<RedeemOutcome> {
  const request = await requestOf(purchase)
  if (signal.aborted) return refused('payment_in_progress')
  const payer = objectOf(world, purchase.verified)
  signal.addEventListener('abort', () => {
    world.waitUntil(payer.hangUp({ protocol: PROTOCOL, requestId: request.requestId }).catch(logFault))
  })
  const redeeming = redeemWithRetry(world, purchase.verified, request)
  // A hang-up ends the request after this line. Content that was granted to a client that is gone is taken back.
  world.waitUntil(
    redeeming.then(async (outcome) => {
      if (signal.aborted && outcome.kind === 'granted')
        await report(world, purchase.verified, outcome.handout, false, '')
    }),
  )
  return redeeming
}

/** Redeeming is idempotent, so a call that broke off on its way is made once more. */
async function redeemWithRetry(
  world: Payers,
  verified: VerifiedPayment,
  request: RedeemRequest,
): Promise<RedeemOutcome> {
  for (const isLast of [false, true]) {
    try {
      return await objectOf(world, verified).redeem(request)
    } catch (fault) {
      logFault(fault)
      if (isLast || !isRetryable(fault)) break
    }
  }
  return refused('unavailable')
}

/** `isTaken`: all of the content was taken; else it may be asked for again. `title`: what it is called. */
export type Report = (isTaken: boolean, title?: () => string) => void

/**
 * Content is being handed out: until the returned function is called, once, the object hears that it is still on its
 * way.
 */
export function handingOut(world: Payers, verified: VerifiedPayment, handout: Handout): Report {
  const say = () => {
    world.waitUntil(
      objectOf(world, verified)
        .stillOpen({ protocol: PROTOCOL, ...handout })
        .catch(logFault),
    )
    timer = setTimeout(say, STILL_OPEN_MS)
  }
  let timer = setTimeout(say, STILL_OPEN_MS)
  let isReported = false
  return (isTaken, title) => {
    if (isReported) return
    isReported = true
    clearTimeout(timer)
    world.waitUntil(report(world, verified, handout, isTaken, unlessBroken(title)))
  }
}

const named = (title: string) => (title === '' ? {} : { title })

/** No title is worth a fault. */
function unlessBroken(title: (() => string) | undefined): string {
  try {
    return title?.() ?? ''
  } catch {
    return ''
  }
}

async function report(
  world: Payers,
  verified: VerifiedPayment,
  handout: Handout,
  isTaken: boolean,
  title: string,
): Promise<void> {
  const said = { protocol: PROTOCOL, ...handout, ...named(title) }
  for (const isLast of [false, true]) {
    try {
      const payer = objectOf(world, verified)
      return await (isTaken ? payer.delivered(said) : payer.released(said))
    } catch (fault) {
      logFault(fault)
      if (isLast || !isRetryable(fault)) return
    }
  }
}

/** Uses up a payment that came beside a pass: it counts as used here, and is never settled. */
export async function useUp(world: World, verified: VerifiedPayment, resource: Resource): Promise<void> {
  const request = await requestOf({ verified, resource, objection: null, verdict: null, look: null })
  await orUnavailable(async () => ok(await objectOf(world, verified).useUp(request)))
}

async function requestOf({ verified, objection, verdict, resource, look, title }: Purchase): Promise<RedeemRequest> {
  const { key, payment, offer, costs, owner } = verified
  return {
    protocol: PROTOCOL,
    requestId: crypto.randomUUID(),
    key,
    owner,
    payment,
    offer,
    costs,
    objection,
    verdict,
    resource,
    scope: offer ? scopeOf(offer, resource) : '',
    accessSeconds: offer?.accessSeconds ?? 0,
    signatureHash: await fingerprint(payment.transfer.signature),
    look,
    ...named(unlessBroken(title)),
  }
}

/** SHA-256 of a signature or of a whole payment, by which it is recognised. */
export async function fingerprint(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return encodeBytes(new Uint8Array(digest))
}

/** A call to the payer's object. `unavailable` where it breaks off, as any call may. */
export async function orUnavailable<Value>(call: () => Promise<Result<Value>>): Promise<Result<Value>> {
  try {
    return await call()
  } catch (fault) {
    logFault(fault)
    return fail({ code: 'unavailable' })
  }
}

const logFault = (fault: unknown): void => log({ event: 'payer_unavailable', problem: nameOf(fault) })

const isRetryable = (fault: unknown) =>
  fault instanceof Error &&
  'retryable' in fault &&
  fault.retryable === true &&
  !('overloaded' in fault && fault.overloaded)
