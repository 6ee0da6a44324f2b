// The stack of open elements as a browser keeps it, after the standard's tree construction: implied end tags, misnested ones,
// tables, foreign content. It builds no tree. What two browsers may read differently is a fault, and throws.
import { type Formatting, newFormatting } from './formatting.ts'
import { bodyEnd, bodyStart } from './in-body.ts'
import { columnText, tableEnd, tableStart } from './in-table.ts'
import type { Reading, StartTag, Token } from './tokens.ts'

export type Space = 'html' | 'svg' | 'math'

/** Which of the standard's insertion modes an element brings about for what stands in it. */
export type Mode = 'body' | 'table' | 'section' | 'row' | 'cell' | 'caption' | 'columns' | 'template' | 'select'

export type Element = {
  name: string
  space: Space
  /** Null: implied, or the root before its tag. */
  token: StartTag | null
  parent: Element | null
  mode: Mode
  depth: number
}

/** What whoever uses the stack wants to hear. */
export type Watcher = { opened(element: Element): void; closed(element: Element): void }

export type Tree = {
  /** How what follows is read. Throws where a reading is in doubt. */
  take(token: Token): Reading
  top(): Element | undefined
  /** From the root. */
  stack: readonly Element[]
  formatting: Formatting
  isForeign(): boolean
  /** The element of the last start tag, void ones too; null where the standard passes over it. */
  made(): Element | null
}

/** Deeper than any page that people write. Browsers stop at 512. */
const DEEPEST = 256

/** What the rules for bodies and tables work with. */
export type Workbench = ReturnType<typeof newWorkbench>

export const HEADINGS: ReadonlySet<string> = new Set(['h1', 'h2', 'h3', 'h4', 'h5', 'h6'])
const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))
const BOUNDS = words('applet caption html table td th marquee object template')
const FOREIGN_BOUNDS: Readonly<Record<Exclude<Space, 'html'>, ReadonlySet<string>>> = {
  math: words('mi mo mn ms mtext annotation-xml'),
  svg: words('foreignobject desc title'),
}
const BUTTON = ['button']
const LISTS = ['ol', 'ul']
const IMPLIED = words('dd dt li optgroup option p rb rp rt rtc')
const SPECIAL = words(
  'address applet area article aside base basefont bgsound blockquote body br button caption center col colgroup dd details dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe img input keygen li link listing main marquee menu meta nav noembed noframes noscript object ol p param plaintext pre script section select source style summary table tbody td template textarea tfoot th thead title tr track ul wbr xmp',
)

/** To browsers of yesterday `search` is an element like any other. */
export function isSpecial({ name, space }: Element): boolean {
  if (space !== 'html') return FOREIGN_BOUNDS[space].has(name)
  if (name === 'search') throw new SyntaxError('a search that something overlaps')
  return SPECIAL.has(name)
}
const RAW: ReadonlyMap<string, Reading> = new Map([
  ['title', 'rcdata'],
  ['textarea', 'rcdata'],
  ['style', 'rawtext'],
  ['xmp', 'rawtext'],
  ['iframe', 'rawtext'],
  ['noembed', 'rawtext'],
  ['noframes', 'rawtext'],
  ['noscript', 'rawtext'],
  ['script', 'script'],
])
const MODES: ReadonlyMap<string, Mode> = new Map([
  ['body', 'body'],
  ['table', 'table'],
  ['tbody', 'section'],
  ['thead', 'section'],
  ['tfoot', 'section'],
  ['tr', 'row'],
  ['td', 'cell'],
  ['th', 'cell'],
  ['caption', 'caption'],
  ['colgroup', 'columns'],
  ['template', 'template'],
  ['select', 'select'],
])
const IN_HEAD = words('base basefont bgsound link meta title noscript noframes style script template')
const BREAKS_OUT = words(
  'b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var',
)
const CAPITALS =
  /^(?:altglyph\w*|animate\w+|clippath|fe[a-z]\w+|foreignobject|glyphref|lineargradient|radialgradient|textpath)$/
const TEXT_POINTS = words('mi mo mn ms mtext')
/** Doctypes with a public identifier that browsers take for today's rules. */
const STANDARD =
  /"-\/\/W3C\/\/DTD (?:XHTML 1\.[01]|HTML 4\.01\/\/EN)|"-\/\/W3C\/\/DTD HTML 4\.01 Transitional\/\/EN"\s+"/i

const isHtmlPoint = ({ name, space, token }: Element) =>
  (space === 'svg' && (name === 'foreignobject' || name === 'desc' || name === 'title')) ||
  (space === 'math' &&
    name === 'annotation-xml' &&
    /^(?:text\/html|application\/xhtml\+xml)$/i.test(token?.attributes.get('encoding') ?? ''))
/** Whether there is more in a text than spaces. */
export const hasWords = (text: string): boolean => /[^\t\n\f\r ]/.test(text)
const isTextPoint = ({ name, space }: Element) => space === 'math' && TEXT_POINTS.has(name)

