// The leak check's parts that ask nobody: what a page shows, what of it is paid for, and where that stands in an answer.
import { describe, expect, test } from 'vitest'
import { newAllowance, readings } from '../../cli/doctor/decoding.ts'
import { buildIn, doorsOf, isSameSite, linksInHeader } from '../../cli/doctor/doors.ts'
import { leakOptions } from '../../cli/doctor/leaks.ts'
import { type Leak, leaksIn, paidPart } from '../../cli/doctor/runs.ts'
import { readPage, readPlain, type Spot } from '../../cli/doctor/text.ts'

const TEASER =
  'Early on Tuesday the harbour office opened its oldest book and began to read aloud to nobody in particular.'
const PAID = 'The ledger shows that nine captains paid twice for the same “berth”, and don’t seem to have noticed it.'
const MORE = 'What became of the money is told by a letter that was found behind a drawer in the attic.'
const NAV =
  '<nav><a href="/">Home</a> <a href="/n">News</a> World Business Culture Sport Weather Letters Puzzles Archive</nav>'
const FOOTER = '<footer><p>Published every day but Sunday by the Harbour Press of the old town since 1871.</p></footer>'

type Parts = { head?: string; body?: string }

const page = (article: string, { head = '', body = '' }: Parts = {}): string =>
  `<!doctype html><html><head><title>The harbour book</title>${head}</head><body>${NAV}<main><article><h1>The harbour book</h1>${article}</article></main>${body}${FOOTER}</body></html>`

const WHOLE = page(`<p>${TEASER}</p><p>${PAID.replace('nine captains', '<b>nine</b> captains')}</p><p>${MORE}</p>`)

/** What is said of an unpaid answer beside the whole page. */
function leaks(unpaid: string, whole = WHOLE, headers: Spot[] = []): Leak[] {
  const answer = readPage(unpaid)
  const paid = paidPart(readPage(whole), answer)
  return leaksIn({ ...answer, spots: [...headers, ...answer.spots] }, paid, newAllowance())
}

const teaser = (parts: Parts = {}): string => page(`<p>${TEASER}</p>`, parts)
const json = JSON.stringify(PAID)
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const escaped = (text: string): string =>
  [...text].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
const html = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

