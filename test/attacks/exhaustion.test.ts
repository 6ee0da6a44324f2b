// Exhaustion before anybody has paid: headers and addresses that are small to send and dear to read. Times are measured
// against those of an ordinary request in the same breath, so that a slow machine makes no difference: as time of the
// processor where the kernel tells, so that a busy one makes none either.
import { deepEqual } from '@x402/core/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authorize, headerOf, pack, paying, unpack } from '../world/payer.ts'
import { NOTHING, openShop, PRICE, type Shop } from '../world/shop.ts'
import { isLinux, usageOf } from '../world/usage.ts'

const ARTICLE = '/articles/hello'
const NOWHERE = '/_newsstand/nothing'
/** How much longer than an ordinary request an attack may take; the reference package takes hundreds of times longer. */
const LEEWAY = 3
/** A long path is read in each way that other software might. */
const LEEWAY_OF_PATHS = 5
const ROUNDS = 8
let shop: Shop

beforeAll(async () => {
  shop = await openShop({
    // Every route has to look at an address before one of them has it.
    ROUTES: [
      ...Array.from({ length: 30 }, (_, i) => ({ path: `/articles/special-${i}`, price: '$1' })),
      { path: '/articles/*', price: '$0.05', prices: [{ when: { query: { full: '1' } }, price: '$1' }] },
    ],
  })
})

afterAll(() => shop.close())

/**
 * How many times as dear as an ordinary request. The cheapest of several runs counts, alternating, so that none has the
 * better moment. `query`: what the platform itself takes to read it, at an address that nobody looks at, is no fault here.
 * `headers`: of an ordinary request of this kind.
 */
async function slowdown(
  attack: () => Promise<unknown>,
  query = '',
  headers: Record<string, string> = {},
): Promise<number> {
  const runs = {
    ordinary: () => shop.ask(ARTICLE, { headers }),
    platform: () => shop.ask(`${NOWHERE}${query}`),
    attack,
  }
  const best = {
    ordinary: Number.POSITIVE_INFINITY,
    platform: Number.POSITIVE_INFINITY,
    attack: Number.POSITIVE_INFINITY,
  }
  const timeMs = isLinux ? usageOf(shop.site).cpuMs : () => performance.now()
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of ['ordinary', 'platform', 'attack'] as const) {
      const startMs = timeMs()
      await runs[name]()
      best[name] = Math.min(best[name], timeMs() - startMs)
    }
  }
  return best.attack / Math.max(best.ordinary, best.platform)
}

const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth)

describe('against the reference package', () => {
  test('comparing a payment that is nested 1,500 deep takes hundreds of times as long as an honest one', async () => {
    const honest: unknown = JSON.parse(JSON.stringify({ a: Array.from({ length: 1500 }, (_, i) => i) }))
    const deep = (): unknown => JSON.parse(nested(1500, '{"a":', '}').replace('}', '1}'))
    const time = (work: () => unknown) => {
      const start = performance.now()
      work()
      return performance.now() - start
    }
    const [one, other] = [deep(), deep()]
    const quick = Math.min(...[1, 2, 3].map(() => time(() => deepEqual(honest, structuredClone(honest)))))
    expect(time(() => deepEqual(one, other)) / quick).toBeGreaterThan(50)
  })
})

