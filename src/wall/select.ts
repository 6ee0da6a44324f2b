// A small language of CSS selectors: types, classes, ids, attributes, what stands in what, lists. Read, and matched against
// the stack of open elements.
import { fail, ok, type Result } from '../errors.ts'
import { decoded } from './references.ts'
import { lower } from './tokens.ts'
import type { Element } from './tree.ts'

type Condition =
  | { kind: 'type'; name: string }
  | { kind: 'has'; attribute: string }
  | { kind: 'is' | 'includes'; attribute: string; value: string }
type Compound = readonly Condition[]
/** Read from its end: the element itself, then what it stands in. */
type Complex = { self: Compound; outer: readonly { isParent: boolean; compound: Compound }[] }
export type Selector = readonly Complex[]

/** Longer than any that people write. */
const LONGEST = 500

const CAN = 'Write a list of types, .classes, #ids and [attributes] with = or ~=, such as "article .body, #story > div"'
const PART =
  /([A-Za-z][\w-]*|\*)|\.(-?[A-Za-z_][\w-]*)|#(-?[A-Za-z_][\w-]*)|\[\s*([A-Za-z_][\w-]*)\s*(?:(~?=)\s*(?:"([^"\\]*)"|'([^'\\]*)'|([\w-]+))\s*)?\]/y

/** Error: what is wrong and what to write instead. */
export function parseSelector(text: string): Result<Selector, string> {
  if (text.length > LONGEST) return fail(`This selector is longer than ${LONGEST} characters. Write a shorter one`)
  const list: Complex[] = []
  let compounds: { isParent: boolean; compound: Condition[] }[] = []
  let combinator: '' | ' ' | '>' = ''
  let at = 0
  const wrong = (what: string) => fail(`${what}. ${CAN}`)
  while (at <= text.length) {
    const spaces = /[\s>]*/y
    spaces.lastIndex = at
    const between = spaces.exec(text)?.[0] ?? ''
    at += between.length
    const parents = between.split('>').length - 1
    if (parents > 1) return wrong('Two ">" follow each other')
    const char = text.charAt(at)
    if (char === '' || char === ',') {
      if (parents > 0) return wrong('Nothing stands after ">"')
      const self = compounds.at(-1)
      if (!self) return wrong(char === '' && list.length === 0 ? 'This selector is empty' : 'Nothing stands beside ","')
      list.push({
        self: self.compound,
        outer: compounds
          .slice(0, -1)
          .map(({ compound }, index) => ({ compound, isParent: compounds[index + 1]?.isParent === true }))
          .reverse(),
      })
      compounds = []
      at += 1
      continue
    }
    combinator = parents > 0 ? '>' : between !== '' ? ' ' : ''
    if (combinator === '>' && compounds.length === 0) return wrong('Nothing stands before ">"')
    PART.lastIndex = at
    const found = PART.exec(text)
    if (!found) return wrong(`"${char}" cannot be read at character ${at + 1}${hintOf(text.slice(at))}`)
    const condition = conditionOf(found)
    const last = compounds.at(-1)
    if (last && combinator === '') {
      if (found[1] !== undefined) return wrong(`The type "${found[1]}" stands behind another part; write it first`)
      last.compound.push(condition)
    } else compounds.push({ isParent: combinator === '>', compound: [condition] })
    at += found[0].length
  }
  return ok(list)
}

function hintOf(rest: string): string {
  if (/^[:]/.test(rest)) return ': pseudo-classes such as :not() or :first-child are not known here'
  if (/^[+]|^~(?!=)/.test(rest)) return ': siblings (+ and ~) are not known here'
  if (/^\[[^\]]*[*^$|]=/.test(rest)) return ': of attributes only = and ~= are known'
  return ''
}

function conditionOf([, type, className, id, attribute, operator, ...values]: RegExpExecArray): Condition {
  if (type !== undefined) return { kind: 'type', name: lower(type) }
  if (className !== undefined) return { kind: 'includes', attribute: 'class', value: className }
  if (id !== undefined) return { kind: 'is', attribute: 'id', value: id }
  const name = lower(attribute ?? '')
  const value = values.find((written) => written !== undefined) ?? ''
  if (operator === undefined) return { kind: 'has', attribute: name }
  return { kind: operator === '=' ? 'is' : 'includes', attribute: name, value }
}

/** Whether an element is one of those that are meant. */
export const matches = (selector: Selector, element: Element): boolean =>
  selector.some(({ self, outer }) => isAll(self, element) && standsIn(outer, 0, element))

function isAll(compound: Compound, { name, token }: Element): boolean {
  return compound.every((condition) => {
    if (condition.kind === 'type') return condition.name === '*' || condition.name === name
    const raw = token?.attributes.get(condition.attribute)
    if (raw === undefined) return false
    if (condition.kind === 'has') return true
    const value = decoded(raw)
    return condition.kind === 'is'
      ? value === condition.value
      : condition.value !== '' &&
          value.includes(condition.value) &&
          value.split(/[\t\n\f\r ]+/).includes(condition.value)
  })
}

function standsIn(outer: Complex['outer'], index: number, element: Element): boolean {
  const wanted = outer[index]
  if (!wanted) return true
  for (let parent = element.parent; parent; parent = parent.parent) {
    if (isAll(wanted.compound, parent) && standsIn(outer, index + 1, parent)) return true
    if (wanted.isParent) return false
  }
  return false
}
