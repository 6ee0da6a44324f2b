// The shape of a parsed route, prices as atomic units, and paths in their one canonical form.
import { fail, ok, type Result } from '../errors.ts'

export type Price = 'free' | { micros: bigint }

/** What a payment buys: seconds of access; 0 is `"once"`. */
export type AccessSeconds = number

export type PriceRule = {
  query: Record<string, string>
  header: Record<string, string>
  country: readonly string[]
  price: Price
}

export type ExtraOffer = {
  name: string
  price: { micros: bigint }
  accessSeconds: AccessSeconds
  scope: Pattern
}

export type Rule = {
  path: Pattern
  host: string | null
  methods: readonly string[] | null
  price: Price
  prices: readonly PriceRule[]
  accessSeconds: AccessSeconds
  content: 'kv' | 'r2' | 'origin'
  description: string
  mimeType: string
  offers: readonly ExtraOffer[]
}

/** A path pattern in canonical form: `/about`, `/a/:slug` or `/articles/*`. */
export type Pattern = { text: string; segments: readonly string[]; tree: boolean }

/** All supported assets have six decimals; a price in dollars is kept in millionths of a dollar. */
export const PRICE_DECIMALS = 6

/**
 * `"$0.05"` → millionths of a dollar, by integer arithmetic; `"free"` → `'free'`.
 * The error is what to write instead.
 */
export function parsePrice(text: string): Result<Price, string> {
  if (text === 'free') return ok('free')
  const match = /^\$(0|[1-9][0-9]{0,8})(?:\.([0-9]+))?$/.exec(text)
  if (!match) return fail('write a price in dollars such as "$0.05", or "free"')
  const [, whole = '0', fraction = ''] = match
  if (fraction.length > PRICE_DECIMALS) {
    return fail(`USDC has ${PRICE_DECIMALS} decimals, this price has ${fraction.length}; write fewer, e.g. "$0.000001"`)
  }
  const micros = BigInt(whole) * 1_000_000n + BigInt(fraction.padEnd(PRICE_DECIMALS, '0'))
  return micros === 0n ? fail('a price of zero is written "free"') : ok({ micros })
}

/** Millionths of a dollar → `"$0.05"`, at least two decimals. */
export function formatPrice(micros: bigint): string {
  const whole = micros / 1_000_000n
  const fraction = (micros % 1_000_000n)
    .toString()
    .padStart(PRICE_DECIMALS, '0')
    .replace(/0{1,4}$/, '')
  return `$${whole}.${fraction}`
}

const UNIT_SECONDS: Record<string, number> = { m: 60, h: 3600, d: 86_400 }
const LONGEST_ACCESS_SECONDS = 3650 * 86_400

/** `"once"`, `"10m"`, `"24h"`, `"30d"` → seconds. The error is what to write instead. */
export function parseAccess(text: string): Result<AccessSeconds, string> {
  if (text === 'once') return ok(0)
  const match = /^([1-9][0-9]{0,4})([mhd])$/.exec(text)
  const seconds = match ? Number(match[1]) * (UNIT_SECONDS[match[2] ?? ''] ?? 0) : 0
  if (seconds === 0 || seconds > LONGEST_ACCESS_SECONDS) {
    return fail('write "once", or a duration such as "10m", "24h" or "30d"')
  }
  return ok(seconds)
}

/** Longest path as sent: three characters for each byte a key may have, and some to spare. */
export const LONGEST_RAW_PATH = 2048

/** Longest canonical path of gated content: KV keys end at 512 bytes, and the challenge must fit its header. */
export const LONGEST_PATH = 512

/** A segment of dots and spaces alone, with or without `;parameters`: some software resolves it or drops it. */
const EMPTY_OR_DOTS = /^[. ]*(?:;.*)?$/s

/**
 * The one form of a path that policy, pass, content and key use. Unreserved characters are unescaped (RFC 3986 §6.2.2),
 * other escapes are upper case, one trailing slash is dropped. What software behind us could read in a second way is
 * refused: encoded slashes, backslashes, empty and dot segments, NUL and control characters, bad escapes, double
 * escapes of any of those, and bytes that are not UTF-8.
 *
 * @param raw the path as the client sent it, without query
 */
