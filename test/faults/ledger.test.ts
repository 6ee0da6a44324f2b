// A ledger that is down while readers pay, whatever the facilitator does: they are served all the same, and when it is
// back it holds every payment once.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { behaviours } from '../world/behaviour.ts'
import { faults, HONEST, REFUSAL, UNCLEAR } from '../world/fault-facilitator.ts'
import { wrongs } from '../world/fault-judge.ts'
import { CONTENT, comeBack, meetAll, type Plot, placeAt, type Told, WAYS } from '../world/fault-story.ts'
import { openShop, type Shop } from '../world/shop.ts'

const OPEN = ['never answers', 'answers 500', 'claims success without a transaction', 'answers 429']
const FAULTS = [
  HONEST,
  ...faults(Object.fromEntries(Object.entries(UNCLEAR).filter(([name]) => OPEN.includes(name)))),
  ...faults(REFUSAL, ['settled, then answered']),
]
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
  const place = placeAt(shop.stack, shop.site, facilitator)
  await shop.site.db.exec('ALTER TABLE payments RENAME TO gone')
  const meetings = await meetAll(place, PLOTS)
  await Promise.allSettled(meetings.values())
  await shop.site.db.exec('ALTER TABLE gone RENAME TO payments')
  stories = new Map([...meetings].map(([plot, meeting]) => [plot, meeting.then((met) => comeBack(place, met))]))
  for (const story of stories.values()) story.catch(() => {})
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
