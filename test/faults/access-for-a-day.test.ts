// A facilitator that leaves the outcome open in every way, at every point of a settlement, while readers buy access that
// lasts. All stories run at the same time, each with a reader of its own; then each is judged. One that refuses what it
// settles is in refusals.test.ts.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours, faults, HONEST, SLOW, UNCLEAR } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { VERSIONS } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'
import { CONTENT, type Plot, playAll, type Told, WAYS } from '../world/story.ts'

const PATH = '/articles/hello'
const FAULTS = [HONEST, ...faults(UNCLEAR), ...SLOW]
const PLOTS: Plot[] = FAULTS.flatMap((fault, i) =>
  WAYS.map((way, j): Plot => ({ path: PATH, fault, way, version: VERSIONS[(i + j) % 2] ?? 'v2' })),
)

const facilitator = behaviours()
let stories: Promise<Map<Plot, Promise<Told>>>
let shop: Shop

beforeAll(async () => {
  shop = await openShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PATH, CONTENT)
  stories = playAll({ shop, facilitator }, PLOTS)
})

afterAll(() => shop.close())

test.each(PLOTS.map((plot) => [plot.fault.name, plot.way, plot] as const))(
  'the facilitator %s; the reader %s',
  async (_name, _way, plot) => {
    const told = await (await stories).get(plot)
    expect(told && wrongs(told)).toEqual([])
  },
  180_000,
)
