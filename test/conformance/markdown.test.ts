// Text for machines: who asks for Markdown gets an article as Markdown, for the same money and by the same pass as its page.
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, type Signer, VERSIONS } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop, SITE } from '../world/shop.ts'

const MARKDOWN = { Accept: 'text/markdown' }
const TYPE = 'text/markdown; charset=utf-8'
const HTML = { 'Content-Type': 'text/html; charset=utf-8' }
const PAGE = `<!doctype html><html><head><title>At sea</title><script>STATE</script></head><body><nav>Home</nav>
<article><h1>A day at sea</h1><p>The <b>paid</b> words.</p><p hidden>HIDDEN</p></article><footer>Foot</footer></body></html>`
const CONVERTED = '# A day at sea\n\nThe **paid** words.\n'
const sold = { price: '$0.05', access: '24h' }
const ROUTES = [
  { path: '/articles/free/*', content: 'kv', price: 'free' },
  { path: '/articles/dear', content: 'kv', price: '$0.50', access: '24h' },
  { path: '/articles/*', content: 'kv', ...sold },
  { path: '/files/*', content: 'r2', ...sold },
  { path: '/pages/*', ...sold },
  { path: '/cut/*', ...sold, wall: { select: '.story' } },
]

let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({ ROUTES, ORIGIN_URL: origin.url })
  const { kv, r2 } = shop.site
  await kv.put('/articles/hello', '<p>The paid words.</p>', { metadata: { title: 'Hello *there*' } })
  await kv.put('/articles/both', PAGE)
  await kv.put('md:/articles/both', '# Both\n\nAs it is stored.')
  await kv.put('/articles/dear', PAGE)
  await kv.put('/articles/free/one', '<article><p>Free words.</p></article>')
  await kv.put('/articles/free/two', '<article><p>Free words.</p></article>')
  await kv.put('md:/articles/free/two', 'Free Markdown.')
  await kv.put('/articles/notes', '<p>Notes</p>')
  await kv.put('/articles/notes.md', 'Exactly this.', { metadata: { contentType: 'text/plain' } })
  await r2.put('files/page.html', PAGE, { httpMetadata: { contentType: 'text/html' } })
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

beforeEach(() => origin.tell({ headers: HTML, body: PAGE }))

/** Buys with headers beside the payment. */
async function buy(path: string, headers: Record<string, string>, given?: Signer) {
  const reader = given ?? (await shop.reader())
  const payment = await pay('v2', await shop.challenge(path), reader)
  return { reader, ...(await shop.costOf(() => shop.ask(path, { headers: { ...payment, ...headers } }))) }
}

const shown = ({ status, text, headers }: Answer) => ({ status, text, type: headers.get('Content-Type') })
const isPrivate = ({ headers }: Answer) => {
  expect(headers.get('Cache-Control')).toBe('private, no-store')
  expect(headers.get('Vary')).toContain('Accept')
  expect(headers.get('ETag')).toBeNull()
}

describe('a purchase', () => {
  test.each([
    ['a page of the origin', '/pages/sea', CONVERTED],
    ['a stored article, by its title', '/articles/hello', '# Hello \\*there\\*\n\nThe paid words.\n'],
    ['Markdown that is stored, as it is', '/articles/both', '# Both\n\nAs it is stored.'],
  ])('of %s', async (_, path, text) => {
    const { result, cost } = await buy(path, MARKDOWN)
    expect(shown(result)).toEqual({ status: 200, text, type: TYPE })
    expect(cost).toEqual(ONE_SALE)
    expect(result.receipt).toMatchObject({ success: true })
    isPrivate(result)
  })

  test.each(VERSIONS)('opens both forms, whichever was bought first, and nobody pays twice (%s)', async (version) => {
    const reader = await shop.reader()
    const first = await shop.buy(version, '/pages/sea', reader)
    expect(shown(first)).toEqual({ status: 200, text: PAGE, type: 'text/html; charset=utf-8' })
    const again = await buy('/pages/sea', MARKDOWN, reader)
    expect(shown(again.result)).toEqual({ status: 200, text: CONVERTED, type: TYPE })
    expect(again.cost).toEqual(NOTHING)
    const held = await shop.ask('/pages/sea', { headers: { ...MARKDOWN, Cookie: first.pass } })
    expect(shown(held)).toEqual({ status: 200, text: CONVERTED, type: TYPE })
    isPrivate(held)
  })

  test('is delivered once its Markdown was taken, and has the title of its page', async () => {
    const reader = await shop.reader()
    const payment = await pay('v2', await shop.challenge('/pages/sea'), reader)
    const ask = () => shop.costOf(() => shop.ask('/pages/sea', { headers: { ...payment, ...MARKDOWN } }))
    const { result } = await ask()
    expect(result.text).toBe(CONVERTED)
    await expect.poll(async () => (await shop.ledger(reader.address))[0]).toMatchObject({ title: 'At sea' })
    const replayed = await ask()
    expect([replayed.result.status, replayed.cost]).toEqual([402, NOTHING])
    expect(replayed.result.json).toMatchObject({ error: 'payment_already_used' })
    expect(replayed.result.text).not.toContain('words')
  })

  test('of a page that its origin compresses', async () => {
    const headers = { ...HTML, 'Content-Encoding': 'gzip' }
    origin.tell({ headers, body: gzipSync(PAGE) })
    const { result } = await buy('/pages/sea', { ...MARKDOWN, 'Accept-Encoding': 'gzip' })
    expect(result.header('Content-Type')).toBe(TYPE)
    const held = await shop.ask('/pages/sea', { headers: { ...MARKDOWN, Cookie: result.pass } })
    expect(shown(held)).toEqual({ status: 200, text: CONVERTED, type: TYPE })
  })

  test('of the part that the route names', async () => {
    origin.tell({ headers: HTML, body: '<article>Card</article><div class="story"><h1>T</h1><p>Story</p></div>' })
    expect((await buy('/cut/story', MARKDOWN)).result.text).toBe('# T\n\nStory\n')
  })
})

