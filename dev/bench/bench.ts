// `npm run bench`: newsstand beside its peers and the least that can be had, as ratios, in one run on one machine.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { inCheckout } from '../stack/paths.ts'
import { FIGURES } from './figures.ts'
import { WrongAnswer } from './load.ts'
import { isMet, type Measured, measure, type Spread, written } from './measure.ts'
import { ROWS } from './rows.ts'
import { startStandIns } from './stand-ins.ts'
import { subjectsBeside } from './subjects.ts'

/** Above that the machine does something else, and times mean nothing. */
const QUIET_LOAD = 0.3
const ROUNDS = 5

/** Ratios with so much room need no more. */
const CHECK_ROUNDS = 3

const HELP = `npm run bench -- [--check] [--only TEXT]… [--rounds ${ROUNDS}] [--long] [--busy]

  --check       what does not vary, exactly, and ratios with generous room: fails where something is out of place
  --only TEXT   only the rows whose name has TEXT in it
  --rounds N    rounds of each row
  --long        what takes longer than ten minutes, too: 100,000 payers, 5 GB
  --busy        start although the machine is busy; then only ratios mean something, and not much
`

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    check: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    busy: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const load = (): number => Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0])

const digits = (value: number) => (value >= 10 ? value.toFixed(1) : value.toFixed(2))
const spread = ({ median, least, most }: Spread) => `${digits(median)} (${digits(least)}–${digits(most)})`

const COLUMNS = ['row', 'ratio (least–most)', 'goal', '', 'ms', 'reference ms', 'requests'] as const

function lineOf({ row, ratio, ours, reference, requests }: Measured): string[] {
  const verdict = row.goal === null ? '' : isMet(ratio.median, row.goal) ? 'met' : 'not met'
  const unit = row.unit ? ` a ${row.unit.of}` : ''
  return [
    row.name,
    spread(ratio),
    written(row.goal),
    verdict,
    `${digits(ours.median)}${unit}`,
    `${digits(reference.median)}${unit}`,
    String(requests),
  ]
}

const show = (line: readonly string[]) => console.log(`| ${line.join(' | ')} |`)

/** The exact part is a test, so that it runs with all the others, too. */
async function countsAreExact(): Promise<boolean> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  const args = [vitest, 'run', '--project', 'site', 'test/conformance/counts.test.ts']
  const child = spawn(process.execPath, args, { cwd: inCheckout('.'), stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  return code === 0
}

async function main(): Promise<number> {
  if (options.help) {
    console.log(HELP)
    return 0
  }
  if (options.check && !(await countsAreExact())) return 1
  if (load() > QUIET_LOAD && !options.busy && !options.check) {
    console.error(
      `The machine is busy: its load is ${load()}, and above ${QUIET_LOAD} nothing is measured. See --help.`,
    )
    return 1
  }
  const isWanted = ({ name }: { name: string }) => options.only?.some((text) => name.includes(text)) ?? true
  const standIns = await startStandIns()
  const start = await subjectsBeside(standIns)
  const rounds = Number(options.rounds ?? (options.check ? CHECK_ROUNDS : ROUNDS))
  const wrong: string[] = []
  show(COLUMNS)
  show(COLUMNS.map(() => '---'))
  /** What is void is told in the end, and holds up nothing else. */
  const unlessVoid = async (name: string, act: () => Promise<void>) => {
    try {
      await act()
    } catch (problem) {
      if (!(problem instanceof WrongAnswer)) throw problem
      wrong.push(`${name}: void, ${problem.message}`)
    }
  }
  for (const row of ROWS.filter(isWanted)) {
    await unlessVoid(row.name, async () => {
      const measured = await measure(row, start, rounds)
      show(lineOf(measured))
      if (options.check && !isMet(measured.ratio.median, row.room)) wrong.push(`${row.name}: not ${written(row.room)}`)
    })
  }
  const figures = options.check ? [] : FIGURES.filter(isWanted).filter(({ isLong }) => options.long || !isLong)
  if (figures.length > 0) console.log('')
  for (const figure of figures) {
    await unlessVoid(figure.name, async () => {
      for (const { name, value, goal = '' } of await figure.measure(start)) show([name, value, goal])
    })
  }
  await standIns.stop()
  for (const problem of wrong) console.error(problem)
  return wrong.length > 0 ? 1 : 0
}

process.exitCode = await main()
