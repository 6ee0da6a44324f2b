// The clients people use, from the registry, each buying a real article.
import { decodePaymentResponseHeader } from '@x402/core/http'
import { registerExactEvmScheme } from '@x402/evm/exact/client'
import { wrapFetchWithPayment as wrapV2, x402Client } from '@x402/fetch'
import type { PrivateKeyAccount } from 'viem/accounts'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSigner, decodeXPaymentResponse, wrapFetchWithPayment as wrapV1 } from 'x402-fetch'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { NETWORK, NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      {
        path: '/articles/*',
        content: 'kv',
        price: '$0.05',
        offers: [{ name: 'Day pass', price: '$0.09', access: '24h', scope: '/articles/*' }],
      },
      { path: '/api/ask', methods: ['POST'], price: '$0.05', access: 'once' },
    ],
  })
  await shop.site.kv.put('/articles/hello', 'the whole article', { metadata: { description: 'Über Ebbe 🌊' } })
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

type Buyer = { fetch: (url: string, init?: RequestInit) => Promise<Response>; account: PrivateKeyAccount }

async function buyerOf(version: 'v1' | 'v2', atomicUnits: bigint): Promise<Buyer> {
  const key = generatePrivateKey()
  const account = privateKeyToAccount(key)
  if (atomicUnits > 0n) await shop.stack.chain.fund(account.address, atomicUnits)
  if (version === 'v1') return { account, fetch: wrapV1(fetch, await createSigner('base-sepolia', key)) }
  const client = new x402Client()
  registerExactEvmScheme(client, { signer: account })
  return { account, fetch: wrapV2(fetch, client) }
}

describe.each(['v1', 'v2'] as const)('the stock client of %s', (version) => {
  test('buys an article, and can read the receipt', async () => {
    const { fetch: buy, account } = await buyerOf(version, 1_000_000n)
    const { result: response, cost } = await shop.costOf(() => buy(`${shop.site.url}/articles/hello`))
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('the whole article')
    expect(cost).toEqual(ONE_SALE)
    const receipt =
      version === 'v1'
        ? decodeXPaymentResponse(response.headers.get('X-PAYMENT-RESPONSE') ?? '')
        : decodePaymentResponseHeader(response.headers.get('PAYMENT-RESPONSE') ?? '')
    expect(receipt).toMatchObject({
      success: true,
      transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      network: version === 'v1' ? 'base-sepolia' : NETWORK,
      payer: account.address.toLowerCase(),
    })
  })

  test('buys the same article again without being charged', async () => {
    const { fetch: buy } = await buyerOf(version, 1_000_000n)
    await (await buy(`${shop.site.url}/articles/hello`)).text()
    const { result: response, cost } = await shop.costOf(() => buy(`${shop.site.url}/articles/hello`))
    expect(await response.text()).toBe('the whole article')
    expect(cost).toEqual(NOTHING)
  })

  test('has a question answered by POST', async () => {
    origin.tell(({ body }) => ({ body: `you asked: ${body}` }))
    const { fetch: buy } = await buyerOf(version, 1_000_000n)
    const { result: response, cost } = await shop.costOf(() =>
      buy(`${shop.site.url}/api/ask`, { method: 'POST', body: 'when is high tide?' }),
    )
    expect(await response.text()).toBe('you asked: when is high tide?')
    expect(cost).toEqual(ONE_SALE)
  })

  test('with an empty wallet is told so, and is not charged', async () => {
    const { fetch: buy } = await buyerOf(version, 0n)
    const { result: response, cost } = await shop.costOf(() => buy(`${shop.site.url}/articles/hello`))
    expect(response.status).toBe(402)
    expect(await response.json()).toMatchObject({ error: 'insufficient_funds' })
    expect(cost).toMatchObject({ earned: 0n })
  })

  test('does not pay for what is not there', async () => {
    const { fetch: buy } = await buyerOf(version, 1_000_000n)
    const { result: response, cost } = await shop.costOf(() => buy(`${shop.site.url}/articles/nothing`))
    expect(response.status).toBe(404)
    expect(cost).toEqual(NOTHING)
  })
})
