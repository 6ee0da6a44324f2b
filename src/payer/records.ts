// What one payer's object keeps in SQLite: a row per authorization, from its claim on. Rows are parsed when read.
// docs/storage.md describes the columns.
import * as z from 'zod/mini'
import { scopeIncludes } from '../policy/scope.ts'
import type { Redemption } from './redemption.ts'
import { MOST_HANDOUTS, type PaymentRow, paymentRow, type Wanted } from './rows.ts'

/** Times are Unix seconds; amounts decimal text. `outbox` 1: the ledger does not have this payment yet. */
const SCHEMA = `CREATE TABLE IF NOT EXISTS payments (
  key TEXT PRIMARY KEY, identifier TEXT UNIQUE, network TEXT NOT NULL, site TEXT NOT NULL, method TEXT NOT NULL, resource TEXT NOT NULL,
  scope TEXT NOT NULL, access_seconds INTEGER NOT NULL, offer TEXT, flow TEXT NOT NULL, pay_to TEXT NOT NULL,
  amount TEXT NOT NULL, payer TEXT NOT NULL, recipient TEXT NOT NULL, valid_after TEXT NOT NULL,
  valid_before TEXT NOT NULL, nonce TEXT NOT NULL, signature TEXT, signature_hash TEXT NOT NULL,
  status TEXT NOT NULL, doubt INTEGER NOT NULL,
  reason TEXT, tx TEXT NOT NULL, claim_block TEXT, claimed_at INTEGER NOT NULL, settled_at INTEGER,
  handouts INTEGER NOT NULL, delivered INTEGER NOT NULL, outbox INTEGER NOT NULL) STRICT`

const INDEX = 'CREATE INDEX IF NOT EXISTS payments_by_scope ON payments (scope, status)'

/** An answer that was paid for and not handed out, or may be asked for by its identifier, waits this long. */
const UNCLAIMED_SECONDS = 30 * 86_400
/** The first alarm after a settlement comes 45 seconds after it began, the next 20 seconds later. */
const LATELY_SECONDS = 120
/** The chain's clock may be behind ours by this much when it still accepts an authorization. */
const CLOCK_MARGIN_SECONDS = 3600

/**
 * Until when a row must be kept: while its outcome or its ledger entry is open, while its authorization could still be
 * settled, while its access lasts, and while its content may be asked for.
 */
const KEPT_UNTIL = `CASE
  WHEN outbox = 1 OR status IN ('claimed', 'settling', 'unknown') THEN 9e15
  WHEN status = 'settled' THEN max(
    CAST(valid_before AS INTEGER) + ${CLOCK_MARGIN_SECONDS},
    settled_at + access_seconds,
    settled_at + CASE WHEN identifier IS NOT NULL OR (delivered = 0 AND handouts < ${MOST_HANDOUTS})
      THEN ${UNCLAIMED_SECONDS} ELSE 0 END)
  ELSE CAST(valid_before AS INTEGER) + ${CLOCK_MARGIN_SECONDS} END`

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
      .map((found) => z.parse(paymentRow, found))
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
    const lasting = this.#select(
      `status = 'settled' AND (scope = ? OR scope GLOB '~*') AND site = ? AND method = ? AND access_seconds > 0
       AND access_seconds >= ? AND settled_at + access_seconds > ? ORDER BY settled_at + access_seconds DESC`,
      scope,
      resource.site,
      resource.method,
      accessSeconds,
      nowSeconds,
    )
    const owned = lasting.find((paid) => scopeIncludes(paid.scope, scope, resource))
    if (owned || accessSeconds > 0) return owned
    return this.#select(
      `status = 'settled' AND scope = ? AND site = ? AND method = ? AND access_seconds = 0 AND delivered = 0
       AND handouts < ${MOST_HANDOUTS}`,
      scope,
      resource.site,
      resource.method,
    ).find((paid) => !isHeld(paid.key))
  }

  /** Settled payments for lasting access at a site that has not ended. */
  lastingAt(site: string, nowSeconds: number): PaymentRow[] {
    return this.#select(
      "status = 'settled' AND site = ? AND access_seconds > 0 AND settled_at + access_seconds > ?",
      site,
      nowSeconds,
    )
  }

  /** Refused payments for the same thing that the chain would still have accepted a moment ago: the newest few. */
  refusedFor({ resource, scope }: Wanted, nowSeconds: number): PaymentRow[] {
    return this.#select(
      `status = 'refused' AND reason <> 'payment_already_used' AND scope = ? AND site = ? AND method = ?
       AND CAST(valid_before AS INTEGER) > ? ORDER BY claimed_at DESC LIMIT 3`,
      scope,
      resource.site,
      resource.method,
      nowSeconds - CLOCK_MARGIN_SECONDS,
    )
  }

  /** The newest few payments refused a moment ago: a facilitator may have settled one all the same, or do so yet. */
  refusedLately(nowSeconds: number): PaymentRow[] {
    return this.#select(
      `status = 'refused' AND reason <> 'payment_already_used' AND claimed_at > ? ORDER BY claimed_at DESC LIMIT 5`,
      nowSeconds - LATELY_SECONDS,
    )
  }

  /** Refused payments about to be forgotten. */
  refusedAndDue(nowSeconds: number): PaymentRow[] {
    return this.#select(`status = 'refused' AND reason <> 'payment_already_used' AND ${KEPT_UNTIL} <= ?`, nowSeconds)
  }

  /** Forgets what nothing can depend on any more. Returns when the next row is due (Unix seconds), null with no rows left. */
  forget(nowSeconds: number): number | null {
    if (!this.#ready) return null
    this.#sql.exec(`DELETE FROM payments WHERE ${KEPT_UNTIL} <= ?`, nowSeconds)
    const due = this.#sql.exec(`SELECT min(${KEPT_UNTIL}) AS due FROM payments`).one().due
    return typeof due === 'number' ? due : null
  }

  openRows(): PaymentRow[] {
    return this.#select("status IN ('claimed', 'settling', 'unknown')")
  }

  outboxRows(): PaymentRow[] {
    return this.#select('outbox = 1')
  }

  insert(fresh: PaymentRow): void {
    if (!this.#ready) {
      this.#sql.exec(SCHEMA)
      this.#sql.exec(INDEX)
    }
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
