// A route with an `origin` of its own: what its upstream is sent, what of its answers reaches the reader, and when that is
// charged. The site's own origin stands beside it, and hears nothing of it.
import { request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LOOPBACK } from '../../dev/stack/ports.ts'
import type { Answer } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'

const KEY = 'k3y-of-the-seller'
const SECRET = `Bearer ${KEY}`
const PAGE = '/weather/berlin'
const ASK = '/answers'
/** Twice `FAILED_PAYMENTS` in wrangler.toml: its minute may end, and another begin, in between. */
const MOST_FAILURES = 200
let own: OriginServer
let upstream: OriginServer
let elsewhere: OriginServer
let shop: Shop
/** Opens `/weather/berlin`. */
let cookie: string

beforeAll(async () => {
  own = await startOrigin()
  upstream = await startOrigin()
  elsewhere = await startOrigin()
  const origin = {
    url: `${upstream.url}/v1`,
    headers: { Authorization: 'secret:UPSTREAM_KEY', 'X-Api-Version': '2' },
  }
  shop = await openShop({
    ORIGIN_URL: own.url,
    UPSTREAM_KEY: SECRET,
    ROUTES: [
      {
        path: '/weather/*',
        methods: ['GET'],
        price: '$0.05',
        access: '24h',
        prices: [
          { when: { query: { sample: '1' } }, price: 'free' },
          { when: { header: { 'X-Model': 'large' } }, price: '$0.40' },
        ],
        origin,
      },
      { path: ASK, methods: ['POST'], price: '$0.05', access: 'once', origin },
      { path: '/status/*', price: 'free', origin },
      { path: '/keyless/*', price: '$0.05', origin: { url: upstream.url, headers: { 'X-Key': 'secret:NOT_SET' } } },
      {
        path: '/keyless-free/*',
        price: 'free',
        origin: { url: upstream.url, headers: { 'X-Key': 'secret:PASS_SECRET', 'X-Api-Version': '2' } },
      },
      { path: '/pages/*', price: '$0.05', access: 'once' },
    ],
  })
  cookie = (await shop.buy('v2', PAGE, await shop.reader())).pass
})

afterAll(async () => {
  await shop.close()
  for (const server of [own, upstream, elsewhere]) await server.stop()
})

beforeEach(() => {
  own.tell({ body: 'the page' })
  upstream.tell({ headers: { 'Content-Type': 'application/json' }, body: '{"sky":"clear"}' })
  elsewhere.tell({ body: 'caught' })
})

const question = (headers: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json', ...headers },
  body: '{"question":"when?"}',
})

/** Neither the key, nor a word of it that is long enough to be one, is in any of it. */
function expectNoKeyIn(...answers: Answer[]): void {
  for (const { text, headers } of answers) expect(text + JSON.stringify([...headers])).not.toContain(KEY)
  expect(JSON.stringify(shop.site.logs)).not.toContain(KEY)
  expect(JSON.stringify([own.seen, elsewhere.seen])).not.toContain(KEY)
}

/** What a reader sends of themselves. */
const OF_THE_READER = {
  Authorization: 'Bearer the-readers-own',
  X_API_VERSION: '9',
  'X-Api-Version': '9',
  Cookie: 'theme=dark; session=of-the-reader',
  'User-Agent': 'reader/1.0',
  Referer: 'https://elsewhere.example/',
  Origin: 'https://elsewhere.example',
  'X-Forwarded-For': '203.0.113.7',
  'X-Real-IP': '203.0.113.7',
  'CF-Connecting-IP': '203.0.113.7',
  'X-Amz-Target': 'DeleteTable',
  'Sign-In-With-X': 'proof',
  'X-Newsstand-Hop': '1',
}

/** All that an upstream is told; the last three are the platform's, which says whose worker asks and that nobody may keep it. */
const TOLD = /^(?:accept|accept-encoding|authorization|host|user-agent|x-api-version|cf-worker|cache-control|pragma)$/

