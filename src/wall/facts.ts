// What a page says of itself to those who show it: card, ledger, receipts, search engines and chats.
import { charsetOf } from './charset.ts'
import { nodesOf } from './jsonld.ts'
import { ownArticles } from './schema.ts'
import type { Json, Node } from './shapes.ts'
import { decoded, isoDate, languageTag, oneLine, webAddress } from './text.ts'
import { headOf, type Said } from './title.ts'

/** Texts are '' where the page does not say. `publishedAt` is ISO 8601, `lang` a language tag. */
export type PageFacts = {
  title: string
  description: string
  image: string | null
  author: string
  publishedAt: string
  siteName: string
  lang: string
}

/** Card and receipt show two lines of it. */
const TITLE = 300
/** A meta description. */
const DESCRIPTION = 500
const AUTHOR = 200
const SITE = 200
/** A title stands near the start; the rest of the answer streams on. */
export const TITLE_WITHIN = 64 * 1024
/** What ledger and receipts keep of a title. */
const SOLD_TITLE = 200
/** Pictures are often scaled by an address inside their address. */
const ADDRESS = 2000

/**
 * What a page says of itself: og:, article:, twitter:, name=author and description, JSON-LD, title (the site's name
 * behind a separator cut off where og:site_name says it). Every text is one line, without control or bidi-override
 * characters, bounded. The image is an absolute https URL on any host or null. `base`: the page's address.
 */
export function factsOf(head: Said, base: string): PageFacts {
  const { metas } = head
  const nodes = head.jsonLd.flatMap(nodesOf)
  const article = ownArticles(nodes, base)[0] ?? {}
  const siteName = oneLine(metaOf(metas, 'og:site_name'), SITE)
  const pictures = [
    ...PICTURES.flatMap((name) => metasOf(metas, name)),
    ...[article.image, article.thumbnailUrl].flatMap((said) => addressesOf(said, nodes)),
    ...head.links.filter(({ rel }) => rel.trim().toLowerCase() === 'image_src').map(({ href }) => href),
  ]
  return {
    title: titleFrom(metas, [textOf(article.headline), textOf(article.name), head.title]),
    description: oneLine(metaOf(metas, ...DESCRIPTIONS) || textOf(article.description), DESCRIPTION),
    image:
      pictures.map((said) => webAddress(said, ADDRESS, base)).find((url) => url?.protocol === 'https:')?.href ?? null,
    author: oneLine(authorFrom(metas) || namesOf(article.author ?? article.creator, nodes).join(', '), AUTHOR),
    publishedAt:
      DATES.flatMap((name) => metasOf(metas, name))
        .map(isoDate)
        .find((date) => date !== '') || textOf(article.datePublished),
    siteName: siteName || oneLine(namesOf(article.publisher, nodes)[0] ?? '', SITE),
    lang: languageTag(head.lang) || languageTag(metaOf(metas, 'og:locale')) || textOf(article.inLanguage),
  }
}

/**
 * The same title of a delivered answer's first 64 KB, for ledger and receipts: '' where none can be read. Cheap, never
 * throws, does not read JSON-LD; a title inside svg, comments, scripts or attributes does not count.
 */
export function titleOf(html: string): string {
  const { title, metas } = headOf(html.slice(0, TITLE_WITHIN))
  return titleFrom(metas, [title])
}

/** Whether a head ends in these bytes: what comes behind is sent on faster where nobody looks at it. */
export const endsHead = (bytes: Uint8Array): boolean =>
  /<\/head[\s>]|<body[\s>]/i.test(new TextDecoder('latin1').decode(bytes))

/** A title as ledger and receipts keep it: one line, bounded, without control characters. */
export const soldTitle = (title: string): string => oneLine(title, SOLD_TITLE)

/** The title in the first bytes of a page, for ledger and receipts; '' where none can be read. Never throws. */
export function titleInBytes(contentType: string, start: Uint8Array): string {
  const charset = charsetOf(contentType, start)
  if (charset === null) return ''
  const title = soldTitle(titleOf(new TextDecoder(charset).decode(start.subarray(0, TITLE_WITHIN))))
  // It is written in other letters than it says.
  return title.includes('\ufffd') ? '' : title
}

/**
 * What a head is given so that search engines and chats show the article: each only where the page has none of its own.
 * `present`: the names of its metas. Names with a colon that start with `og` stand in `property`.
 */
