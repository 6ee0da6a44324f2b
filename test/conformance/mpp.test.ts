// MPP beside x402 on the same 402: challenges, credentials, receipts and refusals, with a client written by hand.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import {
  answerTo,
  canonical,
  challengeIn,
  challengesIn,
  credentialOf,
  mppReceipt,
  packed,
  payMpp,
  requestIn,
} from '../world/mpp.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { NETWORK, NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
let shop: Shop
let origin: OriginServer

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      {
        path: '/articles/*',
        content: 'kv',
        price: '$0.05',
        access: '24h',
        offers: [{ name: 'Week “pass”', price: '$0.09', access: '7d', scope: '/articles/*' }],
      },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
      { path: '/api/*', price: '$0.05', access: 'once' },
    ],
  })
  for (const name of ['hello', 'other', 'third', 'fourth']) await shop.site.kv.put(`/articles/${name}`, CONTENT)
  for (const name of ['a', 'b', 'c']) await shop.site.kv.put(`/once/${name}`, CONTENT)
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

/** Asks, and answers the first challenge. */
const buy = async (path: string, reader: Awaited<ReturnType<Shop['reader']>>, headers: Record<string, string> = {}) =>
  shop.ask(path, { headers: { ...(await payMpp(await shop.ask(path), reader)), ...headers } })

describe('the challenge', () => {
  test('is for each offer, the resource itself first, and says what x402 says', async () => {
    const answer = await shop.ask(ARTICLE)
    const challenges = challengesIn(answer)
    const { accepts } = answer.challengeV2
    expect(challenges.map((each) => requestIn(each).amount)).toEqual(['50000', '90000'])
    challenges.forEach((challenge, i) => {
      const { amount, asset, payTo } = accepts[i] ?? {}
      expect(requestIn(challenge)).toEqual({
        amount,
        currency: asset,
        recipient: payTo,
        methodDetails: { chainId: 84532, credentialTypes: ['authorization'], decimals: 6 },
      })
      expect(challenge.realm).toBe('news.example')
      expect(Date.parse(challenge.expires) - Date.now()).toBeGreaterThan(290_000)
      expect(Date.parse(challenge.expires) - Date.now()).toBeLessThanOrEqual(300_000)
    })
  })

  test('comes back the same from a client that reads it and writes it anew', async () => {
    for (const challenge of challengesIn(await shop.ask(ARTICLE))) {
      for (const text of [challenge.request, challenge.opaque]) {
        const json: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
        expect(Buffer.from(canonical(json)).toString('base64url')).toBe(text)
      }
    }
  })

  test('is another one each time, within one second too', async () => {
    const ids = (await Promise.all(Array.from({ length: 8 }, () => shop.ask(ARTICLE)))).flatMap(challengesIn)
    expect(new Set(ids.map(({ id }) => id)).size).toBe(16)
  })

  test('names another header where Authorization is taken', async () => {
    const answer = await shop.ask(ARTICLE, { headers: { Authorization: 'Basic YTpi' } })
    expect(challengesIn(answer).map(({ header }) => header)).toEqual(['Payment-Authorization', 'Payment-Authorization'])
    expect(challengesIn(await shop.ask(ARTICLE)).map(({ header }) => header)).toEqual([undefined, undefined])
  })

  test('may be read by scripts, and HEAD has it too', async () => {
    const answer = await shop.ask(ARTICLE, { method: 'HEAD' })
    expect(answer.status).toBe(402)
    expect(challengesIn(answer)).toHaveLength(2)
    for (const name of ['WWW-Authenticate', 'Payment-Receipt'])
      expect(answer.header('Access-Control-Expose-Headers')).toContain(name)
  })
})

