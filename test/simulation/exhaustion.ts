// One purchase, and a fault at each of its steps in turn, then at pairs of them: a crash, a lost reply, an error, the
// death of the worker. Whatever it is, the reader who asks again gets the content and pays once.

import { paidBy, unrest } from './cases.ts'
import { run } from './clock.ts'
import type { Settling } from './facilitator.ts'
import { createJudge } from './judge.ts'
import { job, type Order, type Product, pass, single } from './orders.ts'
import { signOnSolana } from './solana-orders.ts'
import { createStage, knobsOf, type Stage } from './stage.ts'
import { BASE, PAYER, SOLANA_PAYER } from './tale.ts'
import { type Answer, ask, sign, type Visit } from './worker.ts'

export type Purchase = {
  name: string
  product: Product
  isKnown?: boolean
  identifier?: string
  isLost?: boolean
  isOnSolana?: boolean
}
export type Mishap = 'crash' | 'crash behind a commit' | 'reply lost' | 'error' | 'worker dies'
export type At = { step: number; mishap: Mishap }

export const PURCHASES: readonly Purchase[] = [
  { name: 'by a known payer', product: single(), isKnown: true },
  { name: 'by a new payer', product: single() },
  { name: 'of a pass', product: pass() },
  { name: 'upfront', product: job() },
  { name: 'with an identifier', product: single(), identifier: 'a-name-of-sixteen' },
  { name: 'whose reply is lost', product: single(), isLost: true },
  { name: 'on Solana', product: single(), isOnSolana: true },
  { name: 'on Solana, whose reply is lost', product: single(), isOnSolana: true, isLost: true },
]
export const MISHAPS: readonly Mishap[] = ['crash', 'crash behind a commit', 'reply lost', 'error', 'worker dies']

/** Asking again, as a reader does: this often, this long apart. */
const MOST_ASKED = 6
const PAUSE_MS = 5_000
/** Until the ledger has it, and the object sleeps. */
const AFTER_MS = 90_000
const CALM_MS = 3_000_000
/** A purchase has a hundred steps; more than this are an alarm that rings without end. */
const MOST_STEPS = 20_000

export type Ending = { problems: string[] /** Steps of the purchase. */; steps: number }

/** Plays a purchase with mishaps at some of its steps, counted from its beginning. */
export async function playPurchase(purchase: Purchase, mishaps: readonly At[]): Promise<Ending> {
  const stage = createStage({ seed: purchase.name })
  const { world, facilitators, ledger } = stage
  const judge = createJudge(stage)
  for (const chain of stage.chains.values()) chain.fund(PAYER, 10n ** 12n)
  stage.solana.chain.fund(SOLANA_PAYER.source, 10n ** 12n)
  let steps = 0
  let order: Order | null = null
  try {
    await run(
      world,
      async () => {
        if (purchase.isKnown) await ask(stage, known(stage, judge.caseOf), {}, judge)
        await world.wait(2_000)
        const { product, identifier = null } = purchase
        const mine = purchase.isOnSolana
          ? signOnSolana(world, stage.solana.chain, { reader: SOLANA_PAYER, product, identifier })
          : sign(stage, { from: PAYER, network: BASE, product, identifier })
        order = mine
        judge.caseOf(mine)
        const [first] = facilitators
        if (purchase.isLost && first) {
          const isLost = ({ number }: { number: number }): Settling => (number > 1 ? { kind: 'honest' } : LOST)
          Object.assign(first, { settling: isLost, settlingMessage: isLost })
        }
        const before = world.steps
        const visit = befall(stage, mishaps, before)
        let answer: Answer = { kind: 'nothing' }
        for (let i = 0; i < MOST_ASKED && answer.kind !== 'content'; i++) {
          answer = await ask(stage, mine, visit, judge)
          if (answer.kind !== 'content') await world.wait(PAUSE_MS)
        }
        if (answer.kind !== 'content') judge.problems.push(`no content: ${JSON.stringify(answer)}`)
        await world.wait(AFTER_MS)
        steps = world.steps - before
        world.beforeStep = null
        await world.wait(CALM_MS)
        await judge.collect()
        await world.wait(AFTER_MS)
        judge.weigh(true)
        judge.problems.push(...unrest(stage, mine.from))
        if (!paidBy(stage, mine)) judge.problems.push('never paid')
        const { length } = ledger.read('SELECT 1 FROM payments')
        if (length !== (purchase.isKnown ? 2 : 1)) judge.problems.push(`${length} entries in the ledger`)
      },
      MOST_STEPS,
    )
  } catch (fault) {
    judge.problems.push(`the story broke off: ${fault instanceof Error ? fault.stack : String(fault)}`)
  }
  if (order === null) judge.problems.push('nothing was bought')
  return { problems: judge.problems, steps }
}

