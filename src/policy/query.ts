// Queries: what of one tells content apart, and whether software behind us may read a priced parameter otherwise than we do.
import { fail, ok, type Result } from '../errors.ts'

/** A parameter as it was sent, unescaped: one character for each byte, so that bytes that are no UTF-8 stay apart. */
type Parameter = { name: string; value: string }

/** Parameters that say where a reader came from. They never tell content apart. */
const TRACKING =
  /^(?:utm_[a-z_]+|fbclid|gclid|gbraid|wbraid|dclid|msclkid|twclid|ttclid|li_fat_id|igshid|mc_[ce]id|_ga|ref_src)$/

/** Longest query of gated content, in characters, tracking apart: passes and receipts name it. */
const LONGEST_QUERY = 1024

/** Longest query that is looked at, as sent: escapes take three characters for one, and tracking comes on top. */
export const LONGEST_RAW_QUERY = 8192

/** More parameters than this fit into no query that is sold. */
const MOST_PARAMETERS = LONGEST_QUERY / 2

/** What some software cuts or decodes once more, so that one parameter holds another. */
const HOLDS_ANOTHER = /;|%(?:26|3b|25|00)/i

/**
 * The query as part of a resource: sorted, without tracking parameters; "" or with its question mark. Queries that
 * differ in a byte differ here. Where software could take two names for one, or a value for several parameters, the order
 * counts; a tracking parameter that may hold another stays. Error: `uri_too_long`.
 *
 * @param query as sent, "" or with its question mark
 */
export function identifyingQuery(query: string): Result<string> {
  if (query === '' || query === '?') return ok('')
  if (query.length > LONGEST_RAW_QUERY) return tooLong
  const sent = query.slice(1).split('&')
  const kept = sent.filter((part) => part !== '' && !(TRACKING.test(nameIn(part)) && !HOLDS_ANOTHER.test(part)))
  if (kept.length > MOST_PARAMETERS) return tooLong
  const parameters = kept.map(parameterOf)
  // Byte by byte is the order of `URLSearchParams.sort` for UTF-8.
  if (!kept.some((part) => HOLDS_ANOTHER.test(part)) && isEachItself(parameters))
    parameters.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const text = parameters.map(({ name, value }) => `${escaped(name)}=${escaped(value)}`).join('&')
  if (text.length > LONGEST_QUERY) return tooLong
  return ok(text === '' ? '' : `?${text}`)
}

/** Whether no software takes two of the names for one: other names than plain ones may be folded, cut or trimmed. */
function isEachItself(parameters: readonly Parameter[]): boolean {
  const names = new Set(parameters.map(({ name }) => name))
  const folded = new Set([...names].map((name) => name.toLowerCase()))
  return names.size === folded.size && [...names].every((name) => /^[\w-]*$/.test(name))
}

const tooLong = fail({ code: 'uri_too_long' } as const)

/**
 * Whether software behind us may see another value of a priced parameter than we do: one in a loose spelling
 * (`?Full=1`, `?full[]=1`, `?x=1;full=1`), a value that only nearly is the rule's (`?full=%201`, `?full=01`), two that
 * differ, or bytes that are no UTF-8 anywhere.
 *
 * @param query of at most `LONGEST_RAW_QUERY` characters
 * @param priced names and values of the route's price rules
 */
export function isReadTwoWays(query: string, priced: readonly Parameter[]): boolean {
  if (priced.length === 0 || query === '') return false
  const loose = partsOf(query, /[&;]/)
  if (loose.length > MOST_PARAMETERS_PRICED || !isUtf8(query)) return true
  const rules = priced.map(({ name, value }) => ({ name: bytesOf(name), value: bytesOf(value) }))
  const wanted = new Set(rules.map(({ name }) => plainName(name)))
  // Most queries have nothing of it, in any spelling.
  const all = plainText(bytesOf(query)).replace(/[. ]/g, '_')
  if (![...wanted].some((name) => all.includes(name))) return false
  const strict = partsOf(query, '&').map(parameterOf)
  const twice = partsOf(decoded(bytesOf(query)), /[&;]/)
  const found = [...strict, ...loose.map(parameterOf), ...twice.map(parameterOf)].filter(({ name }) =>
    wanted.has(plainName(name)),
  )
  if (found.length > MOST_PRICED) return true
  const isLoose = ({ name, value }: Parameter) =>
    !rules.some((rule) => rule.name === name) ||
    // What a parser that also cuts at semicolons finds, ours has found as well.
    !strict.some((other) => other.name === name && other.value === value) ||
    rules.some((rule) => rule.name === name && rule.value !== value && plain(rule.value) === plain(value))
  const isTwofold = found.some(({ name, value }) => found.some((other) => other.name === name && other.value !== value))
  return isTwofold || found.some(isLoose)
}

/** More parameters than this are sent to a route that prices by query to make work. */
const MOST_PARAMETERS_PRICED = 64
/** A parameter given more often than this is given to deceive. */
const MOST_PRICED = 16

const partsOf = (query: string, between: string | RegExp) =>
  query
    .slice(1)
    .split(between)
    .filter((part) => part !== '')

const nameIn = (part: string) => part.split('=', 1)[0] ?? ''

function parameterOf(part: string): Parameter {
  const name = nameIn(part)
  return { name: unescaped(name), value: unescaped(part.slice(name.length + 1)) }
}

const unescaped = (text: string) => decoded(bytesOf(text))

const decoded = (bytes: string) =>
  bytes
    .replaceAll('+', ' ')
    .replace(/%[0-9a-fA-F]{2}/g, (triplet) => String.fromCharCode(Number.parseInt(triplet.slice(1), 16)))

/** One character for each byte of its UTF-8. */
const bytesOf = (text: string) =>
  /[^\0-\x7f]/.test(text) ? String.fromCharCode(...new TextEncoder().encode(text)) : text

/** As `URLSearchParams` writes it. */
const escaped = (bytes: string) =>
  bytes
    .replace(/[^A-Za-z0-9*._ -]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
    .replaceAll(' ', '+')

function isUtf8(query: string): boolean {
  try {
    decodeURIComponent(query.replace(/%(?![0-9a-fA-F]{2})/g, '%25'))
    return true
  } catch {
    return false
  }
}

/** What careless software makes of a name: PHP takes brackets, dots and spaces for its own. */
const plainName = (bytes: string) => plain(bytes).replace(/\[.*$/s, '').replace(/[. ]/g, '_')

/** What careless software makes of a value: cut at a NUL, trimmed, without leading zeros. */
const plain = (bytes: string) =>
  plainText(bytes)
    .replace(/\0.*$/s, '')
    .trim()
    .replace(/^0+(?=.)/, '')

/** Decoded twice more, `%u0031` too, in lower case, compatibility forms made plain. */
const plainText = (bytes: string) =>
  new TextDecoder()
    .decode(Uint8Array.from(decoded(decoded(bytes)), (char) => char.charCodeAt(0)))
    .replace(/%u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .normalize('NFKC')
    .toLowerCase()
