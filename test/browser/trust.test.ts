// What a reader may rely on before signing, what a wallet is about to show, and the quiet line afterwards.
import { afterAll, expect, test } from 'vitest'
import { hasArticle, openNewsstand } from './newsstand.ts'

const { close, shop, visit } = await openNewsstand()

afterAll(close)

test('before paying: three promises, one with the time; the rest is behind a question', async () => {
  const reader = await visit()
  await reader.page.getByRole('button', { name: 'Pay $0.05' }).waitFor()
  const promises = reader.page.locator('.ticks li')
  expect(await promises.allTextContents()).toEqual([
    'One payment, nothing recurs',
    'Charged only if it opens',
    expect.stringMatching(/^Yours until tomorrow \d{1,2}:\d\d/),
  ])
  const seller = reader.page.getByText('The Daily Stand Ltd, 1 Quay Street, Harbour')
  expect(await seller.isVisible()).toBe(false)
  await reader.page.getByText('How does this work?').click()
  expect(await seller.isVisible()).toBe(true)
  expect(await reader.page.getByText('Write to us within two weeks.').isVisible()).toBe(true)
  await reader.look('how')
  await reader.close()
})

test('the time follows what is chosen, and one time is called that', async () => {
  const reader = await visit('/twice/tides')
  await reader.page.getByRole('button', { name: 'Pay' }).first().waitFor()
  await reader.page.getByRole('radio').nth(2).check()
  await reader.page.getByText(/^Yours until \w+ \d+, \d{4}, \d+:\d\d/).waitFor()
  await reader.page.goto(`${shop.site.url}/once/tides`)
  await reader.page.getByText('Good for one time').waitFor()
  await reader.close()
})

test('while signing: the step, and what the wallet is about to show', async () => {
  const signing = Promise.withResolvers<void>()
  const reader = await visit('/articles/tides', {
    hangs: { method: 'eth_signTypedData_v4', until: signing.promise },
  })
  await reader.click('Pay $0.05')
  await reader.sees('50000 (that is $0.05, counted in millionths)')
  const { payTo } = await shop.challenge('/articles/tides').then(({ v2 }) => v2.accepts[0] ?? { payTo: '' })
  await reader.sees(`to ${payTo.slice(0, 6)}…${payTo.slice(-4)} (The Daily Stand)`)
  expect(await reader.page.locator('[aria-current=step]').textContent()).toBe('Pay')
  expect(await reader.page.locator('#status').getAttribute('data-tone')).toBe('wait')
  await reader.look('signing')
  signing.resolve()
  await hasArticle(reader)
  await reader.close()
})

test('a reader who says no is told so, by a mark as well', async () => {
  const reader = await visit('/articles/tides', { refuses: { eth_signTypedData_v4: 4001 } })
  await reader.click('Pay $0.05')
  await reader.sees('You said no')
  expect(await reader.page.locator('#status').getAttribute('data-tone')).toBe('bad')
  expect(await reader.page.getByRole('list', { name: 'Steps' }).count()).toBe(0)
  await reader.look('declined')
  await reader.close()
})

test('on a phone the way to pay stays on the screen while the card is read', async () => {
  const reader = await visit()
  const pay = reader.page.getByRole('button', { name: 'Pay $0.05' })
  await pay.waitFor()
  await reader.page.setViewportSize({ width: 390, height: 580 })
  await reader.page.getByRole('heading', { level: 2 }).evaluate((heading) => heading.scrollIntoView())
  const box = await pay.boundingBox()
  expect((box?.y ?? 999) + (box?.height ?? 0)).toBeLessThanOrEqual(580)
  await reader.close()
})

test('the line under what was bought is closed without any script, and is not printed', async () => {
  const reader = await visit()
  await reader.click('Pay $0.05')
  await hasArticle(reader)
  const line = reader.page.getByRole('complementary', { name: 'Paid' })
  const link = line.getByRole('link', { name: 'Receipt' })
  await reader.page.emulateMedia({ media: 'print' })
  expect(await line.isVisible()).toBe(false)
  await reader.page.emulateMedia({ media: 'screen' })
  expect(await link.isVisible()).toBe(true)
  expect(await reader.page.locator('script').count()).toBe(0)
  await line.locator('summary').click()
  expect(await link.isVisible()).toBe(false)
  expect(await line.evaluate((aside) => getComputedStyle(aside).position)).toBe('static')
  await reader.close()
})
