import fc from 'fast-check'
import { privateKeyToAccount } from 'viem/accounts'
import { beforeAll, describe, expect, test } from 'vitest'
import { answeredOffer, issueChallenges } from '../../src/mpp.ts'
import { verifyPayment } from '../../src/networks/network.ts'
import type { Resource } from '../../src/policy/scope.ts'
import { deriveKey } from '../../src/token.ts'
import { ASSETS } from '../../src/x402/assets.ts'
import { decodePayment } from '../../src/x402/codec.ts'
import { challengeFor, decodeCredential, encodeReceipt, isOfScheme, problemType } from '../../src/x402/mpp.ts'
import type { Offer, Payment } from '../../src/x402/payment.ts'
import {
  answerTo,
  canonical,
  challengesIn,
  credentialOf,
  type MppChallenge,
  type MppChange,
  opaqueIn,
  packed,
  requestIn,
} from '../world/mpp.ts'
import { pack } from '../world/payer.ts'
import { usdcOn } from '../world/usdc.ts'

// The first of anvil's published development keys.
const account = privateKeyToAccount('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
const NOW = 1_800_000_000
const asset = usdcOn('eip155:84532')
const offer: Offer = {
  network: asset.network,
  asset: asset.asset,
  payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  amount: 50_000n,
  transfer: { kind: 'eip3009', ...asset.eip712 },
  maxTimeoutSeconds: 300,
  name: 'Week “pass” 🌊',
  accessSeconds: 86_400,
  scope: '/articles/*',
  flow: 'upfront',
}
const resource: Resource = { site: 'https://news.example', method: 'GET', path: '/a', id: '/a?q=1' }
const NO_BOND = { context: '', keys: [], facilitators: [], tokens: ASSETS }

let key: CryptoKey
let before: CryptoKey
beforeAll(async () => {
  key = await deriveKey('a secret for tests, long enough', 'mpp')
  before = await deriveKey('the secret before that one', 'mpp')
})

const ROOM = { first: 900, all: 0 }
const WANTED = { offers: [offer], tokens: ASSETS, resource, id: 'random', isBeside: false, room: ROOM }
const issue = (change: Partial<typeof WANTED> = {}, now = NOW, by = key) =>
  issueChallenges({ ...WANTED, ...change }, by, now)
const headed = (header: string | null) => ({ header: () => header })
const challengeOf = async (...how: Parameters<typeof issue>): Promise<MppChallenge> => {
  const [first] = challengesIn(headed(await issue(...how)))
  if (!first) throw new Error('no challenge')
  return first
}

const decode = (authorization: string | null, others: { beside?: string; idempotencyKey?: string } = {}) =>
  decodeCredential({
    authorization,
    paymentAuthorization: others.beside ?? null,
    idempotencyKey: others.idempotencyKey ?? null,
  })

const paymentOf = async (challenge: MppChallenge, change: MppChange = {}): Promise<Payment> => {
  const decoded = decode(credentialOf(challenge, await answerTo(challenge, account, change), change))
  if (!decoded.ok || !decoded.value) throw new Error('not decoded')
  return decoded.value
}

const answered = (payment: Payment, at = resource, now = NOW, keys = [key]) =>
  answeredOffer(payment, at, keys, now, ASSETS)
const refusedAs = (code: string) => ({ ok: false, error: expect.objectContaining({ code }) })

describe('a challenge', () => {
  test('is in the canonical form of JSON, whatever its texts are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'grapheme' }),
        fc.bigInt({ min: 1n, max: 10n ** 30n }),
        async (name, amount) => {
          const challenge = await challengeOf({ offers: [{ ...offer, name, amount }] })
          for (const text of [challenge.request, challenge.opaque]) {
            const json: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
            expect(packed(json)).toBe(text)
            expect(canonical(json)).toBe(Buffer.from(text, 'base64url').toString())
          }
        },
      ),
    )
  })

  test('says what is to be paid, by when, and holds what it is for', async () => {
    const challenge = await challengeOf()
    expect(requestIn(challenge)).toEqual({
      amount: '50000',
      currency: asset.asset,
      recipient: offer.payTo,
      methodDetails: { chainId: 84532, credentialTypes: ['authorization'], decimals: 6 },
    })
    expect(challenge).toMatchObject({ realm: 'news.example', method: 'evm', intent: 'charge' })
    expect(Date.parse(challenge.expires)).toBe((NOW + 300) * 1000)
    expect(opaqueIn(challenge)).toMatchObject({ id: 'random', method: 'GET' })
  })

  test('is for each offer by EIP-3009, while there is room: more for the first', async () => {
    const dear = { ...offer, amount: 90_000n }
    const permit: Offer = { ...offer, transfer: { kind: 'permit2' } }
    const count = async (offers: Offer[], all: number) =>
      challengesIn(headed(await issue({ offers, room: { ...ROOM, all } }))).length
    expect(await count([permit, offer, dear], 5000)).toBe(2)
    expect(await count([offer, dear], 900)).toBe(1)
    expect(await count([offer], 0)).toBe(1)
    expect(await issue({ room: { first: 200, all: 5000 } })).toBeNull()
    expect(await issue({ offers: [permit] })).toBeNull()
    expect(await issue({ offers: [] })).toBeNull()
  })

  test('has an id of its own for each random text, resource, offer and second', async () => {
    const ids = await Promise.all([
      challengeOf(),
      challengeOf({ id: 'another' }),
      challengeOf({ resource: { ...resource, id: '/a?q=2' } }),
      challengeOf({ offers: [{ ...offer, name: null }] }),
      challengeOf({}, NOW + 1),
      challengeOf({}, NOW, before),
    ])
    expect(new Set(ids.map(({ id }) => id)).size).toBe(ids.length)
  })

  test('leaves its slots where they are: what stands in one cannot move to the next', async () => {
    const challenge = await challengeOf()
    const moved = { realm: 'news.example|evm', method: 'charge' }
    const payment = await paymentOf(challenge)
    if (!payment.answering) throw new Error('answers nothing')
    expect(await answered({ ...payment, answering: { ...payment.answering, ...moved } })).toEqual(
      refusedAs('invalid_payment_requirements'),
    )
  })
})

