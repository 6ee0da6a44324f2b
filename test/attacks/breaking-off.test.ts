// Breaking off (denial of settlement, the other way round): whose content was not handed out to the end may ask again.
// So a payer reads all but the last byte, breaks off, and asks again; with the same payment, or with a new one that is
// not settled because the first has not been used up.
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openNaive } from '../world/naive.ts'
import { startOrigin } from '../world/origin.ts'
import { authorize, headerOf, paying } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

const ANSWER = 'forty-two, but let me explain at length'
/** How often content is handed out for one payment, at most (docs/decisions/010). */
const MOST = 3
const TRIES = 10

function* explanation() {
  yield ANSWER
  for (let i = 0; i < 4_000; i++) yield 'and furthermore '.repeat(1_000)
}

let shop: Shop
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
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [{ path: '/answers/*', price: '$0.05', access: 'once' }],
  })
  shop.onClose(origin.stop)
})

afterAll(() => shop.close())

/** Pays, reads until the answer is there, and breaks off. Whether it was. */
function readAndBreakOff(url: string, payment: string, method: string): Promise<boolean> {
  return new Promise((done, broke) => {
    const sent = request(url, { method, ...paying(payment) }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (!text.includes(ANSWER)) return
        done(true)
        sent.destroy()
      })
      response.on('end', () => done(false))
    })
    sent.on('error', broke).end()
  })
}

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
    const payment = headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))
    const { result: reads, cost } = await shop.costOf(async () => {
      let count = 0
      for (let i = 0; i < TRIES; i++) count += Number(await readAndBreakOff(naive, payment, 'GET'))
      return count
    })
    expect(reads).toBe(TRIES)
    expect(cost.earned).toBe(PRICE)
  })
})

describe.each(['GET', 'POST'])('here, with %s', (method) => {
  /** Reads as often as it goes with a wallet that can pay once. `next` is the payment of each try. */
  async function readAll(next: () => Promise<string>) {
    const url = `${shop.site.url}/answers/${method}`
    return shop.costOf(async () => {
      let count = 0
      for (let i = 0; i < TRIES; i++) {
        if (!(await readAndBreakOff(url, await next(), method))) continue
        count += 1
        await givenUp
      }
      return count
    })
  }

  test(`one payment is read ${MOST} times at most`, async () => {
    const payment = headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))
    const { result: reads, cost } = await readAll(async () => payment)
    expect(reads).toBe(MOST)
    expect(cost.earned).toBe(PRICE)
  })

  test(`one payment and signatures of the same wallet are read ${MOST} times at most`, async () => {
    const reader = await shop.reader(PRICE)
    const { result: reads, cost } = await readAll(async () => headerOf(await authorize(reader, { value: PRICE })))
    expect(reads).toBeLessThanOrEqual(MOST)
    expect(cost.earned).toBe(PRICE)
  })
})
