// The disk of one Durable Object over SQLite in memory. Writes between two awaits are one commit; a commit is confirmed
// some time later; a crash takes back what is not. The alarm is part of the commit.
import type { SQLInputValue } from 'node:sqlite'
import { context, type Process, type World } from './clock.ts'
import { type Cursor, execute, giveDatabase, prepare, takeDatabase } from './sql.ts'

/** `ctx.storage`, as far as it is imitated. */
export type Storage = {
  readonly sql: { exec(query: string, ...bindings: unknown[]): Cursor; readonly databaseSize: number }
  transactionSync<Value>(act: () => Value): Value
  sync(): Promise<void>
  getAlarm(): Promise<number | null>
  setAlarm(at: number | Date): Promise<void>
  deleteAlarm(): Promise<void>
  deleteAll(): Promise<void>
}

/** What outlives the object: its data, its alarm, and the counts that tests ask for. */
export type Disk = {
  /** `ctx.storage` for one life of the object. */
  open(process: Process): Storage
  /** Sends when everything written so far is confirmed, at once if it is. Dropped at a crash. */
  gate(send: () => void): void
  /** Loses what is not confirmed, but for the first `keeps` commits: those had reached the disk, unheard of. */
  crash(keeps: number): void
  /** How many commits have been made, also of those that were lost. One ends at each await: less is not promised. */
  commits(): number
  /** How often the disk was written: workerd gathers what is written until everything waits for an event. */
  flushes(): number
  unconfirmed(): number
  /** Reads for a judge, past the object: what is on disk and what is about to be. */
  read(query: string, ...bindings: SQLInputValue[]): Record<string, unknown>[]
  /** The alarm as the platform's scheduler knows it: that of the last confirmed commit (milliseconds). */
  armedMs(): number | null
  /** While an alarm runs, it is null to the object; what the handler sets is its own. */
  beginAlarm(): void
  /** The handler is over. `isDone`: the alarm goes, unless the handler has set it anew. */
  endAlarm(isDone: boolean): void
}

type Commit = { seq: number; writes: number; savepoint: string; alarmBefore: number | null; alarmAfter: number | null }

/**
 * A new, empty disk. `onArmed` hears each time the alarm has changed for good. It goes when the world closes.
 */
export function createDisk(world: World, name: string, onArmed: () => void): Disk {
  const database = takeDatabase()
  const { db } = database
  db.exec('BEGIN')
  world.closing.push(() => {
    db.exec('ROLLBACK')
    giveDatabase(database)
  })

  let alarmMs: number | null = null
  let armedMs: number | null = null
  /** And the handler has not set the alarm itself. */
  let isAlarmRunning = false
  /** Written, in order, and not confirmed; the last may still be open. */
  let commits: Commit[] = []
  let open: Commit | null = null
  let savepoints = 0
  let seq = 0
  let made = 0
  let flushed = 0
  let lastStep = -1
  let lastConfirmMs = 0
  /** Counts crashes: confirmations of an earlier life come to nothing. */
  let life = 0
  let held: { seq: number; send: () => void }[] = []

  /** The commit of this turn, which ends at the next await. */
  const begin = (): Commit => {
    if (open) return open
    const savepoint = `c${savepoints++}`
    db.exec(`SAVEPOINT ${savepoint}`)
    const commit: Commit = { seq: ++seq, writes: 0, savepoint, alarmBefore: alarmMs, alarmAfter: alarmMs }
    open = commit
    commits.push(commit)
    const began = life
    queueMicrotask(() => life === began && close(commit))
    return commit
  }
  const write = () => {
    begin().writes += 1
  }
  const close = (commit: Commit) => {
    if (open !== commit) return
    open = null
    commit.alarmAfter = alarmMs
    if (commit.writes === 0) {
      commits = commits.filter((other) => other !== commit)
      return flush()
    }
    made += 1
    if (lastStep !== world.steps) flushed += 1
    lastStep = world.steps
    world.note(`${name} writes ${made}`)
    lastConfirmMs = Math.max(lastConfirmMs, world.now() + world.draw(world.latency.confirmMs))
    const began = life
    world.after(lastConfirmMs - world.now(), `${name} confirms ${made}`, () => {
      if (life !== began) return
      commits.shift()
      const isMoved = armedMs !== commit.alarmAfter
      armedMs = commit.alarmAfter
      flush()
      if (isMoved) onArmed()
    })
  }
  const flush = () => {
    const first = commits[0]?.seq ?? Number.POSITIVE_INFINITY
    if (commits.length === 0 && savepoints > 0) {
      db.exec('RELEASE c0')
      savepoints = 0
    }
    const free = held.filter((one) => one.seq < first)
    held = held.filter((one) => one.seq >= first)
    for (const { send } of free) send()
  }
  const gate = (send: () => void) => {
    if (commits.length === 0) send()
    else held.push({ seq, send })
  }
  const setAlarm = (at: number | null) => {
    write()
    alarmMs = at
    isAlarmRunning = false
  }

  function openStorage(process: Process): Storage {
    const live = () => {
      if (!process.isAlive) throw new Error(`${process.name} is dead, and touched its storage`)
    }
    return {
      sql: {
        get databaseSize() {
          live()
          const [row] = db
            .prepare('SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()')
            .all()
          return Number(row?.size ?? 0)
        },
        exec(query, ...bindings) {
          live()
          return execute(database, query, bindings, write)
        },
      },
      transactionSync(act) {
        live()
        const commit = begin()
        const writes = commit.writes
        const alarmBefore = alarmMs
        db.exec('SAVEPOINT t')
        try {
          const value = act()
          db.exec('RELEASE t')
          return value
        } catch (fault) {
          db.exec('ROLLBACK TO t; RELEASE t')
          alarmMs = alarmBefore
          commit.writes = writes
          throw fault
        }
      },
      sync: () =>
        new Promise((resolve) => {
          live()
          gate(resolve)
        }),
      // Not at once: others may come between.
      getAlarm: () =>
        new Promise((resolve) => {
          live()
          const value = isAlarmRunning ? null : alarmMs
          world.after(0, `${name} reads its alarm`, () => resolve(value), context())
        }),
      async setAlarm(at) {
        live()
        setAlarm(Math.max(typeof at === 'number' ? at : at.getTime(), world.now()))
      },
      async deleteAlarm() {
        live()
        setAlarm(null)
      },
      async deleteAll() {
        live()
        setAlarm(null)
        const tables = db.prepare("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')").all()
        for (const { name: table, type } of tables) {
          if (!String(table).startsWith('sqlite_')) db.exec(`DROP ${type} IF EXISTS "${table}"`)
        }
      },
    }
  }

  return {
    open: openStorage,
    gate,
    crash(keeps) {
      life += 1
      const lost = commits[keeps]
      if (lost) {
        db.exec(`ROLLBACK TO ${lost.savepoint}`)
        alarmMs = lost.alarmBefore
      }
      if (savepoints > 0) db.exec('RELEASE c0')
      savepoints = 0
      commits = []
      held = []
      open = null
      armedMs = alarmMs
      isAlarmRunning = false
    },
    commits: () => made,
    flushes: () => flushed,
    unconfirmed: () => commits.length,
    read: (query, ...bindings) => prepare(database, query).statement.all(...bindings),
    armedMs: () => armedMs,
    beginAlarm() {
      isAlarmRunning = true
    },
    endAlarm(isDone) {
      const isItsOwn = !isAlarmRunning
      isAlarmRunning = false
      if (isDone && !isItsOwn && alarmMs !== null) setAlarm(null)
    },
  }
}
