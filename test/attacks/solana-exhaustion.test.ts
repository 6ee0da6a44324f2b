// What a stranger without money can make the facilitator, the node and the stores do on Solana, where keys cost nothing.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { assemble, compile } from '../../dev/stack/solana/message.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { LIGHTHOUSE, SOLANA_USDC } from '../../dev/stack/solana.ts'
import type { Answer } from '../world/answer.ts'
import { refuses } from '../world/behaviour.ts'
import { pack } from '../world/payer.ts'
import { NOTHING, ONE_SALE } from '../world/shop.ts'
import { askedOf } from '../world/solana-on-chain.ts'
import { memoOf, type SolanaChange, signSolana, transferChecked, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const ARTICLE = '/articles/hello'
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put(ARTICLE, 'the whole article')
  // The site knows its node by now.
  await shop.buyOnSolana('v2', ARTICLE, await shop.readerOnSolana())
})
afterEach(() => shop.stack.facilitator.setHook(undefined))
afterAll(() => shop.close())

const callsToNode = () => Object.values(askedOf(shop.solana)).reduce((sum, count) => sum + count, 0)

/** Asks with a good signature of a key that has nothing. */
const askEmpty = async (change?: SolanaChange) => shop.buyOnSolana('v2', ARTICLE, await shop.readerOnSolana(0n), change)

describe('garbage in place of a transaction', () => {
  test.each<[string, () => unknown]>([
    ['nothing', () => ''],
    ['no base64', () => '!'.repeat(1_000)],
    ['a packet of zeros', () => Buffer.alloc(1_232).toString('base64')],
    ['a packet of ones', () => Buffer.alloc(1_232, 255).toString('base64')],
    ['one byte too much', () => Buffer.alloc(1_233, 1).toString('base64')],
    ['as much as a header takes', () => Buffer.alloc(5_000, 1).toString('base64')],
    ['a list nested a thousand deep', () => JSON.parse('['.repeat(1_000) + ']'.repeat(1_000))],
    [
      'counts of more than there is',
      () => Buffer.from([1, ...new Uint8Array(64), 0x80, 1, 0, 0, 0xff, 0xff, 3]).toString('base64'),
    ],
  ])('%s: refused, and nobody is asked', async (_, transaction) => {
    const { v2 } = await shop.challengeOnSolana(ARTICLE)
    const before = { objects: await shop.site.objects(), calls: callsToNode() }
    const header = pack({ x402Version: 2, accepted: v2.accepts[0], payload: { transaction: transaction() } })
    const { result, cost } = await shop.costOnSolana(() =>
      shop.ask(ARTICLE, { headers: { 'PAYMENT-SIGNATURE': header } }),
    )
    expect([result.status, result.error]).toEqual([400, 'invalid_payload'])
    expect(cost).toEqual(NOTHING)
    expect({ objects: await shop.site.objects(), calls: callsToNode() }).toEqual(before)
  })
})

describe('good signatures of empty wallets', () => {
  test('cost one call to the facilitator each, and a look of a few calls to the node', async () => {
    const before = callsToNode()
    const { result, cost } = await shop.costOnSolana(() => askEmpty())
    expect([result.status, result.error]).toEqual([402, 'invalid_exact_svm_transaction_simulation_failed'])
    expect(cost).toEqual({ earned: 0n, settles: 1, verifies: 0 })
    // Some of these are the facilitator's own.
    expect(callsToNode() - before).toBeLessThan(12)
  })

  test('that name a busy account of somebody else as their own make nobody look through its transactions', async () => {
    const victim = await shop.readerOnSolana()
    const source = await shop.solana.tokenAccount(victim.address)
    const destination = await shop.solana.tokenAccount(solanaWallets.bob.address)
    await shop.solana.fund(solanaWallets.bob.address, 0n)
    for (let i = 0; i < 30; i += 1) {
      const { message } = compile({
        version: 0,
        feePayer: solanaWallets.faucet.address,
        instructions: [
          transferChecked({ source, mint: SOLANA_USDC, destination, authority: victim.address }, BigInt(i + 1)),
        ],
        blockhash: shop.solana.clock.blockhash(shop.solana.clock.slot()),
      })
      const signatures = [solanaWallets.faucet.sign(message), victim.sign(message)]
      expect(shop.solana.land(assemble(signatures, message))).toBeNull()
    }
    const before = shop.solana.calls.getTransaction ?? 0
    const { result, cost } = await shop.costOnSolana(() => askEmpty({ source }))
    expect([result.status, result.error]).toEqual([402, 'invalid_exact_svm_transaction_simulation_failed'])
    expect(cost).toEqual({ earned: 0n, settles: 1, verifies: 0 })
    expect((shop.solana.calls.getTransaction ?? 0) - before).toBe(0)
  })

  test('of one key are sent ten a minute, from however many addresses', async () => {
    let asked = 0
    shop.stack.facilitator.setHook(async ({ path }, proceed) => {
      if (path !== '/settle') return proceed()
      asked += 1
      return refuses('invalid_exact_svm_transaction_simulation_failed')()
    })
    const reader = await shop.readerOnSolana(0n)
    const challenge = await shop.challengeOnSolana(ARTICLE)
    const answers: Answer[] = []
    for (let i = 0; i < 15; i += 1) {
      const transaction = await signSolana(shop.solana, challenge, reader, { unitLimit: 20_000 + i })
      const headers = { ...wrapSolana('v2', challenge, transaction), 'CF-Connecting-IP': `203.0.113.${60 + i}` }
      answers.push(await shop.ask(ARTICLE, { headers }))
    }
    expect(answers.map(({ status }) => status).filter((status) => status === 429)).toHaveLength(5)
    expect(asked).toBe(10)
  })
})

