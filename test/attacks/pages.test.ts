// What a browser says of its language, and what a publisher stores, against the pages and the bar.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openShop, type Shop } from '../world/shop.ts'

const HTML = '<!doctype html><title>Tides</title><p>the whole article</p>'
const OPENED = { Accept: 'text/html,*/*;q=0.8', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Mode': 'navigate' }
let shop: Shop

beforeAll(async () => {
  shop = await openShop({
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/files/*', content: 'r2', price: '$0.05', access: '24h' },
    ],
  })
  await shop.site.kv.put('/articles/plain', HTML)
  await shop.site.kv.put('/articles/wide', Buffer.from(`\uFEFF${HTML}`, 'utf16le'), {
    metadata: { contentType: 'text/html' },
  })
  await shop.site.r2.put('files/report', HTML, {
    httpMetadata: { contentType: 'text/html', contentDisposition: 'attachment; filename="report.html"' },
  })
  await shop.site.r2.put('files/film', 'frames', { httpMetadata: { contentType: 'video/mp4' } })
})
afterAll(() => shop.close())

const held = async (path: string, more: Record<string, string> = {}) => {
  const { pass } = await shop.buy('v2', path, await shop.reader())
  return shop.ask(path, { headers: { ...OPENED, Cookie: pass, ...more } })
}

test.each(['en-US-GB', 'de-de-de', 'en-Latn-Latn', 'fr-001-FR'])(
  'a language that is none (%s) breaks no page',
  async (language) => {
    const more = { 'Accept-Language': language }
    const statuses: Record<string, number> = {}
    for (const path of ['/articles/plain', '/files/film', '/_newsstand/receipts']) {
      statuses[path] = (await shop.ask(path, { headers: { ...OPENED, ...more } })).status
    }
    for (const path of ['/articles/plain', '/files/film']) statuses[`held ${path}`] = (await held(path, more)).status
    expect(statuses).toEqual({
      '/articles/plain': 402,
      '/files/film': 402,
      '/_newsstand/receipts': 200,
      'held /articles/plain': 200,
      'held /files/film': 200,
    })
  },
)

test('no bar is put into a page of two-byte letters, whatever says that it is one', async () => {
  const answer = await held('/articles/wide')
  expect(answer.status).toBe(200)
  expect(Buffer.from(answer.bytes).toString('utf16le')).toBe(`\uFEFF${HTML}`)
})

test('no bar is put into a file that is to be saved', async () => {
  const answer = await held('/files/report')
  expect(answer.header('Content-Disposition')).toContain('attachment')
  expect(answer.text).toBe(HTML)
})

test('a language of the publisher’s that is none is a fault of the configuration, not of pages alone', async () => {
  await shop.site.become({ BRAND: { lang: 'en-US-GB' } })
  const [page, json] = [await shop.ask('/articles/plain', { headers: OPENED }), await shop.ask('/articles/plain')]
  await shop.site.become({ BRAND: {} })
  expect(page.status).toBe(json.status)
})
