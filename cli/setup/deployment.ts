// The two deployments, for test money and for real money: what each is called, and what stands about it in wrangler.toml.
// Pure. They share the code and nothing else.
import { fail, ok, type Result } from '../../src/errors.ts'
import { namespaceOf, networkOf } from '../../src/x402/assets.ts'
import { copied, type Edit, edited, inserted, quoted } from './toml.ts'

/** The name of a deployment, and of its environment in wrangler.toml. */
export type Money = 'test' | 'live'

/** Who is paid, by CAIP-2 namespace. */
export type PayTo = { readonly eip155?: string | undefined; readonly solana?: string | undefined }

/** What a deployment is: what wrangler.toml says about it. */
export type Deployment = {
  money: Money
  worker: string
  siteUrl: string
  /** Where it lies in front of a site; null: at workers.dev. */
  route: { pattern: string; zone: string } | null
  payTo: PayTo
  networks: readonly string[]
  /** Base URLs, or `cdp` for Coinbase's; null: as they stand. */
  facilitators: readonly string[] | null
  /** What the test deployment shows beside its storage; null: nothing. */
  originUrl: string | null
  brand: string
  kv: { title: string; id: string }
  d1: { name: string; id: string }
  /** null where no route sells from R2. */
  bucket: string | null
  sold: Sold | null
  cpuMs: number | null
  /** Of Analytics Engine; null where it was not asked for. */
  dataset: string | null
}

/** One route; null where the ones in wrangler.toml stay as they are. */
export type Sold = { path: string; price: string; content: 'kv' | 'r2' | 'origin' | null }

/** What is bound before the storage is made. */
export const NO_KV = '0'.repeat(32)
export const NO_D1 = '00000000-0000-0000-0000-000000000000'
export const CDP = 'https://api.cdp.coinbase.com/platform/v2/x402'

