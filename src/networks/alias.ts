// How the log names a payer or a payment without saying which wallet it is: keyed digests, which only who has PASS_SECRET can
// match. Pure; not by WebCrypto, because a payer's object names payments between two awaits.
import { hmac } from '@noble/hashes/hmac'
import { sha256 } from '@noble/hashes/sha2'
import { bytesToHex } from '@noble/hashes/utils'
import { oneSpelling } from '../x402/assets.ts'

const DIGEST_CHARACTERS = 16

const digest = (passSecret: string, text: string): string =>
  bytesToHex(hmac(sha256, hmac(sha256, passSecret, 'newsstand log v1'), text)).slice(0, DIGEST_CHARACTERS)

/** The month of a time (Unix seconds), in UTC: `2026-11`. */
export const monthOf = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 7)

/** A payer's name in the log: another one every month, so that lines of two months cannot be put together. */
export const payerAlias = (passSecret: string, address: string, month: string): string =>
  digest(passSecret, `payer|${month}|${oneSpelling(address)}`)

/** A payment's name in the log, from its replay key, which is its `id` in the ledger. */
export const paymentAlias = (passSecret: string, replayKey: string): string =>
  digest(passSecret, `payment|${replayKey}`)
