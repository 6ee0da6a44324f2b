// Content at the publisher's own origin: what it is sent, what of its answer reaches the reader, and when it is charged.
// Redirects and origins that are gone are in bare.test.ts: the test harness follows the one and hides the other.
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type OriginAnswer, type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/pages/*', price: '$0.05', access: '24h' },
      { path: '/free/*', price: 'free' },
    ],
  })
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

beforeEach(() => origin.tell({ body: 'the page' }))

/** What no reader's request may carry to the origin, and no origin's answer to the reader. */
const OURS = {
  'Sign-In-With-X': 'proof',
  'Settlement-Overrides': '{"amount":"0"}',
  'X-Newsstand-Hop': '1',
  'X-Newsstand-Payer': '0x1',
  'Payment-Required': 'e30=',
  'X-Payment-Required': 'e30=',
}

describe.each(VERSIONS)('a purchase in %s', (version) => {
  const purchase = async (path = '/pages/a', headers: Record<string, string> = {}) => {
    const payment = await pay(version, await shop.challenge(path), await shop.reader())
    return { headers: { ...payment, ...headers } }
  }

  test('asks the origin once, for the same path and query, without anything of the payment', async () => {
    const path = '/pages/a?b=2&a=1&utm_source=x'
    const { headers } = await purchase(path, { ...OURS, Cookie: 'theme=dark; __Host-newsstand=x.y; lang=en' })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers }))
    expect(answer.text).toBe('the page')
    expect(cost).toEqual(ONE_SALE)
    expect(origin.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([`GET ${path}`])
    const sent = origin.seen[0]?.headers ?? {}
    expect(Object.keys(sent).filter((name) => /payment|sign-in|settlement|x-newsstand/.test(name))).toEqual([])
    expect(sent.cookie).toBe('theme=dark; lang=en')
  })

  test('asks the origin for the whole, whatever its Range and conditions say', async () => {
    const conditions = {
      Range: 'bytes=0-1',
      'If-Range': '"x"',
      'If-None-Match': '*',
      'If-Match': '"x"',
      'If-Modified-Since': 'Sat, 01 Jan 2050 00:00:00 GMT',
      'If-Unmodified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT',
    }
    const answer = await shop.ask('/pages/a', await purchase('/pages/a', conditions))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('the page')
    const sent = origin.seen[0]?.headers ?? {}
    for (const name of Object.keys(conditions)) expect(sent).not.toHaveProperty(name.toLowerCase())
  })

  test('hides the origin’s caching, its claims about payment and its own CORS', async () => {
    const headers = {
      'Cache-Control': 'public, max-age=600, s-maxage=600',
      'CDN-Cache-Control': 'max-age=600',
      'Cloudflare-CDN-Cache-Control': 'max-age=600',
      'Surrogate-Control': 'max-age=600',
      Expires: 'Sat, 01 Jan 2050 00:00:00 GMT',
      Age: '5',
      ETag: '"shared"',
      'Last-Modified': 'Sat, 01 Jan 2000 00:00:00 GMT',
      'PAYMENT-RESPONSE': 'e30=',
      'X-PAYMENT-RESPONSE': 'e30=',
      'Access-Control-Allow-Origin': 'https://evil.example',
      'Access-Control-Allow-Credentials': 'true',
      Vary: 'Accept-Language',
      'Content-Type': 'text/plain',
      'X-Own': 'kept',
      'Set-Cookie': ['a=1', 'b=2'],
      ...OURS,
    }
    origin.tell({ headers, body: 'the page' })
    const answer = await shop.ask('/pages/a', await purchase())
    expect(answer.status).toBe(200)
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    for (const name of Object.keys({ ...headers, ...OURS })) {
      if (
        /^(?:cdn|cloudflare|surrogate|expires|age|etag|last-|settlement|sign|x-newsstand|payment-required)/i.test(name)
      ) {
        expect(answer.header(name)).toBeNull()
      }
    }
    expect(answer.receipt?.success).toBe(true)
    expect(answer.receiptV1?.success).toBe(version === 'v1' ? true : undefined)
    expect(answer.header('Access-Control-Allow-Origin')).toBe('*')
    expect(answer.header('Access-Control-Allow-Credentials')).toBeNull()
    expect(answer.header('Vary')).toMatch(/Accept-Language.*PAYMENT-SIGNATURE/)
    expect(answer.header('Content-Type')).toBe('text/plain')
    expect(answer.header('X-Own')).toBe('kept')
    const cookies = answer.headers.getSetCookie()
    expect(cookies.slice(0, 2)).toEqual(['a=1', 'b=2'])
    expect(cookies[2]).toMatch(/^__Host-newsstand=/)
  })

  test('gets compressed content intact', async () => {
    const whole = 'the whole page '.repeat(5000)
    origin.tell(() => ({ headers: { 'Content-Encoding': 'gzip' }, body: gzipSync(whole) }))
    const { headers } = await purchase()
    const answer = await fetch(`${shop.site.url}/pages/a`, { headers })
    expect(await answer.text()).toBe(whole)
  })

  const PAGE = '<p>no content</p>'
  describe.each<[string, OriginAnswer, number]>([
    ['204', { status: 204 }, 204],
    ['205', { status: 205 }, 205],
    ['304', { status: 304, headers: { etag: '"x"' } }, 304],
    ['400', { status: 400, body: PAGE }, 400],
    ['404', { status: 404, body: PAGE }, 404],
    ['402 of its own', { status: 402, headers: { 'PAYMENT-REQUIRED': 'e30=' }, body: PAGE }, 402],
    ['500', { status: 500, body: PAGE }, 500],
    ['503', { status: 503, headers: { 'retry-after': '7' }, body: PAGE }, 503],
    ['200 and nothing', { status: 200, headers: { 'content-length': '0' } }, 200],
    ['200 and an empty stream', { status: 200, headers: { 'transfer-encoding': 'chunked' }, body: '' }, 200],
  ])('of what the origin answers with %s', (_, failing, status) => {
    test('gets that answer, is not charged, and is good for a later try', async () => {
      const { headers } = await purchase()
      origin.tell(failing)
      const { result: answer, cost } = await shop.costOf(() => shop.ask('/pages/a', { headers }))
      expect(answer.status).toBe(status)
      expect(answer.text).toBe(failing.body ?? '')
      expect(answer.header('Retry-After')).toBe(failing.headers?.['retry-after'] ?? null)
      expect(answer.receipt).toBeNull()
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      expect(answer.header('Set-Cookie')).toBeNull()
      expect(answer.header('ETag')).toBeNull()
      expect(cost).toEqual(NOTHING)

      origin.tell({ body: 'the page' })
      const { result: later, cost: charged } = await shop.costOf(() => shop.ask('/pages/a', { headers }))
      expect(later.text).toBe('the page')
      expect(charged).toEqual(ONE_SALE)
    })
  })

  test('is not charged for a part nobody asked for', async () => {
    const { headers } = await purchase()
    origin.tell({ status: 206, headers: { 'content-range': 'bytes 0-1/8' }, body: 'th' })
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/pages/a', { headers }))
    expect(answer.status).toBe(502)
    expect(answer.error).toBe('content_unavailable')
    expect(cost).toEqual(NOTHING)
  })

  test('is not asked of the origin when it is not good', async () => {
    const bad = { signed: { value: 1n } }
    const headers = await pay(version, await shop.challenge('/pages/a'), await shop.reader(), bad)
    expect((await shop.ask('/pages/a', { headers })).status).toBe(402)
    expect((await shop.ask('/pages/a', { headers: { ...headers, 'X-PAYMENT': 'junk' } })).status).toBe(400)
    expect(origin.seen).toEqual([])
  })

  test('of one query does not open another', async () => {
    const { headers } = await purchase('/pages/list?page=1')
    expect((await shop.ask('/pages/list?page=1', { headers })).status).toBe(200)
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/pages/list?page=2', { headers }))
    expect(answer.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })

  test('by HEAD reaches neither the origin nor the facilitator', async () => {
    const { headers } = await purchase()
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/pages/a', { method: 'HEAD', headers }))
    expect(answer.status).toBe(402)
    expect(origin.seen).toEqual([])
    expect(cost).toEqual(NOTHING)
  })
})

