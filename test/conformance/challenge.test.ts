// "gated, no payment": one 402 that both versions of the protocol, and people, understand.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { type Answer, decodeHeader } from '../world/answer.ts'
import { NETWORK, NOTHING, SITE } from '../world/shop.ts'
import { KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop({
    ORIGIN_URL: 'http://127.0.0.1:9',
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', description: 'An article', mimeType: 'text/plain' },
      { path: '/films/*', content: 'r2', price: '$0.05' },
      { path: '/pages/*', content: 'origin', price: '$0.05' },
    ],
  })
  await shop.site.kv.put('/articles/hello', 'the whole article')
  await shop.site.kv.put('/articles/own', '<p>the whole article</p>', {
    metadata: { title: 'A title', description: 'Über “Ebbe” 🌊', contentType: 'text/html', price: '$0.20' },
  })
  await shop.site.r2.put('films/tides', 'a film', { customMetadata: { price: '$0.01', description: 'Tides' } })
})

afterAll(() => shop.close())

const challenge = z.looseObject({ accepts: z.array(z.looseObject({ network: z.string() })) })
const headerOf = (answer: Answer) => Buffer.from(answer.header('PAYMENT-REQUIRED') ?? '', 'base64').toString('utf8')

test('both versions offer both networks, EVM first, in one challenge', async () => {
  const answer = await shop.ask('/articles/hello')
  const networks = (json: unknown) => challenge.parse(json).accepts.map(({ network }) => network)
  expect(networks(decodeHeader(answer.header('PAYMENT-REQUIRED') ?? ''))).toEqual([NETWORK, SOLANA_NETWORK])
  expect(networks(answer.json)).toEqual(['base-sepolia', 'solana-devnet'])
})

describe.each(KINDS)('on $name', ({ kind }) => {
  const asked = async () => kind.challengeOf(await shop.ask('/articles/hello'))

  test('the header is an x402 v2 challenge', async () => {
    const { v2 } = await asked()
    expect(v2.resource).toEqual({ url: `${SITE}/articles/hello`, description: 'An article', mimeType: 'text/plain' })
    expect(v2.accepts).toEqual([
      {
        scheme: 'exact',
        network: kind.network,
        amount: '50000',
        asset: kind.asset,
        payTo: kind.payTo,
        maxTimeoutSeconds: kind.maxTimeoutSeconds,
        extra: kind.extra,
      },
    ])
  })

  test('the body is an x402 v1 challenge of the same terms, with its expiry and its identifier', async () => {
    const before = Math.floor(Date.now() / 1000)
    const { v1, v2 } = await asked()
    expect(v1.accepts).toEqual([
      {
        scheme: 'exact',
        network: kind.v1Name,
        maxAmountRequired: '50000',
        resource: `${SITE}/articles/hello`,
        description: 'An article',
        mimeType: 'text/plain',
        asset: kind.asset,
        payTo: kind.payTo,
        maxTimeoutSeconds: kind.maxTimeoutSeconds,
        extra: v2.accepts[0]?.extra,
      },
    ])
    expect(v1.expiresAt).toBeGreaterThanOrEqual(before + kind.maxTimeoutSeconds)
    expect(v1.paymentId).not.toBe('')
  })
})

test('on Solana each has a memo of its own, and the same fee payer', async () => {
  const [one, two] = [await shop.challengeOnSolana('/articles/hello'), await shop.challengeOnSolana('/articles/hello')]
  expect(one.v2.accepts[0]?.extra.memo).not.toBe(two.v2.accepts[0]?.extra.memo)
  expect(one.v2.accepts[0]?.extra.feePayer).toBe(two.v2.accepts[0]?.extra.feePayer)
})

test('the standard extension comes first, as the specification declares it', async () => {
  const { extensions } = (await shop.challenge('/articles/hello')).v2
  expect(Object.keys(extensions)[0]).toBe('payment-identifier')
  expect(extensions['payment-identifier']?.info).toEqual({ required: false })
  expect(extensions['payment-identifier']?.schema).toMatchObject({
    type: 'object',
    properties: { required: { type: 'boolean' }, id: { type: 'string' } },
    required: ['required'],
  })
})

