// Cross-resource substitution (arXiv 2605.30998): an authorization says nothing about what it buys. Header ambiguity
// (arXiv 2605.11781, III): two layers that read two headers do not read the same payment.
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asV1, headerOf, pack, sign, unpack } from '../world/attack-payment.ts'
import { ask, PRICE, passIn, paying, type Scene, served, startScene } from '../world/attack-scene.ts'
import { stockPayment } from '../world/stock.ts'

const CHEAP = '/articles/cheap'
const DEAR = '/articles/dear'
const ONE = '/articles/one'
const TWO = '/articles/two'
const CHEAP_PRICE = 10_000n
const DEAR_PRICE = 1_000_000n
let scene: Scene

beforeAll(async () => {
  scene = await startScene()
  await scene.publish(CHEAP, 'the cheap article', '$0.01')
  await scene.publish(DEAR, 'the dear article', '$1')
  await scene.publish(ONE, 'article one')
  await scene.publish(TWO, 'article two')
})

afterAll(() => scene.stop())

const priceOf = (path: string) => (path === DEAR ? DEAR_PRICE : CHEAP_PRICE)

/** Sends headers as they are, duplicates and all; fetch would merge them before they leave. */
function sendRaw(path: string, headers: string[]): Promise<{ status: number; text: string }> {
  return new Promise((done, broke) => {
    const sent = request(`${scene.site.url}${path}`, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => done({ status: response.statusCode ?? 0, text }))
    })
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] ?? ''
      sent.setHeader(
        name,
        headers.filter((_, at) => at % 2 === 1 && headers[at - 1] === name),
      )
    }
    sent.on('error', broke).end()
  })
}

describe('against a naive shop', () => {
  test('a cheap payment buys the dear article, where the terms are those the client says it accepted', async () => {
    const shop = await scene.naive(async ({ payment, path, verify, settle }) => {
      if (!payment) return null
      const { accepted } = unpack(payment)
      return (await verify(payment, accepted)) && (await settle(payment, accepted)) ? `content of ${path}` : null
    }, priceOf)
    const payment = await stockPayment(await fetch(shop + CHEAP), await scene.buyer())
    const { value: answer, earned } = await scene.during(() => ask(shop + DEAR, paying(payment)))
    expect(answer.text).toBe(`content of ${DEAR}`)
    expect(earned).toBe(CHEAP_PRICE)
  })

  test('one payment buys two articles of one price, where settling comes last', async () => {
    const owed: (() => Promise<boolean>)[] = []
    const shop = await scene.naive(async ({ payment, path, verify, settle }) => {
      if (!payment || !(await verify(payment))) return null
      owed.push(() => settle(payment))
      return `content of ${path}`
    })
    const payment = await stockPayment(await fetch(shop + ONE), await scene.buyer())
    const { value: answers, earned } = await scene.during(async () => {
      const got = [await ask(shop + ONE, paying(payment)), await ask(shop + TWO, paying(payment))]
      for (const settle of owed) await settle()
      return got
    })
    expect(answers.map(({ text }) => text)).toEqual([`content of ${ONE}`, `content of ${TWO}`])
    expect(earned).toBe(PRICE)
  })

  test('the dear article goes for the cheap price, where one header is verified and the other settled', async () => {
    const shop = await scene.naive(async ({ payment, path, request: { headers }, verify, settle }) => {
      const older = headers['x-payment']
      if (!payment || typeof older !== 'string' || !(await verify(payment))) return null
      return (await settle(older, unpack(older).accepted)) ? `content of ${path}` : null
    }, priceOf)
    const rich = await stockPayment(await fetch(shop + DEAR), await scene.buyer(DEAR_PRICE))
    const poor = await stockPayment(await fetch(shop + CHEAP), await scene.buyer())
    const headers = { ...paying(rich), 'X-PAYMENT': poor }
    const { value: answer, earned } = await scene.during(() => ask(shop + DEAR, headers))
    expect(answer.text).toBe(`content of ${DEAR}`)
    expect(earned).toBe(CHEAP_PRICE)
  })
})

