// The state machine in a simulated world: a chain that knows the truth, facilitators that settle or not and answer
// anything or nothing, several sendings under way at once, an RPC that may not answer, a reader who retries, another
// payment for the same wish, and a crash after any step, which loses all but the state.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Truth } from '../../src/payer/reconcile.ts'
import { CLAIMED, isOpen, maySend, type Redemption, type RedemptionEvent, step } from '../../src/payer/redemption.ts'
import type { SettleReply } from '../../src/replies.ts'

const OURS = `0x${'a'.repeat(64)}`
const THEIRS = `0x${'b'.repeat(64)}`
/** A transaction that failed. */
const REVERTED = `0x${'c'.repeat(64)}`
/** A verdict against the payer is read at a block this old. */
const SETTLED_SECONDS = 20

/** What the chain knows of the authorization. */
type Chain = 'unused' | 'paid us' | 'spent otherwise' | 'used before'
type Tells = SettleReply['kind'] | 'failed, names one'

/** What may happen next. What is impossible at the time does nothing. */
type Move =
  /** It is handed to a facilitator, which settles or not, and tells something, if it answers. */
  | { kind: 'send'; settles: 'now' | 'later' | 'never'; tells: Tells; answers: boolean }
  /** One of the replies under way is heard. */
  | { kind: 'hear'; which: number }
  /** A settlement that was under way lands. */
  | { kind: 'land' }
  /** Somebody else spends it, or takes it back. */
  | { kind: 'preempt'; pays: boolean }
  /** `pinned`: at a settled block as well. */
  | { kind: 'ask'; answers: boolean; pinned: boolean }
  | { kind: 'wait'; seconds: number }
  | { kind: 'window ends' }
  | { kind: 'give up' }
  /** Another payment has paid for the wish. */
  | { kind: 'cover' }
  /** Only what was stored is left. The replies under way are lost. */
  | { kind: 'crash' }

/** A reply that has left the facilitator and has not been heard, and whether it denies what it lets land. */
type Reply = { said: SettleReply; isLie: boolean }

type World = {
  state: Redemption
  chain: Chain
  nowSeconds: number
  /** When the nonce was used; null while it is not. */
  usedAtSeconds: number | null
  /** When the window ended; null while it is open. */
  overAtSeconds: number | null
  /** Somebody else broadcast it: a refusal that comes after that is no truth either. */
  byStranger: boolean
  /** Sendings that a facilitator has and may still land. */
  underWay: number
  replies: readonly Reply[]
  /** Somebody said for certain what was not so. */
  liedAboutRefusal: boolean
  liedAboutSuccess: boolean
  sends: number
  sendsAfterEnd: number
}

const begin = (chain: Chain): World => ({
  state: CLAIMED,
  chain,
  nowSeconds: 1_000,
  usedAtSeconds: chain === 'unused' ? null : 0,
  overAtSeconds: null,
  byStranger: false,
  underWay: 0,
  replies: [],
  liedAboutRefusal: false,
  liedAboutSuccess: false,
  sends: 0,
  sendsAfterEnd: 0,
})

const apply = (world: World, event: RedemptionEvent): World => ({ ...world, state: step(world.state, event) })

