// Many payments at the same time, on a chain that mines at once and on one with a block every two seconds, as on Base.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { paying } from '../world/payer.ts'
import { ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

const MANY = 100
const ARTICLE = '/articles/hello'

describe.each([
  ['instant blocks', 'instant' as const],
  ['a block every two seconds', 2],
])('on a chain with %s', (_, blockTime) => {
  let shop: Shop

  beforeAll(async () => {
    shop = await openShop({}, { blockTime })
    await shop.site.kv.put(ARTICLE, 'the whole article')
  })

  afterAll(() => shop.close())

  const atOnce = (payments: string[]) =>
    shop.costOf(() => Promise.all(payments.map((payment) => shop.ask(ARTICLE, paying(payment)))))
  const contents = (answers: Answer[]) =>
    answers.filter(({ status, text }) => status === 200 && text === 'the whole article')

  test(`${MANY} identical payments: one settlement, one content`, async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE))
    const { result: answers, cost } = await atOnce(Array.from({ length: MANY }, () => payment))
    expect(cost).toEqual(ONE_SALE)
    expect(contents(answers)).toHaveLength(1)
    const others = answers.filter(({ status }) => status !== 200)
    expect(others).toHaveLength(MANY - 1)
    for (const { text } of others) expect(text).toMatch(/"error":"payment_(already_used|in_progress)"/)
  })

  test(`${MANY} identical payments with a payment-identifier: one settlement, the content for each`, async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE), 'an-identifier-of-the-client')
    const { result: answers, cost } = await atOnce(Array.from({ length: MANY }, () => payment))
    expect(cost).toEqual(ONE_SALE)
    expect(contents(answers)).toHaveLength(MANY)
  })

  test(`${MANY} payers: ${MANY} settlements, ${MANY} contents, ${MANY} rows in the ledger`, async () => {
    const before = await shop.ledger()
    const readers = []
    for (let i = 0; i < MANY; i++) readers.push(await shop.reader(PRICE))
    const challenge = await shop.ask(ARTICLE)
    const payments = await Promise.all(readers.map((reader) => stockPayment(challenge, reader)))
    const { result: answers, cost } = await atOnce(payments)
    expect(contents(answers)).toHaveLength(MANY)
    expect(cost).toEqual({ settles: MANY, verifies: 0, earned: PRICE * BigInt(MANY) })
    await expect.poll(() => shop.ledger(), { timeout: 5_000 }).toHaveLength(before.length + MANY)
  })

  test('ten signatures of one reader for one article: one settlement, ten contents', async () => {
    const reader = await shop.reader(PRICE * 10n)
    const challenge = await shop.ask(ARTICLE)
    const payments = await Promise.all(Array.from({ length: 10 }, () => stockPayment(challenge, reader)))
    const { result: answers, cost } = await atOnce(payments)
    expect(contents(answers)).toHaveLength(10)
    expect(cost).toMatchObject({ settles: 1, earned: PRICE })
  })
})
