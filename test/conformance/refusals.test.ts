// Payments that can be read and are not good: 402 with a fresh challenge, the specification's reason, and no charge.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Answer } from '../world/answer.ts'
import { type Change, pay, VERSIONS, type Version } from '../world/payer.ts'
import { type Cost, NETWORK, NOTHING, ONE_SALE, PRICE, SITE } from '../world/shop.ts'
import { CELLS, KIND, type Kind } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put('/articles/hello', 'the whole article')
})

afterAll(() => shop.close())

const now = () => BigInt(Math.floor(Date.now() / 1000))

/** Asked once about a signature that is not the payer's own key: it might be a contract wallet's. */
const ONE_QUESTION: Cost = { ...NOTHING, verifies: 1 }

function expectRefusal(answer: Answer, reason: string, version: Version, kind: Kind = KIND.eip155) {
  expect(answer.status).toBe(402)
  expect(answer.text).not.toContain('the whole article')
  expect(answer.error).toBe(reason)
  expect(answer.header('Cache-Control')).toBe('no-store')
  expect(answer.header('Set-Cookie')).toBeNull()
  expect(answer.challengeV2.error).toBe(reason)
  const { v1, v2 } = kind.challengeOf(answer)
  expect(v2.accepts[0]?.amount).toBe('50000')
  expect(v1.accepts[0]?.maxAmountRequired).toBe('50000')
  expect(v2.resource.url).toBe(`${SITE}/articles/hello`)
  expect(answer.receipt).toMatchObject({ success: false, errorReason: reason, transaction: '' })
  expect(answer.receiptV1?.success).toBe(version === 'v1' ? false : undefined)
}

describe.each(VERSIONS)('in %s', (version) => {
  test.each<[string, string, () => Change, Cost]>([
    ['too little', 'value_mismatch', () => ({ signed: { value: PRICE - 1n } }), NOTHING],
    ['too much', 'value_mismatch', () => ({ signed: { value: PRICE + 1n } }), NOTHING],
    ['nothing', 'value_mismatch', () => ({ signed: { value: 0n } }), NOTHING],
    ['twice as much, as sent', 'value_mismatch', () => ({ sent: { value: '100000' } }), NOTHING],
    ['expired', 'valid_before', () => ({ signed: { validBefore: now() - 1n } }), NOTHING],
    ['about to expire', 'valid_before', () => ({ signed: { validBefore: now() + 2n } }), NOTHING],
    [
      'valid for more than a month',
      'valid_before',
      () => ({ signed: { validBefore: now() + 31n * 86_400n } }),
      NOTHING,
    ],
    ['never valid', 'valid_before', () => ({ signed: { validBefore: 0n } }), NOTHING],
    ['not valid yet', 'valid_after', () => ({ signed: { validAfter: now() + 60n } }), NOTHING],
  ])('an authorization of %s', async (_, reason, change, expected) => {
    const reader = await shop.reader()
    const { result, cost } = await shop.costOf(() => shop.buy(version, '/articles/hello', reader, change()))
    expectRefusal(result, `invalid_exact_evm_payload_authorization_${reason}`, version)
    expect(result.receipt).toMatchObject({ network: NETWORK, payer: reader.address.toLowerCase() })
    expect(cost).toEqual(expected)
    expect(await shop.stack.chain.balance(reader.address)).toBe(1_000_000n)
  })

  test.each([wallets.alice.address, wallets.facilitator.address])('made out to %s', async (to) => {
    const reader = await shop.reader()
    const { result, cost } = await shop.costOf(() => shop.buy(version, '/articles/hello', reader, { signed: { to } }))
    expectRefusal(result, 'invalid_exact_evm_payload_recipient_mismatch', version)
    expect(cost).toEqual(NOTHING)
  })

  test.each<[string, Change]>([
    ['of another nonce', { sent: { nonce: `0x${'11'.repeat(32)}` } }],
    ['of another end', { sent: { validBefore: (now() + 100n).toString() } }],
    ['of another start', { sent: { validAfter: '1' } }],
    ['of another payer', { sent: { from: wallets.bob.address } }],
    ['of zeros', { signature: () => `0x${'00'.repeat(65)}` }],
    ['of one byte', { signature: () => '0x00' }],
    ['with another v', { signature: (honest) => `${honest.slice(0, -2)}${honest.endsWith('1b') ? '1c' : '1b'}` }],
    ['with v beyond the two', { signature: (honest) => `${honest.slice(0, -2)}1d` }],
    [
      'with one bit turned',
      { signature: (honest) => honest.replace(/.(?=..$)/, (digit) => (Number.parseInt(digit, 16) ^ 1).toString(16)) },
    ],
    ['with a byte behind it', { signature: (honest) => `${honest}00` }],
  ])('a signature %s', async (_, change) => {
    const payment = await pay(version, await shop.challenge('/articles/hello'), await shop.reader(), change)
    const { result, cost } = await shop.costOf(() => shop.ask('/articles/hello', { headers: payment }))
    expectRefusal(result, 'invalid_exact_evm_payload_signature', version)
    expect(cost).toEqual(ONE_QUESTION)
  })

  test('a bad signature sent again asks nobody', async () => {
    const challenge = await shop.challenge('/articles/hello')
    const payment = await pay(version, challenge, await shop.reader(), { sent: { from: wallets.carol.address } })
    const { cost } = await shop.costOf(async () => {
      for (let time = 0; time < 3; time++) {
        expectRefusal(
          await shop.ask('/articles/hello', { headers: payment }),
          'invalid_exact_evm_payload_signature',
          version,
        )
      }
    })
    expect(cost).toEqual(ONE_QUESTION)
  })

  test.each<[string, Record<string, unknown>]>([
    ['on another network', { network: version === 'v1' ? 'base' : 'eip155:8453' }],
    ['on no network', { network: 'nowhere' }],
    ['of another scheme', { scheme: 'upto' }],
    ...(version === 'v1'
      ? []
      : ([
          ['on a network in the words of v1', { network: 'base-sepolia' }],
          ['of another amount', { amount: '49999' }],
          ['of another asset', { asset: wallets.alice.address }],
          ['of another payee', { payTo: wallets.alice.address }],
        ] satisfies [string, Record<string, unknown>][])),
  ])('for terms %s', async (_, accepted) => {
    const reader = await shop.reader()
    const { result, cost } = await shop.costOf(() => shop.buy(version, '/articles/hello', reader, { accepted }))
    expectRefusal(result, 'invalid_payment_requirements', version)
    expect(cost).toEqual(NOTHING)
  })

  test('addresses may be spelt in either case', async () => {
    const { asset, payTo } = (await shop.challenge('/articles/hello')).v2.accepts[0] ?? { asset: '', payTo: '' }
    const accepted = { asset: asset.toLowerCase(), payTo: payTo.toLowerCase() }
    const answer = await shop.buy(version, '/articles/hello', await shop.reader(), { accepted })
    expect(answer.status).toBe(200)
  })
})

