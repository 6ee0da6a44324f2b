// Readers with wallets of Solana, in the plain page and in the card of a publisher's own page: beside those of EVM, each asked
// for what it can do, and never for a second payment. What does not work is in `test/long/browser/solana`.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { writeDemoWallet } from '../../dev/demo/build-wallet.ts'
import { readTransaction } from '../../dev/stack/solana/message.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA } from '../../src/browser/solana.gen.ts'
import { LOOK } from '../../src/checkout.ts'
import { openReader, type Reader } from '../world/reader.ts'
import { NETWORK, PRICE } from '../world/shop.ts'
import type { SolanaBrowserWallet } from '../world/solana-browser-wallet.ts'
import { hasArticle } from './newsstand.ts'
import { countOf, fetchedOf, openSolanaNewsstand } from './solana-newsstand.ts'

const { stack, shop, browser, visit, close } = await openSolanaNewsstand()

afterAll(close)

const buttons = async ({ page }: Reader) =>
  (await page.getByRole('button', { name: /^Pay/ }).allTextContents()).toSorted()

describe('a purchase', () => {
  test('in the plain page: the part for Solana comes at the click, and one payment is signed', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Ghost' }).waitFor()
    await reader.look('solana')
    expect(fetchedOf(reader, '/_newsstand/')).toBe(0)
    expect(reader.asked).toEqual([])
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    expect(reader.asked.map(({ method }) => method)).toEqual(['standard:connect', 'solana:signTransaction'])
    expect(fetchedOf(reader, SOLANA.path)).toBe(1)
    expect(fetchedOf(reader, `${LOOK}?`)).toBe(1)
    expect(reader.fetched.filter((line) => !line.includes(shop.site.url))).toEqual([])
    await reader.page.reload()
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test('what the wallet gives back is sent, with what it has added', async () => {
    const reader = await visit('/articles/tides', { isGuarded: true })
    const [sent] = await Promise.all([
      reader.page.waitForRequest((request) => request.headers()['payment-signature'] !== undefined),
      reader.click('Pay $0.05'),
    ])
    const header = sent.headers()['payment-signature'] ?? ''
    const { payload } = JSON.parse(Buffer.from(header, 'base64').toString())
    const { instructions } = readTransaction(Uint8Array.from(Buffer.from(payload.transaction, 'base64')))
    expect(instructions).toHaveLength(6)
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test('of the day pass: the offer that was chosen', async () => {
    const reader = await visit()
    await reader.page.getByRole('radio', { name: /Day pass/ }).check()
    await reader.click('Pay $0.50')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([500_000n])
    await reader.close()
  })

  test('in the card, under a strict policy and another base: then the whole page is there', async () => {
    const reader = await visit('/wall/tides')
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Ghost' }).waitFor()
    expect(await reader.page.content()).not.toContain('Paid paragraph')
    await reader.look('solana-wall')
    await reader.click('Pay $0.05')
    await reader.page.getByText('Paid paragraph 6').waitFor()
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test('a wallet that signs something else: refused by the site, and nothing moves', async () => {
    const rewrites: SolanaBrowserWallet['rewrites'] = (honest) =>
      honest.map((one, place) => (place === 2 ? { ...one, data: one.data.with(1, 1) } : one))
    const reader = await visit('/articles/tides', { rewrites })
    await reader.click('Pay $0.05')
    await reader.sees('The payment did not go through')
    expect(await reader.paid()).toEqual([])
    expect(await stack.solana.balance(reader.account.address)).toBe(1_000_000n)
    await reader.close()
  })
})

describe('which wallets are listed', () => {
  test('of both kinds, side by side, each once; one of another cluster is not', async () => {
    const mainnet = { name: 'Mainnet only', account: solanaWallets.bob, chains: ['solana:mainnet'] }
    const reader = await visit('/articles/tides', {}, { evm: ['Fox'], beside: [mainnet] })
    await reader.page.getByRole('button', { name: 'Ghost' }).waitFor()
    expect(await buttons(reader)).toEqual(['Pay $0.05 with Fox', 'Pay $0.05 with Ghost'])
    // They announce themselves as often as somebody asks.
    await reader.page.evaluate(() => {
      window.dispatchEvent(new CustomEvent('wallet-standard:app-ready', { detail: { register: () => () => {} } }))
      window.dispatchEvent(new Event('eip6963:requestProvider'))
    })
    await reader.look('solana-both')
    expect(await buttons(reader)).toEqual(['Pay $0.05 with Fox', 'Pay $0.05 with Ghost'])
    await reader.click('with Fox')
    await hasArticle(reader)
    expect(countOf(reader, 'eth_signTypedData_v4')).toBe(1)
    expect(countOf(reader, 'solana:signTransaction')).toBe(0)
    expect(fetchedOf(reader, SOLANA.path)).toBe(0)
    await reader.close()
  })

  test('one wallet for both kinds: its buttons say which is which', async () => {
    const reader = await visit('/articles/tides', { name: 'Twin' }, { evm: ['Twin'] })
    await reader.page.getByRole('button', { name: 'Twin' }).first().waitFor()
    expect(await buttons(reader)).toEqual(['Pay $0.05 with Twin', 'Pay $0.05 with Twin (Solana Devnet)'])
    await reader.click('Pay $0.05 with Twin (Solana Devnet)')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })
})

test('a site that did not know yet who pays the fee on Solana is asked once more', async () => {
  const reader = await visit('/articles/none')
  const withoutSolana = (challenge: string) => {
    const json = JSON.parse(Buffer.from(challenge, 'base64').toString())
    const accepts = json.accepts.filter(({ network }: { network: string }) => network === NETWORK)
    return Buffer.from(JSON.stringify({ ...json, accepts })).toString('base64')
  }
  await reader.page.route('**/articles/tides', async (route) => {
    if (route.request().resourceType() !== 'document') {
      // The answer comes late: by then the page has said that no wallet here can pay.
      await reader.sees('cannot pay for this')
      return route.continue()
    }
    const response = await route.fetch()
    const body = (await response.text()).replace(/(?<="challenge":")[^"]+/, withoutSolana)
    await route.fulfill({ response, body })
  })
  await reader.page.goto(`${shop.site.url}/articles/tides`)
  await reader.page.getByRole('button', { name: 'Pay $0.05 with Ghost' }).waitFor()
  expect(fetchedOf(reader, '/articles/tides')).toBe(2)
  await reader.page.unroute('**/articles/tides')
  await reader.click('Pay $0.05')
  await hasArticle(reader)
  expect(await reader.paid()).toEqual([PRICE])
  await reader.close()
})

test('the demo wallet has an account on Solana too, and asks before it signs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-wallet-'))
  const script = join(folder, 'demo-wallet.js')
  await writeDemoWallet(script)
  await stack.solana.fund(solanaWallets.alice.address, PRICE)
  const reader = await openReader(browser, [])
  await reader.page.addInitScript({ path: script })
  await rm(folder, { recursive: true })
  await reader.page.goto(`${shop.site.url}/articles/tides`)
  await reader.page.getByRole('button', { name: 'Pay' }).first().waitFor()
  expect(await buttons(reader)).toEqual(['Pay $0.05 with Demo wallet', 'Pay $0.05 with Demo wallet (Solana Devnet)'])
  await reader.click('Pay $0.05 with Demo wallet (Solana Devnet)')
  const sheet = reader.page.getByRole('dialog', { name: 'Pay $0.05?' })
  await sheet.getByText('Solana Devnet, on this machine').waitFor()
  expect(await stack.solana.balance(solanaWallets.alice.address)).toBe(PRICE)
  await reader.click('Sign')
  await hasArticle(reader)
  expect(await stack.solana.balance(solanaWallets.alice.address)).toBe(0n)
  await reader.close()
})

describe('coming back', () => {
  test('without the cookie: the wallet that paid signs a message, which is no payment', async () => {
    const reader = await visit()
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    await reader.page.context().clearCookies()
    await reader.page.evaluate(() => sessionStorage.clear())
    await reader.page.reload()
    await reader.click('I already bought this')
    await hasArticle(reader)
    expect(countOf(reader, 'solana:signMessage')).toBe(1)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test.each<[string, Partial<SolanaBrowserWallet>, RegExp]>([
    ['says no', { refuses: { 'solana:signMessage': { message: 'User rejected the request.' } } }, /You said no/],
    ['gives nothing back', { givesNothing: 'solana:signMessage' }, /Ghost could not do that/],
    ['signs no messages', { lacks: 'solana:signMessage' }, /Ghost could not do that/],
  ])('with a wallet that %s: it is said, and it may pay', async (_, change, said) => {
    const reader = await visit('/articles/tides', change)
    await reader.click('I already bought this')
    await reader.sees(said)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test('with a wallet that has bought nothing: it is said', async () => {
    const reader = await visit()
    await reader.click('I already bought this')
    await reader.sees('This wallet has not bought this page')
    expect(await reader.paid()).toEqual([])
    await reader.close()
  })
})
