// Env → Config. Every problem is reported at once, each with its path and what to write instead.
import * as z from 'zod/mini'
import { brandOf, brandSchema } from './brand.ts'
import { fail, ok, type Result } from './errors.ts'
import { type Facilitator, facilitatorOf, facilitatorSchema } from './facilitators.ts'
import { furtherTokens } from './further-tokens.ts'
import { type Machines, machinesOf, machinesSchema } from './machines.ts'
import { addressProblem } from './networks/address.ts'
import { solanaAddressProblem } from './networks/solana.ts'
import type { Brand } from './pages/page.tsx'
import { routeSchema, ruleOf } from './policy/routes.ts'
import type { Rule } from './policy/rules.ts'
import { upstreamProblems } from './policy/upstream.ts'
import { priceProblems } from './price-problems.ts'
import { realMoneyProblems } from './real-money.ts'
import {
  type ConfigProblem,
  list,
  OWN_SECRETS,
  parseBase,
  parsed,
  parseUrl,
  share,
  table,
  trueOrFalse,
} from './settings.ts'
import { ASSETS, type Asset, NETWORKS, type Network, namespaceOf, networkOf } from './x402/assets.ts'
import { type PrivateJwk, type PublicJwk, parsePrivateJwk } from './x402/jws.ts'

export type Config = {
  brand: Brand
  /** Canonical origins without a trailing slash; the first is the default. */
  sites: readonly string[]
  /** With a list of sites, `Host` picks one of them and any other is refused (421). */
  hostPicksSite: boolean
  /** By CAIP-2 namespace; an entry for each of `networks`. */
  payTo: Readonly<Record<string, string>>
  networks: readonly Network[]
  /** Every token that is known: those of the table, and those of `ASSETS`. */
  tokens: readonly Asset[]
  /** In the order they are tried. */
  facilitators: readonly Facilitator[]
  /** By CAIP-2 network; an entry for each of `networks`, and whatever else `RPC_URLS` names. */
  rpcUrls: Readonly<Record<string, string>>
  /** Base URL without a trailing slash. */
  originUrl: string | null
  rules: readonly Rule[]
  passSecret: string
  /** What passes, quotes and nonces were signed with before; it only reads. */
  passSecretPrevious: string | null
  machines: Machines
  /** Whether selling is stopped for now. */
  isPaused: boolean
  /** How many of the lines that concern no payment are written: above 0, 1 is all. */
  logSample: number
  /** What only selling needs. What is wrong with it stops gated answers alone. */
  selling: Result<SellingConfig, ConfigProblem[]>
}

export type SellingConfig = {
  /** What offers and receipts are signed with; null signs none. */
  receiptKey: PrivateJwk | null
  /** Keys that are published beside it: those before it, and the one that is to follow. */
  otherKeys: readonly PublicJwk[]
}

function parseSite(input: string): Result<string, string> {
  const url = parseUrl(input)
  if (!url.ok) return url
  if (url.value.pathname !== '/' || url.value.search || url.value.hash) {
    return fail('write an origin only, such as "https://news.example", without a path')
  }
  return ok(url.value.origin)
}

function parseNetwork(input: string): Result<Network, string> {
  const known = networkOf(input)
  return known
    ? ok(known)
    : fail(`this network is not supported; write one of ${NETWORKS.map(({ network }) => network).join(', ')}`)
}

function parsePayTo(input: string): Result<string, string> {
  const problem = addressProblem(input)
  return problem === null ? ok(input) : fail(problem)
}

const site = parsed(parseSite, 'write your site\'s origin, such as "https://news.example"')
const secretText = (missing: string) =>
  z
    .string({ error: missing })
    .check(z.minLength(16, { error: 'it is too short to be a secret; use 32 or more random characters' }))

/** What to write where a network of a namespace is offered and nobody is paid there. */
const PAYEES = {
  eip155: 'write the EVM address that is paid, as PAY_TO = { eip155 = "0x…" }',
  solana: 'write the Solana address that is paid, as PAY_TO = { solana = "…" }',
}

const FACILITATORS_ADVICE = 'write a list of base URLs, such as ["https://x402.org/facilitator"]'

