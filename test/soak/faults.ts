// What goes wrong on purpose between the worker and the outside: which faults of the facilitator and of the chain's RPC are
// met, how often and how late. Which one a settlement meets follows from the seed and its nonce alone.
import * as z from 'zod'
import type { FacilitatorHook, FacilitatorReply } from '../../dev/stack/facilitator.ts'
import { FAULTS, type Fault, type FaultName, HONEST, stage } from '../world/behaviour.ts'
import type { Rpc, RpcFault } from '../world/rpc.ts'
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
 * How often each comes up: one of each kind that changes what is on disk when a kill comes; every wording of a reply is the
 * simulator's business.
 */
const WEIGHTS = {
  'settles and says so': 55,
  'drops the connection, never settled': 5,
  'drops the connection, settled, then answered': 8,
  'never answers, never settled': 3,
  'never answers, settled, then answered': 4,
  'settles late': 6,
  'settles, and says so late': 6,
  'says settlement_pending with a hash, settled, then answered': 5,
  'says settlement_pending without a hash, answered, then settled': 5,
  'says insufficient_funds, never settled': 3,
} satisfies Partial<Record<FaultName | (typeof LATE)[number], number>>
const LATE = ['settles late', 'settles, and says so late'] as const
const WEATHER = { fine: 70, 'is down': 20, 'is slow': 10 } satisfies Partial<Record<RpcFault | 'fine', number>>

const LONGEST_SLOWNESS_MS = 7_000
/** Where nothing is answered, the connection ends then. */
const NO_ANSWER_MS = 12_000

/** A fault by its weight, as late as chance has it. */
function draw(random: Random): Fault {
  const name = random.weighed(WEIGHTS, 'settles and says so')
  const ms = random.between(500, LONGEST_SLOWNESS_MS)
  if (name === 'settles late') return { ...HONEST, name, waitMs: ms }
  if (name === 'settles, and says so late') return { ...HONEST, name, delayMs: ms }
  const found = FAULTS.find((fault) => fault.name === name) ?? HONEST
  return { ...found, delayMs: found.point === 'answered, then settled' ? ms : 0 }
}

const settling = z.object({
  paymentPayload: z.object({ payload: z.object({ authorization: z.object({ nonce: z.string() }) }) }),
})
const success = z.object({ success: z.literal(true) })
const isPaid = (reply: FacilitatorReply): boolean => success.safeParse(reply.body).success

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
    const fault = lifted ? HONEST : draw(random.fork(`${nonce} ${attempt}`))
    if (fault.name !== HONEST.name) witness.meet(nonce, fault.name)
    const settle = async () => {
      witness.begin(nonce)
      const run = proceed()
      underWay.add(run)
      const reply = await run.finally(() => underWay.delete(run))
      if (isPaid(reply)) witness.known(nonce)
      return reply
    }
    // What the real facilitator refuses is refused.
    const reply: Fault['reply'] = async (settled) => (settled && !isPaid(settled) ? settled : fault.reply(settled))
    const { behaviour } = stage({ ...fault, reply })
    return Promise.race([behaviour(settle), wait(NO_ANSWER_MS).then(() => 'drop' as const)])
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

/** Now and then the RPC is down or slow. */
export async function changeWeather(rpc: Rpc, random: Random, goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    const weather = random.weighed(WEATHER, 'fine')
    await rpc.set(weather === 'fine' ? null : weather)
    await wait(random.between(800, 4_000))
  }
  await rpc.set(null)
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
