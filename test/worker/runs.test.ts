// Several requests at one object, in the real runtime: who is handed the content, who waits for it, and what is
// absorbed. Nothing here needs a facilitator: everything has been paid for, or is refused.
import { reset } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Handout, PROTOCOL, type RedeemOutcome, type RedeemRequest } from '../../src/payer/protocol.ts'
import { PaymentRecords } from '../../src/payer/records.ts'
import type { PaymentRow } from '../../src/payer/rows.ts'
import type { Payment } from '../../src/x402/payment.ts'
import { transfer, used } from '../world/imitated-rpc.ts'
import {
  chainSays,
  DAY,
  inside,
  leave,
  NAME,
  NETWORK,
  NOW,
  nobodyAnswers,
  nonceOf,
  OFFER,
  object,
  requestFor,
  rowOf,
  rows,
  SETTLED,
  SITE,
  TOKEN,
  TX,
  UNKNOWN,
} from './object.ts'

/** A payment for one answer. */
const singleFor = (number: number, over: Partial<RedeemRequest> = {}) =>
  requestFor(number, { offer: { ...OFFER, accessSeconds: 0 }, accessSeconds: 0, ...over })
const paid = (number: number, over: Partial<PaymentRow> = {}) => rowOf(number, SETTLED, { accessSeconds: 0, ...over })

const said = (handout: Handout) => ({ protocol: PROTOCOL, ...handout })
function handoutOf(outcome: RedeemOutcome): Handout {
  if (outcome.kind !== 'granted') throw new Error(`refused: ${outcome.refusal.code}`)
  return outcome.handout
}
/** Once the object has taken in what was sent before. */
const heard = () => rows()
const refusalOf = (outcome: RedeemOutcome) => (outcome.kind === 'refused' ? outcome.refusal.code : 'granted')

/** What the chain has of a single answer that was paid for in the transaction of these tests. */
function receiptOf({ transfer: signed }: Payment) {
  if (signed.kind !== 'eip3009') throw new Error('the payments of these tests are authorizations')
  const { authorization } = signed
  const logs = [used(authorization, TOKEN), transfer(authorization, TOKEN)]
  const logsInOrder = logs.map((log, i) => ({ ...log, logIndex: `0x${i}` }))
  return { transactionHash: TX, blockNumber: '0x3e0', status: '0x1', logs: logsInOrder }
}

/** The chain answers nobody until it is let go, and everybody after that. */
function hold(chain: ReturnType<typeof chainSays>): () => Promise<void> {
  const answer = chain.getMockImplementation() ?? fetch
  const held: (() => void)[] = []
  let isHeld = true
  chain.mockImplementation(async (...request) => {
    if (isHeld) await new Promise<void>((resolve) => held.push(resolve))
    return answer(...request)
  })
  // From inside the object: what waits there cannot be let go from elsewhere.
  return () =>
    inside(() => {
      isHeld = false
      for (const go of held) go()
    })
}

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  nobodyAnswers()
})
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await reset()
})

