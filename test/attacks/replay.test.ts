// Replay (arXiv 2605.11781, II: 248 grants from one payment) and the race of duplicate settlements (arXiv 2605.30998).
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FacilitatorReply } from '../../dev/stack/facilitator.ts'
import { asV1, pack, unpack } from '../world/attack-payment.ts'
import { ask, PRICE, paying, type Scene, served, startScene } from '../world/attack-scene.ts'
import { stockPayment } from '../world/stock.ts'

const COPIES = 248
const ARTICLE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
let scene: Scene

beforeAll(async () => {
  scene = await startScene()
  await scene.publish(ARTICLE, CONTENT)
  await scene.publish(OTHER, `another article, not ${CONTENT}`)
})

afterAll(() => scene.stop())

/** A facilitator that answers a settlement it has done before with the same success, as Solana's ledger would. */
function answerDuplicatesAlike(): void {
  const known = new Map<string, Promise<FacilitatorReply>>()
  scene.facilitator.setHook(({ path, body }, proceed) => {
    if (path !== '/settle') return proceed()
    const key = JSON.stringify(body)
    const reply = known.get(key) ?? proceed()
    known.set(key, reply)
    return reply
  })
}

/** The same authorization as different bytes, at different addresses. */
function wrappings(payment: string): { path: string; headers: Record<string, string> }[] {
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
    { path: ARTICLE, headers: paying(payment) },
    { path: ARTICLE, headers: paying(Buffer.from(payment, 'base64').toString('base64url')) },
    { path: ARTICLE, headers: { 'X-PAYMENT': v1 } },
    { path: ARTICLE, headers: { 'X-PAYMENT': payment } },
    { path: ARTICLE, headers: paying(v1) },
    { path: ARTICLE, headers: { ...paying(payment), 'X-PAYMENT': v1 } },
    { path: ARTICLE, headers: paying(pack(shouted)) },
    { path: ARTICLE, headers: paying(pack(reordered)) },
    { path: ARTICLE, headers: paying(spaced) },
    { path: ARTICLE, headers: paying(pack({ ...json, resource: { url: 'https://news.example/articles/other' } })) },
    { path: `${ARTICLE}/?utm_source=replay`, headers: paying(payment) },
    { path: OTHER, headers: paying(payment) },
    { path: OTHER, headers: { 'X-PAYMENT': v1 } },
  ]
}

describe('against a shop without a memory', () => {
  test(`${COPIES} copies of one payment are ${COPIES} grants`, async () => {
    const owed: (() => Promise<boolean>)[] = []
    const shop = await scene.naive(async ({ payment, verify, settle }) => {
      if (!payment || !(await verify(payment))) return null
      owed.push(() => settle(payment))
      return CONTENT
    })
    const payment = await stockPayment(await fetch(shop), await scene.buyer())
    const { value: answers, earned } = await scene.during(async () => {
      const got = await Promise.all(Array.from({ length: COPIES }, () => ask(shop, paying(payment))))
      for (const settle of owed.slice(0, 3)) await settle()
      return got
    })
    expect(served(answers, CONTENT)).toBe(COPIES)
    expect(earned).toBe(PRICE)
  })

  test('a race of settlements that all succeed is a grant for each, and one payment', async () => {
    answerDuplicatesAlike()
    let verified = 0
    let allIn: () => void = () => {}
    const together = new Promise<void>((done) => {
      allIn = done
    })
    const shop = await scene.naive(async ({ payment, verify, settle }) => {
      if (!payment || !(await verify(payment))) return null
      verified += 1
      if (verified === 10) allIn()
      await together
      return (await settle(payment)) ? CONTENT : null
    })
    const payment = await stockPayment(await fetch(shop), await scene.buyer())
    const { value: answers, earned } = await scene.during(() =>
      Promise.all(Array.from({ length: 10 }, () => ask(shop, paying(payment)))),
    )
    scene.facilitator.setHook(undefined)
    expect(served(answers, CONTENT)).toBe(10)
    expect(earned).toBe(PRICE)
  })
})

describe('here', () => {
  test(`${COPIES} copies of one payment, in every wrapping and at two articles, are one grant`, async () => {
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer(PRICE * 20n))
    const ways = wrappings(payment)
    const rows = await scene.ledgerRows()
    const { value: answers, ...cost } = await scene.during(() =>
      Promise.all(
        Array.from({ length: COPIES }, (_, i) => {
          const { path, headers } = ways[i % ways.length] ?? { path: ARTICLE, headers: paying(payment) }
          return scene.ask(path, headers)
        }),
      ),
    )
    expect(served(answers, CONTENT)).toBe(1)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(cost).toEqual({ earned: PRICE, settled: 1, verified: 0 })
    // At the other article it is a payment that names another page, until it is known.
    const refused = answers.filter(({ status }) => status !== 200).map(({ text }) => text)
    for (const text of refused) {
      expect(text).toMatch(/"error":"(?:payment_(?:already_used|in_progress)|invalid_payment_requirements)"/)
    }
    await expect.poll(scene.ledgerRows, { timeout: 10_000 }).toBe(rows + 1)
  })

  test('each wrapping alone, after the purchase, buys nothing', async () => {
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer(PRICE * 20n))
    expect((await scene.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
    const { value: answers, ...cost } = await scene.during(async () => {
      const got = []
      for (const { path, headers } of wrappings(payment)) got.push(await scene.ask(path, headers))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 402))
    expect(served(answers, CONTENT)).toBe(0)
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
  })

  test('the same signature with its other s opens nothing', async () => {
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer(PRICE * 2n))
    expect((await scene.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
    const json = unpack(payment)
    const { signature } = json.payload
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0')
    const v = signature.endsWith('1b') ? '1c' : '1b'
    const twin = pack({ ...json, payload: { ...json.payload, signature: `${signature.slice(0, 66)}${s}${v}` } })
    const { value: answer, earned, settled } = await scene.during(() => scene.ask(ARTICLE, paying(twin)))
    expect(answer.status).toBe(402)
    expect({ earned, settled }).toEqual({ earned: 0n, settled: 0 })
  })

  test('where every duplicate settlement succeeds, one payment is still one grant', async () => {
    answerDuplicatesAlike()
    const payment = await stockPayment(await scene.challenge(ARTICLE), await scene.buyer())
    const { value: answers, earned } = await scene.during(() =>
      Promise.all(Array.from({ length: 20 }, (_, i) => scene.ask(i % 2 === 0 ? ARTICLE : OTHER, paying(payment)))),
    )
    scene.facilitator.setHook(undefined)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(earned).toBe(PRICE)
  })
})
