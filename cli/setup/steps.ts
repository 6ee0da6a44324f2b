// Does what the plan says, one step after the other. Each can be broken off: run again, it finds what is there.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { makeSecrets } from '../../dev/stack/secrets.ts'
import { Refusal } from '../command.ts'
import { type Deployment, type Known, sharedProblems, written } from './deployment.ts'
import { knownOf, mustLeaveTheRest, problemsOf, readFile, reading, separateOf, writeFile } from './file.ts'
import type { Plan } from './plan.ts'
import { changesOf } from './toml.ts'
import { createDatabase, createNamespace, mustRun, type Wrangler } from './wrangler.ts'

export type Say = (line: string) => void

/** Makes what storage is missing. Returns the deployment with its ids. */
export async function makeStorage(
  wrangler: Wrangler,
  deployment: Deployment,
  plan: Plan,
  say: Say,
): Promise<Deployment> {
  const kvId = plan.kv.id ?? (await createNamespace(wrangler, plan.kv.name))
  if (plan.kv.id === null) say(`made     KV namespace ${plan.kv.name}`)
  const d1Id = plan.d1.id ?? (await createDatabase(wrangler, plan.d1.name))
  if (plan.d1.id === null) say(`made     D1 database ${plan.d1.name}`)
  if (plan.bucket !== null && !plan.bucket.isThere) {
    await mustRun(wrangler, `Making the R2 bucket ${plan.bucket.name}`, ['r2', 'bucket', 'create', plan.bucket.name])
    say(`made     R2 bucket ${plan.bucket.name}`)
  }
  return { ...deployment, kv: { ...deployment.kv, id: kvId }, d1: { ...deployment.d1, id: d1Id } }
}

/** The text of wrangler.toml with a deployment in it, if it is one that the worker would take. */
export function nextFile(text: string, deployment: Deployment, known: Known | null): string {
  let result = written(text, deployment, known)
  if (result.ok && known === null) {
    // What the new one took over may differ from what was asked for.
    const taken = knownOf(reading(result.value).environments.get(deployment.money))
    if (taken !== null) result = written(result.value, deployment, taken)
  }
  if (!result.ok) throw new Refusal(`${result.error}. Nothing was changed in wrangler.toml.`)
  const { environments } = mustLeaveTheRest(text, result.value, deployment.money)
  const now = environments.get(deployment.money)
  if (now === undefined) throw new Refusal('wrangler.toml cannot be edited here: its end is not where it seems to be')
  const problems = problemsOf(now)
  if (problems.length > 0) {
    const list = problems.map((problem) => `  ${problem}`).join('\n')
    throw new Refusal(
      `The worker would refuse [env.${deployment.money}]:\n${list}\nNothing was changed in wrangler.toml.`,
    )
  }
  const [test, live] = [environments.get('test'), environments.get('live')]
  if (test !== undefined && live !== undefined) {
    const shared = sharedProblems(separateOf(test), separateOf(live))
    if (!shared.ok) throw new Refusal(shared.error)
  }
  return result.value
}

/** Shows how wrangler.toml differs, line by line. */
export function showChanges(before: string, after: string, say: Say): void {
  const changes = changesOf(before, after)
  say(changes.length === 0 ? 'wrangler.toml stays as it is' : 'wrangler.toml:')
  for (const { line, from, to } of changes) say(from === null ? `  + ${line}: ${to ?? ''}` : `  - ${line}: ${from}`)
}

/** Shows the change, then makes it. What somebody wrote meanwhile is not lost. */
export function writeChanges(before: string, after: string, say: Say): void {
  showChanges(before, after, say)
  if (before === after) return
  if (readFile() !== before)
    throw new Refusal('wrangler.toml was changed meanwhile. Nothing was written; run this again')
  writeFile(after)
}

/** Puts the secrets that are missing, all at once, by standard input. */
export async function putSecrets(
  wrangler: Wrangler,
  worker: string,
  names: readonly string[],
  say: Say,
): Promise<void> {
  if (names.length === 0) return
  const fresh: Record<string, string | undefined> = { ...process.env, ...(await makeSecrets()) }
  const values = Object.fromEntries(names.map((name) => [name, fresh[name]]))
  await mustRun(
    wrangler,
    `Storing the secrets of ${worker}`,
    ['secret', 'bulk', '--name', worker],
    JSON.stringify(values),
  )
  say(`put      ${names.join(', ')}`)
}

const Scripts = z.object({ scripts: z.record(z.string(), z.string()) })

/**
 * Runs `npm run doctor` about an environment (`''`: the top level), where this checkout has one. Secrets are asked for by name.
 * `isFirst`: what doctor cannot reach is an error as well. Its words are shown as they come.
 */
export async function runDoctor(env: string, isFirst: boolean, say: Say): Promise<void> {
  const { scripts } = Scripts.parse(JSON.parse(readFileSync(inCheckout('package.json'), 'utf8')))
  if (scripts.doctor === undefined) {
    say('doctor   is not in this checkout; only what the worker itself would refuse is known')
    return
  }
  const about = [
    '-c',
    'wrangler.toml',
    ...(env === '' ? [] : ['--env', env]),
    '--remote',
    ...(isFirst ? ['--first'] : []),
  ]
  const child = spawn('npm', ['run', '--silent', 'doctor', '--', ...about], {
    cwd: inCheckout('.'),
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  if (status !== 0) {
    throw new Refusal('doctor found errors, so nothing was deployed. Mend what it names and run this again.')
  }
}
