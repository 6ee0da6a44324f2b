// What follows from one row alone: how long it is kept, which is the protection against replay, and when the chain is
// next asked about it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { verifyPayment } from '../../src/networks/network.ts'
import type { Look } from '../../src/payer/reconcile.ts'
import { CLAIMED, isOpen, type Redemption, type Status } from '../../src/payer/redemption.ts'
import {
  CLOCK_MARGIN_SECONDS,
  claimRow,
  FOREVER_SECONDS,
  isUnresolved,
  keptUntilSeconds,
  ledgerRowOf,
  MOST_HANDOUTS,
  nextLookSeconds,
  type PaymentRow,
  withLooked,
  withState,
  withTitle,
} from '../../src/payer/rows.ts'
import { termsOf } from '../../src/payer/stored.ts'
import { ASSETS } from '../../src/x402/assets.ts'
import type { Offer, Payment } from '../../src/x402/payment.ts'
import { usdcOn } from '../world/usdc.ts'

const NETWORK = 'eip155:84532'
const NOW = 1_800_000_000
const DAY = 86_400
const HOUR = 3_600
const TX = `0x${'ab'.repeat(32)}`
/** The longest time an authorization may be spendable; the first test ties it to what is accepted. */
const LONGEST_WINDOW = 30 * DAY

const asset = usdcOn(NETWORK)

/** None of these payments carries a memo. */
const NO_BOND = { context: '', keys: [], facilitators: [], tokens: ASSETS }

const paymentUntil = (validBefore: number): Payment => ({
  x402Version: 2,
  scheme: 'exact',
  network: NETWORK,
  payer: '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
  transfer: {
    kind: 'eip3009',
    authorization: {
      from: '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
      to: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
      value: 50_000n,
      validAfter: 0n,
      validBefore: BigInt(validBefore),
      nonce: `0x${'01'.repeat(32)}`,
    },
    signature: `0x${'22'.repeat(65)}`,
  },
  accepted: null,
  identifier: null,
  quote: null,
  answering: null,
})
const offer: Offer = {
  network: NETWORK,
  asset: asset.asset,
  payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  amount: 50_000n,
  transfer: { kind: 'eip3009', ...asset.eip712 },
  maxTimeoutSeconds: 300,
  name: null,
  accessSeconds: DAY,
  scope: null,
  flow: 'authorization',
}
const claimed = claimRow(
  {
    key: 'a payment',
    owner: 'key',
    payment: paymentUntil(NOW + 300),
    offer,
    signatureHash: 'a hash',
    seenBlock: 7,
    resource: { site: 'https://news.example', method: 'GET', path: '/articles/hello', id: '/articles/hello' },
    scope: '=/articles/hello',
    accessSeconds: DAY,
  },
  CLAIMED,
  NOW,
)
const sent: Redemption = { ...CLAIMED, sent: 1 }
const SETTLED: Redemption = { ...sent, status: 'settled', transaction: TX, position: 0 }
const REFUSED: Redemption = { ...sent, status: 'refused', reason: 'insufficient_funds' }
const UNKNOWN: Redemption = { ...sent, status: 'unknown', doubt: 1 }
const COVERED: Redemption = { ...CLAIMED, status: 'covered', coveredBy: 'another' }
const VOID: Redemption = { ...sent, status: 'void', transaction: TX }

/** A row in a state, with nothing left to ask or to tell. */
const quiet = (state: Redemption, over: Partial<PaymentRow> = {}): PaymentRow => ({
  ...claimed,
  state,
  settledAtSeconds: state.status === 'settled' ? NOW : null,
  lookAtSeconds: null,
  ...over,
})

