// Payments on Solana whose outcome nobody knows: held, then 503 without a challenge, and settled by the alarm alone. A message
// that never lands is certain to be lost after some three minutes. The tests run at the same time, since each has to wait.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SolanaWallet } from '../../dev/stack/solana/wallets.ts'
import type { Answer } from '../world/answer.ts'
import { says } from '../world/behaviour.ts'
import { VERSIONS } from '../world/payer.ts'
import { PRICE } from '../world/shop.ts'
import { type SolanaBehaviour, solanaBehaviours } from '../world/solana-behaviour.ts'
import { landSilently } from '../world/solana-on-chain.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
/** The alarm looks after 45, 68, 102, 153 and 230 seconds; a verdict takes 193 of them, of blocks. */
const VERDICT_MS = 300_000
const facilitator = solanaBehaviours()
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PAGE, CONTENT)
})
afterAll(() => shop.close())

const spent = async ({ address }: SolanaWallet) => 1_000_000n - (await shop.solana.balance(address))
const outOfOrder = says({ error: 'out of order' }, 500)

function expectPending(answer: Answer): void {
  expect([answer.status, answer.error]).toEqual([503, 'settlement_pending'])
  expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  expect(answer.text).not.toContain('accepts')
  expect(answer.text).not.toContain(CONTENT)
  expect(answer.receipt?.success).not.toBe(true)
}

/** A reader whose payment the facilitator takes and loses; `land`: it reaches the chain after all. */
async function lost(version: 'v1' | 'v2') {
  const reader = await shop.readerOnSolana()
  const taken = Promise.withResolvers<Uint8Array>()
  const behaviour: SolanaBehaviour = async (_, transaction) => {
    taken.resolve(transaction)
    return outOfOrder()
  }
  facilitator.set(reader.address, behaviour)
  const headers = await paySolana(version, shop.solana, await shop.challengeOnSolana(PAGE), reader)
  const start = performance.now()
  const first = await shop.ask(PAGE, { headers })
  expect((performance.now() - start) / 1000).toBeLessThan(27)
  expectPending(first)
  expect(await spent(reader)).toBe(0n)
  return { reader, headers, land: async () => landSilently(shop.solana, await taken.promise) }
}

describe.concurrent.each(VERSIONS)('in %s', (version) => {
  test.concurrent('held, then pending; the same payment is sent again and served', async ({ expect }) => {
    const { reader, headers } = await lost(version)
    facilitator.set(reader.address, null)
    expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    expect(await spent(reader)).toBe(PRICE)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
  })

  test.concurrent(
    'pending, then landed after all: the alarm finds it, and a new payment is not settled',
    async ({ expect }) => {
      const { reader, land } = await lost(version)
      expect(await land()).toBeNull()
      // Nobody asks for it: only the alarm does.
      await expect.poll(() => shop.ledger(reader.address), { timeout: VERDICT_MS, interval: 500 }).toHaveLength(1)
      const sendings = facilitator.calls(reader.address).length
      expect((await shop.buyOnSolana(version, PAGE, reader)).text).toBe(CONTENT)
      expect(facilitator.calls(reader.address)).toHaveLength(sendings)
      expect(await spent(reader)).toBe(PRICE)
      expect(await shop.ledger(reader.address)).toHaveLength(1)
    },
    VERDICT_MS,
  )

  test.concurrent(
    'never landed: the alarm refuses it for good, and a new payment is sold once',
    async ({ expect }) => {
      const { reader, headers } = await lost(version)
      // The end of what the node keeps is asked for by no look but the one that refuses.
      const before = shop.solana.calls.getFirstAvailableBlock ?? 0
      const verdicts = () => (shop.solana.calls.getFirstAvailableBlock ?? 0) - before
      await expect.poll(verdicts, { timeout: VERDICT_MS, interval: 500 }).toBeGreaterThanOrEqual(VERSIONS.length)
      await shop.site.turn()
      const sendings = facilitator.calls(reader.address).length
      facilitator.set(reader.address, null)
      const refused = await shop.ask(PAGE, { headers })
      expect([refused.status, refused.error]).toEqual([402, 'settle_exact_svm_block_height_exceeded'])
      expect(refused.receipt).toMatchObject({ success: false, transaction: '' })
      expect(refused.header('PAYMENT-REQUIRED')).not.toBeNull()
      // It can never pay, so it is not sent again.
      expect(facilitator.calls(reader.address)).toHaveLength(sendings)
      expect(await spent(reader)).toBe(0n)
      expect(await shop.ledger(reader.address)).toEqual([])
      expect((await shop.buyOnSolana(version, PAGE, reader)).text).toBe(CONTENT)
      expect(await spent(reader)).toBe(PRICE)
      await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    },
    VERDICT_MS + 60_000,
  )
})
