import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { PageFacts } from '../../src/wall/facts.ts'
import { amended, rebuilt } from '../../src/wall/jsonld.ts'

const URL_OF = 'https://news.example/harbour'
const SECRET = 'xylophone'

const FACTS: PageFacts = {
  title: 'The harbour opens again',
  description: 'After nine years ships may enter.',
  image: 'https://news.example/harbour.jpg',
  author: 'Jane Doe',
  publishedAt: '2026-03-01T08:00:00+00:00',
  siteName: 'The Example',
  lang: 'en-GB',
}

const PART = {
  isAccessibleForFree: false,
  hasPart: { '@type': 'WebPageElement', isAccessibleForFree: false, cssSelector: '.newsstand' },
}

const table = z.record(z.string(), z.unknown())
const read = (text: string) => table.parse(JSON.parse(text))
const shown = (value: unknown) => {
  const text = rebuilt(JSON.stringify(value))
  return text === null ? null : read(text)
}
const amendedWith = (...values: unknown[]) =>
  amended(
    values.map((value) => JSON.stringify(value)),
    FACTS,
    '.newsstand',
    URL_OF,
  ).map(read)
const article = (more: Record<string, unknown> = {}) => ({
  '@context': 'https://schema.org',
  '@type': 'NewsArticle',
  headline: 'The harbour opens again',
  ...more,
})

/** As plugins write them, shortened. */
const YOAST = {
  '@context': 'https://schema.org',
  '@graph': [
    {
      '@type': 'NewsArticle',
      '@id': `${URL_OF}/#article`,
      isPartOf: { '@id': `${URL_OF}/` },
      author: { name: 'Jane Doe', '@id': 'https://news.example/#/schema/person/0a1b' },
      headline: 'The harbour opens again',
      datePublished: '2026-03-01T08:00:00+00:00',
      mainEntityOfPage: { '@id': `${URL_OF}/` },
      wordCount: 812,
      commentCount: 3,
      publisher: { '@id': 'https://news.example/#organization' },
      image: { '@id': `${URL_OF}/#primaryimage` },
      thumbnailUrl: 'https://news.example/harbour.jpg',
      keywords: ['Harbour', 'Ships'],
      articleSection: ['Town'],
      inLanguage: 'en-GB',
      potentialAction: [{ '@type': 'CommentAction', name: 'Comment', target: [`${URL_OF}/#respond`] }],
      articleBody: `The mayor said ${SECRET}.`,
    },
    {
      '@type': ['WebPage', 'FAQPage'],
      '@id': `${URL_OF}/`,
      url: `${URL_OF}/`,
      name: 'The harbour opens again - The Example',
      isPartOf: { '@id': 'https://news.example/#website' },
      primaryImageOfPage: { '@id': `${URL_OF}/#primaryimage` },
      breadcrumb: { '@id': `${URL_OF}/#breadcrumb` },
      mainEntity: [{ '@type': 'Question', name: SECRET, acceptedAnswer: { '@type': 'Answer', text: SECRET } }],
    },
    {
      '@type': 'ImageObject',
      '@id': `${URL_OF}/#primaryimage`,
      url: 'https://news.example/harbour.jpg',
      width: 1200,
      height: 800,
      caption: SECRET,
    },
    {
      '@type': 'BreadcrumbList',
      '@id': `${URL_OF}/#breadcrumb`,
      itemListElement: [{ '@type': 'ListItem', position: 1, name: 'Home', item: 'https://news.example/' }],
    },
    {
      '@type': ['Person', 'Organization'],
      '@id': 'https://news.example/#/schema/person/0a1b',
      name: 'Jane Doe',
      logo: { '@id': 'https://news.example/#/schema/person/image/' },
      description: `Jane wrote of ${SECRET}.`,
    },
  ],
}

const RANK_MATH = {
  '@context': 'https://schema.org',
  '@graph': [
    {
      '@type': ['NewsMediaOrganization', 'Organization'],
      '@id': 'https://news.example/#organization',
      name: 'The Example',
      sameAs: ['https://social.example/example'],
    },
    {
      '@type': 'BlogPosting',
      headline: 'The harbour opens again',
      keywords: 'harbour, ships',
      datePublished: '2026-03-01T08:00:00+00:00',
      author: { '@id': 'https://news.example/author/jane/', name: 'Jane Doe' },
      publisher: { '@id': 'https://news.example/#organization' },
      description: 'After nine years ships may enter.',
      name: 'The harbour opens again',
      '@id': `${URL_OF}/#richSnippet`,
      mainEntityOfPage: { '@id': `${URL_OF}/#webpage` },
    },
  ],
}

