// What the page says and keeps once something is signed: nothing that is not so, and no payment is dropped whose money may be gone.
import { afterAll, describe, expect, test, vi } from 'vitest'
import { hasArticle, openNewsstand, signatures } from '../../browser/newsstand.ts'
import { openReader } from '../../world/reader.ts'
import { PRICE } from '../../world/shop.ts'

const { close, browser, shop, visit } = await openNewsstand()

afterAll(close)

const TIDES = '/articles/tides'
const ONCE = '/once/tides'
const isPayment = (headers: Record<string, string>) => headers['payment-signature'] !== undefined

describe('a signed payment whose outcome nobody knows', () => {
  test.each<[number, string]>([
    [404, 'not_found'],
    [403, ''],
    [410, ''],
    [503, 'unavailable'],
    [429, 'too_many_requests'],
  ])('and then the answer is %s %s: it is not said that nothing was charged', async (status, error) => {
    const reader = await visit()
    let sent = 0
    await reader.page.route(`**${TIDES}`, async (route) => {
      if (!isPayment(route.request().headers())) return route.continue()
      sent += 1
      if (sent === 1) {
        // It is paid, and the answer is lost on its way.
        await route.fetch()
        return route.fulfill({ status: 503, headers: { 'Retry-After': '60' }, json: { error: 'settlement_pending' } })
      }
      // The origin's own answer, for a while.
      return route.fulfill({ status, json: { error } })
    })
    await reader.click('Pay $0.05')
    await reader.sees('not confirmed yet')
    await reader.click('Ask now')
    await vi.waitUntil(() => sent === 2)
    await reader.page.waitForTimeout(500)
    expect(await reader.spent()).toBe(PRICE)
    expect(await reader.status()).not.toMatch(/nothing was charged/i)
    await reader.page.unroute(`**${TIDES}`)
    await reader.page.reload()
    await hasArticle(reader)
    expect(signatures(reader)).toHaveLength(1)
    await reader.close()
  })
})

