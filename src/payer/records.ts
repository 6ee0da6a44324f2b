// What one payer's object keeps in SQLite: rows in, rows out. Numbered migrations; no list without a bound.
// docs/storage.md describes the columns.
import type { Unresolved } from '../ledger.ts'
import { NETWORKS } from '../x402/assets.ts'
import type { Owner } from '../x402/payment.ts'
import { type Columns, readRow, writeRow } from './columns.ts'
import { CLOCK_MARGIN_SECONDS, FOREVER_SECONDS, MOST_HANDOUTS, type PaymentRow, UNRESOLVED_SECONDS } from './rows.ts'

/** Append only. Each runs once, in one transaction; times are Unix seconds, amounts decimal text. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE payments (
     seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, identifier TEXT, owner TEXT NOT NULL, network TEXT NOT NULL,
     site TEXT NOT NULL, method TEXT NOT NULL, resource TEXT NOT NULL, scope TEXT NOT NULL,
     access_seconds INTEGER NOT NULL, flow TEXT NOT NULL, amount TEXT NOT NULL, valid_before INTEGER NOT NULL,
     status TEXT NOT NULL, sent INTEGER NOT NULL, doubt INTEGER NOT NULL, reason TEXT, failed_at INTEGER,
     tx TEXT NOT NULL, position INTEGER, covered_by TEXT,
     claimed_at INTEGER NOT NULL, sent_at INTEGER, settled_at INTEGER, ends_at INTEGER,
     handouts INTEGER NOT NULL, released INTEGER NOT NULL, delivered INTEGER NOT NULL,
     outbox TEXT NOT NULL, look_at INTEGER, keep_until INTEGER NOT NULL,
     seen_block INTEGER, search TEXT, signature_hash TEXT NOT NULL, terms TEXT NOT NULL) STRICT;
   CREATE UNIQUE INDEX payments_proof ON payments (network, tx, position) WHERE position IS NOT NULL;
   CREATE INDEX payments_tx ON payments (tx) WHERE status = 'settled';
   CREATE INDEX payments_identifier ON payments (identifier) WHERE identifier IS NOT NULL;
   CREATE INDEX payments_open ON payments (site, method, seq) WHERE status IN ('claimed', 'settling', 'unknown');
   CREATE INDEX payments_refused ON payments (site, method, scope, seq) WHERE status = 'refused';
   CREATE INDEX payments_sent ON payments (sent_at) WHERE status = 'refused';
   CREATE INDEX payments_lasting ON payments (site, method, scope, ends_at)
     WHERE status = 'settled' AND access_seconds > 0;
   CREATE INDEX payments_ending ON payments (site, ends_at) WHERE status = 'settled' AND access_seconds > 0;
   CREATE INDEX payments_single ON payments (site, method, scope)
     WHERE status = 'settled' AND access_seconds = 0 AND delivered = 0;
   CREATE INDEX payments_covered ON payments (covered_by) WHERE status = 'covered';
   CREATE INDEX payments_look ON payments (look_at) WHERE look_at IS NOT NULL;
   CREATE INDEX payments_due ON payments (seq) WHERE outbox = 'due';
   CREATE INDEX payments_keep ON payments (keep_until);
   CREATE TABLE used_nonces (nonce TEXT PRIMARY KEY, ends_at INTEGER NOT NULL) STRICT`,
]

const OPEN = "status IN ('claimed', 'settling', 'unknown')"

/** Kinds of rows, each as the index of its name has it. */
const KINDS = {
  open: OPEN,
  refused: "status = 'refused'",
  lasting: "status = 'settled' AND access_seconds > 0",
  single: "status = 'settled' AND access_seconds = 0 AND delivered = 0",
  covered: "status = 'covered'",
} as const
type Kinds = Record<keyof typeof KINDS, boolean>
const NO_KINDS: Kinds = { open: false, refused: false, lasting: false, single: false, covered: false }

