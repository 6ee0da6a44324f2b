// The payer's records, and what has to follow each write: the next alarm in the same commit, and the ledger. The alarm
// is only ever moved earlier.
import { type LedgerRow, noteUnresolved, recordPayment } from '../ledger.ts'
import { log, nameOf, type PaymentEvent } from '../log.ts'
import { paymentAlias } from '../networks/alias.ts'
import { isolateOf, nowSeconds } from '../site.ts'
import { within } from '../waiting.ts'
import { ASSETS, type Asset } from '../x402/assets.ts'
import { paidBefore } from './next.ts'
import { PaymentRecords } from './records.ts'
import { type RedemptionEvent, step } from './redemption.ts'
import { isUnproven, isUnresolved, ledgerRowOf, type PaymentRow, withState, withTitle } from './rows.ts'

/** Rows one alarm writes to the ledger, each with two calls at most. */
const MOST_ENTRIES = 8
const LEDGER_LIMIT_MS = 5_000
const LEDGER_RETRY_SECONDS = 20
const LONGEST_RETRY_SECONDS = 600
/** What takes longer is worth telling. */
const UNRESOLVED_SECONDS = 60
/** Between two alarms when there is more to do than one alarm does. */
const SOON_MS = 5_000

export class Book {
  readonly records: PaymentRecords
  readonly #ctx: DurableObjectState
  readonly #env: Env
  /** Keys on their way to the ledger. */
  readonly #entering = new Set<string>()
  #ledgerFailures = 0
  /** Whether the database has a note of what is open here; null after a start. */
  #isNoted: boolean | null = null
  /** Kept here, since `getAlarm` is asynchronous and knows of no alarm while one runs. */
  #alarmAtMs: number | null = null

  constructor(ctx: DurableObjectState, env: Env) {
    this.#ctx = ctx
    this.#env = env
    this.records = new PaymentRecords(ctx.storage, (key) => this.tell('payment_unreadable', key))
  }