describe('how long a row is kept', () => {
  const spendable = NOW + 300 + CLOCK_MARGIN_SECONDS
  test.each<[string, PaymentRow, number]>([
    ['refused: as long as it could be spent', quiet(REFUSED), spendable],
    ['void: the same', quiet(VOID), spendable],
    ['covered: the same', quiet(COVERED), spendable],
    [
      'refused, and something is left to ask: until that is answered',
      quiet(REFUSED, { lookAtSeconds: 1 }),
      FOREVER_SECONDS,
    ],
    ['covered, and something is left to ask: the same', quiet(COVERED, { lookAtSeconds: 1 }), FOREVER_SECONDS],
    ['claimed: until it ends', quiet(CLAIMED), FOREVER_SECONDS],
    ['settling', quiet({ ...UNKNOWN, status: 'settling' }), FOREVER_SECONDS],
    ['unknown', quiet(UNKNOWN), FOREVER_SECONDS],
    ['settled, and the ledger lacks it', quiet(SETTLED, { isDelivered: true, outbox: 'due' }), FOREVER_SECONDS],
    ['settled, and the ledger disputes it', quiet(SETTLED, { isDelivered: true, outbox: 'disputed' }), NOW + DAY],
    ['settled and delivered: until the access ends', quiet(SETTLED, { isDelivered: true }), NOW + DAY],
    ['a single answer, delivered', quiet(SETTLED, { isDelivered: true, accessSeconds: 0 }), spendable],
    ['a single answer nobody has taken: thirty days', quiet(SETTLED, { accessSeconds: 0 }), NOW + 30 * DAY],
    [
      'handed out three times, and never reported',
      quiet(SETTLED, { accessSeconds: 0, handouts: MOST_HANDOUTS }),
      spendable,
    ],
    [
      'delivered, and it may be asked for by its name: thirty days',
      quiet(SETTLED, { isDelivered: true, accessSeconds: 0, identifier: 'a_name_of_sixteen' }),
      NOW + 30 * DAY,
    ],
    ['access for a year', quiet(SETTLED, { isDelivered: true, accessSeconds: 365 * DAY }), NOW + 365 * DAY],
    [
      'an authorization that outlives the access',
      quiet(SETTLED, { isDelivered: true, validBeforeSeconds: NOW + 20 * DAY }),
      NOW + 20 * DAY + CLOCK_MARGIN_SECONDS,
    ],
  ])('%s', (_, row, until) => {
    expect(keptUntilSeconds(row)).toBe(until)
  })
})

const STATES: readonly Redemption[] = [
  CLAIMED,
  { ...UNKNOWN, status: 'settling' },
  UNKNOWN,
  SETTLED,
  { ...SETTLED, position: null },
  REFUSED,
  VOID,
  COVERED,
  { ...COVERED, sent: 2 },
]

const rows: fc.Arbitrary<PaymentRow> = fc
  .record({
    state: fc.constantFrom(...STATES),
    validBeforeSeconds: fc.integer({ min: NOW, max: NOW + LONGEST_WINDOW }),
    accessSeconds: fc.constantFrom(0, 600, DAY, 365 * DAY),
    identifier: fc.constantFrom(null, 'a_name_of_sixteen'),
    isDelivered: fc.boolean(),
    handouts: fc.nat({ max: MOST_HANDOUTS }),
    outbox: fc.constantFrom('empty' as const, 'due' as const, 'disputed' as const),
    lookAtSeconds: fc.option(fc.integer({ min: NOW, max: NOW + 40 * DAY })),
    sentAtSeconds: fc.option(fc.integer({ min: NOW, max: NOW + HOUR })),
    settledDelay: fc.nat({ max: HOUR }),
  })
  .map(({ settledDelay, ...over }) =>
    quiet(over.state, {
      ...over,
      settledAtSeconds: over.state.status === 'settled' ? NOW + settledDelay : null,
    }),
  )

