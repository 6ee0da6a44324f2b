// The subjects: newsstand with one setting or another, the reference middleware, and the least that can answer each kind of request.
// Each is bundled as it would be deployed.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod'
import { inCheckout } from '../stack/paths.ts'
import { quietWrangler, wranglerProgram } from '../stack/worker.ts'
import { type Answered, ask } from './load.ts'
import { newsstandOf, OPEN } from './newsstand.ts'
import { asBrowser, asProgram, NETWORK, PAY_TO } from './payments.ts'
import { BELIEVING, type StandIns, urlOf } from './stand-ins.ts'
import { type Running, start } from './workerd.ts'

const run = promisify(execFile)

/** Where bundles are written. */
export const BUILDS = inCheckout('.wrangler/bench')
const PEERS = inCheckout('dev/bench/subjects')

type Bundle = 'newsstand' | 'reference' | 'hono'

/** Bundles one, with the list of what it is made of. */
async function bundle(name: Bundle): Promise<string> {
  const options = {
    newsstand: [],
    reference: ['dev/bench/subjects/reference.ts', '--config', 'dev/bench/wrangler.toml'],
    hono: ['dev/bench/subjects/hono.js', '--config', 'dev/bench/wrangler.toml', '--env', 'hono'],
  }[name]
  const outdir = join(BUILDS, name)
  await run(
    process.execPath,
    [wranglerProgram(), 'deploy', ...options, '--dry-run', '--metafile', '--outdir', outdir],
    {
      cwd: inCheckout('.'),
      env: { ...process.env, ...quietWrangler },
    },
  )
  return readFileSync(join(outdir, name === 'newsstand' ? 'index.js' : `${name}.js`), 'utf8')
}

/** Whom newsstand is measured beside is installed on first use: nobody else needs it. */
async function installPeers(): Promise<void> {
  if (existsSync(join(PEERS, 'node_modules/@x402/hono'))) return
  console.log('Installing whom newsstand is measured beside, in dev/bench/subjects …')
  await run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], { cwd: PEERS })
}

const many = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ path: `/section-${i}/:slug`, price: '$0.05', access: 'once' }))
/** A key of nobody's, for signed offers. */
const RECEIPT_KEY = {
  kty: 'OKP',
  crv: 'Ed25519',
  d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
}

type Template = { path: string; as: 'program' | 'page' }

/** What a subject is made of. `template`: the request whose answer by newsstand it sends again. */
type Kind = {
  bundle: Bundle
  vars?: Record<string, unknown>
  template?: Template
  hasObjects?: boolean
}

const site = (vars: Record<string, unknown> = {}): Kind => ({ bundle: 'newsstand', vars })
const role = (ROLE: string, more: Partial<Kind> = {}): Kind => ({ bundle: 'reference', vars: { ROLE }, ...more })
const slow = (delayMs: number): Kind => site({ delayMs })

/** All of them, by name. */
export const KINDS = {
  newsstand: site(),
  'newsstand, RECEIPT_KEY': site({ RECEIPT_KEY: JSON.stringify(RECEIPT_KEY) }),
  'newsstand, LOG_SAMPLE': site({ LOG_SAMPLE: 0.001 }),
  'newsstand, 5 routes': site({ ROUTES: [OPEN, ...many(4)] }),
  'newsstand, 300 routes, the first': site({ ROUTES: [OPEN, ...many(299)] }),
  'newsstand, 300 routes, the last': site({ ROUTES: [...many(299), OPEN] }),
  'newsstand, 300 routes, none': site({ ROUTES: many(300) }),
  'newsstand, facilitator 0 ms': slow(0),
  'newsstand, facilitator 50 ms': slow(50),
  'newsstand, facilitator 500 ms': slow(500),
  '@x402/hono': { bundle: 'hono', vars: { PAY_TO, NETWORK } },
  constant: role('constant', { template: { path: '/once/a', as: 'program' } }),
  'constant, a second mac and a line': role('constant told', { template: { path: '/once/a', as: 'program' } }),
  'get and constant': role('kv constant', { template: { path: '/kv/a', as: 'program' } }),
  'get and same bytes': role('kv constant', { template: { path: '/kv/a', as: 'page' } }),
  'pass on': role('pass on'),
  'floor A': role('floor A', { hasObjects: true }),
  'floor B': role('floor B', { hasObjects: true }),
  recovery: role('recover'),
  '@noble/curves': role('noble'),
} satisfies Record<string, Kind>
export type SubjectName = keyof typeof KINDS

