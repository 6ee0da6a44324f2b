// What `npm run buy` pays with: a key on one network, and what it can say of prices and balances there.

import { ExactEvmScheme, registerExactEvmScheme } from '@x402/evm/exact/client'
import type { x402Client } from '@x402/fetch'
import { createPublicClient, http, isAddress, isHex, parseAbi } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { readLocal } from '../../dev/stack/paths.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { Refusal } from '../command.ts'

/** What a site asks for one thing, as far as a buyer looks at it. */
export type Terms = { network: string; asset: string; payTo: string; amount: string }

export type Purse = {
  /** Who pays. */
  address: string
  /** Makes the stock client pay with this. */
  register(client: x402Client): void
  /** The name and the decimals of a token, where the stock client knows it. */
  token(terms: Terms): { symbol: string; decimals: number } | undefined
  /** What `payTo` holds on the local chain; undefined when the URL is not the local site's or the chain is gone. */
  balance(url: string, terms: Terms): Promise<bigint | undefined>
}

const balanceAbi = parseAbi(['function balanceOf(address account) view returns (uint256)'])

/** The purse on EVM networks: the key in `BUY_PRIVATE_KEY`, else the demo's. */
export function evmPurse(): Purse {
  const account = privateKeyToAccount(evmKey())
  const scheme = new ExactEvmScheme(account)
  return {
    address: account.address,
    register: (client) => void registerExactEvmScheme(client, { signer: account }),
    token: ({ asset, network }) => scheme.findDefaultAsset(asset, caip2(network)),
    async balance(url, { network, asset, payTo }) {
      const local = readLocal()
      if (local === undefined || local.siteUrl !== new URL(url).origin) return undefined
      if (network !== `eip155:${local.chainId}` || !isAddress(asset) || !isAddress(payTo)) return undefined
      try {
        const chain = createPublicClient({ transport: http(local.rpcUrl, { retryCount: 0 }) })
        return await chain.readContract({
          address: asset,
          abi: balanceAbi,
          functionName: 'balanceOf',
          args: [payTo],
        })
      } catch {
        return undefined
      }
    },
  }
}

function evmKey(): `0x${string}` {
  const key = process.env.BUY_PRIVATE_KEY
  if (key === undefined || key === '') return wallets.payer.privateKey
  if (!isHex(key) || key.length !== 66) throw new Refusal('BUY_PRIVATE_KEY is not a private key: 0x and 64 hex digits')
  return key
}

/** A network as the packages type it. */
export function caip2(name: string): `${string}:${string}` {
  const [namespace = '', reference = ''] = name.split(':')
  return `${namespace}:${reference}`
}
