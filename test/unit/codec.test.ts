import fc from 'fast-check'
import { privateKeyToAccount } from 'viem/accounts'
import { beforeAll, describe, expect, test } from 'vitest'
import { verifyPayment } from '../../src/networks/network.ts'
import { ASSETS } from '../../src/x402/assets.ts'
import { decodePayment, encodeChallenge, encodeFailure } from '../../src/x402/codec.ts'
import type { Offer, Payment } from '../../src/x402/payment.ts'
import { usdcOn } from '../world/usdc.ts'

// The first of anvil's published development keys.
const account = privateKeyToAccount('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80')
const PAY_TO = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const NOW = 1_800_000_000
const NONCE = '0xABCDEFabcdef00112233445566778899aabbccddeeff00112233445566778899'

const asset = usdcOn('eip155:84532')

const offer: Offer = {
  network: asset.network,
  asset: asset.asset,
  payTo: PAY_TO,
  amount: 50_000n,
  transfer: { kind: 'eip3009', ...asset.eip712 },
  maxTimeoutSeconds: 300,
  name: null,
  accessSeconds: 86_400,
  scope: null,
  flow: 'authorization',
}

/** None of these payments carries a memo. */
const NO_BOND = { context: '', keys: [], facilitators: [], tokens: ASSETS }

type Wire = Record<string, unknown>

const authorization = {
  from: account.address,
  to: PAY_TO,
  value: '50000',
  validAfter: '0',
  validBefore: String(NOW + 300),
  nonce: NONCE,
}

let signature: string
beforeAll(async () => {
  signature = await account.signTypedData({
    domain: { name: 'USDC', version: '2', chainId: 84532, verifyingContract: asset.asset },
    types: {
      TransferWithAuthorization: [
        { name: 'from', type: 'address' },
        { name: 'to', type: 'address' },
        { name: 'value', type: 'uint256' },
        { name: 'validAfter', type: 'uint256' },
        { name: 'validBefore', type: 'uint256' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    primaryType: 'TransferWithAuthorization',
    message: {
      ...authorization,
      to: PAY_TO,
      nonce: NONCE,
      value: 50_000n,
      validAfter: 0n,
      validBefore: BigInt(NOW + 300),
    },
  })
})

const v1 = (over: Wire = {}, auth: Wire = {}): Wire => ({
  x402Version: 1,
  scheme: 'exact',
  network: 'base-sepolia',
  payload: { signature, authorization: { ...authorization, ...auth } },
  ...over,
})

const v2 = (over: Wire = {}, auth: Wire = {}): Wire => ({
  x402Version: 2,
  accepted: { scheme: 'exact', network: 'eip155:84532', amount: '50000', asset: offer.asset, payTo: PAY_TO },
  payload: { signature, authorization: { ...authorization, ...auth } },
  ...over,
})

const base64 = (json: unknown) => Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)).toString('base64')
const base64url = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url')
const decode = (paymentSignature: string | null, xPayment: string | null = null) =>
  decodePayment({ paymentSignature, xPayment })

function decoded(header: string, other: string | null = null): Payment {
  const result = decode(header, other)
  if (!result.ok || !result.value) throw new Error('the header decodes')
  return result.value
}

const INVALID = { ok: false, error: { code: 'invalid_payload' } }

describe('no header, however odd, makes the codec throw', () => {
  test('arbitrary text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        if (text !== '') expect(decode(text).ok).toBe(false)
      }),
      { numRuns: 5_000 },
    )
  })

  test('arbitrary bytes and arbitrary JSON, in base64', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((json) => Buffer.from(json)),
        ),
        (bytes) => {
          expect(() => decode(Buffer.from(bytes).toString('base64'))).not.toThrow()
        },
      ),
      { numRuns: 5_000 },
    )
  })

  test('a good payment with one value replaced by another', () => {
    const paths = [
      ['x402Version'],
      ['accepted'],
      ['payload'],
      ['accepted', 'amount'],
      ['accepted', 'scheme'],
      ['payload', 'signature'],
      ['payload', 'authorization'],
      ['payload', 'authorization', 'from'],
      ['payload', 'authorization', 'value'],
      ['payload', 'authorization', 'nonce'],
      ['payload', 'authorization', 'validBefore'],
      ['extensions'],
    ]
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
        const replaced = (at: unknown, [key = '', ...rest]: string[]): unknown =>
          typeof at === 'object' && at !== null && key !== ''
            ? { ...at, [key]: replaced(Reflect.get(at, key), rest) }
            : value
        expect(() => decode(base64(replaced(v2(), path)))).not.toThrow()
      }),
      { numRuns: 5_000 },
    )
  })
})

test('why it cannot be read is told in the log: where and how, with none of its values', () => {
  const wrong = v2({
    accepted: { scheme: 'exact', network: 'eip155:84532', amount: 5, asset: offer.asset, payTo: PAY_TO },
  })
  expect(decode(base64(wrong))).toEqual({
    ok: false,
    error: { code: 'invalid_payload', why: 'accepted.amount: invalid_type' },
  })
  expect(decode('not a payment')).toMatchObject({ error: { why: 'not base64 JSON' } })
})

