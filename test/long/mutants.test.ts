// Every fault that was in the source once is found when it is put back. Without it the same stories find nothing:
// `scenarios.test.ts` tells them all.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { MUTANTS, type Mutant } from '../simulation/mutants.ts'
import { stories } from '../simulation/stories/all.ts'

const ROOT = new URL('../../', import.meta.url)
const MUTATE = './test/simulation/mutate.ts'
/** One that hangs has not been found. */
const LONGEST_MS = 30_000
const AT_ONCE = Math.max(1, Math.min(2, availableParallelism()))

type Ended = { code: number | null; said: string }

function play(plays: readonly string[], mutant: string): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', MUTATE, './test/simulation/run.ts', ...plays], {
      cwd: ROOT,
      env: { ...process.env, MUTANT: mutant, NODE_OPTIONS: '' },
      timeout: LONGEST_MS,
    })
    let said = ''
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('close', (code) => resolve({ code, said }))
  })
}

/** What is wrong with the finding of a mutant; null where a play told of a problem. */
async function missed({ name, plays }: Mutant): Promise<string | null> {
  const { code, said } = await play(plays, name)
  return code === 1 && /^(?:story|seed|purchase) /.test(said) ? null : `${name}: ${code} ${said.slice(0, 400)}`
}

test(`each of ${MUTANTS.length} faults is found when it is put back`, async () => {
  const left = [...MUTANTS]
  const bad: string[] = []
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const problem = await missed(next)
      if (problem !== null) bad.push(problem)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  expect(bad).toEqual([])
})

test('what finds a fault is a story that passes otherwise', () => {
  const parts = MUTANTS.flatMap(({ plays }) => plays.filter((_, i) => plays[i - 1] === '--story'))
  expect(parts.filter((part) => !stories.some(({ name }) => name.includes(part)))).toEqual([])
})
