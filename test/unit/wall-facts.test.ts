import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  endsHead,
  factsOf,
  type PageFacts,
  previewTags,
  soldTitle,
  titleInBytes,
  titleOf,
} from '../../src/wall/facts.ts'
import type { Said } from '../../src/wall/title.ts'

const BASE = 'https://news.example/harbour'

/** A head as others hand it over: `{ 'og:title': 'A' }` are its metas. */
function head(metas: Record<string, string | string[]>, more: Partial<Said> = {}): Said {
  const listed = Object.entries(metas).flatMap(([name, contents]) =>
    [contents].flat().map((content) => ({ name, content })),
  )
  return { title: '', metas: listed, links: [], jsonLd: [], lang: '', ...more }
}
const facts = (metas: Record<string, string | string[]>, more: Partial<Said> = {}) => factsOf(head(metas, more), BASE)
const jsonLd = (...values: unknown[]) => ({ jsonLd: values.map((value) => JSON.stringify(value)) })

const NOTHING: PageFacts = {
  title: '',
  description: '',
  image: null,
  author: '',
  publishedAt: '',
  siteName: '',
  lang: '',
}

const ARTICLE = {
  '@context': 'https://schema.org',
  '@type': 'NewsArticle',
  headline: 'The harbour opens again',
  description: 'After nine years ships may enter.',
  image: { '@type': 'ImageObject', url: 'https://cdn.example/harbour.jpg' },
  author: [
    { '@type': 'Person', name: 'Jane Doe' },
    { '@type': 'Person', name: 'Ali Öz' },
  ],
  publisher: { '@type': 'Organization', name: 'The Example' },
  datePublished: '2026-03-01T08:00:00Z',
  inLanguage: 'en-GB',
  articleBody: 'xylophone',
}

const ALL: PageFacts = {
  title: 'The harbour opens again',
  description: 'After nine years ships may enter.',
  image: 'https://cdn.example/harbour.jpg',
  author: 'Jane Doe, Ali Öz',
  publishedAt: '2026-03-01T08:00:00Z',
  siteName: 'The Example',
  lang: 'en-GB',
}

