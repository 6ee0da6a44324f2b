// A real browser for the tests: Debian's Chromium, or the Chrome that is there. The headless shell is the same browser
// without tabs and toolbars, which are pages of their own and cost half of the time.
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const CANDIDATES = [
  process.env.CHROMIUM ?? '',
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Where a browser is; null where none is found. */
export const browserPath = (): string | null => CANDIDATES.find((path) => path !== '' && existsSync(path)) ?? null

/** Nothing but this machine can be reached from it. */
export function startBrowser(): Promise<Browser> {
  const executablePath = browserPath()
  if (executablePath === null) throw new Error('no Chromium was found: install it, or set CHROMIUM=/path/to/it')
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-gpu',
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost',
    ],
  })
}
