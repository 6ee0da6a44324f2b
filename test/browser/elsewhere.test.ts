// Readers whose wallet is somewhere else: on a phone, in a wallet's own browser, in a second browser; with their money on
// another network, or in another account. Each reaches the article, or an honest next step.
import type { BrowserContextOptions, Page } from 'playwright-core'
import { encode } from 'uqr'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { startBrowser } from '../world/chromium.ts'
import { type Network, startFacilitatorFor, startNetwork } from '../world/networks.ts'
import { startOrigin } from '../world/origin.ts'
import { openReader, type Reader, walletOf } from '../world/reader.ts'
import { openShop, PRICE } from '../world/shop.ts'
import { type Site, startSite } from '../world/site.ts'
import { ARTICLE, hasArticle, metadata, openNewsstand, signatures } from './newsstand.ts'

const { browser, close, shop, visit } = await openNewsstand()
afterAll(close)

const TIDES = '/articles/tides'
/** What a phone says of itself. */
const PHONE: BrowserContextOptions = { isMobile: true, hasTouch: true }
const MY_PHONE = 'Use a wallet app on a phone'
const READ_ONLY = /^newsstand screen /

/** What a waiting page keeps. */
const kept = z.object({ secret: z.string(), code: z.object({ text: z.string(), words: z.string() }) })
async function waitingOf(page: Page) {
  const stored = await page.evaluate(() => Object.entries(sessionStorage))
  return kept.parse(JSON.parse(stored.find(([key]) => READ_ONLY.test(key))?.[1] ?? 'null'))
}

const address = (code: string) => `${shop.site.url}/_newsstand/checkout/${code}`

/** A reader without a wallet who has asked for the way to one. */
async function askingFor(path = TIDES, options: BrowserContextOptions = {}): Promise<Reader> {
  const reader = await openReader(browser, [], options)
  await reader.page.goto(`${shop.site.url}${path}`)
  await reader.click(MY_PHONE)
  return reader
}

/** A browser with a wallet in it, that opens an address. */
async function withWallet(at: string, options: BrowserContextOptions = PHONE) {
  const account = await shop.reader()
  const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)], options)
  await reader.page.goto(at)
  const spent = async () => 1_000_000n - (await shop.stack.chain.balance(account.address))
  return { ...reader, account, spent }
}

/** The address in the QR code that is shown: the same picture as one made here. */
const showsCodeOf = async ({ page }: Reader, at: string) => {
  const { data } = encode(at, { ecc: 'L', border: 4 })
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : []))).join('')
  expect(await page.locator('#wallets svg path').getAttribute('d')).toBe(dark)
}

