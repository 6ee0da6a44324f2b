// Bearer tokens: a pass that a program sends beside, or instead of, a cookie; what is no pass of ours is the origin's.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { issuePass } from '../../src/pass.ts'
import { deriveKey } from '../../src/token.ts'
import type { Answer } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NOTHING, openShop, type Shop, SITE } from '../world/shop.ts'
import { signIn, signInOf } from '../world/sign-in.ts'
import { BASE_VARS } from '../world/site.ts'

const OTHER_SITE = 'https://second.example'
const [ONE, TWO, THREE] = ['/pages/one', '/pages/two', '/pages/three']
const PARTNER = 'https://partner.example'
let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    SITE_URL: [SITE, OTHER_SITE],
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/pages/*', price: '$0.05', access: '24h' },
      { path: '/once/*', price: '$0.05', access: 'once' },
      { path: '/free/*', price: 'free' },
    ],
  })
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

beforeEach(() => origin.tell({ body: 'the page' }))

const receipts = z.object({ purchases: z.array(z.object({ resource: z.url() })) })

const HOST = { Host: 'news.example' }
const ask = (path: string, headers: Record<string, string> = {}) => shop.ask(path, { headers: { ...HOST, ...headers } })
const challengeAt = (path: string) => shop.challenge(path, { headers: HOST })
const pairOf = (answer: Answer) => (answer.headers.getSetCookie()[0] ?? '').split(';')[0] ?? ''
const bearerOf = (pair: string) => `Bearer ${pair.replace(/^[^=]*=/, '')}`

/** Buys a page, and tells the cookie. */
async function passFor(
  path: string,
  headers: Record<string, string> = {},
  buyer?: Awaited<ReturnType<Shop['reader']>>,
) {
  const payment = await pay('v2', await challengeAt(path), buyer ?? (await shop.reader()))
  const answer = await ask(path, { ...payment, ...headers })
  expect(answer.status).toBe(200)
  return pairOf(answer)
}

async function expectOpen(path: string, headers: Record<string, string>) {
  const { result: answer, cost } = await shop.costOf(() => ask(path, headers))
  expect(answer.text).toBe('the page')
  expect(cost).toEqual(NOTHING)
}

const expectClosed = async (path: string, headers: Record<string, string>) =>
  expect((await ask(path, headers)).error).toBe('payment_required')

describe('a cookie and a bearer token', () => {
  test('open what each of them opens', async () => {
    const Cookie = await passFor(ONE)
    const Authorization = bearerOf(await passFor(TWO))
    for (const path of [ONE, TWO]) await expectOpen(path, { Cookie, Authorization })
    await expectClosed(THREE, { Cookie, Authorization })
  })

  test.each(['__Host-newsstand=junk', '__Host-newsstand='])('“%s” hides no token', async (Cookie) => {
    await expectOpen(ONE, { Cookie, Authorization: bearerOf(await passFor(ONE)) })
  })

  test('a purchase keeps what the cookie held, and takes nothing from the token', async () => {
    const Cookie = await passFor(ONE)
    const Authorization = bearerOf(await passFor(TWO))
    const bought = await passFor(THREE, { Cookie, Authorization })
    for (const path of [ONE, THREE]) await expectOpen(path, { Cookie: bought })
    await expectClosed(TWO, { Cookie: bought })
  })

  test('a sign-in keeps what the cookie held, and takes nothing from the token', async () => {
    const buyer = await shop.reader()
    await passFor(THREE, {}, buyer)
    const Cookie = await passFor(ONE)
    const Authorization = bearerOf(await passFor(TWO))
    const proof = await signIn(signInOf(await challengeAt(THREE)), buyer)
    const back = pairOf(await ask(THREE, { ...proof, Cookie, Authorization }))
    for (const path of [ONE, THREE]) await expectOpen(path, { Cookie: back })
    await expectClosed(TWO, { Cookie: back })
  })

  test('a payment sent beside what the token opens is not settled', async () => {
    const buyer = await shop.reader()
    const Authorization = bearerOf(await passFor(TWO, {}, buyer))
    const payment = await pay('v2', await challengeAt(TWO), buyer)
    await expectOpen(TWO, { Cookie: await passFor(ONE), Authorization, ...payment })
  })

  test('show the receipts of both', async () => {
    const Cookie = await passFor(ONE)
    const Authorization = bearerOf(await passFor(TWO))
    const { json } = await ask('/_newsstand/receipts', { Cookie, Authorization })
    const resources = receipts.parse(json).purchases.map(({ resource }) => resource)
    expect(resources.sort()).toEqual([SITE + ONE, SITE + TWO])
  })
})

