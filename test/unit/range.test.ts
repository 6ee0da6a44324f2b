import { describe, expect, test } from 'vitest'
import { parseRange } from '../../src/range.ts'

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
