// Which elements and attributes of the publisher's page pass, and how a tag is written that does. Page state stands in
// attributes, too: only those of a list pass.
import { decoded } from './references.ts'
import { lower, type StartTag } from './tokens.ts'
import type { Space } from './tree.ts'

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))

/** Gone with everything in them. */
const GONE = words(
  'script noscript template object embed applet iframe frame frameset noframes noembed portal fencedframe xmp textarea param foreignobject annotation annotation-xml',
)
/** SVG that can change an attribute of what stands around it. */
const GONE_IN_SVG = words('set animate animatetransform animatemotion')
const VOID = words('area base br col embed hr img input link meta param source track wbr keygen basefont bgsound')

const GLOBAL = words(
  'id class style lang dir role tabindex itemscope itemtype itemprop itemid align valign bgcolor border slot part is open start reversed datetime cite label for type name placeholder disabled checked size rows cols maxlength action method target rel hreflang shape coords usemap ismap colspan rowspan scope span headers abbr cellpadding cellspacing color face width height alt loading decoding fetchpriority media sizes crossorigin integrity referrerpolicy poster controls autoplay loop muted playsinline preload kind srclang default as imagesizes accesskey translate nowrap clear hspace vspace noshade frameborder popover popovertarget',
)
const ADDRESSES = words('href src srcset imagesrcset poster cite action background data-src data-srcset xlink:href')
/** Attributes of pictures may be long: they hold the picture. */
const PICTURE = words('src srcset imagesrcset poster d points href xlink:href style')
const DRAWING =
  /^(?:viewbox|xmlns(?::xlink)?|preserveaspectratio|d|points|x[12]?|y[12]?|[cfr][xy]|r|d[xy]|transform|fill(?:-\w+)?|stroke(?:-\w+)?|stop-\w+|clip(?:-\w+)?|mask|filter|opacity|offset|gradient(?:units|transform)|spreadmethod|pattern(?:units|contentunits|transform)|pathlength|font-\w+|text-anchor|dominant-baseline|letter-spacing|visibility|display|version|focusable|marker(?:-\w+|width|height|units)?|ref[xy]|orient|in2?|result|stddeviation|values|mode|operator|vector-effect|shape-rendering|xlink:href|color-interpolation-filters|(?:mask|clippath|filter|primitive)(?:content)?units|flood-\w+)$/
const LONGEST = 1024
/** What is said of a page, or in place of a picture. */
const LONGEST_SAID = 500
const LONGEST_PICTURE = 65_536

const RELATIONS = words(
  'stylesheet icon shortcut apple-touch-icon apple-touch-icon-precomposed mask-icon manifest canonical preconnect dns-prefetch preload author license me next prev alternate',
)
const METAS =
  /^(?:viewport|description|author|robots|googlebot(?:-news)?|bingbot|theme-color|color-scheme|referrer|generator|application-name|format-detection|og:(?:title|type|url|description|determiner|site_name|locale(?::alternate)?|updated_time|see_also|(?:image|video|audio)(?::\w+)?)|article:(?:(?:published|modified|expiration)_time|author|section|tag|publisher|opinion|content_tier)|fb:(?:app_id|pages|admins)|twitter:(?:card|url|domain|(?:site|creator)(?::id)?|title|description|image(?::(?:src|alt))?)|profile:\w+|al:[a-z]+:\w+|(?:dc|dcterms)\.(?:title|creator|date|publisher|language|description)|(?:apple|msapplication|mobile-web-app|google)-[\w-]+|citation_(?:title|author|publication_date)|supported-color-schemes)$/

export const isVoid = (name: string) => VOID.has(name)

export const attributeOf = ({ attributes }: StartTag, name: string): string => decoded(attributes.get(name) ?? '')
const wordsOf = (tag: StartTag, name: string) =>
  lower(attributeOf(tag, name))
    .split(/[\t\n\f\r ]+/)
    .filter(Boolean)

/** What a publisher says of an element. */
export const isMarked = (tag: StartTag, mark: 'paid' | 'frame' | 'keep'): boolean =>
  tag.attributes.has('data-newsstand') && wordsOf(tag, 'data-newsstand').includes(mark)

export const isStylesheet = (tag: StartTag) => tag.name === 'link' && wordsOf(tag, 'rel').includes('stylesheet')

/** Whether an element goes with everything in it. Scripts are asked about apart. */
export function isGone(tag: StartTag, space: Space): boolean {
  if (GONE.has(tag.name) || tag.attributes.has('hidden')) return true
  // State of scripts, that nobody is meant to see.
  if (space === 'html' && isUnseen(tag)) return true
  if (space !== 'html') return GONE_IN_SVG.has(tag.name)
  if (tag.name === 'link') return !isKnownLink(tag)
  if (tag.name === 'meta') return !isKnownMeta(tag)
  return tag.name === 'input' && wordsOf(tag, 'type').includes('hidden')
}

