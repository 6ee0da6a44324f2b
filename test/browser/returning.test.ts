// What is said when it does not work, and readers who have bought before.

import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, describe, expect, test } from 'vitest'
import { refuses } from '../world/behaviour.ts'
import { pay } from '../world/payer.ts'
import { openReader, walletOf } from '../world/reader.ts'
import { PRICE } from '../world/shop.ts'
import { hasArticle, openNewsstand, signatures } from './newsstand.ts'

const { close, browser, facilitator, shop, visit } = await openNewsstand()

afterAll(close)

describe('when it does not work', () => {
  test.each<[string, string, (account: PrivateKeyAccount) => Promise<Record<string, string>>]>([
    [
      '403',
      'This payment cannot be accepted',
      async (account) => {
        facilitator.set(account.address, refuses('blocked'))
        return pay('v2', await shop.challenge('/articles/tides'), account)
      },
    ],
    [
      '409',
      'This payment is taken',
      async (account) => {
        const identifier = 'an-identifier-of-its-own'
        await shop.ask('/articles/other', {
          headers: await pay('v2', await shop.challenge('/articles/other'), account, { identifier }),
        })
        return pay('v2', await shop.challenge('/articles/tides'), account, { identifier })
      },
    ],
  ])('%s after a payment is a page that says what to do', async (state, heading, sent) => {
    const headers = await sent(await shop.reader())
    const reader = await openReader(browser, [])
    await reader.page.setExtraHTTPHeaders(headers)
    await reader.page.goto(`${shop.site.url}/articles/tides`)
    expect(await reader.page.getByRole('heading', { level: 1 }).textContent()).toBe(heading)
    await reader.look(`error-${state}`)
    await reader.close()
  })

  test('a wallet whose payments are not accepted is told so', async () => {
    const reader = await visit()
    facilitator.set(reader.account.address, refuses('blocked'))
    await reader.click('Pay $0.05')
    await reader.sees('cannot be accepted here')
    await reader.look('not-accepted')
    expect(await reader.spent()).toBe(0n)
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
    await reader.click('Start again')
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    await reader.click('I already bought this')
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

  test.each<[string, number, string, RegExp]>([
    ['unasked', 503, 'invalid_siwx_verifier_error', /chain could not be asked about this wallet.*Nothing was charged/],
    ['pending', 503, 'settlement_pending', /is not confirmed yet. Please do not pay again/],
    ['unavailable', 503, 'unavailable', /Signing in did not work just now. Nothing was charged/],
    ['too-many', 429, 'too_many_requests', /Signing in did not work just now. Nothing was charged/],
    ['broken', 500, '', /Signing in did not work just now. Nothing was charged/],
    ['expired', 402, 'invalid_siwx_expired', /Signing in did not work just now. Nothing was charged/],
    ['lost', 0, '', /Signing in did not work just now. Nothing was charged/],
  ])(
    '%s: nobody knows what was bought, so the page does not say; the next try opens it',
    async (state, status, error, said) => {
      const reader = await visit()
      await shop.buy('v2', '/articles/tides', reader.account)
      await reader.page.route('**/articles/tides', async (route) => {
        if (route.request().headers()['sign-in-with-x'] === undefined) return route.continue()
        await (status === 0 ? route.abort() : route.fulfill({ status, json: { error } }))
      })
      await reader.click('I already bought this')
      await reader.sees(said)
      expect(await reader.status()).not.toContain('has not bought this page')
      expect(await reader.status()).not.toContain('Fox could not')
      await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
      if (status === 503) await reader.look(`sign-in-${state}`)
      await reader.page.unroute('**/articles/tides')
      await reader.click('I already bought this')
      await hasArticle(reader)
      expect(await reader.spent()).toBe(PRICE)
      expect(signatures(reader)).toEqual([])
      await reader.close()
    },
  )

  test('another account signs than the one that paid: it is said, and it does not open', async () => {
    const reader = await visit('/articles/tides', { signer: await shop.reader() })
    await shop.buy('v2', '/articles/tides', reader.account)
    await reader.click('I already bought this')
    await reader.sees('Another account signed than the one that was asked, or this wallet has not bought this page.')
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Fox' }).waitFor()
    expect(await reader.page.locator('#paid').count()).toBe(0)
    await reader.close()
  })

  test('a nonce cannot be had: it is said, and the wallet is not asked to sign', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
    await reader.page.clock.install()
    await reader.page.clock.fastForward('06:00')
    await reader.page.route('**/articles/tides', (route) => route.abort())
    await reader.click('I already bought this')
    await reader.sees('Signing in did not work just now')
    expect(reader.asked.map(({ method }) => method)).not.toContain('personal_sign')
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
