// Sends an authorization to the chain behind the site's back, as anybody who has seen it can.
import { createWalletClient, type Hex, http, parseAbi, publicActions } from 'viem'
import type { Chain } from '../../dev/stack/chain.ts'
import { inOrder } from '../../dev/stack/in-order.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Signed } from './payer.ts'

const abi = parseAbi([
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)',
])

const queue = inOrder()

/** Resolves to the transaction's hash when it is in a block and has moved the money. */
export async function broadcast(chain: Chain, { authorization, signature }: Signed): Promise<Hex> {
  const client = createWalletClient({
    account: wallets.dave.account,
    transport: http(chain.rpcUrl),
    pollingInterval: 15,
  }).extend(publicActions)
  const { from, to, value, validAfter, validBefore, nonce } = authorization
  const hash = await queue(() =>
    client.writeContract({
      chain: null,
      address: chain.usdc,
      abi,
      functionName: 'transferWithAuthorization',
      args: [from, to, value, validAfter, validBefore, nonce, signature],
    }),
  )
  const receipt = await client.waitForTransactionReceipt({ hash })
  if (receipt.status !== 'success') throw new Error(`transaction ${hash} was reverted`)
  return hash
}
