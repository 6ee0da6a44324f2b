// The state machine in a simulated world: a chain that knows the truth, a facilitator that settles or not and answers
// anything, an RPC that may not answer, a reader who retries, and a crash after any step, which loses all but the state.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SettleReply } from '../../src/facilitator.ts'
import type { Truth } from '../../src/payer/reconcile.ts'
import { type Redemption, type RedemptionEvent, step } from '../../src/payer/redemption.ts'

const OURS = `0x${'a'.repeat(64)}`
const THEIRS = `0x${'b'.repeat(64)}`

/** What the chain knows of the authorization. */
type Chain = 'unused' | 'paid us' | 'spent otherwise' | 'used before'

/** What may happen next. What is impossible at the time does nothing. */
type Move =
  /** It is handed to a facilitator, which settles or not, and tells: see `told`. */
  | { kind: 'send'; settles: 'now' | 'later' | 'never'; tells: SettleReply['kind']; answers: boolean }
  /** A settlement that was under way lands. */
  | { kind: 'land' }
  /** Somebody else spends it, or takes it back. */
  | { kind: 'preempt'; pays: boolean }
  | { kind: 'ask'; answers: boolean }
  | { kind: 'window ends' }
  | { kind: 'reader retries' }
  | { kind: 'give up' }
  /** Only what was stored is left. The reply under way is lost. */
  | { kind: 'crash' }

type World = {
  state: Redemption
  chain: Chain
  isOver: boolean
  /** Somebody else broadcast it: a refusal that comes after that is no truth either. */
  byStranger: boolean
  /** Sendings that a facilitator has and may still land. */
  underWay: number
  /** A reply that has left the facilitator and has not been heard, and whether it refuses what it lets land. */
  reply: { said: SettleReply; isLie: boolean } | null
  /** Somebody said for certain what was not so. An earlier sending may land without making a later refusal a lie. */
  liedAboutRefusal: boolean
  liedAboutSuccess: boolean
  sends: number
  sendsAfterSettled: number
}

const begin = (chain: Chain): World => ({
  state: { status: 'claimed' },
  chain,
  isOver: false,
  byStranger: false,
  underWay: 0,
  reply: null,
  liedAboutRefusal: false,
  liedAboutSuccess: false,
  sends: 0,
  sendsAfterSettled: 0,
})

const apply = (world: World, event: RedemptionEvent): World => ({ ...world, state: step(world.state, event) })

/** What the chain says. It keeps its word: `expired` only of what cannot land any more. */
function truthOf({ chain, isOver }: World): Truth {
  if (chain === 'paid us') return { kind: 'settled', transaction: OURS }
  if (chain === 'used before') return { kind: 'used_before', transaction: THEIRS }
  if (chain === 'spent otherwise') return { kind: 'spent_otherwise' }
  return { kind: isOver ? 'expired' : 'unused' }
}

function told(tells: SettleReply['kind']): SettleReply {
  if (tells === 'settled') return { kind: 'settled', transaction: OURS }
  if (tells === 'refused') return { kind: 'refused', reason: 'insufficient_funds' }
  return { kind: tells }
}

const land = (world: World): World =>
  world.chain === 'unused' && !world.isOver && world.underWay > 0 ? { ...world, chain: 'paid us' } : world

/** The driver sends only what the machine says is being settled, as the payer's object does. */
function send(before: World, { settles, tells, answers }: Extract<Move, { kind: 'send' }>): World {
  if (before.reply !== null || before.isOver) return before
  const sending = apply(before, { kind: 'send' })
  if (sending.state.status !== 'settling' || before.state.status === 'settling') {
    return before.state.status === 'settled' && sending.state !== before.state
      ? { ...sending, sendsAfterSettled: before.sendsAfterSettled + 1 }
      : before
  }
  const sent = { ...sending, sends: before.sends + 1, underWay: before.underWay + (settles === 'never' ? 0 : 1) }
  const world = settles === 'now' ? land(sent) : sent
  const isLie = tells === 'refused' && settles !== 'never'
  return { ...world, reply: answers ? { said: told(tells), isLie } : null }
}

/** A reply is heard at the time it comes, with whatever is true by then. */
function hear(world: World): World {
  const { reply } = world
  if (reply === null) return world
  const heard = { ...apply(world, { kind: 'reply', reply: reply.said }), reply: null }
  const isClaimed = heard.state.status === 'settled' && reply.said.kind === 'settled'
  return {
    ...heard,
    liedAboutRefusal: world.liedAboutRefusal || reply.isLie || (reply.said.kind === 'refused' && world.byStranger),
    liedAboutSuccess: world.liedAboutSuccess || (isClaimed && world.chain !== 'paid us'),
  }
}

