// What leaves of a page whose cut is known: all of it up to the cut, cleaned, and behind it a narrow frame. A marked part
// never does.
import { attributeOf, isGone, isMarked, isStylesheet, isVoid, written } from './clean.ts'
import { emptyHead, type Head, isJsonLd, isKept, note, noteTitle, scriptOf } from './head.ts'
import type { Place } from './place.ts'
import { type CutSettings, isShut, rankOf } from './region.ts'
import type { Reading, StartTag, Token } from './tokens.ts'
import { type Element, HEADINGS, newTree, type Tree } from './tree.ts'

export type Passage = {
  tree: Tree
  head: Head
  /** Where the head began in all that has left so far. */
  headAt(): number | null
  take(token: Token): Reading
  /** What may leave since this was last asked. */
  out(): string
  /** Closes what is open in front of the card and cannot hold it. The next token may end more: a row ends a cell. */
  cut(next: Token | undefined): void
  /** Closes all. */
  close(): void
}

/** What may hold a card. */
const HOLDERS = new Set(
  'body div article section main aside header footer nav td th li dd blockquote figure form fieldset center address search hgroup'.split(
    ' ',
  ),
)
/** What a part of something stands in: a card would stand in the part before it. */
const TABLE = new Set(['table'])
const WHOLES: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ...['caption', 'colgroup', 'tbody', 'thead', 'tfoot', 'tr', 'td', 'th'].map((name): [string, ReadonlySet<string>] => [
    name,
    TABLE,
  ]),
  ['li', new Set(['ul', 'ol', 'menu'])],
  ['dt', new Set(['dl'])],
  ['dd', new Set(['dl'])],
])
/** Outside `select`, these are the frame. */
const FRAME = new Set(['footer', 'nav'])
const FRAME_ROLE = /^(?:contentinfo|navigation)$/
/** What seems to stand in one of these may stand elsewhere in the page: it is no frame. */
const NO_FRAME = new Set('table tbody thead tfoot tr a b big code em font i nobr s small strike strong tt u'.split(' '))
/** Of a title alone: its text and how it is set. */
const IN_TITLE = new Set('a b i em strong span small sub sup br wbr cite q abbr mark code u s bdi bdo time'.split(' '))
const LONGEST_TITLE = 300
/** No more than names and addresses of HTML's versions. */
const DOCTYPE = /^\s*html(?:\s[^<>]{0,200})?$/i

/** How an element passes: as all in front of the cut does, as of a bare `select`, or behind the cut. */
type Facts = {
  isShown: boolean
  /** Gone, marked or `select` behind the cut: nothing in it passes. */
  isShut: boolean
  isInFrame: boolean
  isBare: boolean
  isInTitle: boolean
}

/** In what is shut, all is. */
const SHUT: Facts = { isShown: false, isShut: true, isInFrame: false, isBare: false, isInTitle: false }

