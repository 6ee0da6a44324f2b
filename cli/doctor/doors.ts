// Addresses that often show the text of a page beside its own, by the habits of publishing systems. Pure.
import type { Link } from './text.ts'

/** `name`: as people know it. */
export type Door = { url: URL; name: string; headers?: Record<string, string> }

/** What a page says of itself: its links, and the number of its build. */
export type Hints = { links: readonly Link[]; build: string | null }

/** Links of the head that lead to the same text in another form. */
const RELATED = /(?:^|\s)(?:alternate|amphtml|shortlink|https:\/\/api\.w\.org\/)(?:\s|$)/i
/** A page in many languages names each. */
const MOST_LINKS = 12

/** Whose name is the same but for `www.`; a redirect within the site stays there. */
export const isSameSite = (one: URL, other: URL): boolean => bare(one.host) === bare(other.host)

const bare = (host: string): string => host.replace(/^www\./, '')

/** All doors of one address, each once; the address itself is none of them but asked for in another form. */
export function doorsOf(page: URL, hints: Hints): Door[] {
  const doors = [...named(page, hints), ...again(page), ...ofPage(page), ...ofSystems(page, hints), ...ofSite(page)]
  const seen = new Set<string>()
  return doors.filter(({ url, headers }) => {
    const key = `${url.href} ${JSON.stringify(headers ?? {})}`
    if (seen.has(key) || !isSameSite(url, page) || (url.href === page.href && headers === undefined)) return false
    seen.add(key)
    return true
  })
}

function named(page: URL, { links }: Hints): Door[] {
  return links
    .filter(({ rel, href }) => RELATED.test(rel) && URL.canParse(href, page.href))
    .map(({ rel, href }) => ({
      url: withoutFragment(new URL(href, page)),
      name: `link rel=${rel.replace(/[^\w :/.-]/g, '').slice(0, 30)}`,
    }))
    .filter(({ url }) => /^https?:$/.test(url.protocol))
    .slice(0, MOST_LINKS)
}

/** The same address for others than browsers. */
const again = (page: URL): Door[] => [
  { url: page, name: 'the address, as JSON', headers: { Accept: 'application/json' } },
  { url: page, name: 'the address, as text', headers: { Accept: 'text/markdown, text/plain' } },
  { url: page, name: 'the address, as a part of Next.js', headers: { Accept: 'text/x-component', RSC: '1' } },
]

/** Other forms of the page, below or beside its path. */
function ofPage(page: URL): Door[] {
  const path = pathOf(page)
  const at = (to: string): URL => {
    const url = new URL(page)
    url.pathname = to
    return url
  }
  const beside = (end: string): Door[] => (path === '' ? [] : [{ url: at(path + end), name: end }])
  return [
    { url: at(`${path}/amp`), name: 'AMP' },
    { url: asked(page, 'amp', '1'), name: 'AMP' },
    { url: at(`/amp${path}`), name: 'AMP' },
    { url: at(`/print${path}`), name: 'print' },
    { url: asked(page, 'print', '1'), name: 'print' },
    { url: asked(page, '_rsc', '1'), name: 'Next.js, with _rsc', headers: { Accept: 'text/x-component', RSC: '1' } },
    ...['/_payload.json', '/page-data.json', '/__data.json'].map((end) => ({
      url: at(path + end),
      name: end.slice(1),
    })),
    { url: at(`/page-data${path === '' ? '/index' : path}/page-data.json`), name: 'page-data.json' },
    { url: at(`${path}/index.html`), name: 'index.html' },
    ...beside('.md'),
    ...beside('.html'),
    ...otherHosts(page),
  ]
}

/** Interfaces that are asked by the name of the article or by its address. */
function ofSystems(page: URL, { build }: Hints): Door[] {
  const path = pathOf(page)
  const slug = encodeURIComponent(decoded(path.split('/').at(-1) ?? ''))
  const address = encodeURIComponent(page.href)
  const at = (to: string): URL => new URL(to, page.origin)
  return [
    ...(slug === ''
      ? []
      : [
          { url: at(`/wp-json/wp/v2/posts?slug=${slug}`), name: 'WordPress' },
          { url: at(`/?rest_route=/wp/v2/posts&slug=${slug}`), name: 'WordPress' },
        ]),
    { url: at(`/wp-json/oembed/1.0/embed?url=${address}`), name: 'oEmbed' },
    ...(build === null
      ? []
      : [{ url: at(`/_next/data/${build}${path === '' ? '/index' : path}.json${page.search}`), name: 'Next.js' }]),
  ]
}

const FEEDS = ['/feed', '/feed/', '/rss', '/rss.xml', '/atom.xml', '/feed.json', '/index.xml']

const ofSite = (page: URL): Door[] => FEEDS.map((path) => ({ url: new URL(path, page.origin), name: 'feed' }))

/** Numbers and names of this machine have no `www.`. */
function otherHosts(page: URL): Door[] {
  if (/^[\d.]+$|:|^localhost$|\.localhost$/.test(page.hostname)) return []
  const url = new URL(page)
  url.hostname = page.hostname.startsWith('www.') ? page.hostname.slice(4) : `www.${page.hostname}`
  return [{ url, name: 'the other host' }]
}

/** Without its last slash; empty for the front page. */
const pathOf = ({ pathname }: URL): string => pathname.replace(/\/+$/, '')

function asked(page: URL, name: string, value: string): URL {
  const url = new URL(page)
  url.searchParams.append(name, value)
  return url
}

function withoutFragment(url: URL): URL {
  url.hash = ''
  return url
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The number of a Next.js build, from its state or from the addresses of its scripts. */
export function buildIn(html: string): string | null {
  const found =
    /"buildId"\s*:\s*"([\w-]{1,64})"/.exec(html) ?? /\/_next\/static\/([\w-]{1,64})\/_(?:build|ssg)Manifest/.exec(html)
  return found?.[1] ?? null
}

/** What the header `Link` names. */
export function linksInHeader(header: string): Link[] {
  return [...header.matchAll(/<([^<>]{1,2000})>([^<]{0,500})/g)].flatMap(([, href = '', rest = '']) => {
    const rel = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,]+))/i.exec(rest)
    return rel ? [{ href, rel: rel[1] ?? rel[2] ?? '' }] : []
  })
}
