// What the publisher's settings mean: sites, hosts, methods, price rules and offers with a scope.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Answer, type Question, send } from '../world/answer.ts'
import { startFacilitatorFor, startNetwork } from '../world/networks.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NOTHING, openShop, type Shop } from '../world/shop.ts'
import { startSite, type Vars } from '../world/site.ts'
import { type Buyer, CELLS, KIND } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop({
    SITE_URL: ['https://news.example', 'https://daily.example'],
    BRAND: { name: 'The Daily' },
    ROUTES: [
      { path: '/articles/free', content: 'kv', price: 'free' },
      { path: '/articles/*', host: 'daily.example', content: 'kv', price: '$0.07' },
      {
        path: '/articles/*',
        content: 'kv',
        price: '$0.05',
        access: '24h',
        offers: [
          { name: 'Day pass', price: '$0.50', access: '24h', scope: '/articles/*' },
          { name: 'Everything about tides', price: '$0.20', access: '30d', scope: '/articles/tides/*' },
        ],
      },
      {
        path: '/rules/:slug',
        content: 'kv',
        price: '$0.05',
        access: 'once',
        prices: [
          { when: { query: { full: '1' }, header: { 'X-Plan': 'team' } }, price: '$0.40' },
          { when: { query: { full: '1' } }, price: '$0.30' },
          { when: { header: { 'X-Plan': 'school' } }, price: 'free' },
        ],
      },
      {
        path: '/models/:name',
        content: 'kv',
        price: '$0.05',
        access: '24h',
        prices: [{ when: { header: { 'X-Model': 'large' } }, price: '$0.90' }],
      },
      { path: '/exact', content: 'kv', price: '$0.05' },
      { path: '/other/*', content: 'kv', price: '$0.05' },
    ],
  })
  const pages = [
    '/articles/a',
    '/articles/b',
    '/articles/tides/a',
    '/articles/free',
    '/rules/a',
    '/rules/a/b',
    '/models/a',
    '/exact',
    '/other/a',
  ]
  for (const path of pages) await shop.site.kv.put(path, `the whole of ${path}`)
  await shop.site.kv.put('/articles/priceless', 'free by its own word', { metadata: { price: 'free' } })
})

afterAll(() => shop.close())

const at = (host: string, headers: Record<string, string> = {}): Question => ({ headers: { Host: host, ...headers } })
const NEWS = 'news.example'
const DAILY = 'daily.example'

type Cell = Pick<(typeof CELLS)[number], 'version' | 'kind'>

/** The request that pays one of the offers of a site, for somebody new unless told. */
async function paid({ version, kind }: Cell, host: string, path: string, offer = 0, reader?: Buyer): Promise<Question> {
  const buyer = reader ?? (await kind.reader(shop))
  return at(host, (await buyer.sign(version, await shop.ask(path, at(host)), { offer }))(version))
}
const buy = async (cell: Cell, host: string, path: string, offer?: number) =>
  shop.ask(path, await paid(cell, host, path, offer))
const pairOf = (answer: Answer) => answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''