const envSchema = z.object({
  BRAND: z.optional(brandSchema),
  SITE_URL: z.union([site, list(site, 'write at least one origin, such as ["https://news.example"]')]),
  PAY_TO: z.pipe(
    z.transform((value: unknown) => (typeof value === 'object' ? value : { eip155: value })),
    table({
      eip155: z.optional(parsed(parsePayTo, PAYEES.eip155)),
      // It may stand ready; where a network of Solana is offered, more is asked of it.
      solana: z.optional(
        z.string({ error: PAYEES.solana }).check(z.regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, { error: PAYEES.solana })),
      ),
    }).check(
      z.refine(({ eip155, solana }) => eip155 !== undefined || solana !== undefined, {
        error: PAYEES.eip155,
        path: ['eip155'],
      }),
    ),
  ),
  NETWORKS: list(
    parsed(parseNetwork, 'write a CAIP-2 network such as "eip155:8453"'),
    'write a list of CAIP-2 networks such as ["eip155:8453"]',
  ),
  ASSETS: z.optional(furtherTokens),
  FACILITATORS: z.optional(list(facilitatorSchema, FACILITATORS_ADVICE)),
  FACILITATOR_URL: z.optional(parsed(parseBase, 'write the base URL of a facilitator')),
  /** Nothing is sold; holders, and what is paid already, are served. */
  PAUSED: z.optional(trueOrFalse),
  MACHINES: z.optional(machinesSchema),
  LOG_SAMPLE: z.optional(share('write a number above 0 and up to 1, such as 0.1 for every tenth line')),
  RPC_URLS: z.optional(
    z.record(z.string(), parsed(parseRpcUrl, 'write the URL of a JSON-RPC endpoint'), {
      error: 'write a table by network, such as { "eip155:8453" = "https://…" }',
    }),
  ),
  ORIGIN_URL: z.optional(parsed(parseBase, 'write the base URL of your origin')),
  ROUTES: list(routeSchema, 'write at least one route, such as [[vars.ROUTES]] with path and price'),
  PASS_SECRET: secretText('set it: npx wrangler secret put PASS_SECRET, with 32 or more random characters'),
  PASS_SECRET_PREVIOUS: z.optional(secretText('write the secret that PASS_SECRET was before')),
})

const PUBLIC_KEYS_ADVICE = 'write a list of public keys such as [{ kty = "OKP", crv = "Ed25519", x = "…" }]'
/** Strict: a private half would be published with it. */
const parsedPublicKey = z.strictObject(
  {
    kty: z.literal('OKP', { error: PUBLIC_KEYS_ADVICE }),
    crv: z.literal('Ed25519', { error: PUBLIC_KEYS_ADVICE }),
    x: z.string({ error: PUBLIC_KEYS_ADVICE }).check(z.regex(/^[A-Za-z0-9_-]{43}$/, { error: PUBLIC_KEYS_ADVICE })),
  },
  { error: `${PUBLIC_KEYS_ADVICE}, without their d` },
)

/** What only selling needs. */
const sellingSchema = z.object({
  RECEIPT_KEY: z.optional(parsed(parsePrivateJwk, 'write an Ed25519 private key, as JSON text')),
  RECEIPT_KEYS_RETIRED: z.optional(z.array(parsedPublicKey, { error: PUBLIC_KEYS_ADVICE })),
})

function parseRpcUrl(value: string): Result<string, string> {
  const url = parseUrl(value)
  return url.ok ? ok(url.value.href) : url
}

/** Vars arrive as TOML tables or, from the dashboard and `--var`, as JSON strings. */
function fromVar(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{"]/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

/** Every variable and secret that is read here. */
export const VARS: readonly string[] = Object.keys({ ...envSchema._zod.def.shape, ...sellingSchema._zod.def.shape })

/** Parses the worker's environment. On failure: every problem, what concerns only selling included. */
export function parseConfig(env: Record<string, unknown>): Result<Config, ConfigProblem[]> {
  const given = Object.fromEntries(
    VARS.filter((name) => env[name] !== undefined && env[name] !== '').map((name) => [
      name,
      OWN_SECRETS.some((own) => own === name) ? env[name] : fromVar(env[name]),
    ]),
  )
  const result = z.safeParse(envSchema, given)
  const problems: ConfigProblem[] = result.success ? [] : result.error.issues.flatMap((issue) => problemsOf(issue, []))
  if (result.success) problems.push(...crossCheck(result.data, env))
  else problems.push(...bindingProblems(env, []))
  const selling = parseSelling(given)
  if (problems.length > 0 || !result.success) return fail([...problems, ...(selling.ok ? [] : selling.error)])
  return ok(build(result.data, env, selling))
}

function parseSelling(given: Record<string, unknown>): Config['selling'] {
  const result = z.safeParse(sellingSchema, given)
  if (!result.success) return fail(result.error.issues.flatMap((issue) => problemsOf(issue, [])))
  return ok({ receiptKey: result.data.RECEIPT_KEY ?? null, otherKeys: result.data.RECEIPT_KEYS_RETIRED ?? [] })
}

function problemsOf(issue: z.core.$ZodIssue, above: PropertyKey[]): ConfigProblem[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'invalid_union') {
    // The variant that was read furthest is the one that was meant.
    const arms = issue.errors.map((arm) => arm.flatMap((inner) => problemsOf(inner, path)))
    return arms.sort((a, b) => depth(b) - depth(a))[0] ?? []
  }
  return [{ path: formatPath(path), message: issue.message }]
}

const depth = (problems: ConfigProblem[]) => Math.max(...problems.map((problem) => problem.path.length))

const formatPath = (path: PropertyKey[]) =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? String(part) : `.${String(part)}`)).join('')

