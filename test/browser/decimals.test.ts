// What is sold in a token with other decimals than USDC, as a reader with a wallet sees it: the same money in words, in the
// wallet, and where some of it is missing.
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { startBrowser } from '../world/chromium.ts'
import { EURX, type OwnShop, openOwnShop, POLYGON, written } from '../world/own-token.ts'
import { openReader, walletOf } from '../world/reader.ts'
import { ARTICLE, hasArticle, metadata, signatures } from './newsstand.ts'

const browser = await startBrowser()
const AVALANCHE = 'eip155:43114'
/** Its address is another token's on another network, with other decimals. */
const twice = { ...EURX, decimals: 18 }
const inTwoPlaces = {
  NETWORKS: [POLYGON, AVALANCHE],
  ASSETS: { [POLYGON]: [written(twice)], [AVALANCHE]: [written({ ...EURX, decimals: 6 })] },
}
const CASES: [name: string, shop: OwnShop, price: bigint][] = [
  ['18 decimals', await openOwnShop({ ...EURX, decimals: 18 }), 40_000_000_000_000_000n],
  ['2 decimals', await openOwnShop({ ...EURX, decimals: 2 }), 4n],
  ['18 decimals, and 6 at its address elsewhere', await openOwnShop(twice, inTwoPlaces), 40_000_000_000_000_000n],
]
for (const [, { site }] of CASES) await site.kv.put('/articles/tides', ARTICLE, { metadata })

afterAll(async () => {
  await browser.close()
  for (const [, shop] of CASES) await shop.stop()
})

const typed = z.looseObject({ message: z.looseObject({ value: z.string() }) })

describe.each(CASES)('with %s', (_, shop, price) => {
  async function visit(account: PrivateKeyAccount) {
    const reader = await openReader(browser, [walletOf(account, shop.dollars.chain.rpcUrl)])
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    return reader
  }

  test('the price is what is asked, signed and paid', async () => {
    const account = await shop.reader()
    const held = await shop.euros.balance(account.address)
    const reader = await visit(account)
    await reader.click('Pay €0.04 with Fox')
    await hasArticle(reader)
    const [asked] = signatures(reader).map(({ params }) => typed.parse(JSON.parse(z.string().parse(params[1]))))
    expect(asked?.message.value).toBe(`${price}`)
    expect(held - (await shop.euros.balance(account.address))).toBe(price)
    await reader.close()
  })

  test('what is missing is said as money, and nothing is signed', async () => {
    const account = privateKeyToAccount(generatePrivateKey())
    await shop.euros.fund(account.address, price / 4n)
    const reader = await visit(account)
    await reader.click('Pay €0.04 with Fox')
    await reader.sees(/€0\.03 EURX/)
    expect(signatures(reader)).toEqual([])
    await reader.close()
  })
})
