// docs/guides/several-zones.md, carried out: its sites and routes, as they are written, on one worker.

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { commandsOf, varsOf } from '../world/guide.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay } from '../world/payer.ts'
import { NOTHING, openShop, type Shop } from '../world/shop.ts'

const GUIDE = 'several-zones'
const NEWS = 'news.example'
const SPORT = 'sport.example'
let origin: OriginServer
let shop: Shop

beforeAll(async () => {
  origin = await startOrigin()
  shop = await openShop({ ...(await varsOf(GUIDE)), ORIGIN_URL: origin.url })
})
afterAll(async () => {
  await shop.close()
  await origin.stop()
})
beforeEach(() => origin.tell(({ url, headers }) => ({ body: `${headers['x-forwarded-host']}${url}` })))

const at = (host: string, headers: Record<string, string> = {}) => ({ headers: { Host: host, ...headers } })

test.each([
  [NEWS, '/articles/my-piece', '50000'],
  [SPORT, '/results/final', '10000'],
  [NEWS, '/archive/1', '20000'],
  [SPORT, '/archive/1', '20000'],
])('%s sells %s', async (host, path, amount) => {
  const { v2 } = await shop.challenge(path, at(host))
  expect(v2.resource.url).toBe(`https://${host}${path}`)
  expect(v2.accepts.map((offer) => offer.amount)).toEqual([amount])
})

test.each([
  [SPORT, '/articles/my-piece'],
  [NEWS, '/results/final'],
])('%s does not sell %s', async (host, path) => {
  expect((await shop.ask(path, at(host))).text).toBe(`${host}${path}`)
})

test('what is bought at one site is not open at the other, and no site sees the other’s cookie', async () => {
  const headers = await pay('v2', await shop.challenge('/archive/1', at(NEWS)), await shop.reader())
  const bought = await shop.ask('/archive/1', at(NEWS, headers))
  expect(bought.text).toBe(`${NEWS}/archive/1`)
  const [cookie = ''] = bought.headers.getSetCookie()
  expect(cookie).not.toMatch(/domain=/i)
  const { result, cost } = await shop.costOf(() => shop.ask('/archive/1', at(SPORT, { Cookie: bought.pass })))
  expect(result.status).toBe(402)
  expect(cost).toEqual(NOTHING)
})

test('the ledger says at which site', async () => {
  const reader = await shop.reader()
  const headers = await pay('v2', await shop.challenge('/results/final', at(SPORT)), reader)
  expect((await shop.ask('/results/final', at(SPORT, headers))).status).toBe(200)
  await expect.poll(() => shop.ledger(reader.address)).toMatchObject([{ site: `https://${SPORT}` }])
  const [query = ''] = commandsOf(GUIDE).flatMap((command) => /--command '([^']+)'/.exec(command)?.[1] ?? [])
  const { results } = await shop.site.db.prepare(query).all()
  expect(z.array(z.object({ site: z.string() })).parse(results)).toContainEqual({ site: `https://${SPORT}` })
})

test('a name that is not in the list is answered 421', async () => {
  expect((await shop.ask('/archive/1', at('www.news.example'))).status).toBe(421)
})

test('the routes of the zones are the sites of the list', async () => {
  const text = readFileSync(inCheckout(`docs/guides/${GUIDE}.md`), 'utf8')
  const zones = [...text.matchAll(/pattern = "([^"]+)\/\*"/g)].map(([, zone]) => `https://${zone}`)
  expect(zones).toEqual((await varsOf(GUIDE)).SITE_URL)
})
