// The bar under what a reader has bought: only into pages it fits into, and never at the price of a byte of them.
import { createHash } from 'node:crypto'
import { brotliCompressSync, brotliDecompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { openShop, type Shop } from '../world/shop.ts'

const PAGE = '<!doctype html><title>Tides</title><p>High tide at noon.'
let origin: OriginServer
let shop: Shop
let cookie: string

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({ ORIGIN_URL: origin.url, ROUTES: [{ path: '/pages/*', price: '$0.05', access: '24h' }] })
  const bought = await shop.buy('v2', '/pages/a', await shop.reader())
  cookie = bought.headers.getSetCookie().at(-1)?.split(';')[0] ?? ''
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

/** The page as a browser opens it, by who has bought it. */
const opened = (headers: Record<string, string> = {}): Promise<Answer> =>
  shop.ask('/pages/a', { headers: { Cookie: cookie, 'Sec-Fetch-Dest': 'document', ...headers } })

const tell = (contentType: string, body: Buffer | string = PAGE, headers: Record<string, string> = {}) =>
  origin.tell({ headers: { 'Content-Type': contentType, ...headers }, body })

const BAR = /^<aside lang="en" .*<\/aside>$/s
const barBehind = (page: string, answer: Answer): string => {
  expect(answer.status).toBe(200)
  expect(answer.text.startsWith(page)).toBe(true)
  return answer.text.slice(page.length)
}

describe('at the end of a page', () => {
  test.each([
    'text/html',
    'Text/HTML; charset=UTF-8',
    'text/html;charset="utf-8"',
    'text/html; charset=',
    'text/html; charset=iso-8859-1',
    'text/html; charset=windows-1252',
    'text/html; charset=shift_jis',
    'text/html; charset=gbk',
  ])('that is %s', async (contentType) => {
    tell(contentType)
    expect(barBehind(PAGE, await opened())).toMatch(BAR)
  })

  test('whose policy allows no inline style but those it names: the bar’s is named too, and nothing else', async () => {
    tell('text/html', PAGE, { 'Content-Security-Policy': "default-src 'self'" })
    const answer = await opened()
    const style = /<style>(.*)<\/style>/s.exec(barBehind(PAGE, answer))?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    const policy = `default-src 'self'; style-src-elem 'self' 'sha256-${hash}'`
    expect(answer.header('Content-Security-Policy')).toBe(policy)
    expect(answer.text).not.toContain('style=')
  })

  test('in letters that any charset has', async () => {
    tell('text/html; charset=koi8-r')
    const answer = await opened({ 'Accept-Language': 'de' })
    expect(answer.text.slice(PAGE.length)).toMatch(/^<aside lang="de" [\0-\x7f]*<\/aside>$/)
  })

  test.each([
    ['a tag that may or may not be text', '<select><xmp><script>"use strict";</script></select>'],
    ['an end in the middle of a tag', '<p>so far <img src="'],
    ['a tag without end', `<p ${'a'.repeat(300_000)}`],
  ])('with %s, which loses nothing', async (_, page) => {
    tell('text/html', page)
    expect(barBehind(page, await opened())).toMatch(BAR)
  })

  test.each([
    ['gzip', gzipSync, gunzipSync],
    ['br', brotliCompressSync, brotliDecompressSync],
  ] as const)('that comes as %s', async (encoding, encode, decode) => {
    tell('text/html', encode(PAGE), { 'Content-Encoding': encoding })
    const answer = await opened({ 'Accept-Encoding': encoding })
    const { bytes } = answer
    const text = (answer.header('Content-Encoding') === encoding ? decode(bytes) : bytes).toString()
    expect(text.startsWith(PAGE)).toBe(true)
    expect(text.slice(PAGE.length)).toMatch(BAR)
  })
})

describe('not a byte more in', () => {
  test.each([
    'text/html; charset=utf-16',
    'text/html; charset=UTF-16LE',
    'text/html; charset=utf-16be',
    'text/html; charset=binary',
    'text/html; charset=iso-2022-jp',
    'text/html; charset=utf-7',
    'text/html; charset=hz-gb-2312',
    "text/html; charset='utf-8'",
    'text/html-and-more',
    'text/plain',
  ])('what is %s', async (contentType) => {
    const page = /utf-16/i.test(contentType) ? Buffer.from(PAGE, 'utf16le') : Buffer.from(PAGE)
    tell(contentType, page)
    const answer = await opened()
    expect(answer.status).toBe(200)
    expect(answer.header('Content-Type')).toBe(contentType)
    expect(answer.bytes.equals(page)).toBe(true)
  })

  test.each(['deflate', 'x-deflate, gzip'])('what came as %s, which nobody here can read', async (encoding) => {
    const page = deflateSync(PAGE)
    tell('text/html', page, { 'Content-Encoding': encoding })
    const answer = await opened({ 'Accept-Encoding': encoding })
    expect(answer.header('Content-Encoding')).toBe(encoding)
    expect(answer.bytes.equals(page)).toBe(true)
  })

  test('what a program asks for', async () => {
    tell('text/html')
    expect((await opened({ 'Sec-Fetch-Dest': 'empty' })).text).toBe(PAGE)
  })
})