describe('in the place of a picture', () => {
  const asked = (headers: Record<string, string>) =>
    shop.ask('/films/tides', { headers: { Accept: 'image/avif,image/webp,*/*;q=0.8', ...headers } })

  test('it is one that says what it costs, in the language of who looks', async () => {
    const answer = await asked({ 'Sec-Fetch-Dest': 'image', 'Accept-Language': 'de' })
    expect(answer.status).toBe(402)
    expect(answer.header('Content-Type')).toBe('image/svg+xml')
    expect(answer.header('Cache-Control')).toBe('no-store')
    expect(answer.text).toContain('Gesperrt · 0,01\u00a0$')
    expect(answer.text).not.toMatch(/<script|href|a film/)
    expect(headerOf(answer)).toContain('"amount":"10000"')
  })

  test('HEAD says the same without it', async () => {
    const answer = await shop.ask('/films/tides', { method: 'HEAD', headers: { 'Sec-Fetch-Dest': 'image' } })
    expect([answer.status, answer.text, answer.header('Content-Type')]).toEqual([402, '', 'image/svg+xml'])
  })

  test.each(['document', 'empty', 'video'])('of a %s it is not', async (dest) => {
    expect((await asked({ 'Sec-Fetch-Dest': dest })).header('Content-Type')).toMatch(/^application\/json/)
  })

  test('where nothing is there, it is a refusal as ever', async () => {
    const answer = await shop.ask('/films/nothing', { headers: { 'Sec-Fetch-Dest': 'image' } })
    expect([answer.status, answer.error]).toEqual([404, 'not_found'])
  })
})

describe('a preview of a link', () => {
  const as = (agent: string, Accept = '*/*') => ({ headers: { 'User-Agent': agent, Accept } })

  test.each([
    'facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)',
    'Twitterbot/1.0',
    'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)',
    'Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)',
    'WhatsApp/2.23.20.0',
  ])('%s takes anything and gets the page; the header is the same for all', async (agent) => {
    const answer = await shop.ask('/articles/own', as(agent))
    expect(answer.status).toBe(402)
    expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8')
    expect(answer.text).toContain('<meta property="og:title" content="A title"')
    expect(headerOf(answer)).toContain('"amount":"200000"')
  })

  test.each([
    ['curl/8.5.0', '*/*'],
    ['Twitterbot/1.0', 'application/json'],
  ])('%s with Accept: %s gets JSON', async (agent, accept) => {
    expect((await shop.ask('/articles/own', as(agent, accept))).header('Content-Type')).toMatch(/^application\/json/)
  })
})

test('each challenge is a quote of its own, and none is written down or asked of anybody', async () => {
  const supported = shop.stack.facilitator.counts.supported
  const { result: quotes, cost } = await shop.costOf(async () => {
    const [a, b] = [await shop.challenge('/articles/hello'), await shop.challenge('/articles/hello')]
    return [a.v1.paymentId, b.v1.paymentId]
  })
  expect(quotes[0]).not.toBe(quotes[1])
  expect(cost).toEqual(NOTHING)
  expect(shop.stack.facilitator.counts.supported).toBe(supported)
  expect(await shop.ledger()).toEqual([])
})

test('an article’s own price and words win over its route’s', async () => {
  const { v1, v2 } = await shop.challenge('/articles/own')
  expect(v2.accepts[0]?.amount).toBe('200000')
  expect(v1.accepts[0]?.maxAmountRequired).toBe('200000')
  expect(v2.resource).toMatchObject({ description: 'Über “Ebbe” 🌊', mimeType: 'text/html' })
  const film = (await shop.challenge('/films/tides')).v2
  expect(film.accepts[0]?.amount).toBe('10000')
  expect(film.resource.description).toBe('Tides')
})

describe.each<[string, string[], number]>([
  ['one network', [NETWORK], 2_048],
  ['two networks', [NETWORK, SOLANA_NETWORK], 2_900],
])('of %s', (_, networks, most) => {
  beforeAll(() => shop.site.become({ NETWORKS: networks }))

  test.each([
    ['a short address', '/articles/hello'],
    ['a description of 500 characters beyond ASCII', '/articles/verbose'],
    ['the longest address', `/articles/${'x'.repeat(502)}`],
    ['a query of 800 characters at the origin', `/pages/list?q=${'x'.repeat(800)}`],
  ])(`the header stays under ${most} bytes with %s`, async (_what, path) => {
    const metadata = { description: '🌊'.repeat(path.endsWith('/verbose') ? 250 : 1) }
    if (path.startsWith('/articles/')) await shop.site.kv.put(path, 'the whole article', { metadata })
    const answer = await shop.ask(path)
    expect(answer.status).toBe(402)
    expect(answer.header('PAYMENT-REQUIRED')?.length).toBeLessThanOrEqual(most)
    for (const { kind } of KINDS.filter((each) => networks.includes(each.kind.network))) {
      const { v1, v2 } = kind.challengeOf(answer)
      expect([v1.accepts.length, v2.accepts.length]).toEqual([1, 1])
      // A long query is left to the body, which has room for it.
      expect(v2.resource.url).toBe(SITE + (path.length > 600 ? '/pages/list' : path))
      expect(v1.accepts[0]?.resource).toBe(SITE + path)
    }
  })
})