/** What the chain says. It keeps its word: `expired` only of what cannot land any more. */
function truthOf({ chain, state, nowSeconds, usedAtSeconds, overAtSeconds }: World, isPinned: boolean): Truth {
  if (chain === 'paid us') return { kind: 'settled', transaction: OURS, position: 0 }
  if (chain === 'used before') return { kind: 'used_before' }
  const settledSeconds = nowSeconds - SETTLED_SECONDS
  if (chain === 'spent otherwise') {
    return (usedAtSeconds ?? 0) <= settledSeconds
      ? { kind: 'void', transaction: THEIRS }
      : { kind: 'unclear', why: 'too fresh', inSeconds: 1 }
  }
  if (overAtSeconds !== null && settledSeconds > overAtSeconds)
    return { kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' }
  const reverted = state.transaction === REVERTED ? true : null
  return { kind: 'unused', pinnedSeconds: isPinned ? settledSeconds : null, reverted }
}

function told(tells: Tells): SettleReply {
  switch (tells) {
    case 'settled':
      return { kind: 'settled', transaction: OURS }
    case 'refused':
      return { kind: 'refused', reason: 'insufficient_funds' }
    case 'failed':
      return { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' }
    case 'failed, names one':
      return { kind: 'failed', reason: 'invalid_transaction_state', transaction: REVERTED }
    case 'pending':
      return { kind: 'pending', transaction: OURS }
    default:
      return { kind: tells }
  }
}

const use = (world: World, chain: Chain): World => ({ ...world, chain, usedAtSeconds: world.nowSeconds })

const land = (world: World): World =>
  world.chain === 'unused' && world.overAtSeconds === null && world.underWay > 0 ? use(world, 'paid us') : world

const DENIALS: readonly Tells[] = ['refused', 'failed', 'failed, names one']

/** The driver sends only what may be sent, as the payer's object does. */
function send(before: World, { settles, tells, answers }: Extract<Move, { kind: 'send' }>): World {
  if (before.overAtSeconds !== null || !maySend(before.state)) return before
  const sending = apply(before, { kind: 'send' })
  const isEnded =
    before.state.status === 'settled' || before.state.status === 'void' || before.state.status === 'covered'
  // What reached nobody does not land.
  const isReached = tells !== 'unsent' && settles !== 'never'
  const sent = {
    ...sending,
    sends: before.sends + 1,
    sendsAfterEnd: before.sendsAfterEnd + (isEnded ? 1 : 0),
    underWay: before.underWay + (isReached ? 1 : 0),
  }
  const world = isReached && settles === 'now' ? land(sent) : sent
  const reply = { said: told(tells), isLie: DENIALS.includes(tells) && isReached }
  return answers ? { ...world, replies: [...world.replies, reply] } : world
}

/** A reply is heard at the time it comes, with whatever is true by then. */
function hear(world: World, which: number): World {
  const reply = world.replies[which]
  if (!reply) return world
  const { said, isLie } = reply
  const heard = {
    ...apply(world, { kind: 'reply', reply: said, nowSeconds: world.nowSeconds }),
    replies: world.replies.filter((other) => other !== reply),
  }
  const isClaimed = heard.state.status === 'settled' && said.kind === 'settled'
  return {
    ...heard,
    liedAboutRefusal: world.liedAboutRefusal || isLie || (said.kind === 'refused' && world.byStranger),
    liedAboutSuccess: world.liedAboutSuccess || (isClaimed && world.chain !== 'paid us'),
  }
}

function move(world: World, next: Move): World {
  switch (next.kind) {
    case 'send':
      return send(world, next)
    case 'hear':
      return hear(world, next.which)
    case 'land':
      return land(world)
    case 'preempt':
      if (world.chain !== 'unused' || world.overAtSeconds !== null) return world
      return next.pays ? { ...use(world, 'paid us'), byStranger: true } : use(world, 'spent otherwise')
    case 'ask':
      return apply(world, {
        kind: 'truth',
        truth: next.answers ? truthOf(world, next.pinned) : { kind: 'unreachable' },
      })
    case 'wait':
      return { ...world, nowSeconds: world.nowSeconds + next.seconds }
    case 'window ends':
      return { ...world, overAtSeconds: world.overAtSeconds ?? world.nowSeconds }
    case 'give up':
      return apply(world, { kind: 'give_up' })
    case 'cover':
      return apply(world, { kind: 'cover', by: 'another' })
    case 'crash':
      // The object starts again from what is on disk: a settlement that nobody runs is given up.
      return apply({ ...world, state: structuredClone(world.state), replies: [] }, { kind: 'give_up' })
  }
}

const moves: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      settles: fc.constantFrom('now' as const, 'later' as const, 'never' as const),
      tells: fc.constantFrom<Tells[]>(
        'settled',
        'refused',
        'failed',
        'failed, names one',
        'pending',
        'nonce_used',
        'unknown',
        'unanswered',
        'unsent',
      ),
      answers: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('hear' as const), which: fc.nat({ max: 2 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('ask' as const), answers: fc.boolean(), pinned: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.constantFrom<Move[]>({ kind: 'land' }, { kind: 'give up' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('preempt' as const), pays: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constantFrom<Move[]>({ kind: 'window ends' }, { kind: 'crash' }, { kind: 'cover' }) },
)

const chains = fc.constantFrom<Chain[]>('unused', 'unused', 'unused', 'used before')

function run(chain: Chain, history: readonly Move[]): World[] {
  const worlds = [begin(chain)]
  for (const next of history) worlds.push(move(worlds.at(-1) ?? begin(chain), next))
  return worlds
}

const always = (holds: (worlds: World[]) => void) =>
  fc.assert(
    fc.property(chains, fc.array(moves, { maxLength: 40 }), (chain, history) => holds(run(chain, history))),
    { numRuns: 5_000 },
  )
/** Each moment with the one before it. */
const pairs = (worlds: World[]) => worlds.slice(1).map((now, i) => ({ before: worlds[i] ?? now, now }))

/** It paid us, or may still do so without anybody doing anything. */
const mayPay = ({ chain, underWay, overAtSeconds }: World) =>
  chain === 'paid us' || (chain === 'unused' && underWay > 0 && overAtSeconds === null)

test('when a payment is refused it has not paid us and is not about to, unless a facilitator lied', () => {
  always((worlds) => {
    for (const { before, now } of pairs(worlds)) {
      const isNew = now.state.status === 'refused' && before.state.status !== 'refused'
      if (isNew && mayPay(now)) expect(now.liedAboutRefusal).toBe(true)
    }
  })
})

test('whatever was thought of it, by whomever it was paid: it is settled at the next look', () => {
  always((worlds) => {
    for (const world of worlds) {
      if (world.chain !== 'paid us') continue
      const asked = move(world, { kind: 'ask', answers: true, pinned: false })
      expect(asked.state.status).toBe('settled')
      if (world.state.status !== 'settled') expect(asked.state.coveredBy).toBe(world.state.coveredBy)
    }
  })
})

test('a payment is settled only when it paid us, unless a facilitator lied about a success', () => {
  always((worlds) => {
    for (const { state, chain, liedAboutSuccess } of worlds) {
      if (state.status === 'settled' && chain !== 'paid us') expect(liedAboutSuccess).toBe(true)
    }
  })
})

test('what is settled stays so and is never sent again; nor is what is void or covered', () => {
  always((worlds) => {
    for (const { before, now } of pairs(worlds)) {
      if (before.state.status === 'settled') expect(now.state.status).toBe('settled')
      if (before.state.status === 'settled' && before.state.position !== null) expect(now.state).toEqual(before.state)
      expect(now.sendsAfterEnd).toBe(0)
    }
  })
})

test('void says what is so: spent for nothing of ours; and covered hides nothing: what lands is settled', () => {
  always((worlds) => {
    for (const { before, now } of pairs(worlds)) {
      if (now.state.status === 'void') expect(['spent otherwise', 'used before']).toContain(now.chain)
      if (before.state.status === 'covered' && now.chain === 'paid us') {
        expect(move(now, { kind: 'ask', answers: true, pinned: true }).state.status).toBe('settled')
      }
    }
  })
})

test('what was sent is never taken for unsent: after a crash it is in doubt until the chain says', () => {
  always((worlds) => {
    for (const world of worlds) {
      if (world.state.status === 'settling') expect(move(world, { kind: 'crash' }).state.status).toBe('unknown')
      if (world.state.status === 'claimed' && world.chain === 'unused') expect(world.underWay).toBe(0)
    }
  })
})

test('whatever happened, it ends once the window is over and the chain answers', () => {
  always((worlds) => {
    const last = worlds.at(-1)
    if (!last) return
    const end: Move[] = [{ kind: 'window ends' }, { kind: 'wait', seconds: 100 }]
    const over = [...end, { kind: 'ask', answers: true, pinned: true } as const].reduce(move, last)
    expect(isOpen(over.state)).toBe(false)
    if (over.chain === 'paid us') expect(over.state.status).toBe('settled')
  })
})
