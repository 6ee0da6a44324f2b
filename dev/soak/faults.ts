// What goes wrong on purpose between the worker and the outside: a facilitator that misbehaves in front of the real one,
// and a proxy in front of the chain's RPC. Which fault a settlement meets follows from the seed and its nonce alone.
import * as z from 'zod'
import type { FacilitatorHook, FacilitatorReply, HookReply } from '../facilitator.ts'
import type { Random } from './random.ts'

/** Counts faults by name, and remembers when a payment's outcome was first there to be known. */
export class Witness {
  readonly counts = new Map<string, number>()
  /** Milliseconds, by nonce: the real facilitator was asked to settle it for the first time. */
  readonly begunAt = new Map<string, number>()
  /** Milliseconds, by nonce: it was on the chain, for all to see. */
  readonly knownAt = new Map<string, number>()
  /** Milliseconds, by nonce: the facilitator said no to what it had settled. */
  readonly liedAt = new Map<string, number>()
  /** Names of the faults a nonce met. */
  readonly met = new Map<string, string[]>()

  /** From when on the RPC was not fine (true), or fine again (false). */
  readonly #storms: { fromMs: number; isStorm: boolean }[] = []

  storm(isStorm: boolean): void {
    this.#storms.push({ fromMs: Date.now(), isStorm })
  }

  /** Whether the RPC failed the worker at some time in between. */
  wasStormy(fromMs: number, toMs: number): boolean {
    const before = this.#storms.findLast((each) => each.fromMs <= fromMs)
    const within = this.#storms.filter((each) => each.fromMs > fromMs && each.fromMs < toMs)
    return [...(before ? [before] : []), ...within].some(({ isStorm }) => isStorm)
  }

  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
  }

  meet(nonce: string, fault: string): void {
    this.count(`facilitator: ${fault}`)
    this.met.set(nonce, [...(this.met.get(nonce) ?? []), fault])
  }

  begin(nonce: string): void {
    if (!this.begunAt.has(nonce)) this.begunAt.set(nonce, Date.now())
  }

  known(nonce: string): void {
    if (!this.knownAt.has(nonce)) this.knownAt.set(nonce, Date.now())
  }

  lie(nonce: string): void {
    this.liedAt.set(nonce, Date.now())
  }
}

/** `before`: nothing is settled. `after`: it is settled first. `late`: it is settled some seconds after the answer. */
const FACILITATOR_FAULTS = {
  none: 50,
  'connection dropped before settling': 3,
  'connection dropped after settling': 5,
  '500 before settling': 3,
  '500 after settling': 5,
  '503 page of a gateway before settling': 2,
  '503 page of a gateway after settling': 2,
  '429 before settling': 2,
  'no answer, never settled': 2,
  'no answer, settled': 2,
  'slow before settling': 4,
  'slow after settling': 4,
  'HTML after settling': 2,
  'truncated JSON after settling': 2,
  'redirect after settling': 2,
  'empty transaction after settling': 2,
  'wrong payer after settling': 2,
  'wrong network after settling': 2,
  'wrong amount after settling': 2,
  'wrong payer, never settled': 1,
  'pending without hash, never settled': 2,
  'pending without hash after settling': 2,
  'pending with hash after settling': 2,
  'pending without hash, settled late': 3,
  'refused, never settled': 2,
  'refused after settling': 2,
}

const LONGEST_SLOWNESS_MS = 7_000
const NO_ANSWER_MS = 12_000

const settling = z.object({
  paymentPayload: z.object({ payload: z.object({ authorization: z.object({ nonce: z.string(), from: z.string() }) }) }),
})
const settled = z.object({ success: z.literal(true), transaction: z.string() })

const PENDING = { success: false, errorReason: 'settlement_pending', network: 'eip155:84532' }
const REFUSED = { success: false, errorReason: 'insufficient_funds', transaction: '', network: 'eip155:84532' }
const SOMEBODY = '0x00000000000000000000000000000000deadbeef'

