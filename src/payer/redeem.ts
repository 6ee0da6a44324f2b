// What the worker asks of a payer's object, and what it is told.
import type { Refusal } from '../errors.ts'
import type { Offer, Payment, Settlement } from '../x402/payment.ts'
import { endsAtSeconds, type PaymentRow, settledAtSeconds, type Wanted } from './rows.ts'

export type RedeemRequest = Wanted & {
  key: string
  payment: Payment
  /** Null when the payment answers no live quote. */
  offer: Offer | null
  /** Why the payment may not be redeemed, unless it is known here already. */
  objection: Refusal | null
  /** Of the signature as sent: by it a payment is recognised that the chain would no longer confirm. */
  signatureHash: string
}

export type RedeemOutcome =
  | {
      kind: 'granted'
      settlement: Settlement
      settledAtSeconds: number
      /** Scope text of what is owned now. */
      scope: string
      /** Null where a single answer was bought. */
      endsAtSeconds: number | null
      /** Number of the lease under which the content is handed out; `delivered` or `released` ends it. Null: none. */
      lease: number | null
    }
  | { kind: 'refused'; refusal: Refusal }

export const refusal = (reason: Refusal): RedeemOutcome => ({ kind: 'refused', refusal: reason })

export const refused = (code: Refusal['code'], transaction = ''): RedeemOutcome => ({
  kind: 'refused',
  refusal: { code, transaction },
})

/** `lease` null: by a pass alone, in place of a payment that was refused before. */
export function granted(row: PaymentRow, lease: number | null): RedeemOutcome {
  return {
    kind: 'granted',
    settlement: { transaction: row.tx, network: row.network, payer: row.payer, amount: row.amount },
    settledAtSeconds: settledAtSeconds(row),
    scope: row.scope,
    endsAtSeconds: row.access_seconds === 0 ? null : endsAtSeconds(row),
    lease,
  }
}

export const isSameResource = (row: PaymentRow, { resource }: Wanted) =>
  row.site === resource.site && row.method === resource.method && row.resource === resource.id

/** A used nonce in a payment that nobody proved: only the signature that was proven then will do. */
export const isAnotherSignature = (row: PaymentRow, { objection, signatureHash }: RedeemRequest) =>
  objection?.code === 'payment_already_used' && row.signature_hash !== signatureHash

/** The thing that is being bought, as the name of its queue. */
export const nameOf = ({ resource, scope }: Wanted) => `${resource.site} ${resource.method} ${scope}`
