// The newspaper of `npm start` in a browser: a reader who buys with the demo wallet, a program that buys the same, and the
// publisher's till that counts both.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { demoContent } from '../../dev/demo/content.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { startBrowser } from '../world/chromium.ts'
import { openDemo } from '../world/demo.ts'
import { openReader } from '../world/reader.ts'
import type { Shop } from '../world/shop.ts'

let shop: Shop
let browser: Browser

beforeAll(async () => {
  ;[browser, shop] = await Promise.all([startBrowser(), openDemo()])
  await shop.stack.chain.fund(wallets.alice.address, 1_000_000n)
})

afterAll(async () => {
  await browser.close()
  await shop.close()
})

const balance = () => shop.stack.chain.balance(wallets.alice.address)

test('sixty seconds: a reader and a program buy the same page, it is marked, and the till counts up', async () => {
  const [reader, till] = [await openReader(browser, []), await openReader(browser, [])]
  const { page } = reader
  await till.page.goto(`${shop.site.url}/till`)
  await till.page.getByText('Nothing sold yet.').waitFor()

  await page.goto(shop.site.url)
  for (const { path, metadata } of demoContent) {
    expect(await page.getByRole('link', { name: metadata.title }).getAttribute('href')).toBe(path)
  }
  await page.waitForFunction(() => [...document.images].every((image) => image.complete && image.naturalWidth > 0))
  expect(await page.getByText('✓ yours').count()).toBe(0)
  await reader.look('demo-front')

  await page.getByRole('link', { name: 'Why the tide comes twice' }).click()
  await page.getByRole('button', { name: 'Pay $0.05 with Demo wallet' }).click()
  const sheet = page.getByRole('dialog', { name: 'Pay $0.05?' })
  await sheet.waitFor()
  for (const said of ['Base Sepolia, on this machine', '$0.05 in USDC', wallets.publisher.address])
    await sheet.getByText(said).waitFor()
  await reader.look('demo-sheet')
  // Enter answers what has the focus, and that is "Cancel".
  await page.keyboard.press('Enter')
  await reader.sees('You said no, and nothing was charged.')
  await page.getByRole('button', { name: 'Pay $0.05 with Demo wallet' }).click()
  await sheet.waitFor()
  await page.keyboard.press('Escape')
  await sheet.waitFor({ state: 'detached' })
  await reader.sees('You said no, and nothing was charged.')
  expect(await balance()).toBe(1_000_000n)

  await page.getByRole('button', { name: 'Pay $0.05 with Demo wallet' }).click()
  await page.getByRole('button', { name: 'Sign' }).click()
  await page.getByText('Spring and neap').waitFor()
  await till.page.getByText('One sale since npm start.').waitFor()
  expect(await till.page.locator('#sum').textContent()).toBe('$0.05')

  await page.goto(shop.site.url)
  await page.getByText('✓ yours').waitFor()
  expect(await page.getByText('✓ yours').getAttribute('data-of')).toBe('/articles/tides')
  await reader.look('demo-front-owned')

  const program = await shop.buy('v2', '/articles/tides', await shop.reader())
  expect(program.text).toContain('Spring and neap')
  await till.page.getByText('2 sales since npm start.').waitFor()
  expect(await till.page.locator('#sum').textContent()).toBe('$0.10')
  expect(await till.page.locator('#sales li').count()).toBe(2)
  expect(await till.page.getByText('Why the tide comes twice').first().isVisible()).toBe(true)
  await till.look('demo-till')
  expect(await balance()).toBe(950_000n)
  await till.close()

  // Without the cookie: the sheet says that signing in costs nothing.
  await page.context().clearCookies()
  await page.evaluate(() => sessionStorage.clear())
  await page.goto(`${shop.site.url}/articles/tides`)
  await reader.click('I already bought this')
  const signIn = page.getByRole('dialog', { name: 'Sign in to this site?' })
  for (const said of [wallets.alice.address, 'nothing']) await signIn.getByText(said, { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Sign', exact: true }).click()
  await page.getByText('Spring and neap').waitFor()
  expect(await balance()).toBe(950_000n)
  await reader.close()
})

test('the wall stands in the newspaper’s own page, and shows nothing of what is behind it', async () => {
  const reader = await openReader(browser, [])
  const answer = await reader.page.goto(`${shop.site.url}/articles/steps`)
  expect(answer?.status()).toBe(402)
  await reader.page.getByText('eleven, and dry').waitFor()
  await reader.page.getByRole('button', { name: 'Pay $0.05 with Demo wallet' }).waitFor()
  expect(await answer?.text()).not.toContain('two stones be dry')
  await reader.page.waitForFunction(() => [...document.images].every((image) => image.naturalWidth > 0))
  await reader.look('demo-wall')
  await reader.close()
})
