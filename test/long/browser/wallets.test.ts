// What wallets may say and do before they have signed, and offers that have changed meanwhile.

import { afterAll, describe, expect, test } from 'vitest'
import { ARTICLE, hasArticle, metadata, openNewsstand, signatures } from '../../browser/newsstand.ts'
import type { BrowserWallet } from '../../world/browser-wallet.ts'
import { PRICE } from '../../world/shop.ts'

const { close, shop, visit } = await openNewsstand()

afterAll(close)

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

test('bought meanwhile, where the page has not heard of it: it opens, and nothing is signed', async () => {
  const [buyer, reader] = [await visit(), await visit()]
  await buyer.click('Pay $0.05')
  await hasArticle(buyer)
  await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
  await reader.page.clock.install()
  await reader.page.clock.fastForward('11:00')
  await reader.page.context().addCookies(await buyer.page.context().cookies())
  await reader.click('Pay $0.05')
  await hasArticle(reader)
  // Not even what it holds.
  expect(reader.asked.map(({ method }) => method)).toEqual(['eth_requestAccounts', 'eth_chainId'])
  expect(await reader.spent()).toBe(0n)
  await reader.close()
  await buyer.close()
})

test('a new quote cannot be had: it is said, and nothing is signed', async () => {
  const reader = await visit()
  await reader.page.getByRole('button', { name: 'Pay' }).waitFor()
  await reader.page.clock.install()
  await reader.page.clock.fastForward('11:00')
  for (const fulfil of [{ status: 503, json: { error: 'unavailable' } }, null]) {
    await reader.page.route('**/articles/tides', (route) => (fulfil ? route.fulfill(fulfil) : route.abort()))
    await reader.click('Pay $0.05')
    await reader.sees('could not be prepared just now, and nothing was charged')
    await reader.page.unroute('**/articles/tides')
  }
  expect(signatures(reader)).toEqual([])
  await reader.click('Pay $0.05')
  await hasArticle(reader)
  await reader.close()
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

test('of two offers of one name the one that was chosen is paid', async () => {
  const reader = await visit('/twice/tides')
  await reader.page.getByRole('button', { name: 'Pay $0.05' }).waitFor()
  await reader.page.getByRole('radio').nth(2).check()
  await reader.click('Pay $0.70')
  await hasArticle(reader)
  expect(await reader.spent()).toBe(700_000n)
  await reader.close()
})