describe('on a screen without a wallet', () => {
  test('a code is made on a click alone; what a phone pays for opens here by itself, after a yes', async () => {
    const screen = await openReader(browser, [])
    await screen.page.goto(`${shop.site.url}${TIDES}`)
    await screen.sees('No wallet found')
    expect(screen.fetched.filter((one) => one.includes('/_newsstand/'))).toEqual([])
    await screen.look('no-wallet')
    await screen.click(MY_PHONE)
    await screen.sees('Scan this code')
    const { code } = await waitingOf(screen.page)
    await showsCodeOf(screen, address(code.text))
    expect(await screen.page.locator('#wallets').textContent()).toContain(code.words)
    await screen.look('hand-over-screen')
    await screen.page.setViewportSize({ width: 320, height: 640 })
    await screen.page.emulateMedia({ forcedColors: 'active' })
    expect(await screen.faults('html')).toEqual([])
    expect(await screen.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320)
    await screen.page.emulateMedia({ forcedColors: 'none' })

    const phone = await withWallet(address(code.text))
    expect(new URL(phone.page.url()).pathname).toBe(TIDES)
    await phone.click('Pay $0.05')
    await phone.page.getByRole('heading', { name: 'Open it on the other screen too?' }).waitFor()
    expect(await phone.page.getByRole('main').textContent()).toContain(code.words)
    await phone.look('hand-over-phone')
    expect(await screen.page.locator('#paid').count()).toBe(0)
    await phone.click('Yes, I see them there')
    await hasArticle(phone)
    await hasArticle(screen)
    expect(await phone.spent()).toBe(PRICE)
    expect(signatures(phone)).toHaveLength(1)
    // What was handed over opens the page: nothing of who paid.
    await screen.page.goto(`${shop.site.url}/_newsstand/receipts`)
    expect((await screen.page.content()).toLowerCase()).not.toContain(phone.account.address.toLowerCase())
    await screen.page.goto(`${shop.site.url}/articles/other`)
    await screen.sees('No wallet found')
    await screen.close()
    await phone.close()
  })

  test('a no on the phone opens the article there, and nothing here', async () => {
    const screen = await askingFor()
    await screen.sees('Scan this code')
    const { code } = await waitingOf(screen.page)
    const phone = await withWallet(address(code.text))
    await phone.click('Pay $0.05')
    await phone.page.getByRole('link', { name: 'No, open it only here' }).click()
    await hasArticle(phone)
    await screen.page.waitForResponse((response) => response.url().endsWith('/screen'))
    expect(await screen.page.locator('#paid').count()).toBe(0)
    await screen.close()
    await phone.close()
  })

  test('a phone that owns the page already is asked at once; a page that was loaded anew still waits', async () => {
    const phone = await withWallet(`${shop.site.url}${TIDES}`)
    await phone.click('Pay $0.05')
    await hasArticle(phone)
    const screen = await askingFor()
    await screen.sees('Scan this code')
    const { code } = await waitingOf(screen.page)
    await screen.page.reload()
    await screen.sees('Scan this code')
    expect((await waitingOf(screen.page)).code.text).toBe(code.text)
    await phone.page.goto(address(code.text))
    await phone.click('Yes, I see them there')
    await hasArticle(phone)
    await hasArticle(screen)
    expect(await phone.spent()).toBe(PRICE)
    await screen.close()
    await phone.close()
  })

  test('a second browser: who has bought it elsewhere signs in there, and the page opens here', async () => {
    const bought = await withWallet(`${shop.site.url}${TIDES}`)
    await bought.click('Pay $0.05')
    await hasArticle(bought)
    await bought.close()
    const screen = await openReader(browser, [])
    await screen.page.goto(`${shop.site.url}${TIDES}`)
    await screen.click('I already bought this')
    await screen.sees('sign in if you already bought it')
    const { code } = await waitingOf(screen.page)
    const back = await openReader(browser, [walletOf(bought.account, shop.stack.chain.rpcUrl)], PHONE)
    await back.page.goto(address(code.text))
    await back.click('I already bought this')
    await back.click('Yes, I see them there')
    await hasArticle(screen)
    expect(await bought.spent()).toBe(PRICE)
    expect(signatures(back)).toEqual([])
    await screen.close()
    await back.close()
  })

  test('where cookies are blocked, it is said that the page opens on the phone only, and nothing waits', async () => {
    const screen = await openReader(browser, [])
    await screen.page.addInitScript(() => Object.defineProperty(navigator, 'cookieEnabled', { value: false }))
    await screen.page.goto(`${shop.site.url}${TIDES}`)
    await screen.click(MY_PHONE)
    await screen.sees('Scan this code')
    expect(await screen.page.locator('#wallets').textContent()).toContain('opens there only')
    await showsCodeOf(screen, `http://localhost:8787${TIDES}`)
    await screen.look('hand-over-without-cookies')
    expect(screen.fetched.filter((one) => one.endsWith('/screen'))).toEqual([])
    await screen.close()
  })

  test('a single answer is bought where the wallet is: its code is the page alone', async () => {
    const screen = await askingFor('/once/tides')
    await screen.sees('Scan this code')
    expect(await screen.page.locator('#wallets').textContent()).toContain('opens there only')
    await showsCodeOf(screen, 'http://localhost:8787/once/tides')
    await screen.close()
  })

  test('it asks while it is looked at, stops where its reader goes back, and says when its time is over', async () => {
    const screen = await askingFor()
    await screen.sees('Scan this code')
    await screen.page.route('**/screen', (route) => route.fulfill({ status: 404, json: { error: 'not_found' } }))
    await screen.sees('The time of this code is over')
    await screen.look('hand-over-over')
    await screen.page.unroute('**/screen')
    const before = screen.fetched.length
    await screen.click('Show a new one')
    await screen.sees('Scan this code')
    expect(screen.fetched.slice(before).filter((one) => one.includes('/checkout/code?'))).toHaveLength(1)
    await screen.click('Start again')
    await screen.sees('No wallet found')
    expect(await screen.page.evaluate(() => sessionStorage.length)).toBe(0)
    await screen.close()
  })

  test('where the site cannot be asked, it is said, and the other ways stay', async () => {
    const screen = await openReader(browser, [])
    await screen.page.goto(`${shop.site.url}${TIDES}`)
    await screen.page.route('**/checkout/code?*', (route) => route.abort())
    await screen.click(MY_PHONE)
    await screen.sees('could not be prepared')
    await screen.page.getByRole('button', { name: 'Look again' }).waitFor()
    await screen.close()
  })
})

