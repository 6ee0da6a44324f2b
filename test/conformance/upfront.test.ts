// Methods that do something are paid before they are carried out: settled first, advertised as such, tried three times.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { solanaChallenge } from '../world/solana-payer.ts'
import { CELLS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const ASK = '/api/ask'
let origin: OriginServer
let shop: SolanaShop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openSolanaShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/api/*', methods: ['POST'], price: '$0.05', access: 'once', mimeType: 'application/json' },
      { path: '/pages/*', price: '$0.05', access: '24h' },
    ],
  })
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

beforeEach(() => origin.tell({ body: '{"answer":"high tide"}' }))

const question = (headers: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json', ...headers },
  body: '{"question":"when?"}',
})

test('it is advertised in both challenges, for such methods alone', async () => {
  const unpaid = await shop.ask(ASK, question())
  for (const { v1, v2 } of [unpaid.challenge, solanaChallenge(unpaid)]) {
    expect(v2.accepts[0]?.extra.paymentFlow).toBe('upfront')
    expect(v1.accepts[0]?.extra.paymentFlow).toBe('upfront')
  }
  expect((await shop.challenge('/pages/a', question())).v2.accepts[0]?.extra.paymentFlow).toBe('upfront')
  expect((await shop.challenge('/pages/a')).v2.accepts[0]?.extra).toEqual({ name: 'USDC', version: '2' })
  expect(origin.seen).toEqual([])
})

test('a method that is not on sale is free', async () => {
  expect((await shop.ask(ASK)).status).toBe(200)
  expect(origin.seen.map(({ method }) => method)).toEqual(['GET'])
})

describe.each(CELLS)('a POST paid in $version on $name', ({ version, kind }) => {
  test('with a payment-identifier is carried out three times at most', async () => {
    const identifier = 'an-identifier-of-a-post'
    const headers = await (await kind.reader(shop)).pay(version, ASK, { identifier }, question())
    const { result: statuses, cost } = await shop.costOf(async () => {
      const seen: number[] = []
      for (let time = 0; time < 4; time++) seen.push((await shop.ask(ASK, question(headers))).status)
      return seen
    })
    expect(statuses).toEqual([200, 200, 200, 402])
    expect(origin.seen).toHaveLength(3)
    expect(cost).toEqual(ONE_SALE)
  })

  test('is not another payment’s GET: with its identifier it is a conflict, and nothing is carried out', async () => {
    const page = '/pages/a'
    const identifier = 'an-identifier-of-a-get'
    const headers = await (await kind.reader(shop)).pay(version, page, { identifier })
    expect((await shop.ask(page, { headers })).status).toBe(200)
    const seen = origin.seen.length
    const { result: answer, cost } = await shop.costOf(() => shop.ask(page, question(headers)))
    expect(answer.status).toBe(409)
    expect(answer.error).toBe('payment_identifier_conflict')
    expect(cost).toEqual(NOTHING)
    expect(origin.seen).toHaveLength(seen)
  })
})

describe.each(CELLS)('a POST paid in $version on $name', ({ version, kind }) => {
  const payment = async (path = ASK) => (await kind.reader(shop)).pay(version, path, {}, question())

  test('is settled, then carried out once, with its body', async () => {
    const headers = await payment()
    const before = shop.stack.facilitator.counts.settle
    const settledBefore: number[] = []
    origin.tell(() => {
      settledBefore.push(shop.stack.facilitator.counts.settle - before)
      return { status: 201, body: '{"answer":"high tide"}' }
    })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ASK, question(headers)))
    expect(answer.status).toBe(201)
    expect(answer.json).toEqual({ answer: 'high tide' })
    expect(answer.receipt?.success).toBe(true)
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    expect(settledBefore).toEqual([1])
    expect(origin.seen).toHaveLength(1)
    expect(origin.seen[0]).toMatchObject({ method: 'POST', url: ASK, body: '{"question":"when?"}' })
    expect(Object.keys(origin.seen[0]?.headers ?? {}).filter((name) => name.includes('payment'))).toEqual([])
    expect(cost).toEqual(ONE_SALE)

    const again = await shop.ask(ASK, question(headers))
    expect(again.status).toBe(402)
    expect(again.error).toBe('payment_already_used')
    expect(origin.seen).toHaveLength(1)
  })

  test.each([400, 404, 500, 503])(
    'that fails with %i gets that answer and its receipt, three times in all',
    async (status) => {
      const headers = await payment()
      origin.tell({ status, body: '{"error":"the archive is closed"}' })
      const { cost } = await shop.costOf(async () => {
        for (let time = 0; time < 3; time++) {
          const answer = await shop.ask(ASK, question(headers))
          expect(answer.status).toBe(status)
          expect(answer.json).toEqual({ error: 'the archive is closed' })
          expect(answer.receipt).toMatchObject({
            success: true,
            transaction: expect.stringMatching(kind.transaction),
          })
          expect(answer.receiptV1?.success).toBe(version === 'v1' ? true : undefined)
          expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
        }
        const fourth = await shop.ask(ASK, question(headers))
        expect(fourth.status).toBe(402)
        expect(fourth.error).toBe('payment_already_used')
        expect(fourth.receipt?.success).toBe(false)
      })
      expect(origin.seen).toHaveLength(3)
      expect(cost).toEqual(ONE_SALE)
    },
  )

  test('that fails once and then does not is used up by that', async () => {
    const headers = await payment()
    origin.tell(() => (origin.seen.length === 1 ? { status: 500, body: 'no' } : { body: 'yes' }))
    const { result: answers, cost } = await shop.costOf(async () => {
      const first = await shop.ask(ASK, question(headers))
      const second = await shop.ask(ASK, question(headers))
      return [first, second, await shop.ask(ASK, question(headers))]
    })
    expect(answers.map(({ status }) => status)).toEqual([500, 200, 402])
    expect(answers[0]?.receipt).toEqual(answers[1]?.receipt)
    expect(cost).toEqual(ONE_SALE)
  })

  test('that fails is worth three tries to its own payment, and a new payment is a new call', async () => {
    const reader = await kind.reader(shop)
    const [a, b] = [await reader.pay(version, ASK, {}, question()), await reader.pay(version, ASK, {}, question())]
    origin.tell(() => (origin.seen.length === 1 ? { status: 500, body: 'no' } : { body: 'yes' }))
    const { cost } = await shop.costOf(async () => {
      expect((await shop.ask(ASK, question(a))).status).toBe(500)
      expect((await shop.ask(ASK, question(b))).text).toBe('yes')
    })
    expect(cost).toMatchObject({ settles: 2, earned: 2n * PRICE })
    // The first call was carried out and failed: its own payment may try again, and only that.
    expect((await shop.ask(ASK, question(a))).text).toBe('yes')
    for (const headers of [a, b]) expect((await shop.ask(ASK, question(headers))).error).toBe('payment_already_used')
    expect(await reader.balance()).toBe(1_000_000n - 2n * PRICE)
  })

  test('with 204 is answered with its receipt', async () => {
    origin.tell({ status: 204 })
    const answer = await shop.ask(ASK, question(await payment()))
    expect(answer.status).toBe(204)
    expect(answer.bytes).toHaveLength(0)
    expect(answer.receipt?.success).toBe(true)
  })

  test('that is refused is not carried out', async () => {
    const unpaid = await shop.ask(ASK, question())
    const bad = await (await kind.reader(shop)).sign(version, unpaid, { less: 1n })
    const poor = await (await kind.reader(shop, 1n)).sign(version, unpaid)
    expect((await shop.ask(ASK, question(bad(version)))).error).toBe(kind.amountMismatch)
    expect((await shop.ask(ASK, question(poor(version)))).error).toBe(kind.insufficient)
    expect(origin.seen).toEqual([])
  })

  test('and a GET of the same page are not the same purchase', async () => {
    const headers = await payment('/pages/a')
    expect((await shop.ask('/pages/a', question(headers))).status).toBe(200)
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/pages/a', { headers }))
    expect(answer.status).toBe(402)
    expect(answer.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })

  test('for reading does not open doing', async () => {
    const bought = await (await kind.reader(shop)).buy(version, '/pages/a')
    const cookie = bought.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    expect((await shop.ask('/pages/a', { headers: { cookie } })).status).toBe(200)
    origin.tell({ body: 'done' })
    expect((await shop.ask('/pages/a', question({ cookie }))).status).toBe(402)
    expect(origin.seen).toEqual([])
  })
})
