// What the chain says about a payment. A used nonce proves nothing by itself, and a verdict against the payer is read
// at one numbered block well behind the head. It asks and concludes; it stores nothing.
import { type Block, type Budget, blockAt, isNonceUsed, type Rpc, shareOf } from '../chain.ts'
import type { PaymentReason } from '../errors.ts'
import type { Authorization, FirstLook } from '../x402/payment.ts'
import { isHash, type Receipt, readReceipt, receiptOf } from './proof.ts'
import { SETTLED_SECONDS, type Search, searchOn, settledBlock, startSearch } from './search.ts'

export type { Search } from './search.ts'

/** What is asked about: an authorization of a token. */
export type EvmSubject = { kind: 'eip3009'; asset: string; authorization: Authorization }

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
  /** `position`: place of `AuthorizationUsed` among all logs of the receipt. */
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
const EXPIRED: Truth = { kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' }
const SEARCHING: Truth = { kind: 'unclear', why: 'searching' }

type Place = { head: Block; settled: Block }

/** What became of a payment. Makes `LOOK_REQUESTS` requests at most, and never throws. */
export async function look(rpc: Rpc, question: Question, nowSeconds: number, budget: Budget): Promise<Look> {
  const own = shareOf(budget, LOOK_REQUESTS)
  const { asset, authorization, search } = question
  // One spelling: the proof's place is unique by it.
  const transaction = question.transaction.toLowerCase()
  const [head, isUsed, receipt] = await Promise.all([
    rpc.head(own),
    isNonceUsed(rpc, asset, authorization, 'latest', own),
    isHash(transaction) ? receiptOf(rpc, transaction, own) : null,
  ])
  const named = receipt?.ok ? receipt.value : null
  const reading = named && readReceipt(named, asset, authorization)
  // A payment that is found counts at once.
  if (reading?.kind === 'paid') {
    return {
      truth: { kind: 'settled', transaction, position: reading.position },
      seenBlock: question.seenBlock,
      search,
    }
  }
  if (!head || isUsed === null) return { truth: UNREACHABLE, seenBlock: question.seenBlock, search }

  if (!isUsed) {
    const unused = await lookUnused(rpc, question, head, named && !named.isSuccess, own)
    // Nodes that disagree, or lag so far, have not shown that it is unused.
    if (unused?.kind === 'unreachable') return { truth: unused, seenBlock: question.seenBlock, search }
    if (unused) {
      const truth = receipt?.ok === false ? UNREACHABLE : unused
      return { truth, seenBlock: Math.max(question.seenBlock ?? 0, head.number), search }
    }
  }
  // A node has seen it used. That stays known, whatever else cannot be asked any more.
  const used = (truth: Truth, at = search): Look => ({
    truth: truth.kind === 'unreachable' ? SEARCHING : truth,
    seenBlock: question.seenBlock,
    search: at,
  })
  if (receipt?.ok === false) return used(UNREACHABLE)
  const settled = await settledBlock(rpc, head, own)
  if (!settled) return used(UNREACHABLE)
  const place = { head, settled }
  if (named && reading && reading.kind !== 'absent') {
    return used(await weigh(rpc, question, transaction, named, place, own))
  }
  const found = await lookForUse(rpc, question, place, nowSeconds, own)
  return used(found.truth, found.search)
}

/** What an unused nonce means; null where it turns out to be used well behind the head. */
async function lookUnused(
  rpc: Rpc,
  { asset, authorization, wantsPinned }: Question,
  head: Block,
  reverted: boolean | null,
  budget: Budget,
): Promise<Truth | null> {
  const mayBeExpired = BigInt(head.time - SETTLED_SECONDS) > authorization.validBefore
  if (!wantsPinned && !mayBeExpired) return { kind: 'unused', pinnedSeconds: null, reverted }
  const settled = await settledBlock(rpc, head, budget)
  if (!settled) return UNREACHABLE
  if (settled.number < 0) return { kind: 'unused', pinnedSeconds: null, reverted }
  const isUsed = await isNonceUsed(rpc, asset, authorization, settled.number, budget)
  if (isUsed === null) return UNREACHABLE
  if (isUsed) return null
  if (BigInt(settled.time) > authorization.validBefore) return EXPIRED
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
  const { asset, authorization } = question
  const before = question.search ?? (await startSearch(rpc, place.head, question, budget))
  if (!before) return { truth: UNREACHABLE, search: null }
  const found = await searchOn(rpc, asset, authorization, before, place, budget)
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
      const receipt = await receiptOf(rpc, found.transaction, budget)
      // A log without a known transaction was undone a moment ago.
      if (!receipt.ok || !receipt.value) return { truth: UNREACHABLE, search }
      return { truth: await weigh(rpc, question, found.transaction, receipt.value, place, budget), search }
    }
    case 'nothing': {
      const again = { ...before, searchedTo: anew, emptySinceSeconds: emptySinceSeconds ?? nowSeconds }
      if (emptySinceSeconds === null || isWaiting) {
        return { truth: { kind: 'unclear', why: 'searching' }, search: again }
      }
      const isUsed = await isNonceUsed(rpc, asset, authorization, place.settled.number, budget)
      if (isUsed === null) return { truth: UNREACHABLE, search: again }
      // Unused at a block past `validBefore`, it can never pay: it was cancelled after that.
      return { truth: isUsed ? { kind: 'used_before' } : EXPIRED, search: again }
    }
  }
}

