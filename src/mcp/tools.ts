// The tools of a site, and what they are given. Their descriptions are ours alone: nothing of an article stands in them. Pure.
import * as z from 'zod/mini'

export const INSTRUCTIONS =
  'Articles of this site. `read` gets one as text; where it is for sale, it answers with an x402 challenge, and is called again with the payment in _meta["x402/payment"]. A pass that came with a purchase is sent as Authorization: Bearer.'

const NO_ARGUMENTS = { type: 'object', properties: {}, additionalProperties: false } as const

const READ = {
  name: 'read',
  title: 'Read an article',
  description:
    'Reads one article of this site, as Markdown where it can be had. Give its path or its url. Articles may cost money: then the answer says what, and nothing is charged before a payment is sent.',
  inputSchema: {
    type: 'object',
    properties: {
      path: { type: 'string', description: 'The path on this site, such as /articles/hello' },
      url: { type: 'string', description: 'The whole address, instead of the path' },
    },
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
  _meta: { 'agents-x402/paymentRequired': true },
} as const

const PURCHASES = {
  name: 'purchases',
  title: 'What the pass opens',
  description: 'Lists what the pass opens that was sent as Authorization: Bearer, and until when. Free.',
  inputSchema: NO_ARGUMENTS,
  annotations: { readOnlyHint: true, openWorldHint: false },
} as const

const SEARCH = {
  name: 'search',
  title: 'Search the articles',
  description:
    'Searches the titles, descriptions and teasers of this site. Free. The texts of articles are not searched.',
  inputSchema: {
    type: 'object',
    properties: { query: { type: 'string', description: 'Words to look for' } },
    required: ['query'],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
} as const

/** What is offered: nothing can be searched where nothing is listed. */
export const toolsOf = (isListed: boolean): readonly unknown[] => [READ, PURCHASES, ...(isListed ? [SEARCH] : [])]

/** Longer than any path that is sold, with its query. */
const LONGEST_ADDRESS = 2048
const LONGEST_QUERY = 200

const address = z.lazy(() => z.optional(z.string().check(z.minLength(1), z.maxLength(LONGEST_ADDRESS))))
export const readArguments = z.strictObject({ path: address, url: address })
export const searchArguments = z.lazy(() =>
  z.strictObject({ query: z.string().check(z.minLength(1), z.maxLength(LONGEST_QUERY)) }),
)

export const toolCall = z.lazy(() =>
  z.object({ name: z.string(), arguments: z.optional(z.record(z.string(), z.unknown())) }),
)

/**
 * Path and query that a call names; null where it names none, or two, or another site's.
 *
 * @param sites origins that count as this site: its own, and the one that was asked
 */
export function addressIn({ path, url }: z.infer<typeof readArguments>, sites: readonly string[]): string | null {
  const [own = ''] = sites
  const named = [
    ...(path === undefined ? [] : [path.startsWith('/') && !path.startsWith('//') ? own + path : '']),
    ...(url === undefined ? [] : [url]),
  ].map((text) => (URL.canParse(text) ? new URL(text) : null))
  const places = new Set(
    named.map((place) => (place && sites.includes(place.origin) ? place.pathname + place.search : null)),
  )
  const [first = null] = places
  return places.size === 1 ? first : null
}
