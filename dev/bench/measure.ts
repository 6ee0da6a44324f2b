// Measures two subjects beside each other: rounds in turn, the CPU of each one's own process, medians of the rounds' ratios and how
// far they lie apart. What is sent is made before the clock runs.
import { type Asked, sendAll } from './load.ts'
import type { Start, SubjectName } from './subjects.ts'
import type { Running } from './workerd.ts'

/** What a subject is sent. `make` gets how many are wanted; `prepare` is done once, before the first round. */
export type Work = {
  subject: SubjectName
  make: (count: number, subject: Running) => Asked[] | Promise<Asked[]>
  prepare?: (subject: Running) => Promise<void>
}

/** `least`: how many times as fast as the reference; `most`: how many times its cost. */
export type Goal = { least: number } | { most: number }

/** One line of the table. */
export type Row = {
  name: string
  /** The first is measured beside the second. */
  ours: Work
  reference: Work
  /** Requests at the same time. */
  atOnce: number
  /** `cpu`: milliseconds of CPU per request; `time`: of the clock. */
  by: 'cpu' | 'time'
  /** Null: it is shown, and nothing was promised. */
  goal: Goal | null
  /** What `--check` lets pass, since machines differ: it would notice a thing that became about twice as slow. */
  room: Goal
  /** Requests before the first round; caches and the compiler need some. */
  warm?: number
  /** The most requests in one round, where making them takes long. */
  most?: number
  /** The cost of one unit, from that of a request; it is the request itself where nothing is said. */
  unit?: { of: string; from: (cost: number) => number }
}

export type Spread = { median: number; least: number; most: number }
export type Measured = { row: Row; ours: Spread; reference: Spread; ratio: Spread; requests: number }

/** A round takes about so much CPU. */
const ROUND_CPU_MS = 400
const LEAST_REQUESTS = 20
const MOST_REQUESTS = 4_000
const WARM_REQUESTS = 200
/** Looked at so often, and idle each time, a subject has done what it does after its answers. */
const LOOKS = 4
const LOOK_MS = 15
const QUIET_LIMIT_MS = 5_000

const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms))

/** Waits until a subject has done what it does after its answers. */
export async function quiet({ isIdle }: Running): Promise<void> {
  const endMs = performance.now() + QUIET_LIMIT_MS
  for (let idle = 0; idle < LOOKS && performance.now() < endMs; idle = isIdle() ? idle + 1 : 0) await pause(LOOK_MS)
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
  return { median, least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0 }
}

/** What one request costs, in a round of so many. */
async function costOf(work: Work, subject: Running, row: Row, count: number): Promise<number> {
  const asked = await work.make(count, subject)
  await quiet(subject)
  const before = subject.cpuMs()
  const { seconds } = await sendAll(subject.port, asked, row.atOnce)
  await quiet(subject)
  const cost = row.by === 'cpu' ? (subject.cpuMs() - before) / count : (seconds * 1000) / count
  return row.unit ? row.unit.from(cost) : cost
}

/** Measures one row, each subject in a workerd of its own that nothing else has used. */
export async function measure(row: Row, start: Start, rounds: number): Promise<Measured> {
  const running: Running[] = []
  try {
    for (const { subject } of [row.ours, row.reference]) {
      const known = running.find(({ name }) => name === subject)
      running.push(known ?? (await start(subject)))
    }
    return await measureAt(row, running, rounds)
  } finally {
    for (const subject of new Set(running)) await subject.stop()
  }
}

async function measureAt(row: Row, running: readonly Running[], rounds: number): Promise<Measured> {
  const sides = [row.ours, row.reference].flatMap((work, i) => {
    const subject = running[i]
    return subject ? [{ work, subject, costs: [] as number[] }] : []
  })
  const most = row.most ?? MOST_REQUESTS
  const warm = Math.min(row.warm ?? WARM_REQUESTS, most)
  let dearest = 0
  for (const { work, subject } of sides) {
    await work.prepare?.(subject)
    await costOf(work, subject, row, warm)
    dearest = Math.max(dearest, await costOf(work, subject, { ...row, by: 'cpu', unit: SAME }, warm))
  }
  const wanted = Math.ceil(ROUND_CPU_MS / Math.max(dearest, 0.01))
  const requests = Math.min(most, Math.max(LEAST_REQUESTS, wanted))
  for (let round = 0; round < rounds; round++) {
    // Each comes first as often as the other.
    for (const { work, subject, costs } of round % 2 === 0 ? sides : sides.toReversed())
      costs.push(await costOf(work, subject, row, requests))
  }
  const [ours = [], reference = []] = sides.map(({ costs }) => costs)
  const isFaster = row.goal === null ? 'least' in row.room : 'least' in row.goal
  const ratios = ours.map((cost, i) => (isFaster ? (reference[i] ?? 0) / cost : cost / (reference[i] ?? 0)))
  return { row, ours: spreadOf(ours), reference: spreadOf(reference), ratio: spreadOf(ratios), requests }
}

const SAME = { of: 'request', from: (cost: number) => cost }

/** Whether a ratio keeps to a goal. */
export const isMet = (ratio: number, goal: Goal): boolean =>
  'least' in goal ? ratio >= goal.least : ratio <= goal.most

/** A goal as it is written. */
export const written = (goal: Goal | null): string =>
  goal === null ? '' : 'least' in goal ? `≥ ${goal.least}` : `≤ ${goal.most}`