export function canonicalPath(raw: string): Result<string> {
  const refused = fail({ code: 'invalid_path' } as const)
  if (!raw.startsWith('/')) return refused
  if (raw.length > LONGEST_RAW_PATH) return fail({ code: 'uri_too_long' })
  let text: string
  try {
    text = decodeURIComponent(raw)
  } catch {
    return refused
  }
  // A careless origin decodes a second time; that must not change the path's structure.
  const twice = decodeFully(text, unescapeBytes)
  if (twice === null) return refused
  // The path leaves here in its composed form, in which some characters become ASCII (U+037E a semicolon).
  for (const reading of [raw, text, twice].map((form) => form.normalize('NFC'))) {
    if (hasControls(reading) || reading.includes('\\') || reading.includes('//')) return refused
    if (reading.split('/').some((segment) => segment !== '' && EMPTY_OR_DOTS.test(segment))) return refused
  }
  if (count(text, '/') !== count(raw, '/') || count(twice, '/') !== count(raw, '/')) return refused
  const canonical = text.split('/').map(encodeSegment).join('/')
  return ok(canonical.length > 1 && canonical.endsWith('/') ? canonical.slice(0, -1) : canonical)
}

const count = (text: string, char: string) => text.split(char).length - 1

function hasControls(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true
  }
  return false
}

// encodeURIComponent, less the characters RFC 3986 allows bare in a segment, so that common paths read as written.
const encodeSegment = (segment: string) =>
  encodeURIComponent(segment.normalize('NFC')).replace(/%(?:24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent)

/** Careless software decodes a path once too often, hardly ever more often than this. */
const MOST_DECODINGS = 3

/** Decodes until nothing changes; null where that takes too long, as it does only in addresses made to deceive. */
function decodeFully(text: string, decode: (text: string) => string): string | null {
  let now = text
  for (let i = 0; i <= MOST_DECODINGS; i++) {
    const next = decode(now)
    if (next === now) return now
    now = next
  }
  return null
}

const unescapeBytes = (text: string) =>
  text.replace(/%[0-9a-fA-F]{2}/g, (triplet) => String.fromCharCode(Number.parseInt(triplet.slice(1), 16)))

/** Parses `/about`, `/a/:slug`, `/articles/*`. The error is what to write instead. */
export function parsePattern(text: string): Result<Pattern, string> {
  const tree = text === '/*' || text.endsWith('/*')
  const fixed = tree ? text.slice(0, -2) || '/' : text
  const canonical = canonicalPath(fixed)
  if (!canonical.ok || canonical.value !== fixed || fixed.includes('*')) {
    return fail('write a canonical path such as "/about", "/a/:slug" or "/articles/*", without a trailing slash')
  }
  const segments = fixed === '/' ? [] : fixed.slice(1).split('/')
  if (segments.some((segment) => segment.includes(':') && !/^:[A-Za-z0-9_]+$/.test(segment))) {
    return fail('a parameter is one whole segment, such as "/a/:slug"')
  }
  return ok({ text, segments, tree })
}

/** Whether the canonical `path` lies in the pattern. A tree `/a/*` also matches `/a`. */
export function matchesPattern(pattern: Pattern, path: string): boolean {
  return matchSegments(pattern, path, (segment) => segment)
}

/** As `matchesPattern`, but as software matches that ignores case, path parameters (`;x`) and compatibility forms. */
export function matchesLoosely(pattern: Pattern, path: string): boolean {
  return matchSegments(pattern, path, fold)
}

const fold = (segment: string) =>
  ((decodeFully(segment, decodeOrKeep) ?? segment).split(';')[0] ?? '')
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[. ]+$/, '')

function decodeOrKeep(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function matchSegments(pattern: Pattern, path: string, form: (segment: string) => string): boolean {
  const segments = path === '/' ? [] : path.slice(1).split('/')
  if (pattern.tree ? segments.length < pattern.segments.length : segments.length !== pattern.segments.length)
    return false
  return pattern.segments.every((wanted, i) => {
    const given = segments[i] ?? ''
    return wanted.startsWith(':') ? given !== '' : form(wanted) === form(given)
  })
}

/** Whether everything the pattern `inner` matches is matched by `outer`. */
export function covers(outer: Pattern, inner: Pattern): boolean {
  if (inner.tree && !outer.tree) return false
  if (outer.tree ? inner.segments.length < outer.segments.length : inner.segments.length !== outer.segments.length) {
    return false
  }
  return outer.segments.every((wanted, i) => wanted.startsWith(':') || wanted === inner.segments[i])
}
