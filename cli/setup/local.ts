// `npm run setup -- --local`: the test deployment in wrangler's local mode. No account, and nothing outside this machine.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { inCheckout } from '../../dev/stack/paths.ts'
import { makeSecrets } from '../../dev/stack/secrets.ts'
import { mustRun, wranglerFor } from './wrangler.ts'

const DEV_VARS = inCheckout('.dev.vars')
export const LOCAL_SITE = 'http://localhost:8787'

/** The names that .dev.vars lacks, or leaves empty. What it has stays. */
export function missingLocally(): string[] {
  const text = existsSync(DEV_VARS) ? readFileSync(DEV_VARS, 'utf8') : ''
  const has = (name: string) => new RegExp(`^[ \\t]*${name}[ \\t]*=[ \\t]*["']?[^"'\\s]`, 'm').test(text)
  return ['SITE_URL', 'PASS_SECRET', 'RECEIPT_KEY'].filter((name) => !has(name))
}

/** Puts what is missing behind what .dev.vars has, for this user's eyes only. */
export async function writeDevVars(names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  const before = existsSync(DEV_VARS) ? readFileSync(DEV_VARS, 'utf8').replace(/\n*$/, '\n') : ''
  const fresh: Record<string, string> = { SITE_URL: LOCAL_SITE, ...(await makeSecrets()) }
  // Single quotes: a key is JSON, and holds double ones.
  writeFileSync(DEV_VARS, before + names.map((name) => `${name}='${fresh[name] ?? ''}'\n`).join(''), { mode: 0o600 })
}

/** Applies the ledger's migrations to the local D1. */
export async function migrateLocally(): Promise<void> {
  const args = ['d1', 'migrations', 'apply', 'LEDGER_DB', '--local', '--env', 'test']
  await mustRun(wranglerFor(null), 'Applying the migrations to the local D1', args)
}
