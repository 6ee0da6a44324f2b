// wrangler.toml as wrangler reads it: what an environment says, and that an edit changed nothing else.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { unstable_readConfig } from 'wrangler'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { parseConfig } from '../../src/config.ts'
import { networkOf } from '../../src/x402/assets.ts'
import { Refusal } from '../command.ts'
import { type Known, type Money, NO_D1, NO_KV, type Separate } from './deployment.ts'

export const WRANGLER_TOML = inCheckout('wrangler.toml')

const Route = z.union([z.string(), z.object({ pattern: z.string() }).transform(({ pattern }) => pattern)])
const Sites = z.union([z.string().transform((site) => [site]), z.array(z.string())])
const PayTo = z.union([
  z.string().transform((eip155) => ({ eip155 })),
  z.object({ eip155: z.string().optional(), solana: z.string().optional() }),
])
const Sold = z.looseObject({
  path: z.string().default(''),
  price: z.string().default(''),
  content: z.string().default('origin'),
})

/** An environment as wrangler reads it, as far as setup looks at it. What a publisher wrote badly is left to the parser. */
const Environment = z.object({
  name: z.string().default(''),
  account_id: z.string().optional(),
  definedEnvironments: z.array(z.string()).default([]),
  routes: z.array(Route).default([]),
  limits: z.object({ cpu_ms: z.number().optional() }).optional(),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string() })) }),
  kv_namespaces: z.array(z.object({ binding: z.string(), id: z.string().default('') })),
  d1_databases: z.array(
    z.object({ binding: z.string(), database_id: z.string().default(''), database_name: z.string().default('') }),
  ),
  r2_buckets: z.array(z.object({ binding: z.string(), bucket_name: z.string().default('') })),
  analytics_engine_datasets: z.array(z.object({ binding: z.string() })).default([]),
  ratelimits: z.array(z.object({ namespace_id: z.string() })).default([]),
  vars: z
    .looseObject({
      SITE_URL: Sites.catch([]),
      PAY_TO: PayTo.nullable().catch(null),
      NETWORKS: z.array(z.string()).catch([]),
      FACILITATORS: z.unknown().optional(),
      ORIGIN_URL: z.string().nullable().catch(null),
      ROUTES: z.array(Sold).catch([]),
    })
    .default({ SITE_URL: [], PAY_TO: null, NETWORKS: [], ORIGIN_URL: null, ROUTES: [] }),
})

export type Environment = z.infer<typeof Environment> & { rawVars: Record<string, unknown> }

/** A text as wrangler reads it, and each of the environments in it, by name; the top level is `''`. */
export type Reading = { raw: Map<string, unknown>; environments: Map<string, Environment> }

export const readFile = (): string => {
  try {
    return readFileSync(WRANGLER_TOML, 'utf8')
  } catch {
    throw new Refusal('There is no wrangler.toml here. Take it from the repository: git checkout wrangler.toml')
  }
}

