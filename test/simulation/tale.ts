// A directed story: one payer, honest parts unless the story says otherwise, and at the end the same calm and the same
// judge as in the histories.

import { paidBy, unrest } from './cases.ts'
import type { Chain } from './chain.ts'
import { run } from './clock.ts'
import type { Facilitator } from './facilitator.ts'
import { createJudge, type Judge } from './judge.ts'
import type { EvmOrder, Order, PermitOrder, Product, Signing, SolanaOrder } from './orders.ts'
import type { Rpc } from './rpc.ts'
import { type SolanaSigning, signOnSolana, solanaReader } from './solana-orders.ts'
import { chainOf, createStage, rowsOf, rpcOf, type Stage, type StageOptions } from './stage.ts'
import { type Answer, ask, sign, signPermit, type Visit } from './worker.ts'

export const BASE = 'eip155:8453'
export const POLYGON = 'eip155:137'
export const SOLANA_PAYER = solanaReader(0)
export const PAYER = `0x${'a1'.repeat(20)}` as const

export type Tale = {
  stage: Stage
  judge: Judge
  chain: Chain
  rpc: Rpc
  first: Facilitator
  second: Facilitator
  /** A payment on Base, unless it says otherwise. */
  sign(product: Product, signing?: Partial<Signing>): EvmOrder
  /** The same by Permit2. */
  signPermit(product: Product, signing?: Partial<Parameters<typeof signPermit>[1]>): PermitOrder
  /** A payment on Solana, of the one reader there. */
  signOnSolana(product: Product, signing?: Partial<SolanaSigning>): SolanaOrder
  ask(order: Order, visit?: Visit): Promise<Answer>
  wait(ms: number): Promise<void>
  /** How often a payment, or any, came to a facilitator. */
  sent(order?: Order): number
  isPaid(order: Order): boolean
  row(order: Order): Record<string, unknown> | undefined
  entries(order: Order): Record<string, unknown>[]
}

export type TaleOptions = Partial<StageOptions> & {
  /** How long is waited before everything has to be in order (milliseconds); null: it is not looked at. */
  calmMs?: number | null
  /** Where everything that was paid is asked for once more. */
  collects?: boolean
}

/** Windows of 15 minutes at most, and two searches ten minutes apart. */
const CALM_MS = 3_000_000

/** Plays a story. What the judge has to say of it. */
export async function tell(
  name: string,
  act: (tale: Tale) => Promise<void>,
  options: TaleOptions = {},
): Promise<string[]> {
  const { calmMs = CALM_MS, collects = true, ...given } = options
  const stage = createStage({ seed: name, ...given })
  const { world, facilitators, ledger } = stage
  const judge = createJudge(stage)
  const [first, second = facilitators[0]] = facilitators
  if (!first || !second) throw new Error('a stage has a facilitator')
  for (const chain of stage.chains.values()) chain.fund(PAYER, 10n ** 12n)
  stage.solana.chain.fund(SOLANA_PAYER.source, 10n ** 12n)
  const tale: Tale = {
    stage,
    judge,
    chain: chainOf(stage, BASE),
    rpc: rpcOf(stage, BASE),
    first,
    second,
    sign(product, signing = {}) {
      const order = sign(stage, { from: PAYER, network: BASE, product, ...signing })
      judge.caseOf(order)
      return order
    },
    signPermit(product, signing = {}) {
      const order = signPermit(stage, { from: PAYER, network: BASE, product, ...signing })
      judge.caseOf(order)
      return order
    },
    signOnSolana(product, signing = {}) {
      const order = signOnSolana(world, stage.solana.chain, { reader: SOLANA_PAYER, product, ...signing })
      judge.caseOf(order)
      return order
    },
    ask: (order, visit = {}) => ask(stage, order, visit, judge),
    wait: (ms) => world.wait(ms),
    sent: (order) =>
      facilitators.flatMap(({ settles }) => settles).filter(({ mark }) => !order || mark === order.mark).length,
    isPaid: (order) => paidBy(stage, order) !== null,
    row: (order) => rowsOf(stage, order.from).find(({ key }) => key === order.key),
    entries: ({ key }) => ledger.read('SELECT * FROM payments WHERE id = ?', key),
  }
  await run(world, async () => {
    await act(tale)
    if (calmMs === null) return
    await world.wait(calmMs)
    if (collects) await judge.collect()
    await world.wait(120_000)
    judge.weigh(true)
    judge.problems.push(...unrest(stage, PAYER), ...unrest(stage, SOLANA_PAYER.address))
  })
  return judge.problems
}