describe.each(VERSIONS)('a purchase in %s', (version) => {
  test('asks the upstream once, with the key, below its base, and tells it nothing of the reader', async () => {
    const path = `${PAGE}?units=metric&utm_source=x`
    const payment = await pay(version, await shop.challenge(path), await shop.reader())
    const { result: answer, cost } = await shop.costOf(() =>
      shop.ask(path, { headers: { ...OF_THE_READER, ...payment, Accept: 'application/json' } }),
    )
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual({ sky: 'clear' })
    expect(answer.receipt?.success).toBe(true)
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    expect(cost).toEqual(ONE_SALE)
    expect(own.seen).toEqual([])
    expect(upstream.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([`GET /v1${path}`])
    const sent = upstream.seen[0]?.headers ?? {}
    expect(sent).toMatchObject({
      authorization: SECRET,
      'x-api-version': '2',
      'user-agent': 'newsstand',
      accept: 'application/json',
    })
    expect(Object.keys(sent).filter((name) => !TOLD.test(name))).toEqual([])
    expect(JSON.stringify(sent)).not.toMatch(/reader|elsewhere|203\.0\.113|DeleteTable/)
    expectNoKeyIn(answer)
  })

  test('of a POST is settled, then carried out once with the key and its body', async () => {
    const payment = await pay(version, await shop.challenge(ASK, question()), await shop.reader())
    const before = shop.stack.facilitator.counts.settle
    const settledBefore: number[] = []
    upstream.tell(() => {
      settledBefore.push(shop.stack.facilitator.counts.settle - before)
      return { status: 201, body: '{"answer":"noon"}' }
    })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ASK, question(payment)))
    expect([answer.status, answer.text]).toEqual([201, '{"answer":"noon"}'])
    expect([cost, settledBefore]).toEqual([ONE_SALE, [1]])
    expect(upstream.seen).toMatchObject([
      {
        method: 'POST',
        url: '/v1/answers',
        body: '{"question":"when?"}',
        headers: { authorization: SECRET, 'content-type': 'application/json' },
      },
    ])
    expect(Object.keys(upstream.seen[0]?.headers ?? {}).filter((name) => name.includes('payment'))).toEqual([])
    expect((await shop.ask(ASK, question(payment))).error).toBe('payment_already_used')
    expect([upstream.seen.length, own.seen]).toEqual([1, []])
    expectNoKeyIn(answer)
  })

  describe.each([401, 402, 403, 429])('that the upstream answers with %i', (status) => {
    const refusing = {
      status,
      headers: {
        'WWW-Authenticate': 'Bearer',
        'PAYMENT-REQUIRED': 'e30=',
        'X-PAYMENT-REQUIRED': 'e30=',
        'Retry-After': '3600',
        'X-RateLimit-Remaining': '0',
        'Set-Cookie': 'a=1',
      },
      body: `{"error":"incorrect key: ${KEY}"}`,
    }
    const expectOurWords = (answer: Answer) => {
      expect([answer.status, answer.error]).toEqual([502, 'content_unavailable'])
      expect(answer.header('Retry-After')).toBe('10')
      for (const name of ['WWW-Authenticate', 'PAYMENT-REQUIRED', 'X-RateLimit-Remaining', 'Set-Cookie']) {
        expect(answer.header(name)).toBeNull()
      }
      expectNoKeyIn(answer)
    }

    test('is 502, is not charged, and is good for a later try', async () => {
      const headers = await pay(version, await shop.challenge(PAGE), await shop.reader())
      upstream.tell(refusing)
      const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expectOurWords(answer)
      expect(answer.receipt?.success).not.toBe(true)
      expect(cost).toEqual(NOTHING)
      const { host } = new URL(upstream.url)
      await expect
        .poll(() => shop.site.logs.map((line) => JSON.parse(line)))
        .toContainEqual({ event: 'upstream_refused', upstream: host, status })

      upstream.tell({ body: 'clear' })
      const { result: later, cost: charged } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(later.text).toBe('clear')
      expect(charged).toEqual(ONE_SALE)
    })

    test('is 502 to a POST that is paid already, and the same payment may try again', async () => {
      const headers = await pay(version, await shop.challenge(ASK, question()), await shop.reader())
      upstream.tell(refusing)
      const { cost } = await shop.costOf(async () => {
        const answer = await shop.ask(ASK, question(headers))
        expectOurWords(answer)
        expect(answer.receipt?.success).toBe(true)
        upstream.tell({ body: '{"answer":"noon"}' })
        expect((await shop.ask(ASK, question(headers))).text).toBe('{"answer":"noon"}')
      })
      expect(cost).toEqual(ONE_SALE)
    })
  })

  test.each([404, 500])('that the upstream answers with %i gets that answer, and is not charged', async (status) => {
    const headers = await pay(version, await shop.challenge(PAGE), await shop.reader())
    upstream.tell({ status, headers: { 'Set-Cookie': 'a=1', 'X-RateLimit-Remaining': '0' }, body: 'no such place' })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([answer.status, answer.text, cost]).toEqual([status, 'no such place', NOTHING])
    expect([answer.header('Set-Cookie'), answer.header('X-RateLimit-Remaining')]).toEqual([null, null])
  })
})

