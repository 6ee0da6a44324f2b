// Waiting with an end, and how long until the next try.
import type { PaymentRow } from './rows.ts'

/** Between two looks at the chain, and two tries at the ledger, when nobody waits. */
export const ALARM_MS = 20_000
const LONGEST_ALARM_MS = 3_600_000

/** The value of a promise, or null when it takes longer. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | null> {
  return Promise.race([promise, scheduler.wait(Math.max(0, ms)).then(() => null)])
}

/** Whether a promise settles by a time (milliseconds). */
export async function endsBy(promise: Promise<void>, deadline: number): Promise<boolean> {
  return (
    (await within(
      promise.then(() => true),
      deadline - Date.now(),
    )) === true
  )
}

/** Ever less often: half the age of the youngest that is open, so that an outage of days costs little. */
export function retryMs(open: readonly PaymentRow[]): number {
  const ageMs = Date.now() - Math.max(...open.map((row) => row.claimed_at)) * 1000
  return Math.min(Math.max(ALARM_MS, ageMs / 2), LONGEST_ALARM_MS)
}

export const nowSeconds = () => Math.floor(Date.now() / 1000)
