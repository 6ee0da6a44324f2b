// Substitution by Permit2: one permit, or one nonce, for two things; a payment that reads as two; terms of another token, price or
// time than what was signed.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXACT_PROXY, PERMIT2 } from '../../dev/stack/exact-proxy.ts'
import { addressOf, PLAIN_TOKEN } from '../../dev/stack/permit2.ts'
import type { Answer } from '../world/answer.ts'
import { refuses } from '../world/behaviour.ts'
import { HEADERS, pack, pay, sign, wrap } from '../world/payer.ts'
import { atSettle, permitBehaviours } from '../world/permit2-behaviour.ts'
import {
  payByPermit,
  permitAsSent,
  permitChallenge,
  type SignedPermit,
  signPermit,
  wrapPermit,
} from '../world/permit2-payer.ts'
import { ASSETS, openPermitShop, type PermitShop } from '../world/permit2-shop.ts'
import { NOTHING, PRICE } from '../world/shop.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const BOTH = '/both/hello'
const DEAR = '/dear/hello'
const DEAREUR = '/deareur/hello'
const DAYS = '/days/hello'
const CONTENT = 'the whole article'
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const LARGEST = 2n ** 256n - 1n
const PLAIN = addressOf(PLAIN_TOKEN)

const kv = { content: 'kv', access: '24h' }
const ROUTES = [
  { ...kv, path: '/articles/*', price: '€0.05' },
  { ...kv, path: '/both/*', price: ['$0.05', '€0.05'] },
  { ...kv, path: '/dear/*', price: ['$5', '€0.05'] },
  { ...kv, path: '/deareur/*', price: ['$0.05', '€5'] },
  {
    ...kv,
    path: '/days/*',
    price: '€0.05',
    offers: [{ name: 'Day', price: '€0.50', access: '24h', scope: '/days/*' }],
  },
]

const facilitator = permitBehaviours()
let shop: PermitShop

beforeAll(async () => {
  shop = await openPermitShop({ ROUTES }, { hook: facilitator.hook })
  for (const path of [PAGE, OTHER, BOTH, DEAR, DEAREUR, DAYS]) await shop.site.kv.put(path, CONTENT)
})
afterAll(() => shop.close())

const headerOf = (headers: Record<string, string>) => headers[HEADERS.v2] ?? ''
const raw = (json: string) => ({ [HEADERS.v2]: Buffer.from(json).toString('base64') })
const jsonOf = (headers: Record<string, string>) => Buffer.from(headerOf(headers), 'base64').toString()
const isServed = ({ text }: Answer) => text.includes(CONTENT)

