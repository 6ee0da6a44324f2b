// The stack of open elements beside parse5's tree: over broken markup, each word stands in the elements that parse5 puts it
// in.
import fc from 'fast-check'
import { defaultTreeAdapter as adapter, type DefaultTreeAdapterTypes, parse } from 'parse5'
import { expect, test } from 'vitest'
import { attributesOf } from '../../src/wall/attributes.ts'
import { newTree } from '../../src/wall/tree.ts'
import { LATE, standingIn } from '../world/markup.ts'

type Node = DefaultTreeAdapterTypes.Node

function theirs(html: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  function walk(node: Node, inside: readonly string[]) {
    if (adapter.isTextNode(node)) for (const [word] of node.value.matchAll(/w\d+/g)) found.set(word, new Set(inside))
    const own = adapter.isElementNode(node) ? node.attrs.find(({ name }) => name === 'n')?.value : undefined
    const next = own === undefined ? inside : [...inside, own]
    if ('childNodes' in node) for (const child of node.childNodes) walk(child, next)
    if ('content' in node) for (const child of node.content.childNodes) walk(child, next)
  }
  walk(parse(html), [])
  return found
}

const NAMES =
  'constructor p div span b i a em font nobr li ul ol dl dd dt h1 h2 table tbody tr td th caption colgroup col form button article section svg g path math mi desc foreignObject title style object option ruby rt rp pre hr br img input center marquee textarea template script head body html address x-card footer'.split(
    ' ',
  )
const name = fc.constantFrom(...NAMES)
const piece = fc.oneof(
  { weight: 6, arbitrary: name.map((tag) => (LATE.has(tag) ? `<${tag}>` : `<${tag} n=@>`)) },
  { weight: 5, arbitrary: name.map((tag) => `</${tag}>`) },
  { weight: 4, arbitrary: fc.constant('w@ ') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ' ',
      '<!-- c -->',
      '<!---->',
      '<![CDATA[ w@ ]]>',
      '<',
      '</>',
      '<!x>',
      '<svg n=@/>',
      '<path n=@ />',
      '<font n=@ color=red>',
      '<b n=1>',
      '<!----!>',
      '<!--->',
      '<?x>',
      '<!--w@--!>',
      '<script><!--<script></script>w@</script>',
    ),
  },
)

test('every word stands at least in what parse5 puts it in', () => {
  let given = 0
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), (pieces, isPlain) => {
      let number = 0
      const html =
        (isPlain ? '<!doctype html>' : '') + pieces.map((text) => text.replaceAll('@', () => `${++number}`)).join('')
      // parse5 ends a row at the end of a section that is not open. The standard and browsers do not.
      fc.pre(!(html.includes('<template') && html.includes('</tbody>')))
      const mine = standingIn(html)
      if (mine === null) {
        given += 1
        return
      }
      for (const [word, inside] of theirs(html)) {
        const stack = mine.get(word)
        expect(stack, `${word} is seen`).toBeDefined()
        expect(
          [...inside].filter((n) => !stack?.has(n)),
          word,
        ).toEqual([])
      }
    }),
    { numRuns: 15_000 },
  )
  expect(given).toBeLessThan(2_000)
})

/** What each word stands in, of a few marked by hand. */
const insideOf = (html: string) => [...(standingIn(html) ?? [])].map(([word, inside]) => `${word}: ${[...inside]}`)

test.each<[string, string, string[]]>([
  [
    'what a template begins with, all of it goes on with',
    '<template n=1><b n=2><td n=3><i n=4><tr n=5>w1',
    ['w1: 1,2,4'],
  ],
  ['a template of rows', '<template n=1><tr n=2><td n=3>w1</td><td n=4>w2', ['w1: 1,2,3', 'w2: 1,2,4']],
  [
    'what ends a scope in a formula ends none in a drawing',
    '<h1 n=1><svg n=2><annotation-xml n=3></h1><span n=4></h2>w1',
    ['w1: 4'],
  ],
  ['and the other way round', '<nobr n=1><math n=2><foreignObject n=3></nobr><rb n=4></math>w1', ['w1: 4']],
  ['a search that is well formed', '<search n=1><form n=2>w1</form></search>w2', ['w1: 1,2', 'w2: ']],
])('%s', (_, html, expected) => {
  expect(insideOf(html)).toEqual(expected)
})

test.each<[string, string]>([
  ['a search in a paragraph, which it ends in some', '<p n=1><search n=2>w1'],
  ['a search that formatting overlaps', '<b n=1><search n=2></b><ul n=3></search>w1'],
  ['a part of a drawing that stands outside of one', '<foreignObject n=1><svg n=2></foreignObject>w1'],
  ['one that ends in a formula', '<svg n=1><foreignObject n=2><math n=3></foreignObject>w1'],
  ['columns in a template', '<template n=1><col n=2>w1'],
  ['a form in a template that a block overlaps', '<template n=1><form n=2><div n=3></form>w1'],
])('in doubt is what browsers read differently: %s', (_, html) => {
  expect(standingIn(html)).toBeNull()
})

test('deeper than people write is in doubt', () => {
  const tree = newTree({ opened() {}, closed() {} })
  const open = (count: number) => {
    for (let index = 0; index < count; index += 1)
      tree.take({ kind: 'start', name: 'div', attributes: attributesOf(''), isSelfClosing: false })
  }
  open(200)
  expect(() => open(100)).toThrow('too deep')
})
