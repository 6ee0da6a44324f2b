// Paths: their one canonical form, the patterns that match them, and what the software behind us may take an address for.
import { fail, ok, type Result } from '../errors.ts'

/** A path pattern in canonical form: `/about`, `/a/:slug` or `/articles/*`. */
export type Pattern = { text: string; segments: readonly string[]; tree: boolean }

/** Longest path as sent: three characters for each byte a key may have, and some to spare. */
export const LONGEST_RAW_PATH = 2048

/** Longest canonical path of gated content: KV keys end at 512 bytes, and the challenge must fit its header. */
export const LONGEST_PATH = 512

/** A path that all software takes for the same, but for case and trailing dots. It is canonical, but for a trailing slash. */
const PLAIN = /^\/(?:[\w~!&'*,=:@-][\w~!&'*,=:@.-]*(?:\/|$))*$/

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
  if (PLAIN.test(raw)) return ok(withoutSlash(raw))
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
  return ok(withoutSlash(text.split('/').map(encodeSegment).join('/')))
}

/** One trailing slash is dropped. */
const withoutSlash = (path: string) => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path)

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

/** Whether `path` as it is spelt lies in the pattern. A tree `/a/*` also matches `/a`. */
export function matchesPattern(pattern: Pattern, path: string): boolean {
  return matchSegments(pattern, path, (segment) => segment)
}

/** As `matchesPattern`, for software that decodes, and takes each letter as it is. */
export function matchesDecoded(pattern: Pattern, path: string): boolean {
  return matchSegments(pattern, path, plain)
}

/** As `matchesPattern`, for software that ignores escapes, case, trailing dots and compatibility forms of characters. */
export function matchesLoosely(pattern: Pattern, path: string): boolean {
  return matchSegments(pattern, path, fold)
}

/** Whether the pattern matches a path as it is spelt, and whatever else it may be taken for. */
export const matchesAsRead = (pattern: Pattern, path: string): boolean =>
  matchesPattern(pattern, path) && readingsOf(path)?.every((reading) => matchesDecoded(pattern, reading)) === true

const plain = (segment: string) => (decodeFully(segment, unescaped) ?? segment).normalize('NFC')

/** A segment as the most careless software reads it: without escapes, case, trailing dots and compatibility forms. */
export const fold = (segment: string): string =>
  /^[\w-]*$/.test(segment) ? segment.toLowerCase() : withoutEnd(plain(segment).normalize('NFKC').toLowerCase(), '. ')

/** The text without any of these characters at its end. By hand: a pattern would look from each of them to the end. */
function withoutEnd(text: string, chars: string): string {
  let end = text.length
  while (end > 0 && chars.includes(text.charAt(end - 1))) end -= 1
  return text.slice(0, end)
}

function matchSegments(pattern: Pattern, path: string, form: (segment: string) => string): boolean {
  // No more of a long path than the pattern has segments, one too many and the one behind a trailing slash.
  const segments = path.slice(1).split('/', pattern.segments.length + 2)
  if (segments.at(-1) === '') segments.pop()
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

/** A segment that names a script: what follows it is handed to the script (CGI's PATH_INFO). */
const SCRIPT = /(\.(?:php\d?|phtml|f?cgi|pl|py|rb|aspx?|ashx|asmx|jspx?|do|action|cfm|shtml|dll|exe))\/.*$/is

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CUT = /[?#\0-\x1f].*$/s
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROLS = /[\0-\x1f]/g

/** A script at the root that serves every other address behind its own. */
const FRONT = /^\/[^/]+\.php\d?(?=\/)/i

/** More than this has only an address that is made to deceive. */
const MOST_READINGS = 64

/**
 * What some software takes a path for. Each is applied to what the others leave, in every order.
 *
 * Decoded once more; compatibility forms made plain (full-width slashes and dots); backslashes, and characters that old
 * code pages turn into a slash; cut at a query, a fragment, a semicolon or a control character; without control characters, path
 * parameters, NTFS streams or ASP.NET's `(S(…))`; a plus as a space; slashes merged; dot segments resolved, with empty
 * segments counting or not; a script without its PATH_INFO; what is behind a front controller.
 */
const MISREADINGS: readonly ((path: string) => string)[] = [
  unescaped,
  (path) => path.normalize('NFKC'),
  (path) => path.replace(/[\\\u2044\u2215]/g, '/'),
  (path) => path.replace(CUT, ''),
  (path) => path.replace(CONTROLS, ''),
  (path) => path.replace(/::\$[a-z_]+/gi, ''),
  (path) => path.replace(/\/\([^/]*\)(?=\/)/g, ''),
  (path) => path.replaceAll('+', ' '),
  (path) => path.replace(/;[^/]*/g, ''),
  (path) => path.replace(/;.*$/s, ''),
  (path) => path.replace(/\/{2,}/g, '/'),
  (path) => resolved(path.split('/')),
  (path) => resolved(['', ...path.split('/').filter((segment) => segment !== '')]),
  (path) => path.replace(SCRIPT, '$1'),
  (path) => path.replace(FRONT, ''),
]

/**
 * All that a path as sent may be taken for, itself included; null where there is no end to it, or it is too long to be looked
 * at in every way.
 */
export function readingsOf(path: string): readonly string[] | null {
  if (PLAIN.test(path) && !SCRIPT.test(path)) return [path]
  if (path.length > LONGEST_RAW_PATH) return null
  const readings = [path]
  for (const reading of readings) {
    for (const misread of MISREADINGS) {
      const other = misread(reading)
      if (!readings.includes(other)) readings.push(other)
    }
    if (readings.length > MOST_READINGS) return null
  }
  return readings
}

/** Segments with the dots among them resolved. Spaces and dots at the end of a segment do not count, as on Windows. */
function resolved(segments: readonly string[]): string {
  const kept: string[] = []
  for (const segment of segments.slice(1)) {
    const dots = withoutEnd(segment, ' ')
    if (dots === '..') kept.pop()
    else if (dots === '' ? segment === '' : !/^\.+$/.test(dots)) kept.push(segment)
  }
  return `/${kept.join('/')}`
}

/** Escapes undone once, `%u002f` too, as leniently as any software: overlong forms count, a stray byte is itself. */
function unescaped(text: string): string {
  if (!text.includes('%')) return text
  return text
    .replace(/%u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/(?:%[0-9a-f]{2})+/gi, (run) =>
      leniently(
        run
          .slice(1)
          .split('%')
          .map((hex) => Number.parseInt(hex, 16)),
      ),
    )
}

function leniently(bytes: readonly number[]): string {
  let text = ''
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i] ?? 0
    const length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    const rest = bytes.slice(i + 1, i + length)
    const isWhole = rest.length === length - 1 && rest.every((byte) => byte >= 0x80 && byte < 0xc0)
    const code = rest.reduce((sum, byte) => sum * 64 + (byte & 0x3f), lead & (0xff >> (length + 1)))
    const isOne = length === 1 || !isWhole || code > 0x10ffff
    text += String.fromCodePoint(isOne ? lead : code)
    i += isOne ? 1 : length
  }
  return text
}
