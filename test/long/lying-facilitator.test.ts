// A facilitator that says yes to something other than what it was asked. (One that lies about the very payment it was
// asked about is believed: it is a trusted party, see docs/threat-model.md.)
import { generatePrivateKey } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { send } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { authorize, headerOf, paying } from '../world/payer.ts'
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

const lie = (about: object) => ({
  success: true,
  transaction: generatePrivateKey(),
  network: 'eip155:84532',
  ...about,
})

describe('against a naive shop', () => {
  test('a facilitator that reports the payment of another payer is believed', async () => {
    const naive = await openNaive(shop, async ({ payment, settle }) =>
      payment && (await settle(payment)) ? CONTENT : null,
    )
    const payment = await stockPayment(await send(naive), await shop.reader(0n))
    shop.stack.facilitator.setHook(async () => ({
      status: 200,
      body: lie({ payer: generatePrivateKey().slice(0, 42) }),
    }))
    const { result: answer, cost } = await shop.costOf(() => send(naive, paying(payment)))
    shop.stack.facilitator.setHook(undefined)
    expect(answer.text).toBe(CONTENT)
    expect(cost.earned).toBe(0n)
  })
})

describe('here', () => {
  test('a success for another payer, network or amount, or without a transaction, opens nothing', async () => {
    const lies = [
      { payer: generatePrivateKey().slice(0, 42) },
      { network: 'eip155:1' },
      { amount: '1' },
      { transaction: '' },
      { transaction: '0x1' },
    ]
    const payments = await Promise.all(
      lies.map(async (about) => ({ about, signed: await authorize(await shop.reader(PRICE), { value: PRICE }) })),
    )
    shop.stack.facilitator.setHook(async ({ body }) => {
      const sent = JSON.stringify(body)
      const found = payments.find(({ signed }) => sent.includes(signed.authorization.nonce))
      return { status: 200, body: lie(found?.about ?? {}) }
    })
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(payments.map(({ signed }) => shop.ask(ARTICLE, paying(headerOf(signed))))),
    )
    shop.stack.facilitator.setHook(undefined)
    expect(answers.map(({ status }) => status)).toEqual(lies.map(() => 503))
    for (const { text, headers } of answers) {
      expect(text).toContain('settlement_pending')
      expect(headers.get('PAYMENT-REQUIRED')).toBeNull()
      expect(headers.get('Set-Cookie')).toBeNull()
    }
    expect(cost.earned).toBe(0n)
  })
})