describe('a credential', () => {
  test('buys, with both receipts and a pass', async () => {
    const reader = await shop.reader()
    const challenge = challengeIn(await shop.ask(ARTICLE))
    const credential = credentialOf(challenge, await answerTo(challenge, reader))
    const { result: answer, cost } = await shop.costOf(() =>
      shop.ask(ARTICLE, { headers: { Authorization: credential } }),
    )
    expect(answer.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect(answer.receipt).toMatchObject({ success: true, network: NETWORK })
    expect(mppReceipt(answer)).toMatchObject({
      challengeId: challenge.id,
      chainId: 84532,
      reference: answer.receipt?.transaction,
    })
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    expect((await shop.ask(ARTICLE, { headers: { Cookie: answer.pass } })).text).toBe(CONTENT)
  })

  test('buys what its own challenge offers', async () => {
    const reader = await shop.reader()
    const [, week] = challengesIn(await shop.ask(ARTICLE))
    if (!week) throw new Error('no second challenge')
    const headers = { Authorization: credentialOf(week, await answerTo(week, reader)) }
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, { headers }))
    expect(answer.text).toBe(CONTENT)
    expect(cost.earned).toBe(90_000n)
    expect((await shop.ask('/articles/other', { headers: { Cookie: answer.pass } })).text).toBe(CONTENT)
  })

  test('goes beside another Authorization, which is the origin’s; nothing of the payment gets there', async () => {
    const reader = await shop.reader()
    const headers = { Authorization: 'Basic YTpi', 'Accept-Payment': 'evm/charge' }
    const unpaid = await shop.ask('/api/data', { headers })
    const seen: Record<string, unknown>[] = []
    origin.tell((request) => {
      seen.push(request.headers)
      return { body: 'data' }
    })
    const { result: answer, cost } = await shop.costOf(async () =>
      shop.ask('/api/data', { headers: { ...headers, ...(await payMpp(unpaid, reader)) } }),
    )
    expect(answer.text).toBe('data')
    expect(cost).toEqual(ONE_SALE)
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({ authorization: 'Basic YTpi' })
    for (const name of ['payment-authorization', 'accept-payment']) expect(seen[0]).not.toHaveProperty(name)
    await (await buy('/api/data', reader)).text
    expect(seen[1]).not.toHaveProperty('authorization')
  })

  test('goes beside a pass, for something that the pass does not open', async () => {
    const reader = await shop.reader()
    const { pass } = await buy(ARTICLE, reader)
    const Authorization = `Bearer ${pass.split('=')[1]}`
    const unpaid = await shop.ask('/once/a', { headers: { Authorization } })
    const { result: answer, cost } = await shop.costOf(async () =>
      shop.ask('/once/a', { headers: { Authorization, ...(await payMpp(unpaid, reader)) } }),
    )
    expect(answer.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
  })

  test('beside its payer’s own pass is not settled, and counts as used', async () => {
    const reader = await shop.reader()
    const { pass: Cookie } = await buy('/articles/fourth', reader)
    const headers = await payMpp(await shop.ask('/articles/fourth'), reader)
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask('/articles/fourth', { headers: { ...headers, Cookie } }),
      await shop.ask('/articles/fourth', { headers }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 402])
    expect(answers[1]?.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })

  test('has a POST settled before it is carried out', async () => {
    origin.tell(({ body }) => ({ body: `you asked: ${body}` }))
    const reader = await shop.reader()
    const unpaid = await shop.ask('/api/ask', { method: 'POST', body: 'when?' })
    const { result: answer, cost } = await shop.costOf(async () =>
      shop.ask('/api/ask', { method: 'POST', body: 'when?', headers: await payMpp(unpaid, reader) }),
    )
    expect(answer.text).toBe('you asked: when?')
    expect(cost).toEqual(ONE_SALE)
    expect(mppReceipt(answer)).not.toBeNull()
  })

  test('for what its payer owns is not settled, and has no receipt of its own', async () => {
    const reader = await shop.reader()
    await buy('/articles/third', reader)
    const { result: answer, cost } = await shop.costOf(() => buy('/articles/third', reader))
    expect(answer.text).toBe(CONTENT)
    expect(cost).toEqual(NOTHING)
    expect(answer.receipt?.success).toBe(true)
    expect(mppReceipt(answer)).toBeNull()
  })

  test('with an Idempotency-Key is delivered again; without one it is used', async () => {
    const reader = await shop.reader()
    const payment = await payMpp(await shop.ask('/once/b'), reader)
    const headers = { ...payment, 'Idempotency-Key': 'my-purchase-0000001' }
    const first = await shop.ask('/once/b', { headers })
    const { result: again, cost } = await shop.costOf(() => shop.ask('/once/b', { headers }))
    expect([first.text, again.text]).toEqual([CONTENT, CONTENT])
    expect(mppReceipt(again)).toEqual(mppReceipt(first))
    expect(cost).toEqual(NOTHING)
    const { result: other } = await shop.costOf(() =>
      buy('/once/b', reader, { 'Idempotency-Key': 'my-purchase-0000001' }),
    )
    expect(other.status).toBe(409)
    expect(challengesIn(other)).toEqual([])
    const plain = await payMpp(await shop.ask('/once/c'), reader)
    expect((await shop.ask('/once/c', { headers: plain })).text).toBe(CONTENT)
    const replay = await shop.ask('/once/c', { headers: plain })
    expect([replay.status, replay.error]).toEqual([402, 'payment_already_used'])
    expect(mppReceipt(replay)).toBeNull()
  })
})

