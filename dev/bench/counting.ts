// What does not vary from run to run: how often newsstand asks whom, what its objects write, and in how many commits, for one request
// of each kind. Stand-ins count what they are asked, a module around the bundle what objects do, and the commits are read from
// what SQLite wrote.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { inCheckout } from '../stack/paths.ts'
import { type Asked, ask, sendAll } from './load.ts'
import { quiet } from './measure.ts'
import { newsstandOf } from './newsstand.ts'
import { asProgram, newPayer, payment, purchase } from './payments.ts'
import { startStandIns } from './stand-ins.ts'
import { type Running, start } from './workerd.ts'

/** What one request came to; what is not named did not happen. */
export type Count = Record<string, number>

const Told = z.record(z.string(), z.number())
const AROUND = inCheckout('dev/bench/subjects/counted.js')
/** Files of the format: https://www.sqlite.org/fileformat2.html#walformat */
const WAL = { header: 32, frameHeader: 24, pageSizeAt: 8, saltsAt: 16 }

/** Commits in the log of a database: frames that say how large the database is after them, since the log last began anew. */
export function commitsIn(log: Buffer): number {
  if (log.length < WAL.header) return 0
  const salts = log.subarray(WAL.saltsAt, WAL.saltsAt + 8)
  const size = WAL.frameHeader + log.readUInt32BE(WAL.pageSizeAt)
  let commits = 0
  for (let at = WAL.header; at + size <= log.length; at += size) {
    if (!log.subarray(at + 8, at + 16).equals(salts)) break
    if (log.readUInt32BE(at + 4) > 0) commits++
  }
  return commits
}

/** Commits of all objects so far. */
function commitsOf({ folder }: Running): number {
  const logs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /[0-9a-f]{64}\.sqlite-wal$/.test(name),
  )
  return logs.reduce((all, name) => all + commitsIn(readFileSync(join(folder, name))), 0)
}

/** Counts one request of each kind, in an isolate that has answered some before. `code`: the bundle. */
export async function countAll(code: string): Promise<Record<string, Count>> {
  const standIns = await startStandIns()
  const around = readFileSync(AROUND, 'utf8')
  const newsstand = await start({ ...newsstandOf(code, standIns), around }, standIns)
  const told = async () => Told.parse(JSON.parse((await ask(newsstand.port, COUNTS)).text))
  async function count(asked: Asked): Promise<Count> {
    await quiet(newsstand)
    await Promise.all([standIns.counts(), told()])
    const before = commitsOf(newsstand)
    await sendAll(newsstand.port, [asked], 1)
    await quiet(newsstand)
    const [others, own] = await Promise.all([standIns.counts(), told()])
    const commits = commitsOf(newsstand) - before
    const all = { ...others, ...own, ...(commits > 0 ? { commits } : {}) }
    return Object.fromEntries(Object.entries(all).toSorted(([a], [b]) => a.localeCompare(b)))
  }
  try {
    const known = newPayer()
    const bought = await purchase(known, '/once/known')
    // What an isolate asks once, it has asked by now.
    await sendAll(newsstand.port, [bought, { path: '/kv/a', headers: asProgram(), status: 402 }], 1)
    const pass = await passOf(newsstand)
    const paying = async (header: string, status: number): Promise<Asked> => ({
      path: '/once/a',
      headers: { ...asProgram(), 'PAYMENT-SIGNATURE': header },
      status,
    })
    return {
      '402, origin': await count({ path: '/once/a', headers: asProgram(), status: 402 }),
      '402, KV': await count({ path: '/kv/a', headers: asProgram(), status: 402 }),
      free: await count({ path: '/open/a', headers: asProgram(), status: 200 }),
      pass: await count({ path: '/lasting/a', headers: { ...asProgram(), Authorization: pass }, status: 200 }),
      'purchase, known payer': await count(await purchase(known, '/once/again')),
      'purchase, new payer': await count(await purchase(newPayer(), '/once/a')),
      'purchase of lasting access, new payer': await count(await purchase(newPayer(), '/lasting/a')),
      replay: await count({ ...bought, status: 402, code: 'payment_already_used' }),
      garbage: await count(await paying('garbage', 400)),
      'forged signature': await count(await paying(await payment(newPayer(), '/once/a', true), 402)),
    }
  } finally {
    await newsstand.stop()
    await standIns.stop()
  }
}

const COUNTS: Asked = { path: '/counts', headers: {}, status: 200 }

/** What a holder of a pass sends, bought here. */
export async function passOf({ port }: Running): Promise<string> {
  const { headers } = await ask(port, await purchase(newPayer(), '/lasting/a'))
  const [cookie = ''] = headers['set-cookie'] ?? []
  const token = /newsstand=([^;]+)/.exec(cookie)?.[1]
  if (token === undefined) throw new Error('no pass was sold')
  return `Bearer ${token}`
}
