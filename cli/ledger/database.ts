// Asks the ledger's database through wrangler, on this machine or at Cloudflare. It only reads.
import { execFile } from 'node:child_process'
import * as z from 'zod'
import { quietWrangler, wranglerProgram } from '../../dev/stack/worker.ts'
import { Refusal } from '../command.ts'
import { hasDatabase, type Source } from './source.ts'

/** The rows that a SELECT gives, not looked at yet. Throws a `Refusal` that says what to do. */
export type Query = (sql: string) => Promise<readonly unknown[]>

/** A page of rows has a megabyte at most; this only has to be more. */
const LARGEST_ANSWER = 256 * 1024 * 1024
const MOST_SAID = 300

const answer = z.array(z.object({ results: z.array(z.unknown()) })).min(1)
/** What Cloudflare's API said stands in the notes. */
const problem = z
  .object({ error: z.object({ text: z.string(), notes: z.array(z.object({ text: z.string() })).optional() }) })
  .transform(({ error: { text, notes = [] } }) => [text, ...notes.map((note) => note.text)].join(' '))

/** A text as SQL writes it. */
export const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

/** Throws a `Refusal` where the database was never made. */
export async function queryOf(source: Source): Promise<Query> {
  if (source.place === 'remote' && !(await hasDatabase(source))) throw new Refusal(noDatabase(source))
  return async (sql) => {
    const said = parse(await wrangler([...flags(source), `--command=${sql}`]))
    const found = answer.safeParse(said)
    if (found.success) return found.data[0]?.results ?? []
    throw new Refusal(whatToDo(problem.safeParse(said).data ?? '', source))
  }
}

const where = ({ place, env, configPath }: Source) =>
  [`--${place}`, `-c ${configPath}`, ...(env === null ? [] : [`--env ${env}`])].join(' ')

const flags = ({ place, configPath, env, persistTo }: Source): string[] => [
  `--${place}`,
  '--json',
  `--config=${configPath}`,
  ...(env === null ? [] : [`--env=${env}`]),
  ...(persistTo === null ? [] : [`--persist-to=${persistTo}`]),
]

/** What wrangler wrote. An error is JSON as well, so the status says nothing more. */
function wrangler(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [wranglerProgram(), 'd1', 'execute', 'LEDGER_DB', ...args],
      { env: { ...process.env, ...quietWrangler }, maxBuffer: LARGEST_ANSWER },
      (_error, stdout) => resolve(stdout),
    )
    // Nobody is there to answer a question of its.
    child.stdin?.end()
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const noDatabase = (source: Source) =>
  `${source.configPath} names no database of yours: make one (npx wrangler d1 create newsstand-ledger), ` +
  `write its database_id there, and apply the migrations; docs/deploy.md shows how`

function whatToDo(text: string, source: Source): string {
  if (/no such (table|column)/i.test(text)) {
    const persist = source.persistTo === null ? '' : ` --persist-to ${source.persistTo}`
    const command = `npx wrangler d1 migrations apply LEDGER_DB ${where(source)}${persist}`
    return `the ledger's table is missing, or from an older release: run ${command}`
  }
  if (/find a D1 DB/i.test(text)) {
    const env = source.env === null ? '' : ` under env.${source.env}`
    return `${source.configPath} has no D1 database with the binding LEDGER_DB${env}: add [[d1_databases]]; docs/deploy.md shows how`
  }
  if (/CLOUDFLARE_API_TOKEN|log ?in|not authenticated|authentication|unauthorized|\b10000\b/i.test(text)) {
    return 'wrangler is not logged in, or may not read this database: run npx wrangler login, or set CLOUDFLARE_API_TOKEN'
  }
  if (/\b7404\b|database.*not (?:be )?found/i.test(text)) return noDatabase(source)
  if (text === '')
    return `wrangler said nothing; try npx wrangler d1 execute LEDGER_DB ${where(source)} --command "SELECT 1"`
  return `wrangler could not read the ledger: ${text.replace(/\s+/g, ' ').slice(0, MOST_SAID)}`
}