test('calls that the upstream refuses count against the address that makes them', async () => {
  const address = { 'CF-Connecting-IP': '198.51.100.7' }
  const headers = { ...(await pay('v2', await shop.challenge(PAGE), await shop.reader())), ...address }
  upstream.tell({ status: 403, body: 'not for you' })
  const { cost } = await shop.costOf(async () => {
    const statuses = new Set<number>()
    while (!statuses.has(429) && upstream.seen.length <= MOST_FAILURES) {
      statuses.add((await shop.ask(PAGE, { headers })).status)
    }
    expect([...statuses]).toEqual([502, 429])
  })
  expect(cost).toEqual(NOTHING)
})

describe('a header that makes the price', () => {
  test('reaches the upstream with the value that was paid for, and with no other', async () => {
    const dear = { 'X-Model': 'large' }
    const challenge = await shop.challenge(PAGE, { headers: dear })
    expect(challenge.v2.accepts[0]?.amount).toBe('400000')
    const paid = await pay('v2', challenge, await shop.reader())
    expect((await shop.ask(PAGE, { headers: { ...paid, ...dear } })).status).toBe(200)
    expect(upstream.seen.at(-1)?.headers['x-model']).toBe('large')

    const cheap = await pay('v2', await shop.challenge(PAGE), await shop.reader())
    for (const near of [{ 'X-Model': 'LARGE' }, { X_Model: 'large' }]) {
      expect((await shop.ask(PAGE, { headers: { ...cheap, ...near } })).status).toBeLessThan(403)
    }
    const told = upstream.seen.map(({ headers }) => headers['x-model'] ?? headers.x_model)
    expect([told[0], ...new Set(told.slice(1))]).toEqual(['large', undefined])
  })
})

describe('what the upstream says to the seller', () => {
  const headers = {
    'Set-Cookie': ['session=of-the-seller', '__Host-newsstand=x.y'],
    'X-RateLimit-Remaining': '17',
    RateLimit: 'limit=100',
    'openai-organization': 'the seller',
    'WWW-Authenticate': 'Bearer',
    'Server-Timing': 'db;dur=5',
    'Clear-Site-Data': '"storage"',
    'PAYMENT-REQUIRED': 'e30=',
    'PAYMENT-RESPONSE': 'e30=',
    'X-Echo': `you sent ${SECRET}`,
    [`X-${KEY}`]: 'known',
    'X-Own': 'kept',
  }
  const ways: [way: string, ask: () => Promise<Answer>][] = [
    ['bought', async () => shop.buy('v2', '/weather/rome', await shop.reader())],
    ['held', () => shop.ask(PAGE, { headers: { Cookie: cookie } })],
    ['free for this request', () => shop.ask(`${PAGE}?sample=1`)],
    ['free', () => shop.ask('/status/a')],
  ]

  test.each(ways)('does not reach the reader of what is %s', async (way, ask) => {
    upstream.tell({ headers, body: 'clear' })
    const answer = await ask()
    expect([answer.status, answer.text, answer.header('X-Own')]).toEqual([200, 'clear', 'kept'])
    for (const name of Object.keys(headers)) {
      if (name !== 'X-Own' && !/^(?:set-cookie|payment-response)$/i.test(name)) expect(answer.header(name)).toBeNull()
    }
    expect(answer.receipt?.success).toBe(way === 'bought' ? true : undefined)
    for (const value of answer.headers.getSetCookie()) expect(value).toMatch(/^__Host-newsstand=[\w-]{40,}\./)
    expect(answer.headers.getSetCookie()).toHaveLength(way === 'bought' ? 1 : 0)
    expectNoKeyIn(answer)
  })
})

