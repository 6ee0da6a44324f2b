// What is not measured beside somebody: sizes, times and memory of newsstand alone.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Asked, sendAll, sendAtRate } from './load.ts'
import { quiet, type Spread, spreadOf } from './measure.ts'
import { asProgram, newPayer, type Payer, purchase } from './payments.ts'
import type { Start, SubjectName } from './subjects.ts'
import { startupMs, uploadParts } from './upload.ts'
import type { Running } from './workerd.ts'

/** One or more lines: what was measured, and what came of it. */
export type Line = { name: string; value: string; goal?: string }
export type Figure = { name: string; isLong?: true; measure: (start: Start) => Promise<Line[]> }

const MIB = 1024 * 1024
const ms = ({ median, least, most }: Spread) => `${median.toFixed(1)} ms (${least.toFixed(1)}–${most.toFixed(1)})`
const mib = (bytes: number) => `${(bytes / MIB).toFixed(0)} MiB`
const times = <Value>(count: number, make: (i: number) => Value): Value[] =>
  Array.from({ length: count }, (_, i) => make(i))
const quantile = (values: readonly number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
const pause = (time: number) => new Promise<void>((resolve) => void setTimeout(resolve, time))

const unpaid = (path: string): Asked => ({ path, headers: asProgram(), status: 402 })
const strangers = (count: number): Promise<Asked[]> =>
  Promise.all(times(count, (i) => purchase(newPayer(), `/once/${i % 1_000}`)))

/** Does something with a subject of its own. */
async function withSubject<Value>(start: Start, name: SubjectName, act: (subject: Running) => Promise<Value>) {
  const subject = await start(name)
  try {
    return await act(subject)
  } finally {
    await subject.stop()
  }
}

/** CPU of a request, in milliseconds, over several. */
async function cpuOf(subject: Running, asked: readonly Asked[], atOnce: number): Promise<number> {
  await quiet(subject)
  const before = subject.cpuMs()
  await sendAll(subject.port, asked, atOnce)
  await quiet(subject)
  return (subject.cpuMs() - before) / asked.length
}

/** Buys by so many new payers; what is signed is signed a part at a time, before that part is sent. */
async function sellTo(subject: Running, payers: number): Promise<void> {
  const PART = 500
  for (let sold = 0; sold < payers; sold += PART)
    await sendAll(subject.port, await strangers(Math.min(PART, payers - sold)), 16)
}

const STARTS = 5

/** What the first answer of a new isolate takes, and the next one. */
const firstAnswers = (start: Start) =>
  Promise.all(
    (['newsstand', '@x402/hono'] as const).map(async (name): Promise<Line> => {
      const first: number[] = []
      const second: number[] = []
      for (let i = 0; i < STARTS; i++) {
        await withSubject(start, name, async ({ port }) => {
          const { latencies } = await sendAll(port, [unpaid('/once/a'), unpaid('/once/b')], 1)
          first.push(latencies[0] ?? 0)
          second.push(latencies[1] ?? 0)
        })
      }
      return {
        name: `first 402 of a new isolate, ${name}`,
        value: `${ms(spreadOf(first))}, then ${ms(spreadOf(second))}`,
      }
    }),
  )

/** A payer's object that sleeps is woken by a purchase; the worker itself is awake. */
async function wakeUps(start: Start): Promise<Line[]> {
  const payer = newPayer()
  const woken: number[] = []
  const awake: number[] = []
  let subject = await start('newsstand')
  try {
    await sendAll(subject.port, [await purchase(payer, '/once/a')], 1)
    for (let i = 0; i < STARTS; i++) {
      await quiet(subject)
      subject = await subject.restart()
      const [asked, again] = await Promise.all([purchase(payer, '/once/b'), purchase(payer, '/once/c')])
      await sendAll(subject.port, [...(await strangers(3)), unpaid('/once/a')], 1)
      const { latencies } = await sendAll(subject.port, [asked, again], 1)
      woken.push(latencies[0] ?? 0)
      awake.push(latencies[1] ?? 0)
    }
  } finally {
    await subject.stop()
  }
  return [{ name: 'purchase that wakes its object', value: `${ms(spreadOf(woken))}; awake ${ms(spreadOf(awake))}` }]
}

/** workerd puts an object to sleep, and closes its file, 10 s after the last thing that kept it awake. */
async function awakeSeconds(subject: Running): Promise<number> {
  await sendAll(subject.port, await strangers(1), 1)
  const begun = performance.now()
  const isOpen = () => subject.openFiles().some((file) => /[0-9a-f]{64}\.sqlite$/.test(file))
  while (isOpen() && performance.now() - begun < AWAKE_LIMIT_MS) await pause(50)
  return (performance.now() - begun) / 1000
}
const AWAKE_LIMIT_MS = 60_000

async function sleeping(start: Start): Promise<Line[]> {
  const names = ['newsstand', 'floor A'] as const
  const [own = 0, floor = 0] = await Promise.all(names.map((name) => withSubject(start, name, awakeSeconds)))
  const value = `${(own - floor).toFixed(1)} s (asleep ${own.toFixed(1)} s after its answer, floor A ${floor.toFixed(1)} s)`
  return [{ name: 'an object is awake after a purchase, longer than floor A', value, goal: '≤ 2 s' }]
}

const memory = (payers: number) => (start: Start) =>
  withSubject(start, 'newsstand', async (subject) => {
    await sendAll(
      subject.port,
      times(200, (i) => unpaid(`/once/${i}`)),
      8,
    )
    const first = subject.residentBytes()
    await sendAll(
      subject.port,
      times(10_000, (i) => unpaid(`/once/other-${i}`)),
      8,
    )
    const addresses = subject.residentBytes()
    await sellTo(subject, payers)
    const sold = subject.residentBytes()
    const disk = readdirSync(subject.folder, { recursive: true, encoding: 'utf8' }).reduce((all, name) => {
      // Objects that fall asleep meanwhile take some of their files away.
      const found = statSync(join(subject.folder, name), { throwIfNoEntry: false })
      return all + (found?.isFile() ? found.blocks * 512 : 0)
    }, 0)
    const count = payers.toLocaleString('en')
    return [
      { name: 'memory after 200 402s, and after 10,000 more addresses', value: `${mib(first)}, ${mib(addresses)}` },
      {
        name: `memory after ${count} payers; on disk`,
        value: `${mib(sold)}; ${(disk / payers / 1024).toFixed(0)} KiB a payer`,
      },
    ]
  })

const SATURATION_PURCHASES = 400
const STEADY_SECONDS = 5

/** Purchases by new payers at shares of the rate at which no more are taken. Every one is answered. */
const latencies = (start: Start) =>
  withSubject(start, 'newsstand', async (subject): Promise<Line[]> => {
    await sellTo(subject, 200)
    const { seconds } = await sendAll(subject.port, await strangers(SATURATION_PURCHASES), 32)
    const most = SATURATION_PURCHASES / seconds
    const lines: Line[] = [{ name: 'purchases a second at most, new payers', value: most.toFixed(0) }]
    for (const share of [0.5, 0.8]) {
      const asked = await strangers(Math.round(most * share * STEADY_SECONDS))
      await quiet(subject)
      const { latencies } = await sendAtRate(subject.port, asked, most * share)
      const value = `p50 ${quantile(latencies, 0.5).toFixed(0)} ms, p99 ${quantile(latencies, 0.99).toFixed(0)} ms`
      lines.push({ name: `at ${share * 100} % of that, ${asked.length} purchases, all answered`, value })
    }
    return lines
  })

async function delays(start: Start): Promise<Line[]> {
  const lines: Line[] = []
  for (const delay of [0, 50, 500] as const) {
    const line = await withSubject(start, `newsstand, facilitator ${delay} ms`, async (subject) => {
      await sellTo(subject, 60)
      const asked = await strangers(80)
      await quiet(subject)
      const before = subject.cpuMs()
      const { latencies } = await sendAll(subject.port, asked, 8)
      await quiet(subject)
      const cpu = (subject.cpuMs() - before) / asked.length
      const value = `p50 ${quantile(latencies, 0.5).toFixed(0)} ms, ${cpu.toFixed(1)} ms of CPU`
      return { name: `purchase, 8 at once, facilitator takes ${delay} ms`, value }
    })
    lines.push(line)
  }
  return lines
}

/** Copies a payer's settled row, as a payer who has bought very often would have it. */
function fill(folder: string, rows: number): void {
  const [file = ''] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /[0-9a-f]{64}\.sqlite$/.test(name),
  )
  const db = new DatabaseSync(join(folder, file))
  const columns = db
    .prepare("SELECT name FROM pragma_table_info('payments')")
    .all()
    .map(({ name }) => String(name))
    .filter((name) => name !== 'seq')
  const values = columns.map((name) => {
    if (name === 'key') return "key || '|' || n"
    return name === 'tx' ? "tx || '|' || n" : name
  })
  db.exec(
    `WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ${rows})
     INSERT INTO payments (${columns.join(', ')})
     SELECT ${values.join(', ')} FROM (SELECT * FROM payments WHERE status = 'settled' LIMIT 1), counted`,
  )
  db.close()
}

