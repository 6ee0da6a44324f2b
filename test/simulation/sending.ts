// What may not be sent to a facilitator: a payment beside an earlier one that makes it paying twice and is settled, or may
// still land. It goes by what was so before any request began that may be behind the sending.
import { type Case, isSamePerson, isWorth, mayLand, nameOf, paidBy } from './cases.ts'
import { rowsOf, type Stage } from './stage.ts'

/** Whatever was begun by then is over: a settlement runs on for so long when its reader is gone. */
const LONGEST_RUN_MS = 60_000
/** After the end of its window nobody waits longer for what the chain has not told. */
const UNRESOLVED_SECONDS = 30 * 86_400

type Row = Record<string, unknown>

/** What is wrong with the sending of a payment, now. */
export function sendingProblems(stage: Stage, cases: readonly Case[], one: Case): string[] {
  const { order } = one
  const { from } = order
  const rows = rowsOf(stage, from)
  const own = rows.find((row) => row.key === order.key)
  if (!own) return [`sent without a row: ${nameOf(one)}`]
  const sinceMs = activeSinceMs(stage, cases, one)
  const found: string[] = []
  if (own.status === 'settled' && (Number(own.settled_at) + 1) * 1000 < sinceMs) {
    found.push(`sent though it is settled: ${nameOf(one)}`)
  }
  for (const other of cases) {
    if (other === one || !isSamePerson(other.order, order) || !isWorth(other.order.product, order.product)) continue
    const row = rows.find(({ key }) => key === other.order.key)
    // A payment waits for earlier ones only; what is settled counts whenever it came.
    if (!row || (row.status !== 'settled' && Number(row.seq) > Number(own.seq))) continue
    const why = objectionTo(stage, other, row, sinceMs)
    if (why !== null) found.push(`sent ${nameOf(one)} though ${nameOf(other)} ${why}`)
  }
  return found
}

/** Since when the requests go back that may be behind what happens now. */
function activeSinceMs({ world }: Stage, cases: readonly Case[], one: Case): number {
  const { from } = one.order
  const mine = cases.filter(({ order }) => order.from === from).flatMap(({ requests }) => requests)
  const active = mine.filter(({ endMs }) => endMs === null || endMs > world.now() - LONGEST_RUN_MS)
  return Math.min(world.now(), ...[...active, ...one.requests.slice(-1)].map(({ startMs }) => startMs))
}

/** Why nothing may be sent beside this one; null where it may. */
function objectionTo(stage: Stage, other: Case, row: Row, sinceMs: number): string | null {
  const { world } = stage
  const { product, endsAtSeconds } = other.order
  const isLasting = product.accessSeconds > 0
  const endsMs = (Number(row.settled_at ?? row.claimed_at) + product.accessSeconds) * 1000
  switch (row.status) {
    case 'settled': {
      if ((Number(row.settled_at) + 1) * 1000 >= sinceMs) return null
      if (isLasting) return endsMs > world.now() ? 'is paid' : null
      const isWaiting =
        Number(row.delivered) === 0 &&
        Number(row.handouts) === 0 &&
        other.requests.every(({ awaitedUntilMs }) => awaitedUntilMs < sinceMs)
      return isWaiting ? 'is paid and in nobody’s hands' : null
    }
    case 'claimed':
    case 'settling':
    case 'unknown': {
      if (other.reachedMs === null || other.reachedMs >= sinceMs) return null
      const isAwaited = other.requests.some(({ awaitedUntilMs }) => awaitedUntilMs >= sinceMs)
      if (!isLasting && isAwaited) return null
      // Nobody could say for so long: it holds up nothing any more.
      if (world.now() / 1000 > endsAtSeconds + UNRESOLVED_SECONDS) return null
      return paidBy(stage, other.order) || mayLand(stage, other.order) ? 'may have been paid' : null
    }
    default:
      return null
  }
}
