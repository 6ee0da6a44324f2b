// What the chain says about a payment. A used nonce proves nothing by itself, and a verdict against the payer is read
// at one numbered block well behind the head. It asks and concludes; it stores nothing.
import {
  type Asking,
  type Block,
  type Budget,
  blockAt,
  type ChainFailure,
  nonceUsed,
  type Rpc,
  shareOf,
} from '../chain.ts'
import { ok, type PaymentReason, type Result } from '../errors.ts'
import type { Authorization, EvmTransfer, FirstLook, Permit } from '../x402/payment.ts'
import { permitEvidence, permitTrail, permitUsed } from './permit.ts'
import { isHash, type Reading, type Receipt, readReceipt, receiptOf } from './proof.ts'
import { SETTLED_SECONDS, type Search, searchOn, settledBlock, startSearch, type Trail, usesTrail } from './search.ts'

export type { Search } from './search.ts'

/** What is asked about: an authorization of a token, or a permit, which names its own. */
export type EvmSubject =
  | { kind: 'eip3009'; asset: string; authorization: Authorization }
  | { kind: 'permit2'; permit: Permit }

export const evmSubjectOf = (transfer: EvmTransfer, asset: string): EvmSubject =>
  transfer.kind === 'permit2'
    ? { kind: 'permit2', permit: transfer.permit }
    : { kind: 'eip3009', asset, authorization: transfer.authorization }

/** Whether its nonce was used as of a block, for whatever. */
const usedAt = (subject: EvmSubject, at: number | 'latest'): Asking<boolean> =>
  subject.kind === 'permit2' ? permitUsed(subject.permit, at) : nonceUsed(subject.asset, subject.authorization, at)

/** The last second at which it may be used, for all that counts here. */
const endOf = (subject: EvmSubject): bigint =>
  subject.kind === 'permit2' ? subject.permit.deadline : subject.authorization.validBefore

const trailOf = (rpc: Rpc, subject: EvmSubject): Trail =>
  subject.kind === 'permit2' ? permitTrail(rpc, subject.permit) : usesTrail(subject.asset, subject.authorization)

type Evidence = { receipt: Receipt; reading: Reading }

/** What a transaction proves of it; null where nobody knows the transaction. */
async function evidenceOf(
  rpc: Rpc,
  subject: EvmSubject,
  transaction: string,
  budget: Budget,
): Promise<Result<Evidence | null, ChainFailure>> {
  if (subject.kind === 'permit2') return permitEvidence(rpc, subject.permit, transaction, budget)
  const receipt = await receiptOf(rpc, transaction, budget)
  if (!receipt.ok || receipt.value === null) return receipt.ok ? ok(null) : receipt
  return ok({ receipt: receipt.value, reading: readReceipt(receipt.value, subject.asset, subject.authorization) })
}

/** What is known of it so far. */
export type Known<Place = Search> = {
  /** A block at which the nonce was seen unused; null where nobody has seen it so. */
  seenBlock: number | null
  claimedAtSeconds: number
  search: Place | null
  /** A transaction that was named for it ("" for none): its receipt is asked first. */
  transaction: string
  /** Asks for a pinned "unused" even before `validBefore` (a facilitator reported a failure). */
  wantsPinned: boolean
}

export type Question = EvmSubject & Known

export type Truth =
  /** `position`: place of the proof among all logs of the receipt. */
  | { kind: 'settled'; transaction: string; position: number }
  /** Pinned: cancelled, or the token's next log is a transfer of another payee or value. */
  | { kind: 'void'; transaction: string }
  /** Used, but the whole window was searched twice, ten minutes apart, and no log of it was found. */
  | { kind: 'used_before' }
  /** Pinned: unused at a block later than `validBefore` and 20 s behind the head, or otherwise beyond being paid. */
  | { kind: 'expired'; reason: PaymentReason }
  /**
   * Unused at the head. `pinnedSeconds`: time of a block 20 s behind the head at which it was unused too; null where
   * that was not asked, or the chain is younger. `reverted`: whether the named transaction failed; null where none was
   * named or nobody knows it.
   */
  | { kind: 'unused'; pinnedSeconds: number | null; reverted: boolean | null }
  /** Used, but not certain: not found so far, an order of logs that proves nothing, or too fresh for a verdict. */
  | { kind: 'unclear'; why: 'searching' | 'strange logs' }
  /** `inSeconds`: when it will be old enough. */
  | { kind: 'unclear'; why: 'too fresh'; inSeconds: number }
  /** The RPC does not answer, or leaves out what it must know: unknown stays unknown. */
  | { kind: 'unreachable' }

/** The truth as far as it is known, and what to remember for the next look: never less than was given. */
export type Look<Place = Search> = { truth: Truth; seenBlock: number | null; search: Place | null }

