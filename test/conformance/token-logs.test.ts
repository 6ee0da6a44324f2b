// The rule of proof rests on the token: the next log it writes after `AuthorizationUsed` is the transfer. Shown on Circle's
// own bytecode, for each way in which an authorization can be used.
import {
  type Address,
  createWalletClient,
  encodeFunctionData,
  type Hex,
  http,
  keccak256,
  parseAbi,
  parseSignature,
  publicActions,
  toFunctionSelector,
  toHex,
} from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { olderFiatToken } from '../../dev/stack/artifacts.ts'
import { CHAIN_ID, type Chain, deployContractWallet, MULTICALL3, startChain, USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { ASSETS } from '../../src/x402/assets.ts'

const abi = parseAbi([
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)',
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)',
  'function receiveWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)',
  'function receiveWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)',
  'struct Call { address target; bool allowFailure; bytes callData; }',
  'function aggregate3(Call[] calls)',
])
const USED = keccak256(toHex('AuthorizationUsed(address,bytes32)'))
const TRANSFER = keccak256(toHex('Transfer(address,address,uint256)'))

/** Who is paid, and sends the transactions: `receiveWithAuthorization` is for the payee alone. */
const payee = wallets.dave
let chain: Chain

beforeAll(async () => {
  chain = await startChain()
})

afterAll(() => chain.stop())

type Wish = { from?: Address; to?: Address; value?: bigint }
type Message = Awaited<ReturnType<typeof signed>>['message']

async function signed(type: 'Transfer' | 'Receive', signer: PrivateKeyAccount, wish: Wish) {
  const message = {
    from: signer.address,
    to: payee.address,
    value: 50_000n,
    validAfter: 0n,
    validBefore: BigInt(Math.floor(Date.now() / 1000) + 300),
    nonce: generatePrivateKey(),
    ...wish,
  }
  const fields = { from: 'address', to: 'address', value: 'uint256', validAfter: 'uint256', validBefore: 'uint256' }
  const types = [...Object.entries(fields), ['nonce', 'bytes32']].map(([name = '', kind = '']) => ({
    name,
    type: kind,
  }))
  const signature = await signer.signTypedData({
    domain: { name: 'USDC', version: '2', chainId: CHAIN_ID, verifyingContract: USDC },
    types: { [`${type}WithAuthorization`]: types },
    primaryType: `${type}WithAuthorization`,
    message,
  })
  return { message, signature }
}

async function callOf(
  type: 'Transfer' | 'Receive',
  overload: 'v, r, s' | 'bytes',
  signer: PrivateKeyAccount,
  wish: Wish,
) {
  const { message, signature } = await signed(type, signer, wish)
  const { from, to, value, validAfter, validBefore, nonce } = message
  const terms = [from, to, value, validAfter, validBefore, nonce] as const
  const { r, s, yParity } = parseSignature(signature)
  const functionName = type === 'Transfer' ? 'transferWithAuthorization' : 'receiveWithAuthorization'
  const data =
    overload === 'bytes'
      ? encodeFunctionData({ abi, functionName, args: [...terms, signature] })
      : encodeFunctionData({ abi, functionName, args: [...terms, yParity + 27, r, s] })
  return { message, data }
}

/** All logs of a transaction, in their order. */
async function logsOf(to: Address, data: Hex) {
  const client = createWalletClient({
    account: payee.account,
    transport: http(chain.rpcUrl),
    pollingInterval: 15,
  }).extend(publicActions)
  const hash = await client.sendTransaction({ chain: null, to, data, gas: 3_000_000n })
  const { status, logs } = await client.waitForTransactionReceipt({ hash })
  expect(status).toBe('success')
  return logs.toSorted((a, b) => a.logIndex - b.logIndex)
}

const topic = (address: Address) => `0x${address.slice(2).toLowerCase().padStart(64, '0')}`

