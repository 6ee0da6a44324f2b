// Payments on Solana that cannot be read (400), or can be and are not good: 402 with a fresh challenge, the reason, and no
// charge. The twin of `shapes.test.ts`, and of what `refusals.test.ts` says of EVM alone.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_EURC, SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
import { memoOf } from '../../src/networks/memo.ts'
import { contextOf } from '../../src/quote.ts'
import { deriveKey } from '../../src/token.ts'
import type { Answer } from '../world/answer.ts'
import { HEADERS, otherVersion, pay, VERSIONS, type Version } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE, SITE } from '../world/shop.ts'
import { BASE_VARS } from '../world/site.ts'
import {
  memoOf as memoInstruction,
  paySolana,
  type SolanaChange,
  signSolana,
  solanaChallenge,
  wrapSolana,
} from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const { alice, publisher, feePayers } = solanaWallets
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, CONTENT)
  for (const owner of [alice.address, publisher.address]) {
    for (const mint of [SOLANA_USDC, SOLANA_EURC]) await shop.solana.fund(owner, 1_000_000n, mint)
  }
})
afterAll(() => shop.close())

const fundsOf = ({ address }: SolanaWallet) => shop.solana.balance(address)

function expectRefusal(answer: Answer, reason: string, version: Version): void {
  expect(answer.status).toBe(402)
  expect(answer.error).toBe(reason)
  expect(answer.text).not.toContain(CONTENT)
  expect(answer.header('Cache-Control')).toBe('no-store')
  expect(answer.header('Set-Cookie')).toBeNull()
  const { v1, v2 } = solanaChallenge(answer)
  expect(v2.accepts[0]?.amount).toBe('50000')
  expect(v1.accepts[0]?.maxAmountRequired).toBe('50000')
  expect(answer.challengeV2.error).toBe(reason)
  expect(answer.receipt).toMatchObject({ success: false, errorReason: reason, transaction: '' })
  expect(answer.receiptV1?.success).toBe(version === 'v1' ? false : undefined)
}