describe('a payment that answers a challenge', () => {
  test('is for the offer it made', async () => {
    const payment = await paymentOf(await challengeOf())
    expect(await answered(payment)).toEqual({ ok: true, value: offer })
    expect(await answered(payment, resource, NOW, [before, key])).toEqual({ ok: true, value: offer })
    expect(await answered(payment, resource, NOW + 300)).toEqual({ ok: true, value: offer })
  })

  test('has the same replay key as the same authorization in x402', async () => {
    const challenge = await challengeOf()
    const { authorization, signature } = await answerTo(challenge, account)
    const payload = {
      signature,
      authorization: Object.fromEntries(Object.entries(authorization).map(([name, value]) => [name, String(value)])),
    }
    const again = decodePayment({
      paymentSignature: null,
      xPayment: pack({ x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload }),
    })
    const keys = []
    for (const payment of [await paymentOf(challenge), again.ok ? again.value : null]) {
      if (!payment) throw new Error('not decoded')
      const proof = await verifyPayment(payment, [offer], NO_BOND, NOW)
      if (!proof.ok || proof.value.kind !== 'proven') throw new Error('not proven')
      keys.push(proof.value.verified.key)
    }
    expect(keys[0]).toBe(keys[1])
  })

  const others: [name: string, code: string, payment: () => Promise<Payment>, at?: Resource, now?: number][] = [
    ['past its time', 'payment_expired', async () => paymentOf(await challengeOf()), resource, NOW + 301],
    [
      'at another page',
      'invalid_payment_requirements',
      async () => paymentOf(await challengeOf()),
      { ...resource, id: '/b' },
    ],
    [
      'with another method',
      'invalid_payment_requirements',
      async () => paymentOf(await challengeOf()),
      { ...resource, method: 'POST' },
    ],
    [
      'at another site of this worker',
      'invalid_payment_requirements',
      async () => paymentOf(await challengeOf()),
      { ...resource, site: 'https://sport.example' },
    ],
    ['of another secret', 'invalid_payment_requirements', async () => paymentOf(await challengeOf({}, NOW, before))],
    [
      'signed for another challenge',
      'invalid_payment_requirements',
      async () => paymentOf(await challengeOf(), { signed: { nonce: `0x${'12'.repeat(32)}` } }),
    ],
  ]

  test.each(others)('%s: %s', async (_, code, payment, at = resource, now = NOW) => {
    expect(await answered(await payment(), at, now)).toEqual(refusedAs(code))
  })

  test('with any part of its challenge changed is for nothing', async () => {
    const challenge = await challengeOf()
    const changed: Record<string, unknown>[] = [
      { id: `${challenge.id.slice(0, 42)}${challenge.id.endsWith('A') ? 'E' : 'A'}` },
      { id: 'short' },
      { realm: 'other.example' },
      { request: packed({ ...requestIn(challenge), amount: '1' }) },
      { request: packed({ ...requestIn(challenge), recipient: account.address }) },
      { opaque: packed({ ...opaqueIn(challenge), quote: '[31536000,"/*",null,0]' }) },
      { opaque: packed({ ...opaqueIn(challenge), id: 'another' }) },
      { opaque: undefined },
      { expires: '2099-01-01T00:00:00Z' },
      { expires: undefined },
      { digest: 'sha-256=:x:' },
    ]
    for (const change of changed) {
      expect(await answered(await paymentOf(challenge, { challenge: change }))).toEqual(
        refusedAs('invalid_payment_requirements'),
      )
    }
  })

  test('of a token that is not taken any more is for nothing', async () => {
    const payment = await paymentOf(await challengeOf())
    expect(await answeredOffer(payment, resource, [key], NOW, [])).toEqual(refusedAs('invalid_payment_requirements'))
  })
})

