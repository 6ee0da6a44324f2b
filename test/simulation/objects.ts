// Durable Objects: made on demand, called by copies of values, one life after another over the same disk. A crash loses
// what is not confirmed, the answers behind it, and whoever was running.
import { type Call, callOver, deathOf, errorOf, markDeath, type StubState } from './calls.ts'
import type { Process, World } from './clock.ts'
import { createDisk, type Disk, type Storage } from './storage.ts'

/** `ctx` of an object. */
export type ObjectContext = {
  readonly id: { toString(): string; readonly name: string }
  readonly storage: Storage
  waitUntil(promise: Promise<unknown>): void
  blockConcurrencyWhile<Value>(act: () => Promise<Value>): Promise<Value>
  abort(reason?: string): void
}

export type Stub = Record<string, (...given: unknown[]) => Promise<unknown>>

/** What `env` has for a class of objects. */
export type Binding = {
  idFromName(name: string): { toString(): string; readonly name: string }
  get(id: { readonly name: string }): Stub
  getByName(name: string): Stub
}

export type CrashOptions = {
  /** Whether callers are told that they may call again (`error.retryable`), or only that the connection is gone. */
  isRetryable?: boolean
  /** Commits that had reached the disk although nobody heard of it. */
  keeps?: number
}

export type Namespace = {
  readonly binding: Binding
  /** Kills an object in the middle of whatever it does. False when it is not in memory. */
  crash(name: string, options?: CrashOptions): boolean
  /** Takes an idle object out of memory, as the platform does; false when it is not idle. */
  evict(name: string): boolean
  /** Whether nothing keeps it awake: no call, no alarm, no timer, no request, nothing unconfirmed. */
  isIdle(name: string): boolean
  isInMemory(name: string): boolean
  names(): string[]
  /** The disk, for a judge. Throws for a name nobody has used. */
  disk(name: string): Disk
  /** Constructs that were made, alarms that ran and alarms that were given up, for all objects together. */
  readonly counts: { constructed: number; alarms: number; alarmsGivenUp: number }
}

export type NamespaceOptions = {
  world: World
  /** Called for every life; may throw. `(ctx, env) => new Payer(ctx, env)`. */
  create: (ctx: ObjectContext) => object
  /** What an object is called in the trace. */
  label?: string
  /** An object that has been idle for so long (milliseconds) is evicted; null: never by itself. */
  sleepsAfterMs?: number | null
}

/** The platform tries an alarm again six times, first after two seconds, then after twice as long each time. */
const ALARM_RETRIES = 6
const FIRST_RETRY_MS = 2_000
const SLEEPS_AFTER_MS = 10_000

/** One life of an object. */
type Life = {
  process: Process
  instance: object
  calls: Set<Call>
  background: number
  blocked: Promise<unknown> | null
  queue: (() => void)[]
}
type Entry = {
  name: string
  disk: Disk
  life: Life | null
  /** `forMs` is the time it is, or was, due at; `run` tells one run from the next. */
  alarm: { timer: { cancel(): void } | null; forMs: number | null; isRunning: boolean; retries: number; run: number }
}

