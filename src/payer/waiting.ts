// Waiting with an end, and how long until the next try.
import type { PaymentRow } from './rows.ts'

/** How long a request is held while its payment is settled or reconciled (contract §3). */
export const HOLD_MS = 25_000
/** A facilitator that has not answered by then is slow, and the chain is asked in its place. */
export const PATIENCE_MS = 4_000
/** Between two looks at the chain while a request is held. */
export const POLL_MS = 1_000
/** How long the chain is asked about a refusal before another signature for the same thing pays. */
export const REFUSAL_PATIENCE_MS = 10_000
/** The chain's height is worth this much of a purchase's time; without it a lost reply is harder to clear up. */
export const HEIGHT_TIMEOUT_MS = 1_500
/** A claim older than this is no longer being made. */
export const CLAIM_SECONDS = 2
/** Between two looks at the chain, and two tries at the ledger, when nobody waits. */
export const ALARM_MS = 20_000
const LONGEST_ALARM_MS = 3_600_000

/** The value of a promise, or null when it takes longer. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | null> {
  return Promise.race([promise, scheduler.wait(Math.max(0, ms)).then(() => null)])
}

/** Whether a promise settles by a time (milliseconds). */
export async function endsBy(promise: Promise<unknown>, deadline: number): Promise<boolean> {
  return (
    (await within(
      promise.then(() => true),
      deadline - Date.now(),
    )) === true
  )
}

/** Does something once a second until its value will do, or until `deadline` (milliseconds); the last value. */
export async function poll<Value>(
  act: () => Promise<Value>,
  willDo: (value: Value) => boolean,
  deadline: number,
): Promise<Value> {
  for (;;) {
    const value = await act()
    if (willDo(value) || Date.now() >= deadline) return value
    await scheduler.wait(POLL_MS)
  }
}

/** Ever less often: half the age of the youngest that is open, so that an outage of days costs little. */
export function retryMs(open: readonly PaymentRow[]): number {
  const ageMs = Date.now() - Math.max(...open.map((row) => row.claimed_at)) * 1000
  return Math.min(Math.max(ALARM_MS, ageMs / 2), LONGEST_ALARM_MS)
}

export const nowSeconds = () => Math.floor(Date.now() / 1000)