describe.each(VERSIONS)('in %s', (version) => {
  /** The header of a payment that would be taken, but for its transaction. */
  async function spoiled(spoil: (transaction: Uint8Array) => unknown): Promise<Record<string, string>> {
    const challenge = await shop.challengeOnSolana(PAGE)
    const transaction = await signSolana(shop.solana, challenge, await shop.readerOnSolana(0n))
    return wrapSolana(version, challenge, transaction, { payment: { payload: spoil(transaction) } })
  }
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

  test.each<[string, (transaction: Uint8Array) => unknown]>([
    ['no transaction', () => ({})],
    ['a transaction that is a number', () => ({ transaction: 4 })],
    ['an empty one', () => ({ transaction: '' })],
    ['one that is no base64', () => ({ transaction: '!!!' })],
    ['bytes that are none', () => ({ transaction: base64(new Uint8Array(200).fill(7)) })],
    ['a byte behind it', (honest) => ({ transaction: base64(Uint8Array.of(...honest, 0)) })],
    ['a byte too few', (honest) => ({ transaction: base64(honest.subarray(0, -1)) })],
    ['more than 1,232 bytes', (honest) => ({ transaction: base64(Uint8Array.of(...honest, ...new Uint8Array(1000))) })],
    ['one in a list', (honest) => ({ transaction: [base64(honest)] })],
    ['an authorization beside it', (honest) => ({ transaction: base64(honest), signature: '0x00', authorization: {} })],
  ])('%s cannot be read', async (_, spoil) => {
    const headers = await spoiled(spoil)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(answer.status).toBe(400)
    expect(answer.error).toBe('invalid_payload')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.header('Cache-Control')).toBe('no-store')
    expect(cost).toEqual(NOTHING)
  })

  test.each<[string, SolanaChange]>([
    ['that pays its own fee', { feePayer: 'own' }],
    ['nobody has signed', { signers: [] }],
    [
      'with two transfers',
      {
        instructions: ([limit, price, transfer, memo]) =>
          [limit, price, transfer, transfer, memo].flatMap((one) => one ?? []),
      },
    ],
    ['with two memos of its own', { instructions: (honest) => [...honest, memoInstruction('a second one')] }],
    ['whose memo is longer than 100 bytes', { memo: 'x'.repeat(101) }],
  ])('a transaction %s cannot be read', async (_, change) => {
    const reader = await shop.readerOnSolana()
    const own = change.feePayer === 'own' ? { ...change, feePayer: reader.address } : change
    const { result: answer, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader, own))
    expect(answer.status).toBe(400)
    expect(answer.error).toBe('invalid_payload')
    expect(cost).toEqual(NOTHING)
    expect(await fundsOf(reader)).toBe(1_000_000n)
  })

  test('two headers that disagree are no payment: two transactions, or one of each network', async () => {
    const reader = await shop.readerOnSolana()
    const unpaid = await shop.ask(PAGE)
    const one = await paySolana(version, shop.solana, solanaChallenge(unpaid), reader)
    const change = { unitPrice: 2n }
    const two = await paySolana(otherVersion(version), shop.solana, solanaChallenge(unpaid), reader, change)
    const three = await pay(otherVersion(version), unpaid.challenge, await shop.reader())
    const { cost } = await shop.costOf(async () => {
      for (const other of [two, three]) {
        const answer = await shop.ask(PAGE, { headers: { ...one, ...other } })
        expect([answer.status, answer.error]).toEqual([400, 'invalid_payload'])
      }
    })
    expect(cost).toEqual(NOTHING)
    expect((await shop.ask(PAGE, { headers: one })).text).toBe(CONTENT)
  })

  test.each<[string, string, SolanaChange]>([
    ['too little', 'amount_mismatch', { amount: PRICE - 1n }],
    ['too much', 'amount_mismatch', { amount: PRICE + 1n }],
    ['another token', 'mint_mismatch', { mint: SOLANA_EURC }],
    ['the memo of nobody', 'memo_mismatch', { memo: 'a memo of the client' }],
    ['no memo', 'memo_mismatch', { memo: null }],
  ])('%s', async (_, reason, change) => {
    const reader = await shop.readerOnSolana()
    const { result, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader, change))
    expectRefusal(result, `invalid_exact_svm_payload_${reason}`, version)
    expect(result.receipt).toMatchObject({ network: SOLANA_NETWORK, payer: reader.address })
    expect(cost).toEqual(NOTHING)
    expect(await fundsOf(reader)).toBe(1_000_000n)
  })

  test('another fee payer of the facilitator than the one that was offered', async () => {
    const challenge = await shop.challengeOnSolana(PAGE)
    const [offered, ...others] = feePayers
      .map(({ address }) => address)
      .toSorted((a) => (a === challenge.v2.accepts[0]?.extra.feePayer ? -1 : 1))
    expect(challenge.v2.accepts[0]?.extra.feePayer).toBe(offered)
    const change = { feePayer: others[0] ?? '' }
    const headers = await paySolana(version, shop.solana, challenge, await shop.readerOnSolana(), change)
    const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expectRefusal(result, 'invalid_exact_svm_payload_memo_mismatch', version)
    expect(cost).toEqual(NOTHING)
  })

  test.each([
    ['somebody else', async () => shop.solana.tokenAccount(alice.address)],
    ['the publisher itself, not its token account', async () => publisher.address],
    [
      'an account of the publisher for another token',
      async () => shop.solana.tokenAccount(publisher.address, SOLANA_EURC),
    ],
  ])('paid to %s', async (_, destination) => {
    const reader = await shop.readerOnSolana()
    const change = { destination: await destination() }
    const { result, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader, change))
    expectRefusal(result, 'invalid_exact_svm_payload_recipient_mismatch', version)
    expect(cost).toEqual(NOTHING)
  })

  test('a memo of another page buys nothing here and is not used up by that', async () => {
    const reader = await shop.readerOnSolana()
    const headers = await paySolana(version, shop.solana, await shop.challengeOnSolana(OTHER), reader)
    const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expectRefusal(result, 'invalid_exact_svm_payload_memo_mismatch', version)
    expect(cost).toEqual(NOTHING)
    const { result: there, cost: later } = await shop.costOf(() => shop.ask(OTHER, { headers }))
    expect(there.text).toBe(CONTENT)
    expect(later).toEqual(ONE_SALE)
  })

  test.each<[string, SolanaChange]>([
    ['of somebody else', { signers: [{ ...alice, address: 'the reader' }] }],
    ['of another message', { sent: (honest) => honest.map((byte, i) => (i === honest.length - 2 ? byte ^ 1 : byte)) }],
    ['with a bit turned', { sent: (honest) => honest.map((byte, i) => (i === 70 ? byte ^ 1 : byte)) }],
  ])('a signature %s', async (_, change) => {
    const reader = await shop.readerOnSolana()
    const signers = change.signers?.map((signer) => ({ ...signer, address: reader.address }))
    const forged = { ...change, ...(signers && { signers }) }
    const { result, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader, forged))
    expectRefusal(result, 'invalid_exact_svm_payload_signature_invalid', version)
    expect(cost).toEqual(NOTHING)
  })

  test.each([-1, 3])('a quote that ends in %i seconds is too old to be sent', async (seconds) => {
    const reader = await shop.readerOnSolana()
    const [offer] = (await shop.challengeOnSolana(PAGE)).v2.accepts
    const sold = {
      network: SOLANA_NETWORK,
      asset: SOLANA_USDC,
      payTo: publisher.address,
      amount: PRICE,
      transfer: { kind: 'svm', feePayer: offer?.extra.feePayer ?? '', facilitator: shop.stack.facilitator.url },
      maxTimeoutSeconds: 60,
      name: null,
      accessSeconds: 86_400,
      scope: null,
      flow: 'authorization',
    } as const
    const context = contextOf({ site: SITE, method: 'GET', path: PAGE, id: PAGE })
    const key = await deriveKey(BASE_VARS.PASS_SECRET, 'memo')
    const memo = await memoOf(sold, context, key, 'a-quote', Math.floor(Date.now() / 1000) + seconds)
    const { result, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader, { memo }))
    expectRefusal(result, 'payment_expired', version)
    expect(cost).toEqual(NOTHING)
    // With time left it is one of this site: nothing but its end was wrong.
    const longer = await memoOf(sold, context, key, 'a-quote', Math.floor(Date.now() / 1000) + 60)
    expect((await shop.buyOnSolana(version, PAGE, reader, { memo: longer })).text).toBe(CONTENT)
  })

  test('from a frozen account', async () => {
    const reader = await shop.readerOnSolana()
    await shop.solana.freeze(reader.address, true)
    const { result } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader))
    expectRefusal(result, 'invalid_exact_svm_transaction_simulation_failed', version)
    expect(await fundsOf(reader)).toBe(1_000_000n)
  })

  test.each<[string, Record<string, unknown>]>([
    ['on another cluster', { network: version === 'v1' ? 'solana' : 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' }],
    ['on no network', { network: 'nowhere' }],
    ['of another scheme', { scheme: 'upto' }],
    ...(version === 'v1'
      ? []
      : ([
          ['on a network in the words of v1', { network: 'solana-devnet' }],
          ['of another amount', { amount: '49999' }],
          ['of another mint', { asset: SOLANA_EURC }],
          ['of another payee', { payTo: alice.address }],
          ['of a payee in other letters', { payTo: publisher.address.toLowerCase() }],
        ] satisfies [string, Record<string, unknown>][])),
  ])('for terms %s', async (_, accepted) => {
    const reader = await shop.readerOnSolana()
    const { result, cost } = await shop.costOf(() => shop.buyOnSolana(version, PAGE, reader, { accepted }))
    expectRefusal(result, 'invalid_payment_requirements', version)
    expect(cost).toEqual(NOTHING)
  })

  test('a header of more than 8 KiB is not read', async () => {
    const encode = (json: string) => Buffer.from(`${json}${' '.repeat(6145)}`).toString('base64')
    const headers = await paySolana(version, shop.solana, await shop.challengeOnSolana(PAGE), alice, { encode })
    expect(headers[HEADERS[version]]?.length).toBeGreaterThan(8_192)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([answer.status, answer.error]).toEqual([400, 'invalid_payload'])
    expect(cost).toEqual(NOTHING)
  })
})
