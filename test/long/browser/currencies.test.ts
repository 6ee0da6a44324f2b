// What is sold in dollars and in euros: a reader chooses what she pays with where her wallets leave a choice, is told where
// another currency would do, and is never asked to sign on a network that does not have it.
import type { Browser } from 'playwright-core'
import type { PrivateKeyAccount } from 'viem/accounts'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { solanaWallets } from '../../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../../dev/stack/solana.ts'
import { wallets } from '../../../dev/stack/wallets.ts'
import { assetsOn } from '../../../src/x402/assets.ts'
import { ARTICLE, hasArticle, metadata, signatures } from '../../browser/newsstand.ts'
import type { BrowserWallet } from '../../world/browser-wallet.ts'
import { startBrowser } from '../../world/chromium.ts'
import { type Network, placeToken, startFacilitatorFor, startNetwork } from '../../world/networks.ts'
import { type OriginServer, startOrigin } from '../../world/origin.ts'
import { openReader, type Reader, walletOf } from '../../world/reader.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../../world/shop.ts'
import { type Site, startSite } from '../../world/site.ts'
import { solanaReader } from '../../world/solana-payer.ts'
import { type SolanaStack, startSolanaStack } from '../../world/stack.ts'

const [BASE, POLYGON] = ['eip155:8453', 'eip155:137']
const IN_EUROS = 40_000n
const ONE = 1_000_000n
const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>The tides</title><style>html{color-scheme:light dark}body{font:18px/1.6 sans-serif}</style></head>
<body><main><article class="entry-content"><h1>Why the tide comes twice</h1>${'<p>A paragraph: the sea comes twice a day.</p>'.repeat(9)}<p id="paid">The end.</p></article></main></body></html>`
let stack: SolanaStack
let origin: OriginServer
let shop: Shop
let eurc: Network
let browser: Browser

const eurcOn = (network: string) => {
  const token = assetsOn(network).find(({ symbol }) => symbol === 'EURC')
  if (token?.kind !== 'eip3009') throw new Error(`the table has no EURC on ${network}`)
  return token
}

beforeAll(async () => {
  ;[stack, origin, browser] = await Promise.all([startSolanaStack(), startOrigin(), startBrowser()])
  origin.tell(() => ({ headers: { 'Content-Type': 'text/html; charset=utf-8' }, body: PAGE }))
  await stack.solana.fund(solanaWallets.publisher.address, 0n)
  eurc = await placeToken(stack.chain, eurcOn(NETWORK))
  const price = ['$0.05', '€0.04']
  shop = await openShop(
    {
      SITE_URL: 'http://localhost:8787',
      NETWORKS: [NETWORK, SOLANA_NETWORK],
      PAY_TO: { eip155: wallets.publisher.address, solana: solanaWallets.publisher.address },
      RPC_URLS: { [NETWORK]: stack.chain.rpcUrl, [SOLANA_NETWORK]: stack.solana.rpcUrl },
      ORIGIN_URL: origin.url,
      BRAND: { name: 'The Daily Stand', accent: '#0b6e4f' },
      ROUTES: [
        {
          path: '/both/*',
          content: 'kv',
          price,
          access: '24h',
          offers: [{ name: 'Day pass', price: '$0.50', access: '24h', scope: '/both/*' }],
        },
        { path: '/euros/*', content: 'kv', price: '€0.04', access: '24h' },
        { path: '/dollars/*', content: 'kv', price: '$0.05', access: '24h' },
        { path: '/wall/*', price, access: '24h' },
      ],
    },
    { stack },
  )
  for (const path of ['/both/tides', '/both/dear', '/euros/tides', '/dollars/tides'])
    await shop.site.kv.put(path, ARTICLE, { metadata })
  // Who pays the fee on Solana is known.
  await shop.site.tick()
})
afterAll(async () => {
  await browser.close()
  await shop.close()
  await origin.stop()
  await stack.stop()
})

type Visit = Reader & { account: PrivateKeyAccount; spent(): Promise<{ dollars: bigint; euros: bigint }> }
type Held = { dollars?: bigint; euros?: bigint; change?: Partial<BrowserWallet>; solana?: boolean; evm?: boolean }

/** A reader with a wallet; a dollar and a euro, unless told otherwise. `solana`: and one of Solana beside it. */
async function visit(
  path = '/both/tides',
  { dollars = ONE, euros = ONE, change = {}, solana = false, evm = true }: Held = {},
): Promise<Visit> {
  const account = await shop.reader(dollars)
  if (euros > 0n) await eurc.fund(account.address, euros)
  const ghost = { name: 'Ghost', account: await solanaReader(stack.solana, ONE) }
  const evmWallets = evm ? [walletOf(account, stack.chain.rpcUrl, change)] : []
  const reader = await openReader(browser, evmWallets, { solana: solana ? [ghost] : [] })
  await reader.page.goto(`${shop.site.url}${path}`)
  const spent = async () => ({
    dollars: dollars - (await stack.chain.balance(account.address)),
    euros: euros - (await eurc.balance(account.address)),
  })
  return { ...reader, account, spent }
}

const choice = ({ page }: Reader) => page.getByRole('group', { name: 'What you pay with' })
const pay = ({ page }: Reader, label: string) => page.getByRole('button', { name: label, exact: true })
const choose = (reader: Reader, label: string) => choice(reader).getByRole('radio', { name: label }).check()
const signed = z.looseObject({
  domain: z.looseObject({ name: z.string(), chainId: z.number(), verifyingContract: z.string() }),
  message: z.looseObject({ value: z.string() }),
})
const signedBy = (reader: Reader) =>
  signatures(reader).map(({ params }) => signed.parse(JSON.parse(z.string().parse(params[1]))))

describe('what she pays with', () => {
  test('is chosen: who holds euros alone pays in euros', async () => {
    const reader = await visit('/both/tides', { dollars: 0n })
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    expect(await choice(reader).locator('label').allTextContents()).toEqual(['$0.05 USDC', '€0.04 EURC'])
    await reader.look('currencies')
    await choose(reader, '€0.04 EURC')
    await pay(reader, 'Pay €0.04 with Fox').waitFor()
    await reader.look('currencies-euros')
    await pay(reader, 'Pay €0.04 with Fox').click()
    await hasArticle(reader)
    expect(await reader.spent()).toEqual({ dollars: 0n, euros: IN_EUROS })
    const { asset, eip712 } = eurc.asset
    expect(signedBy(reader)).toMatchObject([
      { domain: { name: eip712.name, verifyingContract: asset }, message: { value: IN_EUROS.toString() } },
    ])
    await reader.close()
  })

  test('is the first one until she says otherwise, and the keyboard is enough to say so', async () => {
    const reader = await visit()
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await choice(reader).getByRole('radio').first().focus()
    await reader.page.keyboard.press('ArrowRight')
    await pay(reader, 'Pay €0.04 with Fox').waitFor()
    await reader.page.keyboard.press('ArrowLeft')
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await reader.page.keyboard.press('Tab')
    await reader.page.keyboard.press('Enter')
    await hasArticle(reader)
    expect(await reader.spent()).toEqual({ dollars: PRICE, euros: 0n })
    await reader.close()
  })

  test('is chosen in the card of a publisher’s own page too', async () => {
    const reader = await visit('/wall/tides')
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await reader.look('currencies-wall')
    await choose(reader, '€0.04 EURC')
    await pay(reader, 'Pay €0.04 with Fox').click()
    await hasArticle(reader)
    expect(await reader.spent()).toEqual({ dollars: 0n, euros: IN_EUROS })
    await reader.close()
  })

  test('stays what it is for the payment that is sent again', async () => {
    const reader = await visit()
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await choose(reader, '€0.04 EURC')
    await reader.page.route('**/both/tides', async (route) => {
      if (route.request().headers()['payment-signature'] === undefined) return route.continue()
      await route.abort()
    })
    await pay(reader, 'Pay €0.04 with Fox').click()
    await reader.sees('Your signed payment is kept')
    await reader.page.unroute('**/both/tides')
    await reader.page.reload()
    await hasArticle(reader)
    expect(signatures(reader)).toHaveLength(1)
    expect(await reader.spent()).toEqual({ dollars: 0n, euros: IN_EUROS })
    await reader.close()
  })

  test('is still chosen where that payment is refused after a reload', async () => {
    const reader = await visit()
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await choose(reader, '€0.04 EURC')
    let isLost = true
    await reader.page.route('**/both/tides', async (route) => {
      if (route.request().headers()['payment-signature'] === undefined) return route.continue()
      await (isLost ? route.abort() : route.fulfill({ status: 402, json: { error: 'unexpected_settle_error' } }))
    })
    await pay(reader, 'Pay €0.04 with Fox').click()
    await reader.sees('Your signed payment is kept')
    isLost = false
    await reader.page.reload()
    await reader.sees('The payment did not go through')
    await pay(reader, 'Pay €0.04 with Fox').waitFor()
    expect(await reader.spent()).toEqual({ dollars: 0n, euros: 0n })
    await reader.close()
  })

  test('after a no it is still what she chose', async () => {
    const reader = await visit('/both/tides', { change: { refuses: { eth_signTypedData_v4: 4001 } } })
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await choose(reader, '€0.04 EURC')
    await pay(reader, 'Pay €0.04 with Fox').click()
    await reader.sees('You said no')
    await pay(reader, 'Pay €0.04 with Fox').waitFor()
    expect(await choice(reader).getByRole('radio', { name: '€0.04 EURC' }).isChecked()).toBe(true)
    await reader.close()
  })
})

describe('no choice is shown', () => {
  test('where something is sold in one currency', async () => {
    const reader = await visit('/dollars/tides')
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    expect(await reader.page.locator('input[name=currency]').count()).toBe(0)
    await reader.close()
  })

  test('for an offer of one currency, and it is back for the other offer', async () => {
    const reader = await visit()
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await choose(reader, '€0.04 EURC')
    await reader.page.getByRole('radio', { name: /Day pass/ }).check()
    await pay(reader, 'Pay $0.50 with Fox').waitFor()
    expect(await choice(reader).isVisible()).toBe(false)
    await reader.page.getByRole('radio', { name: /This page/ }).check()
    await pay(reader, 'Pay €0.04 with Fox').waitFor()
    expect(await choice(reader).isVisible()).toBe(true)
    await reader.close()
  })

  test('to a wallet whose network has one of them alone', async () => {
    const reader = await visit('/both/tides', { evm: false, solana: true })
    await pay(reader, 'Pay $0.05 with Ghost').waitFor()
    expect(await choice(reader).isVisible()).toBe(false)
    await reader.look('currencies-one-network')
    await reader.close()
  })

  test('before a wallet is there', async () => {
    const reader = await visit('/both/tides', { evm: false })
    await reader.sees('No wallet found')
    expect(await choice(reader).isVisible()).toBe(false)
    await reader.close()
  })
})

describe('too little of one currency', () => {
  test('and enough of the other: it is said, the other is offered, and nothing is signed before she presses', async () => {
    const reader = await visit('/both/tides', { dollars: 20_000n })
    await pay(reader, 'Pay $0.05 with Fox').click()
    await reader.sees(
      'short of $0.03 USDC on Base Sepolia, but holds enough EURC. Pay €0.04 with EURC instead, or top the wallet up.',
    )
    await pay(reader, 'Pay €0.04 with Fox').waitFor()
    await reader.look('currencies-other')
    expect(signatures(reader)).toEqual([])
    await pay(reader, 'Pay €0.04 with Fox').click()
    await hasArticle(reader)
    expect(await reader.spent()).toEqual({ dollars: 0n, euros: IN_EUROS })
    await reader.close()
  })

  test('and of the other: what is missing of the one she chose', async () => {
    const reader = await visit('/both/tides', { dollars: 20_000n, euros: 10_000n })
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await choose(reader, '€0.04 EURC')
    await pay(reader, 'Pay €0.04 with Fox').click()
    await reader.sees('short of €0.03 EURC on Base Sepolia')
    expect(await reader.status()).not.toContain('instead')
    await pay(reader, 'Pay €0.04 with Fox').waitFor()
    expect(signatures(reader)).toEqual([])
    await reader.close()
  })

  test('which only the site finds out: it is said, and nothing is charged', async () => {
    const reader = await visit('/both/tides', { dollars: 20_000n, change: { refuses: { eth_call: 4200 } } })
    await pay(reader, 'Pay $0.05 with Fox').click()
    await reader.sees('The wallet holds too little USDC. Nothing was charged.')
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    expect(await reader.spent()).toEqual({ dollars: 0n, euros: 0n })
    await reader.close()
  })
})

describe('a network without the currency', () => {
  test('its wallet is not offered for it, and is for the other', async () => {
    const reader = await visit('/both/tides', { solana: true })
    await pay(reader, 'Pay $0.05 with Ghost').waitFor()
    await choose(reader, '€0.04 EURC')
    await pay(reader, 'Pay €0.04 with Fox').waitFor()
    expect(await reader.page.getByRole('button', { name: 'Ghost' }).count()).toBe(0)
    await choose(reader, '$0.05 USDC')
    await pay(reader, 'Pay $0.05 with Ghost').click()
    await hasArticle(reader)
    expect(await reader.spent()).toEqual({ dollars: 0n, euros: 0n })
    await reader.close()
  })

  test('its wallet alone: what it takes is said, and the wallet is asked nothing', async () => {
    const reader = await visit('/euros/tides', { evm: false, solana: true })
    await reader.sees('The wallets found in this browser cannot pay for this. It takes EURC (Base Sepolia).')
    await reader.look('no-way')
    expect(await reader.page.getByRole('button', { name: /^Pay/ }).count()).toBe(0)
    expect(reader.asked).toEqual([])
    await reader.page.getByRole('button', { name: 'Look again' }).waitFor()
    await reader.close()
  })

  test('its wallet beside one that can pay: that one is offered', async () => {
    const reader = await visit('/euros/tides', { solana: true })
    await pay(reader, 'Pay €0.04 with Fox').click()
    await hasArticle(reader)
    expect(await reader.spent()).toEqual({ dollars: 0n, euros: IN_EUROS })
    await reader.close()
  })

  test('the page names no token on a network that has none of it', async () => {
    const reader = await visit('/euros/tides')
    const said = () => reader.page.locator('.card .quiet').textContent()
    expect(await said()).toContain('EURC on Base Sepolia. ')
    expect(await said()).not.toContain('Solana')
    await reader.page.goto(`${shop.site.url}/both/tides`)
    expect(await said()).toContain('USDC on Base Sepolia, Solana Devnet. EURC on Base Sepolia. ')
    await reader.close()
  })
})

describe('a price that changes', () => {
  const later = async (reader: Reader, price: string[]) => {
    await pay(reader, 'Pay $0.05 with Fox').waitFor()
    await choose(reader, '€0.04 EURC')
    await shop.site.kv.put('/both/dear', ARTICLE, { metadata: { ...metadata, price } })
    await reader.page.clock.install()
    await reader.page.clock.fastForward('11:00')
    await pay(reader, 'Pay €0.04 with Fox').click()
  }

  test('in her currency is said before anything is signed; in the other it is no matter', async () => {
    const reader = await visit('/both/dear')
    await later(reader, ['$0.05', '€0.06'])
    await reader.sees('The price is now')
    expect(signatures(reader)).toEqual([])
    await pay(reader, 'Pay €0.06 with Fox').waitFor()
    await reader.close()
    await shop.site.kv.put('/both/dear', ARTICLE, { metadata })
    const other = await visit('/both/dear')
    await later(other, ['$0.07', '€0.04'])
    await hasArticle(other)
    expect(await other.spent()).toEqual({ dollars: 0n, euros: IN_EUROS })
    await other.close()
  })
})

describe('two networks of EVM, of which one has euros', () => {
  let base: Network
  let polygon: Network
  let euros: Network
  let facilitator: Awaited<ReturnType<typeof startFacilitatorFor>>
  let site: Site

  beforeAll(async () => {
    ;[base, polygon] = await Promise.all([startNetwork(BASE), startNetwork(POLYGON)])
    euros = await placeToken(base.chain, eurcOn(BASE))
    facilitator = await startFacilitatorFor([base, polygon])
    site = await startSite({
      // Development keys are no payees of real networks.
      PAY_TO: { eip155: privateKeyToAccount(generatePrivateKey()).address },
      // Readers are on the second: that one would be asked for first.
      NETWORKS: [POLYGON, BASE],
      FACILITATORS: [facilitator.facilitator.url],
      RPC_URLS: { [BASE]: base.chain.rpcUrl, [POLYGON]: polygon.chain.rpcUrl },
      ROUTES: [
        { path: '/euros/*', content: 'kv', price: '€0.04', access: 'once' },
        { path: '/both/*', content: 'kv', price: ['$0.05', '€0.04'], access: 'once' },
      ],
    })
    for (const path of ['/euros/tides', '/both/tides']) await site.kv.put(path, ARTICLE, { metadata })
  })
  afterAll(async () => {
    await site.stop()
    await facilitator.stop()
    await Promise.all([base.chain.stop(), polygon.chain.stop()])
  })

  /** A reader whose wallet is on Polygon, with a dollar there and a euro on Base. */
  async function visitFrom(at: () => Network, path: string, change: Partial<BrowserWallet> = {}) {
    const account = privateKeyToAccount(generatePrivateKey())
    await polygon.fund(account.address, ONE)
    await euros.fund(account.address, ONE)
    const wallet = walletOf(account, at().chain.rpcUrl, { chainId: 137, known: [137, 8453], ...change })
    const reader = await openReader(browser, [wallet])
    await reader.page.goto(`${site.url}${path}`)
    const left = async () => ({
      dollars: await polygon.balance(account.address),
      euros: await euros.balance(account.address),
    })
    return { ...reader, left }
  }

  test('a wallet on the other one is asked to switch, and pays there', async () => {
    const reader = await visitFrom(() => base, '/euros/tides')
    await pay(reader, 'Pay €0.04 with Fox').click()
    await reader.sees('Paid')
    expect(signedBy(reader)).toMatchObject([{ domain: { name: euros.asset.eip712.name, chainId: 8453 } }])
    expect(await reader.left()).toEqual({ dollars: ONE, euros: ONE - IN_EUROS })
    await reader.close()
  })

  test('a wallet that stays there: which network it needs is said, and nothing is signed', async () => {
    const change = { refuses: { wallet_switchEthereumChain: 4001 } }
    const reader = await visitFrom(() => base, '/euros/tides', change)
    await pay(reader, 'Pay €0.04 with Fox').click()
    await reader.sees('Paying with EURC needs Base')
    await reader.look('currencies-network')
    expect(signatures(reader)).toEqual([])
    expect(await reader.left()).toEqual({ dollars: ONE, euros: ONE })
    await reader.close()
  })

  test('in dollars it pays where it is', async () => {
    const reader = await visitFrom(() => polygon, '/both/tides')
    await pay(reader, 'Pay $0.05 with Fox').click()
    await reader.sees('Paid')
    expect(reader.asked.map(({ method }) => method)).not.toContain('wallet_switchEthereumChain')
    expect(await reader.left()).toEqual({ dollars: ONE - PRICE, euros: ONE })
    await reader.close()
  })
})
