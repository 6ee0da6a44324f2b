// Rules found through the tree, beside all of them looked at one by one: the first match is the same in every reading.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nearby } from '../../src/policy/nearby.ts'
import {
  canonicalPath,
  matchesDecoded,
  matchesLoosely,
  matchesPattern,
  parsePattern,
  readingsOf,
} from '../../src/policy/paths.ts'

/** Rules of these patterns; what is no pattern is left out. */
const rulesOf = (texts: readonly string[]) =>
  texts.flatMap((text) => {
    const path = parsePattern(text)
    return path.ok ? [{ path: path.value }] : []
  })
type Rule = ReturnType<typeof rulesOf>[number]

const NAMES = ['a', 'b', 'A', 'é', 'É', 'ａ', 'a.', 'ab', 'ß', 'ss', '%2F', 'a%20b', 'ſ', 's', 'K', 'k']
const name = fc.constantFrom(...NAMES)
const patterns = fc.array(
  fc
    .tuple(fc.array(fc.oneof(name, fc.constantFrom(':x', ':y')), { maxLength: 3 }), fc.boolean())
    .map(([segments, isTree]) => `/${segments.join('/')}${isTree ? (segments.length > 0 ? '/*' : '*') : ''}`),
  { maxLength: 12 },
)
const piece = fc.oneof(name, fc.constantFrom('/', '//', '.', ' ', '%61', '%41', '%2f', '%252f', '..', ';', '+', ''))
const paths = fc.oneof(
  fc.array(name, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`),
  fc.array(piece, { maxLength: 8 }).map((pieces) => `/${pieces.join('')}`),
)

const inOrder = (rules: readonly Rule[], found: readonly Rule[]) => found.map((rule) => rules.indexOf(rule))

describe('what is found through the tree', () => {
  test.each([
    ['as it is spelt', matchesPattern],
    ['decoded', matchesDecoded],
    ['as the most careless software reads it', matchesLoosely],
  ])('%s, the first match is that of all rules', (_, matches) => {
    fc.assert(
      fc.property(patterns, paths, (texts, raw) => {
        const rules = rulesOf(texts)
        const canonical = canonicalPath(raw)
        for (const path of [raw, ...(canonical.ok ? [canonical.value] : []), ...(readingsOf(raw) ?? [])]) {
          const isMatch = ({ path: pattern }: Rule) => matches(pattern, path)
          const found = nearby(rules, path)
          expect(found.find(isMatch), path).toBe(rules.find(isMatch))
          expect(inOrder(rules, found)).toEqual(inOrder(rules, found).toSorted((a, b) => a - b))
        }
      }),
      { numRuns: 20_000 },
    )
  })

  test('of three hundred rules only those that may match are looked at', () => {
    const rules = rulesOf(Array.from({ length: 300 }, (_, i) => `/section-${i}/*`))
    expect(nearby(rules, '/section-299/x').map(({ path }) => path.text)).toEqual(['/section-299/*'])
    expect(nearby(rules, '/elsewhere')).toEqual([])
  })
})
