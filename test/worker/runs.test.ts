// Several requests at one object, in the real runtime: who is handed the content, who waits for it, and what is
// absorbed. Nothing here needs a facilitator: everything has been paid for, or is refused.
import { evictDurableObject, reset, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Payer } from '../../src/payer/payer.ts'
import { type Handout, PROTOCOL, type RedeemOutcome, type RedeemRequest } from '../../src/payer/protocol.ts'
import { PaymentRecords } from '../../src/payer/records.ts'
import { CLAIMED, type Redemption } from '../../src/payer/redemption.ts'
import { claimRow, type PaymentRow } from '../../src/payer/rows.ts'

const NETWORK = 'eip155:84532'
const PAYER = '0x90f79bf6eb2c4f870365e785982e1f101e93b906'
const TX = `0x${'ab'.repeat(32)}`
const NOW = Math.floor(Date.now() / 1000)
const DAY = 86_400
const NAME = 'a_name_of_sixteen'
const SETTLED: Redemption = { ...CLAIMED, status: 'settled', sent: 1, transaction: TX, position: 0 }

const RPC_MS = 100

let requests = 0
/** A payment for one answer. */
function requestFor(number: number, over: Partial<RedeemRequest> = {}) {
  const request = {
    protocol: PROTOCOL,
    requestId: `request ${requests++}`,
    key: `payment ${number}`,
    owner: 'key',
    payment: {
      x402Version: 2,
      scheme: 'exact',
      network: NETWORK,
      authorization: {
        from: PAYER,
        to: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
        value: 50_000n,
        validAfter: 0n,
        validBefore: BigInt(NOW + 300),
        nonce: `0x${number.toString(16).padStart(64, '0')}`,
      },
      signature: `0x${'22'.repeat(65)}`,
      accepted: null,
      identifier: null,
      quote: null,
    },
    offer: {
      network: NETWORK,
      asset: '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
      payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
      amount: 50_000n,
      eip712: { name: 'USDC', version: '2' },
      maxTimeoutSeconds: 300,
      name: null,
      accessSeconds: 0,
      scope: null,
      flow: 'authorization',
    },
    objection: null,
    resource: { site: 'https://news.example', method: 'GET', path: '/articles/hello', id: '/articles/hello' },
    scope: '=/articles/hello',
    accessSeconds: 0,
    signatureHash: 'a hash',
    look: null,
  } satisfies RedeemRequest
  return { ...request, ...over }
}

function rowOf(number: number, over: Partial<PaymentRow> = {}): PaymentRow {
  const { offer, ...request } = requestFor(number)
  if (!offer) throw new Error('the request has an offer')
  return {
    ...claimRow({ ...request, offer, seenBlock: 900 }, CLAIMED, NOW),
    state: { ...SETTLED, position: number },
    settledAtSeconds: NOW,
    lookAtSeconds: null,
    ...over,
  }
}

const object = () => env.PAYERS.get(env.PAYERS.idFromName(`eip155:${PAYER}`))
async function leave(...rows: PaymentRow[]) {
  await runInDurableObject(object(), (_: Payer, state) => {
    const records = new PaymentRecords(state.storage)
    for (const row of rows) records.insert(row)
  })
  await evictDurableObject(object())
}
const rows = () =>
  runInDurableObject(object(), (_: Payer, state) =>
    state.storage.sql.exec('SELECT key, status, handouts, released FROM payments ORDER BY seq').toArray(),
  )
const said = (handout: Handout) => ({ protocol: PROTOCOL, ...handout })
function handoutOf(outcome: RedeemOutcome): Handout {
  if (outcome.kind !== 'granted') throw new Error(`refused: ${outcome.refusal.code}`)
  return outcome.handout
}
/** Once the object has taken in what was sent before. */
const heard = () => rows()
const refusalOf = (outcome: RedeemOutcome) => (outcome.kind === 'refused' ? outcome.refusal.code : 'granted')