describe('a redirect of the upstream', () => {
  test.each([
    ['/v1/weather/berlin/', 'https://news.example/weather/berlin/'],
    ['../status/a?b', 'https://news.example/status/a?b'],
    ['UPSTREAM/v1/status/b', 'https://news.example/status/b'],
  ])('below its base (%s) leads to the site, and is not charged', async (said, expected) => {
    const headers = await pay('v2', await shop.challenge(PAGE), await shop.reader())
    upstream.tell({ status: 302, headers: { location: said.replace('UPSTREAM', upstream.url) } })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([answer.status, answer.header('Location'), cost]).toEqual([302, expected, NOTHING])
    expect(upstream.seen).toHaveLength(1)
  })

  test.each(['ELSEWHERE/signed?for=everybody', 'UPSTREAM/outside', '/outside', '//ELSEWHERE_HOST/x', '/v1x/y'])(
    'to anywhere else (%s) is not followed, and no buyer is sent there before having paid',
    async (said) => {
      const named = said
        .replace('ELSEWHERE_HOST', new URL(elsewhere.url).host)
        .replace('ELSEWHERE', elsewhere.url)
        .replace('UPSTREAM', upstream.url)
      const headers = await pay('v2', await shop.challenge(PAGE), await shop.reader())
      upstream.tell({ status: 307, headers: { location: named } })
      const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect([answer.status, answer.error, answer.header('Location')]).toEqual([502, 'content_unavailable', null])
      expect(cost).toEqual(NOTHING)
      expect([upstream.seen.length, elsewhere.seen, own.seen]).toEqual([1, [], []])
      expectNoKeyIn(answer)
    },
  )

  test('leads who has paid, or need not, wherever it says', async () => {
    const location = `${elsewhere.url}/done`
    upstream.tell({ status: 303, headers: { location } })
    const payment = await pay('v2', await shop.challenge(ASK, question()), await shop.reader())
    const answers = [
      await shop.ask(ASK, question(payment)),
      await shop.ask(PAGE, { headers: { Cookie: cookie } }),
      await shop.ask('/status/a'),
    ]
    for (const answer of answers) expect([answer.status, answer.header('Location')]).toEqual([303, location])
    expect(elsewhere.seen).toEqual([])
    expectNoKeyIn(...answers)
  })

  test('that holds the key loses its address', async () => {
    upstream.tell({ status: 302, headers: { location: `${elsewhere.url}/?key=${encodeURIComponent(SECRET)}` } })
    const answer = await shop.ask('/status/a')
    expect([answer.status, answer.header('Location')]).toEqual([302, null])
    expectNoKeyIn(answer)
  })
})

describe('with a pass', () => {
  test('a GET is whole, a range is a part, HEAD has no body', async () => {
    upstream.tell(({ headers }) =>
      headers.range === undefined
        ? { body: 'clear' }
        : { status: 206, headers: { 'content-range': 'bytes 0-1/5' }, body: 'cl' },
    )
    const whole = await shop.ask(PAGE, { headers: { Cookie: cookie } })
    const part = await shop.ask(PAGE, { headers: { Cookie: cookie, Range: 'bytes=0-1' } })
    const head = await shop.ask(PAGE, { method: 'HEAD', headers: { Cookie: cookie } })
    expect([whole, part, head].map(({ status, text }) => [status, text])).toEqual([
      [200, 'clear'],
      [206, 'cl'],
      [200, ''],
    ])
    expect(upstream.seen.map(({ method }) => method)).toEqual(['GET', 'GET', 'HEAD'])
    for (const { headers } of upstream.seen)
      expect([headers.authorization, headers.cookie]).toEqual([SECRET, undefined])
    expect(own.seen).toEqual([])
  })

  test('as a bearer token, the token stays here', async () => {
    const answer = await shop.ask(PAGE, { headers: { Authorization: `Bearer ${cookie.replace(/^[^=]*=/, '')}` } })
    expect(answer.status).toBe(200)
    expect(upstream.seen[0]?.headers.authorization).toBe(SECRET)
  })

  test('an upstream that refuses the seller is 502 as well', async () => {
    upstream.tell({ status: 401, body: 'who are you?' })
    const answer = await shop.ask(PAGE, { headers: { Cookie: cookie } })
    expect([answer.status, answer.error]).toEqual([502, 'content_unavailable'])
  })
})

test.each(['GET', 'HEAD', 'OPTIONS'])('unpaid, %s reaches neither the upstream nor the origin', async (method) => {
  const answer = await shop.ask(PAGE, { method })
  expect(answer.status).toBe(method === 'OPTIONS' ? 204 : 402)
  expect([upstream.seen, own.seen]).toEqual([[], []])
  expectNoKeyIn(answer)
})

test('a method that is not on sale goes to the site’s own origin, without the key', async () => {
  expect((await shop.ask(ASK)).text).toBe('the page')
  expect((await shop.ask('/about')).text).toBe('the page')
  const bought = await shop.buy('v2', '/pages/a', await shop.reader())
  expect(bought.text).toBe('the page')
  expect(upstream.seen).toEqual([])
  expect(own.seen.map(({ url }) => url)).toEqual([ASK, '/about', '/pages/a'])
  expectNoKeyIn(bought)
})

