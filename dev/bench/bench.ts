// `npm run bench`: newsstand beside its peers and the least that can be had, as ratios, in one run on one machine.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { WrongAnswer } from './load.ts'
import { isMet, type Measured, measure, type Row, type Spread, written } from './measure.ts'
import { ROWS } from './rows.ts'
import { startStandIns } from './stand-ins.ts'
import { subjectsBeside } from './subjects.ts'

/** Above that the machine does something else, and times mean nothing. */
const QUIET_LOAD = 0.3
const ROUNDS = 7

const HELP = `npm run bench -- [--only TEXT]… [--rounds ${ROUNDS}] [--busy]

  --only TEXT   only the rows whose name has TEXT in it
  --rounds N    rounds of each row
  --busy        start although the machine is busy; then only ratios mean something, and not much
`

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    rounds: { type: 'string', default: String(ROUNDS) },
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

async function main(): Promise<number> {
  if (options.help) {
    console.log(HELP)
    return 0
  }
  if (load() > QUIET_LOAD && !options.busy) {
    console.error(
      `The machine is busy: its load is ${load()}, and above ${QUIET_LOAD} nothing is measured. See --help.`,
    )
    return 1
  }
  const wanted = ROWS.filter(({ name }: Row) => options.only?.some((text) => name.includes(text)) ?? true)
  const standIns = await startStandIns()
  const start = await subjectsBeside(standIns)
  let isVoid = false
  show(COLUMNS)
  show(COLUMNS.map(() => '---'))
  for (const row of wanted) {
    try {
      show(lineOf(await measure(row, start, Number(options.rounds))))
    } catch (problem) {
      if (!(problem instanceof WrongAnswer)) throw problem
      isVoid = true
      show([row.name, `void: ${problem.message}`])
    }
  }
  await standIns.stop()
  return isVoid ? 1 : 0
}

process.exitCode = await main()
