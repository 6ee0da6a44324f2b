// The list of a site's articles, as publishing keeps it in one value of KV, and what of it fits some words. It never sees an
// article's text. Pure.
import * as z from 'zod/mini'
import { oneLine } from '../wall/text.ts'

/** Articles have keys that begin with a slash. */
export const INDEX_KEY = 'newsstand:index'
/** Some thousands of articles. A longer list is not searched. */
export const LONGEST_INDEX = 2 * 1024 * 1024
const MOST_FOUND = 10
const MOST_WORDS = 8

const said = z.lazy(() => z.catch(z.optional(z.string()), undefined))
const listing = z.lazy(() =>
  z.object({
    path: z.string().check(z.regex(/^\/[^\s?#]{0,511}$/)),
    title: said,
    description: said,
    teaser: said,
  }),
)
const index = z.lazy(() => z.object({ articles: z.array(z.catch(z.nullable(listing), null)) }))

export type Listing = z.infer<typeof listing>
export type Found = { url: string; title: string; description: string; teaser: string }

/** Null where it cannot be read. What cannot be read in it is left out. */
export function readIndex(text: string): Listing[] | null {
  if (text.length > LONGEST_INDEX) return null
  try {
    const read = z.safeParse(index, JSON.parse(text))
    return read.success ? read.data.articles.filter((each) => each !== null) : null
  } catch {
    return null
  }
}

/** A card shows as much. */
const LONGEST = { title: 300, description: 500, teaser: 500 }

/** The articles in which every word stands, those with more of them in their titles first. */
export function search(articles: readonly Listing[], query: string, site: string): Found[] {
  const words = foldedWords(query).slice(0, MOST_WORDS)
  if (words.length === 0) return []
  return articles
    .map((article) => ({ article, score: scoreOf(article, words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, MOST_FOUND)
    .map(({ article: { path, title, description, teaser } }) => ({
      url: site + path,
      title: oneLine(title ?? '', LONGEST.title),
      description: oneLine(description ?? '', LONGEST.description),
      teaser: oneLine(teaser ?? '', LONGEST.teaser),
    }))
}

const folded = (text: string) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
const foldedWords = (text: string) => folded(text).match(/[\p{L}\p{N}]+/gu) ?? []

/** 0 where a word is missing. */
function scoreOf({ title = '', description = '', teaser = '' }: Listing, words: readonly string[]): number {
  const [inTitle, inRest] = [folded(title), folded(`${description} ${teaser}`)]
  const scores = words.map((word) => (inTitle.includes(word) ? 3 : 0) + (inRest.includes(word) ? 1 : 0))
  return scores.includes(0) ? 0 : scores.reduce((sum, score) => sum + score, 0)
}