/** Each purchase looks through the payer's open rows at one method of a site. */
export const MOST_OPEN = 256
/** Payments used up without paying are remembered for as long as they could be spent. */
export const MOST_COVERED = 1_000
/** Refused payments for one scope that the chain is asked about before another pays. */
const MOST_REFUSED = 8
const MOST_REFUSED_PATTERNS = 3
/** Patterns somebody may own at once, and rows that may share an identifier. */
const MOST_PATTERNS = 64
/** Refused payments are counted no further. */
const MOST_REFUSED_LATELY = 100
/** Questions whose answers are kept between two writes. */
const MOST_KNOWN = 16

/** Who asks, and for what. */
export type Asked = {
  owner: Owner
  network: string
  site: string
  method: string
  scope: string
  accessSeconds: number
}

/** Counts for one owner, bounded. */
export type Load = { open: number; covered: number; refusedLately: number }
export const NO_LOAD: Load = { open: 0, covered: 0, refusedLately: 0 }

/** `index`: where the planner would take another. `onUnreadable` hears of rows that are left out. */
type Select = { index?: string; onUnreadable?: (key: string) => void }

const TEST = NETWORKS.filter(({ isTest }) => isTest)
  .map(({ network }) => `'${network}'`)
  .join(', ')
/**
 * Rows of the same person: on the same network, or both proven by the same key. What was bought with test money counts for
 * nothing where money is real.
 */
const SAME_OWNER = `(
  SELECT network = asked OR (owner = 'key' AND who = 'key' AND (network IN (${TEST})) = (asked IN (${TEST})))
  FROM (SELECT ? AS asked, ? AS who)
)`
/** A scope that may open another is the same, or a pattern, which starts with a tilde. Asked one by one, for the index. */
const SCOPES = ['scope = ?1', "scope >= '~' AND scope < char(127) AND scope <> ?1"]

export class PaymentRecords {
  readonly #storage: DurableObjectStorage
  readonly #tellUnreadable: (key: string) => void
  /** Number of migrations that ran; 0 before the first claim, so that a look-up alone stores nothing. */
  #version: number
  /** What was read since the last write, by the question: until the next it stays true, since nobody else writes here. */
  #known = new Map<string, readonly PaymentRow[]>()
  /** The same of which kinds there are. */
  #kinds: Kinds | null = null

  /** @param tellUnreadable hears the key of each row that cannot be read */
  constructor(storage: DurableObjectStorage, tellUnreadable: (key: string) => void) {
    this.#storage = storage
    this.#tellUnreadable = tellUnreadable
    this.#version = this.#storedVersion()
    if (this.#version > 0) this.#migrate()
  }

  /** A newer release has written here: nothing may be read or written by this one. */
  get isNewer(): boolean {
    return this.#version > MIGRATIONS.length
  }

  get isEmpty(): boolean {
    return this.#version === 0
  }

  #storedVersion(): number {
    const sql = this.#storage.sql
    const isThere =
      sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'version'").toArray().length > 0
    return isThere ? Number(sql.exec('SELECT number FROM version').one().number) : 0
  }

  #migrate(): void {
    if (this.#version >= MIGRATIONS.length) return
    this.#storage.transactionSync(() => {
      const sql = this.#storage.sql
      if (this.#version === 0) {
        sql.exec('CREATE TABLE version (number INTEGER NOT NULL) STRICT')
        sql.exec('INSERT INTO version (number) VALUES (0)')
      }
      for (const migration of MIGRATIONS.slice(this.#version)) sql.exec(migration)
      sql.exec('UPDATE version SET number = ?', MIGRATIONS.length)
    })
    this.#version = MIGRATIONS.length
  }

