// What is sold in a token of Permit2, as a reader with a wallet sees it: the page cannot pay in it, and says so.
import { afterAll, expect, test } from 'vitest'
import { startBrowser } from '../world/chromium.ts'
import { openPermitShop } from '../world/permit2-shop.ts'
import { openReader, type Reader, walletOf } from '../world/reader.ts'
import { ARTICLE, hasArticle, metadata } from './newsstand.ts'

const routeOf = (path: string, price: string | string[]) => ({ path, price, content: 'kv', access: '24h' })
const [browser, shop] = await Promise.all([
  startBrowser(),
  openPermitShop({
    ROUTES: [
      routeOf('/articles/*', '€0.05'),
      routeOf('/both/*', ['$0.05', '€0.05']),
      {
        ...routeOf('/choice/*', '€0.05'),
        offers: [{ name: 'Day pass', price: '$0.50', access: '24h', scope: '/choice/*' }],
      },
    ],
  }),
])
for (const path of ['/articles/tides', '/both/tides', '/choice/tides']) {
  await shop.site.kv.put(path, ARTICLE, { metadata })
}

afterAll(async () => {
  await browser.close()
  await shop.close()
})

const FOR_PROGRAMS = 'is for programs: it takes an x402 v2 client, and a wallet that has approved Permit2 for it.'
const NOT_HERE = 'No wallet can pay for this in a page. Below is what can.'

/** A reader with a dollar in both tokens, who has approved Permit2: at hand is all but the page's signature. */
async function visit(path: string): Promise<Reader & { dollars(): Promise<bigint>; euros(): Promise<bigint> }> {
  const account = await shop.reader()
  await shop.usdc.fund(account.address, 1_000_000n)
  const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)])
  await reader.page.goto(`${shop.site.url}${path}`)
  return {
    ...reader,
    dollars: () => shop.usdc.balance(account.address),
    euros: () => shop.balance(account.address),
  }
}

test('what is sold by Permit2 alone cannot be paid in the page, which says so and asks no wallet for anything', async () => {
  const reader = await visit('/articles/tides')
  await reader.sees(NOT_HERE)
  const text = await reader.page.locator('main').textContent()
  for (const said of ['€0.05', 'on Polygon', FOR_PROGRAMS]) expect(text).toContain(said)
  expect(text).not.toContain('Your wallet asks you')
  // What a program bought with this wallet's key is opened by signing in.
  expect(await reader.page.getByRole('button').allInnerTexts()).toEqual(['I already bought this'])
  expect(reader.asked).toEqual([])
  await reader.look('permit2')
  await reader.close()
})

test('what is sold for dollars too is paid in dollars', async () => {
  const reader = await visit('/both/tides')
  expect(await reader.page.locator('main').textContent()).toContain(FOR_PROGRAMS)
  await reader.look('permit2-beside-dollars')
  await reader.click('Pay $0.05 with Fox')
  await hasArticle(reader)
  expect([await reader.dollars(), await reader.euros()]).toEqual([950_000n, 1_000_000n])
  await reader.close()
})

test('of two offers the one that a wallet can pay is paid', async () => {
  const reader = await visit('/choice/tides')
  await reader.sees(NOT_HERE)
  await reader.page.getByRole('radio').last().check()
  await reader.click('Pay $0.50 with Fox')
  await hasArticle(reader)
  expect([await reader.dollars(), await reader.euros()]).toEqual([500_000n, 1_000_000n])
  await reader.close()
})