describe('what the origin is told of a bearer token', () => {
  const now = Math.floor(Date.now() / 1000)
  const passOf = async (site: string, issuedAtSeconds = now) => {
    const grant = { scope: `=${ONE}`, method: 'GET', endsAtSeconds: issuedAtSeconds + 60, payer: '0x1' }
    return issuePass([grant], site, await deriveKey(BASE_VARS.PASS_SECRET, 'pass for test money'), issuedAtSeconds)
  }
  const asOrigin = async (path: string, Authorization: string) => {
    await ask(path, { Authorization, Cookie: `__Host-newsstand=${await passOf(SITE)}` })
    return origin.seen.map(({ headers }) => headers.authorization)
  }
  const MAC = 'm'.repeat(43)

  describe.each(['/elsewhere', '/free/one', ONE])('at %s', (path) => {
    test.each([
      'Bearer a-token-of-the-origin',
      `Bearer ZXhhbXBsZQ.${MAC}`,
      `Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${MAC}`,
      'Basic cmVhZGVyOnNlY3JldA==',
    ])('%s reaches it', async (own) => {
      expect(await asOrigin(path, own)).toEqual([own])
    })

    test.each<[string, () => Promise<string>]>([
      ['a live pass', () => passOf(SITE)],
      ['one that has ended', () => passOf(SITE, now - 86_400)],
      ['one of another site of ours', () => passOf(OTHER_SITE)],
    ])('%s does not', async (_, token) => {
      const signed = await token()
      for (const value of [
        `Bearer ${signed}`,
        `Bearer ${signed}, Bearer zzz`,
        `bearer\t${signed}`,
        `Token ${signed}`,
      ]) {
        expect((await asOrigin(path, value)).at(-1)).toBeUndefined()
      }
    })
  })
})

describe.each(VERSIONS)('a purchase in %s', (version) => {
  const NEWSSTAND_PASS = 'newsstand-pass'
  const pass = z.object({
    extensions: z.object({
      [NEWSSTAND_PASS]: z.strictObject({
        info: z.strictObject({ token: z.string(), expiresAt: z.number() }),
        schema: z.looseObject({}),
      }),
    }),
  })
  const buy = async (path: string, headers: Record<string, string>) => {
    const payment = await pay(version, await challengeAt(path), await shop.reader())
    const answer = await ask(path, { ...payment, ...headers })
    expect(answer.text).toBe('the page')
    return answer
  }

  test.each([PARTNER, OTHER_SITE, 'null'])('by a script of %s has its pass beside the receipt', async (Origin) => {
    const answer = await buy(TWO, { Origin, 'Sec-Fetch-Site': 'cross-site', Cookie: await passFor(ONE) })
    const { info } = pass.parse(answer.receipt).extensions[NEWSSTAND_PASS]
    const day = Date.now() / 1000 + 86_400
    expect(Math.abs(info.expiresAt - day)).toBeLessThan(60)
    const Authorization = `Bearer ${info.token}`
    await expectOpen(TWO, { Authorization })
    // What the reader bought before is none of that script's business.
    await expectClosed(ONE, { Authorization })
    expect(answer.receiptV1 ?? {}).not.toHaveProperty('extensions')
    expect(answer.header('Access-Control-Expose-Headers')).toContain('PAYMENT-RESPONSE')
  })

  test.each<[string, string, Record<string, string>]>([
    ['by no script', TWO, {}],
    ['by a script of this site', TWO, { Origin: SITE }],
    [
      'by a script of the page’s own origin, as its browser says',
      TWO,
      {
        Origin: 'https://www.news.example',
        'Sec-Fetch-Site': 'same-origin',
      },
    ],
    ['of a single answer', '/once/one', { Origin: PARTNER }],
  ])('%s has none there', async (_, path, headers) => {
    const answer = await buy(path, headers)
    expect(answer.receipt).not.toBeNull()
    expect(answer.receipt).not.toHaveProperty('extensions')
  })

  test('asked for again by its identifier has it again, and by this site’s own page not', async () => {
    const identifier = 'an-identifier-of-sixteen'
    const reader = await shop.reader()
    const payment = await pay(version, await challengeAt(TWO), reader, { identifier: identifier + version })
    const first = await ask(TWO, { ...payment, Origin: PARTNER })
    const again = await ask(TWO, { ...payment, Origin: PARTNER })
    expect(pass.parse(again.receipt)).toEqual(pass.parse(first.receipt))
    expect((await ask(TWO, payment)).receipt).not.toHaveProperty('extensions')
  })
})

describe('who may read an answer from another origin', () => {
  test.each(['/elsewhere', '/free/one'])('at %s that is for the publisher to say', async (path) => {
    expect((await ask(path, { Origin: PARTNER })).header('Access-Control-Allow-Origin')).toBeNull()
    origin.tell({ body: 'the page', headers: { 'Access-Control-Allow-Origin': PARTNER } })
    const answer = await ask(path, { Origin: PARTNER })
    expect(answer.header('Access-Control-Allow-Origin')).toBe(PARTNER)
    expect(answer.header('Access-Control-Expose-Headers')).toBeNull()
  })

  test('at what is sold, and at our own addresses, everybody may, without a reader’s cookie', async () => {
    origin.tell({ body: 'the page', headers: { 'Access-Control-Allow-Origin': PARTNER } })
    const Cookie = await passFor(ONE)
    for (const answer of [
      await ask(ONE, { Origin: PARTNER }),
      await ask(ONE, { Origin: PARTNER, Cookie }),
      await ask('/_newsstand/receipts', { Origin: PARTNER, Cookie }),
      await ask('/_newsstand/nothing', { Origin: PARTNER }),
      await ask('/free/one', { Origin: PARTNER, Host: 'unknown.example' }),
    ]) {
      expect(answer.header('Access-Control-Allow-Origin')).toBe('*')
      expect(answer.header('Access-Control-Allow-Credentials')).toBeNull()
    }
  })
})
