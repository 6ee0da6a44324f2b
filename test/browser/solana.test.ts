// Readers with wallets of Solana, in the plain page and in the card of a publisher's own page: beside those of EVM, each asked
// for what it can do, and never for a second payment.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeDemoWallet } from '../../dev/demo/build-wallet.ts'
import { BLOCKHASH_LIFE } from '../../dev/stack/solana/clock.ts'
import { readTransaction } from '../../dev/stack/solana/message.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { SOLANA } from '../../src/browser/solana.gen.ts'
import { LOOK } from '../../src/checkout.ts'
import { startBrowser } from '../world/chromium.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { openReader, type Reader, walletOf } from '../world/reader.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../world/shop.ts'
import type { SolanaBrowserWallet } from '../world/solana-browser-wallet.ts'
import { arrivals } from '../world/solana-on-chain.ts'
import { solanaReader } from '../world/solana-payer.ts'
import { type SolanaStack, startSolanaStack } from '../world/stack.ts'
import { ARTICLE, hasArticle, metadata } from './newsstand.ts'

const PUBLISHER = solanaWallets.publisher.address
const NOWHERE = 'http://127.0.0.1:1'
let stack: SolanaStack
let origin: OriginServer
let shop: Shop
/** The same newspaper with nobody to ask about Solana. */
let cutOff: Shop
let browser: Browser

const vars = (solanaRpc: string) => ({
  SITE_URL: 'http://localhost:8787',
  NETWORKS: [NETWORK, SOLANA_NETWORK],
  PAY_TO: { eip155: wallets.publisher.address, solana: PUBLISHER },
  RPC_URLS: { [NETWORK]: stack.chain.rpcUrl, [SOLANA_NETWORK]: solanaRpc },
  ORIGIN_URL: origin.url,
  BRAND: { name: 'The Daily Stand', accent: '#0b6e4f' },
  ROUTES: [
    {
      path: '/articles/*',
      content: 'kv',
      price: '$0.05',
      access: '24h',
      offers: [{ name: 'Day pass', price: '$0.50', access: '24h', scope: '/articles/*' }],
    },
    { path: '/wall/*', price: '$0.05', access: '24h' },
  ],
})

/** Policies as strict as publishers have them. */
const POLICY =
  "default-src 'none'; script-src 'nonce-abc' 'strict-dynamic'; style-src 'self' 'unsafe-inline'; require-trusted-types-for 'script'; trusted-types 'none'"
const paragraphs = (count: number, word: string) =>
  Array.from({ length: count }, (_, i) => `<p>${word} paragraph ${i + 1}: the sea comes twice a day.</p>`).join('')