describe('what a page says of itself', () => {
  test('a page that says nothing says nothing', () => {
    expect(facts({})).toEqual(NOTHING)
  })

  test('metas are enough', () => {
    expect(
      facts({
        'og:title': ALL.title,
        'og:description': ALL.description,
        'og:image': 'https://cdn.example/harbour.jpg',
        'og:site_name': ALL.siteName,
        'og:locale': 'en_GB',
        'article:author': ['Jane Doe', 'Ali Öz'],
        'article:published_time': ALL.publishedAt,
      }),
    ).toEqual(ALL)
  })

  test('JSON-LD is enough, and the text in it is not read', () => {
    expect(facts({}, jsonLd(ARTICLE))).toEqual(ALL)
  })

  test('JSON-LD whose nodes name each other is enough', () => {
    const graph = {
      '@graph': [
        {
          ...ARTICLE,
          author: { '@id': 'https://news.example/#/schema/person/1' },
          publisher: { '@id': 'https://news.example/#organization' },
          image: { '@id': `${BASE}#primaryimage` },
        },
        { '@type': 'Person', '@id': 'https://news.example/#/schema/person/1', name: 'Jane Doe' },
        { '@type': 'Organization', '@id': 'https://news.example/#organization', name: 'The Example' },
        { '@type': 'ImageObject', '@id': `${BASE}#primaryimage`, url: 'https://cdn.example/harbour.jpg' },
      ],
    }
    expect(facts({}, jsonLd(graph))).toEqual({ ...ALL, author: 'Jane Doe' })
  })

  test('of several articles the one of this address counts', () => {
    const other = { ...ARTICLE, headline: 'Another', url: 'https://news.example/another' }
    expect(facts({}, jsonLd(other, { ...ARTICLE, url: BASE })).title).toBe(ALL.title)
  })

  test('JSON-LD that cannot be read does not stop the rest', () => {
    expect(facts({ 'og:title': 'A' }, { jsonLd: ['{', ''] })).toEqual({ ...NOTHING, title: 'A' })
  })

  test('texts of JSON-LD are decoded once more, for plugins escape them', () => {
    const escaped = { ...ARTICLE, headline: 'Tom &amp; Jerry&#8217;s', author: 'J&uuml;rgen' }
    expect(facts({}, jsonLd(escaped))).toMatchObject({ title: 'Tom & Jerry’s', author: 'Jürgen' })
  })

  test.each<[string, Record<string, string>, Partial<Said>, string]>([
    ['og: before twitter:', { 'twitter:title': 'B', 'og:title': 'A' }, {}, 'A'],
    ['twitter: before JSON-LD', { 'twitter:title': 'B' }, jsonLd(ARTICLE), 'B'],
    ['JSON-LD before the title', {}, { ...jsonLd(ARTICLE), title: 'C' }, ALL.title],
    ['the title at last', {}, { title: 'C' }, 'C'],
    ['an empty one does not count', { 'og:title': ' ' }, { title: 'C' }, 'C'],
    ['names in capitals count', { 'OG:Title': 'A' }, { title: 'C' }, 'A'],
  ])('the title: %s', (_, metas, more, title) => {
    expect(facts(metas, more).title).toBe(title)
  })

  test.each([
    ['Harbour reopens | The Example', 'Harbour reopens'],
    ['Harbour reopens - The Example', 'Harbour reopens'],
    ['Harbour reopens — THE EXAMPLE', 'Harbour reopens'],
    ['Harbour reopens · The Example', 'Harbour reopens'],
    ['Harbour reopens » The Example', 'Harbour reopens'],
    ['Harbour reopens|The Example', 'Harbour reopens'],
    ['North-South - talks go on - The Example', 'North-South - talks go on'],
    ['Harbour reopens at The Example', 'Harbour reopens at The Example'],
    ['Harbour reopens - Another', 'Harbour reopens - Another'],
    ['The Example', 'The Example'],
    ['| The Example', '| The Example'],
  ])('the site’s name goes off %s', (title, cut) => {
    expect(facts({ 'og:site_name': 'The Example' }, { title }).title).toBe(cut)
    expect(facts({ 'og:site_name': 'The Example', 'og:title': title }).title).toBe(cut)
    expect(titleOf(`<meta property="og:site_name" content="The Example"><title>${title}</title>`)).toBe(cut)
  })

  test('without og:site_name nothing is cut off', () => {
    expect(facts({}, { title: 'Harbour reopens | The Example' }).title).toBe('Harbour reopens | The Example')
  })

  test.each<[string, Record<string, string | string[]>, string | null]>([
    ['https on any host', { 'og:image': 'https://cdn.other.example/a.jpg?w=1' }, 'https://cdn.other.example/a.jpg?w=1'],
    ['a path of this page', { 'og:image': '/a.jpg' }, 'https://news.example/a.jpg'],
    ['an address without its scheme', { 'og:image': '//cdn.example/a.jpg' }, 'https://cdn.example/a.jpg'],
    [
      'the secure one first',
      { 'og:image': 'http://a.example/', 'og:image:secure_url': 'https://b.example/' },
      'https://b.example/',
    ],
    [
      'the next one where the first is http',
      { 'og:image': ['http://a.example/a.jpg', 'https://b.example/b.jpg'] },
      'https://b.example/b.jpg',
    ],
    ['that of twitter:', { 'twitter:image': 'https://a.example/a.jpg' }, 'https://a.example/a.jpg'],
    ['none over http', { 'og:image': 'http://a.example/a.jpg' }, null],
    ['none of script', { 'og:image': 'javascript:alert(1)' }, null],
    ['none of data', { 'og:image': 'data:image/png;base64,AAAA' }, null],
    ['none with a password', { 'og:image': 'https://a:b@a.example/a.jpg' }, null],
    ['none that is too long', { 'og:image': `https://a.example/${'a'.repeat(2000)}` }, null],
    ['none that is none', { 'og:image': 'https://' }, null],
  ])('the picture: %s', (_, metas, image) => {
    expect(facts(metas).image).toBe(image)
  })

  test('a picture that only a link names', () => {
    expect(facts({}, { links: [{ rel: 'image_src', href: '/a.jpg' }] }).image).toBe('https://news.example/a.jpg')
  })

  test('an author who is an address is none; the name counts', () => {
    expect(facts({ 'article:author': 'https://social.example/jane', author: 'Jane Doe' }).author).toBe('Jane Doe')
    expect(facts({ 'article:author': 'https://social.example/jane' }).author).toBe('')
  })

  test.each([
    ['2026-03-01', '2026-03-01'],
    ['2026-03-01T08:00:00+01:00', '2026-03-01T08:00:00+01:00'],
    ['2026-03-01T08:00:00.000Z', '2026-03-01T08:00:00.000Z'],
    ['yesterday', ''],
    ['2026-03-01T08:00:00Z, and the mayor said', ''],
  ])('the date %s is %s', (date, published) => {
    expect(facts({ 'article:published_time': date }).publishedAt).toBe(published)
  })

  test.each([
    ['de', 'de'],
    ['de_AT', 'de-AT'],
    ['zh-Hant-TW', 'zh-Hant-TW'],
    ['', ''],
    ['"><script>', ''],
  ])('the language %s is %s', (lang, tag) => {
    expect(facts({}, { lang }).lang).toBe(tag)
  })

  test('the language of the page counts before that of its locale', () => {
    expect(facts({ 'og:locale': 'en_GB' }, { lang: 'fr' }).lang).toBe('fr')
  })

  test('texts are one line and bounded, whatever stands in them', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 2000 }),
      fc.constantFrom(
        'a\r\nb',
        '\u202egpj.exe',
        'x'.repeat(3000),
        'word '.repeat(400),
        '😀'.repeat(400),
        '\ud800',
        '&lt;script&gt;',
      ),
    )
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        const said = facts(
          { 'og:title': a, 'og:site_name': b, author: c, description: a },
          { title: b, lang: c, ...jsonLd({ ...ARTICLE, headline: b, description: c }) },
        )
        expect(said.title.length).toBeLessThanOrEqual(300)
        expect(said.description.length).toBeLessThanOrEqual(500)
        expect(said.author.length).toBeLessThanOrEqual(200)
        expect(said.siteName.length).toBeLessThanOrEqual(200)
        for (const line of [said.title, said.description, said.author, said.siteName]) {
          expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
          expect(line.isWellFormed()).toBe(true)
          expect(line).toBe(line.trim())
        }
      }),
    )
  })
})

