// A publisher's origin that answers everything with the content, and a site in front of it that can be killed.
import { createServer } from 'node:http'
import { listening } from '../../dev/stack/ports.ts'
import type { Behaviours } from './behaviour.ts'
import { CONTENT, type Place } from './fault-story.ts'
import { NETWORK } from './shop.ts'
import { type Site, startSite } from './site.ts'
import type { Stack } from './stack.ts'

export async function startOrigin(): Promise<{ url: string; stop(): Promise<void> }> {
  return listening(createServer((_, response) => response.end(CONTENT)))
}

export async function startBare(
  stack: Stack,
  originUrl: string,
  facilitator: Behaviours,
): Promise<{ place: Place; site: Site }> {
  const site = await startSite({
    FACILITATORS: [stack.facilitator.url],
    RPC_URLS: { [NETWORK]: stack.chain.rpcUrl },
    ORIGIN_URL: originUrl,
    ROUTES: [
      { path: '/articles/*', price: '$0.05', access: '24h' },
      { path: '/once/*', price: '$0.05', access: 'once' },
    ],
  })
  return { site, place: { url: site.url, chain: stack.chain, facilitator, ledger: null } }
}
