// The origin is another worker, by service binding. It may say a length that its body does not have.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ONE_SALE, openShop, type Shop } from '../world/shop.ts'

/** Changes a page, and keeps the headers of what it changed. */
const CHANGING = `
const PIECES = ['<!doctype html><article><h1>T</h1><p>free ', 'words</p><p>more</p><p>and more</p>', '<p>marmalade and sugar</p>'.repeat(9), '</article>']
export default {
  async fetch(request) {
    if (request.url.includes('written')) {
      const body = new ReadableStream({
        start(controller) {
          for (const piece of PIECES) controller.enqueue(new TextEncoder().encode(piece))
          controller.close()
        },
      })
      return new Response(body, { headers: { 'Content-Type': 'text/html' } })
    }
    const page = new Response('x'.repeat(100), { headers: { 'Content-Length': '100', 'Content-Type': 'text/plain' } })
    const text = await page.text()
    return new Response(request.url.includes('longer') ? text + ' and more' : text.slice(0, 50), page)
  },
}`

let shop: Shop

beforeAll(async () => {
  const ROUTES = [
    { path: '/once/*', price: '$0.05', access: 'once' },
    { path: '/pages/*', price: '$0.05', access: '24h' },
  ]
  shop = await openShop({ ROUTES }, { origin: CHANGING })
})

afterAll(() => shop.close())

test.each([
  ['/once/shorter', 50],
  ['/once/longer', 109],
  ['/pages/shorter', 50],
  ['/pages/longer', 109],
])('%s is sold whole, whatever length it claims', async (path, length) => {
  const { result: bought, cost } = await shop.costOf(async () => shop.buy('v2', path, await shop.reader()))
  expect([bought.status, bought.text.length]).toEqual([200, length])
  expect(cost).toEqual(ONE_SALE)
  const pass = bought.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  if (pass !== '') expect((await shop.ask(path, { headers: { Cookie: pass } })).text).toBe(bought.text)
})

test('a page that it writes as it is asked for is cut', async () => {
  const answer = await shop.ask('/pages/written', { headers: { Accept: 'text/html', 'Sec-Fetch-Dest': 'document' } })
  expect(answer.status).toBe(402)
  expect(answer.text).toContain('free words')
  expect(answer.text).not.toContain('marmalade')
})
