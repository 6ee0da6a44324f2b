// Builds the worker once per run, as it would be deployed, and has miniflare plan what belongs around it; every site of the
// tests runs this build.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { inCheckout } from '../../dev/stack/paths.ts'
import { LOOPBACK } from '../../dev/stack/ports.ts'
import { quietWrangler } from '../../dev/stack/worker.ts'
import { BUILD, PLAN } from './plan.ts'
import { startStore } from './store.ts'

const wrangler = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin', 'wrangler.js')

/** The build of this process. Each project of a run loads this file for itself; they share what is global. */
declare global {
  var newsstandBuild: Promise<() => Promise<void>> | undefined
}

/** Bundles the worker, once in a run, and starts the store of its sites. The result ends that. */
export default function build(): Promise<() => Promise<void>> {
  globalThis.newsstandBuild ??= bundle().then(plan).then(startStore)
  return globalThis.newsstandBuild
}

async function bundle(): Promise<void> {
  await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', BUILD], {
    cwd: inCheckout('.'),
    env: { ...process.env, ...quietWrangler },
  })
}

async function plan(): Promise<void> {
  // It writes its plan where this says, and then starts it.
  process.env.MINIFLARE_WORKERD_CONFIG_DEBUG = PLAN
  const { workerOptions } = unstable_getMiniflareWorkerOptions(inCheckout('wrangler.toml'))
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      ...workerOptions,
      name: 'newsstand',
      modules: [{ type: 'ESModule', path: join(BUILD, 'index.js') }],
      modulesRoot: BUILD,
      host: LOOPBACK,
      cf: false,
      telemetry: { enabled: false },
    }),
  )
  await miniflare.ready
  await miniflare.dispose()
  delete process.env.MINIFLARE_WORKERD_CONFIG_DEBUG
}
