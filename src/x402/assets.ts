// The one table of networks and their tokens: CAIP-2 id, x402 v1 name, contract or mint, EIP-712 domain, public RPC,
// explorer. Sources: Circle's lists of USDC and EURC contracts, and the default assets of the x402 reference packages.

/** A network payments are taken on. */
export type Network = {
  /** CAIP-2, e.g. `eip155:8453`. */
  network: string
  /** Whether its money is worth nothing. */
  isTest: boolean
  /** The network's name in x402 v1; null where v1 has none, and its clients would refuse the whole challenge. */
  v1Name: string | null
  name: string
  /** Public read-only JSON-RPC, used when `RPC_URLS` names none. */
  rpcUrl: string
  /** Where the block explorer people use shows a transaction, which stands in place of `{}`. */
  explorer: string
}

/** Those of every token of this table. */
const DECIMALS = 6

/** What a token is counted in. */
export type Currency = 'USD' | 'EUR'

/** A token on one network. */
type Token = Network & {
  /** The token contract, or the mint, as its issuer spells it. */
  asset: string
  symbol: string
  currency: Currency
  /** How many digits of an amount stand behind the point. */
  decimals: number
}

/** An ERC-20 with EIP-3009. */
export type Eip3009Asset = Token & {
  kind: 'eip3009'
  asset: `0x${string}`
  /** The EIP-712 domain of the token's authorizations; they differ between networks of one token. */
  eip712: { name: string; version: string }
}

/** An ERC-20 that is paid by Permit2. */
export type Permit2Asset = Token & { kind: 'permit2'; asset: `0x${string}` }

/** A mint of Solana's classic token program. */
export type SvmAsset = Token & { kind: 'svm' }

export type EvmAsset = Eip3009Asset | Permit2Asset

export type Asset = EvmAsset | SvmAsset

/** The namespace of a CAIP-2 id: networks that share addresses and keys. */
export const namespaceOf = (network: string): string => network.split(':')[0] ?? ''

/** The chain id in a CAIP-2 id of the namespace `eip155`. */
export const chainIdOf = (network: string): number => Number(network.slice('eip155:'.length))

const BASE: Network = {
  network: 'eip155:8453',
  isTest: false,
  v1Name: 'base',
  name: 'Base',
  rpcUrl: 'https://mainnet.base.org',
  explorer: 'https://basescan.org/tx/{}',
}
const BASE_SEPOLIA: Network = {
  network: 'eip155:84532',
  isTest: true,
  v1Name: 'base-sepolia',
  name: 'Base Sepolia',
  rpcUrl: 'https://sepolia.base.org',
  explorer: 'https://sepolia.basescan.org/tx/{}',
}
const POLYGON: Network = {
  network: 'eip155:137',
  isTest: false,
  v1Name: 'polygon',
  name: 'Polygon',
  rpcUrl: 'https://polygon-rpc.com',
  explorer: 'https://polygonscan.com/tx/{}',
}
const ARBITRUM: Network = {
  network: 'eip155:42161',
  isTest: false,
  v1Name: null,
  name: 'Arbitrum One',
  rpcUrl: 'https://arb1.arbitrum.io/rpc',
  explorer: 'https://arbiscan.io/tx/{}',
}
const AVALANCHE: Network = {
  network: 'eip155:43114',
  isTest: false,
  v1Name: 'avalanche',
  name: 'Avalanche',
  rpcUrl: 'https://api.avax.network/ext/bc/C/rpc',
  explorer: 'https://snowtrace.io/tx/{}',
}
const ETHEREUM: Network = {
  network: 'eip155:1',
  isTest: false,
  v1Name: null,
  name: 'Ethereum',
  rpcUrl: 'https://ethereum-rpc.publicnode.com',
  explorer: 'https://etherscan.io/tx/{}',
}
const SOLANA: Network = {
  network: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp',
  isTest: false,
  v1Name: 'solana',
  name: 'Solana',
  rpcUrl: 'https://api.mainnet-beta.solana.com',
  explorer: 'https://explorer.solana.com/tx/{}',
}
const SOLANA_DEVNET: Network = {
  network: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
  isTest: true,
  v1Name: 'solana-devnet',
  name: 'Solana Devnet',
  rpcUrl: 'https://api.devnet.solana.com',
  explorer: 'https://explorer.solana.com/tx/{}?cluster=devnet',
}

