// Histories by seed, and that a seed repeats; more seeds are in `test/long/histories`.
import { expect, test } from 'vitest'
import { playSeeds } from './histories.ts'
import { playHistory } from './history.ts'

playSeeds(0, 200)

test('a seed that is played twice gives the same trace', async () => {
  for (const seed of ['7', '79', '96', '101', '2332']) {
    const [one, two] = [await playHistory(seed), await playHistory(seed)]
    expect([two.hash, two.steps]).toEqual([one.hash, one.steps])
  }
})
