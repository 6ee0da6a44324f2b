// Runs wrangler as a child, and reads what it says. Secrets go in by its standard input: no command line, no file.
import { spawn } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { quietWrangler, wranglerProgram } from '../../dev/stack/worker.ts'
import { Refusal } from '../command.ts'
import { sentenceFor, wranglersWords } from './failures.ts'

export type Said = { status: number; out: string; err: string }

/** Wrangler for one account; null before that is known. */
export type Wrangler = (args: readonly string[], input?: string) => Promise<Said>

/** Longer than any single command takes: an upload over a slow line. */
const COMMAND_LIMIT_MS = 300_000

export function wranglerFor(accountId: string | null): Wrangler {
  return (args, input) => {
    const child = spawn(process.execPath, [wranglerProgram(), ...args], {
      cwd: inCheckout('.'),
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: COMMAND_LIMIT_MS,
      env: {
        ...process.env,
        ...quietWrangler,
        ...(accountId === null ? {} : { CLOUDFLARE_ACCOUNT_ID: accountId }),
        // An environment is always named; one from outside would win where it is not.
        CLOUDFLARE_ENV: undefined,
      },
    })
    let [out, err] = ['', '']
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      err += chunk.toString()
    })
    child.stdin?.end(input)
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) =>
        resolve({ status: code ?? 1, out: stripVTControlCharacters(out), err: stripVTControlCharacters(err) }),
      )
    })
  }
}

/** Runs a command that has to work. `doing`: what it does, for the sentence when it does not. */
export async function mustRun(wrangler: Wrangler, doing: string, args: readonly string[], input?: string) {
  const said = await wrangler(args, input)
  if (said.status !== 0) throw new Refusal(sentenceFor(doing, `${said.out}\n${said.err}`))
  return said.out
}

/** JSON that wrangler prints, which something may stand in front of. */
function parseOutput<Schema extends z.ZodType>(schema: Schema, doing: string, out: string): z.infer<Schema> {
  const start = out.search(/^[[{]/m)
  try {
    return schema.parse(JSON.parse(out.slice(start)))
  } catch {
    throw new Refusal(
      `${doing}: wrangler's answer cannot be read. Run npm ci, so that it is the version of package.json`,
    )
  }
}

const Who = z.object({ accounts: z.array(z.object({ id: z.string(), name: z.string() })) })

/** The account everything is made in: the one that `chosen` names, or the only one. */
export async function findAccount(wrangler: Wrangler, chosen: string | undefined): Promise<string> {
  const said = await wrangler(['whoami', '--json'])
  if (said.status !== 0)
    throw new Refusal(sentenceFor('Asking Cloudflare who you are', `${said.out}\n${said.err}`, true))
  const { accounts } = parseOutput(Who, 'Asking Cloudflare who you are', said.out)
  const list = accounts.map(({ id, name }) => `  ${id}  ${name}`).join('\n')
  if (chosen !== undefined && chosen !== '') {
    if (accounts.length === 0 || accounts.some(({ id }) => id === chosen)) return chosen
    throw new Refusal(`This login has no account ${chosen}. Write one of these into CLOUDFLARE_ACCOUNT_ID:\n${list}`)
  }
  const [only] = accounts
  if (only === undefined) {
    throw new Refusal(
      'This login shows no account. Write the id of yours into CLOUDFLARE_ACCOUNT_ID and run this again',
    )
  }
  if (accounts.length > 1) {
    throw new Refusal(
      `This login has several accounts. Choose one by CLOUDFLARE_ACCOUNT_ID=… and run this again:\n${list}`,
    )
  }
  return only.id
}

const Namespaces = z.array(z.object({ id: z.string(), title: z.string() }))
const Databases = z.array(z.object({ uuid: z.string(), name: z.string() }))
const SecretNames = z.array(z.object({ name: z.string() }))

export type Account = {
  namespaces: z.infer<typeof Namespaces>
  databases: z.infer<typeof Databases>
  /** null where nobody asked, because no route uses one. */
  buckets: readonly string[] | null
}

/** What storage the account has. R2 is asked only where it is used: without it even the question is refused. */
export async function storageOf(wrangler: Wrangler, usesR2: boolean): Promise<Account> {
  const [namespaces, databases, buckets] = await Promise.all([
    mustRun(wrangler, 'Listing KV namespaces', ['kv', 'namespace', 'list']),
    mustRun(wrangler, 'Listing D1 databases', ['d1', 'list', '--json']),
    usesR2 ? mustRun(wrangler, 'Listing R2 buckets', ['r2', 'bucket', 'list']) : null,
  ])
  return {
    namespaces: parseOutput(Namespaces, 'Listing KV namespaces', namespaces),
    databases: parseOutput(Databases, 'Listing D1 databases', databases),
    buckets: buckets === null ? null : [...buckets.matchAll(/^name:\s+(\S+)$/gm)].map(([, name = '']) => name),
  }
}

/** The names of a worker's secrets; none where there is no such worker. */
export async function secretNames(wrangler: Wrangler, worker: string): Promise<string[]> {
  const doing = `Listing the secrets of ${worker}`
  const said = await wrangler(['secret', 'list', '--name', worker])
  if (said.status === 0) return parseOutput(SecretNames, doing, said.out).map(({ name }) => name)
  const words = `${said.out}\n${said.err}`
  if (wranglersWords(words).includes(`Worker "${worker}" not found`)) return []
  throw new Refusal(sentenceFor(doing, words))
}

/** Makes a KV namespace, and says its id. */
export const createNamespace = async (wrangler: Wrangler, title: string): Promise<string> =>
  idIn(
    /id = "([0-9a-f]{32})"/,
    `Making the KV namespace ${title}`,
    await mustRun(wrangler, `Making the KV namespace ${title}`, ['kv', 'namespace', 'create', title]),
  )

/** Makes a D1 database, and says its id. */
export const createDatabase = async (wrangler: Wrangler, name: string): Promise<string> =>
  idIn(
    /database_id = "([0-9a-f-]{36})"/,
    `Making the D1 database ${name}`,
    await mustRun(wrangler, `Making the D1 database ${name}`, ['d1', 'create', name]),
  )

function idIn(pattern: RegExp, doing: string, out: string): string {
  const id = pattern.exec(out)?.[1]
  if (id === undefined)
    throw new Refusal(`${doing}: wrangler names no id. Run this again; what is made is found by its name`)
  return id
}
