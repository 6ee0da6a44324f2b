// What is under way in this instance, all in memory: who asks, who settles, who is being handed the content. After a
// restart the records say what was open, and nobody is waiting.
import { within } from '../waiting.ts'

/** Requests one payer may have waiting at once; more are told to come again. */
const MOST_HELD = 128
/** No request is held for longer. */
const LONGEST_WAIT_MS = 25_000
/** A worker says every 20 s that it is still handing out; one that says nothing for this long is gone. */
const SILENCE_MS = 45_000

/** One request, held. */
export type Held = {
  isGone(): boolean
  /** The value of a promise; null when `deadlineMs` comes, or the client hangs up, before it. */
  wait<Value>(promise: Promise<Value>, deadlineMs: number): Promise<{ value: Value } | null>
}

/** A request that is held. A call that broke off is made again with the same id: `calls` of them are here. */
type HeldRequest = {
  key: string
  person: string
  calls: number
  isGone: boolean
  gone: Promise<void>
  hangUp: () => void
}
type Lease = { number: number; heardAtMs: number; ended: Promise<void>; end: () => void }

export class InFlight<Outcome> {
  readonly #asking = new Map<string, HeldRequest>()
  readonly #runs = new Map<string, Promise<Outcome>>()
  readonly #leases = new Map<string, Lease>()

  /** Null when too many requests of a person are held already. Each `enter` needs its `leave`. */
  enter(requestId: string, key: string, person: string): Held | null {
    const known = this.#asking.get(requestId)
    const held = [...this.#asking.values()].filter((other) => other.person === person).length
    if (!known && held >= MOST_HELD) return null
    const { promise, resolve } = Promise.withResolvers<void>()
    const asking: HeldRequest = known ?? { key, person, calls: 0, isGone: false, gone: promise, hangUp: resolve }
    asking.calls += 1
    this.#asking.set(requestId, asking)
    return {
      isGone: () => asking.isGone,
      async wait(awaited, deadlineMs) {
        const either = Promise.race([awaited.then((value) => ({ value })), asking.gone.then(() => null)])
        // A clock that is set back makes nobody wait for longer.
        return within(either, Math.min(LONGEST_WAIT_MS, deadlineMs - Date.now()))
      },
    }
  }

  leave(requestId: string): void {
    const asking = this.#asking.get(requestId)
    if (!asking) return
    asking.calls -= 1
    if (asking.calls === 0) this.#asking.delete(requestId)
  }

  /** The client of this request hung up; other requests with the same payment stay. */
  hangUp(requestId: string): void {
    const asking = this.#asking.get(requestId)
    if (!asking) return
    asking.isGone = true
    asking.hangUp()
  }

  /** Whether a request that has not hung up waits for this very payment. */
  isAwaited(key: string): boolean {
    return [...this.#asking.values()].some((asking) => asking.key === key && !asking.isGone)
  }

  isRunning(key: string): boolean {
    return this.#runs.has(key)
  }

  /** The settlement under way, or a new one. It goes on when a client hangs up. */
  run(key: string, start: () => Promise<Outcome>): Promise<Outcome> {
    const shared = this.#runs.get(key)
    if (shared) return shared
    const run = start().finally(() => this.#runs.delete(key))
    this.#runs.set(key, run)
    return run
  }

  /** The content of a payment is being handed out. `number` counts its handouts. */
  lease(key: string, number: number): void {
    this.endLease(key, this.#leases.get(key)?.number ?? number)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#leases.set(key, { number, heardAtMs: Date.now(), ended: promise, end: resolve })
  }

  isHandedOut(key: string): boolean {
    const lease = this.#leases.get(key)
    return lease !== undefined && Math.abs(Date.now() - lease.heardAtMs) < SILENCE_MS
  }

  /** The worker has said that it is still handing out. */
  renewLease(key: string, number: number): void {
    const lease = this.#leases.get(key)
    if (!lease) this.lease(key, number)
    else if (lease.number === number) lease.heardAtMs = Date.now()
  }

  /** Ends a lease, unless it has ended already or the next handout has begun. */
  endLease(key: string, number: number): void {
    const lease = this.#leases.get(key)
    if (lease?.number !== number) return
    this.#leases.delete(key)
    lease.end()
  }

  /** When a handout ends: by its report, or at a time (milliseconds) if nothing is heard until then. */
  leaseOf(key: string): { ended: Promise<void>; silentAtMs: number } | null {
    const lease = this.#leases.get(key)
    return lease && this.isHandedOut(key) ? { ended: lease.ended, silentAtMs: lease.heardAtMs + SILENCE_MS } : null
  }
}
