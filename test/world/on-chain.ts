// What anybody can do on the chain with an authorization they have seen, or with their own money.
import { type Address, encodeFunctionData, type Hex, parseAbi } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { CHAIN_ID, type Chain, MULTICALL3, USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { authorize } from './payer.ts'

type Digits = bigint | string
/** An authorization, with its numbers as they are signed or as they are sent. */
type Signed = {
  authorization: {
    from: Address
    to: Address
    value: Digits
    validAfter: Digits
    validBefore: Digits
    nonce: Hex
  }
  signature: Hex
}

const abi = parseAbi([
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)',
  'function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature)',
  'struct Call { address target; bool allowFailure; bytes callData; }',
  'function aggregate3(Call[] calls)',
])

function transferCall({ authorization, signature }: Signed): Hex {
  const { from, to, value, validAfter, validBefore, nonce } = authorization
  return encodeFunctionData({
    abi,
    functionName: 'transferWithAuthorization',
    args: [from, to, BigInt(value), BigInt(validAfter), BigInt(validBefore), nonce, signature],
  })
}

/** Somebody else broadcasts an authorization; resolves once it is in a block. */
export async function broadcast(chain: Chain, signed: Signed): Promise<void> {
  await chain.send({ to: USDC, data: transferCall(signed) })
}

/** Several authorizations in one transaction, in this order: all of them land, or none. */
export async function broadcastTogether(chain: Chain, all: readonly Signed[]): Promise<void> {
  const calls = all.map((signed) => ({ target: USDC, allowFailure: false, callData: transferCall(signed) }))
  await chain.send({ to: MULTICALL3, data: encodeFunctionData({ abi, functionName: 'aggregate3', args: [calls] }) })
}

/** A payer moves all their money out of reach. */
export async function drain(chain: Chain, account: PrivateKeyAccount): Promise<void> {
  const value = await chain.balance(account.address)
  await broadcast(chain, await authorize(account, { value, to: wallets.bob.address }))
}

/** A payer takes an authorization back. */
export async function cancel(chain: Chain, account: PrivateKeyAccount, { authorization }: Signed): Promise<void> {
  const { nonce } = authorization
  const signature = await account.signTypedData({
    domain: { name: 'USDC', version: '2', chainId: CHAIN_ID, verifyingContract: USDC },
    types: {
      CancelAuthorization: [
        { name: 'authorizer', type: 'address' },
        { name: 'nonce', type: 'bytes32' },
      ],
    },
    primaryType: 'CancelAuthorization',
    message: { authorizer: account.address, nonce },
  })
  const data = encodeFunctionData({
    abi,
    functionName: 'cancelAuthorization',
    args: [account.address, nonce, signature],
  })
  await chain.send({ to: USDC, data })
}

/** The chain's clock jumps ahead, as it does for a settlement that comes late. */
export async function passTime(chain: Chain, seconds: number): Promise<void> {
  for (const [method, params] of [
    ['evm_increaseTime', [seconds]],
    ['evm_mine', []],
  ] as const) {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    await fetch(chain.rpcUrl, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
  }
}
