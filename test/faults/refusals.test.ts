// A facilitator that refuses for sure, and settles all the same. Only the chain can tell, so it must be able to: these
// readers have one of their own, which no crowd of others keeps busy. What a late RPC does to them is in late-rpc.test.ts.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours, faults, REFUSAL } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { VERSIONS } from '../world/payer.ts'
import { openShop, type Shop } from '../world/shop.ts'
import { CONTENT, type Place, type Plot, playAll, startBare, type Told, WAYS } from '../world/story.ts'

const PATHS = ['/articles/hello', '/once/hello']
const ROUTES = PATHS.map((path, i) => ({ path, content: 'kv', price: '$0.05', access: i === 0 ? '24h' : 'once' }))
const PLOTS = faults(REFUSAL).flatMap((fault) =>
  PATHS.flatMap((path) => WAYS.flatMap((way) => VERSIONS.map((version): Plot => ({ path, fault, way, version })))),
)
/** They have a shop of their own, where nobody waits for the ledger before they come back. */
const isHungUp = ({ path, way }: Plot) => path === '/once/hello' && way === 'walks away'

const facilitator = behaviours()
let shop: Shop
let bare: Place
let stories: Promise<Map<Plot, Promise<Told>>>

beforeAll(async () => {
  shop = await openShop({ ROUTES }, { hook: facilitator.hook })
  for (const path of PATHS) await shop.site.kv.put(path, CONTENT)
  bare = await startBare(shop.stack, facilitator)
  stories = Promise.all([
    playAll(
      { shop, facilitator },
      PLOTS.filter((plot) => !isHungUp(plot)),
    ),
    playAll(bare, PLOTS.filter(isHungUp)),
  ]).then(([stayed, hungUp]) => new Map([...stayed, ...hungUp]))
})

afterAll(async () => {
  await bare.shop.close()
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
