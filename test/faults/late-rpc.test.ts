// A facilitator refuses what it has settled, while the RPC cannot tell either. The reader signs again, and the RPC is
// back a moment later: the first payment is found, and it is what pays.
import { afterAll, beforeAll, test } from 'vitest'
import { behaviours, faults, REFUSAL } from '../world/behaviour.ts'
import { wrongs } from '../world/judge.ts'
import { type RpcFault, startRpc } from '../world/rpc.ts'
import { NETWORK, openShop } from '../world/shop.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { CONTENT, comeBack, meet, type Plot } from '../world/story.ts'

const RPC: readonly RpcFault[] = ['is down', 'hangs', 'answers 500', 'leaves out logs']
const PATHS = ['/articles/hello', '/once/hello']
const ROUTES = PATHS.map((path, i) => ({ path, content: 'kv', price: '$0.05', access: i === 0 ? '24h' : 'once' }))
/** Longer than one look at the chain may take, shorter than the reader is held for. */
const LATE_MS = 6_000
const LIES = faults(REFUSAL, ['settled, then answered'])
const PLOTS = LIES.flatMap((fault) =>
  PATHS.map((path): Plot => ({ path, fault, way: 'signs a new payment', version: 'v2' })),
)

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

/** Two requests may each be held for their 25 seconds, and the ledger is waited for after that. */
const LONGEST_MS = 120_000

test.concurrent.for(RPC)(
  'the RPC %s, and is back six seconds after the second signature',
  { timeout: LONGEST_MS },
  async (fault, { expect }) => {
    const rpc = await startRpc(stack.chain.rpcUrl)
    const shop = await openShop({ RPC_URLS: { [NETWORK]: rpc.url }, ROUTES }, { stack })
    stops.push(shop.close, rpc.stop)
    for (const path of PATHS) await shop.site.kv.put(path, CONTENT)
    const place = { shop, facilitator }

    await rpc.set(fault)
    const meetings = await Promise.all(PLOTS.map((plot) => meet(place, plot)))
    for (const { first } of meetings) {
      // A nonce that is used is no refusal, even where nobody can say what for.
      expect(first?.answer.status).toBe(fault === 'leaves out logs' ? 503 : 402)
      expect(first?.paid).toBe(1)
    }
    const back = meetings.map((meeting) => comeBack(place, meeting))
    await new Promise((resolve) => setTimeout(resolve, LATE_MS))
    await rpc.set(null)
    for (const told of await Promise.all(back)) {
      expect(wrongs(told)).toEqual([])
      expect(told.later).toHaveLength(1)
    }
  },
)