describe('a payment that reads as two', () => {
  test('in two headers, or in the other version, buys nothing', async () => {
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, PRICE)
    const unpaid = await shop.ask(BOTH)
    const challenge = await shop.challenge(BOTH)
    const signed = await signPermit(challenge, reader)
    const permit = wrapPermit(challenge, signed)
    const another = wrapPermit(
      challenge,
      await signPermit(challenge, reader, {
        signed: { nonce: signed.permit.nonce, deadline: signed.permit.deadline - 1n },
      }),
    )
    const eip3009 = await sign('v2', unpaid.challenge, reader)
    const v2 = wrap('v2', unpaid.challenge, eip3009)
    const v1 = wrap('v1', unpaid.challenge, eip3009)
    const questions = [
      { ...permit, ...v1 },
      { ...permit, 'X-PAYMENT': headerOf(v2) },
      { ...permit, 'X-PAYMENT': headerOf(another) },
      { ...v2, 'X-PAYMENT': headerOf(permit) },
      { ...permit, 'X-PAYMENT': 'x' },
      wrapPermit(challenge, signed, { payload: { authorization: JSON.parse(jsonOf(v2)).payload.authorization } }),
      wrapPermit(challenge, signed, { sent: { permitted: [{ token: PLAIN, amount: '50000' }] } }),
      wrapPermit(challenge, signed, { payment: { x402Version: 1 } }),
      wrapPermit(challenge, signed, { sent: { nonce: ` ${signed.permit.nonce}` } }),
      wrapPermit(challenge, signed, { sent: { nonce: `+${signed.permit.nonce}` } }),
      wrapPermit(challenge, signed, { sent: { nonce: `${signed.permit.nonce}.0` } }),
      raw(jsonOf(permit).replace('"permit2Authorization"', '"__proto__":{"authorization":{}},"permit2Authorization"')),
    ]
    const { result: answers, cost } = await shop.costOf(async () => {
      const all: Answer[] = []
      for (const headers of questions) all.push(await shop.ask(BOTH, { headers }))
      return all
    })
    expect(answers.map(({ status }) => status)).toEqual(questions.map(() => 400))
    expect(cost).toEqual(NOTHING)
    expect((await shop.ask(BOTH, { headers: permit })).text).toBe(CONTENT)
  })

  test('in the wrapping of the version that does not offer it is the same payment, once', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const signed = await signPermit(challenge, reader)
    const payload = { signature: signed.signature, permit2Authorization: permitAsSent(signed.permit) }
    const asV1 = pack({ x402Version: 1, scheme: 'exact', network: 'polygon', payload })
    const wrappings = [{ 'X-PAYMENT': asV1 }, { [HEADERS.v2]: asV1 }, wrapPermit(challenge, signed)]
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all([...wrappings, ...wrappings].map((headers) => shop.ask(PAGE, { headers }))),
    )
    expect(answers.filter(isServed)).toHaveLength(1)
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
  })

  test('by a key twice in its JSON is the one that is checked, and that one is settled', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const [one, two] = [await signPermit(challenge, reader), await signPermit(challenge, reader)]
    const permit = JSON.stringify(permitAsSent(two.permit))
    const twice = jsonOf(wrapPermit(challenge, one)).replace(
      '"permit2Authorization"',
      `"permit2Authorization":${permit},"permit2Authorization"`,
    )
    const seen: SignedPermit[] = []
    facilitator.set(reader.address, (proceed, signed) => {
      seen.push(signed)
      return proceed()
    })
    expect((await shop.ask(PAGE, { headers: raw(twice) })).text).toBe(CONTENT)
    expect(new Set(seen.map(({ permit: { nonce } }) => nonce))).toEqual(new Set([one.permit.nonce]))
  })

  test('in every spelling of its addresses is one grant', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const signed = await signPermit(challenge, reader)
    const { from, token, to } = signed.permit
    const small = (text: string) => text.toLowerCase()
    const large = (text: string) => `0x${text.slice(2).toUpperCase()}`
    const sent = permitAsSent(signed.permit)
    const spelt = [small, large].map((spell) =>
      wrapPermit(challenge, signed, {
        sent: {
          from: spell(from),
          permitted: { ...sent.permitted, token: spell(token) },
          witness: { ...sent.witness, to: spell(to) },
        },
        signature: (honest) => spell(honest),
      }),
    )
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(
        [...spelt, ...spelt, wrapPermit(challenge, signed)].flatMap((headers) => [
          shop.ask(PAGE, { headers }),
          shop.ask(OTHER, { headers }),
        ]),
      ),
    )
    expect(answers.filter(isServed)).toHaveLength(1)
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
  })
})

describe('what was signed, and what is said to be accepted', () => {
  const usd = () => ({
    asset: shop.usdc.asset.asset,
    extra: { name: shop.usdc.asset.name, version: '2' },
  })

  test.each([
    ['too few euros, named as the dollars that are asked for', DEAREUR, { token: PLAIN, amount: PRICE }, true],
    ['dollars by a permit, named as the euros', DEAR, { amount: 5_000_000n }, false],
    ['the token of the dollars, in a permit for their amount', BOTH, { amount: PRICE }, false],
  ] as const)('%s: refused, and nothing is asked', async (_, path, { amount, ...signed }, isUsd) => {
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, 5_000_000n)
    const token = 'token' in signed ? signed.token : shop.usdc.asset.asset
    const challenge = await shop.challenge(path)
    for (const accepted of [
      isUsd ? usd() : {},
      {},
      usd(),
      { amount: amount.toString() },
      { asset: token, amount: amount.toString() },
    ]) {
      const headers = await payByPermit(challenge, reader, { signed: { token, amount }, accepted })
      const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers }))
      expect(answer.status).toBe(402)
      expect(isServed(answer)).toBe(false)
      expect(cost).toEqual(NOTHING)
    }
  })

  test('an authorization of EIP-3009 in the name of the permit token buys nothing', async () => {
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, PRICE)
    const unpaid = await shop.ask(BOTH)
    const accepted = { asset: PLAIN, extra: { assetTransferMethod: 'permit2' } }
    const headers = await pay('v2', unpaid.challenge, reader, { accepted })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(isServed(answer)).toBe(false)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    expect(await shop.usdc.balance(reader.address)).toBe(PRICE)
  })

  test.each<[string, Partial<SignedPermit['permit']>, number]>([
    ['the largest nonce', { nonce: LARGEST }, 200],
    ['nonce zero', { nonce: 0n }, 200],
    ['the last bit of a word', { nonce: 255n }, 200],
    ['the largest deadline', { deadline: LARGEST }, 402],
    ['the largest beginning', { validAfter: LARGEST }, 402],
    ['the largest amount', { amount: LARGEST }, 402],
    ['an amount that is the price once its highest bits are cut off', { amount: 2n ** 64n + PRICE }, 402],
  ])('%s', async (_, signed, status) => {
    const reader = await shop.reader()
    const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, reader, { signed }))
    expect(answer.status).toBe(status)
    expect(cost.earned).toBe(status === 200 ? PRICE : 0n)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(status === 200 ? 1 : 0)
  })
})

