// A paywall to test against: the built worker in workerd, set up as wrangler.toml has it, with real KV, R2, D1 and Durable
// Objects on disk, and settings of its own. Readers talk to workerd itself: nothing in between tidies up an address or
// hides a hang-up.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Service, Worker_Binding } from 'miniflare'
import { inCheckout } from '../../dev/stack/paths.ts'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { type Bindings, bindingsAt, bindingsBeside } from './bindings.ts'
import { BUILD, onDisk, planned } from './plan.ts'
import { servicesFor, store } from './store.ts'
import { ENTRY, newWorkerd } from './workerd.ts'

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

/** The variables of wrangler.toml, and the secrets. */
export type Vars = Record<string, Json>

/** Settings that stand for a small shop; a test changes what it is about. */
export const BASE_VARS = {
  SITE_URL: 'https://news.example',
  PAY_TO: { eip155: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8' },
  NETWORKS: ['eip155:84532'],
  ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', description: 'An article' }],
  PASS_SECRET: 'a secret for tests, long enough',
} satisfies Vars

/** With content and ledger, as the publisher sees them. */
export type Site = Bindings & {
  /** Where workerd listens; requests to it are for whatever SITE_URL says. */
  readonly url: string
  readonly port: number
  /** What wrangler needs to see the ledger too: its `--persist-to`, and the `database_id`. */
  readonly database: { persistTo: string; id: string }
  /** What the worker wrote to its log. */
  readonly logs: readonly string[]
  /** Ends workerd with SIGKILL, at once; resolves when a new one answers on the same port and disk. */
  kill(): Promise<void>
  /** The same, once the new workerd is ready to start, with `change` over its variables; as another release if named. */
  restart(change: Vars, code?: Code): Promise<void>
  /** As `restart`, but only where a variable differs from what it was last given. */
  become(change: Vars): Promise<void>
  /** Resolves when workerd, one thread, has gone on from all that it did before. */
  turn(): Promise<void>
  /** How many payers have an object that has stored anything. */
  objects(): Promise<number>
  /** Takes the ledger's table away, or gives it back. */
  hideLedger(isHidden: boolean): Promise<void>
  stop(): Promise<void>
}

const BACK_LIMIT_MS = 20_000
/** Requests one after the other: a call from the worker to a payer's object, and its write, take less than that. */
const TURNS = 3

export type SiteOptions = {
  /** The module of a worker that is the site's origin, by service binding. */
  origin?: string
  /** Another release than the built one. */
  code?: Code
}

/** The bundle that answers, and the one that the payers' objects run. During a deployment they differ for a while. */
export type Code = { worker: string; objects: string }

/** What was built for this run. */
export const built = async (): Promise<Code> => {
  const bundle = await readFile(join(BUILD, 'index.js'), 'utf8')
  return { worker: bundle, objects: bundle }
}

/** Starts the built worker. `vars` lie over `BASE_VARS`; FACILITATORS and RPC_URLS have to be given. */
export async function startSite(vars: Vars, { origin, code: given }: SiteOptions = {}): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-'))
  const name = basename(folder)
  const address = `${LOOPBACK}:${await freePort()}`
  const url = `http://${address}`
  const { services, extensions } = await planned()
  const planOf = (part: string) => services.filter((service) => service.name === part)
  const around = [
    ...(await onDisk(planOf('do:storage'), folder)),
    ...['outbound:0', 'loopback'].flatMap(planOf),
    { name: 'internet', network: { allow: ['public', 'private'] } },
    ...servicesFor(name),
  ]
  const [{ worker: plannedWorker } = {}] = planOf('core:user:newsstand')
  /** Bindings to what is stored. Variables and the payers' objects depend on the test. */
  const bound =
    plannedWorker?.bindings?.filter((each) => !('json' in each || 'text' in each || each.name === 'PAYERS')) ?? []
  const logs: string[] = []
  let code = given ?? (await built())
  let settings: Vars = { ...BASE_VARS, ...vars }
  const workerd = newWorkerd((message) => void logs.push(message))
  let bindingsUrl = ''
  const start = async () => {
    const objects = code.objects === code.worker ? SITE : 'objects'
    const own: Worker_Binding[] = [
      ...bound,
      { name: 'PAYERS', durableObjectNamespace: { className: 'Payer', serviceName: objects } },
      ...Object.entries(settings).map(([name, value]) =>
        typeof value === 'string' ? { name, text: value } : { name, json: JSON.stringify(value) },
      ),
      ...(origin === undefined ? [] : [{ name: 'ORIGIN', service: { name: 'origin' } }]),
    ]
    const serviceOf = (name: string, text: string): Service => {
      const { cacheApiOutbound, durableObjectNamespaces, durableObjectStorage, ...worker } = plannedWorker ?? {}
      return {
        name,
        worker: {
          ...worker,
          ...(name === objects ? { durableObjectNamespaces, durableObjectStorage } : {}),
          modules: [{ name: 'index.js', esModule: text }],
          bindings: own,
        },
      }
    }
    const ports = await workerd.start({
      services: [
        serviceOf(SITE, code.worker),
        ...(objects === SITE ? [] : [serviceOf(objects, code.objects)]),
        ...(origin === undefined ? [] : [originOf(origin)]),
        await bindingsBeside(SITE, bound),
        ...around,
      ],
      extensions,
      sockets: [
        { name: ENTRY, service: { name: 'bindings' }, http: {} },
        { name: 'direct', address, service: { name: SITE }, http: { cfBlobHeader: 'MF-CF-Blob' } },
      ],
    })
    bindingsUrl = `http://${LOOPBACK}:${ports.get(ENTRY)}`
  }
  await start()
  const stored = bindingsAt(() => bindingsUrl)
  await migrate(stored.db)
  const restart: Site['restart'] = async (change, next = code) => {
    settings = { ...settings, ...change }
    code = next
    await start()
  }
  return {
    ...stored,
    url,
    port: Number(new URL(url).port),
    database: { persistTo: store().folder, id: name },
    logs,
    kill: start,
    restart,
    async become(change) {
      if (!isDeepStrictEqual({ ...settings, ...change }, settings)) await restart(change)
    },
    async turn() {
      for (let turns = 0; turns < TURNS; turns++) {
        await untilItAnswers(url)
        await stored.kv.get('nothing')
      }
    },
    async objects() {
      const files = await readdir(folder, { recursive: true })
      const ofPayers = files.filter((name) => name.includes('Payer') && /[0-9a-f]{64}\.sqlite$/.test(name))
      const filled = await Promise.all(ofPayers.map((name) => hasTables(join(folder, name))))
      return filled.filter(Boolean).length
    },
    async hideLedger(isHidden) {
      const { results } = await stored.db.prepare(`SELECT name FROM sqlite_master WHERE name = 'payments_hidden'`).all()
      if (results.length > 0 === isHidden) return
      const [from, to] = isHidden ? ['payments', 'payments_hidden'] : ['payments_hidden', 'payments']
      await stored.db.prepare(`ALTER TABLE ${from} RENAME TO ${to}`).run()
    },
    async stop() {
      await workerd.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const SITE = 'core:user:newsstand'

const originOf = (esModule: string): Service => ({
  name: 'origin',
  worker: { modules: [{ name: 'origin.js', esModule }], compatibilityDate: '2026-08-01' },
})

/** Whether a database has a table. What is in its log moves to the file itself, so the log is read first; it may be gone. */
async function hasTables(file: string): Promise<boolean> {
  const log = await readFile(`${file}-wal`).catch(() => Buffer.of())
  return log.includes('CREATE TABLE') || (await readFile(file)).includes('CREATE TABLE')
}

async function migrate(db: Bindings['db']): Promise<void> {
  const files = (await readdir(inCheckout('migrations'))).sort()
  const migrations = await Promise.all(files.map((file) => readFile(inCheckout(`migrations/${file}`), 'utf8')))
  const statements = migrations.flatMap((migration) => migration.replace(/--.*$/gm, '').split(';'))
  await db.batch(statements.filter((text) => text.trim() !== '').map((text) => db.prepare(text)))
}

async function untilItAnswers(url: string): Promise<void> {
  const deadline = Date.now() + BACK_LIMIT_MS
  while (Date.now() < deadline) {
    try {
      const answer = await fetch(`${url}/_newsstand/`, { signal: AbortSignal.timeout(2_000) })
      await answer.arrayBuffer()
      if (answer.status === 404) return
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('workerd did not come back')
}
