// What Cloudflare has, by wrangler's word: the names of secrets, and the ledger. Nothing is changed there, and nothing that
// wrangler says is shown, since it may quote what was sent.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { fail, ok, type Result } from '../../src/errors.ts'
import { oneSpelling } from '../../src/x402/assets.ts'
import type { Deployment } from './deployment.ts'

/** Runs one wrangler command; tests put another in its place. */
export type Wrangler = (args: readonly string[]) => Promise<{ isGood: boolean; text: string }>

const LIMIT_MS = 60_000
const LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
/** What the API says of a worker that is not there yet. */
const NO_WORKER = /10007|does not exist/

export const realWrangler: Wrangler = (args) =>
  new Promise((resolve) => {
    const program = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin', 'wrangler.js')
    const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', CI: 'true', WRANGLER_SEND_METRICS: 'false' }
    const limits = { timeout: LIMIT_MS, maxBuffer: LARGEST_ANSWER_BYTES }
    execFile(process.execPath, [program, ...args], { ...limits, env }, (fault, stdout, stderr) =>
      resolve({ isGood: fault === null, text: fault === null ? stdout : stdout + stderr }),
    )
  })

const selected = (file: string, { environment }: Deployment) => [
  '--config',
  file,
  ...(environment === undefined ? [] : ['--env', environment]),
]

const names = z.array(z.object({ name: z.string() }))

/** Names of the secrets that the deployed worker has; none where it was never deployed. */
export async function secretNames(
  wrangler: Wrangler,
  file: string,
  deployment: Deployment,
): Promise<Result<string[], string>> {
  const { isGood, text } = await wrangler(['secret', 'list', '--format', 'json', ...selected(file, deployment)])
  if (!isGood && NO_WORKER.test(text)) return ok([])
  const list = isGood ? names.safeParse(jsonIn(text)).data : undefined
  if (list) return ok(list.map(({ name }) => name))
  return fail('wrangler does not list the secrets; log in with "npx wrangler login", and run doctor --remote again')
}

/** What both questions about the ledger were answered. */
const rows = z.tuple(
  [z.object({ results: z.array(z.object({ transaction: z.string() })) })],
  z.object({ results: z.array(z.object({ name: z.string() })) }),
)

/** `transactions`: of the sales since then, in lower case. `columns`: of the ledger; empty where nobody says. */
export type Sold = { transactions: string[]; columns: string[] }

/** What the ledger has, in one call. */
export async function soldSince(
  wrangler: Wrangler,
  file: string,
  deployment: Deployment,
  where: '--local' | '--remote',
  sinceSeconds: number,
): Promise<Result<Sold, string>> {
  const command = `SELECT "transaction" FROM payments WHERE settled_at_seconds > ${sinceSeconds}; PRAGMA table_info(payments)`
  const args = ['d1', 'execute', 'LEDGER_DB', where, '--json', '--command', command, ...selected(file, deployment)]
  const { isGood, text } = await wrangler(args)
  const found = isGood ? rows.safeParse(jsonIn(text)).data : undefined
  if (!found) return fail(`the ledger cannot be read; apply the migrations: ${migrating(where)}`)
  const [{ results: sales }, ...more] = found
  return ok({
    transactions: sales.map(({ transaction }) => oneSpelling(transaction)),
    columns: more.flatMap(({ results }) => results.map(({ name }) => name)),
  })
}

/** How the ledger's table gets the columns of this release. */
export const migrating = (where: '--local' | '--remote') => `npx wrangler d1 migrations apply LEDGER_DB ${where}`

const storedKeys = z.array(z.object({ name: z.string(), metadata: z.unknown().optional() }))
/** A name in KV, and what is stored beside its value. */
export type StoredKey = z.infer<typeof storedKeys>[number]

/** All names in KV, with their metadata. */
export async function articlesIn(
  wrangler: Wrangler,
  file: string,
  deployment: Deployment,
  where: '--local' | '--remote',
): Promise<Result<StoredKey[], string>> {
  const args = ['kv', 'key', 'list', '--binding', 'CONTENT_KV', where, ...selected(file, deployment)]
  const { isGood, text } = await wrangler(args)
  const list = isGood ? storedKeys.safeParse(jsonIn(text)).data : undefined
  if (list) return ok(list)
  return fail(
    `wrangler does not list what lies in KV; see what it says: npx wrangler kv key list --binding CONTENT_KV ${where}`,
  )
}

/** JSON, and what wrangler may print before it. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text.slice(Math.max(0, text.indexOf('['))))
  } catch {
    return undefined
  }
}
