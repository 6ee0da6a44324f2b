// Stories that have gone wrong, or could: one each, told in the imitated world and judged like any history.
import { expect, test } from 'vitest'
import { stories } from './stories/all.ts'
import { tell } from './tale.ts'

for (const { name, act, options } of stories) {
  test(name, async () => {
    expect(await tell(name, act, options)).toEqual([])
  })
}
