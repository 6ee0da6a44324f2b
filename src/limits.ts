// What strangers may cost: payments that fail are counted per address, and those that a facilitator refused are
// remembered by the hash of the whole payment, so that a copy is refused for nothing. Never by nonce, which a stranger
// could have seen in somebody else's payment.
import type { Refusal } from './errors.ts'

/** How long an address that failed too often waits, and a refused payment is remembered. */
const REMEMBERED_MS = 60_000
/** Bounds the memory of an isolate; the oldest goes first. */
const MOST_REMEMBERED = 2_000

/** A bounded table whose entries fade. It lives in one isolate's memory: forgetting costs a call, never money. */
export class Fading<Value> {
  readonly #entries = new Map<string, { value: Value; untilMs: number }>()

  get(key: string, nowMs: number): Value | null {
    const entry = this.#entries.get(key)
    if (!entry) return null
    if (entry.untilMs > nowMs) return entry.value
    this.#entries.delete(key)
    return null
  }

  set(key: string, value: Value, nowMs: number): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, untilMs: nowMs + REMEMBERED_MS })
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > MOST_REMEMBERED && oldest !== undefined) this.#entries.delete(oldest)
  }
}

/** The memory of one isolate. */
export class Limits {
  readonly #blocked = new Fading<true>()
  readonly refused = new Fading<Refusal>()

  /** Whether an address may still try payments that cost us something. */
  mayTry(address: string | null, nowMs: number): boolean {
    return address === null || this.#blocked.get(address, nowMs) === null
  }

  /** Counts a failed payment; one too many closes the door for a while. Without the binding nothing is counted. */
  async failed(counter: RateLimit | undefined, address: string | null, nowMs: number): Promise<void> {
    if (!counter || address === null) return
    const { success } = await counter.limit({ key: address })
    if (!success) this.#blocked.set(address, true, nowMs)
  }
}

/** The client's address as Cloudflare saw it; null where nothing is in front, as in tests. */
export const addressOf = (request: Request): string | null => request.headers.get('CF-Connecting-IP')
