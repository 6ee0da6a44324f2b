// The life of one authorization: the whole table of transitions as data, and what holds in any order of events.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Truth } from '../../src/payer/reconcile.ts'
import {
  CLAIMED,
  isOpen,
  MOST_SENDINGS,
  maySend,
  type Redemption,
  type RedemptionEvent,
  step,
  wasSent,
} from '../../src/payer/redemption.ts'
import type { SettleReply } from '../../src/replies.ts'

const TX = `0x${'a'.repeat(64)}`
const OTHER = `0x${'b'.repeat(64)}`
/** When the failure of the column `failed` was reported. */
const FAILED_AT = 1_000

const reply = (said: SettleReply): RedemptionEvent => ({ kind: 'reply', reply: said, nowSeconds: FAILED_AT })
const truth = (found: Truth): RedemptionEvent => ({ kind: 'truth', truth: found })
const unused = (pinnedSeconds: number | null, reverted: boolean | null) =>
  truth({ kind: 'unused', pinnedSeconds, reverted })
const send: RedemptionEvent = { kind: 'send' }
const giveUp: RedemptionEvent = { kind: 'give_up' }
const cover: RedemptionEvent = { kind: 'cover', by: 'another' }
const settled = reply({ kind: 'settled', transaction: TX })
const refused = reply({ kind: 'refused', reason: 'insufficient_funds' })
const unknown = reply({ kind: 'unknown' })
const unsent = reply({ kind: 'unsent' })
const failed = (transaction: string) => reply({ kind: 'failed', reason: 'invalid_transaction_state', transaction })
const after = (...events: RedemptionEvent[]): Redemption => events.reduce(step, CLAIMED)

/** The columns. `+`: two sendings may still land. `failed`: a facilitator says so; `failed tx`: of a transaction. */
const STATES: Record<string, Redemption> = {
  claimed: CLAIMED,
  settling: after(send),
  'settling+': after(send, giveUp, send),
  unknown: after(send, unknown),
  'unknown+': after(send, unknown, send, unknown),
  failed: after(send, failed('')),
  'failed tx': after(send, failed(TX)),
  settled: after(send, settled),
  proven: after(send, truth({ kind: 'settled', transaction: TX, position: 3 })),
  refused: after(send, refused),
  void: after(send, truth({ kind: 'void', transaction: OTHER })),
  covered: after(cover),
}