describe('two requests with one payment', () => {
  test('one is handed the content; the other waits, and has nothing once it was taken', async () => {
    await leave(paid(1))
    const handout = handoutOf(await object().redeem(singleFor(1)))
    const second = object().redeem(singleFor(1))
    await heard()
    await object().delivered(said(handout))
    expect(refusalOf(await second)).toBe('payment_already_used')
    expect(await rows()).toMatchObject([{ handouts: 1 }])
  })

  test('and has it where the first could not take it', async () => {
    await leave(paid(1))
    const handout = handoutOf(await object().redeem(singleFor(1)))
    const second = object().redeem(singleFor(1))
    await heard()
    await object().released(said(handout))
    expect(handoutOf(await second)).toEqual({ key: 'payment 1', number: 2 })
  })

  test('one of those that wait hangs up: the living one has the content', async () => {
    await leave(paid(1))
    const handout = handoutOf(await object().redeem(singleFor(1)))
    const [gone, living] = [singleFor(1), singleFor(1)]
    const outcomes = [object().redeem(gone), object().redeem(living)]
    await heard()
    await object().hangUp({ protocol: PROTOCOL, requestId: gone.requestId })
    await object().released(said(handout))
    expect((await Promise.all(outcomes)).map(refusalOf)).toEqual(['payment_in_progress', 'granted'])
  })

  test('a handout nobody hears of any more has ended', async () => {
    await leave(paid(1))
    await object().redeem(singleFor(1))
    vi.useFakeTimers({ now: Date.now() + 46_000, toFake: ['Date'] })
    expect(handoutOf(await object().redeem(singleFor(1))).number).toBe(2)
  })

  test('a handout that is heard of is not over, whoever asks by its name meanwhile', async () => {
    await leave(paid(1, { identifier: NAME }))
    const handout = handoutOf(await object().redeem(singleFor(1)))
    const byName = singleFor(1)
    const again = await object().redeem({ ...byName, payment: { ...byName.payment, identifier: NAME } })
    expect(handoutOf(again).number).toBe(2)
    const start = Date.now()
    for (const seconds of [20, 40, 60]) {
      vi.useFakeTimers({ now: start + seconds * 1000, toFake: ['Date'] })
      await object().stillOpen(said(handout))
    }
    // Without the name it would wait for what is on its way, and be handed nothing.
    const waiting = singleFor(1)
    const third = object().redeem(waiting)
    await heard()
    await object().hangUp({ protocol: PROTOCOL, requestId: waiting.requestId })
    expect(refusalOf(await third)).toBe('payment_in_progress')
  })

  test('content is handed out three times in all', async () => {
    await leave(paid(1))
    for (const number of [1, 2, 3]) {
      const handout = handoutOf(await object().redeem(singleFor(1)))
      expect(handout.number).toBe(number)
      await object().released(said(handout))
    }
    expect(refusalOf(await object().redeem(singleFor(1)))).toBe('payment_already_used')
  })
})

describe('another payment for the same answer', () => {
  test('is absorbed by one that was never handed out', async () => {
    await leave(paid(1))
    expect(handoutOf(await object().redeem(singleFor(2)))).toEqual({ key: 'payment 1', number: 1 })
    expect(await rows()).toMatchObject([{ status: 'settled' }, { status: 'covered' }])
  })

  test('one unclaimed answer absorbs one of two payments that come at once, not both', async () => {
    await leave(paid(1))
    const both = [object().redeem(singleFor(2)), object().redeem(singleFor(3))]
    await heard()
    await object().delivered(said({ key: 'payment 1', number: 1 }))
    // The other is bought for itself: here no facilitator answers, so it stays open. Its reader is not told to sign again.
    const outcomes = (await Promise.all(both)).map(refusalOf)
    expect(outcomes).toContain('granted')
    expect(outcomes).not.toContain('payment_already_used')
    expect((await rows()).filter(({ status }) => status === 'covered')).toHaveLength(1)
  }, 40_000)

  test('two that waited for the same open answer: it pays for one of them, and the other is not told to sign again', async () => {
    await leave(rowOf(1, { ...UNKNOWN, sent: 3, doubt: 3, transaction: TX }, { accessSeconds: 0 }))
    const chain = chainSays({ used: nonceOf(1), time: NOW, receipt: receiptOf(singleFor(1).payment) })
    const letGo = hold(chain)
    const both = [object().redeem(singleFor(2)), object().redeem(singleFor(3))]
    await heard()
    await letGo()
    const first = await Promise.race(both)
    expect(refusalOf(first)).toBe('granted')
    await object().delivered(said(handoutOf(first)))
    // The other is bought for itself, and nobody has sent it so far: it stays open.
    const outcomes = (await Promise.all(both)).map(refusalOf)
    expect(outcomes).not.toContain('payment_already_used')
    expect((await rows()).filter(({ status }) => status === 'covered')).toHaveLength(1)
  })

  test('a release that is reported twice counts once: what is being handed out absorbs nothing', async () => {
    await leave(paid(1))
    const first = handoutOf(await object().redeem(singleFor(1)))
    await object().released(said(first))
    handoutOf(await object().redeem(singleFor(1)))
    // The worker repeats a report whose reply was lost.
    await object().released(said(first))
    expect(await rows()).toMatchObject([{ handouts: 2, released: 1 }])
    expect(await object().objectionTo(singleFor(2))).toBeNull()
    const found = await inside((state) =>
      new PaymentRecords(state.storage, () => {}).unclaimedFor({
        ...singleFor(2),
        network: NETWORK,
        site: SITE,
        method: 'GET',
      }),
    )
    expect(found).toEqual([])
  })

  test('under access that lasts: its own content, and it is not sent', async () => {
    await leave(paid(1, { scope: '~/articles/*', accessSeconds: DAY, isDelivered: true, handouts: 1 }))
    expect(await object().redeem(singleFor(2))).toMatchObject({
      kind: 'granted',
      scope: '~/articles/*',
      handout: { key: 'payment 2', number: 1 },
    })
    expect(globalThis.fetch).not.toHaveBeenCalled()
  })
})

