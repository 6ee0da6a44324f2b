// What start and end tags do to the stack in a body, after the standard's "in body" and its adoption agency.
import type { Reading, StartTag } from './tokens.ts'
import { type Element, HEADINGS, isSpecial, type Workbench } from './tree.ts'

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))
const BLOCKS = words(
  'address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer header hgroup main menu nav ol p section summary ul pre listing',
)
const FORMATTING = words('a b big code em font i nobr s small strike strong tt u')
const MARKED = words('applet marquee object')
const SINGLE = words('area br embed img image keygen wbr input')
const HEAD = words('base basefont bgsound link meta noframes script style template title')
const IGNORED = words('caption col colgroup frame head tbody td tfoot th thead tr')

export function bodyStart(bench: Workbench, token: StartTag): Reading {
  const { state, stack, formatting, top, push, pop, closeP, imply, reconstruct } = bench
  const { name } = token
  if (top()?.mode === 'select') return inSelect(bench, token)
  if (name === 'html' || name === 'body' || IGNORED.has(name)) return 'data'
  if (HEAD.has(name)) return bench.inHead(token)
  if (BLOCKS.has(name)) {
    closeP()
    push(name, token)
  } else if (name === 'search') {
    // To browsers of yesterday it ends no paragraph, and what was open opens again in it.
    if (bench.hasInButton('p') || bench.mayReconstruct()) throw new SyntaxError('a search in a paragraph')
    push(name, token)
  } else if (HEADINGS.has(name)) {
    closeP()
    const current = top()
    if (current?.space === 'html' && HEADINGS.has(current.name)) pop()
    push(name, token)
  } else if (name === 'form') {
    const isInTemplate = bench.isOpen('template')
    if (state.form !== null && !isInTemplate) return 'data'
    closeP()
    const form = push(name, token)
    if (!isInTemplate) state.form = form
  } else if (name === 'li' || name === 'dd' || name === 'dt') {
    closeItem(bench, name === 'li' ? ['li'] : ['dd', 'dt'])
    closeP()
    push(name, token)
  } else if (name === 'button') {
    if (bench.has('button')) {
      imply()
      bench.popName('button')
    }
    reconstruct()
    push(name, token)
  } else if (FORMATTING.has(name)) {
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
  } else if (MARKED.has(name)) {
    reconstruct()
    push(name, token)
    formatting.add(null)
  } else if (name === 'table') {
    if (!state.isQuirks) closeP()
    push(name, token)
  } else if (SINGLE.has(name)) {
    reconstruct()
    bench.single(token)
  } else if (name === 'param' || name === 'source' || name === 'track') bench.single(token)
  else if (name === 'hr') {
    closeP()
    bench.single(token)
  } else if (name === 'textarea' || name === 'iframe' || name === 'noembed' || name === 'noscript')
    return bench.raw(token)
  else if (name === 'xmp') {
    closeP()
    reconstruct()
    return bench.raw(token)
  } else if (name === 'rb' || name === 'rtc' || name === 'rp' || name === 'rt') {
    if (bench.has('ruby')) imply(name === 'rp' || name === 'rt' ? 'rtc' : '')
    push(name, token)
  } else if (name === 'svg' || name === 'math') {
    reconstruct()
    push(name, token, name)
    if (token.isSelfClosing) pop()
  } else {
    const current = top()
    if ((name === 'option' || name === 'optgroup') && current?.space === 'html' && current.name === 'option') pop()
    reconstruct()
    push(name, token)
  }
  if (stack.length === 0) throw new RangeError('nothing is open')
  return 'data'
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
  const { state, formatting, top, imply } = bench
  if (top()?.mode === 'select') return endInSelect(bench, name)
  if (name === 'body' || name === 'html') return
  if (name === 'p') {
    if (!bench.hasInButton('p')) {
      bench.push('p', null)
    }
    imply('p')
    bench.popName('p')
  } else if (BLOCKS.has(name) || name === 'button') {
    if (!bench.has(name)) return
    imply()
    bench.popName(name)
  } else if (name === 'search') {
    if (!bench.has('search')) return
    imply()
    const current = top()
    if (current?.space !== 'html' || current.name !== 'search')
      throw new SyntaxError('a search that something overlaps')
    bench.pop()
  } else if (name === 'form') endForm(bench)
  else if (name === 'li' || name === 'dd' || name === 'dt') {
    if (!(name === 'li' ? bench.hasInList(name) : bench.has(name))) return
    imply(name)
    bench.popName(name)
  } else if (HEADINGS.has(name)) {
    const isHeading = (element: Element) => element.space === 'html' && HEADINGS.has(element.name)
    if (!bench.inScope(isHeading)) return
    imply()
    bench.popUntil(isHeading)
  } else if (FORMATTING.has(name)) adopt(bench, name)
  else if (MARKED.has(name)) {
    if (!bench.has(name)) return
    imply()
    bench.popName(name)
    formatting.clearToMarker()
  } else if (name === 'br') bench.reconstruct()
  else endOther(bench, name)
  state.made = null
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
    return bench.popName('form')
  }
  const form = bench.state.form
  bench.state.form = null
  if (form === null || !bench.inScope((element) => element === form)) return
  bench.imply()
  bench.remove(form)
}

function endOther(bench: Workbench, name: string) {
  if (!bench.isOpen(name)) return
  for (let index = bench.stack.length - 1; index >= 0; index -= 1) {
    const element = bench.stack[index]
    if (!element) return
    if (element.space === 'html' && element.name === name) {
      bench.imply(name)
      bench.popUntil((popped) => popped === element)
      return
    }
    if (isSpecial(element)) return
  }
}

/** The adoption agency: the end of a formatting element that others overlap. */
function adopt(bench: Workbench, name: string) {
  const { stack, formatting, top } = bench
  const current = top()
  if (current?.space === 'html' && current.name === name && !formatting.has(current)) {
    bench.pop()
    return
  }
  for (let round = 0; round < 8; round += 1) {
    const element = formatting.find(name)
    if (!element) {
      if (round === 0) endOther(bench, name)
      return
    }
    const at = stack.indexOf(element)
    if (at === -1) {
      formatting.remove(element)
      return
    }
    if (!bench.inScope((other) => other === element)) return
    const block = stack.slice(at + 1).find(isSpecial)
    if (!block) {
      bench.popUntil((popped) => popped === element)
      formatting.remove(element)
      return
    }
    moveOut(bench, element, block)
  }
}

/** One round: the block leaves the formatting element, which opens again in it. */
function moveOut(bench: Workbench, element: Element, block: Element) {
  const { stack, formatting } = bench
  let bookmark: Element | null = null
  let index = stack.indexOf(block)
  for (let inner = 1; ; inner += 1) {
    index -= 1
    const node = stack[index]
    if (!node || node === element) break
    if (inner > 3) formatting.remove(node)
    if (!formatting.has(node)) {
      bench.remove(node)
      continue
    }
    const clone = { ...node }
    formatting.replace(node, clone)
    bench.remove(node)
    bench.insert(clone, index)
    bookmark ??= clone
  }
  const clone = { ...element, parent: block, mode: block.mode, depth: block.depth + 1 }
  const place = bookmark === null ? formatting.indexOf(element) : formatting.indexOf(bookmark) + 1
  formatting.insertAt(place, clone)
  formatting.remove(element)
  bench.remove(element)
  bench.insert(clone, stack.indexOf(block) + 1)
}
