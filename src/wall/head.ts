// What a page says about itself in front of the cut, as it stands there: titles, metas, links, scripts. Others read it.
import { attributeOf, isMarked } from './clean.ts'
import { decoded } from './references.ts'
import { lower, type StartTag } from './tokens.ts'

/** What the head says, raw: others read it. */
export type Head = {
  /** Decoded. */
  title: string
  /** `name`, `property` or `http-equiv` in small letters; decoded. */
  metas: { name: string; content: string }[]
  links: { rel: string; href: string }[]
  /** Raw texts of JSON-LD in front of the cut. */
  jsonLd: string[]
  /** Contents of `<meta http-equiv=Content-Security-Policy>`. */
  policies: string[]
  /** Scripts marked `data-newsstand="keep"`. */
  keptScripts: { src: string | null; text: string; nonce: string | null }[]
  lang: string
  /** The first `<base href>`; '' without one. */
  base: string
}

export const emptyHead = (): Head => ({
  title: '',
  metas: [],
  links: [],
  jsonLd: [],
  policies: [],
  keptScripts: [],
  lang: '',
  base: '',
})

/** Notes what a start tag says. */
export function note(head: Head, tag: StartTag) {
  if (tag.name === 'html') head.lang ||= attributeOf(tag, 'lang')
  else if (tag.name === 'base') head.base ||= attributeOf(tag, 'href')
  else if (tag.name === 'link') head.links.push({ rel: lower(attributeOf(tag, 'rel')), href: attributeOf(tag, 'href') })
  else if (tag.name === 'meta') {
    const content = attributeOf(tag, 'content')
    const name =
      ['name', 'property', 'http-equiv'].map((key) => lower(attributeOf(tag, key)).trim()).find(Boolean) ?? ''
    if (lower(attributeOf(tag, 'http-equiv')).trim() === 'content-security-policy') head.policies.push(content)
    if (name !== '') head.metas.push({ name, content })
  }
}

/** Notes the text of a title; the first one counts. */
export function noteTitle(head: Head, text: string) {
  head.title ||= decoded(text).trim()
}

export const isJsonLd = (tag: StartTag): boolean =>
  tag.name === 'script' && lower(attributeOf(tag, 'type')).trim() === 'application/ld+json'

export const isKept = (tag: StartTag): boolean => tag.name === 'script' && isMarked(tag, 'keep')

/** What leaves of a script; '' for most. */
export function scriptOf(head: Head, tag: StartTag, text: string, jsonLdOf: (raw: string) => string | null): string {
  if (isJsonLd(tag)) {
    head.jsonLd.push(text)
    const rebuilt = jsonLdOf(text)
    if (rebuilt === null) return ''
    return `<script type="application/ld+json">${rebuilt.replaceAll('<', '\\u003c')}</script>`
  }
  // As a browser reads it: its hash is of that.
  const code = text.replace(/\r\n?/g, '\n').replaceAll('\0', '\ufffd')
  const src = tag.attributes.get('src')
  const nonce = tag.attributes.get('nonce')
  head.keptScripts.push({
    src: src === undefined ? null : decoded(src),
    text: code,
    nonce: nonce === undefined ? null : decoded(nonce),
  })
  const attributes = ['src', 'type', 'async', 'defer', 'nonce', 'crossorigin', 'integrity', 'nomodule', 'id']
    .filter((name) => tag.attributes.has(name))
    .map((name) => ` ${name}="${(tag.attributes.get(name) ?? '').replaceAll('"', '&quot;')}"`)
  return `<script${attributes.join('')}>${src === undefined ? code : ''}</script>`
}
