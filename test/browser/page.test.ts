import { afterAll, describe, expect, test } from 'vitest'
import { openReader, walletOf } from '../world/reader.ts'
import { ARTICLE, hasArticle, metadata, openNewsstand, TEASER } from './newsstand.ts'

const { close, browser, shop, visit } = await openNewsstand()

afterAll(close)

describe('before paying', () => {
  test('what it is, what it costs and what will be signed; one document, and nothing else is loaded', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    expect(await reader.page.getByRole('heading', { level: 1 }).textContent()).toBe('The tides')
    const text = await reader.page.locator('main').textContent()
    for (const said of [
      TEASER,
      'This page',
      'for 1 day',
      'Day pass',
      'Everything under /articles/',
      '$0.50',
      'exactly this price',
    ]) {
      expect(text).toContain(said)
    }
    expect(reader.fetched).toEqual([`GET ${shop.site.url}/articles/tides`])
    expect(await reader.page.locator('footer a').count()).toBe(3)
    await reader.look('offers')
    await reader.close()
  })

  test('the day pass, chosen with the keyboard, has its own price', async () => {
    const reader = await visit()
    await reader.page.getByRole('radio').first().focus()
    await reader.page.keyboard.press('ArrowDown')
    await reader.page.getByRole('button', { name: 'Pay $0.50 with Fox' }).waitFor()
    await reader.page.keyboard.press('Tab')
    await reader.page.keyboard.press('Enter')
    await hasArticle(reader)
    expect(await reader.spent()).toBe(500_000n)
    await reader.page.goto(`${shop.site.url}/articles/other`)
    await hasArticle(reader)
    await reader.close()
  })

  test('several wallets, by name', async () => {
    const account = await shop.reader()
    const { rpcUrl } = shop.stack.chain
    const reader = await openReader(browser, [walletOf(account, rpcUrl), walletOf(account, rpcUrl, { name: 'Rabbit' })])
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    await reader.look('wallets')
    await reader.click('with Rabbit')
    await hasArticle(reader)
    await reader.close()
  })

  test('a wallet that does not announce itself', async () => {
    const reader = await visit('/articles/tides', { isLegacy: true })
    await reader.click('Pay $0.05 with your wallet')
    await hasArticle(reader)
    await reader.close()
  })

  test('no wallet: how to get one, and to look again', async () => {
    const reader = await openReader(browser, [])
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    await reader.sees('No wallet found')
    await reader.look('no-wallet')
    await reader.click('Look again')
    await reader.sees('No wallet found')
    await reader.close()
  })

  test('markup in what others write stays text', async () => {
    const hostile = '</script><script>alert(1)</script><img src=x onerror=alert(1)>"\'<!--'
    await shop.site.kv.put('/articles/hostile', ARTICLE, {
      metadata: { title: hostile, teaser: hostile, description: hostile },
    })
    const wallet = walletOf(await shop.reader(), shop.stack.chain.rpcUrl, { name: hostile })
    const reader = await openReader(browser, [wallet])
    const dialogs: string[] = []
    reader.page.on('dialog', (dialog) => dialogs.push(dialog.message()))
    await reader.page.goto(`${shop.site.url}/articles/hostile`)
    await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
    expect(await reader.page.getByRole('heading', { level: 1 }).textContent()).toBe(hostile)
    expect(await reader.page.locator('.teaser').textContent()).toBe(hostile)
    expect(await reader.page.getByRole('button', { name: 'Pay' }).textContent()).toContain(hostile)
    expect(await reader.page.locator('img[src=x]').count()).toBe(0)
    expect(dialogs).toEqual([])
    await reader.close()
  })

  test('no other site can put the page into a frame', async () => {
    const page = await browser.newPage()
    await page.setContent(`<iframe src="${shop.site.url}/articles/tides"></iframe>`)
    const [, frame] = page.frames()
    await expect.poll(() => frame?.url()).toMatch(/^chrome-error:/)
    await page.close()
  })

  test('search engines and previews are told what it is, and that it is paid for', async () => {
    const reader = await visit()
    const head = reader.page.locator('head')
    expect(await head.locator('meta[name=description]').getAttribute('content')).toBe(metadata.description)
    expect(await head.locator('meta[property="og:title"]').getAttribute('content')).toBe('The tides')
    expect(await head.locator('link[rel=canonical]').getAttribute('href')).toBe('http://localhost:8787/articles/tides')
    const json: unknown = JSON.parse((await head.locator('script[type="application/ld+json"]').textContent()) ?? '')
    expect(json).toMatchObject({ isAccessibleForFree: false, hasPart: { cssSelector: '.paywall' } })
    await reader.close()
  })

  test('without JavaScript the page explains itself', async () => {
    const reader = await openReader(browser, [], { javaScriptEnabled: false })
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    const text = await reader.page.locator('main').textContent()
    for (const said of [TEASER, '$0.05', 'turn on JavaScript', 'x402 client']) expect(text).toContain(said)
    await reader.close()
  })

  test.each([
    ['de-AT', 'Weiterlesen', '$ 0,05 mit Fox zahlen'],
    ['es', 'Seguir leyendo', 'Pagar 0,05 $ con Fox'],
    ['fr', 'Lire la suite', 'Payer 0,05 $ avec Fox'],
    ['it', 'Continua a leggere', 'Paga 0,05 $ con Fox'],
    ['pt-BR', 'Continuar a ler', 'Pagar $ 0,05 com Fox'],
    ['ja', '続きを読む', 'Fox で $0.05 を支払う'],
    ['sv', 'Read on', 'Pay $0.05 with Fox'],
  ])('in %s', async (locale, heading, pay) => {
    const account = await shop.reader()
    const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl)], { locale })
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    await reader.page.getByRole('button', { name: pay }).waitFor()
    expect(await reader.page.getByRole('heading', { level: 2 }).textContent()).toBe(heading)
    await reader.look(`language-${locale}`)
    await reader.close()
  })

  test('read from right to left nothing breaks', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
    await reader.page.evaluate(() => document.documentElement.setAttribute('dir', 'rtl'))
    await reader.look('right-to-left')
    await reader.close()
  })
})
