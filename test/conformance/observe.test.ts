// mode = "observe": everybody is served as at a free route, nothing is asked for, claimed or kept; and the log says what would
// have been asked for. What another route sells stays shut.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Answer, Question } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { asV1, authorize, headerOf } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'

const PAGE = 'the whole page'
const OBSERVED = [
  {
    path: '/articles/*',
    price: '$0.05',
    access: 'once',
    mode: 'observe',
    prices: [
      { when: { query: { full: '1' } }, price: '$0.10' },
      { when: { header: { 'X-Plan': 'staff' } }, price: 'free' },
    ],
  },
  { path: '/kv/*', content: 'kv', price: '$0.02', mode: 'observe' },
  { path: '/files/*', content: 'r2', price: '$0.03', mode: 'observe' },
]
const FREE = { path: '/gratis/*', price: 'free' }
const ENFORCED = [
  { path: '/secret', price: '$1', access: 'once' },
  { path: '/kept/*', content: 'kv', price: '$0.05' },
]

const UPSTREAM_KEY = 'the-key-of-the-seller'

let shop: Shop
let origin: OriginServer

beforeAll(async () => {
  origin = await startOrigin()
  const upstream = { url: origin.url, headers: { 'X-Api-Key': 'secret:UPSTREAM_KEY' } }
  const resold = { path: '/resold/*', price: '$0.01', access: 'once', mode: 'observe', origin: upstream }
  const ROUTES = [...OBSERVED, FREE, resold, ...ENFORCED]
  shop = await openShop({ ORIGIN_URL: origin.url, UPSTREAM_KEY, ROUTES })
  shop.onClose(origin.stop)
  await shop.site.kv.put('/kv/a', PAGE, { metadata: { price: '$0.07' } })
  await shop.site.kv.put('/kv/b', PAGE)
  await shop.site.kv.put('/kv/gratis', PAGE, { metadata: { price: 'free' } })
  await shop.site.kv.put('/kept/a', PAGE)
  await shop.site.r2.put('files/a', PAGE)
})
afterAll(() => shop.close())
beforeEach(() =>
  origin.tell({
    headers: {
      'Content-Type': 'text/html',
      'Cache-Control': 'public, max-age=600',
      ETag: '"1"',
      'Access-Control-Allow-Origin': 'https://app.example',
      'Set-Cookie': ['theme=dark', 'lang=de'],
    },
    body: PAGE,
  }),
)

/** Nothing in an answer asks for a payment, reports on one, or is ours. */
function expectNothingOfOurs(answer: Answer): void {
  expect([400, 402, 414]).not.toContain(answer.status)
  for (const name of ['PAYMENT-REQUIRED', 'PAYMENT-RESPONSE', 'X-PAYMENT-RESPONSE', 'WWW-Authenticate', 'Retry-After'])
    expect(answer.header(name)).toBeNull()
  expect(answer.headers.getSetCookie().filter((cookie) => cookie.includes('newsstand'))).toEqual([])
}

/** The lines of requests that were written since, `count` of them. */
async function linesOf(count: number, act: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
  const before = shop.site.logs.length
  await act()
  const lines = () =>
    shop.site.logs
      .slice(before)
      .map((line): Record<string, unknown> => JSON.parse(line))
      .filter(({ event }) => event === 'request')
  await expect.poll(() => lines().length).toBe(count)
  return lines()
}

const paymentOf = async () => headerOf(await authorize(await shop.reader(), { value: PRICE }))

