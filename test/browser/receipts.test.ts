// A reader and the receipts: with the cookie lost, with a pass, with and without a wallet and JavaScript, and the check of a
// signature in the page.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startBrowser } from '../world/chromium.ts'
import { openReader, walletOf } from '../world/reader.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'
import { hasArticle, metadata } from './newsstand.ts'

const RECEIPTS = '/_newsstand/receipts'
/** The key of RFC 8037, appendix A. */
const RECEIPT_KEY = JSON.stringify({
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
})

/** A public key of RFC 8032, section 7.1, test 2. */
const OTHER_KEY = 'PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw'

let shop: Shop
let browser: Browser

beforeAll(async () => {
  const opening = openShop({
    SITE_URL: 'http://localhost:8787',
    RECEIPT_KEY,
    BRAND: { name: 'The Daily Stand', legal: 'Daily Stand Ltd, 1 Quay Street' },
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
    ],
  })
  ;[shop, browser] = await Promise.all([opening, startBrowser()])
  const page = '<!doctype html><html lang="en"><title>The tides</title><p id="paid">All of it.</p></html>'
  for (const path of ['/articles/tides', '/once/tides']) await shop.site.kv.put(path, page, { metadata })
})

afterAll(async () => {
  await browser.close()
  await shop.close()
})

/** Somebody who has bought an article and a single answer, and holds no cookie. */
async function buyer() {
  const account = await shop.reader()
  const answers = [await shop.buy('v2', '/articles/tides', account), await shop.buy('v2', '/once/tides', account)]
  await vi.waitUntil(async () => (await shop.ledger(account.address)).length === 2)
  const pass = answers[0]?.headers.getSetCookie()[0]?.split(';')[0]?.split('=') ?? []
  return { account, pass: { name: pass[0] ?? '', value: pass[1] ?? '', url: shop.site.url } }
}

test('the pass has ended and the cookie is lost: the wallet signs, and all its receipts are there until it signs out', async () => {
  const { account } = await buyer()
  const before = await shop.stack.chain.balance(account.address)
  const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)])
  const { page } = reader
  await page.goto(`${shop.site.url}${RECEIPTS}`)
  await page.getByText('This browser holds no pass').waitFor()
  await page.getByRole('button', { name: 'Sign in with Fox' }).waitFor()
  await reader.look('receipts-signed-out')
  await reader.click('Sign in with Fox')
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
  expect(await page.getByRole('link', { name: 'The tides' }).count()).toBe(2)
  await reader.look('receipts')
  await page
    .getByRole('link', { name: /^Receipt / })
    .first()
    .click()
  await page.getByText('Daily Stand Ltd, 1 Quay Street').waitFor()
  await page.getByText('Signed receipt', { exact: true }).click()
  await reader.click('Check the signature')
  await page.getByText('The signature is good').waitFor()
  await reader.look('receipt')
  await page.getByRole('link', { name: 'Your purchases' }).click()
  await reader.click('Sign out')
  await page.getByText('This browser holds no pass').waitFor()
  expect(await page.getByRole('link', { name: 'The tides' }).count()).toBe(0)
  await page.goto(`${shop.site.url}/articles/tides`)
  await page.getByRole('button', { name: /^Pay/ }).first().waitFor()
  expect(await shop.stack.chain.balance(account.address)).toBe(before)
  expect(before).toBe(1_000_000n - 2n * PRICE)
  await reader.close()
})

test('a pass shows what it opens, and the receipt of that', async () => {
  const { pass } = await buyer()
  const reader = await openReader(browser, [], { timezoneId: 'Asia/Tokyo', locale: 'de-DE' })
  await reader.page.context().addCookies([pass])
  await reader.page.goto(`${shop.site.url}${RECEIPTS}`)
  await reader.page.getByRole('heading', { name: 'Was dieser Browser öffnet' }).waitFor()
  expect(await reader.page.getByRole('link', { name: 'The tides' }).count()).toBe(1)
  const [shown, iso] = await reader.page
    .locator('ul.rows time')
    .first()
    .evaluate((time) => [time.textContent, time.getAttribute('datetime')])
  const inTokyo = new Intl.DateTimeFormat('de', { timeStyle: 'short', timeZone: 'Asia/Tokyo' }).format(
    new Date(iso ?? ''),
  )
  expect(shown).toContain(inTokyo)
  await reader.look('receipts-pass')
  await reader.close()
})

test('without JavaScript the page says what there is, in UTC, and what to do', async () => {
  const { pass } = await buyer()
  const context = await browser.newContext({ javaScriptEnabled: false })
  await context.addCookies([pass])
  const page = await context.newPage()
  await page.goto(`${shop.site.url}${RECEIPTS}`)
  await page.getByText('Signing in needs JavaScript').waitFor()
  expect(await page.locator('ul.rows time').first().textContent()).toContain('UTC')
  await context.close()
})

test('without a wallet the page says so, and a wallet that has bought nothing is told', async () => {
  const without = await openReader(browser, [])
  await without.page.goto(`${shop.site.url}${RECEIPTS}`)
  await without.sees('No wallet found')
  await without.look('receipts-no-wallet')
  await without.close()
  const reader = await openReader(browser, [walletOf(await shop.reader(), shop.stack.chain.rpcUrl)])
  await reader.page.goto(`${shop.site.url}${RECEIPTS}`)
  await reader.click('Sign in with Fox')
  await reader.sees('This wallet has bought nothing here')
  expect(await reader.page.context().cookies()).toEqual([])
  await reader.look('receipts-nothing')
  await reader.close()
})

test('a wallet that says no is no end: the next try works', async () => {
  const { account } = await buyer()
  const wallet = walletOf(account, shop.stack.chain.rpcUrl, { refuses: { personal_sign: 4001 } })
  const reader = await openReader(browser, [wallet])
  await reader.page.goto(`${shop.site.url}${RECEIPTS}`)
  await reader.click('Sign in with Fox')
  await reader.sees('You said no')
  await reader.page.getByRole('button', { name: 'Sign in with Fox' }).waitFor()
  expect(await reader.page.context().cookies()).toEqual([])
  await reader.close()
})

test('a signature of another key is not good, and a browser without Ed25519 says that it cannot tell', async () => {
  const { account, pass } = await buyer()
  const transaction = (await shop.ledger(account.address))[0]?.transaction
  const reader = await openReader(browser, [])
  const { page } = reader
  await page.context().addCookies([pass])
  await page.goto(`${shop.site.url}/articles/tides`)
  await hasArticle(reader)
  await page.route('**/.well-known/did.json', async (route) => {
    const response = await route.fetch()
    const text = (await response.text()).replaceAll(JSON.parse(RECEIPT_KEY).x, OTHER_KEY)
    await route.fulfill({ response, body: text })
  })
  await page.goto(`${shop.site.url}${RECEIPTS}/${transaction}`)
  await page.getByText('Signed receipt', { exact: true }).click()
  await reader.click('Check the signature')
  await page.getByText('The signature is not good').waitFor()
  await page.unroute('**/.well-known/did.json')
  await page.evaluate(() => {
    crypto.subtle.importKey = () => Promise.reject(new DOMException('none', 'NotSupportedError'))
  })
  await reader.click('Check the signature')
  await page.getByText('This browser cannot check such signatures').waitFor()
  await reader.close()
})