test.each(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'PATCH'])(
  'unpaid, %s never reaches the origin',
  async (method) => {
    const answer = await shop.ask('/pages/a', { method })
    expect(answer.status).toBe(method === 'OPTIONS' ? 204 : 402)
    expect(origin.seen).toEqual([])
  },
)

describe('free content', () => {
  test.each(['/free/a', '/about'])('%s is as the origin says, with its caching', async (path) => {
    origin.tell({ headers: { 'Cache-Control': 'public, max-age=60', ETag: '"v1"', ...OURS }, body: 'free for all' })
    const answer = await shop.ask(path, { headers: { 'If-None-Match': '"v0"', Range: 'bytes=0-1', ...OURS } })
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('free for all')
    expect(answer.header('Cache-Control')).toBe('public, max-age=60')
    expect(answer.header('ETag')).toBe('"v1"')
    expect(answer.header('Access-Control-Allow-Origin')).toBeNull()
    expect(answer.header('Access-Control-Expose-Headers')).toBeNull()
    for (const name of Object.keys(OURS)) expect(answer.header(name)).toBeNull()
    expect(origin.seen[0]?.headers).toMatchObject({ 'if-none-match': '"v0"', range: 'bytes=0-1' })
    expect(Object.keys(origin.seen[0]?.headers ?? {}).filter((name) => /payment|sign-in|settle/.test(name))).toEqual([])
  })

  test.each<[OriginAnswer]>([
    [{ status: 304, headers: { etag: '"v1"' } }],
    [{ status: 206, headers: { 'content-range': 'bytes 0-1/8' }, body: 'th' }],
    [{ status: 404, body: 'no such page' }],
  ])('%j is passed on', async (told) => {
    origin.tell(told)
    const answer = await shop.ask('/free/a')
    expect(answer.status).toBe(told.status)
    expect(answer.text).toBe(told.body ?? '')
  })

  test('a payment sent along is neither charged nor passed on', async () => {
    const headers = await pay('v2', await shop.challenge('/pages/a'), await shop.reader())
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/free/a', { headers }))
    expect(answer.status).toBe(200)
    expect(origin.seen[0]?.headers).not.toHaveProperty('payment-signature')
    expect(cost).toEqual(NOTHING)
  })
})
