// Passes: what a purchase of some duration opens afterwards, for whom, and nothing else.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { send } from '../world/answer.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE } from '../world/shop.ts'
import { type Site, startSite } from '../world/site.ts'
import { CELLS, KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const HELLO = '/articles/hello'
const OTHER = '/articles/other'
let shop: SolanaShop
let localhost: Site

beforeAll(async () => {
  const ROUTES = [
    { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
    { path: '/brief/*', content: 'kv', price: '$0.05', access: '10m' },
    { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
  ]
  shop = await openSolanaShop({ ROUTES })
  localhost = await startSite({
    ROUTES,
    SITE_URL: 'http://localhost:8787',
    FACILITATORS: [shop.stack.facilitator.url],
    RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl },
  })
  for (const path of [HELLO, OTHER, '/brief/hello', '/once/hello', '/articles/hello/more']) {
    for (const { kv } of [shop.site, localhost]) await kv.put(path, `the whole of ${path}`)
  }
})

afterAll(async () => {
  await localhost.stop()
  await shop.close()
})

const cookieOf = (answer: Answer) => answer.headers.getSetCookie()[0] ?? ''
const pairOf = (answer: Answer) => cookieOf(answer).split(';')[0] ?? ''
const tokenOf = (answer: Answer) => pairOf(answer).replace(/^[^=]*=/, '')

async function expectOpen(path: string, headers: Record<string, string>) {
  const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers }))
  expect(answer.status).toBe(200)
  expect(answer.text).toMatch(/^the whole of/)
  expect(answer.header('Cache-Control')).toBe('private, no-store')
  expect(answer.header('Vary')).toContain('Cookie')
  expect(answer.receipt).toBeNull()
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  expect(cost).toEqual(NOTHING)
}

async function expectClosed(path: string, headers: Record<string, string>) {
  const answer = await shop.ask(path, { headers })
  expect(answer.status).toBe(402)
  expect(answer.error).toBe('payment_required')
  expect(answer.text).not.toContain('the whole of')
}

describe.each(CELLS)('bought in $version on $name', ({ version, kind }) => {
  test('a payment sent beside the pass is not settled, and counts as used', async () => {
    const reader = await kind.reader(shop)
    const pass = pairOf(await reader.buy(version, HELLO))
    const payment = await reader.pay(version, HELLO)
    await expectOpen(HELLO, { ...payment, Cookie: pass })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(OTHER, { headers: payment }))
    expect(answer.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })

  const buy = async (path = HELLO) => (await kind.reader(shop)).buy(version, path)

  test('it opens the article again, as cookie and as bearer token', async () => {
    const answer = await buy()
    await expectOpen(HELLO, { Cookie: pairOf(answer) })
    await expectOpen(HELLO, { Cookie: `a=1; ${pairOf(answer)}; b=2` })
    await expectOpen(HELLO, { Authorization: `Bearer ${tokenOf(answer)}` })
    await expectOpen(`${HELLO}?utm_source=letter`, { Cookie: pairOf(answer) })
    await expectOpen('/articles/h%65llo', { Cookie: pairOf(answer) })
  })

  test.each([OTHER, '/articles/hello/more', '/brief/hello', '/once/hello'])('it does not open %s', async (path) => {
    const answer = await buy()
    await expectClosed(path, { Cookie: pairOf(answer) })
    await expectClosed(path, { Authorization: `Bearer ${tokenOf(answer)}` })
  })

  test('a second purchase keeps what the first one opens', async () => {
    const first = await buy()
    // On this network, and on every other one.
    for (const { kind: other } of KINDS) {
      const payment = await (await other.reader(shop)).pay(version, OTHER)
      const second = await shop.ask(OTHER, { headers: { ...payment, Cookie: pairOf(first) } })
      expect(second.status).toBe(200)
      for (const path of [HELLO, OTHER]) await expectOpen(path, { Cookie: pairOf(second) })
    }
  })

  test('it covers its page whoever pays beside it, and the payment of another network’s key stays good', async () => {
    const Cookie = pairOf(await buy())
    for (const { kind: other } of KINDS.filter((each) => each.kind !== kind)) {
      const payment = await (await other.reader(shop)).pay(version, HELLO)
      await expectOpen(HELLO, { ...payment, Cookie })
      const { result, cost } = await shop.costOf(() => shop.ask(HELLO, { headers: payment }))
      expect(result.status).toBe(200)
      expect(cost).toEqual(ONE_SALE)
    }
  })
})