describe('a request at an observed route is what it is at a free one', () => {
  const QUESTIONS: [string, string, Question | (() => Promise<Question>)][] = [
    ['plain', '/x', {}],
    ['a trailing slash', '/x/', {}],
    ['HEAD', '/x', { method: 'HEAD' }],
    ['POST', '/x', { method: 'POST', body: 'a=1', headers: { 'Content-Type': 'text/plain', 'Content-Length': '3' } }],
    [
      'a preflight',
      '/x',
      { method: 'OPTIONS', headers: { Origin: 'https://app.example', 'Access-Control-Request-Method': 'PUT' } },
    ],
    ['a page for people', '/x', { headers: { Accept: 'text/html' } }],
    ['a range', '/x', { headers: { Range: 'bytes=0-3' } }],
    ['a condition', '/x', { headers: { 'If-None-Match': '"1"' } }],
    ['the price of a query', '/x?full=1', {}],
    ['a query that can be read in two ways', '/x?full[]=1&Full=1', {}],
    ['a query too long to be sold', `/x?q=${'y'.repeat(2_000)}`, {}],
    ['a query too long to be looked at', `/x?full=1&q=${'y'.repeat(8_500)}`, {}],
    ['an address too long to be sold', `/${'y'.repeat(600)}`, {}],
    ['an address longer than any', `/${'y'.repeat(3_000)}`, {}],
    ['an encoded slash', '/AC%2FDC', {}],
    ['two slashes', '//x', {}],
    ['bytes that are no UTF-8', '/caf%E9', {}],
    ['an escape that is none', '/100%', {}],
    ['a header that is priced', '/x', { headers: { 'X-Plan': 'staff' } }],
    ['a cookie of our name that is none', '/x', { headers: { Cookie: '__Host-newsstand=e30.x; a=b' } }],
    ['a bearer token', '/x', { headers: { Authorization: 'Bearer abc' } }],
    ['a sign-in', '/x', { headers: { 'SIGN-IN-WITH-X': 'e30=' } }],
    ['a payment that cannot be read', '/x', { headers: { 'PAYMENT-SIGNATURE': '%%%' } }],
    ['a payment that is too long', '/x', { headers: { 'PAYMENT-SIGNATURE': 'A'.repeat(9_000) } }],
    ['a payment in v2', '/x', async () => ({ headers: { 'PAYMENT-SIGNATURE': await paymentOf() } })],
    ['a payment in v1', '/x', async () => ({ headers: { 'X-PAYMENT': asV1(await paymentOf()) } })],
    [
      'two payments that disagree',
      '/x',
      async () => ({ headers: { 'PAYMENT-SIGNATURE': await paymentOf(), 'X-PAYMENT': asV1(await paymentOf()) } }),
    ],
    [
      'a payment with a POST',
      '/x',
      async () => ({ method: 'POST', headers: { 'PAYMENT-SIGNATURE': await paymentOf(), 'Content-Length': '0' } }),
    ],
  ]

  test.each(QUESTIONS)('%s', async (_, rest, given) => {
    const question = typeof given === 'function' ? await given() : given
    const objects = await shop.site.objects()
    const { result, cost } = await shop.costOf(async () => {
      const free = await shop.ask(`/gratis${rest}`, question)
      const observed = await shop.ask(`/articles${rest}`, question)
      return { free, observed }
    })
    const { free, observed } = result
    expectNothingOfOurs(observed)
    const shown = ({ status, headers, text }: Answer) => ({
      status,
      text,
      headers: [...headers].filter(([name]) => name !== 'date'),
    })
    expect(shown(observed)).toEqual(shown(free))
    expect(observed.status).toBe(200)
    const [first, second] = origin.seen
    expect(second).toEqual({ ...first, url: `/articles${rest}` })
    expect(origin.seen).toHaveLength(2)
    expect(Object.keys(second?.headers ?? {}).filter((name) => /payment|sign-in/.test(name))).toEqual([])
    expect(cost).toEqual(NOTHING)
    expect(await shop.site.objects()).toBe(objects)
    expect(await shop.ledger()).toEqual([])
  })

  test.each([
    [302, { Location: 'https://elsewhere.example/' }],
    [404, {}],
    [402, { 'X-Own': 'a wall of the publisher' }],
    [500, {}],
  ])('an origin that answers %d is passed on', async (status, headers) => {
    origin.tell({ status, headers, body: 'as it is' })
    const answer = await shop.ask('/articles/x')
    expect([answer.status, answer.text]).toEqual([status, 'as it is'])
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    for (const [name, value] of Object.entries(headers)) expect(answer.header(name)).toBe(value)
  })
})

describe('what is stored', () => {
  test('in KV is served whole, with its type, to anybody', async () => {
    const answer = await shop.ask('/kv/a')
    expectNothingOfOurs(answer)
    expect([answer.status, answer.text]).toEqual([200, PAGE])
  })

  test('in R2 is served with ranges and conditions', async () => {
    const part = await shop.ask('/files/a', { headers: { Range: 'bytes=4-8' } })
    expect([part.status, part.text]).toEqual([206, 'whole'])
    const etag = part.header('ETag') ?? ''
    expect((await shop.ask('/files/a', { headers: { 'If-None-Match': etag } })).status).toBe(304)
  })

  test.each([
    ['plain', '/kv/none'],
    ['an encoded slash', '/kv/AC%2FDC'],
    ['two slashes', '/kv//a'],
    ['longer than a key', `/kv/${'y'.repeat(600)}`],
    ['longer than any address', `/files/${'y'.repeat(3_000)}`],
    ['an escape that is none', '/kv/%zz'],
  ])('what is not there is 404, whatever its address: %s', async (_, path) => {
    const answer = await shop.ask(path)
    expectNothingOfOurs(answer)
    expect([answer.status, answer.error]).toEqual([404, 'not_found'])
  })
})

