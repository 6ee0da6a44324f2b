// What a publisher does to the KV, R2 and D1 of a site, and what its cron does: a worker beside it is asked for it.
import { readFile } from 'node:fs/promises'
import type { Service, Worker_Binding } from 'miniflare'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'

type Bytes = string | Uint8Array
type Metadata = { httpMetadata?: Record<string, string | Date>; customMetadata?: Record<string, string> }

const Stored = z.object({ httpEtag: z.string(), uploaded: z.coerce.date() })
const Results = z.array(z.object({ results: z.array(z.record(z.string(), z.unknown())) }))
type Result = z.infer<typeof Results>[number]

export type Statement = {
  readonly sql: string
  readonly params: readonly unknown[]
  bind(...params: unknown[]): Statement
  all(): Promise<Result>
  run(): Promise<unknown>
}

/** The bindings, as far as tests use them. */
export type Bindings = {
  kv: {
    put(key: string, content: Bytes, options?: { metadata: unknown }): Promise<void>
    get(key: string): Promise<string | null>
    delete(key: string): Promise<void>
  }
  r2: { put(key: string, content: Bytes, options?: Metadata): Promise<z.infer<typeof Stored>> }
  db: {
    prepare(sql: string): Statement
    /** All of them, or none. */
    batch(statements: readonly Pick<Statement, 'sql' | 'params'>[]): Promise<Result[]>
  }
  /** Has the worker do what its cron does. */
  tick(): Promise<void>
}

/** The worker, beside the service whose bindings it shares. */
export async function bindingsBeside(site: string, bindings: Worker_Binding[]): Promise<Service> {
  return {
    name: 'bindings',
    worker: {
      modules: [{ name: 'bindings.js', esModule: await readFile(inCheckout('test/world/bindings-worker.js'), 'utf8') }],
      compatibilityDate: '2026-08-01',
      compatibilityFlags: ['service_binding_extra_handlers'],
      bindings: [...bindings, { name: 'SITE', service: { name: site } }],
    },
  }
}

/** `url`: where the worker listens now. */
export function bindingsAt(url: () => string): Bindings {
  async function ask(way: string, wish: object, content: Bytes = ''): Promise<unknown> {
    const body = Buffer.concat([Buffer.from(`${JSON.stringify({ way, ...wish })}\n`), Buffer.from(content)])
    const answer = await fetch(url(), { method: 'POST', body })
    if (!answer.ok) throw new Error(await answer.text())
    return answer.json()
  }
  const batch: Bindings['db']['batch'] = async (statements) => Results.parse(await ask('batch', { statements }))
  const statement = (sql: string, params: readonly unknown[]): Statement => {
    const all = async () => (await batch([{ sql, params }]))[0] ?? { results: [] }
    return { sql, params, bind: (...values) => statement(sql, values), all, run: all }
  }
  return {
    kv: {
      put: async (key, content, options) => void (await ask('kvPut', { key, options }, content)),
      get: async (key) => z.nullable(z.string()).parse(await ask('kvGet', { key })),
      delete: async (key) => void (await ask('kvDelete', { key })),
    },
    r2: { put: async (key, content, options) => Stored.parse(await ask('r2Put', { key, options }, content)) },
    db: { prepare: (sql) => statement(sql, []), batch },
    async tick() {
      const { outcome } = z.object({ outcome: z.string() }).parse(await ask('cron', { cron: '*/5 * * * *' }))
      if (outcome !== 'ok') throw new Error(`the cron ended with ${outcome}`)
    },
  }
}
