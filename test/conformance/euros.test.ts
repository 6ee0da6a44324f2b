// Prices in several currencies: each is offered in its own token, on every network that has one, and nothing is converted.
import { ExactEvmScheme } from '@x402/evm/exact/client'
import { wrapFetchWithPayment, x402Client } from '@x402/fetch'
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
import { assetsOn } from '../../src/x402/assets.ts'
import { type Network, placeToken } from '../world/networks.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NETWORK, NOTHING, PRICE } from '../world/shop.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { usdcOn } from '../world/usdc.ts'

const PAGE = '/articles/hello'
const EUROS = '/euros/hello'
const CONTENT = 'the whole article'
const IN_EUROS = 40_000n
const ROUTES = [
  { path: '/articles/*', content: 'kv', price: ['$0.05', '€0.04'], access: '24h' },
  { path: '/euros/*', content: 'kv', price: '€0.04', access: '24h' },
]
const USDC = usdcOn(NETWORK).asset
let shop: SolanaShop
let eurc: Network

beforeAll(async () => {
  shop = await openSolanaShop({ ROUTES })
  const token = assetsOn(NETWORK).find(({ symbol }) => symbol === 'EURC')
  if (token?.kind !== 'eip3009') throw new Error('the table has no EURC on the local chain')
  eurc = await placeToken(shop.stack.chain, token)
  for (const path of [PAGE, EUROS]) await shop.site.kv.put(path, CONTENT)
})
afterAll(() => shop.close())

/** A reader with a dollar and a euro. */
async function reader(): Promise<PrivateKeyAccount> {
  const account = await shop.reader()
  await eurc.fund(account.address, 1_000_000n)
  return account
}

const spent = async ({ address }: PrivateKeyAccount) => ({
  dollars: 1_000_000n - (await shop.stack.chain.balance(address)),
  euros: 1_000_000n - (await eurc.balance(address)),
})

test('each currency is offered in its first token of each network, and where there is none it is not', async () => {
  const answer = await shop.ask(PAGE)
  const { accepts } = JSON.parse(atob(answer.header('PAYMENT-REQUIRED') ?? ''))
  const asOffered = accepts.map(({ network, asset, amount }: Record<string, string>) => ({ network, asset, amount }))
  expect(asOffered).toHaveLength(3)
  expect(asOffered).toEqual(
    expect.arrayContaining([
      { network: NETWORK, asset: USDC, amount: '50000' },
      { network: NETWORK, asset: eurc.asset.asset, amount: '40000' },
      { network: SOLANA_NETWORK, asset: SOLANA_USDC, amount: '50000' },
    ]),
  )
  expect(answer.header('PAYMENT-REQUIRED')?.length).toBeLessThan(2_900)
  expect((await shop.challenge(EUROS)).v2.accepts).toMatchObject([{ asset: eurc.asset.asset, amount: '40000' }])
})

describe.each(VERSIONS)('in %s', (version) => {
  /** Where a token stands among the EVM entries; in v1 as well, whose payload does not name it. */
  const offerOf = async (asset: string) =>
    (await shop.challenge(PAGE))[version].accepts.findIndex((entry) => entry.asset === asset)

  test.each([
    ['euros', () => eurc.asset.asset, { dollars: 0n, euros: IN_EUROS }],
    ['dollars', () => USDC, { dollars: PRICE, euros: 0n }],
  ])('%s pay, once, and are in the ledger as what they are', async (_, tokenOf, cost) => {
    const buyer = await reader()
    const offer = await offerOf(tokenOf())
    const headers = await pay(version, await shop.challenge(PAGE), buyer, { offer })
    expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    expect(await spent(buyer)).toEqual(cost)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    await expect.poll(() => shop.ledger(buyer.address)).toHaveLength(1)
    const amount = (cost.dollars + cost.euros).toString()
    expect(await shop.ledger(buyer.address)).toMatchObject([{ asset: tokenOf(), amount }])
  })

  test('who has paid in one currency does not pay in the other', async () => {
    const buyer = await reader()
    const [euros, dollars] = [await offerOf(eurc.asset.asset), await offerOf(USDC)]
    expect((await shop.buy(version, PAGE, buyer, { offer: euros })).text).toBe(CONTENT)
    expect((await shop.buy(version, PAGE, buyer, { offer: dollars })).text).toBe(CONTENT)
    expect(await spent(buyer)).toEqual({ dollars: 0n, euros: IN_EUROS })
  })

  test('as many cents of the other currency are not the price', async () => {
    const buyer = await reader()
    const change = { offer: await offerOf(USDC), signed: { value: IN_EUROS } }
    const { result, cost } = await shop.costOf(() => shop.buy(version, PAGE, buyer, change))
    expect(result.status).toBe(402)
    expect(cost).toEqual(NOTHING)
    expect(await spent(buyer)).toEqual({ dollars: 0n, euros: 0n })
  })

  test('on Solana dollars pay', async () => {
    const { result, cost } = await shop.costOnSolana(async () =>
      shop.buyOnSolana(version, PAGE, await shop.readerOnSolana()),
    )
    expect(result.text).toBe(CONTENT)
    expect(cost.earned).toBe(PRICE)
  })
})

