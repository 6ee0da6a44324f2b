// Builds the worker once per run, as it would be deployed; every site of the tests runs this build.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { inCheckout } from '../../dev/stack/paths.ts'
import { quietWrangler } from '../../dev/stack/worker.ts'

/** The folder of the build. */
export const BUILD = inCheckout('.wrangler/test-build')

const wrangler = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin', 'wrangler.js')

/** The build of this process. Each project of a run loads this file for itself; they share what is global. */
declare global {
  var newsstandBuild: Promise<void> | undefined
}

/** Bundles the worker, once in a run. */
export default function build(): Promise<void> {
  globalThis.newsstandBuild ??= bundle()
  return globalThis.newsstandBuild
}

async function bundle(): Promise<void> {
  await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', BUILD], {
    cwd: inCheckout('.'),
    env: { ...process.env, ...quietWrangler },
  })
}