/** The hook for the facilitator. `lift` ends the faults; `idle` resolves when no settlement is under way any more. */
export function misbehave(random: Random, witness: Witness) {
  const attempts = new Map<string, number>()
  const underWay = new Set<Promise<FacilitatorReply>>()
  let lifted = false

  const hook: FacilitatorHook = async ({ path, body }, proceed) => {
    const call = settling.safeParse(body)
    if (path !== '/settle' || !call.success) return proceed()
    const nonce = call.data.paymentPayload.payload.authorization.nonce.toLowerCase()
    const attempt = attempts.get(nonce) ?? 0
    attempts.set(nonce, attempt + 1)
    const own = random.fork(`${nonce} ${attempt}`)
    const fault = lifted ? 'none' : own.weighed(FACILITATOR_FAULTS, 'none')
    if (fault !== 'none') witness.meet(nonce, fault)
    const settle = async () => {
      witness.begin(nonce)
      const run = proceed()
      underWay.add(run)
      return run.finally(() => underWay.delete(run))
    }
    if (fault === 'pending without hash, settled late') {
      void wait(own.between(500, LONGEST_SLOWNESS_MS)).then(settle)
      return { status: 200, body: { ...PENDING, transaction: '' } }
    }
    const before = await replyUnsettled(fault, own)
    if (before !== null) return before
    const reply = await settle()
    const paid = settled.safeParse(reply.body)
    if (paid.success) witness.known(nonce)
    if (paid.success && fault === 'refused after settling') witness.lie(nonce)
    return twist(fault, reply, paid.success ? paid.data.transaction : '', own)
  }
  return {
    hook,
    lift(): void {
      lifted = true
    },
    async idle(): Promise<void> {
      await wait(lifted ? LONGEST_SLOWNESS_MS : 0)
      while (underWay.size > 0) await Promise.allSettled([...underWay])
    },
  }
}

/** Faults that come before the real facilitator is asked; null where it is to be asked. */
async function replyUnsettled(fault: string, random: Random): Promise<HookReply | 'drop' | null> {
  switch (fault) {
    case 'connection dropped before settling':
      return 'drop'
    case '500 before settling':
      return { status: 500, body: { error: 'internal' } }
    case '503 page of a gateway before settling':
      return { status: 503, body: '<html>Service Unavailable</html>', headers: { 'content-type': 'text/html' } }
    case '429 before settling':
      return { status: 429, body: { error: 'too many requests' } }
    case 'no answer, never settled':
      await wait(NO_ANSWER_MS)
      return 'drop'
    case 'pending without hash, never settled':
      return { status: 200, body: { ...PENDING, transaction: '' } }
    case 'refused, never settled':
      return { status: 200, body: REFUSED }
    case 'wrong payer, never settled':
      return {
        status: 200,
        body: { success: true, transaction: random.hex(), network: 'eip155:84532', payer: SOMEBODY },
      }
    case 'slow before settling':
      await wait(random.between(500, LONGEST_SLOWNESS_MS))
      return null
    default:
      return null
  }
}

/** What becomes of the real facilitator's answer. */
async function twist(
  fault: string,
  reply: FacilitatorReply,
  transaction: string,
  random: Random,
): Promise<HookReply | 'drop'> {
  const changed = (change: object): HookReply => ({
    status: 200,
    body: { ...z.looseObject({}).parse(reply.body), ...change },
  })
  if (transaction === '') return reply
  switch (fault) {
    case 'connection dropped after settling':
      return 'drop'
    case '500 after settling':
      return { status: 500, body: { error: 'internal' } }
    case '503 page of a gateway after settling':
      return { status: 503, body: '<html>Service Unavailable</html>', headers: { 'content-type': 'text/html' } }
    case 'no answer, settled':
      await wait(NO_ANSWER_MS)
      return 'drop'
    case 'slow after settling':
      return { ...reply, delayMs: random.between(500, LONGEST_SLOWNESS_MS) }
    case 'HTML after settling':
      return { status: 200, body: '<html>Welcome</html>', headers: { 'content-type': 'text/html' } }
    case 'truncated JSON after settling':
      return { status: 200, body: JSON.stringify(reply.body).slice(0, 40) }
    case 'redirect after settling':
      return { status: 307, body: '', headers: { location: '/elsewhere' } }
    case 'empty transaction after settling':
      return changed({ transaction: '' })
    case 'wrong payer after settling':
      return changed({ payer: SOMEBODY })
    case 'wrong network after settling':
      return changed({ network: 'eip155:8453' })
    case 'wrong amount after settling':
      return changed({ amount: '1' })
    case 'pending without hash after settling':
      return { status: 200, body: { ...PENDING, transaction: '' } }
    case 'pending with hash after settling':
      return { status: 200, body: { ...PENDING, transaction } }
    case 'refused after settling':
      return { status: 200, body: REFUSED }
    default:
      return reply
  }
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