/** Reads a text as wrangler does. A text that it cannot read is a Refusal with its words. */
export function reading(text: string): Reading {
  const folder = mkdtempSync(join(tmpdir(), 'newsstand-setup-'))
  const config = join(folder, 'wrangler.toml')
  try {
    writeFileSync(config, text, { mode: 0o600 })
    const read = (env: string) =>
      unstable_readConfig({ config, ...(env === '' ? {} : { env }) }, { hideWarnings: true })
    const top = read('')
    const raw = new Map<string, unknown>([['', top]])
    for (const name of Environment.parse(top).definedEnvironments) raw.set(name, read(name))
    const environments = [...raw].map(([name, value]): [string, Environment] => [
      name,
      {
        ...Environment.parse(value),
        rawVars: z.looseObject({ vars: z.record(z.string(), z.unknown()).default({}) }).parse(value).vars,
      },
    ])
    return { raw: withoutFolder(raw, folder), environments: new Map(environments) }
  } catch (error) {
    const words = error instanceof Error ? error.message.replaceAll(folder, '.') : String(error)
    throw new Refusal(`wrangler.toml cannot be read: ${words}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Wrangler makes paths absolute, or relative to where it runs; two readings of one text lie in two folders. */
function withoutFolder(raw: Map<string, unknown>, folder: string): Map<string, unknown> {
  const strip = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value).replaceAll(folder, '.').replaceAll(relative(process.cwd(), folder), '.'))
  return new Map([...raw].map(([name, value]) => [name, strip(value)]))
}

/** That the top level is no deployment for real money: a second one beside it would not know what the first has sold. */
export function mustBeDemo({ environments }: Reading): void {
  const top = environments.get('')
  const real = top?.vars.NETWORKS.find((network) => networkOf(network)?.isTest === false)
  if (real === undefined) return
  throw new Refusal(
    `The top level of wrangler.toml takes real money (NETWORKS names ${real}). A second deployment would not know what that one ` +
      'has sold, so setup leaves it alone: deploy it with npx wrangler deploy, or move it to [env.live] by hand, with its name, ' +
      'its storage and its secrets.',
  )
}

/** What is known of a deployment whose environment is there; null where it is not. */
export function knownOf(environment: Environment | undefined): Known | null {
  if (environment === undefined) return null
  const { vars, routes, limits, kv_namespaces, d1_databases, r2_buckets, analytics_engine_datasets } = environment
  return {
    sites: vars.SITE_URL,
    patterns: routes,
    payTo: vars.PAY_TO,
    networks: vars.NETWORKS,
    facilitators: vars.FACILITATORS,
    originUrl: vars.ORIGIN_URL,
    kvId: kv_namespaces.find(({ binding }) => binding === 'CONTENT_KV')?.id ?? null,
    d1Id: d1_databases.find(({ binding }) => binding === 'LEDGER_DB')?.database_id ?? null,
    bucket: r2_buckets.find(({ binding }) => binding === 'CONTENT_R2')?.bucket_name ?? null,
    routes: vars.ROUTES,
    cpuMs: limits?.cpu_ms ?? null,
    hasAnalytics: analytics_engine_datasets.some(({ binding }) => binding === 'ANALYTICS'),
  }
}

/** What of an environment may belong to it alone. */
export const separateOf = (environment: Environment): Separate => ({
  worker: environment.name,
  routes: environment.routes,
  sites: environment.vars.SITE_URL,
  kvIds: environment.kv_namespaces.map(({ id }) => id),
  d1Ids: environment.d1_databases.map(({ database_id }) => database_id),
  buckets: environment.r2_buckets.map(({ bucket_name }) => bucket_name),
  limiters: environment.ratelimits.map(({ namespace_id }) => namespace_id),
  networks: environment.vars.NETWORKS,
})

/** That an edit is read as it was meant: one environment differs, and everything else is what it was. */
export function mustLeaveTheRest(before: string, after: string, money: Money): Reading {
  const [was, is] = [reading(before), reading(after)]
  for (const [name, value] of was.raw) {
    // Both know the names of all environments, and one more is no change of theirs.
    const now = is.raw.get(name)
    if (name !== money && !isDeepStrictEqual(withoutNames(value), withoutNames(now))) {
      throw new Refusal(
        `wrangler.toml is written in a way that cannot be edited here without touching ${name === '' ? 'its top level' : `[env.${name}]`}. ` +
          'Nothing was changed. Write the environment by hand, as docs/decisions/023-two-deployments.md shows.',
      )
    }
  }
  return is
}

const withoutNames = (value: unknown) => ({
  ...z.record(z.string(), z.unknown()).parse(value),
  definedEnvironments: null,
})

/** What the worker itself would say about an environment, with secrets of the right shape. */
export function problemsOf(environment: Environment): string[] {
  const { rawVars, durable_objects, kv_namespaces, d1_databases, r2_buckets } = environment
  const names = [
    ...durable_objects.bindings.map(({ name }) => name),
    ...[...kv_namespaces, ...d1_databases, ...r2_buckets].map(({ binding }) => binding),
  ]
  const bindings = Object.fromEntries(names.map((name) => [name, {}]))
  const config = parseConfig({ ...rawVars, ...bindings, PASS_SECRET: 'p'.repeat(32) })
  return config.ok ? [] : config.error.map(({ path, message }) => `${path}: ${message}`)
}

/** Whether an environment was written before its storage was made. */
export const isPlaceholder = (id: string | null): boolean => id === null || id === '' || id === NO_KV || id === NO_D1

/** Writes wrangler.toml in one step: it is the old one or the new one, whatever breaks off. */
export function writeFile(text: string): void {
  const next = `${WRANGLER_TOML}.new`
  writeFileSync(next, text)
  renameSync(next, WRANGLER_TOML)
}