type Parsed = z.infer<typeof envSchema>

const tokensOf = ({ ASSETS: further = [] }: Parsed): readonly Asset[] => [...ASSETS, ...further]

const payToOf = ({ PAY_TO }: Parsed): Record<string, string> =>
  Object.fromEntries(Object.entries(PAY_TO).flatMap(([name, address]) => (address ? [[name, address]] : [])))

const facilitatorsOf = ({ FACILITATORS, FACILITATOR_URL }: Parsed) =>
  FACILITATORS ?? (FACILITATOR_URL === undefined ? [] : [{ url: FACILITATOR_URL }])

const sitesOf = (data: Parsed) => (typeof data.SITE_URL === 'string' ? [data.SITE_URL] : data.SITE_URL)

/** Problems that only show when values are compared. */
function crossCheck(data: Parsed, env: Record<string, unknown>): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  if (!data.FACILITATORS && !data.FACILITATOR_URL) {
    problems.push({
      path: 'FACILITATORS',
      message: FACILITATORS_ADVICE,
    })
  }
  const namespaces = data.NETWORKS.map(({ network }) => namespaceOf(network))
  for (const [namespace, message] of Object.entries(PAYEES)) {
    const payee = payToOf(data)[namespace]
    const problem = payee === undefined ? message : namespace === 'solana' ? solanaAddressProblem(payee) : null
    if (namespaces.includes(namespace) && problem !== null)
      problems.push({ path: `PAY_TO.${namespace}`, message: problem })
  }
  const hosts = sitesOf(data).map((origin) => new URL(origin).host)
  data.ROUTES.forEach((route, i) => {
    const at = `ROUTES[${i}]`
    if (route.host !== undefined && !hosts.includes(route.host)) {
      problems.push({
        path: `${at}.host`,
        message: `no SITE_URL has this host; write one of ${hosts.join(', ')}`,
      })
    }
    problems.push(...priceProblems(route, data.NETWORKS, tokensOf(data), at), ...upstreamProblems(route, hosts, at))
  })
  return [
    ...problems,
    ...realMoneyProblems(data),
    ...bindingProblems(
      env,
      data.ROUTES.map((route) => route.content ?? 'origin'),
    ),
  ]
}

function bindingProblems(env: Record<string, unknown>, contents: string[]): ConfigProblem[] {
  const needed = ['PAYERS', 'LEDGER_DB']
  if (contents.includes('kv')) needed.push('CONTENT_KV')
  if (contents.includes('r2')) needed.push('CONTENT_R2')
  return needed
    .filter((name) => env[name] === undefined)
    .map((name) => ({
      path: name,
      message: 'this binding is missing; add it to wrangler.toml as docs/deploy.md shows',
    }))
}

function build(data: Parsed, env: Record<string, unknown>, selling: Config['selling']): Config {
  return {
    brand: brandOf(data.BRAND),
    sites: sitesOf(data),
    hostPicksSite: typeof data.SITE_URL !== 'string',
    payTo: payToOf(data),
    networks: data.NETWORKS,
    tokens: tokensOf(data),
    facilitators: facilitatorsOf(data).map((entry, i) => facilitatorOf(entry, env, `FACILITATORS[${i}]`)),
    // A network that is no longer offered may have payments whose outcome is open.
    rpcUrls: { ...Object.fromEntries(data.NETWORKS.map((n) => [n.network, n.rpcUrl])), ...data.RPC_URLS },
    originUrl: data.ORIGIN_URL ?? null,
    rules: data.ROUTES.map((route, i) => ruleOf(route, env, `ROUTES[${i}]`)),
    passSecret: data.PASS_SECRET,
    passSecretPrevious: data.PASS_SECRET_PREVIOUS ?? null,
    machines: machinesOf(data.MACHINES),
    isPaused: data.PAUSED ?? false,
    logSample: data.LOG_SAMPLE ?? 1,
    selling,
  }
}
