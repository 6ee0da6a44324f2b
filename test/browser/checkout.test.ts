// A reader buys an article with the wallet in the browser: every state of the page, in a real Chromium, with the real
// chain, facilitator and worker behind it.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { behaviours, refuses } from '../world/behaviour.ts'
import type { BrowserWallet } from '../world/browser-wallet.ts'
import { startBrowser } from '../world/chromium.ts'
import { HONEST, stage } from '../world/fault-facilitator.ts'
import { pay } from '../world/payer.ts'
import { openReader, type Reader, walletOf } from '../world/reader.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

const ARTICLE =
  '<!doctype html><html lang="en"><title>The tides</title><h1>The tides, in full</h1><p id="paid">All of it.</p></html>'
const TEASER = 'The moon pulls, the water follows.'
const metadata = {
  title: 'The tides',
  description: 'Why the sea comes twice a day.',
  teaser: TEASER,
  contentType: 'text/html; charset=utf-8',
}

const facilitator = behaviours()
let shop: Shop
let browser: Browser

beforeAll(async () => {
  browser = await startBrowser()
  shop = await openShop(
    {
      SITE_URL: 'http://localhost:8787',
      BRAND: {
        name: 'The Daily Stand',
        accent: '#0b6e4f',
        terms: '/terms',
        support: 'mailto:help@news.example',
        why: '/why',
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
      ],
    },
    { hook: facilitator.hook },
  )
  for (const path of ['/articles/tides', '/articles/other', '/articles/dear', '/once/tides']) {
    await shop.site.kv.put(path, ARTICLE, { metadata })
  }
})

afterAll(async () => {
  await browser.close()
  await shop.close()
})

/** A reader with a dollar and one wallet. */
async function visit(path = '/articles/tides', change: Partial<BrowserWallet> = {}, money?: bigint) {
  const account = await shop.reader(money)
  const reader = await openReader(browser, [walletOf(account, shop.stack.chain.rpcUrl, change)])
  await reader.page.goto(`${shop.site.url}${path}`)
  const spent = async () => (money ?? 1_000_000n) - (await shop.stack.chain.balance(account.address))
  return { ...reader, account, spent }
}

const hasArticle = (reader: Pick<Reader, 'page'>) => reader.page.locator('#paid').waitFor()
const signatures = ({ asked }: Pick<Reader, 'asked'>) => asked.filter(({ method }) => method === 'eth_signTypedData_v4')

