// What can be seen without asking anybody: the worker's own reading of its settings, and what wrangler.toml says around them.
// It never fetches.
import { type Config, parseConfig, VARS } from '../../src/config.ts'
import { type ConfigProblem, isLocalHost, OWN_SECRETS } from '../../src/settings.ts'
import { type Deployment, facilitatorSecrets, namedSecrets, upstreamSecrets } from './deployment.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'

/** Where the worker is meant to run, as far as it matters to what must be there already. */
export type Place = 'here' | 'cloudflare'

export type Secrets = {
  /** Those whose values are known. */
  values: Readonly<Record<string, string>>
  /** Names that Cloudflare has, by its own word; `unknown` where it did not say, null where it was not asked. */
  named: readonly string[] | 'unknown' | null
}

/** `config`: the settings, as far as the worker can use them; null where what is wrong with them hides the rest. */
export type Reading = { config: Config | null; findings: Finding[] }

/** Stands for a secret whose value only Cloudflare has, and for one that is missing, so that the rest can be looked at. */
const PLACEHOLDER = 'stands for a secret that is not known here'

export function readSettings(deployment: Deployment, secrets: Secrets, place: Place): Reading {
  const bindings = Object.fromEntries(deployment.bindings.map((name) => [name, {}]))
  const { named } = secrets
  const isSet = (name: string) => named === 'unknown' || (named?.includes(name) ?? false)
  // What is deployed has the secrets that Cloudflare has, and not those of this machine.
  const values = Array.isArray(named) ? onlyNamed(secrets.values, named) : secrets.values
  const passSecret = isSet('PASS_SECRET') && values.PASS_SECRET === undefined ? { PASS_SECRET: PLACEHOLDER } : {}
  const env = { ...deployment.vars, ...passSecret, ...values, ...bindings }
  const { config, problems } = readThrough(env)
  const findings = [
    ...problems.map(({ path, message }) => error(path, message)),
    ...(config ? keyFindings(config, deployment.vars, isSet) : []),
    ...(config ? upstreamFindings(config, deployment.vars, isSet) : []),
    ...deploymentFindings(deployment, config, place),
  ]
  if (config === null) {
    findings.push(
      notChecked(
        'FACILITATORS',
        'facilitators and chains are asked once the errors above are mended; run doctor again',
      ),
    )
  }
  return { config, findings }
}

const onlyNamed = (values: Readonly<Record<string, string>>, names: readonly string[]) =>
  Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)))

/** Settings hide what comes behind them in two steps: texts first, then what they need. */
const MOST_READINGS = 3

/** Reads on behind what is missing, so that all problems are told at once. */
function readThrough(env: Record<string, unknown>): { config: Config | null; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  let given = env
  for (let reading = 0; reading < MOST_READINGS; reading++) {
    const parsed = parseConfig(given)
    const { selling } = parsed.ok ? parsed.value : { selling: parsed }
    const found = selling.ok ? [] : selling.error
    problems.push(...found.filter(({ path }) => !problems.some((known) => known.path === path)))
    if (parsed.ok) return { config: parsed.value, problems }
    given = completed(given, found)
  }
  return { config: null, problems }
}

/** What is missing, and only that, is put in its place. */
function completed(env: Record<string, unknown>, problems: readonly ConfigProblem[]): Record<string, unknown> {
  const missing = problems.map(({ path }) => path).filter((path) => BINDINGS.test(path))
  return {
    ...env,
    ...Object.fromEntries(missing.map((name) => [name, {}])),
    ...(problems.some(({ path }) => path === 'PASS_SECRET') ? { PASS_SECRET: PLACEHOLDER } : {}),
  }
}

const BINDINGS = /^(?:PAYERS|LEDGER_DB|CONTENT_KV|CONTENT_R2)$/

