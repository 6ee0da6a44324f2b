// What is sold in a token of Permit2, as a reader with a wallet sees it: the page cannot pay in it, and says so.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBrowser } from '../world/chromium.ts'
import { openPermitShop, type PermitShop } from '../world/permit2-shop.ts'
import { openReader, walletOf } from '../world/reader.ts'
import { PRICE } from '../world/shop.ts'
import { ARTICLE, metadata, signatures } from './newsstand.ts'

let browser: Awaited<ReturnType<typeof startBrowser>>
let shop: PermitShop

beforeAll(async () => {
  const kv = { content: 'kv', access: 'once' }
  const ROUTES = [
    { ...kv, path: '/euros/*', price: '€0.05' },
    { ...kv, path: '/both/*', price: ['$0.05', '€0.05'] },
  ]
  ;[browser, shop] = await Promise.all([startBrowser(), openPermitShop({ ROUTES })])
  for (const path of ['/euros/tides', '/both/tides']) await shop.site.kv.put(path, ARTICLE, { metadata })
})
afterAll(async () => {
  await browser.close()
  await shop.close()
})

async function visit(path: string) {
  const account = privateKeyToAccount(generatePrivateKey())
  await shop.usdc.fund(account.address, PRICE)
  const wallet = walletOf(account, shop.stack.chain.rpcUrl, { chainId: 137, known: [137] })
  const reader = await openReader(browser, [wallet])
  await reader.page.goto(`${shop.site.url}${path}`)
  return { ...reader, account }
}

describe('a token that is paid by Permit2', () => {
  test('alone: no wallet is asked, and the page says who can pay', async () => {
    const reader = await visit('/euros/tides')
    await reader.sees(/No wallet can pay for this in a page/)
    const text = await reader.page.locator('main').innerText()
    expect(text).toContain('takes an x402 v2 client')
    expect(text).not.toContain('Your wallet asks you')
    await reader.look('permit2-alone')
    expect(reader.asked).toEqual([])
    await reader.close()
  })

  test('beside dollars: the page sells for dollars, and offers no choice', async () => {
    const reader = await visit('/both/tides')
    const pay = reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' })
    await pay.waitFor()
    expect(await reader.page.getByRole('radio').count()).toBe(0)
    await reader.look('permit2-beside-dollars')
    await pay.click()
    await reader.sees('Paid')
    expect(signatures(reader)).toHaveLength(1)
    expect(await shop.usdc.balance(reader.account.address)).toBe(0n)
    await reader.close()
  })
})
