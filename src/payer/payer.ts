// The durable truth about one payer's money on all networks of a kind: gather a view, ask `next`, do what it says. Nothing is
// stored without a proven signature. Between two awaits nothing else runs, so gathering, deciding and the first write are
// one step.
import { DurableObject } from 'cloudflare:workers'
import { type Budget, shareOf } from '../chain.ts'
import type { Refusal } from '../errors.ts'
import { log, nameOf } from '../log.ts'
import type { Grant } from '../pass.ts'
import { nowSeconds } from '../site.ts'
import { Book } from './book.ts'
import { HandOver } from './hand-over.ts'
import { type Held, InFlight } from './in-flight.ts'
import { type Ending, isEnough, next, type Seen, type Step, type StillOpen, type View } from './next.ts'
import {
  type HandedOver,
  type HandOverRequest,
  type Handout,
  type HandoutReport,
  type Message,
  type NonceRequest,
  OLDEST_PAYMENTS,
  PROTOCOL,
  type RecogniseRequest,
  type RedeemOutcome,
  type RedeemRequest,
  refused,
  refusedWith,
  type SignInOutcome,
  type SignInRequest,
  type UseUpRequest,
} from './protocol.ts'
import type { Truth } from './reconcile.ts'
import { type Asked, MOST_COVERED, NO_LOAD } from './records.ts'
import { CLAIMED, isOpen, step } from './redemption.ts'
import { claimRow, endsAtSeconds, isUnresolved, type PaymentRow, personOf, type Wish } from './rows.ts'
import { HOLD_MS, REQUEST_BUDGET, Settling } from './settling.ts'
import { termsOf } from './stored.ts'

/** How long one look at other payments may take before the wish goes on. */
const LOOK_PATIENCE_MS = 6_000
/** How long the chain is asked about a refusal, while it does not answer, before another signature pays. */
const REFUSAL_PATIENCE_MS = 10_000
/** Of a request's calls, those for asking about other payments; the rest is for its own. */
const ASK_BUDGET = 18
/** A request decides this often at most; each decision uses something up, so this is never reached. */
const MOST_STEPS = 100
/** By how much the clocks of workers and objects may differ. */
const NONCE_MARGIN_SECONDS = 60
/** In place of the key of a payment: a pass has opened what it was sent for. */
const BY_A_PASS = 'pass'
/** A newer release wrote here, and this one may not: the alarm is put off for this long. */
const NEWER_RETRY_MS = 3_600_000
/** More than a cookie holds. */
const MOST_GRANTS = 50

/** The wish for one answer of a resource. A payment that is enough for it opens the resource. */
const wishOf = ({ resource }: SignInRequest): Wish => ({ resource, scope: `=${resource.id}`, accessSeconds: 0 })

type RequestNotes = { finished: Map<string, StillOpen | null>; asked: Set<string>; joined: Set<string> }

export class Payer extends DurableObject<Env> {
  readonly #book: Book
  readonly #settling: Settling
  readonly #inFlight = new InFlight<Ending>()
  readonly #handOver: HandOver

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#book = new Book(ctx, env)
    this.#settling = new Settling(this.#book, ctx, env)
    this.#handOver = new HandOver(ctx.storage)
    const { isEmpty, isNewer } = this.#book.records
    if (!isEmpty && !isNewer) ctx.blockConcurrencyWhile(() => this.#book.open())
  }