describe('a single answer that was paid for', () => {
  test('its download breaks off, and the reader comes back after a while: it is not to be paid again', async () => {
    const reader = await visit(ONCE)
    await reader.page.evaluate(() => {
      const real = globalThis.fetch
      globalThis.fetch = async (...asked) => {
        const response = await real(...asked)
        if (!new Headers(asked[1]?.headers).has('PAYMENT-SIGNATURE')) return response
        const broken = new ReadableStream({
          async start(controller) {
            await response.body?.cancel()
            controller.error(new TypeError('network error'))
          },
        })
        return new Response(broken, { status: 200 })
      }
    })
    await reader.click('Pay $0.05')
    await reader.sees('Your signed payment is kept')
    const now = await reader.page.evaluate(() => Date.now())
    await reader.page.clock.install({ time: now + 5 * 60_000 })
    await reader.page.reload()
    await reader.page.getByRole('link', { name: 'Open it' }).or(reader.page.getByRole('button')).first().waitFor()
    await reader.page.waitForTimeout(1000)
    expect(await reader.page.getByRole('button', { name: 'Pay $0.05' }).count()).toBe(0)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('the page is reloaded: the browser is not said to keep no cookies', async () => {
    const reader = await visit(ONCE)
    await reader.click('Pay $0.05')
    await reader.sees('What you bought is ready')
    await reader.page.reload()
    await reader.page.getByRole('button', { name: 'Open it' }).waitFor()
    expect(await reader.status()).not.toContain('keeps no cookies')
    await reader.close()
  })

  test('it is opened after a reload while the site is out of breath: what was paid for is not dropped', async () => {
    const reader = await visit(ONCE)
    await reader.click('Pay $0.05')
    await reader.sees('What you bought is ready')
    await reader.page.reload()
    await reader.page.getByRole('button', { name: 'Open it' }).waitFor()
    await reader.page.route(`**${ONCE}`, (route) =>
      isPayment(route.request().headers())
        ? route.fulfill({ status: 503, headers: { 'Retry-After': '1' }, json: { error: 'unavailable' } })
        : route.continue(),
    )
    await reader.click('Open it')
    await reader.page.waitForTimeout(1500)
    expect(await reader.page.getByRole('button', { name: 'Pay $0.05' }).count()).toBe(0)
    await reader.close()
  })

  test('it is opened after a reload without a connection: there is a way on', async () => {
    const reader = await visit(ONCE)
    await reader.click('Pay $0.05')
    await reader.sees('What you bought is ready')
    await reader.page.reload()
    await reader.page.getByRole('button', { name: 'Open it' }).waitFor()
    await reader.page.context().setOffline(true)
    await reader.click('Open it')
    await reader.page.waitForTimeout(1000)
    expect(await reader.page.locator('#wallets').locator('button, a').count()).toBeGreaterThan(0)
    await reader.close().catch(() => {})
  })
})

describe('a wallet that held too little, and was topped up in itself', () => {
  test('while it is paid the page does not ask to pay once more', async () => {
    const reader = await visit(ONCE, {}, 10n)
    await reader.click('Pay $0.05')
    await reader.sees('short of')
    await shop.stack.chain.fund(reader.account.address, 1_000_000n)
    const settling = Promise.withResolvers<void>()
    await reader.page.route(`**${ONCE}`, async (route) => {
      if (isPayment(route.request().headers())) await settling.promise
      return route.continue()
    })
    await reader.click('Pay $0.05')
    await reader.sees('Paying')
    // The wallet's own window closes after signing: the page has the focus again.
    await reader.page.evaluate(() => window.dispatchEvent(new Event('focus')))
    await reader.page.waitForTimeout(700)
    expect(await reader.status()).toContain('Paying')
    expect(await reader.page.getByRole('button', { name: 'Pay $0.05' }).count()).toBe(0)
    settling.resolve()
    await reader.sees('What you bought is ready')
    await reader.close()
  })
})

test('who looks again with the keyboard keeps their place', async () => {
  const reader = await openReader(browser, [])
  await reader.page.goto(`${shop.site.url}${TIDES}`)
  await reader.sees('No wallet found')
  await reader.page.getByRole('button', { name: 'Look again' }).focus()
  await reader.page.keyboard.press('Enter')
  await reader.sees('No wallet found')
  expect(await reader.page.evaluate(() => document.activeElement?.tagName)).not.toBe('BODY')
  await reader.close()
})

describe('the receipts', () => {
  const RECEIPTS = '/_newsstand/receipts'

  test('a browser that keeps no cookies signs in: it is told why nothing is shown', async () => {
    const reader = await visit()
    await shop.buy('v2', TIDES, reader.account)
    await vi.waitUntil(async () => (await shop.ledger(reader.account.address)).length === 1)
    await reader.page.route(`**${RECEIPTS}`, async (route) => {
      if (route.request().method() !== 'GET') return route.continue()
      const response = await route.fetch({ headers: { ...route.request().headers(), cookie: '' } })
      await route.fulfill({ response })
    })
    await reader.page.goto(`${shop.site.url}${RECEIPTS}`)
    await reader.click('Sign in with Fox')
    await reader.sees('keeps no cookies')
    await reader.page.getByRole('button', { name: 'Sign in with Fox' }).waitFor()
    await reader.close()
  })

  test('who has signed in with one wallet and buys with another finds the receipt of that too', async () => {
    const reader = await visit()
    await shop.buy('v2', '/articles/other', reader.account)
    await vi.waitUntil(async () => (await shop.ledger(reader.account.address)).length === 1)
    await reader.page.goto(`${shop.site.url}${RECEIPTS}`)
    await reader.click('Sign in with Fox')
    await reader.page.getByRole('button', { name: 'Sign out' }).waitFor()
    const bought = await shop.buy('v2', TIDES, await shop.reader())
    const [name = '', value = ''] = bought.pass.split('=')
    await reader.page.context().addCookies([{ name, value, url: shop.site.url }])
    await vi.waitUntil(async () =>
      (await shop.ledger()).some(({ transaction }) => transaction === bought.receipt?.transaction),
    )
    const shown = await reader.page.goto(`${shop.site.url}${RECEIPTS}/${bought.receipt?.transaction}`)
    expect(shown?.status()).toBe(200)
    await reader.close()
  })
})

test('a copy that comes late does not bring back the code of a reader who has gone on', async () => {
  const reader = await openReader(browser, [])
  await reader.page.addInitScript(() => {
    const late = { writeText: () => new Promise<void>((resolve) => setTimeout(resolve, 1500)) }
    Object.defineProperty(navigator, 'clipboard', { value: late })
  })
  await reader.page.goto(`${shop.site.url}${TIDES}`)
  await reader.click('Use a wallet app on a phone')
  await reader.sees('Scan this code')
  await reader.click('Copy the link')
  await reader.click('Start again')
  await reader.sees('No wallet found')
  await reader.page.waitForTimeout(2000)
  expect(await reader.status()).toContain('No wallet found')
  await reader.close()
})