// The rest is said of Solana in `solana-refusals.test.ts`, in its own words.
describe.each(CELLS)('in $version on $name', ({ version, kind }) => {
  test.each([0n, PRICE - 1n])('from a wallet that holds %d', async (funds) => {
    const reader = await kind.reader(shop, funds)
    const start = performance.now()
    const { result, cost } = await shop.costOf(() => reader.buy(version, '/articles/hello'))
    expectRefusal(result, kind.insufficient, version, kind)
    // At once: nothing is waited for.
    expect(performance.now() - start).toBeLessThan(10_000)
    expect(cost).toEqual({ ...NOTHING, settles: 1 })
    expect(await shop.ledger(reader.address)).toEqual([])
  })

  test('from an empty wallet, then topped up: the same payment buys', async () => {
    const reader = await kind.reader(shop, 1n)
    const headers = await reader.pay(version, '/articles/hello')
    expectRefusal(await shop.ask('/articles/hello', { headers }), kind.insufficient, version, kind)
    await kind.topUp(shop, reader, PRICE)
    const { result, cost } = await shop.costOf(() => shop.ask('/articles/hello', { headers }))
    expect(result.status).toBe(200)
    expect(cost).toEqual(ONE_SALE)
  })

  test('a browser is shown the reason on a page, with the challenge in the header', async () => {
    const signed = await (await kind.reader(shop)).sign(version, await shop.ask('/articles/hello'), { less: 1n })
    const headers = { ...signed(version), Accept: 'text/html' }
    const answer = await shop.ask('/articles/hello', { headers })
    expect(answer.status).toBe(402)
    expect(answer.header('Content-Type')).toBe('text/html; charset=utf-8')
    expect(answer.challengeV2.error).toBe(kind.amountMismatch)
    expect(answer.receipt?.success).toBe(false)
  })

  test('a payment is not charged where nothing is', async () => {
    const headers = await (await kind.reader(shop)).pay(version, '/articles/hello')
    const { result: answer, cost } = await shop.costOf(() => shop.ask('/articles/nothing', { headers }))
    expect(answer.status).toBe(404)
    expect(answer.receipt).toBeNull()
    expect(cost).toEqual(NOTHING)
  })

  test('a payment is not redeemed by HEAD, nor by OPTIONS, and is good for GET afterwards', async () => {
    const headers = await (await kind.reader(shop)).pay(version, '/articles/hello')
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(['HEAD', 'OPTIONS'].map((method) => shop.ask('/articles/hello', { method, headers }))),
    )
    expect(answers.map(({ status, bytes, receipt }) => [status, bytes.length, receipt])).toEqual([
      [402, 0, null],
      [204, 0, null],
    ])
    expect(cost).toEqual(NOTHING)
    expect((await shop.ask('/articles/hello', { headers })).status).toBe(200)
  })
})
