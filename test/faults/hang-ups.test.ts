// Readers who hang up as soon as the facilitator has their payment for a single answer, whatever it does then: when they
// come back, the content they paid for is there, and is not paid for again.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours } from '../world/behaviour.ts'
import { faults, HONEST, SLOW, UNCLEAR } from '../world/fault-facilitator.ts'
import { wrongs } from '../world/fault-judge.ts'
import { startBare, startOrigin } from '../world/fault-origin.ts'
import { type Plot, playAll, type Told } from '../world/fault-story.ts'
import { VERSIONS } from '../world/payer.ts'
import { type Stack, startStack } from '../world/stack.ts'

const PLOTS: Plot[] = [HONEST, ...faults(UNCLEAR), ...SLOW].map((fault, i) => ({
  path: '/once/hello',
  fault,
  way: 'walks away',
  version: VERSIONS[i % 2] ?? 'v2',
}))

const facilitator = behaviours()
const stops: (() => Promise<void>)[] = []
let stack: Stack
let stories: Promise<Map<Plot, Promise<Told>>>

beforeAll(async () => {
  stack = await startStack({ hook: facilitator.hook })
  const origin = await startOrigin()
  const { place, site } = await startBare(stack, origin.url, facilitator)
  stops.push(site.stop, origin.stop)
  stories = playAll(place, PLOTS)
})

afterAll(async () => {
  for (const stop of stops) await stop()
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
