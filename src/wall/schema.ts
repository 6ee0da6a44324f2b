// What of a page's JSON-LD may be shown to a reader who has not paid: the allowed types, and for each its keys and the
// shapes of their values. What is not named here is dropped, at any depth.
import {
  address,
  cut,
  date,
  either,
  id,
  isTable,
  type Json,
  keywords,
  language,
  type Node,
  number,
  own,
  picture,
  productName,
  type Shape,
  short,
  some,
  yesOrNo,
} from './shapes.ts'

type Kind = 'article' | 'page' | 'site' | 'organization' | 'person' | 'picture' | 'trail' | 'step' | 'place' | 'work'

const KINDS: readonly (readonly [kind: Kind, types: string])[] = [
  [
    'article',
    'Article NewsArticle BlogPosting Report ReportageNewsArticle AnalysisNewsArticle AskPublicNewsArticle BackgroundNewsArticle OpinionNewsArticle ReviewNewsArticle AdvertiserContentArticle SatiricalArticle ScholarlyArticle TechArticle SocialMediaPosting LiveBlogPosting',
  ],
  ['page', 'WebPage ItemPage CollectionPage AboutPage'],
  ['site', 'WebSite Blog'],
  ['organization', 'Organization NewsMediaOrganization Corporation'],
  ['person', 'Person'],
  ['picture', 'ImageObject'],
  ['trail', 'BreadcrumbList'],
  ['step', 'ListItem'],
  ['place', 'PostalAddress'],
  ['work', 'CreativeWork Product Periodical PublicationIssue'],
]
const KIND_OF: ReadonlyMap<string, Kind> = new Map(
  KINDS.flatMap(([kind, types]) => types.split(' ').map((type): [string, Kind] => [type, kind])),
)

/** A node inside another one. Where it names no type the first of `kinds` says what it may hold. */
const inner =
  (...kinds: readonly [Kind, ...Kind[]]): Shape =>
  (value) =>
    nodeOf(value, kinds, kinds[0])

/** Of another page its name alone, as `{ "@id": … }`. */
const reference: Shape = (value) => {
  const shown = isTable(value) ? id(own(value, '@id') ?? own(value, 'url')) : id(value)
  return shown === null ? null : { '@id': shown }
}

const people = some(20, either(short(200), inner('person', 'organization')))
const publisher = either(short(200), inner('organization', 'person'))
const pictures = some(10, either(picture, inner('picture')))
const addresses = some(20, address)

const common = { '@id': id, url: address }
const dated = { datePublished: date, dateModified: date, dateCreated: date }

// Each kind holds only kinds that cannot lead back to it: so the depth of what is shown has an end.
const FIELDS: Readonly<Record<Kind, Readonly<Record<string, Shape>>>> = {
  article: {
    ...common,
    ...dated,
    headline: cut(300),
    alternativeHeadline: cut(300),
    name: cut(300),
    description: cut(500),
    author: people,
    creator: people,
    publisher,
    copyrightHolder: publisher,
    copyrightYear: number,
    image: pictures,
    thumbnailUrl: some(10, picture),
    mainEntityOfPage: either(id, reference),
    isPartOf: some(5, either(inner('work', 'site'), reference)),
    inLanguage: some(5, language),
    articleSection: some(10, short(100)),
    keywords,
    wordCount: number,
    isAccessibleForFree: yesOrNo,
  },
  page: {
    ...common,
    ...dated,
    name: cut(300),
    headline: cut(300),
    description: cut(500),
    author: people,
    publisher,
    image: pictures,
    primaryImageOfPage: inner('picture'),
    thumbnailUrl: some(10, picture),
    isPartOf: reference,
    breadcrumb: either(reference, inner('trail')),
    mainEntity: inner('article'),
    inLanguage: some(5, language),
  },
  site: {
    ...common,
    name: short(200),
    alternateName: some(5, short(200)),
    description: cut(500),
    publisher,
    inLanguage: some(5, language),
  },
  organization: {
    ...common,
    name: short(200),
    legalName: short(200),
    alternateName: some(5, short(200)),
    logo: some(5, either(picture, inner('picture'))),
    image: pictures,
    sameAs: addresses,
    address: some(5, inner('place')),
    publishingPrinciples: address,
  },
  person: {
    ...common,
    name: short(200),
    givenName: short(100),
    familyName: short(100),
    jobTitle: short(100),
    image: pictures,
    sameAs: addresses,
    worksFor: some(5, inner('organization')),
  },
  // A caption is part of the text: pictures are shown without.
  picture: { '@id': id, url: picture, contentUrl: picture, width: number, height: number, inLanguage: language },
  trail: { '@id': id, itemListElement: some(20, inner('step')) },
  step: { position: number, name: short(200), item: either(address, stepTarget), url: address },
  place: {
    streetAddress: short(100),
    addressLocality: short(100),
    addressRegion: short(100),
    postalCode: short(20),
    addressCountry: short(100),
  },
  work: { ...common, name: short(200), productID: productName },
}

