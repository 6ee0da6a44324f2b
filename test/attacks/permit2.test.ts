// The attacks of this folder where Permit2 pays. A permit names its payee and amount, and anybody may settle it; its nonce is a
// bit that serves every token and every spender, and leaves no log.
import { Readable } from 'node:stream'
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addressOf, OTHER_TOKEN, PLAIN_TOKEN } from '../../dev/stack/permit2.ts'
import { type Question, send, served } from '../world/answer.ts'
import { readAndBreakOff } from '../world/breaking-off.ts'
import { openNaive } from '../world/naive.ts'
import { startOrigin } from '../world/origin.ts'
import { HEADERS, pack, pay } from '../world/payer.ts'
import { atSettle, permitBehaviours } from '../world/permit2-behaviour.ts'
import { burnElsewhere, isUsed, settlePermit } from '../world/permit2-on-chain.ts'
import {
  type PermitChallenge,
  type PermitChange,
  payByPermit,
  permitAsSent,
  type SignedPermit,
  signPermit,
  wrapPermit,
} from '../world/permit2-payer.ts'
import { openPermitShop, type PermitShop } from '../world/permit2-shop.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'

const ONE = '/articles/one'
const TWO = '/articles/two'
const DEAR = '/articles/dear'
const DOLLARS = '/dollars/one'
const CONTENT = 'the whole article'
const ONE_PERMIT_SALE = { ...ONE_SALE, verifies: 1 }
const COPIES = 60
/** How often content is handed out for one payment, at most (docs/decisions/010). */
const MOST = 3
const TRIES = 8

const facilitator = permitBehaviours()
let shop: PermitShop
/** Resolves when the origin's latest answer was given up. */
let givenUp: Promise<void> = Promise.resolve()

function* explanation() {
  yield CONTENT
  for (let i = 0; i < 4_000; i++) yield 'and furthermore '.repeat(1_000)
}

beforeAll(async () => {
  const origin = await startOrigin()
  origin.tell(() => {
    // Long, so that breaking off is noticed while it is under way: what fits into a buffer counts as taken.
    const body = Readable.from(explanation())
    givenUp = new Promise((done) => body.on('close', done))
    return { body }
  })
  const ROUTES = [
    { path: '/articles/*', content: 'kv', price: '€0.05', access: '24h' },
    { path: '/dollars/*', content: 'kv', price: '$0.05', access: '24h' },
    { path: '/answers/*', price: '€0.05', access: 'once' },
  ]
  shop = await openPermitShop({ ROUTES, ORIGIN_URL: origin.url }, { hook: facilitator.hook })
  shop.onClose(origin.stop)
  for (const path of [ONE, TWO, DOLLARS]) await shop.site.kv.put(path, `${CONTENT} ${path}`)
  await shop.site.kv.put(DEAR, `${CONTENT} ${DEAR}`, { metadata: { price: '€0.50' } })
})

afterAll(() => shop.close())

const spent = async ({ address }: PrivateKeyAccount) => 1_000_000n - (await shop.balance(address))
/** A payment that says nothing of the page it is for. */
const UNNAMED: PermitChange = { echo: false, payment: { resource: undefined } }

/** The other signature of the same words by the same key. */
function otherS(signature: string): string {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0')
  return `${signature.slice(0, 66)}${s}${signature.endsWith('1b') ? '1c' : '1b'}`
}

