// A hand-over's object from inside, in the real runtime: what it keeps, once and for five minutes, and that it is no payer's.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { Payer } from '../../src/payer/payer.ts'
import { type HandOverRequest, PROTOCOL } from '../../src/payer/protocol.ts'
import { DAY, NOW, object, requestFor } from './object.ts'

const WAITS = 300
let codes = 0
const newObject = (): DurableObjectStub<Payer> => env.PAYERS.get(env.PAYERS.idFromName(`hand-over:${codes++}`))
const handed = (change: Partial<HandOverRequest> = {}): HandOverRequest => ({
  protocol: PROTOCOL,
  scope: '=/articles/tides',
  method: 'GET',
  endsAtSeconds: NOW + DAY,
  waitsUntilSeconds: NOW + WAITS,
  ...change,
})
const tables = (at: DurableObjectStub<Payer>) =>
  runInDurableObject(at, (_, state) =>
    state.storage.sql
      .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
      .toArray()
      .map(({ name }) => name),
  )
const alarmAt = (at: DurableObjectStub<Payer>) => runInDurableObject(at, (_, state) => state.storage.getAlarm())
const ask = { protocol: PROTOCOL }

describe('what was handed over', () => {
  test('is given out once, without a payer, also after the object was asleep', async () => {
    const at = newObject()
    expect(await at.handOver(handed())).toBe(true)
    await evictDurableObject(at)
    expect(await at.takeOver(ask)).toEqual({ scope: '=/articles/tides', method: 'GET', endsAtSeconds: NOW + DAY })
    expect(await at.takeOver(ask)).toBeNull()
    await evictDurableObject(at)
    expect(await at.takeOver(ask)).toBeNull()
  })

  test('is given to one of many that ask at once', async () => {
    const at = newObject()
    await at.handOver(handed())
    const answers = await Promise.all(Array.from({ length: 20 }, () => at.takeOver(ask)))
    expect(answers.filter((answer) => answer !== null)).toHaveLength(1)
  })

  test('stays as it is: a second one changes nothing, nor does one after it was fetched', async () => {
    const at = newObject()
    await at.handOver(handed())
    expect(await at.handOver(handed({ scope: '=/articles/other' }))).toBe(false)
    expect(await at.takeOver(ask)).toMatchObject({ scope: '=/articles/tides' })
    expect(await at.handOver(handed())).toBe(false)
    expect(await at.takeOver(ask)).toBeNull()
  })

  test('goes with the alarm after five minutes, and leaves nothing', async () => {
    const at = newObject()
    await at.handOver(handed())
    expect(await alarmAt(at)).toBe((NOW + WAITS) * 1000)
    await runDurableObjectAlarm(at)
    expect(await tables(at)).toEqual([])
    expect(await alarmAt(at)).toBeNull()
    expect(await at.takeOver(ask)).toBeNull()
  })

  test('is not given out any more where its alarm is late', async () => {
    const at = newObject()
    await at.handOver(handed({ waitsUntilSeconds: NOW - 1 }))
    expect(await at.takeOver(ask)).toBeNull()
  })
})

test('asking stores nothing, and sets no alarm', async () => {
  const at = newObject()
  expect(await at.takeOver(ask)).toBeNull()
  expect(await tables(at)).toEqual([])
  expect(await alarmAt(at)).toBeNull()
})

test('a newer release is not understood', async () => {
  const at = newObject()
  expect(await at.handOver(handed({ protocol: PROTOCOL + 1 }))).toBe(false)
  expect(await at.takeOver({ protocol: PROTOCOL + 1 })).toBeNull()
  expect(await tables(at)).toEqual([])
})

test('an object that holds payments takes nothing, and gives nothing', async () => {
  await object().redeem(requestFor())
  expect(await tables(object())).toContain('payments')
  expect(await object().handOver(handed())).toBe(false)
  expect(await object().takeOver(ask)).toBeNull()
  expect(await tables(object())).not.toContain('hand_over')
})
