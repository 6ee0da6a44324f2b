// The durable truth about one payer's money on one network: claims an authorization, has it settled, remembers it.
// Reached only with a proven signature. One thread per payer: between two awaits nothing else runs, so a check and the
// write that follows it are one step. Never fetches inside `blockConcurrencyWhile`.
import { DurableObject } from 'cloudflare:workers'
import { head } from '../chain.ts'
import { type Config, parseConfig } from '../config.ts'
import { type SettleReply, settle } from '../facilitator.ts'
import type { Resource } from '../policy/scope.ts'
import { type Asset, assetOf } from '../x402/assets.ts'
import { answerOf } from './answer.ts'
import { Handouts } from './handouts.ts'
import { deliverOutbox } from './outbox.ts'
import { Queue } from './queue.ts'
import { reconcile } from './reconcile.ts'
import { PaymentRecords } from './records.ts'
import {
  granted,
  isAnotherSignature,
  isSameResource,
  nameOf,
  type RedeemOutcome,
  type RedeemRequest,
  refusal,
  refused,
} from './redeem.ts'
import { type RedemptionEvent, step } from './redemption.ts'
import { claimOf, claimRow, ownedRow, type PaymentRow, signedPaymentOf, stateOf, type Wanted } from './rows.ts'
import { type Outcome, Runs } from './runs.ts'
import { isPendingFor, ownedAt, type SignInOutcome, type SignInRequest, UsedNonces } from './sign-ins.ts'
import {
  ALARM_MS,
  CLAIM_SECONDS,
  HEIGHT_TIMEOUT_MS,
  HOLD_MS,
  nowSeconds,
  PATIENCE_MS,
  POLL_MS,
  poll,
  REFUSAL_PATIENCE_MS,
  retryMs,
  within,
} from './waiting.ts'

