// What facilitators serve, as it is remembered: what takes a network off, and what does not.
import { describe, expect, test } from 'vitest'
import { readSupport } from '../../src/replies.ts'
import { isServed, type Listing, listingAfter } from '../../src/supported.ts'

const BASE = 'eip155:8453'
const POLYGON = 'eip155:137'
const A = { url: 'https://a.example' }
const B = { url: 'https://b.example' }
const NOW = 1_800_000_000

/** What is known after answers that name these networks, each at its time. */
function heard(...answers: [seconds: number, networks: string[]][]): Listing {
  const wanted = [BASE, POLYGON]
  const last = answers.reduce<Listing | undefined>(
    (before, [seconds, networks]) =>
      listingAfter(before, { networks, extensions: [], feePayers: {} }, wanted, NOW + seconds),
    undefined,
  )
  if (!last) throw new Error('at least one answer')
  return last
}
const serves = (listing: Listing, network: string, seconds: number) =>
  isServed({ [A.url]: listing }, [A], network, NOW + seconds)

describe('a network is off', () => {
  test.each<[string, Listing, number, boolean]>([
    ['never after one answer', heard([0, [POLYGON]]), 300, true],
    ['not after two within a minute', heard([0, [POLYGON]], [59, [POLYGON]]), 60, true],
    ['after two a minute apart', heard([0, [POLYGON]], [60, [POLYGON]]), 60, false],
    ['no longer once it is named', heard([0, [POLYGON]], [60, [POLYGON]], [120, [BASE, POLYGON]]), 120, true],
    ['not where it was named in between', heard([0, [POLYGON]], [60, [BASE]], [120, [POLYGON]]), 120, true],
    ['for an hour after the last answer', heard([0, [POLYGON]], [60, [POLYGON]]), 60 + 3_599, false],
    ['and then believed again', heard([0, [POLYGON]], [60, [POLYGON]]), 60 + 3_600, true],
    ['not by answers that are hours apart', heard([0, [POLYGON]], [7_200, [POLYGON]]), 7_200, true],
  ])('%s', (_what, listing, seconds, isStill) => {
    expect(serves(listing, BASE, seconds)).toBe(isStill)
  })

  test.each(['eip155:8453', 'eip155:*', 'base'])('not where it is named as %s', (name) => {
    expect(serves(heard([0, [name]], [60, [name]]), BASE, 60)).toBe(true)
  })

  test('not where another facilitator serves it, or has said nothing', () => {
    const off = heard([0, [POLYGON]], [60, [POLYGON]])
    expect(isServed({ [A.url]: off }, [A, B], BASE, NOW + 60)).toBe(true)
    expect(isServed({ [A.url]: off, [B.url]: heard([0, [BASE]]) }, [A, B], BASE, NOW + 60)).toBe(true)
    expect(isServed({ [A.url]: off, [B.url]: off }, [A, B], BASE, NOW + 60)).toBe(false)
  })
})

describe('an answer of /supported', () => {
  const read = (json: unknown) => readSupport({ status: 200, json, retryAfterSeconds: null })
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a page', '<h1>'],
    ['no kinds', { extensions: [] }],
    ['an empty list', { kinds: [] }],
    ['kinds that are none', { kinds: ['exact'] }],
  ])('%s says nothing', (_what, json) => expect(read(json)).toBeNull())

  test('names the networks of exact, and extensions', () => {
    const kinds = [
      { x402Version: 2, scheme: 'exact', network: BASE, extra: {} },
      { x402Version: 2, scheme: 'upto', network: POLYGON },
    ]
    expect(read({ kinds, extensions: ['bazaar'], signers: {} })).toEqual({
      networks: [BASE],
      extensions: ['bazaar'],
      feePayers: {},
    })
    expect(read({ kinds })).toEqual({ networks: [BASE], extensions: [], feePayers: {} })
  })
})