describe('the paid part is found', () => {
  test.each<[where: string, unpaid: string, place: string]>([
    ['in the state of a script', teaser({ head: `<script>window.__STATE__={"body":${json}}</script>` }), '<script>'],
    [
      'in JSON of a script',
      teaser({ body: `<script type="application/json">{"a":[{"text":${json}}]}</script>` }),
      '<script type="application/json">',
    ],
    [
      'in JSON-LD',
      teaser({ head: `<script type="application/ld+json">{"@type":"NewsArticle","articleBody":${json}}</script>` }),
      '<script type="application/ld+json">',
    ],
    ['in \\u escapes', teaser({ body: `<script>var a="${escaped(PAID)}"</script>` }), '<script>'],
    [
      'in escaped HTML within JSON',
      teaser({ body: `<script>var a=${JSON.stringify({ body: html(`<p>${PAID}</p>`) })}</script>` }),
      '<script>',
    ],
    [
      'in HTML that was escaped twice within JSON',
      teaser({
        body: `<script>var a=${JSON.stringify({ body: html(html(`<p>${[...PAID].map((l) => `&#${l.charCodeAt(0)};`).join('')}</p>`)) })}</script>`,
      }),
      '<script>',
    ],
    [
      'in JSON within JSON',
      teaser({ body: `<script>var a=${JSON.stringify(JSON.stringify({ x: `<p>${PAID}</p>` }))}</script>` }),
      '<script>',
    ],
    [
      'word by word in JSON',
      teaser({ body: `<script>push(${JSON.stringify(PAID.split(' ').map((text) => ({ text })))})</script>` }),
      '<script>',
    ],
    ['in an attribute', teaser({ body: `<div data-body="${html(PAID)}"></div>` }), 'the attribute data-body of <div>'],
    [
      'in base64 of an attribute',
      teaser({ body: `<div data-body="${base64(PAID)}"></div>` }),
      'the attribute data-body of <div>',
    ],
    [
      'in base64 of JSON with HTML, behind a path',
      teaser({ body: `<a href="/x/y/${base64(JSON.stringify({ html: `<p>${PAID}</p>` }))}">more</a>` }),
      'the attribute href of <a>',
    ],
    [
      'in a URL',
      teaser({ body: `<a href="mailto:?body=${encodeURIComponent(PAID)}">mail</a>` }),
      'the attribute href of <a>',
    ],
    ['in a comment', teaser({ body: `<!-- ${PAID} -->` }), 'a comment'],
    ['in a template', teaser({ body: `<template><p>${PAID}</p></template>` }), '<template>'],
    ['in noscript', teaser({ body: `<noscript><p>${html(PAID)}</p></noscript>` }), '<noscript>'],
    [
      'in srcdoc',
      teaser({ body: `<iframe srcdoc="${html(`<p>${html(PAID)}</p>`)}"></iframe>` }),
      'the attribute srcdoc of <iframe>',
    ],
    [
      'in a hidden field',
      teaser({ body: `<input type="hidden" name="text" value="${html(PAID)}">` }),
      'the attribute value of <input>',
    ],
    [
      'in an alternative text',
      teaser({ body: `<img src="/a.png" alt="${html(PAID)}">` }),
      'the attribute alt of <img>',
    ],
    ['in a style sheet', teaser({ head: `<style>p::after{content:"${PAID}"}</style>` }), '<style>'],
    [
      'in escapes of a style sheet',
      teaser({
        head: `<style>p::after{content:"${[...PAID].map((l) => `\\${l.charCodeAt(0).toString(16).padStart(2, '0')} `).join('')}"}</style>`,
      }),
      '<style>',
    ],
    [
      'in an attribute of style',
      teaser({ body: `<p style="--text:'${html(PAID.replace('’', ''))}'"></p>` }),
      'the attribute style of <p>',
    ],
    ['in a hidden element', teaser({ body: `<div hidden><p>${PAID}</p></div>` }), 'a hidden <div>'],
    [
      'in an element that its style hides',
      teaser({ body: `<div style="display: none">${PAID}</div>` }),
      'a hidden <div>',
    ],
    [
      'in an element that a sheet hides',
      teaser({
        head: '<style>.page .later{display:none}</style>',
        body: `<div class="page"><p class="a later">${PAID}</p></div>`,
      }),
      'a hidden <p>',
    ],
    ['in blurred text', teaser({ body: `<p style="color:#000;filter:blur(4px)">${PAID}</p>` }), 'a hidden <p>'],
    [
      'in another tag of head',
      teaser({ head: `<meta name="parsely-page" content="${html(PAID)}">` }),
      '<meta parsely-page>',
    ],
    [
      'in a name of an attribute',
      teaser({ body: `<div data-text=${PAID.replaceAll(/[^\w ]/g, '')}></div>` }),
      'its source',
    ],
    [
      'in a vector picture',
      teaser({ body: `<svg><desc>${PAID}</desc></svg>` }).replace('<desc', '<desc style="display:none"'),
      'a hidden <desc>',
    ],
  ])('%s', (_, unpaid, place) => {
    const found = leaks(unpaid)
    expect(found.map(({ where }) => where)).toEqual([place])
    expect(found[0]?.isWarning).toBe(false)
    expect(found[0]?.quote.toLowerCase()).toContain('paid twice for the same')
  })

  test.each<[where: string, name: string, value: string]>([
    ['as it is', 'x-excerpt', PAID],
    ['in a link', 'link', `</a?t=${encodeURIComponent(PAID)}>; rel="next"`],
    ['in base64', 'payment-required', base64(JSON.stringify({ resource: { description: PAID } }))],
  ])('in a header, %s', (_, name, value) => {
    const found = leaks(teaser(), WHOLE, [{ where: `the header ${name}`, text: value, isHead: false }])
    expect(found).toMatchObject([{ where: `the header ${name}`, isWarning: false }])
  })

  test.each([
    ['<title>', teaser().replace('The harbour book</title>', `${PAID}</title>`)],
    ['<meta description>', teaser({ head: `<meta name="description" content="${html(PAID)}">` })],
    ['<meta og:description>', teaser({ head: `<meta property="og:description" content="${html(PAID)}">` })],
    ['<meta og:title>', teaser({ head: `<meta property="og:title" content="${html(PAID)}">` })],
  ])('in %s, as a warning', (where, unpaid) => {
    expect(leaks(unpaid)).toMatchObject([{ where, isWarning: true }])
  })

  test('where each run is shown with what is around it, and shortened', () => {
    const [leak, ...others] = leaks(teaser({ body: `<!-- ${PAID} ${MORE} -->` }))
    expect(others).toEqual([])
    expect(leak?.wordCount).toBe(38)
    expect(leak?.quote).toMatch(/^The ledger shows that nine captains paid twice for the same “berth”/)
    expect(leak?.quote.length).toBeLessThanOrEqual(100)
    expect(leak?.quote.endsWith('…')).toBe(true)
  })

  test('from eight words on, and not with seven', () => {
    const words = PAID.split(' ')
    expect(leaks(teaser({ body: `<!-- ${words.slice(0, 7).join(' ')} -->` }))).toEqual([])
    expect(leaks(teaser({ body: `<!-- ${words.slice(0, 8).join(' ')} -->` }))).toMatchObject([{ wordCount: 8 }])
  })

  test('where a page begins to be paid for in the middle of a paragraph', () => {
    const whole = page(`<p>${TEASER} ${PAID}</p>`)
    expect(leaks(teaser({ body: `<!-- ${TEASER} ${PAID} -->` }), whole)).toMatchObject([{ wordCount: 19 }])
  })

  test('with other capitals, apostrophes, hyphens and spaces', () => {
    const other = PAID.toUpperCase().replace('’', "'").replace('CAPTAINS', 'CAP\u00adTAINS').replaceAll(' ', '\u00a0\n')
    expect(leaks(teaser({ body: `<!-- ${other} -->` }))).toHaveLength(1)
  })
})

