// One history from one seed: a payer or two, a few payments for overlapping things, faults of everything, then calm.
// The plan is drawn before anything happens, so that a change of the code under test changes no plan.

import { unrest } from './cases.ts'
import { permitMark } from './chain.ts'
import { run } from './clock.ts'
import type { Settling } from './facilitator.ts'
import { crashAll, heal } from './faults.ts'
import { createJudge, type Judge } from './judge.ts'
import { month, NETWORKS, type Order, type Product, single } from './orders.ts'
import {
  drawMessageSettling,
  drawPermitSettling,
  drawPlan,
  drawSettling,
  FAULTS_MS,
  type Plan,
  type Reader,
} from './plan.ts'
import type { Random } from './random.ts'
import { signOnSolana, solanaReader } from './solana-orders.ts'
import { createStage, objectOf, rowsOf, type Stage } from './stage.ts'
import { type Answer, ask, sign, signPermit } from './worker.ts'

export type Outcome = {
  seed: string
  problems: string[]
  hash: string
  steps: number
  lines: string[] | null
  counts: Counts
}
export type Counts = { payments: number; sent: number; paid: number; served: number; lasting: number }

/** After it everything that was begun has come to an end: windows of 15 minutes, and two searches ten minutes apart. */
const CALM_MS = 3_000_000
/** A history has some hundred steps; more than this are an alarm that rings without end. */
const MOST_STEPS = 20_000
/** Everything is forgotten: what is asked for by an identifier is kept for 30 days, and access for as long. */
const FORGOTTEN_MS = 75 * 86_400_000

export async function playHistory(seed: string, keepsLines = false): Promise<Outcome> {
  const plan = drawPlan(seed)
  const stage = createStage({
    seed,
    keepsLines,
    blockMs: { 'eip155:137': plan.quickMs },
    facilitators: plan.facilitators,
  })
  const { world } = stage
  const judge = createJudge(stage)
  for (const [i, funds] of plan.payers.entries()) {
    for (const chain of stage.chains.values()) chain.fund(payerOf(i), funds)
    stage.solana.chain.fund(solanaReader(i).source, funds)
  }
  for (const facilitator of stage.facilitators) facilitator.memory = plan.memory
  const payers = plan.payers.map((_, i) => (plan.onSolana[i] ? solanaReader(i).address : payerOf(i)))
  try {
    await run(
      world,
      async () => {
        const random = world.random.fork('story')
        for (const fault of plan.faults) world.after(fault.atMs, fault.name, () => fault.act(stage, judge))
        crashSometimes(stage, plan, random)
        settleBadly(stage, judge, plan, random)
        const readers = plan.readers.map((reader) =>
          read(stage, judge, signerOf(stage, plan, reader, random), reader, random),
        )
        await world.wait(FAULTS_MS)
        heal(stage)
        await Promise.all(readers)
        judge.weigh(false)
        await world.wait(CALM_MS)
        await judge.collect()
        await world.wait(120_000)
        judge.weigh(true)
        for (const payer of payers) judge.problems.push(...unrest(stage, payer))
        await world.wait(FORGOTTEN_MS)
        for (const payer of payers) {
          const left = rowsOf(stage, payer)
          if (left.length > 0) judge.problems.push(`never forgotten: ${left.length} rows`)
          const name = objectOf(payer)
          if (stage.objects.names().includes(name) && stage.objects.disk(name).armedMs() !== null) {
            judge.problems.push('the alarm goes on and on')
          }
        }
        if (stage.objects.counts.alarms > 400) judge.problems.push(`${stage.objects.counts.alarms} alarms`)
      },
      MOST_STEPS,
    )
  } catch (fault) {
    judge.problems.push(`the story broke off: ${fault instanceof Error ? fault.stack : String(fault)}`)
  }
  const all = [...judge.cases.values()]
  return {
    seed,
    problems: judge.problems,
    hash: world.hash(),
    steps: world.steps,
    lines: world.lines,
    counts: {
      payments: all.length,
      sent: all.filter(({ reachedMs }) => reachedMs !== null).length,
      paid: all.filter(({ paidMs }) => paidMs !== null).length,
      served: all.filter(({ grants }) => grants.length > 0).length,
      lasting: all.filter(({ order }) => order.product.accessSeconds > 0).length,
    },
  }
}

const payerOf = (i: number): `0x${string}` => `0x${(0xa1 + i).toString(16).repeat(20)}`

type Signer = (product: Product, network: string, identifier: string | null) => Order

/** How a reader signs: with a key of one kind of network, never of two. */
function signerOf(stage: Stage, plan: Plan, reader: Reader, random: Random): Signer {
  const { payer, windowSeconds, owner } = reader
  if (!plan.onSolana[payer]) {
    const from = payerOf(payer)
    const signOne = reader.byPermit ? signPermit : sign
    return (product, network, identifier) =>
      signOne(stage, { from, network, product, windowSeconds, owner, identifier })
  }
  const draw = random.fork(`signatures ${reader.startMs}`)
  const urls = stage.facilitators.map(({ url }) => url)
  return (product, _, identifier) =>
    signOnSolana(stage.world, stage.solana.chain, {
      reader: solanaReader(payer),
      product,
      windowSeconds,
      identifier,
      facilitator: urls[draw.between(0, urls.length - 1)] ?? '',
      ageBlocks: draw.pick([0, 5, 60]),
    })
}

