// What a file in R2 says of itself, and on which conditions it is sent: free, bought, and to who holds a pass.
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pay } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

const TEXT = 'line by line\n'.repeat(400)
const PACKED = gzipSync(TEXT)
const SAID = {
  contentType: 'text/csv; charset=utf-8',
  contentDisposition: 'attachment; filename="tides.csv"',
  contentLanguage: 'de',
  cacheControl: 'public, max-age=60',
  cacheExpiry: new Date('2050-01-01T00:00:00Z'),
}
let shop: Shop
let etag: string
/** By folder: the files are put one after the other. */
const modified: Record<string, string> = {}

beforeAll(async () => {
  shop = await openShop({
    ROUTES: [
      { path: '/files/*', content: 'r2', price: '$0.05', access: '24h' },
      { path: '/free/*', content: 'r2', price: 'free' },
    ],
  })
  for (const folder of ['files', 'free']) {
    const { httpEtag, uploaded } = await shop.site.r2.put(`${folder}/tides`, TEXT, { httpMetadata: SAID })
    etag = httpEtag
    modified[`/${folder}`] = uploaded.toUTCString()
    await shop.site.r2.put(`${folder}/packed`, PACKED, { httpMetadata: { ...SAID, contentEncoding: 'gzip' } })
    const page = { contentType: 'text/html', contentEncoding: 'gzip' }
    await shop.site.r2.put(`${folder}/page`, PACKED, { httpMetadata: page })
    await shop.site.r2.put(`${folder}/plain`, '<p>hello</p>', { httpMetadata: { contentType: 'text/html' } })
  }
})

afterAll(() => shop.close())

const payment = async (path: string) => pay('v2', await shop.challenge(path), await shop.reader())

async function passFor(path: string): Promise<Record<string, string>> {
  const bought = await shop.ask(path, { headers: await payment(path) })
  return { Cookie: bought.headers.getSetCookie()[0]?.split(';')[0] ?? '' }
}

const WAYS: [
  way: string,
  folder: string,
  holding: (path: string) => Promise<Record<string, string>>,
  caching: string,
][] = [
  ['free', '/free', async () => ({}), 'public, max-age=60'],
  ['held', '/files', passFor, 'private, no-cache'],
]

