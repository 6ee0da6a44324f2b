// A facilitator that says yes to something other than what it was asked. (One that lies about the very payment it was
// asked about is believed: it is a trusted party, see docs/threat-model.md.)
import { generatePrivateKey } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headerOf, sign } from '../world/attack-payment.ts'
import { ask, PRICE, paying, type Scene, startScene } from '../world/attack-scene.ts'
import { stockPayment } from '../world/stock.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
let scene: Scene

beforeAll(async () => {
  scene = await startScene()
  await scene.publish(ARTICLE, CONTENT)
})

afterAll(() => scene.stop())

const lie = (about: object) => ({
  success: true,
  transaction: generatePrivateKey(),
  network: 'eip155:84532',
  ...about,
})

describe('against a naive shop', () => {
  test('a facilitator that reports the payment of another payer is believed', async () => {
    const shop = await scene.naive(async ({ payment, settle }) => (payment && (await settle(payment)) ? CONTENT : null))
    const payment = await stockPayment(await fetch(shop), await scene.buyer(0n))
    scene.facilitator.setHook(async () => ({ status: 200, body: lie({ payer: generatePrivateKey().slice(0, 42) }) }))
    const { value: answer, earned } = await scene.during(() => ask(shop, paying(payment)))
    scene.facilitator.setHook(undefined)
    expect(answer.text).toBe(CONTENT)
    expect(earned).toBe(0n)
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
      lies.map(async (about) => ({ about, signed: await sign(await scene.buyer(), { value: PRICE }) })),
    )
    scene.facilitator.setHook(async ({ body }) => {
      const sent = JSON.stringify(body)
      const found = payments.find(({ signed }) => sent.includes(signed.authorization.nonce))
      return { status: 200, body: lie(found?.about ?? {}) }
    })
    const { value: answers, earned } = await scene.during(() =>
      Promise.all(payments.map(({ signed }) => scene.ask(ARTICLE, paying(headerOf(signed))))),
    )
    scene.facilitator.setHook(undefined)
    expect(answers.map(({ status }) => status)).toEqual(lies.map(() => 503))
    for (const { text, headers } of answers) {
      expect(text).toContain('settlement_pending')
      expect(headers.get('PAYMENT-REQUIRED')).toBeNull()
      expect(headers.get('Set-Cookie')).toBeNull()
    }
    expect(earned).toBe(0n)
  })
})
