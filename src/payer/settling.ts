// Does what was decided about one payment: has it settled, hears what the facilitator says, asks the chain, and stores
// the result. It decides nothing: `redemption.ts` says what an answer means.
import { type Budget, Gate, type Rpc } from '../chain.ts'
import { MOST_TRIED, settle } from '../facilitator.ts'
import type { Facilitator } from '../facilitators.ts'
import { MOST_REFUSED_A_MINUTE } from '../limits.ts'
import type { SettleReply } from '../replies.ts'
import { isolateOf, nowSeconds, rpcOf } from '../site.ts'
import { withCatalogues } from '../supported.ts'
import { pause, Slots, within } from '../waiting.ts'
import { isSameAddress, namespaceOf, networkOf } from '../x402/assets.ts'
import type { Book } from './book.ts'
import type { Ending, StillOpen } from './next.ts'
import { type Look, look, type Proof, proofOf, type Search, type Truth } from './reconcile.ts'
import { isOpen, maySend, wasSent } from './redemption.ts'
import { knownOf, nextLookSeconds, type PaymentRow, personOf, signedPaymentOf, subjectOf, withLooked } from './rows.ts'
import { lookOnSolana, proofOnSolana, type SvmSearch } from './solana.ts'
import { termsOf } from './stored.ts'

/** How long a request is held while its payment is settled or reconciled. */
export const HOLD_MS = 25_000
/** How long a settlement runs: a little less, so that its last look is answered while its request is still held. */
const RUN_MS = 24_000
/** A facilitator that has not answered by then is slow, and the chain is asked beside it. */
const PATIENCE_MS = 4_000
/** Between two looks of a held request: 1, 1, 2, 3 and then 5 seconds. */
const PAUSES_MS = [1_000, 1_000, 2_000, 3_000, 5_000]
/** Where a verdict is only too fresh. It is looked at once on the way: what was there a moment ago may be undone. */
const FRESH_PAUSES_MS = { least: 1_000, most: 10_000 }
/** An authorization that ends sooner is no longer sent by a facilitator, or no longer taken by the chain. */
const SEND_MARGIN_SECONDS = 8
/** Settlements of one payer under way at once; more would only wait for one of the platform's six connections. */
const MOST_SENDS = 5
/** Calls to one facilitator: whether it is alive, to settle, and whether it is still alive. */
const CALLS_A_FACILITATOR = 3
/** Requests to RPC and facilitators of one held request, and of one alarm: with the rest below the 50 subrequests of the free plan. */
export const REQUEST_BUDGET = 34
const ALARM_BUDGET = 22
/** With less than that a look may learn nothing. */
const LEAST_LOOK_BUDGET = 8
/** Rows one alarm asks the chain about. */
const MOST_LOOKS = 5

/** What is needed to settle or look up a row. */
type Means = { rpc: Rpc; facilitators: readonly Facilitator[] }

export class Settling {
  readonly #book: Book
  readonly #ctx: DurableObjectState
  readonly #env: Env
  /** By person. */
  readonly #sends = new Map<string, Slots>()
  readonly #rpcs = new Map<string, Rpc>()
  readonly #gate = new Gate()

  constructor(book: Book, ctx: DurableObjectState, env: Env) {
    this.#book = book
    this.#ctx = ctx
    this.#env = env
  }

