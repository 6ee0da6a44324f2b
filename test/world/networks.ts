// Further local chains: the token of the site's own table at its own address, with its own EIP-712 name, and a facilitator
// in front of all of them.
import { type Address, encodeFunctionData, type Hex, keccak256, pad, parseAbi, toHex } from 'viem'
import * as z from 'zod'
import { type Chain, startChain, USDC } from '../../dev/stack/chain.ts'
import { type Facilitator, type FacilitatorHook, startFacilitator } from '../../dev/stack/facilitator.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { chainIdOf, type Eip3009Asset } from '../../src/x402/assets.ts'
import { usdcOn } from './usdc.ts'

export type Network = {
  asset: Eip3009Asset
  chain: Chain
  /** Mints to an address. */
  fund(address: Address, atomicUnits: bigint): Promise<void>
  balance(address: Address): Promise<bigint>
  /** Puts the code of another contract at an address, and a value into its first storage slot. */
  disguise(address: Address, like: Address, firstSlot: Hex): Promise<void>
}

const abi = parseAbi([
  'function initialize(string tokenName, string tokenSymbol, string tokenCurrency, uint8 tokenDecimals, address newMasterMinter, address newPauser, address newBlacklister, address newOwner)',
  'function initializeV2(string newName)',
  'function initializeV2_1(address lostAndFound)',
  'function initializeV2_2(address[] accountsToBlacklist, string newSymbol)',
  'function configureMinter(address minter, uint256 minterAllowedAmount) returns (bool)',
  'function mint(address to, uint256 amount) returns (bool)',
  'function balanceOf(address account) view returns (uint256)',
])
/** Where the proxy keeps its implementation and its admin. */
const PROXY_SLOTS = ['org.zeppelinos.proxy.implementation', 'org.zeppelinos.proxy.admin'].map((name) =>
  keccak256(toHex(name)),
)
const hex = z.templateLiteral(['0x', z.string()])
const rpcReply = z.object({ result: z.unknown() })

/** Starts a chain with this CAIP-2 id. */
export async function startNetwork(network: string): Promise<Network> {
  return placeToken(await startChain({ chainId: chainIdOf(network) }), usdcOn(network))
}

/** Puts a token of the site's table onto a chain that has USDC of Base Sepolia. */
export async function placeToken(chain: Chain, asset: Eip3009Asset): Promise<Network> {
  const ask = async (method: string, ...params: unknown[]): Promise<unknown> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const headers = { 'Content-Type': 'application/json' }
    return rpcReply.parse(await (await fetch(chain.rpcUrl, { method: 'POST', headers, body })).json()).result
  }
  // The chain comes with the token at another network's address: its code is put where this one has it.
  await ask('anvil_setCode', asset.asset, await ask('eth_getCode', USDC, 'latest'))
  for (const slot of PROXY_SLOTS) {
    await ask('anvil_setStorageAt', asset.asset, slot, await ask('eth_getStorageAt', USDC, slot, 'latest'))
  }
  const owner = wallets.deployer.address
  const { symbol, currency, decimals, eip712 } = asset
  for (const data of [
    encodeFunctionData({
      abi,
      functionName: 'initialize',
      args: [eip712.name, symbol, currency, decimals, owner, owner, owner, owner],
    }),
    encodeFunctionData({ abi, functionName: 'initializeV2', args: [eip712.name] }),
    encodeFunctionData({ abi, functionName: 'initializeV2_1', args: [owner] }),
    encodeFunctionData({ abi, functionName: 'initializeV2_2', args: [[], symbol] }),
    encodeFunctionData({ abi, functionName: 'configureMinter', args: [owner, 2n ** 128n] }),
  ]) {
    await chain.send({ to: asset.asset, data })
  }
  return {
    asset,
    chain,
    async fund(address, atomicUnits) {
      const data = encodeFunctionData({ abi, functionName: 'mint', args: [address, atomicUnits] })
      await chain.send({ to: asset.asset, data })
    },
    async balance(address) {
      const data = encodeFunctionData({ abi, functionName: 'balanceOf', args: [address] })
      return BigInt(hex.parse(await ask('eth_call', { to: asset.asset, data }, 'latest')))
    },
    async disguise(address, like, firstSlot) {
      await ask('anvil_setCode', address, await ask('eth_getCode', like, 'latest'))
      await ask('anvil_setStorageAt', address, '0x0', pad(firstSlot))
    },
  }
}

const call = z.looseObject({ paymentRequirements: z.looseObject({ network: z.string() }) })

/** One facilitator for several networks: each payment goes to the one of its network. */
export async function startFacilitatorFor(
  networks: readonly Network[],
): Promise<{ facilitator: Facilitator; stop(): Promise<void> }> {
  const each = await Promise.all(
    networks.map(async ({ asset, chain }) => ({
      network: asset.network,
      facilitator: await startFacilitator({ rpcUrl: chain.rpcUrl }),
    })),
  )
  const [first] = networks
  if (!first) throw new Error('at least one network')
  const hook: FacilitatorHook = async ({ path, body }, proceed) => {
    const wanted = call.safeParse(body).data?.paymentRequirements.network
    const own = each.find(({ network }) => network === wanted)
    if (!own) return proceed()
    const reply = await fetch(own.facilitator.url + path, { method: 'POST', body: JSON.stringify(body) })
    return { status: reply.status, body: await reply.text() }
  }
  const facilitator = await startFacilitator({ rpcUrl: first.chain.rpcUrl, hook })
  return {
    facilitator,
    async stop() {
      await facilitator.stop()
      for (const { facilitator: own } of each) await own.stop()
    },
  }
}
