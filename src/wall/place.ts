// Where the cut is: at the first marked part, else behind some paragraphs of `select`. It looks at tokens as they come and
// lets nothing out.
import { attributeOf, isGone, isMarked } from './clean.ts'
import { decoded } from './references.ts'
import { type CutSettings, isNamed, rankOf } from './region.ts'
import type { Reading, StartTag, Token } from './tokens.ts'
import { type Element, newTree, type Tree } from './tree.ts'

export type Place = {
  /** The card stands before the token of this number. */
  at: number
  /** From this token on, only title and picture of `select` pass. Null: all of it does. */
  bareFrom: number | null
  /** The rank of the `select` that was cut; null: a marked part was met. */
  rank: number | null
}

export type Search = {
  tree: Tree
  /** Throws where there may be no cut. */
  look(token: Token): Reading
  /** Null until it is known. */
  place(): Place | null
  /** At the end of the page. */
  last(): Place | null
}

/** Paragraphs in these are no paragraphs of the article. */
const ASIDE = new Set(['figure', 'blockquote', 'aside', 'li', 'table'])
/** Where well-known frameworks put a page: empty, a script would have to write it. */
const ROOTS = new Set(['__next', 'root', '__nuxt', '___gatsby'])
/** Marked, these are not where a reader would miss something. */
const UNSEEN = new Set(['script', 'style', 'link', 'meta', 'template', 'noscript', 'title', 'base'])

/** `isOther`: of a comment or a card in the article. */
type Facts = { isGone: boolean; isProse: boolean; isOther: boolean; asides: number; isInTemplate: boolean }
/** What has been seen of one `select`. */
type Region = {
  element: Element
  rank: number
  from: number
  asides: number
  /** Characters of words so far. */
  seen: number
  /** Behind each of the first paragraphs: the token, and what had been seen. */
  ends: { at: number; seen: number }[]
  /** Of `seen`, what is neither in a paragraph nor in the title. */
  loose: number
  /** Letters of texts that stand in front of it. */
  front: number
}

/** More than a byline, a caption and some key points have: beside the paragraphs, no more than this is shown. */
const MOST_LOOSE = 600
/** An article of a page that has no title so far, and is shorter, may be a card of another one. */
const LONGEST_CARD = 600
/** More letters in front of what seems to be the article than a banner and a standfirst have: then the article is elsewhere. */
const MOST_IN_FRONT = 1_000
/** What stands in these is no text of an article. */
const NO_PROSE = new Set('nav a h1 h2 h3 h4 h5 h6 button label option'.split(' '))

