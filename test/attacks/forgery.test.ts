// Forged and widened tokens: quotes for other resources, prices or times; passes for other sites and scopes.
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { type Grant, issuePass } from '../../src/pass.ts'
import { issueQuote, QUOTE_SECONDS } from '../../src/quote.ts'
import { deriveKey, sealToken } from '../../src/token.ts'
import type { Offer } from '../../src/x402/payment.ts'
import { type Answer, send } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { authorize, headerOf, paying, unpack } from '../world/payer.ts'
import { NOTHING, openShop, PRICE, type Shop, SITE } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

/** The secret of every test site; an attacker does not have it, but may once have had a genuine token. */
const SECRET = 'a secret for tests, long enough'
const ARTICLE = '/articles/hello'
const CHEAP = '/articles/cheap'
const PATTERN = '/articles/*'
const CHEAP_PRICE = 10_000n
let shop: Shop

const now = () => Math.floor(Date.now() / 1000)

beforeAll(async () => {
  const offers = [{ name: 'Day pass', price: '$0.50', access: '24h', scope: PATTERN }]
  shop = await openShop({ ROUTES: [{ path: PATTERN, content: 'kv', price: '$0.05', access: '24h', offers }] })
  await shop.site.kv.put(ARTICLE, 'the whole article')
  await shop.site.kv.put(CHEAP, 'the cheap article', { metadata: { price: '$0.01' } })
  await shop.site.kv.put(PATTERN, 'an article with a star for a name', { metadata: { price: '$0.01' } })
})

afterAll(() => shop.close())

const resourceOf = (path: string, site = SITE, method = 'GET') => ({ site, method, path, id: path })

const cheapOffer: Offer = {
  network: 'eip155:84532',
  asset: USDC,
  payTo: wallets.publisher.address,
  amount: CHEAP_PRICE,
  transfer: { kind: 'eip3009', name: 'USDC', version: '2' },
  maxTimeoutSeconds: 300,
  name: null,
  accessSeconds: 86_400,
  scope: null,
  flow: 'authorization',
}

/** A proof that this offer was quoted; genuine where nothing else is said. */
async function proof(says: { path?: string; site?: string; method?: string; secret?: string; at?: number } = {}) {
  const key = await deriveKey(says.secret ?? SECRET, 'quote for test money')
  const resource = resourceOf(says.path ?? ARTICLE, says.site, says.method)
  const quote = await issueQuote([cheapOffer], resource, key, says.at ?? now(), new Uint8Array(9))
  return quote.proof
}

/** Pays the cheap price for the article at the full price, on the strength of a proof. */
async function payQuoted(quoted: string) {
  const signed = await authorize(await shop.reader(CHEAP_PRICE), { value: CHEAP_PRICE })
  const extensions = { 'newsstand-quote': { info: { proof: quoted } } }
  return shop.costOf(() => shop.ask(ARTICLE, paying(headerOf(signed, { payment: { extensions } }))))
}

const bodyOf = (token: string): unknown => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
const withBody = (token: string, body: unknown) =>
  `${Buffer.from(JSON.stringify(body)).toString('base64url')}.${token.split('.')[1]}`

describe('quotes, against a naive shop', () => {
  test('a signed price that does not name its resource buys the dear article at the price of the cheap one', async () => {
    const mac = (price: string) => createHmac('sha256', SECRET).update(price).digest('hex')
    const priceOf = (path: string) => (path === CHEAP ? '10000' : '1000000')
    const naive = await openNaive(shop, async ({ path, payment, verify, settle, request: { headers } }) => {
      const [price = '', seal = ''] = String(headers['x-quote'] ?? '').split('.')
      if (!payment || seal !== mac(price)) return null
      const terms = { ...unpack(payment).accepted, amount: price }
      return (await verify(payment, terms)) && (await settle(payment, terms)) ? `content of ${path}` : null
    })
    const quote = `${priceOf(CHEAP)}.${mac(priceOf(CHEAP))}`
    const signed = await authorize(await shop.reader(CHEAP_PRICE), { value: CHEAP_PRICE })
    const answer = await send(naive + ARTICLE, paying(headerOf(signed), { 'X-Quote': quote }))
    expect(answer.text).toBe(`content of ${ARTICLE}`)
  })
})

describe('quotes, here', () => {
  test('a live quote of this site for this resource is honoured', async () => {
    const { result: answer, cost } = await payQuoted(await proof())
    expect(answer.text).toBe('the whole article')
    expect(cost.earned).toBe(CHEAP_PRICE)
  })

  test.each([
    ['for another resource', { path: CHEAP }],
    ['of another site', { site: 'https://other.example' }],
    ['for another method', { method: 'POST' }],
    ['made with another secret', { secret: 'some other secret, long enough too' }],
    ['that has expired', { at: now() - QUOTE_SECONDS - 5 }],
  ])('a quote %s is worth nothing', async (_, says) => {
    const { result: answer, cost } = await payQuoted(await proof(says))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('invalid_payment_requirements')
    expect(cost).toEqual(NOTHING)
  })

  test('a quote that was tampered with is worth nothing', async () => {
    const genuine = await proof({ path: CHEAP })
    const rows = z.tuple([z.string(), z.number(), z.array(z.array(z.unknown()))]).parse(bodyOf(genuine))
    const [id, expires, offers] = rows
    const { paymentId } = (await shop.challenge(ARTICLE)).v1
    const forged = [
      withBody(paymentId, [id, expires, offers]),
      withBody(genuine, [id, 9e9, offers]),
      `${genuine.split('.')[0]}.`,
      `${genuine.split('.')[0]}`,
      `${genuine}.${genuine}`,
      await sealToken(await deriveKey(SECRET, 'pass for test money'), rows, `${SITE} GET =${ARTICLE}`),
    ]
    for (const quoted of forged) {
      const { result: answer, cost } = await payQuoted(quoted)
      expect(answer.status).toBe(402)
      expect(cost).toEqual(NOTHING)
    }
  })
})

