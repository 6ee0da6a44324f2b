// What one payer's object keeps in SQLite: a row per authorization, from its claim on. Rows are parsed when read.
// docs/storage.md describes the columns.
import * as z from 'zod/mini'
import type { SignedPayment } from '../facilitator.ts'
import { type Resource, scopeIncludes } from '../policy/scope.ts'
import { PAYMENT_SECONDS } from '../quote.ts'
import type { Asset } from '../x402/assets.ts'
import type { Authorization, Offer, Payment } from '../x402/payment.ts'
import type { Redemption } from './redemption.ts'

const bigint = z.pipe(
  z.string().check(z.regex(/^[0-9]+$/)),
  z.transform((text: string) => BigInt(text)),
)
const hex = z.pipe(
  z.string().check(z.regex(/^0x[0-9a-f]*$/)),
  z.transform((text: string): `0x${string}` => `0x${text.slice(2)}`),
)

const row = z.object({
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

export type PaymentRow = z.infer<typeof row>

/** Times are Unix seconds; amounts decimal text. `outbox` 1: the ledger does not have this payment yet. */
const SCHEMA = `CREATE TABLE IF NOT EXISTS payments (
  key TEXT PRIMARY KEY, identifier TEXT UNIQUE, network TEXT NOT NULL, site TEXT NOT NULL, method TEXT NOT NULL, resource TEXT NOT NULL,
  scope TEXT NOT NULL, access_seconds INTEGER NOT NULL, offer TEXT, flow TEXT NOT NULL, pay_to TEXT NOT NULL,
  amount TEXT NOT NULL, payer TEXT NOT NULL, recipient TEXT NOT NULL, valid_after TEXT NOT NULL,
  valid_before TEXT NOT NULL, nonce TEXT NOT NULL, signature TEXT, signature_hash TEXT NOT NULL,
  status TEXT NOT NULL, doubt INTEGER NOT NULL,
  reason TEXT, tx TEXT NOT NULL, claim_block TEXT, claimed_at INTEGER NOT NULL, settled_at INTEGER,
  handouts INTEGER NOT NULL, delivered INTEGER NOT NULL, outbox INTEGER NOT NULL) STRICT`

/** What identifies the thing that is being bought. */
export type Wanted = { resource: Resource; scope: string; accessSeconds: number }

/** The rows of one payer. Tables appear with the first claim, so that a look-up alone stores nothing. */
export class PaymentRecords {
  readonly #sql: SqlStorage
  #ready: boolean

  constructor(sql: SqlStorage) {
    this.#sql = sql
    this.#ready =
      sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'payments'").toArray().length > 0
  }

  #select(where: string, ...bindings: (string | number)[]): PaymentRow[] {
    if (!this.#ready) return []
    return this.#sql
      .exec(`SELECT * FROM payments WHERE ${where}`, ...bindings)
      .toArray()
      .map((found) => z.parse(row, found))
  }

  byKey(key: string): PaymentRow | undefined {
    return this.#select('key = ?', key)[0]
  }

  byIdentifier(identifier: string): PaymentRow | undefined {
    return this.#select('identifier = ?', identifier)[0]
  }

  /** Payments for the same thing whose outcome is open. */
  openFor({ resource, scope }: Wanted): PaymentRow[] {
    return this.#select(
      "status IN ('claimed', 'settling', 'unknown') AND site = ? AND method = ? AND scope = ? ORDER BY claimed_at",
      resource.site,
      resource.method,
      scope,
    )
  }

  /** A settled payment that makes paying for this paying twice: access that lasts, or an answer never handed out. */
  paidFor(wanted: Wanted, nowSeconds: number, isHeld: (key: string) => boolean): PaymentRow | undefined {
    const { resource, scope, accessSeconds } = wanted
    const settled = this.#select("status = 'settled' AND site = ? AND method = ?", resource.site, resource.method)
    return (
      settled.find(
        (paid) =>
          paid.access_seconds > 0 &&
          paid.access_seconds >= accessSeconds &&
          endsAtSeconds(paid) > nowSeconds &&
          scopeIncludes(paid.scope, scope, resource),
      ) ??
      settled.find(
        (paid) =>
          paid.access_seconds === 0 &&
          accessSeconds === 0 &&
          paid.scope === scope &&
          isUndelivered(paid) &&
          !isHeld(paid.key),
      )
    )
  }

  openRows(): PaymentRow[] {
    return this.#select("status IN ('claimed', 'settling', 'unknown')")
  }

  outboxRows(): PaymentRow[] {
    return this.#select('outbox = 1')
  }

  insert(fresh: PaymentRow): void {
    if (!this.#ready) this.#sql.exec(SCHEMA)
    this.#ready = true
    const stored = Object.entries(fresh).map(([name, value]): [string, string | number | null] => [
      name,
      typeof value === 'bigint' ? value.toString() : value,
    ])
    const names = stored.map(([name]) => name).join(', ')
    const marks = stored.map(() => '?').join(', ')
    this.#sql.exec(`INSERT INTO payments (${names}) VALUES (${marks})`, ...stored.map(([, value]) => value))
  }

  /** Records a state. A settled payment enters the outbox in the same write; a finished one forgets its signature. */
  setState(key: string, state: Redemption, nowSeconds: number): void {
    const settled = state.status === 'settled'
    this.#sql.exec(
      `UPDATE payments SET status = ?, doubt = ?, reason = ?, tx = ?,
         settled_at = CASE WHEN ? THEN ? ELSE settled_at END, outbox = CASE WHEN ? THEN 1 ELSE outbox END,
         signature = CASE WHEN ? THEN NULL ELSE signature END
       WHERE key = ?`,
      state.status,
      state.status === 'settling' && state.doubt ? 1 : 0,
      state.status === 'refused' ? state.reason : null,
      state.status === 'settled' || state.status === 'refused' ? state.transaction : '',
      settled ? 1 : 0,
      nowSeconds,
      settled ? 1 : 0,
      settled ? 1 : 0,
      key,
    )
  }

  setClaimBlock(key: string, block: bigint): void {
    this.#sql.exec('UPDATE payments SET claim_block = ? WHERE key = ?', block.toString(), key)
  }

  countHandout(key: string): void {
    this.#sql.exec('UPDATE payments SET handouts = handouts + 1 WHERE key = ?', key)
  }

  setDelivered(key: string): void {
    this.#sql.exec('UPDATE payments SET delivered = 1 WHERE key = ?', key)
  }

  setLedgered(key: string): void {
    this.#sql.exec('UPDATE payments SET outbox = 0 WHERE key = ?', key)
  }
}

/** Three in all: a hang-up or a failing origin must not cost the payer, nor hand out content without end. */
const MOST_HANDOUTS = 3

export const isUndelivered = (paid: PaymentRow) => paid.delivered === 0 && paid.handouts < MOST_HANDOUTS

export const endsAtSeconds = (paid: PaymentRow) => (paid.settled_at ?? paid.claimed_at) + paid.access_seconds

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

export const authorizationOf = (found: PaymentRow): Authorization => ({
  from: found.payer,
  to: found.recipient,
  value: found.amount,
  validAfter: found.valid_after,
  validBefore: found.valid_before,
  nonce: found.nonce,
})
