// A local chain that looks like Base Sepolia to a payment: anvil, with Circle's own USDC contract at its canonical
// address. Everything on it is worthless and gone when it stops.
import {
  type Address,
  concat,
  createTestClient,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  http,
  keccak256,
  pad,
  parseAbi,
  publicActions,
  toHex,
  walletActions,
} from 'viem'
import { startAnvil } from './anvil.ts'
import { circleContract, fiatToken, multicall3 } from './artifacts.ts'
import { inOrder } from './in-order.ts'
import { freePort } from './ports.ts'
import { wallets } from './wallets.ts'

/** USDC on Base Sepolia. The address is part of what a payer signs, and stock clients refuse any other. */
export const USDC: Address = '0x036CbD53842c5426634e7929541eC2318f3dCF7e'
/** Where Multicall3 is on nearly every chain; the reference facilitator asks it why a simulation failed. */
export const MULTICALL3: Address = '0xcA11bde05977b3631167028862bE2a173976CA11'
/** Base Sepolia. */
export const CHAIN_ID = 84532

/** A running chain. Amounts are atomic units: 1,000,000 are one dollar. */
export type Chain = {
  rpcUrl: string
  chainId: number
  usdc: Address
  /** Mints USDC to `address`; resolves once that is in a block. */
  fund(address: Address, atomicUnits: bigint): Promise<void>
  balance(address: Address): Promise<bigint>
  /** Sends a transaction from the deployer, in order; the new contract's address when it creates one. */
  send(transaction: { to?: Address; data: Hex }): Promise<Address | undefined>
  /** Settles when the node's process is gone, whoever ended it, with what it said. */
  exited: Promise<string>
  stop(): Promise<void>
}

/**
 * `blockTime`: seconds between blocks, which then only come at that pace; or `'instant'` (the default), a block for
 * each transaction and one a second besides. `port`: 0 or omitted for any free one.
 */
export type ChainOptions = { port?: number; blockTime?: 'instant' | number; chainId?: number }

const tokenAbi = parseAbi([
  'function initialize(string tokenName, string tokenSymbol, string tokenCurrency, uint8 tokenDecimals, address newMasterMinter, address newPauser, address newBlacklister, address newOwner)',
  'function initializeV2(string newName)',
  'function initializeV2_1(address lostAndFound)',
  'function initializeV2_2(address[] accountsToBlacklist, string newSymbol)',
  'function configureMinter(address minter, uint256 minterAllowedAmount) returns (bool)',
  'function mint(address to, uint256 amount) returns (bool)',
  'function balanceOf(address account) view returns (uint256)',
])

/** More than any demo or test mints; the token keeps amounts below 2^255. */
const MINTER_ALLOWANCE = 2n ** 128n
/** Enough for the largest of these transactions, so that none has to be estimated first. */
const GAS = 6_000_000n
const PORT_ATTEMPTS = 3