describe('the title of a delivered answer', () => {
  test.each([
    ['plain', '<!doctype html><html><head><title>A</title>', 'A'],
    ['with line ends', '<title>\n  A\n  B\n</title>', 'A B'],
    ['with attributes', '<title data-x="</title>" lang=en>A</title>', 'A'],
    ['in capitals', '<TITLE>A</TITLE >', 'A'],
    [
      'with references',
      '<title>Tom &amp; J&uuml;rgen&#39;s &#x2014; &eacute;t&eacute; &hellip; &#150;</title>',
      "Tom & Jürgen's — été … –",
    ],
    ['with unknown references', '<title>A &unknown; B & C &amp;lt;</title>', 'A &unknown; B & C &lt;'],
    [
      'with numbers that are no characters',
      '<title>A&#0;&#xD800;&#x110000;&#99999999999;B</title>',
      'A\ufffd\ufffd\ufffd\ufffdB',
    ],
    ['with tags in it', '<title>A <b>B</b></title>', 'A <b>B</b>'],
    ['behind one in svg', '<svg><title>B</title></svg><title>A</title>', 'A'],
    ['behind an svg that closes itself', '<svg/><title>A</title>', 'A'],
    ['behind one in svg in svg', '<svg><svg><title>B</title></svg><title>C</title></svg><title>A</title>', 'A'],
    ['behind one in a comment', '<!-- <title>B</title> --><title>A</title>', 'A'],
    ['behind an empty comment', '<!--><title>A</title>-->', 'A'],
    ['behind a short comment', '<!---><title>A</title>-->', 'A'],
    ['behind one in a script', '<script>"<title>B</title>"</script><title>A</title>', 'A'],
    ['behind one in a style', '<style><title>B</title></style><title>A</title>', 'A'],
    ['behind one in noscript', '<noscript><title>B</title></noscript><title>A</title>', 'A'],
    ['behind one in a template', '<template><title>B</title></template><title>A</title>', 'A'],
    ['behind one in an attribute', '<meta content="<title>B</title>"><title>A</title>', 'A'],
    ['behind one in an attribute in single quotes', "<meta content='<title>B</title>'><title>A</title>", 'A'],
    ['behind one in a declaration', '<?xml <title?><title>A</title>', 'A'],
    ['behind a stray bracket', '< title><title>A</title>', 'A'],
    [
      'with metas behind it in an implied head',
      '<title>B</title><link rel=icon><meta name=og:title content=A><p>',
      'A',
    ],
    ['and not a meta of the text', '<title>A</title><p>Text<meta property=og:title content=B>', 'A'],
    ['the first of two', '<title>A</title><title>B</title>', 'A'],
    ['where og:title says another', '<title>B</title><meta property="og:title" content="A &amp; C">', 'A & C'],
    ['where og:title stands without quotes', "<meta content=A property='og:title' /><title>B</title>", 'A'],
    ['where twitter:title says another', '<title>B</title><meta name=twitter:title content=A>', 'A'],
  ])('%s', (_, html, title) => {
    expect(titleOf(html)).toBe(title)
  })

  test.each([
    ['in nothing', ''],
    ['in a picture', '\u0089PNG\r\n\u001a\n\u0000\u0000'],
    ['in JSON', '{"title":"A"}'],
    ['without its end', '<title>A'],
    ['with a part of its end', '<title>A</titl'],
    ['that is another element', '<titles>A</titles>'],
    ['in an svg that does not end', '<svg><title>B</title><p><title>A</title>'],
    ['in a comment that does not end', '<!-- <title>A</title>'],
    ['in an attribute that does not end', '<meta content="<title>A</title>'],
    ['in a script that does not end', '<script><title>A</title>'],
    ['in a body', '<body><title>A</title>'],
    ['behind 64 KB', `${' '.repeat(64 * 1024)}<title>A</title>`],
  ])('none is read %s', (_, html) => {
    expect(titleOf(html)).toBe('')
  })

  test('any text has a title or none, without a fault', () => {
    const part = fc.oneof(
      fc.constantFrom(
        '<',
        '>',
        '"',
        "'",
        '=',
        '/',
        '<!--',
        '-->',
        '<title',
        '</title',
        '<svg',
        '<script>',
        '<meta ',
        ' property=og:title',
        ' content',
        '&',
        '&#',
        ';',
      ),
      fc.string({ unit: 'binary', maxLength: 5 }),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
        const title = titleOf(parts.join(''))
        expect(title.length).toBeLessThanOrEqual(300)
        expect(title).not.toMatch(/\p{Cc}/u)
      }),
      { numRuns: 1000 },
    )
  })

  test.each([
    '<',
    '<a ',
    '<a b="',
    "<a b='",
    '<a b=',
    '<!--',
    '</',
    '<svg>',
    '<title>',
    '<script',
    '<meta x ',
    '<a/ ',
    '&#',
    ' ',
  ])('64 KB of %s are read in a moment', (part) => {
    const html = part.repeat(Math.ceil((64 * 1024) / part.length))
    const start = process.cpuUsage().user
    titleOf(html)
    titleOf(`<title>${html}</title>`)
    titleOf(`<meta ${html}`)
    expect((process.cpuUsage().user - start) / 1000).toBeLessThan(500)
  })
})

