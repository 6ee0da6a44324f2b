// The wire, literally: payments, challenges and receipts as they are written down in test/fixtures, for fixed keys.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wallets } from '../../dev/stack/wallets.ts'
import challenge from '../fixtures/challenge.json' with { type: 'json' }
import payments from '../fixtures/payments.json' with { type: 'json' }
import receipts from '../fixtures/receipts.json' with { type: 'json' }
import { type Answer, decodeHeader } from '../world/answer.ts'
import { HEADERS, pay, VERSIONS } from '../world/payer.ts'
import { NOTHING, openShop, type Shop } from '../world/shop.ts'

const PAGE = '/articles/hello'
let shop: Shop

beforeAll(async () => {
  shop = await openShop({
    ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', description: 'An article', mimeType: 'text/html' }],
  })
  await shop.site.kv.put(PAGE, '<p>the whole article</p>')
  await shop.stack.chain.fund(wallets.alice.address, 1_000_000n)
})

afterAll(() => shop.close())

const headerOf = (answer: Answer, name: string) => decodeHeader(answer.header(name) ?? '')

describe('the challenge', () => {
  test('in PAYMENT-REQUIRED', async () => {
    const { extensions, ...terms } = challenge.v2
    const required = headerOf(await shop.ask(PAGE), 'PAYMENT-REQUIRED')
    expect(required).toEqual({ ...terms, extensions: expect.objectContaining(extensions) })
  })

  test('in the body', async () => {
    const body = (await shop.ask(PAGE)).json
    const ours = { expiresAt: expect.any(Number), paymentId: expect.stringMatching(/^[\x21-\x7e]{16,}$/) }
    expect(body).toEqual({ ...challenge.v1, ...ours })
  })
})

describe.each(VERSIONS)('a payment in %s', (version) => {
  const { header, decoded } = payments[version]
  const { from, to, value, validAfter, validBefore, nonce } = decoded.payload.authorization

  test('is what these tests’ own client writes', async () => {
    expect(decodeHeader(header)).toEqual(decoded)
    expect({ from, to, value }).toEqual({ from: wallets.alice.address, to: wallets.publisher.address, value: '50000' })
    const signed = {
      validAfter: BigInt(validAfter),
      validBefore: BigInt(validBefore),
      nonce: `0x${nonce.slice(2)}` as const,
    }
    const written = await pay(version, await shop.challenge(PAGE), wallets.alice.account, { signed, echo: false })
    expect(decodeHeader(written[HEADERS[version]] ?? '')).toEqual(decoded)
  })

  test('that has expired is read to its end, and refused with a literal receipt', async () => {
    const { result: answer, cost } = await shop.costOf(() =>
      shop.ask(PAGE, { headers: { [HEADERS[version]]: header } }),
    )
    expect(answer.status).toBe(402)
    expect(answer.error).toBe('invalid_exact_evm_payload_authorization_valid_before')
    expect(headerOf(answer, 'PAYMENT-RESPONSE')).toEqual(receipts.expired.v2)
    if (version === 'v1') expect(headerOf(answer, 'X-PAYMENT-RESPONSE')).toEqual(receipts.expired.v1)
    else expect(answer.header('X-PAYMENT-RESPONSE')).toBeNull()
    expect(headerOf(answer, 'PAYMENT-REQUIRED')).toMatchObject({
      ...challenge.v2,
      error: 'invalid_exact_evm_payload_authorization_valid_before',
    })
    expect(cost).toEqual(NOTHING)
  })

  test('that is good is answered with a literal receipt', async () => {
    const answer = await shop.buy(version, PAGE, wallets.alice.account)
    expect(answer.status).toBe(200)
    const transaction = expect.stringMatching(/^0x[0-9a-f]{64}$/)
    expect(headerOf(answer, 'PAYMENT-RESPONSE')).toEqual({ ...receipts.paid.v2, transaction })
    if (version === 'v1') {
      expect(headerOf(answer, 'X-PAYMENT-RESPONSE')).toEqual({ ...receipts.paid.v1, transaction })
    } else expect(answer.header('X-PAYMENT-RESPONSE')).toBeNull()
  })
})