const EVENTS: Record<string, RedemptionEvent> = {
  send,
  'give up': giveUp,
  cover,
  'paid twice': { kind: 'paid twice', by: 'another' },
  'says settled': settled,
  'says refused': refused,
  'says failed': failed(''),
  'says failed, names one': failed(OTHER),
  'says pending': reply({ kind: 'pending', transaction: '' }),
  'says pending, names one': reply({ kind: 'pending', transaction: OTHER }),
  'says nonce used': reply({ kind: 'nonce_used' }),
  'says what nobody understands': unknown,
  'nobody answers': reply({ kind: 'unanswered' }),
  'reached nobody': unsent,
  'chain: settled': truth({ kind: 'settled', transaction: OTHER, position: 7 }),
  'chain: void': truth({ kind: 'void', transaction: OTHER }),
  'chain: used before': truth({ kind: 'used_before' }),
  'chain: expired': truth({ kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' }),
  'chain: unused': unused(null, null),
  'chain: unused before that': unused(FAILED_AT - 1, true),
  'chain: unused since': unused(FAILED_AT, null),
  'chain: unused since, reverted': unused(FAILED_AT, true),
  'chain: unused since, went through': unused(FAILED_AT, false),
  'chain: unclear': truth({ kind: 'unclear', why: 'searching' }),
  'chain: silent': truth({ kind: 'unreachable' }),
}

/** Status, sendings that may have reached somebody, and how many of them may still land. `-`: as it was. `x`: cannot be. */
const TABLE = `
| event                             | claimed      | settling     | settling+    | unknown      | unknown+     | failed       | failed tx    | settled     | proven | refused      | void        | covered     |
| send                              | settling 1 1 | -            | -            | settling 2 2 | settling 3 3 | settling 2 2 | settling 2 2 | -           | -      | settling 2 1 | -           | -           |
| give up                           | -            | unknown 1 1  | unknown 2 2  | -            | -            | -            | -            | -           | -      | -            | -           | -           |
| cover                             | covered 0 0  | covered 1 1  | covered 2 2  | covered 1 1  | covered 2 2  | covered 1 1  | covered 1 1  | -           | -      | covered 1 0  | -           | -           |
| paid twice                        | -            | -            | -            | -            | -            | -            | -            | settled 1 0 | settled 1 0 | -            | -           | -           |
| says settled                      | settled 0 0  | settled 1 0  | settled 2 0  | settled 1 0  | settled 2 0  | settled 1 0  | settled 1 0  | -           | -      | settled 1 0  | -           | settled 0 0 |
| says refused                      | x            | refused 1 0  | unknown 2 1  | refused 1 0  | unknown 2 1  | x            | x            | -           | -      | -            | -           | x           |
| says failed                       | x            | unknown 1 1  | unknown 2 2  | unknown 1 1  | unknown 2 2  | x            | x            | -           | -      | -            | -           | x           |
| says failed, names one            | x            | unknown 1 1  | unknown 2 2  | unknown 1 1  | unknown 2 2  | x            | x            | -           | -      | -            | -           | x           |
| says pending                      | x            | unknown 1 1  | unknown 2 2  | -            | -            | x            | x            | -           | -      | -            | -           | x           |
| says pending, names one           | x            | unknown 1 1  | unknown 2 2  | unknown 1 1  | unknown 2 2  | x            | x            | -           | -      | -            | -           | x           |
| says nonce used                   | x            | unknown 1 1  | unknown 2 2  | -            | -            | x            | x            | -           | -      | -            | -           | x           |
| says what nobody understands      | x            | unknown 1 1  | unknown 2 2  | -            | -            | x            | x            | -           | -      | -            | -           | x           |
| nobody answers                    | x            | unknown 1 1  | unknown 2 2  | -            | -            | x            | x            | -           | -      | -            | -           | x           |
| reached nobody                    | x            | claimed 0 0  | unknown 1 1  | claimed 0 0  | unknown 1 1  | x            | x            | -           | -      | -            | -           | x           |
| chain: settled                    | settled 0 0  | settled 1 0  | settled 2 0  | settled 1 0  | settled 2 0  | settled 1 0  | settled 1 0  | settled 1 0 | -      | settled 1 0  | settled 1 0 | settled 0 0 |
| chain: void                       | void 0 0     | void 1 0     | void 2 0     | void 1 0     | void 2 0     | void 1 0     | void 1 0     | -           | -      | void 1 0     | -           | -           |
| chain: used before                | void 0 0     | void 1 0     | void 2 0     | void 1 0     | void 2 0     | void 1 0     | void 1 0     | -           | -      | void 1 0     | -           | -           |
| chain: expired                    | refused 0 0  | refused 1 0  | refused 2 0  | refused 1 0  | refused 2 0  | refused 1 0  | refused 1 0  | -           | -      | -            | -           | -           |
| chain: unused                     | -            | -            | -            | -            | -            | -            | -            | -           | -      | -            | -           | -           |
| chain: unused before that         | -            | -            | -            | -            | -            | -            | -            | -           | -      | -            | -           | -           |
| chain: unused since               | -            | -            | -            | -            | -            | refused 1 0  | -            | -           | -      | -            | -           | -           |
| chain: unused since, reverted     | -            | -            | -            | -            | -            | refused 1 0  | refused 1 0  | -           | -      | -            | -           | -           |
| chain: unused since, went through | -            | -            | -            | -            | -            | refused 1 0  | -            | -           | -      | -            | -           | -           |
| chain: unclear                    | unknown 1 1  | -            | -            | -            | -            | -            | -            | -           | -      | unknown 1 1  | -           | -           |
| chain: silent                     | -            | -            | -            | -            | -            | -            | -            | -           | -      | -            | -           | -           |
`

const cells = (line: string) =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
const [head = [], ...body] = TABLE.trim().split('\n').map(cells)

describe('the table', () => {
  test('names every event and every state', () => {
    expect(head.slice(1)).toEqual(Object.keys(STATES))
    expect(body.map(([name]) => name)).toEqual(Object.keys(EVENTS))
  })

  const rows = body.map(([name = '', ...results]) => ({ name, results }))
  test.each(rows)('$name', ({ name, results }) => {
    const event = EVENTS[name]
    if (!event) throw new Error(`no event ${name}`)
    const found = Object.values(STATES).map((state, i) => {
      if (results[i] === 'x') return 'x'
      const { status, sent, doubt } = step(state, event)
      const isSame = JSON.stringify(step(state, event)) === JSON.stringify(state)
      return isSame ? '-' : `${status} ${sent} ${doubt}`
    })
    expect(found).toEqual(results)
  })
})

describe('what is remembered of it', () => {
  test.each<[string, RedemptionEvent[], Partial<Redemption>]>([
    ['a success by word has no position', [send, settled], { transaction: TX, position: null }],
    [
      'the chain fills it in, and the transaction that it was',
      [send, settled, truth({ kind: 'settled', transaction: OTHER, position: 7 })],
      { status: 'settled', transaction: OTHER, position: 7 },
    ],
    ['a refusal has its reason', [send, refused], { reason: 'insufficient_funds', transaction: '' }],
    [
      'a failure waits for the chain with its reason, its time and the transaction',
      [send, failed(TX)],
      {
        status: 'unknown',
        reason: 'invalid_transaction_state',
        failedAtSeconds: FAILED_AT,
        transaction: TX,
      },
    ],
    [
      'a confirmed failure is asked about no more',
      [send, failed(''), unused(FAILED_AT, null)],
      { status: 'refused', reason: 'invalid_transaction_state', failedAtSeconds: null },
    ],
    [
      'a transaction that was named is not forgotten because somebody else names none',
      [send, reply({ kind: 'pending', transaction: TX }), send, reply({ kind: 'pending', transaction: '' })],
      { status: 'unknown', transaction: TX },
    ],
    [
      'what expired says so',
      [send, unknown, truth({ kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' })],
      { reason: 'invalid_exact_evm_payload_authorization_valid_before', failedAtSeconds: null },
    ],
    [
      'a covered payment that lands all the same still names what covered it: its money is owed back',
      [cover, truth({ kind: 'settled', transaction: TX, position: 0 })],
      { status: 'settled', coveredBy: 'another' },
    ],
    [
      'refused, then sent again to nobody: refused for the same reason, not new',
      [send, refused, send, unsent],
      { status: 'refused', reason: 'insufficient_funds', sent: 1 },
    ],
    [
      'a failure of one sending is no end while another may land',
      [send, giveUp, send, failed(''), unused(FAILED_AT + 60, null)],
      { status: 'unknown', doubt: 2 },
    ],
    [
      'until that one was refused',
      [send, giveUp, send, failed(''), refused, unused(FAILED_AT + 60, null)],
      { status: 'refused', reason: 'invalid_transaction_state' },
    ],
    [
      'an old failure says nothing about a new sending',
      [send, failed(''), unused(FAILED_AT, null), send, unknown, unused(FAILED_AT + 60, null)],
      { status: 'unknown', doubt: 1 },
    ],
    [
      'a refusal is not the last word where the nonce is used all the same',
      [send, refused, truth({ kind: 'unclear', why: 'searching' })],
      { status: 'unknown', sent: 1, doubt: 1 },
    ],
    [
      'nor is a claim unsent that somebody else has broadcast: it is not left alone any more',
      [truth({ kind: 'unclear', why: 'too fresh', inSeconds: 1 }), send, refused],
      { status: 'unknown', sent: 2, doubt: 1 },
    ],
    [
      'the chain overrules what it thought was void',
      [send, truth({ kind: 'used_before' }), truth({ kind: 'settled', transaction: TX, position: 0 })],
      { status: 'settled', transaction: TX },
    ],
  ])('%s', (_, events, state) => {
    expect(after(...events)).toMatchObject(state)
  })
})

/** A history: sendings are heard at most once, in any order, and some never. */
type Move = { kind: 'hear'; which: number; said: SettleReply; atSeconds: number } | RedemptionEvent

const said = fc.constantFrom<SettleReply[]>(
  { kind: 'settled', transaction: TX },
  { kind: 'refused', reason: 'insufficient_funds' },
  { kind: 'refused', reason: 'payment_refused' },
  { kind: 'failed', reason: 'invalid_transaction_state', transaction: '' },
  { kind: 'failed', reason: 'invalid_transaction_state', transaction: TX },
  { kind: 'pending', transaction: '' },
  { kind: 'pending', transaction: OTHER },
  { kind: 'nonce_used' },
  { kind: 'unknown' },
  { kind: 'unanswered' },
  { kind: 'unsent' },
)
const seconds = fc.integer({ min: 0, max: 9 })
const truths = fc.oneof(
  fc.constantFrom<Truth[]>(
    { kind: 'settled', transaction: TX, position: 0 },
    { kind: 'settled', transaction: OTHER, position: 5 },
    { kind: 'void', transaction: OTHER },
    { kind: 'used_before' },
    { kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' },
    { kind: 'unclear', why: 'too fresh', inSeconds: 1 },
    { kind: 'unreachable' },
  ),
  fc.record({
    kind: fc.constant('unused' as const),
    pinnedSeconds: fc.option(seconds),
    reverted: fc.option(fc.boolean()),
  }),
)
const moves: fc.Arbitrary<Move> = fc.oneof(
  { weight: 5, arbitrary: fc.constant(send) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('hear' as const),
      which: fc.nat({ max: 3 }),
      said,
      atSeconds: seconds,
    }),
  },
  { weight: 2, arbitrary: fc.constant(giveUp) },
  { weight: 1, arbitrary: fc.constant(cover) },
  { weight: 2, arbitrary: truths.map((found) => truth(found)) },
)

/** The number of a broadcast that was not ours. */
const STRANGERS = -1

type Moment = { before: Redemption; event: RedemptionEvent; after: Redemption; othersInDoubt: number; mayLand: number }

/** Keeps its own account of the sendings. What expired is not sent again: a facilitator would not take it. */
function histories(all: readonly Move[]): Moment[] {
  let state = CLAIMED
  let unheard: number[] = []
  let next = 0
  let isOver = false
  const mayLand = new Set<number>()
  const moments: Moment[] = []
  for (const move of all) {
    let event: RedemptionEvent
    let heard: number | null = null
    if (move.kind === 'hear') {
      heard = unheard[move.which] ?? null
      if (heard === null) continue
      unheard = unheard.filter((number) => number !== heard)
      event = { kind: 'reply', reply: move.said, nowSeconds: move.atSeconds }
    } else if (move.kind === 'send') {
      if (isOver || !maySend(state)) continue
      event = move
      mayLand.add(next)
      unheard.push(next++)
    } else event = move
    // What has expired unused can only be cancelled: nobody's broadcast of it moves money any more.
    if (isOver && event.kind === 'truth' && event.truth.kind === 'unclear') continue
    const before = state
    state = step(before, event)
    if (event.kind === 'truth' && event.truth.kind === 'expired') {
      isOver = true
      mayLand.clear()
    }
    const othersInDoubt = [...mayLand].filter((number) => number !== heard).length
    if (event.kind === 'reply' && heard !== null && ['unsent', 'refused'].includes(event.reply.kind)) {
      mayLand.delete(heard)
    }
    if (state.status === 'refused' && event.kind === 'truth' && event.truth.kind === 'unused') mayLand.clear()
    // The nonce is used, and none of ours was under way: somebody else's broadcast counts as a sending.
    const isNews = event.kind === 'truth' && event.truth.kind === 'unclear' && state.status !== before.status
    if (isNews) mayLand.add(STRANGERS)
    moments.push({ before, event, after: state, othersInDoubt, mayLand: mayLand.size })
  }
  return moments
}

const always = (holds: (moment: Moment) => void) =>
  fc.assert(
    fc.property(fc.array(moves, { maxLength: 25 }), (all) => histories(all).forEach(holds)),
    { numRuns: 5_000 },
  )

describe('in any order of events', () => {
  test('settled is final, and a proof is never exchanged', () => {
    always(({ before, after: now }) => {
      if (before.status === 'settled') expect(now.status).toBe('settled')
      if (before.status === 'settled' && before.position !== null) expect(now).toEqual(before)
    })
  })

  test('a refusal ends nothing while another sending may land', () => {
    always(({ before, event, after: now, othersInDoubt }) => {
      if (event.kind === 'reply' && isOpen(before) && othersInDoubt > 0) expect(now.status).not.toBe('refused')
    })
  })

  test('open payments count exactly the sendings that may still land', () => {
    always(({ after: now, mayLand }) => {
      if (isOpen(now)) expect(now.doubt).toBe(mayLand)
    })
  })

  test('a success settles, from whichever sending and however late, but for what the chain knows to be void', () => {
    always(({ before, event, after: now }) => {
      if (event.kind === 'reply' && event.reply.kind === 'settled') {
        expect(now.status).toBe(before.status === 'void' ? 'void' : 'settled')
      }
    })
  })

  test('the chain has the last word about what was paid', () => {
    always(({ event, after: now }) => {
      if (event.kind === 'truth' && event.truth.kind === 'settled') expect(now.status).toBe('settled')
    })
  })

  test('nothing is settled unless a facilitator or the chain said so', () => {
    always(({ before, event, after: now }) => {
      if (now.status !== 'settled' || before.status === 'settled') return
      const word = event.kind === 'reply' ? event.reply.kind : event.kind === 'truth' ? event.truth.kind : event.kind
      expect(word).toBe('settled')
    })
  })

  test('only the chain makes it void', () => {
    always(({ before, event, after: now }) => {
      if (now.status === 'void' && before.status !== 'void') expect(event.kind).toBe('truth')
    })
  })

  test('it is sent three times at most, and counts never fall below nothing', () => {
    always(({ after: now }) => {
      expect(now.sent).toBeLessThanOrEqual(MOST_SENDINGS)
      expect(now.doubt).toBeGreaterThanOrEqual(0)
      expect(now.doubt).toBeLessThanOrEqual(now.sent)
    })
  })

  test('what was sent is claimed again only where it reached nobody', () => {
    always(({ before, event, after: now }) => {
      if (now.status !== 'claimed') return
      expect(wasSent(now)).toBe(false)
      if (before.status !== 'claimed') expect(event).toMatchObject({ kind: 'reply', reply: { kind: 'unsent' } })
    })
  })

  test('what may still land and is covered keeps its doubt: if it lands, its money is owed back', () => {
    always(({ before, event, after: now }) => {
      if (event.kind !== 'cover' || now === before) return
      expect(now.doubt).toBe(before.doubt)
      const landed = step(now, { kind: 'truth', truth: { kind: 'settled', transaction: OTHER, position: 7 } })
      expect(landed).toMatchObject({ status: 'settled', coveredBy: event.by })
    })
  })

  test('once the window is over and the chain has said so, nothing is open', () => {
    always(({ event, after: now }) => {
      if (event.kind === 'truth' && event.truth.kind === 'expired') expect(isOpen(now)).toBe(false)
    })
  })

  test('every refusal has a reason', () => {
    always(({ after: now }) => {
      if (now.status === 'refused') expect(now.reason).not.toBeNull()
    })
  })
})