describe('one nonce', () => {
  test('of two permits for two pages at the same moment buys one of them', async () => {
    const reader = await shop.reader()
    const [one, two] = [await shop.challenge(PAGE), await shop.challenge(OTHER)]
    const nonce = 77n
    const first = await payByPermit(one, reader, { signed: { nonce } })
    const second = await payByPermit(two, reader, { signed: { nonce, validAfter: 1n } })
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all([1, 2, 3].flatMap(() => [shop.ask(PAGE, { headers: first }), shop.ask(OTHER, { headers: second })])),
    )
    expect(answers.filter(isServed)).toHaveLength(1)
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
  })

  test('of a permit and of an authorization of one payer are two payments', async () => {
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, PRICE)
    const unpaid = await shop.ask(BOTH)
    const signed = await sign('v2', unpaid.challenge, reader)
    const nonce = BigInt(signed.authorization.nonce)
    expect((await shop.buy(PAGE, reader, { signed: { nonce } })).text).toBe(CONTENT)
    expect((await shop.ask(BOTH, { headers: wrap('v2', unpaid.challenge, signed) })).text).toBe(CONTENT)
    expect(await shop.balance(reader.address)).toBe(1_000_000n - PRICE)
    expect(await shop.usdc.balance(reader.address)).toBe(0n)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(2)
  })

  test('of a dear permit that was refused, and of a cheap one: what is bought is what is paid', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(DAYS)
    const day = challenge.accepts.map((article) => ({ ...article, amount: '500000' }))
    const nonce = 4_711n
    const dear = await signPermit({ ...challenge, accepts: day }, reader, { signed: { nonce } })
    facilitator.set(reader.address, atSettle(refuses('permit2_insufficient_balance')))
    const refused = await shop.ask(DAYS, { headers: wrapPermit({ ...challenge, accepts: day }, dear) })
    expect(refused.error).toBe('insufficient_funds')
    facilitator.set(reader.address, null)
    const cheap = await signPermit(challenge, reader, { signed: { nonce } })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(DAYS, { headers: wrapPermit(challenge, cheap) }))
    expect(answer.text).toBe(CONTENT)
    expect([cost.earned, (await shop.ask('/days/other', { headers: { Cookie: answer.pass } })).status]).toEqual([
      500_000n,
      404,
    ])
  })

  test('used up beside a pass is used here, and no facilitator hears of it', async () => {
    const reader = await shop.reader()
    const { pass: Cookie } = await shop.buy(PAGE, reader)
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    const asked = facilitator.calls(reader.address).length
    expect((await shop.ask(PAGE, { headers: { ...headers, Cookie } })).text).toBe(CONTENT)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    expect((await shop.ask(OTHER, { headers })).status).toBe(402)
    expect(facilitator.calls(reader.address)).toHaveLength(asked)
    expect(await shop.balance(reader.address)).toBe(1_000_000n - PRICE)
  })

  test('in a HEAD is not used, and in an OPTIONS neither', async () => {
    const reader = await shop.reader()
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    for (const method of ['HEAD', 'OPTIONS']) expect(isServed(await shop.ask(PAGE, { method, headers }))).toBe(false)
    expect(facilitator.calls(reader.address)).toEqual([])
    expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
  })
})

