// Readers who hang up as soon as the facilitator has their payment for a single answer, whatever it does then: when they
// come back, the content they paid for is there, and is not paid for again.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours, faults, HONEST, SLOW, UNCLEAR } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { VERSIONS } from '../world/payer.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { type Place, type Plot, playAll, startBare, type Told } from '../world/story.ts'

const PLOTS: Plot[] = [HONEST, ...faults(UNCLEAR), ...SLOW].map((fault, i) => ({
  path: '/once/hello',
  fault,
  way: 'walks away',
  version: VERSIONS[i % 2] ?? 'v2',
}))

const facilitator = behaviours()
let stack: Stack
let place: Place
let stories: Promise<Map<Plot, Promise<Told>>>

beforeAll(async () => {
  stack = await startStack({ hook: facilitator.hook })
  place = await startBare(stack, facilitator)
  stories = playAll(place, PLOTS)
})

afterAll(async () => {
  await place.shop.close()
  await stack.stop()
})

test.each(PLOTS.map((plot) => [plot.fault.name, plot] as const))(
  'the facilitator %s; the reader hangs up and comes back',
  async (_, plot) => {
    const told = await (await stories).get(plot)
    expect(told && wrongs(told)).toEqual([])
  },
  120_000,
)