function move(world: World, next: Move): World {
  switch (next.kind) {
    case 'send':
      return send(world, next)
    case 'land':
      return land(world)
    case 'preempt':
      if (world.chain !== 'unused' || world.isOver) return world
      return next.pays ? { ...world, chain: 'paid us', byStranger: true } : { ...world, chain: 'spent otherwise' }
    case 'ask':
      return apply(world, { kind: 'truth', truth: next.answers ? truthOf(world) : { kind: 'unreachable' } })
    case 'window ends':
      return { ...world, isOver: true }
    case 'reader retries':
      return apply(world, { kind: 'retry' })
    case 'give up':
      return apply(world, { kind: 'give_up' })
    case 'crash':
      // The object starts again from what is on disk: a settlement that nobody runs is given up.
      return apply({ ...world, state: stored(world.state), reply: null }, { kind: 'give_up' })
  }
}

/** What survives a crash: plain data. */
const stored = (state: Redemption): Redemption => structuredClone(state)

const moves: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      settles: fc.constantFrom('now' as const, 'later' as const, 'never' as const),
      tells: fc.constantFrom('settled' as const, 'refused' as const, 'nonce_used', 'unknown', 'unsent'),
      answers: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ask' as const), answers: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'land' as const }) },
  { weight: 2, arbitrary: fc.constantFrom({ kind: 'give up' as const }, { kind: 'reader retries' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('preempt' as const), pays: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'window ends' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'crash' as const }) },
)

const chains = fc.constantFrom<Chain>('unused', 'unused', 'unused', 'used before')

/** Runs a history, with the reply heard after each move or lost, and a crash after the steps that `crashes` names. */
function run(chain: Chain, history: readonly { next: Move; heard: boolean; crashes: boolean }[]): World[] {
  const worlds = [begin(chain)]
  for (const { next, heard, crashes } of history) {
    let world = move(worlds.at(-1) ?? begin(chain), next)
    worlds.push(world)
    if (heard) world = hear(world)
    if (crashes) world = move(world, { kind: 'crash' })
    worlds.push(world)
  }
  return worlds
}

const histories = fc.array(fc.record({ next: moves, heard: fc.boolean(), crashes: fc.boolean() }), { maxLength: 30 })
const RUNS = { numRuns: 20_000 }

/** It paid us, or may still do so without anybody doing anything. */
const mayPay = ({ chain, underWay, isOver }: World) =>
  chain === 'paid us' || (chain === 'unused' && underWay > 0 && !isOver)

test('when a payment is refused it has not paid us and is not about to, unless a facilitator lied', () => {
  fc.assert(
    fc.property(chains, histories, (chain, history) => {
      let before = begin(chain)
      for (const world of run(chain, history)) {
        const isNew = world.state.status === 'refused' && before.state.status !== 'refused'
        if (isNew && mayPay(world)) expect(world.liedAboutRefusal).toBe(true)
        before = world
      }
    }),
    RUNS,
  )
})

test('a refusal is overruled by the chain: paid all the same, by whomever, it is settled at the next look', () => {
  fc.assert(
    fc.property(chains, histories, (chain, history) => {
      for (const world of run(chain, history)) {
        if (world.chain !== 'paid us') continue
        expect(move(world, { kind: 'ask', answers: true }).state.status).toBe('settled')
      }
    }),
    RUNS,
  )
})

test('a payment is settled only when it paid us, unless a facilitator lied about a success', () => {
  fc.assert(
    fc.property(chains, histories, (chain, history) => {
      for (const { state, chain: truth, liedAboutSuccess } of run(chain, history)) {
        if (state.status === 'settled' && truth !== 'paid us') expect(liedAboutSuccess).toBe(true)
      }
    }),
    RUNS,
  )
})

test('what is settled stays so and is never sent again', () => {
  fc.assert(
    fc.property(chains, histories, (chain, history) => {
      let settled: Redemption | null = null
      for (const { state, sendsAfterSettled } of run(chain, history)) {
        if (settled) expect(state).toEqual(settled)
        if (state.status === 'settled') settled = state
        expect(sendsAfterSettled).toBe(0)
      }
    }),
    RUNS,
  )
})

test('what was sent is never taken for unsent: after a crash it is in doubt until the chain says', () => {
  fc.assert(
    fc.property(chains, histories, (chain, history) => {
      for (const world of run(chain, history)) {
        if (world.state.status === 'settling') expect(move(world, { kind: 'crash' }).state.status).toBe('unknown')
      }
    }),
    RUNS,
  )
})

test('whatever happened, it ends once the window is over and the chain answers', () => {
  fc.assert(
    fc.property(chains, histories, (chain, history) => {
      const last = run(chain, history).at(-1) ?? begin(chain)
      const over = move(move(last, { kind: 'window ends' }), { kind: 'ask', answers: true })
      expect(['settled', 'refused']).toContain(over.state.status)
      if (over.chain === 'paid us') expect(over.state.status).toBe('settled')
    }),
    RUNS,
  )
})