describe('what cannot be read two ways', () => {
  test('an oversized header is refused unread', () => {
    expect(decode('A'.repeat(8193))).toMatchObject(INVALID)
    expect(decode(base64(v2({ filler: 'x'.repeat(7000) })))).toMatchObject(INVALID)
  })

  test('deep nesting is refused', () => {
    const nested = `${'['.repeat(500)}${']'.repeat(500)}`
    expect(decode(base64(`{"x402Version":2,"deep":${nested}}`))).toMatchObject(INVALID)
  })

  test.each([
    ['mixed alphabets', () => base64(v2()).replace('e', '-').replace('y', '+')],
    ['a comma, as of two headers joined', () => `${base64(v2())}, ${base64(v2())}`],
    ['padding in the middle', () => `ey=${base64(v2())}`],
    ['wrong padding', () => `${base64('{"x402Version":2}').replace(/=+$/, '')}===`],
    ['loose trailing bits', () => 'e31='],
    ['invalid UTF-8', () => Buffer.from([0x7b, 0xff, 0xfe, 0x7d]).toString('base64')],
    ['a byte order mark', () => base64(`\ufeff${JSON.stringify(v2())}`)],
    ['null', () => base64('null')],
    ['an empty object', () => base64('{}')],
    ['a version in quotes', () => base64(v2({ x402Version: '2' }))],
    ['an empty header', () => ''],
    [
      'a second authorization beside the first',
      () => base64(v2({ payload: { signature, authorization, permit2Authorization: {} } })),
    ],
    [
      'a payment-identifier that is none',
      () => base64(v2({ extensions: { 'payment-identifier': { info: { id: 'short' } } } })),
    ],
  ])('%s', (_, header) => {
    expect(decode(header())).toMatchObject(INVALID)
  })

  test.each([
    ['value', '050000'],
    ['value', ' 50000'],
    ['value', '0xc350'],
    ['value', '5e4'],
    ['value', '+50000'],
    ['value', '-1'],
    ['value', '50000.0'],
    ['value', ''],
    ['value', 50_000],
    ['value', (2n ** 256n).toString()],
    ['validBefore', '1e9'],
    ['validAfter', null],
    ['nonce', '0x1234'],
    ['nonce', NONCE.slice(2)],
    ['nonce', `0X${NONCE.slice(2)}`],
    ['from', '0x1234'],
    ['from', account.address.slice(2)],
    ['to', `${PAY_TO}00`],
    ['to', 'vitalik.eth'],
  ])('authorization.%s = %j', (name, value) => {
    expect(decode(base64(v2({}, { [name]: value })))).toMatchObject(INVALID)
    expect(decode(base64(v1({}, { [name]: value })))).toMatchObject(INVALID)
  })

  test('an unknown version has its own code', () => {
    expect(decode(base64(v2({ x402Version: 3 })))).toEqual({ ok: false, error: { code: 'invalid_x402_version' } })
  })

  test('two headers must hold one payment', () => {
    expect(decode(base64(v2()), base64(v1())).ok).toBe(true)
    expect(decode(base64(v2()), base64(v1({}, { value: '50001' })))).toMatchObject(INVALID)
    expect(decode(base64(v2()), 'garbage')).toMatchObject(INVALID)
  })

  test('two headers have one identifier: that of either, and not two', () => {
    const extensions = (id: string) => ({ extensions: { 'payment-identifier': { info: { id } } } })
    const [one, other] = [extensions('an-identifier-of-it'), extensions('AN-IDENTIFIER-OF-IT')]
    const identifierOf = (first: unknown, second: unknown) => {
      const read = decode(base64(first), base64(second))
      return read.ok ? read.value?.identifier : read.error.code
    }
    expect(identifierOf(v2(), v1())).toBeNull()
    expect(identifierOf(v2(one), v1())).toBe('an-identifier-of-it')
    expect(identifierOf(v2(), v1(one))).toBe('an-identifier-of-it')
    expect(identifierOf(v2(one), v1(one))).toBe('an-identifier-of-it')
    expect(identifierOf(v2(one), v1(other))).toBe('invalid_payload')
    expect(identifierOf(v2(one), v1(extensions('short')))).toBe('invalid_payload')
  })

  test('the version decides, not the header', () => {
    expect(decoded(base64(v1())).x402Version).toBe(1)
    expect(decodePayment({ paymentSignature: null, xPayment: base64(v2()) })).toMatchObject({
      value: { x402Version: 2 },
    })
  })
})

