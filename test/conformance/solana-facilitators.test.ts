// On Solana a payment names who pays its fee, and so the one facilitator it can be sent to: which one a challenge names, and what
// becomes of payments when facilitators, their fee payers, prices or the payee change.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Facilitator, type FacilitatorHook, startFacilitator } from '../../dev/stack/facilitator.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { VERSIONS, type Version } from '../world/payer.ts'
import { NETWORK, NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import type { Vars } from '../world/site.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
const KEY = 'newsstand:supported'
const { carol, publisher } = solanaWallets
const [ONE, TWO] = solanaWallets.feePayers.map(({ address }) => address)

/** It lists only this fee payer, and goes on signing for both. */
const listing =
  (feePayer = ''): FacilitatorHook =>
  async ({ path }, proceed) => {
    const reply = await proceed()
    if (path !== '/supported') return reply
    const named = JSON.stringify(reply.body)
      .replaceAll(ONE ?? '', feePayer)
      .replaceAll(TWO ?? '', feePayer)
    return { ...reply, body: JSON.parse(named) }
  }

let shop: SolanaShop
let second: Facilitator
let usual: Vars

beforeAll(async () => {
  shop = await openSolanaShop({}, { hook: listing(ONE) })
  second = await startFacilitator({ solana: { rpcUrl: shop.solana.rpcUrl }, hook: listing(TWO) })
  shop.onClose(second.stop)
  await shop.solana.fund(carol.address, 0n)
  usual = {
    FACILITATORS: [shop.stack.facilitator.url, second.url],
    NETWORKS: [NETWORK, SOLANA_NETWORK],
    PAY_TO: { eip155: wallets.publisher.address, solana: publisher.address },
  }
})
afterAll(() => shop.close())

beforeEach(async () => {
  shop.stack.facilitator.setHook(listing(ONE))
  second.setHook(listing(TWO))
  await shop.site.kv.put(PAGE, CONTENT)
  await shop.site.become(usual)
})

const feePayerNow = async () => (await shop.challengeOnSolana(PAGE)).v2.accepts[0]?.extra.feePayer

test('the fee payer of the first facilitator is offered, and it alone gets the payment', async () => {
  expect(await feePayerNow()).toBe(ONE)
  const asked = second.counts.settle
  const { result, cost } = await shop.costOf(async () => shop.buyOnSolana('v2', PAGE, await shop.readerOnSolana()))
  expect(result.text).toBe(CONTENT)
  expect(cost).toEqual(ONE_SALE)
  expect(second.counts.settle).toBe(asked)
})

test('visitors who come together to a site that knows no fee payer yet are all offered one, and it is asked for once', async () => {
  await shop.site.kv.delete(KEY)
  await shop.site.restart({})
  const before = shop.stack.facilitator.counts.supported
  const challenges = await Promise.all(Array.from({ length: 6 }, () => shop.challengeOnSolana(PAGE)))
  expect(challenges.map(({ v2 }) => v2.accepts[0]?.extra.feePayer)).toEqual(Array(6).fill(ONE))
  expect(shop.stack.facilitator.counts.supported).toBe(before + 1)
})

test('a holder reads on at a site that knows no fee payer yet, and nobody is asked for one', async () => {
  const bought = await shop.buyOnSolana('v2', PAGE, await shop.readerOnSolana())
  await shop.site.kv.delete(KEY)
  await shop.site.restart({})
  const before = shop.stack.facilitator.counts.supported
  const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers: { Cookie: bought.pass } }))
  expect(result.text).toBe(CONTENT)
  expect(cost).toEqual(NOTHING)
  expect(shop.stack.facilitator.counts.supported).toBe(before)
})

test('v1 has the EVM entry first, whatever the publisher prefers', async () => {
  await shop.site.restart({ NETWORKS: [SOLANA_NETWORK, NETWORK] })
  const answer = await shop.ask(PAGE)
  const networks = (of: unknown) =>
    JSON.parse(JSON.stringify(of)).accepts.map((one: { network: string }) => one.network)
  expect(networks(answer.json)).toEqual(['base-sepolia', 'solana-devnet'])
  expect(networks(JSON.parse(atob(answer.header('PAYMENT-REQUIRED') ?? '')))).toEqual([SOLANA_NETWORK, NETWORK])
})

const payment = async (version: Version, echo = true) => {
  const reader = await shop.readerOnSolana()
  return {
    reader,
    headers: await paySolana(version, shop.solana, await shop.challengeOnSolana(PAGE), reader, { echo }),
  }
}

