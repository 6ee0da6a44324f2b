// MPP and x402 wrap one authorization (docs/decisions/027): what somebody wins by wrapping it anew, or by changing what it answers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { issueChallenges } from '../../src/mpp.ts'
import { deriveKey } from '../../src/token.ts'
import { ASSETS } from '../../src/x402/assets.ts'
import { evmTermsOf, offerOf } from '../../src/x402/payment.ts'
import { type Answer, served } from '../world/answer.ts'
import {
  answerTo,
  challengeIn,
  challengesIn,
  credentialOf,
  type MppChallenge,
  mppReceipt,
  opaqueIn,
  packed,
  payMpp,
  requestIn,
  signedIn,
} from '../world/mpp.ts'
import { HEADERS, headerOf, paying, VERSIONS, wrap } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, openShop, PRICE, type Shop, SITE } from '../world/shop.ts'
import { BASE_VARS } from '../world/site.ts'
import { stockPayment } from '../world/stock.ts'

const ARTICLE = '/articles/hello'
const OTHER = '/articles/other'
const DEAR = '/dear/report'
const CONTENT = 'the whole article'
let shop: Shop
/** Another site with the same payee, on the same chain, with a secret of its own. */
let foreign: Shop

beforeAll(async () => {
  const vars = {
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: 'once' },
      { path: '/dear/*', content: 'kv', price: '$0.09', access: 'once' },
    ],
  }
  shop = await openShop(vars)
  foreign = await openShop({ ...vars, PASS_SECRET: 'the secret of somebody else' }, { stack: shop.stack })
  for (const { site } of [shop, foreign]) for (const path of [ARTICLE, OTHER, DEAR]) await site.kv.put(path, CONTENT)
})

afterAll(async () => {
  await foreign.close()
  await shop.close()
})

const credential = (Authorization: string) => ({ headers: { Authorization } })
const asked = (path = ARTICLE) => shop.ask(path)

describe('one authorization in several dialects', () => {
  test('paid by x402 and wrapped anew as MPP is used, and settles nothing', async () => {
    const payment = await stockPayment(await asked(), await shop.reader())
    expect((await shop.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
    for (const path of [ARTICLE, OTHER]) {
      const wrapped = credentialOf(challengeIn(await asked(path)), signedIn(payment))
      const { result: answer, cost } = await shop.costOf(() => shop.ask(path, credential(wrapped)))
      expect([answer.status, answer.error]).toEqual([402, 'payment_already_used'])
      expect(mppReceipt(answer)).toBeNull()
      expect(cost).toEqual(NOTHING)
    }
  })

  test('paid by MPP and wrapped anew as x402 is used, and settles nothing', async () => {
    const challenge = challengeIn(await asked())
    const signed = await answerTo(challenge, await shop.reader())
    expect((await shop.ask(ARTICLE, credential(credentialOf(challenge, signed)))).text).toBe(CONTENT)
    for (const version of VERSIONS) {
      for (const path of [ARTICLE, OTHER]) {
        const headers = wrap(version, await shop.challenge(path), signed)
        const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { headers }))
        expect([answer.status, answer.error]).toEqual([402, 'payment_already_used'])
        expect(cost).toEqual(NOTHING)
      }
    }
  })

  test('never paid, and wrapped as MPP with a nonce of x402, is for nothing', async () => {
    const payment = await stockPayment(await asked(), await shop.reader())
    const wrapped = credentialOf(challengeIn(await asked()), signedIn(payment))
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, credential(wrapped)))
    expect([answer.status, answer.error]).toEqual([402, 'invalid_payment_requirements'])
    expect(cost).toEqual(NOTHING)
    // Nothing was claimed: as what it is, it pays.
    expect((await shop.ask(ARTICLE, paying(payment))).text).toBe(CONTENT)
  })

  test('delivered again for another challenge is no receipt for that one', async () => {
    const identifier = 'one-purchase-000001'
    const paid = challengeIn(await asked())
    const signed = await answerTo(paid, await shop.reader())
    const ask = (challenge: MppChallenge) =>
      shop.ask(ARTICLE, {
        headers: { Authorization: credentialOf(challenge, signed), 'Idempotency-Key': identifier },
      })
    expect(mppReceipt(await ask(paid))?.challengeId).toBe(paid.id)
    const others = [challengeIn(await asked()), { ...paid, id: 'of one’s own' }]
    for (const other of others) {
      const { result: again, cost } = await shop.costOf(() => ask(other))
      expect([again.text, cost]).toEqual([CONTENT, NOTHING])
      expect(mppReceipt(again)?.challengeId).not.toBe(other.id)
    }
  })

  test('in all dialects at once, at two articles, is one grant', async () => {
    const challenge = challengeIn(await asked())
    const signed = await answerTo(challenge, await shop.reader(PRICE * 20n))
    const text = credentialOf(challenge, signed)
    const x402 = headerOf(signed)
    const ways: Record<string, string>[] = [
      { Authorization: text },
      { 'Payment-Authorization': text },
      { Authorization: text.replace('Payment', 'PAYMENT') },
      { [HEADERS.v2]: x402 },
      wrap('v1', await shop.challenge(ARTICLE), signed),
      { Authorization: credentialOf(challengeIn(await asked()), signed) },
    ]
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          shop.ask(i % 7 === 6 ? OTHER : ARTICLE, { headers: ways[i % ways.length] ?? {} }),
        ),
      ),
    )
    expect(served(answers, CONTENT)).toBe(1)
    expect(cost).toEqual(ONE_SALE)
  })
})