export function newPassage(settings: CutSettings, place: Place, jsonLdOf: (raw: string) => string | null): Passage {
  const head = emptyHead()
  const facts = new Map<Element, Facts>()
  /** The elements of which a start tag has left, and no end tag yet. */
  let shown: Element[] = []
  let text = ''
  let number = 0
  let isBehind = false
  let isSource = false
  let hasClosedShown = false
  let hasPicture = false
  let headAt: number | null = null
  let titleLength = 0

  const isBareNow = () => place.bareFrom !== null && number >= place.bareFrom && !isBehind

  function factsOf(
    token: StartTag | null,
    space: Element['space'],
    parent: Element | null,
    element: Element | null,
  ): Facts {
    const outer = parent ? facts.get(parent) : undefined
    if (outer?.isShut) return SHUT
    // In a drawing a script's text would be shown.
    const isOpenScript = token !== null && space === 'html' && (isKept(token) || isJsonLd(token))
    const isPaid = token !== null && isMarked(token, 'paid')
    const isOfSelect = isBehind && element !== null && isShut(rankOf(settings, element), place.rank)
    const shut = isPaid || isOfSelect || (token !== null && !isOpenScript && isGone(token, space))
    const isFrame =
      token !== null &&
      isBehind &&
      space === 'html' &&
      !NO_FRAME.has(token.name) &&
      (FRAME.has(token.name) ||
        (token.attributes.has('role') && FRAME_ROLE.test(attributeOf(token, 'role').trim())) ||
        isMarked(token, 'frame'))
    const isInFrame = outer?.isInFrame === true || isFrame
    const isBare = outer?.isBare === true || isBareNow()
    const name = token?.name ?? ''
    const isInTitle = isBare && space === 'html' && (name === 'h1' || (outer?.isInTitle === true && IN_TITLE.has(name)))
    return { isShown: false, isShut: shut, isInFrame, isBare, isInTitle }
  }

  function mayShow(token: StartTag, space: Element['space'], { isShut, isInFrame, isBare, isInTitle }: Facts): boolean {
    if (isShut || token.name === 'script') return false
    if (isBehind) return isInFrame || (space === 'html' && (token.name === 'style' || isStylesheet(token)))
    if (!isBare) return true
    if (isInTitle) return true
    if (space !== 'html' || hasPicture || token.name !== 'img') return false
    hasPicture = true
    return true
  }

  function opened(element: Element) {
    open(element)
    if (element.name === 'head' && element.space === 'html') headAt ??= text.length
  }

  function open(element: Element) {
    const { token, space, parent } = element
    const own = factsOf(token, space, parent, element)
    facts.set(element, own)
    if (token === null || !mayShow(token, space, own)) return
    own.isShown = true
    // In front of the cut tags leave as they stand, and what opens again opens again in the browser.
    if (!isBehind && !own.isBare) {
      if (isSource && token === source) text += written(token, space)
      return
    }
    text += written(token, space).replace(/\/>$/, '>')
    shown.push(element)
  }

  function closed(element: Element) {
    if (!facts.get(element)?.isShown) return
    hasClosedShown = true
    const index = shown.lastIndexOf(element)
    if (index === -1) return
    for (const open of shown.slice(index).reverse()) text += `</${open.name}>`
    shown = shown.slice(0, index)
  }

  let source: StartTag | null = null
  const tree: Tree = newTree({ opened, closed })
  const isOpenTop = () => {
    const top = tree.top()
    return !top || facts.get(top)?.isShut !== true
  }

  function start(token: StartTag): Reading {
    source = token
    isSource = true
    const reading = tree.take(token)
    isSource = false
    const made = tree.made()
    if (made === null) return reading
    // What says something of the page may itself not pass; what stands in something that is gone says nothing.
    if (!isBehind && made.space === 'html' && !(made.parent && facts.get(made.parent)?.isShut)) note(head, token)
    // Elements without content never stand on the stack.
    if (!facts.has(made) && isVoid(token.name === 'image' ? 'img' : token.name)) {
      const own = factsOf(token, made.space, made.parent, made)
      if (mayShow(token, made.space, own)) text += written(token, made.space)
    }
    return reading
  }

  function end(name: string, token: Token): Reading {
    const wasOpen = isOpenTop()
    const top = tree.top()
    const wasBare = isBareNow() && top !== undefined && facts.get(top)?.isBare === true
    const isScript = top?.name === 'script' && top.space === 'html'
    hasClosedShown = false
    const reading = tree.take(token)
    if (isBehind || isScript || wasBare) return reading
    if (hasClosedShown || wasOpen) text += `</${name}>`
    return reading
  }

  function words(raw: string, isPlain: boolean) {
    const top = tree.top()
    const own = top ? facts.get(top) : undefined
    if (!top || !own || own.isShut) return
    const isHtml = top.space === 'html'
    if (isHtml && top.name === 'script') {
      if (!isBehind && top.token) scripts.set(top, raw)
      return
    }
    if (isHtml && top.name === 'title' && !isBehind) noteTitle(head, raw)
    const isStyle = isHtml && top.name === 'style'
    if (isBareNow()) {
      if (!own.isInTitle || titleLength + raw.length > LONGEST_TITLE) return
      titleLength += raw.length
    } else if (isBehind && !(own.isInFrame || (isStyle && own.isShown))) return
    if (isStyle) text += raw
    else text += (isPlain ? raw.replaceAll('&', '&amp;') : raw).replaceAll('<', '&lt;')
  }

  const scripts = new Map<Element, string>()
  function afterScript(element: Element) {
    if (isBehind || !element.token || facts.get(element)?.isShut || facts.get(element)?.isBare) return
    text += scriptOf(head, element.token, scripts.get(element) ?? '', jsonLdOf)
  }

  return {
    tree,
    head,
    headAt: () => headAt,
    take(token) {
      if (!isBehind && number === place.at) throw new RangeError('past the cut')
      let reading: Reading = 'data'
      if (token.kind === 'start') reading = start(token)
      else if (token.kind === 'end') {
        const top = tree.top()
        const script = top?.name === 'script' && top.space === 'html' ? top : null
        reading = end(token.name, token)
        if (script) afterScript(script)
      } else if (token.kind === 'doctype') {
        const isFirst = tree.stack.length === 0
        reading = tree.take(token)
        if (isFirst && !isBehind && DOCTYPE.test(token.text)) text += `<!doctype${token.text}>`
      } else {
        reading = tree.take(token)
        if (token.kind === 'text') words(token.text, token.isPlain)
      }
      number += 1
      return reading
    },
    out() {
      const left = text
      text = ''
      return left
    },
    cut(next) {
      isBehind = true
      // What is open of `select` is shut from here on.
      let isShutFrom = false
      for (const element of tree.stack) {
        isShutFrom ||= isShut(rankOf(settings, element), place.rank)
        const own = facts.get(element)
        if (own && isShutFrom) facts.set(element, { ...own, isShut: true })
      }
      const open = tree.stack.filter((element) => element.token !== null && facts.get(element)?.isShown === true)
      const firstShut = open.findIndex((element) => facts.get(element)?.isBare)
      const whole = next?.kind === 'start' ? WHOLES.get(next.name) : undefined
      const firstPart = whole ? open.findLastIndex(({ name }) => whole.has(name)) : -1
      const holder = open.findLastIndex(
        (element, index) =>
          element.space === 'html' &&
          HOLDERS.has(element.name) &&
          (firstShut === -1 || index < firstShut) &&
          (firstPart === -1 || index < firstPart) &&
          !isInWorse(element),
      )
      for (const element of open.slice(holder + 1).reverse()) if (!isBodyOrRoot(element)) text += `</${element.name}>`
      const rest = tree.formatting.active().filter((element) => !open.slice(holder + 1).includes(element))
      for (const element of rest.reverse()) if (facts.get(element)?.isShown) text += `</${element.name}>`
      shown = open.filter((element, index) => (index <= holder && !rest.includes(element)) || isBodyOrRoot(element))
    },
    close() {
      for (const open of shown.reverse()) text += `</${open.name}>`
      shown = []
    },
  }
}

const isBodyOrRoot = ({ name, space }: Element) => space === 'html' && (name === 'body' || name === 'html')

/** Where a card would not be seen, or could not be used. */
const WORSE = new Set('button p a details dialog summary video audio canvas progress meter label option'.split(' '))

/** Whether a card here would stand in a link, a heading or a drawing. */
function isInWorse(element: Element): boolean {
  for (let outer = element.parent; outer; outer = outer.parent)
    if (outer.space !== 'html' || HEADINGS.has(outer.name) || WORSE.has(outer.name)) return true
  return false
}
