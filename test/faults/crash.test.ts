// workerd is killed in the middle of a settlement, and comes back on the same disk: the payment is not lost, and is not
// made twice.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { behaviours } from '../world/behaviour.ts'
import { type Fault, POINTS, stage } from '../world/fault-facilitator.ts'
import { wrongs } from '../world/fault-judge.ts'
import { startBare, startOrigin } from '../world/fault-origin.ts'
import {
  challengeAt,
  comeBack,
  newReader,
  type Place,
  type Plot,
  type Told,
  transfersOf,
} from '../world/fault-story.ts'
import { pay } from '../world/payer.ts'
import type { Site } from '../world/site.ts'
import { type Stack, startStack } from '../world/stack.ts'

const PATHS = ['/articles/hello', '/once/hello'] as const
const WAYS = ['sends the same payment again', 'signs a new payment'] as const
/** The facilitator has the payment and says nothing; the kill comes then, and the settlement before, after or never. */
const FAULTS: Fault[] = POINTS.map((point) => ({
  name: point,
  point,
  reply: () => new Promise<never>(() => {}),
  waitMs: 0,
  isRefusal: false,
}))

const facilitator = behaviours()
let stack: Stack
let origin: Awaited<ReturnType<typeof startOrigin>>

beforeAll(async () => {
  stack = await startStack({ hook: facilitator.hook })
  origin = await startOrigin()
})

afterAll(async () => {
  await origin.stop()
  await stack.stop()
})

/** Readers at one workerd which is killed when the facilitator has the payment of each. */
async function crash(place: Place, site: Site, plots: Plot[]): Promise<Told[]> {
  const interrupted = await Promise.all(
    plots.map(async (plot) => {
      const reader = await newReader(place)
      const url = `${place.url}${plot.path}`
      const headers = await pay(plot.version, await challengeAt(url), reader)
      const { behaviour, arrived, landed } = stage(plot.fault)
      place.facilitator.set(reader.address, behaviour)
      const asking = fetch(url, { headers }).then(
        (answer) => answer.status,
        () => 'broken off',
      )
      await arrived
      if (plot.fault.point === 'settled, then answered') {
        await expect.poll(() => transfersOf(place, reader.address)).toHaveLength(1)
      }
      return { asking, landed, meeting: { plot, reader, headers, first: null } }
    }),
  )
  await site.kill()
  return Promise.all(
    interrupted.map(async ({ asking, landed, meeting }) => {
      expect(await asking).toBe('broken off')
      await landed()
      return comeBack(place, meeting)
    }),
  )
}

describe.each(WAYS)('killed after sending; the reader %s', (way) => {
  test('one payment, and its content, wherever the settlement was', async () => {
    const { place, site } = await startBare(stack, origin.url, facilitator)
    const plots = FAULTS.flatMap((fault) => PATHS.map((path): Plot => ({ path, fault, way, version: 'v2' })))
    const stories = await crash(place, site, plots)
    await site.stop()
    for (const told of stories) {
      expect(wrongs(told)).toEqual([])
      expect(told.transfers).toHaveLength(1)
    }
  })
})

test('killed after the content was handed out: the payment is still used up, or brings the same content again', async () => {
  const { place, site } = await startBare(stack, origin.url, facilitator)
  const reader = await newReader(place)
  const url = `${place.url}/once/hello`
  const headers = await pay('v2', await challengeAt(url), reader)
  expect((await fetch(url, { headers })).status).toBe(200)
  await site.kill()
  const again = await fetch(url, { headers })
  expect([200, 402]).toContain(again.status)
  expect(await transfersOf(place, reader.address)).toHaveLength(1)
  await site.stop()
})