describe('where there is no Markdown, the page goes out as it is', () => {
  test.each([
    ['no article in it', '<p>Only words</p>'],
    ['longer than 512 KiB', `<article>${'word '.repeat(120_000)}</article>`],
    ['an old doctype', '<!doctype html public "-//W3C//DTD HTML 3.2//EN"><article>Words</article>'],
    [
      'no text in the encoding that it names',
      Buffer.from([0x3c, 0x61, 0x72, 0x74, 0x69, 0x63, 0x6c, 0x65, 0x3e, 0xff]),
    ],
  ])('%s', async (_, body) => {
    origin.tell({ headers: HTML, body })
    const { result, cost } = await buy('/pages/plain', MARKDOWN)
    expect([result.status, result.header('Content-Type')]).toEqual([200, HTML['Content-Type']])
    expect(result.bytes.equals(Buffer.from(body))).toBe(true)
    expect(cost).toEqual(ONE_SALE)
    // The same in pieces, of which nobody says how long they are.
    origin.tell({ headers: HTML, body: Readable.from([Buffer.from(body)]) })
    const held = await shop.ask('/pages/plain', { headers: { ...MARKDOWN, Cookie: result.pass } })
    expect(held.bytes.equals(Buffer.from(body))).toBe(true)
  })

  test('an origin that answers Markdown itself is asked for it, and passed on', async () => {
    origin.tell({ headers: { 'Content-Type': 'text/markdown' }, body: '# Its own' })
    const { result } = await buy('/pages/own', MARKDOWN)
    expect(shown(result)).toEqual({ status: 200, text: '# Its own', type: 'text/markdown' })
    expect(origin.seen.at(-1)?.headers.accept).toBe('text/markdown')
  })

  test('what is no page is passed on', async () => {
    origin.tell({ headers: { 'Content-Type': 'application/json' }, body: '{}' })
    expect(shown((await buy('/pages/data', MARKDOWN)).result)).toEqual({
      status: 200,
      text: '{}',
      type: 'application/json',
    })
  })

  test('a file is a file', async () => {
    expect((await buy('/files/page.html', MARKDOWN)).result.text).toBe(PAGE)
  })
})

test('a page that breaks off is not sold', async () => {
  origin.tell(() => ({ headers: { ...HTML, 'Content-Length': '5000' }, body: Readable.from(breaking()) }))
  const { result, cost } = await buy('/pages/broken', MARKDOWN)
  expect([result.status, cost]).toEqual([502, NOTHING])
})

async function* breaking() {
  yield Buffer.from('<article><p>The first')
  throw new Error('the origin breaks off')
}

describe('nothing unpaid holds a paid sentence', () => {
  test.each([
    ['/articles/both', MARKDOWN],
    ['/articles/both.md', {}],
    ['/articles/both.md', { Accept: 'text/html' }],
    ['/articles/both', { Accept: 'text/markdown, text/html;q=0.9' }],
    ['/pages/sea', MARKDOWN],
    ['/pages/sea', { Accept: 'text/markdown, text/html' }],
  ])('%s with %o', async (path, headers) => {
    for (const method of ['GET', 'HEAD']) {
      const { result: answer, cost } = await shop.costOf(() => shop.ask(path, { method, headers }))
      expect([answer.status, cost]).toEqual([402, NOTHING])
      expect(answer.text).not.toMatch(/stored|paid<?\/?b?>? words|HIDDEN/)
      expect(answer.header('PAYMENT-REQUIRED')).not.toBeNull()
      expect(answer.header('Cache-Control')).toContain('no-store')
    }
  })

  test('who likes Markdown best gets the challenge as JSON', async () => {
    const answer = await shop.ask('/pages/sea', { headers: { Accept: 'text/markdown, text/html;q=0.9' } })
    expect(answer.header('Content-Type')).toBe('application/json; charset=utf-8')
    expect(answer.json).toMatchObject({ x402Version: 1 })
  })

  test.each(['/md:/articles/both', '/articles/md:both', '/md:articles/both', '/articles/md:/articles/both'])(
    'the key of stored Markdown has no address: %s',
    async (path) => {
      const answer = await shop.ask(path, { headers: MARKDOWN })
      expect(answer.text).not.toContain('stored')
      expect(answer.status === 200 ? answer.text : '').toBe(answer.status === 200 ? PAGE : '')
    },
  )
})

