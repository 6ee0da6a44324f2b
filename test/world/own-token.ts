// A shop on a chain whose network has dollars alone in the table: it sells for euros in a token of its own, which `ASSETS` names.
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import type { Eip3009Asset } from '../../src/x402/assets.ts'
import { type Answer, send } from './answer.ts'
import { type Network, placeToken, startFacilitatorFor, startNetwork } from './networks.ts'
import { pay, type Version } from './payer.ts'
import { type Site, startSite, type Vars } from './site.ts'
import { usdcOn } from './usdc.ts'

export const POLYGON = 'eip155:137'
export const EURX: Eip3009Asset = {
  ...usdcOn(POLYGON),
  asset: '0x00000000000000000000000000000000e00e00e0',
  symbol: 'EURX',
  currency: 'EUR',
  eip712: { name: 'Euro X', version: '2' },
}
/** As a publisher writes it. */
export const written = ({ asset, eip712, decimals, symbol, currency }: Eip3009Asset) => ({
  address: asset,
  ...eip712,
  decimals,
  symbol,
  currency,
})
export const AS_WRITTEN = written(EURX)
export const PAGE = '/articles/hello'
export const CONTENT = 'the whole article'
export const PRICE = 40_000n

export type OwnShop = {
  dollars: Network
  euros: Network
  site: Site
  facilitatorUrl: string
  payTo: `0x${string}`
  /** The settings that concern money. */
  vars: Vars
  /** A reader with a euro, and without dollars. */
  reader(): Promise<PrivateKeyAccount>
  buy(version: Version, reader: PrivateKeyAccount): Promise<Answer>
  stop(): Promise<void>
}

/** `further`: settings beside these, or in their place. */
export async function openOwnShop(token: Eip3009Asset = EURX, further: Vars = {}): Promise<OwnShop> {
  const dollars = await startNetwork(POLYGON)
  const euros = await placeToken(dollars.chain, token)
  const { facilitator, stop } = await startFacilitatorFor([dollars])
  // Development keys are no payees of real networks.
  const payTo = privateKeyToAccount(generatePrivateKey()).address
  const vars = {
    PAY_TO: { eip155: payTo },
    NETWORKS: [POLYGON],
    ASSETS: { [POLYGON]: [written(token)] },
    FACILITATORS: [facilitator.url],
    RPC_URLS: { [POLYGON]: dollars.chain.rpcUrl },
    ROUTES: [{ path: '/articles/*', content: 'kv', price: '€0.04', access: '24h' }],
    ...further,
  }
  const site = await startSite(vars)
  await site.kv.put(PAGE, CONTENT)
  const ask = (headers: Record<string, string> = {}) => send(site.url + PAGE, { headers })
  return {
    dollars,
    euros,
    site,
    facilitatorUrl: facilitator.url,
    payTo,
    vars,
    async reader() {
      const account = privateKeyToAccount(generatePrivateKey())
      await euros.fund(account.address, 10n ** BigInt(token.decimals))
      return account
    },
    buy: async (version, reader) => ask(await pay(version, (await ask()).challenge, reader)),
    async stop() {
      await site.stop()
      await stop()
      await dollars.chain.stop()
    },
  }
}
