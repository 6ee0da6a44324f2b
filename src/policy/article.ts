// The metadata of one article, as it is stored beside it: what it is called, what it costs, and what people do with it.
import * as z from 'zod/mini'
import { fail, ok, type Result } from '../errors.ts'
import { type Price, parseAmounts, parsePrice } from './rules.ts'

/** An article's own metadata. Where it is null the route's applies. */
export type Article = {
  title: string | null
  description: string | null
  contentType: string | null
  teaser: string | null
  price: Price | null
}

/** What people do with what is on sale: the words around it follow. */
export type Kind = 'read' | 'watch' | 'listen' | 'look'

/** By its content type; what is no film, recording or picture is read. */
export function kindOf(contentType: string): Kind {
  switch (/^\s*(\w+)\//.exec(contentType)?.[1]?.toLowerCase()) {
    case 'video':
      return 'watch'
    case 'audio':
      return 'listen'
    case 'image':
      return 'look'
    default:
      return 'read'
  }
}

const metadata = z.lazy(() =>
  z.object({
    title: z.optional(z.string()),
    description: z.optional(z.string()),
    contentType: z.optional(z.string()),
    price: z.optional(z.union([z.string(), z.array(z.string())])),
    teaser: z.optional(z.string()),
  }),
)

/** What is wrong with an article's metadata, for the publisher's log. */
export type ArticleProblem = { key: string; problem: string }

const listed = z.lazy(() => z.array(z.string()))

/** R2 keeps texts alone: there a list of prices is its JSON. */
function parseStored(price: string | string[]): Result<Price, string> {
  if (typeof price !== 'string') return parseAmounts(price)
  if (!price.startsWith('[')) return parsePrice(price)
  try {
    const parsed = z.safeParse(listed, JSON.parse(price))
    return parsed.success ? parseAmounts(parsed.data) : parsePrice(price)
  } catch {
    return parsePrice(price)
  }
}

/** An article's own metadata as it is stored. The error is for the publisher. */
export function parseArticle(key: string, raw: unknown): Result<Article, ArticleProblem> {
  const parsed = z.safeParse(metadata, raw ?? {})
  if (!parsed.success) return fail({ key, problem: 'its metadata is not a table of texts' })
  const { title, description, contentType, price, teaser } = parsed.data
  const own = price === undefined ? null : parseStored(price)
  if (own && !own.ok) return fail({ key, problem: `its price ${JSON.stringify(price)} cannot be read: ${own.error}` })
  return ok({
    title: title ?? null,
    description: description ?? null,
    contentType: contentType ?? null,
    teaser: teaser ?? null,
    price: own ? own.value : null,
  })
}