/** One reader: asks, and goes on as the answers are, until the content is there or patience is over. */
async function read(stage: Stage, judge: Judge, signer: Signer, reader: Reader, random: Random): Promise<void> {
  const { world } = stage
  await world.wait(reader.startMs)
  let { product, network } = reader
  const { identifier } = reader
  const signAnew = (): Order => {
    const order = signer(product, network, identifier && `${identifier}-${random.hex(4)}`)
    judge.caseOf(order)
    return order
  }
  let order = signAnew()
  let at: string | undefined
  for (const [i, visit] of reader.visits.entries()) {
    const copies = i === 0 ? reader.copies : 1
    const answers: Answer[] = await Promise.all(
      Array.from({ length: copies }, (_, n) =>
        ask(stage, order, { ...(n === 0 ? visit : {}), ...(at ? { at } : {}) }, judge),
      ),
    )
    at = undefined
    const mood = reader.moods[i]
    const isServed = answers.some((answer) => answer.kind === 'content' && answer.isWhole)
    if (isServed && mood !== 'other page' && mood !== 'more' && mood !== 'anew') return
    await world.wait(reader.pausesMs[i] ?? 0)
    switch (mood) {
      case 'away':
        return
      case 'anew':
        order = signAnew()
        break
      case 'more':
        product = product.method === 'POST' ? product : month(product.path)
        order = signAnew()
        break
      case 'less':
        product = product.method === 'POST' ? product : single(product.path)
        order = signAnew()
        break
      case 'elsewhere':
        network = NETWORKS.find((other) => other !== network) ?? network
        order = signAnew()
        break
      case 'other page':
        // What was never claimed may still be shown for the first time anywhere.
        if (product.method === 'GET' && rowsOf(stage, order.from).some(({ key }) => key === order.key)) at = '/a/3'
        break
      default: {
        // A refusal that asks for another signature gets one.
        const isRefused = answers.every((answer) => answer.kind === 'refused' && !isPatience(answer.refusal.code))
        if (isRefused) order = signAnew()
      }
    }
  }
}

const isPatience = (code: string) =>
  /^(?:settlement_pending|payment_in_progress|facilitator_unavailable|unavailable|too_many_requests)$/.test(code)

/** At the turn of any step an object may die. */
function crashSometimes(stage: Stage, { badness }: Plan, random: Random): void {
  if (badness.crash === 0) return
  const draw = random.fork('crashes')
  stage.world.beforeStep = (_, label) => {
    if (label.includes('rests') || !draw.chance(badness.crash)) return
    crashAll(stage, draw)
  }
}

/** How settlements and the ledger go, call by call. */
function settleBadly(stage: Stage, judge: Judge, { badness }: Plan, random: Random): void {
  const draw = random.fork('settlements')
  const permits = random.fork('settlements of permits')
  for (const facilitator of stage.facilitators) {
    facilitator.settling = ({ authorization, chain }) => {
      if (!draw.chance(badness.settle)) return { kind: 'honest', afterMs: draw.pick([0, 0, 5_000]) }
      const paid = rowsOf(stage, authorization.from).find(
        (row) => row.status === 'settled' && row.network === chain.network,
      )
      const isClaimed = draw.chance(0.1)
      // Another payment's transaction: that is not believed, so it needs no excuse.
      const how: Settling = isClaimed && paid ? { kind: 'claims', transaction: String(paid.tx) } : drawSettling(draw)
      const lies = how.kind === 'refuses' && how.settlesAfterMs !== undefined
      const one = [...judge.cases.values()].find(({ order }) => order.mark === authorization.nonce)
      if (one && lies) one.isExcused = true
      const isTurnedAway = how.kind === 'nothing' && typeof how.reply === 'object' && how.reply.status === 429
      if (one && isTurnedAway) judge.turnedAway(one)
      // It may be wrong about what is to come: then its word was a lie.
      if (one && how.kind === 'answers before it settles') one.isWord = true
      return how
    }
    facilitator.settlingPermit = ({ permit, chain }) => {
      const mark = permitMark(permit.nonce)
      if (!permits.chance(badness.settle)) return { kind: 'honest', afterMs: permits.pick([0, 0, 5_000]) }
      const how = drawPermitSettling(permits)
      const one = [...judge.cases.values()].find(({ order }) => order.mark === mark && order.network === chain.network)
      const lies = how.kind === 'refuses' && how.settlesAfterMs !== undefined
      if (one && lies && how.reason === 'insufficient_funds') one.isExcused = true
      const isTurnedAway = how.kind === 'nothing' && typeof how.reply === 'object' && how.reply.status === 429
      if (one && isTurnedAway) judge.turnedAway(one)
      if (one && how.kind === 'answers before it settles') one.isWord = true
      return how
    }
    facilitator.settlingMessage = ({ message }) => {
      if (!draw.chance(badness.settle)) return { kind: 'honest', afterMs: draw.pick([0, 0, 5_000]) }
      const how = drawMessageSettling(draw)
      const one = [...judge.cases.values()].find(({ order }) => order.mark === message)
      const lies = how.kind === 'refuses' && how.settlesAfterMs !== undefined
      if (one && lies && how.reason === 'insufficient_funds') one.isExcused = true
      const isTurnedAway = how.kind === 'nothing' && typeof how.reply === 'object' && how.reply.status === 429
      if (one && isTurnedAway) judge.turnedAway(one)
      if (one && how.kind === 'answers before it settles') one.isWord = true
      return how
    }
  }
  const entries = random.fork('ledger')
  stage.ledger.behave = () =>
    entries.chance(badness.ledger)
      ? entries.pick(['refused', 'hangs', 'reply lost', 'hangs after it stored'] as const)
      : 'honest'
}