export class Payer extends DurableObject<Env> {
  #records: PaymentRecords
  #nonces: UsedNonces
  readonly #handouts = new Handouts()
  readonly #queue = new Queue()
  #config: ReturnType<typeof parseConfig> | null = null
  readonly #runs = new Runs()

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#records = new PaymentRecords(ctx.storage.sql)
    this.#nonces = new UsedNonces(ctx.storage.sql)
  }

  /** Redeems a proven payment at most once. Identical requests in flight share one settlement. */
  async redeem(request: RedeemRequest): Promise<RedeemOutcome> {
    const deadline = Date.now() + HOLD_MS
    const { key, offer, objection, resource } = request
    const known = this.#records.byKey(key)
    if (!known && (objection || !offer)) return refusal(objection ?? { code: 'invalid_payment_requirements' })
    const wanted = known ? { resource, scope: known.scope, accessSeconds: known.access_seconds } : request
    const settle = () => this.#settleFor(request, wanted, deadline)
    // Two payments for lasting access to one thing are never sent at once; single answers are bought side by side.
    const isLasting = wanted.accessSeconds > 0
    this.#runs.resume(key)
    const turn = isLasting ? await this.#queue.run(nameOf(wanted), deadline, settle) : { value: await settle() }
    if (!turn) return refused('payment_in_progress')
    if (turn.value) return turn.value
    // Nobody is there to be handed the content: the next to ask gets it.
    if (this.#runs.resume(key)) return refused('payment_in_progress')
    const asked = { key, identifier: request.payment.identifier, resource: resource.id }
    return answerOf(this.#records, this.#handouts, asked, deadline)
  }

  /** Whoever sent a payment hung up: another payment for the same answer waits for its outcome. */
  async abandon(key: string): Promise<void> {
    this.#runs.abandon(key)
  }

  /** Sees to it that a payment is settled, or need not be. Null when the payment's own row has the answer. */
  async #settleFor(request: RedeemRequest, wanted: Wanted, deadline: number): Promise<RedeemOutcome | null> {
    const { key, payment, offer, objection } = request
    const asked = new Set<string>()
    const ask = async (rows: PaymentRow[], patienceMs: number): Promise<boolean> => {
      const fresh = rows.filter((row) => !asked.has(row.key))
      const patientUntil = Math.min(Date.now() + patienceMs, deadline)
      for (const row of fresh) {
        asked.add(row.key)
        await this.#ask(row.key, patientUntil)
      }
      return fresh.length > 0
    }
    for (;;) {
      const namesake = payment.identifier === null ? undefined : this.#records.byIdentifier(payment.identifier)
      if (namesake && (namesake.key !== key || !isSameResource(namesake, request))) {
        return refused('payment_identifier_conflict')
      }
      const known = this.#records.byKey(key)
      if (known && (isAnotherSignature(known, request) || !isSameResource(known, request))) {
        return refused('payment_already_used', known.tx)
      }
      if (known?.status === 'settled') return null
      if (known?.status === 'refused' && objection) return refusal(objection)
      if (known?.status === 'refused' && (known.reason === 'payment_already_used' || known.delivered === 1)) {
        return refused('payment_already_used', known.tx)
      }

      // An earlier payment for the same thing comes first: if it landed, it is what pays.
      const open = this.#records
        .openFor(wanted)
        .find((row) => row.key !== key && (row.access_seconds > 0 || !this.#runs.isAwaited(row.key)))
      if (open) {
        const why = await this.#finish(open.key, deadline)
        if (why) return refused(why === 'facilitator_unavailable' ? why : 'settlement_pending', open.tx)
        continue
      }
      // A refusal is a facilitator's word: before another signature pays, the chain is asked about the first.
      const refusals = this.#records.refusedFor(wanted, nowSeconds()).filter((row) => row.key !== key)
      if (await ask(refusals, REFUSAL_PATIENCE_MS)) continue
      const paid = this.#records.paidFor(wanted, nowSeconds(), (held) => this.#handouts.isLeased(held))
      if (paid && known && paid.access_seconds > 0) {
        // What this payment became is for its own row to say; it is not sent again.
        if (await ask([known], 0)) continue
        // Like any payment for what is owned it is used now, whatever the chain says of it later.
        this.#records.setDelivered(key)
        return granted(paid, null)
      }
      if (!known && offer) {
        const fresh = claimRow(key, payment, offer, request, request.signatureHash, nowSeconds())
        if (paid) {
          this.#passOn(paid, fresh)
          return null
        }
        this.#records.insert(fresh)
      }
      this.#apply(key, { kind: 'retry' })
      const why = await this.#finish(key, deadline)
      return why ? refused(why, this.#row(key).tx) : null
    }
  }

  /** A payment for what `paid` has bought already: it counts as used, and is answered in its place. */
  #passOn(paid: PaymentRow, fresh: PaymentRow): void {
    this.ctx.storage.transactionSync(() => {
      if (paid.access_seconds === 0) this.#records.setDelivered(paid.key)
      this.#records.insert(ownedRow(fresh, paid))
    })
  }

  /** Uses up a payment that was sent beside a valid pass: it buys nothing, and is never settled. */
  async useUp({ key, payment, offer, signatureHash, ...wanted }: RedeemRequest): Promise<void> {
    if (!offer || this.#records.byKey(key)) return
    // Without its identifier, which stays free for a purchase.
    const unnamed = { ...payment, identifier: null }
    const used = claimRow(key, unnamed, offer, wanted, signatureHash, nowSeconds())
    this.#records.insert({ ...used, status: 'refused', reason: 'payment_already_used', signature: null })
    await this.ctx.storage.setAlarm(Date.now() + ALARM_MS)
  }

  /** Whether this payer has running access at the site of a resource. */
  async ownsAt(resource: Resource): Promise<boolean> {
    return ownedAt(this.#records, resource, nowSeconds()).length > 0
  }

  /** What this payer owns, for one use of a nonce. Who owns nothing leaves nothing behind. */
  async signIn({ nonce, nonceEndsAtSeconds, resource }: SignInRequest): Promise<SignInOutcome> {
    const grants = ownedAt(this.#records, resource, nowSeconds())
    const isPending = isPendingFor(this.#records, resource, grants)
    if (isPending || grants.length === 0) return { kind: 'nothing', isPending }
    if (!this.#nonces.use(nonce, nonceEndsAtSeconds)) return { kind: 'used' }
    const alarmMs = await this.ctx.storage.getAlarm()
    if (alarmMs === null || alarmMs > nonceEndsAtSeconds * 1000) {
      await this.ctx.storage.setAlarm(nonceEndsAtSeconds * 1000)
    }
    return { kind: 'owned', grants }
  }

  /** The content of a payment was handed out. */
  async delivered(key: string, lease: number): Promise<void> {
    this.#records.setDelivered(key)
    this.#handouts.end(key, lease)
  }

  /** The content of a payment could not be handed out: the same payment may ask again. */
  async released(key: string, lease: number): Promise<void> {
    this.#handouts.end(key, lease)
  }

  /** Clears up what crashes and hang-ups left open, and delivers what the ledger does not have yet. */
  override async alarm(): Promise<void> {
    const refusedRows = [...this.#records.refusedLately(nowSeconds()), ...this.#records.refusedAndDue(nowSeconds())]
    for (const open of [...this.#records.openRows(), ...refusedRows]) {
      if (!this.#runs.has(open.key)) await this.#ask(open.key)
    }
    await this.#deliverOutbox()
    const dueSeconds = this.#records.forget(nowSeconds())
    if (dueSeconds === null) return this.#forgetAll()
    const nonceDueSeconds = this.#nonces.forget(nowSeconds()) ?? dueSeconds
    const left = [...this.#records.openRows(), ...this.#records.outboxRows()]
    const dueMs = left.length === 0 ? dueSeconds * 1000 : Date.now() + retryMs(left)
    await this.ctx.storage.setAlarm(Math.min(dueMs, nonceDueSeconds * 1000))
  }

  /** An empty object keeps no storage; a claim that comes later makes its table anew. */
  async #forgetAll(): Promise<void> {
    const emptied = this.ctx.storage.deleteAll()
    this.#records = new PaymentRecords(this.ctx.storage.sql)
    this.#nonces = new UsedNonces(this.ctx.storage.sql)
    await emptied
  }

  /** Settles a payment or joins the settlement under way. */
  #finish(key: string, deadline: number): Promise<Outcome> {
    return this.#runs.finish(key, deadline, () => {
      const run = this.#settle(key)
      // The object lives on until the settlement ends, whoever hangs up.
      this.ctx.waitUntil(run)
      return run
    })
  }

  async #settle(key: string): Promise<Outcome> {
    const deadline = Date.now() + HOLD_MS
    await this.ctx.storage.setAlarm(deadline + ALARM_MS)
    const { config, asset, rpcUrl } = this.#context(key)
    const found = this.#row(key)
    // A restart in the middle of settling leaves a row that nobody runs: what was sent then is in doubt.
    if (found.status === 'settling') this.#apply(key, { kind: 'give_up' })
    if ((found.status === 'settling' || found.status === 'unknown') && (await this.#ask(key))) return null
    // Only a height read at the claim itself tells what landed after it; a payment asked for again keeps what it has.
    if (found.claim_block === null && nowSeconds() - found.claimed_at <= CLAIM_SECONDS) {
      const height = await within(head(rpcUrl), HEIGHT_TIMEOUT_MS)
      if (height?.ok) this.#records.setClaimBlock(key, height.value.number)
    }
    const payment = signedPaymentOf(found, asset)
    // What can no longer land is not sent again; the chain will say so.
    if (!payment || found.valid_before <= BigInt(nowSeconds())) return 'settlement_pending'
    this.#apply(key, { kind: 'send' })
    // The claim is on disk before the money moves.
    await this.ctx.storage.sync()
    const sent = settle(config.facilitators, payment)
    let reply: SettleReply | null = await within(sent, PATIENCE_MS)
    for (;;) {
      const isOver = reply !== null && this.#apply(key, { kind: 'reply', reply })
      if (reply?.kind === 'settled' && isOver) return null
      // A refusal is asked about too: a payment that somebody else broadcast first leaves an empty wallet, and has paid.
      if ((await this.#ask(key)) || isOver) return null
      // Nobody got it as far as we can tell, and the chain agrees: nothing to wait for.
      if (reply?.kind === 'unsent') return 'facilitator_unavailable'
      if (Date.now() >= deadline) break
      if (reply) await scheduler.wait(POLL_MS)
      else reply = await within(sent, POLL_MS)
    }
    this.#apply(key, { kind: 'give_up' })
    return 'settlement_pending'
  }

  /** Asks the chain what became of a payment, until `deadline` while it does not answer. True when that ends it. */
  async #ask(key: string, deadline = 0): Promise<boolean> {
    const found = this.#row(key)
    const { asset, rpcUrl } = this.#context(key)
    const look = () => reconcile(rpcUrl, claimOf(found, asset))
    return this.#apply(key, { kind: 'truth', truth: await poll(look, ({ kind }) => kind !== 'unreachable', deadline) })
  }

  /** Applies an event to the stored state, in one step. True when the outcome is known now. */
  #apply(key: string, event: RedemptionEvent): boolean {
    const before = stateOf(this.#row(key))
    const after = step(before, event)
    if (after !== before) this.#records.setState(key, after, nowSeconds())
    const isSettled = after.status === 'settled'
    if (isSettled && before.status !== 'settled') this.ctx.waitUntil(this.#deliverOutbox())
    return isSettled || after.status === 'refused'
  }

  /** What the ledger does not take stays for the alarm. */
  async #deliverOutbox(): Promise<void> {
    const delivered = await deliverOutbox(this.#records, this.env.LEDGER_DB)
    if (!delivered) await this.ctx.storage.setAlarm(Date.now() + ALARM_MS)
  }

  #row(key: string): PaymentRow {
    const found = this.#records.byKey(key)
    if (!found) throw new Error('a payment that was claimed has no row')
    return found
  }

  #context(key: string): { config: Config; asset: Asset; rpcUrl: string } {
    this.#config ??= parseConfig({ ...this.env })
    const asset = assetOf(this.#row(key).network)
    if (!this.#config.ok || !asset) throw new Error('the payer needs a valid configuration and a known network')
    return { config: this.#config.value, asset, rpcUrl: this.#config.value.rpcUrls[asset.network] ?? asset.rpcUrl }
  }
}
