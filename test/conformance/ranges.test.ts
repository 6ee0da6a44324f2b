// Ranges are for pass holders: files in R2, streamed, and what an origin makes of them.
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

const FILM = '/films/tides'
const SIZE = 3_000_000
const film = randomBytes(SIZE)
let origin: OriginServer
let shop: Shop
/** Opens the film. */
let cookie: string

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/films/*', content: 'r2', price: '$0.05', access: '24h' },
      { path: '/trailers/*', content: 'r2', price: 'free' },
      { path: '/pages/*', price: '$0.05', access: '24h' },
    ],
  })
  const httpMetadata = { contentType: 'video/mp4', cacheControl: 'public, max-age=60' }
  for (const key of ['films/tides', 'trailers/tides']) await shop.site.r2.put(key, film, { httpMetadata })
  await shop.site.r2.put('films/nothing', '')
  cookie = await passFor(FILM)
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

beforeEach(() => origin.tell({ body: 'the page' }))

async function passFor(path: string): Promise<string> {
  const bought = await shop.buy('v2', path, await shop.reader())
  return bought.headers.getSetCookie().at(-1)?.split(';')[0] ?? ''
}

test('a file is bought whole', async () => {
  const headers = await pay('v2', await shop.challenge(FILM), await shop.reader())
  const { result: answer, cost } = await shop.costOf(() =>
    shop.ask(FILM, { headers: { ...headers, Range: 'bytes=0-1' } }),
  )
  expect(answer.status).toBe(200)
  expect(answer.bytes.equals(film)).toBe(true)
  expect(answer.header('ETag')).toBeNull()
  expect(cost).toEqual(ONE_SALE)
})

test('an empty file is not for sale', async () => {
  expect((await shop.ask('/films/nothing')).status).toBe(404)
})

describe('a pass holder', () => {
  test.each([
    ['bytes=0-1', 0, 1],
    ['bytes=0-0', 0, 0],
    ['bytes=1000-1999', 1000, 1999],
    ['bytes=2999999-', 2_999_999, 2_999_999],
    ['bytes=5-', 5, 2_999_999],
    ['bytes=-5', 2_999_995, 2_999_999],
    ['bytes=-9000000', 0, 2_999_999],
    ['bytes=100-9000000', 100, 2_999_999],
  ])('who asks for %s gets that part', async (range, first, last) => {
    const { result: answer, cost } = await shop.costOf(() =>
      shop.ask(FILM, { headers: { Cookie: cookie, Range: range } }),
    )
    expect(answer.status).toBe(206)
    expect(answer.header('Content-Range')).toBe(`bytes ${first}-${last}/${SIZE}`)
    expect(answer.bytes.equals(film.subarray(first, last + 1))).toBe(true)
    expect(answer.header('Content-Length')).toBe(String(last + 1 - first))
    expect(answer.header('Content-Type')).toBe('video/mp4')
    expect(answer.header('Cache-Control')).toBe('private, no-cache')
    expect(answer.header('ETag')).toMatch(/^"[0-9a-f]{32}"$/)
    expect(cost).toEqual(NOTHING)
  })

  test.each(['bytes=3000000-', 'bytes=9000000-9000001', 'bytes=-0'])(
    'who asks for %s is told the size',
    async (range) => {
      const answer = await shop.ask(FILM, { headers: { Cookie: cookie, Range: range } })
      expect(answer.status).toBe(416)
      expect(answer.header('Content-Range')).toBe(`bytes */${SIZE}`)
      expect(answer.bytes).toHaveLength(0)
    },
  )

  test.each(['bytes=5-4', 'bytes=a-b', 'bytes=', 'bytes=-', 'pages=1-2', '0-1', 'bytes=0-1,5-6'])(
    'who asks for %s gets the whole',
    async (range) => {
      const answer = await shop.ask(FILM, { headers: { Cookie: cookie, Range: range } })
      expect(answer.status).toBe(200)
      expect(answer.bytes.equals(film)).toBe(true)
      expect(answer.header('Content-Range')).toBeNull()
    },
  )

  test('with a bearer token gets parts as well', async () => {
    const Authorization = `Bearer ${cookie.replace(/^[^=]*=/, '')}`
    const answer = await shop.ask(FILM, { headers: { Authorization, Range: 'bytes=0-9' } })
    expect(answer.status).toBe(206)
    expect(answer.bytes.equals(film.subarray(0, 10))).toBe(true)
  })

  test('is told that parts are to be had', async () => {
    const answer = await shop.ask(FILM, { headers: { Cookie: cookie } })
    expect(answer.header('Accept-Ranges')).toBe('bytes')
  })

  test('has the ranges of an origin too, but not its caching', async () => {
    const headers = { Cookie: `theme=dark; ${await passFor('/pages/a')}`, Range: 'bytes=0-1' }
    origin.tell({
      status: 206,
      headers: { 'Content-Range': 'bytes 0-1/8', ETag: '"v1"', 'Cache-Control': 'public, max-age=60' },
      body: 'th',
    })
    const answer = await shop.ask('/pages/a', { headers })
    expect(answer.status).toBe(206)
    expect(answer.text).toBe('th')
    expect(answer.header('Content-Range')).toBe('bytes 0-1/8')
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    expect(answer.header('ETag')).toBeNull()
    expect(origin.seen[0]?.headers).toMatchObject({ range: 'bytes=0-1', cookie: 'theme=dark' })
  })

  test('whose token is a bearer token keeps it from the origin', async () => {
    const Authorization = `Bearer ${(await passFor('/pages/a')).replace(/^[^=]*=/, '')}`
    origin.tell({ body: 'the page' })
    expect((await shop.ask('/pages/a', { headers: { Authorization } })).text).toBe('the page')
    expect(origin.seen[0]?.headers).not.toHaveProperty('authorization')
  })

  test.each(['Basic cmVhZGVyOnNlY3JldA==', 'Bearer a-token-of-the-origin'])(
    'is known to the origin by “%s”',
    async (own) => {
      const headers = { Cookie: await passFor('/pages/a'), Authorization: own }
      origin.tell({ body: 'the page' })
      await shop.ask('/pages/a', { headers })
      expect(origin.seen[0]?.headers.authorization).toBe(own)
    },
  )

  test('sees an origin’s failure as it is', async () => {
    const headers = { Cookie: await passFor('/pages/a') }
    origin.tell({ status: 503, body: 'closed for the night' })
    const answer = await shop.ask('/pages/a', { headers })
    expect(answer.status).toBe(503)
    expect(answer.text).toBe('closed for the night')
  })
})

test('who holds no pass gets no part', async () => {
  const answer = await shop.ask(FILM, { headers: { Range: 'bytes=0-1' } })
  expect(answer.status).toBe(402)
  expect(answer.error).toBe('payment_required')
})

test('free files have ranges for all, and may be cached', async () => {
  const answer = await shop.ask('/trailers/tides', { headers: { Range: 'bytes=10-19' } })
  expect(answer.status).toBe(206)
  expect(answer.bytes.equals(film.subarray(10, 20))).toBe(true)
  expect(answer.header('Cache-Control')).toBe('public, max-age=60')
})