const LOST = { kind: 'settles, but', reply: 'lost' } as const

/** Something bought before, so that the payer is known. */
function known(stage: Stage, caseOf: (order: Order) => unknown): Order {
  const order = sign(stage, { from: PAYER, network: BASE, product: single('/a/before') })
  caseOf(order)
  return order
}

/** Lets mishaps happen at their steps. The worker of a visit dies with the mishap that says so. */
function befall(stage: Stage, mishaps: readonly At[], before: number): Visit {
  const { world, facilitators, ledger, objects } = stage
  const providers = knobsOf(stage)
  /** The next reply of any service is lost, or an error. */
  let next: 'reply lost' | 'error' | null = null
  const take = () => {
    const taken = next
    next = null
    for (const knobs of providers) knobs.state = 'up'
    return taken
  }
  for (const facilitator of facilitators) {
    const { settling, settlingMessage } = facilitator
    const befallen = (honest: () => Settling): Settling => {
      const taken = take()
      if (taken === 'reply lost') return LOST
      return taken === 'error' ? { kind: 'nothing', reply: { status: 502 } } : honest()
    }
    facilitator.settling = (call) => befallen(() => settling(call))
    facilitator.settlingMessage = (call) => befallen(() => settlingMessage(call))
  }
  ledger.behave = () => {
    const taken = take()
    return taken === 'reply lost' ? 'reply lost' : taken === 'error' ? 'refused' : 'honest'
  }
  let kill: (() => void) | null = null
  world.beforeStep = (step, label) => {
    // An RPC is asked the next time: it has lost this one.
    if (next !== null && label.startsWith('back:') && label.includes('rpc-')) take()
    for (const { step: at, mishap } of mishaps) {
      if (step !== before + at) continue
      if (mishap === 'crash') for (const name of objects.names()) objects.crash(name)
      else if (mishap === 'crash behind a commit') {
        for (const name of objects.names()) objects.crash(name, { keeps: 1, isRetryable: false })
      } else if (mishap === 'worker dies') kill?.()
      else {
        next = mishap
        for (const knobs of providers) knobs.state = mishap === 'error' ? 'page' : 'lost'
      }
    }
  }
  return {
    whoDies: (end) => {
      kill = end
    },
  }
}

/** Every step of a purchase, with every mishap. */
export async function exhaust(
  purchase: Purchase,
  mishaps = MISHAPS,
): Promise<{ bad: string[]; runs: number; steps: number }> {
  const bad: string[] = []
  let runs = 0
  let longest = 0
  for (const mishap of mishaps) {
    for (let step = 1; ; step++) {
      const { problems, steps } = await playPurchase(purchase, [{ step, mishap }])
      runs += 1
      longest = Math.max(longest, steps)
      if (problems.length > 0) bad.push(`${mishap} at ${step}: ${problems.join('; ')}`)
      if (step > steps) break
    }
  }
  return { bad, runs, steps: longest }
}

/** Pairs of mishaps: all, or so many of them evenly. */
export async function exhaustPairs(purchase: Purchase, most: number): Promise<{ bad: string[]; runs: number }> {
  const { steps } = await playPurchase(purchase, [])
  const count = steps * MISHAPS.length
  const all = count * count
  // Half of them are the other half the other way round. Odd, and not a divisor, so that every kind comes up.
  const stride = Math.max(1, Math.floor(all / (2 * most))) | 1
  const bad: string[] = []
  let runs = 0
  const at = (i: number): At => ({
    step: 1 + Math.floor(i / MISHAPS.length),
    mishap: MISHAPS[i % MISHAPS.length] ?? 'crash',
  })
  for (let i = 0; i < all; i += stride) {
    const pair = [at(Math.floor(i / count)), at(i % count)]
    if ((pair[0]?.step ?? 0) >= (pair[1]?.step ?? 0)) continue
    const { problems } = await playPurchase(purchase, pair)
    runs += 1
    if (problems.length > 0) bad.push(`${JSON.stringify(pair)}: ${problems.join('; ')}`)
  }
  return { bad, runs }
}
