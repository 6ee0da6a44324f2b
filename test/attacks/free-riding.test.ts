// Free riding and overcharging around HTTP itself: methods, statuses and headers that a shop in front of an origin
// forgets about (x402.md §7.3).
import { encodePaymentResponseHeader } from '@x402/core/http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { send } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { authorize, headerOf, paying } from '../world/payer.ts'
import { NOTHING, openShop, PRICE, type Shop } from '../world/shop.ts'

const REPORT = '/premium/report'
const CONTENT = 'the whole report'
/** What an origin that knows nothing of payments, or is not to be trusted with them, may send along. */
const ORIGIN_HEADERS = {
  'X-Report-Title': 'The harbour in figures',
  'Cache-Control': 'public, max-age=60, s-maxage=600',
  'CDN-Cache-Control': 'max-age=600',
  'Cloudflare-CDN-Cache-Control': 'max-age=600',
  'Surrogate-Control': 'max-age=600',
  Expires: 'Fri, 01 Jan 2100 00:00:00 GMT',
  Age: '5',
  ETag: '"report"',
  'Last-Modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
  'Access-Control-Allow-Origin': 'https://evil.example',
  'Access-Control-Allow-Credentials': 'true',
  'PAYMENT-REQUIRED': 'e30=',
  'PAYMENT-RESPONSE': encodePaymentResponseHeader({ success: true, transaction: '0xf0', network: 'eip155:84532' }),
  'X-PAYMENT-RESPONSE': 'e30=',
  'Settlement-Overrides': '{"amount":"0"}',
}

let shop: Shop
let origin: OriginServer

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [{ path: '/premium/*', price: '$0.05', access: '24h' }],
  })
  shop.onClose(origin.stop)
})

afterAll(() => shop.close())

beforeEach(() =>
  origin.tell(({ url }) => {
    const status = Number(/\/status\/(\d+)/.exec(url)?.[1] ?? 200)
    const headers = { ...ORIGIN_HEADERS, ...(status === 302 && { Location: '/premium/elsewhere' }) }
    return { status, headers, ...([204, 304].includes(status) || url === '/premium/empty' ? {} : { body: CONTENT }) }
  }),
)

const payment = async () => headerOf(await authorize(await shop.reader(PRICE), { value: PRICE }))

describe('against a naive shop', () => {
  test('HEAD shows the headers of what is sold, where only GET is gated', async () => {
    const naive = await openNaive(shop, async ({ request, response, payment: sent, verify, settle }) => {
      const paid = sent !== '' && (await verify(sent)) && (await settle(sent))
      if (request.method === 'GET' && !paid) return null
      for (const [name, value] of Object.entries(ORIGIN_HEADERS)) response.setHeader(name, value)
      return CONTENT
    })
    const peeked = await send(naive + REPORT, { method: 'HEAD' })
    expect(peeked.header('X-Report-Title')).toBe('The harbour in figures')
    expect((await send(naive + REPORT, { method: 'POST' })).text).toBe(CONTENT)
  })

  test('nothing, a redirect or "not modified" is charged like the real thing', async () => {
    const naive = await openNaive(shop, async ({ path, payment: sent, verify, settle, response }) => {
      if (!sent || !(await verify(sent))) return null
      response.statusCode = Number(path.slice(1))
      if (response.statusCode < 400) await settle(sent)
      return ''
    })
    for (const status of [204, 302, 304]) {
      const { result: answer, cost } = await shop.costOf(async () =>
        send(`${naive}/${status}`, paying(await payment())),
      )
      expect(answer.status).toBe(status)
      expect(cost.earned).toBe(PRICE)
    }
  })

  test('a receipt that the origin made up reaches the reader', async () => {
    const naive = await openNaive(shop, async ({ payment: sent, verify, settle, response }) => {
      if (!sent || !(await verify(sent)) || !(await settle(sent))) return null
      for (const [name, value] of Object.entries(ORIGIN_HEADERS)) response.setHeader(name, value)
      return CONTENT
    })
    const answer = await send(naive, paying(await payment()))
    expect(answer.header('PAYMENT-RESPONSE')).toBe(ORIGIN_HEADERS['PAYMENT-RESPONSE'])
    expect(answer.header('CDN-Cache-Control')).toBe('max-age=600')
  })
})

