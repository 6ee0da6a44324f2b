// The worker's side of one request, as `paywall.ts` has it around `purchase.ts`: look, redeem, hand out,
// report. And what readers do to it: they hang up, read slowly, or leave; the worker's process may die.
import type { Refusal } from '../../src/errors.ts'
import type { Handout, RedeemOutcome } from '../../src/payer/protocol.ts'
import { handingOut, lookFirst, redeem } from '../../src/purchase.ts'
import { worldOf } from '../../src/site.ts'
import type { FirstLook } from '../../src/x402/payment.ts'
import type { Process } from './clock.ts'
import { type EvmOrder, type Order, type PermitOrder, permitOrder, signOrder } from './orders.ts'
import type { Stage, StageEnv } from './stage.ts'

/** What a reader, the origin and the worker's machine do to one request; milliseconds. */
export type Visit = {
  /** After the request began. */
  hangsUpAfterMs?: number
  /** After the request began. */
  diesAfterMs?: number
  /** Told how to kill the worker at any time. */
  whoDies?: (kill: () => void) => void
  /** How long the body takes. */
  streamMs?: number
  /** The reader is gone so long after the first byte. */
  leavesAfterMs?: number
  /** What was paid for cannot be had. */
  originFails?: boolean
  /** Another resource than the one the payment was made for. */
  at?: string
  /** No look at the chain before it is sent. */
  isBlind?: boolean
  /** The terms it was signed for are not on offer any more. */
  isOffTerms?: boolean
}

export type Answer =
  /** `isWhole`: the reader has all of it. */
  | { kind: 'content'; outcome: Granted; isWhole: boolean }
  | { kind: 'refused'; refusal: Refusal }
  /** The reader has hung up, or its worker died: nobody has heard anything. */
  | { kind: 'nothing' }
export type Granted = Extract<RedeemOutcome, { kind: 'granted' }>

/** Who listens. */
export type Watcher = {
  asked(request: Request): void
  granted(request: Request, outcome: Granted): void
  /** The reader has the whole of it. */
  taken(request: Request, handout: Handout): void
  refused(request: Request, refusal: Refusal): void
}
export type Request = {
  order: Order
  path: string
  startMs: number
  /** When content began, or a refusal came. */
  answeredMs: number | null
  /** When the worker was done with it, or died. */
  endMs: number | null
  /** Until when anybody could believe that a reader waits for it; grows as long as it is open. */
  awaitedUntilMs: number
  hasLeft: boolean
}

/** After so long a request that nobody reports as ended has ended. */
const LONGEST_HOLD_MS = 26_000
const SETTLE_MARGIN_SECONDS = 8
/** A body that is there at once. */
const QUICK_MS = 20

/** Sends a payment, and plays it to the reader's end. */
export function ask(stage: Stage, order: Order, visit: Visit = {}, watcher: Watcher | null = null): Promise<Answer> {
  const { world } = stage
  const process = world.process('worker')
  const client = new AbortController()
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const request: Request = {
    order,
    path: visit.at ?? order.resource.path,
    startMs: world.now(),
    answeredMs: null,
    endMs: null,
    awaitedUntilMs: Number.POSITIVE_INFINITY,
    hasLeft: false,
  }
  watcher?.asked(request)
  const end = (answer: Answer) => {
    request.endMs ??= world.now()
    request.awaitedUntilMs = Math.min(request.awaitedUntilMs, world.now() + 100)
    resolve(answer)
  }
  if (visit.hangsUpAfterMs !== undefined) {
    world.after(visit.hangsUpAfterMs, 'a reader hangs up', () => {
      if (request.endMs !== null || !process.isAlive) return
      request.hasLeft = true
      process.run('hang-up', () => client.abort())
      end({ kind: 'nothing' })
    })
  }
  const die = () => {
    process.kill()
    request.awaitedUntilMs = Math.min(request.awaitedUntilMs, request.startMs + LONGEST_HOLD_MS)
    request.endMs ??= world.now()
    resolve({ kind: 'nothing' })
  }
  if (visit.diesAfterMs !== undefined) world.after(visit.diesAfterMs, 'a worker dies', die)
  visit.whoDies?.(die)
  process
    .run('request', () => serve(stage, process, request, visit, client.signal, watcher))
    .then(end, (fault) => {
      world.note(`a worker failed: ${String(fault)}`)
      end({ kind: 'nothing' })
    })
  return promise
}

async function serve(
  stage: Stage,
  process: Process,
  request: Request,
  visit: Visit,
  signal: AbortSignal,
  watcher: Watcher | null,
): Promise<Answer> {
  const { world } = stage
  const { order, path } = request
  const verified = visit.isOffTerms ? { ...order.verified, offer: null } : order.verified
  const purchase = {
    env: realEnv(stage.env),
    waitUntil: (work: Promise<unknown>) => {
      work.catch((fault) => world.note(`in the background of ${process.name}: ${String(fault)}`))
    },
  }
  const objection = visit.isOffTerms
    ? { code: 'invalid_payment_requirements' as const }
    : objectionOf(order, world.now())
  const look = objection || visit.isBlind ? null : await lookAt(stage.env, order)
  const resource = { ...order.resource, path, id: path }
  const outcome = await redeem(purchase, { verified, objection, verdict: null, resource, look }, signal)
  if (outcome.kind === 'refused') {
    if (!request.hasLeft) watcher?.refused(request, outcome.refusal)
    return { kind: 'refused', refusal: outcome.refusal }
  }
  watcher?.granted(request, outcome)
  const report = handingOut(purchase, verified, outcome.handout)
  const isLost = visit.originFails === true || signal.aborted
  if (!isLost) {
    const streamMs = visit.streamMs ?? QUICK_MS
    const leavesMs = visit.leavesAfterMs ?? Number.POSITIVE_INFINITY
    await Promise.race([pause(Math.min(streamMs, leavesMs)), hungUp(signal)])
    if (leavesMs >= streamMs && !signal.aborted) {
      watcher?.taken(request, outcome.handout)
      report(true)
      return { kind: 'content', outcome, isWhole: true }
    }
  }
  report(false)
  return { kind: 'content', outcome, isWhole: false }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const hungUp = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

const EXPIRED = {
  eip3009: 'invalid_exact_evm_payload_authorization_valid_before',
  permit2: 'permit2_deadline_expired',
  svm: 'payment_expired',
} as const

/** The window, as the worker reads it. */
function objectionOf({ kind, endsAtSeconds }: Order, nowMs: number): Refusal | null {
  if (endsAtSeconds - Math.floor(nowMs / 1000) >= SETTLE_MARGIN_SECONDS) return null
  return { code: EXPIRED[kind] }
}

async function lookAt(env: StageEnv, { verified }: Order): Promise<FirstLook | null> {
  const around = worldOf(realEnv(env), { waitUntil: () => {} })
  return around.ok ? lookFirst(around.value, verified) : null
}

/** The imitated environment, for code that is given the real one. */
const realEnv = (env: StageEnv): Env => env as unknown as Env
/** Signs a payment and lets every chain of its network know. */
export function sign(
  stage: Stage,
  ...given: Parameters<typeof signOrder> extends [unknown, ...infer Rest] ? Rest : never
): EvmOrder {
  const order = signOrder(stage.world, ...given)
  stage.chains.get(order.network)?.authorize(order.authorization)
  return order
}

/** The same by Permit2. */
export function signPermit(stage: Stage, signing: Parameters<typeof permitOrder>[1]): PermitOrder {
  const order = permitOrder(stage.world, signing)
  stage.chains.get(order.network)?.permit(order.permit)
  return order
}
