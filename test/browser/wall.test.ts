// The card in a publisher's own page: it can be read and used whatever the page's rules say, and the page stays itself.

import { gzipSync } from 'node:zlib'
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

/** Rules of a page that would spoil a card in it. */
const HOSTILE: Record<string, string> = {
  'hide everything':
    '*{color:#fff!important;background:#fff!important;display:none;font-size:3px!important;visibility:hidden!important}html,body,main,article,footer,div,p,h1{display:block}html{font-size:3px}',
  'are inherited':
    'html,body,article{font:italic 3px/0 fantasy;color:transparent;letter-spacing:-9px;word-spacing:99px;text-indent:-999px;text-align:end;text-transform:uppercase;white-space:nowrap;visibility:hidden;cursor:none;user-select:none;writing-mode:vertical-rl;word-break:keep-all;text-shadow:0 0 9px red;-webkit-text-fill-color:transparent;pointer-events:none;list-style:none;quotes:none;hyphens:none}html{color-scheme:light dark;writing-mode:horizontal-tb}body,article{writing-mode:horizontal-tb}',
  'are meant for it':
    '.newsstand-paywall,[data-newsstand],article>div{display:none!important;position:fixed!important;left:-9999px!important;transform:scale(0)!important;opacity:0!important;width:1px!important;height:1px!important;overflow:hidden!important;clip-path:inset(50%)!important;content-visibility:hidden!important;filter:blur(9px)!important;color:#fff!important;font-size:1px!important;zoom:.1!important;pointer-events:none!important}:root{--ink:#fff;--card:#fff;--quiet:#fff;--accent:#fff;--on-accent:#fff}',
}
/** A narrow screen, and a phone's at 200 %. */
const SHOWN = [
  { width: 390 },
  { width: 390, colorScheme: 'dark' },
  { width: 390, forcedColors: 'active' },
  { width: 320 },
  { width: 195 },
] as const
const LINE_PX = 29

beforeAll(async () => {
  origin = await startOrigin()
  const ROUTES = [{ path: '/articles/*', price: '$0.05', access: '24h' }]
  const opening = openShop({
    SITE_URL: 'http://localhost:8787',
    ORIGIN_URL: origin.url,
    ROUTES,
    BRAND: { name: 'The Daily Tide' },
  })
  ;[browser, shop] = await Promise.all([startBrowser(), opening])
  origin.tell(({ url }) => ({
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: pageWith(HOSTILE[decodeURIComponent(url.split('tides-')[1] ?? '')] ?? ''),
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

  test.each(Object.keys(HOSTILE))('can be read and used in a page whose rules %s', async (name) => {
    const reader = await visit(`${PAGE}-${encodeURIComponent(name)}`)
    const button = reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' })
    await button.waitFor()
    for (const { width, ...media } of SHOWN) {
      await reader.page.setViewportSize({ width, height: 800 })
      await reader.page.emulateMedia({ colorScheme: 'light', forcedColors: 'none', ...media })
      const box = await button.boundingBox()
      const said = JSON.stringify({ name, width, media, box })
      expect(box?.x, said).toBeGreaterThanOrEqual(0)
      expect((box?.x ?? 0) + (box?.width ?? 0), said).toBeLessThanOrEqual(width)
      expect(box?.height, said).toBeGreaterThanOrEqual(48)
      expect(await button.evaluate((element) => getComputedStyle(element).fontSize), said).toBe('17px')
      expect(await reader.faults('.newsstand-paywall'), said).toEqual([])
    }
    await reader.close()
  })

  test('is small, and nothing is asked for elsewhere', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    expect(reader.fetched.filter((line) => !line.includes(new URL(shop.site.url).host))).toEqual([])
    const { text } = await shop.ask(PAGE, { headers: { Accept: 'text/html', 'Sec-Fetch-Dest': 'document' } })
    const withoutCard = text.replace(/<div class="newsstand-paywall".*?<\/div><script type="module">.*?<\/script>/s, '')
    expect(withoutCard).not.toContain('shadowrootmode')
    const kilobytes = (page: string) => gzipSync(page).byteLength / 1024
    expect(kilobytes(text) - kilobytes(withoutCard)).toBeLessThanOrEqual(12)
    await reader.close()
  })

  test('keeps the place on the screen when it is bought', async ({ expect }) => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    const first = reader.page.getByText('Free paragraph 3')
    await reader.page.mouse.wheel(0, 300)
    await expect.poll(() => reader.page.evaluate('scrollY')).toBeGreaterThan(100)
    await reader.click('Pay $0.05')
    const before = await first.boundingBox()
    await reader.page.getByText('Paid paragraph 6').waitFor()
    await expect
      .poll(async () => Math.abs(((await first.boundingBox())?.y ?? 1e6) - (before?.y ?? 0)))
      .toBeLessThanOrEqual(LINE_PX)
    await reader.close()
  })
})