/** Facilitators whose key is not set: wrong, or only not known here. */
function keyFindings(config: Config, vars: Record<string, unknown>, isSet: (name: string) => boolean): Finding[] {
  const needed = facilitatorSecrets(vars)
  return config.facilitators.flatMap(({ url, auth }, i) => {
    if (auth.kind !== 'missing') return []
    const names = needed[i] ?? []
    const { path, message } = auth.problem
    if (names.length === 0 || !names.every(isSet)) return error(path, message)
    const known = names.join(' and ')
    return notChecked(
      path,
      `only Cloudflare knows ${known}; to ask ${hostOf(url)}, put it into the environment of doctor`,
    )
  })
}

/** Routes whose upstream cannot be asked. Where only Cloudflare knows their secrets, nothing can be said of them here. */
function upstreamFindings(
  { rules }: Config,
  vars: Record<string, unknown>,
  isSet: (name: string) => boolean,
): Finding[] {
  const needed = upstreamSecrets(vars)
  return rules.flatMap(({ upstream }, i) => {
    if (upstream === null || upstream.ok) return []
    const isKnownThere = (needed[i] ?? []).every(isSet)
    return upstream.error
      .filter(({ message }) => !(isKnownThere && message.startsWith('set it:')))
      .map(({ path, message }) => error(path, message))
  })
}

const PLACEHOLDER_ID = /^[0-]+$/
/** Cloudflare's own. */
const LARGEST_VAR_BYTES = 5 * 1024
/** An isolate's first purchase took up to 150 ms where it was measured (docs/deploy.md). */
const LEAST_CPU_MS = 200

/** What wrangler.toml says around the settings. */
function deploymentFindings(deployment: Deployment, config: Config | null, place: Place): Finding[] {
  const { vars, storage, compatibilityFlags } = deployment
  const findings: Finding[] = []
  const secretNames: string[] = [...OWN_SECRETS, ...namedSecrets(vars)]
  for (const [name, value] of Object.entries(vars)) {
    if (secretNames.includes(name)) {
      findings.push(
        error(name, `a secret in a file is none; remove it, make a new one: npx wrangler secret put ${name}`),
      )
    } else if (!VARS.includes(name)) {
      findings.push(warning(name, 'newsstand reads no variable of this name; correct the name, or remove it'))
    }
    const bytes = Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value))
    if (bytes > LARGEST_VAR_BYTES) {
      findings.push(error(name, `it has ${bytes} bytes, and Cloudflare takes ${LARGEST_VAR_BYTES}; make it shorter`))
    }
  }
  for (const { binding, className } of storage.objects) {
    if (storage.sqliteClasses.includes(className)) continue
    const advice = `add [[migrations]] with tag = "v1" and new_sqlite_classes = ["${className}"]`
    findings.push(error(binding, `no migration makes the class ${className} with SQLite, which it needs; ${advice}`))
  }
  if (!compatibilityFlags.includes('enable_request_signal')) {
    const advice = 'add "enable_request_signal"'
    findings.push(
      warning('compatibility_flags', `a reader who hangs up goes unnoticed, and uses a handout up; ${advice}`),
    )
  }
  if (place === 'here') return findings
  return [...findings, ...storageFindings(storage), ...(config ? addressFindings(deployment, config) : [])]
}

function storageFindings({ kv, d1 }: Deployment['storage']): Finding[] {
  const isPlaceholder = (id: string | undefined) => id !== undefined && PLACEHOLDER_ID.test(id)
  return [
    ...kv
      .filter(({ id }) => isPlaceholder(id))
      .map(({ binding }) =>
        error(
          binding,
          `its id is the file's placeholder; write what "npx wrangler kv namespace create ${binding}" prints`,
        ),
      ),
    ...d1
      .filter(({ id }) => isPlaceholder(id))
      .map(({ binding, name = 'newsstand-ledger' }) =>
        error(binding, `its database_id is the file's placeholder; write what "npx wrangler d1 create ${name}" prints`),
      ),
  ]
}

