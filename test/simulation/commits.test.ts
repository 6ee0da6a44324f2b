// What a purchase costs: commits, ledger writes, and how soon its object sleeps again.
import { expect, test } from 'vitest'
import { single } from './orders.ts'
import { objectOf } from './stage.ts'
import { PAYER, type Tale, tell } from './tale.ts'

/** Claim and send; outcome and handout; delivered; ledgered. */
const MOST_COMMITS = 4
const OBJECT = objectOf(PAYER)
/** With the reply that was lost and the alarm's look at the proof. */
const SLEEPS_MS = 15_000

const diskOf = ({ stage }: Tale) => stage.objects.disk(OBJECT)

async function buy(tale: Tale, path: string) {
  const answer = await tale.ask(tale.sign(single(path)))
  expect(answer.kind).toBe('content')
}

test('a purchase by a known payer is four commits', async () => {
  await tell(
    'known',
    async (tale) => {
      await buy(tale, '/a/1')
      await tale.wait(5_000)
      const before = diskOf(tale).flushes()
      await buy(tale, '/a/2')
      await tale.wait(5_000)
      expect(diskOf(tale).flushes() - before).toBeLessThanOrEqual(MOST_COMMITS)
    },
    { calmMs: null },
  )
})

test('a purchase by a new payer is no more: its tables, the claim and the alarm are one', async () => {
  await tell(
    'new',
    async (tale) => {
      await buy(tale, '/a/1')
      await tale.wait(5_000)
      expect(diskOf(tale).flushes()).toBeLessThanOrEqual(MOST_COMMITS)
    },
    { calmMs: null },
  )
})

test('after a purchase nothing keeps the object awake', async () => {
  await tell(
    'sleep',
    async (tale) => {
      await buy(tale, '/a/1')
      await tale.wait(1_000)
      expect(tale.stage.objects.isIdle(OBJECT)).toBe(true)
      await tale.wait(SLEEPS_MS)
      expect(tale.stage.objects.isInMemory(OBJECT)).toBe(false)
    },
    { calmMs: null },
  )
})

test('while an answer is on its way for a minute, the object sleeps in between', async () => {
  await tell(
    'film',
    async (tale) => {
      const answer = tale.ask(tale.sign(single()), { streamMs: 60_000 })
      await tale.wait(16_000)
      expect(tale.stage.objects.isInMemory(OBJECT)).toBe(false)
      await answer
    },
    { calmMs: null },
  )
})

test('a hundred purchases of one payer at once write about a hundred entries', async () => {
  const problems = await tell(
    'crowd',
    async (tale) => {
      await Promise.all(Array.from({ length: 100 }, (_, i) => buy(tale, `/a/${i}`)))
      await tale.wait(60_000)
      expect(tale.stage.ledger.requests()).toBeLessThanOrEqual(110)
      expect(tale.stage.ledger.read('SELECT 1 FROM payments')).toHaveLength(100)
    },
    { blockMs: { 'eip155:8453': 250 } },
  )
  expect(problems).toEqual([])
})
