// What anybody can do on the chain with a permit they have seen, and its owner with Permit2; the twin of `on-chain.ts`.
import {
  type Address,
  createTestClient,
  createWalletClient,
  encodeFunctionData,
  type Hex,
  http,
  maxUint256,
  parseAbi,
  parseEther,
  publicActions,
} from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { type Chain, MULTICALL3 } from '../../dev/stack/chain.ts'
import { EXACT_PROXY, PERMIT2 } from '../../dev/stack/exact-proxy.ts'
import { addressOf, PLAIN_TOKEN, type PlainToken } from '../../dev/stack/permit2.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { type SignedPermit, signPlainPermit } from './permit2-payer.ts'

const abi = parseAbi([
  'struct TokenPermissions { address token; uint256 amount; }',
  'struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }',
  'struct Witness { address to; uint256 validAfter; }',
  'function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature)',
  'struct SignatureTransferDetails { address to; uint256 requestedAmount; }',
  'function permitTransferFrom(PermitTransferFrom permit, SignatureTransferDetails transferDetails, address owner, bytes signature)',
  'function invalidateUnorderedNonces(uint256 wordPos, uint256 mask)',
  'function nonceBitmap(address owner, uint256 word) view returns (uint256)',
  'function approve(address spender, uint256 amount) returns (bool)',
  'function transfer(address to, uint256 amount) returns (bool)',
  'struct Call { address target; bool allowFailure; bytes callData; }',
  'function aggregate3(Call[] calls)',
])

const GAS = 300_000n

const clientOf = ({ rpcUrl }: Chain) =>
  createTestClient({ mode: 'anvil', transport: http(rpcUrl), pollingInterval: 15, cacheTime: 0 }).extend(publicActions)

/** A transaction of somebody's own, who gets the gas for it; resolves once it is in a block. */
async function sendAs(chain: Chain, account: PrivateKeyAccount | Address, to: Address, data: Hex): Promise<void> {
  const client = clientOf(chain)
  const address = typeof account === 'string' ? account : account.address
  await client.setBalance({ address, value: parseEther('1') })
  const wallet = createWalletClient({ account, transport: http(chain.rpcUrl) })
  const hash = await wallet.sendTransaction({ chain: null, to, data, gas: GAS })
  const { status } = await client.waitForTransactionReceipt({ hash, timeout: 30_000 })
  if (status !== 'success') throw new Error(`transaction ${hash} was reverted`)
}

/** Approves Permit2 for a token, without a limit or for this much. */
export const approve = (
  chain: Chain,
  account: PrivateKeyAccount,
  amount = maxUint256,
  token: PlainToken = PLAIN_TOKEN,
): Promise<void> => {
  const data = encodeFunctionData({ abi, functionName: 'approve', args: [PERMIT2, amount] })
  return sendAs(chain, account, addressOf(token), data)
}

/** A wallet with code approves Permit2: its owners have agreed to that in their own way. */
export async function approveByCode(chain: Chain, address: Address): Promise<void> {
  const client = clientOf(chain)
  await client.impersonateAccount({ address })
  const data = encodeFunctionData({ abi, functionName: 'approve', args: [PERMIT2, maxUint256] })
  await sendAs(chain, address, addressOf(PLAIN_TOKEN), data)
  await client.stopImpersonatingAccount({ address })
}

/** The call that settles a permit. */
export function settleCall({ permit, signature }: SignedPermit): Hex {
  const { from, token, amount, nonce, deadline, to, validAfter } = permit
  const permitted = { permitted: { token, amount }, nonce, deadline }
  return encodeFunctionData({
    abi,
    functionName: 'settle',
    args: [permitted, from, { to, validAfter }, signature],
  })
}

/** Somebody else settles a permit, straight at the proxy. */
export const settlePermit = async (chain: Chain, signed: SignedPermit): Promise<void> =>
  void (await chain.send({ to: EXACT_PROXY, data: settleCall(signed) }))

/** Somebody else settles permits through another contract, all in one transaction. */
export async function settleWrapped(chain: Chain, all: readonly SignedPermit[]): Promise<void> {
  const calls = all.map((signed) => ({ target: EXACT_PROXY, allowFailure: false, callData: settleCall(signed) }))
  await chain.send({ to: MULTICALL3, data: encodeFunctionData({ abi, functionName: 'aggregate3', args: [calls] }) })
}

/** Where the bit of a nonce is. */
const placeOf = (nonce: bigint) => ({ word: nonce >> 8n, mask: 1n << (nonce & 255n) })

/** The owner takes a nonce back. */
export function invalidate(chain: Chain, account: PrivateKeyAccount, nonce: bigint): Promise<void> {
  const { word, mask } = placeOf(nonce)
  const data = encodeFunctionData({ abi, functionName: 'invalidateUnorderedNonces', args: [word, mask] })
  return sendAs(chain, account, PERMIT2, data)
}

/** The owner spends a nonce on something else: another spender moves as much to another of the owner's addresses. */
export async function burnElsewhere(
  chain: Chain,
  account: PrivateKeyAccount,
  { permit }: SignedPermit,
  to: Address,
): Promise<void> {
  const { token, amount, nonce, deadline } = permit
  const spender = wallets.deployer.address
  const signature = await signPlainPermit(account, chain.chainId, { token, amount, nonce, deadline, spender })
  const data = encodeFunctionData({
    abi,
    functionName: 'permitTransferFrom',
    args: [
      { permitted: { token, amount }, nonce, deadline },
      { to, requestedAmount: amount },
      account.address,
      signature,
    ],
  })
  await chain.send({ to: PERMIT2, data })
}

/** Whether a nonce is used, for whatever. */
export async function isUsed(chain: Chain, { permit: { from, nonce } }: SignedPermit): Promise<boolean> {
  const { word, mask } = placeOf(nonce)
  const bits = await clientOf(chain).readContract({
    address: PERMIT2,
    abi,
    functionName: 'nonceBitmap',
    args: [from, word],
  })
  return (bits & mask) !== 0n
}

/** Sends a plain token by hand. */
export const transfer = (chain: Chain, account: PrivateKeyAccount, to: Address, amount: bigint): Promise<void> => {
  const data = encodeFunctionData({ abi, functionName: 'transfer', args: [to, amount] })
  return sendAs(chain, account, addressOf(PLAIN_TOKEN), data)
}
