// `npm run mutants [-- --only text]`: puts each fault of the list into a copy of the source and runs the tests that have to find it.
// Prints a line for each; exit status 1 when one is not found.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { inCheckout } from '../../dev/stack/paths.ts'
import { MUTANTS, type Mutant } from './list.ts'

const AT_ONCE = 2
/** One that hangs is found too: its tests fail. */
const LONGEST_MS = 240_000
const LEFT_OUT = ['node_modules', '.git', '.wrangler', '.newsstand', 'coverage']

/** A copy of the checkout that shares its packages. */
function copied(): string {
  const folder = mkdtempSync(join(tmpdir(), 'newsstand-mutant-'))
  cpSync(inCheckout('.'), folder, { recursive: true, filter: (path) => !LEFT_OUT.includes(basename(path)) })
  symlinkSync(inCheckout('node_modules'), join(folder, 'node_modules'))
  return folder
}

function failedIn(folder: string, [project, file]: Mutant['tests']): Promise<boolean> {
  return new Promise((resolve) => {
    const args = ['vitest', 'run', '--bail', '1', '--project', project, file]
    const child = spawn('npx', args, { cwd: folder, stdio: 'ignore', timeout: LONGEST_MS })
    child.on('close', (code) => resolve(code !== 0))
  })
}

/** What is wrong with a mutant's end; null where it was found. */
async function missed(folder: string, { file, from, to, tests }: Mutant): Promise<string | null> {
  const path = join(folder, 'src', file)
  const source = readFileSync(path, 'utf8')
  const times = source.split(from).length - 1
  if (times !== 1) return `stands there ${times} times`
  writeFileSync(
    path,
    source.replace(from, () => to),
  )
  try {
    return (await failedIn(folder, tests)) ? null : 'NOT found'
  } finally {
    writeFileSync(path, source)
  }
}

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
const left = MUTANTS.filter(({ file, from }) => `${file} ${from}`.includes(values.only))
const count = left.length
let bad = 0
const work = async () => {
  const folder = copied()
  for (let next = left.shift(); next; next = left.shift()) {
    const problem = await missed(folder, next)
    if (problem) bad += 1
    console.log(`${problem ?? 'found'}: ${next.file}: ${next.from}`)
  }
  rmSync(folder, { recursive: true })
}
await Promise.all(Array.from({ length: AT_ONCE }, work))
console.log(`${count - bad} of ${count} faults found`)
if (bad > 0) process.exitCode = 1