/** What the transaction that used the nonce proves. Only what can no longer be undone counts against the payer. */
async function weigh(
  rpc: Rpc,
  { asset, authorization }: Question,
  transaction: string,
  receipt: Receipt,
  { head, settled }: Place,
  budget: Budget,
): Promise<Truth> {
  const reading = readReceipt(receipt, asset, authorization)
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
      const isUsed = await isNonceUsed(rpc, asset, authorization, own.number, budget)
      if (isUsed === null) return UNREACHABLE
      return isUsed ? { kind: 'void', transaction } : tooFresh(LATER_SECONDS)
    }
  }
}

const tooFresh = (inSeconds: number): Truth => ({ kind: 'unclear', why: 'too fresh', inSeconds })

/** Whether a nonce is unused when a payment first comes; null where there is no answer. */
export async function firstLook(
  rpc: Rpc,
  asset: string,
  authorization: Pick<Authorization, 'from' | 'nonce'>,
  budget: Budget,
): Promise<FirstLook | null> {
  const [head, isUsed] = await Promise.all([rpc.head(budget), isNonceUsed(rpc, asset, authorization, 'latest', budget)])
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
  question: { asset: string; authorization: Authorization; transaction: string; settledAtSeconds: number },
  nowSeconds: number,
  budget: Budget,
): Promise<Proof> {
  const own = shareOf(budget, LOOK_REQUESTS)
  const { asset, authorization, transaction, settledAtSeconds } = question
  const [head, receipt] = await Promise.all([rpc.head(own), receiptOf(rpc, transaction, own)])
  if (!receipt.ok) return { kind: 'unreachable' }
  const reading = receipt.value && readReceipt(receipt.value, asset, authorization)
  if (reading?.kind === 'paid') return { kind: 'proven', position: reading.position }
  if (!head) return { kind: 'unreachable' }
  if (!receipt.value?.isSuccess) {
    // By both clocks: a chain that stands still has not lost it.
    const isLost = Math.min(head.time, nowSeconds) >= settledAtSeconds + LOST_SECONDS
    return { kind: isLost ? 'missing' : 'unclear' }
  }
  const settled = await settledBlock(rpc, head, own)
  if (!settled) return { kind: 'unreachable' }
  return { kind: receipt.value.block <= settled.number ? 'missing' : 'unclear' }
}
