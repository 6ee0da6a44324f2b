// Virtual time: a queue of events, the processes they belong to, and a trace whose hash is the same for the same seed.
// Time stands still while code runs. Nothing in here uses a thread pool, a real timer or real input and output.
import { AsyncLocalStorage } from 'node:async_hooks'
import { installGlobals } from './globals.ts'
import { createRandom, hash, type Random } from './random.ts'

/** What began at one message, and how many requests it has sent since (the platform counts these). */
export type Invocation = { readonly label: string; subrequests: number }

/**
 * Something that runs code and can die: a worker's request, one life of an object. Once dead, none of its timers,
 * replies or calls comes back to it, so its code stays where it was for good.
 */
export type Process = {
  readonly name: string
  isAlive: boolean
  /** Sends once all that the process has written so far is confirmed: the output gate. */
  gate: (send: () => void) => void
  /** What keeps it awake. */
  readonly busy: { timers: number; fetches: number; calls: number }
  /** Requests of `fetch` that wait for one of the platform's connections. */
  readonly waiting: (() => void)[]
  /** Called once, when it dies. */
  readonly onDeath: (() => void)[]
  /** Runs code as this process, as a new invocation. */
  run<Value>(label: string, act: () => Value): Value
  kill(): void
}

/** Who is running. */
export type Context = { readonly world: World; readonly process: Process; readonly invocation: Invocation }

export type Timer = { cancel(): void }

/** Bounds of a delay in milliseconds. */
export type Delay = readonly [low: number, high: number]

export type Latencies = {
  /** Between a write and its confirmation. */ confirmMs: Delay
  /** A call to an object, each way. */ callMs: Delay
  /** A request over the network, each way. */ fetchMs: Delay
  /** A statement of the ledger, each way. */ ledgerMs: Delay
}

export type World = {
  readonly seed: string
  readonly random: Random
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `act` after some milliseconds. With a context it runs as that process, and not at all if that is dead. */
  after(ms: number, label: string, act: () => void, context?: Context): Timer
  /** For the story itself; what is under test uses the platform's timers. */
  wait(ms: number): Promise<void>
  /** A delay drawn between two bounds. */
  draw(delay: Delay): number
  latency: Latencies
  process(name: string, gate?: Process['gate']): Process
  /** Adds a line to the trace. */
  note(line: string): void
  /** The hash of every line so far. */
  hash(): string
  /** The lines, when they are kept. */
  readonly lines: string[] | null
  /** How many events have happened. */
  steps: number
  /** Called before each event: the place to crash something at a numbered step. */
  beforeStep: ((step: number, label: string) => void) | null
  /** Called after each event, when everything has come to rest: the place to judge. */
  afterStep: (() => void) | null
  /** How many events are still to come. */
  pending(): number
  /** More requests of one invocation than this throw; the free plan has 50. */
  mostSubrequests: number
  /** The most that one invocation has made. */
  mostMade: number
  /** What answers at an origin. The wire asks it (`wire.ts`). */
  readonly routes: Map<string, unknown>
  /** Ends what the parts hold, such as databases, when the run is over. */
  readonly closing: (() => void)[]
}

type Event = {
  readonly at: number
  readonly seq: number
  readonly label: string
  readonly act: () => void
  readonly context: Context
  isCancelled: boolean
}

const running = new AsyncLocalStorage<Context>()

/** Who is running now; undefined outside of any simulation. */
export const context = (): Context | undefined => running.getStore()

/** Who is running now; what the imitated platform offers is of no use elsewhere. */
export function here(): Context {
  const found = running.getStore()
  if (!found) throw new Error('this belongs to a simulation, and none is running here')
  return found
}

const START_MS = Date.UTC(2026, 9, 1)
/** Quick and uneven, so that most orders come up. */
const LATENCY: Latencies = { confirmMs: [2, 12], callMs: [1, 15], fetchMs: [5, 60], ledgerMs: [5, 40] }

const worlds = new WeakMap<World, { take(): Event | null; story: Context }>()

