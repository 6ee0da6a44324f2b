// Signing in: what a payer owns at a site, from the payments recorded here and nothing else, and the nonces that were
// used for asking. Who owns nothing leaves nothing behind.
import * as z from 'zod/mini'
import type { Grant } from '../pass.ts'
import { type Resource, scopeOpens } from '../policy/scope.ts'
import type { PaymentRecords } from './records.ts'
import { endsAtSeconds } from './rows.ts'

/** `resource` is where the sign-in was sent to; what opens it comes first. */
export type SignInRequest = { nonce: string; nonceEndsAtSeconds: number; resource: Resource }

export type SignInOutcome =
  | { kind: 'owned'; grants: Grant[] }
  /** The nonce has been used by this payer. */
  | { kind: 'used' }
  /** Nothing so far; pending: a payment that would open the resource may still turn out to have landed. */
  | { kind: 'nothing'; isPending: boolean }

/** More than a cookie holds. */
const MOST_GRANTS = 50

/** Running access at the site of a resource: what opens the resource first, then what lasts longest. */
export function ownedAt(records: PaymentRecords, resource: Resource, nowSeconds: number): Grant[] {
  const grants = records.lastingAt(resource.site, nowSeconds).map((row) => ({
    scope: row.scope,
    method: row.method,
    endsAtSeconds: endsAtSeconds(row),
    payer: row.payer,
  }))
  return grants
    .sort((a, b) => Number(opens(b, resource)) - Number(opens(a, resource)) || b.endsAtSeconds - a.endsAtSeconds)
    .filter((grant, i, all) => all.findIndex((other) => isSame(other, grant)) === i)
    .slice(0, MOST_GRANTS)
}

/** Whether a resource that none of the grants opens may be opened by a payment whose outcome is open. */
export const isPendingFor = (records: PaymentRecords, resource: Resource, grants: readonly Grant[]) =>
  !grants.some((grant) => opens(grant, resource)) &&
  records.openRows().some((row) => row.access_seconds > 0 && row.site === resource.site && opens(row, resource))

const isSame = (a: Grant, b: Grant) => a.scope === b.scope && a.method === b.method

const opens = ({ scope, method }: { scope: string; method: string }, resource: Resource) =>
  method === resource.method && scopeOpens(scope, resource)

/** The nonces one payer has signed in with. The table appears with the first. */
export class UsedNonces {
  readonly #sql: SqlStorage
  #ready: boolean

  constructor(sql: SqlStorage) {
    this.#sql = sql
    this.#ready =
      sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'used_nonces'").toArray().length > 0
  }

  /** Uses up a nonce, which ends by itself at a time (Unix seconds). False when it has been used. */
  use(nonce: string, nonceEndsAtSeconds: number): boolean {
    if (!this.#ready) {
      this.#sql.exec('CREATE TABLE IF NOT EXISTS used_nonces (nonce TEXT PRIMARY KEY, ends_at INTEGER NOT NULL) STRICT')
      this.#ready = true
    }
    const { rowsWritten } = this.#sql.exec(
      'INSERT INTO used_nonces (nonce, ends_at) VALUES (?, ?) ON CONFLICT (nonce) DO NOTHING',
      nonce,
      nonceEndsAtSeconds,
    )
    return rowsWritten > 0
  }

  /** Forgets the nonces that have ended. Returns when the next one does (Unix seconds), null with none left. */
  forget(nowSeconds: number): number | null {
    if (!this.#ready) return null
    this.#sql.exec('DELETE FROM used_nonces WHERE ends_at <= ?', nowSeconds)
    return z.parse(z.nullable(z.number()), this.#sql.exec('SELECT min(ends_at) AS due FROM used_nonces').one().due)
  }
}