export function previewTags(
  facts: PageFacts,
  url: string,
  siteName: string,
  present: readonly string[],
): { name: string; content: string }[] {
  const has = new Set(present.map((name) => name.trim().toLowerCase()))
  const lacks = (...names: readonly string[]) => names.every((name) => !has.has(name))
  const tags = [
    { name: 'og:title', content: facts.title, isWanted: lacks('og:title') },
    { name: 'og:url', content: webAddress(url, ADDRESS)?.href ?? '', isWanted: lacks('og:url') },
    { name: 'og:site_name', content: oneLine(siteName, SITE), isWanted: lacks('og:site_name') },
    {
      name: 'og:image',
      content: facts.image ?? '',
      isWanted: lacks('og:image', 'og:image:url', 'og:image:secure_url'),
    },
    {
      name: 'twitter:card',
      content: facts.image === null ? 'summary' : 'summary_large_image',
      isWanted: lacks('twitter:card'),
    },
    // A page that says anything to robots has chosen: two such metas would be read together.
    { name: 'robots', content: 'max-image-preview:large', isWanted: lacks('robots') },
  ]
  return tags
    .filter(({ content, isWanted }) => isWanted && content !== '')
    .map(({ name, content }) => ({ name, content }))
}

type Metas = Said['metas']

const PICTURES = ['og:image:secure_url', 'og:image', 'og:image:url', 'twitter:image', 'twitter:image:src']
const DESCRIPTIONS = ['og:description', 'twitter:description', 'description'] as const
const DATES = [
  'article:published_time',
  'og:article:published_time',
  'date',
  'dc.date',
  'dc.date.issued',
  'parsely-pub-date',
]

/** What the metas of this name say, in their order. */
const metasOf = (metas: Metas, name: string) =>
  metas.filter((meta) => meta.name.toLowerCase() === name && meta.content.trim() !== '').map(({ content }) => content)

const metaOf = (metas: Metas, ...names: readonly string[]) => names.flatMap((name) => metasOf(metas, name))[0] ?? ''

function titleFrom(metas: Metas, others: readonly string[]): string {
  const siteName = oneLine(metaOf(metas, 'og:site_name'), SITE)
  const titles = [metaOf(metas, 'og:title'), metaOf(metas, 'twitter:title'), ...others]
  const lines = titles.map((title) => withoutSite(oneLine(title, TITLE + SITE), siteName))
  return oneLine(lines.find((line) => line !== '') ?? '', TITLE)
}

/** `Harbour reopens | The Example` is `Harbour reopens` where the site is called The Example. */
function withoutSite(title: string, siteName: string): string {
  if (siteName === '' || !title.toLowerCase().endsWith(siteName.toLowerCase())) return title
  const before = title.slice(0, title.length - siteName.length)
  const cut = before.replace(/\s[|\-–—―·•«»:/~⋆]{1,2}\s*$|[|｜]\s*$/, '').trim()
  return cut === '' || cut === before.trim() ? title : cut
}

/** Names alone: some write the address of a profile there. */
function authorFrom(metas: Metas): string {
  const names = ['article:author', 'author'].map((name) =>
    metasOf(metas, name).filter((text) => !/^\s*(?:https?:)?\/\//i.test(text)),
  )
  return [...new Set(names.find((some) => some.length > 0) ?? [])].slice(0, 20).join(', ')
}

/** A text of JSON-LD, where it is often escaped once more; of a list the first. */
function textOf(said: Json | undefined): string {
  const first = Array.isArray(said) ? said[0] : said
  return typeof first === 'string' ? decoded(first) : ''
}

const listOf = (said: Json | undefined): Json[] => (said === undefined ? [] : Array.isArray(said) ? said : [said])

/** The node itself, or the one of the page that it names. */
function found(said: Json, nodes: readonly Node[]): Node | null {
  if (typeof said !== 'object' || Array.isArray(said)) return null
  const isNameAlone = Object.keys(said).every((key) => key === '@id' || key === '@type')
  return isNameAlone ? (nodes.find((node) => node['@id'] === said['@id']) ?? said) : said
}

const namesOf = (said: Json | undefined, nodes: readonly Node[]): string[] =>
  listOf(said)
    .map((one) => textOf(typeof one === 'string' ? one : found(one, nodes)?.name))
    .filter((name) => name !== '')

const addressesOf = (said: Json | undefined, nodes: readonly Node[]): string[] =>
  listOf(said)
    .map((one) => {
      const node = found(one, nodes)
      return textOf(typeof one === 'string' ? one : (node?.url ?? node?.contentUrl ?? node?.['@id']))
    })
    .filter((address) => address !== '')
