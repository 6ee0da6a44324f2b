// A shop that sells in a token without EIP-3009, for euros, beside USDC for dollars, with the questions that tests ask of it.
import type { Address } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { addressOf, installPermit2, mint, PLAIN_TOKEN, plainBalance } from '../../dev/stack/permit2.ts'
import { chainIdOf } from '../../src/x402/assets.ts'
import type { Answer } from './answer.ts'
import { type Network, placeToken } from './networks.ts'
import type { Signer } from './payer.ts'
import { approve } from './permit2-on-chain.ts'
import { type PermitChallenge, type PermitChange, payByPermit, permitChallenge } from './permit2-payer.ts'
import { type Cost, openShop, type Shop, type ShopOptions } from './shop.ts'
import type { Vars } from './site.ts'
import { startStack } from './stack.ts'
import { usdcOn } from './usdc.ts'

/** The table has no euros on it, so that the plain token is the one that is offered. */
export const POLYGON = 'eip155:137'
/** What most things cost here: `€0.05`. */
export const ASSETS = {
  [POLYGON]: [
    {
      address: addressOf(PLAIN_TOKEN),
      transfer: 'permit2',
      decimals: PLAIN_TOKEN.decimals,
      symbol: PLAIN_TOKEN.symbol,
      currency: 'EUR',
    },
  ],
}

/** `costOf` counts the plain token; `reader` and `buy` are those of it. */
export type PermitShop = Omit<Shop, 'reader' | 'buy' | 'challenge' | 'costOf'> & {
  /** Who is paid: no development key, which no real network's payee may be. */
  payTo: Address
  usdc: Network
  /** Asks without paying, and reads what the 402 offers by Permit2. */
  challenge(path: string): Promise<PermitChallenge>
  /** A reader nobody has seen before, with a million atomic units or what is given, who has approved Permit2 unless told otherwise. */
  reader(options?: { funds?: bigint; isApproved?: boolean }): Promise<PrivateKeyAccount>
  /** Asks for the challenge and pays it. */
  buy(path: string, reader: Signer, change?: PermitChange): Promise<Answer>
  balance(address: Address): Promise<bigint>
  costOf<Result>(act: () => Promise<Result>): Promise<{ result: Result; cost: Cost }>
}

/** `vars` lie over those of a small shop; see `openShop`. */
export async function openPermitShop(vars: Vars = {}, { stack: _, ...options }: ShopOptions = {}): Promise<PermitShop> {
  const stack = await startStack({ ...options, chainId: chainIdOf(POLYGON) })
  const { chain, facilitator } = stack
  try {
    await installPermit2(chain)
    const usdc = await placeToken(chain, usdcOn(POLYGON))
    const payTo = privateKeyToAccount(generatePrivateKey()).address
    const own = {
      PAY_TO: { eip155: payTo },
      NETWORKS: [POLYGON],
      RPC_URLS: { [POLYGON]: chain.rpcUrl },
      ASSETS,
      ROUTES: [{ path: '/articles/*', content: 'kv', price: '€0.05', access: '24h' }],
    }
    const shop = await openShop({ ...own, ...vars }, { ...options, stack })
    const challenge = async (path: string) => permitChallenge(await shop.ask(path))
    const balance = (address: Address) => plainBalance(chain, address)
    return {
      ...shop,
      payTo,
      usdc,
      challenge,
      balance,
      async reader({ funds = 1_000_000n, isApproved = true } = {}) {
        const account = privateKeyToAccount(generatePrivateKey())
        if (funds > 0n) await mint(chain, account.address, funds)
        if (isApproved) await approve(chain, account)
        return account
      },
      async buy(path, reader, change) {
        return shop.ask(path, { headers: await payByPermit(await challenge(path), reader, change) })
      },
      async costOf(act) {
        const before = { ...facilitator.counts, earned: await balance(payTo) }
        const result = await act()
        const cost = {
          earned: (await balance(payTo)) - before.earned,
          settles: facilitator.counts.settle - before.settle,
          verifies: facilitator.counts.verify - before.verify,
        }
        return { result, cost }
      },
      async close() {
        await shop.close()
        await stack.stop()
      },
    }
  } catch (error) {
    await stack.stop()
    throw error
  }
}
