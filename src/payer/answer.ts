// What a finished payment is answered with: its content, while it may still be handed out.
import type { Handouts } from './handouts.ts'
import type { PaymentRecords } from './records.ts'
import { granted, type RedeemOutcome, refused } from './redeem.ts'
import { isUndelivered, mayRepeat, stateOf } from './rows.ts'
import { endsBy } from './waiting.ts'

/** Waits until `deadline` (milliseconds) for whoever is being handed the content right now. */
export async function answerOf(
  records: PaymentRecords,
  handouts: Handouts,
  asked: { key: string; identifier: string | null; resource: string },
  deadline: number,
): Promise<RedeemOutcome> {
  const { key, identifier, resource } = asked
  for (;;) {
    const row = records.byKey(key)
    const state = row && stateOf(row)
    if (!row || !state || row.resource !== resource) return refused('payment_already_used')
    if (state.status === 'refused') return refused(state.reason, state.transaction)
    if (state.status !== 'settled') return refused('settlement_pending', row.tx)
    const lease = handouts.leaseOf(key)
    if (!lease && isUndelivered(row)) {
      const number = row.handouts + 1
      records.countHandout(key)
      handouts.begin(key, number)
      return granted(row, number)
    }
    // By its identifier content is asked for as often as it takes; what the origin carries out is not.
    const isNamed = row.identifier !== null && row.identifier === identifier
    if (isNamed && mayRepeat(row)) {
      records.countHandout(key)
      // Numbered, so that its delivery is noted; a lease of this number there is none.
      return granted(row, row.handouts + 1)
    }
    if (!lease) return refused('payment_already_used', row.tx)
    if (!(await endsBy(lease, deadline))) return refused('payment_in_progress', row.tx)
  }
}
