// A row as SQL has it, and back. Rows are parsed when they are read.
import * as z from 'zod/mini'
import { isPaymentReason } from '../errors.ts'
import type { RefusalReason } from '../replies.ts'
import { endsAtSeconds, keptUntilSeconds, type PaymentRow } from './rows.ts'
import { amountText } from './stored.ts'

const isReason = (text: string): text is RefusalReason => text === 'payment_refused' || isPaymentReason(text)
const reasonSchema = z.custom<RefusalReason>((text) => typeof text === 'string' && isReason(text))

const searchSchema = z.lazy(() =>
  z.pipe(
    z.string(),
    z.pipe(
      z.transform((text: string): unknown => JSON.parse(text)),
      z.union([
        z.object({ before: z.string(), slot: z.number(), searchedTo: z.number(), emptySinceSeconds: z.null() }),
        z.object({ fromBlock: z.number(), searchedTo: z.number(), emptySinceSeconds: z.nullable(z.number()) }),
      ]),
    ),
  ),
)

const columns = z.lazy(() =>
  z.object({
    seq: z.number(),
    key: z.string(),
    identifier: z.nullable(z.string()),
    owner: z.enum(['key', 'code']),
    network: z.string(),
    site: z.string(),
    method: z.string(),
    resource: z.string(),
    scope: z.string(),
    access_seconds: z.number(),
    flow: z.enum(['authorization', 'upfront']),
    amount: amountText,
    valid_before: z.number(),
    status: z.enum(['claimed', 'settling', 'unknown', 'settled', 'refused', 'void', 'covered']),
    sent: z.number(),
    doubt: z.number(),
    reason: z.nullable(reasonSchema),
    failed_at: z.nullable(z.number()),
    tx: z.string(),
    position: z.nullable(z.number()),
    covered_by: z.nullable(z.string()),
    claimed_at: z.number(),
    sent_at: z.nullable(z.number()),
    settled_at: z.nullable(z.number()),
    handouts: z.number(),
    released: z.number(),
    delivered: z.number(),
    outbox: z.enum(['empty', 'due', 'disputed']),
    look_at: z.nullable(z.number()),
    seen_block: z.nullable(z.number()),
    search: z.nullable(searchSchema),
    signature_hash: z.string(),
    terms: z.string(),
  }),
)

/** A row as it was stored. Throws where it cannot be read. */
export function readRow(stored: unknown): PaymentRow {
  const found = z.parse(columns, stored)
  return {
    seq: found.seq,
    key: found.key,
    identifier: found.identifier,
    owner: found.owner,
    network: found.network,
    site: found.site,
    method: found.method,
    resource: found.resource,
    scope: found.scope,
    accessSeconds: found.access_seconds,
    flow: found.flow,
    amount: found.amount,
    validBeforeSeconds: found.valid_before,
    state: {
      status: found.status,
      sent: found.sent,
      doubt: found.doubt,
      reason: found.reason,
      failedAtSeconds: found.failed_at,
      transaction: found.tx,
      position: found.position,
      coveredBy: found.covered_by,
    },
    claimedAtSeconds: found.claimed_at,
    sentAtSeconds: found.sent_at,
    settledAtSeconds: found.settled_at,
    handouts: found.handouts,
    released: found.released,
    isDelivered: found.delivered === 1,
    outbox: found.outbox,
    lookAtSeconds: found.look_at,
    seenBlock: found.seen_block,
    search: found.search,
    signatureHash: found.signature_hash,
    terms: found.terms,
  }
}

export type Columns = Record<string, string | number | null>

/** A row as it is stored, with the columns that follow from it. */
export const writeRow = (row: PaymentRow): Columns => ({
  key: row.key,
  identifier: row.identifier,
  owner: row.owner,
  network: row.network,
  site: row.site,
  method: row.method,
  resource: row.resource,
  scope: row.scope,
  access_seconds: row.accessSeconds,
  flow: row.flow,
  amount: row.amount.toString(),
  valid_before: row.validBeforeSeconds,
  status: row.state.status,
  sent: row.state.sent,
  doubt: row.state.doubt,
  reason: row.state.reason,
  failed_at: row.state.failedAtSeconds,
  tx: row.state.transaction,
  position: row.state.position,
  covered_by: row.state.coveredBy,
  claimed_at: row.claimedAtSeconds,
  sent_at: row.sentAtSeconds,
  settled_at: row.settledAtSeconds,
  handouts: row.handouts,
  released: row.released,
  delivered: row.isDelivered ? 1 : 0,
  outbox: row.outbox,
  look_at: row.lookAtSeconds,
  seen_block: row.seenBlock,
  search: row.search && JSON.stringify(row.search),
  signature_hash: row.signatureHash,
  terms: row.terms,
  ends_at: row.settledAtSeconds === null ? null : endsAtSeconds(row),
  keep_until: keptUntilSeconds(row),
})