  /** Redeems a proven payment at most once. Identical requests in flight share one settlement. */
  async redeem(request: RedeemRequest): Promise<RedeemOutcome> {
    if (!this.#understands(request)) return refused('unavailable')
    const held = this.#inFlight.enter(request.requestId, request.key, personOf(request.owner, request.payment.network))
    if (!held) return refused('payment_in_progress')
    try {
      return await this.#redeem(request, held)
    } finally {
      this.#inFlight.leave(request.requestId)
    }
  }

  /** What a payment would be refused with, as far as that is known without asking or sending anything. Null: nothing. */
  async objectionTo(request: RedeemRequest): Promise<Refusal | null> {
    if (!this.#understands(request)) return { code: 'unavailable' }
    const decided = this.#firstStep(request)
    return decided.kind === 'answer' ? decided.refusal : null
  }

  /**
   * Whether a payment would be claimed as it comes: it is not known, and nothing that this payer has paid for, or may have, stands
   * before it. Null: nobody can say now.
   */
  async isToClaim(request: RedeemRequest): Promise<boolean | null> {
    return this.#understands(request) ? this.#firstStep(request).kind === 'claim' : null
  }

  /** The client of this request hung up. */
  async hangUp({ requestId }: Message & { requestId: string }): Promise<void> {
    this.#inFlight.hangUp(requestId)
  }

  /** Whether a payment was proven here before, with this very signature. Null: nobody can say now. */
  async recognise(request: RecogniseRequest): Promise<boolean | null> {
    if (!this.#speaks(request)) return null
    return this.#book.records.byKey(request.key)?.signatureHash === request.signatureHash
  }

  /** Uses up a payment that was sent beside a valid pass: it buys nothing, and is never settled. */
  async useUp(request: UseUpRequest): Promise<void> {
    const { offer, payment } = request
    if (!this.#understands(request) || !offer || this.#book.records.byKey(request.key)) return
    if (
      this.#book.records.loadOf({ owner: request.owner, network: payment.network }, nowSeconds()).covered >=
      MOST_COVERED
    )
      return
    // Without its identifier, which stays free for a purchase.
    const claim = { ...request, offer, payment: { ...payment, identifier: null }, seenBlock: null }
    this.#book.insert(
      claimRow(claim, { ...CLAIMED, status: 'covered', coveredBy: BY_A_PASS }, nowSeconds(), this.#book.tokens()),
    )
  }

  /** Whether this payer has running access at the site of a resource; null: nobody can say now. Stores nothing. */
  async ownsAt(request: SignInRequest): Promise<boolean | null> {
    return this.#speaks(request) ? this.#ownedAt(request).grants.length > 0 : null
  }

  /** What this payer owns, for one use of a nonce. For a payer who owns nothing, nothing is stored. */
  async signIn(request: SignInRequest): Promise<SignInOutcome> {
    if (!this.#speaks(request)) return { kind: 'unavailable' }
    const { nonce, nonceEndsAtSeconds } = request
    const { grants, opens } = this.#ownedAt(request)
    const isPending = !opens && this.#isPendingFor(request)
    if (isPending || grants.length === 0) return { kind: 'nothing', isPending }
    return this.#isFresh(nonce, nonceEndsAtSeconds) ? { kind: 'owned', grants } : { kind: 'used' }
  }

  /** Uses up the nonce of a sign-in for receipts, of which the ledger has some. False: it was used. Null: nobody can say now. */
  async useNonce(request: NonceRequest): Promise<boolean | null> {
    return this.#speaks(request) ? this.#isFresh(request.nonce, request.nonceEndsAtSeconds) : null
  }

  /** Uses up a nonce. A worker's clock may be behind, so it is remembered for a little longer. */
  #isFresh(nonce: string, nonceEndsAtSeconds: number): boolean {
    const untilSeconds = nonceEndsAtSeconds + NONCE_MARGIN_SECONDS
    if (!this.#book.records.useNonce(nonce, untilSeconds)) return false
    this.#book.arm(untilSeconds * 1000)
    return true
  }

  /** The content of a payment was taken. */
  async delivered({ protocol, key, number, title }: HandoutReport): Promise<void> {
    if (!this.#speaks({ protocol })) return
    const row = this.#book.records.byKey(key)
    if (row) this.#book.save(row, { ...row, isDelivered: true })
    this.#inFlight.endLease(key, number)
    if (title) this.#book.noteTitle(key, title)
  }

  /** The content of a payment could not be handed out: it may be asked for again. */
  async released({ protocol, key, number, title }: HandoutReport): Promise<void> {
    if (!this.#speaks({ protocol })) return
    const row = this.#book.records.byKey(key)
    // Reports count in order, each once. A handout whose report was lost does not count as taken back.
    if (row && number === row.released + 1) this.#book.save(row, { ...row, released: number })
    this.#inFlight.endLease(key, number)
    if (title) this.#book.noteTitle(key, title)
  }

  /** The content of a payment is still on its way. */
  async stillOpen({ protocol, key, number }: Message & Handout): Promise<void> {
    if (!this.#speaks({ protocol })) return
    const row = this.#book.records.byKey(key)
    if (row && !row.isDelivered && number <= row.handouts && number > row.released)
      this.#inFlight.renewLease(key, number)
  }

  /**
   * Keeps what another screen may fetch, once, for a few minutes. Only in an object that is named by a code: one that holds
   * payments takes nothing. The first one stays. False: it was not kept.
   */
  async handOver(request: HandOverRequest): Promise<boolean> {
    if (!this.#speaks(request) || !this.#book.records.isEmpty) return false
    if (!this.#handOver.put(request)) return false
    this.#book.arm(request.waitsUntilSeconds * 1000)
    return true
  }

  /** Gives out what is kept here, once. Null: nothing is there, or not any more. Asking stores nothing. */
  async takeOver(message: Message): Promise<HandedOver | null> {
    return this.#speaks(message) && this.#book.records.isEmpty ? this.#handOver.take(nowSeconds()) : null
  }

  /** Writes what the ledger lacks, asks the chain about what is due, and forgets what nothing depends on. Never throws. */
  override async alarm(): Promise<void> {
    const book = this.#book
    book.alarmed()
    if (book.records.isNewer) return book.arm(Date.now() + NEWER_RETRY_MS)
    if (book.records.isEmpty) return this.#handOver.forget()
    try {
      await book.emptyOutbox()
      await this.#settling.lookAround((key) => this.#inFlight.isRunning(key))
      await book.noteUnresolved()
      book.forget()
    } catch (fault) {
      log({ event: 'alarm_failed', problem: nameOf(fault) })
    } finally {
      book.armForNext()
    }
  }

  #speaks({ protocol }: Message): boolean {
    return protocol <= PROTOCOL && !this.#book.records.isNewer
  }

  /** The same for what carries a payment. */
  #understands(message: Message): boolean {
    return message.protocol >= OLDEST_PAYMENTS && this.#speaks(message)
  }

  /** What would be done first for a request, as of now. */
  #firstStep(request: RedeemRequest): Step {
    const told: RequestNotes = { finished: new Map(), asked: new Set(), joined: new Set() }
    return next(this.#gather(request, told, Number.POSITIVE_INFINITY), request)
  }

  async #redeem(request: RedeemRequest, held: Held): Promise<RedeemOutcome> {
    const deadlineMs = Date.now() + HOLD_MS
    const told: RequestNotes = { finished: new Map(), asked: new Set(), joined: new Set() }
    const budget: Budget = { left: REQUEST_BUDGET }
    const asking = shareOf(budget, ASK_BUDGET)
    for (let steps = 0; steps < MOST_STEPS; steps++) {
      const decided = next(this.#gather(request, told, deadlineMs), request)
      if (decided.kind === 'answer') return refusedWith(decided.refusal)
      // The client is gone: the next request gets the content.
      if (held.isGone()) return refused('payment_in_progress')
      if (decided.kind === 'hand out') return this.#handOut(decided, request)
      if (decided.kind === 'claim') this.#claim(request)
      else if (decided.kind === 'cover') this.#cover(request, decided.by)
      else await this.#wait(decided, request, held, told, deadlineMs, decided.kind === 'ask' ? asking : budget)
    }
    this.#book.tell('too_many_steps', request.key)
    return refused('payment_in_progress')
  }

  /** Everything the decision depends on, as of now. */
  #gather(request: RedeemRequest, told: RequestNotes, deadlineMs: number): View {
    const { key, owner, payment, resource } = request
    const records = this.#book.records
    const now = nowSeconds()
    const own = records.byKey(key)
    const { scope, accessSeconds } = own ?? request
    const asked: Asked = {
      owner,
      network: payment.network,
      site: resource.site,
      method: resource.method,
      scope,
      accessSeconds,
    }
    const paidBy = own?.state.coveredBy ? records.byKey(own.state.coveredBy) : null
    const isOther = (row: PaymentRow) => row.key !== key
    // Where its own request still waits, that one is about to be handed it.
    const isLeft = (row: PaymentRow) => !this.#inFlight.isAwaited(row.key)
    const isBeforeDecision = !own || isOpen(own.state) || own.state.status === 'refused'
    const others = <Row>(find: () => Row[]): Row[] => (isBeforeDecision ? find() : [])
    return {
      nowSeconds: now,
      isLate: Date.now() >= deadlineMs,
      own: own && this.#seen(own),
      paidBy: paidBy && this.#seen(paidBy),
      namesakes: payment.identifier === null ? [] : records.byIdentifier(payment.identifier, asked),
      open: others(() => records.openAt(asked, now).filter(isOther)).map((row) => this.#seen(row)),
      refused: others(() => records.refusedFor(asked, now).filter(isOther)),
      lasting: others(() => records.lastingFor(asked, now).filter(isOther)),
      unclaimed: others(() => (accessSeconds === 0 ? records.unclaimedFor(asked).filter(isOther).filter(isLeft) : [])),
      load: isBeforeDecision ? records.loadOf(asked, now) : NO_LOAD,
      told,
    }
  }

  #seen(row: PaymentRow): Seen {
    const { key } = row
    const inFlight = this.#inFlight
    const settling = this.#settling
    return {
      row,
      isRunning: inFlight.isRunning(key),
      isAwaited: inFlight.isAwaited(key),
      isHandedOut: inFlight.isHandedOut(key),
      // Found out only where it is read: for most rows it never is.
      get isSendable() {
        return settling.isSendable(row)
      },
    }
  }

  /** Does a step that takes time. */
  async #wait(
    decided: Extract<Step, { kind: 'wait' | 'ask' | 'finish' }>,
    request: RedeemRequest,
    held: Held,
    told: RequestNotes,
    deadlineMs: number,
    budget: Budget,
  ): Promise<void> {
    switch (decided.kind) {
      case 'wait': {
        const lease = this.#inFlight.leaseOf(decided.key)
        if (lease) await held.wait(lease.ended, Math.min(lease.silentAtMs, deadlineMs))
        return
      }
      case 'ask': {
        for (const key of decided.keys) told.asked.add(key)
        const within = (ms: number) => Math.min(deadlineMs, Date.now() + ms)
        const untilMs = { once: 0, answered: within(REFUSAL_PATIENCE_MS), certain: deadlineMs }[decided.patience]
        const isEnd = (truth: Truth) => decided.patience === 'answered' && truth.kind !== 'unreachable'
        const asking = decided.keys.map((key) => this.#settling.ask(key, untilMs, isEnd, budget))
        // The wish does not wait for a single look that takes longer.
        await held.wait(Promise.all(asking), decided.patience === 'once' ? within(LOOK_PATIENCE_MS) : deadlineMs)
        return
      }
      case 'finish': {
        const isShared = this.#inFlight.isRunning(decided.key)
        // Another payment may have paid for the wish meanwhile, or may come first now. Then sending this one pays twice.
        const before = { ...told, finished: new Map(told.finished) }
        const isStillFirst = () => {
          const again = next(this.#gather(request, before, deadlineMs), request)
          return again.kind === 'finish' && again.key === decided.key && again.maySend
        }
        const mayBeSent = decided.maySend ? isStillFirst : null
        const run = this.#inFlight.run(decided.key, () => this.#settling.settle(decided.key, mayBeSent, budget))
        const ended = await held.wait(run, deadlineMs)
        if (ended?.value === 'decide anew') return
        // A settlement that was ending when this request joined it is no answer to it: it decides anew, once.
        const isEarly = Date.now() < deadlineMs - HOLD_MS / 2
        const isNews = ended && isShared && ended.value !== null && isEarly && !told.joined.has(decided.key)
        told.joined.add(decided.key)
        if (isNews) return
        const isOutcome = !isOpen(this.#book.row(decided.key).state)
        const unheard = isOutcome ? null : isShared ? 'payment_in_progress' : 'settlement_pending'
        told.finished.set(decided.key, ended ? ended.value : unheard)
      }
    }
  }

  #claim({ offer, ...request }: RedeemRequest): void {
    if (!offer) throw new Error('only what answers an offer is claimed')
    const seenBlock = request.look?.kind === 'unused' ? request.look.block : null
    this.#book.insert(claimRow({ ...request, offer, seenBlock }, CLAIMED, nowSeconds(), this.#book.tokens()))
  }

  #cover({ offer, ...request }: RedeemRequest, by: PaymentRow): void {
    const own = this.#book.records.byKey(request.key)
    if (own) this.#book.apply(own, { kind: 'cover', by: by.key })
    if (own) return
    if (!offer) throw new Error('only what answers an offer is covered')
    const state = step(CLAIMED, { kind: 'cover', by: by.key })
    this.#book.insert(claimRow({ ...request, offer, seenBlock: null }, state, nowSeconds(), this.#book.tokens()))
  }

  #handOut({ content, paid, isLeased }: Extract<Step, { kind: 'hand out' }>, request: RedeemRequest): RedeemOutcome {
    const number = content.handouts + 1
    this.#book.save(content, { ...content, handouts: number })
    if (isLeased) this.#inFlight.lease(content.key, number)
    const { state, network, amount, scope, accessSeconds, settledAtSeconds, claimedAtSeconds } = paid
    const { asset } = termsOf(paid)
    return {
      kind: 'granted',
      settlement: { transaction: state.transaction, network, asset, payer: request.payment.payer, amount },
      settledAtSeconds: settledAtSeconds ?? claimedAtSeconds,
      scope,
      endsAtSeconds: accessSeconds === 0 ? null : endsAtSeconds(paid),
      handout: { key: content.key, number },
      isOwn: paid.key === request.key,
    }
  }

  #asked({ owner, network, resource }: SignInRequest): Asked {
    const { site, method, id } = resource
    return { owner, network, site, method, scope: `=${id}`, accessSeconds: 0 }
  }

  /** Running access at the site of a resource, what opens the resource first, then what lasts longest. */
  #ownedAt(request: SignInRequest): { grants: Grant[]; opens: boolean } {
    const wish = wishOf(request)
    const rows = this.#book.records.lastingAt(this.#asked(request), nowSeconds(), MOST_GRANTS)
    const grants = rows
      .toSorted((a, b) => Number(isEnough(b, wish)) - Number(isEnough(a, wish)) || endsAtSeconds(b) - endsAtSeconds(a))
      .filter((row, i, all) => all.findIndex(({ scope, method }) => scope === row.scope && method === row.method) === i)
      .slice(0, MOST_GRANTS)
      .map((row) => ({ scope: row.scope, method: row.method, endsAtSeconds: endsAtSeconds(row), payer: request.payer }))
    return { grants, opens: rows.some((row) => isEnough(row, wish)) }
  }

  /** Whether a payment whose outcome is open may yet open the resource. */
  #isPendingFor(request: SignInRequest): boolean {
    const wish = wishOf(request)
    return this.#book.records
      .openAt(this.#asked(request), nowSeconds())
      .some((row) => row.accessSeconds > 0 && !isUnresolved(row, nowSeconds()) && isEnough(row, wish))
  }
}