/** Whether readers get to the worker, and what the platform allows it. */
function addressFindings({ patterns, hasWorkersDev, cpuMs }: Deployment, config: Config): Finding[] {
  const findings: Finding[] = []
  const isReal = config.networks.some(({ isTest }) => !isTest)
  for (const site of config.sites) {
    const { hostname } = new URL(site)
    if (isLocalHost(hostname)) {
      findings.push(warning('SITE_URL', `${hostname} is this machine; write your site's origin before you deploy`))
      continue
    }
    const own = patterns.filter((pattern) => leadsTo(pattern, hostname))
    if (own.length === 0) {
      if (hasWorkersDev && hostname.endsWith('.workers.dev')) continue
      const advice = `add routes = [{ pattern = "${hostname}/*", zone_name = "…" }]`
      findings.push(warning('routes', `no route leads from ${hostname} to the worker; ${advice}`))
    } else if (!own.some((pattern) => /^[^/]*(?:\/\*)?$/.test(pattern.replace(/^https?:\/\//, '')))) {
      const advice = `write "${hostname}/*"`
      findings.push(
        warning(
          'routes',
          `${own[0]} leaves other spellings of ${hostname}'s addresses to your origin, unpaid; ${advice}`,
        ),
      )
    }
  }
  const here = 'is this machine, which a deployed worker cannot reach; write an address on the internet'
  const isPublic = config.sites.some((site) => !isLocalHost(new URL(site).hostname))
  if (isPublic) {
    const local = (url: string) => isLocalHost(new URL(url).hostname)
    config.facilitators.forEach(({ url }, i) => {
      if (local(url)) findings.push(warning(`FACILITATORS[${i}]`, `${hostOf(url)} ${here}`))
    })
    for (const { network } of config.networks) {
      const url = config.rpcUrls[network] ?? ''
      if (local(url)) findings.push(warning(`RPC_URLS.${network}`, `${hostOf(url)} ${here}`))
    }
    if (config.originUrl !== null && local(config.originUrl)) {
      findings.push(warning('ORIGIN_URL', `${hostOf(config.originUrl)} ${here}`))
    }
  }
  if (isReal) findings.push(...realMoneyFindings(config))
  if (cpuMs !== null && cpuMs < LEAST_CPU_MS) {
    const why = 'a first purchase may take 150 ms, and would be cut off after it is settled'
    findings.push(
      warning('limits.cpu_ms', `${cpuMs} is too little: ${why}; write ${LEAST_CPU_MS} or more, or remove it`),
    )
  } else if (cpuMs === null && isReal) {
    const why = 'the Free plan gives a request 10 ms of CPU time, and a purchase takes more'
    findings.push(notChecked('plan', `which plan the account has is not seen from here; ${why}: take the Paid plan`))
  }
  return findings
}

/** What is in order on a test network, and costs sales on a real one. */
function realMoneyFindings(config: Config): Finding[] {
  const [only, ...others] = config.facilitators
  const findings: Finding[] = []
  if (only && others.length === 0) {
    findings.push(
      warning('FACILITATORS', `while ${hostOf(only.url)} is down nothing is sold; name a second one behind it`),
    )
  }
  for (const { network, name, rpcUrl } of config.networks) {
    if (config.rpcUrls[network] !== rpcUrl) continue
    const advice = `write your own endpoint, as RPC_URLS = { "${network}" = "https://…" }`
    findings.push(
      warning(`RPC_URLS.${network}`, `${hostOf(rpcUrl)} is for everybody on ${name} and limits requests; ${advice}`),
    )
  }
  return findings
}

/** Whether a route's pattern (`news.example/*`, `*.news.example/*`, a custom domain) is about a host. */
export function leadsTo(pattern: string, hostname: string): boolean {
  const host = pattern.replace(/^https?:\/\//, '').split('/')[0] ?? ''
  if (!host.startsWith('*')) return host === hostname
  // `*.news.example` is not `news.example`, and `*news.example` is both.
  return hostname.endsWith(host.slice(1))
}