describe('how many wait', () => {
  test('one too many is told at once to come again, and hang-ups make room', async () => {
    await leave(paid(1))
    const handout = handoutOf(await object().redeem(singleFor(1)))
    const waiting = Array.from({ length: 128 }, () => singleFor(1))
    const outcomes = waiting.map((request) => object().redeem(request))
    await heard()
    expect(refusalOf(await object().redeem(singleFor(1)))).toBe('payment_in_progress')
    await Promise.all(waiting.map(({ requestId }) => object().hangUp({ protocol: PROTOCOL, requestId })))
    expect(new Set((await Promise.all(outcomes)).map(refusalOf))).toEqual(new Set(['payment_in_progress']))
    await object().released(said(handout))
    expect(handoutOf(await object().redeem(singleFor(1))).number).toBe(2)
  })

  test('a hundred copies of a payment nobody can settle: few attempts, and an answer for each', async () => {
    // A connection that fails takes its time, as any answer does.
    vi.mocked(globalThis.fetch).mockImplementation(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      throw new TypeError('Network connection lost.')
    })
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => object().redeem(singleFor(1))))
    const codes = new Set(outcomes.map(refusalOf))
    for (const code of codes)
      expect(['facilitator_unavailable', 'payment_in_progress', 'settlement_pending']).toContain(code)
    expect(vi.mocked(globalThis.fetch).mock.calls.length).toBeLessThan(100)
  }, 60_000)
})

test('a payment that was proven here is known by its key and its signature, and by nothing else', async () => {
  await leave(paid(1))
  const recognise = (key: string, signatureHash: string) =>
    object().recognise({ protocol: PROTOCOL, key, signatureHash })
  expect(await recognise('payment 1', 'a hash')).toBe(true)
  expect(await recognise('payment 1', 'another hash')).toBe(false)
  expect(await recognise('payment 2', 'a hash')).toBe(false)
})

test('a payment used up beside a pass buys nothing, and its name stays free', async () => {
  await leave(paid(9))
  const { requestId: _, objection: __, look: ___, ...used } = singleFor(1)
  await object().useUp({ ...used, payment: { ...used.payment, identifier: NAME } })
  expect(refusalOf(await object().redeem(singleFor(1)))).toBe('payment_already_used')
  const byName = singleFor(2)
  const bought = await object().redeem({ ...byName, payment: { ...byName.payment, identifier: NAME } })
  expect(refusalOf(bought)).toBe('granted')
  expect(globalThis.fetch).not.toHaveBeenCalled()
})