  /** Logs an event about one payment, by its alias; without one where the configuration cannot be read. */
  tell(event: PaymentEvent, key: string): void {
    const { config } = isolateOf(this.#env)
    log({ event, payment: config.ok ? paymentAlias(config.value.passSecret, key) : '' })
  }

  /** All that is sold for today; those of the table where the configuration cannot be read. */
  tokens(): readonly Asset[] {
    const { config } = isolateOf(this.#env)
    return config.ok ? config.value.tokens : ASSETS
  }

  /** After a start: sets an alarm where none is set and something is due. */
  async open(): Promise<void> {
    this.#alarmAtMs = await this.#ctx.storage.getAlarm()
    if (this.#alarmAtMs === null) this.armForNext()
  }

  /** Throws where there is no such row. */
  row(key: string): PaymentRow {
    const found = this.records.byKey(key)
    if (!found) throw new Error('a payment that was claimed has no row')
    return found
  }

  insert(row: PaymentRow): void {
    this.records.insert(row)
    if (row.lookAtSeconds !== null) this.arm(row.lookAtSeconds * 1000)
  }

  /** Stores what has changed of a row. */
  save(before: PaymentRow, changed: PaymentRow): void {
    if (changed === before) return
    const isNew = changed.state.status === 'settled' && before.state.status !== 'settled'
    const after = isNew ? this.#owedBack(changed) : changed
    this.records.update(before, after)
    if (after.lookAtSeconds !== null) this.arm(after.lookAtSeconds * 1000)
    if (after.outbox === 'due' && before.outbox !== 'due') this.#ctx.waitUntil(this.#enter(after))
    const isGivenUp = before.lookAtSeconds !== null && after.lookAtSeconds === null
    if (isGivenUp && isUnresolved(after, nowSeconds())) this.tell('payment_unresolved', after.key)
    if (isGivenUp && isUnproven(after)) this.tell('settlement_unproven', after.key)
  }

  /** A row that has just been settled: it names the payment that had paid for its wish before, if one had. */
  #owedBack(row: PaymentRow): PaymentRow {
    const by = paidBefore(row, this.records.lastingFor(row, nowSeconds()))
    return by ? { ...row, state: step(row.state, { kind: 'paid twice', by: by.key }) } : row
  }

  apply(row: PaymentRow, event: RedemptionEvent): void {
    this.save(row, withState(row, step(row.state, event), nowSeconds()))
  }

  /** What a payment bought is called so: the ledger is told. What cannot be noted is left out. */
  noteTitle(key: string, title: string): void {
    try {
      const row = this.row(key)
      this.save(row, withTitle(row, title))
    } catch {
      // No title is worth a fault.
    }
  }

  /** The alarm has come: the next one may be at any time. */
  alarmed(): void {
    this.#alarmAtMs = null
  }

  /** Moves the alarm to a time (milliseconds), if that is earlier. */
  arm(atMs: number): void {
    if (this.#alarmAtMs !== null && this.#alarmAtMs <= atMs) return
    this.#alarmAtMs = atMs
    void this.#ctx.storage.setAlarm(atMs)
  }

  armForNext(): void {
    const dueSeconds = this.records.dueSeconds(nowSeconds(), this.#retrySeconds())
    if (dueSeconds !== null) this.arm(Math.max(dueSeconds * 1000, Date.now() + SOON_MS))
  }

  /** Forgets what nothing depends on. An empty object keeps no storage; a claim that comes later makes its tables anew. */
  forget(): void {
    this.records.forget(nowSeconds())
    if (this.records.isEmpty || !this.records.isForgotten()) return
    void this.#ctx.storage.deleteAll()
    this.records.reset()
    this.#alarmAtMs = null
  }

  /** Writes what the ledger lacks, a bounded number of rows; none holds up another. */
  async emptyOutbox(): Promise<void> {
    await Promise.all(this.records.outboxDue(MOST_ENTRIES).map((row) => this.#enter(row)))
  }

  /** Tells the publisher's database what is still open after a minute, and takes it back when it is over. Never throws. */
  async noteUnresolved(): Promise<void> {
    const before = nowSeconds() - UNRESOLVED_SECONDS
    const open = this.records.unresolvedBefore(before)
    // After a start nobody knows whether there is a note: where there may be one, it is taken back once.
    this.#isNoted ??= this.records.hasBefore(before)
    // A database that takes no rows takes no notes.
    if ((open === null && !this.#isNoted) || this.#ledgerFailures > 0) return
    try {
      const noted = noteUnresolved(this.#env.LEDGER_DB, this.#ctx.id.toString(), open).then(() => true)
      if ((await within(noted, LEDGER_LIMIT_MS)) === true) this.#isNoted = open !== null
    } catch (fault) {
      log({ event: 'ledger_unavailable', problem: nameOf(fault) })
    }
  }

  /** Writes one row to the ledger. A row it does not take waits for the alarm. */
  async #enter(row: PaymentRow): Promise<void> {
    const { key } = row
    const entry = this.#entryOf(row)
    if (!entry || this.#entering.has(key)) return
    this.#entering.add(key)
    let isBehind = false
    try {
      const outcome = await within(recordPayment(this.#env.LEDGER_DB, entry), LEDGER_LIMIT_MS)
      if (outcome === null) throw new Error('the ledger takes too long')
      if (outcome === 'disputed') this.tell('ledger_disputed', key)
      const stored = this.records.byKey(key)
      isBehind = stored !== null && outcome === 'stored' && this.#isBehind(entry, stored)
      const outbox = outcome === 'disputed' ? 'disputed' : isBehind ? 'due' : 'empty'
      if (stored) this.save(stored, { ...stored, outbox })
      this.#ledgerFailures = 0
    } catch {
      this.#ledgerFailures++
      this.tell('ledger_unavailable', key)
      this.arm(Date.now() + this.#retrySeconds() * 1000)
    } finally {
      this.#entering.delete(key)
    }
    if (isBehind) await this.#enter(this.row(key))
  }

  /** Whether a row has learnt something, while it was on its way, that the ledger is to hear. Each can happen once. */
  #isBehind(entry: LedgerRow, row: PaymentRow): boolean {
    const now = this.#entryOf(row)
    if (!now) return false
    const hasTitle = now.title !== null && entry.title === null
    const hasRemark = now.remark !== null && now.remark !== entry.remark
    return hasTitle || hasRemark
  }

  /** Null where the row cannot be read: it is set aside. */
  #entryOf(row: PaymentRow): LedgerRow | null {
    try {
      return ledgerRowOf(row, this.tokens())
    } catch {
      this.tell('payment_unreadable', row.key)
      this.records.dispute(row.key)
      return null
    }
  }

  #retrySeconds(): number {
    return Math.min(
      LEDGER_RETRY_SECONDS * 2 ** Math.min(Math.max(0, this.#ledgerFailures - 1), 8),
      LONGEST_RETRY_SECONDS,
    )
  }
}
