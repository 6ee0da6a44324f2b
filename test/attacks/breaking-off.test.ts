// Breaking off (denial of settlement, the other way round): whose content was not handed out to the end may ask again.
// So a payer reads all but the last byte, breaks off, and asks again; with the same payment, or with a new one that is
// not settled because the first has not been used up. And who hangs up while a payment is settled has paid once.
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readAndBreakOff } from '../world/breaking-off.ts'
import { openNaive } from '../world/naive.ts'
import { startOrigin } from '../world/origin.ts'
import { authorize, headerOf, paying } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { allBehaviours } from '../world/solana-behaviour.ts'
import { KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
const ANSWER = 'forty-two, but let me explain at length'
/** How often content is handed out for one payment, at most (docs/decisions/010). */
const MOST = 3
const TRIES = 6

function* explanation() {
  yield ANSWER
  for (let i = 0; i < 4_000; i++) yield 'and furthermore '.repeat(1_000)
}

const facilitator = allBehaviours()
let shop: SolanaShop
/** Resolves when the origin's latest answer was given up. */
let givenUp: Promise<void> = Promise.resolve()

beforeAll(async () => {
  const origin = await startOrigin()
  origin.tell(() => {
    // Long, so that breaking off is noticed while it is under way: what fits into a buffer counts as taken.
    const body = Readable.from(explanation())
    givenUp = new Promise((done) => body.on('close', done))
    return { body }
  })
  const ROUTES = [
    { path: '/answers/*', price: '$0.05', access: 'once' },
    { path: '/articles/*', content: 'kv', price: '$0.05', access: 'once' },
  ]
  shop = await openSolanaShop({ ORIGIN_URL: origin.url, ROUTES }, { hook: facilitator.hook })
  shop.onClose(origin.stop)
  await shop.site.kv.put(ARTICLE, CONTENT)
})

afterAll(() => shop.close())

describe('against a naive shop', () => {
  test('one payment is read as often as one breaks off, where it is used up by the last byte', async () => {
    const paid = new Set<string>()
    const naive = await openNaive(shop, async ({ payment, verify, settle, response }) => {
      if (!payment || !(paid.has(payment) || ((await verify(payment)) && (await settle(payment))))) return null
      paid.add(payment)
      response.on('finish', () => paid.delete(payment))
      response.write(ANSWER)
      return 'answered'
    })
    const { headers } = paying(headerOf(await authorize(await shop.reader(PRICE), { value: PRICE })))
    const { result: reads, cost } = await shop.costOf(async () => {
      let count = 0
      for (let i = 0; i < TRIES; i++) count += Number(await readAndBreakOff(naive, { headers, wanted: ANSWER }))
      return count
    })
    expect(reads).toBe(TRIES)
    expect(cost.earned).toBe(PRICE)
  })
})

describe.each(KINDS)('here, on $name', ({ kind }) => {
  describe.each(['GET', 'POST'])('with %s', (method) => {
    const path = `/answers/${method}`

    /** Reads as often as it goes with a wallet that can pay once. `next` is the payment of each try. */
    async function readAll(next: () => Promise<Record<string, string>>) {
      return shop.costOf(async () => {
        let count = 0
        for (let i = 0; i < TRIES; i++) {
          if (!(await readAndBreakOff(shop.site.url + path, { headers: await next(), wanted: ANSWER, method })))
            continue
          count += 1
          await givenUp
        }
        return count
      })
    }

    test(`one payment is read ${MOST} times at most`, async () => {
      const payment = await (await kind.reader(shop, PRICE)).pay('v2', path, {}, { method })
      const { result: reads, cost } = await readAll(async () => payment)
      expect(reads).toBe(MOST)
      expect(cost.earned).toBe(PRICE)
    })

    test(`one payment and signatures of the same wallet are read ${MOST} times at most`, async () => {
      const reader = await kind.reader(shop, PRICE)
      const { result: reads, cost } = await readAll(() => reader.pay('v2', path, {}, { method }))
      expect(reads).toBeGreaterThan(0)
      expect(reads).toBeLessThanOrEqual(MOST)
      expect(cost.earned).toBe(PRICE)
    })
  })

  /** Sends a request. To hang up is a reset: a mere end of sending could be a client that still listens. */
  function open(headers: Record<string, string>) {
    const sent = request(shop.site.url + ARTICLE, { headers, agent: false })
    sent.on('error', () => {}).end()
    return {
      async hangUp() {
        sent.socket?.resetAndDestroy()
        await shop.site.turn()
      },
    }
  }

  test.each(['before it lands', 'once it has landed'])(
    'who hangs up while the facilitator settles, %s, has paid once and is handed the content once',
    async (when) => {
      const reader = await kind.reader(shop)
      const headers = await reader.pay('v2', ARTICLE)
      const hasIt = Promise.withResolvers<void>()
      const goesOn = Promise.withResolvers<void>()
      facilitator.set(reader.address, async (proceed) => {
        if (when === 'before it lands') {
          hasIt.resolve()
          await goesOn.promise
          return proceed()
        }
        const reply = await proceed()
        hasIt.resolve()
        await goesOn.promise
        return reply
      })
      const { result: answers, cost } = await shop.costOf(async () => {
        const first = open(headers)
        await hasIt.promise
        await first.hangUp()
        goesOn.resolve()
        return [await shop.ask(ARTICLE, { headers }), await shop.ask(ARTICLE, { headers })]
      })
      expect(answers.map(({ status }) => status)).toEqual([200, 402])
      expect(answers[0]?.text).toBe(CONTENT)
      expect(cost).toEqual(ONE_SALE)
    },
  )

  test('who hangs up while the reply is lost, and signs again, pays once', async () => {
    const reader = await kind.reader(shop, 3n * PRICE)
    const headers = await reader.pay('v2', ARTICLE)
    const hasIt = Promise.withResolvers<void>()
    facilitator.set(reader.address, async () => {
      expect(await kind.land(shop, headers)).toBe(true)
      hasIt.resolve()
      return 'drop'
    })
    const first = open(headers)
    await hasIt.promise
    await first.hangUp()
    facilitator.set(reader.address, null)
    const { result: again, cost } = await shop.costOf(() => reader.buy('v2', ARTICLE))
    expect([again.status, again.text]).toEqual([200, CONTENT])
    expect(cost).toEqual(NOTHING)
    expect(await reader.balance()).toBe(2n * PRICE)
  })
})
