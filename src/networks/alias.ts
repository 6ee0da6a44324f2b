// How the log names a payer or a payment without saying which wallet it is: keyed digests, which only who has PASS_SECRET can
// match. Pure; not by WebCrypto, because a payer's object names payments between two awaits.
import { sha256 } from 'viem/utils'
import { oneSpelling } from '../x402/assets.ts'

const BLOCK_BYTES = 64
const DIGEST_CHARACTERS = 16

const utf8 = (text: string) => new TextEncoder().encode(text)

/** HMAC-SHA-256 (RFC 2104). */
function hmac(key: Uint8Array, text: string): Uint8Array {
  const short = key.length > BLOCK_BYTES ? sha256(key, 'bytes') : key
  const padded = (pad: number, rest: Uint8Array) => {
    const bytes = new Uint8Array(BLOCK_BYTES + rest.length).fill(pad, 0, BLOCK_BYTES)
    for (const [i, byte] of short.entries()) bytes[i] = byte ^ pad
    bytes.set(rest, BLOCK_BYTES)
    return bytes
  }
  return sha256(padded(0x5c, sha256(padded(0x36, utf8(text)), 'bytes')), 'bytes')
}

const digest = (passSecret: string, text: string): string =>
  Array.from(hmac(hmac(utf8(passSecret), 'newsstand log v1'), text), (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .slice(0, DIGEST_CHARACTERS)

/** The month of a time (Unix seconds), in UTC: `2026-11`. */
export const monthOf = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 7)

/** A payer's name in the log: another one every month, so that lines of two months cannot be put together. */
export const payerAlias = (passSecret: string, address: string, month: string): string =>
  digest(passSecret, `payer|${month}|${oneSpelling(address)}`)

/** A payment's name in the log, from its replay key, which is its `id` in the ledger. */
export const paymentAlias = (passSecret: string, replayKey: string): string =>
  digest(passSecret, `payment|${replayKey}`)