/** Starts a subject. Its caller ends it. */
export type Start = (name: SubjectName) => Promise<Running>

/** How subjects are started. Each bundle is made once, when it is first wanted. */
export async function subjectsBeside(standIns: StandIns): Promise<Start> {
  await installPeers()
  const bundles = new Map<Bundle, Promise<string>>()
  return async function startSubject(name) {
    const kind: Kind = KINDS[name]
    const built = bundles.get(kind.bundle) ?? bundle(kind.bundle)
    bundles.set(kind.bundle, built)
    const code = await built
    if (kind.bundle === 'newsstand') return start({ ...newsstandOf(code, standIns, kind.vars), name }, standIns)
    const template = kind.template && (await templateFor(kind.template, startSubject))
    const facilitator = urlOf(standIns, 'facilitator')
    const vars = {
      ORIGIN_URL: urlOf(standIns, 'origin'),
      FACILITATOR_URL: kind.bundle === 'hono' ? `${facilitator}/0/${BELIEVING}` : `${facilitator}/0`,
      RPC_URL: urlOf(standIns, 'rpc'),
      ...kind.vars,
      ...(template ? { TEMPLATE: template } : {}),
    }
    const objects = kind.hasObjects ? { className: 'Purchases', binding: 'PURCHASES' } : null
    return start({ name, code, needsNode: kind.bundle === 'hono', objects, vars }, standIns)
  }
}

async function templateFor({ path, as }: Template, startSubject: Start) {
  const newsstand = await startSubject('newsstand')
  const headers = as === 'page' ? asBrowser() : asProgram()
  const answer = await ask(newsstand.port, { path, headers, status: 402 })
  await newsstand.stop()
  return templateOf(answer, path)
}

const Challenge = z.looseObject({
  extensions: z.looseObject({
    'newsstand-quote': z.looseObject({ info: z.looseObject({ id: z.string(), proof: z.string() }) }),
    'sign-in-with-x': z.optional(z.looseObject({ info: z.looseObject({ nonce: z.string() }) })),
  }),
})

/** An answer of newsstand in pieces, with the names of what is new each time between them. */
function templateOf({ headers, text }: Answered, path: string) {
  const encoded = String(headers['payment-required'])
  const header = Buffer.from(encoded, 'base64').toString('utf8')
  const { extensions } = Challenge.parse(JSON.parse(header))
  const { id, proof } = extensions['newsstand-quote'].info
  const nonce = extensions['sign-in-with-x']?.info.nonce
  const known: [string, string][] = [
    [encoded, 'header'],
    [id, 'id'],
    [proof.split('.')[1] ?? '', 'mac'],
    ...(nonce === undefined ? [] : [[nonce, 'nonce'] satisfies [string, string]]),
    [path, 'path'],
  ]
  const dropped = new Set([
    'connection',
    'keep-alive',
    'transfer-encoding',
    'content-length',
    'date',
    'payment-required',
  ])
  const kept = Object.entries(headers).filter(([name]) => !dropped.has(name))
  return {
    headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])),
    header: inPieces(header, known),
    body: inPieces(text, known),
    isLasting: nonce !== undefined,
  }
}

/** What stands between the known texts, and in their places their names. */
function inPieces(text: string, known: readonly [string, string][]): string[] {
  const [first, ...rest] = known
  if (!first) return [text]
  return text.split(first[0]).flatMap((part, i) => [...(i === 0 ? [] : [first[1]]), ...inPieces(part, rest)])
}
