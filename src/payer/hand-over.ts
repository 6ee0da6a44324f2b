// What one screen has handed over to another, in an object that is named by the code between them: one row, given out once,
// and gone with the object's alarm. It knows no payer, and no money.
import type { HandedOver, HandOverRequest } from './protocol.ts'

/** Times are Unix seconds. `taken`: it was given out, and is not given again. */
const TABLE = `CREATE TABLE hand_over (
  scope TEXT NOT NULL, method TEXT NOT NULL, ends_at INTEGER NOT NULL, waits_until INTEGER NOT NULL, taken INTEGER NOT NULL
) STRICT`

export class HandOver {
  readonly #storage: DurableObjectStorage

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
  }

  /** Looked up each time: an object lives for a moment, and only a hand-over's has this table. */
  get #isThere(): boolean {
    const found = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'hand_over'"
    return this.#storage.sql.exec(found).toArray().length > 0
  }

  /** False where something is, or was, here already: it stays as it is. */
  put({ scope, method, endsAtSeconds, waitsUntilSeconds }: HandOverRequest): boolean {
    if (this.#isThere) return false
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec(TABLE)
      this.#storage.sql.exec(
        'INSERT INTO hand_over (scope, method, ends_at, waits_until, taken) VALUES (?, ?, ?, ?, 0)',
        scope,
        method,
        endsAtSeconds,
        waitsUntilSeconds,
      )
    })
    return true
  }

  /** What is kept, the first time it is asked for. An alarm may be late: what has waited too long is not given out. */
  take(nowSeconds: number): HandedOver | null {
    if (!this.#isThere) return null
    const [row] = this.#storage.sql
      .exec(
        'UPDATE hand_over SET taken = 1 WHERE taken = 0 AND waits_until > ? RETURNING scope, method, ends_at',
        nowSeconds,
      )
      .toArray()
    return row ? { scope: String(row.scope), method: String(row.method), endsAtSeconds: Number(row.ends_at) } : null
  }

  /** Leaves nothing behind; where nothing was handed over, there is nothing. */
  async forget(): Promise<void> {
    if (this.#isThere) await this.#storage.deleteAll()
  }
}