/** A chain that shows one payment as landed in the transaction of these tests; no facilitator answers. */
function chainHasPaid({ from, to, value, nonce }: { from: string; to: string; value: bigint; nonce: string }) {
  const word = (hex: string) => `0x${hex.slice(2).padStart(64, '0')}`
  const address = '0x036cbd53842c5426634e7929541ec2318f3dcf7e'
  const topics = {
    used: '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5',
    transfer: '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef',
  }
  const receipt = {
    transactionHash: TX,
    blockNumber: '0x3e0',
    status: '0x1',
    logs: [
      { address, topics: [topics.used, word(from), nonce], data: '0x', logIndex: '0x0' },
      {
        address,
        topics: [topics.transfer, word(from), word(to)],
        data: word(`0x${value.toString(16)}`),
        logIndex: '0x1',
      },
    ],
  }
  const results: Record<string, unknown> = {
    eth_chainId: '0x14a34',
    eth_call: word('0x1'),
    eth_getBlockByNumber: { number: '0x3e8', hash: TX, timestamp: `0x${NOW.toString(16)}` },
    eth_getLogs: [],
    eth_getTransactionReceipt: receipt,
  }
  const answer = ({ id, method }: { id: number; method: string }) => ({ jsonrpc: '2.0', id, result: results[method] })
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (_, init) => {
    if (!init?.body || String(init.body).includes('x402Version')) throw new TypeError('no connection')
    const asked: unknown = JSON.parse(String(init.body))
    // Slow enough for two requests to wait for one answer.
    await new Promise((resolve) => setTimeout(resolve, RPC_MS))
    return Response.json(Array.isArray(asked) ? asked.map(answer) : answer(Object(asked)))
  })
}

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('no connection'))
})
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await reset()
})

describe('two requests with one payment', () => {
  test('one is handed the content; the other waits, and has nothing once it was taken', async () => {
    await leave(rowOf(1))
    const handout = handoutOf(await object().redeem(requestFor(1)))
    const second = object().redeem(requestFor(1))
    await heard()
    await object().delivered(said(handout))
    expect(refusalOf(await second)).toBe('payment_already_used')
    expect(await rows()).toMatchObject([{ handouts: 1 }])
  })

  test('and has it where the first could not take it', async () => {
    await leave(rowOf(1))
    const handout = handoutOf(await object().redeem(requestFor(1)))
    const second = object().redeem(requestFor(1))
    await heard()
    await object().released(said(handout))
    expect(handoutOf(await second)).toEqual({ key: 'payment 1', number: 2 })
  })

  test('one of those that wait hangs up: the living one has the content', async () => {
    await leave(rowOf(1))
    const handout = handoutOf(await object().redeem(requestFor(1)))
    const [gone, living] = [requestFor(1), requestFor(1)]
    const outcomes = [object().redeem(gone), object().redeem(living)]
    await heard()
    await object().hangUp({ protocol: PROTOCOL, requestId: gone.requestId })
    await object().released(said(handout))
    expect((await Promise.all(outcomes)).map(refusalOf)).toEqual(['payment_in_progress', 'granted'])
  })

  test('a handout nobody hears of any more has ended', async () => {
    await leave(rowOf(1))
    await object().redeem(requestFor(1))
    vi.useFakeTimers({ now: Date.now() + 46_000, toFake: ['Date'] })
    expect(handoutOf(await object().redeem(requestFor(1))).number).toBe(2)
  })

  test('a handout that is heard of is not over, whoever asks by its name meanwhile', async () => {
    await leave(rowOf(1, { identifier: NAME }))
    const handout = handoutOf(await object().redeem(requestFor(1)))
    const byName = requestFor(1)
    const again = await object().redeem({ ...byName, payment: { ...byName.payment, identifier: NAME } })
    expect(handoutOf(again).number).toBe(2)
    const start = Date.now()
    for (const seconds of [20, 40, 60]) {
      vi.useFakeTimers({ now: start + seconds * 1000, toFake: ['Date'] })
      await object().stillOpen(said(handout))
    }
    // Without the name it would wait for what is on its way, and be handed nothing.
    const waiting = requestFor(1)
    const third = object().redeem(waiting)
    await heard()
    await object().hangUp({ protocol: PROTOCOL, requestId: waiting.requestId })
    expect(refusalOf(await third)).toBe('payment_in_progress')
  })

  test('content is handed out three times in all', async () => {
    await leave(rowOf(1))
    for (const number of [1, 2, 3]) {
      const handout = handoutOf(await object().redeem(requestFor(1)))
      expect(handout.number).toBe(number)
      await object().released(said(handout))
    }
    expect(refusalOf(await object().redeem(requestFor(1)))).toBe('payment_already_used')
  })
})