const GHOST = {
  '@context': 'https://schema.org',
  '@type': 'Article',
  publisher: {
    '@type': 'Organization',
    name: 'The Example',
    url: 'https://news.example/',
    logo: { '@type': 'ImageObject', url: 'https://news.example/logo.png', width: 60, height: 60 },
  },
  author: {
    '@type': 'Person',
    name: 'Jane Doe',
    image: { '@type': 'ImageObject', url: 'https://news.example/jane.jpg' },
    url: 'https://news.example/author/jane/',
    sameAs: [],
  },
  headline: 'The harbour opens again',
  url: URL_OF,
  datePublished: '2026-03-01T08:00:00.000Z',
  image: { '@type': 'ImageObject', url: 'https://news.example/harbour.jpg', width: 1200, height: 800 },
  keywords: 'Town',
  description: 'After nine years ships may enter.',
  mainEntityOfPage: URL_OF,
}

const DRUPAL = {
  '@context': 'https://schema.org',
  '@graph': [
    {
      '@type': 'NewsArticle',
      headline: 'The harbour opens again',
      name: 'The harbour opens again',
      about: [SECRET],
      image: {
        '@type': 'ImageObject',
        representativeOfPage: 'True',
        url: 'https://news.example/harbour.jpg',
        width: '1200',
        height: '800',
      },
      datePublished: '2026-03-01T08:00:00+0000',
      isAccessibleForFree: 'True',
      author: [{ '@type': 'Person', name: 'Jane Doe', url: 'https://news.example/jane' }],
      mainEntityOfPage: URL_OF,
    },
  ],
}

const NEXT = [
  {
    '@context': 'https://schema.org',
    '@type': 'WebSite',
    name: 'The Example',
    url: 'https://news.example',
    potentialAction: { '@type': 'SearchAction', target: SECRET },
  },
  {
    '@context': 'https://schema.org',
    '@type': 'WebPage',
    url: URL_OF,
    mainEntity: { '@type': 'NewsArticle', headline: 'The harbour opens again', url: URL_OF, articleBody: SECRET },
  },
]

const AMP = {
  '@context': 'http://schema.org',
  '@type': 'http://schema.org/NewsArticle',
  mainEntityOfPage: { '@type': 'WebPage', '@id': 'http://www.news.example/harbour/' },
  headline: 'The harbour opens again',
  image: ['https://news.example/1x1.jpg', 'https://news.example/4x3.jpg'],
  datePublished: '2026-03-01',
  author: 'Jane Doe',
  publisher: {
    '@type': 'Organization',
    name: 'The Example',
    logo: { '@type': 'ImageObject', url: 'https://news.example/logo.png' },
  },
  speakable: { '@type': 'SpeakableSpecification', cssSelector: [SECRET] },
}

const PLUGINS = { YOAST, RANK_MATH, GHOST, DRUPAL, NEXT, AMP }

