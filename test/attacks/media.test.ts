// Films, recordings and pictures in R2, against who has not bought them: no ETag, no length, no 304, no part, no page around
// them, by whatever they are asked for; and a pass opens what it names, with `?raw` and without.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { pay, paying } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

const SHORT = '/films/short'
const OTHER = '/films/other'
const CONTENT = 'the film, frame by frame'
const OPENED = { Accept: 'text/html,*/*;q=0.8', 'Sec-Fetch-Dest': 'document' }
/** What only who may have a file is told of it. */
const TOLD = ['ETag', 'Last-Modified', 'Accept-Ranges', 'Content-Range', 'Content-Disposition', 'Expires']
let shop: Shop
let etag: string
let modified: string
/** A pass of the other film, as a cookie. */
let ofOther: string

beforeAll(async () => {
  shop = await openShop({
    ROUTES: [
      { path: '/films/*', content: 'r2', price: '$0.05', access: '24h' },
      { path: '/once/*', content: 'r2', price: '$0.05', access: 'once' },
    ],
  })
  const httpMetadata = { contentType: 'video/mp4', contentDisposition: 'inline; filename="of-the-publisher.mp4"' }
  for (const key of ['films/short', 'films/other', 'once/short']) {
    const { httpEtag, uploaded } = await shop.site.r2.put(key, CONTENT, { httpMetadata })
    if (key === 'films/short') [etag, modified] = [httpEtag, uploaded.toUTCString()]
  }
  ofOther = (await shop.buy('v2', OTHER, await shop.reader())).pass
})

afterAll(() => shop.close())

/** Conditions that a file would answer in its own way; the first has none. */
const CONDITIONS: [name: string, headers: () => Record<string, string>][] = [
  ['nothing more', () => ({})],
  ['its ETag', () => ({ 'If-None-Match': etag })],
  ['any ETag', () => ({ 'If-None-Match': '*' })],
  ['another ETag to match', () => ({ 'If-Match': '"other"' })],
  ['its date', () => ({ 'If-Modified-Since': modified })],
  ['an old date', () => ({ 'If-Unmodified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT' })],
  ['a range', () => ({ Range: 'bytes=0-3' })],
  ['a range behind its end', () => ({ Range: 'bytes=99999-' })],
  ['a range of that very file', () => ({ Range: 'bytes=0-3', 'If-Range': etag })],
]

const STRANGERS: [name: string, headers: () => Record<string, string>][] = [
  ['who has nothing', () => ({})],
  ['who has the pass of another film', () => ({ Cookie: ofOther })],
  ['who has it as a token', () => ({ Authorization: `Bearer ${ofOther.replace(/^[^=]*=/, '')}` })],
  ['who has changed it', () => ({ Cookie: `${ofOther.slice(0, -4)}AAAA` })],
  ['who has an empty one', () => ({ Cookie: '__Host-newsstand=' })],
]

const ASKED: [name: string, path: string, headers: Record<string, string>][] = [
  ['a program', SHORT, {}],
  ['a program with ?raw', `${SHORT}?raw`, {}],
  ['a browser that opens it', SHORT, OPENED],
  ['a browser that opens it with ?raw', `${SHORT}?raw`, OPENED],
  ['an element that plays', `${SHORT}?raw`, { Accept: '*/*', 'Sec-Fetch-Dest': 'video' }],
  ['an element that shows', `${SHORT}?raw`, { Accept: 'image/avif,*/*;q=0.8', 'Sec-Fetch-Dest': 'image' }],
]

/** What of an answer does not depend on its quote. */
const shapeOf = ({ status, headers, bytes }: Answer) => ({
  status,
  names: [...headers.keys()].toSorted(),
  length: bytes.length,
})

