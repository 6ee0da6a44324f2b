// Replay (arXiv 2605.11781, II: 248 grants from one payment) and the race of duplicate settlements (arXiv 2605.30998).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FacilitatorReply } from '../../dev/stack/facilitator.ts'
import { type Question, send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { asV1, pack, paying, unpack } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

const COPIES = 248
const ARTICLE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
let shop: Shop

beforeAll(async () => {
  shop = await openShop()
  await shop.site.kv.put(ARTICLE, CONTENT)
  await shop.site.kv.put(OTHER, `another article, not ${CONTENT}`)
})

afterAll(() => shop.close())

/** A facilitator that answers a settlement it has done before with the same success, as Solana's ledger would. */
function answerDuplicatesAlike(): void {
  const known = new Map<string, Promise<FacilitatorReply>>()
  shop.stack.facilitator.setHook(({ path, body }, proceed) => {
    if (path !== '/settle') return proceed()
    const key = JSON.stringify(body)
    const reply = known.get(key) ?? proceed()
    known.set(key, reply)
    return reply
  })
}

/** The same authorization as different bytes, at different addresses. */
function wrappings(payment: string): [string, Question][] {
  const json = unpack(payment)
  const { signature, authorization } = json.payload
  const v1 = asV1(payment)
  const shouted = {
    ...json,
    payload: {
      signature,
      authorization: { ...authorization, nonce: `0x${authorization.nonce.slice(2).toUpperCase()}` },
    },
  }
  const reordered = Object.fromEntries(Object.entries(json).reverse())
  const spaced = Buffer.from(JSON.stringify(json, null, 1)).toString('base64')
  return [
    [ARTICLE, paying(payment)],
    [ARTICLE, paying(Buffer.from(payment, 'base64').toString('base64url'))],
    [ARTICLE, { headers: { 'X-PAYMENT': v1 } }],
    [ARTICLE, { headers: { 'X-PAYMENT': payment } }],
    [ARTICLE, paying(v1)],
    [ARTICLE, paying(payment, { 'X-PAYMENT': v1 })],
    [ARTICLE, paying(pack(shouted))],
    [ARTICLE, paying(pack(reordered))],
    [ARTICLE, paying(spaced)],
    [ARTICLE, paying(pack({ ...json, resource: { url: 'https://news.example/articles/other' } }))],
    [`${ARTICLE}/?utm_source=replay`, paying(payment)],
    [OTHER, paying(payment)],
    [OTHER, { headers: { 'X-PAYMENT': v1 } }],
  ]
}

describe('against a shop without a memory', () => {
  test(`${COPIES} copies of one payment are ${COPIES} grants`, async () => {
    const owed: (() => Promise<boolean>)[] = []
    const naive = await openNaive(shop, async ({ payment, verify, settle }) => {
      if (!payment || !(await verify(payment))) return null
      owed.push(() => settle(payment))
      return CONTENT
    })
    const payment = await stockPayment(await send(naive), await shop.reader(PRICE))
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = await Promise.all(Array.from({ length: COPIES }, () => send(naive, paying(payment))))
      for (const settle of owed.slice(0, 3)) await settle()
      return got
    })
    expect(served(answers, CONTENT)).toBe(COPIES)
    expect(cost.earned).toBe(PRICE)
  })

  test('a race of settlements that all succeed is a grant for each, and one payment', async () => {
    answerDuplicatesAlike()
    let verified = 0
    let allIn: () => void = () => {}
    const together = new Promise<void>((done) => {
      allIn = done
    })
    const naive = await openNaive(shop, async ({ payment, verify, settle }) => {
      if (!payment || !(await verify(payment))) return null
      verified += 1
      if (verified === 10) allIn()
      await together
      return (await settle(payment)) ? CONTENT : null
    })
    const payment = await stockPayment(await send(naive), await shop.reader(PRICE))
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(Array.from({ length: 10 }, () => send(naive, paying(payment)))),
    )
    shop.stack.facilitator.setHook(undefined)
    expect(served(answers, CONTENT)).toBe(10)
    expect(cost.earned).toBe(PRICE)
  })
})

describe('here', () => {
  test(`${COPIES} copies of one payment, in every wrapping and at two articles, are one grant`, async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE * 20n))
    const ways = wrappings(payment)
    const rows = await shop.ledger()
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(
        Array.from({ length: COPIES }, (_, i) => {
          const [path, question] = ways[i % ways.length] ?? [ARTICLE, paying(payment)]
          return shop.ask(path, question)
        }),
      ),
    )
    expect(served(answers, CONTENT)).toBe(1)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(cost).toEqual(ONE_SALE)
    // At the other article it is a payment that names another page, until it is known.
    const refused = answers.filter(({ status }) => status !== 200).map(({ text }) => text)
    for (const text of refused) {
      expect(text).toMatch(/"error":"(?:payment_(?:already_used|in_progress)|invalid_payment_requirements)"/)
    }
    await expect.poll(() => shop.ledger(), { timeout: 10_000 }).toHaveLength(rows.length + 1)
  })

  test('each wrapping alone, after the purchase, buys nothing', async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE * 20n))
    expect((await shop.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = []
      for (const [path, question] of wrappings(payment)) got.push(await shop.ask(path, question))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 402))
    expect(served(answers, CONTENT)).toBe(0)
    expect(cost).toEqual(NOTHING)
  })

  test('the same signature with its other s opens nothing', async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE * 2n))
    expect((await shop.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
    const json = unpack(payment)
    const { signature } = json.payload
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0')
    const v = signature.endsWith('1b') ? '1c' : '1b'
    const twin = pack({ ...json, payload: { ...json.payload, signature: `${signature.slice(0, 66)}${s}${v}` } })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, paying(twin)))
    expect(answer.status).toBe(402)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  test('where every duplicate settlement succeeds, one payment is still one grant', async () => {
    answerDuplicatesAlike()
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE))
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(Array.from({ length: 20 }, (_, i) => shop.ask(i % 2 === 0 ? ARTICLE : OTHER, paying(payment)))),
    )
    shop.stack.facilitator.setHook(undefined)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(cost.earned).toBe(PRICE)
  })
})
