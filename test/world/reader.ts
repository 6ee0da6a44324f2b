// A reader with a browser in front of a shop. What breaks the page's policy, throws in it, or asks another site fails the
// test; every state is looked at by axe on a phone and a desktop, by day and by night, and narrow in forced colours; it fits at 200 %.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { PrivateKeyAccount } from 'viem/accounts'
import { expect } from 'vitest'
import * as z from 'zod'
import { type Asked, type BrowserWallet, installWallets } from './browser-wallet.ts'
import type { SolanaBrowserWallet } from './solana-browser-wallet.ts'

const SCREENSHOTS = 'test/browser/screenshots'

const PHONE = { width: 390, height: 844 }
const DESKTOP = { width: 1200, height: 800 }
const NARROW = { width: 320, height: 640 }
/** A phone at 200 %. */
const ENLARGED = { width: 195, height: 422 }
const LOOKS = [
  { name: 'phone-light', size: PHONE, colorScheme: 'light', forcedColors: 'none', isKept: true },
  { name: 'phone-dark', size: PHONE, colorScheme: 'dark', forcedColors: 'none', isKept: false },
  { name: 'desktop-light', size: DESKTOP, colorScheme: 'light', forcedColors: 'none', isKept: false },
  { name: 'desktop-dark', size: DESKTOP, colorScheme: 'dark', forcedColors: 'none', isKept: true },
  { name: 'narrow-forced', size: NARROW, colorScheme: 'light', forcedColors: 'active', isKept: false },
] as const

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
/** Axe alone. The Playwright package around it parses it twice, and opens a page, each time it is asked. */
const axePackage = createRequire(createRequire(import.meta.url).resolve('@axe-core/playwright'))
const AXE = readFileSync(axePackage.resolve('axe-core/axe.min.js'), 'utf8')
const runAxe = (selector: string) =>
  `axe.run(${JSON.stringify(selector)}, ${JSON.stringify({ runOnly: TAGS, resultTypes: ['violations'] })})`
const found = z.object({
  violations: z.array(z.object({ id: z.string(), nodes: z.array(z.object({ html: z.string() })) })),
  passes: z.array(z.unknown()).nonempty(),
})

export type Reader = {
  page: Page
  asked: Asked
  /** Everything the browser fetched for the page, in order: method and address. */
  fetched: string[]
  status(): Promise<string>
  /** Waits until the status line says this. */
  sees(text: string | RegExp): Promise<void>
  click(text: string | RegExp): Promise<void>
  /** What axe finds in a part of the page as it is shown now. */
  faults(selector: string): Promise<string[]>
  /** Axe finds nothing, nothing is wider than the screen; with SCREENSHOTS=1 pictures are taken. */
  look(state: string): Promise<void>
  close(): Promise<void>
}

/** Opens a page of a shop with these wallets in the browser. */
export async function openReader(
  browser: Browser,
  wallets: readonly BrowserWallet[],
  { solana = [], ...options }: BrowserContextOptions & { solana?: readonly SolanaBrowserWallet[] } = {},
): Promise<Reader> {
  const context = await browser.newContext({ viewport: PHONE, reducedMotion: 'reduce', ...options })
  context.setDefaultTimeout(15_000)
  const page = await context.newPage()
  const problems: string[] = []
  const fetched: string[] = []
  page.on('console', (message) => {
    // That a 402 is a 402 is what Chromium calls an error.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      problems.push(message.text())
  })
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('request', (request) => {
    if (!request.url().endsWith('/favicon.ico')) fetched.push(`${request.method()} ${request.url()}`)
  })
  const asked = await installWallets(page, wallets)
  if (solana.length > 0) {
    const { installSolanaWallets } = await import('./solana-browser-wallet.ts')
    await installSolanaWallets(page, solana, asked)
  }
  const status = page.locator('#status')
  async function faults(selector: string): Promise<string[]> {
    await page.evaluate(AXE)
    const { violations } = found.parse(await page.evaluate(runAxe(selector)))
    return violations.map(({ id, nodes }) => `${id} ${nodes[0]?.html}`)
  }
  return {
    page,
    asked,
    fetched,
    status: async () => (await status.textContent()) ?? '',
    sees: (text) => status.filter({ hasText: text }).waitFor(),
    click: (text) => page.getByRole('button', { name: text }).first().click(),
    faults,
    async look(state) {
      // Axe would have to be in each frame too.
      expect(page.frames()).toHaveLength(1)
      const expectToFit = async (name: string) => {
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
        expect(overflow, `${state} ${name} is wider than the screen`).toBeLessThanOrEqual(0)
      }
      for (const { name, size, colorScheme, forcedColors, isKept } of LOOKS) {
        await page.setViewportSize(size)
        await page.emulateMedia({ colorScheme, forcedColors, reducedMotion: 'reduce' })
        expect(await faults('html'), `${state} ${name}`).toEqual([])
        await expectToFit(name)
        if (process.env.SCREENSHOTS && isKept) {
          mkdirSync(SCREENSHOTS, { recursive: true })
          await page.screenshot({ path: `${SCREENSHOTS}/${state}-${name}.jpg`, type: 'jpeg', quality: 50 })
        }
      }
      await page.setViewportSize(ENLARGED)
      await expectToFit('enlarged')
      await page.setViewportSize(PHONE)
      await page.emulateMedia({ colorScheme: 'light', forcedColors: 'none', reducedMotion: 'reduce' })
    },
    async close() {
      await context.close()
      expect(problems).toEqual([])
    },
  }
}

/** A wallet like most: on the right chain, signing what it is asked. */
export const walletOf = (
  account: PrivateKeyAccount,
  rpcUrl: string,
  change: Partial<BrowserWallet> = {},
): BrowserWallet => ({
  name: 'Fox',
  account,
  rpcUrl,
  ...change,
})
