// `exact` on EVM by Permit2: the contracts, the typed-data signature of a permit, and its replay key. It asks no chain.
import { hashTypedData } from 'viem/utils'
import { chainIdOf } from '../x402/assets.ts'
import type { Permit } from '../x402/payment.ts'
import { isSignedHash } from './evm.ts'

/** Uniswap's Permit2, at the same address on every chain. */
export const PERMIT2 = '0x000000000022d473030f116ddee9f6b43ac78ba3'
/** x402's proxy for `exact`, at the same address on every chain: it moves what was signed, no more and to nobody else. */
export const EXACT_PROXY = '0x402085c248eea27d92e8b30b2c58ed07f9e20001'

/** The typed data of a permit with the witness of the exact proxy. */
export const PERMIT_WITNESS_TRANSFER_FROM = {
  PermitWitnessTransferFrom: [
    { name: 'permitted', type: 'TokenPermissions' },
    { name: 'spender', type: 'address' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
    { name: 'witness', type: 'Witness' },
  ],
  TokenPermissions: [
    { name: 'token', type: 'address' },
    { name: 'amount', type: 'uint256' },
  ],
  Witness: [
    { name: 'to', type: 'address' },
    { name: 'validAfter', type: 'uint256' },
  ],
} as const

/** What a wallet signs; its domain is that of Permit2, whatever the token. */
export const permitTypedData = ({ asset, value, spender, nonce, deadline, to, validAfter }: Permit, network: string) =>
  ({
    domain: { name: 'Permit2', chainId: chainIdOf(network), verifyingContract: PERMIT2 },
    types: PERMIT_WITNESS_TRANSFER_FROM,
    primaryType: 'PermitWitnessTransferFrom',
    message: {
      permitted: { token: asset, amount: value },
      spender,
      nonce,
      deadline,
      witness: { to, validAfter },
    },
  }) as const

/** Whether the payer's own key signed this permit. False proves nothing: contract wallets sign in ways only the chain can check. */
export const isPermitSigned = (permit: Permit, signature: string, network: string): Promise<boolean> =>
  isSignedHash(hashTypedData(permitTypedData(permit, network)), permit.from, signature)

/** One key per nonce of a payer on a chain: its bit is the same for all tokens. */
export const permitKey = ({ from, nonce }: Permit, network: string): string =>
  `permit2|${chainIdOf(network)}|${from}|${nonce}`