describe('here', () => {
  const inHeader = (json: string) => paying(Buffer.from(json).toString('base64'))

  test.each([
    ['objects nested 1,000 deep', () => inHeader(nested(1000, '{"a":', '}'))],
    ['arrays nested 3,000 deep', () => inHeader(nested(3000, '[', ']'))],
    ['five hundred keys', () => inHeader(`{${Array.from({ length: 500 }, (_, i) => `"k${i}":{}`).join()}}`)],
    ['a number of thousands of digits', () => inHeader(`{"x402Version":${'9'.repeat(6000)}}`)],
    ['8 KiB that are no base64', () => paying(`${'A'.repeat(8191)}!`)],
    ['8 KiB of padding', () => paying('='.repeat(8192))],
    ['9 KiB', () => paying('A'.repeat(9000))],
  ])('%s in place of a payment: refused as quickly as anything', async (_, question) => {
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, question()))
    expect(answer.status).toBe(400)
    expect(answer.text).toContain('"error":"invalid_')
    expect(cost).toEqual(NOTHING)
    expect(await slowdown(() => shop.ask(ARTICLE, question()))).toBeLessThan(LEEWAY)
  })

  test('the dearest payment that is read at all costs a few signatures, and no settlement', async () => {
    const signed = await authorize(await shop.reader(0n), { value: PRICE })
    const small = headerOf(signed)
    const more = { resource: { url: 'x'.repeat(5_000) }, extensions: { 'newsstand-quote': { info: { proof: 'x.y' } } } }
    const large = pack({
      ...unpack(small),
      ...more,
      payload: { ...unpack(small).payload, signature: `0x${'11'.repeat(65)}` },
    })
    expect(large.length).toBeLessThan(8192)
    const { cost } = await shop.costOf(() => shop.ask(ARTICLE, paying(large)))
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  test.each([
    ['an address escaped thousands of times over', `/articles/%${'25'.repeat(7000)}`],
    ['one of 2,000 characters', `/articles/%${'25'.repeat(990)}`],
    ['an address of thousands of segments', `/articles${'/a'.repeat(7000)}`],
    ['one of a thousand', `/articles${'/a'.repeat(990)}`],
    ['an address of thousands of dots and semicolons', `/articles/a${'.;'.repeat(7000)}`],
    ['one with a reading for each of its hundreds of dots', `/articles${'/%2e'.repeat(500)}`],
  ])('%s: answered as quickly as anything', async (_, path) => {
    expect(await slowdown(() => shop.ask(path))).toBeLessThan(LEEWAY_OF_PATHS)
  })

  test.each([
    ['a thousand parameters', `?${'a=1&'.repeat(1000)}`],
    ['eight thousand', `?${'a&'.repeat(8000)}`],
    ['a thousand priced ones', `?${'full=1;'.repeat(580)}`],
    ['hundreds of priced names', `?${'full&'.repeat(800)}`],
    ['thousands of escapes', `?x=${'%2541'.repeat(800)}`],
    ['16 KiB of tracking', `?${'utm_x=y&'.repeat(2000)}`],
    ['4 KiB of it', `?${'utm_x=y&'.repeat(500)}`],
  ])('%s: answered as quickly as anything', async (_, query) => {
    expect(await slowdown(() => shop.ask(`${ARTICLE}${query}`), query)).toBeLessThan(LEEWAY)
  })

  test('a link with a long query does not make a challenge that nobody can read', async () => {
    const answer = await shop.ask(`${ARTICLE}?q=${'x'.repeat(4000)}`)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect((answer.header('PAYMENT-REQUIRED') ?? '').length).toBeLessThanOrEqual(2048)
  })

  test.each([
    ['cookies', { Cookie: 'newsstand=x; '.repeat(500) }],
    ['passes', { Cookie: `__Host-newsstand=${'A'.repeat(6000)}.${'A'.repeat(43)}` }],
    ['a bearer token', { Authorization: `Bearer ${'A.'.repeat(3000)}` }],
    ['an Accept', { Accept: 'text/html;q=0.1,'.repeat(400) }],
    ['16 KiB of cookies', { Cookie: 'a=b; '.repeat(3200) }],
    ['16 KiB of a language', { 'Accept-Language': 'de;q=0.1,'.repeat(1800), Accept: 'text/html' }],
    ['16 KiB of a header nobody knows', { 'X-Anything': 'x'.repeat(16_000) }],
  ])('%s of thousands of characters: answered as quickly as anything', async (_, headers) => {
    expect((await shop.ask(ARTICLE, { headers })).status).toBe(402)
    // A document is shown a page, and that is made of more.
    const ordinary = 'Accept' in headers ? { Accept: 'text/html' } : {}
    expect(await slowdown(() => shop.ask(ARTICLE, { headers }), '', ordinary)).toBeLessThan(LEEWAY)
  })
})
