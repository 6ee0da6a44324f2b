// The table of cases about the platform, against its imitation. `test/worker/platform.test.ts` runs it in workerd.
import { expect, test } from 'vitest'
import { createWorld, run } from './clock.ts'
import { createLedger } from './ledger.ts'
import { createNamespace } from './objects.ts'
import { type CaseState, type CaseStorage, PLATFORM_CASES, type Platform } from './platform.cases.ts'

/** Longer than any alarm of the table is away, shorter than any that it must not hear. */
const UNTIL_IT_RANG_MS = 5_000

async function play(name: string, act: (platform: Platform) => Promise<unknown>): Promise<unknown> {
  const world = createWorld({ seed: name })
  const ledger = createLedger(world)
  let insideOf: (state: CaseState) => unknown = () => {}
  let rings: (storage: CaseStorage) => Promise<void> = async () => {}
  const objects = createNamespace({
    world,
    create: (ctx) => ({
      enter: async () => {
        await insideOf(ctx)
      },
      echo: async (value: unknown) => value,
      append: async (list: unknown[]) => [...list, list.push('mine') && 'mine'],
      fail: async (text: string) => {
        throw new Error(text)
      },
      alarm: () => rings(ctx.storage),
    }),
  })
  const call: Platform['call'] = async (method, ...given) => objects.binding.getByName('case')[method]?.(...given)
  const platform: Platform = {
    async inside(inner) {
      let value: { is: Awaited<ReturnType<typeof inner>> } | null = null
      insideOf = async (state) => {
        value = { is: await inner(state) }
      }
      await call('enter')
      return taken(value)
    },
    call,
    async ring(set, alarm) {
      rings = alarm
      await platform.inside(({ storage }) => set(storage))
      await world.wait(UNTIL_IT_RANG_MS)
    },
    prepare: ledger.binding.prepare,
  }
  return run(world, () => act(platform))
}

/** What code inside of the object left. */
function taken<Value>(value: { is: Value } | null): Value {
  if (!value) throw new Error('the object was not entered')
  return value.is
}

test.each(PLATFORM_CASES)('$name', async ({ name, act, gives }) => {
  expect(await play(name, act)).toEqual(gives)
})