describe('JSON-LD as plugins write it', () => {
  test.each(Object.entries(PLUGINS))(
    '%s: its one article is amended, not doubled, and its text is gone',
    (_, value) => {
      const [text = '', ...more] = amended([JSON.stringify(value)], FACTS, '.newsstand', URL_OF)
      expect(more).toEqual([])
      expect(text).not.toContain(SECRET)
      expect(text.match(/"headline":"The harbour opens again"/g)).toHaveLength(1)
      expect(text.match(/"cssSelector"/g)).toEqual(['"cssSelector"'])
      expect(text).toContain(JSON.stringify(PART).slice(1, -1))
      expect(text).not.toContain('"isAccessibleForFree":true')
      expect(text).toContain('"@context":"https://schema.org"')
    },
  )

  test('Yoast: nodes still name each other, and numbers stand for unusual names', () => {
    const text = JSON.stringify(shown(YOAST))
    expect(text).toContain(`"image":{"@id":"${URL_OF}/#primaryimage"}`)
    expect(text).toContain('"publisher":{"@id":"https://news.example/#organization"}')
    const [id = '', ...others] = [...text.matchAll(/https:\/\/news\.example\/#[\da-f]{8}/g)].map(([found]) => found)
    expect(others.filter((other) => other === id)).toHaveLength(1)
    expect(text).not.toContain('schema/person')
    expect(text).not.toMatch(/potentialAction|commentCount|caption|Question|FAQPage/)
  })

  test('Ghost: what is short and plain is kept', () => {
    const { sameAs: _, ...author } = GHOST.author
    expect(shown(GHOST)).toEqual({ ...GHOST, author, keywords: ['Town'] })
  })

  test('Drupal: sizes as texts become numbers, and a claim as text goes', () => {
    expect(shown(DRUPAL)).toMatchObject({ image: { width: 1200, height: 800 } })
    expect(shown(DRUPAL)).not.toHaveProperty('isAccessibleForFree')
  })

  test('AMP: a type by its address is known, and the page by http and www', () => {
    expect(shown(AMP)).toMatchObject({ '@type': 'NewsArticle', author: 'Jane Doe', image: AMP.image })
  })
})

describe('one text', () => {
  const JSON_TEXT = JSON.stringify(article())

  test.each([
    ['as it is', JSON_TEXT],
    ['within CDATA', `//<![CDATA[\n${JSON_TEXT}\n//]]>`],
    ['within CDATA in a comment', `/*<![CDATA[*/${JSON_TEXT}/*]]>*/`],
    ['within bare CDATA', `<![CDATA[${JSON_TEXT}]]>`],
    ['a list within CDATA', `//<![CDATA[\n[${JSON_TEXT}]\n//]]>`],
    ['within a comment', `<!--\n${JSON_TEXT}\n//-->`],
    ['with a semicolon', `${JSON_TEXT};`],
    ['behind a byte order mark', `\ufeff${JSON_TEXT}`],
    ['escaped', JSON_TEXT.replaceAll('"', '&quot;')],
    ['escaped by number', JSON_TEXT.replaceAll('"', '&#034;')],
    ['with a line end inside a text', JSON_TEXT.replace('harbour opens', 'harbour\nopens')],
  ])('%s is read', (_, raw) => {
    expect(read(rebuilt(raw) ?? '{}')).toEqual(article())
  })

  test.each([
    ['nothing', ''],
    ['no JSON', 'window.state = 1'],
    ['half of it', JSON_TEXT.slice(0, -4)],
    ['two behind each other', `${JSON_TEXT}${JSON_TEXT}`],
    ['a text', '"The harbour opens again"'],
    ['a number', '12'],
    ['null', 'null'],
    ['an empty table', '{}'],
    ['an unknown type', JSON.stringify(article({ '@type': 'Recipe' }))],
    ['no type', JSON.stringify({ headline: 'The harbour opens again' })],
    ['a type that tables inherit', JSON.stringify(article({ '@type': 'constructor' }))],
    ['an article that says nothing', JSON.stringify({ '@type': 'Article', '@id': `${URL_OF}#article` })],
    ['a graph within a graph', JSON.stringify({ '@graph': [{ '@graph': [article()] }] })],
    ['more than a page is long', JSON.stringify(article({ articleBody: 'x'.repeat(512 * 1024) }))],
    [
      'more than plugins write',
      JSON.stringify(
        Array.from({ length: 50 }, () =>
          article({ description: 'x'.repeat(1000), alternativeHeadline: 'y '.repeat(300) }),
        ),
      ),
    ],
    ['deep lists', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
    ['deep tables', `${'{"@graph":'.repeat(40_000)}1${'}'.repeat(40_000)}`],
  ])('%s is dropped', (_, raw) => {
    expect(rebuilt(raw)).toBeNull()
  })

  test('the end of a script and the start of a comment are escaped', () => {
    const text = rebuilt(JSON.stringify(article({ headline: '</script><!--<script>' }))) ?? ''
    expect(text).not.toContain('<')
    expect(read(text)).toMatchObject({ headline: '</script><!--<script>' })
  })

  test('__proto__ is a key like any other that is not allowed', () => {
    const text = rebuilt(
      `{"__proto__":{"headline":"${SECRET}","@type":"Article"},"@type":"Article","headline":"A","author":{"__proto__":{"name":"${SECRET}"}}}`,
    )
    expect(text).toBe('{"@context":"https://schema.org","@type":"Article","headline":"A"}')
    expect(Object.hasOwn(Object.prototype, 'headline')).toBe(false)
  })

  test('a long description is cut at a word, within 500 characters', () => {
    const description = `${'word '.repeat(98)}${SECRET} ${SECRET}`
    const { description: cut } = z.object({ description: z.string() }).parse(shown(article({ description })))
    expect(cut.length).toBeLessThanOrEqual(500)
    expect(cut.endsWith('word…')).toBe(true)
  })

  test('marks that turn or hide text, and line ends, go', () => {
    expect(shown(article({ headline: 'The\u202e harbour\r\n\u0000opens\u200b\u2028again\ud800' }))).toMatchObject({
      headline: 'The harbour opens again\ufffd',
    })
  })

  test.each([
    ['javascript:alert(1)', null],
    ['data:text/html,hello', null],
    ['https://user:word@news.example/', null],
    ['/harbour', null],
    [`https://news.example/${'a'.repeat(500)}`, null],
    ['https://news.example/a?p=12', 'https://news.example/a?p=12'],
    ['https://news.example/a?text=the+mayor+said+that', 'https://news.example/a'],
    ['https://news.example/a#:~:text=mayor', 'https://news.example/a'],
  ])('the address %s becomes %s', (url, kept) => {
    expect(shown(article({ url }))?.url ?? null).toBe(kept)
  })
})

describe('nothing of the paid part leaves by it', () => {
  const long = `${'word '.repeat(400)}${SECRET}`
  const deep = (depth: number): unknown => (depth === 0 ? SECRET : { '@type': 'Article', isPartOf: deep(depth - 1) })

  test.each<[string, unknown]>([
    ['articleBody', article({ articleBody: SECRET })],
    ['text', article({ text: SECRET })],
    ['transcript', article({ transcript: SECRET })],
    ['abstract', article({ abstract: SECRET })],
    ['backstory', article({ backstory: SECRET })],
    ['hasPart', article({ hasPart: { '@type': 'WebPageElement', text: SECRET, cssSelector: SECRET } })],
    ['comment', article({ comment: [{ '@type': 'Comment', text: SECRET }] })],
    ['review', article({ review: { '@type': 'Review', reviewBody: SECRET } })],
    ['speakable', article({ speakable: { xpath: [SECRET] } })],
    ['liveBlogUpdate', article({ '@type': 'LiveBlogPosting', liveBlogUpdate: [article({ headline: SECRET })] })],
    ['the end of a long description', article({ description: long })],
    ['the end of a long headline', article({ headline: long })],
    ['a long name', article({ author: { '@type': 'Person', name: long } })],
    ['a long author', article({ author: long })],
    ['a long section', article({ articleSection: [long] })],
    ['a long keyword', article({ keywords: [long, 'ships'] })],
    ['a keyword behind the twentieth', article({ keywords: [...Array(20).fill('ships'), SECRET] })],
    ['a text in place of a date', article({ datePublished: SECRET })],
    ['a text in place of a number', article({ wordCount: SECRET })],
    ['a text in place of a language', article({ inLanguage: `en ${SECRET}` })],
    ['a table in place of a text', article({ headline: { '@value': SECRET } })],
    ['a list in place of a text', article({ description: [SECRET] })],
    ['a list within a list', article({ author: [[{ name: SECRET }]] })],
    ['an unknown key', article({ [SECRET]: 1 })],
    ['an unknown key of an author', article({ author: { '@type': 'Person', name: 'Jane', [SECRET]: SECRET } })],
    ['what an author is said to be', article({ author: { '@type': 'Person', name: 'Jane', description: SECRET } })],
    ['an unknown type', article({ '@type': ['NewsArticle', SECRET] })],
    ['an unknown type of an author', article({ author: { '@type': SECRET, name: SECRET } })],
    ['the context', article({ '@context': { '@vocab': `https://schema.org/${SECRET}`, [SECRET]: 'headline' } })],
    ['the fragment of an address', article({ url: `${URL_OF}#${SECRET}` })],
    ['the fragment of an id', article({ '@id': `${URL_OF}#${SECRET}` })],
    ['the fragment of an id alone', article({ author: { '@id': `#${SECRET}` } })],
    ['the fragment of a picture', article({ image: `https://news.example/a.jpg#${SECRET}` })],
    ['the query of an address', article({ mainEntityOfPage: `${URL_OF}?text=the%20${SECRET}` })],
    ['an address of data', article({ image: `data:text/plain,${SECRET}` })],
    [
      'the user of an address',
      article({ sameAs: [`https://${SECRET}@news.example/`], url: `https://${SECRET}:x@news.example/` }),
    ],
    [
      'the caption of a picture',
      article({ image: { '@type': 'ImageObject', url: 'https://news.example/a.jpg', caption: SECRET } }),
    ],
    [
      'more than the id of the main page',
      article({ mainEntityOfPage: { '@id': URL_OF, name: SECRET, description: SECRET } }),
    ],
    [
      'an answer',
      { '@type': 'WebPage', name: 'A', mainEntity: { '@type': 'Question', acceptedAnswer: { text: SECRET } } },
    ],
    ['a step', { '@type': 'HowTo', name: SECRET, step: [{ '@type': 'HowToStep', text: SECRET }] }],
    ['a film', { '@type': 'VideoObject', name: SECRET, transcript: SECRET }],
    [
      'a list of articles',
      { '@type': 'ItemList', itemListElement: [{ '@type': 'ListItem', item: article({ headline: SECRET }) }] },
    ],
    ['a graph', { '@graph': [article({ articleBody: SECRET }), { '@type': 'Thing', name: SECRET }] }],
    ['a key beside a graph', { '@graph': [article()], text: SECRET, [SECRET]: 1 }],
    ['a list of graphs', [{ '@graph': [article({ articleBody: SECRET })] }, SECRET, [article({ text: SECRET })]]],
    ['an article within the page', { '@type': 'WebPage', mainEntity: article({ articleBody: SECRET }) }],
    ['a reverse property', article({ '@reverse': { comment: { text: SECRET } } })],
    ['many levels down', article({ isPartOf: deep(30) })],
    [
      'a trail',
      {
        '@type': 'BreadcrumbList',
        itemListElement: [
          { '@type': 'ListItem', position: 1, name: long, item: { '@id': URL_OF, name: 'A', text: SECRET } },
        ],
      },
    ],
  ])('%s', (_, value) => {
    expect(rebuilt(JSON.stringify(value)) ?? '').not.toContain(SECRET)
    expect(JSON.stringify(amendedWith(value))).not.toContain(SECRET)
  })
})

describe('the article of a page', () => {
  test('is made from what the page says of itself where it names none', () => {
    expect(amendedWith({ '@type': 'WebSite', name: 'The Example' })).toEqual([
      { '@context': 'https://schema.org', '@type': 'WebSite', name: 'The Example' },
      {
        '@context': 'https://schema.org',
        '@type': 'Article',
        headline: FACTS.title,
        description: FACTS.description,
        image: FACTS.image,
        author: { '@type': 'Person', name: 'Jane Doe' },
        datePublished: FACTS.publishedAt,
        publisher: { '@type': 'Organization', name: 'The Example' },
        inLanguage: 'en-GB',
        url: URL_OF,
        ...PART,
      },
    ])
  })

  test('says nothing that the page does not say', () => {
    const nothing = { title: '', description: '', image: null, author: '', publishedAt: '', siteName: '', lang: '' }
    expect(amended([], nothing, '.newsstand', URL_OF).map(read)).toEqual([
      { '@context': 'https://schema.org', '@type': 'Article', url: URL_OF, ...PART },
    ])
  })

  test('is told from others by its address; the others are left as they are', () => {
    const other = article({ headline: 'Another', url: 'https://news.example/another' })
    const [first, second] = amendedWith(other, article({ url: 'http://www.news.example/harbour/' }))
    expect(first).toEqual(other)
    expect(second).toMatchObject(PART)
  })

  test('is the first one where none has the address', () => {
    const [first, second] = amendedWith(article(), article({ headline: 'Another' }))
    expect(first).toMatchObject(PART)
    expect(second).not.toHaveProperty('hasPart')
  })

  test('loses a part that the page claimed, and a claim of being free', () => {
    const [only] = amendedWith(article({ isAccessibleForFree: true, hasPart: { cssSelector: '.theirs' } }))
    expect(only).toEqual(article(PART))
  })

  test('a script that cannot be read does not stop the others', () => {
    const texts = amended(['{', JSON.stringify(article()), 'null'], FACTS, '.newsstand', URL_OF)
    expect(texts.map(read)).toEqual([article(PART)])
  })

  test('a selector cannot end the script', () => {
    expect(amended([], FACTS, '</script>', URL_OF).join()).not.toContain('</script')
  })
})

/** Every key that may show a short text; the secret stands in none of them. */
const OPEN = new Set(
  'headline alternativeHeadline name description author creator publisher copyrightHolder image thumbnailUrl url @id mainEntityOfPage isPartOf articleSection keywords alternateName legalName logo sameAs publishingPrinciples givenName familyName jobTitle contentUrl item streetAddress addressLocality addressRegion postalCode addressCountry productID primaryImageOfPage breadcrumb worksFor mainEntity address itemListElement @graph'.split(
    ' ',
  ),
)
const CLOSED = [
  'articleBody',
  'text',
  'hasPart',
  'comment',
  'datePublished',
  'wordCount',
  'inLanguage',
  'width',
  '@type',
  '@context',
  'caption',
  SECRET,
  '__proto__',
]
const TYPES = [
  'Article',
  'NewsArticle',
  'WebPage',
  'WebSite',
  'Person',
  'Organization',
  'ImageObject',
  'BreadcrumbList',
  'ListItem',
  'PostalAddress',
  'Product',
  'Recipe',
]

const { tree } = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constant('Harbour'),
    fc.constant('</script>'),
    fc.webUrl(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.string(),
  ),
  secret: fc.oneof(
    fc.constant(SECRET),
    fc.constant(`a ${SECRET} b`),
    fc.constant(`${URL_OF}#${SECRET}`),
    fc.array(fc.constant(SECRET), { maxLength: 2 }),
    tie('planted'),
  ),
  planted: fc.dictionary(fc.constantFrom(...OPEN, ...CLOSED), fc.constant(SECRET), { maxKeys: 4 }),
  node: fc
    .tuple(
      fc.constantFrom(...TYPES),
      fc.dictionary(fc.constantFrom(...OPEN), tie('tree'), { maxKeys: 6 }),
      fc.dictionary(fc.constantFrom(...CLOSED.filter((key) => key !== '@type')), tie('secret'), { maxKeys: 4 }),
    )
    .map(([type, open, closed]) => ({ '@type': type, ...open, ...closed })),
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    tie('node'),
    fc.array(tie('tree'), { maxLength: 3 }),
  ),
}))