describe('a credential', () => {
  test('is read in either header, the same twice too, and whatever the spelling of the scheme', async () => {
    const challenge = await challengeOf()
    const text = credentialOf(challenge, await answerTo(challenge, account))
    const read = decode(text)
    expect(read).toMatchObject({ ok: true, value: { network: 'eip155:84532', payer: account.address.toLowerCase() } })
    expect(decode(null, { beside: text })).toEqual(read)
    expect(decode(text, { beside: text })).toEqual(read)
    expect(decode('Bearer token', { beside: text })).toEqual(read)
    expect(decode(text.replace('Payment', 'payment'))).toEqual(read)
  })

  test('takes an Idempotency-Key of the right shape as its identifier, and leaves any other alone', async () => {
    const challenge = await challengeOf()
    const text = credentialOf(challenge, await answerTo(challenge, account))
    const named = (idempotencyKey: string) => decode(text, { idempotencyKey })
    expect(named('my-purchase-0000001')).toMatchObject({ value: { identifier: 'my-purchase-0000001' } })
    for (const odd of ['short', 'with a space in the middle', 'x'.repeat(129)])
      expect(named(odd)).toMatchObject({ value: { identifier: null } })
  })

  test('is none where Authorization says something else', () => {
    for (const other of [null, '', 'Bearer payment', 'Basic UGF5bWVudA==', 'Payments abc', 'PaymentX abc']) {
      expect(isOfScheme(other)).toBe(false)
      expect(decode(other)).toEqual({ ok: true, value: null })
    }
  })

  test('is malformed beside another one in the same header', () => {
    for (const both of ['Bearer abc, Payment e30', 'Payment e30, Payment e30', 'Payment', 'Payment  ', 'Payment a b'])
      expect(decode(both)).toEqual(refusedAs('malformed_credential'))
  })

  test('of any bytes is refused, and throws nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        for (const sent of [text, Buffer.from(text).toString('base64url')])
          expect(decode(null, { beside: `Payment ${sent}` }).ok).toBe(false)
      }),
    )
  })
})

test('a receipt is of the payment that answered a challenge, and of no other', async () => {
  const settlement = { transaction: '0xabc', network: 'eip155:84532', asset: asset.asset, payer: '0x1', amount: 1n }
  const payment = await paymentOf(await challengeOf())
  expect(Object.keys(encodeReceipt(settlement, payment, NOW))).toEqual(['Payment-Receipt'])
  expect(encodeReceipt(settlement, { ...payment, answering: null }, NOW)).toEqual({})
})

test('the scheme has words for what it knows, and one for the rest', () => {
  expect(problemType('payment_already_used', 402)).toMatch(/\/invalid-challenge$/)
  expect(problemType('invalid_exact_evm_payload_signature', 402)).toMatch(/\/verification-failed$/)
  expect(problemType('settlement_pending', 503)).toBe('about:blank')
})

test('a challenge is made without its id, which is the mac of the rest', () => {
  expect(challengeFor(offer, 6, 'news.example', NOW, {})).not.toHaveProperty('id')
})
