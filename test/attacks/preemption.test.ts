// Preemption (arXiv 2605.11781, I-B): an authorization names no sender, so whoever sees it may broadcast it first. And
// its opposite: a payment that landed for somebody else's shop, with the same payee, is shown here as if it were ours.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { broadcast } from '../world/attack-chain.ts'
import { unpack } from '../world/attack-payment.ts'
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

/** Somebody is faster than the facilitator. */
function overtakeSettlement(payment: string): void {
  scene.facilitator.setHook(async ({ path }, proceed) => {
    if (path === '/settle') {
      scene.facilitator.setHook(undefined)
      await broadcast(scene.chain, unpack(payment).payload)
    }
    return proceed()
  })
}

describe('against a shop that verifies, serves and settles', () => {
  test('a reader whose payment was broadcast by somebody else has paid and is turned away', async () => {
    const shop = await scene.naive(async ({ payment, verify, settle }) =>
      payment && (await verify(payment)) && (await settle(payment)) ? CONTENT : null,
    )
    const payment = await stockPayment(await fetch(shop), await scene.buyer())
    overtakeSettlement(payment)
    const { value: answer, earned } = await scene.during(() => ask(shop, paying(payment)))
    expect(answer.status).toBe(402)
    expect(earned).toBe(PRICE)
  })

  test('a shop that takes a landed transfer for its own sells what was paid to another shop', async () => {
    const landed = async (payment: string) => {
      const { from } = unpack(payment).payload.authorization
      return (await scene.chain.balance(from)) === 0n
    }
    const shop = await scene.naive(async ({ payment, verify, settle }) =>
      payment && (((await verify(payment)) && (await settle(payment))) || (await landed(payment))) ? CONTENT : null,
    )
    const elsewhere = await scene.naive(async ({ payment, settle }) =>
      payment && (await settle(payment)) ? 'something else' : null,
    )
    const payment = await stockPayment(await fetch(elsewhere), await scene.buyer())
    const { value: contents, earned } = await scene.during(async () => [
      (await ask(elsewhere, paying(payment))).text,
      (await ask(shop, paying(payment))).text,
    ])
    expect(contents).toEqual(['something else', CONTENT])
    expect(earned).toBe(PRICE)
  })
})

describe('here', () => {
  test('a payment that somebody else broadcasts after our claim is served, charged once and in the ledger', async () => {
    const reader = await scene.buyer(PRICE * 2n)
    const challenge = await scene.challenge(ARTICLE)
    const payment = await stockPayment(challenge, reader)
    const next = await stockPayment(challenge, reader)
    const rows = await scene.ledgerRows()
    overtakeSettlement(payment)
    const first = await scene.during(() => scene.ask(ARTICLE, paying(payment)))
    expect(first.value.text).toBe(CONTENT)
    expect(first.value.headers.get('PAYMENT-RESPONSE')).not.toBeNull()
    expect(first.earned).toBe(PRICE)
    await expect.poll(scene.ledgerRows, { timeout: 10_000 }).toBe(rows + 1)

    const second = await scene.during(() => scene.ask(ARTICLE, paying(next)))
    expect(second.value.text).toBe(CONTENT)
    expect(second).toMatchObject({ earned: 0n, settled: 0 })
  })

  test('a payment that was broadcast before we first saw it is already used', async () => {
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer())
    await broadcast(scene.chain, unpack(payment).payload)
    const { value: answer, earned } = await scene.during(() => scene.ask(ARTICLE, paying(payment)))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('payment_already_used')
    expect(answer.text).not.toContain(CONTENT)
    expect(earned).toBe(0n)
  })

  test('a payment that another shop of the same payee has settled buys nothing, however often it is shown', async () => {
    const elsewhere = await scene.naive(async ({ payment, settle }) =>
      payment && (await settle(payment)) ? 'something else' : null,
    )
    const payment = await stockPayment(await fetch(elsewhere), await scene.buyer())
    expect((await ask(elsewhere, paying(payment))).text).toBe('something else')
    const { value: answers, earned } = await scene.during(() =>
      Promise.all(Array.from({ length: 8 }, () => scene.ask(ARTICLE, paying(payment)))),
    )
    for (const { status, text } of answers) {
      expect(status).toBe(402)
      expect(text).toContain('payment_already_used')
    }
    expect(earned).toBe(0n)
  })
})