  /**
   * Sees one payment through, for 25 seconds at most. `isStillFirst` says after each wait whether it is still to be
   * sent; null: it is not to be sent at all.
   */
  async settle(key: string, isStillFirst: (() => boolean) | null, budget: Budget): Promise<Ending> {
    const deadlineMs = Date.now() + RUN_MS
    const book = this.#book
    const means = this.#meansFor(book.row(key))
    if (!means) return 'unavailable'
    // A restart in the middle of settling leaves a row that nobody runs: what was sent then is in doubt.
    if (book.row(key).state.status === 'settling') book.apply(book.row(key), { kind: 'give_up' })
    if (book.row(key).state.status === 'unknown') {
      const truth = await this.#look(key, means, budget)
      if (!isOpen(book.row(key).state)) return null
      // Its nonce is used: sending it again changes nothing.
      if (truth.kind === 'unclear') return this.#waitForTruth(key, means, budget, deadlineMs, null, truth)
      if (isStillFirst && !isStillFirst()) return 'decide anew'
    }
    if (!isStillFirst || !this.#isStillTaken(key)) return this.#waitForTruth(key, means, budget, deadlineMs, null)
    const slots = this.#slotsOf(book.row(key))
    const slot = slots.take(deadlineMs)
    if (slot !== true && !(await slot)) return 'payment_in_progress'
    return this.#send(key, means, budget, deadlineMs, slots, slot === true ? null : isStillFirst)
  }

  /** Asks the chain about a payment, until `isEnd` says so, it is no longer open, or a time (milliseconds) comes. */
  async ask(key: string, untilMs: number, isEnd: (truth: Truth) => boolean, budget: Budget): Promise<void> {
    const { records } = this.#book
    const asked = records.byKey(key)
    const means = asked && this.#meansFor(asked)
    if (!means) return
    const wasOpen = isOpen(asked.state)
    for (let looks = 0; ; looks++) {
      const truth = await this.#look(key, means, budget)
      if (isEnd(truth) || Date.now() >= untilMs) return
      await pause(Math.min(pauseAfter(looks + 2), Math.max(0, untilMs - Date.now())))
      // A facilitator may have answered meanwhile.
      const row = records.byKey(key)
      if (!row || (wasOpen && !isOpen(row.state))) return
    }
  }

  /** Asks the chain about what is due, a bounded number of rows; none holds up another. `isBusy`: a request sees to it. */
  async lookAround(isBusy: (key: string) => boolean): Promise<void> {
    const budget: Budget = { left: ALARM_BUDGET }
    const silent = new Set<string>()
    for (const { key } of this.#book.records.lookDue(nowSeconds(), MOST_LOOKS)) {
      // A request may have seen to it meanwhile.
      const row = this.#book.records.byKey(key)
      if (!row || row.lookAtSeconds === null || row.lookAtSeconds > nowSeconds()) continue
      const means = this.#meansFor(row)
      // The next alarm goes on here.
      if (budget.left < LEAST_LOOK_BUDGET) return
      if (!means || silent.has(row.network) || isBusy(row.key)) {
        this.#putOff(row)
        continue
      }
      try {
        const looking =
          row.state.status === 'settled' ? this.#prove(row, means, budget) : this.#lookDue(row, means, budget)
        if (!(await looking)) silent.add(row.network)
      } catch {
        this.#book.tell('look_failed', row.key)
        this.#book.records.postpone(row.key, nowSeconds() + 3_600)
      }
    }
  }

  /** Holds a slot, and gives it back when the facilitator has answered. `isStillFirst`: it has waited for its slot. */
  async #send(
    key: string,
    means: Means,
    budget: Budget,
    deadlineMs: number,
    slots: Slots,
    isStillFirst: (() => boolean) | null,
  ): Promise<Ending> {
    const book = this.#book
    let heard: Promise<SettleReply> | null = null
    try {
      if (isStillFirst && !isStillFirst()) return 'decide anew'
      const cost = CALLS_A_FACILITATOR * Math.min(means.facilitators.length, MOST_TRIED)
      const isTooOften = this.#isRefusedTooOften(book.row(key))
      const isUnsent = !wasSent(book.row(key).state)
      if (isUnsent && (isTooOften || budget.left < cost))
        return isTooOften ? 'too_many_requests' : 'payment_in_progress'
      const isWaitedFor = isTooOften || budget.left < cost || !this.#isStillTaken(key)
      const payment = isWaitedFor ? null : signedPaymentOf(book.row(key))
      if (payment) {
        budget.left -= cost
        book.apply(book.row(key), { kind: 'send' })
        // The claim is on disk before the money moves.
        await this.#ctx.storage.sync()
        const isolate = isolateOf(this.#env)
        const waitUntil = (work: Promise<unknown>) => this.#ctx.waitUntil(work)
        const facilitators = withCatalogues(means.facilitators, { env: this.#env, isolate, waitUntil })
        heard = settle(facilitators, isolate, payment, !isUnsent).then((said) => {
          slots.give()
          this.#hear(key, said)
          return said
        })
      }
    } finally {
      if (!heard) slots.give()
    }
    if (!heard) return this.#waitForTruth(key, means, budget, deadlineMs, null)
    // A reply that comes when nobody waits any more counts all the same.
    this.#ctx.waitUntil(heard)
    const reply = await within(heard, PATIENCE_MS)
    return reply
      ? this.#check(key, means, budget, deadlineMs, reply)
      : this.#waitForTruth(key, means, budget, deadlineMs, heard)
  }

  /** A reply has come. The chain is asked even after a refusal: another broadcast may have emptied the wallet first. */
  async #check(
    key: string,
    means: Means,
    budget: Budget,
    deadlineMs: number,
    { kind }: SettleReply,
  ): Promise<StillOpen | null> {
    if (kind === 'settled' && !isOpen(this.#book.row(key).state)) return null
    const truth = await this.#look(key, means, budget)
    const { state } = this.#book.row(key)
    const isNobodyThere = kind === 'unsent' || kind === 'unanswered'
    // An earlier refusal is no answer to this sending.
    const isAnswered = state.status !== 'refused' || !isNobodyThere || truth.kind === 'expired'
    if (!isOpen(state)) return isAnswered ? null : 'facilitator_unavailable'
    // Nobody is there to settle it: only what the chain has already seen is waited for.
    if (isNobodyThere && truth.kind !== 'unclear') return 'facilitator_unavailable'
    return this.#waitForTruth(key, means, budget, deadlineMs, null, truth)
  }

  /**
   * Asks the chain until the outcome is known or the time is over. `heard`: a reply that may still come; `looked`: what the
   * chain said just now.
   */
  async #waitForTruth(
    key: string,
    means: Means,
    budget: Budget,
    deadlineMs: number,
    heard: Promise<SettleReply> | null,
    looked: Truth | null = null,
  ): Promise<StillOpen | null> {
    const book = this.#book
    for (let looks = 0; ; looks++) {
      const truth = (looks === 0 && looked) || (await this.#look(key, means, budget))
      const leftMs = deadlineMs - Date.now()
      const isOver = !isOpen(book.row(key).state)
      if (!isOver && leftMs <= 0) {
        book.apply(book.row(key), { kind: 'give_up' })
        return 'settlement_pending'
      }
      const pauseMs = isOver ? 0 : Math.min(pauseFor(truth, looks), leftMs)
      const reply = heard ? await within(heard, pauseMs) : await pause(pauseMs)
      if (reply) return this.#check(key, means, budget, deadlineMs, reply)
      if (!isOpen(book.row(key).state)) return null
    }
  }

  #slotsOf({ owner, network }: PaymentRow): Slots {
    const person = personOf(owner, network)
    const slots = this.#sends.get(person) ?? new Slots(MOST_SENDS)
    this.#sends.set(person, slots)
    return slots
  }

  /** Whether too many were refused of late. Many may be sent at once, so each looks at how the ones before it ended. */
  #isRefusedTooOften(row: PaymentRow): boolean {
    return this.#book.records.loadOf(row, nowSeconds()).refusedLately >= MOST_REFUSED_A_MINUTE
  }

  /** Whether a facilitator could still do something with it. */
  #isStillTaken(key: string): boolean {
    const row = this.#book.row(key)
    return maySend(row.state) && isInTime(row)
  }

  /** Whether a payment may be sent because of another one: the terms of today are those it was signed for. */
  isSendable(row: PaymentRow): boolean {
    const { config } = isolateOf(this.#env)
    if (!config.ok || !isInTime(row)) return false
    const { networks, payTo, facilitators } = config.value
    if (!networks.some(({ network }) => network === row.network)) return false
    try {
      const terms = termsOf(row)
      const isServed = terms.facilitator === null || facilitators.some(({ url }) => url === terms.facilitator)
      return isServed && isSameAddress(terms.payTo, payTo[namespaceOf(row.network)] ?? '')
    } catch {
      return false
    }
  }

  /** What a facilitator said, whenever it says so. */
  #hear(key: string, said: SettleReply): void {
    const { records } = this.#book
    const row = records.byKey(key)
    if (!row) return
    // One transaction named for two payments: the chain has to show a log for each.
    const isNamedTwice =
      said.kind === 'settled' && records.byTransaction(row.network, said.transaction).some((other) => other.key !== key)
    if (isNamedTwice) this.#book.tell('transaction_named_twice', key)
    const reply: SettleReply = isNamedTwice ? { kind: 'pending', transaction: said.transaction } : said
    this.#book.apply(row, { kind: 'reply', reply, nowSeconds: nowSeconds() })
  }

  /** One look at the chain, stored. `isDue`: in the alarm, where the next look is put off as well. */
  async #look(key: string, means: Means, budget: Budget, isDue = false): Promise<Truth> {
    const { records } = this.#book
    const found = await lookAt(means.rpc, this.#book.row(key), budget)
    const { truth } = found
    const row = records.byKey(key)
    if (!row) return truth
    if (truth.kind === 'unclear' && truth.why === 'strange logs') this.#book.tell('strange_logs', key)
    // One log pays for one authorization.
    const isTaken =
      truth.kind === 'settled' && records.isProofTaken(row.network, truth.transaction, truth.position, key)
    if (isTaken) this.#book.tell('proof_taken', key)
    const looked = isTaken ? { ...found, truth: { kind: 'unreachable' } as const } : found
    this.#book.save(row, withLooked(row, looked, nowSeconds(), isDue))
    return looked.truth
  }

  /** False where the chain does not answer. */
  async #lookDue(row: PaymentRow, means: Means, budget: Budget): Promise<boolean> {
    const truth = await this.#look(row.key, means, budget, true)
    return truth.kind !== 'unreachable'
  }