describe('on a phone without a wallet', () => {
  test('links lead into wallets that know the network, with a code, and the browser opens after the wallet has paid', async () => {
    const safari = await askingFor(TIDES, PHONE)
    await safari.sees('wallet’s own browser')
    const { code } = await waitingOf(safari.page)
    const links = await safari.page
      .locator('#wallets a')
      .evaluateAll((all) => all.map((one) => [one.textContent, one.getAttribute('href')]))
    const encoded = encodeURIComponent(address(code.text))
    expect(links).toEqual([
      ['Open in MetaMask', `https://link.metamask.io/dapp/${address(code.text).slice('http://'.length)}`],
      ['Open in Coinbase Wallet (Base)', `https://go.cb-w.com/dapp?cb_url=${encoded}`],
      ['Open in Phantom', `https://phantom.app/ul/browse/${encoded}?ref=${encodeURIComponent(shop.site.url)}`],
    ])
    expect(await safari.page.locator('#wallets svg').count()).toBe(0)
    await safari.look('hand-over-wallets')

    const wallet = await withWallet(address(code.text))
    await wallet.click('Pay $0.05')
    await wallet.page.getByText(code.words).waitFor()
    await wallet.click('Yes, I see them there')
    await hasArticle(wallet)
    await hasArticle(safari)
    await safari.close()
    await wallet.close()
  })

  test('who has scanned a code goes on with that one: in the wallet’s browser it still opens the screen', async () => {
    const screen = await askingFor()
    await screen.sees('Scan this code')
    const { code } = await waitingOf(screen.page)
    const safari = await openReader(browser, [], PHONE)
    await safari.page.goto(address(code.text))
    await safari.click(MY_PHONE)
    await safari.sees('wallet’s own browser')
    const link = safari.page.getByRole('link', { name: 'Open in MetaMask' })
    expect(await link.getAttribute('href')).toContain(code.text)
    const wallet = await withWallet(address(code.text))
    await wallet.click('Pay $0.05')
    await wallet.click('Yes, I see them there')
    await hasArticle(screen)
    for (const reader of [screen, safari, wallet]) await reader.close()
  })

  test('a link with a code that is none, or of yesterday, costs its reader nothing: what they buy opens', async () => {
    const reader = await withWallet(`${shop.site.url}${TIDES}#newsstand=${'a'.repeat(60)}.${'b'.repeat(43)}`)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('the link can be copied, or marked where a page may not write to the clipboard', async () => {
    const reader = await askingFor(TIDES, PHONE)
    await reader.sees('wallet’s own browser')
    const { code } = await waitingOf(reader.page)
    await reader.click('Copy the link')
    await reader.sees('The link is here')
    expect(await reader.page.getByRole('textbox').inputValue()).toBe(address(code.text))
    await reader.look('hand-over-copied')
    await reader.close()
  })
})

describe('a wallet that holds too little', () => {
  test('says so with a way to more; when its reader is back with more, the page knows', async () => {
    const reader = await visit(TIDES, {}, 1_000n)
    await reader.click('Pay $0.05')
    await reader.sees('short of $0.049')
    const link = reader.page.getByRole('link', { name: 'Top the wallet up' })
    expect(await link.getAttribute('href')).toBe('https://faucet.circle.com/')
    await reader.look('too-little')
    await shop.stack.chain.fund(reader.account.address, 100_000n)
    await reader.page.evaluate(() => window.dispatchEvent(new Event('focus')))
    await reader.sees('holds enough now')
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    await reader.close()
  })

  test('pays with another of its accounts', async () => {
    const other = await shop.reader()
    const reader = await visit(TIDES, { other }, 1_000n)
    await reader.click('Pay $0.05')
    await reader.sees('short of')
    await reader.click('Use another account')
    await hasArticle(reader)
    expect(await shop.stack.chain.balance(other.address)).toBe(1_000_000n - PRICE)
    await reader.close()
  })
})

test('in the publisher’s own page, under a policy of its own, the card shows the code and waits as well', async () => {
  const origin = await startOrigin()
  origin.tell({
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': "script-src 'self'; connect-src 'none'",
    },
    body: `<!doctype html><html lang="en"><title>The tides</title><main><article class="entry-content"><h1>The tides</h1>${'<p>Twice a day the sea comes in.</p>'.repeat(5)}<p id="paid">All of it.</p></article></main></html>`,
  })
  const own = await openShop(
    {
      SITE_URL: 'http://localhost:8787',
      ORIGIN_URL: origin.url,
      ROUTES: [{ path: '/walled/*', price: '$0.05', access: '24h' }],
    },
    { stack: shop.stack },
  )
  const screen = await openReader(browser, [])
  await screen.page.goto(`${own.site.url}/walled/tides`)
  await screen.click(MY_PHONE)
  await screen.sees('Scan this code')
  const { code } = await waitingOf(screen.page)
  await screen.page.locator('#wallets svg').waitFor()
  await screen.look('hand-over-card')
  const account = await shop.reader()
  const phone = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)], PHONE)
  await phone.page.goto(`${own.site.url}/_newsstand/checkout/${code.text}`)
  await phone.click('Pay $0.05')
  await phone.page.getByText(code.words).waitFor()
  await phone.click('Yes, I see them there')
  await hasArticle(phone)
  await hasArticle(screen)
  await screen.close()
  await phone.close()
  await own.close()
  await origin.stop()
})