/** The same permit as different bytes, at different addresses. */
function wrappings(challenge: PermitChallenge, signed: SignedPermit): [string, Question][] {
  const header = (change?: PermitChange) => wrapPermit(challenge, signed, change)
  const text = header()[HEADERS.v2] ?? ''
  const json: unknown = JSON.parse(Buffer.from(text, 'base64').toString())
  const sent = permitAsSent(signed.permit)
  const shouted = (word: string) => `0x${word.slice(2).toUpperCase()}`
  return [
    [ONE, { headers: header() }],
    [ONE, { headers: header(UNNAMED) }],
    [ONE, { headers: { [HEADERS.v2]: Buffer.from(text, 'base64').toString('base64url') } }],
    [ONE, { headers: { [HEADERS.v1]: text } }],
    [ONE, { headers: { [HEADERS.v2]: Buffer.from(JSON.stringify(json, null, 1)).toString('base64') } }],
    [ONE, { headers: header({ sent: { from: shouted(sent.from), spender: shouted(sent.spender) } }) }],
    [ONE, { headers: header({ signature: shouted }) }],
    [ONE, { headers: header({ sent: { nonce: `0${sent.nonce}` } }) }],
    [ONE, { headers: header({ sent: { nonce: `0x${signed.permit.nonce.toString(16)}` } }) }],
    [ONE, { headers: header({ payload: { authorization: {} } }) }],
    [ONE, { headers: header({ signature: otherS }) }],
    [`${ONE}/?utm_source=replay`, { headers: header() }],
    [TWO, { headers: header() }],
    [TWO, { headers: header(UNNAMED) }],
  ]
}

describe('against a naive shop', () => {
  test('who spends the nonce on themselves reads for nothing, where a used nonce is taken for a payment', async () => {
    const { chain } = shop.stack
    const challenge = await shop.challenge(ONE)
    const reader = await shop.reader()
    const signed = await signPermit(challenge, reader)
    const naive = await openNaive(shop, async ({ payment, settle }) =>
      payment && ((await settle(payment, challenge.accepts[0])) || (await isUsed(chain, signed))) ? CONTENT : null,
    )
    await burnElsewhere(chain, reader, signed, reader.address)
    const { result: answer, cost } = await shop.costOf(() => send(naive, { headers: wrapPermit(challenge, signed) }))
    expect(answer.text).toBe(CONTENT)
    expect(cost.earned).toBe(0n)
  })
})

describe('replay', () => {
  test(`${COPIES} copies of one permit, in every wrapping and at two articles, are one grant`, async () => {
    const challenge = await shop.challenge(ONE)
    const reader = await shop.reader()
    const ways = wrappings(challenge, await signPermit(challenge, reader))
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(
        Array.from({ length: COPIES }, (_, i) => {
          const [path, question] = ways[i % ways.length] ?? [ONE, {}]
          return shop.ask(path, question)
        }),
      ),
    )
    expect(served(answers, CONTENT)).toBe(1)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
    expect(await spent(reader)).toBe(PRICE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })

  test('each wrapping alone, after the purchase, buys nothing', async () => {
    const challenge = await shop.challenge(ONE)
    const signed = await signPermit(challenge, await shop.reader())
    expect((await shop.ask(ONE, { headers: wrapPermit(challenge, signed) })).status).toBe(200)
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = []
      for (const [path, question] of wrappings(challenge, signed)) got.push(await shop.ask(path, question))
      return got
    })
    expect(served(answers, CONTENT)).toBe(0)
    for (const { status } of answers) expect([400, 402]).toContain(status)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })
})

