// Every reading of a text that may be encoded: as HTML, as a string of JSON or a script, as CSS, as a URL, as base64, and
// one within the other. Pure.
import { textsOfFragment } from './text.ts'

/** HTML in JSON in base64 in an attribute is four. */
const DEEPEST = 5

/** Letters that the readings of one answer may have together; about a second of this machine's time. */
export const newAllowance = (): Allowance => ({ letters: 30_000_000, isSpent: false })
export type Allowance = { letters: number; isSpent: boolean }

/** The text as it is, then as each encoding has it, and so on. What was read once is not read again. */
export function* readings(text: string, allowance: Allowance, deepest = DEEPEST): Generator<string> {
  const seen = new Set<string>()
  let level = [text]
  for (let depth = 0; depth <= deepest && level.length > 0; depth += 1) {
    const next: string[] = []
    for (const piece of level) {
      if (seen.has(piece)) continue
      seen.add(piece)
      allowance.letters -= piece.length
      if (allowance.letters < 0) {
        allowance.isSpent = true
        return
      }
      yield piece
      if (depth < deepest) next.push(...decoded(piece))
    }
    level = next
  }
}

const decoded = (text: string): string[] => [
  ...asHtml(text),
  ...asScript(text),
  ...asValues(text),
  ...asSheet(text),
  ...asUrl(text),
  ...asBase64(text),
]

const asHtml = (text: string): string[] => (/<[a-z!/]|&(?:#x?[\da-f]+|\w+);/i.test(text) ? textsOfFragment(text) : [])

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: ' ', f: ' ', v: ' ', '0': ' ', '\n': '' }

/** Strings of JSON and scripts. */
function asScript(text: string): string[] {
  if (!text.includes('\\')) return []
  const read = text.replace(
    /\\(?:u([\da-f]{4})|u\{([\da-f]{1,6})\}|x([\da-f]{2})|([\s\S]))/gi,
    (_, four?: string, braced?: string, two?: string, one = '') => {
      const hex = four ?? braced ?? two
      return hex === undefined ? (ESCAPES[one] ?? one) : characterOf(hex)
    },
  )
  return [read]
}

/** The values of JSON without its keys, so that a text in many parts is one again. */
function asValues(text: string): string[] {
  const values: string[] = []
  for (let start = text.indexOf('"'); start !== -1; ) {
    const end = endOfString(text, start + 1)
    if (end === -1) break
    if (!/^\s{0,8}:/.test(text.slice(end + 1, end + 10))) values.push(text.slice(start + 1, end))
    start = text.indexOf('"', end + 1)
  }
  return values.length > 1 ? [values.join(' ')] : []
}

/** Where the next quotation mark is that is not escaped; -1 without one. */
function endOfString(text: string, from: number): number {
  for (let i = from; i < text.length; i += 1) {
    if (text[i] === '"') return i
    if (text[i] === '\\') i += 1
  }
  return -1
}

/** `content: "\54 he"`. */
const asSheet = (text: string): string[] =>
  /\\[\da-f]{2}/i.test(text)
    ? [text.replace(/\\([\da-f]{2,6})\s?/gi, (_, hex: string) => characterOf(hex)).replace(/\\([\s\S])/g, '$1')]
    : []

/** Halves of a pair stay as they are; what is no character is a space. */
function characterOf(hex: string): string {
  const code = Number.parseInt(hex, 16)
  return code > 0x10ffff || code === 0 ? ' ' : String.fromCodePoint(code)
}

const asUrl = (text: string): string[] =>
  /%[\da-f]{2}/i.test(text)
    ? [text.replace(/(?:%[\da-f]{2})+/gi, (bytes) => utf8.decode(Buffer.from(bytes.replaceAll('%', ''), 'hex')))]
    : []

const utf8 = new TextDecoder('utf-8')

/** Shorter ones hold no eight words. Lines of mail and of keys are joined. */
const BASE64 = /[\w+/-]{24,}(?:(?:\r?\n|\\n)[\w+/-]{24,})*(?:(?:\r?\n|\\n)[\w+/-]+)?={0,2}/g

/** What stands before an encoded text without a gap, such as a path, may shift it by up to three letters. */
function asBase64(text: string): string[] {
  return [...text.matchAll(BASE64)].flatMap(([found]) => {
    const letters = found.replace(/\r?\n|\\n/g, '')
    return [0, 1, 2, 3].map((shift) => utf8.decode(Buffer.from(letters.slice(shift), 'base64'))).filter(isText)
  })
}

/** Most of it can be written. */
function isText(text: string): boolean {
  const odd = text.match(/[\p{Cc}\p{Co}\p{Cn}\uFFFD]/gu)?.filter((letter) => !/\s/.test(letter)).length ?? 0
  return text.length > 0 && odd / text.length < 0.2
}
