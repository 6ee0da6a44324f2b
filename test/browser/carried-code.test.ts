// A link to a page with somebody else's code in it, sent to a reader whose wallet is on a phone.
import { encode } from 'uqr'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { openReader, walletOf } from '../world/reader.ts'
import { hasArticle, type Newsstand, openNewsstand } from './newsstand.ts'

const TIDES = '/articles/tides'
const OTHER = '/articles/other'
const kept = z.object({ code: z.object({ text: z.string(), words: z.string() }) })
let newsstand: Newsstand

beforeAll(async () => {
  newsstand = await openNewsstand()
})
afterAll(() => newsstand.close())

/** The attacker's own screen, which waits, and its code. */
async function attackersScreen(path: string) {
  const screen = await openReader(newsstand.browser, [])
  await screen.page.goto(`${newsstand.shop.site.url}${path}`)
  await screen.click('Use a wallet app on a phone')
  await screen.sees('Scan this code')
  const stored = await screen.page.evaluate(() => Object.entries(sessionStorage))
  const { code } = kept.parse(JSON.parse(stored.find(([key]) => key.startsWith('newsstand screen '))?.[1] ?? 'null'))
  return { ...screen, code }
}

const picture = (address: string) => {
  const { data } = encode(address, { ecc: 'L', border: 4 })
  return data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : []))).join('')
}

test('a screen shows its own code and its own words, whatever link has led its reader there', async () => {
  const attackers = await attackersScreen(TIDES)
  const { url } = newsstand.shop.site
  const screen = await openReader(newsstand.browser, [], { viewport: { width: 1200, height: 800 } })
  await screen.page.goto(`${url}${TIDES}#newsstand=${attackers.code.text}`)
  await screen.click('Use a wallet app on a phone')
  await screen.sees('Scan this code')
  const shown = await screen.page.locator('#wallets svg path').getAttribute('d')
  const said = await screen.page.locator('#wallets').textContent()
  await screen.close()
  await attackers.close()
  expect(shown).not.toBe(picture(`${url}/_newsstand/checkout/${attackers.code.text}`))
  expect(said).toContain('You will be asked whether you see these two words here')
})

test('a screen that waits already does not put another one’s code above its own words', async () => {
  const attackers = await attackersScreen(TIDES)
  const screen = await attackersScreen(TIDES)
  const { url } = newsstand.shop.site
  await screen.page.goto('about:blank')
  await screen.page.goto(`${url}${TIDES}#newsstand=${attackers.code.text}`)
  await screen.sees('Scan this code')
  const shown = await screen.page.locator('#wallets svg path').getAttribute('d')
  const said = await screen.page.locator('#wallets').textContent()
  await screen.close()
  await attackers.close()
  expect(said).toContain(screen.code.words)
  expect(shown).not.toBe(picture(`${url}/_newsstand/checkout/${attackers.code.text}`))
})

test('who buys one page is not asked to open another one, or is told which', async () => {
  const attackers = await attackersScreen(OTHER)
  const { shop, browser } = newsstand
  const reader = await openReader(browser, [walletOf(await shop.reader(), shop.stack.chain.rpcUrl)])
  await reader.page.goto(`${shop.site.url}${OTHER}`)
  await reader.click('Pay $0.05')
  await hasArticle(reader)
  // Later, a link to something else.
  await reader.page.goto(`${shop.site.url}${TIDES}#newsstand=${attackers.code.text}`)
  await reader.click('Pay $0.05')
  const asked = reader.page.getByRole('heading', { name: 'Open it on the other screen too?' })
  await Promise.race([asked.waitFor(), hasArticle(reader)])
  const isAsked = await asked.isVisible()
  const said =
    (await reader.page
      .locator('main')
      .textContent()
      .catch(() => '')) ?? ''
  await reader.close()
  await attackers.close()
  expect(!isAsked || said.includes(OTHER) || said.includes('tides')).toBe(true)
})
