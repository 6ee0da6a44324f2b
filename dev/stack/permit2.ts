// Permit2 on the local chain, x402's exact proxy beside it, and tokens that know no EIP-3009, which are paid through the two.
import {
  type Address,
  concat,
  createTestClient,
  encodeAbiParameters,
  encodeFunctionData,
  getContractAddress,
  type Hex,
  http,
  pad,
  parseAbi,
  publicActions,
} from 'viem'
import { uniswapContract } from './artifacts.ts'
import type { Chain } from './chain.ts'
import { DEPLOYER, EXACT_PROXY, EXACT_PROXY_SALT, exactProxyStandIn, realExactProxy } from './exact-proxy.ts'

/** The salt with which Permit2 was deployed everywhere. */
export const PERMIT2_SALT: Hex = '0x0000000000000000000000000000000000000000d3af2663da51c10215000000'

/** A token without EIP-3009, which `installPermit2` puts on the chain. */
export const PLAIN_TOKEN = { name: 'Plain Dollar', symbol: 'PLAIN', decimals: 6 } as const
/** A second one, that readers can be offered and cannot pay with. */
export const OTHER_TOKEN = { name: 'Other Dollar', symbol: 'OTHER', decimals: 6 } as const
export type PlainToken = typeof PLAIN_TOKEN | typeof OTHER_TOKEN

const abi = parseAbi([
  'function mint(address to, uint256 amount)',
  'function balanceOf(address account) view returns (uint256)',
])

const creationCodeOf = ({ name, symbol, decimals }: PlainToken): Hex =>
  concat([
    uniswapContract('MockERC20'),
    encodeAbiParameters([{ type: 'string' }, { type: 'string' }, { type: 'uint8' }], [name, symbol, decimals]),
  ])

const TOKEN_SALT = pad('0x')

/** Where a token is: the same address on every chain that has it. */
export const addressOf = (token: PlainToken): Address =>
  getContractAddress({ opcode: 'CREATE2', from: DEPLOYER, salt: TOKEN_SALT, bytecode: creationCodeOf(token) })

/** Deploys Permit2 and both tokens with their own creation code, and puts the exact proxy at its address. */
export async function installPermit2(chain: Chain): Promise<void> {
  const deploy = (salt: Hex, creationCode: Hex) => chain.send({ to: DEPLOYER, data: concat([salt, creationCode]) })
  await deploy(PERMIT2_SALT, uniswapContract('Permit2'))
  for (const token of [PLAIN_TOKEN, OTHER_TOKEN]) await deploy(TOKEN_SALT, creationCodeOf(token))
  const real = realExactProxy()
  if (real) return void (await deploy(EXACT_PROXY_SALT, real))
  const client = createTestClient({ mode: 'anvil', transport: http(chain.rpcUrl) })
  await client.setCode({ address: EXACT_PROXY, bytecode: exactProxyStandIn() })
}

/** Mints a plain token; anybody may. Resolves once that is in a block. */
export async function mint(chain: Chain, to: Address, atomicUnits: bigint, token: PlainToken = PLAIN_TOKEN) {
  const data = encodeFunctionData({ abi, functionName: 'mint', args: [to, atomicUnits] })
  await chain.send({ to: addressOf(token), data })
}

/** How much of a plain token somebody has. */
export const plainBalance = ({ rpcUrl }: Chain, account: Address, token: PlainToken = PLAIN_TOKEN): Promise<bigint> =>
  createTestClient({ mode: 'anvil', transport: http(rpcUrl), cacheTime: 0 })
    .extend(publicActions)
    .readContract({ address: addressOf(token), abi, functionName: 'balanceOf', args: [account] })