test('it is not stored, and varies with all it depends on', async () => {
  const answer = await shop.ask('/articles/hello')
  expect(answer.status).toBe(402)
  expect(answer.header('Cache-Control')).toBe('no-store')
  expect(answer.header('Vary')?.split(/, */)).toEqual([
    'Accept',
    'PAYMENT-SIGNATURE',
    'X-PAYMENT',
    'SIGN-IN-WITH-X',
    'Authorization',
    'Payment-Authorization',
    'Cookie',
    'Origin',
    'Accept-Encoding',
  ])
  expect(answer.header('Access-Control-Allow-Origin')).toBe('*')
  expect(answer.header('Access-Control-Expose-Headers')).toBe(
    'PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE, WWW-Authenticate, Payment-Receipt, Retry-After',
  )
  expect(answer.header('PAYMENT-RESPONSE')).toBeNull()
  expect(answer.header('ETag')).toBeNull()
})

describe('which of the two bodies', () => {
  const chrome = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'
  test.each([
    [chrome, 'text/html'],
    ['text/html', 'text/html'],
    ['TEXT/HTML', 'text/html'],
    ['text/*', 'text/html'],
    ['application/json;q=0.8, text/html', 'text/html'],
    ['text/html;q=0.9, application/json;q=0.8', 'text/html'],
    ['text/html;q=0.8, application/json;q=0.9', 'application/json'],
    ['text/html;q=0', 'application/json'],
    ['text/html;q=0, */*', 'application/json'],
    ['*/*', 'application/json'],
    ['application/json', 'application/json'],
    ['text/plain', 'application/json'],
    ['', 'application/json'],
  ])('Accept: %s gets %s', async (accept, type) => {
    const answer = await shop.ask('/articles/hello', { headers: { Accept: accept } })
    expect(answer.status).toBe(402)
    expect(answer.header('Content-Type')?.split(';')[0]).toBe(type)
    expect(answer.header('Cache-Control')).toBe(type === 'text/html' ? 'no-store, no-transform' : 'no-store')
    expect(answer.challengeV2.accepts).toHaveLength(1)
    if (type === 'text/html') expect(answer.text).toMatch(/^<!doctype html>/i)
    else expect(answer.error).toBe('payment_required')
  })

  test('no Accept at all gets JSON', async () => {
    expect((await shop.ask('/articles/hello')).header('Content-Type')).toMatch(/^application\/json/)
  })

  test('the page says what is sold and for how much, and holds nothing of the content', async () => {
    const { text } = await shop.ask('/articles/own', { headers: { Accept: 'text/html' } })
    expect(text).toContain('A title')
    expect(text).toContain('$0.20')
    expect(text).not.toContain('the whole article')
  })
})

describe('HEAD', () => {
  test('is answered as GET is, without a body', async () => {
    const [head, get] = [await shop.ask('/articles/own', { method: 'HEAD' }), await shop.ask('/articles/own')]
    expect(head.status).toBe(402)
    expect(head.bytes).toHaveLength(0)
    expect(head.challengeV2.accepts).toEqual(get.challengeV2.accepts)
    const names = (headers: Headers) => [...headers.keys()].filter((name) => !/^(content-length|date)$/.test(name))
    expect(names(head.headers)).toEqual(names(get.headers))
    expect(head.header('Content-Type')).toBe(get.header('Content-Type'))
  })
})

describe('OPTIONS', () => {
  const question = {
    method: 'OPTIONS',
    headers: {
      Origin: 'https://reader.example',
      'Access-Control-Request-Method': 'GET',
      'Access-Control-Request-Headers': 'payment-signature,x-payment,access-control-expose-headers,x-own',
    },
  }

  test.each(['/articles/hello', '/articles/nothing-there', '/pages/x'])('at %s is a preflight', async (path) => {
    const answer = await shop.ask(path, question)
    expect(answer.status).toBe(204)
    expect(answer.bytes).toHaveLength(0)
    expect(answer.header('Access-Control-Allow-Origin')).toBe('*')
    const allowed = answer.header('Access-Control-Allow-Headers')?.toLowerCase().split(/, */)
    for (const name of ['payment-signature', 'x-payment', 'sign-in-with-x', 'content-type', 'x-own']) {
      expect(allowed).toContain(name)
    }
    expect(allowed).toContain('access-control-expose-headers')
    expect(answer.header('Access-Control-Allow-Methods')).toMatch(/\bPOST\b/)
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  })
})

describe('nothing there', () => {
  test.each(['/articles/nothing', '/films/nothing', '/articles', '/films'])(
    '%s is a 404 and no challenge',
    async (path) => {
      const answer = await shop.ask(path)
      expect(answer.status).toBe(404)
      expect(answer.error).toBe('not_found')
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      expect(answer.header('Access-Control-Allow-Origin')).toBe('*')
    },
  )

  test('a browser is told so on a page', async () => {
    const answer = await shop.ask('/articles/nothing', { headers: { Accept: 'text/html' } })
    expect(answer.status).toBe(404)
    expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8')
    expect(answer.text).toMatch(/^<!doctype html>/i)
  })

  test.each(['/_newsstand/', '/_newsstand/anything'])('%s is reserved, and never sold', async (path) => {
    const answer = await shop.ask(path)
    expect(answer.status).toBe(404)
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  })
})