describe('here', () => {
  test('a cheap payment opens nothing of the dear article, whatever it says it accepted', async () => {
    const thief = await scene.buyer(CHEAP_PRICE)
    const stock = await stockPayment(await scene.challenge(CHEAP), thief)
    const signed = await sign(thief, { value: CHEAP_PRICE })
    const resource = { resource: { url: `https://news.example${CHEAP}` } }
    const headers = [
      paying(stock),
      { 'X-PAYMENT': asV1(stock) },
      paying(headerOf(signed)),
      paying(headerOf(signed, { amount: DEAR_PRICE.toString() })),
      paying(headerOf(signed, { more: resource })),
    ]
    const { value: answers, ...cost } = await scene.during(async () => {
      const got = []
      for (const sent of headers) got.push(await scene.ask(DEAR, sent))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(headers.map(() => 402))
    expect(served(answers, 'the dear article')).toBe(0)
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
  })

  test('a payment that bought one article opens no other of the same price, nor does its pass', async () => {
    const payment = await stockPayment(await scene.challenge(ONE), await scene.buyer(PRICE * 2n))
    const bought = await scene.ask(ONE, paying(payment))
    expect(bought.text).toBe('article one')
    const { value: answers, ...cost } = await scene.during(async () => [
      await scene.ask(TWO, paying(payment)),
      await scene.ask(TWO, { 'X-PAYMENT': asV1(payment) }),
      await scene.ask(TWO, { Cookie: passIn(bought) }),
      await scene.ask(TWO, { ...paying(payment), Cookie: passIn(bought) }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([402, 402, 402, 402])
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
    expect((await scene.ask(ONE, { Cookie: passIn(bought) })).text).toBe('article one')
  })

  test('a payment sent to two articles at the same moment opens one of them', async () => {
    const payment = await stockPayment(await scene.challenge(ONE), await scene.buyer(PRICE * 2n))
    const { value: answers, ...cost } = await scene.during(() =>
      Promise.all(Array.from({ length: 10 }, (_, i) => scene.ask(i % 2 ? ONE : TWO, paying(payment)))),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(cost).toEqual({ earned: PRICE, settled: 1, verified: 0 })
  })

  test('two authorizations with one nonce are one purchase', async () => {
    const reader = await scene.buyer(DEAR_PRICE * 2n)
    const cheap = await sign(reader, { value: CHEAP_PRICE })
    const dear = await sign(reader, { value: DEAR_PRICE, nonce: cheap.authorization.nonce })
    expect((await scene.ask(CHEAP, paying(headerOf(cheap)))).text).toBe('the cheap article')
    const { value: answer, ...cost } = await scene.during(() => scene.ask(DEAR, paying(headerOf(dear))))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('payment_already_used')
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
  })

  test('two payments in two headers are refused, whichever could pay', async () => {
    const rich = await stockPayment(await scene.challenge(DEAR), await scene.buyer(DEAR_PRICE))
    const poor = await stockPayment(await scene.challenge(CHEAP), await scene.buyer(CHEAP_PRICE))
    const pairs = [
      { ...paying(rich), 'X-PAYMENT': poor },
      { ...paying(poor), 'X-PAYMENT': rich },
      { ...paying(rich), 'X-PAYMENT': asV1(poor) },
      { ...paying(asV1(poor)), 'X-PAYMENT': rich },
      { ...paying(rich), 'X-PAYMENT': 'not a payment' },
      { ...paying(rich), 'X-PAYMENT': '' },
      { ...paying(''), 'X-PAYMENT': rich },
    ]
    const { value: answers, ...cost } = await scene.during(async () => {
      const got = []
      for (const headers of pairs) got.push(await scene.ask(DEAR, headers))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(pairs.map(() => 400))
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
  })

  test.each([['PAYMENT-SIGNATURE'], ['X-PAYMENT']])('%s sent twice is refused', async (name) => {
    const rich = await stockPayment(await scene.challenge(DEAR), await scene.buyer(DEAR_PRICE))
    const poor = await stockPayment(await scene.challenge(CHEAP), await scene.buyer(CHEAP_PRICE))
    for (const [first, second] of [
      [rich, poor],
      [poor, rich],
      [rich, rich],
    ] as const) {
      const { value: answer, ...cost } = await scene.during(() => sendRaw(DEAR, [name, first, name, second]))
      expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('invalid_payload') })
      expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
    }
  })

  test('a payload of one version under the number of the other is refused', async () => {
    const payment = await stockPayment(await scene.challenge(ONE), await scene.buyer())
    const v2 = unpack(payment)
    const mixed = [
      { ...v2, x402Version: 1 },
      { x402Version: 2, scheme: 'exact', network: 'base-sepolia', payload: v2.payload },
      { ...v2, x402Version: '2' },
      { ...v2, x402Version: 3 },
      { ...v2, payload: { ...v2.payload, permit2Authorization: {} } },
      { ...v2, payload: [v2.payload] },
    ]
    const { value: answers, ...cost } = await scene.during(async () => {
      const got = []
      for (const json of mixed) got.push(await scene.ask(ONE, paying(pack(json))))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(mixed.map(() => 400))
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
  })
})