describe('payments that are in order as far as bytes can tell, and cannot land', () => {
  test.each<[string, () => Promise<SolanaChange>]>([
    ['with the blockhash of no block', async () => ({ blockhash: solanaWallets.bob.address })],
    ['with too little to run on', async () => ({ unitLimit: 1 })],
    ['with other decimals than the token has', async () => ({ decimals: 9 })],
    ['from an account that is not there', async () => ({ source: solanaWallets.carol.address })],
    ['from a wallet in place of a token account', async () => ({ source: solanaWallets.issuer.address })],
    [
      'from somebody else’s money',
      async () => ({ source: await shop.solana.tokenAccount(solanaWallets.alice.address) }),
    ],
    [
      'with an assertion that nothing can fulfil',
      async () => ({ instructions: (all) => [...all, { program: LIGHTHOUSE, data: Uint8Array.of(9) }] }),
    ],
  ])('%s: are refused, and the next reader is served', async (_, change) => {
    const reader = await shop.readerOnSolana()
    const made = await change()
    const { result, cost } = await shop.costOnSolana(() => shop.buyOnSolana('v2', ARTICLE, reader, made))
    expect(result.status).toBe(402)
    expect(result.error).toMatch(/^(?:invalid_|unexpected_settle_error)/)
    expect(cost).toEqual({ earned: 0n, settles: 1, verifies: 0 })
    const next = await shop.costOnSolana(async () => shop.buyOnSolana('v2', ARTICLE, await shop.readerOnSolana()))
    expect([next.result.status, next.cost]).toEqual([200, ONE_SALE])
  })
})

test('what costs the most to read is answered as quickly as an honest payment', async () => {
  const challenge = await shop.challengeOnSolana(ARTICLE)
  const memo = challenge.v2.accepts[0]?.extra.memo ?? ''
  const reader = await shop.readerOnSolana(0n)
  const others = await Promise.all(Array.from({ length: 6 }, () => shop.readerOnSolana(0n)))
  const heavy = await signSolana(shop.solana, challenge, reader, {
    amount: 1n,
    signers: [reader, ...others],
    instructions: ([limit, price, transfer]) => [
      ...[limit, price, transfer].flatMap((one) => (one ? [one] : [])),
      { ...memoOf(memo), accounts: others.map(({ address }) => ({ address, isSigner: true })) },
    ],
  })
  const light = await signSolana(shop.solana, challenge, reader, { amount: 1n })
  const fastest = async (transaction: Uint8Array) => {
    const headers = wrapSolana('v2', challenge, transaction)
    const times: number[] = []
    for (let i = 0; i < 8; i += 1) {
      const start = performance.now()
      expect((await shop.ask(ARTICLE, { headers })).error).toBe('invalid_exact_svm_payload_amount_mismatch')
      times.push(performance.now() - start)
    }
    return Math.min(...times)
  }
  const quick = await fastest(light)
  expect(await fastest(heavy)).toBeLessThan(quick * 4 + 20)
})
