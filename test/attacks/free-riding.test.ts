// Free riding and overcharging around HTTP itself: methods, statuses and headers that a shop in front of an origin
// forgets about (x402.md §7.3).
import { createServer, type Server } from 'node:http'
import { encodePaymentResponseHeader } from '@x402/core/http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listening } from '../../dev/stack/ports.ts'
import { headerOf, sign } from '../world/attack-payment.ts'
import { ask, NETWORK, PRICE, passIn, paying, type Scene, startScene } from '../world/attack-scene.ts'
import { type Site, startSite } from '../world/site.ts'

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

let scene: Scene
let origin: Server
/** Bare workerd: the proxy of the test harness would follow redirects before we see them. */
let edge: Site
/** What reached the origin, and with which headers. */
let asked: { method: string; url: string; headers: NodeJS.Dict<string | string[]> }[] = []

beforeAll(async () => {
  origin = createServer((request, response) => {
    asked.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    const status = Number(/\/status\/(\d+)/.exec(request.url ?? '')?.[1] ?? 200)
    if (status === 302) response.setHeader('Location', '/premium/elsewhere')
    response.writeHead(status, ORIGIN_HEADERS)
    response.end(status === 204 || status === 304 || request.url === '/premium/empty' ? undefined : CONTENT)
  })
  const { url } = await listening(origin)
  scene = await startScene()
  edge = await startSite({
    FACILITATORS: [scene.facilitator.url],
    RPC_URLS: { [NETWORK]: scene.chain.rpcUrl },
    ORIGIN_URL: url,
    ROUTES: [{ path: '/premium/*', price: '$0.05', access: '24h' }],
  })
})

afterAll(async () => {
  await edge.stop()
  await scene.stop()
  origin.closeAllConnections()
  await new Promise((done) => origin.close(done))
})

beforeEach(() => {
  asked = []
})

const askEdge = (path: string, headers: HeadersInit = {}, init: RequestInit = {}) =>
  ask(`http://127.0.0.1:${edge.port}${path}`, headers, init)
const payment = async () => headerOf(await sign(await scene.buyer(), { value: PRICE }))

describe('against a naive shop', () => {
  test('HEAD shows the headers of what is sold, where only GET is gated', async () => {
    const shop = await scene.naive(async ({ request, response, payment: sent, verify, settle }) => {
      const paid = sent !== '' && (await verify(sent)) && (await settle(sent))
      if (request.method === 'GET' && !paid) return null
      for (const [name, value] of Object.entries(ORIGIN_HEADERS)) response.setHeader(name, value)
      return CONTENT
    })
    const peeked = await ask(shop + REPORT, {}, { method: 'HEAD' })
    expect(peeked.headers.get('X-Report-Title')).toBe('The harbour in figures')
    expect((await ask(shop + REPORT, {}, { method: 'POST' })).text).toBe(CONTENT)
  })

  test('nothing, a redirect or "not modified" is charged like the real thing', async () => {
    const shop = await scene.naive(async ({ path, payment: sent, verify, settle, response }) => {
      if (!sent || !(await verify(sent))) return null
      response.statusCode = Number(path.slice(1))
      if (response.statusCode < 400) await settle(sent)
      return ''
    })
    for (const status of [204, 302, 304]) {
      const { value: answer, earned } = await scene.during(async () =>
        ask(`${shop}/${status}`, paying(await payment())),
      )
      expect(answer.status).toBe(status)
      expect(earned).toBe(PRICE)
    }
  })

  test('a receipt that the origin made up reaches the reader', async () => {
    const shop = await scene.naive(async ({ payment: sent, verify, settle, response }) => {
      if (!sent || !(await verify(sent)) || !(await settle(sent))) return null
      for (const [name, value] of Object.entries(ORIGIN_HEADERS)) response.setHeader(name, value)
      return CONTENT
    })
    const answer = await ask(shop, paying(await payment()))
    expect(answer.headers.get('PAYMENT-RESPONSE')).toBe(ORIGIN_HEADERS['PAYMENT-RESPONSE'])
    expect(answer.headers.get('CDN-Cache-Control')).toBe('max-age=600')
  })
})