async function crowdedObjects(start: Start): Promise<Line[]> {
  const costs = await Promise.all(
    [10, 20_000].map(async (rows) => {
      const payer: Payer = newPayer()
      let subject = await start('newsstand')
      try {
        await sendAll(subject.port, [await purchase(payer, '/once/a')], 1)
        await quiet(subject)
        subject = await subject.restart(() => fill(subject.folder, rows))
        const buy = (count: number) => Promise.all(times(count, (i) => purchase(payer, `/once/${i}`)))
        await sendAll(subject.port, await buy(40), 1)
        return await cpuOf(subject, await buy(60), 1)
      } finally {
        await subject.stop()
      }
    }),
  )
  const [few = 0, many = 0] = costs
  const value = `${few.toFixed(1)} ms, ${many.toFixed(1)} ms of CPU: × ${(many / few).toFixed(2)}`
  return [{ name: 'purchase by a payer with 10 rows, with 20,000', value }]
}

const download = (megabytes: number) => (start: Start) =>
  withSubject(start, 'newsstand', async (subject): Promise<Line[]> => {
    await sellTo(subject, 20)
    const asked = await purchase(newPayer(), `/once/${megabytes}mb`)
    await quiet(subject)
    let most = 0
    const watching = setInterval(() => {
      most = Math.max(most, subject.residentBytes())
    }, 50)
    const cpu = await cpuOf(subject, [asked], 1)
    clearInterval(watching)
    const value = `${(cpu / megabytes).toFixed(2)} ms of CPU a MB, ${mib(most)} at most`
    return [{ name: `${megabytes} MB bought`, value }]
  })

