import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { keepMsOf, LONGEST_KEPT_MS, newCuts } from '../../src/cuts.ts'

const cuts = () => newCuts<string>((page) => page.length)

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a page that is being read', () => {
  test('is waited for by equal requests, and by no others', async () => {
    const known = cuts()
    const tell = known.lead('/a', '/a de')
    expect(known.find('/a', '/a en')).toBeNull()
    const waiting = known.find('/a', '/a de')
    tell('page', 0)
    expect(await waiting).toBe('page')
    expect(known.find('/a', '/a de')).toBeNull()
  })

  test('and comes to nothing: the next one reads', async () => {
    const known = cuts()
    const tell = known.lead('/a', '/a')
    const waiting = known.find('/a', '/a')
    tell(null, 60_000)
    expect(await waiting).toBeNull()
    expect(known.find('/a', '/a')).toBeNull()
  })

  test('by a second one, since the first says nothing: the later one counts', async () => {
    const known = cuts()
    const first = known.lead('/a', '/a')
    const second = known.lead('/a', '/a')
    first(null, 0)
    const waiting = known.find('/a', '/a')
    second('page', 0)
    expect(await waiting).toBe('page')
  })
})

describe('a page that is kept', () => {
  test('is for all requests, until its time is over', () => {
    const known = cuts()
    known.lead('/a', '/a de')('page', 30_000)
    expect(known.find('/a', '/a en')).toBe('page')
    vi.advanceTimersByTime(30_000)
    expect(known.find('/a', '/a en')).toBeNull()
  })

  test('is kept for a minute at most', () => {
    const known = cuts()
    known.lead('/a', '/a')('page', 3_600_000)
    vi.advanceTimersByTime(LONGEST_KEPT_MS - 1)
    expect(known.find('/a', '/a')).toBe('page')
    vi.advanceTimersByTime(1)
    expect(known.find('/a', '/a')).toBeNull()
  })

  test('makes room for newer ones', () => {
    const known = cuts()
    const page = 'x'.repeat(400_000)
    for (let n = 0; n < 8; n++) known.lead(`/${n}`, `/${n}`)(page, 60_000)
    expect([0, 1, 2, 3, 4, 5, 6, 7].filter((n) => known.find(`/${n}`, `/${n}`) !== null)).toEqual([3, 4, 5, 6, 7])
    known.lead('/huge', '/huge')('x'.repeat(1_000_000), 60_000)
    expect(known.find('/huge', '/huge')).toBeNull()
  })
})

test.each<[Record<string, string>, number]>([
  [{}, 0],
  [{ 'Cache-Control': 'max-age=60' }, 0],
  [{ 'Cache-Control': 'public' }, 60_000],
  [{ 'Cache-Control': 'Public, Max-Age=10' }, 10_000],
  [{ 'Cache-Control': 'public, max-age=600, s-maxage=20' }, 20_000],
  [{ 'Cache-Control': 'public, max-age=0' }, 0],
  [{ 'Cache-Control': 'public, max-age=soon' }, 0],
  [{ 'Cache-Control': 'public, no-cache' }, 0],
  [{ 'Cache-Control': 'public, private' }, 0],
  [{ 'Cache-Control': 'public', Vary: 'accept-encoding' }, 60_000],
  [{ 'Cache-Control': 'public', Vary: 'Accept-Encoding, Accept-Language' }, 0],
  [{ 'Cache-Control': 'public', Vary: '*' }, 0],
  [{ 'Cache-Control': 'public', 'Set-Cookie': 'a=b' }, 0],
])('an origin that says %o: %i ms', (headers, ms) => {
  expect(keepMsOf(new Headers(headers))).toBe(ms)
})