describe('somebody else’s permit', () => {
  test('with a signature that is not its own does not keep the honest one out', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const signed = await signPermit(challenge, reader)
    const signature = (honest: string) => `${honest.slice(0, 10)}${'11'.repeat(61)}`
    const junk = wrapPermit(challenge, signed, { signature })
    const objects = await shop.site.objects()
    for (let time = 0; time < 3; time++) {
      expect((await shop.ask(PAGE, { headers: junk })).error).toBe('invalid_permit2_signature')
      expect((await shop.ask(OTHER, { headers: junk })).status).toBe(402)
    }
    expect(await shop.site.objects()).toBe(objects)
    const { result: both } = await shop.costOf(() =>
      Promise.all([junk, wrapPermit(challenge, signed)].map((headers) => shop.ask(PAGE, { headers }))),
    )
    expect(both.map(isServed)).toEqual([false, true])
  })

  test.each([
    ['nobody', () => `0x${'00'.repeat(20)}` as const],
    ['the token', () => PLAIN],
    ['the payee', () => shop.payTo],
    ['Permit2', () => PERMIT2],
    ['the proxy', () => EXACT_PROXY],
  ])('in the name of %s buys nothing, and nothing is stored', async (_, name) => {
    const thief = await shop.reader()
    const from = name()
    const objects = await shop.site.objects()
    for (const signature of [undefined, () => `0x${'00'.repeat(65)}`, () => '0x00', () => `0x${'ff'.repeat(65)}`]) {
      const change = { signed: { from }, ...(signature && { signature }) }
      const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, thief, change))
      expect(answer.status).toBe(402)
      expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    }
    expect(await shop.site.objects()).toBe(objects)
  })
})

describe('one permit', () => {
  test('of a payer who turns its s round is the same payment as with the honest one', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const signed = await signPermit(challenge, reader)
    const signature = (honest: `0x${string}`) => {
      const s = (ORDER - BigInt(`0x${honest.slice(66, 130)}`)).toString(16).padStart(64, '0')
      return `${honest.slice(0, 66)}${s}${honest.endsWith('1b') ? '1c' : '1b'}`
    }
    const both = [wrapPermit(challenge, signed, { signature }), wrapPermit(challenge, signed)]
    const { result: answers, cost } = await shop.costOf(async () => {
      const all: Answer[] = []
      for (const headers of [...both, ...both])
        all.push(await shop.ask(PAGE, { headers }), await shop.ask(OTHER, { headers }))
      return all
    })
    expect(answers.filter(isServed)).toHaveLength(1)
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })

  test('at two sites of one worker buys at one of them', async () => {
    await shop.site.become({ SITE_URL: ['https://news.example', 'https://other.example'] })
    const reader = await shop.reader()
    const at = (Host: string) => ({ Host })
    const [news, other] = [at('news.example'), at('other.example')]
    const challenge = permitChallenge(await shop.ask(PAGE, { headers: news }))
    const headers = await payByPermit(challenge, reader, { echo: false, payment: { resource: undefined } })
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all([news, other, news, other].map((host) => shop.ask(PAGE, { headers: { ...headers, ...host } }))),
    )
    expect(answers.filter(isServed)).toHaveLength(1)
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
    await shop.site.become({ SITE_URL: 'https://news.example' })
  })
})

describe('a price of before', () => {
  const withPrice = (price: string | string[]) =>
    ROUTES.map((route) => (route.path === '/articles/*' ? { ...route, price } : route))

  test('in dollars is no price in euros, and one of another page is none of this', async () => {
    const reader = await shop.reader()
    await shop.site.become({ ROUTES: withPrice('$0.05') })
    const dollars = await shop.ask(PAGE)
    const quote = dollars.challengeV2.extensions
    await shop.site.become({ ROUTES })
    const here = await shop.challenge(PAGE)
    const elsewhere = await shop.challenge(OTHER)
    await shop.site.become({ ROUTES: withPrice(['$0.05', '€5']) })
    const now = await shop.challenge(PAGE)
    const signed = { amount: PRICE, token: PLAIN }
    for (const extensions of [quote, elsewhere.extensions, {}]) {
      const { result: answer, cost } = await shop.costOf(async () =>
        shop.ask(PAGE, { headers: await payByPermit({ ...now, extensions }, reader, { signed }) }),
      )
      expect([answer.status, isServed(answer)]).toEqual([402, false])
      expect(cost).toEqual(NOTHING)
    }
    // The one that was made for this is honoured.
    expect((await shop.ask(PAGE, { headers: await payByPermit(here, reader) })).text).toBe(CONTENT)
    await shop.site.become({ ROUTES })
  })

  test('what was paid for is recognised when the token is not sold any more', async () => {
    const reader = await shop.reader()
    const headers = await payByPermit(await shop.challenge(PAGE), reader, {
      identifier: 'an-identifier-to-come-back-with',
    })
    expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    await shop.site.become({ ASSETS: {}, ROUTES: [{ ...kv, path: '/articles/*', price: '$0.05' }] })
    const { result: again, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(again.text).toBe(CONTENT)
    expect(cost).toEqual(NOTHING)
    await shop.site.become({ ASSETS, ROUTES })
  })
})