export function createWorld(options: { seed: string; startMs?: number; keepsLines?: boolean }): World {
  let nowMs = options.startMs ?? START_MS
  let seq = 0
  let [one, two] = [hash(options.seed, 1), hash(options.seed, 2)]
  const queue = createQueue()
  const random = createRandom(options.seed)
  const chance = random.fork('delays')
  const lines: string[] | null = options.keepsLines ? [] : null

  const world: World = {
    seed: options.seed,
    random,
    latency: { ...LATENCY },
    lines,
    steps: 0,
    beforeStep: null,
    afterStep: null,
    mostSubrequests: Number.POSITIVE_INFINITY,
    mostMade: 0,
    routes: new Map(),
    closing: [],
    now: () => nowMs,
    after(ms, label, act, of = story) {
      const event: Event = {
        at: nowMs + (ms > 0 ? ms : 0),
        seq: seq++,
        label,
        act,
        context: of,
        isCancelled: false,
      }
      queue.add(event)
      return {
        cancel() {
          event.isCancelled = true
        },
      }
    },
    wait: (ms) => new Promise((resolve) => world.after(ms, 'wait', resolve, running.getStore() ?? story)),
    draw: ([low, high]) => chance.between(low, high),
    process: (name, gate = (send) => send()) => createProcess(world, name, gate),
    note(line) {
      lines?.push(`${nowMs - START_MS} ${line}`)
      one = Math.imul(one ^ nowMs, 0x01000193)
      for (let i = 0; i < line.length; i++) one = Math.imul(one ^ line.charCodeAt(i), 0x01000193)
      two = Math.imul(two ^ one ^ Math.floor(nowMs / 65_536), 0x85ebca6b) + (two >>> 13)
    },
    hash: () => (one >>> 0).toString(16).padStart(8, '0') + (two >>> 0).toString(16).padStart(8, '0'),
    pending: () => queue.size(),
  }
  const story: Context = {
    world,
    process: createProcess(world, 'story', (send) => send()),
    invocation: { label: 'story', subrequests: 0 },
  }
  const take = () => {
    for (;;) {
      const event = queue.take()
      if (!event) return null
      if (event.isCancelled || !event.context.process.isAlive) continue
      nowMs = Math.max(nowMs, event.at)
      return event
    }
  }
  worlds.set(world, { take, story })
  return world
}

function createProcess(world: World, name: string, gate: Process['gate']): Process {
  const process: Process = {
    name,
    isAlive: true,
    gate,
    busy: { timers: 0, fetches: 0, calls: 0 },
    waiting: [],
    onDeath: [],
    run: (label, act) => running.run({ world, process, invocation: { label, subrequests: 0 } }, act),
    kill() {
      if (!process.isAlive) return
      process.isAlive = false
      world.note(`${name} dies`)
      for (const mourn of process.onDeath.splice(0)) mourn()
    },
  }
  return process
}

/** Counts a request against the invocation that sends it, as the platform does. */
export function countSubrequest({ world, invocation }: Context): void {
  invocation.subrequests += 1
  world.mostMade = Math.max(world.mostMade, invocation.subrequests)
  if (invocation.subrequests > world.mostSubrequests) throw new Error('Too many subrequests.')
}

/** More steps than this in one run are a circle. */
const MOST_STEPS = 1_000_000

/**
 * Plays a story in a world to its end, and hands back what it returns. The platform's clocks, timers, randomness and
 * `fetch` are replaced meanwhile, for code that the story runs. Throws when nothing is left to happen and the story
 * still waits. What is still to come when the story ends does not happen.
 */
export async function run<Value>(world: World, story: () => Promise<Value>, mostSteps = MOST_STEPS): Promise<Value> {
  const inside = worlds.get(world)
  if (!inside) throw new Error('a world is made by createWorld, and is played once')
  worlds.delete(world)
  const restore = installGlobals()
  try {
    return await new Promise<Value>((resolve, reject) => {
      let isOver = false
      const end = (act: () => void) => {
        isOver = true
        act()
      }
      const next = () => {
        if (isOver) return
        try {
          world.afterStep?.()
          const event = inside.take()
          if (!event) throw new Error('nothing is left to happen, and the story still waits')
          world.steps += 1
          if (world.steps > mostSteps) throw new Error('the story does not end')
          world.beforeStep?.(world.steps, event.label)
          // What came before the step may have killed it.
          if (event.context.process.isAlive && !event.isCancelled) {
            world.note(event.label)
            running.run(event.context, event.act)
          }
        } catch (fault) {
          return end(() => reject(fault))
        }
        // By then every microtask has run: everything waits for the next event.
        setImmediate(next)
      }
      running.run(inside.story, story).then(
        (value) => end(() => resolve(value)),
        (fault) => end(() => reject(fault)),
      )
      setImmediate(next)
    })
  } finally {
    restore()
    for (const close of world.closing.splice(0)) close()
  }
}

/** A binary heap: the earliest first, and of those the first that was added. */
function createQueue() {
  const heap: Event[] = []
  const isBefore = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.seq < b.seq)
  return {
    size: () => heap.filter(({ isCancelled, context: { process } }) => !isCancelled && process.isAlive).length,
    add(event: Event): void {
      let i = heap.push(event) - 1
      while (i > 0) {
        const up = (i - 1) >> 1
        const parent = heap[up]
        if (!parent || !isBefore(event, parent)) break
        heap[i] = parent
        heap[up] = event
        i = up
      }
    },
    take(): Event | undefined {
      const [first] = heap
      const last = heap.pop()
      if (!first || !last || heap.length === 0) return first
      let i = 0
      for (;;) {
        const left = 2 * i + 1
        let least = left
        const [a, b] = [heap[left], heap[left + 1]]
        if (a && b && isBefore(b, a)) least = left + 1
        const child = heap[least]
        if (!child || !isBefore(child, last)) break
        heap[i] = child
        i = least
      }
      heap[i] = last
      return first
    },
  }
}
