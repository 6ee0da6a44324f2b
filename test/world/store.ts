// Where all sites of a run keep what outlives their workerd: KV, R2, D1 and the counts of addresses, each site under a name of
// its own. It is one workerd, started before the tests.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Service } from 'miniflare'
import * as z from 'zod'
import { LOOPBACK } from '../../dev/stack/ports.ts'
import { onDisk, planned } from './plan.ts'
import { ENTRY, newWorkerd } from './workerd.ts'

/** The services that a site's bindings lead to, and those behind them. */
const SERVICES = ['kv:ns:entry', 'r2:bucket:entry', 'd1:db:entry', 'ratelimit:ns:entry'] as const
const PARTS = /^(?:kv|r2|d1|ratelimit):(?!public)|^loopback$/

/** Processes of a run are told by their environment. */
const VARIABLE = 'NEWSSTAND_TEST_STORE'
const Store = z.object({
  /** What `wrangler --persist-to` is given to see it too. */
  folder: z.string(),
  addresses: z.record(z.enum(SERVICES), z.string()),
})
export type Store = z.infer<typeof Store>

/** Starts it; the result ends it. */
export async function startStore(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-store-'))
  const { services, extensions } = await planned()
  const parts = await onDisk(
    services.filter(({ name }) => PARTS.test(name)),
    folder,
  )
  const [kv, ...others] = SERVICES
  const socket = (name: string, to: string) => ({ name, address: `${LOOPBACK}:0`, service: { name: to }, http: {} })
  const workerd = newWorkerd(() => {})
  const ports = await workerd.start({
    services: parts,
    extensions,
    sockets: [socket(ENTRY, kv), ...others.map((name) => socket(name, name))],
  })
  const addresses = SERVICES.map((name) => [name, `${LOOPBACK}:${ports.get(name === kv ? ENTRY : name)}`])
  process.env[VARIABLE] = JSON.stringify({ folder, addresses: Object.fromEntries(addresses) } satisfies Store)
  return async () => {
    await workerd.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The store of this run. */
export function store(): Store {
  const told = process.env[VARIABLE]
  if (told === undefined) throw new Error('no store was started: await the default export of test/world/build.ts first')
  return Store.parse(JSON.parse(told))
}

/** The services for the bindings of one site. Its name is that of its database, too. */
export const servicesFor = (site: string): Service[] =>
  Object.entries(store().addresses).map(([name, address]) => ({
    name,
    external: { address, http: { injectRequestHeaders: [{ name: 'MF-Namespace', value: site }] } },
  }))
