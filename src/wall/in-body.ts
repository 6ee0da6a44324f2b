// What start and end tags do to the stack in a body, after the standard's "in body".
import { adopt, endOther } from './adoption.ts'
import type { Reading, StartTag } from './tokens.ts'
import { type Element, HEADINGS, isSpecial, type Workbench } from './tree.ts'

/** What the standard says of start tags in a body, by kinds of elements; others are ordinary. */
type Kind =
  | 'block'
  | 'search'
  | 'heading'
  | 'form'
  | 'item'
  | 'button'
  | 'formatting'
  | 'marked'
  | 'table'
  | 'single'
  | 'setting'
  | 'rule'
  | 'raw'
  | 'listing'
  | 'ruby'
  | 'foreign'
  | 'option'
  | 'head'
  | 'ignored'
const NAMES: Readonly<Record<Kind, string>> = {
  block:
    'address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer header hgroup main menu nav ol p section summary ul pre listing',
  search: 'search',
  heading: 'h1 h2 h3 h4 h5 h6',
  form: 'form',
  item: 'li dd dt',
  button: 'button',
  formatting: 'a b big code em font i nobr s small strike strong tt u',
  marked: 'applet marquee object',
  table: 'table',
  single: 'area br embed img image keygen wbr input',
  setting: 'param source track',
  rule: 'hr',
  raw: 'textarea iframe noembed noscript',
  listing: 'xmp',
  ruby: 'rb rtc rp rt',
  foreign: 'svg math',
  option: 'option optgroup',
  head: 'base basefont bgsound link meta noframes script style template title',
  ignored: 'html body caption col colgroup frame head tbody td tfoot th thead tr',
}
const KINDS: ReadonlyMap<string, string> = new Map(
  Object.entries(NAMES).flatMap(([kind, names]) => names.split(' ').map((name): [string, string] => [name, kind])),
)
const ITEMS = ['li']
const TERMS = ['dd', 'dt']

export function bodyStart(bench: Workbench, token: StartTag): Reading {
  const { state, formatting, push, pop, closeP, imply, reconstruct } = bench
  const { name } = token
  const current = bench.top()
  if (current === undefined) throw new RangeError('nothing is open')
  if (current.mode === 'select') return inSelect(bench, token)
  switch (KINDS.get(name)) {
    case 'ignored':
      return 'data'
    case 'head':
      return bench.inHead(token)
    case 'block':
      closeP()
      push(name, token)
      return 'data'
    case 'formatting': {
      const open = name === 'a' ? formatting.find('a') : null
      if (open) {
        adopt(bench, 'a')
        formatting.remove(open)
        bench.remove(open)
      }
      reconstruct()
      if (name === 'nobr' && bench.has('nobr')) {
        adopt(bench, 'nobr')
        reconstruct()
      }
      formatting.add(push(name, token))
      return 'data'
    }
    case 'item':
      closeItem(bench, name === 'li' ? ITEMS : TERMS)
      closeP()
      push(name, token)
      return 'data'
    case 'single':
      reconstruct()
      bench.single(token)
      return 'data'
    case 'heading': {
      closeP()
      const top = bench.top()
      if (top?.space === 'html' && HEADINGS.has(top.name)) pop()
      push(name, token)
      return 'data'
    }
    case 'search':
      // To browsers of yesterday it ends no paragraph, and what was open opens again in it.
      if (bench.hasInButton('p') || bench.mayReconstruct()) throw new SyntaxError('a search in a paragraph')
      push(name, token)
      return 'data'
    case 'form': {
      const isInTemplate = bench.isOpen('template')
      if (state.form !== null && !isInTemplate) return 'data'
      closeP()
      const form = push(name, token)
      if (!isInTemplate) state.form = form
      return 'data'
    }
    case 'button':
      if (bench.has('button')) {
        imply()
        bench.popName('button')
      }
      reconstruct()
      push(name, token)
      return 'data'
    case 'marked':
      reconstruct()
      push(name, token)
      formatting.add(null)
      return 'data'
    case 'table':
      if (!state.isQuirks) closeP()
      push(name, token)
      return 'data'
    case 'setting':
      bench.single(token)
      return 'data'
    case 'rule':
      closeP()
      bench.single(token)
      return 'data'
    case 'raw':
      return bench.raw(token)
    case 'listing':
      closeP()
      reconstruct()
      return bench.raw(token)
    case 'ruby':
      if (bench.has('ruby')) imply(name === 'rp' || name === 'rt' ? 'rtc' : '')
      push(name, token)
      return 'data'
    case 'foreign':
      reconstruct()
      push(name, token, name === 'svg' ? 'svg' : 'math')
      if (token.isSelfClosing) pop()
      return 'data'
    case 'option':
      if (current.space === 'html' && current.name === 'option') pop()
      reconstruct()
      push(name, token)
      return 'data'
    default:
      reconstruct()
      push(name, token)
      return 'data'
  }
}