describe('the address of an article’s Markdown', () => {
  test('is sold as the article: its price, its name, its pass', async () => {
    const { v2 } = await shop.challenge('/articles/dear.md')
    expect(v2.accepts[0]?.amount).toBe('500000')
    expect(v2.resource.url).toBe(`${SITE}/articles/dear`)
    const { result, cost } = await buy('/articles/dear.md', {})
    expect(shown(result)).toEqual({ status: 200, text: CONVERTED, type: TYPE })
    expect(cost).toEqual({ ...ONE_SALE, earned: 500_000n })
    const page = await shop.ask('/articles/dear', { headers: { Cookie: result.pass } })
    expect([page.status, page.text]).toEqual([200, PAGE])
  })

  test('opens by the pass of the article', async () => {
    const { result } = await buy('/articles/both', {})
    expect(result.text).toBe(PAGE)
    const held = await shop.ask('/articles/both.md', { headers: { Cookie: result.pass } })
    expect(shown(held)).toEqual({ status: 200, text: '# Both\n\nAs it is stored.', type: TYPE })
    const head = await shop.ask('/articles/both.md', { method: 'HEAD', headers: { Cookie: result.pass } })
    expect(shown(head)).toEqual({ status: 200, text: '', type: TYPE })
  })

  test('is not that of what is stored under this very name', async () => {
    const { result } = await buy('/articles/notes.md', {})
    expect(shown(result)).toEqual({ status: 200, text: 'Exactly this.', type: 'text/plain' })
    const page = await shop.ask('/articles/notes', { headers: { Cookie: result.pass } })
    expect(page.status).toBe(402)
  })

  test.each([
    '/articles/nothing.md',
    '/articles/.md',
    '/articles/both.md.md',
    '/articles/both.md/',
    '/articles/both%2Emd',
  ])('leads nowhere at %s', async (path) => {
    const { result, cost } = await shop.costOf(() => shop.ask(path))
    expect([result.status, cost]).toEqual([404, NOTHING])
  })

  test('at an origin is its own', async () => {
    origin.tell({ headers: { 'Content-Type': 'text/markdown' }, body: '# Its own' })
    const { result } = await buy('/pages/sea.md', {})
    expect(result.text).toBe('# Its own')
    expect(origin.seen.at(-1)?.url).toBe('/pages/sea.md')
    expect((await shop.ask('/pages/sea', { headers: { Cookie: result.pass } })).status).toBe(402)
  })
})

describe('free pages are never converted', () => {
  test.each([
    ['/articles/free/one', '<article><p>Free words.</p></article>'],
    ['/articles/free/two', '<article><p>Free words.</p></article>'],
    ['/articles/free/one.md', '<article><p>Free words.</p></article>'],
    ['/articles/free/two.md', 'Free Markdown.'],
    ['/open', PAGE],
  ])('%s', async (path, text) => {
    const answer = await shop.ask(path, { headers: MARKDOWN })
    expect([answer.status, answer.text]).toEqual([200, text])
  })
})

test('a payment that buys nothing costs nothing, whatever it asks for', async () => {
  const poor = await shop.reader(0n)
  const { result, cost } = await buy('/articles/both', MARKDOWN, poor)
  expect(result.status).toBe(402)
  expect(cost.earned).toBe(0n)
  expect(result.text).not.toContain('stored')
})

test('switched off, nobody gets Markdown that the origin does not answer', async () => {
  await shop.site.become({ MACHINES: { markdown: false } })
  try {
    const { result } = await buy('/articles/both', MARKDOWN)
    expect(shown(result)).toMatchObject({ status: 200, text: PAGE })
    expect((await shop.ask('/articles/both.md')).status).toBe(404)
  } finally {
    await shop.site.become({ MACHINES: {} })
  }
})

test('a page that would be many times as long in Markdown is sold as the page it is', async () => {
  const page = `<!doctype html><article>${'<blockquote>'.repeat(100)}${'<p>x</p>'.repeat(30_000)}</article>`
  origin.tell({ headers: HTML, body: page })
  const { result } = await buy('/pages/quotes', MARKDOWN)
  expect(result.status).toBe(200)
  expect(result.text.length).toBeLessThan(2 * page.length)
})