describe('nothing is found', () => {
  const related =
    '<aside><h2>More</h2><a href="/b">How the lighthouse keeper of the northern pier learned to play chess</a></aside>'

  test('on a clean page whose frame and related links repeat', () => {
    const state = '<script>var nav="Home News World Business Culture Sport Weather Letters Puzzles Archive"</script>'
    const unpaid = teaser({ head: state, body: related })
    expect(leaks(unpaid, WHOLE.replace('<footer>', `${related}<footer>`))).toEqual([])
  })

  test('where the teaser stands again in the head, in JSON-LD and in a comment', () => {
    const head = `<meta name="twitter:description" content="${TEASER}"><script type="application/ld+json">{"description":"${TEASER}"}</script>`
    expect(leaks(teaser({ head, body: `<!-- ${TEASER} -->` }))).toEqual([])
  })

  test('where the frame of an answer is the frame of the page, and the unpaid page has none', () => {
    const bare = readPage('<title>402</title><p>This article costs five cents.</p>')
    const paid = paidPart(readPage(WHOLE), bare)
    const missing = readPage(`<h1>Not found</h1>${NAV}${FOOTER}`)
    expect(leaksIn(missing, paid, newAllowance())).toEqual([])
    const nested = readPage(`<article>${FOOTER}</article>`)
    expect(leaksIn(nested, paid, newAllowance())).toHaveLength(1)
  })

  test('by runs that lie over the end of the teaser', () => {
    expect(leaks(teaser({ body: `<!-- ${TEASER} The ledger shows that -->` }))).toEqual([])
  })

  test('where headlines of other articles stand in a feed but as a warning', () => {
    const headline = 'How the lighthouse keeper of the northern pier learned to play chess at night'
    const whole = WHOLE.replace('</main>', `<h3><a href="/b">${headline}</a></h3></main>`)
    const paid = paidPart(readPage(whole), readPage(teaser()))
    const feed = readPage(`<rss><channel><item><description>${headline}</description></item></channel></rss>`)
    expect(leaksIn(feed, paid, newAllowance())).toMatchObject([{ isWarning: true }])
  })
})