describe('another payment for the same answer', () => {
  test('is absorbed by one that was never handed out', async () => {
    await leave(rowOf(1))
    expect(handoutOf(await object().redeem(requestFor(2)))).toEqual({ key: 'payment 1', number: 1 })
    expect(await rows()).toMatchObject([{ status: 'settled' }, { status: 'covered' }])
  })

  test('one unclaimed answer absorbs one of two payments that come at once, not both', async () => {
    await leave(rowOf(1))
    const both = [object().redeem(requestFor(2)), object().redeem(requestFor(3))]
    await heard()
    await object().delivered(said({ key: 'payment 1', number: 1 }))
    // The other is bought for itself: here no facilitator answers, so it stays open. Its reader is not told to sign again.
    const outcomes = (await Promise.all(both)).map(refusalOf)
    expect(outcomes).toContain('granted')
    expect(outcomes).not.toContain('payment_already_used')
    expect((await rows()).filter(({ status }) => status === 'covered')).toHaveLength(1)
  }, 40_000)

  test('two that waited for the same open answer: it pays for one of them, and the other is not told to sign again', async () => {
    const unknown: Redemption = { ...CLAIMED, status: 'unknown', sent: 3, doubt: 3, transaction: TX }
    await leave(rowOf(1, { state: unknown, settledAtSeconds: null }))
    const { authorization } = requestFor(1).payment
    chainHasPaid(authorization)
    const both = [object().redeem(requestFor(2)), object().redeem(requestFor(3))]
    const first = await Promise.race(both)
    expect(refusalOf(first)).toBe('granted')
    await object().delivered(said(handoutOf(first)))
    const outcomes = (await Promise.all(both)).map(refusalOf)
    expect(outcomes).not.toContain('payment_already_used')
    expect((await rows()).filter(({ status }) => status === 'covered')).toHaveLength(1)
  }, 60_000)

  test('a release that is reported twice counts once: what is being handed out absorbs nothing', async () => {
    await leave(rowOf(1))
    const first = handoutOf(await object().redeem(requestFor(1)))
    await object().released(said(first))
    handoutOf(await object().redeem(requestFor(1)))
    // The worker repeats a report whose reply was lost.
    await object().released(said(first))
    expect(await rows()).toMatchObject([{ handouts: 2, released: 1 }])
    expect(await object().objectionTo(requestFor(2))).toBeNull()
    const found = await runInDurableObject(object(), (_: Payer, state) =>
      new PaymentRecords(state.storage).unclaimedFor({
        ...requestFor(2),
        network: NETWORK,
        site: 'https://news.example',
        method: 'GET',
      }),
    )
    expect(found).toEqual([])
  })

  test('under access that lasts: its own content, and it is not sent', async () => {
    await leave(rowOf(1, { scope: '~/articles/*', accessSeconds: DAY, isDelivered: true, handouts: 1 }))
    expect(await object().redeem(requestFor(2))).toMatchObject({
      kind: 'granted',
      scope: '~/articles/*',
      handout: { key: 'payment 2', number: 1 },
    })
    expect(globalThis.fetch).not.toHaveBeenCalled()
  })
})

describe('how many wait', () => {
  test('one too many is told at once to come again, and hang-ups make room', async () => {
    await leave(rowOf(1))
    const handout = handoutOf(await object().redeem(requestFor(1)))
    const waiting = Array.from({ length: 128 }, () => requestFor(1))
    const outcomes = waiting.map((request) => object().redeem(request))
    await heard()
    expect(refusalOf(await object().redeem(requestFor(1)))).toBe('payment_in_progress')
    await Promise.all(waiting.map(({ requestId }) => object().hangUp({ protocol: PROTOCOL, requestId })))
    expect(new Set((await Promise.all(outcomes)).map(refusalOf))).toEqual(new Set(['payment_in_progress']))
    await object().released(said(handout))
    expect(handoutOf(await object().redeem(requestFor(1))).number).toBe(2)
  })

  test('a hundred copies of a payment nobody can settle: few attempts, and an answer for each', async () => {
    // A connection that fails takes its time, as any answer does.
    vi.mocked(globalThis.fetch).mockImplementation(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      throw new TypeError('Network connection lost.')
    })
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => object().redeem(requestFor(1))))
    const codes = new Set(outcomes.map(refusalOf))
    for (const code of codes)
      expect(['facilitator_unavailable', 'payment_in_progress', 'settlement_pending']).toContain(code)
    expect(vi.mocked(globalThis.fetch).mock.calls.length).toBeLessThan(100)
  }, 60_000)
})

test('a payment that was proven here is known by its key and its signature, and by nothing else', async () => {
  await leave(rowOf(1))
  const recognise = (key: string, signatureHash: string) =>
    object().recognise({ protocol: PROTOCOL, key, signatureHash })
  expect(await recognise('payment 1', 'a hash')).toBe(true)
  expect(await recognise('payment 1', 'another hash')).toBe(false)
  expect(await recognise('payment 2', 'a hash')).toBe(false)
})

test('a payment used up beside a pass buys nothing, and its name stays free', async () => {
  await leave(rowOf(9))
  const { requestId: _, objection: __, look: ___, ...used } = requestFor(1)
  await object().useUp({ ...used, payment: { ...used.payment, identifier: NAME } })
  expect(refusalOf(await object().redeem(requestFor(1)))).toBe('payment_already_used')
  const byName = requestFor(2)
  const bought = await object().redeem({ ...byName, payment: { ...byName.payment, identifier: NAME } })
  expect(refusalOf(bought)).toBe('granted')
  expect(globalThis.fetch).not.toHaveBeenCalled()
})
