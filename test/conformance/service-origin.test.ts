// The origin is another worker, by service binding. It may say a length that its body does not have.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ONE_SALE, openShop, type Shop } from '../world/shop.ts'

/** Changes a page, and keeps the headers of what it changed. */
const CHANGING = `export default {
  async fetch(request) {
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