describe('here', () => {
  test.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY'])(
    '%s without payment reaches nothing',
    async (method) => {
      const answer = await askEdge(REPORT, {}, { method })
      expect(answer.status).toBe(method === 'OPTIONS' ? 204 : 402)
      expect(answer.text).not.toContain(CONTENT)
      expect(answer.headers.get('X-Report-Title')).toBeNull()
      expect(asked).toEqual([])
    },
  )

  test('HEAD and OPTIONS never take the payment they carry', async () => {
    const sent = await payment()
    for (const method of ['HEAD', 'OPTIONS']) {
      const { value: answer, ...cost } = await scene.during(() => askEdge(REPORT, paying(sent), { method }))
      expect(answer.headers.get('X-Report-Title')).toBeNull()
      expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
    }
    expect(asked).toEqual([])
    expect((await askEdge(REPORT, paying(sent))).text).toBe(CONTENT)
  })

  test('headers that ask for another method or path do not reach the origin', async () => {
    const overrides = {
      'X-HTTP-Method-Override': 'DELETE',
      'X-Original-URL': '/premium/other',
      'X-Rewrite-URL': '/premium/other',
    }
    expect((await askEdge(REPORT, { ...paying(await payment()), ...overrides })).status).toBe(200)
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual([`GET ${REPORT}`])
    for (const name of Object.keys(overrides)) expect(asked[0]?.headers).not.toHaveProperty(name.toLowerCase())
  })

  test.each([204, 302, 304, 404, 500])('status %i is not charged', async (status) => {
    const sent = await payment()
    const { value: answer, ...cost } = await scene.during(() => askEdge(`/premium/status/${status}`, paying(sent)))
    expect(answer.status).toBe(status)
    expect(answer.headers.get('PAYMENT-RESPONSE')).toBeNull()
    expect(answer.headers.get('Set-Cookie')).toBeNull()
    expect(answer.headers.get('Cache-Control')).toBe('private, no-store')
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
  })

  test.each(['/premium/empty', '/premium/status/206'])('%s, nothing or a part, is not charged', async (path) => {
    const { value: answer, ...cost } = await scene.during(async () => askEdge(path, paying(await payment())))
    expect(answer.headers.get('PAYMENT-RESPONSE')).toBeNull()
    expect(answer.text).not.toContain(CONTENT)
    expect(cost).toEqual({ earned: 0n, settled: 0, verified: 0 })
  })

  test('conditions and ranges of a purchase do not reach the origin, nor does anything that pays', async () => {
    const sent = await payment()
    const conditions = { 'If-None-Match': '"report"', 'If-Modified-Since': 'Fri, 01 Jan 2027 00:00:00 GMT' }
    const headers = { ...paying(sent), ...conditions, Range: 'bytes=0-1', 'SIGN-IN-WITH-X': 'e30=' }
    const { value: answer, earned } = await scene.during(() => askEdge(REPORT, headers))
    expect(answer.text).toBe(CONTENT)
    expect(earned).toBe(PRICE)
    const names = Object.keys(asked[0]?.headers ?? {})
    for (const name of ['payment-signature', 'if-none-match', 'if-modified-since', 'range', 'sign-in-with-x']) {
      expect(names).not.toContain(name)
    }
    await askEdge(REPORT, { Cookie: `${passIn(answer)}; theme=dark` })
    expect(asked[1]?.headers.cookie).toBe('theme=dark')
  })

  test('what an origin says about payments, caching and scripts of others is not passed on', async () => {
    const bought = await askEdge(REPORT, paying(await payment()))
    const held = await askEdge(REPORT, { Cookie: passIn(bought) })
    expect([bought.text, held.text]).toEqual([CONTENT, CONTENT])
    expect(held.headers.get('PAYMENT-RESPONSE')).toBeNull()
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
