// Many histories by seed in two processes: `npm run simulate -- --histories 1000 [--from 0] [--exhaust]`, or one with its
// trace: `--seed 7`. Prints counts and the seeds with a problem. Exit 1 when there is one.
import { type ChildProcess, fork } from 'node:child_process'
import { parseArgs } from 'node:util'
import { exhaust, exhaustPairs, PURCHASES } from './exhaustion.ts'
import { type Counts, type Outcome, playHistory } from './history.ts'

const PROCESSES = 2
/** Seeds that a process takes at once. */
const PART = 50
const PROGRESS_MS = 10_000
/** All pairs of mishaps. */
const ALL = Number.MAX_SAFE_INTEGER

type Part = { from: number; count: number }
type Done = { histories: number; steps: number; counts: Counts; bad: { seed: string; problems: string[] }[] }

const add = (a: Counts, b: Counts): Counts => ({
  payments: a.payments + b.payments,
  sent: a.sent + b.sent,
  paid: a.paid + b.paid,
  served: a.served + b.served,
  lasting: a.lasting + b.lasting,
})
const NONE: Counts = { payments: 0, sent: 0, paid: 0, served: 0, lasting: 0 }

async function playPart({ from, count }: Part): Promise<Done> {
  const done: Done = { histories: 0, steps: 0, counts: NONE, bad: [] }
  for (let seed = from; seed < from + count; seed++) {
    const { problems, steps, counts } = await playHistory(String(seed))
    done.histories += 1
    done.steps += steps
    done.counts = add(done.counts, counts)
    if (problems.length > 0) done.bad.push({ seed: String(seed), problems })
  }
  return done
}

/** One seed, twice, with its trace. */
async function playSeed(seed: string): Promise<void> {
  const [one, two]: Outcome[] = [await playHistory(seed, true), await playHistory(seed)]
  for (const line of one?.lines ?? []) console.log(line.slice(0, 400))
  console.log(`hash ${one?.hash}, again ${two?.hash}`)
  for (const problem of one?.problems ?? []) console.log(`PROBLEM ${problem}`)
  if (one?.hash !== two?.hash || (one?.problems.length ?? 0) > 0) process.exitCode = 1
}

async function playMany(from: number, histories: number): Promise<void> {
  const startedMs = Date.now()
  const parts: Part[] = []
  for (let at = from; at < from + histories; at += PART) {
    parts.push({ from: at, count: Math.min(PART, from + histories - at) })
  }
  const all: Done = { histories: 0, steps: 0, counts: NONE, bad: [] }
  const say = () => {
    const seconds = Math.round((Date.now() - startedMs) / 1000)
    console.log(`${all.histories} of ${histories} histories in ${seconds} s, ${all.bad.length} with a problem`)
  }
  const progress = setInterval(say, PROGRESS_MS)
  const children: ChildProcess[] = []
  const work = (child: ChildProcess) =>
    new Promise<void>((resolve, reject) => {
      const give = () => {
        const part = parts.shift()
        if (part) child.send(part)
        else resolve()
      }
      child.on('exit', (code) => reject(new Error(`a process ended with ${code}`)))
      child.on('message', (done: Done) => {
        all.histories += done.histories
        all.steps += done.steps
        all.counts = add(all.counts, done.counts)
        all.bad.push(...done.bad)
        for (const { seed, problems } of done.bad) console.log(`seed ${seed}:\n  ${problems.join('\n  ')}`)
        give()
      })
      give()
    })
  for (let i = 0; i < PROCESSES; i++) children.push(fork(import.meta.filename, ['--part']))
  try {
    await Promise.all(children.map(work))
  } finally {
    clearInterval(progress)
    for (const child of children) {
      child.removeAllListeners('exit')
      child.kill()
    }
  }
  say()
  console.log(`seeds ${from} to ${from + histories - 1}, ${all.steps} steps, ${JSON.stringify(all.counts)}`)
  if (all.bad.length === 0) return
  console.log(`seeds with a problem: ${all.bad.map(({ seed }) => seed).join(' ')}`)
  process.exitCode = 1
}

async function exhaustAll(): Promise<void> {
  for (const purchase of PURCHASES) {
    const one = await exhaust(purchase)
    const two = await exhaustPairs(purchase, ALL)
    console.log(`a purchase ${purchase.name}: ${one.runs} with one mishap, ${two.runs} with two`)
    for (const problem of [...one.bad, ...two.bad]) console.log(`  PROBLEM ${problem}`)
    if (one.bad.length + two.bad.length > 0) process.exitCode = 1
  }
}

const { values } = parseArgs({
  options: {
    histories: { type: 'string' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
    exhaust: { type: 'boolean', default: false },
    part: { type: 'boolean', default: false },
  },
})
if (values.part) {
  process.on('message', (part: Part) => {
    void playPart(part).then((done) => process.send?.(done))
  })
} else if (values.seed !== undefined) await playSeed(values.seed)
else if (values.histories === undefined && !values.exhaust) {
  console.log('npm run simulate -- --histories 1000 [--from 0] [--exhaust], or --seed 7')
  process.exitCode = 1
} else {
  if (values.histories !== undefined) await playMany(Number(values.from), Number(values.histories))
  if (values.exhaust) await exhaustAll()
}