export function newSearch(settings: CutSettings): Search {
  const { keep } = settings
  const facts = new Map<Element, Facts>()
  const regions: Region[] = []
  /**
   * The article, where it ended before there was a cut; comments and cards behind it are none. One that may be a card itself is
   * forgotten as soon as the page has its title.
   */
  let spare: (Region & { to: number; isCertain: boolean; prose: number }) | null = null
  /** Letters of texts so far, wherever they stand. */
  let prose = 0
  const paragraphs = new Map<Element, boolean>()
  const roots = new Map<Element, number>()
  /** Texts with words so far. */
  let allText = 0
  let number = 0
  let isEndOfParagraph = false
  let hasTitle = false
  let place: Place | null = null

  function opened(element: Element) {
    const { parent, token } = element
    const outer = parent ? facts.get(parent) : undefined
    const isAside = element.space === 'html' && ASIDE.has(element.name)
    const own: Facts = {
      isGone: outer?.isGone === true || (token !== null && isGone(token, element.space)),
      isProse: outer?.isProse !== false && !NO_PROSE.has(element.name),
      isOther: outer?.isOther === true,
      asides: (outer?.asides ?? 0) + (isAside ? 1 : 0),
      isInTemplate: outer?.isInTemplate === true || (element.name === 'template' && element.space === 'html'),
    }
    facts.set(element, own)
    if (token === null || own.isGone) return
    if (ROOTS.has(attributeOf(token, 'id'))) roots.set(element, allText)
    if (element.name === 'h1' && element.space === 'html') {
      hasTitle = true
      if (spare?.isCertain === false) spare = null
    }
    const region = regions.at(-1)
    if (element.space === 'html' && element.name === 'p' && region && own.asides === region.asides && !own.isOther)
      paragraphs.set(element, false)
    enter(element, own)
  }

  function enter(element: Element, own: Facts) {
    const rank = rankOf(settings, element)
    const outer = regions.at(-1)
    if (rank === null || element.space !== 'html') return
    // In an article that has begun, these are comments and cards: they are none of it, and none of it is shown behind them.
    if (outer && !isNamed(rank) && outer.seen > LONGEST_CARD) {
      own.isOther = true
      outer.loose = Number.POSITIVE_INFINITY
      return
    }
    if (outer && (settings.select !== null || rank >= outer.rank)) return
    const { asides } = own
    // An article in several pieces goes on, one beside the other.
    const isPiece = spare !== null && spare.rank === rank && isNamed(rank) && spare.element.parent === element.parent
    const before = isPiece ? spare : null
    if (before) spare = null
    const { from, seen, ends, loose } = before ?? { from: number + 1, seen: 0, ends: [], loose: 0 }
    const front = before ? before.front + prose - before.prose : prose
    regions.push({ element, rank, from, asides, seen, ends, loose, front })
    if (element.name === 'p') paragraphs.set(element, false)
  }

  function closed(element: Element) {
    const before = roots.get(element)
    if (before === allText) throw new SyntaxError('a script writes this page')
    const region = regions.at(-1)
    if (paragraphs.get(element) && region && region.ends.length < keep && !isFull(region))
      region.ends.push({ at: isEndOfParagraph ? number + 1 : number, seen: region.seen })
    paragraphs.delete(element)
    if (region?.element !== element) return
    leave(region)
  }

  /** Whether no more of it may be shown. */
  const isFull = ({ ends, loose }: Region) => ends.length >= Math.max(keep, 1) || loose > MOST_LOOSE
  const isCertain = ({ rank, seen }: Region) =>
    settings.select !== null || isNamed(rank) || hasTitle || seen > LONGEST_CARD

  function leave(region: Region) {
    regions.pop()
    if (place !== null || spare !== null) return
    // The publisher's own selector is taken at its word; what has the name of an article's text may go on in a further piece.
    const isWhole = settings.select !== null || (isFull(region) && isCertain(region) && !isNamed(region.rank))
    if (isWhole) decide(region, atEndOf(region, number))
    else spare = { ...region, to: number, isCertain: isCertain(region), prose }
  }

  function decide({ front }: Region, found: Place) {
    if (settings.select === null && front > MOST_IN_FRONT) throw new SyntaxError('the article is somewhere else')
    place = found
  }

  /** The furthest cut behind which at least as much follows as was shown; else title and picture. */
  function atEndOf({ ends, seen, from, rank }: Region, to: number): Place {
    const end = ends.findLast((paragraph) => seen >= 2 * paragraph.seen)
    return end ? { at: end.at, bareFrom: null, rank } : { at: to, bareFrom: from, rank }
  }

  function text(raw: string) {
    const top = tree.top()
    if (!top || facts.get(top)?.isGone || top.name === 'style' || top.name === 'title') return
    const seen = decoded(raw)
    if (!/[\p{L}\p{N}]/u.test(seen)) return
    allText += 1
    const region = regions.at(-1)
    const { length } = seen.replace(/[^\p{L}\p{N}]+/gu, '')
    const own = facts.get(top)
    if (own?.isProse) prose += length
    if (!region || own?.isOther) return
    region.seen += length
    let isLoose = true
    for (let element: Element | null = top; element; element = element === region.element ? null : element.parent) {
      if (element.name === 'h1') isLoose = false
      if (!paragraphs.has(element)) continue
      paragraphs.set(element, true)
      isLoose = false
    }
    if (isLoose) region.loose += length
    const end = spare === null && isFull(region) && isCertain(region) ? region.ends.at(-1) : undefined
    if (end && region.seen >= 2 * end.seen) decide(region, { at: end.at, bareFrom: null, rank: region.rank })
  }

  /** Whether a marked part begins here, where a reader sees it. */
  function isPaid(token: StartTag): boolean {
    if (!isMarked(token, 'paid')) return false
    if (token.name === 'html' || token.name === 'body' || token.name === 'head')
      throw new SyntaxError('all of the page is marked')
    const top = tree.top()
    return !UNSEEN.has(token.name) && !(top && facts.get(top)?.isInTemplate)
  }

  const tree: Tree = newTree({ opened, closed })
  return {
    tree,
    place: () => place,
    look(token) {
      isEndOfParagraph = token.kind === 'end' && token.name === 'p'
      if (token.kind === 'start') {
        if (token.name === 'html' && (token.attributes.has('amp') || token.attributes.has('\u26a1')))
          throw new SyntaxError('AMP')
        if (isPaid(token)) place = { at: number, bareFrom: null, rank: null }
      }
      if (token.kind === 'text') {
        if (tree.top()?.name === 'noscript' && token.text.includes('newsstand'))
          throw new SyntaxError('a mark in a noscript')
      }
      const reading = tree.take(token)
      if (token.kind === 'text' && place === null) text(token.text)
      number += 1
      return reading
    },
    last() {
      for (const [element, before] of roots)
        if (before === allText && tree.stack.includes(element)) throw new SyntaxError('a script writes this page')
      while (place === null && regions.length > 0) {
        const region = regions.at(-1)
        if (region) leave(region)
      }
      if (place === null && spare) decide(spare, atEndOf(spare, spare.to))
      return place
    },
  }
}
