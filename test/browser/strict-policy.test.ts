// A publisher whose own policy lets no inline style in: the line under what was bought keeps its promises there too.
import { afterAll, expect, test } from 'vitest'
import { startBrowser } from '../world/chromium.ts'
import { startOrigin } from '../world/origin.ts'
import { openReader, walletOf } from '../world/reader.ts'
import { openShop } from '../world/shop.ts'
import { hasArticle } from './newsstand.ts'

const origin = await startOrigin()
origin.tell({
  headers: {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': "default-src 'self'; script-src 'self'",
  },
  body: `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>The tides</title><main><article class="entry-content"><h1>The tides</h1>${'<p>Twice a day the sea comes in.</p>'.repeat(5)}<p id="paid">All of it.</p></article></main></html>`,
})
const [browser, shop] = await Promise.all([
  startBrowser(),
  openShop({
    SITE_URL: 'http://localhost:8787',
    ORIGIN_URL: origin.url,
    ROUTES: [{ path: '/walled/*', price: '$0.05', access: '24h' }],
  }),
])

afterAll(async () => {
  await browser.close()
  await shop.close()
  await origin.stop()
})

test('it is not printed, and breaks no policy', async () => {
  const account = await shop.reader()
  const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)])
  const broken: string[] = []
  await reader.page.goto(`${shop.site.url}/walled/tides`)
  await reader.click('Pay $0.05')
  await hasArticle(reader)
  reader.page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) broken.push(message.text())
  })
  await reader.page.reload()
  const line = reader.page.getByRole('complementary', { name: 'Paid' })
  await line.waitFor()
  await reader.page.emulateMedia({ media: 'print' })
  const isPrinted = await line.isVisible()
  await reader.page.context().close()
  expect({ isPrinted, broken: broken.filter((text) => !text.includes('data:,')) }).toEqual({
    isPrinted: false,
    broken: [],
  })
})
