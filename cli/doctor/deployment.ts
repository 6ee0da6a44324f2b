// What wrangler.toml would deploy, as wrangler itself reads it, and the secrets beside it. Secrets stay in here and in the
// settings that are parsed from it; none is ever shown.
import { unstable_getVarsForDev, unstable_readConfig } from 'wrangler'
import * as z from 'zod'
import { fail, ok, type Result } from '../../src/errors.ts'
import { OWN_SECRETS } from '../../src/settings.ts'

export type Deployment = {
  name: string
  /** The part of the file that is deployed; undefined is its top. */
  environment: string | undefined
  vars: Record<string, unknown>
  /** Names of bindings that the file declares. */
  bindings: readonly string[]
  /** Ids and classes, as far as they can be wrong. */
  storage: Storage
  /** Patterns that lead readers to the worker. */
  patterns: readonly string[]
  hasWorkersDev: boolean
  compatibilityFlags: readonly string[]
  cpuMs: number | null
}

type Storage = {
  kv: readonly { binding: string; id?: string | undefined }[]
  d1: readonly { binding: string; id?: string | undefined; name?: string | undefined }[]
  /** Durable Object classes of this worker, and those that the migrations make with SQLite. */
  objects: readonly { binding: string; className: string }[]
  sqliteClasses: readonly string[]
}

const name = z.string().optional()
const bound = z.object({ binding: z.string(), id: name })
/** What matters of wrangler's reading, with its defaults. */
const wranglerConfig = z.object({
  name,
  vars: z.record(z.string(), z.unknown()),
  durable_objects: z.object({
    bindings: z.array(z.object({ name: z.string(), class_name: z.string(), script_name: name })),
  }),
  kv_namespaces: z.array(bound),
  r2_buckets: z.array(z.object({ binding: z.string() })),
  d1_databases: z.array(z.object({ binding: z.string(), database_id: name, database_name: name })),
  services: z.array(z.object({ binding: z.string() })).default([]),
  migrations: z.array(z.object({ new_sqlite_classes: z.array(z.string()).default([]) })),
  route: z.unknown(),
  routes: z.array(z.unknown()).default([]),
  workers_dev: z.boolean().default(false),
  compatibility_flags: z.array(z.string()),
  limits: z.object({ cpu_ms: z.number().optional() }).optional(),
})
const route = z.union([z.string(), z.object({ pattern: z.string() }).transform(({ pattern }) => pattern)])

/** Reads the file; the error says where it cannot be read. It quotes no line of it, since a line may hold a key. */
export function readDeployment(file: string, environment: string | undefined): Result<Deployment, string> {
  let config: z.infer<typeof wranglerConfig>
  try {
    const selected = environment === undefined ? {} : { env: environment }
    config = wranglerConfig.parse(unstable_readConfig({ config: file, ...selected }, { hideWarnings: true }))
  } catch (fault) {
    return fail(whatIsWrong(fault))
  }
  return ok({
    name: config.name ?? '',
    environment,
    vars: config.vars,
    bindings: [
      ...config.durable_objects.bindings.map((object) => object.name),
      ...[...config.kv_namespaces, ...config.r2_buckets, ...config.d1_databases, ...config.services].map(
        ({ binding }) => binding,
      ),
    ],
    storage: {
      kv: config.kv_namespaces,
      d1: config.d1_databases.map(({ binding, database_id, database_name }) => ({
        binding,
        id: database_id,
        name: database_name,
      })),
      objects: config.durable_objects.bindings
        .filter(({ script_name }) => script_name === undefined)
        .map((object) => ({ binding: object.name, className: object.class_name })),
      sqliteClasses: config.migrations.flatMap(({ new_sqlite_classes }) => new_sqlite_classes),
    },
    patterns: [config.route, ...config.routes].flatMap((entry) => route.safeParse(entry).data ?? []),
    hasWorkersDev: config.workers_dev,
    compatibilityFlags: config.compatibility_flags,
    cpuMs: config.limits?.cpu_ms ?? null,
  })
}

const place = z.object({ location: z.object({ line: z.number() }) })

function whatIsWrong(fault: unknown): string {
  const found = place.safeParse(fault)
  const said = fault instanceof Error ? fault.message : 'it is no configuration of wrangler'
  const text = withHostsOnly(said.replace(/\s+/g, ' ').trim())
  return found.success ? `line ${found.data.location.line}: ${text}` : text
}

const withHostsOnly = (text: string) => text.replace(/(https?:\/\/[^/\s"']+)[^\s"']*/g, '$1')

const facilitatorList = z.array(
  z
    .object({ auth: z.union([z.literal('cdp'), z.object({ secret: z.string() })]) })
    .nullable()
    .catch(null),
)

/** The secrets that each entry of `FACILITATORS` needs, by name. */
export function facilitatorSecrets({ FACILITATORS: setting }: Record<string, unknown>): string[][] {
  const list = facilitatorList.safeParse(typeof setting === 'string' ? jsonIn(setting) : setting)
  return (list.data ?? []).map((entry) => {
    if (entry === null) return []
    return entry.auth === 'cdp' ? ['CDP_API_KEY_ID', 'CDP_API_KEY_SECRET'] : [entry.auth.secret]
  })
}

const routeList = z.array(
  z
    .object({ origin: z.object({ headers: z.record(z.string(), z.string()) }) })
    .nullable()
    .catch(null),
)
const SECRET = 'secret:'

/** The secrets that each route sends to its upstream, by name. */
export function upstreamSecrets({ ROUTES: setting }: Record<string, unknown>): string[][] {
  const list = routeList.safeParse(typeof setting === 'string' ? jsonIn(setting) : setting)
  return (list.data ?? []).map((route) =>
    Object.values(route?.origin.headers ?? {})
      .filter((value) => value.startsWith(SECRET))
      .map((value) => value.slice(SECRET.length)),
  )
}

/** All secrets that the settings name. */
export const namedSecrets = (vars: Record<string, unknown>): string[] => [
  ...facilitatorSecrets(vars).flat(),
  ...upstreamSecrets(vars).flat(),
]

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Secrets by name, from `.dev.vars` beside the file (as `wrangler dev` reads it), the environment having the last word. */
export function localSecrets(
  file: string,
  { environment, vars }: Deployment,
  processEnv: Record<string, string | undefined>,
): Record<string, string> {
  const names = [...OWN_SECRETS, ...namedSecrets(vars)]
  const beside = unstable_getVarsForDev(file, undefined, {}, environment, true)
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = processEnv[name] || beside[name]?.value
      return typeof value === 'string' && value !== '' ? [[name, value]] : []
    }),
  )
}
