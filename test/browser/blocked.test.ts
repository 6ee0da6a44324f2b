// Browsers that block storage, and addresses with more in them than the challenge names.

import type { Page } from 'playwright-core'
import { afterAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { decodeHeader } from '../world/answer.ts'
import { openReader, walletOf } from '../world/reader.ts'
import { PRICE } from '../world/shop.ts'
import { hasArticle, openNewsstand, signatures } from './newsstand.ts'

const { close, browser, shop, visit } = await openNewsstand()

afterAll(close)

const ARTICLE = '/articles/tides'

/** A reader whose browser throws at whatever touches storage. */
async function visitBlocked(path = ARTICLE) {
  const account = await shop.reader()
  const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)])
  await reader.page.addInitScript(() => {
    const blocked = () => {
      throw new DOMException('The operation is insecure.', 'SecurityError')
    }
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches']) {
      Object.defineProperty(globalThis, name, { get: blocked })
    }
    Object.defineProperty(globalThis, 'BroadcastChannel', { value: blocked })
  })
  await reader.page.goto(shop.site.url + path)
  const spent = async () => 1_000_000n - (await shop.stack.chain.balance(account.address))
  return { ...reader, account, spent }
}

/** Cookies do not stay either. */
const withoutCookies = (page: Page) =>
  page.route(`**${ARTICLE}`, async (route) => {
    const response = await route.fetch({ headers: { ...route.request().headers(), cookie: '' } })
    await route.fulfill({ response })
  })

describe('the script does not run: the page says what to do, and is never empty', () => {
  async function expectWayOn(page: Page): Promise<void> {
    await page.getByText('turn on JavaScript and reload').waitFor()
    const link = page.getByRole('link', { name: 'Load again' })
    expect(await link.getAttribute('href')).toBe(`http://localhost:8787${ARTICLE}`)
    expect(await page.getByRole('button').count()).toBe(0)
  }

  test('where something takes it out', async () => {
    const reader = await openReader(browser, [])
    await reader.page.route(`**${ARTICLE}`, async (route) => {
      const response = await route.fetch()
      const body = (await response.text()).replace(/<script type="module">.*?<\/script>/s, '')
      await route.fulfill({ response, body })
    })
    await reader.page.goto(shop.site.url + ARTICLE)
    await expectWayOn(reader.page)
    await reader.look('stuck')
    await reader.close()
  })

  test('where it breaks off at the start', async () => {
    const reader = await openReader(browser, [])
    await reader.page.addInitScript(() => {
      window.dispatchEvent = () => {
        throw new Error('too old')
      }
    })
    await reader.page.goto(shop.site.url + ARTICLE)
    await expectWayOn(reader.page)
    await reader.close()
  })
})

test('a page that is only prepared asks nothing of wallets until it is looked at', async () => {
  const account = await shop.reader()
  const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)])
  await reader.page.addInitScript(() => {
    Object.defineProperty(document, 'prerendering', { value: true })
    window.addEventListener('eip6963:requestProvider', () => document.documentElement.setAttribute('asked', ''))
  })
  await reader.page.goto(shop.site.url + ARTICLE)
  expect(await reader.page.locator('html[asked]').count()).toBe(0)
  await reader.page.evaluate(() => document.dispatchEvent(new Event('prerenderingchange')))
  await reader.click('Pay $0.05')
  await hasArticle(reader)
  await reader.close()
})

describe('storage is blocked', () => {
  test('the article is bought, and opens', async () => {
    const reader = await visitBlocked()
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(signatures(reader)).toHaveLength(1)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('and cookies too: it is said, and what was bought opens all the same', async () => {
    const reader = await visitBlocked()
    await withoutCookies(reader.page)
    await reader.click('Pay $0.05')
    await reader.sees('keeps no cookies')
    await reader.click('Open it')
    const opened = reader.page.context().waitForEvent('page')
    await reader.page.getByRole('link', { name: 'Open it' }).click()
    await (await opened).locator('#paid').waitFor()
    expect(signatures(reader)).toHaveLength(1)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('not confirmed yet, and the page is reloaded: the same payment is sent again', async () => {
    const reader = await visitBlocked()
    await reader.page.route(`**${ARTICLE}`, async (route) => {
      if (route.request().headers()['payment-signature'] === undefined) return route.continue()
      await route.fulfill({ status: 503, headers: { 'Retry-After': '60' }, json: { error: 'settlement_pending' } })
    })
    await reader.click('Pay $0.05')
    await reader.sees('not confirmed yet')
    await reader.page.unroute(`**${ARTICLE}`)
    await reader.page.reload()
    await hasArticle(reader)
    expect(signatures(reader)).toHaveLength(1)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })
})

describe('an address with a tracking parameter and a fragment', () => {
  const TRACKED = `${ARTICLE}?utm_source=letter&fbclid=x#comments`
  const NAMED = `http://localhost:8787${ARTICLE}`
  const payment = z.object({ resource: z.object({ url: z.url() }) })

  test('what is paid for is what the challenge names', async () => {
    const reader = await visit(TRACKED)
    const paying = reader.page.waitForRequest((request) => request.headers()['payment-signature'] !== undefined)
    await reader.click('Pay $0.05')
    const sent = payment.parse(decodeHeader((await paying).headers()['payment-signature'] ?? ''))
    expect(sent.resource.url).toBe(NAMED)
    await hasArticle(reader)
    await reader.page.goto(shop.site.url + ARTICLE)
    await hasArticle(reader)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('what is signed to come back too', async () => {
    const reader = await visit(TRACKED)
    await shop.buy('v2', ARTICLE, reader.account)
    await reader.click('I already bought this')
    await hasArticle(reader)
    const message = reader.asked.find(({ method }) => method === 'personal_sign')?.params[0]
    const lines = Buffer.from(String(message).slice(2), 'hex').toString('utf8').split('\n')
    expect(lines).toContain(`URI: ${NAMED}`)
    await reader.close()
  })
})
