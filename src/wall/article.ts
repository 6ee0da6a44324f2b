// The article in a page, as HTML of its own: what `select` names, with nothing in it that a reader does not see. Pure.
import { isGone, isMarked, isVoid, written } from './clean.ts'
import { type CutSettings, isNamed, rankOf } from './region.ts'
import { newTokenizer, type Reading, type StartTag, type Token } from './tokens.ts'
import { type Element, newTree, type Space, type Tree } from './tree.ts'

/** No text of an article stands in these: they are drawings, what is clicked on, and ways to other pages. */
const NO_TEXT = new Set(
  'style title svg nav form button select input label option dialog video audio canvas'.split(' '),
)

/** What is sold in these, where a publisher marks it as paid, has no Markdown. */
const NO_MARKDOWN = new Set('video audio iframe embed object canvas svg form'.split(' '))

/** In Markdown each line of these begins with a mark for each of them: what is deeper would be many times as long. */
const INDENTED = new Set(['blockquote', 'li', 'dd'])
const MOST_INDENTED = 12

/** One `select` of a page, as a part of the text that is written. `rank`: 0 for the narrowest. */
type Region = { element: Element; rank: number; from: number; to: number; letters: number }

/** What is marked as paid: where it stands in the text that is written. */
type Marked = { element: Element; from: number; to: number }

/** Behind every rank of `select`. */
const WHOLE_BODY = Number.POSITIVE_INFINITY

/**
 * The article of a page; null where there is none, where two browsers may read the page differently, and where it would not hold
 * all that is marked as paid.
 *
 * @param isArticle whether all of the page is the article where no `select` stands in it: what is stored here is one
 */
export function articleIn(html: string, select: CutSettings['select'], isArticle: boolean): string | null {
  try {
    return chosen(read(html, { select, keep: 0 }, isArticle), select !== null)
  } catch {
    return null
  }
}

type Found = { text: string; regions: readonly Region[]; marked: readonly Marked[] }

function read(html: string, settings: CutSettings, isArticle: boolean): Found {
  const pieces: string[] = []
  let length = 0
  const unseen = new Set<Element>()
  const indents = new Map<Element, number>()
  const open: Region[] = []
  const regions: Region[] = []
  const marked: Marked[] = []
  /** Those that are open, the innermost last. */
  const paid: Marked[] = []
  const write = (piece: string) => {
    pieces.push(piece)
    length += piece.length
  }
  const isUnseen = (token: StartTag | null, space: Space, parent: Element | null) =>
    (parent !== null && unseen.has(parent)) ||
    (token !== null && (NO_TEXT.has(token.name) || isGone(token, space) || isForNobody(token)))

  /** Throws where something that is marked as paid would not be in the Markdown. */
  function refuseLost({ name, token, space, parent }: Element): void {
    const isPaid = token !== null && isMarked(token, 'paid')
    const isHidden = isPaid && isUnseen(token, space, parent)
    if (isHidden || ((isPaid || paid.length > 0) && NO_MARKDOWN.has(name)))
      throw new Error('something that is paid for has no Markdown')
  }

  const tree: Tree = newTree({
    opened(element) {
      const { name, token, space, parent } = element
      refuseLost(element)
      if (token !== null && isMarked(token, 'paid')) paid.push({ element, from: length, to: length })
      if (isUnseen(token, space, parent)) {
        unseen.add(element)
        return
      }
      const indent = (parent === null ? 0 : (indents.get(parent) ?? 0)) + (INDENTED.has(name) ? 1 : 0)
      if (indent > MOST_INDENTED) throw new Error('quotes in quotes without end')
      if (indent > 0) indents.set(element, indent)
      const isBody = isArticle && name === 'body' && space === 'html'
      const rank = space === 'html' ? (rankOf(settings, element) ?? (isBody ? WHOLE_BODY : null)) : null
      if (rank !== null && !open.some((outer) => outer.rank === rank))
        open.push({ element, rank, from: length, to: length, letters: 0 })
      write(token === null ? `<${name}>` : written(token, space).replace(/\/>$/, '>'))
    },
    closed(element) {
      if (unseen.has(element)) return
      write(`</${element.name}>`)
      if (paid.at(-1)?.element === element) marked.push(...paid.splice(-1).map((one) => ({ ...one, to: length })))
      const at = open.findIndex((region) => region.element === element)
      const [region] = at === -1 ? [] : open.splice(at, 1)
      if (region) regions.push({ ...region, to: length })
    },
  })

  function take(token: Token): Reading {
    if (token.kind === 'start') {
      const reading = tree.take(token)
      const made = tree.made()
      // Elements without content never stand on the stack.
      if (made?.token !== token || !isVoid(token.name)) return reading
      refuseLost(made)
      const from = length
      if (!isUnseen(token, made.space, made.parent)) write(written(token, made.space))
      if (isMarked(token, 'paid')) marked.push({ element: made, from, to: length })
      return reading
    }
    const reading = tree.take(token)
    const top = tree.top()
    if (token.kind !== 'text' || !top || unseen.has(top)) return reading
    const { text, isPlain } = token
    write((isPlain ? text.replaceAll('&', '&amp;') : text).replaceAll('<', '&lt;'))
    const letters = text.match(/[\p{L}\p{N}]/gu)?.length ?? 0
    for (const region of open) region.letters += letters
    return reading
  }

  const tokenizer = newTokenizer({ take, isForeign: () => tree.isForeign() })
  tokenizer.push(html)
  tokenizer.end()
  // What the page leaves open ends with it.
  for (const region of open) regions.push({ ...region, to: length })
  marked.push(...paid.map((one) => ({ ...one, to: length })))
  return { text: pieces.join(''), regions, marked }
}

/** Signs beside words, for eyes alone. */
const isForNobody = ({ attributes }: StartTag): boolean => attributes.get('aria-hidden')?.trim() === 'true'

/**
 * The longest one of the narrowest rank. An article in several pieces has them beside each other; what else has the same name
 * is a comment, or a card of another article.
 */
function chosen({ text, regions, marked }: Found, isOwn: boolean): string | null {
  const full = regions.filter(({ letters }) => letters > 0)
  const rank = Math.min(...full.map((region) => region.rank))
  const same = full.filter((region) => region.rank === rank)
  const longest = same.reduce<Region | null>((best, next) => (best && best.letters >= next.letters ? best : next), null)
  if (longest === null) return null
  const hasPieces = rank !== WHOLE_BODY && isNamed(rank)
  const beside = hasPieces ? same.filter(({ element }) => element.parent === longest.element.parent) : [longest]
  // All that a publisher names is the article.
  const pieces = isOwn ? same : beside
  const isWhole = marked.every((one) => pieces.some(({ from, to }) => from <= one.from && one.to <= to))
  if (!isWhole) return null
  return pieces
    .sort((a, b) => a.from - b.from)
    .map(({ from, to }) => text.slice(from, to))
    .join('\n')
}