const problem = z.looseObject({
  type: z.string(),
  status: z.number(),
  title: z.string(),
  detail: z.string(),
  error: z.string(),
})

describe('what is surely bad is refused with a fresh challenge', () => {
  const cases: [name: string, word: string, make: () => Promise<Record<string, string>>][] = [
    ['what is no base64', 'malformed-credential', async () => ({ Authorization: 'Payment ???' })],
    ['an empty credential', 'malformed-credential', async () => ({ Authorization: 'Payment' })],
    ['what is too long', 'malformed-credential', async () => ({ Authorization: `Payment ${'A'.repeat(8200)}` })],
    ['JSON of another shape', 'malformed-credential', async () => ({ Authorization: `Payment ${packed({ a: 1 })}` })],
    [
      'a field more than there should be',
      'malformed-credential',
      async () => payMpp(await shop.ask(ARTICLE), await shop.reader(), { payload: { permit: {} } }),
    ],
    [
      'two different credentials',
      'malformed-credential',
      async () => {
        const reader = await shop.reader()
        const { Authorization = '' } = await payMpp(await shop.ask(ARTICLE), reader)
        return { Authorization, 'Payment-Authorization': `Payment ${packed({ a: 1 })}` }
      },
    ],
    [
      'a method that is not offered',
      'invalid-challenge',
      async () => payMpp(await shop.ask(ARTICLE), await shop.reader(), { challenge: { method: 'tempo' } }),
    ],
    [
      'less than the price',
      'payment-insufficient',
      async () => payMpp(await shop.ask(ARTICLE), await shop.reader(), { signed: { value: PRICE - 1n } }),
    ],
    [
      'a wallet with too little',
      'payment-insufficient',
      async () => payMpp(await shop.ask(ARTICLE), await shop.reader(1n)),
    ],
    [
      'another payee',
      'verification-failed',
      async () =>
        payMpp(await shop.ask(ARTICLE), await shop.reader(), {
          signed: { to: privateKeyToAccount(generatePrivateKey()).address },
        }),
    ],
    [
      'an authorization that has ended',
      'payment-expired',
      async () => payMpp(await shop.ask(ARTICLE), await shop.reader(), { signed: { validBefore: 1n } }),
    ],
  ]

  test.each(cases)('%s: %s', async (_, word, make) => {
    const headers = await make()
    const asked = { ...headers, Accept: 'application/problem+json' }
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, { headers: asked }))
    expect(answer.status).toBe(402)
    expect(cost.earned).toBe(0n)
    expect(answer.header('Content-Type')).toBe('application/problem+json')
    expect(problem.parse(answer.json)).toMatchObject({ type: `https://paymentauth.org/problems/${word}`, status: 402 })
    expect(challengesIn(answer)).toHaveLength(2)
    expect(mppReceipt(answer)).toBeNull()
    const plain = await shop.ask(ARTICLE, { headers })
    expect(plain.header('Content-Type')).toContain('application/json')
    expect(plain.json).not.toHaveProperty('type')
  })

  test('but beside a payment of x402 it is two payments, and neither is read', async () => {
    const headers = await payMpp(await shop.ask(ARTICLE), await shop.reader())
    for (const name of ['PAYMENT-SIGNATURE', 'X-PAYMENT']) {
      const { result: answer, cost } = await shop.costOf(() =>
        shop.ask(ARTICLE, { headers: { ...headers, [name]: 'e30=' } }),
      )
      expect([answer.status, answer.error]).toEqual([400, 'invalid_payload'])
      expect(challengesIn(answer)).toEqual([])
      expect(cost).toEqual(NOTHING)
    }
  })
})
