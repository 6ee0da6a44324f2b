// Cross-resource substitution (arXiv 2605.30998): an authorization says nothing about what it buys. Header ambiguity
// (arXiv 2605.11781, III): two layers that read two headers do not read the same payment.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { asV1, authorize, headerOf, pack, paying, unpack } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

const CHEAP = '/articles/cheap'
const DEAR = '/articles/dear'
const ONE = '/articles/one'
const TWO = '/articles/two'
const CHEAP_PRICE = 10_000n
const DEAR_PRICE = 1_000_000n
let shop: Shop

beforeAll(async () => {
  shop = await openShop()
  await shop.site.kv.put(CHEAP, 'the cheap article', { metadata: { price: '$0.01' } })
  await shop.site.kv.put(DEAR, 'the dear article', { metadata: { price: '$1' } })
  await shop.site.kv.put(ONE, 'article one')
  await shop.site.kv.put(TWO, 'article two')
})

afterAll(() => shop.close())

const priceOf = (path: string) => (path === DEAR ? DEAR_PRICE : CHEAP_PRICE)

describe('against a naive shop', () => {
  test('a cheap payment buys the dear article, where the terms are those the client says it accepted', async () => {
    const naive = await openNaive(
      shop,
      async ({ payment, path, verify, settle }) => {
        if (!payment) return null
        const { accepted } = unpack(payment)
        return (await verify(payment, accepted)) && (await settle(payment, accepted)) ? `content of ${path}` : null
      },
      priceOf,
    )
    const payment = await stockPayment(await send(naive + CHEAP), await shop.reader(PRICE))
    const { result: answer, cost } = await shop.costOf(() => send(naive + DEAR, paying(payment)))
    expect(answer.text).toBe(`content of ${DEAR}`)
    expect(cost.earned).toBe(CHEAP_PRICE)
  })

  test('one payment buys two articles of one price, where settling comes last', async () => {
    const owed: (() => Promise<boolean>)[] = []
    const naive = await openNaive(shop, async ({ payment, path, verify, settle }) => {
      if (!payment || !(await verify(payment))) return null
      owed.push(() => settle(payment))
      return `content of ${path}`
    })
    const payment = await stockPayment(await send(naive + ONE), await shop.reader(PRICE))
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = [await send(naive + ONE, paying(payment)), await send(naive + TWO, paying(payment))]
      for (const settle of owed) await settle()
      return got
    })
    expect(answers.map(({ text }) => text)).toEqual([`content of ${ONE}`, `content of ${TWO}`])
    expect(cost.earned).toBe(PRICE)
  })

  test('the dear article goes for the cheap price, where one header is verified and the other settled', async () => {
    const naive = await openNaive(
      shop,
      async ({ payment, path, request: { headers }, verify, settle }) => {
        const older = headers['x-payment']
        if (!payment || typeof older !== 'string' || !(await verify(payment))) return null
        return (await settle(older, unpack(older).accepted)) ? `content of ${path}` : null
      },
      priceOf,
    )
    const rich = await stockPayment(await send(naive + DEAR), await shop.reader(DEAR_PRICE))
    const poor = await stockPayment(await send(naive + CHEAP), await shop.reader(PRICE))
    const { result: answer, cost } = await shop.costOf(() => send(naive + DEAR, paying(rich, { 'X-PAYMENT': poor })))
    expect(answer.text).toBe(`content of ${DEAR}`)
    expect(cost.earned).toBe(CHEAP_PRICE)
  })
})

