// The built worker in bare workerd, without the proxies of `wrangler dev` and the test harness, which tidy up URLs and
// hide hang-ups. It has Durable Objects on disk and the network, but neither KV, R2 nor a ledger that answers.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import workerd from 'workerd'
import { freePort } from '../../dev/stack/ports.ts'
import { BASE_VARS, type Vars } from './site.ts'

export type Workerd = {
  port: number
  /**
   * Ends it with SIGKILL and starts it again on the same port and disk; resolves when it answers. `change` lies over the
   * variables it had.
   */
  restart(change?: Vars): Promise<void>
  /** How many Durable Objects have storage. */
  objects(): Promise<number>
  stop(): Promise<void>
}

const quoted = (value: unknown) => JSON.stringify(typeof value === 'string' ? value : JSON.stringify(value))

function configuration(port: number, disk: string, vars: Vars): string {
  const bindings = Object.entries(vars).map(
    ([name, value]) => `(name = "${name}", ${typeof value === 'string' ? 'text' : 'json'} = ${quoted(value)})`,
  )
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .site),
    (name = "disk", disk = (path = ${quoted(disk)}, writable = true)),
    (name = "net", network = (allow = ["private", "public"]))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const site :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["enable_request_signal"],
  durableObjectNamespaces = [(className = "Payer", uniqueKey = "payers", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  globalOutbound = "net",
  bindings = [
    (name = "PAYERS", durableObjectNamespace = "Payer"),
    (name = "LEDGER_DB", text = "none"),
    ${bindings.join(',\n    ')}
  ]
);
`
}

/** Starts workerd on a free port of 127.0.0.1; resolves when it answers. */
export async function startWorkerd(vars: Vars): Promise<Workerd> {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-'))
  const port = await freePort()
  const file = join(folder, 'config.capnp')
  let all = { ...BASE_VARS, PASS_SECRET: 'a secret for tests, long enough', ...vars }
  await copyFile('.wrangler/test-build/index.js', join(folder, 'index.js'))
  await writeFile(file, configuration(port, folder, all))
  const answers = async () => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/_newsstand/`)).status === 404
    } catch {
      return false
    }
  }
  const start = async () => {
    const child = spawn(workerd, ['serve', file], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    while (child.exitCode === null && !(await answers())) await new Promise((done) => setTimeout(done, 20))
    if (child.exitCode !== null) throw new Error(`workerd ended with status ${child.exitCode}`)
    return async () => {
      child.kill('SIGKILL')
      await ended
    }
  }
  let kill = await start()
  return {
    port,
    async restart(change = {}) {
      await kill()
      all = { ...all, ...change }
      await writeFile(file, configuration(port, folder, all))
      kill = await start()
    },
    async objects() {
      const files = await readdir(folder, { recursive: true })
      return files.filter((name) => name.endsWith('.sqlite')).length
    },
    async stop() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