describe('several sites', () => {
  test.each([NEWS, DAILY, 'DAILY.example'])('%s is one of them', async (host) => {
    const { v1, v2 } = await shop.challenge('/articles/a', at(host))
    const url = `https://${host.startsWith('news') ? NEWS : DAILY}/articles/a`
    expect(v2.resource.url).toBe(url)
    expect(v1.accepts[0]?.resource).toBe(url)
  })

  test.each(['evil.example', 'news.example.evil.example', 'localhost', 'daily.example:8443', 'www.news.example'])(
    '%s is none of them',
    async (host) => {
      for (const path of ['/articles/a', '/articles/free', '/anything']) {
        const answer = await shop.ask(path, at(host))
        expect(answer.status).toBe(421)
        expect(answer.error).toBe('misdirected_request')
        expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
        expect(answer.text).not.toContain('the whole of')
      }
    },
  )

  test('a route with a host is that host’s alone', async () => {
    expect((await shop.challenge('/articles/a', at(DAILY))).v2.accepts.map(({ amount }) => amount)).toEqual(['70000'])
    expect((await shop.challenge('/articles/a', at(NEWS))).v2.accepts[0]?.amount).toBe('50000')
  })

  test.each(CELLS)('a pass of one site, bought in $version on $name, is worth nothing at the other', async (cell) => {
    const Cookie = pairOf(await buy(cell, NEWS, '/exact'))
    expect((await shop.ask('/exact', at(NEWS, { Cookie }))).text).toBe('the whole of /exact')
    expect((await shop.ask('/exact', at(DAILY, { Cookie }))).status).toBe(402)
    const Authorization = `Bearer ${Cookie.replace(/^[^=]*=/, '')}`
    expect((await shop.ask('/exact', at(DAILY, { Authorization }))).status).toBe(402)
  })

  test.each(CELLS)('a payment used at one site, in $version on $name, is used up at the other', async (cell) => {
    const payment = await paid(cell, NEWS, '/exact')
    expect((await shop.ask('/exact', payment)).status).toBe(200)
    const there = { headers: { ...payment.headers, Host: DAILY } }
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/exact', there))
    expect(answer.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })
})

test.each(['evil.example', 'localhost'])('with one site, the Host %s changes nothing', async (host) => {
  const single = await openShop({}, { stack: shop.stack })
  await single.site.kv.put('/articles/hello', 'the whole article')
  const challenge = await single.challenge('/articles/hello', at(host, { 'X-Forwarded-Host': host }))
  await single.close()
  expect(challenge.v2.resource.url).toBe('https://news.example/articles/hello')
})

test('several networks are offered in their order; v1 hears of those it has a name for', async () => {
  const base = await startNetwork('eip155:8453')
  const { facilitator, stop } = await startFacilitatorFor([base])
  const site = await startSite({
    // Development keys are no payees of real networks.
    PAY_TO: { eip155: privateKeyToAccount(generatePrivateKey()).address },
    NETWORKS: ['eip155:42161', 'eip155:8453', 'eip155:137'],
    FACILITATORS: [facilitator.url],
    RPC_URLS: { 'eip155:8453': base.chain.rpcUrl },
  })
  await site.kv.put('/articles/hello', 'the whole article')
  const ask = (headers: Record<string, string> = {}) => send(`${site.url}/articles/hello`, { headers })
  const { challenge } = await ask()
  const bought = await Promise.all(
    VERSIONS.map(async (version) => {
      const reader = privateKeyToAccount(generatePrivateKey())
      await base.fund(reader.address, 50_000n)
      return ask(await pay(version, challenge, reader, { offer: 0 }))
    }),
  )
  await Promise.all([site.stop(), stop(), base.chain.stop()])
  expect(challenge.v2.accepts.map(({ network, extra }) => [network, extra.name])).toEqual([
    ['eip155:42161', 'USD Coin'],
    ['eip155:8453', 'USD Coin'],
    ['eip155:137', 'USD Coin'],
  ])
  expect(challenge.v1.accepts.map(({ network }) => network)).toEqual(['base', 'polygon'])
  // The first offer of v1 is on the chain of these tests, the first of v2 is on one that is not there.
  expect(bought.map(({ status }) => status)).toEqual([200, 402])
})

describe('offers with a scope', () => {
  test('are in both challenges, each with its own amount', async () => {
    const { v1, v2 } = await shop.challenge('/articles/tides/a', at(NEWS))
    expect(v2.accepts.map(({ amount }) => amount)).toEqual(['50000', '500000', '200000'])
    expect(v1.accepts.map(({ maxAmountRequired }) => maxAmountRequired)).toEqual(['50000', '500000', '200000'])
  })

  test('are offered where they open something', async () => {
    expect((await shop.challenge('/articles/a', at(NEWS))).v2.accepts.map(({ amount }) => amount)).toEqual([
      '50000',
      '500000',
    ])
  })

  test.each(CELLS)('a day pass bought in $version on $name opens the articles and nothing else', async (cell) => {
    const { result: answer, cost } = await shop.costOf(() => buy(cell, NEWS, '/articles/a', 1))
    expect(answer.text).toBe('the whole of /articles/a')
    expect(cost).toEqual({ earned: 500_000n, settles: 1, verifies: 0 })
    const Cookie = pairOf(answer)
    for (const path of ['/articles/a', '/articles/b', '/articles/tides/a']) {
      expect((await shop.ask(path, at(NEWS, { Cookie }))).text).toBe(`the whole of ${path}`)
    }
    for (const path of ['/exact', '/other/a', '/rules/a']) {
      expect((await shop.ask(path, at(NEWS, { Cookie }))).status).toBe(402)
    }
    expect((await shop.ask('/articles/a', at(DAILY, { Cookie }))).status).toBe(402)
  })

  test.each(CELLS)('who owns a day pass is not charged for an article in $version on $name', async (cell) => {
    const reader = await cell.kind.reader(shop)
    expect((await shop.ask('/articles/a', await paid(cell, NEWS, '/articles/a', 1, reader))).status).toBe(200)
    const { result: answer, cost } = await shop.costOf(async () =>
      shop.ask('/articles/b', await paid(cell, NEWS, '/articles/b', 0, reader)),
    )
    expect(answer.text).toBe('the whole of /articles/b')
    expect(cost).toEqual(NOTHING)
  })

  test.each(CELLS)('who owns an article is charged for a day pass in $version on $name', async (cell) => {
    const reader = await cell.kind.reader(shop)
    expect((await shop.ask('/articles/a', await paid(cell, NEWS, '/articles/a', 0, reader))).status).toBe(200)
    const { cost } = await shop.costOf(async () => {
      const dayPass = await paid(cell, NEWS, '/articles/a', 1, reader)
      expect((await shop.ask('/articles/a', dayPass)).status).toBe(200)
    })
    expect(cost.earned).toBe(500_000n)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(2)
    const [, dayPass] = (await shop.ledger(reader.address)).toSorted((a) => (a.offer === 'Day pass' ? 1 : -1))
    expect(dayPass).toMatchObject({ offer: 'Day pass', amount: '500000', network: cell.kind.network })
  })
})

describe('price rules', () => {
  test.each([
    ['', {}, '50000'],
    ['?full=1', {}, '300000'],
    ['?x=2&full=1', {}, '300000'],
    ['?full=0', {}, '50000'],
    ['?full=yes', {}, '50000'],
    ['?fully=1', {}, '50000'],
    ['?full=1', { 'X-Plan': 'team' }, '400000'],
    ['', { 'X-Plan': 'team' }, '50000'],
  ])('a request with “%s” and %j costs %s', async (query, headers, amount) => {
    expect((await shop.challenge(`/rules/a${query}`, at(NEWS, headers))).v2.accepts[0]?.amount).toBe(amount)
  })

  test.each([
    '?FULL=1',
    '?Full=1',
    '?full[]=1',
    '?full%5B0%5D=1',
    '?+full=1',
    '?full%00=1',
    '?%66ull=1&full=2',
    '?f%2575ll=1',
    '?x=1;full=1',
    '?full=1;x=2',
    '?full=%201',
    '?full=1%20',
    '?full=01',
    '?full=%31%00x',
    '?full=%2531',
    '?full=%EF%BC%91',
    '?full=%u0031',
    '?x=%26full=1',
    '?full=1&x=%26full=2',
    '?%u0066ull=1',
    '?full=0&full=1',
    '?x=%E9',
  ])('%s, which other software may read otherwise, is refused', async (query) => {
    const answer = await shop.ask(`/rules/a${query}`, at(NEWS))
    expect([answer.status, answer.error]).toEqual([400, 'invalid_path'])
  })

  test('a rule may make it free, and then it is not private', async () => {
    const answer = await shop.ask('/rules/a', at(NEWS, { 'X-Plan': 'school' }))
    expect(answer.text).toBe('the whole of /rules/a')
    expect(answer.header('Cache-Control') ?? '').not.toContain('private')
    // A search engine's copy would be for everybody.
    expect(answer.header('X-Robots-Tag')).toBe('noarchive')
  })

  test.each(CELLS)('the cheap price in $version on $name does not buy the dear thing', async ({ version, kind }) => {
    const headers = await (await kind.reader(shop)).pay(version, '/rules/a', { echo: false }, at(NEWS))
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/rules/a?full=1', at(NEWS, headers)))
    expect(answer.status).toBe(402)
    expect(cost).toEqual(NOTHING)
  })

  describe('by a header', () => {
    const LARGE = { 'X-Model': 'large' }

    test.each(CELLS)(
      'what was offered at the low price, in $version on $name, does not buy at the high one',
      async (cell) => {
        const low = await paid(cell, NEWS, '/models/a')
        const { result: answer, cost } = await shop.costOf(() =>
          shop.ask('/models/a', { headers: { ...low.headers, ...LARGE } }),
        )
        expect(answer.status).toBe(402)
        expect(cell.kind.challengeOf(answer).v2.accepts[0]?.amount).toBe('900000')
        expect(cost).toEqual(NOTHING)
        expect((await shop.ask('/models/a', low)).status).toBe(200)
      },
    )

    test('a pass opens what it was bought for, at its price', async () => {
      const large = await shop.challenge('/models/a', at(NEWS, LARGE))
      expect(large.v2.resource.url).toBe('https://news.example/models/a')
      const bought = await shop.ask(
        '/models/a',
        at(NEWS, { ...(await pay('v2', large, await shop.reader())), ...LARGE }),
      )
      expect(bought.text).toBe('the whole of /models/a')
      expect((await shop.ask('/models/a', at(NEWS, { Cookie: pairOf(bought), ...LARGE }))).status).toBe(200)
      const cheap = pairOf(await buy({ version: 'v2', kind: KIND.eip155 }, NEWS, '/models/a'))
      expect((await shop.ask('/models/a', at(NEWS, { Cookie: cheap }))).status).toBe(200)
      expect((await shop.ask('/models/a', at(NEWS, { Cookie: cheap, ...LARGE }))).status).toBe(402)
    })
  })
})

describe('paths', () => {
  test('what is stored is read, and nothing else', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await shop.ask('/articles/a', { ...at(NEWS), method })
      expect([answer.status, answer.error]).toEqual([405, 'method_not_allowed'])
      expect(answer.header('Allow')).toBe('GET, HEAD, OPTIONS')
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    }
  })

  test('what is longer than a key may be is not sold', async () => {
    const long = `/articles/${'a'.repeat(503)}`
    expect((await shop.ask(long.slice(0, 512), at(NEWS))).status).toBe(404)
    const answer = await shop.ask(long, at(NEWS))
    expect([answer.status, answer.error]).toEqual([414, 'uri_too_long'])
  })

  test.each(['/articles/free', '/articles/priceless'])('%s is free, and not private', async (path) => {
    const answer = await shop.ask(path, at(NEWS))
    expect(answer.status).toBe(200)
    expect(answer.header('Cache-Control') ?? '').not.toContain('private')
    expect(answer.header('Set-Cookie')).toBeNull()
    expect((await shop.ask(path, { ...at(NEWS), method: 'HEAD' })).bytes).toHaveLength(0)
  })

  test.each(['/exact', '/rules/a', '/other/a', '/articles/tides/a'])('%s is gated', async (path) => {
    expect((await shop.ask(path, at(NEWS))).status).toBe(402)
  })

  test.each(['/ARTICLES/a', '/articles%2Fa', '/x/%2e%2e/articles/a'])(
    '%s is refused, not read in a second way',
    async (path) => {
      const answer = await shop.ask(path, at(NEWS))
      expect([400, 402, 404]).toContain(answer.status)
      expect(answer.text).not.toContain('the whole of')
    },
  )
})

