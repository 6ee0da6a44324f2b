// Selectors as a publisher writes them: which elements they mean, and what is said of those that cannot be read.
import { describe, expect, test } from 'vitest'
import { matches, parseSelector } from '../../src/wall/select.ts'
import { newTokenizer } from '../../src/wall/tokens.ts'
import { type Element, newTree } from '../../src/wall/tree.ts'

const PAGE =
  '<html><body><main id=top class="a b"><article itemprop="x articleBody"><div class=text data-n="1 2"><p class=A><b>w</b></p></div></article></main><p id=last>'

/** The elements of the page that a selector means. */
function meant(text: string): string[] {
  const parsed = parseSelector(text)
  if (!parsed.ok) throw new Error(parsed.error)
  const found: string[] = []
  const opened = (element: Element) => {
    if (matches(parsed.value, element)) found.push(element.token?.attributes.get('id') ?? element.name)
  }
  const tree = newTree({ opened, closed() {} })
  const tokenizer = newTokenizer({ take: tree.take, isForeign: tree.isForeign })
  tokenizer.push(PAGE)
  tokenizer.end()
  return found
}

describe('what is meant', () => {
  test.each<[string, string[]]>([
    ['p', ['p', 'last']],
    ['P', ['p', 'last']],
    ['*', ['html', 'head', 'body', 'top', 'article', 'div', 'p', 'b', 'last']],
    ['.a', ['top']],
    ['.A', ['p']],
    ['#last', ['last']],
    ['main.a.b#top', ['top']],
    ['main.a.c', []],
    ['[itemprop]', ['article']],
    ['[itemprop~=articleBody]', ['article']],
    ['[itemprop=articleBody]', []],
    ['[data-n = "1 2"]', ['div']],
    ["[ data-n~='2' ]", ['div']],
    ['main p', ['p']],
    ['main > p', []],
    ['div > p', ['p']],
    ['div>p', ['p']],
    ['body main > article b', ['b']],
    ['main > div b', []],
    ['.text, #last , b', ['div', 'b', 'last']],
  ])('%s', (text, expected) => {
    expect(meant(text)).toEqual(expected)
  })
})

describe('what cannot be read, and why', () => {
  test.each<[string, RegExp]>([
    ['', /empty/],
    ['  ', /empty/],
    ['a,', /beside ","/],
    [',a', /beside ","/],
    ['> a', /before ">"/],
    ['a >', /after ">"/],
    ['a > > b', /Two ">"/],
    ['a:hover', /pseudo-classes/],
    ['a + b', /siblings/],
    ['a ~ b', /siblings/],
    ['[a^=b]', /only = and ~=/],
    ['.1', /character 1/],
    ['.a{}', /character 3/],
    ['.a*', /write it first/],
    ['[a="b]', /character 1/],
    ['a'.repeat(501), /500 characters/],
  ])('%s', (text, reason) => {
    const parsed = parseSelector(text)
    expect(parsed.ok ? 'read' : parsed.error).toMatch(reason)
    expect(parsed.ok ? '' : parsed.error).toMatch(/Write a/)
  })

  test('hostile ones take no time', () => {
    expect(parseSelector('['.repeat(500)).ok).toBe(false)
    expect(parseSelector(`${'a '.repeat(249)}b`).ok).toBe(true)
  })
})
