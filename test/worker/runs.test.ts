// Who joins a settlement under way, and what its end means to them.
import { expect, test, vi } from 'vitest'
import { Runs } from '../../src/payer/runs.ts'
import { HOLD_MS } from '../../src/payer/waiting.ts'

const KEY = 'one payment'

test('a settlement that was ending as a request came is no answer to it: it looks again', async () => {
  const runs = new Runs()
  const ending = Promise.withResolvers<'settlement_pending'>()
  const first = runs.finish(KEY, Date.now() + HOLD_MS, () => ending.promise)
  const look = vi.fn(async () => null)
  const second = runs.finish(KEY, Date.now() + HOLD_MS, look)
  ending.resolve('settlement_pending')
  expect(await first).toBe('settlement_pending')
  expect(await second).toBeNull()
  expect(look).toHaveBeenCalledTimes(1)
})

test('a request that was held for most of its time takes the outcome it waited for', async () => {
  const runs = new Runs()
  const ending = Promise.withResolvers<'settlement_pending'>()
  void runs.finish(KEY, Date.now() + HOLD_MS, () => ending.promise)
  const look = vi.fn(async () => null)
  const second = runs.finish(KEY, Date.now() + HOLD_MS / 2 - 1, look)
  ending.resolve('settlement_pending')
  expect(await second).toBe('settlement_pending')
  expect(look).not.toHaveBeenCalled()
})
