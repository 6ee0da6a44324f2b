// The stack of open elements beside parse5's tree: over broken markup, each word stands in the elements that parse5 puts it
// in.
import fc from 'fast-check'
import { defaultTreeAdapter as adapter, type DefaultTreeAdapterTypes, parse } from 'parse5'
import { expect, test } from 'vitest'
import { newTokenizer, type Token } from '../../src/wall/tokens.ts'
import { type Element, newTree } from '../../src/wall/tree.ts'

type Node = DefaultTreeAdapterTypes.Node

/** For each word, the numbers of the elements it stands in; null where the stack gives up. */
function ours(html: string): Map<string, Set<string>> | null {
  const found = new Map<string, Set<string>>()
  // What an element stands in is known when it opens, and stays: a form leaves the stack before what is in it does.
  const inside = new Map<Element, Set<string>>()
  const tree = newTree({
    opened(element) {
      const outer = (element.parent && inside.get(element.parent)) ?? []
      const own = element.token?.attributes.get('n')
      inside.set(element, new Set([...outer, ...(own === undefined ? [] : [own])]))
    },
    closed() {},
  })
  let isFaulty = false
  const tokenizer = newTokenizer({
    isForeign: tree.isForeign,
    take(token: Token) {
      if (isFaulty) return 'data'
      try {
        const reading = tree.take(token)
        if (token.kind === 'text')
          for (const [word] of token.text.matchAll(/w\d+/g)) {
            {
              const top = tree.top()
              found.set(word, (top && inside.get(top)) ?? new Set())
            }
          }
        return reading
      } catch {
        isFaulty = true
        return 'data'
      }
    },
  })
  tokenizer.push(html)
  tokenizer.end()
  return isFaulty ? null : found
}

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
/** What they say late is said of all that came before. */
const LATE = new Set(['html', 'head', 'body'])
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

test('every word stands at least in what parse5 puts it in, and in no more of today’s blocks', () => {
  let given = 0
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), (pieces, isPlain) => {
      let number = 0
      const html =
        (isPlain ? '<!doctype html>' : '') + pieces.map((text) => text.replaceAll('@', () => `${++number}`)).join('')
      const mine = ours(html)
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
