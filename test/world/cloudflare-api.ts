// A stand-in of Cloudflare's API on loopback, as far as wrangler asks it while a paywall is set up. It keeps what it is given,
// runs the migrations in a real SQLite, and notes each call. A test says what it refuses.
import { createServer, type IncomingMessage } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'
import { listening } from '../../dev/stack/ports.ts'

export type Call = { method: string; path: string; body: string }

type Worker = { secrets: Map<string, string>; deployed: Deployed[] }
/** The metadata that a worker was deployed with. */
type Deployed = z.infer<typeof Metadata>

const Metadata = z.looseObject({
  bindings: z.array(z.looseObject({ name: z.string(), type: z.string() })),
  limits: z.looseObject({}).optional(),
})

/** Answers a call in place of the stand-in; undefined leaves it to it. `'lose the answer'`: it is done, and nobody hears of it. */
export type Fault = (call: Call) => { status: number; code: number; message: string } | 'lose the answer' | undefined

export type CloudflareApi = {
  readonly url: string
  readonly calls: Call[]
  /** The calls that change something. */
  changes(): string[]
  readonly namespaces: { id: string; title: string }[]
  readonly databases: { uuid: string; name: string; sql: DatabaseSync }[]
  readonly buckets: string[]
  /** What was put into KV: the namespace and the key. */
  readonly articles: string[]
  readonly workers: Map<string, Worker>
  readonly routes: Map<string, string>
  accounts: { id: string; name: string }[]
  zones: { id: string; name: string; account: { id: string } }[]
  fault: Fault
  stop(): Promise<void>
}

export const ACCOUNT = 'a'.repeat(32)
export const TOKEN = 'token-that-nobody-may-see'

export async function startCloudflareApi(): Promise<CloudflareApi> {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://stand-in')
    const body = await textOf(request)
    const call = { method: request.method ?? 'GET', path: url.pathname, body }
    api.calls.push(call)
    const answer = (status: number, content: object) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ errors: [], messages: [], result: null, ...content }))
    }
    const fault =
      request.headers.authorization === `Bearer ${TOKEN}`
        ? api.fault(call)
        : { status: 403, code: 9109, message: 'Invalid access token' }
    if (fault !== undefined && fault !== 'lose the answer') {
      const { status, code, message } = fault
      return answer(status, { success: false, errors: [{ code, message }] })
    }
    const taken = takenName(api, call)
    if (taken !== undefined) return answer(400, { success: false, errors: [taken] })
    const answered = await answerTo(api, call, url.searchParams, request.headers['content-type'] ?? '')
    if (fault === 'lose the answer') return void request.socket.destroy()
    // Everything is on the first page; whoever asks on gets nothing more.
    const result = Array.isArray(answered) && Number(url.searchParams.get('page') ?? 1) > 1 ? [] : answered
    if (result === undefined) {
      return answer(404, { success: false, errors: [{ code: 10007, message: 'workers.api.error.not_found' }] })
    }
    const count = Array.isArray(result) ? result.length : 1
    answer(200, {
      success: true,
      result,
      result_info: { page: 1, total_pages: 1, per_page: 1000, count, total_count: count },
    })
  })
  const { url, stop } = await listening(server)
  const api: CloudflareApi = {
    url,
    stop,
    calls: [],
    changes: () => api.calls.filter(isChange).map(({ method, path }) => `${method} ${short(path)}`),
    namespaces: [],
    databases: [],
    buckets: [],
    articles: [],
    workers: new Map(),
    routes: new Map(),
    accounts: [{ id: ACCOUNT, name: 'The Daily Stand' }],
    zones: [{ id: 'zone-1', name: 'news.example', account: { id: ACCOUNT } }],
    fault: () => undefined,
  }
  return api
}

/** As Cloudflare, it gives a name once. */
function takenName({ namespaces, databases, buckets }: CloudflareApi, { method, path, body }: Call) {
  if (method !== 'POST') return undefined
  const wants = (names: string[]) => names.some((name) => body.includes(`"${name}"`))
  const message = 'This name is taken.'
  if (path.endsWith('/storage/kv/namespaces') && wants(namespaces.map(({ title }) => title)))
    return { code: 10014, message }
  if (path.endsWith('/d1/database') && wants(databases.map(({ name }) => name))) return { code: 7502, message }
  if (path.endsWith('/r2/buckets') && wants(buckets)) return { code: 10004, message }
  return undefined
}

