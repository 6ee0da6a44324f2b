// The wall in the publisher's own page: what a document is shown, what nobody is shown, and what the origin is asked.

import { Readable } from 'node:stream'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { NOTHING, ONE_SALE, openShop, type Shop, SITE } from '../world/shop.ts'

const PAGE = '/articles/tides'
const SECRET = 'marmalade'
const DOCUMENT = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'Sec-Fetch-Dest': 'document' }

const article = (
  rest = '',
) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>The tides | News</title>
<meta property="og:image" content="https://news.example/tides.jpg"><link rel="stylesheet" href="/style.css">
<link rel="amphtml" href="/amp/tides"><script>window.STATE={"body":"${SECRET}"}</script>
<script type="application/ld+json">{"@context":"https://schema.org","@type":"NewsArticle","headline":"The tides","articleBody":"${SECRET}"}</script></head>
<body class="single"><header><a href="/">News</a></header><nav><a href="/sport">Sport</a></nav>
<article class="entry-content"><h1>The tides</h1><p>The first paragraph says what it is about.</p><p>The second paragraph goes on a little.</p>
<p>The third paragraph is the last that is free.</p><p>The fourth is ${SECRET} and costs money to read, for it is long.</p>
<p>The fifth as well: ${SECRET}, with more and more words about the sea and its moon and the harbour wall.</p>
<p>And the sixth, which says ${SECRET} once more, and then the article is at its end, as all things are.</p></article>
<aside><p>${SECRET} in a box</p></aside><footer><p>Imprint</p></footer>${rest}</body></html>`

let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  const ROUTES = [
    { path: '/articles/*', price: '$0.05', access: '24h' },
    { path: '/found/*', price: '$0.05', access: '24h', wall: { status: 200 } },
    { path: '/plain/*', price: '$0.05', access: '24h', wall: false },
  ]
  shop = await openShop({ ORIGIN_URL: origin.url, ROUTES })
})
afterAll(async () => {
  await shop.close()
  await origin.stop()
})
beforeEach(() =>
  origin.tell({ headers: { 'Content-Type': 'text/html', 'Set-Cookie': 'a=b', ETag: '"x"' }, body: article() }),
)

describe('a document', () => {
  test('is the publisher’s own page up to the cut, with the card, and nothing of the rest', async () => {
    const { result, cost } = await shop.costOf(() =>
      shop.ask(PAGE, { headers: { ...DOCUMENT, Cookie: 'session=1', 'If-None-Match': '"x"' } }),
    )
    expect(result.status).toBe(402)
    expect(cost).toEqual(NOTHING)
    for (const shown of [
      'The third paragraph',
      'Imprint',
      'class="single"',
      'shadowrootmode',
      'The rest costs $0.05',
    ]) {
      expect(result.text).toContain(shown)
    }
    expect(result.text).not.toContain(SECRET)
    expect(result.text).not.toContain('amphtml')
    expect(result.header('Set-Cookie')).toBeNull()
    expect(result.header('ETag')).toBeNull()
    expect(result.header('PAYMENT-REQUIRED')).not.toBeNull()
    expect(result.header('Cache-Control')).toBe('no-store, no-transform')
    expect(origin.seen).toHaveLength(1)
    expect(origin.seen[0]?.headers.cookie).toBeUndefined()
    expect(origin.seen[0]?.headers['if-none-match']).toBeUndefined()
  })

  test('tells search engines that it is paid for, once', async () => {
    const { text } = await shop.ask(PAGE, { headers: DOCUMENT })
    const said = [...text.matchAll(/<script type="application\/ld\+json">(.*?)<\/script>/g)].map(([, json = '']) =>
      JSON.parse(json),
    )
    expect(said).toEqual([
      expect.objectContaining({ '@type': 'NewsArticle', headline: 'The tides', isAccessibleForFree: false }),
    ])
  })
})

test.each([
  ['a program', {}],
  ['one that prefers JSON', { Accept: 'application/json' }],
  ['a script of the page', { Accept: 'text/html', 'Sec-Fetch-Dest': 'empty' }],
])('%s costs the origin nothing', async (_who, headers) => {
  const answer = await shop.ask(PAGE, { headers })
  expect(answer.status).toBe(402)
  expect(origin.seen).toEqual([])
})

test('HEAD costs the origin nothing', async () => {
  expect((await shop.ask(PAGE, { method: 'HEAD', headers: DOCUMENT })).status).toBe(402)
  expect(origin.seen).toEqual([])
})

test.each([404, 410])('%i of the origin reaches the document as it is', async (status) => {
  origin.tell({ status, headers: { 'Content-Type': 'text/html' }, body: 'not here' })
  const answer = await shop.ask(PAGE, { headers: DOCUMENT })
  expect([answer.status, answer.text]).toEqual([status, 'not here'])
})

test('so does a redirect within the site, and no other', async () => {
  origin.tell({ status: 301, headers: { Location: `${SITE}/articles/other` }, body: '' })
  expect((await shop.ask(PAGE, { headers: DOCUMENT })).status).toBe(301)
  origin.tell({ status: 302, headers: { Location: 'https://elsewhere.example/' }, body: '' })
  expect((await shop.ask(PAGE, { headers: DOCUMENT })).status).toBe(402)
})

test.each<[string, object]>([
  ['500', { status: 500, body: SECRET }],
  ['another type', { headers: { 'Content-Type': 'text/plain' }, body: SECRET }],
  [
    'no paragraphs',
    { headers: { 'Content-Type': 'text/html' }, body: `<div id="root"></div><script>${SECRET}</script>` },
  ],
  ['an unknown encoding', { headers: { 'Content-Type': 'text/html; charset=x-klingon' }, body: article() }],
])('with %s it is the plain page', async (_what, answer) => {
  origin.tell(answer)
  const shown = await shop.ask(PAGE, { headers: DOCUMENT })
  expect(shown.status).toBe(402)
  expect(shown.text).not.toContain(SECRET)
  expect(shown.text).toContain('Read on')
})

describe('a subscriber', () => {
  beforeAll(() => shop.site.restart({ BRAND: { login: '/login' } }))
  afterAll(() => shop.site.restart({ BRAND: {} }))
  const SIGNED_IN = { ...DOCUMENT, Cookie: 'session=1; __Host-newsstand=x' }
  const open = {
    headers: { 'Content-Type': 'text/html', 'Newsstand-Access': 'open', 'Set-Cookie': 'session=2' },
    body: article(),
  }

  test.each([PAGE, '/plain/tides'])('of the publisher reads %s, and nobody else is shown it', async (path) => {
    origin.tell(({ headers }) => (headers.cookie ? open : { ...open, headers: { 'Content-Type': 'text/html' } }))
    const answer = await shop.ask(path, { headers: SIGNED_IN })
    expect([answer.status, answer.text]).toEqual([200, article()])
    expect(answer.header('Cache-Control')).toBe('private, no-store')
    expect(answer.header('Set-Cookie')).toBe('session=2')
    expect(answer.header('Newsstand-Access')).toBeNull()
    expect(origin.seen.map(({ headers }) => headers.cookie)).toEqual(['session=1'])
    expect((await shop.ask(path, { headers: DOCUMENT })).text).not.toContain(SECRET)
  })

  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['who has no subscription any more', SIGNED_IN, { 'Newsstand-Access': 'expired' }],
    ['who is none, and whose origin opens to everybody', DOCUMENT, { 'Newsstand-Access': 'open' }],
    ['with no cookie but ours', { ...DOCUMENT, Cookie: '__Host-newsstand=x' }, { 'Newsstand-Access': 'open' }],
  ])('%s sees the wall', async (_who, headers, said) => {
    origin.tell({ headers: { 'Content-Type': 'text/html', ...said }, body: article() })
    const answer = await shop.ask('/articles/other', { headers })
    expect(answer.status).toBe(402)
    expect(answer.text).not.toContain(SECRET)
    expect(answer.text).toContain('shadowrootmode')
    expect(origin.seen).toHaveLength(1)
  })

  test('finds a way to log in', async () => {
    const { text } = await shop.ask(PAGE, { headers: DOCUMENT })
    expect(text).toContain('<a href="/login">Log in as a subscriber</a>')
  })

  test('costs the origin nothing as a program', async () => {
    origin.tell(open)
    expect((await shop.ask(PAGE, { headers: { Cookie: 'session=1' } })).status).toBe(402)
    expect(origin.seen).toEqual([])
  })
})

test('the first lines and the card are there while the origin still writes', async () => {
  let writes: () => void = () => {}
  const at = article().indexOf('</article>')
  origin.tell({
    headers: { 'Content-Type': 'text/html' },
    body: Readable.from(
      (async function* () {
        yield article().slice(0, at)
        await new Promise<void>((resolve) => {
          writes = resolve
        })
        yield article().slice(at)
      })(),
    ),
  })
  const headers = { ...DOCUMENT, 'Accept-Encoding': 'gzip' }
  const answer = await fetch(`${shop.site.url}/articles/slow`, { headers })
  let text = ''
  for await (const bytes of answer.body ?? []) {
    text += Buffer.from(bytes).toString('utf8')
    if (text.includes('shadowrootmode')) writes()
  }
  expect(text).toContain('The third paragraph')
  expect(text).toContain('Imprint')
  expect(text).not.toContain(SECRET)
})

test('a page that is all there is compressed', async () => {
  const answer = await shop.ask(PAGE, { headers: { ...DOCUMENT, 'Accept-Encoding': 'gzip' } })
  expect(answer.header('Content-Encoding')).toBe('gzip')
})

describe('equal requests', () => {
  const ten = (path: string, headers = DOCUMENT) =>
    Promise.all(Array.from({ length: 10 }, () => shop.ask(path, { headers })))

  test('share one reading of the origin, and each has a quote of its own', async () => {
    const answers = await ten('/articles/shared')
    expect(origin.seen).toHaveLength(1)
    expect(new Set(answers.map(({ text }) => text.split('data-newsstand="card"')[0])).size).toBe(1)
    expect(new Set(answers.map((answer) => answer.header('PAYMENT-REQUIRED'))).size).toBe(10)
    expect(answers.filter(({ text }) => text.includes(SECRET) || !text.includes('Imprint'))).toEqual([])
  })

  test.each<[string, Record<string, string>, number]>([
    ['says nothing', {}, 2],
    ['calls it public', { 'Cache-Control': 'public, max-age=600' }, 1],
    ['calls it public, by encoding', { 'Cache-Control': 'public', Vary: 'Accept-Encoding' }, 1],
    ['calls it public, and varies', { 'Cache-Control': 'public', Vary: 'Cookie' }, 2],
    ['calls it public, and sets a cookie', { 'Cache-Control': 'public', 'Set-Cookie': 'a=b' }, 2],
  ])('one after the other, where the origin %s: it is asked %#', async (what, headers, times) => {
    const path = `/articles/${what.replaceAll(/\W/g, '-')}`
    origin.tell({ headers: { 'Content-Type': 'text/html', ...headers }, body: article() })
    const [first, second] = [await shop.ask(path, { headers: DOCUMENT }), await shop.ask(path, { headers: DOCUMENT })]
    expect(second.text).not.toContain(SECRET)
    expect(second.text.length).toBe(first.text.length)
    expect(origin.seen).toHaveLength(times)
  })

  test('a reader who leaves costs the others nothing', async () => {
    const gone = new AbortController()
    let writes: (() => void) | null = null
    const slow = () =>
      Readable.from(
        (async function* () {
          yield article().slice(0, 900)
          await new Promise<void>((resolve) => {
            writes = resolve
          })
          yield article().slice(900)
        })(),
      )
    origin.tell(() =>
      origin.seen.length === 1
        ? { headers: { 'Content-Type': 'text/html' }, body: slow() }
        : { headers: { 'Content-Type': 'text/html' }, body: article() },
    )
    const first = fetch(`${shop.site.url}/articles/left`, { headers: DOCUMENT, signal: gone.signal }).catch(() => null)
    await expect.poll(() => writes).not.toBeNull()
    const second = shop.ask('/articles/left', { headers: DOCUMENT })
    gone.abort()
    expect(await first).toBeNull()
    expect((await second).text).toContain('Imprint')
  })
})

test('where it is answered with 200, whoever sends something is not', async () => {
  expect((await shop.ask('/found/tides', { headers: DOCUMENT })).status).toBe(200)
  expect((await shop.ask('/found/tides', { headers: { ...DOCUMENT, Authorization: 'Bearer x' } })).status).toBe(402)
  expect((await shop.ask('/found/tides')).status).toBe(402)
  origin.tell({ status: 503, body: '' })
  expect((await shop.ask('/found/tides', { headers: DOCUMENT })).status).toBe(503)
})

test('bought, it is whole', async () => {
  const { result, cost } = await shop.costOf(async () => shop.buy('v2', PAGE, await shop.reader()))
  expect(result.text).toContain(SECRET)
  expect(cost).toEqual(ONE_SALE)
})
