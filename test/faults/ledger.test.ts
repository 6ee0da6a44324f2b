// A ledger that is down while readers pay, whatever the facilitator does: they are served all the same, and when it is
// back it holds every payment once.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours, faults, HONEST, REFUSAL } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { openShop, type Shop } from '../world/shop.ts'
import { CONTENT, comeBackAll, meetAll, type Plot, type Told, WAYS } from '../world/story.ts'

const OPEN = ['never answers', 'answers 500', 'answers 429', 'claims success without a transaction'] as const
const FAULTS = [HONEST, ...faults(OPEN), ...faults(REFUSAL, ['settled, then answered'])]
const PATHS = ['/articles/hello', '/once/hello'] as const
const PLOTS: Plot[] = FAULTS.flatMap((fault) =>
  PATHS.flatMap((path) =>
    // Who walks away from a single answer is in hang-ups.test.ts.
    WAYS.filter((way) => way !== 'walks away' || path === '/articles/hello').map(
      (way): Plot => ({ path, fault, way, version: 'v2' }),
    ),
  ),
)

const facilitator = behaviours()
let stories: Map<Plot, Promise<Told>>
let shop: Shop

beforeAll(async () => {
  const ROUTES = PATHS.map((path) => ({
    path,
    content: 'kv',
    price: '$0.05',
    access: path === '/once/hello' ? 'once' : '24h',
  }))
  shop = await openShop({ ROUTES }, { hook: facilitator.hook })
  for (const path of PATHS) await shop.site.kv.put(path, CONTENT)
  const place = { shop, facilitator }
  await shop.site.db.prepare('ALTER TABLE payments RENAME TO gone').run()
  const meetings = await meetAll(place, PLOTS)
  await Promise.allSettled(meetings.values())
  await shop.site.db.prepare('ALTER TABLE gone RENAME TO payments').run()
  stories = comeBackAll(place, meetings)
}, 90_000)

afterAll(() => shop.close())

test.each(PLOTS.map((plot) => [plot.path, plot.fault.name, plot.way, plot] as const))(
  'at %s the ledger is down and the facilitator %s; the reader %s',
  async (_path, _name, _way, plot) => {
    const told = await stories.get(plot)
    expect(told && wrongs(told)).toEqual([])
  },
  180_000,
)
