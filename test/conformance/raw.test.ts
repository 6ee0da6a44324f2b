// What only bare sockets show: spellings of a path that no client library would send, and clients that hang up.
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { paying } from '../world/payer.ts'
import { ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

let shop: Shop
let origin: OriginServer

beforeAll(async () => {
  origin = await startOrigin()
  const ROUTES = [
    { path: '/articles/*', price: '$0.05', access: 'once' },
    { path: '/secret', price: '$1', access: 'once' },
    { path: '/report.php', price: '$1', access: 'once' },
    { path: '/about/free', price: 'free' },
  ]
  shop = await openShop({ ORIGIN_URL: origin.url, ROUTES }, { blockTime: 2 })
  shop.onClose(origin.stop)
})

afterAll(() => shop.close())

beforeEach(() => origin.tell(({ url }) => ({ body: `the page at ${url}` })))

/** Sends one request line as it is, and reads the answer to its end. */
function raw(target: string): Promise<string> {
  return new Promise((done, broke) => {
    let answer = ''
    const socket = connect(shop.site.port, '127.0.0.1', () =>
      socket.write(`GET ${target} HTTP/1.1\r\nHost: news.example\r\nConnection: close\r\n\r\n`),
    )
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
    })
    socket.on('close', () => done(answer))
    socket.on('error', broke)
  })
}

const SPELLINGS = [
  '/articles/hello',
  '/articles/hello/',
  '/articles/h%65llo',
  '/%61rticles/hello',
  '/articles',
  '/articles?x=/about',
  '/./articles/hello',
  '/about/../articles/hello',
  '/about/%2e%2e/articles/hello',
  '/about/..%2Farticles/hello',
  '/about%2F..%2Farticles/hello',
  '//articles/hello',
  '/articles//hello',
  '/articles%2Fhello',
  '/articles%252Fhello',
  '/articles%5Chello',
  '/articles\\hello',
  '\\articles\\hello',
  '/Articles/hello',
  '/ARTICLES/hello',
  '/articles;x/hello',
  '/;/articles/hello',
  '/articles%00/hello',
  '/articles/hello%00',
  '/articles/%',
  '/articles/%zz',
  '/secret',
  '/SECRET',
  '/secret.',
  '/secret%20',
  '/secret;x=1',
  '/%73ecret',
  '/%2573ecret',
  '/%EF%BD%93ecret',
  '/secret#x',
  '/secret?',
  'http://news.example/articles/hello',
  'http://other.example/secret',
  '/articles/../secret',
  'articles/hello',
  '/secret%3Fx',
  '/secret%23x',
  '/secret%EF%BC%9Bx',
  '/about/%EF%BC%8E%EF%BC%8E/secret',
  '/%EF%BC%8Fsecret',
  '/about/..%EF%BC%BCsecret',
  '/%EF%BC%852Fsecret',
  '/report.php/x',
  '/report.php%3Fa',
  '/secret?%ff',
]

test.each(SPELLINGS)('%s reaches nothing that is sold', async (target) => {
  const answer = await raw(target)
  expect(answer).toMatch(/^HTTP\/1\.1 (?:40[0-9]|414|501) /)
  expect(answer).not.toContain('the page at')
  expect(origin.seen).toEqual([])
})

test.each([
  '/about',
  '/about/?q=%2F',
  '/about?b=2&a=1&a=%E9',
  '/blog//2024/',
  '/wiki/AC%2fDC',
  '/search%3Fq=1',
  '/tags/c%23',
  '/caf%E9/%zz',
  '/x;jsessionid=1/y',
  '/%61bout',
  '/report/print',
  '/about%2ffree',
  '/ABOUT/FREE',
])('%s, which nobody pays for, reaches the origin byte for byte', async (target) => {
  expect(await raw(target)).toMatch(/^HTTP\/1\.1 200 /)
  expect(origin.seen.map(({ url }) => url)).toEqual([target])
})

test('who hangs up while the payment settles asks again, and has not paid twice', async () => {
  const page = '/articles/hello'
  const payment = await stockPayment(await shop.ask(page), await shop.reader(PRICE))
  const { counts } = shop.stack.facilitator
  const { settle } = counts
  const { cost } = await shop.costOf(async () => {
    const socket = connect(shop.site.port, '127.0.0.1', () =>
      socket.write(`GET /articles/hello HTTP/1.1\r\nHost: news.example\r\nPAYMENT-SIGNATURE: ${payment}\r\n\r\n`),
    )
    await expect.poll(() => counts.settle, { timeout: 5_000 }).toBe(settle + 1)
    socket.resetAndDestroy()

    const again = await shop.ask(page, paying(payment))
    expect(again.text).toBe('the page at /articles/hello')
    expect(again.header('PAYMENT-RESPONSE')).not.toBeNull()

    const third = await shop.ask(page, paying(payment))
    expect(third.status).toBe(402)
    expect(third.error).toBe('payment_already_used')
  })
  expect(cost).toEqual(ONE_SALE)
})
