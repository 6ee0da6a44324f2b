// Broken pages of every kind, with words that are paid as parse5 sees it: none of them may ever leave, wherever pieces end.
import fc from 'fast-check'
import { defaultTreeAdapter as adapter, type DefaultTreeAdapterTypes, parse } from 'parse5'
import { describe, expect, test } from 'vitest'
import { type CutSettings, newCutter } from '../../src/wall/cut.ts'
import { parseSelector } from '../../src/wall/select.ts'

type Node = DefaultTreeAdapterTypes.Node

const selector = (text: string) => {
  const parsed = parseSelector(text)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

/** All that leaves of a page that comes in these pieces. */
function leaving(pieces: readonly string[], settings: CutSettings) {
  const cutter = newCutter(settings, () => '{}')
  let cut = null
  let after = ''
  for (const piece of pieces) {
    if (cut === null) cut = cutter.push(piece)
    else after += cutter.rest(piece)
  }
  cut ??= cutter.finish()
  if (cut === null) return { before: null, after: '', head: null }
  return { before: cut.before, after: after + cutter.end(), head: cut.head }
}

/** Cut at places that numbers in [0, 1) choose. */
function inPieces(html: string, places: readonly number[]): string[] {
  const ends = [...places.map((place) => Math.floor(place * html.length)), html.length].sort((a, b) => a - b)
  return ends.map((end, index) => html.slice(ends[index - 1] ?? 0, end))
}

const isMarked = (node: Node) =>
  adapter.isElementNode(node) &&
  node.attrs.some(({ name, value }) => name === 'data-newsstand' && value.trim().toLowerCase() === 'paid')
const isOfClass = (name: string) => (node: Node) =>
  adapter.isElementNode(node) && node.attrs.some((attribute) => attribute.name === 'class' && attribute.value === name)

/** The words that stand in elements of a kind and nowhere else, in texts and in attributes. */
function wordsIn(html: string, isKind: (node: Node) => boolean): Set<string> {
  const found = new Set<string>()
  const elsewhere = new Set<string>()
  // What opens again in a paid part has the attributes of what stood outside.
  const read = (text: string, isIn: boolean) => {
    for (const [word] of text.matchAll(/w\d+w/g)) (isIn ? found : elsewhere).add(word)
  }
  function walk(node: Node, isInside: boolean) {
    const isIn = isInside || isKind(node)
    if (adapter.isTextNode(node)) read(node.value, isIn)
    if (adapter.isCommentNode(node)) read(node.data, isIn)
    if (adapter.isElementNode(node)) for (const { value } of node.attrs) read(value, isIn)
    if ('childNodes' in node) for (const child of node.childNodes) walk(child, isIn)
    if ('content' in node) for (const child of node.content.childNodes) walk(child, isIn)
  }
  walk(parse(html), false)
  return new Set([...found].filter((word) => !elsewhere.has(word)))
}

function hasOne(html: string, isKind: (node: Node) => boolean): boolean {
  const has = (node: Node): boolean => isKind(node) || ('childNodes' in node && node.childNodes.some(has))
  return has(parse(html))
}

const NAMES =
  'p div span b i a em font nobr li ul ol dl dd dt h1 h2 table tbody tr td th caption form button article section svg g path math mi desc foreignObject title style object ruby rt pre img input center marquee textarea script template address x-card footer nav main aside figure noscript iframe option select'.split(
    ' ',
  )
const MARKS = [' data-newsstand=paid', ' data-newsstand=PAID', ' data-newsstand="p&#97;id"', " data-newsstand=' paid '"]
const name = fc.constantFrom(...NAMES)
const attributes = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom(
      '',
      ' title=w@w',
      ' class=x id=y',
      " data-state='w@w'",
      ' role=navigation',
      ' data-newsstand=frame',
      ' class=story',
      ' class=story',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom(...MARKS) },
)
const piece = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(name, attributes).map(([tag, text]) => `<${tag}${text}>`) },
  { weight: 5, arbitrary: name.map((tag) => `</${tag}>`) },
  { weight: 5, arbitrary: fc.constant('w@w ') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '<p>w@w and words and words</p>',
      '<footer>w@w</footer>',
      '<nav>w@w',
      '<style>w@w</style>',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ' ',
      '<!-- w@w -->',
      '<!-->',
      '<!----!>',
      '<!--',
      '-->',
      '<![CDATA[ w@w ]]>',
      '<',
      '</',
      '<!',
      '<? w@w',
      '<p title="',
      '">',
      "'",
      '&lt;',
      '&#60;p>',
      '<script><!--<script></script>w@w</script>',
      '<svg><style>',
      '<math><mtext>',
      '<select><xmp>',
      '<svg/>',
      '<plaintext>',
      '</p>',
      '<br/>',
      '<table><tr><td>',
      '\0',
      '<b><p>',
    ),
  },
)
const page = fc
  .tuple(
    fc.constantFrom(
      '',
      '<!doctype html>',
      '<!doctype html><html><head><title>w@w</title></head><body>',
      '<!doctype html><body><div class=story><p>one two</p><p>three four five</p></div><footer>w@w ',
      '<!doctype html><body><div><p data-newsstand=paid>w@w</p></div><nav>w@w <b>',
      '<body><main><b data-newsstand=paid>w@w<p>w@w</b>w@w</p></main><footer>',
    ),
    fc.array(piece, { maxLength: 45 }),
  )
  .map(([start, pieces]) => {
    let number = 0
    return (start + pieces.join('')).replaceAll('@', () => `${++number}`)
  })
