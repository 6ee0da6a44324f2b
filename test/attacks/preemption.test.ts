// Preemption (arXiv 2605.11781, I-B): an authorization names no sender, so whoever sees it may broadcast it first. And
// its opposite: a payment that landed for somebody else's shop, with the same payee, is shown here as if it were ours.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { send } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { broadcast } from '../world/on-chain.ts'
import { paying, unpack } from '../world/payer.ts'
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

/** Somebody is faster than the facilitator. */
function overtakeSettlement(payment: string): void {
  shop.stack.facilitator.setHook(async ({ path }, proceed) => {
    if (path === '/settle') {
      shop.stack.facilitator.setHook(undefined)
      await broadcast(shop.stack.chain, unpack(payment).payload)
    }
    return proceed()
  })
}

describe('against a shop that verifies, serves and settles', () => {
  test('a reader whose payment was broadcast by somebody else has paid and is turned away', async () => {
    const naive = await openNaive(shop, async ({ payment, verify, settle }) =>
      payment && (await verify(payment)) && (await settle(payment)) ? CONTENT : null,
    )
    const payment = await stockPayment(await send(naive), await shop.reader(PRICE))
    overtakeSettlement(payment)
    const { result: answer, cost } = await shop.costOf(() => send(naive, paying(payment)))
    expect(answer.status).toBe(402)
    expect(cost.earned).toBe(PRICE)
  })

  test('a shop that takes a landed transfer for its own sells what was paid to another shop', async () => {
    const landed = async (payment: string) => {
      const { from } = unpack(payment).payload.authorization
      return (await shop.stack.chain.balance(from)) === 0n
    }
    const naive = await openNaive(shop, async ({ payment, verify, settle }) =>
      payment && (((await verify(payment)) && (await settle(payment))) || (await landed(payment))) ? CONTENT : null,
    )
    const elsewhere = await openNaive(shop, async ({ payment, settle }) =>
      payment && (await settle(payment)) ? 'something else' : null,
    )
    const payment = await stockPayment(await send(elsewhere + ARTICLE), await shop.reader(PRICE))
    const { result: contents, cost } = await shop.costOf(async () => [
      (await send(elsewhere + ARTICLE, paying(payment))).text,
      (await send(naive, paying(payment))).text,
    ])
    expect(contents).toEqual(['something else', CONTENT])
    expect(cost.earned).toBe(PRICE)
  })
})

describe('here', () => {
  test('a payment that somebody else broadcasts after our claim is served, charged once and in the ledger', async () => {
    const reader = await shop.reader(PRICE * 2n)
    const challenge = await shop.ask(ARTICLE)
    const payment = await stockPayment(challenge, reader)
    const next = await stockPayment(challenge, reader)
    overtakeSettlement(payment)
    const first = await shop.costOf(() => shop.ask(ARTICLE, paying(payment)))
    expect(first.result.text).toBe(CONTENT)
    expect(first.result.header('PAYMENT-RESPONSE')).not.toBeNull()
    expect(first.cost.earned).toBe(PRICE)
    await expect.poll(() => shop.ledger(reader.address), { timeout: 10_000 }).toHaveLength(1)

    const second = await shop.costOf(() => shop.ask(ARTICLE, paying(next)))
    expect(second.result.text).toBe(CONTENT)
    expect(second.cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  test('a payment that was broadcast before we first saw it is already used', async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE))
    await broadcast(shop.stack.chain, unpack(payment).payload)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, paying(payment)))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('payment_already_used')
    expect(answer.text).not.toContain(CONTENT)
    expect(cost.earned).toBe(0n)
  })

  test('a payment that another shop of the same payee has settled buys nothing, however often it is shown', async () => {
    const elsewhere = await openNaive(shop, async ({ payment, settle }) =>
      payment && (await settle(payment)) ? 'something else' : null,
    )
    const payment = await stockPayment(await send(elsewhere + ARTICLE), await shop.reader(PRICE))
    expect((await send(elsewhere + ARTICLE, paying(payment))).text).toBe('something else')
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(Array.from({ length: 8 }, () => shop.ask(ARTICLE, paying(payment)))),
    )
    for (const { status, text } of answers) {
      expect(status).toBe(402)
      expect(text).toContain('payment_already_used')
    }
    expect(cost.earned).toBe(0n)
  })
})
