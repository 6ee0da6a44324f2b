// A page as readers see it, and every place in it where text can lie that they do not see. Pure: nothing is asked.
import { type DefaultTreeAdapterTypes, defaultTreeAdapter, parse, parseFragment } from 'parse5'
import { hidingRules, isHidden, type Rule } from './hiding.ts'

type Node = DefaultTreeAdapterTypes.Node
type Element = DefaultTreeAdapterTypes.Element

/** One stretch of visible text: a paragraph, a heading, a cell, a caption. */
export type Block = {
  text: string
  kind: 'text' | 'cell' | 'caption'
  /** The row of a cell, counted over the page. */
  row: number
  /** In a `nav` or `footer` outside the article. */
  isFrame: boolean
  /** A first heading, or a link that is no paragraph: what other pages show of a page. */
  isHeadline: boolean
}

/** A place in an answer, in words that follow "stands in". `isHead`: title, description and `og:`, which are meant for all. */
export type Spot = { where: string; text: string; isHead: boolean }

/** The place of what a parser leaves out. */
export const SOURCE = 'its source'

export type Link = { rel: string; href: string }

export type Page = { blocks: Block[]; spots: Spot[]; links: Link[] }

/** Their text is no text of the page; each is a place of its own. */
const APART = new Set(['script', 'style', 'noscript', 'iframe', 'noembed', 'noframes', 'title', 'object'])

/** Elements that do not end a line. */
const INLINE = new Set(
  'a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rb rp rt ruby s samp slot small span strike strong sub sup time tt u var wbr'.split(
    ' ',
  ),
)

const ARTICLE = /^(?:article|main)$/
const ARTICLE_CLASS = /(?:^|\s)(?:entry-content|wp-block-post-content|gh-content|field--name-body)(?:\s|$)/
const FRAME = /^(?:nav|footer)$/
const FRAME_ROLE = /^(?:navigation|contentinfo)$/i
const HEAD_META = /^(?:description$|og:|twitter:)/i

/** What an element hands down to what is in it. */
type Inherited = {
  /** What hides it, in words; null where it can be seen. */
  hiddenBy: string | null
  isFrame: boolean
  inArticle: boolean
  inLink: boolean
  inParagraph: boolean
  inHeading: boolean
  kind: Block['kind']
  row: number
}

const OUTERMOST: Inherited = {
  hiddenBy: null,
  isFrame: false,
  inArticle: false,
  inLink: false,
  inParagraph: false,
  inHeading: false,
  kind: 'text',
  row: 0,
}

/** Reads a whole document. */
export function readPage(html: string): Page {
  const document = parse(html)
  const page = readTree(document)
  page.spots.push({ where: SOURCE, text: withoutTags(html), isHead: false })
  return page
}

/** All texts of a piece of HTML that lies within something else, seen and unseen. */
export const textsOfFragment = (html: string): string[] => readTree(parseFragment(html)).spots.map(({ text }) => text)

/** An answer that is no page: it shows its lines. */
export function readPlain(text: string): Page {
  const blocks = text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line): Block => ({ text: line, kind: 'text', row: 0, isFrame: false, isHeadline: false }))
  return { blocks, spots: [{ where: 'its body', text, isHead: false }], links: [] }
}

type Step = { node: Node; inherited: Inherited } | { lineOf: Inherited }

/** A stack of its own, since pages may be nested deeper than functions may call themselves. */
function readTree(root: Node): Page {
  const page: Page = { blocks: [], spots: [], links: [] }
  const rules = hidingRules(root)
  const hidden = new Map<string, string[]>()
  let line = ''
  let isHeadline = true
  let rows = 0
  const endLine = ({ hiddenBy, kind, row, isFrame }: Inherited) => {
    const text = line.replace(/\s+/g, ' ').trim()
    line = ''
    const wasHeadline = isHeadline
    isHeadline = true
    if (text === '') return
    if (hiddenBy === null) page.blocks.push({ text, kind, row, isFrame, isHeadline: wasHeadline })
    else hidden.set(hiddenBy, [...(hidden.get(hiddenBy) ?? []), text])
  }
  const stack: Step[] = [{ node: root, inherited: OUTERMOST }]
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    if ('lineOf' in step) {
      endLine(step.lineOf)
      continue
    }
    const { node, inherited } = step
    if (defaultTreeAdapter.isTextNode(node)) {
      line += node.value
      const { inHeading, inLink, inParagraph } = inherited
      if (node.value.trim() !== '') isHeadline &&= inHeading || (inLink && !inParagraph)
    } else if (defaultTreeAdapter.isCommentNode(node)) {
      page.spots.push({ where: 'a comment', text: node.data, isHead: false })
    } else if (defaultTreeAdapter.isElementNode(node)) {
      page.spots.push(...spotsOfAttributes(node))
      if (node.tagName === 'link') page.links.push(linkOf(node))
      if (APART.has(node.tagName)) {
        page.spots.push(apart(node))
        continue
      }
      if (node.tagName === 'tr') rows += 1
      const inner = inheritedIn(node, inherited, rules, rows)
      const isLine = !INLINE.has(node.tagName) || inner.hiddenBy !== inherited.hiddenBy
      if (isLine) endLine(inherited)
      if (isLine) stack.push({ lineOf: inner })
      pushChildren(stack, node, inner)
    } else {
      pushChildren(stack, node, inherited)
    }
  }
  endLine(OUTERMOST)
  page.spots.unshift({ where: 'the text that it shows', text: textOf(page.blocks), isHead: false })
  for (const [where, texts] of hidden) page.spots.push({ where, text: texts.join('\n'), isHead: false })
  return page
}