describe('scripts without spaces', () => {
  const first = '港の役所では火曜日の早朝に古い帳簿が開かれた。'
  const then = '帳簿によれば、九人の船長が同じ停泊所に二度も支払い、誰もそれに気づかなかったという。'
  const whole = page(`<p>${first}</p><p>${then}</p>`)
  const shown = (body: string) => page(`<p>${first}</p>`, { body })

  test('have runs of 24 characters', () => {
    const letters = then.replaceAll(/[、。]/g, '')
    expect(leaks(shown(`<!-- ${letters.slice(0, 23)} -->`), whole)).toEqual([])
    expect(leaks(shown(`<!-- ${letters.slice(0, 24)} -->`), whole)).toMatchObject([{ where: 'a comment' }])
  })

  test('are found in escapes', () => {
    expect(leaks(shown(`<script>var a="${escaped(then)}"</script>`), whole)).toMatchObject([{ where: '<script>' }])
    expect(leaks(shown(`<i data-a="${base64(then)}"></i>`), whole)).toHaveLength(1)
    expect(leaks(shown(`<i data-a="${encodeURIComponent(then)}"></i>`), whole)).toHaveLength(1)
  })

  test.each([
    ['Thai', 'สำนักงานท่าเรือเปิดสมุดบัญชีเล่มเก่าที่สุดในเช้าวันอังคารแล้วเริ่มอ่านออกเสียง'],
    ['Chinese', '账簿显示九位船长为同一个泊位付了两次钱而且似乎从来没有人注意到这件事情后来怎么样'],
  ])('%s too', (_, text) => {
    expect(leaks(shown(`<!-- ${text} -->`), page(`<p>${first}</p><p>${text}</p>`))).toHaveLength(1)
  })
})

describe('cells and captions', () => {
  const table =
    '<table><caption>Berths by year</caption><tr><th>Captain</th><th>Paid in all</th></tr><tr><td>Maria Olsen</td><td>4,711.20</td></tr><tr><td>Yes</td><td>12</td></tr></table>'
  const figure = '<figure><img src="/a.png"><figcaption>Drawer and letter</figcaption></figure>'
  const whole = page(`<p>${TEASER}</p><p>${PAID}</p>${table}${figure}`)

  test.each([
    ['a caption of a table', 'Berths by year'],
    ['a caption of a picture', 'Drawer and letter'],
    ['a cell', 'Maria Olsen'],
    ['a number', '4,711.20'],
  ])('%s is found whole', (_, text) => {
    const found = leaks(teaser({ body: `<i data-a="${text}"></i>` }), whole)
    expect(found).toMatchObject([{ quote: text, isWarning: false }])
  })

  test('a row is found whole', () => {
    const found = leaks(teaser({ body: '<script>var t=[["Captain","Paid in all"]]</script>' }), whole)
    expect(found).toMatchObject([{ quote: 'Captain Paid in all' }])
  })

  test('a part of one is none, and a cell of one word says nothing', () => {
    expect(
      leaks(
        teaser({ body: '<i data-a="Maria Jensen, berths by" data-b="Yes, please" data-c="12 Captain"></i>' }),
        whole,
      ),
    ).toEqual([])
  })
})