async function upload(start: Start): Promise<Line[]> {
  // It is built when it is first started.
  await withSubject(start, 'newsstand', () => Promise.resolve())
  const { parts, kib, gzipKib } = uploadParts()
  return [
    { name: 'upload', value: `${gzipKib.toFixed(1)} KiB gz, ${kib.toFixed(0)} KiB as it is`, goal: '≤ 250 KiB gz' },
    ...parts.map(([name, size]) => ({ name: `… ${name}`, value: `${size.toFixed(1)} KiB` })),
    { name: 'start-up CPU', value: ms(await startupMs()), goal: '≤ 20 ms' },
  ]
}

export const FIGURES: readonly Figure[] = [
  { name: 'upload and start-up', measure: upload },
  { name: 'first answer of a new isolate', measure: firstAnswers },
  { name: 'wake-up of a sleeping object', measure: wakeUps },
  { name: 'time awake after a purchase', measure: sleeping },
  { name: 'latency at 50 % and 80 % of saturation', measure: latencies },
  { name: 'facilitator delays', measure: delays },
  { name: 'payers with 10 and 20,000 rows', measure: crowdedObjects },
  { name: '100 MB', measure: download(100) },
  { name: 'memory', measure: memory(10_000) },
  { name: 'memory, 100,000 payers', isLong: true, measure: memory(100_000) },
  { name: '5 GB', isLong: true, measure: download(5_120) },
]
