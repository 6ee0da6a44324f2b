// What is uploaded and what starts: the parts of the bundle, and the CPU that its start takes.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import * as z from 'zod'
import { inCheckout } from '../stack/paths.ts'
import { quietWrangler, wranglerProgram } from '../stack/worker.ts'
import { type Spread, spreadOf } from './measure.ts'
import { BUILDS } from './subjects.ts'

const run = promisify(execFile)
const STARTS = 5
const KIB = 1024

const Meta = z.object({
  outputs: z.record(z.string(), z.object({ inputs: z.record(z.string(), z.object({ bytesInOutput: z.number() })) })),
})

/** What a file of the bundle belongs to. */
function partOf(path: string): string {
  const fromPackage = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]
  if (fromPackage) return fromPackage
  const [, folder] = /(?:^|\/)src\/(\w+)\//.exec(path) ?? []
  return folder ? `src/${folder}` : 'src'
}

/** KiB of the bundle by part, the largest first, and of the whole: as it is, and compressed. */
export function uploadParts(): { parts: [string, number][]; kib: number; gzipKib: number } {
  const folder = join(BUILDS, 'newsstand')
  const { outputs } = Meta.parse(JSON.parse(readFileSync(join(folder, 'bundle-meta.json'), 'utf8')))
  const sizes = new Map<string, number>()
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs))
      sizes.set(partOf(path), (sizes.get(partOf(path)) ?? 0) + bytesInOutput / KIB)
  }
  const bundle = readFileSync(join(folder, 'index.js'))
  const parts = [...sizes].toSorted(([, a], [, b]) => b - a)
  return { parts, kib: bundle.length / KIB, gzipKib: gzipSync(bundle, { level: 9 }).length / KIB }
}

/** Milliseconds of CPU that the start takes, by `wrangler check startup`. */
export async function startupMs(): Promise<Spread> {
  const options = { cwd: inCheckout('.'), env: { ...process.env, ...quietWrangler } }
  const wrangler = (...args: string[]) => run(process.execPath, [wranglerProgram(), ...args], options)
  const bundle = join(BUILDS, 'worker.bundle')
  await wrangler('deploy', '--dry-run', '--outfile', bundle)
  const active: number[] = []
  for (let i = 0; i < STARTS; i++) {
    const profile = join(BUILDS, 'startup.cpuprofile')
    const { stdout } = await wrangler('check', 'startup', '--worker', bundle, '--outfile', profile)
    const [, ms] = /Active: ([\d.]+) ms/.exec(stdout) ?? []
    if (ms === undefined) throw new Error(`wrangler check startup says something else:\n${stdout}`)
    active.push(Number(ms))
  }
  return spreadOf(active)
}
