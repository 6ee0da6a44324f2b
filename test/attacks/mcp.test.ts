// Tools at `/_newsstand/mcp`, used to get at money or content by what no client sends.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { HEADERS, pay } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'

const MCP = '/_newsstand/mcp'
const PATH = '/articles/hello'
const WORDS = 'The paid words.'

let shop: Shop

beforeAll(async () => {
  shop = await openShop({
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
    ],
  })
  for (const path of [PATH, '/articles/other', '/once/hello'])
    await shop.site.kv.put(path, `<article><p>${WORDS}</p></article>`)
})

afterAll(() => shop.close())

const said = z.union([
  z.object({ result: z.looseObject({ isError: z.boolean() }) }),
  z.object({ error: z.object({ code: z.number() }) }),
])

const call = async (params: object, headers: Record<string, string> = {}) => {
  const answer = await shop.ask(MCP, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  })
  expect(answer.status).toBe(200)
  const body = said.parse(answer.json)
  return { answer, isError: 'error' in body || body.result.isError }
}
const read = (given: object, payment?: unknown, headers: Record<string, string> = {}) =>
  call(
    { name: 'read', arguments: given, ...(payment === undefined ? {} : { _meta: { 'x402/payment': payment } }) },
    headers,
  )

describe('a payment that is none', () => {
  test.each([
    ['a line break', 'e30=\r\nX-Other: 1'],
    ['NUL', 'e30=\0'],
    ['a letter of Latin-1', 'é'],
    ['a letter beyond', '—'],
    ['nothing', ''],
    ['more than is read', 'A'.repeat(9_000)],
    ['a number', 5],
    ['a list', [1, 2]],
    ['letters inside', { x402Version: 2, note: '— 🌊 \ud800' }],
    ['too deep', JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`)],
  ])('%s is refused, and nothing is charged', async (_, payment) => {
    const { result, cost } = await shop.costOf(() => read({ path: PATH }, payment))
    expect(result.isError).toBe(true)
    expect(result.answer.text).not.toContain(WORDS)
    expect(cost).toEqual(NOTHING)
  })
})

describe('a payment is for one article, whichever door', () => {
  const paidFor = async (path: string) => {
    const reader = await shop.reader()
    return (await pay('v2', await shop.challenge(path), reader))[HEADERS.v2] ?? ''
  }

  test('sent as a tool call and over HTTP at once, it buys one article once', async () => {
    const payment = await paidFor('/once/hello')
    const { result, cost } = await shop.costOf(() =>
      Promise.all([
        read({ path: '/once/hello' }, payment).then(({ answer }) => answer.text),
        shop.ask('/once/hello', { headers: { [HEADERS.v2]: payment } }).then(({ text }) => text),
      ]),
    )
    expect(result.filter((text) => text.includes(WORDS))).toHaveLength(1)
    expect(cost).toEqual(ONE_SALE)
  })

  test('one for another article opens nothing', async () => {
    const payment = await paidFor('/articles/other')
    const { result, cost } = await shop.costOf(() => read({ path: PATH }, payment))
    expect(result.answer.text).not.toContain(WORDS)
    expect(cost).toEqual(NOTHING)
  })

  test('a path and an address that name two articles are refused before any price', async () => {
    const payment = await paidFor(PATH)
    const { result, cost } = await shop.costOf(() =>
      read({ path: PATH, url: 'https://news.example/articles/other' }, payment),
    )
    expect(result.isError).toBe(true)
    expect(result.answer.text).not.toContain(WORDS)
    expect(cost).toEqual(NOTHING)
  })

  test.each([
    '/_newsstand/receipts',
    '/_newsstand/../_newsstand/mcp',
    '//other.example/articles/hello',
    '/%2e%2e/_newsstand/health',
    '/articles/hello/../../_newsstand/receipts',
    'https://other.example/articles/hello',
    '/\\other.example/',
    'articles/hello',
    '',
  ])('%s is no article of this site', async (path) => {
    const { result, cost } = await shop.costOf(() => read({ path }))
    expect(result.isError).toBe(true)
    expect(cost).toEqual(NOTHING)
  })

  test('headers of the call that pay are not heeded', async () => {
    const payment = await paidFor(PATH)
    const { result, cost } = await shop.costOf(() => read({ path: PATH }, undefined, { [HEADERS.v2]: payment }))
    expect(result.answer.text).not.toContain(WORDS)
    expect(cost).toEqual(NOTHING)
  })
})
