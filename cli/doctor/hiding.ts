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

/** Of rules that hold on some screens only nothing is known. */
const AT_BLOCK = /@[\w-]+[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}/g
const COMPOUND = /^(?:[\w-]+|\*)?(?:[.#][\w-]+)*$/

export function hidingRules(root: Node): Rule[] {
  const css = sheetsIn(root)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(AT_BLOCK, '')
  return [...css.matchAll(/([^{}]+)\{([^{}]*)\}/g)]
    .filter(([, , body = '']) => HIDING.test(body))
    .flatMap(([, selectors = '']) => selectors.split(','))
    .flatMap((selector) => ruleOf(selector.trim()))
    .slice(0, MOST_RULES)
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
