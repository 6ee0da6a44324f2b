// A paywall to test against: the built worker in workerd, set up as wrangler.toml has it, with real KV, R2, D1 and Durable
// Objects on disk, and settings of its own. Readers talk to workerd itself: nothing in between tidies up an address or
// hides a hang-up.
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { D1Database, KVNamespace, R2Bucket } from '@cloudflare/workers-types'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { inCheckout } from '../../dev/stack/paths.ts'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { BUILD } from './build.ts'

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

export type Site = {
  /** Where workerd listens; requests to it are for whatever SITE_URL says. */
  readonly url: string
  readonly port: number
  /** Content and ledger, as the publisher sees them. */
  readonly kv: KVNamespace
  readonly r2: R2Bucket
  readonly db: D1Database
  /** What `wrangler --persist-to` is given to see them too. */
  readonly persistTo: string
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
  /** Has the worker do what its cron does. */
  tick(): Promise<void>
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
  const port = await freePort()
  // Nobody asks there; it tells this workerd from others.
  const entry = await freePort()
  const url = `http://${LOOPBACK}:${port}`
  const { workerOptions } = unstable_getMiniflareWorkerOptions(inCheckout('wrangler.toml'))
  let code = given ?? (await built())
  const logs: string[] = []
  let bindings: Vars = { ...BASE_VARS, ...vars }
  const options = () =>
    convertV4MiniflareOptions({
      host: LOOPBACK,
      port: entry,
      log: new Log(LogLevel.NONE),
      logRequests: false,
      cf: false,
      telemetry: { enabled: false },
      // `wrangler dev --persist-to DIR` keeps its state in DIR/v3.
      resourcePersistencePath: join(folder, 'v3'),
      handleStructuredLogs: ({ message }) => void logs.push(message),
      workers: [
        {
          ...workerOptions,
          name: 'newsstand',
          ...moduleOf(code.worker),
          bindings,
          unsafeDirectSockets: [{ host: LOOPBACK, port }],
          ...(origin === undefined ? {} : { serviceBindings: { ORIGIN: 'origin' } }),
          ...(code.objects === code.worker ? {} : { durableObjects: { PAYERS: { ...PAYERS, scriptName: 'objects' } } }),
        },
        ...(code.objects === code.worker
          ? []
          : [{ ...workerOptions, name: 'objects', ...moduleOf(code.objects), bindings, durableObjects: { PAYERS } }]),
        ...(origin === undefined
          ? []
          : [{ name: 'origin', modules: true, script: origin, compatibilityDate: '2026-08-01' }]),
      ],
    })
  const miniflare = new Miniflare(options())
  const bound = async () => {
    const { CONTENT_KV, CONTENT_R2, LEDGER_DB } = await miniflare.getBindings<Bindings>()
    return { kv: CONTENT_KV, r2: CONTENT_R2, db: LEDGER_DB }
  }
  let { kv, r2, db } = await bound()
  await migrate(db)
  const restart: Site['restart'] = async (change, next = code) => {
    bindings = { ...bindings, ...change }
    code = next
    // It ends workerd with SIGKILL itself. One that is killed from outside is started once more, as it was.
    await miniflare.setOptions(options())
    ;({ kv, r2, db } = await bound())
  }
  return {
    url,
    port,
    persistTo: folder,
    logs,
    get kv() {
      return kv
    },
    get r2() {
      return r2
    },
    get db() {
      return db
    },
    async kill() {
      for (const pid of workerdsAt(entry)) process.kill(pid, 'SIGKILL')
      await untilItAnswers(url)
      ;({ kv, r2, db } = await bound())
    },
    restart,
    async become(change) {
      if (!isDeepStrictEqual({ ...bindings, ...change }, bindings)) await restart(change)
    },
    async turn() {
      for (let turns = 0; turns < TURNS; turns++) await untilItAnswers(url)
    },
    async tick() {
      const { outcome } = await (await miniflare.getWorker('newsstand')).scheduled({ cron: '*/5 * * * *' })
      if (outcome !== 'ok') throw new Error(`the cron ended with ${outcome}`)
    },
    async objects() {
      const files = await readdir(folder, { recursive: true })
      const ofPayers = files.filter((name) => name.includes('Payer') && /[0-9a-f]{64}\.sqlite$/.test(name))
      const filled = await Promise.all(ofPayers.map((name) => hasTables(join(folder, name))))
      return filled.filter(Boolean).length
    },
    async hideLedger(isHidden) {
      const found = await db.prepare(`SELECT name FROM sqlite_master WHERE name = 'payments_hidden'`).first()
      if ((found !== null) === isHidden) return
      const [from, to] = isHidden ? ['payments', 'payments_hidden'] : ['payments_hidden', 'payments']
      await db.prepare(`ALTER TABLE ${from} RENAME TO ${to}`).run()
    },
    async stop() {
      await miniflare.dispose()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Whichever script has the class, the storage is the same. */
const PAYERS = { className: 'Payer', useSQLite: true, unsafeUniqueKey: 'newsstand-Payer' } as const

const moduleOf = (contents: string) => ({
  modules: [{ type: 'ESModule' as const, path: join(BUILD, 'index.js'), contents }],
  modulesRoot: BUILD,
})

/** Whether a database has a table. What is in its log moves to the file itself, so the log is read first; it may be gone. */
async function hasTables(file: string): Promise<boolean> {
  const log = await readFile(`${file}-wal`).catch(() => Buffer.of())
  return log.includes('CREATE TABLE') || (await readFile(file)).includes('CREATE TABLE')
}

type Bindings = { CONTENT_KV: KVNamespace; CONTENT_R2: R2Bucket; LEDGER_DB: D1Database }

async function migrate(db: D1Database): Promise<void> {
  const files = (await readdir(inCheckout('migrations'))).sort()
  const migrations = await Promise.all(files.map((file) => readFile(inCheckout(`migrations/${file}`), 'utf8')))
  const statements = migrations.flatMap((migration) => migration.replace(/--.*$/gm, '').split(';'))
  await db.batch(statements.filter((text) => text.trim() !== '').map((text) => db.prepare(text)))
}

/** The workerd processes that were told to listen on this port. */
function workerdsAt(port: number): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n')
  const own = lines.filter((line) => /\bworkerd\b/.test(line) && line.includes(`${LOOPBACK}:${port}`))
  return own.map((line) => Number.parseInt(line, 10))
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
