// The card in a publisher's own page: it can be read and used whatever the page's rules say, and the page stays itself.

import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBrowser } from '../world/chromium.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { openReader, walletOf } from '../world/reader.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

const PAGE = '/articles/tides'
let origin: OriginServer
let shop: Shop
let browser: Browser

const paragraphs = (count: number, word: string) =>
  Array.from(
    { length: count },
    (_, i) => `<p>${word} paragraph ${i + 1}: the sea comes twice a day, and nobody asked it to.</p>`,
  ).join('\n')

const pageWith = (
  style: string,
) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>The tides</title><style>body{font:18px/1.6 sans-serif;max-width:44rem;margin:0 auto;padding:1rem}h1{font-size:2rem}${style}</style></head>
<body><header><strong>The Daily Tide</strong></header><main><article class="entry-content"><h1>Why the tide comes twice</h1>
${paragraphs(3, 'Free')}${paragraphs(6, 'Paid')}</article></main><footer>Imprint of the Daily Tide</footer></body></html>`

const HOSTILE =
  '*{color:#fff!important;background:#fff!important;display:none;font-size:3px!important;visibility:hidden!important}html,body,main,article,footer,div,p,h1{display:block}html{font-size:3px}'

beforeAll(async () => {
  origin = await startOrigin()
  const ROUTES = [{ path: '/articles/*', price: '$0.05', access: '24h', wall: {} }]
  const opening = openShop({
    SITE_URL: 'http://localhost:8787',
    ORIGIN_URL: origin.url,
    ROUTES,
    BRAND: { name: 'The Daily Tide' },
  })
  ;[browser, shop] = await Promise.all([startBrowser(), opening])
  origin.tell(({ url }) => ({
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: pageWith(url.includes('hostile') ? HOSTILE : ''),
  }))
})
afterAll(async () => {
  await browser.close()
  await shop.close()
  await origin.stop()
})

async function visit(path = PAGE) {
  const account = await shop.reader()
  const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)])
  await reader.page.goto(shop.site.url + path)
  return { ...reader, spent: async () => 1_000_000n - (await shop.stack.chain.balance(account.address)) }
}

describe('the card', () => {
  test('stands in the page after the cut, and sells: then the whole page is there', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    const shown = await reader.page.locator('body').innerText()
    expect(shown).toContain('Free paragraph 3')
    expect(shown).toContain('Imprint of the Daily Tide')
    expect(await reader.page.content()).not.toContain('Paid paragraph')
    await reader.look('wall')
    await reader.click('Pay $0.05')
    await reader.page.getByText('Paid paragraph 6').waitFor()
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('can be read under rules that hide everything', async () => {
    const reader = await visit(`${PAGE}-hostile`)
    const button = reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' })
    await button.waitFor()
    const { size, color } = await button.evaluate((element) => {
      const style = getComputedStyle(element)
      return { size: style.fontSize, color: style.color }
    })
    expect([size, color]).toEqual(['17px', 'rgb(255, 255, 255)'])
    await reader.close()
  })
})
