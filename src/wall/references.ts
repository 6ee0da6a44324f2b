// Character references of attributes and texts, decoded: numbers, and the names that people write. Others stay as they are.

/** HTML 4's names, from U+00A0 on. */
const LATIN =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'
const NAMES: ReadonlyMap<string, string> = new Map([
  ...LATIN.split(' ').map((name, index): [string, string] => [name, String.fromCharCode(0xa0 + index)]),
  ...Object.entries({
    amp: '&',
    AMP: '&',
    lt: '<',
    LT: '<',
    gt: '>',
    GT: '>',
    quot: '"',
    QUOT: '"',
    apos: "'",
    OElig: 'Œ',
    oelig: 'œ',
    Scaron: 'Š',
    scaron: 'š',
    Zcaron: 'Ž',
    zcaron: 'ž',
    ensp: '\u2002',
    emsp: '\u2003',
    thinsp: '\u2009',
    zwnj: '\u200c',
    zwj: '\u200d',
    ndash: '–',
    mdash: '—',
    lsquo: '‘',
    rsquo: '’',
    sbquo: '‚',
    ldquo: '“',
    rdquo: '”',
    bdquo: '„',
    bull: '•',
    hellip: '…',
    prime: '′',
    lsaquo: '‹',
    rsaquo: '›',
    euro: '€',
    trade: '™',
    minus: '−',
    larr: '←',
    rarr: '→',
    Tab: '\t',
    NewLine: '\n',
    lowbar: '_',
    hyphen: '‐',
    num: '#',
    period: '.',
    comma: ',',
    colon: ':',
    semi: ';',
    sol: '/',
    lpar: '(',
    rpar: ')',
    equals: '=',
    quest: '?',
    excl: '!',
    commat: '@',
    dollar: '$',
  }),
])

/** What browsers read for 0x80 to 0x9f. */
const WINDOWS = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'

const REFERENCE = /&(?:#x([\da-f]+)|#(\d+)|([a-z][a-z\d]*));?/gi

/** A text as a reader sees it. */
export const decoded = (raw: string): string =>
  raw.includes('&')
    ? raw.replace(REFERENCE, (whole: string, hex?: string, decimal?: string, name?: string) =>
        name === undefined
          ? ofCode(Number.parseInt(hex ?? decimal ?? '', hex === undefined ? 10 : 16))
          : (NAMES.get(name) ?? whole),
      )
    : raw

function ofCode(code: number): string {
  if (code >= 0x80 && code <= 0x9f) return WINDOWS.charAt(code - 0x80)
  const isNone = code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)
  return isNone ? '\ufffd' : String.fromCodePoint(code)
}