describe('a configuration that cannot be', () => {
  test.each<[string, Vars, string]>([
    [
      'a price beyond six decimals',
      { ROUTES: [{ path: '/*', content: 'kv', price: '$0.0000001' }] },
      'ROUTES[0].price',
    ],
    ['the zero address', { PAY_TO: { eip155: `0x${'0'.repeat(40)}` } }, 'PAY_TO.eip155'],
    ['no address, as wrangler.toml is shipped', { PAY_TO: '' }, 'PAY_TO.eip155'],
    ['a development key that is paid real money', { NETWORKS: ['eip155:8453'] }, 'PAY_TO.eip155'],
  ])('%s closes the site for everyone, and tells the log why', async (_, vars, at) => {
    const site = await startSite({ FACILITATORS: ['http://127.0.0.1:9'], ...vars })
    await site.kv.put('/articles/hello', 'the whole article')
    const answer = await send(`${site.url}/articles/hello`)
    const page = await send(`${site.url}/anything`, { headers: { Accept: 'text/html' } })
    await expect.poll(() => site.logs.join('\n')).toContain(at)
    await site.stop()
    expect(answer.status).toBe(500)
    expect(answer.error).toBe('configuration_error')
    expect(answer.text).not.toContain(at)
    expect(page.status).toBe(500)
    expect(page.header('Content-Type')).toBe('text/html; charset=utf-8')
  })
})

