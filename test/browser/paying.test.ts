// After signing: the page never asks for a second signature, and the article opens by itself.

import { afterAll, describe, expect, test } from 'vitest'
import { PRICE } from '../world/shop.ts'
import { hasArticle, openNewsstand, signatures } from './newsstand.ts'

const { close, facilitator, shop, visit } = await openNewsstand()

afterAll(close)

describe('after signing', () => {
  test('the article is opened by the browser; back, reload and a second tab work; it is paid once', async () => {
    const reader = await visit()
    const tab = await reader.page.context().newPage()
    await tab.goto(`${shop.site.url}/articles/tides`)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    const bar = reader.page.getByRole('complementary', { name: 'Paid' })
    expect(await bar.textContent()).toMatch(/✓Paid · yours until tomorrow \d+:\d\d.*· Receipt$/)
    await reader.page.getByRole('link', { name: 'Receipt' }).click()
    await reader.page.getByRole('heading', { name: 'Your purchases' }).waitFor()
    await reader.look('purchases')
    await reader.page.getByRole('link', { name: 'Receipt' }).first().click()
    await reader.page.getByText('Paid to').waitFor()
    await reader.look('receipt')
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    await hasArticle(reader)
    // The second tab, which showed the paywall, has heard of it.
    await tab.locator('#paid').waitFor()
    await reader.page.reload()
    await hasArticle(reader)
    await reader.page.goto(`${shop.site.url}/articles/other`)
    await reader.page
      .getByRole('button', { name: 'Look again' })
      .or(reader.page.getByRole('button', { name: 'Pay' }))
      .first()
      .waitFor()
    await reader.page.goBack()
    await hasArticle(reader)
    expect(await reader.spent()).toBe(PRICE)
    expect(signatures(reader)).toHaveLength(1)
    await reader.close()
  })

  test('what the wallet is shown is an EIP-3009 authorization, word for word', async () => {
    const reader = await visit()
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    const [signed] = signatures(reader)
    expect(signed?.params[0]).toBe(reader.account.address)
    expect(JSON.parse(String(signed?.params[1]))).toMatchObject({
      primaryType: 'TransferWithAuthorization',
      domain: { name: 'USDC', version: '2', chainId: 84532 },
      message: {
        from: reader.account.address,
        value: '50000',
        validAfter: '0',
        nonce: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      },
    })
    await reader.close()
  })

  test('nobody to settle it: nothing is charged, and the same payment is tried again', async () => {
    const reader = await visit()
    facilitator.set(reader.account.address, async () => ({ status: 503, body: 'down' }))
    await reader.page.route('**/articles/tides', async (route) => {
      const isPayment = route.request().headers()['payment-signature'] !== undefined
      if (!isPayment) return route.continue()
      await route.fulfill({ status: 503, headers: { 'Retry-After': '15' }, json: { error: 'facilitator_unavailable' } })
    })
    await reader.click('Pay $0.05')
    await reader.sees('Payments cannot be made right now')
    await reader.look('unavailable')
    await reader.page.unroute('**/articles/tides')
    facilitator.set(reader.account.address, null)
    await reader.click('Ask now')
    await hasArticle(reader)
    expect(signatures(reader)).toHaveLength(1)
    await reader.close()
  })

  test('the connection breaks off: the same payment is sent again', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
    await reader.page.context().setOffline(true)
    await reader.click('Pay $0.05')
    await reader.sees('Your signed payment is kept')
    await reader.look('lost')
    await reader.page.context().setOffline(false)
    await hasArticle(reader)
    expect(signatures(reader)).toHaveLength(1)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('the answer is lost, and the page is reloaded: the same payment is sent again', async () => {
    const reader = await visit()
    await reader.page.route('**/articles/tides', async (route) => {
      if (route.request().headers()['payment-signature'] === undefined) return route.continue()
      await route.fetch()
      await route.abort()
    })
    await reader.click('Pay $0.05')
    await reader.sees('Your signed payment is kept')
    await reader.page.unroute('**/articles/tides')
    await reader.page.reload()
    await hasArticle(reader)
    expect(signatures(reader)).toHaveLength(1)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('a single answer is opened beside the page, as often as it is clicked', async () => {
    const reader = await visit('/once/tides')
    await reader.click('Pay $0.05')
    await reader.sees('What you bought is ready')
    await reader.look('single-answer')
    const opened = reader.page.context().waitForEvent('page')
    await reader.page.getByRole('link', { name: 'Open it' }).click()
    await (await opened).locator('#paid').waitFor()
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('a browser that keeps no cookies: it is said, and the article opens all the same', async () => {
    const reader = await visit()
    await reader.page.route('**/articles/tides', async (route) => {
      const response = await route.fetch({ headers: { ...route.request().headers(), cookie: '' } })
      await route.fulfill({ response })
    })
    await reader.click('Pay $0.05')
    await reader.sees('keeps no cookies')
    await reader.look('no-cookies')
    await reader.click('Open it')
    const opened = reader.page.context().waitForEvent('page')
    await reader.page.getByRole('link', { name: 'Open it' }).click()
    await (await opened).locator('#paid').waitFor()
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })
})
