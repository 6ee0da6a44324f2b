// Doctor in this process: a deployment of a small shop as wrangler reads it, and a machine whose names lead to loopback.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import * as z from 'zod'
import { examine, type Machine, type Options } from '../../cli/doctor/examine.ts'
import type { Finding, Report } from '../../cli/doctor/findings.ts'
import { type Listening, listening } from '../../dev/stack/ports.ts'
import { BASE_VARS, type Vars } from './site.ts'

type File = Record<string, unknown>

/** What is in order, but for the addresses of facilitator and chain, which a test gives. */
const DEPLOYMENT: File = {
  name: 'newsstand',
  main: 'src/index.ts',
  compatibility_date: '2026-08-01',
  compatibility_flags: ['enable_request_signal'],
  workers_dev: false,
  routes: [{ pattern: 'news.example/*', zone_name: 'news.example' }],
  durable_objects: { bindings: [{ name: 'PAYERS', class_name: 'Payer' }] },
  migrations: [{ tag: 'v1', new_sqlite_classes: ['Payer'] }],
  kv_namespaces: [{ binding: 'CONTENT_KV', id: '0123456789abcdef0123456789abcdef' }],
  r2_buckets: [{ binding: 'CONTENT_R2', bucket_name: 'newsstand-content' }],
  d1_databases: [
    {
      binding: 'LEDGER_DB',
      database_name: 'newsstand-ledger',
      database_id: '01234567-89ab-cdef-0123-456789abcdef',
      migrations_dir: 'migrations',
    },
  ],
}

/** Variables; `undefined` removes one. */
export type Settings = Record<string, Vars[string] | undefined>

export type Visit = {
  /** Laid over the variables of a small shop. */
  vars?: Settings
  /** Laid over the rest of the file. */
  file?: File
  /** `.dev.vars`, or the environment's part of it. */
  secrets?: Record<string, string>
  environment?: Record<string, string>
  options?: Partial<Options>
  machine?: Partial<Machine>
  /** Origins that lead to another: what the internet would know. */
  names?: Record<string, string>
}

const { PASS_SECRET, ...SHOP_VARS } = BASE_VARS
export const SECRET = PASS_SECRET

/** Writes the file of a deployment, and says where. */
export function writeDeployment({ vars = {}, file = {}, secrets = { PASS_SECRET } }: Visit): string {
  const folder = mkdtempSync(join(tmpdir(), 'newsstand-doctor-'))
  const all = Object.entries({ ...SHOP_VARS, ...vars }).filter(([, value]) => value !== undefined)
  const path = join(folder, 'wrangler.json')
  writeFileSync(path, JSON.stringify({ ...DEPLOYMENT, vars: Object.fromEntries(all), ...file }))
  const lines = Object.entries(secrets).map(([name, value]) => `${name}='${value}'\n`)
  writeFileSync(join(folder, '.dev.vars'), lines.join(''))
  return path
}

/** Asks doctor in this process. Cloudflare is asked only where a test brings one. */
export function visit(what: Visit): Promise<Report> {
  const { environment = {}, options = {}, machine = {}, names = {} } = what
  return examine(
    {
      file: writeDeployment(what),
      environment: undefined,
      storage: null,
      isFirst: false,
      live: null,
      sitemap: null,
      ...options,
    },
    {
      fetch: (input, init) => {
        const url = new URL(input instanceof Request ? input.url : input)
        const to = names[url.origin]
        return fetch(to === undefined ? url : to + url.pathname + url.search, init)
      },
      nowMs: Date.now,
      wrangler: () => Promise.reject(new Error('nobody may ask Cloudflare here')),
      environment,
      ...machine,
    },
  )
}

/** Findings as a person reads them, with their level. */
export const said = ({ findings }: Report): string[] => findings.map(sentence)
export const sentence = ({ level, path, message }: Finding): string => `${level}: ${path}: ${message}`

const call = z.object({ id: z.unknown(), method: z.string(), params: z.array(z.unknown()) })

/** A node in front of a real one. `twist` answers a call itself, or with null lets it through. */
export async function startFront(
  rpcUrl: string,
  twist: (method: string, params: readonly unknown[]) => object | null,
): Promise<Listening> {
  const one = async (body: z.infer<typeof call>): Promise<object> => {
    const own = twist(body.method, body.params)
    if (own) return { jsonrpc: '2.0', id: body.id, ...own }
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(rpcUrl, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', ...body }) })
    return z.looseObject({}).parse(await reply.json())
  }
  const server = createServer((request, response) => {
    text(request)
      .then(async (sent) => {
        const body = z.union([call, z.array(call)]).parse(JSON.parse(sent))
        const said = Array.isArray(body) ? await Promise.all(body.map(one)) : await one(body)
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said))
      })
      .catch(() => request.socket.destroy())
  })
  return listening(server)
}
