// The head of a whole page, read for what it says of itself: its title and its metas. It reads no body and never throws.
import { decoded } from './text.ts'

/** What stands in a head. Texts are decoded, names are in small letters. */
export type Said = {
  title: string
  metas: readonly { name: string; content: string }[]
  links: readonly { rel: string; href: string }[]
  jsonLd: readonly string[]
  lang: string
}

/** Elements whose text is no markup; `noscript`, since browsers run scripts. */
const RAW = new Set(['script', 'style', 'textarea', 'noscript', 'xmp', 'iframe', 'noembed', 'noframes', 'title'])
/** A title in them is not the page's. */
const APART = new Set(['svg', 'math', 'template'])

/** What may stand in a head; with anything else the body begins. */
const IN_HEAD = new Set([...RAW, ...APART, 'html', 'head', 'meta', 'link', 'base'])

/** Title and metas of a page's head, as far as `html` goes. A title that has no end there is none. */
export function headOf(html: string): Pick<Said, 'title' | 'metas'> {
  const metas: { name: string; content: string }[] = []
  let title: string | null = null
  let apart = 0
  let at = html.indexOf('<')
  while (at >= 0) {
    const tag = tagAt(html, at)
    if (tag === null) break
    let end = tag.end
    if (APART.has(tag.name))
      apart = Math.max(0, apart + (tag.isEnd ? -1 : tag.isClosed && tag.name !== 'template' ? 0 : 1))
    else if (!tag.isEnd && RAW.has(tag.name)) {
      const close = endOfText(html, tag.name, end)
      if (close < 0) break
      if (tag.name === 'title' && apart === 0) title ??= decoded(html.slice(end, close))
      end = close
    } else if (tag.name === 'body' || (title !== null && apart === 0 && tag.name !== '' && !IN_HEAD.has(tag.name)))
      break
    else if (!tag.isEnd && tag.name === 'meta' && apart === 0) metas.push(...metaOf(tag.attributes))
    at = html.indexOf('<', end)
  }
  return { title: title ?? '', metas }
}

function metaOf(attributes: ReadonlyMap<string, string>): { name: string; content: string }[] {
  const name = attributes.get('property') ?? attributes.get('name')
  const content = attributes.get('content')
  return name === undefined || content === undefined ? [] : [{ name: name.trim().toLowerCase(), content }]
}

function endOfText(html: string, name: string, from: number): number {
  const close = new RegExp(`</${name}[\\s/>]`, 'gi')
  close.lastIndex = from
  return close.exec(html)?.index ?? -1
}

type Tag = { name: string; isEnd: boolean; isClosed: boolean; attributes: ReadonlyMap<string, string>; end: number }

const NO_TAG = { name: '', isEnd: false, isClosed: false, attributes: new Map<string, string>() }

/** The tag or comment at this `<`; null where it has no end. */
function tagAt(html: string, at: number): Tag | null {
  if (html.startsWith('<!--', at)) {
    const short = /^<!--(?:-?>)/.exec(html.slice(at, at + 6))
    if (short) return { ...NO_TAG, end: at + short[0].length }
    return closedBy(html, '-->', at + 4)
  }
  if (/^<[!?]|^<\/[^a-z]/i.test(html.slice(at, at + 3))) return closedBy(html, '>', at + 2)
  const opened = /^<(\/?)([a-z][^\s/>]*)/i.exec(html.slice(at, at + 64))
  if (!opened) return { ...NO_TAG, end: at + 1 }
  const [whole, slash, name = ''] = opened
  // Of other elements nobody asks for the attributes.
  const attributes = /^meta$/i.test(name) ? new Map<string, string>() : null
  const end = readAttributes(html, at + whole.length, attributes)
  if (end === null) return null
  return {
    ...NO_TAG,
    ...(attributes && { attributes }),
    name: name.toLowerCase(),
    isEnd: slash === '/',
    isClosed: html[end - 2] === '/',
    end,
  }
}

function closedBy(html: string, mark: string, from: number): Tag | null {
  const found = html.indexOf(mark, from)
  return found < 0 ? null : { ...NO_TAG, end: found + mark.length }
}

const NAME = /[\s/]*(?:>|([^\s/>][^\s/>=]*)(\s*=\s*)?)/y
const PLAIN = /[^\s>]*/y

/** Reads attributes up to the tag's `>`; the place behind it, or null where it never comes. */
function readAttributes(html: string, from: number, attributes: Map<string, string> | null): number | null {
  let at = from
  while (at < html.length) {
    NAME.lastIndex = at
    const named = NAME.exec(html)
    if (!named) return null
    at = NAME.lastIndex
    const [, name, equals] = named
    if (name === undefined) return at
    const [value, end] = equals === undefined ? ['', at] : valueAt(html, at)
    if (end === null) return null
    // The first one of a name counts.
    if (attributes && !attributes.has(name.toLowerCase())) attributes.set(name.toLowerCase(), decoded(value))
    at = end
  }
  return null
}

function valueAt(html: string, at: number): [value: string, end: number | null] {
  const quote = html.charAt(at)
  if (quote === '"' || quote === "'") {
    const close = html.indexOf(quote, at + 1)
    return close < 0 ? ['', null] : [html.slice(at + 1, close), close + 1]
  }
  PLAIN.lastIndex = at
  const value = PLAIN.exec(html)?.[0] ?? ''
  return [value, at + value.length]
}
