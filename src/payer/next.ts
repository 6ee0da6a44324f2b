// What to do about a payment, given the payer's others for the same wish. A pure function of a view: it never waits,
// writes or asks. `payer.ts` gathers the view, does what it says, and gathers anew. docs/redemption.md has the table.
import { isClientsDoing, type Refusal } from '../errors.ts'
import { MOST_REFUSED_A_MINUTE } from '../limits.ts'
import { pathOf, type Resource, scopeIncludes } from '../policy/scope.ts'
import type { Cost } from '../x402/payment.ts'
import type { RedeemRequest } from './protocol.ts'
import { type Load, MOST_COVERED, MOST_OPEN } from './records.ts'
import { isOpen, MOST_SENDINGS, wasSent } from './redemption.ts'
import { endsAtSeconds, isUnresolved, isWithin, MOST_HANDOUTS, type PaymentRow, tokenOf, type Wish } from './rows.ts'

/** A row, and what is happening to it in this instance. */
export type Seen = {
  row: PaymentRow
  /** A settlement of it is under way. */
  isRunning: boolean
  /** A request that has not hung up waits for this very payment. */
  isAwaited: boolean
  /** Its content is on its way to somebody. */
  isHandedOut: boolean
  /** Today's terms and its window still allow sending it. */
  isSendable: boolean
}

/** Why a settlement has ended without an outcome. */
export type StillOpen =
  | 'too_many_requests'
  | 'settlement_pending'
  | 'payment_in_progress'
  | 'facilitator_unavailable'
  | 'unavailable'

/** How a settlement has ended. Null: with an outcome, which its row has. `decide anew`: another payment may come first. */
export type Ending = StillOpen | 'decide anew' | null

/** What this request has learnt so far, by key of the payment. What was asked once is not asked again. */
export type Notes = {
  /** Payments that were seen through: to an outcome (null), or as far as it went. */
  finished: ReadonlyMap<string, StillOpen | null>
  asked: ReadonlySet<string>
}

export type View = {
  nowSeconds: number
  /** The request may not be held any longer. */
  isLate: boolean
  /** The payment itself. */
  own: Seen | null
  /** What paid in its place, where it is covered. */
  paidBy: Seen | null
  /** Payments of this owner with the same identifier. */
  namesakes: readonly PaymentRow[]
  /** Open payments of this owner at this method of the site, by age; without `own`. */
  open: readonly Seen[]
  /** Payments refused on a facilitator's word alone, the newest few; without `own`. */
  refused: readonly PaymentRow[]
  /** Running access whose scope may include the wish. */
  lasting: readonly PaymentRow[]
  /** Single answers of the wish that are paid for, with every handout taken back. */
  unclaimed: readonly PaymentRow[]
  load: Load
  told: Notes
}

export type Step =
  | { kind: 'answer'; refusal: Refusal }
  /** `content` counts the handout, `paid` is the settlement. With a lease nobody else is handed it meanwhile. */
  | { kind: 'hand out'; content: PaymentRow; paid: PaymentRow; isLeased: boolean }
  /** Wait until the handout under way is taken or taken back. */
  | { kind: 'wait'; key: string }
  /** See a payment through: send it where it may be sent, and ask the chain. */
  | { kind: 'finish'; key: string; maySend: boolean }
  /** Ask the chain: one look each, or again until it answers at all, or until it is certain; each for a while only. */
  | { kind: 'ask'; keys: readonly string[]; patience: 'once' | 'answered' | 'certain' }
  /** It counts as used, and is not settled: `by` has paid for the wish. */
  | { kind: 'cover'; by: PaymentRow }
  | { kind: 'claim' }

/** Lesser payments in doubt that are looked at before a wish goes on: the newest. */
const MOST_LESS = 8

const answer = (code: Refusal['code'], transaction = ''): Step => ({ kind: 'answer', refusal: { code, transaction } })

/** The payment has bought what it was for, and comes again. */
const usedHere = (transaction: string): Step => ({
  kind: 'answer',
  refusal: { code: 'payment_already_used', transaction, isRepeat: true },
})

export const isSameResource = (row: PaymentRow, { resource }: { resource: Resource }) =>
  row.site === resource.site && row.method === resource.method && row.resource === resource.id

/** What somebody would own. */
type Holding = Pick<PaymentRow, 'site' | 'method' | 'scope' | 'accessSeconds'>

/**
 * Would owning this make paying for the wish paying twice? The one rule for open, refused and paid payments: it opens
 * all that is wished for, for as long. A single answer is worth one single answer.
 */
export function isEnough(owned: Holding, { resource, scope, accessSeconds }: Wish): boolean {
  if (owned.site !== resource.site || owned.method !== resource.method) return false
  if (owned.accessSeconds === 0) return accessSeconds === 0 && owned.scope === scope
  return owned.accessSeconds >= accessSeconds && scopeIncludes(owned.scope, scope, resource)
}

