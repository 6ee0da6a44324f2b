// Newsstand as a subject: its settings, with everybody it asks among the stand-ins.
import { NETWORK, PAY_TO, SITE_URL } from './payments.ts'
import { type StandIns, urlOf } from './stand-ins.ts'
import type { Subject } from './workerd.ts'

const PRICED = { price: '$0.05', description: 'One page', mimeType: 'text/html' }
/** Free for everybody. */
export const OPEN = { path: '/open/*', price: 'free' }
const ROUTES = [
  { path: '/once/*', access: 'once', ...PRICED },
  { path: '/kv/*', access: '24h', content: 'kv', wall: false, ...PRICED },
  { path: '/walled/*', access: '24h', ...PRICED },
  { path: '/lasting/*', access: '24h', wall: false, ...PRICED },
  OPEN,
]

/** `over` lies over its settings. `delayMs`: how long its facilitator takes. */
export function newsstandOf(
  code: string,
  standIns: StandIns,
  { delayMs = 0, ...over }: Record<string, unknown> = {},
): Subject {
  return {
    name: 'newsstand',
    code,
    needsNode: false,
    objects: { className: 'Payer', binding: 'PAYERS' },
    vars: {
      SITE_URL,
      PAY_TO: { eip155: PAY_TO },
      NETWORKS: [NETWORK],
      FACILITATORS: [`${urlOf(standIns, 'facilitator')}/${delayMs}`],
      RPC_URLS: { [NETWORK]: urlOf(standIns, 'rpc') },
      ORIGIN_URL: urlOf(standIns, 'origin'),
      PASS_SECRET: 'a secret for measurements, long enough',
      ROUTES,
      ...over,
    },
  }
}
