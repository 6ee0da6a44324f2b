// A facilitator that leaves the outcome open, and an RPC that cannot or will not tell it either: unknown stays unknown
// until somebody knows. Each RPC fault has a site of its own; the RPC is mended when every reader has their answer.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { behaviours, faults, HONEST, REFUSAL } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { VERSIONS } from '../world/payer.ts'
import { RPC_FAULTS, type RpcFault, startRpc } from '../world/rpc.ts'
import { NETWORK, openShop } from '../world/shop.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { CONTENT, comeBackAll, meetAll, type Plot, type Told, WAYS } from '../world/story.ts'

const PATH = '/articles/hello'
const UNKNOWN = ['never answers', 'answers 500', 'says settlement_pending with a hash'] as const
const FAULTS = [
  HONEST,
  ...faults(UNKNOWN, ['never settled', 'settled, then answered', 'settled once the reader has gone']),
  ...faults(REFUSAL, ['settled, then answered']),
]
const PLOTS: Plot[] = FAULTS.flatMap((fault, i) =>
  WAYS.map((way, j): Plot => ({ path: PATH, fault, way, version: VERSIONS[(i + j) % 2] ?? 'v2' })),
)
/** A node that is no archive is none for good. */
const LASTING: RpcFault = 'keeps the states of four blocks'

const facilitator = behaviours()
const places = new Map<RpcFault, Promise<Map<Plot, Told>>>()
const stops: (() => Promise<void>)[] = []
let stack: Stack

beforeAll(async () => {
  stack = await startStack({ hook: facilitator.hook })
  // Three at a time; the next three when those readers have their answers.
  let before: Promise<unknown> = Promise.resolve()
  for (let i = 0; i < RPC_FAULTS.length; i += 3) {
    const three = RPC_FAULTS.slice(i, i + 3).map((fault) => ({ fault, ...openPlace(fault, before) }))
    for (const { fault, told } of three) places.set(fault, told)
    before = Promise.allSettled(three.map(({ met }) => met))
  }
})

afterAll(async () => {
  await Promise.allSettled(places.values())
  for (const stop of stops) await stop()
  await stack.stop()
})

/** All plots at one site whose RPC is at fault until every reader has their first answer. */
function openPlace(fault: RpcFault, after: Promise<unknown>) {
  const met = after.then(async () => {
    const rpc = await startRpc(stack.chain.rpcUrl)
    stops.push(rpc.stop)
    const shop = await openShop({ RPC_URLS: { [NETWORK]: rpc.url } }, { stack })
    stops.push(shop.close)
    await shop.site.kv.put(PATH, CONTENT)
    const place = { shop, facilitator }
    await rpc.set(fault)
    const meetings = await meetAll(place, PLOTS)
    await Promise.all(meetings.values())
    if (fault !== LASTING) await rpc.set(null)
    return { place, meetings }
  })
  const told = met.then(async ({ place, meetings }) => {
    const stories = await Promise.all(comeBackAll(place, meetings).values())
    return new Map(stories.map((story) => [story.plot, story]))
  })
  told.catch(() => {})
  return { met, told }
}

describe.each(RPC_FAULTS)('the RPC %s', (fault) => {
  test.each(PLOTS.map((plot) => [plot.fault.name, plot.way, plot] as const))(
    'while the facilitator %s; the reader %s',
    async (_name, _way, plot) => {
      const told = (await places.get(fault))?.get(plot)
      expect(told && wrongs(told)).toEqual([])
    },
    240_000,
  )
})