/** Whether the wish includes all that an open payment was to buy: then one of them is paid for nothing. */
const isLess = (row: PaymentRow, { resource: { site, method }, scope, accessSeconds }: Wish): boolean =>
  isEnough({ site, method, scope, accessSeconds }, wishBehind(row))

/** What a payment was to buy. */
const wishBehind = ({ site, method, resource, scope, accessSeconds }: PaymentRow): Wish => ({
  resource: { site, method, path: pathOf(resource), id: resource },
  scope,
  accessSeconds,
})

/** Access that had paid for the wish of a payment before it landed: then its money is owed back. */
export const paidBefore = (row: PaymentRow, lasting: readonly PaymentRow[]): PaymentRow | null =>
  lasting.find((owned) => owned.key !== row.key && isEnough(owned, wishBehind(row))) ?? null

/** The next thing to do for a request. Each step uses up something finite, so every request ends. */
export function next(view: View, request: RedeemRequest): Step {
  const isOther = (row: PaymentRow) => row.key !== request.key || !isSameResource(row, request)
  if (view.namesakes.some(isOther)) return answer('payment_identifier_conflict')
  const { objection } = request
  const decided = view.own ? ofKnown(view, view.own, request) : ofNew(view, request)
  // A blocked address may collect what it has paid for, and is told nothing else.
  const isBlocked = objection?.code === 'too_many_requests' && decided.kind === 'answer'
  return isBlocked && isClientsDoing(decided.refusal) ? { kind: 'answer', refusal: objection } : decided
}

function ofNew(view: View, request: RedeemRequest): Step {
  const { offer, objection, look, verdict } = request
  if (objection || !offer) return { kind: 'answer', refusal: objection ?? { code: 'invalid_payment_requirements' } }
  // It was never sent from here, and its nonce is used: it may have bought something elsewhere.
  if (look?.kind === 'used') return answer('payment_already_used')
  const by = paidFor(view, request)
  if (by) return view.load.covered < MOST_COVERED ? { kind: 'cover', by } : answer('too_many_requests')
  const first = earlierFirst(view, view.open, request, request.costs) ?? refusedFirst(view, request)
  if (first) return first
  if (verdict) return { kind: 'answer', refusal: verdict }
  if (view.load.open >= MOST_OPEN) return answer('unavailable')
  return tooManyRefused(view) ?? { kind: 'claim' }
}

function ofKnown(view: View, own: Seen, request: RedeemRequest): Step {
  const { row } = own
  const { state } = row
  if (!isSameResource(row, request)) return answer('payment_already_used', state.transaction)
  if (state.status === 'void') return answer('payment_already_used', state.transaction)
  if (state.status === 'settled') return handOut(view, own, row, isNamed(row, request))
  if (state.status === 'covered') {
    const { paidBy } = view
    return paidBy ? handOutCovered(view, own, paidBy, request) : answer('payment_already_used')
  }
  return ofOpen(view, own, request)
}

/** A payment whose outcome is open, or that was refused and is asked for again. */
function ofOpen(view: View, own: Seen, request: RedeemRequest): Step {
  const { row } = own
  const { key, state } = row
  const wish = { resource: request.resource, scope: row.scope, accessSeconds: row.accessSeconds }
  const isInDoubt = isOpen(state) && wasSent(state)
  const by = paidFor(view, wish)
  const finished = view.told.finished.get(key)
  if (by && own.isRunning && finished === undefined) return { kind: 'finish', key, maySend: false }
  // What is in doubt is asked about first; if it lands after that, its money is owed back.
  if (by && !own.isRunning) return isInDoubt && !view.told.asked.has(key) ? once([key]) : { kind: 'cover', by }
  if (finished !== undefined || (state.status === 'refused' && view.told.asked.has(key))) {
    // An earlier refusal is no answer to a sending that reached nobody.
    if (state.status === 'refused' && !finished)
      return answer(state.reason ?? 'unexpected_settle_error', state.transaction)
    return answer(finished ?? 'settlement_pending', state.transaction)
  }
  if (request.objection) {
    const mayHaveLeft = isInDoubt || own.isRunning
    return mayHaveLeft ? { kind: 'finish', key, maySend: false } : { kind: 'answer', refusal: request.objection }
  }
  if (state.status === 'refused' && state.sent >= MOST_SENDINGS) return once([key])
  // No payment waits for a refused one, so that one may wait for all; an open one waits for earlier ones only.
  const earlier = view.open.filter((other) => state.status === 'refused' || other.row.seq < row.seq)
  const first =
    earlierFirst(view, earlier, wish, costsFor(row, request)) ?? (isInDoubt ? null : refusedFirst(view, wish))
  // What may have landed is asked about before it has to wait.
  if (first) return isInDoubt && !view.told.asked.has(key) ? once([key]) : first
  const isAnew = !isInDoubt && !own.isRunning
  return (isAnew ? tooManyRefused(view) : null) ?? { kind: 'finish', key, maySend: true }
}

