// JSON-LD of a page as a reader who has not paid may have it: rebuilt from what is allowed, never the page's own text.
import type { PageFacts } from './facts.ts'
import { ownArticles, shownNodes } from './schema.ts'
import type { Node } from './shapes.ts'
import { decoded, webAddress } from './text.ts'

/** As much as is looked at of a page. */
const RAW_LIMIT = 512 * 1024
/** What plugins write for one page, without the article's text, is below 10 KB. */
const SHOWN_LIMIT = 32 * 1024
/** More scripts of this kind stand on no honest page. */
const SCRIPTS = 20

/** One JSON-LD text rebuilt from allowed keys; null where it does not parse or says nothing that may be shown. */
export function rebuilt(raw: string): string | null {
  const nodes = nodesOf(raw)
  return nodes.length === 0 ? null : scriptOf(nodes)
}

/**
 * The same for all JSON-LD of a page with its article amended: isAccessibleForFree false and a hasPart with this
 * cssSelector; where no article is among them, one is made from `facts`. Returns texts for
 * `<script type="application/ld+json">` elements, `<` escaped.
 */
export function amended(raws: readonly string[], facts: PageFacts, cssSelector: string, url: string): string[] {
  const scripts = raws
    .slice(0, SCRIPTS)
    .map(nodesOf)
    .filter((nodes) => nodes.length > 0)
  const articles = ownArticles(scripts.flat(), url)
  for (const article of articles) Object.assign(article, paidPart(cssSelector))
  if (articles.length === 0) scripts.push([{ ...articleOf(facts, url), ...paidPart(cssSelector) }])
  return scripts.map(scriptOf)
}

const paidPart = (cssSelector: string): Node => ({
  isAccessibleForFree: false,
  hasPart: { '@type': 'WebPageElement', isAccessibleForFree: false, cssSelector },
})

function articleOf(facts: PageFacts, url: string): Node {
  const said = (key: string, value: string | null): Node => (value === null || value === '' ? {} : { [key]: value })
  return {
    '@type': 'Article',
    ...said('headline', facts.title),
    ...said('description', facts.description),
    ...said('image', facts.image),
    ...(facts.author === '' ? {} : { author: { '@type': 'Person', name: facts.author } }),
    ...said('datePublished', facts.publishedAt),
    ...(facts.siteName === '' ? {} : { publisher: { '@type': 'Organization', name: facts.siteName } }),
    ...said('inLanguage', facts.lang),
    ...said('url', webAddress(url, RAW_LIMIT)?.href ?? null),
  }
}

function scriptOf(nodes: readonly Node[]): string {
  const [first = {}] = nodes
  const says = nodes.length === 1 ? first : { '@graph': [...nodes] }
  // A `<` could end the script, or open a comment in it.
  return JSON.stringify({ '@context': 'https://schema.org', ...says }).replaceAll('<', '\\u003c')
}

/** The nodes of one JSON-LD text that may be shown; none where it cannot be read or there is too much of it. */
export function nodesOf(raw: string): Node[] {
  if (raw.length > RAW_LIMIT) return []
  const nodes = shownNodes(parsed(raw))
  return JSON.stringify(nodes).length > SHOWN_LIMIT ? [] : nodes
}

/** JSON as it should be; else as plugins write it: within CDATA or a comment, with line ends in texts, or escaped. */
function parsed(raw: string): unknown {
  const json = unwrapped(raw)
  const readings = [() => json, () => json.replace(/\p{Cc}/gu, ' ')]
  if (/^[{[]\s*&(?:quot|#0?34);/.test(json)) readings.push(() => decoded(json))
  for (const reading of readings) {
    try {
      return JSON.parse(reading())
    } catch {
      // Read the next way; what nobody can read is not shown.
    }
  }
  return null
}

/** What stands between the first bracket and the last one, where only marks of comments and CDATA are outside. */
function unwrapped(raw: string): string {
  const from = raw.search(/[{[]/)
  // `<![CDATA[` has brackets of its own.
  const start = raw.startsWith('[CDATA[', from) ? raw.slice(from + 7) : raw.slice(Math.max(from, 0))
  const first = start.search(/[{[]/)
  const last = Math.max(start.lastIndexOf('}'), start.replace(/\]\]>[^\]}]*$/, '').lastIndexOf(']'))
  return first < 0 || last < first ? raw : start.slice(first, last + 1)
}
