// Nonce squatting: whoever has seen a nonce shows it first, with a signature that is junk.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { authorize, pack, paying, unpack } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
let shop: Shop

beforeAll(async () => {
  shop = await openShop()
  await shop.site.kv.put(ARTICLE, CONTENT)
})

afterAll(() => shop.close())

/** Somebody else's authorization under signatures that are not theirs. */
async function junk(payment: string): Promise<string[]> {
  const json = unpack(payment)
  const { payload } = json
  const stranger = await shop.reader(0n)
  const foreign = await authorize(stranger, { value: PRICE, nonce: payload.authorization.nonce })
  const signatures = [
    foreign.signature,
    `0x${'00'.repeat(65)}`,
    `0x${'ff'.repeat(64)}1b`,
    `0x${'11'.repeat(96)}`,
    payload.signature.slice(0, -2),
  ]
  return signatures.map((signature) => pack({ ...json, payload: { ...payload, signature } }))
}

describe('against a naive shop', () => {
  test('a nonce that is noted before it is proven keeps its owner out', async () => {
    const seen = new Set<string>()
    const naive = await openNaive(shop, async ({ payment, verify, settle }) => {
      if (!payment) return null
      const { nonce } = unpack(payment).payload.authorization
      if (seen.has(nonce)) return null
      seen.add(nonce)
      return (await verify(payment)) && (await settle(payment)) ? CONTENT : null
    })
    const payment = await stockPayment(await send(naive), await shop.reader(PRICE))
    const [forged = ''] = await junk(payment)
    expect((await send(naive, paying(forged))).status).toBe(402)
    expect((await send(naive, paying(payment))).status).toBe(402)
  })
})

describe('here', () => {
  test('junk with the nonce of somebody else changes nothing for its owner', async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE))
    const forged = await junk(payment)
    const { result: refused, cost } = await shop.costOf(() =>
      Promise.all(forged.map((one) => shop.ask(ARTICLE, paying(one)))),
    )
    expect(refused.map(({ status }) => status)).toEqual(forged.map(() => 402))
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    const bought = await shop.costOf(() => shop.ask(ARTICLE, paying(payment)))
    expect(bought.result.text).toBe(CONTENT)
    expect(bought.cost.earned).toBe(PRICE)
  })

  test('junk at the same moment as the real payment changes nothing either', async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE))
    const forged = await junk(payment)
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all([...forged, payment, ...forged].map((one) => shop.ask(ARTICLE, paying(one)))),
    )
    expect(served(answers, CONTENT)).toBe(1)
    expect(answers[forged.length]?.text).toBe(CONTENT)
    expect(cost.earned).toBe(PRICE)
  })

  test('junk after the purchase learns nothing and delivers nothing again', async () => {
    const id = 'an-identifier-of-the-buyer'
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE), id)
    expect((await shop.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
    const answers = await Promise.all((await junk(payment)).map((one) => shop.ask(ARTICLE, paying(one))))
    expect(served(answers, CONTENT)).toBe(0)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 402))
    expect((await shop.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
  })

  test('a payment-identifier that somebody else has used first does not keep its owner out', async () => {
    const id = 'an-identifier-worth-having'
    const thief = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE), id)
    const owner = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE), id)
    expect((await shop.ask(ARTICLE, paying(thief))).text).toBe(CONTENT)
    expect((await shop.ask(ARTICLE, paying(owner))).text).toBe(CONTENT)
  })

  test('a payee, payer or amount that was changed after signing is refused', async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE))
    const json = unpack(payment)
    const { payload } = json
    const stranger = (await shop.reader(PRICE)).address
    const changed = [{ from: stranger }, { to: stranger }, { value: '1' }, { validBefore: '9999999999' }]
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(
        changed.map((change) => {
          const authorization = { ...payload.authorization, ...change }
          return shop.ask(ARTICLE, paying(pack({ ...json, payload: { ...payload, authorization } })))
        }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(changed.map(() => 402))
    expect(cost.earned).toBe(0n)
  })
})
