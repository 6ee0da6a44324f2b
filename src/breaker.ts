// Circuit breaker: which facilitators have failed several times in a row. They come last, and must show that they are there
// before they are sent anything. They are never left out: caution alone closes no site. Only one that has asked for a rest,
// or does not take our key, is left alone for as long. It never fetches.

/** Failures in a row after which a facilitator is passed over, and for how long. */
const MOST_FAILURES = 3
const OPEN_MS = 30_000
/** No word of a facilitator's closes the site for longer. */
const LONGEST_REST_MS = 300_000

type Health = { failures: number; openUntilMs: number; restsUntilMs: number; answeredAtMs: number }
type Named = { url: string }

const UNKNOWN: Health = { failures: 0, openUntilMs: 0, restsUntilMs: 0, answeredAtMs: 0 }

/** What one isolate or object has learnt of its facilitators; forgetting it costs a call, never money. */
export class Breaker {
  readonly #health = new Map<string, Health>()

  /** Whether a facilitator has failed too often of late to be sent a payment unasked. */
  isOpen({ url }: Named, nowMs: number): boolean {
    return this.#of(url).openUntilMs > nowMs
  }

  /** The same list without those that rest, and with the failing ones at its end. */
  order<Facilitator extends Named>(facilitators: readonly Facilitator[], nowMs: number): Facilitator[] {
    const awake = facilitators.filter(({ url }) => this.#of(url).restsUntilMs <= nowMs)
    const isOpen = (facilitator: Facilitator) => this.isOpen(facilitator, nowMs)
    return [...awake.filter((facilitator) => !isOpen(facilitator)), ...awake.filter(isOpen)]
  }

  /** Notes how a call went. `answered` is false after a time-out, a broken connection or an error of the server. */
  note({ url }: Named, answered: boolean, nowMs: number): void {
    const { failures, restsUntilMs, answeredAtMs } = this.#of(url)
    if (answered) {
      this.#health.set(url, { ...UNKNOWN, restsUntilMs, answeredAtMs: nowMs })
      return
    }
    const more = failures + 1
    const openUntilMs = more >= MOST_FAILURES ? nowMs + OPEN_MS : 0
    this.#health.set(url, { failures: more, openUntilMs, restsUntilMs, answeredAtMs })
  }

  /** Leaves a facilitator alone for a while: five minutes at most. */
  rest({ url }: Named, forMs: number, nowMs: number): void {
    const known = this.#of(url)
    const untilMs = nowMs + Math.min(forMs, LONGEST_REST_MS)
    this.#health.set(url, { ...known, restsUntilMs: Math.max(known.restsUntilMs, untilMs) })
  }

  /** When a facilitator last answered; null where it has not yet. */
  answeredAtMs({ url }: Named): number | null {
    return this.#of(url).answeredAtMs || null
  }

  #of(url: string): Health {
    return this.#health.get(url) ?? UNKNOWN
  }
}