/** The next log of the token after the use of a nonce is the transfer that was signed. */
function expectTransferNext(logs: Awaited<ReturnType<typeof logsOf>>, { from, to, value, nonce }: Message): void {
  const own = logs.filter(({ address }) => address.toLowerCase() === USDC.toLowerCase())
  const uses = own.flatMap(({ topics }, i) => (topics[0] === USED && topics[2] === nonce ? [i] : []))
  expect(uses).toHaveLength(1)
  expect(own[uses[0] ?? -1]?.topics).toEqual([USED, topic(from), nonce])
  const next = own[(uses[0] ?? -2) + 1]
  expect(next?.topics).toEqual([TRANSFER, topic(from), topic(to)])
  expect(BigInt(next?.data ?? '0x')).toBe(value)
}

async function payer(): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(generatePrivateKey())
  await chain.fund(account.address, 1_000_000n)
  return account
}

const WAYS = (['Transfer', 'Receive'] as const).flatMap((type) =>
  (['v, r, s', 'bytes'] as const).map((overload) => [type, overload] as const),
)

describe.each(WAYS)('%sWithAuthorization with its signature as %s', (type, overload) => {
  test.each<[string, bigint]>([
    ['a payment', 50_000n],
    ['nothing', 0n],
  ])('writes the transfer of %s right behind the use of the nonce', async (_, value) => {
    const { message, data } = await callOf(type, overload, await payer(), { value })
    expectTransferNext(await logsOf(USDC, data), message)
  })
})

test.each([
  ['v1/FiatTokenV1', false],
  ['v1.1/FiatTokenV1_1', false],
  ['v2/FiatTokenV2', true],
  ['v2/FiatTokenV2_1', true],
] as const)('the older release %s takes authorizations: %s; those of wallets with code never', (name, isTaken) => {
  const code = olderFiatToken(name)
  // Where a contract compares what is called with its functions, each stands behind PUSH4.
  const selectors = abi
    .filter((item) => item.type === 'function' && /WithAuthorization$/.test(item.name))
    .map((item) => toFunctionSelector(item).replace('0x', '63'))
  expect(selectors).toHaveLength(4)
  const [byParts, byBytes] = [selectors.filter((_, i) => i % 2 === 0), selectors.filter((_, i) => i % 2 === 1)]
  for (const selector of byParts) expect(code.includes(selector)).toBe(isTaken)
  for (const selector of byBytes) expect(code.includes(selector)).toBe(false)
})

test('a contract wallet’s payment has the same order', async () => {
  const owner = await payer()
  const from = await deployContractWallet(chain, owner.address)
  await chain.fund(from, 1_000_000n)
  const { message, data } = await callOf('Transfer', 'bytes', owner, { from })
  expectTransferNext(await logsOf(USDC, data), message)
})

test('several in one transaction do not mingle, whoever they pay', async () => {
  const [a, b] = [await payer(), await payer()]
  const calls = [
    await callOf('Transfer', 'bytes', a, {}),
    await callOf('Transfer', 'v, r, s', b, { to: b.address, value: 0n }),
    await callOf('Transfer', 'v, r, s', a, { to: a.address }),
    await callOf('Transfer', 'bytes', b, { to: wallets.publisher.address }),
  ]
  const all = calls.map(({ data }) => ({ target: USDC, allowFailure: false, callData: data }))
  const logs = await logsOf(MULTICALL3, encodeFunctionData({ abi, functionName: 'aggregate3', args: [all] }))
  for (const { message } of calls) expectTransferNext(logs, message)
})

test('a token that is added to the table has to be shown to be of this bytecode', () => {
  const evmTokens = ASSETS.filter(({ kind }) => kind === 'eip3009')
  // Circle's USDC, each FiatToken v2.2: https://developers.circle.com/stablecoins/usdc-contract-addresses
  expect(evmTokens.map(({ network, asset }) => `${network} ${asset}`)).toEqual([
    'eip155:8453 0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913',
    'eip155:84532 0x036CbD53842c5426634e7929541eC2318f3dCF7e',
    'eip155:137 0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359',
    'eip155:42161 0xaf88d065e77c8cC2239327C5EDb3A432268e5831',
    'eip155:43114 0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E',
    'eip155:1 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48',
    // Circle's EURC, of the same bytecode: https://developers.circle.com/stablecoins/eurc-contract-addresses
    'eip155:8453 0x60a3E35Cc302bFA44Cb288Bc5a4F316Fdb1adb42',
    'eip155:84532 0x808456652fdb597867f38412077A9182bf77359F',
  ])
})
