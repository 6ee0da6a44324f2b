// Shapes: what of one value out of a page's JSON-LD may be shown, short and plain. The keys they stand under: schema.ts.
import { isoDate, languageTag, oneLine, shortLine, webAddress } from './text.ts'

export type Json = string | number | boolean | Json[] | Node
export type Node = { [key: string]: Json }

/** What may be shown of a value; null where nothing may. */
export type Shape = (value: unknown) => Json | null
/** A table of JSON: neither null nor a list. */
export const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A key of the table itself: `__proto__` and what tables inherit are none. */
export function own(table: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

// Shapes of one value.

const ofText =
  (read: (text: string) => string): Shape =>
  (value) =>
    (typeof value === 'string' && read(value)) || null

/** A text that may be long and is cut. */
export const cut = (max: number) => ofText((text) => oneLine(text, max))

/** A text that is short by its nature: what is longer is something else, and goes. */
export const short = (max: number) => ofText((text) => shortLine(text, max))

export const date = ofText(isoDate)
export const language = ofText(languageTag)
export const yesOrNo: Shape = (value) => (typeof value === 'boolean' ? value : null)

/** A count or a size, also as a text of digits. */
export const number: Shape = (value) => {
  const read = typeof value === 'string' && /^\d{1,7}(?:px)?$/.test(value) ? Number.parseInt(value, 10) : value
  return typeof read === 'number' && Number.isSafeInteger(read) && read >= 0 && read < 10_000_000 ? read : null
}

/** `NYT:basic`: what subscriptions of search engines are named by. */
export const productName = ofText((text) => (/^[\w.:-]{1,100}$/.test(text) ? text : ''))

/** Room for a slug in a script that is escaped three to nine times over. */
const ADDRESS_LIMIT = 500
/** Pictures are often scaled by an address inside their address. */
const PICTURE_LIMIT = 1000

/** `?p=123`, `?id=a-b`; a query that could hold sentences goes. */
const PLAIN_QUERY = /^\?[\w=&.-]{1,60}$/

function plainAddress(text: string): URL | null {
  const url = webAddress(text, ADDRESS_LIMIT)
  if (url && !PLAIN_QUERY.test(url.search)) url.search = ''
  return url
}

export const address = ofText((text) => {
  const url = plainAddress(text)
  if (!url) return ''
  url.hash = ''
  return url.href
})

export const picture = ofText((text) => {
  const url = webAddress(text, PICTURE_LIMIT)
  if (!url) return ''
  url.hash = ''
  return url.href
})

/** The fragments that plugins name their nodes by. */
const USUAL =
  /^\/?(?:organization|website|webpage|article|newsarticle|blogposting|person|author|publisher|creator|logo|primaryimage|image|breadcrumb|richsnippet)\/?$/i

/** A name for another node. An unusual fragment becomes a number: nodes still find each other, and its words are gone. */
export const id = ofText((text) => {
  const hash = text.indexOf('#')
  const before = hash < 0 ? text : text.slice(0, hash)
  const fragment = hash < 0 ? '' : text.slice(hash + 1)
  const page = before === '' ? '' : (plainAddress(before)?.href ?? null)
  if (page === null || (page === '' && fragment === '')) return ''
  return fragment === '' ? page : `${page}#${USUAL.test(fragment) ? fragment : numberOf(fragment)}`
})

/** FNV-1a: the same fragment has the same number in every script of a page. */
function numberOf(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return hash.toString(16).padStart(8, '0')
}

export const keywords: Shape = (value) => {
  const parts: unknown[] =
    typeof value === 'string' ? value.slice(0, 2000).split(',') : Array.isArray(value) ? value : []
  const words = parts
    .slice(0, 20)
    .map(short(60))
    .filter((word) => word !== null)
  return words.length === 0 ? null : words
}

// Shapes of several.

export const either =
  (...shapes: readonly Shape[]): Shape =>
  (value) => {
    for (const shape of shapes) {
      const shown = shape(value)
      if (shown !== null) return shown
    }
    return null
  }

/** One, or a list of at most `max`. */
export const some =
  (max: number, shape: Shape): Shape =>
  (value) => {
    if (!Array.isArray(value)) return shape(value)
    const shown = value
      .slice(0, max)
      .map(shape)
      .filter((item) => item !== null)
    return shown.length === 0 ? null : shown
  }
