// The same facilitator in front of readers who buy single answers: as many contents as payments, neither fewer nor more.
// Who hangs up in the middle of one is in hang-ups.test.ts.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours, faults, HONEST, SLOW, UNCLEAR } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { VERSIONS } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'
import { CONTENT, type Plot, playAll, type Told } from '../world/story.ts'

const PATH = '/once/hello'
const WAYS = ['sends the same payment again', 'signs a new payment'] as const
const FAULTS = [HONEST, ...faults(UNCLEAR), ...SLOW]
const PLOTS: Plot[] = FAULTS.flatMap((fault, i) =>
  WAYS.map((way): Plot => ({ path: PATH, fault, way, version: VERSIONS[i % 2] ?? 'v2' })),
)

const facilitator = behaviours()
let stories: Promise<Map<Plot, Promise<Told>>>
let shop: Shop

beforeAll(async () => {
  const ROUTES = [{ path: '/once/*', content: 'kv', price: '$0.05', access: 'once' }]
  shop = await openShop({ ROUTES }, { hook: facilitator.hook })
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