describe('passes, against a naive shop', () => {
  test('a pass that keeps the path as a pattern opens the archive for an article with a star for a name', async () => {
    const passes = new Map<string, string>()
    const naive = await openNaive(shop, async ({ path, payment, verify, settle, request: { headers }, response }) => {
      const scope = passes.get(headers.cookie ?? '')
      const opens = scope?.endsWith('/*') ? path.startsWith(scope.slice(0, -1)) : scope === path
      if (opens) return `content of ${path}`
      if (!payment || !(await verify(payment)) || !(await settle(payment))) return null
      passes.set(`pass=${passes.size}`, path)
      response.setHeader('Set-Cookie', `pass=${passes.size - 1}`)
      return `content of ${path}`
    })
    const payment = await stockPayment(await send(naive + PATTERN), await shop.reader(PRICE))
    const bought = await send(naive + PATTERN, paying(payment))
    expect((await send(naive + ARTICLE, { headers: { Cookie: bought.pass } })).text).toBe(`content of ${ARTICLE}`)
  })
})

describe('passes, here', () => {
  const shown = (token: string) =>
    Promise.all([
      shop.ask(ARTICLE, { headers: { Cookie: `__Host-newsstand=${token}` } }),
      shop.ask(ARTICLE, { headers: { Authorization: `Bearer ${token}` } }),
    ])
  const refused = (answers: Answer[]) => expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 402))
  const grant = (change: Partial<Grant> = {}): Grant => ({
    scope: `=${ARTICLE}`,
    method: 'GET',
    endsAtSeconds: now() + 60,
    payer: wallets.alice.address,
    ...change,
  })
  const passOf = async (grants: Grant[], site = SITE, secret = SECRET) =>
    issuePass(grants, site, await deriveKey(secret, 'pass for test money'), now())

  test('a path spelt like a pattern opens itself and nothing else', async () => {
    const payment = headerOf(await authorize(await shop.reader(CHEAP_PRICE), { value: CHEAP_PRICE }))
    const bought = await shop.ask(PATTERN, paying(payment))
    expect(bought.text).toBe('an article with a star for a name')
    expect((await shop.ask(PATTERN, { headers: { Cookie: bought.pass } })).status).toBe(200)
    expect((await shop.ask(ARTICLE, { headers: { Cookie: bought.pass } })).status).toBe(402)
  })

  test('who pays for an article gets no day pass, whatever the payment says it is for', async () => {
    const signed = await authorize(await shop.reader(PRICE), { value: PRICE })
    const wide = { offer: 'Day pass', scope: PATTERN, accessSeconds: 9e9, name: 'USDC', version: '2' }
    const more = {
      resource: { url: `${SITE}${ARTICLE}`, scope: PATTERN },
      scope: PATTERN,
      extensions: { scope: `~${PATTERN}` },
    }
    const bought = await shop.ask(ARTICLE, paying(headerOf(signed, { accepted: { extra: wide }, payment: more })))
    expect(bought.text).toBe('the whole article')
    expect((await shop.ask(CHEAP, { headers: { Cookie: bought.pass } })).status).toBe(402)
  })

  test('a genuine pass opens what it names', async () => {
    expect((await shown(await passOf([grant()]))).map(({ status }) => status)).toEqual([200, 200])
  })

  test('a pass of another site, secret, purpose, method or time opens nothing', async () => {
    refused(await shown(await passOf([grant()], 'https://other.example')))
    refused(await shown(await passOf([grant()], SITE, 'some other secret, long enough too')))
    refused(
      await shown(await sealToken(await deriveKey(SECRET, 'quote for test money'), [Object.values(grant())], SITE)),
    )
    refused(await shown(await passOf([grant({ method: 'POST' })])))
    const ended = [[`=${ARTICLE}`, 'GET', now() - 1, wallets.alice.address]]
    refused(await shown(await sealToken(await deriveKey(SECRET, 'pass for test money'), ended, SITE)))
  })

  test('a pass that was widened or prolonged opens nothing', async () => {
    const genuine = await passOf([grant({ scope: `=${CHEAP}` })])
    for (const scope of [`=${ARTICLE}`, `~${PATTERN}`, '~/*', '*', '']) {
      refused(await shown(withBody(genuine, [[scope, 'GET', 9e9, wallets.alice.address]])))
    }
    refused(await shown(`${genuine.split('.')[0]}.${'A'.repeat(43)}`))
    refused(await shown(`${genuine.split('.')[0]}.`))
  })
})