describe('the stock client of v2', () => {
  const clientOf = (account: PrivateKeyAccount) => new x402Client().register(NETWORK, new ExactEvmScheme(account))

  test('buys for euros where it is told that they are fine', async () => {
    const buyer = await reader()
    const client = clientOf(buyer).setSpendControls({
      allowedAssets: [{ network: NETWORK, asset: eurc.asset.asset }],
    })
    const bought = await wrapFetchWithPayment(fetch, client)(`${shop.site.url}${EUROS}`)
    expect(await bought.text()).toBe(CONTENT)
    expect(await spent(buyer)).toEqual({ dollars: 0n, euros: IN_EUROS })
  })

  test('pays nothing in a token that it does not know, and dollars where both are offered', async () => {
    const buyer = await reader()
    const buy = wrapFetchWithPayment(fetch, clientOf(buyer))
    await expect(buy(`${shop.site.url}${EUROS}`)).rejects.toThrow()
    expect(await spent(buyer)).toEqual({ dollars: 0n, euros: 0n })
    expect(await (await buy(`${shop.site.url}${PAGE}`)).text()).toBe(CONTENT)
    expect(await spent(buyer)).toEqual({ dollars: PRICE, euros: 0n })
  })
})

test('an article whose own price nobody can pay is not sold, its holders are served, and the log says why', async () => {
  const own = '/articles/own'
  await shop.site.kv.put(own, CONTENT)
  const buyer = await reader()
  const { pass } = await shop.buy('v2', own, buyer)
  await shop.site.kv.put(own, CONTENT, { metadata: { price: '€0.04' } })
  await shop.site.restart({
    NETWORKS: [SOLANA_NETWORK],
    PAY_TO: { solana: solanaWallets.publisher.address },
    ROUTES: [{ path: '/*', content: 'kv', price: '$0.05', access: '24h' }],
  })
  const said = () => shop.site.logs.filter((line) => line.includes('configuration_error'))
  const before = said().length
  expect((await shop.ask(PAGE)).status).toBe(402)
  expect(said()).toHaveLength(before)
  const answer = await shop.ask(own)
  expect([answer.status, answer.error, answer.header('PAYMENT-REQUIRED')]).toEqual([
    503,
    'facilitator_unavailable',
    null,
  ])
  expect(answer.text).not.toContain(CONTENT)
  await expect
    .poll(() =>
      said()
        .slice(before)
        .map((line) => JSON.parse(line)),
    )
    .toEqual([
      {
        event: 'configuration_error',
        path: own,
        problem:
          'no network in NETWORKS has a token for €0.04; write a price in another currency, or add a network that has one',
      },
    ])
  expect((await shop.ask(own, { headers: { Cookie: pass } })).text).toBe(CONTENT)
})

test('a currency without a token on any network is a mistake, and nothing is sold', async () => {
  await shop.site.restart({
    NETWORKS: [SOLANA_NETWORK],
    PAY_TO: { solana: solanaWallets.publisher.address },
    ROUTES,
  })
  const answer = await shop.ask(EUROS)
  expect([answer.status, answer.error]).toEqual([500, 'configuration_error'])
  expect(answer.text).not.toContain(CONTENT)
})