export const textOf = (blocks: readonly Block[]): string => blocks.map(({ text }) => text).join('\n')

function pushChildren(stack: Step[], node: Node, inherited: Inherited): void {
  const children: Node[] = 'childNodes' in node ? [...node.childNodes] : []
  if ('content' in node) children.push(node.content)
  for (const child of children.reverse()) stack.push({ node: child, inherited })
}

function inheritedIn(element: Element, outer: Inherited, rules: readonly Rule[], row: number): Inherited {
  const { tagName } = element
  const isArticle =
    ARTICLE.test(tagName) ||
    ARTICLE_CLASS.test(attribute(element, 'class')) ||
    /\barticleBody\b/.test(attribute(element, 'itemprop'))
  const inArticle = outer.inArticle || isArticle
  const isFrame =
    FRAME.test(tagName) ||
    FRAME_ROLE.test(attribute(element, 'role')) ||
    attribute(element, 'data-newsstand') === 'frame'
  return {
    hiddenBy: outer.hiddenBy ?? hiderOf(element, rules),
    inArticle,
    isFrame: outer.isFrame || (isFrame && !inArticle),
    inLink: outer.inLink || tagName === 'a',
    inParagraph: outer.inParagraph || tagName === 'p',
    inHeading: outer.inHeading || tagName === 'h1',
    kind: /^t[dh]$/.test(tagName) ? 'cell' : /^(?:fig)?caption$/.test(tagName) ? 'caption' : outer.kind,
    row: tagName === 'tr' ? row : outer.row,
  }
}

/** A template is shown where it is a shadow root of the page. */
function hiderOf(element: Element, rules: readonly Rule[]): string | null {
  const { tagName } = element
  if (tagName === 'template')
    return /^(?:open|closed)$/i.test(attribute(element, 'shadowrootmode')) ? null : '<template>'
  return isHidden(element, rules) ? `a hidden <${tagName}>` : null
}

function apart(element: Element): Spot {
  const { tagName } = element
  const type = attribute(element, 'type')
  const isHead = tagName === 'title' && element.namespaceURI === 'http://www.w3.org/1999/xhtml'
  return { where: `<${tagName}${type === '' ? '' : ` type="${type}"`}>`, text: allText(element), isHead }
}

function allText(element: Element): string {
  const texts: string[] = []
  const stack: Node[] = [element]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (defaultTreeAdapter.isTextNode(node)) texts.push(node.value)
    if ('childNodes' in node) stack.push(...[...node.childNodes].reverse())
  }
  return texts.join('')
}

/** One word alone is no text, but for a long one, which may be an encoded one. */
const MAY_BE_TEXT = /[^\w-]|^.{24,}$/s

function spotsOfAttributes(element: Element): Spot[] {
  const { tagName, attrs } = element
  const name = attribute(element, 'name') || attribute(element, 'property') || attribute(element, 'itemprop')
  return attrs
    .filter(({ value }) => MAY_BE_TEXT.test(value))
    .map((attr) =>
      tagName === 'meta' && attr.name === 'content'
        ? { where: `<meta ${name}>`, text: attr.value, isHead: HEAD_META.test(name) }
        : { where: `the attribute ${attr.name} of <${tagName}>`, text: attr.value, isHead: false },
    )
}

const linkOf = (element: Element): Link => ({ rel: attribute(element, 'rel'), href: attribute(element, 'href') })

export const attribute = ({ attrs }: Element, name: string): string =>
  attrs.find((attr) => attr.name === name)?.value ?? ''

/** What a parser leaves out, such as odd names of attributes, still stands there. */
function withoutTags(html: string): string {
  const inline = [...INLINE].join('|')
  return html.replace(new RegExp(`</?(?:${inline})(?:\\s[^<>]{0,200})?>`, 'gi'), '')
}
