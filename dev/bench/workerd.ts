// One workerd for one subject: the version that miniflare brings, the bundle as it is deployed, its objects on disk, and what the
// process itself has cost so far. Whom the subject asks is in another process.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { serializeConfig, type Worker_Binding } from 'miniflare'
import * as z from 'zod'
import { LOOPBACK } from '../stack/ports.ts'
import type { StandIns } from './stand-ins.ts'

/** What runs in one workerd. `objects`: the class of its objects, and the binding to them. `vars` are its settings. */
export type Subject = {
  name: string
  code: string
  /** A module that stands around the code, which it knows as `./site.js`. */
  around?: string
  needsNode: boolean
  objects: { className: string; binding: string } | null
  vars: Record<string, unknown>
}

/** A running subject. */
export type Running = {
  name: string
  port: number
  pid: number
  /** Where its objects keep what they keep. */
  folder: string
  /** Milliseconds of CPU since it began: user and system time of all its threads. */
  cpuMs(): number
  /** Whether neither it nor whom it asks runs, wants to run, or waits for the disk. */
  isIdle(): boolean
  /** Bytes of memory it holds now. */
  residentBytes(): number
  /** Files that it has open now. */
  openFiles(): string[]
  /** The last lines it wrote. */
  lines: string[]
  /** Ends it, and starts another on the same disk. `meanwhile`: what is done to the disk before. */
  restart(meanwhile?: () => void): Promise<Running>
  stop(): Promise<void>
}

/** As in wrangler.toml. */
const COMPATIBILITY = { date: '2026-08-01', flags: ['enable_request_signal'] }
const LINES_KEPT = 20
const START_LIMIT_MS = 20_000

/** None outlives us. */
const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

const workerdPath = (): string => {
  const fromMiniflare = createRequire(createRequire(import.meta.url).resolve('miniflare'))
  return z.object({ default: z.string() }).parse(fromMiniflare('workerd')).default
}

const Listening = z.object({ event: z.literal('listen'), port: z.number() })

/** Starts a subject beside the stand-ins; on a disk that was left, or a new one. */
export async function start(subject: Subject, standIns: StandIns, left?: string): Promise<Running> {
  const folder = left ?? mkdtempSync(join(tmpdir(), 'newsstand-bench-'))
  const child = spawn(workerdPath(), ['serve', '--binary', '--experimental', '--control-fd=3', '-'], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
  const [stdin, stdout, stderr, control] = child.stdio
  if (!stdin || !stdout || !stderr || !control || !('on' in control)) throw new Error('workerd has no pipes')
  const lines: string[] = []
  // What it writes has to be read: a full pipe stalls it.
  for (const input of [stdout, stderr]) {
    createInterface({ input }).on('line', (line) => {
      lines.push(line)
      if (lines.length > LINES_KEPT) lines.shift()
    })
  }
  children.add(child)
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`workerd does not listen:\n${lines.join('\n')}`)), START_LIMIT_MS)
    child.once('exit', () => reject(new Error(`workerd ended:\n${lines.join('\n')}`)))
    control.on('data', (chunk: Buffer) => {
      const said = Listening.safeParse(JSON.parse(chunk.toString().split('\n')[0] ?? ''))
      clearTimeout(timer)
      if (said.success) resolve(said.data.port)
    })
    stdin.end(serializeConfig(configOf(subject, standIns, folder)))
  })
  const pid = pidOf(child)
  const end = async () => {
    child.kill('SIGKILL')
    await gone
    children.delete(child)
  }
  return {
    name: subject.name,
    port,
    pid,
    folder,
    lines,
    cpuMs: () => cpuMsOf(pid),
    isIdle: () => ![pid, standIns.pid].some(isBusy),
    residentBytes: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024,
    openFiles: () => readdirSync(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`)),
    async restart(meanwhile) {
      await end()
      meanwhile?.()
      return start(subject, standIns, folder)
    },
    async stop() {
      await end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function configOf({ code, around, needsNode, objects, vars }: Subject, standIns: StandIns, folder: string) {
  const bindings: Worker_Binding[] = Object.entries(vars).map(([name, value]) =>
    typeof value === 'string' ? { name, text: value } : { name, json: JSON.stringify(value) },
  )
  const fetcher = (name: string) => ({ name: 'fetcher', service: { name } })
  return {
    services: [
      {
        name: 'subject',
        worker: {
          compatibilityDate: COMPATIBILITY.date,
          compatibilityFlags: [...COMPATIBILITY.flags, ...(needsNode ? ['nodejs_compat'] : [])],
          modules:
            around === undefined
              ? [{ name: 'index.js', esModule: code }]
              : [
                  { name: 'index.js', esModule: around },
                  { name: 'site.js', esModule: code },
                ],
          bindings: [
            ...bindings,
            { name: 'CONTENT_KV', kvNamespace: { name: 'kv' } },
            {
              name: 'LEDGER_DB',
              wrapped: { moduleName: 'cloudflare-internal:d1-api', innerBindings: [fetcher('d1')] },
            },
            { name: 'FAILED_PAYMENTS', wrapped: { moduleName: 'bench:limit', innerBindings: [fetcher('limit')] } },
            ...(objects === null
              ? []
              : [{ name: objects.binding, durableObjectNamespace: { className: objects.className } }]),
          ],
          globalOutbound: { name: 'internet' },
          ...(objects === null
            ? {}
            : {
                durableObjectNamespaces: [
                  { className: objects.className, uniqueKey: objects.className, enableSql: true },
                ],
                durableObjectStorage: { localDisk: 'disk' },
              }),
        },
      },
      { name: 'internet', network: { allow: ['private', 'public'] } },
      { name: 'disk', disk: { path: folder, writable: true } },
      ...(['kv', 'd1', 'limit'] as const).map((name) => ({
        name,
        external: { address: `${LOOPBACK}:${standIns.ports[name]}`, http: {} },
      })),
    ],
    extensions: [{ modules: [{ name: 'bench:limit', internal: true, esModule: LIMIT }] }],
    sockets: [{ name: 'entry', address: `${LOOPBACK}:0`, service: { name: 'subject' }, http: {} }],
  }
}

/** The binding that counts failures: one call, as it is on the platform. */
const LIMIT = `export default ({ fetcher }) => ({
  limit: async (options) => (await fetcher.fetch('http://limit/', { method: 'POST', body: JSON.stringify(options) })).json(),
})`

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('workerd was not started')
  return pid
}

/** What the kernel says of a process or a thread, from its state on: before that stands its name, which may hold anything. */
const statOf = (path: string): string[] => wordsOf(path, ') ')

/** Words of a line, behind the last of what is named. */
function wordsOf(path: string, behind = ''): string[] {
  try {
    const line = readFileSync(path, 'utf8')
    return (behind === '' ? line : line.slice(line.lastIndexOf(behind) + behind.length)).split(' ')
  } catch {
    // A thread that has ended meanwhile.
    return []
  }
}

function isBusy(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.some((thread) => /[RD]/.test(statOf(`/proc/${pid}/task/${thread}/stat`)[0] ?? ''))
}

/** Of all its threads, in nanoseconds: the ticks of `stat` are 10 ms apart. Those of workerd do not end before it does. */
function cpuMsOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return (
    threads.reduce((sum, thread) => sum + Number(wordsOf(`/proc/${pid}/task/${thread}/schedstat`)[0] ?? 0), 0) / 1e6
  )
}

function linkOf(path: string): string[] {
  try {
    return [readlinkSync(path)]
  } catch {
    // Closed meanwhile.
    return []
  }
}