export function createNamespace({
  world,
  create,
  label = 'object',
  sleepsAfterMs = SLEEPS_AFTER_MS,
}: NamespaceOptions): Namespace {
  const entries = new Map<string, Entry>()
  const counts = { constructed: 0, alarms: 0, alarmsGivenUp: 0 }
  let lives = 0

  const entryOf = (name: string): Entry => {
    const found = entries.get(name)
    if (found) return found
    const disk = createDisk(world, `${label} ${name}`, () => schedule(entry))
    const entry: Entry = {
      name,
      disk,
      life: null,
      alarm: { timer: null, forMs: null, isRunning: false, retries: 0, run: 0 },
    }
    entries.set(name, entry)
    return entry
  }

  /** The object in memory; constructs it. Throws what its constructor throws. */
  const wake = (entry: Entry): Life => {
    if (entry.life) return entry.life
    const process = world.process(`${label} ${entry.name} #${++lives}`, entry.disk.gate)
    const life: Life = { process, instance: {}, calls: new Set(), background: 0, blocked: null, queue: [] }
    entry.life = life
    counts.constructed += 1
    try {
      life.instance = process.run('constructor', () => create(contextOf(entry, life)))
    } catch (fault) {
      if (entry.life === life) end(entry, errorOf(fault), 0)
      throw fault
    }
    return life
  }

  const contextOf = (entry: Entry, life: Life): ObjectContext => ({
    id: { name: entry.name, toString: () => entry.name },
    storage: entry.disk.open(life.process),
    waitUntil(promise) {
      life.background += 1
      const done = () => {
        life.background -= 1
        rest(entry, life)
      }
      promise.then(done, (fault: unknown) => {
        world.note(`${life.process.name} failed in the background: ${String(fault)}`)
        done()
      })
    },
    async blockConcurrencyWhile(act) {
      const blocked = act()
      life.blocked = blocked
      try {
        const value = await blocked
        life.blocked = null
        for (const deliver of life.queue.splice(0)) deliver()
        return value
      } catch (fault) {
        if (entry.life === life) end(entry, errorOf(fault), 0)
        throw fault
      }
    },
    abort(reason = 'Application called abort() to reset Durable Object.') {
      if (entry.life === life) end(entry, new Error(reason), 0)
    },
  })

  /** Ends a life: callers hear of it, what is not confirmed is gone. */
  const end = (entry: Entry, fault: Error, keeps: number) => {
    const { life } = entry
    if (!life) return
    markDeath(fault)
    entry.life = null
    life.process.kill()
    entry.disk.crash(keeps)
    for (const call of life.calls) call.fail(fault)
    const { alarm } = entry
    alarm.run += 1
    if (alarm.isRunning) retryAlarm(entry)
    else schedule(entry)
  }

  /** Runs something in an object once it takes calls. */
  const enter = (life: Life, act: () => void) => {
    if (life.blocked) life.queue.push(act)
    else act()
  }

  const deliver = (entry: Entry, call: Call) => {
    let life: Life
    try {
      life = wake(entry)
    } catch (fault) {
      return call.fail(errorOf(fault))
    }
    life.calls.add(call)
    enter(life, () => {
      const answer = (leave: () => void) =>
        entry.disk.gate(() => {
          if (!life.calls.delete(call)) return
          leave()
          rest(entry, life)
        })
      life.process
        .run(call.method, () => invoke(life.instance, call))
        .then(
          (value) => life.process.isAlive && answer(() => call.succeed(value)),
          (fault: unknown) => life.process.isAlive && answer(() => call.fail(errorOf(fault))),
        )
    })
  }

  const get = (name: string): Stub => {
    /** A stub whose object died is of no more use; calls over one stub arrive in order. */
    const state: StubState = { broken: null, lastArrivalMs: 0, begun: new Map() }
    const send = (method: string, given: unknown[]) =>
      callOver(world, `${label} ${name}`, state, method, given, (call) => deliver(entryOf(name), call))
    const methods = new Map<string, (...given: unknown[]) => Promise<unknown>>()
    return new Proxy<Stub>(
      {},
      {
        get: (_, method) => {
          if (typeof method !== 'string' || method === 'then') return undefined
          const known = methods.get(method) ?? ((...given: unknown[]) => send(method, given))
          methods.set(method, known)
          return known
        },
      },
    )
  }

  /** Sets the platform's alarm clock to what the disk says. */
  const schedule = (entry: Entry) => {
    const { alarm, disk } = entry
    const at = disk.armedMs()
    // A retry is not put off, nor brought on, by a commit that leaves the alarm alone.
    if (alarm.isRunning || (alarm.timer && alarm.forMs === at)) return
    alarm.timer?.cancel()
    alarm.timer = null
    alarm.forMs = at
    alarm.retries = 0
    if (at === null) return
    alarm.timer = world.after(at - world.now(), `alarm of ${label} ${entry.name}`, () => ring(entry))
  }

  const ring = (entry: Entry) => {
    const { alarm, disk } = entry
    alarm.timer = null
    alarm.isRunning = true
    const run = ++alarm.run
    counts.alarms += 1
    let life: Life
    try {
      life = wake(entry)
    } catch {
      if (alarm.run === run) retryAlarm(entry)
      return
    }
    if (alarm.run !== run) return
    const over = (isDone: boolean) => {
      if (!life.process.isAlive || alarm.run !== run) return
      disk.endAlarm(isDone)
      disk.gate(() => {
        if (alarm.run !== run) return
        if (!isDone) return retryAlarm(entry)
        alarm.isRunning = false
        schedule(entry)
        rest(entry, life)
      })
    }
    enter(life, () => {
      disk.beginAlarm()
      const info = { retryCount: alarm.retries, isRetry: alarm.retries > 0, scheduledTime: alarm.forMs }
      life.process
        .run('alarm', async () => Reflect.apply(methodOf(life.instance, 'alarm'), life.instance, [info]))
        .then(
          () => over(true),
          (fault: unknown) => {
            if (life.process.isAlive) world.note(`${life.process.name} failed in its alarm: ${String(fault)}`)
            over(false)
          },
        )
    })
  }

  const retryAlarm = (entry: Entry) => {
    const { alarm, disk } = entry
    alarm.isRunning = false
    alarm.timer?.cancel()
    alarm.timer = null
    // What the handler set takes the place of a retry.
    if (disk.armedMs() !== alarm.forMs) return schedule(entry)
    if (alarm.retries >= ALARM_RETRIES) {
      counts.alarmsGivenUp += 1
      world.note(`${label} ${entry.name}: its alarm is given up`)
      disk.beginAlarm()
      disk.endAlarm(true)
      alarm.retries = 0
      return
    }
    const delayMs = FIRST_RETRY_MS * 2 ** alarm.retries
    alarm.retries += 1
    alarm.timer = world.after(delayMs, `alarm of ${label} ${entry.name} again`, () => ring(entry))
  }

  const isIdle = (entry: Entry): boolean => {
    const { life, disk, alarm } = entry
    if (!life) return true
    const { timers, fetches, calls } = life.process.busy
    return (
      life.calls.size + life.background + timers + fetches + calls + disk.unconfirmed() === 0 &&
      !alarm.isRunning &&
      !life.blocked
    )
  }

  /** Looks some time later whether the object has nothing left to do. */
  const rest = (entry: Entry, life: Life) => {
    if (sleepsAfterMs === null || life.calls.size > 0) return
    world.after(sleepsAfterMs, `${life.process.name} rests`, () => entry.life === life && evict(entry))
  }

  const evict = (entry: Entry): boolean => {
    if (!isIdle(entry)) return false
    entry.life?.process.kill()
    entry.life = null
    return true
  }

  return {
    binding: {
      idFromName: (name) => ({ name, toString: () => name }),
      get: ({ name }) => get(name),
      getByName: get,
    },
    crash(name, { isRetryable = true, keeps = 0 } = {}) {
      const entry = entries.get(name)
      if (!entry?.life) return false
      end(entry, deathOf(isRetryable), keeps)
      return true
    },
    evict: (name) => evict(entryOf(name)),
    isIdle: (name) => isIdle(entryOf(name)),
    isInMemory: (name) => entries.get(name)?.life != null,
    names: () => [...entries.keys()],
    disk(name) {
      const entry = entries.get(name)
      if (!entry) throw new Error(`there is no object ${name}`)
      return entry.disk
    },
    counts,
  }
}

function methodOf(instance: object, name: string): (...given: unknown[]) => unknown {
  const found: unknown = Reflect.get(instance, name)
  if (typeof found !== 'function') throw new TypeError(`The RPC receiver does not implement the method "${name}".`)
  return (...given) => Reflect.apply(found, instance, given)
}

async function invoke(instance: object, { method, given }: Call): Promise<unknown> {
  return methodOf(instance, method)(...given)
}
