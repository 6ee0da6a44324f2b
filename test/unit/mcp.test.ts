// What tools are called with and answer with: messages, addresses, lists. No site.
import { describe, expect, test } from 'vitest'
import { readIndex, search } from '../../src/mcp/search.ts'
import { addressIn } from '../../src/mcp/tools.ts'
import { around, inAscii, initialized, inJson, readCall } from '../../src/mcp/wire.ts'

const NOTHING = { version: null, method: null, name: null }
const call = (more: object = {}) => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', ...more })
const inVersion = (version: string) => ({ params: { _meta: { 'io.modelcontextprotocol/protocolVersion': version } } })

describe('a message', () => {
  test('is one call, without any revision too', () => {
    expect(readCall(call(), NOTHING)).toEqual({
      ok: true,
      value: { id: 1, method: 'tools/list', params: {}, isModern: false },
    })
  })

  test('is of the revision that it names, or its header', () => {
    expect(readCall(call(inVersion('2026-07-28')), NOTHING)).toMatchObject({ value: { isModern: true } })
    expect(readCall(call(), { ...NOTHING, version: '2026-07-28' })).toMatchObject({ value: { isModern: true } })
    expect(readCall(call(), { ...NOTHING, version: '2025-11-25' })).toMatchObject({ value: { isModern: false } })
  })

  test('without an id is answered by nobody', () => {
    expect(readCall(call({ id: undefined }), NOTHING)).toEqual({ ok: true, value: null })
  })

  test.each<[string, string, number]>([
    ['a batch', `[${call()}]`, -32600],
    ['an empty batch', '[]', -32600],
    ['no JSON', '{', -32700],
    ['nothing', '', -32700],
    ['brackets without end', '['.repeat(30_000), -32700],
    ['an id that is a table', call({ id: {} }), -32600],
    ['an id of null', call({ id: null }), -32600],
    ['an answer', JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} }), -32600],
    ['another JSON-RPC', call({ jsonrpc: '1.0' }), -32600],
    ['parameters in a list', call({ params: [] }), -32600],
    ['a revision of tomorrow', call(inVersion('2030-01-01')), -32022],
  ])('that is %s is refused', (_, text, code) => {
    expect(readCall(text, NOTHING)).toMatchObject({ ok: false, error: { code } })
  })

  test.each([
    { ...NOTHING, version: '2025-11-25' },
    { ...NOTHING, method: 'tools/call' },
    { ...NOTHING, name: 'other' },
  ])('whose headers say something else is refused: %o', (headers) => {
    const text = call({ params: { ...inVersion('2026-07-28').params, name: 'read' } })
    expect(readCall(text, headers)).toMatchObject({ ok: false, error: { id: 1, code: -32020 } })
  })

  test('that begins settles on a revision that is spoken here', () => {
    expect(initialized({ protocolVersion: '2025-11-25' }, '').protocolVersion).toBe('2025-11-25')
    expect(initialized({ protocolVersion: '2025-06-18' }, '').protocolVersion).toBe('2025-06-18')
    expect(initialized({ protocolVersion: '2026-07-28' }, '').protocolVersion).toBe('2025-11-25')
    expect(initialized({}, '').protocolVersion).toBe('2025-11-25')
  })
})

describe('the address of an article', () => {
  const SITES = ['http://127.0.0.1:8787', 'https://news.example']

  test.each<[{ path?: string; url?: string }, string | null]>([
    [{ path: '/a' }, '/a'],
    [{ path: '/a?x=1#part' }, '/a?x=1'],
    [{ url: 'https://news.example/a' }, '/a'],
    [{ path: '/a', url: 'https://news.example/a' }, '/a'],
    [{ path: '/free/../dear' }, '/dear'],
    [{ path: '/a', url: 'https://news.example/b' }, null],
    [{ url: 'https://other.example/a' }, null],
    [{ url: 'https://news.example.evil.example/a' }, null],
    [{ url: 'https://user@evil.example/https://news.example/a' }, null],
    [{ url: 'javascript:alert(1)' }, null],
    [{ path: '//evil.example/a' }, null],
    [{ path: 'a' }, null],
    [{ path: '@evil.example/a' }, null],
    [{}, null],
  ])('%o → %s', (given, address) => {
    expect(addressIn(given, SITES)).toBe(address)
  })
})

describe('a text', () => {
  test('loses what turns it around or hides in it, and keeps its lines', () => {
    expect(JSON.parse(`"${inJson('a\u202eb\u{e0041}c\u0000\u0085\n\t"é\u200f')}"`)).toBe('abc\n\t"é\u200f')
  })

  test('is whole around what streams by', () => {
    const modern = { id: 'x', method: 'tools/call', params: {}, isModern: true }
    const [before, after] = around(modern, { isError: false, _meta: { a: 1 } }, { type: 'text' })
    expect(JSON.parse(`${before}${inJson('say "so"')}${after}`)).toMatchObject({
      id: 'x',
      result: {
        resultType: 'complete',
        isError: false,
        _meta: { a: 1 },
        content: [{ type: 'text', text: 'say "so"' }],
      },
    })
    const blob = { type: 'resource', uri: 'https://news.example/a', mimeType: 'image/png' } as const
    const [first, last] = around({ ...modern, isModern: false }, { isError: false }, blob)
    expect(JSON.parse(`${first}AAAA${last}`).result).toEqual({
      isError: false,
      content: [{ type: 'resource', resource: { uri: blob.uri, mimeType: blob.mimeType, blob: 'AAAA' } }],
    })
  })

  test('of a challenge is ASCII, wherever it stands', () => {
    const said = inAscii({ a: ['“Zürich” — 東京…', 1, null], resource: { description: 'x\ny' } })
    expect(said).toEqual({ a: ['"Zurich" - ??...', 1, null], resource: { description: 'x?y' } })
    expect(() => btoa(JSON.stringify(said))).not.toThrow()
  })
})

describe('the list that is searched', () => {
  const articles = readIndex(
    JSON.stringify({
      articles: [
        { path: '/a', title: 'The sea', description: 'Water\u202e everywhere' },
        { path: '/b', title: 'Land', teaser: 'No séa here', text: 'PAID' },
        { path: 'no-path', title: 'The sea' },
        { path: '/c', title: 7, description: 'sea' },
        'none',
      ],
    }),
  )

  test('finds every word, titles first, and nothing that is not listed', () => {
    const found = search(articles ?? [], 'SEA', 'https://news.example')
    expect(found.map(({ url }) => url)).toEqual([
      'https://news.example/a',
      'https://news.example/b',
      'https://news.example/c',
    ])
    expect(JSON.stringify(found)).not.toMatch(/PAID|\u202e/)
    expect(search(articles ?? [], 'sea everywhere', '').map(({ url }) => url)).toEqual(['/a'])
    expect(search(articles ?? [], 'paid', '')).toEqual([])
    expect(search(articles ?? [], '!!', '')).toEqual([])
  })

  test.each(['', '[]', '{}', '{"articles":1}', ' '.repeat(3_000_000)])('is none where it cannot be read', (text) => {
    expect(readIndex(text)).toBeNull()
  })
})
