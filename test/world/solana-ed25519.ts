// Ed25519 by hand (RFC 8032), for signatures that no library makes: another one of the same wallet over the same bytes, one
// with an `s` that is too large, and one of a key that nobody needs to hold.
import { createHash } from 'node:crypto'
import { solanaWallet } from '../../dev/stack/solana/wallets.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import { bytesOf } from './svm.ts'

/** The order of the base point. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n

type Seeded = { address: string; seed: Uint8Array }

const little = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
const littleBytes = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse())
const sha512 = (...parts: Uint8Array[]): Uint8Array => createHash('sha512').update(Buffer.concat(parts)).digest()

/** The number behind a wallet's point (RFC 8032, section 5.1.5). */
function scalarOf({ seed }: Seeded): bigint {
  const bytes = Uint8Array.from(sha512(seed).subarray(0, 32))
  bytes[0] = (bytes[0] ?? 0) & 0xf8
  bytes[31] = ((bytes[31] ?? 0) & 0x7f) | 0x40
  return little(bytes)
}

/** A good signature of this wallet that is another one than its own: whoever signs may choose `R`. */
export function signAnew(wallet: Seeded, message: Uint8Array, chosen = 'a number used once'): Uint8Array {
  const once = solanaWallet(chosen)
  const r = bytesOf(once.address)
  const hash = little(sha512(r, bytesOf(wallet.address), message)) % L
  const s = (scalarOf(once) + hash * scalarOf(wallet)) % L
  return Uint8Array.from([...r, ...littleBytes(s)])
}

/** The same signature with the order added to its `s`: the equation holds as before. */
export const withLargeS = (signature: Uint8Array): Uint8Array =>
  Uint8Array.from([...signature.subarray(0, 32), ...littleBytes(little(signature.subarray(32)) + L)])

/** The point zero as a key. Of it `signAsNobody` is a signature over everything, where small orders are taken. */
export const NOBODY = encodeBase58(Uint8Array.from([1, ...new Uint8Array(31)]))

export function signAsNobody(): Uint8Array {
  const once = solanaWallet('a number used once')
  return Uint8Array.from([...bytesOf(once.address), ...littleBytes(scalarOf(once) % L)])
}
