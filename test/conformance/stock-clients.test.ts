// The clients people use, from the registry, each buying a real article.
import { decodePaymentResponseHeader } from '@x402/core/http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeXPaymentResponse } from 'x402-fetch'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { NOTHING, ONE_SALE } from '../world/shop.ts'
import { CELLS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

let origin: OriginServer
let shop: SolanaShop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openSolanaShop({
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

describe.each(CELLS)('the stock client of $version on $name', ({ version, kind }) => {
  test('buys an article, and can read the receipt', async () => {
    const { fetch: buy, address } = await kind.stock(shop, version)
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
      transaction: expect.stringMatching(kind.transaction),
      network: version === 'v1' ? kind.v1Name : kind.network,
      payer: address,
    })
  })

  test('buys the same article again without being charged', async () => {
    const { fetch: buy } = await kind.stock(shop, version)
    await (await buy(`${shop.site.url}/articles/hello`)).text()
    const { result: response, cost } = await shop.costOf(() => buy(`${shop.site.url}/articles/hello`))
    expect(await response.text()).toBe('the whole article')
    expect(cost).toEqual(NOTHING)
  })

  test('has a question answered by POST', async () => {
    origin.tell(({ body }) => ({ body: `you asked: ${body}` }))
    const { fetch: buy } = await kind.stock(shop, version)
    const { result: response, cost } = await shop.costOf(() =>
      buy(`${shop.site.url}/api/ask`, { method: 'POST', body: 'when is high tide?' }),
    )
    expect(await response.text()).toBe('you asked: when is high tide?')
    expect(cost).toEqual(ONE_SALE)
  })

  test('with an empty wallet is told so, and is not charged', async () => {
    const { fetch: buy } = await kind.stock(shop, version, 0n)
    const { result: response, cost } = await shop.costOf(() => buy(`${shop.site.url}/articles/hello`))
    expect(response.status).toBe(402)
    expect(await response.json()).toMatchObject({ error: kind.insufficient })
    expect(cost).toMatchObject({ earned: 0n })
  })

  test('does not pay for what is not there', async () => {
    const { fetch: buy } = await kind.stock(shop, version)
    const { result: response, cost } = await shop.costOf(() => buy(`${shop.site.url}/articles/nothing`))
    expect(response.status).toBe(404)
    expect(cost).toEqual(NOTHING)
  })
})
