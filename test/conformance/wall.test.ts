// The wall in the publisher's own page: what a document is shown, what nobody is shown, and what the origin is asked.

import { Readable } from 'node:stream'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
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
    {
      path: '/both/*',
      price: '$0.05',
      access: '24h',
      description: 'd'.repeat(500),
      offers: [{ name: 'Day pass over the archive of pages', price: '$0.50', access: '24h', scope: '/both/*' }],
    },
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

/** An origin's page that is held back before some words of it. */
class Held {
  isReached = false
  readonly #gate = Promise.withResolvers<void>()
  go() {
    this.#gate.resolve()
  }
  page(words: string): Readable {
    const at = article().indexOf(words)
    const parts = async function* (held: Held, gate: Promise<void>) {
      yield article().slice(0, at)
      held.isReached = true
      await gate
      yield article().slice(at)
    }
    return Readable.from(parts(this, this.#gate.promise))
  }
}

/** What a reader has seen so far; they may leave. */
function reading(path: string) {
  const gone = new AbortController()
  let text = ''
  const done = (async () => {
    const answer = await fetch(shop.site.url + path, { headers: DOCUMENT, signal: gone.signal })
    for await (const bytes of answer.body ?? []) text += Buffer.from(bytes).toString('utf8')
  })().catch(() => {})
  return { text: () => text, done, leave: () => gone.abort() }
}

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

describe('an origin that compresses', () => {
  const zipped = (text: string) => ({
    headers: { 'Content-Type': 'text/html', 'Content-Encoding': 'gzip' },
    body: gzipSync(text),
  })

  test('is read as one that does not', async () => {
    origin.tell(zipped(article()))
    const answer = await shop.ask(PAGE, { headers: DOCUMENT })
    for (const shown of ['shadowrootmode', 'The third paragraph', 'Imprint']) expect(answer.text).toContain(shown)
    expect(answer.text).not.toContain(SECRET)
  })

  test('says in plain letters that nothing is there', async () => {
    origin.tell({ ...zipped('not here'), status: 404 })
    const answer = await shop.ask(PAGE, { headers: DOCUMENT })
    expect([answer.status, answer.text]).toEqual([404, 'not here'])
  })
})

test('so does a redirect within the site, and no other', async () => {
  origin.tell({ status: 301, headers: { Location: `${SITE}/articles/other` }, body: '' })
  expect((await shop.ask(PAGE, { headers: DOCUMENT })).status).toBe(301)
  origin.tell({ status: 302, headers: { Location: 'https://elsewhere.example/' }, body: '' })
  expect((await shop.ask(PAGE, { headers: DOCUMENT })).status).toBe(402)
})

test.each([
  ['a slash at its end', '/articles/tidy/', '/articles/tidy'],
  ['parameters of a letter', '/articles/tidy?utm_source=letter', '/articles/tidy'],
])('a redirect that takes away %s reaches the document', async (_what, path, Location) => {
  origin.tell({ status: 301, headers: { Location }, body: '' })
  const answer = await shop.ask(path, { headers: DOCUMENT })
  expect([answer.status, answer.header('Location')]).toEqual([301, Location])
})

test('a redirect to where it was asked leads nowhere: the plain page', async () => {
  origin.tell({ status: 302, headers: { Location: PAGE, 'Set-Cookie': 'seen=1' }, body: '' })
  expect((await shop.ask(PAGE, { headers: DOCUMENT })).status).toBe(402)
})

test('the log says what each of them was', async () => {
  const before = shop.site.logs.length
  await shop.ask('/found/logged', { headers: DOCUMENT })
  origin.tell({ status: 404, body: '' })
  await shop.ask('/articles/logged', { headers: DOCUMENT })
  const decided = () => shop.site.logs.slice(before).flatMap((line) => /"decision":"(\w+)"/.exec(line)?.[1] ?? [])
  await expect.poll(decided).toEqual(['challenged', 'passed'])
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

  test('reads what the origin compresses', async () => {
    const body = gzipSync(article())
    origin.tell({ headers: { ...open.headers, 'Content-Encoding': 'gzip' }, body })
    const answer = await shop.ask(PAGE, { headers: { ...SIGNED_IN, 'Accept-Encoding': 'gzip' } })
    expect(gunzipSync(answer.bytes).toString('utf8')).toBe(article())
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
    expect(text).toContain('<a href="https://news.example/login">Log in as a subscriber</a>')
  })

  test.each(['image', 'empty', 'script'])('gets what a page asks for, too: %s', async (dest) => {
    origin.tell(open)
    const answer = await shop.ask('/articles/captains.jpg', {
      headers: { Cookie: 'session=1', 'Sec-Fetch-Dest': dest },
    })
    expect(answer.text).toBe(article())
  })

  test('pays nothing, whatever was signed before', async () => {
    origin.tell(({ headers }) =>
      headers.cookie ? open : { headers: { 'Content-Type': 'text/html' }, body: article() },
    )
    const { result, cost } = await shop.costOf(async () => {
      const headers = await pay('v2', await shop.challenge(PAGE), await shop.reader())
      return shop.ask(PAGE, { headers: { ...SIGNED_IN, ...headers } })
    })
    expect([result.status, result.text, cost]).toEqual([200, article(), NOTHING])
  })

  test.each([
    ['nothing is sold for a while', { PAUSED: true }, open, 200],
    ['the origin fails', {}, { status: 503, body: '' }, 503],
  ])('is asked for no money where %s', async (_what, vars, says, status) => {
    await shop.site.restart({ BRAND: { login: '/login' }, ...vars })
    origin.tell(says)
    const answer = await shop.ask(PAGE, { headers: SIGNED_IN })
    expect([answer.status, answer.header('PAYMENT-REQUIRED')]).toEqual([status, null])
    await shop.site.restart({ BRAND: { login: '/login' }, PAUSED: false })
  })

  test.each(['Newsstand-Access', 'newsstand_access'])('is no reader who says so with %s', async (name) => {
    origin.tell(({ headers }) => ({
      headers: { 'Content-Type': 'text/html', 'Newsstand-Access': String(headers[name.toLowerCase()]) },
      body: article(),
    }))
    const answer = await shop.ask(PAGE, { headers: { ...SIGNED_IN, [name]: 'open' } })
    expect(answer.status).toBe(402)
    expect(answer.text).not.toContain(SECRET)
  })

  test('stays signed in on a page that is cut, and on the way to another', async () => {
    const renewed = { 'Content-Type': 'text/html', 'Set-Cookie': 'session=2' }
    origin.tell({ headers: renewed, body: article() })
    const cut = await shop.ask(PAGE, { headers: SIGNED_IN })
    expect([cut.status, cut.header('Set-Cookie')]).toEqual([402, 'session=2'])
    origin.tell({ status: 302, headers: { ...renewed, Location: '/login' }, body: '' })
    const away = await shop.ask(PAGE, { headers: SIGNED_IN })
    expect([away.status, away.header('Location'), away.header('Set-Cookie')]).toEqual([302, '/login', 'session=2'])
  })

  test('costs the origin nothing as a program', async () => {
    origin.tell(open)
    expect((await shop.ask(PAGE, { headers: { Cookie: 'session=1' } })).status).toBe(402)
    expect(origin.seen).toEqual([])
  })
})

test('the first lines and the card are there while the origin still writes', async () => {
  const held = new Held()
  origin.tell({ headers: { 'Content-Type': 'text/html' }, body: held.page('</article>') })
  const reader = reading('/articles/slow')
  await expect.poll(() => reader.text()).toContain('shadowrootmode')
  held.go()
  await reader.done
  for (const shown of ['The third paragraph', 'Imprint']) expect(reader.text()).toContain(shown)
  expect(reader.text()).not.toContain(SECRET)
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

  test('see the first lines as soon as the first one does', async () => {
    const held = new Held()
    origin.tell({ headers: { 'Content-Type': 'text/html' }, body: held.page('</article>') })
    const first = reading('/articles/joined')
    await expect.poll(() => first.text()).toContain('shadowrootmode')
    const second = reading('/articles/joined')
    await expect.poll(() => second.text()).toContain('shadowrootmode')
    expect(second.text()).not.toContain('Imprint')
    held.go()
    await Promise.all([first.done, second.done])
    expect([first.text(), second.text()].every((text) => text.includes('Imprint') && !text.includes(SECRET))).toBe(true)
    expect(origin.seen).toHaveLength(1)
  })

  test('a reader who leaves ends nothing for the others', async () => {
    const held = new Held()
    origin.tell({ headers: { 'Content-Type': 'text/html' }, body: held.page('<p>The second') })
    const first = reading('/articles/left')
    await expect.poll(() => held.isReached).toBe(true)
    const second = reading('/articles/left')
    first.leave()
    await shop.site.turn()
    held.go()
    await second.done
    expect(second.text()).toContain('Imprint')
    expect(origin.seen).toHaveLength(1)
  })

  test.each([
    ['another language', '/articles/apart', { 'Accept-Language': 'de' }],
    ['parameters that say where a reader comes from', '/articles/apart?utm_source=letter', {}],
    ['a slash at its end', '/articles/apart/', {}],
  ])('are not those with %s', async (_what, path, headers) => {
    origin.tell(({ url }) => ({
      headers: { 'Content-Type': 'text/html', 'Cache-Control': 'public' },
      body: article(`<nav>${url}</nav>`),
    }))
    await shop.ask('/articles/apart', { headers: DOCUMENT })
    const answer = await shop.ask(path, { headers: { ...DOCUMENT, ...headers } })
    expect(answer.text).toContain(`<nav>${path}</nav>`)
    expect(origin.seen).toHaveLength(2)
    await shop.site.restart({})
  })

  test('of an origin that fails ask it once', async () => {
    origin.tell({ status: 503, body: SECRET })
    const answers = await ten('/articles/failing')
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([402]))
    expect(origin.seen).toHaveLength(1)
  })

  test('of a page that cannot be cut ask for themselves', async () => {
    origin.tell({ headers: { 'Content-Type': 'text/plain' }, body: SECRET })
    const answers = await ten('/articles/plain')
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([402]))
    expect(answers.filter(({ text }) => text.includes(SECRET))).toEqual([])
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

test('a page with a long policy of its own keeps all headers of its 402 under 8 KiB, with MPP as without', async () => {
  const hosts = Array.from(
    { length: 42 },
    (_, i) => `https://images-${i + 100}.of-a-publisher.example/${'p'.repeat(37)}`,
  )
  const policy = `default-src 'self' https:; img-src ${hosts.join(' ')}`
  origin.tell({ headers: { 'Content-Type': 'text/html', 'Content-Security-Policy': policy }, body: article() })
  const bytes: number[] = []
  for (const mpp of [false, true]) {
    await shop.site.become({ MACHINES: { mpp } })
    const answer = await shop.ask(`/both/${'p'.repeat(400)}?q=${'q'.repeat(1000)}`, { headers: DOCUMENT })
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('The first paragraph')
    bytes.push([...answer.headers].reduce((size, [name, value]) => size + name.length + value.length + 4, 0))
  }
  expect(bytes.map((size) => (size < 8192 ? 'short' : size))).toEqual(['short', 'short'])
})