/** HTTP requests one look makes at most, the chain id among them. A look that needs more goes on in the next. */
export const LOOK_REQUESTS = 12
/** A node that missed a log at first has it by then. */
const SECOND_SEARCH_SECONDS = 600
/** A transaction that nobody knows by then was never broadcast, or is lost. */
export const LOST_SECONDS = 600

/** Where nodes do not agree. */
const LATER_SECONDS = 10

const UNREACHABLE: Truth = { kind: 'unreachable' }
const EXPIRED: Record<EvmSubject['kind'], Truth> = {
  eip3009: { kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' },
  permit2: { kind: 'expired', reason: 'permit2_deadline_expired' },
}
const SEARCHING: Truth = { kind: 'unclear', why: 'searching' }

type Place = { head: Block; settled: Block }

/** What became of a payment. Makes `LOOK_REQUESTS` requests at most, and never throws. */
export async function look(rpc: Rpc, question: Question, nowSeconds: number, budget: Budget): Promise<Look> {
  const own = shareOf(budget, LOOK_REQUESTS)
  const { search } = question
  // One spelling: the proof's place is unique by it.
  const transaction = question.transaction.toLowerCase()
  const [head, isUsed, evidence] = await Promise.all([
    rpc.head(own),
    rpc.learn(usedAt(question, 'latest'), own),
    isHash(transaction) ? evidenceOf(rpc, question, transaction, own) : null,
  ])
  const named = evidence?.ok ? evidence.value : null
  // A payment that is found counts at once.
  if (named?.reading.kind === 'paid') {
    return {
      truth: { kind: 'settled', transaction, position: named.reading.position },
      seenBlock: question.seenBlock,
      search,
    }
  }
  if (!head || isUsed === null) return { truth: UNREACHABLE, seenBlock: question.seenBlock, search }

  if (!isUsed) {
    const unused = await lookUnused(rpc, question, head, named && !named.receipt.isSuccess, own)
    // Nodes that disagree, or lag so far, have not shown that it is unused.
    if (unused?.kind === 'unreachable') return { truth: unused, seenBlock: question.seenBlock, search }
    if (unused) {
      const truth = evidence?.ok === false ? UNREACHABLE : unused
      return { truth, seenBlock: Math.max(question.seenBlock ?? 0, head.number), search }
    }
  }
  // A node has seen it used. That stays known, whatever else cannot be asked any more.
  const used = (truth: Truth, at = search): Look => ({
    truth: truth.kind === 'unreachable' ? SEARCHING : truth,
    seenBlock: question.seenBlock,
    search: at,
  })
  if (evidence?.ok === false) return used(UNREACHABLE)
  const settled = await settledBlock(rpc, head, own)
  if (!settled) return used(UNREACHABLE)
  const place = { head, settled }
  if (named && named.reading.kind !== 'absent') {
    return used(await weigh(rpc, question, transaction, named, place, own))
  }
  const found = await lookForUse(rpc, question, place, nowSeconds, own)
  return used(found.truth, found.search)
}

/** What an unused nonce means; null where it turns out to be used well behind the head. */
async function lookUnused(
  rpc: Rpc,
  question: Question,
  head: Block,
  reverted: boolean | null,
  budget: Budget,
): Promise<Truth | null> {
  const mayBeExpired = BigInt(head.time - SETTLED_SECONDS) > endOf(question)
  if (!question.wantsPinned && !mayBeExpired) return { kind: 'unused', pinnedSeconds: null, reverted }
  const settled = await settledBlock(rpc, head, budget)
  if (!settled) return UNREACHABLE
  if (settled.number < 0) return { kind: 'unused', pinnedSeconds: null, reverted }
  const isUsed = await rpc.learn(usedAt(question, settled.number), budget)
  if (isUsed === null) return UNREACHABLE
  if (isUsed) return null
  if (BigInt(settled.time) > endOf(question)) return EXPIRED[question.kind]
  return { kind: 'unused', pinnedSeconds: settled.time, reverted }
}

/** Searches for the transaction that used the nonce, a part at a time. */
async function lookForUse(
  rpc: Rpc,
  question: Question,
  place: Place,
  nowSeconds: number,
  budget: Budget,
): Promise<{ truth: Truth; search: Search | null }> {
  const before = question.search ?? (await startSearch(rpc, place.head, question, budget))
  if (!before) return { truth: UNREACHABLE, search: null }
  const found = await searchOn(rpc, trailOf(rpc, question), before, place, budget)
  const { emptySinceSeconds } = before
  // The second search counts from ten minutes after the first: until then an empty search is not a second one.
  const isWaiting = emptySinceSeconds !== null && nowSeconds - emptySinceSeconds < SECOND_SEARCH_SECONDS
  const anew = before.fromBlock - 1
  const search = { ...before, searchedTo: isWaiting ? before.searchedTo : found.searchedTo }
  switch (found.kind) {
    case 'unreachable':
      return { truth: UNREACHABLE, search }
    case 'searching': {
      // All blocks so far have been searched: the next look begins anew, since a node may have left out a log it has.
      const isThrough = search.searchedTo >= place.settled.number
      return {
        truth: { kind: 'unclear', why: 'searching' },
        search: isThrough ? { ...search, searchedTo: anew } : search,
      }
    }
    case 'found': {
      const evidence = await evidenceOf(rpc, question, found.transaction, budget)
      // A log without a known transaction was undone a moment ago.
      if (!evidence.ok || !evidence.value) return { truth: UNREACHABLE, search }
      return { truth: await weigh(rpc, question, found.transaction, evidence.value, place, budget), search }
    }
    case 'nothing': {
      const again = { ...before, searchedTo: anew, emptySinceSeconds: emptySinceSeconds ?? nowSeconds }
      if (emptySinceSeconds === null || isWaiting) {
        return { truth: { kind: 'unclear', why: 'searching' }, search: again }
      }
      const isUsed = await rpc.learn(usedAt(question, place.settled.number), budget)
      if (isUsed === null) return { truth: UNREACHABLE, search: again }
      // Unused at a block past `validBefore`, it can never pay: it was cancelled after that.
      return { truth: isUsed ? { kind: 'used_before' } : EXPIRED[question.kind], search: again }
    }
  }
}

/** What the transaction that used the nonce proves. Only what can no longer be undone counts against the payer. */
async function weigh(
  rpc: Rpc,
  question: Question,
  transaction: string,
  { receipt, reading }: Evidence,
  { head, settled }: Place,
  budget: Budget,
): Promise<Truth> {
  switch (reading.kind) {
    case 'paid':
      return { kind: 'settled', transaction, position: reading.position }
    case 'strange':
      return { kind: 'unclear', why: 'strange logs' }
    case 'absent':
      return UNREACHABLE
    case 'spent': {
      // Its own block may be old enough before the settled one has come so far.
      const own = receipt.block > settled.number ? await blockAt(rpc, receipt.block, budget) : settled
      if (!own) return UNREACHABLE
      const waitSeconds = SETTLED_SECONDS - (head.time - own.time)
      if (waitSeconds > 0) return tooFresh(waitSeconds)
      const isUsed = await rpc.learn(usedAt(question, own.number), budget)
      if (isUsed === null) return UNREACHABLE
      return isUsed ? { kind: 'void', transaction } : tooFresh(LATER_SECONDS)
    }
  }
}

const tooFresh = (inSeconds: number): Truth => ({ kind: 'unclear', why: 'too fresh', inSeconds })

/**
 * Whether a nonce is unused when a payment first comes; null where there is no answer. Each is asked alone: what becomes of a batch
 * differs from node to node, and a used nonce has to be heard in any case.
 */
export async function firstLook(rpc: Rpc, subject: EvmSubject, budget: Budget): Promise<FirstLook | null> {
  const [head, isUsed] = await Promise.all([rpc.head(budget), rpc.learn(usedAt(subject, 'latest'), budget)])
  if (isUsed === true) return { kind: 'used' }
  return head && isUsed === false ? { kind: 'unused', block: head.number } : null
}

/** Where in a transaction the proof of an authorization stands, for successes taken on a facilitator's word. */
export type Proof =
  | { kind: 'proven'; position: number }
  /** 20 s old and no such log; or failed or unknown ten minutes after. */
  | { kind: 'missing' }
  | { kind: 'unclear' }
  | { kind: 'unreachable' }

export async function proofOf(
  rpc: Rpc,
  question: EvmSubject & { transaction: string; settledAtSeconds: number },
  nowSeconds: number,
  budget: Budget,
): Promise<Proof> {
  const own = shareOf(budget, LOOK_REQUESTS)
  const { transaction, settledAtSeconds } = question
  const [head, evidence] = await Promise.all([rpc.head(own), evidenceOf(rpc, question, transaction, own)])
  if (!evidence.ok) return { kind: 'unreachable' }
  const { receipt = null, reading = null } = evidence.value ?? {}
  if (reading?.kind === 'paid') return { kind: 'proven', position: reading.position }
  if (!head) return { kind: 'unreachable' }
  if (!receipt?.isSuccess) {
    // By both clocks: a chain that stands still has not lost it.
    const isLost = Math.min(head.time, nowSeconds) >= settledAtSeconds + LOST_SECONDS
    return { kind: isLost ? 'missing' : 'unclear' }
  }
  const settled = await settledBlock(rpc, head, own)
  if (!settled) return { kind: 'unreachable' }
  return { kind: receipt.block <= settled.number ? 'missing' : 'unclear' }
}
