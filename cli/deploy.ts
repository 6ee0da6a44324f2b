// `npm run deploy [-- --env NAME]`: `wrangler deploy` after doctor and the ledger's migrations, all three about the same
// environment. Every other flag goes to `wrangler deploy`.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { inCheckout } from '../dev/stack/paths.ts'
import { quietWrangler, wranglerProgram } from '../dev/stack/worker.ts'
import { networkOf } from '../src/x402/assets.ts'
import { command, Refusal } from './command.ts'
import { readFile, reading } from './setup/file.ts'
import { runDoctor } from './setup/steps.ts'

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    strict: false,
    allowPositionals: true,
    options: {
      env: { type: 'string', short: 'e' },
      config: { type: 'string', short: 'c' },
      'dry-run': { type: 'boolean' },
    },
  })
  if (values.config !== undefined)
    throw new Refusal('deploy reads wrangler.toml alone; with another file use npx wrangler deploy')
  const { environments } = reading(readFile())
  const names = [...environments.keys()].filter((name) => name !== '')
  const env = typeof values.env === 'string' ? values.env : ''
  const chosen = environments.get(env)
  if (chosen === undefined) throw new Refusal(`wrangler.toml has no [env.${env}]; write one of ${names.join(', ')}`)
  if (env === '' && names.length > 0) {
    const commands = names.map((name) => `  npm run deploy -- --env ${name}`).join('\n')
    throw new Refusal(`wrangler.toml has several deployments. Say which one:\n${commands}`)
  }
  const about = env === '' ? [] : ['--env', env]
  await checked(env, chosen.vars.NETWORKS)
  if (values['dry-run'] !== true) await wrangler(['d1', 'migrations', 'apply', 'LEDGER_DB', '--remote', ...about])
  await wrangler(['deploy', ...args])
}

/**
 * Doctor first. Where Cloudflare builds the demo by itself (`WORKERS_CI`), with test money alone, its errors stop nothing: the
 * settings may stand in the dashboard, which doctor does not see, and the worker refuses what is wrong.
 */
async function checked(env: string, networks: readonly string[]): Promise<void> {
  const isTest = networks.length > 0 && networks.every((network) => networkOf(network)?.isTest === true)
  try {
    await runDoctor(env, false, (line) => console.log(line))
  } catch (error) {
    if (!(error instanceof Refusal && isTest && process.env.WORKERS_CI === '1')) throw error
    console.log('Doctor found errors. This is test money, built by Cloudflare, so it is deployed all the same.')
  }
}

async function wrangler(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [wranglerProgram(), ...args], {
    cwd: inCheckout('.'),
    stdio: 'inherit',
    // Like setup, this names the environment itself.
    env: { ...process.env, ...quietWrangler, CLOUDFLARE_ENV: undefined },
  })
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  if (status !== 0) throw new Refusal(`wrangler ${args[0]} ended with status ${status}; what it says stands above`)
}

await command('deploy', () => main(process.argv.slice(2)))