const usdc = (network: Network, asset: `0x${string}`, domainName: string): Eip3009Asset => ({
  ...network,
  kind: 'eip3009',
  asset,
  symbol: 'USDC',
  currency: 'USD',
  decimals: DECIMALS,
  eip712: { name: domainName, version: '2' },
})
const eurc = (network: Network, asset: `0x${string}`): Eip3009Asset => ({
  ...network,
  kind: 'eip3009',
  asset,
  symbol: 'EURC',
  currency: 'EUR',
  decimals: DECIMALS,
  eip712: { name: 'EURC', version: '2' },
})
const usdcMint = (network: Network, asset: string): SvmAsset => ({
  ...network,
  kind: 'svm',
  asset,
  symbol: 'USDC',
  currency: 'USD',
  decimals: DECIMALS,
})
const eurcMint = (network: Network, asset: string): SvmAsset => ({
  ...network,
  kind: 'svm',
  asset,
  symbol: 'EURC',
  currency: 'EUR',
  decimals: DECIMALS,
})

/** A network's first token of a currency is the one that is offered. */
export const ASSETS: readonly Asset[] = [
  usdc(BASE, '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913', 'USD Coin'),
  usdc(BASE_SEPOLIA, '0x036CbD53842c5426634e7929541eC2318f3dCF7e', 'USDC'),
  usdc(POLYGON, '0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359', 'USD Coin'),
  usdc(ARBITRUM, '0xaf88d065e77c8cC2239327C5EDb3A432268e5831', 'USD Coin'),
  usdc(AVALANCHE, '0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E', 'USD Coin'),
  usdc(ETHEREUM, '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48', 'USD Coin'),
  usdcMint(SOLANA, 'EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v'),
  usdcMint(SOLANA_DEVNET, '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU'),
  eurc(BASE, '0x60a3E35Cc302bFA44Cb288Bc5a4F316Fdb1adb42'),
  eurc(BASE_SEPOLIA, '0x808456652fdb597867f38412077A9182bf77359F'),
  eurcMint(SOLANA, 'HzwqbKZw8HxMN6bF2yFZNrht3c2iXXzpKcFu7uBEDKtr'),
]

/** The networks of the table, each once. */
export const NETWORKS: readonly Network[] = ASSETS.filter(
  ({ network }, i) => ASSETS.findIndex((other) => other.network === network) === i,
)

export const networkOf = (network: string): Network | undefined => NETWORKS.find((entry) => entry.network === network)

/** The tokens of a network, the first of each currency before others of it; of this table, or of it and a site's own. */
export const assetsOn = (network: string, tokens: readonly Asset[] = ASSETS): Asset[] =>
  tokens.filter((entry) => entry.network === network)

/** What is offered on these networks: on each its first token of each currency. */
export const offeredOn = (networks: readonly Network[], tokens: readonly Asset[] = ASSETS): Asset[] =>
  networks.flatMap(({ network }) =>
    assetsOn(network, tokens).filter(
      ({ currency }, i, all) => all.findIndex((other) => other.currency === currency) === i,
    ),
  )

/** An address or a transaction in its one spelling: hexadecimal in lower case; in base58 case means something. */
export const oneSpelling = (text: string): string => (/^0x/i.test(text) ? text.toLowerCase() : text)

export const isSameAddress = (a: string, b: string): boolean => oneSpelling(a) === oneSpelling(b)

export const isSameToken = (a: Pick<Token, 'network' | 'asset'>, b: Pick<Token, 'network' | 'asset'>): boolean =>
  a.network === b.network && isSameAddress(a.asset, b.asset)

/** A token of a network by its address. */
export const assetAt = (network: string, address: string, tokens: readonly Asset[] = ASSETS): Asset | undefined =>
  assetsOn(network, tokens).find(({ asset }) => isSameAddress(asset, address))

/** The first EIP-3009 token of each of these networks that has one. */
export const evmTokensOn = (networks: readonly Network[]): Eip3009Asset[] =>
  networks.flatMap(({ network }) => assetsOn(network).find((asset) => asset.kind === 'eip3009') ?? [])

/** The first mint of each of these networks that has one. */
export const svmTokensOn = (networks: readonly Network[]): SvmAsset[] =>
  networks.flatMap(({ network }) => assetsOn(network).find((asset) => asset.kind === 'svm') ?? [])

/** Where people can look a transaction up; null for a network this table does not know. */
export const transactionUrl = (network: string, transaction: string): string | null =>
  networkOf(network)?.explorer.replace('{}', transaction) ?? null
