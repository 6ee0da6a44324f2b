// The one table of networks and their USDC: CAIP-2 id, x402 v1 name, contract, EIP-712 domain, public RPC, explorer.
// Sources: Circle's list of USDC contracts, and the default assets of the x402 reference packages.

/** An ERC-20 with EIP-3009 on one network. All have six decimals. */
export type Asset = {
  /** CAIP-2, e.g. `eip155:8453`. */
  network: string
  chainId: number
  /** Whether its money is worth nothing. */
  isTest: boolean
  /** The network's name in x402 v1; null where v1 has none, and its clients would refuse the whole challenge. */
  v1Name: string | null
  name: string
  /** The token contract, as its issuer spells it. */
  asset: `0x${string}`
  /** The EIP-712 domain of the token's authorizations; they differ between networks of one token. */
  eip712: { name: string; version: string }
  /** Public read-only JSON-RPC, used when `RPC_URLS` names none. */
  rpcUrl: string
  /** Origin of the block explorer people look transactions up in. */
  explorer: string
}

/** By chain id. */
const TEST_NETWORKS = [84532]

const usdc = (
  chainId: number,
  v1Name: string | null,
  name: string,
  asset: `0x${string}`,
  domainName: string,
  rpcUrl: string,
  explorer: string,
): Asset => ({
  network: `eip155:${chainId}`,
  chainId,
  isTest: TEST_NETWORKS.includes(chainId),
  v1Name,
  name,
  asset,
  eip712: { name: domainName, version: '2' },
  rpcUrl,
  explorer,
})

export const ASSETS: readonly Asset[] = [
  usdc(
    8453,
    'base',
    'Base',
    '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913',
    'USD Coin',
    'https://mainnet.base.org',
    'https://basescan.org',
  ),
  usdc(
    84532,
    'base-sepolia',
    'Base Sepolia',
    '0x036CbD53842c5426634e7929541eC2318f3dCF7e',
    'USDC',
    'https://sepolia.base.org',
    'https://sepolia.basescan.org',
  ),
  usdc(
    137,
    'polygon',
    'Polygon',
    '0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359',
    'USD Coin',
    'https://polygon-rpc.com',
    'https://polygonscan.com',
  ),
  usdc(
    42161,
    null,
    'Arbitrum One',
    '0xaf88d065e77c8cC2239327C5EDb3A432268e5831',
    'USD Coin',
    'https://arb1.arbitrum.io/rpc',
    'https://arbiscan.io',
  ),
  usdc(
    43114,
    'avalanche',
    'Avalanche',
    '0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E',
    'USD Coin',
    'https://api.avax.network/ext/bc/C/rpc',
    'https://snowtrace.io',
  ),
  usdc(
    1,
    null,
    'Ethereum',
    '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48',
    'USD Coin',
    'https://ethereum-rpc.publicnode.com',
    'https://etherscan.io',
  ),
]

export const assetOf = (network: string): Asset | undefined => ASSETS.find((entry) => entry.network === network)

/** Where people can look a transaction up; null for a network this table does not know. */
export function transactionUrl(network: string, transaction: string): string | null {
  const asset = assetOf(network)
  return asset ? `${asset.explorer}/tx/${transaction}` : null
}