describe('a page', () => {
  test('shows its shadow roots, and neither scripts nor hidden parts', () => {
    const { blocks } = readPage(
      '<div><template shadowrootmode="open"><p>in a root</p></template></div><p hidden>no</p><script>no</script><p>a<b>b</b>c<br>d</p>',
    )
    expect(blocks.map(({ text }) => text)).toEqual(['in a root', 'abc', 'd'])
  })

  test('does not hide what is hidden on some screens alone', () => {
    const { blocks } = readPage(
      '<style>@media print{.a{display:none}}.b{display:none}</style><p class="a">one</p><p class="b">two</p>',
    )
    expect(blocks.map(({ text }) => text)).toEqual(['one'])
  })

  test('may be nested deeper than functions', () => {
    expect(readPage(`${'<div>'.repeat(30_000)}deep`).blocks).toMatchObject([{ text: 'deep' }])
  })

  test.each([
    ['@a', 100_000],
    ['@a{', 100_000],
    ['/*', 100_000],
    ['"\\"', 100_000],
  ])('made of %s is read in one pass', (part, times) => {
    const odd = `<style>${part.repeat(times)}</style><script>${part.repeat(times)}</script><p>shown</p>`
    const answer = readPage(odd)
    expect(leaksIn(answer, paidPart(readPage(WHOLE), answer), newAllowance())).toEqual([])
    expect(answer.blocks).toMatchObject([{ text: 'shown' }])
  })

  test('of plain text shows its lines', () => {
    expect(readPlain('one\n\ntwo').blocks.map(({ text }) => text)).toEqual(['one', 'two'])
  })
})

describe('readings', () => {
  test('end where the allowance ends, and say so', () => {
    const allowance = { letters: 100, isSpent: false }
    expect([...readings('x'.repeat(200), allowance)]).toEqual([])
    expect(allowance.isSpent).toBe(true)
  })

  test('read nothing twice', () => {
    const all = [...readings('a%20b &amp; "c" "d" \\u0041', newAllowance())]
    expect(new Set(all).size).toBe(all.length)
    expect(all.length).toBeLessThan(40)
  })

  test.each(['%zz%', '\\u{ffffffff}', '\\', '&#x110000;', '====', '%ff%fe', '\\ud800'])('survive %s', (odd) => {
    expect([...readings(odd, newAllowance())][0]).toBe(odd)
  })
})