/** Browsers of today and of yesterday agree on these alone. */
function inSelect(bench: Workbench, token: StartTag): Reading {
  const { name } = token
  const isTop = (other: string) => bench.top()?.name === other
  if (name === 'script' || name === 'template') return bench.inHead(token)
  if (name !== 'option' && name !== 'optgroup' && name !== 'hr') throw new SyntaxError('markup in a select')
  if (isTop('option')) bench.pop()
  if (name !== 'option' && isTop('optgroup')) bench.pop()
  if (name === 'hr') bench.single(token)
  else bench.push(name, token)
  return 'data'
}

function closeItem(bench: Workbench, names: readonly string[]) {
  for (let index = bench.stack.length - 1; index >= 0; index -= 1) {
    const element = bench.stack[index]
    if (!element) return
    if (element.space === 'html' && names.includes(element.name)) {
      bench.imply(element.name)
      bench.popUntil((popped) => popped === element)
      return
    }
    const isPassed = element.space === 'html' && ['address', 'div', 'p'].includes(element.name)
    if (isSpecial(element) && !isPassed) return
  }
}

export function bodyEnd(bench: Workbench, name: string) {
  const { formatting, imply } = bench
  if (bench.top()?.mode === 'select') return endInSelect(bench, name)
  switch (KINDS.get(name)) {
    case 'block':
      if (name === 'p') {
        if (!bench.hasInButton('p')) bench.push('p', null)
        imply('p')
        bench.popName('p')
        return
      }
      if (!bench.has(name)) return
      imply()
      bench.popName(name)
      return
    case 'formatting':
      return adopt(bench, name)
    case 'item':
      if (!(name === 'li' ? bench.hasInList(name) : bench.has(name))) return
      imply(name)
      bench.popName(name)
      return
    case 'heading': {
      const isHeading = (element: Element) => element.space === 'html' && HEADINGS.has(element.name)
      if (!bench.inScope(isHeading)) return
      imply()
      bench.popUntil(isHeading)
      return
    }
    case 'search':
      if (!bench.has('search')) return
      imply()
      if (bench.top()?.name !== 'search') throw new SyntaxError('a search that something overlaps')
      bench.pop()
      return
    case 'form':
      return endForm(bench)
    case 'button':
      if (!bench.has(name)) return
      imply()
      bench.popName(name)
      return
    case 'marked':
      if (!bench.has(name)) return
      imply()
      bench.popName(name)
      formatting.clearToMarker()
      return
    default:
      if (name === 'br') bench.reconstruct()
      else if (name !== 'body' && name !== 'html') endOther(bench, name)
  }
}

function endInSelect(bench: Workbench, name: string) {
  const current = bench.top()
  if (name === 'select') return bench.popName('select')
  if (name === 'optgroup' && current?.name === 'option' && bench.stack.at(-2)?.name === 'optgroup') bench.pop()
  if (name !== 'option' && name !== 'optgroup') throw new SyntaxError('markup in a select')
  if (bench.top()?.name === name) bench.pop()
}

function endForm(bench: Workbench) {
  if (bench.isOpen('template')) {
    if (!bench.has('form')) return
    bench.imply()
    if (bench.top()?.name !== 'form') throw new SyntaxError('a form in a template that something overlaps')
    bench.pop()
    return
  }
  const form = bench.state.form
  bench.state.form = null
  if (form === null || !bench.inScope((element) => element === form)) return
  bench.imply()
  bench.remove(form)
}
