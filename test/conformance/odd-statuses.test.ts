// Some servers answer with statuses that HTTP does not have (999). Behind the paywall that is content that cannot be had: no fault of
// ours, for a holder as for a reader who may have it free.
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LOOPBACK } from '../../dev/stack/ports.ts'
import { openShop, type Shop } from '../world/shop.ts'

const PAGE = '/pages/a'
let status = '200 OK'
const origin = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => {
    socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello`)
  })
})
let shop: Shop
/** Opens the page. */
let cookie: string

beforeAll(async () => {
  await new Promise<void>((resolve) => origin.listen(0, LOOPBACK, resolve))
  const address = origin.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const partner = { when: { header: { 'X-Partner': 'library' } }, price: 'free' }
  shop = await openShop({
    ORIGIN_URL: `http://${LOOPBACK}:${address.port}`,
    ROUTES: [
      { path: '/pages/*', price: '$0.05', access: '24h' },
      { path: '/partners/*', price: '$0.05', access: '24h', prices: [partner] },
    ],
  })
  cookie = (await shop.buy('v2', PAGE, await shop.reader())).headers.getSetCookie()[0]?.split(';')[0] ?? ''
})

afterAll(async () => {
  await shop.close()
  origin.close()
})

test.each([
  ['a holder', PAGE, () => ({ Cookie: cookie })],
  ['a reader it is free for', '/partners/a', () => ({ 'X-Partner': 'library' })],
])('%s is told that the content cannot be had', async (_who, path, headersOf) => {
  status = '200 OK'
  expect((await shop.ask(path, { headers: headersOf() })).text).toBe('hello')
  status = '999 Request denied'
  const answer = await shop.ask(path, { headers: headersOf() })
  expect(answer.text).toContain('content_unavailable')
  expect(answer.status).toBe(502)
})
