// Texts and addresses out of pages that others wrote: one line, bounded, nothing that hides or turns what is read.

// Written by name, for nobody sees them in a file: marks that turn the direction of text, and marks without any width.
const HIDDEN =
  /[\u{61c}\u{200b}\u{200e}\u{200f}\u{202a}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}]/gu
const BLANK = /[\p{Cc}\s]+/gu

/** One line of at most `max` characters, cut at a word where it was longer. */
export function oneLine(text: string, max: number): string {
  // Nothing far behind the end is worth cleaning.
  const line = cleaned(text.trimStart().slice(0, max * 8))
  if (line.length <= max) return line
  const cut = line.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')
  const word = cut.lastIndexOf(' ')
  // Scripts without spaces, and one long word, are cut where the room ends.
  return `${(word > max / 2 ? cut.slice(0, word) : cut).trimEnd()}…`
}

/** One line, or '' where it is longer than `max` characters: a name that long is something else. */
export function shortLine(text: string, max: number): string {
  const line = text.length > max * 8 ? '' : cleaned(text)
  return line.length <= max ? line : ''
}

const cleaned = (text: string) =>
  text.toWellFormed().replace(BLANK, ' ').replace(HIDDEN, '').replace(/ {2,}/g, ' ').trim()

// The names of U+00A0 to U+00FF, in their order.
const LATIN =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'
const NAMED: ReadonlyMap<string, string> = new Map([
  ...LATIN.split(' ').map((name, i): [string, string] => [name, String.fromCharCode(160 + i)]),
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['ndash', '–'],
  ['mdash', '—'],
  ['lsquo', '‘'],
  ['rsquo', '’'],
  ['sbquo', '‚'],
  ['ldquo', '“'],
  ['rdquo', '”'],
  ['bdquo', '„'],
  ['lsaquo', '‹'],
  ['rsaquo', '›'],
  ['hellip', '…'],
  ['bull', '•'],
  ['trade', '™'],
  ['euro', '€'],
  ['minus', '−'],
  ['OElig', 'Œ'],
  ['oelig', 'œ'],
  ['Scaron', 'Š'],
  ['scaron', 'š'],
])
// What the numbers 128 to 159 mean in HTML: Windows-1252.
const WINDOWS = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

/** Character references read once: numbers, and the usual names. Unknown ones stay as they are. */
export function decoded(text: string): string {
  return text.replace(
    /&(?:#x([\da-f]+);?|#(\d+);?|([a-z][a-z\d]*);)/gi,
    (whole: string, hex?: string, decimal?: string, name?: string) =>
      name !== undefined ? (NAMED.get(name) ?? whole) : character(hex ? Number.parseInt(hex, 16) : Number(decimal)),
  )
}

function character(code: number): string {
  if (code >= 128 && code < 160) return WINDOWS.charAt(code - 128)
  const isOne = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
  return isOne ? String.fromCodePoint(code) : '\ufffd'
}

/** An http or https address of at most `max` characters, without user and password; null for all else. */
export function webAddress(text: string, max: number, base?: string): URL | null {
  const trimmed = text.trim()
  if (trimmed === '' || trimmed.length > max || !URL.canParse(trimmed, base)) return null
  const url = new URL(trimmed, base)
  const isWeb = /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
  return isWeb && url.href.length <= max ? url : null
}

/** A date or a moment as ISO 8601 writes it; '' for all else. */
export function isoDate(text: string): string {
  const trimmed = text.trim().slice(0, 41)
  const isIso = /^\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)? ?(?:Z|[+-]\d\d(?::?\d\d)?)?)?)?$/.test(
    trimmed,
  )
  return isIso ? trimmed : ''
}

/** A language tag such as `de-AT`, also where it was written `de_AT`; '' for all else. */
export function languageTag(text: string): string {
  const tag = text.trim().slice(0, 36).replaceAll('_', '-')
  return /^[a-z]{2,3}(?:-[a-z\d]{2,8}){0,4}$/i.test(tag) ? tag : ''
}