describe('here', () => {
  test.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY'])(
    '%s without payment reaches nothing',
    async (method) => {
      const answer = await shop.ask(REPORT, { method })
      expect(answer.status).toBe(method === 'OPTIONS' ? 204 : 402)
      expect(answer.text).not.toContain(CONTENT)
      expect(answer.header('X-Report-Title')).toBeNull()
      expect(origin.seen).toEqual([])
    },
  )

  test('HEAD and OPTIONS never take the payment they carry', async () => {
    const sent = await payment()
    for (const method of ['HEAD', 'OPTIONS']) {
      const { result: answer, cost } = await shop.costOf(() => shop.ask(REPORT, { ...paying(sent), method }))
      expect(answer.header('X-Report-Title')).toBeNull()
      expect(cost).toEqual(NOTHING)
    }
    expect(origin.seen).toEqual([])
    expect((await shop.ask(REPORT, paying(sent))).text).toBe(CONTENT)
  })

  test('headers that ask for another method or path do not reach the origin', async () => {
    const overrides = {
      'X-HTTP-Method-Override': 'DELETE',
      'X-Original-URL': '/premium/other',
      'X-Rewrite-URL': '/premium/other',
    }
    expect((await shop.ask(REPORT, paying(await payment(), overrides))).status).toBe(200)
    expect(origin.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([`GET ${REPORT}`])
    for (const name of Object.keys(overrides)) expect(origin.seen[0]?.headers).not.toHaveProperty(name.toLowerCase())
  })

  test.each([204, 302, 304, 404, 500])('status %i is not charged', async (status) => {
    const sent = await payment()
    const { result: answer, cost } = await shop.costOf(() => shop.ask(`/premium/status/${status}`, paying(sent)))
    expect(answer.status).toBe(status)
    expect(answer.header('PAYMENT-RESPONSE')).toBeNull()
    expect(answer.header('Set-Cookie')).toBeNull()
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    expect(cost).toEqual(NOTHING)
  })

  test.each(['/premium/empty', '/premium/status/206'])('%s, nothing or a part, is not charged', async (path) => {
    const { result: answer, cost } = await shop.costOf(async () => shop.ask(path, paying(await payment())))
    expect(answer.header('PAYMENT-RESPONSE')).toBeNull()
    expect(answer.text).not.toContain(CONTENT)
    expect(cost).toEqual(NOTHING)
  })

  test('conditions and ranges of a purchase do not reach the origin, nor does anything that pays', async () => {
    const sent = await payment()
    const conditions = { 'If-None-Match': '"report"', 'If-Modified-Since': 'Fri, 01 Jan 2027 00:00:00 GMT' }
    const question = paying(sent, { ...conditions, Range: 'bytes=0-1', 'SIGN-IN-WITH-X': 'e30=' })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(REPORT, question))
    expect(answer.text).toBe(CONTENT)
    expect(cost.earned).toBe(PRICE)
    const names = Object.keys(origin.seen[0]?.headers ?? {})
    for (const name of ['payment-signature', 'if-none-match', 'if-modified-since', 'range', 'sign-in-with-x']) {
      expect(names).not.toContain(name)
    }
    await shop.ask(REPORT, { headers: { Cookie: `${answer.pass}; theme=dark` } })
    expect(origin.seen[1]?.headers.cookie).toBe('theme=dark')
  })

  test('what an origin says about payments, caching and scripts of others is not passed on', async () => {
    const bought = await shop.ask(REPORT, paying(await payment()))
    const held = await shop.ask(REPORT, { headers: { Cookie: bought.pass } })
    expect([bought.text, held.text]).toEqual([CONTENT, CONTENT])
    expect(held.header('PAYMENT-RESPONSE')).toBeNull()
    for (const { headers } of [bought, held]) {
      expect(headers.get('Cache-Control')).toBe('private, no-store')
      expect(headers.get('PAYMENT-RESPONSE')).not.toBe(ORIGIN_HEADERS['PAYMENT-RESPONSE'])
      expect(headers.get('Access-Control-Allow-Origin')).toBe('*')
      for (const name of [
        ...['CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control', 'Expires', 'Age', 'ETag'],
        ...['Last-Modified', 'Access-Control-Allow-Credentials', 'PAYMENT-REQUIRED', 'X-PAYMENT-RESPONSE'],
        'Settlement-Overrides',
      ]) {
        expect(headers.get(name), name).toBeNull()
      }
      expect(headers.get('X-Report-Title')).toBe('The harbour in figures')
    }
  })
})
