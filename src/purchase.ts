// The worker's side of the payer's object: recognise, redeem with one repetition, tell of hang-ups, and report what became
// of the content. Decides nothing about money.
import { fail, ok, type Refusal, type Result } from './errors.ts'
import type { Payer } from './payer/payer.ts'
import { type Handout, PROTOCOL, type RedeemOutcome, type RedeemRequest, refused } from './payer/protocol.ts'
import { type Resource, scopeOf } from './policy/scope.ts'
import { encodeBytes } from './x402/base64.ts'
import type { FirstLook, Payment, VerifiedPayment } from './x402/payment.ts'

/** The platform, as far as a purchase needs it. */
export type World = {
  payers: DurableObjectNamespace<Payer>
  waitUntil: (work: Promise<unknown>) => void
}

/** A proven payment, and what it is sent for. */
export type Purchase = {
  verified: VerifiedPayment
  /** Why it may not be sent. */
  objection: Refusal | null
  resource: Resource
  look: FirstLook | null
}

/** A worker says this often that content is still on its way. */
const STILL_OPEN_MS = 20_000

/** One object per payer on all networks of a kind: its name is the signed payer alone. */
export function payerOf(payers: DurableObjectNamespace<Payer>, network: string, address: string) {
  const [namespace = ''] = network.split(':')
  return payers.get(payers.idFromName(`${namespace}:${address.toLowerCase()}`))
}

const objectOf = ({ payers }: World, { payment }: { payment: Payment }) =>
  payerOf(payers, payment.network, payment.authorization.from)

/** Whether a payment whose signature cannot be checked here was proven before, by the same signature. Faults throw. */
export async function isRecognised(world: World, payment: Payment, key: string): Promise<Result<boolean>> {
  const signatureHash = await fingerprint(payment.signature)
  const known = await objectOf(world, { payment }).recognise({ protocol: PROTOCOL, key, signatureHash })
  return known === null ? fail({ code: 'unavailable' }) : ok(known)
}

/** What the payment would be refused with, from what is known already. Null: nothing. Faults throw. */
export async function objectionTo(world: World, purchase: Purchase): Promise<Refusal | null> {
  return objectOf(world, purchase.verified).objectionTo(await requestOf(purchase))
}

/** Redeems a payment. A client that hangs up is taken out of what it waits for, and what it was granted is taken back. */
export async function redeem(world: World, purchase: Purchase, signal: AbortSignal): Promise<RedeemOutcome> {
  const request = await requestOf(purchase)
  if (signal.aborted) return refused('payment_in_progress')
  const payer = objectOf(world, purchase.verified)
  signal.addEventListener('abort', () => {
    world.waitUntil(payer.hangUp({ protocol: PROTOCOL, requestId: request.requestId }).catch(logFault))
  })
  const redeeming = redeemTwice(world, purchase.verified, request)
  // A hang-up ends the request and what comes after this line; what was handed out to nobody is taken back.
  world.waitUntil(
    redeeming.then(async (outcome) => {
      if (signal.aborted && outcome.kind === 'granted') await report(world, purchase.verified, outcome.handout, false)
    }),
  )
  return redeeming
}

/** Redeeming is idempotent, so a call that broke off on its way is made once more. */
async function redeemTwice(world: World, verified: VerifiedPayment, request: RedeemRequest): Promise<RedeemOutcome> {
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

/**
 * Content is being handed out: until the returned function is called, once, the object hears that it is still on its
 * way. `isTaken`: all of it was taken; else it may be asked for again.
 */
export function handingOut(world: World, verified: VerifiedPayment, handout: Handout): (isTaken: boolean) => void {
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
  return (isTaken) => {
    if (isReported) return
    isReported = true
    clearTimeout(timer)
    world.waitUntil(report(world, verified, handout, isTaken))
  }
}

async function report(world: World, verified: VerifiedPayment, handout: Handout, isTaken: boolean): Promise<void> {
  const said = { protocol: PROTOCOL, ...handout }
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

/** Uses up a payment that came beside a pass: it counts as used here, and is never settled. Faults throw. */
export async function useUp(world: World, verified: VerifiedPayment, resource: Resource): Promise<void> {
  await objectOf(world, verified).useUp(await requestOf({ verified, resource, objection: null, look: null }))
}

async function requestOf({ verified, objection, resource, look }: Purchase): Promise<RedeemRequest> {
  const { key, payment, offer, owner } = verified
  return {
    protocol: PROTOCOL,
    requestId: crypto.randomUUID(),
    key,
    owner,
    payment,
    offer,
    objection,
    resource,
    scope: offer ? scopeOf(offer, resource) : '',
    accessSeconds: offer?.accessSeconds ?? 0,
    signatureHash: await fingerprint(payment.signature),
    look,
  }
}

/** SHA-256 of a signature or of a whole payment, by which it is recognised. */
export async function fingerprint(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return encodeBytes(new Uint8Array(digest))
}

const nameOf = (fault: unknown) => (fault instanceof Error ? fault.name : typeof fault)

export const logFault = (fault: unknown): void =>
  console.error(JSON.stringify({ event: 'payer_unavailable', problem: nameOf(fault) }))

const isRetryable = (fault: unknown) =>
  fault instanceof Error &&
  'retryable' in fault &&
  fault.retryable === true &&
  !('overloaded' in fault && fault.overloaded)
