import { describe, expect, test } from 'vitest'
import { type Part, parseRange, partOf } from '../../src/range.ts'

describe('a range of a file of ten bytes', () => {
  test.each<[string | null, ReturnType<typeof parseRange>]>([
    [null, null],
    ['bytes=0-9', { offset: 0, length: 10 }],
    ['bytes=0-0', { offset: 0, length: 1 }],
    ['bytes=2-5', { offset: 2, length: 4 }],
    ['bytes=5-', { offset: 5, length: 5 }],
    ['bytes=5-99', { offset: 5, length: 5 }],
    ['bytes=-3', { offset: 7, length: 3 }],
    ['bytes=-99', { offset: 0, length: 10 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=99-100', 'unsatisfiable'],
    // What is no single range is served whole.
    ['bytes=5-2', null],
    ['bytes=', null],
    ['bytes=-', null],
    ['bytes=0-1,3-4', null],
    ['items=0-1', null],
    ['bytes=a-b', null],
    ['bytes= 0-1', null],
    ['bytes=0x0-1', null],
    ['bytes=1e1-', null],
    ['bytes=99999999999999999999-', null],
  ])('%s', (header, expected) => {
    expect(parseRange(header, 10)).toEqual(expected)
  })
})

describe('of a file of ten bytes', () => {
  const FILE = { size: 10, etag: '"v1"', modifiedAt: new Date('2026-11-21T12:00:00.700Z'), isEncoded: false }
  const CHANGED = 'Sat, 21 Nov 2026 12:00:00 GMT'
  const BEFORE = 'Sat, 21 Nov 2026 11:59:59 GMT'
  const WHOLE: Part = { status: 200, offset: 0, length: 10 }
  const PART: Part = { status: 206, offset: 2, length: 2 }
  const asked = (headers: Record<string, string>, method = 'GET') => ({ method, headers: new Headers(headers) })
  const RANGE = { Range: 'bytes=2-3' }

  test.each<[Record<string, string>, Part]>([
    [{}, WHOLE],
    [RANGE, PART],
    [{ Range: 'bytes=10-' }, { status: 416 }],
    // What is known already (RFC 9110 §13.1.2, §13.1.3).
    [{ 'If-None-Match': '"v1"' }, { status: 304 }],
    [{ 'If-None-Match': 'W/"v1"' }, { status: 304 }],
    [{ 'If-None-Match': '"v0", "v1"' }, { status: 304 }],
    [{ 'If-None-Match': '*' }, { status: 304 }],
    [{ 'If-None-Match': '"v0"' }, WHOLE],
    [{ 'If-None-Match': 'v1' }, WHOLE],
    [{ 'If-None-Match': '"v1"', ...RANGE }, { status: 304 }],
    [{ 'If-Modified-Since': CHANGED }, { status: 304 }],
    [{ 'If-Modified-Since': BEFORE }, WHOLE],
    [{ 'If-Modified-Since': 'yesterday' }, WHOLE],
    [{ 'If-None-Match': '"v0"', 'If-Modified-Since': CHANGED }, WHOLE],
    // What is no longer the same (§13.1.1, §13.1.4).
    [{ 'If-Match': '"v1"', ...RANGE }, PART],
    [{ 'If-Match': '*' }, WHOLE],
    [{ 'If-Match': '"v0"', ...RANGE }, { status: 412 }],
    [{ 'If-Match': 'W/"v1"' }, { status: 412 }],
    [{ 'If-Unmodified-Since': CHANGED }, WHOLE],
    [{ 'If-Unmodified-Since': BEFORE }, { status: 412 }],
    [{ 'If-Match': '"v1"', 'If-Unmodified-Since': BEFORE }, WHOLE],
    // A part only of the very same file (§13.1.5).
    [{ ...RANGE, 'If-Range': '"v1"' }, PART],
    [{ ...RANGE, 'If-Range': '"v0"' }, WHOLE],
    [{ ...RANGE, 'If-Range': 'W/"v1"' }, WHOLE],
    [{ ...RANGE, 'If-Range': CHANGED }, WHOLE],
    [{ Range: 'bytes=10-', 'If-Range': '"v0"' }, WHOLE],
  ])('who asks with %j gets %j', (headers, part) => {
    expect(partOf(asked(headers), FILE)).toEqual(part)
  })

  test('HEAD has no parts', () => {
    expect(partOf(asked(RANGE, 'HEAD'), FILE)).toEqual(WHOLE)
  })

  test('nor has what is stored encoded', () => {
    expect(partOf(asked(RANGE), { ...FILE, isEncoded: true })).toEqual(WHOLE)
  })

  test('a purchase is answered whole', () => {
    expect(partOf(null, FILE)).toEqual(WHOLE)
  })
})