describe('the title that ledger and receipts keep', () => {
  const HTML = 'text/html; charset=utf-8'

  test.each([
    ['plain', '<title>A</title>', 'A'],
    ['with markup in it, as text', '<title><b>x</title>', '<b>x'],
    ['with a script in it, as text', '<title>&lt;script&gt;x&lt;/script&gt;</title>', '<script>x</script>'],
    ['that turns around', '<title>a\u202eb &#x202e;&#8294;c\u200f</title>', 'ab c'],
    ['with control characters', '<title>a\u0007b&#27;[31mc\u0085d</title>', 'a b [31mc d'],
    ['that a spreadsheet would compute', '<title>=cmd()</title>', '=cmd()'],
  ])('%s', (_, html, title) => {
    expect(titleInBytes(HTML, Buffer.from(html))).toBe(title)
  })

  test('is cut at 200 characters, and not within one', () => {
    expect(soldTitle('x'.repeat(200))).toHaveLength(200)
    expect(soldTitle('x'.repeat(201))).toBe(`${'x'.repeat(199)}…`)
    expect(soldTitle('🌊'.repeat(150))).toBe(`${'🌊'.repeat(99)}…`)
    const words = `<title>${'word '.repeat(60)}</title>`
    expect(titleInBytes(HTML, Buffer.from(words))).toMatch(/^(?:word ){38}word…$/)
  })

  test.each([
    ['named by HTTP', 'text/html; charset=iso-8859-1', Buffer.from('<title>\xe9t\xe9</title>', 'latin1')],
    ['named by itself', 'text/html', Buffer.from('<meta charset=latin1><title>\xe9t\xe9</title>', 'latin1')],
    ['marked', 'text/html; charset=latin1', Buffer.from('\ufeff<title>été</title>')],
    ['cut in the middle of a letter behind it', HTML, Buffer.from('<title>été</title>é').subarray(0, -1)],
  ])('is read in its own letters, %s', (_, contentType, bytes) => {
    expect(titleInBytes(contentType, bytes)).toBe('été')
  })

  test.each([
    ['in letters nobody knows', 'text/html; charset=klingon', Buffer.from('<title>A</title>')],
    ['in UTF-16', 'text/html; charset=utf-16', Buffer.from('<title>A</title>', 'utf16le')],
    ['in other letters than it says', HTML, Buffer.from('<title>\xe9t\xe9</title>', 'latin1')],
    ['of a megabyte', HTML, Buffer.from(`<title>${'x'.repeat(1_048_576)}</title>`)],
    ['behind 64 KB', HTML, Buffer.from(`${' '.repeat(65_536)}<title>A</title>`)],
    ['in nothing', HTML, Buffer.alloc(0)],
  ])('is none %s', (_, contentType, bytes) => {
    expect(titleInBytes(contentType, bytes)).toBe('')
  })

  test.each([
    ['<title>A</title></HEAD >', true],
    ['\u00e9<body class=a>', true],
    ['<title>A</title><header>', false],
  ])('a head ends in %s: %s', (html, isEnd) => {
    expect(endsHead(Buffer.from(html))).toBe(isEnd)
  })

  test('whatever the bytes are: one line, bounded, without a fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (bytes, charset) => {
        const html = Buffer.concat([Buffer.from('<title>'), bytes, Buffer.from('</title>')])
        const title = titleInBytes(`text/html; charset=${charset}`, html)
        expect(title.length).toBeLessThanOrEqual(200)
        expect(title).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
      }),
      { numRuns: 500 },
    )
  })
})

