// One call to an object: copies of values, the way there and back, and what a caller hears when the object dies.
import { type Context, countSubrequest, here, type World } from './clock.ts'

export type Call = {
  readonly method: string
  readonly given: unknown[]
  /** Answers the caller, after the way back. */
  succeed(value: unknown): void
  fail(fault: Error): void
}
export type StubState = { broken: Error | null; lastArrivalMs: number; begun: Map<string, number> }

/** A call, from the caller's gate to the answer. */
export function callOver(
  world: World,
  target: string,
  state: StubState,
  method: string,
  given: unknown[],
  deliver: (call: Call) => void,
): Promise<unknown> {
  const of: Context = here()
  const { process } = of
  countSubrequest(of)
  const copied = given.map(copy)
  return new Promise((resolve, reject) => {
    if (state.broken) return reject(state.broken)
    process.busy.calls += 1
    const back = (act: () => void) =>
      world.after(
        world.draw(world.latency.callMs),
        `${target}.${method} answers ${process.name}`,
        () => {
          process.busy.calls -= 1
          act()
        },
        of,
      )
    const call: Call = {
      method,
      given: copied,
      succeed(value) {
        const result = copy(value)
        back(() => resolve(result))
      },
      fail(fault) {
        // Only a death breaks the stub; what a method throws is an answer.
        if (isDeath(fault)) state.broken = fault
        back(() => reject(fault))
      },
    }
    process.gate(() => {
      state.lastArrivalMs = Math.max(state.lastArrivalMs, world.now() + world.draw(world.latency.callMs))
      world.after(state.lastArrivalMs - world.now(), `${process.name} calls ${target}.${method}`, () => deliver(call))
    })
  })
}

const deaths = new WeakSet<Error>()

/** Of the object's death, not an answer: the stub that hears of it is of no more use. */
export const markDeath = (fault: Error): void => {
  deaths.add(fault)
}
const isDeath = (fault: Error) => deaths.has(fault)

/** What callers of an object that dies are told. */
export const deathOf = (isRetryable: boolean): Error =>
  isRetryable
    ? Object.assign(new Error('Durable Object reset because its code was updated.'), { retryable: true })
    : new Error('Network connection lost.')

/** An error as it comes out of a call. */
export const errorOf = (fault: unknown): Error => {
  const { message, name } = fault instanceof Error ? fault : new Error(String(fault))
  return Object.assign(new Error(message), { name, remote: true })
}

/** A copy as structured cloning makes it, of plain values only: the platform sends no instances of classes. */
export function copy(value: unknown): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new DOMException(`Could not serialize ${String(value)}`, 'DataCloneError')
  }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copy)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    const result: Record<string, unknown> = {}
    for (const [name, inner] of Object.entries(value)) result[name] = copy(inner)
    return result
  }
  if (value instanceof Map || value instanceof Set || value instanceof Date || value instanceof Error)
    return structuredClone(value)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return structuredClone(value)
  throw new DOMException(`Could not serialize object of type "${value.constructor.name}".`, 'DataCloneError')
}
