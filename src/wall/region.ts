// Which parts of a page are `select`: the publisher's own selector, or the built-in ones, the narrowest first.
import { matches, parseSelector, type Selector } from './select.ts'
import type { Element } from './tree.ts'

export type CutSettings = {
  /** Null: the built-in selectors. */
  select: Selector | null
  keep: number
}

const BUILT_IN: readonly Selector[] = [
  '[itemprop~=articleBody]',
  '.entry-content',
  '.wp-block-post-content',
  '.gh-content',
  '.field--name-body',
  'article',
  'main',
].map((text) => {
  const parsed = parseSelector(text)
  return parsed.ok ? parsed.value : []
})
/** Few classes are worth a look; a reference may hide one. */
const HINT = /entry-content|post-content|gh-content|field--name-body|&/
const MAIN = BUILT_IN.length - 1

/** The rank of an element that is `select`, 0 for the narrowest; null for others. */
export function rankOf({ select }: CutSettings, element: Element): number | null {
  if (element.token === null) return null
  if (select !== null) return matches(select, element) ? 0 : null
  const { attributes } = element.token
  const isOther = element.name !== 'article' && element.name !== 'main' && !attributes.has('itemprop')
  if (isOther && !HINT.test(attributes.get('class') ?? '')) return null
  const rank = BUILT_IN.findIndex((selector) => matches(selector, element))
  return rank === -1 ? null : rank
}

/** Whether a rank is that of an article's own text, by its name: cards and lists of articles have others. */
export const isNamed = (rank: number): boolean => rank < MAIN - 1

/** Whether nothing of a rank may leave behind a cut. All of a page may stand in `main`: it counts only where nothing narrower was found. */
export const isShut = (rank: number | null, chosen: number | null): boolean =>
  rank !== null && (rank !== MAIN || chosen === MAIN)
