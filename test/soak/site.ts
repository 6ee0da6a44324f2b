// The built worker in workerd, with a real KV, D1 and Durable Objects on disk, that can be killed and comes back on the
// same state. Miniflare writes workerd's configuration and starts it again; the port here is the worker's own, so that
// nothing in between hides a hang-up.
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { quietWrangler } from '../../dev/stack/worker.ts'

/** A row of the ledger, as far as the soak compares it. */
export type LedgerRow = { id: string; resource: string; amount: string; payer: string; transaction: string }

export type SoakSite = {
  url: string
  port: number
  /** Ends workerd with SIGKILL, at once; resolves when a new one answers on the same state. */
  kill(): Promise<void>
  /** Resolves when the worker, one thread, has gone on from all that it did before. */
  turn(): Promise<void>
  putArticle(path: string, text: string): Promise<void>
  /** Takes the ledger's table away (true), or gives it back. */
  hideLedger(hidden: boolean): Promise<void>
  ledger(): Promise<LedgerRow[]>
  /** What the worker wrote to its log, by `event`. */
  events: Map<string, number>
  stop(): Promise<void>
}

const BACK_LIMIT_MS = 20_000
/** Requests one after the other: a call from the worker to a payer's object, and its write, take less than that. */
const TURNS = 3

/** Builds the worker as it would be deployed. */
export async function buildWorker(outdir: string): Promise<string> {
  const wrangler = join(createRequire(import.meta.url).resolve('wrangler/package.json'), '..', 'bin', 'wrangler.js')
  const options = { cwd: inCheckout('.'), env: { ...process.env, ...quietWrangler } }
  await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', outdir], options)
  return readFileSync(join(outdir, 'index.js'), 'utf8')
}

type Vars = Record<string, string | string[] | Record<string, string> | Record<string, string | string[]>[]>

export async function startSite(vars: Vars): Promise<SoakSite> {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-soak-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const port = await freePort()
  const events = new Map<string, number>()
  const contents = await buildWorker(join(folder, 'build'))
  const before = new Set(workerds())
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: LOOPBACK,
      port: 0,
      log: new Log(LogLevel.NONE),
      logRequests: false,
      cf: false,
      telemetry: { enabled: false },
      resourcePersistencePath: join(folder, 'state'),
      handleStructuredLogs: ({ message }) => {
        const event = /"event":"(\w+)"/.exec(message)?.[1]
        if (event !== undefined) events.set(event, (events.get(event) ?? 0) + 1)
      },
      name: 'newsstand',
      modules: [{ type: 'ESModule', path: join(folder, 'index.js'), contents }],
      modulesRoot: folder,
      compatibilityDate: '2026-08-01',
      compatibilityFlags: ['enable_request_signal'],
      bindings: { PASS_SECRET: 'a secret for the soak, long enough', ...vars },
      kvNamespaces: { CONTENT_KV: 'content' },
      r2Buckets: { CONTENT_R2: 'content' },
      d1Databases: { LEDGER_DB: 'ledger' },
      durableObjects: { PAYERS: { className: 'Payer', useSQLite: true } },
      unsafeDirectSockets: [{ host: LOOPBACK, port }],
    }),
  )
  await miniflare.ready
  const url = `http://${LOOPBACK}:${port}`
  const own = () => workerds().filter((pid) => !before.has(pid))
  const sql = async (text: string) => {
    await miniflare.ready
    const db = await miniflare.getD1Database('LEDGER_DB')
    return db.prepare(text).all<Record<string, unknown>>()
  }
  for (const file of readdirSync(inCheckout('migrations')).sort()) {
    const migration = readFileSync(inCheckout(`migrations/${file}`), 'utf8')
    for (const statement of migration.replace(/--.*$/gm, '').split(';')) if (statement.trim()) await sql(statement)
  }
  const tables = async () =>
    (await sql(`SELECT name FROM sqlite_master WHERE type = 'table'`)).results.map((t) => t.name)

  return {
    url,
    port,
    events,
    async kill() {
      for (const pid of own()) process.kill(pid, 'SIGKILL')
      await untilItAnswers(url)
    },
    async turn() {
      for (let turns = 0; turns < TURNS; turns++) await untilItAnswers(url)
    },
    async putArticle(path, text) {
      const kv = await miniflare.getKVNamespace('CONTENT_KV')
      await kv.put(path, text)
    },
    async hideLedger(hidden) {
      const isHidden = (await tables()).includes('payments_hidden')
      if (hidden === isHidden) return
      const [from, to] = hidden ? ['payments', 'payments_hidden'] : ['payments_hidden', 'payments']
      await sql(`ALTER TABLE ${from} RENAME TO ${to}`)
    },
    async ledger() {
      return z.array(ledgerRow).parse((await sql('SELECT * FROM payments')).results)
    },
    stop: () => miniflare.dispose(),
  }
}

const ledgerRow = z.object({
  id: z.string(),
  resource: z.string(),
  amount: z.string(),
  payer: z.string(),
  transaction: z.string(),
})

/** The ledger's `id` is the replay key, which ends in the nonce. */
export const nonceOf = ({ id }: LedgerRow): string => id.slice(id.lastIndexOf('|') + 1).toLowerCase()

/** The workerd processes that are children of this one. */
function workerds(): number[] {
  const list = `/proc/${process.pid}/task/${process.pid}/children`
  if (existsSync(list)) {
    const children = readFileSync(list, 'utf8').trim().split(' ').map(Number)
    return children.filter((pid) => pid > 0 && commandOf(pid).includes('workerd'))
  }
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,comm='], { encoding: 'utf8' }).split('\n')
  const rows = lines.map((line) => line.trim().split(/\s+/))
  return rows
    .filter(([, parent, command]) => Number(parent) === process.pid && command?.includes('workerd'))
    .map(([pid]) => Number(pid))
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? ''
  } catch {
    return ''
  }
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
