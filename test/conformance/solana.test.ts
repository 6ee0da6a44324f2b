// Selling on Solana beside Base: the challenge, a purchase by clients of both versions, and what is paid once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { NETWORK, ONE_SALE, PRICE } from '../world/shop.ts'
import { arrivals } from '../world/solana-on-chain.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { stockSolanaHeader } from '../world/solana-stock.ts'

const ARTICLE = '/articles/hello'
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put(ARTICLE, 'the article', { metadata: { contentType: 'text/plain' } })
})
afterAll(() => shop.close())

describe('the challenge', () => {
  test('offers both networks, EVM first, and stays small', async () => {
    const answer = await shop.ask(ARTICLE)
    expect(answer.status).toBe(402)
    const header = answer.header('PAYMENT-REQUIRED') ?? ''
    expect(header.length).toBeLessThan(2_900)
    const { accepts } = JSON.parse(atob(header))
    expect(accepts.map(({ network }: { network: string }) => network)).toEqual([NETWORK, SOLANA_NETWORK])
    expect(accepts[1]).toMatchObject({ amount: PRICE.toString(), maxTimeoutSeconds: 60 })
    expect(solanaWallets.feePayers.map(({ address }) => address)).toContain(accepts[1].extra.feePayer)
    expect(accepts[1].extra.memo).toMatch(/^[A-Za-z0-9._-]{40,100}$/)
  })

  test('has a memo of its own each time, and the same fee payer', async () => {
    const [one, two] = [await shop.challengeOnSolana(ARTICLE), await shop.challengeOnSolana(ARTICLE)]
    expect(one.v2.accepts[0]?.extra.memo).not.toBe(two.v2.accepts[0]?.extra.memo)
    expect(one.v2.accepts[0]?.extra.feePayer).toBe(two.v2.accepts[0]?.extra.feePayer)
  })
})

describe.each(['v1', 'v2'] as const)('a client of %s', (version) => {
  test('buys, and is served once more with its pass', async () => {
    const reader = await shop.readerOnSolana()
    const { result: paid, cost } = await shop.costOnSolana(() => shop.buyOnSolana(version, ARTICLE, reader))
    expect([paid.status, paid.text]).toEqual([200, 'the article'])
    expect(cost).toEqual(ONE_SALE)
    const settled = JSON.parse(atob(paid.header('PAYMENT-RESPONSE') ?? ''))
    const [arrival] = (await arrivals(shop.solana, solanaWallets.publisher.address)).slice(-1)
    expect(settled).toMatchObject({
      success: true,
      network: SOLANA_NETWORK,
      payer: reader.address,
      transaction: arrival?.signature,
    })
    const pass = paid.header('Set-Cookie')?.split(';')[0] ?? ''
    const again = await shop.ask(ARTICLE, { headers: { Cookie: pass } })
    expect([again.status, again.text]).toEqual([200, 'the article'])
  })

  test('that is the stock one buys, given only the local node', async () => {
    const reader = await shop.readerOnSolana()
    const unpaid = await shop.ask(ARTICLE)
    const answer = {
      headers: new Headers({ 'PAYMENT-REQUIRED': unpaid.header('PAYMENT-REQUIRED') ?? '' }),
      json: unpaid.json,
    }
    const headers = await stockSolanaHeader(version, answer, reader, shop.solana.rpcUrl)
    const { result: paid, cost } = await shop.costOnSolana(() => shop.ask(ARTICLE, { headers }))
    expect([paid.status, paid.text]).toEqual([200, 'the article'])
    expect(cost).toEqual(ONE_SALE)
    const { result: replayed, cost: nothing } = await shop.costOnSolana(() => shop.ask(ARTICLE, { headers }))
    expect(replayed.status).toBe(402)
    expect(replayed.json).toMatchObject({ error: 'payment_already_used' })
    expect(nothing.settles).toBe(0)
  })
})

test('a second purchase of what is owned is not settled, and the ledger has one row', async () => {
  const reader = await shop.readerOnSolana()
  expect((await shop.buyOnSolana('v2', ARTICLE, reader)).status).toBe(200)
  const { result: again, cost } = await shop.costOnSolana(() => shop.buyOnSolana('v2', ARTICLE, reader))
  expect(again.status).toBe(200)
  expect(cost.settles).toBe(0)
  const { results } = await shop.site.db.prepare('SELECT * FROM payments WHERE payer = ?').bind(reader.address).all()
  expect(results).toMatchObject([
    {
      network: SOLANA_NETWORK,
      amount: PRICE.toString(),
      pay_to: solanaWallets.publisher.address,
      symbol: 'USDC',
      currency: 'USD',
      decimals: 6,
    },
  ])
})
