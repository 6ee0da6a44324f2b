// The newspaper that is read with wallets of Solana: plain pages, and the publisher's own page with a card.
import type { Browser } from 'playwright-core'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { startBrowser } from '../world/chromium.ts'
import { startOrigin } from '../world/origin.ts'
import { openReader, type Reader, walletOf } from '../world/reader.ts'
import { NETWORK, openShop, type Shop } from '../world/shop.ts'
import type { SolanaBrowserWallet } from '../world/solana-browser-wallet.ts'
import { arrivals } from '../world/solana-on-chain.ts'
import { solanaReader } from '../world/solana-payer.ts'
import { type SolanaStack, startSolanaStack } from '../world/stack.ts'
import { ARTICLE, metadata } from './newsstand.ts'

const PUBLISHER = solanaWallets.publisher.address

const varsAt = (originUrl: string, chainRpc: string, solanaRpc: string) => ({
  SITE_URL: 'http://localhost:8787',
  NETWORKS: [NETWORK, SOLANA_NETWORK],
  PAY_TO: { eip155: wallets.publisher.address, solana: PUBLISHER },
  RPC_URLS: { [NETWORK]: chainRpc, [SOLANA_NETWORK]: solanaRpc },
  ORIGIN_URL: originUrl,
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

export type Visit = Reader & { account: SolanaWallet; paid(): Promise<bigint[]> }
type Among = { money?: bigint; at?: Shop; beside?: SolanaBrowserWallet[]; evm?: string[] }

export type SolanaNewsstand = {
  stack: SolanaStack
  shop: Shop
  browser: Browser
  /** The same newspaper, which asks another node about Solana. */
  open(solanaRpc: string): Promise<Shop>
  /** A reader with a dollar on Solana and one wallet there; `beside` and `evm`: and more wallets. */
  visit(path?: string, change?: Partial<SolanaBrowserWallet>, among?: Among): Promise<Visit>
  close(): Promise<void>
}

/** Close it in `afterAll`. */
export async function openSolanaNewsstand(): Promise<SolanaNewsstand> {
  const [stack, origin, browser] = await Promise.all([
    startSolanaStack({ solana: { lighthouse: true } }),
    startOrigin(),
    startBrowser(),
  ])
  origin.tell(() => ({
    headers: { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': POLICY },
    body: PAGE,
  }))
  await stack.solana.fund(PUBLISHER, 0n)
  const opened: Shop[] = []
  const open = async (solanaRpc: string) => {
    const shop = await openShop(varsAt(origin.url, stack.chain.rpcUrl, solanaRpc), { stack })
    opened.push(shop)
    await shop.site.kv.put('/articles/tides', ARTICLE, { metadata })
    // Who pays the fee on Solana is known.
    await shop.site.tick()
    return shop
  }
  const shop = await open(stack.solana.rpcUrl)
  return {
    stack,
    shop,
    browser,
    open,
    async visit(path = '/articles/tides', change = {}, { money = 1_000_000n, at = shop, beside = [], evm = [] } = {}) {
      const account = await solanaReader(stack.solana, money)
      const evmWallets = await Promise.all(
        evm.map(async (name) => walletOf(await at.reader(), stack.chain.rpcUrl, { name })),
      )
      const reader = await openReader(browser, evmWallets, {
        solana: [{ name: 'Ghost', account, ...change }, ...beside],
      })
      await reader.page.goto(`${at.site.url}${path}`)
      const paid = async () =>
        (await arrivals(stack.solana, PUBLISHER))
          .filter(({ from }) => from.includes(account.address))
          .map(({ amount }) => amount)
      return { ...reader, account, paid }
    },
    async close() {
      await browser.close()
      for (const { close } of opened) await close()
      await origin.stop()
      await stack.stop()
    },
  }
}

export const countOf = ({ asked }: Reader, method: string) => asked.filter((one) => one.method === method).length
export const fetchedOf = ({ fetched }: Reader, path: string) => fetched.filter((line) => line.includes(path)).length
