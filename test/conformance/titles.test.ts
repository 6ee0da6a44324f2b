// What was sold is called in the ledger and on its receipt as its metadata says, else as the delivered page does. The page
// goes out as it is, and no title changes what a reader pays.
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { type OriginAnswer, type OriginServer, startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
import { NOTHING, ONE_SALE } from '../world/shop.ts'
import { CELLS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { swallow } from '../world/zeros.ts'

const HTML = { 'Content-Type': 'text/html; charset=utf-8' }
const PAGE = '/pages/hello'
const page = (title: string) => `<!doctype html><html><head><title>${title}</title></head><body><p>The text.</p>`
const sold = { price: '$0.05', access: '24h' }
const ROUTES = [
  { path: '/pages/*', ...sold, description: 'A page of ours' },
  { path: '/once/*', price: '$0.05', access: 'once' },
  { path: '/articles/*', content: 'kv', ...sold },
  { path: '/files/*', content: 'r2', ...sold },
]

let origin: OriginServer
let shop: SolanaShop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openSolanaShop({ ROUTES, ORIGIN_URL: origin.url })
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

type Reader = { address: string }

const rowOf = async ({ address }: Reader) => (await shop.ledger(address))[0]

/** Sells a page to somebody new. */
async function sell(path: string): Promise<{ answer: Answer; reader: Reader }> {
  const reader = await shop.reader()
  const { result: answer, cost } = await shop.costOf(() => shop.buy('v2', path, reader))
  expect([answer.status, cost]).toEqual([200, ONE_SALE])
  return { answer, reader }
}

/** What the row of a sale says in the end. Another sale has been named since: this one had its time. */
async function titleOf(reader: Reader): Promise<unknown> {
  await expect.poll(() => rowOf(reader)).toBeDefined()
  await shop.site.kv.put('/articles/later', 'Later', { metadata: { title: 'Later' } })
  const later = await sell('/articles/later')
  await expect.poll(() => rowOf(later.reader)).toMatchObject({ title: 'Later' })
  return (await rowOf(reader))?.title
}

const passOf = (answer: Answer) => ({ Cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' })
const receiptOf = (answer: Answer, Accept: string) =>
  shop.ask(`/_newsstand/receipts/${answer.receipt?.transaction}`, { headers: { Accept, ...passOf(answer) } })
const listOf = (answer: Answer, Accept: string) =>
  shop.ask('/_newsstand/receipts', { headers: { Accept, ...passOf(answer) } })

test.each(CELLS)('a page that says its title is sold by it in $version on $name', async ({ version, kind }) => {
  origin.tell({ headers: HTML, body: page('A day at sea') })
  const reader = await kind.reader(shop)
  const { result: answer, cost } = await shop.costOf(() => reader.buy(version, PAGE))
  expect([answer.status, answer.text, cost]).toEqual([200, page('A day at sea'), ONE_SALE])
  const sale = { title: 'A day at sea', remark: null, amount: '50000', network: kind.network }
  await expect.poll(() => rowOf(reader)).toMatchObject(sale)
  expect(await shop.ledger(reader.address)).toHaveLength(1)
  expect((await receiptOf(answer, 'application/json')).json).toMatchObject({ title: 'A day at sea' })
  expect((await listOf(answer, 'text/html')).text).toContain('<bdi>A day at sea</bdi>')
})

// How a title is read, cut and shown does not depend on the network.
describe('a page of the origin', () => {
  test.each<[string, OriginAnswer, string]>([
    [
      'says it to chats, with the name of its site',
      {
        headers: HTML,
        body: '<meta property=og:title content="A day at sea | The Example"><meta property=og:site_name content="The Example">',
      },
      'A day at sea',
    ],
    ['has markup there', { headers: HTML, body: page('<b>x') }, '<b>x'],
    [
      'has a script there',
      { headers: HTML, body: page('&lt;script&gt;alert(1)&lt;/script&gt;') },
      '<script>alert(1)</script>',
    ],
    [
      'turns the text around',
      { headers: HTML, body: page('pay \u202e000.1\u2066 &#x202e;\u0007now') },
      'pay 000.1 now',
    ],
    ['is in Hebrew', { headers: HTML, body: page('יום בים') }, 'יום בים'],
    [
      'is in letters of its own',
      {
        headers: { 'Content-Type': 'text/html; charset=windows-1252' },
        body: Buffer.from(page('\xe9t\xe9'), 'latin1'),
      },
      'été',
    ],
    [
      'comes compressed',
      { headers: { ...HTML, 'Content-Encoding': 'gzip' }, body: gzipSync(page('Zipped')) },
      'Zipped',
    ],
    [
      'comes in many pieces',
      {
        headers: HTML,
        body: Readable.from(['<!doctype html><ti', 'tle>A day', ' at sea</ti', 'tle>', '<p>The text.']),
      },
      'A day at sea',
    ],
  ])('that %s', async (_, told, title) => {
    const body = told.body instanceof Readable ? null : told.body
    origin.tell(told)
    // A stream is there once: the way to the challenge is another page.
    const challenge = await shop.challenge(PAGE)
    if (body === null)
      origin.tell({ headers: HTML, body: Readable.from(['<ti', 'tle>A day', ' at sea</ti', 'tle>', '<p>']) })
    const reader = await shop.reader()
    const answer = await shop.ask(PAGE, { headers: await pay('v2', challenge, reader) })
    expect(answer.status).toBe(200)
    if (typeof body === 'string') expect(answer.text).toBe(body)
    if (body === null) expect(answer.text).toBe('<title>A day at sea</title><p>')
    await expect.poll(() => rowOf(reader)).toMatchObject({ title, remark: null, amount: '50000' })
    expect(await shop.ledger(reader.address)).toHaveLength(1)
  })

  test.each<[string, OriginAnswer]>([
    ['that is none but JSON', { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(page('No')) }],
    ['of a type nobody says', { body: page('No') }],
    ['in an encoding nobody reads', { headers: { ...HTML, 'Content-Encoding': 'zstd' }, body: page('No') }],
    ['without one', { headers: HTML, body: '<p>The text.' }],
    [
      'in UTF-16',
      { headers: { 'Content-Type': 'text/html; charset=utf-16le' }, body: Buffer.from(page('No'), 'utf16le') },
    ],
    ['in other letters than it says', { headers: HTML, body: Buffer.from(page('\xe9t\xe9'), 'latin1') }],
    ['with a title of a megabyte', { headers: HTML, body: page('No '.repeat(350_000)) }],
    ['with its title behind 64 KB', { headers: HTML, body: `<!--${'x'.repeat(65_536)}-->${page('No')}` }],
  ])('%s has no title, and is whole', async (_, told) => {
    origin.tell(told)
    const { answer, reader } = await sell(PAGE)
    expect(answer.bytes.equals(Buffer.from(told.body instanceof Readable ? '' : (told.body ?? '')))).toBe(true)
    expect(await titleOf(reader)).toBeNull()
    const receipt = await receiptOf(answer, 'application/json')
    expect(receipt.json).not.toHaveProperty('title')
    expect((await listOf(answer, 'text/html')).text).toContain(`${PAGE}</a>`)
  })

  test('a long title is cut at a word, at 200 characters', async () => {
    origin.tell({ headers: HTML, body: page('harbour '.repeat(100)) })
    const { reader } = await sell(PAGE)
    await expect.poll(async () => (await rowOf(reader))?.title).toMatch(/^(?:harbour ){20,}harbour…$/)
    expect(String((await rowOf(reader))?.title).length).toBeLessThanOrEqual(200)
  })

  test('whoever hangs up in the middle leaves the title, and pays once', async () => {
    let isOver = false
    const long = async function* () {
      yield page('Half of it')
      while (!isOver) yield 'x'.repeat(65_536)
    }
    origin.tell({ headers: HTML, body: 'the page' })
    const challenge = await shop.challenge('/once/long')
    const reader = await shop.reader()
    const headers = await pay('v2', challenge, reader)
    origin.tell({ headers: HTML, body: Readable.from(long()) })
    const half = await swallow(`${shop.site.url}/once/long`, { headers, enough: 262_144 })
    expect([half.status, half.isWhole]).toEqual([200, false])
    await expect.poll(() => rowOf(reader)).toMatchObject({ title: 'Half of it' })
    isOver = true
    // What was handed out once more may be called otherwise by now: the first title stays.
    origin.tell({ headers: HTML, body: page('Another') })
    const { result: again, cost } = await shop.costOf(() => shop.ask('/once/long', { headers }))
    expect([again.text, cost]).toEqual([page('Another'), NOTHING])
    expect(await titleOf(reader)).toBe('Half of it')
  })

  test('what breaks off at its origin leaves the title that had come', async () => {
    const broken = async function* () {
      yield page('Broken')
      yield 'x'.repeat(4_096)
      throw new Error('the press stands still')
    }
    origin.tell({ headers: HTML, body: 'the page' })
    const challenge = await shop.challenge('/once/broken')
    const reader = await shop.reader()
    origin.tell({ headers: { ...HTML, 'Content-Length': '100000' }, body: Readable.from(broken()) })
    const half = await swallow(`${shop.site.url}/once/broken`, { headers: await pay('v2', challenge, reader) })
    expect(half.isWhole).toBe(false)
    await expect.poll(() => rowOf(reader)).toMatchObject({ title: 'Broken' })
  })

  test('a first word goes out at once: nothing waits for a title', async () => {
    let go = () => {}
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const slow = async function* () {
      yield '<!doctype html><title>Sl'
      await gate
      yield 'ow</title>'
    }
    origin.tell({ headers: HTML, body: 'the page' })
    const challenge = await shop.challenge(PAGE)
    const reader = await shop.reader()
    origin.tell({ headers: HTML, body: Readable.from(slow()) })
    const answer = await fetch(shop.site.url + PAGE, { headers: await pay('v2', challenge, reader) })
    const body = answer.body?.getReader()
    const first = await body?.read()
    expect(Buffer.from(first?.value ?? []).toString()).toBe('<!doctype html><title>Sl')
    go()
    while (!(await body?.read())?.done);
    await expect.poll(() => rowOf(reader)).toMatchObject({ title: 'Slow' })
  })

  test('a program that asks is told the words of the route, and not the title', async () => {
    origin.tell({ headers: HTML, body: page('A day at sea') })
    const { v1, v2 } = await shop.challenge(PAGE)
    expect(v2.resource.description).toBe('A page of ours')
    expect(JSON.stringify([v1, v2])).not.toContain('A day at sea')
  })

  test('a holder’s visits leave the title as it was sold', async () => {
    origin.tell({ headers: HTML, body: page('As sold') })
    const { answer, reader } = await sell(PAGE)
    await expect.poll(() => rowOf(reader)).toMatchObject({ title: 'As sold' })
    origin.tell({ headers: HTML, body: page('Later') })
    expect((await shop.ask(PAGE, { headers: passOf(answer) })).text).toContain('Later')
    expect(await titleOf(reader)).toBe('As sold')
  })
})

describe('what is stored', () => {
  const put = async (path: string, body: string | Buffer, metadata: Record<string, string>, encoding?: string) => {
    if (path.startsWith('/articles/')) return shop.site.kv.put(path, String(body), { metadata })
    const { contentType = 'text/html', ...customMetadata } = metadata
    const httpMetadata = { contentType, ...(encoding === undefined ? {} : { contentEncoding: encoding }) }
    await shop.site.r2.put(path.slice(1), body, { httpMetadata, customMetadata })
  }

  test.each<[string, string, string | Buffer, Record<string, string>, string | null, string?]>([
    ['in KV', '/articles/page', page('Of the page'), {}, 'Of the page'],
    [
      'in KV, with a title beside it',
      '/articles/both',
      page('Of the page'),
      { title: 'Of the metadata' },
      'Of the metadata',
    ],
    ['in KV, as JSON', '/articles/json', '{}', { title: 'A table', contentType: 'application/json' }, 'A table'],
    ['in KV, as JSON without a title', '/articles/bare', page('No'), { contentType: 'application/json' }, null],
    ['in KV, with markup beside it', '/articles/odd', 'text', { title: ' <i>a</i>\n\u202eb\u0000 ' }, '<i>a</i> b'],
    ['in R2', '/files/page', page('Of the file'), {}, 'Of the file'],
    [
      'in R2, with a title beside it',
      '/files/both',
      page('Of the file'),
      { title: 'Of the metadata' },
      'Of the metadata',
    ],
    ['in R2, as a film', '/files/film', Buffer.alloc(200_000), { title: 'Tides', contentType: 'video/mp4' }, 'Tides'],
    ['in R2, as a film without a title', '/files/bare', page('No'), { contentType: 'video/mp4' }, null],
    ['in R2, compressed', '/files/zipped', gzipSync(page('No')), {}, null, 'gzip'],
    ['in R2, longer than what is looked at', '/files/long', page('Long') + 'x'.repeat(300_000), {}, 'Long'],
  ])('%s', async (_, path, body, metadata, title, encoding) => {
    await put(path, body, metadata, encoding)
    const { answer, reader } = await sell(path)
    expect(answer.bytes.equals(Buffer.from(body))).toBe(true)
    if (title === null) expect(await titleOf(reader)).toBeNull()
    else await expect.poll(() => rowOf(reader)).toMatchObject({ title })
  })
})

describe('the receipt', () => {
  test('says the title, as text', async () => {
    const title = '<img src=x onerror=alert(1)> & “more”'
    await shop.site.kv.put('/articles/odd', 'text', { metadata: { title } })
    const { answer, reader } = await sell('/articles/odd')
    await expect.poll(() => rowOf(reader)).toMatchObject({ title })
    expect((await receiptOf(answer, 'application/json')).json).toMatchObject({ title, amount: '50000' })
    expect((await listOf(answer, 'application/json')).json).toMatchObject({ purchases: [{ title }] })
    for (const shown of [await receiptOf(answer, 'text/html'), await listOf(answer, 'text/html')]) {
      expect(shown.text).toContain('<bdi>&lt;img src=x onerror=alert(1)&gt; &amp; “more”</bdi>')
      expect(shown.text).not.toContain('<img src=x')
    }
  })
})

describe('books whose table is of an older release', () => {
  test('go on without titles, and with them once the migration has run', async () => {
    origin.tell({ headers: HTML, body: page('Before') })
    await shop.site.db.prepare('ALTER TABLE payments DROP COLUMN title').run()
    const before = await sell(PAGE)
    await expect.poll(() => rowOf(before.reader)).toMatchObject({ amount: '50000', remark: null })
    const receipt = await receiptOf(before.answer, 'application/json')
    expect([receipt.status, receipt.json]).toEqual([200, expect.not.objectContaining({ title: 'Before' })])
    expect((await listOf(before.answer, 'application/json')).status).toBe(200)
    await shop.site.turn()
    expect(shop.site.logs.filter((line) => line.includes('ledger_'))).toEqual([])

    await shop.site.db.prepare('ALTER TABLE payments ADD COLUMN title TEXT').run()
    origin.tell({ headers: HTML, body: page('After') })
    const { reader } = await sell(PAGE)
    await expect.poll(() => rowOf(reader)).toMatchObject({ title: 'After' })
    expect(await shop.ledger(before.reader.address)).toMatchObject([{ title: null }])
  })
})