/** A query of D1 changes something unless it only reads, or makes the table of migrations where there is none. */
export const isChange = ({ method, path, body }: Call): boolean =>
  method !== 'GET' && !(path.endsWith('/query') && /^\{"sql":"(SELECT|CREATE TABLE IF NOT EXISTS)/.test(body))

const short = (path: string) => path.replace(/^\/accounts\/[^/]+/, '').replace(/\/[0-9a-f-]{32,36}/, '')

async function answerTo(api: CloudflareApi, call: Call, query: URLSearchParams, contentType: string): Promise<unknown> {
  const { method, path, body } = call
  const at = `${method} ${path.replace(/^\/accounts\/[^/]+/, '/account')}`
  // /accounts/<id>/<kind>/<first>/<second>/<third>
  const [kind, first, second, third] = path.split('/').slice(3)
  if (at === 'GET /user/tokens/verify') return { id: 'token', status: 'active' }
  if (at === 'GET /user') return { id: 'user', email: 'editor@news.example' }
  if (at === 'GET /accounts') return api.accounts
  if (at === 'GET /memberships') return api.accounts.map((account) => ({ id: account.id, account }))
  if (at === 'GET /zones') return api.zones.filter(({ name }) => name === query.get('name'))
  if (at === 'GET /account/workers/subdomain') return { subdomain: 'daily' }
  if (at === 'GET /account/storage/kv/namespaces') return api.namespaces
  if (at === 'POST /account/storage/kv/namespaces') {
    const { title } = z.object({ title: z.string() }).parse(JSON.parse(body))
    const made = { title, id: String(api.namespaces.length + 1).padStart(32, 'c') }
    api.namespaces.push(made)
    return made
  }
  if (method === 'PUT' && kind === 'storage' && third !== undefined) {
    api.articles.push(`${third} ${decodeURIComponent(path.split('/').at(-1) ?? '')}`)
    return {}
  }
  if (at === 'GET /account/d1/database') return api.databases.map(({ uuid, name }) => ({ uuid, name }))
  if (at === 'POST /account/d1/database') {
    const { name } = z.object({ name: z.string() }).parse(JSON.parse(body))
    const uuid = `dddddddd-dddd-4ddd-8ddd-${String(api.databases.length + 1).padStart(12, '0')}`
    api.databases.push({ name, uuid, sql: new DatabaseSync(':memory:') })
    return { uuid, name }
  }
  if (kind === 'd1') return database(api, call, second ?? '', third)
  if (at === 'GET /account/r2/buckets') return { buckets: api.buckets.map((name) => ({ name })) }
  if (at === 'POST /account/r2/buckets') {
    api.buckets.push(z.object({ name: z.string() }).parse(JSON.parse(body)).name)
    return {}
  }
  if (at.startsWith('GET /account/r2/buckets/'))
    return api.buckets.includes(second ?? '') ? { name: second } : undefined
  if (kind === 'workers' && first === 'scripts') return script(api, call, second ?? '', third, contentType)
  if (kind === 'workers' && first === 'workers' && api.workers.has(second ?? '')) {
    return { id: second, name: second, tags: [], subdomain: { enabled: false, previews_enabled: false } }
  }
  if (at.startsWith('GET /account/workers/services/')) {
    return api.workers.has(second ?? '')
      ? { default_environment: { environment: 'production', script: {} } }
      : undefined
  }
  return undefined
}

function database(api: CloudflareApi, { method, body }: Call, uuid: string, verb: string | undefined): unknown {
  const found = api.databases.find((entry) => entry.uuid === uuid)
  if (found === undefined) return undefined
  if (method === 'GET') return { uuid, name: found.name }
  if (verb !== 'query') return undefined
  const { sql } = z.object({ sql: z.string() }).parse(JSON.parse(body))
  if (/^\s*SELECT/.test(sql)) return [{ success: true, results: found.sql.prepare(sql).all(), meta: {} }]
  found.sql.exec(sql)
  return [{ success: true, results: [], meta: { duration: 0 } }]
}

async function script(
  api: CloudflareApi,
  { method, body }: Call,
  name: string,
  what: string | undefined,
  contentType: string,
): Promise<unknown> {
  const worker = api.workers.get(name)
  if (method === 'PUT' && what === undefined) {
    const form = await new Response(Buffer.from(body, 'latin1'), {
      headers: { 'content-type': contentType },
    }).formData()
    const metadata = Metadata.parse(JSON.parse(String(form.get('metadata'))))
    const { secrets, deployed } = worker ?? { secrets: new Map<string, string>(), deployed: [] }
    // What wrangler makes to hold secrets before the first deployment has no bindings.
    if (metadata.bindings.length > 0) deployed.push(metadata)
    api.workers.set(name, { secrets, deployed })
    return { id: name, startup_time_ms: 1, deployment_id: 'deployment', pipeline_hash: null, mutable_pipeline_id: null }
  }
  if (worker === undefined) return undefined
  if (what === 'secrets') return [...worker.secrets.keys()].map((key) => ({ name: key, type: 'secret_text' }))
  if (what === 'secrets-bulk') {
    const { secrets } = z
      .object({ secrets: z.record(z.string(), z.object({ text: z.string() })) })
      .parse(JSON.parse(body))
    for (const [key, { text }] of Object.entries(secrets)) worker.secrets.set(key, text)
    return {}
  }
  if (what === 'deployments') return { deployments: [] }
  if (what === 'schedules' && method === 'PUT') return { schedules: [] }
  if (what === 'settings') return { bindings: [] }
  if (what === 'subdomain') return { enabled: true, previews_enabled: false }
  if (what === 'routes' && method === 'PUT') {
    for (const { pattern } of z.array(z.object({ pattern: z.string() })).parse(JSON.parse(body)))
      api.routes.set(pattern, name)
    return []
  }
  return undefined
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('latin1')) text += chunk
  return text
}
