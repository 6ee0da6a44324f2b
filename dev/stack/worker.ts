// Runs `wrangler dev` as a child, in a process group of its own, and picks the lines of its log worth showing.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { inCheckout } from './paths.ts'
import { freePort, LOOPBACK } from './ports.ts'

/** `vars` win over those of wrangler.toml. `onLine` gets each line worth seeing, once the worker is ready. */
export type WorkerOptions = {
  port: number
  persistTo: string
  vars: Record<string, string>
  /** The module to run in place of wrangler.toml's. */
  main: string
  onLine: (line: string) => void
}

/** A running `wrangler dev`. `exited` settles when it is gone, with the end of its log. */
export type Worker = { exited: Promise<string>; recentLines(): string; stop(): Promise<void> }

const STARTUP_LIMIT_MS = 60_000
const GRACE_MS = 1_500
const LINES_KEPT = 30

/** Starts `wrangler dev` and resolves when it says that it is ready. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const args = [
    'dev',
    options.main,
    '--config',
    inCheckout('wrangler.toml'),
    '--ip',
    LOOPBACK,
    '--port',
    String(options.port),
  ]
  args.push('--inspector-port', String(await freePort()), '--persist-to', options.persistTo)
  args.push('--show-interactive-dev-session=false')
  for (const [name, value] of Object.entries(options.vars)) args.push('--var', `${name}:${value}`)
  const child = spawn(process.execPath, [wranglerProgram(), ...args], {
    cwd: inCheckout('.'),
    // A group of its own: Ctrl-C reaches only us, and the whole group can be ended together.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...quietWrangler },
  })
  const killAtExit = (): void => signalGroup(child.pid, 'SIGKILL')
  process.once('exit', killAtExit)

  const log = readLog(child, options.onLine)
  const exited = new Promise<string>((resolve) => {
    const end = (): void => {
      // What it started must not outlive it.
      killAtExit()
      process.removeListener('exit', killAtExit)
      resolve(log.recentLines())
    }
    child.once('error', end)
    child.once('exit', end)
  })
  const stop = async (): Promise<void> => {
    log.close()
    signalGroup(child.pid, 'SIGTERM')
    const timer = setTimeout(killAtExit, GRACE_MS)
    await exited
    clearTimeout(timer)
  }

  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), STARTUP_LIMIT_MS)
  })
  const outcome = await Promise.race([log.ready, exited.then(() => 'gone' as const), late])
  clearTimeout(timer)
  if (outcome !== 'ready') {
    await stop()
    const what = outcome === 'gone' ? 'ended before it was ready' : 'was not ready in time'
    throw new Error(`wrangler dev ${what}:\n${log.recentLines()}`)
  }
  return { exited, recentLines: log.recentLines, stop }
}

/** Settings for wrangler which keep it from asking, reporting, checking for updates or writing logs elsewhere. */
export const quietWrangler = {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  FORCE_COLOR: '0',
  NO_COLOR: '1',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_WRITE_LOGS: 'false',
}

type Log = { ready: Promise<'ready'>; recentLines(): string; close(): void }

function readLog(child: ChildProcessByStdio<null, Readable, Readable>, onLine: (line: string) => void): Log {
  const recent: string[] = []
  let ready = false
  let closed = false
  let sayReady: (value: 'ready') => void = () => undefined
  const readiness = new Promise<'ready'>((resolve) => {
    sayReady = resolve
  })
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (raw) => {
      const line = stripVTControlCharacters(raw)
      if (line.trim() === '') return
      recent.push(line)
      if (recent.length > LINES_KEPT) recent.shift()
      if (ready && !closed && isWorthSeeing(line)) onLine(line)
      if (/^\[wrangler:info\] Ready on /.test(line)) {
        ready = true
        recent.length = 0
        sayReady('ready')
      }
    })
  }
  return {
    ready: readiness,
    recentLines: () => recent.join('\n'),
    close() {
      closed = true
    },
  }
}

/** Everything but the routine: requests answered without a server error, and wrangler's own chatter. */
function isWorthSeeing(line: string): boolean {
  if (/^\[wrangler:info\] [A-Z]+ \S+ [1-4]\d\d /.test(line)) return false
  if (/^\[wrangler:info\] Ready on /.test(line)) return false
  if (line.startsWith('{"event":"request",')) return false
  // The local KV says this of each article whose title is not plain ASCII. It is stored all the same.
  if (line.startsWith('A header value for "CF-KV-Metadata" contains non-ASCII')) return false
  return !/^(⎔|🪵|─|╭|│|╰)/u.test(line)
}

/** The file that runs wrangler, for Node. */
export function wranglerProgram(): string {
  const manifest = createRequire(import.meta.url).resolve('wrangler/package.json')
  return join(manifest, '..', 'bin', 'wrangler.js')
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The group is gone already.
  }
}
