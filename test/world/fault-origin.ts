// A publisher's origin that answers everything with the content, and workerd in front of it: nothing in between hides a
// hang-up, and it can be killed. It has no ledger.
import { createServer } from 'node:http'
import { LOOPBACK, listening } from '../../dev/stack/ports.ts'
import type { Behaviours } from './behaviour.ts'
import { CONTENT, type Place } from './fault-story.ts'
import { NETWORK } from './shop.ts'
import type { Stack } from './stack.ts'
import { startWorkerd, type Workerd } from './workerd.ts'

export async function startOrigin(): Promise<{ url: string; stop(): Promise<void> }> {
  return listening(createServer((_, response) => response.end(CONTENT)))
}

export async function startBare(
  stack: Stack,
  originUrl: string,
  facilitator: Behaviours,
): Promise<{ place: Place; workerd: Workerd }> {
  const workerd = await startWorkerd({
    FACILITATORS: [stack.facilitator.url],
    RPC_URLS: { [NETWORK]: stack.chain.rpcUrl },
    ORIGIN_URL: originUrl,
    ROUTES: [
      { path: '/articles/*', price: '$0.05', access: '24h' },
      { path: '/once/*', price: '$0.05', access: 'once' },
    ],
  })
  const url = `http://${LOOPBACK}:${workerd.port}`
  return { workerd, place: { url, chain: stack.chain, facilitator, ledger: null } }
}