test.each([
  '/status/%2e%2e/admin',
  '/status/..%2Fadmin',
  '/status//a',
  '/status/a%2Fb',
  '/status/..;/admin',
  '/weather/..%2f..%2fadmin',
  '/weather/AC%2FDC',
])('%s could be read otherwise, and is not asked for with the key', async (path) => {
  const answer = await shop.ask(path)
  expect([answer.status, answer.error]).toEqual([400, 'invalid_path'])
  expect([upstream.seen, own.seen]).toEqual([[], []])
})

test('an address that leads out of the route is none of it: where the platform leaves it as it is, it is refused', async () => {
  expect((await shop.ask('/status/../admin')).error).toBe('invalid_path')
  expect([upstream.seen, own.seen]).toEqual([[], []])
})

test('what is free is asked for by its address alone: no body, no conditions', async () => {
  const headers = { 'If-None-Match': '"x"', 'Content-Length': '3' }
  expect((await shop.ask('/status/%61/?b', { headers, body: 'abc' })).status).toBe(200)
  expect(upstream.seen).toMatchObject([{ method: 'GET', url: '/v1/status/a/?b', body: '' }])
  expect(upstream.seen[0]?.headers).not.toHaveProperty('if-none-match')
})

test.each([
  ['with a pass', PAGE, () => ({ Cookie: cookie })],
  ['on a free route', '/status/a', () => ({})],
])('a WebSocket is not opened %s: the answer is the plain one', async (_, path, holding) => {
  const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const asking = request({
      host: LOOPBACK,
      port: shop.site.port,
      path,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...holding(),
      },
    })
    asking.on('error', reject)
    asking.on('upgrade', () => reject(new Error('a WebSocket was opened')))
    asking.on('response', async (message) => {
      resolve({ status: message.statusCode ?? 0, text: (await message.toArray()).join('') })
    })
    asking.end()
  })
  expect(answer).toEqual({ status: 200, text: '{"sky":"clear"}' })
  expect(upstream.seen).toHaveLength(1)
  expect(Object.keys(upstream.seen[0]?.headers ?? {}).filter((name) => /upgrade|websocket/.test(name))).toEqual([])
})

describe('where its secret is missing', () => {
  test.each(['GET', 'HEAD', 'POST'])('%s is 500, sells nothing and asks nobody', async (method) => {
    const answer = await shop.ask('/keyless/a', { method })
    expect(answer.status).toBe(500)
    if (method !== 'HEAD') expect(answer.error).toBe('configuration_error')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect([upstream.seen, own.seen]).toEqual([[], []])
    await expect
      .poll(() => shop.site.logs.map((line) => JSON.parse(line)))
      .toContainEqual({
        event: 'configuration_error',
        path: 'ROUTES[3].origin.headers.X-Key',
        problem: 'set it: npx wrangler secret put NOT_SET',
      })
  })

  test.each(VERSIONS)('a payment in %s is not taken', async (version) => {
    const reader = await shop.reader(PRICE)
    const payment = await pay(version, await shop.challenge(PAGE), reader)
    for (const asked of [{ headers: payment }, question(payment)]) {
      const { result: answer, cost } = await shop.costOf(() => shop.ask('/keyless/a', asked))
      expect([answer.status, answer.error, cost]).toEqual([500, 'configuration_error', NOTHING])
    }
    expect((await shop.ask(PAGE, { headers: payment })).status).toBe(200)
  })

  test('a free route asks nobody either, least of all with a secret of newsstand’s own', async () => {
    const answer = await shop.ask('/keyless-free/a')
    expect([answer.status, answer.error]).toEqual([500, 'configuration_error'])
    expect(upstream.seen).toEqual([])
  })

  test('the other routes go on', async () => {
    expect((await shop.ask('/about')).status).toBe(200)
    expect((await shop.ask('/status/a')).status).toBe(200)
    expect((await shop.buy('v2', PAGE, await shop.reader())).status).toBe(200)
  })
})

// The last one: its upstream does not come back.
test('an upstream that is gone is 502, and the log of all that was done here holds no key', async () => {
  const payment = await pay('v2', await shop.challenge('/weather/oslo'), await shop.reader())
  await upstream.stop()
  const { result: answer, cost } = await shop.costOf(() => shop.ask('/weather/oslo', { headers: payment }))
  expect([answer.status, answer.error, cost]).toEqual([502, 'content_unavailable', NOTHING])
  await expect.poll(() => shop.site.logs.join()).toContain('"event":"content_unavailable"')
  expectNoKeyIn(answer)
})
