// What goes wrong on purpose between the worker and the outside: a facilitator that misbehaves in front of the real one,
// and a proxy in front of the chain's RPC. Which fault a settlement meets follows from the seed and its nonce alone.
import * as z from 'zod'
import type { FacilitatorHook, FacilitatorReply, HookReply } from '../../dev/stack/facilitator.ts'
import type { Random } from './random.ts'

/** Counts faults by name, and remembers when a payment's outcome was first there to be known. */
export class Witness {
  readonly counts = new Map<string, number>()
  /** Milliseconds, by nonce: the real facilitator was asked to settle it for the first time. */
  readonly begunAt = new Map<string, number>()
  /** Milliseconds, by nonce: it was on the chain, for all to see. */
  readonly knownAt = new Map<string, number>()
  /** Names of the faults a nonce met. */
  readonly met = new Map<string, string[]>()

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
}

/**
 * One of each kind that changes what is on disk when a kill comes; every wording of a reply is the simulator's business.
 * `before`: nothing is settled. `after`: it is settled first. `late`: it is settled some seconds after the answer.
 */
const FACILITATOR_FAULTS = {
  none: 55,
  'connection dropped before settling': 5,
  'connection dropped after settling': 8,
  'no answer, never settled': 3,
  'no answer, settled': 4,
  'slow before settling': 6,
  'slow after settling': 6,
  'pending with hash after settling': 5,
  'pending without hash, settled late': 5,
  'refused, never settled': 3,
}

const LONGEST_SLOWNESS_MS = 7_000
const NO_ANSWER_MS = 12_000

const settling = z.object({
  paymentPayload: z.object({ payload: z.object({ authorization: z.object({ nonce: z.string(), from: z.string() }) }) }),
})
const settled = z.object({ success: z.literal(true), transaction: z.string() })

const PENDING = { success: false, errorReason: 'settlement_pending', network: 'eip155:84532' }
const REFUSED = { success: false, errorReason: 'insufficient_funds', transaction: '', network: 'eip155:84532' }

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
    return paid.success ? twist(fault, reply, paid.data.transaction, own) : reply
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
    case 'no answer, never settled':
      await wait(NO_ANSWER_MS)
      return 'drop'
    case 'refused, never settled':
      return { status: 200, body: REFUSED }
    case 'slow before settling':
      await wait(random.between(500, LONGEST_SLOWNESS_MS))
      return null
    default:
      return null
  }
}

/** What becomes of the real facilitator's success. */
async function twist(
  fault: string,
  reply: FacilitatorReply,
  transaction: string,
  random: Random,
): Promise<HookReply | 'drop'> {
  switch (fault) {
    case 'connection dropped after settling':
      return 'drop'
    case 'no answer, settled':
      await wait(NO_ANSWER_MS)
      return 'drop'
    case 'slow after settling':
      return { ...reply, delayMs: random.between(500, LONGEST_SLOWNESS_MS) }
    case 'pending with hash after settling':
      return { status: 200, body: { ...PENDING, transaction } }
    default:
      return reply
  }
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