/** Each deployment counts failed payments by itself: 4021 is the demo's. */
const RATE_LIMIT: Record<Money, string> = { test: '4022', live: '4023' }
/** Base and Solana, and their test networks. EVM stands first: a v1 client with an EVM account takes the first entry it finds. */
const DEFAULT_NETWORKS: Record<Money, readonly string[]> = {
  test: ['eip155:84532', 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'],
  live: ['eip155:8453', 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'],
}

/** The networks that are there, and one for each of these payees that has none yet. */
export const networksFor = (money: Money, payTo: PayTo, there: readonly string[]): string[] => {
  const has = (namespace: string) => there.some((network) => namespaceOf(network) === namespace)
  const isPaid = (namespace: string) => Object.entries(payTo).some(([name, payee]) => name === namespace && payee)
  const missing = DEFAULT_NETWORKS[money].filter((network) => {
    const namespace = namespaceOf(network)
    return isPaid(namespace) && !has(namespace)
  })
  return [...there, ...missing]
}
export const defaultFacilitators = (money: Money): string[] =>
  money === 'test' ? ['https://x402.org/facilitator'] : ['cdp']
export const workerName = (base: string, money: Money): string => `${base}-${money}`
export const storageName = (worker: string): string => `${worker}-content`
/** Analytics Engine takes letters, digits and underscores. */
export const datasetName = (worker: string): string => worker.replaceAll('-', '_')
export const ledgerName = (worker: string): string => `${worker}-ledger`

const facilitatorsToml = (facilitators: readonly string[]): string =>
  `[${facilitators.map((url) => (url === 'cdp' ? `{ url = ${quoted(CDP)}, auth = "cdp" }` : quoted(url))).join(', ')}]`

const routesToml = ({ route }: Deployment): string =>
  route === null ? '[]' : `[{ pattern = ${quoted(route.pattern)}, zone_name = ${quoted(route.zone)} }]`

const networksToml = ({ networks }: Deployment): string => `[${networks.map(quoted).join(', ')}]`
const payToToml = ({ payTo: { eip155, solana } }: Deployment): string =>
  `{ ${[eip155 && `eip155 = ${quoted(eip155)}`, solana && `solana = ${quoted(solana)}`].filter(Boolean).join(', ')} }`

/** What is said at the head of an environment that setup writes. */
const OPENING: Record<Money, string> = {
  test: '# The deployment for test money, as `npm run setup` wrote it. It is yours to edit.',
  live: '# The deployment for real money, as `npm run setup` wrote it. It is yours to edit.',
}

const bucketToml = (env: string, bucket: string): string =>
  [`[[${env}.r2_buckets]]`, 'binding = "CONTENT_R2"', `bucket_name = ${quoted(bucket)}`].join('\n')

const datasetToml = (env: string, dataset: string): string =>
  [`[[${env}.analytics_engine_datasets]]`, 'binding = "ANALYTICS"', `dataset = ${quoted(dataset)}`].join('\n')

const routeToml = (env: string, { path, price, content }: Sold): string =>
  [
    `[[${env}.vars.ROUTES]]`,
    `path = ${quoted(path)}`,
    `content = ${quoted(content ?? 'origin')}`,
    `price = ${quoted(price)}`,
    'access = "24h"',
  ].join('\n')

/** A whole environment. `shop`: its BRAND and ROUTES, as TOML. */
function environment(deployment: Deployment, shop: string): string {
  const { money, worker, siteUrl, facilitators, originUrl, kv, d1, bucket, cpuMs, dataset } = deployment
  const env = `env.${money}`
  const lines = [
    OPENING[money],
    `[${env}]`,
    `name = ${quoted(worker)}`,
    `workers_dev = ${deployment.route === null}`,
    'preview_urls = false',
    `routes = ${routesToml(deployment)}`,
    ...(cpuMs === null ? [] : [`limits = { cpu_ms = ${cpuMs} }`]),
    '',
    `[[${env}.durable_objects.bindings]]`,
    'name = "PAYERS"',
    'class_name = "Payer"',
    '',
    `[[${env}.kv_namespaces]]`,
    'binding = "CONTENT_KV"',
    `id = ${quoted(kv.id)}`,
    '',
    `[[${env}.d1_databases]]`,
    'binding = "LEDGER_DB"',
    `database_name = ${quoted(d1.name)}`,
    `database_id = ${quoted(d1.id)}`,
    'migrations_dir = "migrations"',
    '',
    ...(bucket === null ? [] : [bucketToml(env, bucket), '']),
    ...(dataset === null ? [] : [datasetToml(env, dataset), '']),
    `[[${env}.ratelimits]]`,
    'name = "FAILED_PAYMENTS"',
    `namespace_id = ${quoted(RATE_LIMIT[money])}`,
    'simple = { limit = 100, period = 60 }',
    '',
    `[${env}.vars]`,
    `SITE_URL = ${quoted(siteUrl)}`,
    `PAY_TO = ${payToToml(deployment)}`,
    `NETWORKS = ${networksToml(deployment)}`,
    `FACILITATORS = ${facilitatorsToml(facilitators ?? defaultFacilitators(money))}`,
    ...(originUrl === null ? [] : [`ORIGIN_URL = ${quoted(originUrl)}`]),
    '',
    shop,
  ]
  return lines.join('\n')
}

/** What wrangler.toml says about an environment already, as far as setup may change it. */
export type Known = {
  sites: readonly string[]
  /** Patterns of the routes in front of a site. */
  patterns: readonly string[]
  payTo: PayTo | null
  networks: readonly string[]
  facilitators: unknown
  originUrl: string | null
  kvId: string | null
  d1Id: string | null
  bucket: string | null
  routes: readonly { path: string; price: string; content: string }[]
  cpuMs: number | null
  hasAnalytics: boolean
}

/**
 * The text of wrangler.toml with a deployment in it. Without its environment (`known` is null) that is added; the real one
 * takes over what the test one sells. In one that is there, only what differs is written.
 */
export function written(text: string, deployment: Deployment, known: Known | null): Result<string, string> {
  if (known === null) return ok(inserted(text, environment(deployment, shopOf(text, deployment)), /$^/))
  const { money, bucket, sold, dataset } = deployment
  const env = `env.${money}`
  const bindings = new RegExp(`^env\\.${money}(\\.(?!vars)|$)`)
  let now = text
  if (bucket !== null && known.bucket === null) now = inserted(now, bucketToml(env, bucket), bindings)
  if (dataset !== null && !known.hasAnalytics) now = inserted(now, datasetToml(env, dataset), bindings)
  const isNew = sold !== null && !known.routes.some(({ path }) => path === sold.path)
  if (isNew) now = inserted(now, routeToml(env, sold), new RegExp(`^env\\.${money}\\.vars`))
  for (const edit of editsOf(deployment, known)) {
    const result = edited(now, edit)
    if (!result.ok) return result
    now = result.value
  }
  return ok(now)
}

function editsOf(deployment: Deployment, known: Known): Edit[] {
  const { money, siteUrl, route, payTo, networks, facilitators, originUrl, kv, d1, sold, cpuMs } = deployment
  const env = { name: `env.${money}` }
  const vars = { name: `env.${money}.vars` }
  const edits: Edit[] = []
  const write = (differs: boolean, table: Edit['table'], key: string, value: string) => {
    if (differs) edits.push({ table, key, value })
  }
  write(route !== null && !known.patterns.includes(route.pattern), env, 'routes', routesToml(deployment))
  write(cpuMs !== null && cpuMs !== known.cpuMs, env, 'limits', `{ cpu_ms = ${cpuMs} }`)
  write(!known.sites.includes(siteUrl), vars, 'SITE_URL', quoted(siteUrl))
  const isSamePayee = payTo.eip155 === known.payTo?.eip155 && payTo.solana === known.payTo?.solana
  write(!isSamePayee, vars, 'PAY_TO', payToToml(deployment))
  write(networks.join() !== known.networks.join(), vars, 'NETWORKS', networksToml(deployment))
  if (facilitators !== null) {
    const differs = JSON.stringify(facilitators.map(facilitatorVar)) !== JSON.stringify(known.facilitators)
    write(differs, vars, 'FACILITATORS', facilitatorsToml(facilitators))
  }
  write(originUrl !== null && originUrl !== known.originUrl, vars, 'ORIGIN_URL', quoted(originUrl ?? ''))
  write(kv.id !== known.kvId, bound(env.name, 'kv_namespaces', 'CONTENT_KV'), 'id', quoted(kv.id))
  write(d1.id !== known.d1Id, bound(env.name, 'd1_databases', 'LEDGER_DB'), 'database_id', quoted(d1.id))
  const there = known.routes.find(({ path }) => path === sold?.path)
  if (sold !== null && there !== undefined) {
    const table = { name: `${vars.name}.ROUTES`, having: { key: 'path', value: quoted(sold.path) } }
    write(sold.price !== there.price, table, 'price', quoted(sold.price))
    write(sold.content !== null && sold.content !== there.content, table, 'content', quoted(sold.content ?? ''))
  }
  return edits
}

const facilitatorVar = (url: string) => (url === 'cdp' ? { url: CDP, auth: 'cdp' } : url)

const bound = (env: string, kind: string, binding: string) => ({
  name: `${env}.${kind}`,
  having: { key: 'binding', value: quoted(binding) },
})

/** What a new environment shows and sells: what the test deployment does where there is one, else the route asked for. */
function shopOf(text: string, { money, sold, brand }: Deployment): string {
  const env = `env.${money}`
  const taken = money === 'live' ? copied(text, /^env\.test\.vars\.(BRAND|ROUTES)(\.|$)/, 'env.test', env) : ''
  if (taken !== '' || sold === null) return taken
  return `[${env}.vars.BRAND]\nname = ${quoted(brand)}\n\n${routeToml(env, sold)}`
}

/** What of two deployments would be one and the same; test money must never open, or count towards, what is real. */
export function sharedProblems(test: Separate, live: Separate): Result<null, string> {
  const shared: string[] = []
  const same = (what: string, a: readonly string[], b: readonly string[]) => {
    for (const value of a) if (value !== '' && b.includes(value)) shared.push(`${what} ${value}`)
  }
  same('the name', [test.worker], [live.worker])
  same('the route', test.routes, live.routes)
  same('SITE_URL', test.sites, live.sites)
  same('the KV namespace', real(test.kvIds), live.kvIds)
  same('the D1 database', real(test.d1Ids), live.d1Ids)
  same('the R2 bucket', test.buckets, live.buckets)
  same('the rate limiter', test.limiters, live.limiters)
  if (shared.length > 0) {
    return fail(
      `[env.test] and [env.live] of wrangler.toml share ${shared.join(', ')}. What is bought with test money would open what ` +
        'costs real money. Give each its own, and run this again.',
    )
  }
  const wrong = [
    ...test.networks
      .filter((network) => networkOf(network)?.isTest === false)
      .map((name) => `[env.test] names ${name}`),
    ...live.networks.filter((network) => networkOf(network)?.isTest === true).map((name) => `[env.live] names ${name}`),
  ]
  if (wrong.length > 0) {
    return fail(
      `${wrong.join(', ')} in NETWORKS. Real networks stand in [env.live] only, test networks in [env.test] only.`,
    )
  }
  return ok(null)
}

const real = (ids: readonly string[]) => ids.filter((id) => id !== NO_KV && id !== NO_D1)

/** What of a deployment may belong to it alone. */
export type Separate = {
  worker: string
  routes: readonly string[]
  sites: readonly string[]
  kvIds: readonly string[]
  d1Ids: readonly string[]
  buckets: readonly string[]
  limiters: readonly string[]
  networks: readonly string[]
}
