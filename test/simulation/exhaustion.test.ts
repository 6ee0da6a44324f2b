// A purchase with a mishap at each of its steps in turn, and at pairs of them; `npm run simulate -- --exhaust` has all.
import { expect, test } from 'vitest'
import { exhaust, exhaustPairs, MISHAPS, PURCHASES } from './exhaustion.ts'

/** The kinds of mishap that differ from one purchase to the next. */
const FEW = ['crash', 'reply lost'] as const
const MOST_PAIRS = 60

for (const purchase of PURCHASES) {
  test(`a purchase ${purchase.name}, with a mishap at any step, is served and paid once`, async () => {
    const isWhole = purchase.name === 'by a known payer'
    expect((await exhaust(purchase, isWhole ? MISHAPS : FEW)).bad).toEqual([])
  })
  test(`a purchase ${purchase.name}, with two mishaps, is served and paid once`, async () => {
    expect((await exhaustPairs(purchase, MOST_PAIRS)).bad).toEqual([])
  })
}