  /** Looks up the log that proves a facilitator's word. False where the chain does not answer. */
  async #prove(row: PaymentRow, { rpc }: Means, budget: Budget): Promise<boolean> {
    const { key, network } = row
    const { transaction } = row.state
    const proof = await proofAt(rpc, row, budget)
    const stored = this.#book.row(key)
    if (stored.state.position !== null) {
      this.#book.save(stored, { ...stored, lookAtSeconds: null })
      return true
    }
    if (proof.kind === 'unclear' || proof.kind === 'unreachable') {
      this.#putOff(stored)
      return proof.kind === 'unclear'
    }
    if (proof.kind === 'missing' || this.#book.records.isProofTaken(network, transaction, proof.position, key)) {
      this.#book.save(stored, { ...stored, lookAtSeconds: null, outbox: 'due' })
      return true
    }
    this.#book.apply(stored, { kind: 'truth', truth: { kind: 'settled', transaction, position: proof.position } })
    return true
  }

  #putOff(row: PaymentRow): void {
    const lookAtSeconds = nextLookSeconds(row, nowSeconds(), false)
    // No log will ever prove it: the ledger is told.
    const isUnproven = lookAtSeconds === null && row.state.status === 'settled'
    this.#book.save(row, { ...row, lookAtSeconds, outbox: isUnproven ? 'due' : row.outbox })
  }

  /** Null where the configuration cannot be read or the network is unknown. */
  #meansFor(row: PaymentRow): Means | null {
    const { network } = row
    const isolate = isolateOf(this.#env)
    if (!isolate.config.ok || !networkOf(network)) return null
    const { value } = isolate.config
    // A transaction on Solana names who pays its fee: nobody else can sign it.
    const only = facilitatorOf(row)
    const facilitators = value.facilitators.filter(({ url }) => only === null || url === only)
    const rpc = this.#rpcs.get(network) ?? rpcOf(isolate, value, network, this.#gate)
    if (!rpc) return null
    this.#rpcs.set(network, rpc)
    return { rpc, facilitators }
  }
}

