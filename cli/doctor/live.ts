// How the deployed site looks from outside: from the front, beside the worker and behind it. A handful of requests without a
// payment; nothing is bought.
import * as z from 'zod'
import type { Config } from '../../src/config.ts'
import { isLocalHost } from '../../src/settings.ts'
import { isSameAddress, namespaceOf } from '../../src/x402/assets.ts'
import { decodeJson } from '../../src/x402/base64.ts'
import { type Answered, ask, type Surroundings } from './asking.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'
import { decisionAt, exampleOf } from './routes.ts'

/** Addresses that are looked at; each takes up to five requests. */
const MOST_PATHS = 8
/** Enough to know a challenge or a block page. */
const LOOKED_AT_BYTES = 16 * 1024
/** What programs call themselves. The second is a library that many agents are made with. */
const AGENTS = ['newsstand-doctor/1.0', 'python-requests/2.32.4'] as const
/** A browser, so that one who lets only browsers pass is told from one who lets nobody. */
const BROWSER = 'Mozilla/5.0 (X11; Linux x64; rv:140.0) Gecko/20100101 Firefox/140.0'

/** @param paths addresses that are for sale; without them one of each route whose addresses are known */
export async function liveFindings(
  config: Config,
  paths: readonly string[],
  surroundings: Surroundings,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const site of config.sites) {
    const gated = gatedPaths(config, site, paths)
    if (gated.length === 0) {
      const advice = 'name one that is for sale: npm run doctor -- --live /articles/…'
      findings.push(notChecked('SITE_URL', `no address of ${hostOf(site)} is known that could be looked at; ${advice}`))
    }
    for (const path of gated) findings.push(...(await frontFindings(config, site, path, surroundings)))
    const [first] = gated
    if (first !== undefined) findings.push(...(await besideFindings(config, site, first, surroundings)))
  }
  return [...findings, ...(await behindFindings(config, paths, surroundings))]
}

/** What is for sale at a site, of the paths that were named, or else of routes with an origin that answers anything. */
function gatedPaths({ rules }: Config, site: string, paths: readonly string[]): string[] {
  const { host } = new URL(site)
  const own = rules
    .filter(({ content, path }) => content === 'origin' || isExact(path))
    .map(({ path }) => exampleOf(path))
  const isGated = (path: string) => {
    const decision = decisionAt(path, 'GET', host, rules)
    return decision.ok && decision.value.kind === 'gated'
  }
  return [...new Set(paths.length > 0 ? paths : own)].filter(isGated).slice(0, MOST_PATHS)
}

const isExact = ({ tree, segments }: { tree: boolean; segments: readonly string[] }) =>
  !tree && !segments.some((segment) => segment.startsWith(':'))

const look = (url: string, agent: string, surroundings: Surroundings) =>
  ask(url, { headers: { 'User-Agent': agent }, maxBytes: LOOKED_AT_BYTES }, surroundings)

const isChallenge = ({ status, headers }: Answered) => status === 402 && headers.has('PAYMENT-REQUIRED')

async function frontFindings(
  config: Config,
  site: string,
  path: string,
  surroundings: Surroundings,
): Promise<Finding[]> {
  const url = site + path
  const findings: Finding[] = []
  const [program, library] = AGENTS
  const first = await look(url, program, surroundings)
  if (!first.ok) {
    return [
      notChecked('SITE_URL', `${hostOf(site)} did not answer; deploy first, and see that its name has a DNS record`),
    ]
  }
  const seen = [first.value]
  for (const agent of [library, program]) {
    const next = await look(url, agent, surroundings)
    if (next.ok) seen.push(next.value)
  }
  const kept = seen.find(isKept)
  if (kept) {
    const what = isChallenge(kept) ? 'the challenge' : `what is for sale (${kept.status})`
    const advice = 'switch its cache off for these addresses, and purge it'
    findings.push(warning('SITE_URL', `a cache before the worker answers ${url} with its copy of ${what}; ${advice}`))
  }
  const good = seen.find(isChallenge)
  const stopped = seen.find(isStopped)
  if (stopped) {
    const browser = await look(url, BROWSER, surroundings)
    const who = browser.ok && !isStopped(browser.value) ? 'programs' : 'everybody who is no browser with a screen'
    const advice = 'let agents pass, as docs/deploy.md says under "AI crawlers"'
    findings.push(
      warning(
        'SITE_URL',
        `bot protection answers ${who} at ${url} with ${stopped.status}, so agents cannot pay; ${advice}`,
      ),
    )
    return findings
  }
  if (!good) return [...findings, notAChallenge(url, first.value)]
  return [...findings, ...termsFindings(config, url, good)]
}

