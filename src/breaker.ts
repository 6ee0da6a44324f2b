// Circuit breaker: which facilitators have failed several times in a row. They come last, and must show
// that they are there before they are sent anything. They are never left out: caution alone closes no site. It never fetches.

/** Failures in a row after which a facilitator is passed over, and for how long. */
const MOST_FAILURES = 3
const OPEN_MS = 30_000

type Health = { failures: number; openUntilMs: number }

/** What one isolate or object has learnt of its facilitators; forgetting it costs a call, never money. */
export class Breaker {
  readonly #health = new Map<string, Health>()

  /** Whether a facilitator has failed too often of late to be sent a payment unasked. */
  isOpen(base: string, nowMs: number): boolean {
    return (this.#health.get(base)?.openUntilMs ?? 0) > nowMs
  }

  /** The same list, with the failing ones at its end. */
  order(bases: readonly string[], nowMs: number): string[] {
    const isOpen = (base: string) => this.isOpen(base, nowMs)
    return [...bases.filter((base) => !isOpen(base)), ...bases.filter(isOpen)]
  }

  /** Notes how a call went. `answered` is false after a time-out, a broken connection or an error of the server. */
  note(base: string, answered: boolean, nowMs: number): void {
    if (answered) {
      this.#health.delete(base)
      return
    }
    const failures = (this.#health.get(base)?.failures ?? 0) + 1
    this.#health.set(base, { failures, openUntilMs: failures >= MOST_FAILURES ? nowMs + OPEN_MS : 0 })
  }
}