/** The only facilitator that can settle a row; null where any can. Where its terms cannot be read nobody is asked. */
function facilitatorOf(row: PaymentRow): string | null {
  try {
    return termsOf(row).facilitator
  } catch {
    return null
  }
}

/** One look, at whichever kind of chain it is. */
function lookAt(rpc: Rpc, row: PaymentRow, budget: Budget): Promise<Look<Search | SvmSearch>> {
  const subject = subjectOf(row)
  const known = knownOf(row, nowSeconds())
  const { search } = known
  if (subject.kind === 'svm') {
    const place = search && 'before' in search ? search : null
    return lookOnSolana(rpc, { ...subject, ...known, search: place }, nowSeconds(), budget)
  }
  const place = search && 'fromBlock' in search ? search : null
  return look(rpc, { ...subject, ...known, search: place }, nowSeconds(), budget)
}

function proofAt(rpc: Rpc, row: PaymentRow, budget: Budget): Promise<Proof> {
  const subject = subjectOf(row)
  const { transaction } = row.state
  const settledAtSeconds = row.settledAtSeconds ?? row.claimedAtSeconds
  return subject.kind === 'svm'
    ? proofOnSolana(rpc, { ...subject, transaction, settledAtSeconds }, nowSeconds(), budget)
    : proofOf(rpc, { ...subject, transaction, settledAtSeconds }, nowSeconds(), budget)
}

/** A search costs more than a look at the state, and a verdict against the payer needs twenty seconds anyway. */
function pauseFor(truth: Truth, looks: number): number {
  if (truth.kind !== 'unclear') return pauseAfter(looks)
  if (truth.why !== 'too fresh') return pauseAfter(looks + 2)
  const { least, most } = FRESH_PAUSES_MS
  return Math.min(most, Math.max(least, truth.inSeconds * 1_000))
}

const isInTime = ({ validBeforeSeconds }: PaymentRow) => validBeforeSeconds >= nowSeconds() + SEND_MARGIN_SECONDS

const pauseAfter = (looks: number): number => PAUSES_MS[looks] ?? PAUSES_MS.at(-1) ?? 0
