// The wall in the publisher's own page: what a document is shown, what nobody is shown, and what the origin is asked.
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
  const ROUTES = [{ path: '/articles/*', price: '$0.05', access: '24h', wall: {} }]
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

test('bought, it is whole', async () => {
  const { result, cost } = await shop.costOf(async () => shop.buy('v2', PAGE, await shop.reader()))
  expect(result.text).toContain(SECRET)
  expect(cost).toEqual(ONE_SALE)
})
