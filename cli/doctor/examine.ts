// The order of doctor's checks: the file, the settings, then everybody who has to be asked. What cannot be read hides only
// what depends on it.
import type { Config } from '../../src/config.ts'
import { articleFindings } from './articles.ts'
import type { Surroundings } from './asking.ts'
import { chainFindings } from './chains.ts'
import { challengeFindings } from './challenge.ts'
import { articlesIn, migrating, secretNames, soldSince, type Wrangler } from './cloudflare.ts'
import { type Place, readSettings } from './configuration.ts'
import { type Deployment, localSecrets, readDeployment } from './deployment.ts'
import { facilitatorFindings } from './facilitators.ts'
import { error, type Finding, notChecked, type Report, strictly, warning } from './findings.ts'
import { liveFindings } from './live.ts'
import { permitFindings } from './permits.ts'
import { routeFindings } from './routes.ts'
import { DAY_SECONDS, salesFindings } from './sales.ts'
import { solanaSalesFindings } from './sales-solana.ts'
import { sitemapReport } from './sitemap.ts'
import { solanaFindings } from './solana.ts'

export type Options = {
  /** wrangler.toml. */
  file: string
  environment: string | undefined
  /** Where secrets and ledger are looked for: Cloudflare by wrangler, or this machine, or neither but `.dev.vars`. */
  storage: 'remote' | 'local' | null
  /** Whether this is before the first deployment with real money. */
  isFirst: boolean
  /** Whether the deployed site is looked at, and at which addresses. */
  live: readonly string[] | null
  sitemap: string | null
}

/** The machine, as far as doctor uses it. */
export type Machine = Surroundings & { wrangler: Wrangler; environment: Record<string, string | undefined> }

export async function examine(options: Options, machine: Machine): Promise<Report> {
  const { file, environment, storage } = options
  const deployment = readDeployment(file, environment)
  if (!deployment.ok) return { findings: [error('wrangler.toml', deployment.error)], notes: [] }
  const named = storage === 'remote' ? await secretNames(machine.wrangler, file, deployment.value) : null
  const secrets = {
    values: localSecrets(file, deployment.value, machine.environment),
    named: named === null ? null : named.ok ? named.value : ('unknown' as const),
  }
  const place: Place = storage === 'local' ? 'here' : 'cloudflare'
  const { config, findings } = readSettings(deployment.value, secrets, place)
  if (named?.ok === false) findings.push(notChecked('secrets', named.error))
  const report =
    config === null ? { findings: [], notes: [] } : await examineSite(config, deployment.value, options, machine)
  const all = inOrder([...findings, ...report.findings])
  const isReal = config?.networks.some(({ isTest }) => !isTest) ?? true
  return { findings: options.isFirst && isReal ? strictly(all) : all, notes: report.notes }
}

async function examineSite(
  config: Config,
  deployment: Deployment,
  options: Options,
  machine: Machine,
): Promise<Report> {
  const { file, storage, live, sitemap } = options
  const nowSeconds = Math.floor(machine.nowMs() / 1000)
  const [facilitators, chains, permits, solana, seen, list, sales, articles] = await Promise.all([
    facilitatorFindings(config, deployment.vars, machine),
    chainFindings(config, machine),
    permitFindings(config, machine),
    solanaFindings(config, machine),
    live === null ? [] : liveFindings(config, live, machine),
    sitemap === null ? { findings: [], notes: [] } : sitemapReport(sitemap, config, machine),
    storage === null ? [] : ledgerFindings(config, deployment, file, storage, machine, nowSeconds),
    storage === null ? [] : storedFindings(config, deployment, file, storage, machine),
  ])
  const findings = [
    ...routeFindings(config),
    ...(await challengeFindings(config, nowSeconds)),
    ...facilitators,
    ...chains,
    ...permits,
    ...solana,
    ...seen,
    ...list.findings,
    ...sales,
    ...articles,
  ]
  return { findings, notes: list.notes }
}

/** The last column that a migration added to the ledger's rows. */
const NEWEST_COLUMN = 'title'
const OLDER_LEDGER =
  'the ledger’s table is of an older release, and keeps no titles of what is sold; apply the migrations, as npm run deploy does'

async function ledgerFindings(
  config: Config,
  deployment: Deployment,
  file: string,
  storage: 'remote' | 'local',
  { wrangler }: Machine,
  nowSeconds: number,
): Promise<Finding[]> {
  if (!deployment.bindings.includes('LEDGER_DB')) return []
  const sold = await soldSince(wrangler, file, deployment, `--${storage}`, nowSeconds - 2 * DAY_SECONDS)
  if (!sold.ok) return [notChecked('LEDGER_DB', sold.error)]
  const { transactions, columns } = sold.value
  const isOlder = columns.length > 0 && !columns.includes(NEWEST_COLUMN)
  const older = isOlder ? [warning('LEDGER_DB', `${OLDER_LEDGER}: ${migrating(`--${storage}`)}`)] : []
  const known = new Set(transactions)
  const sales = await Promise.all([
    salesFindings(config, known, nowSeconds),
    solanaSalesFindings(config, known, nowSeconds),
  ])
  return [...older, ...sales.flat()]
}

async function storedFindings(
  config: Config,
  deployment: Deployment,
  file: string,
  storage: 'remote' | 'local',
  { wrangler }: Machine,
): Promise<Finding[]> {
  const isUsed = config.rules.some(({ content }) => content === 'kv')
  if (!isUsed || !deployment.bindings.includes('CONTENT_KV')) return []
  const stored = await articlesIn(wrangler, file, deployment, `--${storage}`)
  return stored.ok ? articleFindings(stored.value, config) : [notChecked('CONTENT_KV', stored.error)]
}

/** Each thing once: several may notice that a clock is wrong, or a key missing. */
function inOrder(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>()
  return findings.filter(({ level, path, message }) => {
    const key = path === 'clock' ? path : `${level} ${path} ${message}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