describe.each(STRANGERS)('%s', (_stranger, held) => {
  describe.each(ASKED)('as %s', (_asked, path, headers) => {
    test.each(['GET', 'HEAD'])('is told nothing of the file by %s, whatever it is asked on', async (method) => {
      const ask = (more: Record<string, string> = {}) =>
        shop.ask(path, { method, headers: { ...headers, ...held(), ...more } })
      const plain = shapeOf(await ask())
      for (const [name, condition] of CONDITIONS) {
        const { result: answer, cost } = await shop.costOf(() => ask(condition()))
        expect(answer.status, name).toBe(402)
        expect(answer.header('Cache-Control'), name).toContain('no-store')
        for (const header of TOLD) expect(answer.header(header), `${name}: ${header}`).toBeNull()
        expect(answer.text, name).not.toMatch(/frame by frame|<video|of-the-publisher/)
        expect(shapeOf(answer), name).toEqual(plain)
        expect(cost).toEqual(NOTHING)
      }
    })
  })
})

test.each([
  SHORT,
  `${SHORT}?raw`,
  `${SHORT}?raw=${OTHER}`,
  `${SHORT}?raw&path=${OTHER}`,
  `/films/%73hort?raw`,
  `${SHORT}/?raw`,
  '/once/short?raw',
])('the pass of another film does not open %s, as file or as page', async (path) => {
  for (const headers of [{}, OPENED]) {
    const answer = await shop.ask(path, { headers: { ...headers, Cookie: ofOther } })
    expect(answer.status).toBe(402)
    expect(answer.text).not.toMatch(/frame by frame|<video/)
  }
  // It is a pass: what it names opens.
  expect((await shop.ask(`${OTHER}?raw`, { headers: { Cookie: ofOther } })).text).toBe(CONTENT)
})

test('what is sold once leaves nothing to ask for it again: no pass, no ETag, no page', async () => {
  const payment = await stockPayment(await shop.ask('/once/short?raw'), await shop.reader())
  const { result: bought, cost } = await shop.costOf(() =>
    shop.ask('/once/short?raw', { headers: { ...OPENED, ...paying(payment).headers, Range: 'bytes=0-3' } }),
  )
  expect([bought.status, bought.text, bought.pass]).toEqual([200, CONTENT, ''])
  expect(bought.header('Cache-Control')).toBe('private, no-store')
  for (const header of ['ETag', 'Last-Modified', 'Content-Range']) expect(bought.header(header)).toBeNull()
  expect(cost).toEqual(ONE_SALE)
  for (const path of ['/once/short', '/once/short?raw']) {
    for (const headers of [{}, OPENED, { Range: 'bytes=0-3' }, { 'If-None-Match': etag }]) {
      expect((await shop.ask(path, { headers })).status).toBe(402)
    }
    const again = await shop.ask(path, paying(payment))
    expect([again.status, again.error]).toEqual([402, 'payment_already_used'])
  }
})

test.each([SHORT, `${SHORT}?raw`])('a payment at %s is good for one of both, and once', async (path) => {
  const headers = await pay('v2', await shop.challenge(path), await shop.reader())
  const { result, cost } = await shop.costOf(async () => [
    await shop.ask(path, { headers }),
    await shop.ask(SHORT, { headers }),
    await shop.ask(`${SHORT}?raw`, { headers }),
    await shop.ask(OTHER, { headers }),
  ])
  expect(result.map(({ status }) => status)).toEqual([200, 402, 402, 402])
  expect(cost).toEqual(ONE_SALE)
})

test('the picture of a price says nothing of what is behind it', async () => {
  const headers = { 'Sec-Fetch-Dest': 'image', 'Accept-Language': '"><script>alert(1)</script>' }
  const [one, other] = [await shop.ask(SHORT, { headers }), await shop.ask(OTHER, { headers })]
  expect(one.text).toBe(other.text)
  expect(one.text).not.toMatch(/<script|href|alert|short/)
  expect(one.header('Content-Security-Policy')).toBe("default-src 'none'")
  expect(one.header('X-Content-Type-Options')).toBe('nosniff')
})