describe('replay', () => {
  test('no payment is accepted that could be spent for longer than thirty days', async () => {
    const objectionTo = async (seconds: number) => {
      const found = await verifyPayment(paymentUntil(NOW + seconds), [offer], NO_BOND, NOW)
      return found.ok ? found.value.objection : found.error
    }
    expect(await objectionTo(LONGEST_WINDOW)).toBeNull()
    expect(await objectionTo(LONGEST_WINDOW + 1)).toEqual({
      code: 'invalid_exact_evm_payload_authorization_valid_before',
    })
  })

  test('whatever became of a payment, its row outlives its window by the margin of the clocks', () => {
    fc.assert(
      fc.property(rows, (row) => {
        expect(keptUntilSeconds(row)).toBeGreaterThanOrEqual(row.validBeforeSeconds + CLOCK_MARGIN_SECONDS)
      }),
      { numRuns: 5_000 },
    )
  })

  test('what is open, to be asked about, or due to the ledger is not forgotten at all', () => {
    fc.assert(
      fc.property(rows, (row) => {
        if (isOpen(row.state) || row.lookAtSeconds !== null || row.outbox === 'due') {
          expect(keptUntilSeconds(row)).toBe(FOREVER_SECONDS)
        }
      }),
    )
  })

  test('access is remembered until it ends', () => {
    fc.assert(
      fc.property(rows, (row) => {
        if (row.state.status !== 'settled') return
        expect(keptUntilSeconds(row)).toBeGreaterThanOrEqual((row.settledAtSeconds ?? NOW) + row.accessSeconds)
      }),
    )
  })
})

