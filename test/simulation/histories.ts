// What the test files of histories share: a range of seeds, none of which may have a problem.
import { expect, test } from 'vitest'
import { playHistory } from './history.ts'

/** As a failure is told: with the command that repeats it. */
const told = (seed: string, problems: readonly string[]) =>
  [`npm run simulate -- --seed ${seed}`, ...problems].join('\n  ')

/** Plays the histories of some seeds. */
export function playSeeds(from: number, count: number): void {
  test(`${count} histories, from seed ${from} on, have no problem`, async () => {
    const bad: string[] = []
    for (let seed = from; seed < from + count; seed++) {
      const { problems } = await playHistory(String(seed))
      if (problems.length > 0) bad.push(told(String(seed), problems))
    }
    expect(bad).toEqual([])
  })
}