test('every wrapping of one authorization gives one replay key', async () => {
  const flip = (hex: string) => `0x${hex.slice(2).toUpperCase()}`
  const shuffled = (value: unknown): unknown =>
    typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, inner]) => [key, shuffled(inner)]),
        )
      : value
  const wrappings = [
    base64(v1()),
    base64(v2()),
    base64url(v1()),
    base64url(v2()),
    base64(v2()).replace(/=+$/, ''),
    base64(shuffled(v1())),
    base64(shuffled(v2())),
    base64(JSON.stringify(v2(), null, 2)),
    base64(JSON.stringify(v2()).replace('exact', '\\u0065xact')),
    base64(v2({}, { nonce: NONCE.toLowerCase() })),
    base64(v2({}, { nonce: flip(NONCE), from: flip(account.address), to: flip(PAY_TO) })),
    base64(v2({ payload: { signature: flip(signature), authorization } })),
    base64(v1({}, { from: account.address.toLowerCase() })),
    base64(v2({ resource: { url: 'https://elsewhere.example/' }, unknown: true })),
  ]
  const keys = new Set<string>()
  for (const header of wrappings) {
    const verification = await verifyPayment(decoded(header), [offer], NO_BOND, NOW)
    if (!verification.ok || verification.value.kind !== 'proven') throw new Error('the payment is proven')
    expect(verification.value.objection).toBeNull()
    keys.add(verification.value.verified.key)
  }
  expect([...keys]).toEqual([
    `3009|84532|${offer.asset.toLowerCase()}|${account.address.toLowerCase()}|${NONCE.toLowerCase()}`,
  ])
})

describe('what goes out is ASCII, and fits', () => {
  const quote = {
    id: 'an-identifier',
    expiresAtSeconds: NOW + 600,
    proof: 'p'.repeat(220),
    signedOffers: [],
    memos: [],
  }
  const site = 'https://news.example'
  const signIn = { site, nonce: '0'.repeat(32), issuedAtSeconds: NOW, networks: [asset.network] }

  test('a description in any script', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 2_000 }), (description) => {
        const resource = { url: 'https://news.example/articles/hello', description, mimeType: 'text/html' }
        const { header } = encodeChallenge('payment_required', resource, [offer], quote, signIn)
        expect(header.length).toBeLessThanOrEqual(2048)
        const json = Buffer.from(header, 'base64').toString('latin1')
        expect(json).toMatch(/^[\x20-\x7e]*$/)
        expect(JSON.parse(json)).toMatchObject({ x402Version: 2, accepts: [{ amount: '50000' }] })
      }),
    )
  })

  test('a v1 payer hears v1 names, everybody hears v2', () => {
    const headers = encodeFailure({ code: 'insufficient_funds' }, decoded(base64(v1())))
    const read = (name: string) => JSON.parse(Buffer.from(headers[name] ?? '', 'base64').toString())
    expect(read('PAYMENT-RESPONSE')).toMatchObject({ success: false, network: 'eip155:84532', transaction: '' })
    expect(read('X-PAYMENT-RESPONSE')).toMatchObject({ success: false, network: 'base-sepolia' })
    expect(Object.keys(encodeFailure({ code: 'insufficient_funds' }, decoded(base64(v2()))))).toEqual([
      'PAYMENT-RESPONSE',
    ])
  })
})

describe('a payment is checked against the terms it answers', () => {
  const check = (header: string, now = NOW) => verifyPayment(decoded(header), [offer], NO_BOND, now)
  const objection = (code: string) => ({ ok: true, value: { kind: 'proven', objection: { code } } })

  test.each([
    ['another scheme', () => v1({ scheme: 'upto' })],
    ['a network nobody knows', () => v1({ network: 'nowhere' })],
  ])('%s is other terms', async (_, wire) => {
    expect(await check(base64(wire()))).toMatchObject({ ok: false, error: { code: 'invalid_payment_requirements' } })
  })

  test('other terms than those on offer are an objection: what was paid once is recognised all the same', async () => {
    expect(await check(base64(v1({ network: 'base' })))).toMatchObject({
      ok: true,
      value: { objection: { code: 'invalid_payment_requirements' } },
    })
    expect(await check(base64(v2({}, { to: account.address })))).toMatchObject({
      ok: true,
      value: { objection: { code: 'invalid_exact_evm_payload_recipient_mismatch' } },
    })
  })

  test('a window that is over, or has not begun', async () => {
    expect(await check(base64(v2()), NOW + 293)).toMatchObject(
      objection('invalid_exact_evm_payload_authorization_valid_before'),
    )
    expect(await check(base64(v2()), NOW + 292)).toMatchObject({ ok: true, value: { objection: null } })
  })

  test('what the payer did not sign is not proven', async () => {
    const forged = base64(v2({}, { nonce: NONCE.replace('A', 'B') }))
    expect(await check(forged)).toMatchObject({ ok: true, value: { kind: 'unproven' } })
  })

  test('a signature with a high s, or another recovery byte, is not proven', async () => {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0')
    const flipped = signature.endsWith('1b') ? '1c' : '1b'
    for (const malleable of [`${signature.slice(0, 66)}${s}${flipped}`, `${signature.slice(0, 130)}00`]) {
      const wire = v2({ payload: { signature: malleable, authorization } })
      expect(await check(base64(wire))).toMatchObject({ ok: true, value: { kind: 'unproven' } })
    }
  })
})
