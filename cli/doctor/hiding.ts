// What hides an element from readers, as far as the page itself says it: attributes, and rules of its own style sheets.
// Sheets of other files are not read.
import { type DefaultTreeAdapterTypes, defaultTreeAdapter } from 'parse5'

type Node = DefaultTreeAdapterTypes.Node
type Element = DefaultTreeAdapterTypes.Element

/** One selector that hides: its last part is the element's, the others stand for elements around it. */
export type Rule = { own: RegExp[]; around: RegExp[][] }

/** Blurred and transparent text counts as hidden: it is in the page for everybody, and meant for nobody. */
const HIDING =
  /(?:^|[;{\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0(?:\.0+)?\s*(?:[;!}]|$)|font-size\s*:\s*0(?:px|em|rem)?\s*(?:[;!}]|$)|color\s*:\s*transparent|filter\s*:\s*blur|content-visibility\s*:\s*hidden|(?:left|top|text-indent)\s*:\s*-\d{3,})/i

/** A page's own sheets have fewer rules that hide. */
const MOST_RULES = 500

/** Longer selectors are not followed. */
const LONGEST_SELECTOR = 200
const COMPOUND = /^(?:[\w-]+|\*)?(?:[.#][\w-]+)*$/

export function hidingRules(root: Node): Rule[] {
  const found: Rule[] = []
  for (const [selectors, body] of plainRules(withoutComments(sheetsIn(root)))) {
    if (found.length >= MOST_RULES) break
    if (HIDING.test(body)) found.push(...selectors.split(',').flatMap((selector) => ruleOf(selector.trim())))
  }
  return found
}

/** Each in one pass, since a sheet may be made to be read slowly. */
function withoutComments(css: string): string {
  const parts: string[] = []
  let at = 0
  for (let start = css.indexOf('/*'); start !== -1; start = css.indexOf('/*', at)) {
    parts.push(css.slice(at, start))
    const end = css.indexOf('*/', start + 2)
    if (end === -1) return parts.join(' ')
    at = end + 2
  }
  return [...parts, css.slice(at)].join(' ')
}

/** Selectors and bodies of outermost rules. Of those within `@media`, which hold on some screens, nothing is known. */
function* plainRules(css: string): Generator<[selectors: string, body: string]> {
  let depth = 0
  let start = 0
  let selectors = ''
  for (const { 0: mark, index } of css.matchAll(/[{};]/g)) {
    if (mark === '{') {
      if (depth === 0) selectors = css.slice(start, index)
      depth += 1
      start = depth === 1 ? index + 1 : start
    } else if (mark === '}') {
      if (depth === 1 && !selectors.includes('@')) yield [selectors, css.slice(start, index)]
      depth = Math.max(0, depth - 1)
      if (depth === 0) start = index + 1
    } else if (depth === 0) {
      start = index + 1
    }
  }
}

function sheetsIn(root: Node): string {
  const sheets: string[] = []
  const stack: Node[] = [root]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const isSheet = defaultTreeAdapter.isElementNode(node) && node.tagName === 'style'
    if (!('childNodes' in node)) continue
    for (const child of node.childNodes) {
      if (isSheet && defaultTreeAdapter.isTextNode(child)) sheets.push(child.value)
      else if (!isSheet) stack.push(child)
    }
  }
  return sheets.join('\n')
}

function ruleOf(selector: string): Rule[] {
  if (selector.length > LONGEST_SELECTOR) return []
  const parts = selector.split(/\s*>\s*|\s+/)
  if (parts.length === 0 || !parts.every((part) => part !== '' && COMPOUND.test(part))) return []
  const tests = parts.map(testsOf)
  const own = tests.pop() ?? []
  return own.length === 0 ? [] : [{ own, around: tests }]
}

/** Each is tried against the words that `wordsOf` writes. */
const testsOf = (compound: string): RegExp[] =>
  [...compound.matchAll(/[.#]?[\w-]+/g)].map(([word]) => new RegExp(`(?:^| )${word.replace('.', '\\.')}(?: |$)`))

/** An element as selectors name it: `p #id .one .two`. */
function wordsOf({ tagName, attrs }: Element): string {
  const of = (name: string) => attrs.find((attr) => attr.name === name)?.value ?? ''
  const classes = of('class').split(/\s+/).filter(Boolean)
  return [tagName, ...(of('id') === '' ? [] : [`#${of('id')}`]), ...classes.map((name) => `.${name}`)].join(' ')
}

export function isHidden(element: Element, rules: readonly Rule[]): boolean {
  const isSaid = element.attrs.some(({ name, value }) => name === 'hidden' || (name === 'style' && HIDING.test(value)))
  if (isSaid) return true
  if (rules.length === 0) return false
  const words = wordsOf(element)
  return rules.some(
    ({ own, around }) => own.every((test) => test.test(words)) && around.every((tests) => isWithin(element, tests)),
  )
}

function isWithin(element: Element, tests: readonly RegExp[]): boolean {
  for (let node = element.parentNode; node && defaultTreeAdapter.isElementNode(node); node = node.parentNode) {
    const words = wordsOf(node)
    if (tests.every((test) => test.test(words))) return true
  }
  return false
}
