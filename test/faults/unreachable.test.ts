// Before anything is sent: facilitators that cannot be reached. Nothing is charged, nothing is lost, and the next one on
// the list is asked only where the first cannot have got the payment.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Facilitator, startFacilitator } from '../../dev/stack/facilitator.ts'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { behaviours, type Fault, fault, HONEST, stage, UNREACHED } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { VERSIONS } from '../world/payer.ts'
import { openShop } from '../world/shop.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { CONTENT, comeBack, meetAll, type Place, type Plot, playAll } from '../world/story.ts'

const PATHS = ['/articles/hello', '/once/hello'] as const
const WAYS = ['sends the same payment again', 'signs a new payment'] as const
const plotsWith = (fault: Fault): Plot[] =>
  PATHS.flatMap((path) => WAYS.flatMap((way) => VERSIONS.map((version) => ({ path, fault, way, version }))))
const ROUTES = PATHS.map((path) => ({
  path,
  content: 'kv',
  price: '$0.05',
  access: path === '/once/hello' ? 'once' : '24h',
}))

const facilitator = behaviours()
const stops: (() => Promise<void>)[] = []
let stack: Stack

beforeAll(async () => {
  stack = await startStack({ hook: facilitator.hook })
})

afterAll(async () => {
  for (const stop of stops) await stop()
  await stack.stop()
})

async function placeWith(FACILITATORS: string[]): Promise<Place> {
  const shop = await openShop({ ROUTES, FACILITATORS }, { stack })
  stops.push(shop.close)
  for (const path of PATHS) await shop.site.kv.put(path, CONTENT)
  return { shop, facilitator }
}

const closedPort = async () => `http://${LOOPBACK}:${await freePort()}`

test('a port that is closed: 503 at once and nothing charged; served when it is open', async () => {
  const port = await freePort()
  const place = await placeWith([`http://${LOOPBACK}:${port}`])
  const meetings = await Promise.all((await meetAll(place, plotsWith(UNREACHED))).values())
  for (const { first } of meetings) {
    expect(first?.answer.error).toBe('facilitator_unavailable')
    expect(first?.paid).toBe(0)
  }
  const late: Facilitator = await startFacilitator({ rpcUrl: stack.chain.rpcUrl, port, hook: facilitator.hook })
  stops.unshift(late.stop)
  for (const meeting of meetings) expect(wrongs(await comeBack(place, meeting))).toEqual([])
})

test('a port that is closed, with another facilitator on the list: served at once', async () => {
  const place = await placeWith([await closedPort(), stack.facilitator.url])
  for (const story of (await playAll(place, plotsWith(HONEST))).values()) {
    const told = await story
    expect(wrongs(told)).toEqual([])
    expect(told.first?.answer.status).toBe(200)
  }
})

describe('a gateway whose facilitator is gone answers everything with a page', () => {
  const gateway = { status: 502, body: '<html>Bad Gateway</html>' }

  test('before the payment reached it: 503 at once and nothing charged; served when it is back', async () => {
    const behind = await startFacilitator({ rpcUrl: stack.chain.rpcUrl, hook: async () => gateway })
    stops.unshift(behind.stop)
    const place = await placeWith([behind.url])
    const meetings = await Promise.all((await meetAll(place, plotsWith(UNREACHED))).values())
    for (const { first } of meetings) expect(first?.answer.error).toBe('facilitator_unavailable')
    behind.setHook(facilitator.hook)
    for (const meeting of meetings) expect(wrongs(await comeBack(place, meeting))).toEqual([])
  })

  test('after it settled the payment: the chain tells, and the content is served', async () => {
    const behind = await startFacilitator({
      rpcUrl: stack.chain.rpcUrl,
      hook: async ({ path }, proceed) => {
        if (path === '/settle') await proceed()
        return gateway
      },
    })
    stops.unshift(behind.stop)
    const place = await placeWith([behind.url, stack.facilitator.url])
    for (const story of (await playAll(place, plotsWith(UNREACHED))).values()) expect(wrongs(await story)).toEqual([])
  })
})

test('a first facilitator that takes the payment and says nothing is not replaced while it may still settle', async () => {
  const { behaviour, arrived, landed } = stage(fault('never answers', 'settled once the reader has gone'))
  const first = await startFacilitator({
    rpcUrl: stack.chain.rpcUrl,
    hook: async (call, proceed) => (call.path === '/settle' ? behaviour(proceed) : proceed()),
  })
  stops.unshift(first.stop)
  const place = await placeWith([first.url, stack.facilitator.url])
  const asked = stack.facilitator.counts.settle
  const plot: Plot = { path: PATHS[0], fault: UNREACHED, way: 'signs a new payment', version: 'v2' }
  const meetings = meetAll(place, [plot])
  await arrived
  await landed()
  const [meeting] = (await meetings).values()
  const met = await meeting
  expect(met?.first?.answer.status).toBe(200)
  expect(stack.facilitator.counts.settle).toBe(asked)
  expect(met && wrongs(await comeBack(place, met))).toEqual([])
})