describe('when the chain is asked next', () => {
  const END = NOW + 300
  /** Seconds from `at` on; null for never. */
  const look = (row: PaymentRow, at: number, isAnswered = false) => {
    const next = nextLookSeconds(row, at, isAnswered)
    return next === null ? null : next - at
  }
  test.each<[string, PaymentRow, number, boolean, number | null]>([
    ['a claim: once its request is over', quiet(CLAIMED), NOW, false, 45],
    ['the same, half way', quiet(CLAIMED), NOW + 30, false, 15],
    [
      'an open payment after a minute: every half of its age, twenty seconds at least',
      quiet(UNKNOWN),
      NOW + 60,
      true,
      30,
    ],
    ['after 45 seconds', quiet(UNKNOWN), NOW + 45, true, 22],
    ['after a day: every hour', quiet(UNKNOWN), NOW + DAY, true, HOUR],
    ['sent a moment ago, claimed an hour ago', quiet(UNKNOWN, { sentAtSeconds: NOW + HOUR }), NOW + HOUR, false, 45],
    ['nobody has answered for thirty days after its end: given up', quiet(UNKNOWN), END + 30 * DAY, false, null],
    ['a second before that', quiet(UNKNOWN), END + 30 * DAY - 1, false, HOUR],
    ['settled and proven', quiet(SETTLED), NOW, false, null],
    ['settled by word: the proof is looked for', quiet({ ...SETTLED, position: null }), NOW, false, 45],
    ['void', quiet(VOID), NOW, false, null],
    ['refused: soon, since it is a word', quiet(REFUSED), NOW, false, 45],
    ['sent again and refused: soon after that', quiet(REFUSED, { sentAtSeconds: NOW + 200 }), NOW + 201, false, 44],
    ['refused, and the chain knew of nothing: once more when the window is over', quiet(REFUSED), NOW + 45, true, 315],
    ['a long window: ten minutes', quiet(REFUSED, { validBeforeSeconds: NOW + DAY }), NOW + 45, true, 600],
    ['and then ever longer', quiet(REFUSED, { validBeforeSeconds: NOW + 20 * DAY }), NOW + 5 * DAY, true, 5 * DAY],
    ['refused, the window is over, no answer: asked again', quiet(REFUSED), END + 60, false, 180],
    ['covered and never sent: rarely', quiet(COVERED), NOW, false, 360],
    ['covered and sent before: soon', quiet({ ...COVERED, sent: 1 }), NOW, false, 45],
    ['covered, and thirty days without an answer', quiet(COVERED), END + 30 * DAY, false, null],
  ])('%s', (_, row, at, isAnswered, seconds) => {
    expect(look(row, at, isAnswered)).toBe(seconds)
  })

  test('later than now, or never; what is open within an hour, until it is given up', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: NOW, max: NOW + 70 * DAY }), fc.boolean(), (row, at, isAnswered) => {
        const next = nextLookSeconds(row, at, isAnswered)
        if (next !== null) expect(next).toBeGreaterThan(at)
        if (!isOpen(row.state)) return
        if (isUnresolved(row, at)) expect(next).toBeNull()
        // A sending in the future is a clock that was set back.
        // What was never sent can only land by its signer's own hand: it is asked about ever more rarely until it ends.
        else if (
          (row.sentAtSeconds ?? 0) <= at &&
          (row.state.status !== 'claimed' || at > row.validBeforeSeconds + HOUR)
        ) {
          expect((next ?? FOREVER_SECONDS) - at).toBeLessThanOrEqual(HOUR)
        }
      }),
      { numRuns: 5_000 },
    )
  })

  test('without an answer, what may still land is asked about until thirty days after its window', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: NOW, max: NOW + 70 * DAY }), (row, at) => {
        const mayLand: readonly Status[] = ['claimed', 'settling', 'unknown', 'refused', 'covered']
        if (!mayLand.includes(row.state.status)) return
        expect(nextLookSeconds(row, at, false) === null).toBe(at >= row.validBeforeSeconds + 30 * DAY)
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('what a look changes', () => {
  const AFTER = NOW + 300 + 60
  const looked = (state: Redemption, truth: Look['truth'], at: number, over: Partial<PaymentRow> = {}) =>
    withLooked(quiet(state, { lookAtSeconds: at, ...over }), { truth, seenBlock: 9, search: null }, at, true)

  test('expired: nothing can land any more, and nothing is asked', () => {
    const { state, lookAtSeconds } = looked(
      UNKNOWN,
      { kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' },
      AFTER,
    )
    expect(state.status).toBe('refused')
    expect(lookAtSeconds).toBeNull()
    expect(
      looked(COVERED, { kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' }, AFTER)
        .lookAtSeconds,
    ).toBeNull()
  })

  test.each<[string, Redemption]>([
    ['refused', REFUSED],
    ['covered', COVERED],
    ['unknown', UNKNOWN],
  ])('%s, and the last question is not answered: it is asked again, and kept', (_, state) => {
    for (const truth of [{ kind: 'unreachable' }, { kind: 'unclear', why: 'searching' }] as const) {
      const row = looked(state, truth, AFTER)
      expect(row.lookAtSeconds).toBeGreaterThan(AFTER)
      expect(keptUntilSeconds(row)).toBe(FOREVER_SECONDS)
    }
  })

  test.each<[string, Redemption]>([
    ['refused', REFUSED],
    ['covered', COVERED],
  ])('%s: unused at a chain that has not come to the end of the window is no last answer', (_, state) => {
    // A node that lags, or a chain that stands still: the payment may land in a block stamped before its end.
    const row = looked(state, { kind: 'unused', pinnedSeconds: null, reverted: null }, AFTER)
    expect(row.lookAtSeconds).not.toBeNull()
  })

  test.each<Look['truth']>([
    { kind: 'void', transaction: TX },
    { kind: 'used_before' },
    { kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' },
  ])('a success taken on a facilitator’s word stays to be proven, also where a look in flight says $kind', (truth) => {
    const word = quiet({ ...SETTLED, position: null }, { lookAtSeconds: NOW + 45 })
    const row = withLooked(word, { truth, seenBlock: 9, search: null }, NOW + 2, false)
    expect([row.state.status, row.lookAtSeconds]).toEqual(['settled', NOW + 45])
  })

  test('a block at which the nonce was seen unused is remembered, and what is known of the search', () => {
    const search = { fromBlock: 4, searchedTo: 8, emptySinceSeconds: null }
    const row = quiet(UNKNOWN, { seenBlock: null })
    const held = withLooked(row, { truth: { kind: 'unclear', why: 'searching' }, seenBlock: 9, search }, NOW, false)
    expect(held).toMatchObject({ seenBlock: 9, search })
  })

  test('while a request is held, a look that says nothing new changes nothing', () => {
    const row = quiet(UNKNOWN)
    const truth = { kind: 'unused', pinnedSeconds: null, reverted: null } as const
    expect(withLooked(row, { truth, seenBlock: 8, search: null }, NOW, false)).toEqual(row)
  })
})

describe('what follows from a state', () => {
  test.each<[string, Redemption, boolean]>([
    ['settled', SETTLED, false],
    ['void', VOID, false],
    ['covered', COVERED, false],
    ['refused', REFUSED, true],
    ['unknown', UNKNOWN, true],
  ])('%s: what is not to be sent any more keeps no signature', (_, state, isKept) => {
    expect(termsOf(withState(claimed, state, NOW)).isSigned).toBe(isKept)
  })

  test('what is covered from the start is stored without its signature, and keeps its authorization', () => {
    const { transfer } = paymentUntil(NOW + 300)
    const row = withState(claimed, COVERED, NOW)
    expect(termsOf(row)).toMatchObject({ isSigned: false, transfer: { ...transfer, signature: '0x' } })
  })

  test('a payment is settled once: the ledger is told, and the time stays', () => {
    const word = withState(claimed, { ...SETTLED, position: null }, NOW + 5)
    expect(word).toMatchObject({ outbox: 'due', settledAtSeconds: NOW + 5 })
    const proven = withState({ ...word, outbox: 'empty' }, SETTLED, NOW + 60)
    expect(proven).toMatchObject({ settledAtSeconds: NOW + 5, lookAtSeconds: null })
  })

  test('a title is told to the ledger, once, and changes nothing else', () => {
    const settled = quiet(SETTLED)
    const titled = withTitle(settled, 'A day at sea')
    expect(ledgerRowOf(settled).title).toBeNull()
    expect(ledgerRowOf(titled)).toEqual({ ...ledgerRowOf(settled), title: 'A day at sea' })
    expect(titled).toEqual({ ...settled, outbox: 'due', terms: titled.terms })
    expect(termsOf(titled)).toEqual({ ...termsOf(settled), title: 'A day at sea' })
    const again = { ...titled, outbox: 'empty' as const }
    expect(withTitle(again, 'Another')).toBe(again)
  })

  test.each([
    ['open', claimed],
    ['covered', quiet(COVERED)],
    ['refused', quiet(REFUSED)],
  ])('a payment that is %s bought nothing that has a title', (_, row) => {
    expect(withTitle(row, 'A day at sea')).toBe(row)
  })

  test('a title does not bring back to the ledger what it disputes', () => {
    expect(withTitle({ ...quiet(SETTLED), outbox: 'disputed' }, 'A day at sea').outbox).toBe('disputed')
    expect(withTitle({ ...quiet(SETTLED), outbox: 'due' }, 'A day at sea').outbox).toBe('due')
  })

  test('whatever a title says, the signature goes all the same, and the title stays', () => {
    const title = '","signature":null,"offer":"'
    const titled = { ...withTitle(quiet(SETTLED), title), state: CLAIMED }
    expect(termsOf(withState(titled, SETTLED, NOW))).toMatchObject({ isSigned: false, title, offer: null })
  })

  test('a covered payment that lands is in the ledger, its money owed back', () => {
    const row = withState(quiet(COVERED), { ...SETTLED, coveredBy: 'another' }, NOW + 5)
    expect(row.outbox).toBe('due')
    expect(ledgerRowOf(row)).toMatchObject({ transaction: TX, position: 0, remark: 'refund_due' })
    expect(ledgerRowOf(quiet(SETTLED)).remark).toBeNull()
  })

  test('terms that cannot be read are a fault, never a guess', () => {
    for (const terms of ['', '{}', 'null', '{"from":"0x1"}']) expect(() => termsOf(quiet(SETTLED, { terms }))).toThrow()
  })
})