describe('what is asked for with a key of the seller', () => {
  test('is given to anybody, and the key to nobody', async () => {
    const answer = await shop.ask('/resold/x', { headers: { 'PAYMENT-SIGNATURE': await paymentOf() } })
    expectNothingOfOurs(answer)
    expect([answer.status, answer.text]).toEqual([200, PAGE])
    expect(origin.seen.map(({ headers }) => headers['x-api-key'])).toEqual([UPSTREAM_KEY])
    expect(shop.site.logs.join('\n')).not.toContain(UPSTREAM_KEY)
  })

  test.each([
    ['an encoded slash', '/resold/AC%2FDC'],
    ['two slashes', '/resold//x'],
    ['longer than any address', `/resold/${'y'.repeat(3_000)}`],
  ])('is asked for by plain addresses alone: %s', async (_, path) => {
    const answer = await shop.ask(path)
    expect([answer.status, answer.error]).toEqual([404, 'not_found'])
    expect(origin.seen).toEqual([])
  })
})

describe('what another route sells stays shut', () => {
  test.each([
    '/articles/..%2Fsecret',
    '/articles/%2e%2e/secret',
    '/articles/..;/secret',
    '/articles/%252e%252e%252fsecret',
    '/articles/x/..%5c..%5csecret',
    `/articles/..%2Fsecret?${'y'.repeat(30)}`,
    `/articles/..%2Fsecret/${'.%2F'.repeat(600)}`,
    '/%2561rticles/..%2fsecret',
    '/secret;/articles/x',
  ])('%s', async (path) => {
    const answer = await shop.ask(path)
    expect([400, 402, 414]).toContain(answer.status)
    expect(answer.text).not.toContain(PAGE)
    expect(origin.seen).toEqual([])
  })

  test.each(['/secret', '/kept/a'])('%s asks for a payment', async (path) => {
    const answer = await shop.ask(path)
    expect(answer.status).toBe(402)
    expect(answer.header('PAYMENT-REQUIRED')).not.toBeNull()
    expect(origin.seen).toEqual([])
  })
})

describe('the log', () => {
  test.each<[string, string, Question, Record<string, unknown>]>([
    ['the price of the route', '/articles/x', {}, { route: '/articles/*', priceMicros: 50_000, class: 'other' }],
    ['the price of a rule', '/articles/x?full=1', {}, { priceMicros: 100_000 }],
    ['an article’s own price', '/kv/a', {}, { route: '/kv/*', priceMicros: 70_000 }],
    ['a file', '/files/a', {}, { route: '/files/*', priceMicros: 30_000 }],
    ['a program that pays', '/kv/b', { headers: { 'PAYMENT-SIGNATURE': 'e30=' } }, { class: 'agent' }],
  ])('says what would have been asked for: %s', async (_, path, question, expected) => {
    const [line] = await linesOf(1, () => shop.ask(path, question))
    expect(line).toMatchObject({ decision: 'observed', status: 200, ...expected })
    expect(Object.keys(line ?? {})).not.toContain('payer')
  })

  test.each<[string, string, Question]>([
    ['HEAD', '/articles/x', { method: 'HEAD' }],
    ['OPTIONS', '/articles/x', { method: 'OPTIONS' }],
  ])('asks no price of %s', async (_, path, question) => {
    const [line] = await linesOf(1, () => shop.ask(path, question))
    expect(line).toMatchObject({ decision: 'observed' })
    expect(line).not.toHaveProperty('priceMicros')
  })

  test.each<[string, Question]>([
    ['/articles/x', { headers: { 'X-Plan': 'staff' } }],
    ['/kv/gratis', {}],
  ])('calls free what would be free: %s', async (path, question) => {
    const [line] = await linesOf(1, () => shop.ask(path, question))
    expect(line).toMatchObject({ decision: 'free', status: 200 })
    expect(line).not.toHaveProperty('priceMicros')
  })
})

test('a payment that was sent along is good afterwards, where the route is enforced', async () => {
  const headers = { 'PAYMENT-SIGNATURE': await paymentOf() }
  const { cost } = await shop.costOf(() => shop.ask('/articles/x', { headers }))
  expect(cost).toEqual(NOTHING)
  const enforced = OBSERVED.map(({ mode: _, ...route }) => route)
  await shop.site.restart({ ROUTES: [...enforced, ...ENFORCED] })
  expect((await shop.ask('/articles/x')).status).toBe(402)
  const { result, cost: later } = await shop.costOf(() => shop.ask('/articles/x', { headers }))
  expect([result.status, result.text]).toEqual([200, PAGE])
  expect(later).toEqual(ONE_SALE)
})

test('nothing of ours stands in the way where every route is observed, and selling is paused or broken', async () => {
  await shop.site.restart({ ROUTES: OBSERVED, PAUSED: true, RECEIPT_KEY: 'no key' })
  for (const path of [
    '/articles/..%2Fsecret',
    `/articles/${'%41'.repeat(1_000)}`,
    '/articles/%2525252525252e',
    '/x;/y',
  ]) {
    const answer = await shop.ask(path)
    expectNothingOfOurs(answer)
    expect([answer.status, answer.text, origin.seen.at(-1)?.url]).toEqual([200, PAGE, path])
  }
})