describe.each(WAYS)('a file that is %s', (way, folder, holding, caching) => {
  let held: Record<string, string>
  beforeAll(async () => {
    held = await holding(`${folder}/tides`)
  })
  const ask = (headers: Record<string, string> = {}, method = 'GET') =>
    shop.ask(`${folder}/tides`, { method, headers: { ...held, ...headers } })

  test.each(['GET', 'HEAD'])('to %s says all that its publisher said of it, and how long it is', async (method) => {
    const answer = await ask({}, method)
    expect(answer.status).toBe(200)
    expect(answer.text).toBe(method === 'HEAD' ? '' : TEXT)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': SAID.contentType,
      'content-disposition': SAID.contentDisposition,
      'content-language': 'de',
      'content-length': String(TEXT.length),
      'cache-control': caching,
      'accept-ranges': 'bytes',
      'last-modified': modified[folder],
      etag,
    })
    expect(answer.header('Expires')).toBe(way === 'free' ? SAID.cacheExpiry.toUTCString() : null)
  })

  test.each(['GET', 'HEAD'])('is not sent again to who has it and asks by %s', async (method) => {
    for (const condition of [
      { 'If-None-Match': etag },
      { 'If-None-Match': `"other", W/${etag}` },
      { 'If-Modified-Since': modified[folder] ?? '' },
    ]) {
      const answer = await ask(condition, method)
      expect([answer.status, answer.bytes.length]).toEqual([304, 0])
      expect(Object.fromEntries(answer.headers)).toMatchObject({ etag, 'cache-control': caching })
    }
  })

  test('is sent to who has another', async () => {
    expect((await ask({ 'If-None-Match': '"other"', 'If-Modified-Since': modified[folder] ?? '' })).text).toBe(TEXT)
    expect((await ask({ 'If-Modified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT' })).text).toBe(TEXT)
  })

  test('is not sent to who wants another', async () => {
    const answer = await ask({ 'If-Match': '"other"', Range: 'bytes=0-3' })
    expect([answer.status, answer.text]).toEqual([412, ''])
    expect(answer.header('Cache-Control')).not.toContain('public')
  })

  test.each([
    ['its own ETag', () => etag, 206],
    ['another ETag', () => '"other"', 200],
    ['a weak ETag', () => `W/${etag}`, 200],
    ['a date', () => modified[folder] ?? '', 200],
  ])('has parts for who has the rest of it: If-Range with %s', async (_, validator, status) => {
    const answer = await ask({ Range: 'bytes=5-8', 'If-Range': validator() })
    expect([answer.status, answer.text]).toEqual(status === 206 ? [206, TEXT.slice(5, 9)] : [200, TEXT])
  })

  test('has no parts for HEAD', async () => {
    for (const Range of ['bytes=0-3', 'bytes=999999-']) {
      const answer = await ask({ Range }, 'HEAD')
      expect([answer.status, answer.header('Content-Length')]).toEqual([200, String(TEXT.length)])
      expect(answer.header('Content-Range')).toBeNull()
    }
  })

  test.each(['packed', 'page'])('and stored compressed (%s) is sent as it is stored, always whole', async (name) => {
    const path = `${folder}/${name}`
    const opened = await holding(path)
    for (const more of [{}, { Range: 'bytes=0-3' }, { 'Sec-Fetch-Dest': 'document' }]) {
      const answer = await shop.ask(path, { headers: { ...opened, ...more } })
      expect([answer.status, answer.header('Content-Encoding')]).toEqual([200, 'gzip'])
      expect(answer.bytes.equals(PACKED)).toBe(true)
      expect(answer.header('Content-Length')).toBe(String(PACKED.length))
      expect(answer.header('Accept-Ranges')).toBe('none')
    }
    const told = await shop.ask(path, { method: 'HEAD', headers: opened })
    expect([told.header('Content-Encoding'), told.header('Content-Length')]).toEqual(['gzip', String(PACKED.length)])
  })
})

test('a file is bought whole, whatever its conditions say, with all its publisher said of it', async () => {
  const headers = await payment('/files/tides')
  const conditions = {
    'If-None-Match': etag,
    'If-Modified-Since': modified['/files'] ?? '',
    Range: 'bytes=0-3',
    'If-Match': '"other"',
  }
  const { result: answer, cost } = await shop.costOf(() =>
    shop.ask('/files/tides', { headers: { ...headers, ...conditions } }),
  )
  expect([answer.status, answer.text]).toEqual([200, TEXT])
  expect(cost).toEqual(ONE_SALE)
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-disposition': SAID.contentDisposition,
    'content-language': 'de',
    'cache-control': 'private, no-store',
  })
  for (const name of ['ETag', 'Last-Modified', 'Expires']) expect(answer.header(name)).toBeNull()
})

test('a compressed file is bought as it is stored', async () => {
  const answer = await shop.ask('/files/packed', { headers: await payment('/files/packed') })
  expect(answer.header('Content-Encoding')).toBe('gzip')
  expect(gunzipSync(answer.bytes).toString()).toBe(TEXT)
})

test('a page that is shown with the bar has no ETag: every reader’s is another', async () => {
  const headers = { ...(await passFor('/files/plain')), 'Sec-Fetch-Dest': 'document' }
  const answer = await shop.ask('/files/plain', { headers })
  expect(answer.text).toMatch(/^<p>hello<\/p>./s)
  expect([answer.header('ETag'), answer.header('Cache-Control')]).toEqual([null, 'private, no-store'])
})

test('conditions show nothing to who has not paid', async () => {
  for (const condition of [{ 'If-None-Match': etag }, { 'If-Match': '"other"' }, { Range: 'bytes=0-3' }]) {
    for (const method of ['GET', 'HEAD']) {
      const { result: answer, cost } = await shop.costOf(() => shop.ask('/files/tides', { method, headers: condition }))
      expect([answer.status, answer.header('ETag')]).toEqual([402, null])
      expect(cost).toEqual(NOTHING)
    }
  }
})
