import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { keepMsOf, LONGEST_KEPT_MS, LONGEST_READING_MS, newCuts, type Reading, type Writer } from '../../src/cuts.ts'

const cuts = () => newCuts<string>((opening) => opening.length)

async function restOf(reading: Reading<string> | null): Promise<[string, boolean] | null> {
  if (reading === null) return null
  const parts = reading.rest()
  let rest = ''
  for (;;) {
    const { done, value } = await parts.next()
    if (done) return [rest, value]
    rest += value
  }
}

/** A whole page. */
function readTo({ open, add, end }: Writer<string>, opening: string, keepMs: number) {
  open(opening)
  add('rest')
  end(true, keepMs)
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a page that is being read', () => {
  test('is shown to equal requests as it comes, from its beginning, and to no others', async () => {
    const known = cuts()
    const { open, add, end } = known.lead('/a de')
    expect(known.find('/a en')).toBeNull()
    open('opening')
    add('one ')
    const second = known.find('/a de')
    expect(await second?.opening).toBe('opening')
    const rest = restOf(second)
    add('two')
    end(true, 0)
    expect(await rest).toEqual(['one two', true])
    expect(known.find('/a de')).toBeNull()
  })

  test.each(['silence', null] as const)(
    'and comes to %s: whoever waits hears it, and the next one reads',
    async (outcome) => {
      const known = cuts()
      const { open, end } = known.lead('/a')
      const waiting = known.find('/a')?.opening
      open(outcome)
      end(false, 60_000)
      expect(await waiting).toBe(outcome)
      expect(known.find('/a')).toBeNull()
    },
  )

  test('by a request that is gone is not waited for, and takes no room', () => {
    const known = cuts()
    for (let n = 0; n < 1_000; n++) known.lead(`/${n}`)
    vi.advanceTimersByTime(LONGEST_READING_MS)
    expect(known.find('/0')).toBeNull()
    known.lead('/new')
    expect(known.find('/new')).not.toBeNull()
  })

  test('and breaks off behind the cut: the document ends, and is not kept', async () => {
    const known = cuts()
    const { open, add } = known.lead('/a')
    open('opening')
    add('one')
    const rest = restOf(known.find('/a'))
    await vi.advanceTimersByTimeAsync(LONGEST_READING_MS)
    expect(await rest).toEqual(['one', false])
    expect(known.find('/a')).toBeNull()
  })

  test('by a second one, since the first takes too long: the first one changes nothing any more', async () => {
    const known = cuts()
    const first = known.lead('/a')
    vi.advanceTimersByTime(LONGEST_READING_MS)
    const second = known.lead('/a')
    readTo(first, 'old', 60_000)
    readTo(second, 'new', 60_000)
    expect(await known.find('/a')?.opening).toBe('new')
  })
})

describe('a page that is kept', () => {
  test('is there until its time is over', async () => {
    const known = cuts()
    readTo(known.lead('/a'), 'opening', 30_000)
    vi.advanceTimersByTime(29_999)
    expect(await restOf(known.find('/a'))).toEqual(['rest', true])
    vi.advanceTimersByTime(1)
    expect(known.find('/a')).toBeNull()
  })

  test('is kept for a minute at most', () => {
    const known = cuts()
    readTo(known.lead('/a'), 'opening', 3_600_000)
    vi.advanceTimersByTime(LONGEST_KEPT_MS - 1)
    expect(known.find('/a')).not.toBeNull()
    vi.advanceTimersByTime(1)
    expect(known.find('/a')).toBeNull()
  })

  test('is one that was read to its end', () => {
    const known = cuts()
    const { open, end } = known.lead('/a')
    open('opening')
    end(false, 60_000)
    expect(known.find('/a')).toBeNull()
  })

  test('is none whose request says too much: what it is known by would take the room', () => {
    const known = cuts()
    const exact = `/${'x'.repeat(5_000)}`
    readTo(known.lead(exact), 'opening', 60_000)
    expect(known.find(exact)).toBeNull()
  })

  test('makes room for newer ones', () => {
    const known = cuts()
    const opening = 'x'.repeat(400_000)
    for (let n = 0; n < 8; n++) readTo(known.lead(`/${n}`), opening, 60_000)
    expect([0, 1, 2, 3, 4, 5, 6, 7].filter((n) => known.find(`/${n}`) !== null)).toEqual([3, 4, 5, 6, 7])
    readTo(known.lead('/huge'), 'x'.repeat(1_000_000), 60_000)
    expect(known.find('/huge')).toBeNull()
  })
})

test.each<[Record<string, string>, number]>([
  [{}, 0],
  [{ 'Cache-Control': 'max-age=60' }, 0],
  [{ 'Cache-Control': 'public' }, 60_000],
  [{ 'Cache-Control': 'Public, Max-Age=10' }, 10_000],
  [{ 'Cache-Control': 'public, max-age=600, s-maxage=20' }, 20_000],
  [{ 'Cache-Control': 'public, max-age="30"' }, 30_000],
  [{ 'Cache-Control': 'public, max-age=0' }, 0],
  [{ 'Cache-Control': 'public, max-age=600, s-maxage=0' }, 0],
  [{ 'Cache-Control': 'public, max-age=soon' }, 0],
  [{ 'Cache-Control': 'public, max-age=600', Age: '590' }, 10_000],
  [{ 'Cache-Control': 'public, max-age=600', Age: '600' }, 0],
  [{ 'Cache-Control': 'public', Expires: 'Thu, 01 Jan 1970 00:00:00 GMT' }, 0],
  [{ 'Cache-Control': 'public, no-cache' }, 0],
  [{ 'Cache-Control': 'public, private="X-A"' }, 0],
  [{ 'Cache-Control': 'public', 'CDN-Cache-Control': 'no-store' }, 0],
  [{ 'Cache-Control': 'public', 'Cloudflare-CDN-Cache-Control': 'max-age=0' }, 0],
  [{ 'Cache-Control': 'public', 'Surrogate-Control': 'no-store' }, 0],
  [{ 'Cache-Control': 'public', Vary: 'accept-encoding' }, 60_000],
  [{ 'Cache-Control': 'public', Vary: 'Accept-Encoding, Accept-Language' }, 0],
  [{ 'Cache-Control': 'public', Vary: '*' }, 0],
  [{ 'Cache-Control': 'public', 'Set-Cookie': 'a=b' }, 0],
])('an origin that says %o: %i ms', (headers, ms) => {
  expect(keepMsOf(new Headers(headers))).toBe(ms)
})
