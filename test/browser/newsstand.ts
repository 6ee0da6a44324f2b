// The newspaper that the browser tests are readers of: a shop with three shelves, a real Chromium, and readers with wallets.
import type { Browser } from 'playwright-core'
import { type Behaviours, behaviours } from '../world/behaviour.ts'
import type { BrowserWallet } from '../world/browser-wallet.ts'
import { startBrowser } from '../world/chromium.ts'
import { openReader, type Reader, walletOf } from '../world/reader.ts'
import { openShop, type Shop } from '../world/shop.ts'
import type { Site } from '../world/site.ts'

export const ARTICLE =
  '<!doctype html><html lang="en"><title>The tides</title><h1>The tides, in full</h1><p id="paid">All of it.</p></html>'
export const TEASER = 'The moon pulls, the water follows.'
export const metadata = {
  title: 'The tides',
  description: 'Why the sea comes twice a day.',
  teaser: TEASER,
  contentType: 'text/html; charset=utf-8',
}

/** A shop that stays up: readers of one file are there at the same time. */
type Shared = Omit<Shop, 'site'> & { site: Omit<Site, 'restart' | 'become' | 'kill'> }

export type Newsstand = {
  /** What the facilitator does for one payer. */
  facilitator: Behaviours
  shop: Shared
  browser: Browser
  /** A reader with a dollar and one wallet, at an address. */
  visit(path?: string, change?: Partial<BrowserWallet>, money?: bigint): Promise<Visit>
  close(): Promise<void>
}
type Visit = Reader & { account: BrowserWallet['account']; spent(): Promise<bigint> }

/** Close it in `afterAll`. */
export async function openNewsstand(): Promise<Newsstand> {
  const facilitator = behaviours()
  const opening = openShop(
    {
      SITE_URL: 'http://localhost:8787',
      BRAND: {
        name: 'The Daily Stand',
        accent: '#0b6e4f',
        terms: '/terms',
        support: 'mailto:help@news.example',
        why: '/why',
        legal: 'The Daily Stand Ltd, 1 Quay Street, Harbour',
        refunds: 'Write to us within two weeks.',
      },
      ROUTES: [
        {
          path: '/articles/*',
          content: 'kv',
          price: '$0.05',
          access: '24h',
          offers: [{ name: 'Day pass', price: '$0.50', access: '24h', scope: '/articles/*' }],
        },
        { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
        {
          path: '/twice/*',
          content: 'kv',
          price: '$0.05',
          access: '24h',
          offers: [
            { name: 'Pass', scope: '/twice/*', price: '$0.30', access: '24h' },
            { name: 'Pass', scope: '/twice/*', price: '$0.70', access: '30d' },
          ],
        },
      ],
    },
    { hook: facilitator.hook },
  )
  const [browser, shop] = await Promise.all([startBrowser(), opening])
  for (const path of ['/articles/tides', '/articles/other', '/articles/dear', '/once/tides', '/twice/tides']) {
    await shop.site.kv.put(path, ARTICLE, { metadata })
  }
  return {
    facilitator,
    shop,
    browser,
    async visit(path = '/articles/tides', change = {}, money) {
      const account = await shop.reader(money)
      const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl, change)])
      await reader.page.goto(`${shop.site.url}${path}`)
      const spent = async () => (money ?? 1_000_000n) - (await shop.stack.chain.balance(account.address))
      return { ...reader, account, spent }
    },
    async close() {
      await browser.close()
      await shop.close()
    },
  }
}

export const hasArticle = (reader: Pick<Reader, 'page'>) => reader.page.locator('#paid').waitFor()
export const signatures = ({ asked }: Pick<Reader, 'asked'>) =>
  asked.filter(({ method }) => method === 'eth_signTypedData_v4')