describe('before paying', () => {
  test('what it is, what it costs and what will be signed; one document and one script, from here alone', async () => {
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
      'exactly this price in USDC',
    ]) {
      expect(text).toContain(said)
    }
    expect(reader.fetched).toEqual([
      `GET ${shop.site.url}/articles/tides`,
      `GET ${shop.site.url}/_newsstand/checkout.js`,
    ])
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
    ['de-AT', 'Weiterlesen', '$0.05 mit Fox zahlen'],
    ['es', 'Seguir leyendo', 'Pagar $0.05 con Fox'],
    ['fr', 'Read on', 'Pay $0.05 with Fox'],
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

describe('what the wallet may say', () => {
  test.each<[string, Partial<BrowserWallet>, RegExp]>([
    ['locked', { isLocked: true }, /Fox is locked/],
    ['not-allowed', { refuses: { eth_requestAccounts: 4100 } }, /Fox is locked/],
    ['asked-already', { refuses: { eth_requestAccounts: -32002 } }, /already asking you something/],
    ['connection-declined', { refuses: { eth_requestAccounts: 4001 } }, /You said no, and nothing was charged/],
    ['signature-declined', { refuses: { eth_signTypedData_v4: 4001 } }, /You said no, and nothing was charged/],
    ['cannot-sign', { refuses: { eth_signTypedData_v4: -32603 } }, /Fox could not do that/],
    ['stays-on-its-network', { chainId: 1, refuses: { wallet_switchEthereumChain: 4001 } }, /needs Base Sepolia/],
  ])('%s: it is said, and there is a way on', async (state, change, said) => {
    const reader = await visit('/articles/tides', change)
    await reader.click('Pay $0.05')
    await reader.sees(said)
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    await reader.look(state)
    expect(await reader.spent()).toBe(0n)
    await reader.close()
  })

  test.each([
    ['eth_requestAccounts', /confirm the connection/],
    ['eth_signTypedData_v4', /sign it/],
  ])(
    'a wallet that does not answer %s: the reader starts again, and what it says late is dropped',
    async (method, said) => {
      const late = Promise.withResolvers<void>()
      const reader = await visit('/articles/tides', { hangs: { method, until: late.promise } })
      await reader.click('Pay $0.05')
      await reader.sees(said)
      await reader.look(`waiting-${method}`)
      await reader.click('Start again')
      await reader.page.getByRole('button', { name: 'Pay $0.05' }).waitFor()
      late.resolve()
      await reader.page.evaluate(() => new Promise((done) => setTimeout(done)))
      expect(reader.fetched.filter((line) => line.endsWith('/articles/tides'))).toHaveLength(1)
      await reader.click('Pay $0.05')
      await hasArticle(reader)
      expect(await reader.spent()).toBe(PRICE)
      await reader.close()
    },
  )

  test('on another network: it is asked to switch', async () => {
    const reader = await visit('/articles/tides', { chainId: 1 })
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(reader.asked.map(({ method }) => method)).toContain('wallet_switchEthereumChain')
    await reader.close()
  })

  test('the network is not known to it: it is added, by the network’s public address', async () => {
    const reader = await visit('/articles/tides', { chainId: 1, known: [1] })
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    const added = reader.asked.find(({ method }) => method === 'wallet_addEthereumChain')
    expect(added?.params).toEqual([
      {
        chainId: '0x14a34',
        chainName: 'Base Sepolia',
        rpcUrls: [expect.stringMatching(/^https:/)],
        nativeCurrency: { name: 'ETH', symbol: 'ETH', decimals: 18 },
      },
    ])
    await reader.close()
  })

  test('too little USDC: how much is missing, before anything is signed', async () => {
    const reader = await visit('/articles/tides', {}, 20_000n)
    await reader.click('Pay $0.05')
    await reader.sees('short of $0.03 USDC on Base Sepolia')
    await reader.look('too-little')
    expect(signatures(reader)).toEqual([])
    await shop.stack.chain.fund(reader.account.address, PRICE)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    await reader.close()
  })

  test('another account signs than the one that was asked', async () => {
    const reader = await visit('/articles/tides', { signer: await shop.reader() })
    await reader.click('Pay $0.05')
    await reader.sees('Another account signed')
    await reader.look('other-account')
    expect(await reader.spent()).toBe(0n)
    await reader.close()
  })
})

describe('bought before', () => {
  test('the cookie is lost: the wallet signs in, the article opens, and nothing is paid', async () => {
    const before = await visit()
    await before.click('Pay $0.05')
    await hasArticle(before)
    await before.close()
    const reader = await openReader(browser, [walletOf(before.account, shop.stack.chain.rpcUrl)])
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    await reader.click('I already bought this')
    await hasArticle(reader)
    expect(signatures(reader)).toEqual([])
    expect(await before.spent()).toBe(PRICE)
    await reader.page.reload()
    await hasArticle(reader)
    await reader.close()
  })

  test('nothing was bought with this wallet: it is said, and there is a way on', async () => {
    const reader = await visit()
    await reader.click('I already bought this')
    await reader.sees('This wallet has not bought this page')
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    await reader.look('signed-in-nothing')
    expect(await reader.spent()).toBe(0n)
    await reader.close()
  })
})

describe('the offer has changed', () => {
  test('another price by the time the quote is over: it is said, and nothing is signed', async () => {
    const reader = await visit('/articles/dear')
    await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
    await shop.site.kv.put('/articles/dear', ARTICLE, { metadata: { ...metadata, price: '$0.07' } })
    await reader.page.clock.install()
    await reader.page.clock.fastForward('11:00')
    await reader.click('Pay $0.05')
    await reader.sees('The price is now $0.07')
    await reader.look('price-changed')
    expect(signatures(reader)).toEqual([])
    await reader.click('Pay $0.07')
    await hasArticle(reader)
    expect(await reader.spent()).toBe(70_000n)
    await reader.close()
  })

  test('the same price after the quote is over: a new quote, without a word', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
    await reader.page.clock.install()
    await reader.page.clock.fastForward('11:00')
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    await reader.close()
  })
})

describe('too late', () => {
  test('what was signed has expired when it arrives: it is said, and a new signature buys', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
    // A clock that is set back while the page is open: what it signs is over before it begins.
    await reader.page.clock.setFixedTime(Date.now() - 600_000)
    await reader.click('Pay $0.05')
    await reader.sees('This offer had expired')
    await reader.look('expired')
    expect(await reader.spent()).toBe(0n)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.spent()).toBe(PRICE)
    await reader.close()
  })
})