describe('over random JSON', () => {
  test('a secret outside the allowed short fields never comes out, and what comes out is JSON in a script', () => {
    fc.assert(
      fc.property(fc.array(tree, { minLength: 1, maxLength: 3 }), fc.boolean(), (nodes, isGraph) => {
        const raw = JSON.stringify(isGraph ? { '@graph': nodes } : nodes)
        const texts = [rebuilt(raw) ?? '{}', ...amended([raw], FACTS, '.newsstand', URL_OF)]
        for (const text of texts) {
          expect(text).not.toContain(SECRET)
          expect(text).not.toContain('<')
          read(text)
        }
      }),
      { numRuns: 1500 },
    )
  })

  test('any JSON, whole or broken off, is rebuilt or dropped without a fault', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.boolean(), (json, end, isWhole) => {
        const text = rebuilt(isWhole ? json : json.slice(0, end))
        if (text !== null) read(text)
      }),
      { numRuns: 500 },
    )
  })

  test('any text is rebuilt or dropped without a fault', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (raw) => {
        const text = rebuilt(raw)
        if (text !== null) read(text)
      }),
    )
  })
})

test.each([
  ['brackets', '['],
  ['quotes', '"'],
  ['comments', '<!--'],
  ['CDATA', '[CDATA['],
  ['ends of CDATA', ']]>'],
  ['references', '{&quot;'],
  ['blanks', ' \n'],
])('half a megabyte of %s is read in a moment', (_, part) => {
  const raw = part.repeat(Math.floor((512 * 1024) / part.length))
  const start = process.cpuUsage().user
  for (const text of [
    raw,
    `{${raw}`,
    `[${raw}}`,
    JSON.stringify(article({ headline: raw, description: raw, keywords: raw, '@id': raw })),
  ]) {
    rebuilt(text)
  }
  expect((process.cpuUsage().user - start) / 1000).toBeLessThan(1000)
})
