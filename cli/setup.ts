// `npm run setup`: from a clone to a deployed paywall. Asks or takes flags, shows each change before it makes it, and deploys
// to test money first. Run again, it finds what is there and does what is missing.
import { createInterface } from 'node:readline/promises'
import { command, Refusal } from './command.ts'
import { type Answers, type Asker, readFlags, USAGE } from './setup/answers.ts'
import { addressOf, loginOf, zoneOf } from './setup/cloudflare.ts'
import { compose, type Places } from './setup/compose.ts'
import type { Deployment, Known } from './setup/deployment.ts'
import { knownOf, mustBeDemo, type Reading, readFile, reading } from './setup/file.ts'
import { LOCAL_SITE, migrateLocally, missingLocally, writeDevVars } from './setup/local.ts'
import { linesOf, type Plan, planOf } from './setup/plan.ts'
import { makeStorage, nextFile, putSecrets, runDoctor, showChanges, writeChanges } from './setup/steps.ts'
import { findAccount, mustRun, secretNames, storageOf, type Wrangler, wranglerFor } from './setup/wrangler.ts'

const say = (line: string): void => console.log(line)

async function main(): Promise<void> {
  const answers = readFlags(process.argv.slice(2))
  if (answers === null) {
    say(USAGE)
    return
  }
  const hasTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  const terminal = hasTerminal ? createInterface({ input: process.stdin, output: process.stdout }) : null
  const ask: Asker = terminal === null ? null : (text) => terminal.question(text)
  try {
    await (answers.isLocal ? local(answers, ask) : remote(answers, ask))
  } finally {
    terminal?.close()
  }
}

function readDemo(text: string): Reading {
  const read = reading(text)
  mustBeDemo(read)
  return read
}

/** On this machine alone. */
async function local(given: Answers, ask: Asker): Promise<void> {
  const text = readFile()
  const { environments } = readDemo(text)
  const site = environments.get('test')?.vars.SITE_URL[0]
  const places: Places = { atWorkersDev: async () => site ?? LOCAL_SITE, zoneOf: async (domain) => domain }
  const { deployment, known } = await compose('test', given, environments, places, ask, say)
  const after = nextFile(text, deployment, known)
  const secrets = missingLocally()
  say('On this machine, for test money:')
  say('  write    wrangler.toml, as shown below')
  say(secrets.length === 0 ? '  keep     .dev.vars' : `  write    ${secrets.join(', ')} into .dev.vars`)
  say('  migrate  the local D1 database')
  if (given.isDry) {
    showChanges(text, after, say)
    say('Nothing was done: this was a dry run.')
    return
  }
  await mustAgree(given, ask)
  writeChanges(text, after, say)
  await writeDevVars(secrets)
  await migrateLocally()
  say(`
Ready. Start it, and in a second terminal ask for something that is sold:

  npx wrangler dev --env test
  curl -i ${LOCAL_SITE}${exampleOf(deployment, known)}

The whole stack with a chain and a wallet is npm start. When you have an account: npm run setup`)
}

type Prepared = { deployment: Deployment; plan: Plan }

/** In the account: test money, and then real money where that was asked for. */
async function remote(given: Answers, ask: Asker): Promise<void> {
  const before = readFile()
  const { environments } = readDemo(before)
  const chosen = process.env.CLOUDFLARE_ACCOUNT_ID || environments.get('')?.account_id
  const anyAccount = wranglerFor(null)
  const accountId = await findAccount(anyAccount, chosen)
  const wrangler = wranglerFor(accountId)
  const login = await loginOf(anyAccount)
  const places: Places = {
    atWorkersDev: (worker) => addressOf(login, accountId, worker),
    zoneOf: (domain) => zoneOf(login, accountId, domain),
  }

  let [answers, text] = [given, before]
  const composed: { deployment: Deployment; known: Known | null }[] = []
  for (const money of given.money === 'live' ? (['test', 'live'] as const) : (['test'] as const)) {
    const next = await compose(money, answers, reading(text).environments, places, ask, say)
    composed.push(next)
    answers = next.answers
    // The ids are not known yet; everything else of the file is tried before anything is made.
    text = nextFile(text, next.deployment, next.known)
  }
  const prepared = await plans(wrangler, composed)
  for (const { deployment, plan } of prepared) {
    say(`${deployment.money === 'test' ? 'Test money' : 'Real money'}, at ${deployment.siteUrl}:`)
    for (const line of linesOf(plan, deployment.worker)) say(`  ${line}`)
  }
  if (given.isDry) {
    showChanges(before, text, say)
    say('Nothing was done: this was a dry run. Ids of zeros are filled in when the storage is made.')
    return
  }
  await mustAgree(given, ask)
  for (const { deployment, plan } of prepared) await deploy(wrangler, deployment, plan)
}

async function plans(
  wrangler: Wrangler,
  composed: readonly { deployment: Deployment; known: Known | null }[],
): Promise<Prepared[]> {
  const usesR2 = composed.some(({ deployment }) => deployment.bucket !== null)
  const [account, ...secrets] = await Promise.all([
    storageOf(wrangler, usesR2),
    ...composed.map(({ deployment }) => secretNames(wrangler, deployment.worker)),
  ])
  const given = Object.keys(process.env).filter((name) => process.env[name] !== '')
  return composed.map(({ deployment, known }, i) => {
    const plan = planOf(deployment, known, { ...account, secrets: secrets[i] ?? [] }, given)
    if (!plan.ok) throw new Refusal(plan.error)
    return { deployment, plan: plan.value }
  })
}

/** One deployment, in the order in which it can be broken off: nothing is deployed before its secrets are there. */
async function deploy(wrangler: Wrangler, wanted: Deployment, plan: Plan): Promise<void> {
  const { money, worker } = wanted
  say('')
  const deployment = await makeStorage(wrangler, wanted, plan, say)
  const text = readFile()
  writeChanges(text, nextFile(text, deployment, knownOf(reading(text).environments.get(money))), say)
  const migrate = ['d1', 'migrations', 'apply', 'LEDGER_DB', '--remote', '--env', money]
  await mustRun(wrangler, `Applying the migrations to ${deployment.d1.name}`, migrate)
  say(`migrated D1 database ${deployment.d1.name}`)
  await putSecrets(wrangler, worker, plan.secrets, say)
  // Before real money, what doctor cannot reach is an error.
  await runDoctor(money, money === 'live', say)
  await mustRun(wrangler, `Deploying ${worker}`, ['deploy', '--env', money])
  say(`deployed ${worker} at ${deployment.siteUrl}`)
  say(money === 'test' ? AFTER_TEST : AFTER_REAL)
}

const AFTER_TEST = `
Test money is on. Put something on sale and buy it; docs/guides/from-test-money-to-real-money.md goes on from here.`
const AFTER_REAL = `
Real money is on. Buy one article yourself, and look at the route in the dashboard: it has to say "fail closed".`

async function mustAgree({ isAgreed }: Answers, ask: Asker): Promise<void> {
  if (ask === null || isAgreed) return
  if (!/^y(es)?$/i.test((await ask('Go on? [y/N] ')).trim())) throw new Refusal('Nothing was done.')
}

/** An address that the deployment sells. */
function exampleOf({ sold }: Deployment, known: Known | null): string {
  const path = sold?.path ?? known?.routes.find(({ price }) => price !== 'free')?.path ?? '/'
  return path.replace(/\*$/, 'my-piece').replace(/:\w+/g, 'my-piece')
}

await command('setup', main)
