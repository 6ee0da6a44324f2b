// Builds the worker once per run, as it would be deployed; every site of the tests runs this build.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const wrangler = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin', 'wrangler.js')

export default async function build(): Promise<void> {
  await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', '.wrangler/test-build'], {
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
  })
}