describe('substitution', () => {
  test('a cheap permit opens nothing of the dear article, whatever it says it accepted', async () => {
    const thief = await shop.reader()
    const cheap = await shop.challenge(ONE)
    const signed = await signPermit(cheap, thief)
    const dear = await shop.challenge(DEAR)
    const ways = [
      wrapPermit(cheap, signed),
      wrapPermit(cheap, signed, UNNAMED),
      wrapPermit(dear, signed),
      wrapPermit(dear, signed, UNNAMED),
      wrapPermit(cheap, signed, { accepted: { amount: '500000' } }),
    ]
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = []
      for (const headers of ways) got.push(await shop.ask(DEAR, { headers }))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(ways.map(() => 402))
    expect(served(answers, CONTENT)).toBe(0)
    expect(cost).toEqual(NOTHING)
  })

  test('one permit sent to two articles at the same moment opens one of them', async () => {
    const reader = await shop.reader()
    const headers = await payByPermit(await shop.challenge(ONE), reader, UNNAMED)
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(Array.from({ length: 10 }, (_, i) => shop.ask(i % 2 ? ONE : TWO, { headers }))),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
  })

  test.each([
    ['of another amount', ONE, DEAR, {}],
    ['of the same amount', ONE, TWO, {}],
    ['for another token', ONE, TWO, { token: addressOf(OTHER_TOKEN) }],
  ])('two permits with one nonce, the second one %s, are one purchase', async (_, first, second, signed) => {
    const reader = await shop.reader()
    const one = await signPermit(await shop.challenge(first), reader)
    const challenge = await shop.challenge(second)
    const two = await signPermit(challenge, reader, { signed: { nonce: one.permit.nonce, ...signed } })
    expect((await shop.ask(first, { headers: wrapPermit(await shop.challenge(first), one) })).status).toBe(200)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(second, { headers: wrapPermit(challenge, two) }))
    expect([answer.status, answer.error]).toEqual([402, 'payment_already_used'])
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    expect(await spent(reader)).toBe(PRICE)
  })

  test('a permit for a token that is worth nothing buys nothing, though it says that it pays with ours', async () => {
    const reader = await shop.reader()
    const { result: answer, cost } = await shop.costOf(() =>
      shop.buy(ONE, reader, {
        signed: { token: addressOf(OTHER_TOKEN) },
        sent: { permitted: { token: addressOf(PLAIN_TOKEN), amount: PRICE.toString() } },
      }),
    )
    expect([answer.status, answer.error]).toEqual([402, 'invalid_permit2_signature'])
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  test('as many cents of the other kind are not the price: a permit in dollars, an authorization in euros', async () => {
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, PRICE)
    const permit = await payByPermit(await shop.challenge(ONE), reader, UNNAMED)
    const { challenge } = await shop.ask(DOLLARS)
    const dollars = await pay('v2', challenge, reader, { echo: false, payment: { resource: undefined } })
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask(DOLLARS, { headers: permit }),
      await shop.ask(ONE, { headers: dollars }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([402, 402])
    expect(cost).toEqual(NOTHING)
    expect(await shop.usdc.balance(reader.address)).toBe(PRICE)
  })

  test('a permit beside an authorization, or under the number of the other version, is malformed', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(ONE)
    const { permit, signature } = await signPermit(challenge, reader)
    const sent = permitAsSent(permit)
    const payload = { signature, permit2Authorization: sent }
    const zero = `0x${'00'.repeat(32)}`
    const dummy = {
      from: sent.from,
      to: shop.payTo,
      value: '50000',
      validAfter: '0',
      validBefore: sent.deadline,
      nonce: zero,
    }
    const v2 = { x402Version: 2, accepted: challenge.accepts[0] }
    const mixed = [
      { ...v2, payload: { ...payload, authorization: dummy } },
      { ...v2, payload: { authorization: dummy, ...payload } },
      { ...v2, payload: { ...payload, transaction: 'AA==' } },
      { ...v2, x402Version: 1, payload },
      { ...v2, payload: [payload] },
    ]
    const { result: answers, cost } = await shop.costOf(async () => {
      const got = []
      for (const json of mixed) got.push(await shop.ask(ONE, { headers: { [HEADERS.v2]: pack(json) } }))
      return got
    })
    expect(answers.map(({ status }) => status)).toEqual(mixed.map(() => 400))
    expect(cost).toEqual(NOTHING)
  })

  test('written as a payment of version 1 a permit is still the one', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(ONE)
    const signed = await signPermit(challenge, reader)
    const payload = { signature: signed.signature, permit2Authorization: permitAsSent(signed.permit) }
    const v1 = { [HEADERS.v1]: pack({ x402Version: 1, scheme: 'exact', network: 'polygon', payload }) }
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask(ONE, { headers: v1 }),
      await shop.ask(TWO, { headers: v1 }),
      await shop.ask(ONE, { headers: wrapPermit(challenge, signed) }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 402, 402])
    expect(cost).toEqual(ONE_PERMIT_SALE)
    expect(await spent(reader)).toBe(PRICE)
  })
})