describe('a challenge', () => {
  const changes: [name: string, change: (answer: Answer) => Partial<MppChallenge>][] = [
    ['a lower amount', (answer) => ({ request: packed({ ...requestIn(challengeIn(answer)), amount: '1' }) })],
    [
      'what a longer access costs',
      (answer) => ({ opaque: packed({ ...opaqueIn(challengeIn(answer)), quote: '[31536000,"/*",null,0]' }) }),
    ],
    [
      'another resource',
      (answer) => ({ opaque: packed({ ...opaqueIn(challengeIn(answer)), resource: 'A'.repeat(22) }) }),
    ],
    ['a later end', () => ({ expires: '2099-01-01T00:00:00Z' })],
    ['another realm', () => ({ realm: 'elsewhere.example' })],
    ['an id of one’s own', () => ({ id: 'A'.repeat(43) })],
  ]

  test.each(changes)('that was changed to %s pays for nothing', async (_, change) => {
    const answer = await asked()
    const changed = { ...challengeIn(answer), ...change(answer) }
    const text = credentialOf(changed, await answerTo(changed, await shop.reader()))
    const { result: refused, cost } = await shop.costOf(() => shop.ask(ARTICLE, credential(text)))
    expect([refused.status, refused.error]).toEqual([402, 'invalid_payment_requirements'])
    expect(challengesIn(refused)).toHaveLength(1)
    expect(cost).toEqual(NOTHING)
  })

  test('for the cheap article pays for no other, the dear one included', async () => {
    const challenge = challengeIn(await asked())
    const text = credentialOf(challenge, await answerTo(challenge, await shop.reader()))
    for (const path of [OTHER, DEAR]) {
      const { result: answer, cost } = await shop.costOf(() => shop.ask(path, credential(text)))
      expect([answer.status, answer.error]).toEqual([402, 'invalid_payment_requirements'])
      expect(cost).toEqual(NOTHING)
    }
    expect((await shop.ask(ARTICLE, credential(text))).text).toBe(CONTENT)
  })

  test('of another site with the same payee pays for nothing here', async () => {
    const challenge = challengeIn(await foreign.ask(ARTICLE))
    const text = credentialOf(challenge, await answerTo(challenge, await shop.reader()))
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, credential(text)))
    expect([answer.status, answer.error]).toEqual([402, 'invalid_payment_requirements'])
    expect(cost).toEqual(NOTHING)
    expect((await foreign.ask(ARTICLE, credential(text))).text).toBe(CONTENT)
  })

  test('and another one of the same second are two: each pays once', async () => {
    const [first, second] = (await Promise.all([asked(), asked()])).map(challengeIn)
    if (!first || !second) throw new Error('no challenges')
    expect(first.id).not.toBe(second.id)
    const reader = await shop.reader()
    for (const challenge of [first, second]) {
      const text = credentialOf(challenge, await answerTo(challenge, reader))
      const bought = await shop.costOf(async () => (await shop.ask(ARTICLE, credential(text))).text)
      expect(bought).toEqual({ result: CONTENT, cost: ONE_SALE })
      expect((await shop.ask(ARTICLE, credential(text))).error).toBe('payment_already_used')
    }
  })

  test('past its time pays for nothing; what was paid is known all the same', async () => {
    const key = await deriveKey(BASE_VARS.PASS_SECRET, 'mpp for test money')
    const resource = { site: SITE, method: 'GET', path: ARTICLE, id: ARTICLE }
    const [asset] = ASSETS.filter(({ network }) => network === NETWORK)
    if (asset?.kind !== 'eip3009') throw new Error('no token')
    const terms = { amount: PRICE, name: null, accessSeconds: 0, scope: null, flow: 'authorization' } as const
    const way = { asset, transfer: evmTermsOf(asset), payTo: BASE_VARS.PAY_TO.eip155 }
    const wanted = {
      offers: [offerOf(way, terms)],
      tokens: ASSETS,
      resource,
      isBeside: false,
      room: { first: 900, all: 0 },
    }
    const now = Math.floor(Date.now() / 1000)
    const madeAt = async (seconds: number, id: string) => {
      const header = await issueChallenges({ ...wanted, id }, key, seconds)
      return challengeIn({ header: () => header })
    }
    const inTime = { signed: { validBefore: BigInt(now + 300) } }
    const signedFor = async (challenge: MppChallenge) => answerTo(challenge, await shop.reader(), inTime)

    const fresh = await madeAt(now, 'fresh')
    expect((await shop.ask(ARTICLE, credential(credentialOf(fresh, await signedFor(fresh))))).text).toBe(CONTENT)

    const unknown = await madeAt(now - 301, 'unknown')
    const late = credentialOf(unknown, await signedFor(unknown))
    const { result: refused, cost } = await shop.costOf(() => shop.ask(ARTICLE, credential(late)))
    expect([refused.status, refused.error]).toEqual([402, 'payment_expired'])
    expect(challengesIn(refused)).toHaveLength(1)
    expect(cost).toEqual(NOTHING)

    const known = await madeAt(now - 301, 'known')
    const signed = await signedFor(known)
    const identifier = 'known-before-0001'
    const headers = wrap('v2', await shop.challenge(ARTICLE), signed, { identifier })
    expect((await shop.ask(ARTICLE, { headers })).text).toBe(CONTENT)
    const { result: answers, cost: after } = await shop.costOf(async () => [
      await shop.ask(ARTICLE, {
        headers: { Authorization: credentialOf(known, signed), 'Idempotency-Key': identifier },
      }),
      await shop.ask(OTHER, credential(credentialOf(known, signed))),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 402])
    expect(answers[1]?.error).toBe('payment_already_used')
    expect(after).toEqual(NOTHING)
  })

  test('signed twice by one wallet, for two times, is one payment', async () => {
    const challenge = challengeIn(await asked())
    const reader = await shop.reader()
    const first = credentialOf(challenge, await answerTo(challenge, reader))
    const later = BigInt(Date.parse(challenge.expires) / 1000 + 60)
    const second = credentialOf(challenge, await answerTo(challenge, reader, { signed: { validBefore: later } }))
    expect((await shop.ask(ARTICLE, credential(first))).text).toBe(CONTENT)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, credential(second)))
    expect([answer.status, answer.error]).toEqual([402, 'payment_already_used'])
    expect(cost).toEqual(NOTHING)
  })
})