/** Starts the chain and resolves when the token on it can be used: under a second. */
export async function startChain(options: ChainOptions = {}): Promise<Chain> {
  const { blockTime = 'instant', chainId = CHAIN_ID } = options
  if (blockTime !== 'instant' && !(Number.isSafeInteger(blockTime) && blockTime > 0)) {
    throw new Error(`blockTime is 'instant' or a whole number of seconds, not ${blockTime}`)
  }
  const anvil = await startAnywhere(options.port ?? 0, chainId)
  const client = createTestClient({
    mode: 'anvil',
    transport: http(anvil.rpcUrl),
    pollingInterval: 15,
    cacheTime: 0,
  })
    .extend(publicActions)
    .extend(walletActions)
  const queue = inOrder()
  let paced = false

  const chain: Chain = {
    rpcUrl: anvil.rpcUrl,
    chainId,
    usdc: USDC,
    async send({ to, data }) {
      const hash = await queue(() =>
        client.sendTransaction({
          account: wallets.deployer.address,
          chain: null,
          ...(to && { to }),
          data,
          gas: GAS,
        }),
      )
      // Setup does not wait for the next block of a slow chain.
      if (paced) await client.mine({ blocks: 1 })
      const receipt = await client.waitForTransactionReceipt({ hash, timeout: 30_000 })
      if (receipt.status !== 'success') throw new Error(`transaction ${hash} was reverted`)
      return receipt.contractAddress ?? undefined
    },
    async fund(address, atomicUnits) {
      const data = encodeFunctionData({ abi: tokenAbi, functionName: 'mint', args: [address, atomicUnits] })
      await chain.send({ to: USDC, data })
    },
    balance: (address) =>
      client.readContract({ address: USDC, abi: tokenAbi, functionName: 'balanceOf', args: [address] }),
    exited: anvil.exited,
    stop: anvil.stop,
  }

  try {
    // An eth_call of a contract's creation code answers the code it would leave behind.
    const { data: multicallCode } = await client.call({ data: multicall3() })
    if (multicallCode === undefined) throw new Error('Multicall3 has no code')
    await client.setCode({ address: MULTICALL3, bytecode: multicallCode })
    await deployToken(chain, {
      setCode: (address, bytecode) => client.setCode({ address, bytecode }),
      setSlot: (slot, value) => client.setStorageAt({ address: USDC, index: slot, value: pad(value) }),
    })
    if (blockTime !== 'instant') {
      await client.setAutomine(false)
      await client.setIntervalMining({ interval: blockTime })
      paced = true
    }
  } catch (error) {
    await anvil.stop()
    throw error
  }
  return chain
}

/** Deploys a contract wallet (ERC-1271) which accepts its owner's signatures, and nothing else. */
export async function deployContractWallet(chain: Chain, owner: Address): Promise<Address> {
  const { creationCode } = circleContract('test/MockERC1271Wallet')
  const argument = encodeAbiParameters([{ type: 'address' }], [owner])
  return created(await chain.send({ data: concat([creationCode, argument]) }))
}

type Cheats = {
  setCode(address: Address, code: Hex): Promise<void>
  setSlot(slot: Hex, value: Hex): Promise<void>
}

/** Circle's FiatToken v2.2 behind its proxy, as on chain: the same code, address, name, version and decimals. */
async function deployToken(chain: Chain, cheats: Cheats): Promise<void> {
  const library = created(await chain.send({ data: circleContract('util/SignatureChecker').creationCode }))
  const implementation = created(await chain.send({ data: fiatToken(library) }))
  await cheats.setCode(USDC, circleContract('v1/FiatTokenProxy').runtimeCode)
  await cheats.setSlot(keccak256(toHex('org.zeppelinos.proxy.implementation')), implementation)
  await cheats.setSlot(keccak256(toHex('org.zeppelinos.proxy.admin')), wallets.proxyAdmin.address)

  const owner = wallets.deployer.address
  const abi = tokenAbi
  const calls = [
    encodeFunctionData({
      abi,
      functionName: 'initialize',
      args: ['USD Coin', 'USDC', 'USD', 6, owner, owner, owner, owner],
    }),
    // The name given here is the one in the EIP-712 domain; its version, "2", is in the code.
    encodeFunctionData({ abi, functionName: 'initializeV2', args: ['USDC'] }),
    encodeFunctionData({ abi, functionName: 'initializeV2_1', args: [owner] }),
    encodeFunctionData({ abi, functionName: 'initializeV2_2', args: [[], 'USDC'] }),
    encodeFunctionData({ abi, functionName: 'configureMinter', args: [owner, MINTER_ALLOWANCE] }),
  ]
  for (const data of calls) await chain.send({ to: USDC, data })
}

async function startAnywhere(port: number, chainId: number): ReturnType<typeof startAnvil> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startAnvil({ port: port || (await freePort()), chainId })
    } catch (error) {
      // Somebody else may take a free port between finding it and listening on it.
      if (port !== 0 || attempt === PORT_ATTEMPTS || !/in use/i.test(String(error))) throw error
    }
  }
}

function created(address: Address | undefined): Address {
  if (address === undefined) throw new Error('the transaction created no contract')
  return address
}