test('a site that was deployed without a payee says what to set, in words and as a page', async () => {
  const site = await startSite({ FACILITATORS: ['http://127.0.0.1:9'], PAY_TO: '' })
  const asked = `${site.url}/articles/hello`
  const answer = await send(asked)
  const page = await send(asked, { headers: { Accept: 'text/html', 'Accept-Language': 'de' } })
  await site.stop()
  expect(answer.json).toEqual({ error: 'configuration_error', message: expect.stringContaining('PAY_TO holds no') })
  expect(page.status).toBe(500)
  expect(page.text).toContain('In PAY_TO steht keine Adresse')
})

describe('a receipt key that signs nothing stops what is for sale, and that alone', () => {
  const KEY = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  const BROKEN = [
    ['without its private half', JSON.stringify(KEY)],
    ['of two halves that do not fit', JSON.stringify({ ...KEY, d: 'TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs' })],
  ] as const
  const ROUTES = [
    { path: '/articles/free', content: 'kv', price: 'free' },
    { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
    { path: '/pages/*', price: '$0.05' },
  ]
  let origin: OriginServer
  let stall: Shop
  let held: { pass: string; transaction: string }
  let unsent: Record<string, string>

  beforeAll(async () => {
    origin = await startOrigin()
    stall = await openShop({ ROUTES, ORIGIN_URL: origin.url }, { stack: shop.stack })
    for (const path of ['/articles/a', '/articles/b', '/articles/free']) {
      await stall.site.kv.put(path, `the whole of ${path}`)
    }
    await stall.site.kv.put('/articles/priceless', 'the whole of it', { metadata: { price: 'free' } })
    const reader = await stall.reader()
    const bought = await stall.buy('v2', '/articles/a', reader)
    await vi.waitFor(async () => expect(await stall.ledger(reader.address)).toHaveLength(1))
    held = { pass: pairOf(bought), transaction: bought.receipt?.transaction ?? '' }
    unsent = await pay('v2', await stall.challenge('/articles/b'), await stall.reader())
  })

  afterAll(async () => {
    await stall.close()
    await origin.stop()
  })

  describe.each(BROKEN)('%s', (_, RECEIPT_KEY) => {
    beforeAll(() => stall.site.restart({ RECEIPT_KEY }))

    const asked: [string, number, string, () => Question][] = [
      ['an article, by a stranger', 500, '/articles/a', () => ({})],
      ['an article, by who holds a pass', 500, '/articles/a', () => ({ headers: { Cookie: held.pass } })],
      ['an article, by who pays', 500, '/articles/b', () => ({ headers: unsent })],
      ['the headers of an article', 500, '/articles/a', () => ({ method: 'HEAD' })],
      ['a page of the origin', 500, '/pages/a', () => ({})],
      ['the public key', 500, '/.well-known/did.json', () => ({})],
      ['a receipt, by its payer', 500, '/_newsstand/receipts/:transaction', () => ({ headers: { Cookie: held.pass } })],
      ['the list of purchases', 200, '/_newsstand/receipts', () => ({ headers: { Cookie: held.pass } })],
      ['a free article', 200, '/articles/free', () => ({})],
      ['an article that is free by its own word', 200, '/articles/priceless', () => ({})],
      ['a page that no route matches', 200, '/about', () => ({})],
      ['what is not there', 404, '/articles/nothing', () => ({})],
      ['a preflight', 204, '/articles/a', () => ({ method: 'OPTIONS' })],
    ]

    test.each(asked)('%s: %i', async (_what, status, path, question) => {
      const settles = stall.stack.facilitator.counts.settle
      const answer = await stall.ask(path.replace(':transaction', held.transaction), question())
      expect(answer.status).toBe(status)
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      expect(stall.stack.facilitator.counts.settle).toBe(settles)
      if (status !== 500) return
      expect(answer.text).not.toContain('the whole of')
      expect(answer.text).not.toContain('RECEIPT_KEY')
      if (question().method !== 'HEAD') expect(answer.error).toBe('configuration_error')
    })

    test('and the log says which, without the key', async () => {
      await expect.poll(() => stall.site.logs.join('\n')).toContain('"path":"RECEIPT_KEY"')
      expect(stall.site.logs.join('\n')).not.toContain('TM0Imyj')
    })
  })

  test('with a good one everything is for sale again, and nothing was lost', async () => {
    await stall.site.restart({ RECEIPT_KEY: '' })
    expect((await stall.ask('/articles/a', { headers: { Cookie: held.pass } })).text).toBe('the whole of /articles/a')
    expect((await stall.ask('/articles/b', { headers: unsent })).text).toBe('the whole of /articles/b')
  })
})
