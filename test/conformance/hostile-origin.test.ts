// What readers and origins say to each other past the paywall: cookies of our name, words to caches, encodings nobody
// decodes, other readings of the path, bodies where none belong. One line a case, for what is free, bought and held.
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Answer, Question } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

const PAGE = '/pages/a'
const FREE = '/about'
const WHOLE = 'the whole page '.repeat(500)
let origin: OriginServer
let shop: Shop
/** Opens the page. */
let cookie: string

beforeAll(async () => {
  origin = await startOrigin()
  const partner = { when: { header: { 'X-Partner': 'library' } }, price: 'free' }
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/pages/*', price: '$0.05', access: '24h' },
      { path: '/partners/*', price: '$0.05', access: '24h', prices: [partner] },
    ],
  })
  cookie = (await shop.buy('v2', PAGE, await shop.reader())).headers.getSetCookie()[0]?.split(';')[0] ?? ''
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

beforeEach(() => origin.tell({ body: WHOLE }))

const payment = async () => pay('v2', await shop.challenge(PAGE), await shop.reader())

/** The ways content leaves. */
const WAYS: [way: string, ask: (question: Question) => Promise<Answer>][] = [
  ['free', (question) => shop.ask(FREE, question)],
  [
    'bought',
    async (question) => {
      const paid = await payment()
      const { result, cost } = await shop.costOf(() =>
        shop.ask(PAGE, { ...question, headers: { ...question.headers, ...paid } }),
      )
      expect(cost).toEqual(ONE_SALE)
      expect(result.receipt?.success).toBe(true)
      return result
    },
  ],
  ['held', (question) => shop.ask(PAGE, { ...question, headers: { ...question.headers, Cookie: cookie } })],
]

describe.each(WAYS)('what is %s', (way, ask) => {
  test('leaves with the origin’s cookies, each by itself, and none of our name', async () => {
    const own = ['a=1; Expires=Sat, 01 Jan 2050 00:00:00 GMT', 'b=2; Path=/', 'newsstand=of-the-origin']
    const ours = ['__Host-newsstand=x.y; Path=/; Secure', '__Host-newsstand=; Max-Age=0; Path=/; Secure']
    origin.tell({
      headers: { 'Set-Cookie': [ours[0] ?? '', ...own, ours[1] ?? '', '=__Host-newsstand=x'] },
      body: WHOLE,
    })
    const cookies = (await ask({})).headers.getSetCookie()
    expect(cookies.slice(0, 3)).toEqual(own)
    const more = cookies.slice(3)
    expect(more).toHaveLength(way === 'bought' ? 1 : 0)
    for (const name of more) expect(name).toMatch(/^__Host-newsstand=[\w-]{40,}\.[\w-]{43};/)
  })

  test('does not take a reader’s pass away', async () => {
    origin.tell({ headers: { 'Clear-Site-Data': '"cache", "cookies"' }, body: WHOLE })
    expect((await ask({})).header('Clear-Site-Data')).toBe('"cache"')
    origin.tell({ headers: { 'Clear-Site-Data': '"*"' }, body: WHOLE })
    expect((await ask({})).header('Clear-Site-Data')).toBeNull()
  })

  test('is asked for by its address alone, and by GET', async () => {
    const headers = {
      'X-Script-Name': '/pages/b',
      SCRIPT_NAME: '/pages/b',
      'X-Forwarded-Prefix': '/pages/b',
      'X-Forwarded-Path': '/pages/b',
      'X-Forwarded-Uri': '/pages/b',
      'X-Original-URI': '/pages/b',
      'X-Original-URL': '/pages/b',
      X_Original_URL: '/pages/b',
      'X-Rewrite-URL': '/pages/b',
      'X-Envoy-Original-Path': '/pages/b',
      'X-Request-URI': '/pages/b',
      PATH_INFO: '/pages/b',
      Forwarded: 'host=other.example;proto=http',
      'X-Forwarded-Host': 'other.example',
      'X-HTTP-Method-Override': 'DELETE',
    }
    await ask({ headers: { ...headers, 'X-Requested-With': 'fetch' } })
    const sent = origin.seen[0]?.headers ?? {}
    for (const [name, value] of Object.entries(headers)) expect(sent[name.toLowerCase()], name).not.toBe(value)
    expect(Object.values(sent).flat().join()).not.toContain('/pages/b')
    expect(sent).toMatchObject({ 'x-forwarded-host': 'news.example', 'x-requested-with': 'fetch' })
  })

  const encoded: [encoding: string, bytes: Buffer][] = [
    ['gzip', gzipSync(WHOLE)],
    ['br', brotliCompressSync(WHOLE)],
    ['deflate', deflateSync(WHOLE)],
    ['x-gzip', gzipSync(WHOLE)],
    ['GZIP', gzipSync(WHOLE)],
    ['Br', brotliCompressSync(WHOLE)],
    ['zstd', zstdCompressSync(WHOLE)],
    ['gzip, br', brotliCompressSync(gzipSync(WHOLE))],
    ['identity', Buffer.from(WHOLE)],
    ['of-my-own', Buffer.from('whatever')],
  ]
  test.each(encoded)('is whole, and called what it is, when its origin encodes it as %s', async (encoding, bytes) => {
    origin.tell({ headers: { 'Content-Encoding': encoding }, body: bytes })
    const answer = await ask({ headers: { 'Accept-Encoding': encoding } })
    expect(answer.status).toBe(200)
    const isPlain = answer.header('Content-Encoding') === null
    if (!isPlain) expect(answer.header('Content-Encoding')).toBe(encoding)
    expect(answer.bytes.equals(isPlain ? Buffer.from(WHOLE) : bytes)).toBe(true)
  })

  test.each(['GET', 'HEAD'])('is answered to a %s with a body, which selects nothing that is sold', async (method) => {
    if (way === 'bought' && method === 'HEAD') return
    const body = '{"id":7}'
    const headers = { 'Content-Type': 'application/json', 'Content-Length': String(body.length) }
    const answer = await ask({ method, headers, body })
    expect(answer.status).toBe(200)
    expect(answer.text).toBe(method === 'HEAD' ? '' : WHOLE)
    expect(origin.seen).toMatchObject([{ method, body: way === 'free' ? body : '' }])
    expect(origin.seen[0]?.headers['content-type']).toBe(way === 'free' ? 'application/json' : undefined)
  })
})

test('what is bought is asked for in encodings that can be looked into', async () => {
  const headers = { ...(await payment()), 'Accept-Encoding': 'zstd, gzip, deflate' }
  expect((await shop.ask(PAGE, { headers })).text).toBe(WHOLE)
  expect(origin.seen[0]?.headers['accept-encoding']).toBe('gzip')
})

test.each([
  ['gzip', gzipSync('')],
  ['br', brotliCompressSync('')],
])('nothing, encoded as %s, is not sold', async (encoding, body) => {
  const headers = await payment()
  origin.tell({ headers: { 'Content-Encoding': encoding }, body })
  const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
  expect(answer.bytes).toHaveLength(0)
  expect(answer.receipt).toBeNull()
  expect(cost).toEqual(NOTHING)
})

test('what is encoded in a way nobody here reads is shown to its holder without the bar', async () => {
  const bytes = deflateSync('<p>the page</p>')
  origin.tell({ headers: { 'Content-Encoding': 'deflate', 'Content-Type': 'text/html' }, body: bytes })
  const answer = await shop.ask(PAGE, { headers: { Cookie: cookie, 'Sec-Fetch-Dest': 'document' } })
  expect(answer.header('Content-Encoding')).toBe('deflate')
  expect(answer.bytes.equals(bytes)).toBe(true)
})

test.each(['GET', 'HEAD'])('a %s with a body is asked to pay like any other', async (method) => {
  const answer = await shop.ask(PAGE, { method, headers: { 'Content-Length': '3' }, body: 'abc' })
  expect(answer.status).toBe(402)
  expect(origin.seen).toEqual([])
})

describe('an origin that says to caches', () => {
  const KEEP = 'public, max-age=600, s-maxage=600'
  test.each([
    ['X-Accel-Expires', '600'],
    ['X-Accel-Redirect', '/internal'],
    ['X-Accel-Buffering', 'yes'],
    ['Edge-Control', 'cache-maxage=10m'],
    ['Edge-Cache-Tag', 'all'],
    ['CDN-Cache-Control', KEEP],
    ['Cloudflare-CDN-Cache-Control', KEEP],
    ['Vercel-CDN-Cache-Control', KEEP],
    ['Netlify-CDN-Cache-Control', KEEP],
    ['Cache-Tag', 'all'],
    ['Netlify-Cache-Tag', 'all'],
    ['Surrogate-Control', 'max-age=600'],
    ['Surrogate-Key', 'all'],
    ['Expires', 'Sat, 01 Jan 2050 00:00:00 GMT'],
    ['Age', '5'],
    ['Pragma', 'cache'],
  ])('“%s: %s” is heard where everybody may read, and nowhere else', async (name, value) => {
    origin.tell({ headers: { [name]: value, 'Cache-Control': KEEP }, body: WHOLE })
    const free = await shop.ask(FREE)
    expect([free.header(name), free.header('Cache-Control')]).toEqual([value, KEEP])
    const held = await shop.ask(PAGE, { headers: { Cookie: cookie } })
    const failing = await payment()
    const forSome = await shop.ask('/partners/a', { headers: { 'X-Partner': 'library' } })
    origin.tell({ status: 404, headers: { [name]: value, 'Cache-Control': KEEP }, body: 'gone' })
    const unsold = await shop.ask(PAGE, { headers: failing })
    for (const answer of [held, unsold]) {
      expect([answer.header(name), answer.header('Cache-Control')]).toEqual([null, 'private, no-store'])
    }
    expect([forSome.text, forSome.header(name), forSome.header('Cache-Control')]).toEqual([WHOLE, null, 'no-cache'])
  })

  test('answers at a gated address depend on all that pays or shows who asks', async () => {
    const names =
      'Accept, PAYMENT-SIGNATURE, X-PAYMENT, SIGN-IN-WITH-X, Authorization, Payment-Authorization, Cookie, Origin'
    expect((await shop.ask(PAGE)).header('Vary')).toBe(names)
    expect((await shop.ask(PAGE, { headers: { Cookie: cookie } })).header('Vary')).toBe(names)
    expect((await shop.ask(PAGE, { method: 'OPTIONS' })).header('Vary')).toContain(names)
  })
})
