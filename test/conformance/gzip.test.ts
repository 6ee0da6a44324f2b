// newsstand's own pages are compressed here, and changed by nobody on the way; what was sold goes out as it is.
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'

const HELLO = '/articles/hello'
const CONTENT = 'the whole article. '.repeat(200)
const ZIPPED = { 'Accept-Encoding': 'gzip, deflate, br' }
const PAGE = { Accept: 'text/html' }
let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  const offers = ['Day', 'Week', 'Month'].map((name, i) => ({
    name: `${name} pass`,
    price: `$${i + 1}`,
    access: '24h',
    scope: '/many/*',
  }))
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/many/*', content: 'kv', price: '$0.05', access: '24h', offers },
      { path: '/api/*', price: '$0.05', access: '24h' },
    ],
  })
  for (const path of [HELLO, '/many/hello']) await shop.site.kv.put(path, CONTENT)
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

beforeEach(() => origin.tell({ body: 'the page' }))

describe('the page of a 402', () => {
  test('is compressed for who accepts it, to less than half', async () => {
    const plain = await shop.ask(HELLO, { headers: PAGE })
    const answer = await shop.ask(HELLO, { headers: { ...PAGE, ...ZIPPED } })
    expect(plain.header('Content-Encoding')).toBeNull()
    expect(plain.text).toMatch(/^<!doctype html>/)
    expect(answer.status).toBe(402)
    expect(answer.header('Content-Encoding')).toBe('gzip')
    const html = gunzipSync(answer.bytes).toString('utf8')
    expect(html).toMatch(/^<!doctype html>.*<\/html>$/s)
    expect(html).toHaveLength(plain.text.length)
    expect(answer.bytes.length).toBeLessThan(plain.bytes.length * 0.55)
  })

  test.each(['gzip;q=0', 'identity', '*;q=0', 'br'])('is plain where it says “%s”', async (accept) => {
    const answer = await shop.ask(HELLO, { headers: { ...PAGE, 'Accept-Encoding': accept } })
    expect(answer.header('Content-Encoding')).toBeNull()
    expect(answer.text).toMatch(/^<!doctype html>/)
  })

  test.each([{}, ZIPPED])('is the same page to all on the way, %o', async (headers) => {
    const answer = await shop.ask(HELLO, { headers: { ...PAGE, ...headers } })
    expect(answer.header('Cache-Control')).toBe('no-store, no-transform')
    expect(answer.header('Vary')?.split(/, */)).toContain('Accept-Encoding')
  })

  test('HEAD says so too, without a body', async () => {
    const head = await shop.ask(HELLO, { method: 'HEAD', headers: { ...PAGE, ...ZIPPED } })
    expect(head.header('Content-Encoding')).toBe('gzip')
    expect(head.bytes).toHaveLength(0)
  })

  test('is read by an ordinary client', async () => {
    const response = await fetch(shop.site.url + HELLO, { headers: PAGE })
    expect(response.headers.get('Content-Encoding')).toBe('gzip')
    expect(await response.text()).toMatch(/^<!doctype html>/)
  })
})

describe('further words of ours', () => {
  test('an error page', async () => {
    const answer = await shop.ask('/articles/none', { headers: { ...PAGE, ...ZIPPED } })
    expect(answer.status).toBe(404)
    expect(answer.header('Cache-Control')).toBe('no-store, no-transform')
    expect(gunzipSync(answer.bytes).toString('utf8')).toMatch(/^<!doctype html>/)
  })

  test('the receipts', async () => {
    const bought = await shop.buy('v2', HELLO, await shop.reader())
    const Cookie = bought.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const answer = await shop.ask('/_newsstand/receipts', { headers: { ...PAGE, ...ZIPPED, Cookie } })
    expect(answer.status).toBe(200)
    expect(answer.header('Cache-Control')).toBe('private, no-store, no-transform')
    expect(answer.header('Vary')?.split(/, */)).toContain('Accept-Encoding')
    expect(gunzipSync(answer.bytes).toString('utf8')).toContain(HELLO)
  })

  test('JSON where it is long; what fits into one packet is not worth it', async () => {
    const long = await shop.ask('/many/hello', { headers: ZIPPED })
    expect(long.header('Content-Encoding')).toBe('gzip')
    expect(long.header('Cache-Control')).toBe('no-store')
    expect(JSON.parse(gunzipSync(long.bytes).toString('utf8')).accepts).toHaveLength(4)
    const short = await shop.ask(HELLO, { headers: ZIPPED })
    expect(short.header('Content-Encoding')).toBeNull()
    expect(short.error).toBe('payment_required')
  })
})

describe('what was sold', () => {
  test('goes out as it is', async () => {
    const payment = await pay('v2', await shop.challenge(HELLO), await shop.reader())
    const answer = await shop.ask(HELLO, { headers: { ...payment, ...ZIPPED } })
    expect(answer.text).toBe(CONTENT)
    expect(answer.header('Content-Encoding')).toBeNull()
    expect(answer.header('Cache-Control')).toBe('private, no-store')
  })

  test('a refusal in its place can be read', async () => {
    origin.tell({ status: 206, body: 'the pa' })
    const payment = await pay('v2', await shop.challenge('/api/ask', { method: 'POST' }), await shop.reader())
    const answer = await shop.ask('/api/ask', { method: 'POST', headers: { ...payment, ...PAGE, ...ZIPPED } })
    expect(answer.status).toBe(502)
    expect(answer.receipt?.success).toBe(true)
    const isZipped = answer.header('Content-Encoding') === 'gzip'
    expect((isZipped ? gunzipSync(answer.bytes) : answer.bytes).toString('utf8')).toMatch(/^<!doctype html>/)
  })
})