function stepTarget(value: unknown): Json | null {
  if (!isTable(value)) return null
  const target = either(address, id)(own(value, '@id') ?? own(value, 'url'))
  const name = short(200)(own(value, 'name'))
  if (target === null && name === null) return null
  return { ...(target === null ? {} : { '@id': target }), ...(name === null ? {} : { name }) }
}

/** Known type names, short: `https://schema.org/Person` is `Person`. */
function typesOf(value: unknown): string[] {
  const named: unknown[] = Array.isArray(value) ? value.slice(0, 8) : [value]
  const names = named
    .filter((name) => typeof name === 'string')
    .map((name) => name.replace(/^(?:https?:\/\/schema\.org\/|schema:)/, ''))
  return [...new Set(names)].filter((name) => KIND_OF.has(name))
}

function nodeOf(value: unknown, allowed: readonly Kind[], untyped: Kind | null): Node | null {
  if (!isTable(value)) return null
  const types = typesOf(own(value, '@type')).filter((name) => allowed.some((kind) => kind === KIND_OF.get(name)))
  const kinds = types.map((name) => KIND_OF.get(name)).filter((kind) => kind !== undefined)
  if (types.length === 0 && !Object.hasOwn(value, '@type') && untyped !== null) kinds.push(untyped)
  const shown: Node = {}
  for (const [key, shape] of kinds.flatMap((kind) => Object.entries(FIELDS[kind]))) {
    const says = Object.hasOwn(value, key) ? shape(value[key]) : null
    if (says !== null) shown[key] = says
  }
  if (Object.keys(shown).length === 0) return null
  const [first = ''] = types
  return types.length === 0 ? shown : { '@type': types.length === 1 ? first : types, ...shown }
}

/** Every kind that may stand alone. */
const ALONE: readonly Kind[] = ['article', 'page', 'site', 'organization', 'person', 'picture', 'trail']
/** A page of a large plugin has about ten. */
const NODES = 50

/** What may be shown of parsed JSON-LD: its nodes, whether it is one, a list, or an `@graph`. */
export function shownNodes(parsed: unknown): Node[] {
  const listed = (value: unknown): unknown[] => (Array.isArray(value) ? value.slice(0, NODES) : [value])
  return listed(parsed)
    .flatMap((value) =>
      isTable(value) && Object.hasOwn(value, '@graph') ? [value, ...listed(value['@graph'])] : [value],
    )
    .slice(0, NODES)
    .map((value) => nodeOf(value, ALONE, null))
    .filter((node) => node !== null)
    .filter((node) => Object.keys(node).some((key) => key !== '@type' && key !== '@id'))
}

const nodesIn = (said: Json | undefined): Node[] => (typeof said === 'object' && !Array.isArray(said) ? [said] : [])

const isArticle = (node: Node) => typesOf(node['@type']).some((name) => KIND_OF.get(name) === 'article')

/** The articles that a page at `url` tells of itself: those of its address; where none is, the first of all. */
export function ownArticles(nodes: readonly Node[], url: string): Node[] {
  const articles = nodes.flatMap((node) => [node, ...nodesIn(node.mainEntity)]).filter(isArticle)
  const page = placeOf(url)
  const namesOf = ({ url, '@id': id, mainEntityOfPage }: Node) =>
    [url, id, mainEntityOfPage, ...nodesIn(mainEntityOfPage).map((node) => node['@id'])].filter(
      (named) => typeof named === 'string',
    )
  const here = articles.filter((article) => namesOf(article).some((named) => page !== null && placeOf(named) === page))
  return here.length > 0 ? here : articles.slice(0, 1)
}

/** An address as publishers mix them up: http and https, with `www.` and without, with the last slash and without. */
function placeOf(address: string): string | null {
  if (!URL.canParse(address)) return null
  const { host, pathname, search } = new URL(address)
  return `${host.replace(/^www\./, '')}${pathname.replace(/\/$/, '')}${search}`
}