/** What a page hides where it stands: data for scripts, in most cases. */
function isUnseen(tag: StartTag): boolean {
  if (tag.name === 'xml' || (tag.name === 'dialog' && !tag.attributes.has('open'))) return true
  if (tag.name === 'style') return !/^(?:text\/css)?$/i.test(attributeOf(tag, 'type').trim())
  if (!tag.attributes.has('style')) return false
  return /(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)/i.test(attributeOf(tag, 'style'))
}

function isKnownLink(tag: StartTag): boolean {
  const relations = wordsOf(tag, 'rel')
  if (relations.length === 0 || !relations.every((relation) => RELATIONS.has(relation))) return false
  // Feeds, oEmbed and the site's own interfaces are alternates of a type.
  if (relations.includes('alternate') && !relations.includes('stylesheet'))
    return tag.attributes.has('hreflang') || (tag.attributes.has('media') && !tag.attributes.has('type'))
  return !relations.includes('preload') || /^(?:style|font|image)$/.test(lower(attributeOf(tag, 'as')))
}

function isKnownMeta(tag: StartTag): boolean {
  if (tag.attributes.has('charset')) return true
  if (tag.attributes.has('http-equiv'))
    return /^(?:x-ua-compatible|content-language)$/i.test(attributeOf(tag, 'http-equiv').trim())
  const name = tag.attributes.has('name') ? attributeOf(tag, 'name') : attributeOf(tag, 'property')
  return METAS.test(lower(name.trim())) && (tag.attributes.get('content')?.length ?? 0) <= LONGEST_SAID
}

/** What a style sheet's own script would have done once it was loaded, is done: such scripts do not run. */
function switchedOn(tag: StartTag): ReadonlyMap<string, string> {
  if (tag.name !== 'link' || !tag.attributes.has('onload')) return tag.attributes.all()
  const onload = attributeOf(tag, 'onload')
  const attributes = new Map(tag.attributes.all())
  if (/\bmedia\b/.test(onload)) attributes.delete('media')
  if (/\brel\b/.test(onload) && wordsOf(tag, 'as').includes('style')) {
    attributes.set('rel', 'stylesheet')
    attributes.delete('as')
  }
  return attributes
}

/** A start tag as it may leave. */
export function written(tag: StartTag, space: Space): string {
  let text = `<${tag.name}`
  for (const [name, value] of switchedOn(tag)) {
    const known = nameOf(tag, name, value)
    if (known !== null) text += ` ${known}="${value.replaceAll('"', '&quot;')}"`
  }
  if (tag.name === 'meta' && tag.attributes.has('charset')) return '<meta charset="utf-8">'
  return `${text}${space !== 'html' && tag.isSelfClosing ? '/>' : '>'}`
}

/** The name an attribute leaves under; null: it does not. */
function nameOf(tag: StartTag, name: string, value: string): string | null {
  if (!/^[a-z][a-z\d:-]*$/.test(name)) return null
  const isSaid = name === 'alt' || name.startsWith('aria-') || name === 'placeholder' || name === 'label'
  const length = PICTURE.has(name) ? LONGEST_PICTURE : isSaid ? LONGEST_SAID : LONGEST
  if (value.length > length) return null
  if (ADDRESSES.has(name) && !isAddress(tag, name, value)) return null
  if (name === 'data-src') return tag.name === 'img' || tag.name === 'source' || tag.name === 'video' ? 'src' : null
  if (name === 'data-srcset') return tag.name === 'img' || tag.name === 'source' ? 'srcset' : null
  // The later of two equal names counts for nothing, so what is lazy goes first.
  if ((name === 'src' || name === 'srcset') && tag.attributes.has(`data-${name}`)) return null
  if (name === 'href' || name === 'src' || name === 'srcset' || name === 'imagesrcset') return name
  if (tag.name === 'meta') return /^(?:name|property|content|http-equiv|media|itemprop)$/.test(name) ? name : null
  if (name === 'value')
    return isButton(tag) || tag.name === 'li' || tag.name === 'progress' || tag.name === 'meter' ? name : null
  // It opens styles alone: scripts are let in by what they are.
  if (name === 'nonce') return tag.name === 'style' || isStylesheet(tag) ? name : null
  if (name === 'alt') return /^(?:img|area|input)$/.test(tag.name) ? name : null
  // Long forms of words; elsewhere it may hold a text.
  if (name === 'title') return /^(?:abbr|dfn|link|style)$/.test(tag.name) ? name : null
  return GLOBAL.has(name) || DRAWING.test(name) || /^aria-[a-z]+$/.test(name) ? name : null
}

const isButton = (tag: StartTag) => tag.name === 'input' && /^(?:submit|button|reset)$/i.test(attributeOf(tag, 'type'))

/** No address that runs something, or that is itself a document. */
function isAddress(tag: StartTag, name: string, value: string): boolean {
  const address = lower(decoded(value)).replace(/[\0-\x20]/g, '')
  if (/^(?:javascript|vbscript):/.test(address)) return false
  if (!address.startsWith('data:')) return value.length <= 4096 || name.endsWith('srcset')
  return tag.name !== 'a' && tag.name !== 'area' && /^data:(?:image|font|text\/css)/.test(address)
}