function newWorkbench(watcher: Watcher) {
  const stack: Element[] = []
  const formatting = newFormatting()
  /** How many are open of a name: most questions for one end here. */
  const open = new Map<string, number>()
  const count = (name: string, by: number) => open.set(name, (open.get(name) ?? 0) + by)
  const state = { made: null as Element | null, form: null as Element | null, isQuirks: true }

  const top = () => stack.at(-1)
  const isOpen = (name: string) => (open.get(name) ?? 0) > 0

  function make(name: string, token: StartTag | null, space: Space = 'html'): Element {
    const parent = top() ?? null
    const mode = (space === 'html' ? MODES.get(name) : undefined) ?? parent?.mode ?? 'body'
    return { name, space, token, parent, mode, depth: stack.length }
  }
  function insert(element: Element, at = stack.length) {
    if (stack.length >= DEEPEST) throw new RangeError('elements are nested too deep')
    if (at === stack.length) stack.push(element)
    else stack.splice(at, 0, element)
    count(element.name, 1)
    watcher.opened(element)
  }
  function push(name: string, token: StartTag | null, space: Space = 'html'): Element {
    const element = make(name, token, space)
    insert(element)
    if (token !== null) state.made = element
    return element
  }
  function pop(): Element | undefined {
    const element = stack.pop()
    if (element) {
      count(element.name, -1)
      watcher.closed(element)
    }
    return element
  }
  function remove(element: Element) {
    const index = stack.indexOf(element)
    if (index === -1) return
    stack.splice(index, 1)
    count(element.name, -1)
    watcher.closed(element)
  }
  const popUntil = (isLast: (element: Element) => boolean) => {
    for (let element = pop(); element !== undefined && !isLast(element); element = pop());
  }
  const popName = (name: string) => popUntil((element) => element.space === 'html' && element.name === name)

  /** Where in the stack the innermost is in scope; -1: nowhere. `more`: what else ends the scope. */
  function indexInScope(isIt: (element: Element) => boolean, more: readonly string[] = []): number {
    for (let index = stack.length - 1; index >= 0; index -= 1) {
      const element = stack[index]
      if (!element) return -1
      if (isIt(element)) return index
      const { name, space } = element
      if (space === 'html' ? BOUNDS.has(name) || more.includes(name) : FOREIGN_BOUNDS[space].has(name)) return -1
    }
    return -1
  }
  const inScope = (isIt: (element: Element) => boolean): boolean => indexInScope(isIt) !== -1
  const named = (name: string) => (element: Element) => element.name === name && element.space === 'html'
  const has = (name: string) => isOpen(name) && inScope(named(name))
  const hasInButton = (name: string) => isOpen(name) && indexInScope(named(name), BUTTON) !== -1
  const hasInList = (name: string) => isOpen(name) && indexInScope(named(name), LISTS) !== -1
  function hasInTable(...names: string[]): boolean {
    const found = stack.findLast(
      ({ name, space }) =>
        space === 'html' && (names.includes(name) || name === 'table' || name === 'template' || name === 'html'),
    )
    return found !== undefined && names.includes(found.name)
  }
  function imply(except = '') {
    for (let element = top(); element; element = top()) {
      if (element.space !== 'html' || !IMPLIED.has(element.name) || element.name === except) return
      pop()
    }
  }
  function closeP() {
    if (!hasInButton('p')) return
    imply('p')
    popName('p')
  }
  function clearTo(...names: string[]) {
    for (let element = top(); element; element = top()) {
      if (
        element.space === 'html' &&
        (names.includes(element.name) || element.name === 'template' || element.name === 'html')
      )
        return
      pop()
    }
  }
  function mayReconstruct(): boolean {
    const last = formatting.last()
    return last !== null && !stack.includes(last)
  }
  /** What was open when its block ended opens again. */
  function reconstruct() {
    if (!mayReconstruct()) return
    const active = formatting.active()
    const firstClosed = active.findLastIndex((element) => stack.includes(element)) + 1
    for (const old of active.slice(firstClosed)) {
      const made = state.made
      const element = push(old.name, old.token)
      state.made = made
      formatting.replace(old, element)
    }
  }
  const workbench = {
    stack,
    formatting,
    state,
    watcher,
    top,
    isOpen,
    make,
    insert,
    push,
    pop,
    remove,
    popUntil,
    popName,
    inScope,
    has,
    hasInButton,
    hasInList,
    hasInTable,
    imply,
    closeP,
    clearTo,
    mayReconstruct,
    reconstruct,
    /** An element without content. */
    single(token: StartTag) {
      state.made = make(token.name, token)
    },
    /** Text up to the end tag of this name. */
    raw(token: StartTag): Reading {
      if (top()?.mode === 'select' && token.name !== 'script') throw new SyntaxError('raw text in a select')
      push(token.name, token)
      return RAW.get(token.name) ?? 'data'
    },
    inHead(token: StartTag): Reading {
      if (token.name === 'template') {
        push('template', token)
        formatting.add(null)
        return 'data'
      }
      if (RAW.has(token.name)) return workbench.raw(token)
      workbench.single(token)
      return 'data'
    },
    endTemplate() {
      if (!isOpen('template') || !stack.some(named('template'))) return
      popName('template')
      formatting.clearToMarker()
    },
  }
  return workbench
}

