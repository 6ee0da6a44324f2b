// What goes wrong in a history, from outside: objects die, chains think again, wallets are clever. And how all is well again.
import type { Call, Chain } from './chain.ts'
import type { Judge } from './judge.ts'
import type { Random } from './random.ts'
import type { RpcKnobs } from './rpc.ts'
import type { SolanaChain } from './solana-chain.ts'
import type { SolanaKnobs } from './solana-rpc.ts'
import { chainOf, type Stage } from './stage.ts'

export function healRpc(knobs: RpcKnobs): void {
  knobs.state = 'up'
  knobs.lags = [0]
  knobs.splitsBatches = false
  knobs.dropsLogs = false
  // With ten blocks a query the end of a long search is hours away.
  knobs.mostBlocks = Math.max(knobs.mostBlocks, 1_000)
}

export function healSolana(knobs: SolanaKnobs): void {
  knobs.state = 'up'
  knobs.lags = [0]
  knobs.hasNoTimes = false
  knobs.leavesOutMemos = false
  knobs.keepsSlots = Number.POSITIVE_INFINITY
}

export function heal(stage: Stage): void {
  for (const { knobs } of stage.rpcs.values()) healRpc(knobs)
  healSolana(stage.solana.rpc.knobs)
  for (const facilitator of stage.facilitators) {
    facilitator.state = 'up'
    facilitator.settling = () => ({ kind: 'honest' })
    facilitator.settlingPermit = () => ({ kind: 'honest' })
    facilitator.settlingMessage = () => ({ kind: 'honest' })
  }
  stage.ledger.behave = () => 'honest'
  stage.world.beforeStep = null
}

export function crashAll(stage: Stage, random: Random): void {
  for (const name of stage.objects.names()) {
    stage.objects.crash(name, { isRetryable: random.chance(0.6), keeps: random.between(0, 2) })
  }
}

/** Drops a few of the last blocks, less than 20 s of them. */
export function reorganise(chain: Chain, judge: Judge, random: Random): void {
  judge.weigh(false)
  judge.reorganises()
  const depth = random.between(1, Math.max(1, Math.floor(16_000 / chain.blockMs)))
  const head = chain.headNumber()
  chain.reorganise(depth, (_, block) => (random.chance(0.2) ? 'pool' : Math.min(head, block + random.between(-2, 2))))
}

/** The same, of slots that were not finalized; what was in them may be gone for good. */
export function reorganiseSolana(chain: SolanaChain, judge: Judge, random: Random): void {
  judge.weigh(false)
  judge.reorganises()
  const head = chain.headNumber()
  chain.reorganise(random.between(1, 31), (_, slot) =>
    random.pick([slot, 'pool' as const, 'pool' as const, 'lost' as const, Math.min(head, slot + random.between(0, 3))]),
  )
}

/** Its signer, or a stranger who saw it, sends a payment to the chain, or its signer cancels it. */
export function sendPast(stage: Stage, judge: Judge, random: Random): void {
  const all = [...judge.cases.values()]
  const one = all[random.between(0, Math.max(0, all.length - 1))]
  if (!one) return
  one.isExcused = true
  // Only its facilitator can send a message of Solana, for whomever.
  if (one.order.kind === 'svm') {
    stage.solana.chain.send(one.order.mark)
    return
  }
  if (one.order.kind === 'permit2') {
    const { network, permit } = one.order
    const { from, nonce } = permit
    const calls: readonly [Call, ...Call[]] = [
      { kind: 'permit', permit },
      { kind: 'permit', permit, isWrapped: true },
      { kind: 'spend', from, nonce },
    ]
    chainOf(stage, network).send([random.pick(calls)])
    return
  }
  const { network, authorization } = one.order
  const { from, nonce } = authorization
  chainOf(stage, network).send([random.chance(0.7) ? { kind: 'pay', authorization } : { kind: 'cancel', from, nonce }])
}

/** One transaction pays one of somebody's payments, and spends the nonces of the others on nothing. */
export function beClever(stage: Stage, judge: Judge, network: string, random: Random): void {
  const mine = [...judge.cases.values()].flatMap((one) =>
    one.order.kind === 'eip3009' && one.order.network === network
      ? [{ authorization: one.order.authorization, one }]
      : [],
  )
  const paid = random.between(0, Math.max(0, mine.length - 1))
  const chain = chainOf(stage, network)
  const calls = mine.map(({ one, authorization }, i) => {
    one.isExcused = true
    if (i === paid) return { kind: 'pay' as const, authorization, isTry: true }
    const nothing = { ...authorization, to: authorization.from, value: 0n }
    chain.authorize(nothing)
    return { kind: 'pay' as const, authorization: nothing, isTry: true }
  })
  if (calls.length > 0) chain.send(random.chance(0.5) ? calls : calls.reverse())
}
