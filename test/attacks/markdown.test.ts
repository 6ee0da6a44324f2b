// Markdown that is paid for and lacks what was sold: what the publisher marked as paid, and stands outside of the part that is
// converted, or in something that has no words.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { HEADERS, pay } from '../world/payer.ts'
import { NOTHING, openShop, type Shop } from '../world/shop.ts'

const FREE = '<p>The first words.</p><p>The second words.</p><p>The third words.</p>'
let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [
      { path: '/pages/*', price: '$0.05', access: 'once' },
      { path: '/cut/*', price: '$0.05', access: '24h', wall: { select: '.story' } },
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
    ],
  })
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

const paymentFor = async (path: string) =>
  (await pay('v2', await shop.challenge(path), await shop.reader()))[HEADERS.v2] ?? ''

const show = (body: string) =>
  origin.tell({
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: `<!doctype html><html><head><title>T</title></head><body>${body}</body></html>`,
  })

describe('what is marked as paid is in the answer that was paid for', () => {
  const OUTSIDE: [name: string, path: string, body: string][] = [
    ['behind the article', '/pages/a', `<article>${FREE}</article><div data-newsstand="paid"><p>PAID</p></div>`],
    [
      'beside the narrowest part',
      '/pages/b',
      `<article><div class="entry-content">${FREE}</div><div data-newsstand="paid"><p>PAID</p></div></article>`,
    ],
    [
      'in a second article',
      '/pages/c',
      `<section><article>${FREE}</article></section><section><article data-newsstand="paid"><p>PAID</p></article></section>`,
    ],
    [
      'in a second piece of select, in a row of its own',
      '/cut/i',
      `<div><div class="story">${FREE}</div></div><div><div class="story"><p>PAID</p></div></div>`,
    ],
    [
      'a picture beside the article',
      '/pages/j',
      `<article>${FREE}</article><img data-newsstand="paid" alt="PAID" src="/PAID.jpg">`,
    ],
    ['outside of select', '/cut/d', `<div class="story">${FREE}</div><div data-newsstand="paid"><p>PAID</p></div>`],
  ]
  const WORDLESS: [name: string, path: string, body: string][] = [
    ['a film', '/pages/e', `<article>${FREE}<video data-newsstand="paid" controls src="/PAID.mp4"></video></article>`],
    ['a sound', '/pages/f', `<article>${FREE}<audio data-newsstand="paid" controls src="/PAID.mp3"></audio></article>`],
    ['a frame', '/pages/g', `<article>${FREE}<iframe data-newsstand="paid" src="/PAID.html"></iframe></article>`],
    ['a form', '/pages/h', `<article>${FREE}<form data-newsstand="paid"><p>PAID</p></form></article>`],
  ]

  test.each([...OUTSIDE, ...WORDLESS])('%s', async (_, path, body) => {
    show(body)
    const headers = { [HEADERS.v2]: await paymentFor(path), Accept: 'text/markdown' }
    const { result, cost } = await shop.costOf(() => shop.ask(path, { headers }))
    // Either there is all of it, or nothing is charged.
    expect({ earned: cost.earned, text: result.text }).toEqual(
      cost.earned === 0n ? NOTHING : { earned: 50_000n, text: expect.stringContaining('PAID') },
    )
  })

  test('by the tool too', async () => {
    show(`<article>${FREE}</article><div data-newsstand="paid"><p>PAID</p></div>`)
    const _meta = { 'x402/payment': await paymentFor('/pages/tool') }
    const params = { name: 'read', arguments: { path: '/pages/tool' }, _meta }
    const answer = await shop.ask('/_newsstand/mcp', {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    })
    expect(z.looseObject({ result: z.looseObject({ isError: z.literal(false) }) }).parse(answer.json)).toBeTruthy()
    expect(answer.text).toContain('PAID')
  })
})

describe('an article with the longest address', () => {
  // Keys of KV end at 512 bytes.
  const LONG = `/articles/${'a'.repeat(500)}`

  test('is sold to who asks for Markdown, as its page', async () => {
    await shop.site.kv.put(LONG, '<article><p>Words.</p></article>')
    const headers = { [HEADERS.v2]: await paymentFor(LONG), Accept: 'text/markdown' }
    const answer = await shop.ask(LONG, { headers })
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('Words.')])
  })

  test('has the address of its Markdown, or none', async () => {
    await shop.site.kv.put(LONG, '<article><p>Words.</p></article>')
    expect([402, 404, 414]).toContain((await shop.ask(`${LONG}.md`)).status)
  })
})
