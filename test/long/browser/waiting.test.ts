// Readers whose payment has an outcome that nobody knows yet: the worker holds their request for 25 seconds.
import { afterAll, describe, expect, test } from 'vitest'
import { hasArticle, openNewsstand, signatures } from '../../browser/newsstand.ts'
import { HONEST, stage } from '../../world/behaviour.ts'
import { pay } from '../../world/payer.ts'
import { openReader } from '../../world/reader.ts'
import { PRICE } from '../../world/shop.ts'

const { close, browser, facilitator, shop, visit } = await openNewsstand()

afterAll(close)

describe('not confirmed yet', () => {
  test('the page waits, asks again with the same payment, and for no second signature', async () => {
    const reader = await visit()
    const fault = {
      ...HONEST,
      point: 'settled once the reader has gone',
      reply: async () => ({ status: 500, body: {} }),
    } as const
    const { behaviour, landed } = stage(fault)
    facilitator.set(reader.account.address, behaviour)
    await reader.click('Pay $0.05')
    await reader.page.locator('#status', { hasText: 'not confirmed yet' }).waitFor({ timeout: 40_000 })
    await reader.look('pending')
    expect(await reader.page.getByRole('button', { name: 'Pay' }).count()).toBe(0)
    await landed()
    await reader.click('Ask now')
    await hasArticle(reader)
    expect(signatures(reader)).toHaveLength(1)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })

  test('without a script, the answer is a page that says what to do', async () => {
    const account = await shop.reader()
    facilitator.set(account.address, async () => ({ status: 500, body: {} }))
    const reader = await openReader(browser, [])
    await reader.page.setExtraHTTPHeaders(await pay('v2', await shop.challenge('/articles/tides'), account))
    await reader.page.goto(`${shop.site.url}/articles/tides`, { timeout: 40_000 })
    expect(await reader.page.getByRole('heading', { level: 1 }).textContent()).toBe('One moment, please')
    await reader.look('error-503')
    await reader.close()
  })
})