describe('preemption', () => {
  test('a used bit is no payment: its owner may spend it on themselves', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(ONE)
    const signed = await signPermit(challenge, reader)
    await burnElsewhere(shop.stack.chain, reader, signed, reader.address)
    expect(await isUsed(shop.stack.chain, signed)).toBe(true)
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(Array.from({ length: 6 }, () => shop.ask(ONE, { headers: wrapPermit(challenge, signed) }))),
    )
    for (const answer of answers) expect([answer.status, answer.error]).toEqual([402, 'payment_already_used'])
    expect(cost).toMatchObject({ earned: 0n })
    expect(await spent(reader)).toBe(0n)
  })

  test('what was settled for another shop of the same payee buys nothing, however often it is shown', async () => {
    const challenge = await shop.challenge(ONE)
    const signed = await signPermit(challenge, await shop.reader())
    await settlePermit(shop.stack.chain, signed)
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(Array.from({ length: 6 }, () => shop.ask(ONE, { headers: wrapPermit(challenge, signed) }))),
    )
    for (const answer of answers) expect([answer.status, answer.error]).toEqual([402, 'payment_already_used'])
    expect(cost).toMatchObject({ earned: 0n })
  })

  test('a stranger who is faster than the facilitator settles it for the reader, who is served and charged once', async () => {
    const reader = await shop.reader()
    facilitator.set(
      reader.address,
      atSettle(async (proceed, signed) => {
        await settlePermit(shop.stack.chain, signed)
        return proceed()
      }),
    )
    const challenge = await shop.challenge(ONE)
    const next = await signPermit(challenge, reader)
    const first = await shop.costOf(() => shop.buy(ONE, reader))
    expect(first.result.text).toContain(CONTENT)
    expect(first.cost).toEqual(ONE_PERMIT_SALE)
    const second = await shop.costOf(() => shop.ask(ONE, { headers: wrapPermit(challenge, next) }))
    expect(second.result.text).toContain(CONTENT)
    expect(second.cost).toMatchObject({ earned: 0n, settles: 0 })
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })
})

describe('breaking off', () => {
  test.each<[string, boolean]>([
    ['one permit', false],
    ['permits of one wallet', true],
  ])(`with %s the answer is read ${MOST} times at most`, async (_, isNew) => {
    // Enough for one answer alone.
    const reader = await shop.reader({ funds: PRICE })
    const challenge = await shop.challenge('/answers/tide')
    let headers = await payByPermit(challenge, reader)
    const { result: reads, cost } = await shop.costOf(async () => {
      let count = 0
      for (let i = 0; i < TRIES; i++) {
        if (isNew && i > 0) headers = await payByPermit(challenge, reader)
        if (!(await readAndBreakOff(`${shop.site.url}/answers/tide`, { headers, wanted: CONTENT }))) continue
        count += 1
        await givenUp
      }
      return count
    })
    expect(reads).toBeGreaterThan(0)
    expect(reads).toBeLessThanOrEqual(MOST)
    expect(cost.earned).toBe(PRICE)
  })
})

describe('exhaustion', () => {
  /** How many failures an address has in a minute (wrangler.toml); the minute may end meanwhile. */
  const FAILURES = 100
  const AT_ONCE = 10

  test('permits that are not approved do not make a facilitator work without end', async () => {
    const poor = await shop.reader({ isApproved: false })
    const challenge = await shop.challenge(ONE)
    const tried = async () => {
      const headers = await payByPermit(challenge, poor)
      return (await shop.ask(ONE, { headers: { ...headers, 'CF-Connecting-IP': '203.0.113.12' } })).status
    }
    const statuses: number[] = []
    const { cost } = await shop.costOf(async () => {
      while (statuses.length < 2 * FAILURES + 20 && !statuses.includes(429)) {
        statuses.push(...(await Promise.all(Array.from({ length: AT_ONCE }, tried))))
      }
    })
    expect(new Set(statuses)).toEqual(new Set([412, 429]))
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    // Those that were under way when the address was blocked have been looked at as well.
    const refused = statuses.filter((status) => status === 412).length
    expect(cost.verifies).toBeLessThanOrEqual(refused + AT_ONCE)
    // Others are not held up.
    expect((await shop.buy(ONE, await shop.reader())).status).toBe(200)
  })
})
