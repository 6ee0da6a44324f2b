// `exact` on EVM (EIP-3009): the typed-data signature of an authorization, and its replay key. And signed messages.
import { keccak_256 } from '@noble/hashes/sha3'
import { bytesToHex } from '@noble/hashes/utils'
import { type Asset, chainIdOf, type Eip3009Asset } from '../x402/assets.ts'
import type { Authorization } from '../x402/payment.ts'
import { hashOfStruct, hashOfText, messageHash, separatorOf, signedHash } from './typed-data.ts'

/** `TRANSFER_WITH_AUTHORIZATION_TYPEHASH` of EIP-3009. */
const TRANSFER_TYPE = '0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267'

/** The typed data of `transferWithAuthorization` (EIP-3009), for whoever signs. */
export const TRANSFER_WITH_AUTHORIZATION = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const

/** Half the order of secp256k1: tokens refuse signatures whose `s` is above it. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/**
 * Whether the payer's own key signed this authorization. False proves nothing: contract wallets (ERC-1271, ERC-6492,
 * EIP-7702) sign in ways only the chain can check.
 */
export function isSignedByPayer(
  { from, to, value, validAfter, validBefore, nonce }: Authorization,
  signature: `0x${string}`,
  asset: Eip3009Asset,
): Promise<boolean> {
  const struct = hashOfStruct(TRANSFER_TYPE, [from, to, value, validAfter, validBefore, nonce])
  return isSignedHash(signedHash(domainOf(asset), struct), from, signature)
}

/** The hash of each token's domain, which is the same for every payment. */
const domains = new WeakMap<Eip3009Asset, `0x${string}`>()

function domainOf(asset: Eip3009Asset): `0x${string}` {
  const known = domains.get(asset)
  if (known !== undefined) return known
  const domain = { ...asset.eip712, chainId: chainIdOf(asset.network), verifyingContract: asset.asset }
  const separator = separatorOf(domain)
  domains.set(asset, separator)
  return separator
}

/** Whether the address's own key signed a message (EIP-191). False proves nothing, as above. */
export const isSignedMessage = (message: string, address: string, signature: string): Promise<boolean> =>
  isSignedHash(messageHash(message), address, withRecoveryId(signature))

/** Some wallets write a recovery id of 0 or 1 for 27 or 28. Tokens refuse that, but no token checks a message. */
const withRecoveryId = (signature: string): string =>
  /^0x[0-9a-f]{128}0[01]$/i.test(signature)
    ? `0x${signature.slice(2, 130)}${signature.endsWith('1') ? '1c' : '1b'}`
    : signature

/** 65 bytes with a recovery id. */
const isRecoverable = (signature: string): boolean => /^0x[0-9a-f]{128}(?:1b|1c)$/i.test(signature)

/** The last 32 bytes of a signature with the call around it that creates its wallet (ERC-6492). */
const WRAPPED = '6492'.repeat(16)
const WORD = 64

/** What a wallet that is on the chain is asked about: its signature, without the call that creates it. */
export function innerSignature(signature: string): string {
  if (!signature.endsWith(WRAPPED)) return signature
  // ABI: address, place of the call, place of the signature; there its length, and itself.
  const body = signature.slice(2, -WRAPPED.length)
  const sizeAt = (at: number) => Number(`0x${body.slice(at, at + WORD)}`)
  const start = sizeAt(2 * WORD) * 2 + WORD
  const end = start + sizeAt(start - WORD) * 2
  return end <= body.length ? `0x${body.slice(start, end)}` : signature
}

/** Whether a key signed a hash, with the one signature in 65 bytes that tokens take. */
export async function isSignedHash(hash: string, signer: string, signature: string): Promise<boolean> {
  if (!isRecoverable(signature)) return false
  if (BigInt(`0x${signature.slice(66, 130)}`) > HALF_ORDER) return false
  // Only who proves a payment pays for the tables of the curve.
  const { secp256k1 } = await import('@noble/curves/secp256k1')
  try {
    const point = secp256k1.Signature.fromCompact(signature.slice(2, 130))
      .addRecoveryBit(signature.toLowerCase().endsWith('1c') ? 1 : 0)
      .recoverPublicKey(hash.slice(2))
    return addressOf(point.toRawBytes(false)) === signer.toLowerCase()
  } catch {
    // r or s belongs to no point of the curve.
    return false
  }
}

/** The address of a public key: the last 20 bytes of the hash of its point, without the byte that says how that is written. */
const addressOf = (publicKey: Uint8Array): string => `0x${bytesToHex(keccak_256(publicKey.subarray(1)).subarray(12))}`

/** The nonce of an authorization that answers a challenge of the `Payment` scheme (draft-evm-charge-00). */
export const challengeNonce = (id: string, realm: string): `0x${string}` => hashOfText(id + realm)

/** One key per authorization: chain, token, payer and nonce, all of them signed. */
export const replayKey = ({ from, nonce }: Authorization, { network, asset }: Pick<Asset, 'network' | 'asset'>) =>
  `3009|${chainIdOf(network)}|${asset.toLowerCase()}|${from}|${nonce}`