const once = (keys: readonly string[]): Step => ({ kind: 'ask', keys, patience: 'once' })

const tooManyRefused = ({ load }: View): Step | null =>
  load.refusedLately < MOST_REFUSED_A_MINUTE ? null : answer('too_many_requests')

/** A settled payment that makes paying for the wish paying twice. */
function paidFor({ lasting, unclaimed, nowSeconds }: View, wish: Wish): PaymentRow | null {
  const owned = lasting.find((row) => isEnough(row, wish) && endsAtSeconds(row) > nowSeconds)
  // A request that the origin carried out is not carried out again for another payment, even if nobody took its answer.
  const isWaiting = (row: PaymentRow) => row.flow === 'authorization' || row.handouts === 0
  return owned ?? unclaimed.find((row) => isEnough(row, wish) && isWaiting(row)) ?? null
}

/** The step for earlier payments whose outcome decides whether this one pays twice; null where none is left. */
function earlierFirst(view: View, open: readonly Seen[], wish: Wish, costs: readonly Cost[]): Step | null {
  const { told, nowSeconds } = view
  const less: string[] = []
  for (const { row, isRunning, isAwaited, isSendable } of open) {
    const { key, state } = row
    if (isUnresolved(row, nowSeconds)) continue
    const mayHaveLeft = wasSent(state) || isRunning
    if (isEnough(row, wish)) {
      // Single answers are bought side by side; one that nobody waits for any more may pay for this one.
      if (row.accessSeconds === 0 && isAwaited) continue
      // While refusals are many, a payment that was never sent is not sent because of another. One that may not be
      // sent today can only land if its signer broadcasts it.
      if (!mayHaveLeft && (!isSendable || tooManyRefused(view))) continue
      if (isWithin(row, costs)) {
        const outcome = told.finished.get(key)
        return outcome === undefined
          ? { kind: 'finish', key, maySend: isSendable }
          : answer(outcome ?? 'settlement_pending', state.transaction)
      }
      // It costs more than this payment, and is never sent because of it.
      if (!mayHaveLeft) continue
      return told.asked.has(key)
        ? answer('settlement_pending', state.transaction)
        : { kind: 'ask', keys: [key], patience: 'certain' }
    }
    if (mayHaveLeft && isLess(row, wish)) less.push(key)
  }
  const unasked = less.slice(-MOST_LESS).filter((key) => !told.asked.has(key))
  return unasked.length === 0 ? null : once(unasked)
}

/** What the wish behind a row costs: in its own token what was signed, in others what it is sold for. */
function costsFor(row: PaymentRow, { costs }: RedeemRequest): readonly Cost[] {
  const token = tokenOf(row)
  return token ? [{ ...token, amount: row.amount }, ...costs] : costs
}

/** A refusal is a facilitator's word: before another payment pays, the chain is asked about the refused one. */
function refusedFirst({ refused, told }: View, wish: Wish): Step | null {
  const keys = refused.filter((row) => isEnough(row, wish) && !told.asked.has(row.key)).map(({ key }) => key)
  return keys.length === 0 ? null : { kind: 'ask', keys, patience: 'answered' }
}

const isNamed = (row: PaymentRow, { payment }: RedeemRequest) =>
  row.identifier !== null && row.identifier === payment.identifier

/** With its identifier content may be asked for without end; what the origin carries out, three times in all. */
const mayRepeat = (row: PaymentRow) => row.flow === 'authorization' || row.handouts < MOST_HANDOUTS

/** The content of `own`, which `paid` has paid for: itself, or access that lasts. */
function handOut({ isLate }: View, own: Seen, paid: PaymentRow, isAskedByName: boolean): Step {
  const { row, isHandedOut } = own
  const isLeft = !row.isDelivered && row.handouts < MOST_HANDOUTS
  if (isLeft && !isHandedOut) return { kind: 'hand out', content: row, paid, isLeased: true }
  if (isAskedByName && mayRepeat(row)) return { kind: 'hand out', content: row, paid, isLeased: false }
  if (!isHandedOut) return usedHere(paid.state.transaction)
  return isLate ? answer('payment_in_progress', paid.state.transaction) : { kind: 'wait', key: row.key }
}

/** A single answer passed on to a second signature is still the same answer: its handouts are counted where it was paid. */
function handOutCovered(view: View, own: Seen, paidBy: Seen, request: RedeemRequest): Step {
  const paid = paidBy.row
  if (paid.state.status !== 'settled') return answer('payment_already_used')
  if (paid.accessSeconds === 0) return handOut(view, paidBy, paid, isNamed(own.row, request))
  return endsAtSeconds(paid) > view.nowSeconds
    ? handOut(view, own, paid, isNamed(own.row, request))
    : answer('payment_already_used', paid.state.transaction)
}
