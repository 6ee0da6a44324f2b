// What strangers may cost: payments that fail are counted per address, and those that a facilitator refused are
// remembered by the hash of the whole payment, so that a copy is refused without asking again. Never by nonce, which a stranger
// could have seen in somebody else's payment.
import type { Refusal } from './errors.ts'

/** How long an address that failed too often is blocked, and a failure or a refused payment is remembered. */
const REMEMBERED_MS = 60_000
/** Refused payments of one payer within a minute, then none is shown or sent to a facilitator. Signing more costs the payer nothing. */
export const MOST_REFUSED_A_MINUTE = 10
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

/** The memory of one isolate. Addresses are what `addressOf` makes of them. */
export class Limits {
  readonly #blocked = new Fading<true>()
  readonly #failing = new Fading<true>()
  readonly refused = new Fading<Refusal>()
  readonly #refusals = new Fading<number>()

  /** Whether a facilitator may be asked once more about payments that this payer has signed, from whatever addresses. */
  mayAskFor(payer: string, nowMs: number): boolean {
    return (this.#refusals.get(payer, nowMs) ?? 0) < MOST_REFUSED_A_MINUTE
  }

  /** A facilitator has refused what this payer had signed. */
  refusedFor(payer: string, nowMs: number): void {
    this.#refusals.set(payer, (this.#refusals.get(payer, nowMs) ?? 0) + 1, nowMs)
  }

  /** Whether an address may still try payments that cost us something. */
  mayTry(address: string | null, nowMs: number): boolean {
    return address === null || this.#blocked.get(address, nowMs) === null
  }

  /** Whether a payment from this address was refused within the last minute, as far as this isolate knows. */
  hadRefusal(address: string | null, nowMs: number): boolean {
    return address !== null && this.#failing.get(address, nowMs) !== null
  }

  /** Whether an address may have the chain asked for it once more. Counted apart: it is no failure. */
  async mayLook(counter: RateLimit | undefined, address: string | null): Promise<boolean> {
    if (address === null || !counter) return true
    const { success } = await counter.limit({ key: `look ${address}` })
    return success
  }

  /** Counts a failed payment; one too many blocks the address for a minute. Without a counter it is only remembered. */
  async failed(counter: RateLimit | undefined, address: string | null, nowMs: number): Promise<void> {
    if (address === null) return
    this.#failing.set(address, true, nowMs)
    if (!counter) return
    const { success } = await counter.limit({ key: address })
    if (!success) this.#blocked.set(address, true, nowMs)
  }
}

/** The key failures are counted under, from the address Cloudflare saw; null without Cloudflare in front, as in tests. */
export function addressOf(request: Request): string | null {
  const address = request.headers.get('CF-Connecting-IP')
  return address === null ? null : addressKey(address)
}

/** No address is written longer. It bounds the memory where the header is not Cloudflare's. */
const LONGEST_ADDRESS = 64

/**
 * One key per customer of a network: an IPv4 address as it is, also where it is written as IPv6 (`::ffff:192.0.2.1`);
 * of IPv6 the /64, which is the least that one customer gets, in one spelling. What is no address stays as it is.
 */
export function addressKey(address: string): string {
  const groups = ipv6Groups(address)
  if (groups === null) return address.slice(0, LONGEST_ADDRESS)
  const [high = 0, low = 0] = groups.slice(6)
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)
  if (isMapped) return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  const network = groups.slice(0, 4).map((group) => group.toString(16))
  return `${network.join(':')}::/64`
}

/** The eight groups of an IPv6 address (RFC 4291 §2.2); null for anything else. */
function ipv6Groups(address: string): number[] | null {
  if (address.length > LONGEST_ADDRESS || !address.includes(':')) return null
  // A zone (`%eth0`) is local to a machine; an IPv4 tail stands for two groups.
  const plain = address.replace(/%.*$/, '').replace(/\d+\.\d+\.\d+\.\d+$/, groupsOfIpv4)
  const halves = plain.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const [before = [], after] = halves
  const missing = 8 - before.length - (after?.length ?? 0)
  if (halves.length > 2 || (after ? missing < 1 : missing !== 0)) return null
  const groups = after ? [...before, ...Array<string>(missing).fill('0'), ...after] : before
  return groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) ? groups.map((group) => parseInt(group, 16)) : null
}

/** `192.0.2.1` → `c000:201`; unchanged where a part is no byte. */
function groupsOfIpv4(dotted: string): string {
  const [a = 256, b = 256, c = 256, d = 256] = dotted.split('.').map(Number)
  const isAddress = [a, b, c, d].every((part) => part < 256)
  return isAddress ? [a * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(':') : dotted
}
