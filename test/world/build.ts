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

export default async function build(): Promise<void> {
  await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', BUILD], {
    cwd: inCheckout('.'),
    env: { ...process.env, ...quietWrangler },
  })
}