const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><base href="https://elsewhere.example/deep/"><title>The tides</title></head>
<body><main><article class="entry-content"><h1>Why the tide comes twice</h1>${paragraphs(3, 'Free')}${paragraphs(6, 'Paid')}</article></main></body></html>`

beforeAll(async () => {
  ;[stack, origin, browser] = await Promise.all([
    startSolanaStack({ solana: { lighthouse: true } }),
    startOrigin(),
    startBrowser(),
  ])
  origin.tell(() => ({
    headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': POLICY },
    body: PAGE,
  }))
  await stack.solana.fund(PUBLISHER, 0n)
  ;[shop, cutOff] = await Promise.all([
    openShop(vars(stack.solana.rpcUrl), { stack }),
    openShop(vars(NOWHERE), { stack }),
  ])
  for (const { site } of [shop, cutOff]) {
    await site.kv.put('/articles/tides', ARTICLE, { metadata })
    // Who pays the fee on Solana is known.
    await site.tick()
  }
})
afterAll(async () => {
  await browser.close()
  await shop.close()
  await cutOff.close()
  await origin.stop()
  await stack.stop()
})

type Visit = Reader & { account: SolanaWallet; paid(): Promise<bigint[]> }

/** A reader with a dollar on Solana and one wallet there; `beside`: and more wallets. */
async function visit(
  path = '/articles/tides',
  change: Partial<SolanaBrowserWallet> = {},
  { money = 1_000_000n, at = shop, beside = [] as SolanaBrowserWallet[], evm = [] as string[] } = {},
): Promise<Visit> {
  const account = await solanaReader(stack.solana, money)
  const evmWallets = await Promise.all(
    evm.map(async (name) => walletOf(await at.reader(), stack.chain.rpcUrl, { name })),
  )
  const reader = await openReader(browser, evmWallets, { solana: [{ name: 'Ghost', account, ...change }, ...beside] })
  await reader.page.goto(`${at.site.url}${path}`)
  const paid = async () =>
    (await arrivals(stack.solana, PUBLISHER))
      .filter(({ from }) => from.includes(account.address))
      .map(({ amount }) => amount)
  return { ...reader, account, paid }
}

const countOf = ({ asked }: Reader, method: string) => asked.filter((one) => one.method === method).length
const fetchedOf = ({ fetched }: Reader, path: string) => fetched.filter((line) => line.includes(path)).length
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

describe('what the wallet may say', () => {
  test.each<[string, Partial<SolanaBrowserWallet>, RegExp]>([
    ['locked', { isLocked: true }, /Ghost is locked/],
    ['not-allowed', { refuses: { 'standard:connect': { code: 4100, message: 'no' } } }, /Ghost is locked/],
    ['asked-already', { refuses: { 'standard:connect': { code: -32002, message: 'no' } } }, /already asking you/],
    ['connection-declined', { refuses: { 'standard:connect': { code: 4001, message: 'no' } } }, /You said no/],
    ['signature-declined', { refuses: { 'solana:signTransaction': { code: 4001, message: 'no' } } }, /You said no/],
    [
      'declined-in-words',
      { refuses: { 'solana:signTransaction': { message: 'User rejected the request.' } } },
      /You said no/,
    ],
    [
      'declined-by-its-number',
      { refuses: { 'solana:signTransaction': { code: 4_001_000, message: '' } } },
      /You said no/,
    ],
    ['declined-in-words-alone', { refuses: { 'solana:signTransaction': 'Declined by its owner' } }, /You said no/],
    [
      'simulation-failed',
      // A node's number for it is EIP-1193's for a question that is open already.
      {
        refuses: {
          'solana:signTransaction': {
            code: -32002,
            message: 'Transaction simulation failed: custom program error: 0x1',
          },
        },
      },
      /cannot go through.*Nothing was charged/,
    ],
    [
      'blockhash-over',
      { refuses: { 'solana:signTransaction': 'Blockhash not found' } },
      /signed too late.*Nothing was charged/,
    ],
    ['cannot-sign', { refuses: { 'solana:signTransaction': { message: 'broken' } } }, /Ghost could not do that/],
    ['signs-nothing', { givesNothing: 'solana:signTransaction' }, /Ghost could not do that. Nothing was charged/],
    ['on-another-chain', { accountChains: ['solana:mainnet'] }, /account of Ghost cannot pay on Solana Devnet/],
  ])('%s: it is said, and there is a way on', async (state, change, said) => {
    const reader = await visit('/articles/tides', change)
    await reader.click('Pay $0.05')
    await reader.sees(said)
    await reader.page.getByRole('button', { name: 'Pay $0.05 with Ghost' }).waitFor()
    if (['signature-declined', 'simulation-failed', 'on-another-chain'].includes(state)) {
      await reader.look(`solana-${state}`)
    }
    expect(reader.fetched.filter((line) => line.endsWith('/articles/tides'))).toHaveLength(1)
    expect(await reader.paid()).toEqual([])
    await reader.close()
  })

  test('it does not answer: the reader starts again, and what it signs late is not sent', async () => {
    const late = Promise.withResolvers<void>()
    const reader = await visit('/articles/tides', { hangs: { feature: 'solana:signTransaction', until: late.promise } })
    await reader.click('Pay $0.05')
    await reader.sees(/sign it/)
    await reader.click('Start again')
    await reader.page.getByRole('button', { name: 'Pay $0.05' }).waitFor()
    late.resolve()
    await reader.page.evaluate(() => new Promise((done) => setTimeout(done)))
    expect(fetchedOf(reader, '/articles/tides')).toBe(1)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test('its blockhash is over when it has signed: it is said, nothing moves, and the next payment buys', async () => {
    const reader = await visit()
    const { clock } = stack.solana
    // What the site said when the wallet was opened; the chain is the other readers' too, and does not jump.
    await reader.page.route(`**${LOOK}?*`, async (route) => {
      const response = await route.fetch()
      const blockhash = clock.blockhash(clock.slot() - BLOCKHASH_LIFE - 2)
      await route.fulfill({ response, json: { ...(await response.json()), blockhash } })
    })
    await reader.click('Pay $0.05')
    await reader.sees(/cannot go through.*signed too late.*Nothing was charged/)
    await reader.look('solana-too-late')
    expect(await reader.paid()).toEqual([])
    await reader.page.unroute(`**${LOOK}?*`)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    expect(countOf(reader, 'solana:signTransaction')).toBe(2)
    await reader.close()
  })

  test('what it holds is frozen, which only a simulation finds out: it is said, and nothing moves', async () => {
    const reader = await visit()
    await reader.page.getByRole('button', { name: 'Pay $0.05' }).waitFor()
    await stack.solana.freeze(reader.account.address, true)
    await reader.click('Pay $0.05')
    await reader.sees(/cannot go through.*Nothing was charged/)
    expect(await reader.paid()).toEqual([])
    await stack.solana.freeze(reader.account.address, false)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test.each([
    ['settle_exact_svm_block_height_exceeded', /This offer had expired/],
    ['invalid_exact_svm_transaction_failed', /The payment did not go through. Nothing was charged/],
    ['invalid_exact_svm_payload_signature_invalid', /Another account signed/],
    ['a word that nobody knows', /The payment did not go through. Nothing was charged/],
  ])('the site answers %s: it is said, and there is a way on', async (error, said) => {
    const reader = await visit()
    await reader.page.route('**/articles/tides', async (route) => {
      if (route.request().headers()['payment-signature'] === undefined) return route.continue()
      await route.fulfill({ status: 402, json: { error } })
    })
    await reader.click('Pay $0.05')
    await reader.sees(said)
    await reader.page.unroute('**/articles/tides')
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([PRICE])
    await reader.close()
  })

  test('too little USDC: how much is missing, before anything is signed', async () => {
    const reader = await visit('/articles/tides', {}, { money: 20_000n })
    await reader.click('Pay $0.05')
    await reader.sees('short of $0.03 USDC on Solana Devnet')
    await reader.look('solana-too-little')
    expect(countOf(reader, 'solana:signTransaction')).toBe(0)
    await stack.solana.fund(reader.account.address, PRICE)
    await reader.click('Pay $0.05')
    await hasArticle(reader)
    await reader.close()
  })

  test('the publisher’s own wallet is not asked to pay itself', async () => {
    const reader = await visit('/articles/tides', { account: solanaWallets.publisher })
    await reader.click('Pay $0.05')
    await reader.sees('cannot be accepted here')
    expect(countOf(reader, 'solana:signTransaction')).toBe(0)
    await reader.close()
  })
})

describe('what the site cannot say', () => {
  test('nobody knows what the chain holds: nothing is signed, and the other wallet pays', async () => {
    const reader = await visit('/articles/tides', {}, { at: cutOff, evm: ['Fox'] })
    await reader.click('Pay $0.05 with Ghost')
    await reader.sees('could not be prepared just now, and nothing was charged')
    await reader.look('solana-unprepared')
    expect(countOf(reader, 'solana:signTransaction')).toBe(0)
    await reader.click('Pay $0.05 with Fox')
    await hasArticle(reader)
    expect(await reader.paid()).toEqual([])
    await reader.close()
  })

  test.each(['is lost', 'cannot be read', 'names no blockhash'])(
    'what it says %s: nothing is signed',
    async (fault) => {
      const reader = await visit()
      await reader.page.route(`**${LOOK}?*`, async (route) => {
        if (fault === 'is lost') return route.abort()
        const response = await route.fetch()
        const json = { ...(await response.json()), blockhash: 'none' }
        await route.fulfill(fault === 'cannot be read' ? { response, body: '<html>' } : { response, json })
      })
      await reader.click('Pay $0.05')
      await reader.sees(/could not be prepared just now, and nothing was charged/)
      expect(countOf(reader, 'solana:signTransaction')).toBe(0)
      await reader.page.unroute(`**${LOOK}?*`)
      await reader.click('Pay $0.05')
      await hasArticle(reader)
      await reader.close()
    },
  )

  test('the part for Solana does not come: the same', async () => {
    const reader = await visit()
    await reader.page.route(`**${SOLANA.path}`, (route) => route.fulfill({ status: 404 }))
    await reader.click('Pay $0.05')
    await reader.sees('could not be prepared just now')
    expect(reader.asked).toEqual([])
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
    if (route.request().resourceType() !== 'document') return route.continue()
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
  await stack.solana.fund(solanaWallets.payer.address, PRICE)
  const reader = await openReader(browser, [])
  const questions: string[] = []
  reader.page.on('dialog', (dialog) => {
    questions.push(dialog.message())
    void dialog.accept()
  })
  await reader.page.addInitScript({ path: script })
  await rm(folder, { recursive: true })
  await reader.page.goto(`${shop.site.url}/articles/tides`)
  await reader.page.getByRole('button', { name: 'Pay' }).first().waitFor()
  expect(await buttons(reader)).toEqual(['Pay $0.05 with Demo wallet', 'Pay $0.05 with Demo wallet (Solana Devnet)'])
  await reader.click('Pay $0.05 with Demo wallet (Solana Devnet)')
  await hasArticle(reader)
  expect(questions).toEqual([expect.stringMatching(/^Demo wallet: pay \$0\.05 \(play money, on Solana\) to /)])
  expect(await stack.solana.balance(solanaWallets.payer.address)).toBe(0n)
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
