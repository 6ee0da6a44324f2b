// A token that keeps a hundredth of what it moves: less arrives than was signed for. No shop should sell in such a token.
import { type Address, createTestClient, type Hex, http, pad, toEventSelector, toFunctionSelector, toHex } from 'viem'
import * as z from 'zod'
import { assemble } from '../../dev/stack/assembler.ts'
import type { Chain } from '../../dev/stack/chain.ts'

export const FEE_TOKEN: Address = '0x00000000000000000000000000000000000FEE00'

/** What it may move is anybody's, without an approval; balances stand under their owner's address. */
const code: Hex = assemble(`
  0x00 CALLDATALOAD 0xe0 SHR
  DUP1 ${toFunctionSelector('balanceOf(address)')} EQ @balanceOf JUMPI
  DUP1 ${toFunctionSelector('allowance(address,address)')} EQ @allowance JUMPI
  ${toFunctionSelector('transferFrom(address,address,uint256)')} EQ @transferFrom JUMPI
  0x00 0x00 REVERT

  :balanceOf 0x04 CALLDATALOAD SLOAD 0x00 MSTORE 0x20 0x00 RETURN
  :allowance 0x00 NOT 0x00 MSTORE 0x20 0x00 RETURN

  :transferFrom                                     ; calldata: 04 from, 24 to, 44 amount
  0x04 CALLDATALOAD SLOAD
  DUP1 0x44 CALLDATALOAD GT @poor JUMPI
  0x44 CALLDATALOAD SWAP1 SUB 0x04 CALLDATALOAD SSTORE
  0x64 0x44 CALLDATALOAD DIV 0x44 CALLDATALOAD SUB  ; less a hundredth
  DUP1 0x00 MSTORE
  0x24 CALLDATALOAD SLOAD ADD 0x24 CALLDATALOAD SSTORE
  0x24 CALLDATALOAD 0x04 CALLDATALOAD ${toEventSelector('Transfer(address,address,uint256)')} 0x20 0x00 LOG3
  0x01 0x00 MSTORE 0x20 0x00 RETURN

  :poor 0x00 0x00 REVERT
`)

const clientOf = ({ rpcUrl }: Chain) => createTestClient({ mode: 'anvil', transport: http(rpcUrl) })

export const installFeeToken = (chain: Chain): Promise<void> =>
  clientOf(chain).setCode({ address: FEE_TOKEN, bytecode: code })

/** From now on somebody has this much of it. */
export const giveFeeToken = (chain: Chain, owner: Address, amount: bigint): Promise<void> =>
  clientOf(chain).setStorageAt({ address: FEE_TOKEN, index: pad(owner), value: toHex(amount, { size: 32 }) })

/** How much of it somebody has. */
export async function feeBalance(chain: Chain, owner: Address): Promise<bigint> {
  const params = [FEE_TOKEN, pad(owner), 'latest']
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_getStorageAt', params })
  const reply = await fetch(chain.rpcUrl, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
  return BigInt(z.object({ result: z.string() }).parse(await reply.json()).result)
}
