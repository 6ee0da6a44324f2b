// What Solana does after an answer: a fork takes a confirmed payment back, or a node holds a transaction for long. Slots pass by
// the clock, as they do there.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SolanaWallet } from '../../dev/stack/solana/wallets.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { VERSIONS } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { arrivals } from '../world/solana-on-chain.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
/** The alarm looks after 45, 68, 102, 153 and 230 seconds. */
const VERDICT_MS = 330_000
/** Of slots of 400 ms: no blockhash is good for longer. */
const BLOCKHASH_MS = 75_000
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put(PAGE, CONTENT)
})
afterAll(() => shop.close())

const pass = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const spent = async ({ address }: SolanaWallet) => 1_000_000n - (await shop.solana.balance(address))
const paying = async (version: 'v1' | 'v2', reader: SolanaWallet) =>
  paySolana(version, shop.solana, await shop.challengeOnSolana(PAGE), reader)
const paymentsOf = async ({ address }: SolanaWallet) =>
  (await arrivals(shop.solana, solanaWallets.publisher.address)).filter(({ from }) => from.includes(address))

describe.each(VERSIONS)('a fork takes back what was served, in %s', (version) => {
  async function boughtAndForked() {
    const reader = await shop.readerOnSolana()
    const headers = await paying(version, reader)
    // The fork begins behind the blockhash that was signed.
    const { clock } = shop.solana
    const signedAt = clock.slot()
    await expect.poll(() => clock.slot()).toBeGreaterThan(signedAt)
    expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    const [paid] = await paymentsOf(reader)
    const dropped = shop.solana.fork(paid?.slot ?? 0)
    expect(await spent(reader)).toBe(0n)
    const mine = dropped.find(({ signature }) => signature === paid?.signature)
    if (!mine) throw new Error('the fork has not dropped it')
    return { reader, headers, again: () => shop.solana.ledger.land(mine.transaction) }
  }

  test('and it lands again: it is paid once, and owned as before', async () => {
    const { reader, headers, again } = await boughtAndForked()
    expect(again()).toBeNull()
    const { cost } = await shop.costOnSolana(async () => {
      expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
      expect((await shop.ask(PAGE, { headers: await paying(version, reader) })).text).toBe(CONTENT)
    })
    expect(cost).toEqual(NOTHING)
    expect([await spent(reader), (await paymentsOf(reader)).length]).toEqual([PRICE, 1])
    expect(await shop.ledger(reader.address)).toHaveLength(1)
  })

  test('and it never comes back: its reader keeps what was served, and is not charged for it later', async () => {
    const { reader, headers } = await boughtAndForked()
    const { cost } = await shop.costOnSolana(async () => {
      expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
      expect((await shop.ask(PAGE, { headers: await paying(version, reader) })).text).toBe(CONTENT)
    })
    expect(cost).toEqual(NOTHING)
    expect([await spent(reader), await paymentsOf(reader)]).toEqual([0n, []])
  })
})

describe('a node holds a transaction back', () => {
  /** Nobody hears of it within the time that a request is held. */
  async function held() {
    const reader = await shop.readerOnSolana()
    const headers = await paying('v2', reader)
    shop.solana.faults.holdsBack = true
    const answer = await shop.ask(PAGE, { headers })
    shop.solana.faults.holdsBack = false
    expect([answer.status, answer.error]).toEqual([503, 'settlement_pending'])
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text).not.toContain(CONTENT)
    expect(await spent(reader)).toBe(0n)
    return { reader, headers }
  }

  test('and lets it go: it is served, once, for one payment', async () => {
    const { reader, headers } = await held()
    const { cost } = await shop.costOnSolana(async () => {
      expect(shop.solana.release()).toEqual([null])
      expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
      expect((await shop.ask(PAGE, { headers: await paying('v2', reader) })).text).toBe(CONTENT)
    })
    expect(cost.earned).toBe(PRICE)
    expect(await spent(reader)).toBe(PRICE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })

  test(
    'until it is too old: it lands no more, is refused once that is certain, and the next payment is sold',
    async () => {
      const { reader, headers } = await held()
      await pass(BLOCKHASH_MS)
      expect(shop.solana.release()).not.toEqual([null])
      // Until the verdict another signature would be a second payment.
      expect((await shop.ask(PAGE, { headers: await paying('v2', reader) })).error).toBe('settlement_pending')
      const refused = async () => (await shop.ask(PAGE, { headers })).error
      await expect
        .poll(refused, { timeout: VERDICT_MS, interval: 30_000 })
        .toBe('settle_exact_svm_block_height_exceeded')
      expect(await spent(reader)).toBe(0n)
      const { result, cost } = await shop.costOnSolana(async () =>
        shop.ask(PAGE, { headers: await paying('v2', reader) }),
      )
      expect([result.text, cost]).toEqual([CONTENT, ONE_SALE])
    },
    VERDICT_MS + 150_000,
  )
})
