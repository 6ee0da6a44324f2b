// PAUSED: nothing is sold, nothing is claimed and nothing sent; who holds something, or has paid, is served.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import type { Answer } from '../world/answer.ts'
import { startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
import { NOTHING, ONE_SALE } from '../world/shop.ts'
import { CELLS, KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
let shop: SolanaShop

beforeAll(async () => {
  const origin = await startOrigin()
  origin.tell({ body: CONTENT })
  shop = await openSolanaShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/free', price: 'free' },
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/api/*', price: '$0.05', access: 'once' },
    ],
  })
  shop.onClose(origin.stop)
  await shop.site.kv.put(PAGE, CONTENT)
})
afterAll(() => shop.close())
afterEach(() => shop.site.become({ PAUSED: false }))

/** What a site that sells nothing says to who would have to pay. */
function expectPaused(answer: Answer): void {
  expect(answer.status).toBe(503)
  expect(answer.error).toBe('unavailable')
  expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
  for (const name of ['PAYMENT-REQUIRED', 'PAYMENT-RESPONSE', 'WWW-Authenticate'])
    expect(answer.header(name)).toBeNull()
  expect(answer.text).not.toContain(CONTENT)
}

test('who would be asked to pay is told to come again; what is free goes on', async () => {
  await shop.site.restart({ PAUSED: true })
  expectPaused(await shop.ask(PAGE))
  expectPaused(await shop.ask('/api/x', { method: 'POST' }))
  expect((await shop.ask(PAGE, { method: 'HEAD' })).status).toBe(503)
  expect((await shop.ask('/articles/none')).status).toBe(404)
  expect((await shop.ask('/free')).text).toBe(CONTENT)
  const page = await shop.ask(PAGE, { headers: { Accept: 'text/html' } })
  expect(page.status).toBe(503)
  expect(page.header('Content-Type')).toContain('text/html')
})

test.each([true, 'true'])('PAUSED may be %o', async (PAUSED) => {
  await shop.site.restart({ PAUSED })
  expectPaused(await shop.ask(PAGE))
})

test.each(CELLS)(
  'a payment in $version on $name is neither claimed nor sent, and good afterwards',
  async ({ version, kind }) => {
    const headers = await (await kind.reader(shop)).pay(version, PAGE)
    await shop.site.restart({ PAUSED: true })
    const { cost } = await shop.costOf(async () => expectPaused(await shop.ask(PAGE, { headers })))
    expect(cost).toEqual(NOTHING)
    await shop.site.restart({ PAUSED: false })
    const { result, cost: later } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(result.text).toBe(CONTENT)
    expect(later).toEqual(ONE_SALE)
  },
)

test('so is one of a contract wallet: nobody is asked about its signature', async () => {
  const owner = await shop.reader(0n)
  const wallet = await deployContractWallet(shop.stack.chain, owner.address)
  await shop.stack.chain.fund(wallet, 1_000_000n)
  const headers = await pay('v2', await shop.challenge(PAGE), owner, { signed: { from: wallet } })
  await shop.site.restart({ PAUSED: true })
  const { cost } = await shop.costOf(async () => expectPaused(await shop.ask(PAGE, { headers })))
  expect(cost).toEqual(NOTHING)
})

test('a payment that is wrong gets no challenge either', async () => {
  const headers = await pay('v2', await shop.challenge(PAGE), await shop.reader(), { signed: { value: 1n } })
  await shop.site.restart({ PAUSED: true })
  expectPaused(await shop.ask(PAGE, { headers }))
})

describe.each(KINDS)('on $name', ({ kind }) => {
  test('the holder of a pass reads on, and who lost it signs in', async () => {
    const reader = await kind.reader(shop)
    const { pass: Cookie } = await reader.buy('v2', PAGE)
    const proof = await reader.signIn(await shop.ask(PAGE))
    await shop.site.restart({ PAUSED: true })
    expect((await shop.ask(PAGE, { headers: { Cookie } })).text).toBe(CONTENT)
    expect((await shop.ask(PAGE, { headers: proof })).text).toBe(CONTENT)
  })

  test('what is paid and was never handed out is handed out, and not settled again', async () => {
    const headers = await (await kind.reader(shop)).pay('v2', PAGE)
    shop.stack.facilitator.setHook(async () => 'drop')
    expect((await shop.ask(PAGE, { headers })).status).toBe(503)
    shop.stack.facilitator.setHook(undefined)
    expect(await kind.land(shop, headers)).toBe(true)
    await shop.site.restart({ PAUSED: true })
    const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(result.text).toBe(CONTENT)
    expect(cost).toEqual(NOTHING)
  })

  test('a payment that is sent beside a pass is not used up either', async () => {
    const reader = await kind.reader(shop)
    const { pass } = await reader.buy('v2', PAGE)
    const headers = await reader.pay('v2', PAGE)
    await shop.site.restart({ PAUSED: true })
    expect((await shop.ask(PAGE, { headers: { ...headers, Cookie: pass } })).text).toBe(CONTENT)
    await shop.site.restart({ PAUSED: false })
    // It is good for what its payer owns, and is not settled for that.
    const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(result.text).toBe(CONTENT)
    expect(cost).toEqual(NOTHING)
  })
})
