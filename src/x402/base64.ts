// Base64 as x402 uses it: written standard and padded; read in both alphabets, padded or not.
import { fail, ok, type Result } from '../errors.ts'

/** Standard padded base64 of ASCII-only JSON, so that Latin-1 decoders read it unharmed (x402 v2 http §3). */
export function encodeJson(value: unknown): string {
  const ascii = JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return btoa(ascii)
}

/** Base64 in either alphabet → one character for each byte; null for anything else. Strict about alphabet, padding and trailing bits. */
function binaryIn(base64: string): string | null {
  const match = /^([A-Za-z0-9+/]+|[A-Za-z0-9_-]+)(={0,2})$/.exec(base64)
  const digits = match?.[1]?.replaceAll('-', '+').replaceAll('_', '/')
  if (digits === undefined || digits.length % 4 === 1) return null
  const padded = digits.padEnd(Math.ceil(digits.length / 4) * 4, '=')
  if (match?.[2] && digits + match[2] !== padded) return null
  const binary = atob(padded)
  return btoa(binary) === padded ? binary : null
}

function bytesOf(binary: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/** The same as bytes. */
export function decodeBytes(base64: string): Uint8Array<ArrayBuffer> | null {
  const binary = binaryIn(base64)
  return binary === null ? null : bytesOf(binary)
}

/** Most texts are ASCII, whose bytes are its characters. */
const ASCII = /^[\0-\x7f]*$/

/** Base64 in either alphabet → text; strict about UTF-8 too. */
export function decodeText(base64: string): Result<string, 'not base64 text'> {
  const refused = fail('not base64 text' as const)
  const binary = binaryIn(base64)
  if (binary === null) return refused
  if (ASCII.test(binary)) return ok(binary)
  try {
    return ok(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(binary)))
  } catch {
    return refused
  }
}

/** Longest header that is read, in characters. Real ones have about 1,000. */
const LARGEST_HEADER = 8192
/** Real payments are four levels deep; parsers behind us may recurse. */
const DEEPEST_JSON = 16

/** Base64 → JSON of a shape not known yet, within 8 KiB and 16 levels. */
export function decodeJson(header: string): Result<unknown, 'not base64 JSON'> {
  const refused = fail('not base64 JSON' as const)
  if (header.length > LARGEST_HEADER) return refused
  const text = decodeText(header)
  if (!text.ok || isDeep(text.value)) return refused
  try {
    return ok(JSON.parse(text.value))
  } catch {
    return refused
  }
}

/** Counts brackets, those inside strings too: a payment has no reason to hold that many. */
export function isDeep(json: string, deepest = DEEPEST_JSON): boolean {
  let depth = 0
  for (const [bracket] of json.matchAll(/[[\]{}]/g)) {
    depth += bracket === '{' || bracket === '[' ? 1 : -1
    if (depth > deepest) return true
  }
  return false
}

/** One character for each byte. By hand: as arguments of one call, bytes cost ten times as much. */
function binaryOf(bytes: Uint8Array): string {
  let binary = ''
  for (let i = 0; i < bytes.length; i++) binary += String.fromCharCode(bytes[i] ?? 0)
  return binary
}

/** Standard base64, padded. */
export const encodePadded = (bytes: Uint8Array): string => btoa(binaryOf(bytes))

const urlSafe = (base64: string): string => base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')

/** Base64url without padding, for tokens. */
export const encodeBytes = (bytes: Uint8Array): string => urlSafe(encodePadded(bytes))

/** The same of a text's UTF-8. */
export const encodeText = (text: string): string =>
  ASCII.test(text) ? urlSafe(btoa(text)) : encodeBytes(new TextEncoder().encode(text))