describe('here', () => {
  test('a cheap payment opens nothing of the dear article, whatever it says it accepted', async () => {
    const thief = await shop.reader(CHEAP_PRICE)
    const stock = await stockPayment(await shop.ask(CHEAP), thief)
    const signed = await authorize(thief, { value: CHEAP_PRICE })
    const resource = { resource: { url: `https://news.example${CHEAP}` } }
    const questions = [
      paying(stock),
      { headers: { 'X-PAYMENT': asV1(stock) } },
      paying(headerOf(signed)),
      paying(headerOf(signed, { accepted: { amount: DEAR_PRICE.toString() } })),
      paying(headerOf(signed, { payment: resource })),
    ]
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = []
      for (const question of questions) got.push(await shop.ask(DEAR, question))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(questions.map(() => 402))
    expect(served(answers, 'the dear article')).toBe(0)
    expect(cost).toEqual(NOTHING)
  })

  test('a payment that bought one article opens no other of the same price, nor does its pass', async () => {
    const payment = await stockPayment(await shop.ask(ONE), await shop.reader(PRICE * 2n))
    const bought = await shop.ask(ONE, paying(payment))
    expect(bought.text).toBe('article one')
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask(TWO, paying(payment)),
      await shop.ask(TWO, { headers: { 'X-PAYMENT': asV1(payment) } }),
      await shop.ask(TWO, { headers: { Cookie: bought.pass } }),
      await shop.ask(TWO, paying(payment, { Cookie: bought.pass })),
    ])
    expect(answers.map(({ status }) => status)).toEqual([402, 402, 402, 402])
    expect(cost).toEqual(NOTHING)
    expect((await shop.ask(ONE, { headers: { Cookie: bought.pass } })).text).toBe('article one')
  })

  test('a payment sent to two articles at the same moment opens one of them', async () => {
    const payment = await stockPayment(await shop.ask(ONE), await shop.reader(PRICE * 2n))
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(Array.from({ length: 10 }, (_, i) => shop.ask(i % 2 ? ONE : TWO, paying(payment)))),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(cost).toEqual(ONE_SALE)
  })

  test('two authorizations with one nonce are one purchase', async () => {
    const reader = await shop.reader(DEAR_PRICE * 2n)
    const cheap = await authorize(reader, { value: CHEAP_PRICE })
    const dear = await authorize(reader, { value: DEAR_PRICE, nonce: cheap.authorization.nonce })
    expect((await shop.ask(CHEAP, paying(headerOf(cheap)))).text).toBe('the cheap article')
    const { result: answer, cost } = await shop.costOf(() => shop.ask(DEAR, paying(headerOf(dear))))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })

  test('two payments in two headers are refused, whichever could pay', async () => {
    const rich = await stockPayment(await shop.ask(DEAR), await shop.reader(DEAR_PRICE))
    const poor = await stockPayment(await shop.ask(CHEAP), await shop.reader(CHEAP_PRICE))
    const pairs = [
      paying(rich, { 'X-PAYMENT': poor }),
      paying(poor, { 'X-PAYMENT': rich }),
      paying(rich, { 'X-PAYMENT': asV1(poor) }),
      paying(asV1(poor), { 'X-PAYMENT': rich }),
      paying(rich, { 'X-PAYMENT': 'not a payment' }),
      paying(rich, { 'X-PAYMENT': '' }),
      paying('', { 'X-PAYMENT': rich }),
    ]
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = []
      for (const question of pairs) got.push(await shop.ask(DEAR, question))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(pairs.map(() => 400))
    expect(cost).toEqual(NOTHING)
  })

  test.each([['PAYMENT-SIGNATURE'], ['X-PAYMENT']])('%s sent twice is refused', async (name) => {
    const rich = await stockPayment(await shop.ask(DEAR), await shop.reader(DEAR_PRICE))
    const poor = await stockPayment(await shop.ask(CHEAP), await shop.reader(CHEAP_PRICE))
    for (const [first, second] of [
      [rich, poor],
      [poor, rich],
      [rich, rich],
    ] as const) {
      const { result: answer, cost } = await shop.costOf(() => shop.ask(DEAR, { headers: { [name]: [first, second] } }))
      expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('invalid_payload') })
      expect(cost).toEqual(NOTHING)
    }
  })

  test('a payload of one version under the number of the other is refused', async () => {
    const payment = await stockPayment(await shop.ask(ONE), await shop.reader(PRICE))
    const v2 = unpack(payment)
    const mixed = [
      { ...v2, x402Version: 1 },
      { x402Version: 2, scheme: 'exact', network: 'base-sepolia', payload: v2.payload },
      { ...v2, x402Version: '2' },
      { ...v2, x402Version: 3 },
      { ...v2, payload: { ...v2.payload, permit2Authorization: {} } },
      { ...v2, payload: [v2.payload] },
    ]
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = []
      for (const json of mixed) got.push(await shop.ask(ONE, paying(pack(json))))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(mixed.map(() => 400))
    expect(cost).toEqual(NOTHING)
  })
})
