// `exact` on Solana: who signed a transfer, where tokens go, and what makes a payment that one. And signed texts, and addresses
// as people write them. Ed25519 as Solana checks it, which is stricter than WebCrypto.
import { sha256 } from '@noble/hashes/sha2'
import { bytesToHex } from '@noble/hashes/utils'
import { decodeBase58, encodeBase58, isSolanaAddress } from '../x402/base58.ts'
import {
  COMPUTE_BUDGET_PROGRAM,
  LIGHTHOUSE_PROGRAM,
  MEMO_PROGRAM,
  type SvmTransfer,
  signedBytes,
  signersOf,
  TOKEN_PROGRAM,
} from '../x402/svm.ts'
import { SIGNATURE_BYTES } from '../x402/svm-message.ts'

/** The prime of the field that Ed25519's curve is over (RFC 8032, section 5.1). */
const P = 2n ** 255n - 19n
/** The curve: -x² + y² = 1 + d·x²·y². */
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n
/** The order of the base point. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n
/** The lowest 255 bits of a point are its y; the bit above is the sign of x. */
const SIGN = 2n ** 255n
/** The y of two of the four points of order 8; the other two have `P - Y8`. */
const Y8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
/** The y of every point whose order is 8 or less. As a key such a point has signatures that fit many messages. */
const SMALL_ORDERS: readonly bigint[] = [0n, 1n, P - 1n, Y8, P - Y8]

const POINT_BYTES = 32

const ASSOCIATED_TOKEN_PROGRAM = 'ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL'
const SYSTEM_PROGRAM = '11111111111111111111111111111111'

/** Whether every signer but the fee payer has signed. */
export async function isSignedBySigners(transfer: SvmTransfer): Promise<boolean> {
  const signed = signedBytes(transfer)
  const others = signersOf(transfer).slice(1)
  const checks = await Promise.all(others.map(({ address, signature }) => isSigned(signed, address, signature)))
  return checks.length > 0 && checks.every(Boolean)
}

/** Whether a transaction id (base58 of 64 bytes) is the fee payer's signature under this message. */
export async function isTransactionOf(transaction: string, transfer: SvmTransfer): Promise<boolean> {
  const signature = decodeBase58(transaction)
  return signature !== null && isSigned(signedBytes(transfer), transfer.feePayer, signature)
}

/** Whether a public key's own holder signed a text (sign-in with Solana). `signature`: base58 of 64 bytes. */
export async function isSignedText(text: string, address: string, signature: string): Promise<boolean> {
  const bytes = decodeBase58(signature)
  return bytes !== null && isSigned(Uint8Array.from(new TextEncoder().encode(text)), address, bytes)
}

/** One key per payment: the chain and the message, never its signatures. */
export function svmReplayKey(network: string, transfer: SvmTransfer): string {
  const [, reference] = network.split(':')
  return `svm|${reference}|${bytesToHex(sha256(signedBytes(transfer)))}`
}

/**
 * The associated token account of an owner for a mint of the classic token program: the first address that its seeds give and
 * that is no key.
 */
export async function associatedTokenAccount(owner: string, mint: string): Promise<string> {
  const seeds = [owner, TOKEN_PROGRAM, mint].flatMap((address) => [...addressBytes(address)])
  const end = [...addressBytes(ASSOCIATED_TOKEN_PROGRAM), ...new TextEncoder().encode('ProgramDerivedAddress')]
  for (let bump = 255; bump >= 0; bump -= 1) {
    const digest = await crypto.subtle.digest('SHA-256', Uint8Array.of(...seeds, bump, ...end))
    const candidate = new Uint8Array(digest)
    if (!isOnCurve(candidate)) return encodeBase58(candidate)
  }
  throw new Error('no bump gives this owner a token account for this mint')
}

function addressBytes(address: string): Uint8Array {
  const bytes = decodeBase58(address)
  if (bytes?.length !== POINT_BYTES)
    throw new Error('an owner or a mint is no Solana address; check it with isSolanaAddress')
  return bytes
}

/** As Solana's `verify_strict`: besides the equation, key and `R` are canonical and not of small order, and `s` is below L. */
async function isSigned(
  signed: Uint8Array<ArrayBuffer>,
  address: string,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const key = decodeBase58(address)
  if (key?.length !== POINT_BYTES || signature.length !== SIGNATURE_BYTES) return false
  if (!isStrictPoint(key) || !isStrictPoint(signature.subarray(0, POINT_BYTES))) return false
  if (numberOf(signature.subarray(POINT_BYTES)) >= L) return false
  const imported = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify'])
  return crypto.subtle.verify('Ed25519', imported, signature, signed)
}

/** 32 bytes, the least significant first. */
const numberOf = (bytes: Uint8Array): bigint =>
  BigInt(
    `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
      .reverse()
      .join('')}`,
  )

/** Whether a point is written in its one way and is not of small order. Whether it is on the curve is not asked. */
function isStrictPoint(bytes: Uint8Array): boolean {
  const y = numberOf(bytes) % SIGN
  return y < P && !SMALL_ORDERS.includes(y)
}

/** Whether x² = (y² - 1) / (d·y² + 1) has a root: the quotient is a square where the product is (Euler's criterion). */
function isOnCurve(bytes: Uint8Array): boolean {
  const y = numberOf(bytes) % SIGN
  const square = (y * y) % P
  return power(((square + P - 1n) * (D * square + 1n)) % P, (P - 1n) / 2n) !== P - 1n
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let factor = base
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * factor) % P
    factor = (factor * factor) % P
  }
  return result
}

/** What people copy in the place of their wallet. */
const NOT_WALLETS: ReadonlyMap<string, string> = new Map([
  [SYSTEM_PROGRAM, 'the system program'],
  [TOKEN_PROGRAM, 'the token program'],
  ['TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb', 'the program Token-2022'],
  [ASSOCIATED_TOKEN_PROGRAM, 'the program of associated token accounts'],
  [COMPUTE_BUDGET_PROGRAM, 'the compute budget program'],
  [MEMO_PROGRAM, 'the memo program'],
  ['Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo', 'the first memo program'],
  [LIGHTHOUSE_PROGRAM, 'the program Lighthouse'],
  ['Stake11111111111111111111111111111111111111', 'the stake program'],
  ['Vote111111111111111111111111111111111111111', 'the vote program'],
  ['BPFLoaderUpgradeab1e11111111111111111111111', 'the program loader'],
  ['1nc1nerator11111111111111111111111111111111', 'the incinerator'],
  ['So11111111111111111111111111111111111111112', 'the mint of wrapped SOL'],
  ['EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v', 'the mint of USDC'],
  ['4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU', 'the mint of USDC on devnet and testnet'],
  ['HzwqbKZw8HxMN6bF2yFZNrht3c2iXXzpKcFu7uBEDKtr', 'the mint of EURC'],
])

/** What is wrong with a payTo address, and what to write instead; null when it is right. */
export function solanaAddressProblem(text: string): string | null {
  if (!isSolanaAddress(text)) return 'write a Solana address: 32 bytes in base58, which are 32 to 44 characters'
  const name = NOT_WALLETS.get(text)
  if (name) return `this is ${name}, not a wallet, and what is paid to it is lost; write your own address`
  const bytes = addressBytes(text)
  if (!isOnCurve(bytes)) {
    return 'this is an address of a program, not of a wallet; if it is your token account, write the wallet that owns it'
  }
  return isStrictPoint(bytes) ? null : 'nobody can hold the key of this address; copy the one of your wallet again'
}