/** A stack for one page, empty. */
export function newTree(watcher: Watcher): Tree {
  const bench = newWorkbench(watcher)
  const { stack, state, top, push, pop } = bench
  let phase: 'start' | 'head' | 'afterHead' | 'body' = 'start'

  function intoBody(token: StartTag | null) {
    if (top()?.name === 'head') pop()
    phase = 'body'
    push('body', token)
  }
  function begin() {
    if (stack.length === 0) push('html', null)
  }
  function intoHead(token: StartTag | null) {
    phase = 'head'
    push('head', token)
  }

  function start(token: StartTag): Reading {
    state.made = null
    const { name } = token
    if (name === 'frameset' || name === 'plaintext') throw new SyntaxError('a page of another kind')
    if (stack.length === 0 && name === 'html') {
      push('html', token)
      return 'data'
    }
    begin()
    const current = top()
    const isHtml =
      !current ||
      current.space === 'html' ||
      (isTextPoint(current) && name !== 'mglyph' && name !== 'malignmark') ||
      (current.space === 'math' && current.name === 'annotation-xml' && name === 'svg') ||
      isHtmlPoint(current)
    if (!isHtml) {
      const isFont = name === 'font' && ['color', 'face', 'size'].some((key) => token.attributes.has(key))
      if (!BREAKS_OUT.has(name) && !isFont) {
        push(name, token, current.space)
        if (token.isSelfClosing) pop()
        return 'data'
      }
      leaveForeign()
    }
    if (phase !== 'body' && !bench.isOpen('template')) {
      if (name === 'html') return 'data'
      if (phase === 'start') {
        intoHead(name === 'head' ? token : null)
        if (name === 'head') return 'data'
      }
      if (IN_HEAD.has(name)) return bench.inHead(token)
      if (name === 'head') return 'data'
      intoBody(name === 'body' ? token : null)
      if (name === 'body') return 'data'
    }
    return tableStart(bench, token) ?? bodyStart(bench, token)
  }

  function leaveForeign() {
    for (let at = top(); at && at.space !== 'html' && !isHtmlPoint(at) && !isTextPoint(at); at = top()) pop()
  }

  function end(name: string) {
    const current = top()
    if (current && current.space === 'html' && RAW.has(current.name) && name === current.name) {
      pop()
      return
    }
    begin()
    if (current && current.space !== 'html') {
      // Some browsers look for these with their capitals, from a drawing and in it alone.
      const isDoubtful = CAPITALS.test(name) && bench.isOpen(name)
      if (isDoubtful && current.space !== 'svg') throw new SyntaxError('a part of a drawing ends in a formula')
      if (name === 'br' || name === 'p') leaveForeign()
      else
        for (let index = stack.length - 1; index > 0; index -= 1) {
          const element = stack[index]
          if (!element || element.space === 'html') break
          if (element.name === name) {
            bench.popUntil((popped) => popped === element)
            return
          }
        }
      if (isDoubtful) throw new SyntaxError('a part of a drawing stands outside of one')
    }
    if (name === 'template') return bench.endTemplate()
    if (phase !== 'body' && !bench.isOpen('template')) {
      if (name === 'head' && phase === 'head') {
        pop()
        phase = 'afterHead'
        return
      }
      if (name === 'head' && phase === 'start') {
        intoHead(null)
        pop()
        phase = 'afterHead'
        return
      }
      if (name !== 'body' && name !== 'html' && name !== 'br') return
      if (phase === 'start') intoHead(null)
      intoBody(null)
    }
    if (!tableEnd(bench, name)) bodyEnd(bench, name)
  }

  function text(token: { text: string }) {
    const current = top()
    if (current && current.space === 'html' && RAW.has(current.name)) return
    if (phase !== 'body' && !bench.isOpen('template')) {
      if (!hasWords(token.text)) return
      begin()
      if (phase === 'start') intoHead(null)
      intoBody(null)
    }
    if (current && current.space !== 'html' && !isHtmlPoint(current) && !isTextPoint(current)) return
    if (!columnText(bench, token.text)) bench.reconstruct()
  }

  return {
    stack,
    formatting: bench.formatting,
    top,
    made: () => state.made,
    isForeign: () => (top()?.space ?? 'html') !== 'html',
    take(token) {
      if (token.kind === 'start') return start(token)
      if (token.kind === 'end') end(token.name)
      else if (token.kind === 'text') text(token)
      else if (token.kind === 'doctype' && stack.length === 0) state.isQuirks = isQuirks(token.text)
      return 'data'
    },
  }
}

/** Whether a paragraph may hold a table. A doctype that is not known is in doubt. */
function isQuirks(doctype: string): boolean {
  if (/^\s*html\s*(?:system\s+["']about:legacy-compat["']\s*)?$/i.test(doctype)) return false
  if (/^\s*html\s+public/i.test(doctype) && STANDARD.test(doctype)) return false
  throw new SyntaxError('an old doctype')
}