describe('doors', () => {
  const at = (address: string, links: { rel: string; href: string }[] = [], build: string | null = null): string[] =>
    doorsOf(new URL(address), { links, build }).map(({ url }) => url.href)
  const page = 'https://news.example/articles/my-piece'

  test.each([
    'https://news.example/feed',
    'https://news.example/feed/',
    'https://news.example/rss',
    'https://news.example/rss.xml',
    'https://news.example/atom.xml',
    'https://news.example/feed.json',
    'https://news.example/index.xml',
    'https://news.example/wp-json/wp/v2/posts?slug=my-piece',
    'https://news.example/?rest_route=/wp/v2/posts&slug=my-piece',
    `https://news.example/wp-json/oembed/1.0/embed?url=${encodeURIComponent(page)}`,
    `${page}/amp`,
    `${page}?amp=1`,
    'https://news.example/amp/articles/my-piece',
    'https://news.example/print/articles/my-piece',
    `${page}?print=1`,
    'https://news.example/_next/data/b1/articles/my-piece.json',
    `${page}?_rsc=1`,
    `${page}/_payload.json`,
    'https://news.example/page-data/articles/my-piece/page-data.json',
    `${page}/page-data.json`,
    `${page}/__data.json`,
    `${page}.md`,
    `${page}/index.html`,
    `${page}.html`,
    'https://www.news.example/articles/my-piece',
  ])('%s is one', (door) => {
    expect(at(page, [], 'b1')).toContain(door)
  })

  test('are tried once, below fifty, and on the site alone', () => {
    const links = [
      { rel: 'alternate', href: '/feed' },
      { rel: 'alternate', href: 'https://elsewhere.example/feed' },
      { rel: 'shortlink', href: '/?p=12#top' },
      { rel: 'stylesheet', href: '/a.css' },
      { rel: 'alternate', href: 'javascript:alert(1)' },
      { rel: 'amphtml', href: 'http://[' },
    ]
    const all = doorsOf(new URL(page), { links, build: 'b1' })
    const keys = all.map(({ url, headers }) => `${url.href} ${JSON.stringify(headers)}`)
    expect(new Set(keys).size).toBe(keys.length)
    expect(keys.length).toBeLessThan(50)
    expect(
      keys.filter((key) => key.includes('elsewhere') || key.includes('a.css') || key.includes('javascript')),
    ).toEqual([])
    expect(all.map(({ url }) => url.href)).toContain('https://news.example/?p=12')
  })

  test('of the front page, of www. and of this machine', () => {
    expect(at('https://news.example/')).not.toContain('https://news.example/.md')
    expect(at('https://news.example/', [], 'b1')).toContain('https://news.example/_next/data/b1/index.json')
    expect(at('https://www.news.example/a')).toContain('https://news.example/a')
    expect(at('http://127.0.0.1:8787/a').filter((door) => !door.startsWith('http://127.0.0.1:8787/'))).toEqual([])
  })

  test('are named by scripts and headers too', () => {
    expect(buildIn('<script>{"props":{},"buildId":"k3-_x"}</script>')).toBe('k3-_x')
    expect(buildIn('<script src="/_next/static/abc123/_buildManifest.js">')).toBe('abc123')
    expect(buildIn('<p>none</p>')).toBe(null)
    expect(linksInHeader('</a>; rel="alternate"; type=x, </b>;rel=shortlink, </c>')).toEqual([
      { href: '/a', rel: 'alternate' },
      { href: '/b', rel: 'shortlink' },
    ])
    expect(isSameSite(new URL('http://www.a.example/'), new URL('https://a.example/x'))).toBe(true)
    expect(isSameSite(new URL('https://b.a.example/'), new URL('https://a.example/x'))).toBe(false)
  })
})

describe('what is asked for', () => {
  const url = 'https://news.example/articles/a'
  const token = 'eyJzZWNyZXQi.c2VjcmV0'

  test('is read', () => {
    expect(leakOptions([`${url}#x`], token, undefined)).toMatchObject({ source: { kind: 'pass', pass: token } })
    expect(leakOptions([url], undefined, 'https://origin.example/').source).toEqual({
      kind: 'origin',
      origin: 'https://origin.example',
    })
  })

  test.each<[what: string, words: string[], pass: string | undefined, origin: string | undefined, sentence: RegExp]>([
    ['no address', [], token, undefined, /needs addresses/],
    ['neither pass nor origin', [url], undefined, undefined, /write one of them/],
    ['both', [url], token, 'https://origin.example', /write one of them/],
    ['a pass in the place of an address', [url, token], token, undefined, /^address 2 of --leaks is no address/],
    ['two sites and one pass', [url, 'https://other.example/a'], token, undefined, /one site alone/],
    ['no encryption', ['http://news.example/a'], token, undefined, /https/],
    ['a pass with a line break', [url], `${token}\r\nX: y`, undefined, /is no pass/],
    ['an origin with a path', [url], undefined, 'https://origin.example/x', /without a path/],
    ['a password', [`https://a:${token}@news.example/a`], token, undefined, /holds a password/],
    ['another protocol', ['file:///etc/passwd'], token, undefined, /no address of a page/],
  ])('with %s is refused, and never repeats the pass', (_, words, pass, origin, sentence) => {
    const refused = () => leakOptions(words, pass, origin)
    expect(refused).toThrow(sentence)
    expect(refused).not.toThrow(token)
  })
})