const isKept = ({ headers, status }: Answered): boolean =>
  (status === 402 || status === 200) &&
  (headers.has('Age') || /^(?:HIT|STALE|REVALIDATED|UPDATING)$/i.test(headers.get('CF-Cache-Status') ?? ''))

/** Cloudflare marks its challenges; others answer 403 or 429 with a page. No answer of ours is either without being JSON. */
const isStopped = ({ status, headers, text }: Answered): boolean =>
  headers.get('cf-mitigated') !== null ||
  ([403, 429, 503].includes(status) && !/^\s*\{\s*"error"/.test(text) && !headers.has('PAYMENT-REQUIRED'))

function notAChallenge(url: string, { status, text }: Answered): Finding {
  if (status === 500 && text.includes('configuration_error')) {
    return error('SITE_URL', `${url} answers configuration_error; npx wrangler tail names the setting`)
  }
  if (status === 404) {
    return notChecked(
      'SITE_URL',
      `there is nothing at ${url}; name an address that is for sale: npm run doctor -- --live /…`,
    )
  }
  if (status >= 200 && status < 300) {
    const advice = 'see that a route of wrangler.toml leads there, and deploy'
    return error('SITE_URL', `${url} is for sale and answers ${status} to who has not paid; ${advice}`)
  }
  return warning('SITE_URL', `${url} answers ${status} and no challenge; open it and see who answers there`)
}

const terms = z.object({ network: z.string(), payTo: z.string() })
type Terms = z.infer<typeof terms>
const challenge = z.object({ accepts: z.array(terms) })

/** Whether the deployed worker asks for money as these settings do. Each namespace has its own payee. */
function termsFindings({ payTo, networks }: Config, url: string, { headers }: Answered): Finding[] {
  const json = decodeJson(headers.get('PAYMENT-REQUIRED') ?? '')
  const asked = json.ok ? challenge.safeParse(json.value).data : undefined
  if (!asked) return [warning('SITE_URL', `the challenge at ${url} cannot be read; deploy these settings`)]
  const advice = 'deploy them, or see whose worker answers there'
  const isKnown = ({ network }: Terms) => networks.some((known) => known.network === network)
  const others = asked.accepts.filter(
    (offer) => isKnown(offer) && !isSameAddress(offer.payTo, payTo[namespaceOf(offer.network)] ?? ''),
  )
  const payees = [...new Set(others.map(({ network }) => `PAY_TO.${namespaceOf(network)}`))]
  return [
    ...payees.map((at) => error(at, `${url} asks for payment to another address than these settings; ${advice}`)),
    ...(asked.accepts.every(isKnown)
      ? []
      : [error('NETWORKS', `${url} asks for payment on another network than these settings; ${advice}`)]),
  ]
}

/** The same site under its other name. */
async function besideFindings(
  { sites }: Config,
  site: string,
  path: string,
  surroundings: Surroundings,
): Promise<Finding[]> {
  const { protocol, host, hostname } = new URL(site)
  const isAddress = isLocalHost(hostname) || /^[\d.]+$|:/.test(hostname)
  const other = `${protocol}//${host.startsWith('www.') ? host.slice(4) : `www.${host}`}`
  if (isAddress || sites.includes(other)) return []
  const reply = await look(other + path, AGENTS[0], surroundings)
  // Nobody there, or somebody who sends readers here or away.
  if (!reply.ok || reply.value.status >= 300) return []
  const advice = `redirect it to ${hostOf(site)}, or add it to SITE_URL and the routes`
  return [
    warning('SITE_URL', `${hostOf(other)} answers ${path} with ${reply.value.status} and no challenge; ${advice}`),
  ]
}

/** The origin without the worker in front. */
async function behindFindings(
  config: Config,
  paths: readonly string[],
  surroundings: Surroundings,
): Promise<Finding[]> {
  const { originUrl, rules, sites } = config
  if (originUrl === null) return []
  const { host } = new URL(sites[0] ?? originUrl)
  const known = [...paths, ...rules.map(({ path }) => exampleOf(path))]
  const sold = known.filter((path) => {
    const decision = decisionAt(path, 'GET', host, rules)
    return decision.ok && decision.value.kind === 'gated' && decision.value.rule.content === 'origin'
  })
  for (const path of [...new Set(sold)].slice(0, MOST_PATHS)) {
    const reply = await look(originUrl + path, AGENTS[0], surroundings)
    if (!reply.ok || reply.value.status !== 200) continue
    const advice = 'let it answer the worker only, by a tunnel, a client certificate or a secret header'
    return [
      warning(
        'ORIGIN_URL',
        `${hostOf(originUrl)} answers ${path} to everybody, so readers can go around the worker; ${advice}`,
      ),
    ]
  }
  return []
}