describe('after signing', () => {
  test('the article is opened by the browser; back, reload and a second tab work; it is paid once', async () => {
    const reader = await visit()
    const tab = await reader.page.context().newPage()
    await tab.goto(`${shop.site.url}/articles/tides`)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    const bar = reader.page.getByRole('complementary', { name: 'Bought' })
    expect(await bar.textContent()).toMatch(/^Bought until .*202\d.* · Receipt$/)
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

  test('not confirmed yet: the page waits, asks again with the same payment, and for no second signature', async () => {
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

describe('coming back without the cookie', () => {
  test('who bought it signs in, and reads for nothing', async () => {
    const reader = await visit()
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    await reader.page.context().clearCookies()
    await reader.page.evaluate(() => sessionStorage.clear())
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    await reader.click('I already bought this')
    await hasArticle(reader)
    expect(await reader.spent()).toBe(PRICE)
    expect(signatures(reader)).toHaveLength(1)
    await reader.close()
  })

  test('who bought nothing is told so, and may buy', async () => {
    const reader = await visit()
    await reader.click('I already bought this')
    await reader.sees('has not bought this page')
    await reader.look('nothing-bought')
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    await reader.close()
  })

  test('with several wallets, one is chosen', async () => {
    const { rpcUrl } = shop.stack.chain
    const [one, other] = [await shop.reader(), await shop.reader()]
    await shop.buy('v2', '/articles/tides', other)
    const wallets = [walletOf(one, rpcUrl), walletOf(other, rpcUrl, { name: 'Rabbit' })]
    const reader = await openReader(browser, wallets)
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    await reader.click('I already bought this')
    await reader.sees('the wallet you paid with')
    await reader.look('sign-in')
    await reader.click('Rabbit')
    await hasArticle(reader)
    await reader.close()
  })

  test('a page that was open for long asks for a new nonce', async () => {
    const reader = await visit()
    await shop.buy('v2', '/articles/tides', reader.account)
    await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
    await reader.page.clock.install()
    await reader.page.clock.fastForward('06:00')
    await reader.click('I already bought this')
    await hasArticle(reader)
    await reader.close()
  })

  test('who says no to signing in is back at the offers', async () => {
    const reader = await visit('/articles/tides', { refuses: { personal_sign: 4001 } })
    await reader.click('I already bought this')
    await reader.sees('You said no')
    await reader.page.getByRole('button', { name: 'Pay $0.05' }).waitFor()
    await reader.close()
  })
})

describe('when it does not work', () => {
  test('a wallet whose payments are not accepted is told so', async () => {
    const reader = await visit()
    facilitator.set(reader.account.address, refuses('blocked'))
    await reader.click('Pay $0.05')
    await reader.sees('cannot be accepted here')
    await reader.look('not-accepted')
    expect(await reader.spent()).toBe(0n)
    await reader.close()
  })

  test('403, 409 and 503 are pages that say what to do', async () => {
    const account = await shop.reader()
    const at = `${shop.site.url}/articles/tides`
    const reader = await openReader(browser, [])
    const open = async (state: string, heading: string, headers: Record<string, string>) => {
      await reader.page.setExtraHTTPHeaders(headers)
      await reader.page.goto(at, { timeout: 40_000 })
      expect(await reader.page.getByRole('heading', { level: 1 }).textContent()).toBe(heading)
      await reader.look(`error-${state}`)
    }
    facilitator.set(account.address, refuses('blocked'))
    const challenge = await shop.challenge('/articles/tides')
    await open('403', 'This payment cannot be accepted', await pay('v2', challenge, account))
    facilitator.set(account.address, null)
    const identifier = 'an-identifier-of-its-own'
    await shop.ask('/articles/other', {
      headers: await pay('v2', await shop.challenge('/articles/other'), account, { identifier }),
    })
    await open('409', 'This payment is taken', await pay('v2', challenge, account, { identifier }))
    facilitator.set(account.address, async () => ({ status: 500, body: {} }))
    await open('503', 'One moment, please', await pay('v2', challenge, account))
    await reader.close()
  })

  test.each<[string, string, Record<string, string>]>([
    ['404', '/articles/none', {}],
    ['400', '/articles/tides', { 'PAYMENT-SIGNATURE': 'nonsense' }],
  ])('%s is a page that says what to do', async (state, path, headers) => {
    const reader = await openReader(browser, [])
    await reader.page.setExtraHTTPHeaders(headers)
    await reader.page.goto(`${shop.site.url}${path}`)
    await reader.page.getByRole('heading', { level: 1 }).waitFor()
    await reader.look(`error-${state}`)
    await reader.close()
  })
})