// What a pass is does not depend on the network.
describe.each(VERSIONS)('bought in %s', (version) => {
  const buy = async (path = HELLO) => shop.buy(version, path, await shop.reader())

  test.each([
    [HELLO, 86_400],
    ['/brief/hello', 600],
  ])('%s comes with a cookie for its %i seconds', async (path, seconds) => {
    const cookie = cookieOf(await buy(path))
    const [pair = '', ...attributes] = cookie.split('; ')
    expect(pair).toMatch(/^__Host-newsstand=[A-Za-z0-9._-]+$/)
    expect(attributes).toEqual(expect.arrayContaining(['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/']))
    expect(cookie).not.toMatch(/Domain/i)
    const age = Number(/Max-Age=(\d+)/.exec(cookie)?.[1])
    expect(age).toBeGreaterThan(seconds - 30)
    expect(age).toBeLessThanOrEqual(seconds)
  })

  test('a single answer comes with none', async () => {
    expect((await buy('/once/hello')).headers.getSetCookie()).toEqual([])
  })

  test('on http://localhost it is a plain cookie, which opens there', async () => {
    const challenge = (await send(`${localhost.url}${HELLO}`)).challenge
    expect(challenge.v2.resource.url).toBe('http://localhost:8787/articles/hello')
    const headers = await pay(version, challenge, await shop.reader())
    const answer = await send(`${localhost.url}${HELLO}`, { headers })
    expect(pairOf(answer)).toMatch(/^newsstand=/)
    expect(cookieOf(answer)).toContain('HttpOnly')
    expect(cookieOf(answer)).toContain('SameSite=Lax')
    const opened = await send(`${localhost.url}${HELLO}`, { headers: { Cookie: pairOf(answer) } })
    expect(opened.text).toBe(`the whole of ${HELLO}`)
    await expectClosed(HELLO, { Authorization: `Bearer ${tokenOf(answer)}` })
  })

  test('HEAD with it is the content without its body', async () => {
    const headers = { Cookie: pairOf(await buy()) }
    const answer = await shop.ask(HELLO, { method: 'HEAD', headers })
    expect(answer.status).toBe(200)
    expect(answer.bytes).toHaveLength(0)
  })

  test.each<[string, (token: string) => string]>([
    ['one character changed', (token) => (token.startsWith('W') ? 'X' : 'W') + token.slice(1)],
    [
      'its signature changed',
      (token) => token.replace(/(.)(.)$/, (_, one, last) => `${one === 'A' ? 'B' : 'A'}${last}`),
    ],
    ['its signature cut short', (token) => token.slice(0, -1)],
    ['no signature', (token) => token.split('.')[0] ?? ''],
    ['an empty signature', (token) => `${token.split('.')[0]}.`],
    ['two signatures', (token) => `${token}.${token.split('.')[1]}`],
    ['nothing signed', (token) => `.${token.split('.')[1]}`],
    ['another article in it', (token) => rewritten(token, (text) => text.replaceAll(HELLO, OTHER))],
    ['a later end', (token) => rewritten(token, (text) => text.replace(/\d{10}/, (end) => String(Number(end) + 9999)))],
    ['an end in the past', (token) => rewritten(token, (text) => text.replace(/\d{10}/, '1700000000'))],
    ['no algorithm', () => `${base64url({ alg: 'none' })}.${base64url({ scope: HELLO })}.`],
    ['nothing in it', () => ''],
  ])('with %s it is worth nothing', async (_, forge) => {
    const forged = forge(tokenOf(await buy()))
    for (const path of [HELLO, OTHER]) {
      await expectClosed(path, { Cookie: `__Host-newsstand=${forged}` })
      await expectClosed(path, { Authorization: `Bearer ${forged}` })
    }
  })

  test('under another name it is worth nothing', async () => {
    const token = tokenOf(await buy())
    for (const name of ['newsstand', '__Secure-newsstand', '__host-newsstand', 'x__Host-newsstand']) {
      await expectClosed(HELLO, { Cookie: `${name}=${token}` })
    }
    await expectClosed(HELLO, { Authorization: `Basic ${token}` })
    await expectClosed(HELLO, { Authorization: token })
  })
})

test('a quote is no pass', async () => {
  const { v1 } = await shop.challenge(HELLO)
  await expectClosed(HELLO, { Cookie: `__Host-newsstand=${v1.paymentId}` })
})

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function rewritten(token: string, change: (text: string) => string): string {
  const [body = '', signature = ''] = token.split('.')
  const text = Buffer.from(body, 'base64url').toString('utf8')
  const changed = change(text)
  if (changed === text) throw new Error('the pass does not hold what this test means to change')
  return `${Buffer.from(changed).toString('base64url')}.${signature}`
}
