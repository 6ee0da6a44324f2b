// workerd is killed in the middle of a settlement, and comes back on the same disk: the payment is not lost, and is not
// made twice.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { behaviours, fault, POINTS, stage } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { pay } from '../world/payer.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { comeBack, type Place, type Plot, startBare, type Told, transfersOf } from '../world/story.ts'

const PATHS = ['/articles/hello', '/once/hello'] as const
const WAYS = ['sends the same payment again', 'signs a new payment'] as const
/** The facilitator has the payment and says nothing; the kill comes then, and the settlement before, after or never. */
const FAULTS = POINTS.map((point) => fault('never answers', point))

const facilitator = behaviours()
let stack: Stack

beforeAll(async () => {
  stack = await startStack({ hook: facilitator.hook })
})

afterAll(() => stack.stop())

/** Readers at one workerd which is killed when the facilitator has the payment of each. */
async function crash(place: Place, plots: Plot[]): Promise<Told[]> {
  const { shop } = place
  const interrupted = await Promise.all(
    plots.map(async (plot) => {
      const reader = await shop.reader()
      const headers = await pay(plot.version, await shop.challenge(plot.path), reader)
      const { behaviour, arrived, landed } = stage(plot.fault)
      place.facilitator.set(reader.address, behaviour)
      const asking = shop.ask(plot.path, { headers }).then(
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
  await shop.site.kill()
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
    const place = await startBare(stack, facilitator)
    const plots = FAULTS.flatMap((fault) => PATHS.map((path): Plot => ({ path, fault, way, version: 'v2' })))
    const stories = await crash(place, plots)
    await place.shop.close()
    for (const told of stories) {
      expect(wrongs(told)).toEqual([])
      expect(told.transfers).toHaveLength(1)
    }
  })
})

test('killed after the content was handed out: the payment is still used up, or brings the same content again', async () => {
  const place = await startBare(stack, facilitator)
  const { shop } = place
  const reader = await shop.reader()
  const headers = await pay('v2', await shop.challenge('/once/hello'), reader)
  expect((await shop.ask('/once/hello', { headers })).status).toBe(200)
  await shop.site.kill()
  const again = await shop.ask('/once/hello', { headers })
  expect([200, 402]).toContain(again.status)
  expect(await transfersOf(place, reader.address)).toHaveLength(1)
  await shop.close()
})
