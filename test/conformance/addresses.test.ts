// One address, one answer: which addresses are one thing on sale, and that a payment is for the page it names.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { type Change, pay } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

let shop: Shop
let origin: OriginServer

beforeAll(async () => {
  origin = await startOrigin()
  origin.tell({ body: 'the page' })
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/pages/*', price: '$0.05', access: '24h' },
      { path: '/once/*', price: '$0.05', access: 'once' },
      { path: '/preview', price: '$0.05', prices: [{ when: { query: { preview: '1' } }, price: 'free' }] },
      { path: '/plan', price: '$0.05', prices: [{ when: { header: { 'X-Full': '1' } }, price: '$5.00' }] },
    ],
  })
  await shop.site.kv.put('/articles/hello', 'the page')
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

const cookieOf = (answer: { headers: Headers }) => answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''

test.each([
  ['/pages/AC%2FDC', '/pages/AC/DC'],
  ['/pages//a', '/pages/a'],
  ['/pages/c%23', '/pages/c'],
  ['/pages/a?x=%E9', '/pages/a?x=%E8'],
  ['/pages/b?x=%E9', '/pages/b?x=%EF%BF%BD'],
  ['/pages/c?a=1&a=2', '/pages/c?a=2&a=1'],
])('%s is sold as it is spelt, and does not open %s', async (path, other) => {
  const { result: bought, cost } = await shop.costOf(async () => shop.buy('v2', path, await shop.reader()))
  expect(bought.text).toBe('the page')
  expect(cost).toEqual(ONE_SALE)
  expect(origin.seen.at(-1)?.url).toBe(path)
  const headers = { Cookie: cookieOf(bought) }
  expect((await shop.ask(path, { headers })).status).toBe(200)
  expect((await shop.ask(other, { headers })).status).toBe(402)
})

test.each([
  ['/pages/d?a=1&b=2', '/pages/d?b=2&a=1&utm_source=x'],
  ['/pages/e?x=%e9', '/pages/e?x=%E9'],
])('%s and %s are one thing', async (path, other) => {
  const bought = await shop.buy('v2', path, await shop.reader())
  expect((await shop.ask(other, { headers: { Cookie: cookieOf(bought) } })).text).toBe('the page')
})

describe('a long address', () => {
  test.each(['/pages/a', '/once/a'])('a query of 1,024 characters at %s is sold', async (path) => {
    const long = `${path}?x=${'y'.repeat(1_022)}&utm_source=${'z'.repeat(5_000)}`
    expect((await shop.buy('v2', long, await shop.reader())).text).toBe('the page')
  })

  test('a longer one is refused before anything is signed', async () => {
    const answer = await shop.ask(`/pages/a?x=${'y'.repeat(1_023)}`)
    expect([answer.status, answer.error, answer.header('PAYMENT-REQUIRED')]).toEqual([414, 'uri_too_long', null])
  })

  test('what is free may be as long as it likes', async () => {
    expect((await shop.ask(`/free?x=${'y'.repeat(6_000)}`)).text).toBe('the page')
  })
})

test.each([300, 600, 900, 1000])('a client that echoes no quote buys a query of %i characters', async (length) => {
  const answer = await shop.buy('v2', `/pages/h?x=${'y'.repeat(length)}`, await shop.reader(), { echo: false })
  expect(answer.text).toBe('the page')
})

describe('what is priced by the request', () => {
  test('a GET that is free for its query brings no body to an origin that may heed it instead', async () => {
    origin.tell(({ body }) => ({ body: body === '' ? 'the preview' : 'the page' }))
    const body = '{"preview":"0"}'
    const headers = { 'Content-Type': 'application/json', 'Content-Length': String(body.length) }
    expect((await shop.ask('/preview?preview=1', { body, headers })).text).toBe('the preview')
    origin.tell({ body: 'the page' })
  })

  test('a header that CGI takes for the priced one does not reach the origin', async () => {
    const payment = await pay('v2', await shop.challenge('/plan'), await shop.reader())
    expect((await shop.ask('/plan', { headers: { ...payment, X_Full: '1' } })).text).toBe('the page')
    expect(origin.seen.at(-1)?.headers).not.toHaveProperty('x_full')
  })
})

describe('a payment that names another page', () => {
  const naming = (url: string): Change => ({ payment: { resource: { url } } })

  test.each([
    ['/pages/a', 'https://news.example/pages/b'],
    ['/pages/a', 'https://news.example/pages/a?x=1'],
    ['/pages/a?x=1', 'https://news.example/pages/a?x=2'],
    ['/articles/hello', 'https://news.example/articles/other'],
    ['/articles/hello', '/articles/other'],
    ['/articles/hello', 'https://news.example'],
  ])('at %s for %s: refused, with a fresh challenge, and good where it belongs', async (path, url) => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(path)
    const headers = await pay('v2', challenge, reader, naming(url))
    const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers }))
    expect([answer.status, answer.error]).toEqual([402, 'invalid_payment_requirements'])
    expect(answer.receipt?.success).toBe(false)
    expect(answer.challenge.v2.accepts).toHaveLength(1)
    expect(cost).toEqual(NOTHING)
  })

  test('nothing is claimed: the same signature pays for what it should', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge('/once/a')
    const good = await pay('v2', challenge, reader)
    const [[name = '', value = ''] = []] = Object.entries(good)
    const json: unknown = JSON.parse(Buffer.from(value, 'base64').toString())
    const astray = { ...Object(json), resource: { url: 'https://news.example/once/b' } }
    const headers = { [name]: Buffer.from(JSON.stringify(astray)).toString('base64') }
    expect((await shop.ask('/once/a', { headers })).status).toBe(402)
    expect((await shop.ask('/once/a', { headers: good })).text).toBe('the page')
    // What was paid is recognised first.
    const again = await shop.ask('/once/a', { headers })
    expect([again.status, again.error]).toEqual([402, 'payment_already_used'])
  })

  test('a known identifier is a conflict before that', async () => {
    const reader = await shop.reader()
    const identifier = 'an-identifier-of-mine'
    expect((await shop.buy('v2', '/once/a', reader, { identifier })).status).toBe(200)
    const headers = await pay('v2', await shop.challenge('/once/a'), reader, {
      ...naming('https://news.example/once/b'),
      identifier,
    })
    expect((await shop.ask('/once/a', { headers })).status).toBe(409)
  })

  test.each([
    ['/pages/f', 'https://www.news.example/pages/f'],
    ['/pages/f', 'https://news.example/pages/f?utm_source=x'],
    ['/pages/f?b=1&a=2', 'https://news.example/pages/f?a=2&b=1'],
    ['/pages/f', 'https://news.example/pages/%66/'],
    ['/articles/hello', 'https://news.example/articles/hello?from=feed'],
    [`/pages/f?x=${'y'.repeat(900)}`, 'https://news.example/pages/f'],
    ['/pages/f', 'no address'],
  ])('at %s for %s, which is the same page: paid', async (path, url) => {
    const headers = await pay('v2', await shop.challenge(path), await shop.reader(), naming(url))
    expect((await shop.ask(path, { headers })).text).toBe('the page')
  })

  test('no word of a page at all: paid', async () => {
    const headers = await pay('v2', await shop.challenge('/pages/g'), await shop.reader(), {
      payment: { resource: undefined },
    })
    expect((await shop.ask('/pages/g', { headers })).text).toBe('the page')
  })
})
