// Tokens of HTML: the same as parse5's, whatever the markup and wherever a piece ends.
import fc from 'fast-check'
import { Tokenizer, TokenizerMode } from 'parse5'
import { describe, expect, test } from 'vitest'
import { newTokenizer, type Reading } from '../../src/wall/tokens.ts'

const READINGS: ReadonlyMap<string, Reading> = new Map([
  ['script', 'script'],
  ['style', 'rawtext'],
  ['title', 'rcdata'],
])
const MODES = {
  data: TokenizerMode.DATA,
  script: TokenizerMode.SCRIPT_DATA,
  rawtext: TokenizerMode.RAWTEXT,
  rcdata: TokenizerMode.RCDATA,
}
const readingOf = (name: string): Reading => READINGS.get(name) ?? 'data'

const tag = (name: string, attributes: Iterable<readonly [string, string]>, isSelfClosing: boolean) =>
  `<${name}${[...attributes].map(([key, value]) => ` ${key}=${value}`).join('')}${isSelfClosing ? '/' : ''}>`

/** Tokens as short words; texts that follow each other are one. */
function ours(pieces: readonly string[], isForeign = false): string[] {
  const found: string[] = []
  const tokenizer = newTokenizer({
    isForeign: () => isForeign,
    take(token) {
      if (token.kind === 'start') found.push(tag(token.name, token.attributes.all(), token.isSelfClosing))
      else if (token.kind === 'end') found.push(`</${token.name}>`)
      else if (token.kind === 'text') found.push(`"${token.text}"`)
      else found.push(token.kind)
      return token.kind === 'start' ? readingOf(token.name) : 'data'
    },
  })
  for (const piece of pieces) tokenizer.push(piece)
  tokenizer.end()
  return found
}

function theirs(html: string): string[] {
  const found: string[] = []
  let text = ''
  const flush = () => {
    if (text !== '') found.push(`"${text}"`)
    text = ''
  }
  const other = (what: string) => {
    flush()
    found.push(what)
  }
  const tokenizer = new Tokenizer(
    { sourceCodeLocationInfo: false },
    {
      onStartTag(token) {
        other(
          tag(
            token.tagName,
            token.attrs.map(({ name, value }): [string, string] => [name, value]),
            token.selfClosing,
          ),
        )
        tokenizer.state = MODES[readingOf(token.tagName)]
      },
      onEndTag: (token) => other(`</${token.tagName}>`),
      onComment: () => other('comment'),
      onDoctype: () => other('doctype'),
      onEof: flush,
      onNullCharacter() {},
      onCharacter(token) {
        text += token.chars
      },
      onWhitespaceCharacter(token) {
        text += token.chars
      },
    },
  )
  tokenizer.write(html, true)
  return found
}

describe('what is read', () => {
  test.each<[string, string, string[]]>([
    ['tags and text', '<A Href=x>b</A >', ['<a href=x>', '"b"', '</a>']],
    ['the first of equal attributes', '<a b=1 B=2>', ['<a b=1>']],
    ['values in all quotes', `<a b='"' c=">" d=e/ f= g>`, [`<a b=" c=> d=e/ f=g>`]],
    ['attributes without values', '<a b c/ d/>', ['<a b= c= d=/>']],
    [
      'what is no tag',
      '< a <3 </> </ b> <?c> <!d>',
      ['"< a <3 "', '" "', 'comment', '" "', 'comment', '" "', 'comment'],
    ],
    ['ends of comments', '<!--><!---><!--a--!><!--b-><!---->c', ['comment', 'comment', 'comment', 'comment', '"c"']],
    ['a comment that never ends', 'a<!-- <b>', ['"a"']],
    ['a tag that never ends', 'a<b c="<d>', ['"a"']],
    ['styles as text', '<style><p></style >a', ['<style>', '"<p>"', '</style>', '"a"']],
    ['titles as text', '<title><!--</title>-->', ['<title>', '"<!--"', '</title>', '"-->"']],
    ['scripts', '<script>a</scripts></script>', ['<script>', '"a</scripts>"', '</script>']],
    [
      'scripts in comments in scripts',
      '<script><!--<script></script>--></script>a',
      ['<script>', '"<!--<script></script>-->"', '</script>', '"a"'],
    ],
    ['only letters of ASCII as letters', '<\u212a data-\u212a=x>', ['"<\u212a data-\u212a=x>"']],
    ['a character that is none', '<a\0b c\0=d\0>e\0f', ['<a\ufffdb c\ufffd=d\ufffd>', '"ef"']],
    ['CDATA where there is none', '<![CDATA[a>b]]>', ['comment', '"b]]>"']],
  ])('%s', (_, html, expected) => {
    expect(ours([html])).toEqual(expected)
  })

  test('CDATA in foreign content', () => {
    expect(ours(['<![CDATA[a<b>]]]>c'], true)).toEqual(['"a<b>]"', '"c"'])
  })
})

const piece = fc.oneof(
  fc.constantFrom(
    '<',
    '>',
    '/',
    '!',
    '-',
    '--',
    '<!--',
    '-->',
    '--!>',
    '<p',
    '</p',
    '<script',
    '</script',
    '<script>',
    '</script>',
    '<style>',
    '</style>',
    '<title>',
    '</title>',
    '<a b=',
    '"',
    "'",
    '=',
    ' ',
    '\n',
    'x',
    'B',
    '<?',
    '<!',
    '</',
    '<!doctype html>',
    'c="d"',
    '/>',
    '[CDATA[',
    ']]>',
    '\t',
    '<!-',
  ),
  fc.string({ maxLength: 3 }).map((text) => text.replace(/[&\r\0]/g, '')),
)
const markup = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''))

describe('over broken markup', () => {
  test('tokens are those of parse5', () => {
    // Texts on both sides of what is nothing are one text to parse5.
    const joined = (tokens: string[]) => tokens.join('').replaceAll('""', '')
    fc.assert(
      fc.property(markup, (html) => {
        // A doctype that breaks off is a token to both, a comment to one.
        const comments = (tokens: string[]) => tokens.filter((token) => token !== 'comment' && token !== 'doctype')
        expect(joined(comments(ours([html])))).toBe(joined(comments(theirs(html))))
      }),
      { numRuns: 20_000 },
    )
  })

  test('pieces change nothing', () => {
    fc.assert(
      fc.property(markup, (html) => {
        expect(ours([...html])).toEqual(ours([html]))
      }),
      { numRuns: 3_000 },
    )
  })
})
