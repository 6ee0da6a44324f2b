// Settlements under way in this instance, and whether somebody waits for them. In memory; after a restart the records say
// what was open.
import type { Refusal } from '../errors.ts'
import { endsBy, HOLD_MS } from './waiting.ts'

/** Why an outcome is still open; null when it is not. */
export type Outcome = Refusal['code'] | null

export class Runs {
  readonly #running = new Map<string, Promise<Outcome>>()
  /** Payments whose request hung up, or was answered, while they were being settled. */
  readonly #abandoned = new Set<string>()

  has(key: string): boolean {
    return this.#running.has(key)
  }

  /** Whether a request waits for the settlement of its own payment. */
  isAwaited(key: string): boolean {
    return this.#running.has(key) && !this.#abandoned.has(key)
  }

  /** Starts a settlement, unless it is under way, and waits for it until `deadline` (milliseconds). */
  async finish(key: string, deadline: number, start: () => Promise<Outcome>): Promise<Outcome> {
    const isShared = this.#running.has(key)
    const why = await this.#join(key, deadline, start)
    // A run that was ending as this request came is no answer to it.
    const isEarly = Date.now() < deadline - HOLD_MS / 2
    return why && isShared && isEarly ? this.#join(key, deadline, start) : why
  }

  async #join(key: string, deadline: number, start: () => Promise<Outcome>): Promise<Outcome> {
    const shared = this.#running.get(key)
    const run = shared ?? start().finally(() => this.#running.delete(key))
    this.#running.set(key, run)
    if (await endsBy(run, deadline)) return run
    this.#abandoned.add(key)
    return shared ? 'payment_in_progress' : 'settlement_pending'
  }

  /** Nobody waits for this payment any more. */
  abandon(key: string): void {
    if (this.#running.has(key)) this.#abandoned.add(key)
  }

  /** Somebody asks for this payment, or sees to what is left of it. True when it had been abandoned. */
  resume(key: string): boolean {
    return this.#abandoned.delete(key)
  }
}
