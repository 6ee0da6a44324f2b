// The breaker: who comes last, and for how long.
import { expect, test } from 'vitest'
import { Breaker } from '../../src/breaker.ts'

const A = { url: 'https://a.example' }
const B = { url: 'https://b.example' }
const NOW_MS = 1_800_000_000_000

/** A breaker that has heard of so many failures of A in a row. */
function after(failures: number): Breaker {
  const breaker = new Breaker()
  for (let i = 0; i < failures; i += 1) breaker.note(A, false, NOW_MS)
  return breaker
}

test('nobody is passed over at first', () => {
  expect(new Breaker().order([A, B], NOW_MS)).toEqual([A, B])
  expect(new Breaker().isOpen(A, NOW_MS)).toBe(false)
})

test('two failures in a row change nothing', () => {
  expect(after(2).order([A, B], NOW_MS)).toEqual([A, B])
  expect(after(2).isOpen(A, NOW_MS)).toBe(false)
})

test('after three it comes last', () => {
  expect(after(3).order([A, B], NOW_MS)).toEqual([B, A])
  expect(after(3).isOpen(A, NOW_MS)).toBe(true)
  expect(after(3).isOpen(B, NOW_MS)).toBe(false)
})

test('for thirty seconds', () => {
  expect(after(3).isOpen(A, NOW_MS + 29_999)).toBe(true)
  expect(after(3).isOpen(A, NOW_MS + 30_000)).toBe(false)
  expect(after(3).order([A, B], NOW_MS + 30_000)).toEqual([A, B])
})

test('then one more failure is enough', () => {
  const breaker = after(3)
  breaker.note(A, false, NOW_MS + 30_000)
  expect(breaker.isOpen(A, NOW_MS + 59_999)).toBe(true)
})

test('one answer makes good what was', () => {
  const breaker = after(3)
  breaker.note(A, true, NOW_MS)
  expect(breaker.isOpen(A, NOW_MS)).toBe(false)
  breaker.note(A, false, NOW_MS)
  breaker.note(A, false, NOW_MS)
  expect(breaker.isOpen(A, NOW_MS)).toBe(false)
})

test('the only one is still in the list, and nobody is in it twice', () => {
  expect(after(3).order([A], NOW_MS)).toEqual([A])
  expect(after(3).order([], NOW_MS)).toEqual([])
})

test('where all are passed over, the order is as configured', () => {
  const breaker = after(3)
  for (let i = 0; i < 3; i += 1) breaker.note(B, false, NOW_MS)
  expect(breaker.order([A, B], NOW_MS)).toEqual([A, B])
})

test('two breakers know nothing of each other', () => {
  after(3)
  expect(new Breaker().isOpen(A, NOW_MS)).toBe(false)
})

test('one that rests is asked by nobody, and comes back where it was', () => {
  const breaker = new Breaker()
  breaker.rest(A, 60_000, NOW_MS)
  expect(breaker.order([A, B], NOW_MS + 59_999)).toEqual([B])
  expect(breaker.order([A, B], NOW_MS + 60_000)).toEqual([A, B])
})

test('an answer ends no rest, and a rest no failures', () => {
  const breaker = after(3)
  breaker.rest(A, 60_000, NOW_MS)
  expect(breaker.isOpen(A, NOW_MS)).toBe(true)
  breaker.note(A, true, NOW_MS)
  expect(breaker.order([A], NOW_MS)).toEqual([])
})

test('nobody rests for more than five minutes', () => {
  const breaker = new Breaker()
  breaker.rest(A, 86_400_000, NOW_MS)
  expect(breaker.order([A], NOW_MS + 300_000)).toEqual([A])
})

test('when it last answered', () => {
  const breaker = new Breaker()
  expect(breaker.answeredAtMs(A)).toBeNull()
  breaker.note(A, true, NOW_MS)
  breaker.note(A, false, NOW_MS + 1)
  expect(breaker.answeredAtMs(A)).toBe(NOW_MS)
})