  /** A row that cannot be read is left out: it holds up no other. */
  #select(where: string, bindings: (string | number)[], options: Select = {}): readonly PaymentRow[] {
    return this.#rows(`${options.index ?? ''} WHERE ${where}`, bindings, (stored) => {
      try {
        return [readRow(stored)]
      } catch {
        this.#tellUnreadable(String(stored.key))
        options.onUnreadable?.(String(stored.key))
        return []
      }
    })
  }

  /** Throws where the row is there and cannot be read: what is not understood is not sent again. */
  byKey(key: string): PaymentRow | null {
    return this.#rows('WHERE key = ?', [key], (stored) => [readRow(stored)])[0] ?? null
  }

  #rows(
    question: string,
    bindings: readonly (string | number)[],
    read: (stored: Record<string, unknown>) => PaymentRow[],
  ): readonly PaymentRow[] {
    if (this.#version === 0) return []
    const known = this.#known
    const asked = JSON.stringify([question, ...bindings])
    const rows =
      known.get(asked) ??
      this.#storage.sql
        .exec(`SELECT * FROM payments ${question}`, ...bindings)
        .toArray()
        .flatMap(read)
    if (known.size < MOST_KNOWN) known.set(asked, rows)
    return rows
  }

  /** Which kinds of rows there are at all. Most payers have none of most, and one question spares the others. */
  #has(): Kinds {
    if (this.#kinds) return this.#kinds
    if (this.#version === 0) return NO_KINDS
    const questions = Object.entries(KINDS).map(
      ([kind, where]) => `EXISTS (SELECT 1 FROM payments INDEXED BY payments_${kind} WHERE ${where}) AS ${kind}`,
    )
    const { open, refused, lasting, single, covered } = this.#storage.sql.exec(`SELECT ${questions.join(', ')}`).one()
    this.#kinds = {
      open: open === 1,
      refused: refused === 1,
      lasting: lasting === 1,
      single: single === 1,
      covered: covered === 1,
    }
    return this.#kinds
  }

  /** Every write goes this way: what was read before it counts no more. */
  #write(sql: string, ...bindings: (string | number | null)[]): { rowsWritten: number } {
    this.#forgetRead()
    return this.#storage.sql.exec(sql, ...bindings)
  }

  #forgetRead(): void {
    this.#known = new Map()
    this.#kinds = null
  }

  /** Payments of one owner that carry an identifier. */
  byIdentifier(identifier: string, { owner, network }: Pick<Asked, 'owner' | 'network'>): readonly PaymentRow[] {
    return this.#select(`identifier = ? AND ${SAME_OWNER} LIMIT ${MOST_PATTERNS}`, [identifier, network, owner])
  }

  /** Payments at a site whose outcome is open, the earliest first. */
  openAt({ owner, network, site, method }: Asked, nowSeconds: number): readonly PaymentRow[] {
    if (!this.#has().open) return []
    return this.#select(
      `${OPEN} AND site = ? AND method = ? AND valid_before > ? AND ${SAME_OWNER} ORDER BY seq LIMIT ${MOST_OPEN}`,
      [site, method, nowSeconds - UNRESOLVED_SECONDS, network, owner],
    )
  }

  /** Running access that may open what is wanted, and was bought for as long. */
  lastingFor({ owner, network, site, method, scope, accessSeconds }: Asked, nowSeconds: number): readonly PaymentRow[] {
    if (!this.#has().lasting) return []
    return SCOPES.flatMap((isScope) =>
      this.#select(
        `status = 'settled' AND access_seconds > 0 AND ${isScope} AND site = ? AND method = ? AND ends_at > ?
         AND access_seconds >= ? AND ${SAME_OWNER} ORDER BY ends_at DESC LIMIT ${MOST_PATTERNS}`,
        [scope, site, method, nowSeconds, accessSeconds, network, owner],
        { index: 'INDEXED BY payments_lasting' },
      ),
    )
  }

  /** Single answers that were paid for, and whose handouts, if any, were all taken back. */
  unclaimedFor({ owner, network, site, method, scope }: Asked): readonly PaymentRow[] {
    if (!this.#has().single) return []
    return this.#select(
      `status = 'settled' AND access_seconds = 0 AND delivered = 0 AND handouts = released AND handouts < ${MOST_HANDOUTS}
       AND site = ? AND method = ? AND scope = ? AND ${SAME_OWNER} ORDER BY seq LIMIT ${MOST_PATTERNS}`,
      [site, method, scope, network, owner],
    )
  }

  /** The newest refused payments for the same thing that the chain would have accepted a moment ago. */
  refusedFor({ owner, network, site, method, scope }: Asked, nowSeconds: number): readonly PaymentRow[] {
    if (!this.#has().refused) return []
    const most = [MOST_REFUSED, MOST_REFUSED_PATTERNS]
    return SCOPES.flatMap((isScope, i) =>
      this.#select(
        `status = 'refused' AND look_at IS NOT NULL AND ${isScope} AND site = ? AND method = ? AND valid_before > ?
         AND ${SAME_OWNER} ORDER BY seq DESC LIMIT ${most[i]}`,
        [scope, site, method, nowSeconds - CLOCK_MARGIN_SECONDS, network, owner],
      ),
    )
  }

  /** Payments that were settled in a transaction, two at most. */
  byTransaction(network: string, transaction: string): readonly PaymentRow[] {
    return this.#select("status = 'settled' AND tx = ? AND network = ? LIMIT 2", [transaction, network])
  }

  /** How much of one owner is under way or remembered. */
  loadOf({ owner, network }: Pick<Asked, 'owner' | 'network'>, nowSeconds: number): Load {
    const has = this.#has()
    if (!has.open && !has.covered && !has.refused) return NO_LOAD
    const count = (where: string, most: number) =>
      `(SELECT count(*) FROM (SELECT 1 FROM payments WHERE ${where} AND ${SAME_OWNER} LIMIT ${most}))`
    const { open, covered, refused } = this.#storage.sql
      .exec(
        `SELECT ${count(`${OPEN} AND valid_before > ?`, MOST_OPEN)} AS open,
           ${count("status = 'covered'", MOST_COVERED)} AS covered,
           ${count("status = 'refused' AND sent_at > ?", MOST_REFUSED_LATELY)} AS refused`,
        ...[nowSeconds - UNRESOLVED_SECONDS, network, owner],
        ...[network, owner],
        ...[nowSeconds - 60, network, owner],
      )
      .one()
    return { open: Number(open), covered: Number(covered), refusedLately: Number(refused) }
  }

  /** Running access of one owner at a site: what may open a scope first, then what lasts longest. */
  lastingAt(asked: Asked, nowSeconds: number, most: number): readonly PaymentRow[] {
    const { owner, network, site } = asked
    const others = this.#select(
      `status = 'settled' AND access_seconds > 0 AND site = ? AND ends_at > ? AND ${SAME_OWNER}
       ORDER BY ends_at DESC LIMIT ${most}`,
      [site, nowSeconds, network, owner],
    )
    return [...this.lastingFor(asked, nowSeconds), ...others]
  }

  /** Rows the chain is to be asked about now, the longest overdue first. */
  lookDue(nowSeconds: number, most: number): readonly PaymentRow[] {
    const tomorrow = nowSeconds + 86_400
    return this.#select(`look_at <= ? ORDER BY look_at LIMIT ${most}`, [nowSeconds], {
      onUnreadable: (key) => this.postpone(key, tomorrow),
    })
  }

  /** Rows the ledger lacks. One that cannot be read is set aside: it holds up no other, and sets no alarm. */
  outboxDue(most: number): readonly PaymentRow[] {
    const found = this.#select(`outbox = 'due' ORDER BY seq LIMIT ${4 * most}`, [], {
      onUnreadable: (key) => this.dispute(key),
    })
    return found.slice(0, most)
  }

  /** What was begun before a time, and is still open or not in the ledger; null for nothing. */
  unresolvedBefore(seconds: number): Unresolved | null {
    if (this.#version === 0) return null
    const { payments, since } = this.#storage.sql
      .exec(
        `SELECT count(*) AS payments, min(claimed_at) AS since FROM payments WHERE (${OPEN} AND (status <> 'claimed' OR sent > 0) OR outbox = 'due') AND claimed_at < ?`,
        seconds,
      )
      .one()
    return Number(payments) === 0 ? null : { payments: Number(payments), sinceSeconds: Number(since) }
  }

  /** Whether anything was begun before a time. */
  hasBefore(seconds: number): boolean {
    if (this.#version === 0) return false
    return (
      this.#storage.sql.exec('SELECT EXISTS (SELECT 1 FROM payments WHERE claimed_at < ?) AS n', seconds).one().n === 1
    )
  }

  /** Stores a new row under the next number. */
  insert(row: PaymentRow): void {
    this.#migrate()
    const stored = writeRow(row)
    const names = Object.keys(stored)
    this.#write(
      `INSERT INTO payments (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
      ...Object.values(stored),
    )
  }

  /** Stores what is different. Throws where another row holds the same proof. */
  update(before: PaymentRow, after: PaymentRow): void {
    const old = writeRow(before)
    const changed: Columns = Object.fromEntries(
      Object.entries(writeRow(after)).filter(([name, value]) => old[name] !== value),
    )
    const names = Object.keys(changed)
    if (names.length === 0) return
    this.#write(
      `UPDATE payments SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE key = ?`,
      ...Object.values(changed),
      after.key,
    )
  }

  /** Whether another row already stands for a log of a transaction. */
  isProofTaken(network: string, transaction: string, position: number, key: string): boolean {
    return (
      this.#select('network = ? AND tx = ? AND position = ? AND key <> ? LIMIT 1', [
        network,
        transaction,
        position,
        key,
      ]).length > 0
    )
  }

  /** Takes a row out of the outbox. The ledger is not told of it. */
  dispute(key: string): void {
    this.#write("UPDATE payments SET outbox = 'disputed' WHERE key = ?", key)
  }

  /** Puts off the next look at a row. */
  postpone(key: string, untilSeconds: number): void {
    this.#write('UPDATE payments SET look_at = ? WHERE key = ?', untilSeconds, key)
  }

  /** Uses up a nonce of a sign-in, and remembers it until it ends. False when it had been used before. */
  useNonce(nonce: string, nonceEndsAtSeconds: number): boolean {
    // Receipts outlive what an object remembers of its payer.
    this.#migrate()
    const { rowsWritten } = this.#write(
      'INSERT INTO used_nonces (nonce, ends_at) VALUES (?, ?) ON CONFLICT (nonce) DO NOTHING',
      nonce,
      nonceEndsAtSeconds,
    )
    return rowsWritten > 0
  }

  /** Forgets what nothing depends on any more. A row lives as long as one that points to it. */
  forget(nowSeconds: number): void {
    if (this.#version === 0) return
    this.#write(
      `DELETE FROM payments WHERE keep_until <= ? AND NOT EXISTS
         (SELECT 1 FROM payments AS pointing
          WHERE pointing.status = 'covered' AND pointing.covered_by = payments.key AND pointing.keep_until > ?)`,
      nowSeconds,
      nowSeconds,
    )
    this.#write('DELETE FROM used_nonces WHERE ends_at <= ?', nowSeconds)
  }

  /** When something is to be done next (Unix seconds): a look, the ledger, a row or a nonce to forget. Null: nothing. */
  dueSeconds(nowSeconds: number, ledgerRetrySeconds: number): number | null {
    if (this.#version === 0) return null
    const due = this.#storage.sql
      .exec(
        `SELECT (SELECT min(look_at) FROM payments WHERE look_at IS NOT NULL) AS look,
           (SELECT 1 FROM payments WHERE outbox = 'due' LIMIT 1) AS ledger,
           (SELECT min(keep_until) FROM payments WHERE keep_until > ?) AS forget, (SELECT min(ends_at) FROM used_nonces) AS nonce`,
        nowSeconds,
      )
      .one()
    const times = [due.look, due.ledger === null ? null : nowSeconds + ledgerRetrySeconds, due.forget, due.nonce]
    const known = times.filter((time) => typeof time === 'number' && time < FOREVER_SECONDS)
    return known.length === 0 ? null : Math.min(...known.map(Number))
  }

  /** Whether there is nothing left to remember. */
  isForgotten(): boolean {
    if (this.#version === 0) return true
    const sql = 'SELECT EXISTS (SELECT 1 FROM payments) + EXISTS (SELECT 1 FROM used_nonces) AS n'
    return this.#storage.sql.exec(sql).one().n === 0
  }

  /** The storage has been emptied. */
  reset(): void {
    this.#version = 0
    this.#forgetRead()
  }
}