test('the facilitator of a payment is down: 503, no other is asked, and it is served once that is back', async () => {
  const { reader, headers } = await payment('v2')
  const asked = second.counts.settle
  shop.stack.facilitator.setHook(async () => 'drop')
  for (let time = 0; time < 3; time++) {
    const answer = await shop.ask(PAGE, { headers })
    expect([answer.status, answer.error]).toEqual([503, 'facilitator_unavailable'])
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  }
  expect(await shop.solana.balance(reader.address)).toBe(1_000_000n)
  // Whoever comes now is offered the other one.
  expect(await feePayerNow()).toBe(TWO)
  const { result, cost } = await shop.costOf(async () => shop.buyOnSolana('v1', PAGE, await shop.readerOnSolana()))
  expect(result.text).toBe(CONTENT)
  expect(cost.earned).toBe(PRICE)
  expect(second.counts.settle).toBe(asked + 1)
  shop.stack.facilitator.setHook(listing(ONE))
  expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
  expect(second.counts.settle).toBe(asked + 1)
  expect(await shop.solana.balance(reader.address)).toBe(1_000_000n - PRICE)
  // What is known of who failed goes with its isolate.
  await shop.site.restart({})
})

test('a fee payer that is listed no longer pays the fees of what was quoted with it', async () => {
  const { headers } = await payment('v2')
  shop.stack.facilitator.setHook(listing(TWO))
  await shop.site.tick()
  await shop.site.restart({})
  expect(await feePayerNow()).toBe(TWO)
  const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
  expect(result.text).toBe(CONTENT)
  expect(cost).toEqual(ONE_SALE)
  await shop.site.kv.delete(KEY)
  await shop.site.restart({})
})

test('its facilitator is gone from the list: refused and sent nowhere; back as the second it alone gets the payment', async () => {
  const { headers } = await payment('v2')
  const asked = second.counts.settle
  await shop.site.restart({ FACILITATORS: [second.url] })
  const { result: refused, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
  expect([refused.status, refused.error]).toEqual([402, 'invalid_exact_svm_payload_memo_mismatch'])
  expect(cost).toEqual(NOTHING)
  await shop.site.restart({ FACILITATORS: [second.url, shop.stack.facilitator.url] })
  expect(await feePayerNow()).toBe(TWO)
  const { result, cost: later } = await shop.costOf(() => shop.ask(PAGE, { headers }))
  expect(result.text).toBe(CONTENT)
  expect(later).toEqual(ONE_SALE)
  expect(second.counts.settle).toBe(asked)
})

test('a payment that its facilitator never got, and that is gone from the list, holds up no other one', async () => {
  const { reader, headers } = await payment('v2')
  shop.stack.facilitator.setHook(async () => ({ status: 521, body: {} }))
  for (let time = 0; time < 3; time++) expect((await shop.ask(PAGE, { headers })).status).toBe(503)
  await shop.site.restart({ FACILITATORS: [second.url] })
  expect(await feePayerNow()).toBe(TWO)
  const { result, cost } = await shop.costOf(async () => shop.buyOnSolana('v2', PAGE, reader))
  expect(result.text).toBe(CONTENT)
  expect(cost.earned).toBe(PRICE)
  // The first one counts as used, and is not settled as well.
  shop.stack.facilitator.setHook(listing(ONE))
  await shop.site.restart({ FACILITATORS: [second.url, shop.stack.facilitator.url] })
  await shop.ask(PAGE, { headers })
  expect(await shop.solana.balance(reader.address)).toBe(1_000_000n - PRICE)
})

test.each<[string, Vars | null]>([
  ['the price', null],
  ['PAY_TO', { PAY_TO: { eip155: wallets.publisher.address, solana: carol.address } }],
  ['NETWORKS', { NETWORKS: [NETWORK] }],
])(
  'a change of %s: quotes of both versions are honoured, and without them the old terms are refused',
  async (_, change) => {
    const quoted = await Promise.all(VERSIONS.map((version) => payment(version)))
    const bare = await Promise.all(VERSIONS.map((version) => payment(version, false)))
    const before = await shop.solana.balance(publisher.address)
    if (change === null) await shop.site.kv.put(PAGE, CONTENT, { metadata: { price: '$0.08' } })
    else await shop.site.restart(change)
    for (const { reader, headers } of bare) {
      const refused = await shop.ask(PAGE, { headers })
      expect(refused.status).toBe(402)
      expect(refused.receipt).toMatchObject({ success: false, transaction: '' })
      expect(await shop.solana.balance(reader.address)).toBe(1_000_000n)
    }
    for (const { headers } of quoted) {
      expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
      // What was paid is known whatever is on offer now.
      expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    }
    expect(await shop.solana.balance(publisher.address)).toBe(before + 2n * PRICE)
    expect(await shop.solana.balance(carol.address)).toBe(0n)
  },
)