describe('where MPP is switched off', () => {
  test('there is no challenge, nothing is settled, and what was paid by it is known all the same', async () => {
    const paid = await payMpp(await asked(), await shop.reader())
    expect((await shop.ask(ARTICLE, { headers: paid })).text).toBe(CONTENT)
    const open = await payMpp(await asked(), await shop.reader())
    await shop.site.restart({ MACHINES: { mpp: false } })
    expect((await asked()).header('WWW-Authenticate')).toBeNull()
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all([paid, open].map((headers) => shop.ask(ARTICLE, { headers }))),
    )
    expect(answers.map(({ status, error }) => [status, error])).toEqual([
      [402, 'payment_already_used'],
      [402, 'invalid_payment_requirements'],
    ])
    expect(cost).toEqual(NOTHING)
    await shop.site.restart({ MACHINES: '' })
  })

  test('and the secret has changed: the one before still verifies', async () => {
    const open = await payMpp(await asked(), await shop.reader())
    await shop.site.restart({
      PASS_SECRET: 'a new secret for these tests',
      PASS_SECRET_PREVIOUS: 'a secret for tests, long enough',
    })
    expect((await shop.ask(ARTICLE, { headers: open })).text).toBe(CONTENT)
    await shop.site.restart({ PASS_SECRET: 'a secret for tests, long enough', PASS_SECRET_PREVIOUS: '' })
  })
})
