// Signed texts: JSON with an HMAC-SHA-256, under keys derived from one secret. Passes, quotes and the nonces of sign-ins
// are made of these; and macs and digests alone.
import { decodeBytes, decodeText, encodeBytes, encodeText } from './x402/base64.ts'

const encoder = new TextEncoder()
const utf8 = (text: string) => encoder.encode(text)

/** Tokens that open something, or say what it costs. */
export type Worth = 'pass' | 'quote' | 'mpp'

/** What a token of this site is for. */
export type KeyPurpose =
  | Worth
  /** What was bought or offered for test money is worth nothing where money is real. */
  | `${Worth} for test money`
  | 'memo'
  | 'sign-in'
  | 'hand-over'
  | 'receipts'
  | 'receipts-nonce'

/** The key for one purpose (HKDF-SHA-256): a token of one kind never passes as one of another. */
export async function deriveKey(secret: string, purpose: KeyPurpose): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey('raw', utf8(secret), 'HKDF', false, ['deriveKey'])
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: utf8(`newsstand ${purpose} v1`) },
    base,
    { name: 'HMAC', hash: 'SHA-256', length: 256 },
    false,
    ['sign', 'verify'],
  )
}

/** `body.mac`, both base64url. `context` is signed too but not sent: whoever checks the token must know it. */
export async function sealToken(key: CryptoKey, payload: unknown, context: string): Promise<string> {
  const body = encodeText(JSON.stringify(payload))
  return `${body}.${await macOf(key, `${body}.${context}`)}`
}

/** A text's mac, base64url. */
export const macOf = async (key: CryptoKey, text: string): Promise<string> =>
  encodeBytes(new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8(text))))

/** Whether one of these keys made a mac of this text. The time it takes tells nothing. */
export async function isMac(keys: readonly CryptoKey[], mac: string, text: string): Promise<boolean> {
  const given = /^[A-Za-z0-9_-]{43}$/.test(mac) ? decodeBytes(mac) : null
  if (given === null) return false
  const signed = utf8(text)
  // Which of its keys a site has signed with is no secret.
  for (const key of keys) if (await crypto.subtle.verify('HMAC', key, given, signed)) return true
  return false
}

/** The first bytes of a text's mac, for where a whole token has no room. */
export async function shortMac(key: CryptoKey, text: string, bytes: number): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, utf8(text))).subarray(0, bytes)
}

/** Whether one of these keys made a token for this context. */
export async function isSealed(keys: readonly CryptoKey[], token: string, context: string): Promise<boolean> {
  const [body, mac, ...rest] = token.split('.')
  if (!body || !mac || rest.length > 0) return false
  return isMac(keys, mac, `${body}.${context}`)
}

/** The payload of a token that one of these keys made for this context, else null. The caller checks its shape. */
export async function openToken(keys: readonly CryptoKey[], token: string, context: string): Promise<unknown> {
  if (!(await isSealed(keys, token, context))) return null
  const text = decodeText(token.split('.')[0] ?? '')
  return text.ok ? JSON.parse(text.value) : null
}
