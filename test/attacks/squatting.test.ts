// Nonce squatting: whoever has seen a nonce shows it first, with a signature that is junk.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pack, sign, unpack } from '../world/attack-payment.ts'
import { ask, PRICE, paying, type Scene, served, startScene } from '../world/attack-scene.ts'
import { stockPayment } from '../world/stock.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
let scene: Scene

beforeAll(async () => {
  scene = await startScene()
  await scene.publish(ARTICLE, CONTENT)
})

afterAll(() => scene.stop())

/** Somebody else's authorization under signatures that are not theirs. */
async function junk(payment: string): Promise<string[]> {
  const json = unpack(payment)
  const { payload } = json
  const stranger = await scene.buyer(0n)
  const foreign = await sign(stranger, { value: PRICE, nonce: payload.authorization.nonce })
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
    const shop = await scene.naive(async ({ payment, verify, settle }) => {
      if (!payment) return null
      const { nonce } = unpack(payment).payload.authorization
      if (seen.has(nonce)) return null
      seen.add(nonce)
      return (await verify(payment)) && (await settle(payment)) ? CONTENT : null
    })
    const payment = await stockPayment(await fetch(shop), await scene.buyer())
    const [forged = ''] = await junk(payment)
    expect((await ask(shop, paying(forged))).status).toBe(402)
    expect((await ask(shop, paying(payment))).status).toBe(402)
  })
})

describe('here', () => {
  test('junk with the nonce of somebody else changes nothing for its owner', async () => {
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer())
    const forged = await junk(payment)
    const before = await scene.during(() => Promise.all(forged.map((one) => scene.ask(ARTICLE, paying(one)))))
    expect(before.value.map(({ status }) => status)).toEqual(forged.map(() => 402))
    expect(before).toMatchObject({ earned: 0n, settled: 0 })
    const bought = await scene.during(() => scene.ask(ARTICLE, paying(payment)))
    expect(bought.value.text).toBe(CONTENT)
    expect(bought.earned).toBe(PRICE)
  })

  test('junk at the same moment as the real payment changes nothing either', async () => {
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer())
    const forged = await junk(payment)
    const { value: answers, earned } = await scene.during(() =>
      Promise.all([...forged, payment, ...forged].map((one) => scene.ask(ARTICLE, paying(one)))),
    )
    expect(served(answers, CONTENT)).toBe(1)
    expect(answers[forged.length]?.text).toBe(CONTENT)
    expect(earned).toBe(PRICE)
  })

  test('junk after the purchase learns nothing and delivers nothing again', async () => {
    const id = 'an-identifier-of-the-buyer'
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer(), id)
    expect((await scene.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
    const answers = await Promise.all((await junk(payment)).map((one) => scene.ask(ARTICLE, paying(one))))
    expect(served(answers, CONTENT)).toBe(0)
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 402))
    expect((await scene.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
  })

  test('a payment-identifier that somebody else has used first does not keep its owner out', async () => {
    const id = 'an-identifier-worth-having'
    const thief = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer(), id)
    const owner = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer(), id)
    expect((await scene.ask(ARTICLE, paying(thief))).text).toBe(CONTENT)
    expect((await scene.ask(ARTICLE, paying(owner))).text).toBe(CONTENT)
  })

  test('a payee, payer or amount that was changed after signing is refused', async () => {
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer())
    const json = unpack(payment)
    const { payload } = json
    const stranger = (await scene.buyer()).address
    const changed = [{ from: stranger }, { to: stranger }, { value: '1' }, { validBefore: '9999999999' }]
    const { value: answers, earned } = await scene.during(() =>
      Promise.all(
        changed.map((change) => {
          const authorization = { ...payload.authorization, ...change }
          return scene.ask(ARTICLE, paying(pack({ ...json, payload: { ...payload, authorization } })))
        }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(changed.map(() => 402))
    expect(earned).toBe(0n)
  })
})