const places = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { maxLength: 6 })
const wordsOf = (text: string) => [...text.matchAll(/w\d+w/g)].map(([word]) => word)
const SETTINGS: CutSettings = { select: selector('.story'), keep: 1 }

describe('over broken markup', () => {
  test('nothing of a marked part ever leaves', () => {
    let cuts = 0
    let behind = 0
    const numRuns = 6_000
    fc.assert(
      fc.property(page, places, (html, ends) => {
        const { before, after } = leaving(inPieces(html, ends), SETTINGS)
        if (before === null) return
        cuts += 1
        if (after.includes('w')) behind += 1
        const paid = wordsIn(html, isMarked)
        expect(wordsOf(before + after).filter((word) => paid.has(word))).toEqual([])
      }),
      { numRuns },
    )
    // The test would show nothing where nothing is cut, or nothing passes behind it.
    expect(cuts).toBeGreaterThan(numRuns / 4)
    expect(behind).toBeGreaterThan(numRuns / 8)
  })

  test('nothing of `select` leaves behind the cut', () => {
    fc.assert(
      fc.property(page, places, (html, ends) => {
        const { after } = leaving(inPieces(html, ends), SETTINGS)
        const inside = wordsIn(html, isOfClass('story'))
        expect(wordsOf(after).filter((word) => inside.has(word))).toEqual([])
      }),
      { numRuns: 4_000 },
    )
  })

  test('no script leaves, and no comment, and no state in an attribute', () => {
    const isState = (node: Node) =>
      adapter.isCommentNode(node) ||
      (adapter.isElementNode(node) &&
        (['script', 'template', 'noscript', 'iframe', 'object', 'textarea'].includes(node.tagName) ||
          node.attrs.some((attribute) => attribute.name.startsWith('data-'))))
    fc.assert(
      fc.property(page, (html) => {
        const { before, after } = leaving([html], SETTINGS)
        if (before !== null) expect(hasOne(before + after, isState)).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })

  test('where pieces end changes nothing', () => {
    fc.assert(
      fc.property(page, places, (html, ends) => {
        expect(leaving(inPieces(html, ends), SETTINGS)).toEqual(leaving([html], SETTINGS))
        expect(leaving([...html], SETTINGS)).toEqual(leaving([html], SETTINGS))
      }),
      { numRuns: 2_000 },
    )
  })
})
