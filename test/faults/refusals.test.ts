// A facilitator that refuses for sure, and settles all the same. Only the chain can tell, so it must be able to: these
// readers have one of their own, which no crowd of others keeps busy. What a late RPC does to them is in late-rpc.test.ts.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours } from '../world/behaviour.ts'
import { faults, REFUSAL } from '../world/fault-facilitator.ts'
import { wrongs } from '../world/fault-judge.ts'
import { startBare, startOrigin } from '../world/fault-origin.ts'
import { CONTENT, type Plot, placeAt, playAll, type Told, WAYS } from '../world/fault-story.ts'
import { VERSIONS } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'

const PATHS = ['/articles/hello', '/once/hello']
const ROUTES = PATHS.map((path, i) => ({ path, content: 'kv', price: '$0.05', access: i === 0 ? '24h' : 'once' }))
const PLOTS = faults(REFUSAL).flatMap((fault) =>
  PATHS.flatMap((path) => WAYS.flatMap((way) => VERSIONS.map((version): Plot => ({ path, fault, way, version })))),
)
/** Only bare workerd hears of a hang-up, which is what a single answer waits for. */
const isHungUp = ({ path, way }: Plot) => path === '/once/hello' && way === 'walks away'

const facilitator = behaviours()
const stops: (() => Promise<void>)[] = []
let shop: Shop
let stories: Promise<Map<Plot, Promise<Told>>>

beforeAll(async () => {
  shop = await openShop({ ROUTES }, { hook: facilitator.hook })
  for (const path of PATHS) await shop.site.kv.put(path, CONTENT)
  const origin = await startOrigin()
  const { place, site } = await startBare(shop.stack, origin.url, facilitator)
  stops.push(site.stop, origin.stop)
  stories = Promise.all([
    playAll(
      placeAt(shop.stack, shop.site, facilitator),
      PLOTS.filter((plot) => !isHungUp(plot)),
    ),
    playAll(place, PLOTS.filter(isHungUp)),
  ]).then(([stayed, hungUp]) => new Map([...stayed, ...hungUp]))
})

afterAll(async () => {
  for (const stop of stops) await stop()
  await shop.close()
})

test.each(PLOTS.map((plot) => [plot.path, plot.version, plot.fault.name, plot.way, plot] as const))(
  'at %s in %s the facilitator %s; the reader %s',
  async (_path, _version, _name, _way, plot) => {
    const told = await (await stories).get(plot)
    expect(told && wrongs(told)).toEqual([])
  },
  120_000,
)
