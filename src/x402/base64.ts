// Base64 as x402 headers use it: written standard and padded; read in both alphabets, padded or not.
import { fail, ok, type Result } from '../errors.ts'

/** Standard padded base64 of ASCII-only JSON, so that Latin-1 decoders read it unharmed (x402 v2 http §3). */
export function encodeJson(value: unknown): string {
  const ascii = JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return btoa(ascii)
}

/** Base64 in either alphabet → text; strict about alphabet, padding, trailing bits and UTF-8. */
export function decodeText(base64: string): Result<string, 'not base64 text'> {
  const refused = fail('not base64 text' as const)
  const match = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)(={0,2})$/.exec(base64)
  if (!match || base64.length === 0) return refused
  const padding = match[1]?.length ?? 0
  const digits = base64
    .slice(0, base64.length - padding)
    .replaceAll('-', '+')
    .replaceAll('_', '/')
  const tail = digits.length % 4
  if (tail === 1 || (padding > 0 && tail + padding !== 4)) return refused
  const binary = atob(digits)
  if (btoa(binary).replace(/=+$/, '') !== digits) return refused
  try {
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0))
    return ok(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
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
function isDeep(json: string): boolean {
  let depth = 0
  for (const char of json) {
    if (char === '{' || char === '[') depth += 1
    if (char === '}' || char === ']') depth -= 1
    if (depth > DEEPEST_JSON) return true
  }
  return false
}

/** Base64url without padding, for tokens. */
export function encodeBytes(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
}
