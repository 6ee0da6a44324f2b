// What an origin says of its bytes, where they are changed on their way.
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { openShop, type Shop } from '../world/shop.ts'

const HTML =
  '<!doctype html><title>Tides</title><main><article><h1>Tides</h1><p>The whole article, which is long enough to be one, twice a day.</p></article></main>'
const sha256 = (text: string | Buffer) => `sha-256=:${createHash('sha256').update(text).digest('base64')}:`
let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  origin.tell({
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Digest': sha256(HTML),
      'Repr-Digest': sha256(HTML),
      'Content-MD5': createHash('md5').update(HTML).digest('base64'),
    },
    body: HTML,
  })
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [{ path: '/articles/*', price: '$0.05', access: '24h' }],
  })
})
afterAll(async () => {
  await shop.close()
  await origin.stop()
})

test.each([
  ['with the bar', { Accept: 'text/html', 'Sec-Fetch-Dest': 'document' }],
  ['as Markdown', { Accept: 'text/markdown' }],
])('a page %s is not sent under the digest of another one', async (_, headers) => {
  const { pass } = await shop.buy('v2', '/articles/tides', await shop.reader())
  const answer = await shop.ask('/articles/tides', { headers: { ...headers, Cookie: pass } })
  expect(answer.status).toBe(200)
  const own = [null, sha256(Buffer.from(answer.bytes))]
  for (const name of ['Content-Digest', 'Repr-Digest']) expect(own).toContain(answer.header(name))
  expect([null, createHash('md5').update(answer.bytes).digest('base64')]).toContain(answer.header('Content-MD5'))
})
