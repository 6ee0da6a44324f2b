// The table of cases about the platform, in workerd itself: what the simulator imitates is what there is.
import { applyD1Migrations, reset, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Payer } from '../../src/payer/payer.ts'
import { type CaseStorage, PLATFORM_CASES, type Platform } from '../simulation/platform.cases.ts'

const object = () => env.PAYERS.get(env.PAYERS.idFromName('case'))

const RINGS_WITHIN_MS = 5_000
const ALARM_ENDS_MS = 100

/** Methods for the cases, on the one class there is a binding for. */
const METHODS = {
  echo: async (value: unknown) => value,
  append: async (list: unknown[]) => [...list, list.push('mine') && 'mine'],
  fail: async (text: string) => {
    throw new Error(text)
  },
}
const ownAlarm = Payer.prototype.alarm

beforeEach(async () => {
  await applyD1Migrations(env.LEDGER_DB, env.TEST_MIGRATIONS)
  Object.assign(Payer.prototype, METHODS)
})

afterEach(async () => {
  for (const name of Object.keys(METHODS)) Reflect.deleteProperty(Payer.prototype, name)
  Payer.prototype.alarm = ownAlarm
  await reset()
})

const platform: Platform = {
  inside: (act) => runInDurableObject(object(), (_, state) => act(state)),
  async call(method, ...given) {
    const stub = object()
    const found: unknown = Reflect.get(stub, method)
    if (typeof found !== 'function') throw new Error(`no method ${method}`)
    return Reflect.apply(found, stub, given)
  },
  async ring(set, alarm) {
    let storage: CaseStorage | null = null
    // Not a promise: one that another request resolves takes the runtime down.
    let hasRung = false
    Payer.prototype.alarm = async () => {
      if (storage) await alarm(storage)
      hasRung = true
    }
    await runInDurableObject(object(), async (_, state) => {
      storage = state.storage
      await set(state.storage)
    })
    await vi.waitUntil(() => hasRung, { timeout: RINGS_WITHIN_MS })
    // The alarm ends a little after its handler.
    await new Promise((resolve) => setTimeout(resolve, ALARM_ENDS_MS))
  },
  prepare: (query) => env.LEDGER_DB.prepare(query),
}

test.each(PLATFORM_CASES)('$name', async ({ act, gives }) => {
  expect(await act(platform)).toEqual(gives)
})
