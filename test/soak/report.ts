// What the soak tells a person: what happened, what was excused and why, the counts that must be zero, and the history
// of every payment behind one that is not.

import type { Site } from '../world/site.ts'
import { type Findings, KINDS } from './audit.ts'
import type { Witness } from './faults.ts'
import type { Journal } from './journal.ts'
import type { Kills } from './kills.ts'
import type { Settlement } from './truth.ts'
import type { Walkers } from './walkers.ts'

export type Outcome = {
  seed: string
  startedAt: number
  /** By way of buying. */
  purchases: ReadonlyMap<string, number>
  settlements: readonly Settlement[]
  journal: Journal
  witness: Witness
  site: Site
  kills: Kills
  walkers: Walkers
  findings: Findings
}

const WIDTH = 68

const line = (name: string, value: number | string): void =>
  console.log(`  ${name.padEnd(WIDTH)} ${String(value).padStart(6)}`)

function table(title: string, counts: ReadonlyMap<string, number>): void {
  console.log(`\n${title}`)
  for (const [name, value] of [...counts].sort()) line(name, value)
}

/** How often the worker logged each event. */
function eventsOf({ logs }: Site): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const line of logs) {
    const event = /"event":"(\w+)"/.exec(line)?.[1]
    if (event !== undefined) counts.set(event, (counts.get(event) ?? 0) + 1)
  }
  return counts
}

export const sumOf = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((sum, value) => sum + value, 0)

/** Prints everything. Returns whether every count that must be zero is. */
export function print(outcome: Outcome): boolean {
  const { seed, purchases, settlements, journal, witness, site, kills, walkers, findings } = outcome
  table('answers', journal.answers)
  table('faults', witness.counts)
  table('worker log', eventsOf(site))
  table('purchases', purchases)
  line('in all', sumOf(purchases))

  console.log('\nwhat came of them')
  line('authorizations signed', journal.entries.size)
  line('settlements on chain', settlements.length)
  line('content served, whole answers', findings.served)
  line('hang-ups', journal.hangUps)
  line('kills (SIGKILL, and back on the same state)', kills.atMs.length)
  line('things owned that a new signature opened, unsettled', findings.reopened)

  console.log('\nreaders who paid, hung up and never came back')
  line('walked away', walkers.entries.size)
  line('settled on chain all the same', walkers.settled)
  line('left to alarms alone by the last kill', walkers.leftToAlarms.size)
  line('finished by them', walkers.finished.size)

  console.log('\nexcused')
  line('handed out again: a kill came while it was on its way', findings.againAfterKill)
  line('handed out again: the reader hung up with the last byte', findings.againAfterHangUp)
  line('single answers cut off, by reader or kill, on their way', findings.cutOff)

  console.log('\nmust be zero')
  for (const kind of KINDS) line(kind, findings.violations.filter((each) => each.kind === kind).length)
  for (const { kind, text, nonces } of findings.violations) {
    console.log(`\n${kind}: ${text} (seed ${seed})`)
    for (const nonce of new Set(nonces)) describe(nonce, outcome)
  }
  const isClean = findings.violations.length === 0
  console.log(isClean ? '\nEvery count that must be zero is zero.' : '\nNOT zero: see above.')
  return isClean
}

/** The history of one payment, in seconds since the start. */
function describe(nonce: string, { settlements, journal, witness, kills, startedAt }: Outcome): void {
  const entry = journal.entries.get(nonce)
  const tries = entry?.tries ?? []
  const at = (ms: number | undefined) => (ms === undefined ? 'never' : ((ms - startedAt) / 1_000).toFixed(3))
  const settlement = settlements.find((each) => each.nonce === nonce)
  console.log(`  ${nonce} by ${entry?.payment.payer}, identifier ${entry?.payment.identifier ?? 'none'}`)
  console.log(
    `    settling begun ${at(witness.begunAt.get(nonce))}, on chain ${at(witness.knownAt.get(nonce))}, ` +
      `${settlement?.transaction ?? 'not settled'}; faults: ${witness.met.get(nonce)?.join(', ') ?? 'none'}`,
  )
  for (const made of tries) {
    console.log(
      `    ${at(made.startedMs)}–${at(made.endedMs)} ${made.path} ${made.version} ${made.phase}: ` +
        `${made.status ?? 'no status'} ${made.code ?? ''} content ${made.content}, ${made.end}` +
        `${made.metKill ? ', killed meanwhile' : ''}`,
    )
  }
  const from = Math.min(...tries.map((made) => made.startedMs))
  const to = Math.max(...tries.map((made) => made.endedMs))
  const near = kills.atMs.filter((ms) => ms > from && ms < to).map(at)
  console.log(`    kills from its first try to its last: ${near.join(', ') || 'none'}`)
}
