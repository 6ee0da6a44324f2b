// One row of a payer's records: its shape, and what it stands for in the rest of the house.
import * as z from 'zod/mini'
import type { SignedPayment } from '../facilitator.ts'
import type { Resource } from '../policy/scope.ts'
import { PAYMENT_SECONDS } from '../quote.ts'
import type { Asset } from '../x402/assets.ts'
import type { Authorization, Offer, Payment } from '../x402/payment.ts'
import type { Claim } from './reconcile.ts'
import type { Redemption } from './redemption.ts'

const bigint = z.pipe(
  z.string().check(z.regex(/^[0-9]+$/)),
  z.transform((text: string) => BigInt(text)),
)
const hex = z.pipe(
  z.string().check(z.regex(/^0x[0-9a-f]*$/)),
  z.transform((text: string): `0x${string}` => `0x${text.slice(2)}`),
)

export const paymentRow = z.object({
  key: z.string(),
  identifier: z.nullable(z.string()),
  network: z.string(),
  site: z.string(),
  method: z.string(),
  resource: z.string(),
  scope: z.string(),
  access_seconds: z.number(),
  offer: z.nullable(z.string()),
  flow: z.enum(['authorization', 'upfront']),
  pay_to: z.string(),
  amount: bigint,
  payer: hex,
  recipient: hex,
  valid_after: bigint,
  valid_before: bigint,
  nonce: hex,
  signature: z.nullable(hex),
  signature_hash: z.string(),
  status: z.enum(['claimed', 'settling', 'unknown', 'settled', 'refused']),
  doubt: z.number(),
  reason: z.nullable(z.string()),
  tx: z.string(),
  claim_block: z.nullable(bigint),
  claimed_at: z.number(),
  settled_at: z.nullable(z.number()),
  handouts: z.number(),
  delivered: z.number(),
  outbox: z.number(),
})

export type PaymentRow = z.infer<typeof paymentRow>

/** What identifies the thing that is being bought. */
export type Wanted = { resource: Resource; scope: string; accessSeconds: number }

/** Three in all: a hang-up or a failing origin must not cost the payer, nor hand out content without end. */
export const MOST_HANDOUTS = 3

export const isUndelivered = (paid: PaymentRow) => paid.delivered === 0 && paid.handouts < MOST_HANDOUTS

/** Whether a purchase may be asked for again by its identifier: content always, what was carried out three times in all. */
export const mayRepeat = (paid: PaymentRow) => paid.flow === 'authorization' || paid.handouts < MOST_HANDOUTS

export const settledAtSeconds = (paid: PaymentRow) => paid.settled_at ?? paid.claimed_at
export const endsAtSeconds = (paid: PaymentRow) => settledAtSeconds(paid) + paid.access_seconds

/** The stored state as the state machine knows it. */
export function stateOf(found: PaymentRow): Redemption {
  switch (found.status) {
    case 'claimed':
    case 'unknown':
      return { status: found.status }
    case 'settling':
      return { status: 'settling', doubt: found.doubt === 1 }
    case 'settled':
      return { status: 'settled', transaction: found.tx }
    case 'refused':
      return { status: 'refused', reason: z.parse(refusalReason, found.reason), transaction: found.tx }
  }
}

const refusalReason = z.custom<Extract<Redemption, { status: 'refused' }>['reason']>(
  (value) => typeof value === 'string',
)

/** A new claim. The signature is kept until the outcome is known, so that it can be settled after a crash. */
export function claimRow(
  key: string,
  payment: Payment,
  offer: Offer,
  wanted: Wanted,
  signatureHash: string,
  nowSeconds: number,
): PaymentRow {
  const { authorization, signature, identifier } = payment
  return {
    key,
    identifier,
    network: offer.network,
    site: wanted.resource.site,
    method: wanted.resource.method,
    resource: wanted.resource.id,
    scope: wanted.scope,
    access_seconds: wanted.accessSeconds,
    offer: offer.name,
    flow: offer.flow,
    pay_to: offer.payTo,
    amount: offer.amount,
    payer: authorization.from,
    recipient: authorization.to,
    valid_after: authorization.validAfter,
    valid_before: authorization.validBefore,
    nonce: authorization.nonce,
    signature,
    signature_hash: signatureHash,
    status: 'claimed',
    doubt: 0,
    reason: null,
    tx: '',
    claim_block: null,
    claimed_at: nowSeconds,
    settled_at: null,
    handouts: 0,
    delivered: 0,
    outbox: 0,
  }
}

/** A payment for what `paid` already bought: used here, never settled, and it opens no more than `paid` does. */
export const ownedRow = (fresh: PaymentRow, paid: PaymentRow): PaymentRow => ({
  ...fresh,
  scope: paid.scope,
  access_seconds: paid.access_seconds,
  amount: paid.amount,
  status: 'settled',
  tx: paid.tx,
  settled_at: paid.settled_at,
  signature: null,
  // A single answer passed on to a second signature is still the same answer: three handouts in all.
  handouts: paid.access_seconds === 0 ? paid.handouts : 0,
})

/** What is signed and asked for in a row, as it is sent to a facilitator; null once the signature is forgotten. */
export function signedPaymentOf(found: PaymentRow, asset: Asset): SignedPayment | null {
  if (found.signature === null) return null
  return {
    signature: found.signature,
    authorization: authorizationOf(found),
    offer: {
      network: found.network,
      asset: asset.asset,
      payTo: found.pay_to,
      amount: found.amount,
      eip712: asset.eip712,
      maxTimeoutSeconds: PAYMENT_SECONDS,
      name: found.offer,
      accessSeconds: found.access_seconds,
      scope: null,
      flow: found.flow,
    },
  }
}

/** What the chain is asked about a row. */
export const claimOf = (found: PaymentRow, asset: Asset): Claim => ({
  authorization: authorizationOf(found),
  asset: asset.asset,
  block: found.claim_block,
  atSeconds: found.claimed_at,
})

const authorizationOf = (found: PaymentRow): Authorization => ({
  from: found.payer,
  to: found.recipient,
  value: found.amount,
  validAfter: found.valid_after,
  validBefore: found.valid_before,
  nonce: found.nonce,
})