describe('what a head is given', () => {
  const given = (said: PageFacts, present: readonly string[] = []) =>
    Object.fromEntries(previewTags(said, BASE, 'The Example', present).map(({ name, content }) => [name, content]))

  test('everything where the page has nothing of its own', () => {
    expect(given(ALL)).toEqual({
      'og:title': ALL.title,
      'og:url': BASE,
      'og:site_name': 'The Example',
      'og:image': ALL.image,
      'twitter:card': 'summary_large_image',
      robots: 'max-image-preview:large',
    })
  })

  test('no picture and no large card where the page has no picture', () => {
    const without = given({ ...ALL, image: null })
    expect(without).not.toHaveProperty('og:image')
    expect(without['twitter:card']).toBe('summary')
  })

  test('no empty title', () => {
    expect(given(NOTHING)).not.toHaveProperty('og:title')
  })

  test.each([
    ['og:title', 'og:title'],
    ['OG:Title', 'og:title'],
    ['og:url', 'og:url'],
    ['og:site_name', 'og:site_name'],
    ['og:image', 'og:image'],
    ['og:image:secure_url', 'og:image'],
    ['twitter:card', 'twitter:card'],
    ['robots', 'robots'],
  ])('with %s of its own the page is given no %s, and all the rest', (present, name) => {
    const { [name]: _, ...rest } = given(ALL)
    expect(given(ALL, [present])).toEqual(rest)
  })
})
