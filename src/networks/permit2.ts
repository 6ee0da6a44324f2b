// `exact` on EVM by Permit2: the contracts, the typed-data signature of a permit, and its replay key. It asks no chain.
import { chainIdOf } from '../x402/assets.ts'
import type { Permit } from '../x402/payment.ts'
import { isSignedHash } from './evm.ts'
import { hashOfStruct, hashOfText, separatorOf, signedHash } from './typed-data.ts'

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

/** What a wallet signs, for whoever signs; its domain is that of Permit2, whatever the token. */
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

const TOKEN_PERMISSIONS = 'TokenPermissions(address token,uint256 amount)'
const WITNESS = 'Witness(address to,uint256 validAfter)'
const PERMIT =
  'PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)'

/** The hash of what is signed. */
function permitHash({ asset, value, spender, nonce, deadline, to, validAfter }: Permit, network: string) {
  const permitted = hashOfStruct(hashOfText(TOKEN_PERMISSIONS), [asset, value])
  const witness = hashOfStruct(hashOfText(WITNESS), [to, validAfter])
  // A type names those it is made of behind itself, in the order of their names (EIP-712, `encodeType`).
  const type = hashOfText(PERMIT + TOKEN_PERMISSIONS + WITNESS)
  const struct = hashOfStruct(type, [permitted, spender, nonce, deadline, witness])
  const domain = { name: 'Permit2', chainId: chainIdOf(network), verifyingContract: PERMIT2 } as const
  return signedHash(separatorOf(domain), struct)
}

/** Whether the payer's own key signed this permit. False proves nothing: contract wallets sign in ways only the chain can check. */
export const isPermitSigned = (permit: Permit, signature: string, network: string): Promise<boolean> =>
  isSignedHash(permitHash(permit, network), permit.from, signature)

/** One key per nonce of a payer on a chain: its bit is the same for all tokens. */
export const permitKey = ({ from, nonce }: Permit, network: string): string =>
  `permit2|${chainIdOf(network)}|${from}|${nonce}`
