// Puts virtual clocks, timers, randomness, digests and `fetch` in the platform's place, for code that a simulation runs;
// any other code in the process keeps the real ones. What would leave for the thread pool is refused.
import { createHash } from 'node:crypto'
import { type Context, context, type Timer } from './clock.ts'
import { ed25519 } from './ed25519.ts'
import { virtualFetch } from './wire.ts'

type Restore = () => void

/** How `subtle` calls a digest, and how Node does. */
const DIGESTS: Record<string, string> = {
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
}
/** These run in a thread pool and come back when they like. */
const THREADED = [
  'sign',
  'verify',
  'encrypt',
  'decrypt',
  'importKey',
  'exportKey',
  'deriveBits',
  'deriveKey',
  'generateKey',
]

/** Replaces the globals; what it returns puts them back. */
export function installGlobals(): Restore {
  const put: Restore[] = []
  const replace = (target: object, key: string, value: unknown) => {
    const before = Object.getOwnPropertyDescriptor(target, key)
    Object.defineProperty(target, key, { value, configurable: true, writable: true, enumerable: true })
    put.push(() => {
      if (before) Object.defineProperty(target, key, before)
      else Reflect.deleteProperty(target, key)
    })
  }
  replaceClock(replace)
  replaceTimers(replace)
  replaceChance(replace)
  const realFetch = globalThis.fetch
  replace(globalThis, 'fetch', (input: string | URL | Request, init?: RequestInit) =>
    context() ? virtualFetch(input, init) : realFetch(input, init),
  )
  return () => {
    for (const restore of put.reverse()) restore()
  }
}

type Replace = (target: object, key: string, value: unknown) => void

function replaceClock(replace: Replace): void {
  const RealDate = Date
  const realNow = Date.now
  const now = () => context()?.world.now() ?? realNow()
  replace(RealDate, 'now', now)
  const construct = (target: typeof Date, given: unknown[], as: () => void) =>
    Reflect.construct(target, given.length === 0 ? [now()] : given, as)
  replace(globalThis, 'Date', new Proxy(RealDate, { construct }))
  const realPerformance = performance.now.bind(performance)
  replace(performance, 'now', () => context()?.world.now() ?? realPerformance())
}

/** Numbers far from the real ones, so that a real timer of the test runner is never taken for one of these. */
const FIRST_TIMER = 2 ** 40

function replaceTimers(replace: Replace): void {
  const real = { setTimeout, clearTimeout, setInterval, clearInterval }
  const timers = new Map<number, { timer: Timer; of: Context }>()
  let last = FIRST_TIMER
  const begin = (of: Context, ms: number | undefined, label: string, act: () => void): number => {
    const id = ++last
    of.process.busy.timers += 1
    const timer = of.world.after(
      ms ?? 0,
      label,
      () => {
        clear(id)
        act()
      },
      of,
    )
    timers.set(id, { timer, of })
    return id
  }
  const clear = (id: unknown) => {
    const found = typeof id === 'number' ? timers.get(id) : undefined
    if (!found || typeof id !== 'number') return false
    timers.delete(id)
    found.timer.cancel()
    found.of.process.busy.timers -= 1
    return true
  }
  replace(globalThis, 'setTimeout', (act: (...given: unknown[]) => void, ms?: number, ...given: unknown[]) => {
    const of = context()
    return of ? begin(of, ms, `timer of ${of.process.name}`, () => act(...given)) : real.setTimeout(act, ms, ...given)
  })
  replace(globalThis, 'clearTimeout', (id: Parameters<typeof clearTimeout>[0]) => {
    if (!clear(id)) real.clearTimeout(id)
  })
  const wait = (ms: number, options?: { signal?: AbortSignal }) =>
    new Promise<void>((resolve, reject) => {
      const of = context()
      if (!of) return real.setTimeout(resolve, ms)
      const signal = options?.signal
      if (signal?.aborted) return reject(signal.reason)
      const id = begin(of, ms, `wait of ${of.process.name}`, resolve)
      signal?.addEventListener('abort', () => clear(id) && reject(signal.reason), { once: true })
    })
  replace(globalThis, 'scheduler', { wait })
  const realTimeout = AbortSignal.timeout.bind(AbortSignal)
  replace(AbortSignal, 'timeout', (ms: number) => {
    const of = context()
    if (!of) return realTimeout(ms)
    const controller = new AbortController()
    const late = () => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'))
    begin(of, ms, `time limit of ${of.process.name}`, late)
    return controller.signal
  })
  replace(globalThis, 'setInterval', (act: () => void, ms?: number) => {
    if (context()) throw new Error('the simulator has no intervals')
    return real.setInterval(act, ms)
  })
}

function replaceChance(replace: Replace): void {
  const realRandom = Math.random
  replace(Math, 'random', () => context()?.world.random.next() ?? realRandom())
  const realValues = crypto.getRandomValues.bind(crypto)
  replace(crypto, 'getRandomValues', <Bytes extends ArrayBufferView<ArrayBuffer>>(bytes: Bytes): Bytes => {
    const of = context()
    if (!of) return realValues(bytes)
    of.world.random.fill(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    return bytes
  })
  const realUuid = crypto.randomUUID.bind(crypto)
  replace(crypto, 'randomUUID', () => {
    const hex = context()?.world.random.hex(16).slice(2)
    if (hex === undefined) return realUuid()
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
  })
  const { subtle } = crypto
  const realDigest = subtle.digest.bind(subtle)
  replace(
    subtle,
    'digest',
    async (algorithm: string | { name: string }, data: ArrayBuffer | ArrayBufferView<ArrayBuffer>) => {
      if (!context()) return realDigest(algorithm, data)
      const name = DIGESTS[(typeof algorithm === 'string' ? algorithm : algorithm.name).toUpperCase()]
      if (name === undefined) throw new Error('no such digest')
      const bytes = ArrayBuffer.isView(data)
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : new Uint8Array(data)
      return new Uint8Array(createHash(name).update(bytes).digest()).buffer
    },
  )
  for (const name of THREADED) {
    const realOne: unknown = Reflect.get(subtle, name)
    if (typeof realOne !== 'function') continue
    replace(subtle, name, (...given: unknown[]) => {
      const done = context() ? ed25519(name, given) : null
      if (done) return done
      if (context()) throw new Error(`the simulator has no crypto.subtle.${name}: it would leave for the thread pool`)
      return Reflect.apply(realOne, subtle, given)
    })
  }
}