describe('money on the other network', () => {
  const payTo = privateKeyToAccount(generatePrivateKey()).address
  let networks: Network[]
  let site: Site
  let stop: () => Promise<void>

  beforeAll(async () => {
    networks = [await startNetwork('eip155:8453'), await startNetwork('eip155:137')]
    const { facilitator, stop: end } = await startFacilitatorFor(networks)
    site = await startSite({
      BRAND: { topup: 'https://money.example/' },
      PAY_TO: { eip155: payTo },
      NETWORKS: networks.map(({ asset }) => asset.network),
      FACILITATORS: [facilitator.url],
      RPC_URLS: Object.fromEntries(networks.map(({ asset, chain }) => [asset.network, chain.rpcUrl])),
      ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' }],
    })
    await site.kv.put(TIDES, ARTICLE, { metadata })
    stop = end
  })
  afterAll(async () => {
    await site.stop()
    await stop()
    for (const { chain } of networks) await chain.stop()
  })

  test('is found after one switch in the wallet, and paid there once; the page asks no node', async () => {
    const [base, polygon] = networks
    if (!base || !polygon) throw new Error('two networks')
    const account = privateKeyToAccount(generatePrivateKey())
    await polygon.fund(account.address, 1_000_000n)
    const own = await startBrowser()
    const rpcUrls = { 8453: base.chain.rpcUrl, 137: polygon.chain.rpcUrl }
    const reader = await openReader(own, [
      walletOf(account, base.chain.rpcUrl, { chainId: 8453, known: [8453, 137], rpcUrls }),
    ])
    await reader.page.goto(`${site.url}${TIDES}`)
    await reader.click('Pay $0.05')
    await reader.sees('short of $0.05 USDC on Base')
    expect(await reader.page.getByRole('link', { name: 'Top the wallet up' }).getAttribute('href')).toBe(
      'https://money.example/',
    )
    await reader.look('other-network')
    await reader.click('Pay on Polygon instead')
    await hasArticle(reader)
    expect(await polygon.balance(payTo)).toBe(PRICE)
    expect(await base.balance(payTo)).toBe(0n)
    expect(reader.asked.filter(({ method }) => method === 'wallet_switchEthereumChain')).toHaveLength(1)
    expect(reader.fetched.filter((one) => !one.includes(site.url))).toEqual([])
    await reader.close()
    await own.close()
  })
})
