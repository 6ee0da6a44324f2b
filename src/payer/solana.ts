// What Solana says about a payment. A message lands once or never, and the memo in it is this site's: so what is found is
// paid, and what is not found is only certain once the chain cannot take it any more. It asks and concludes; it stores
// nothing.
import * as z from 'zod/mini'
import { type Answer, type Budget, type ChainFailure, type Rpc, read, shareOf } from '../chain.ts'
import { ok, type Result } from '../errors.ts'
import { memoEndsAtSeconds } from '../networks/memo.ts'
import { associatedTokenAccount } from '../networks/solana.ts'
import { QUOTE_SECONDS } from '../quote.ts'
import { decodeBytes, encodePadded } from '../x402/base64.ts'
import type { SvmTransfer } from '../x402/svm.ts'
import { splitTransaction } from '../x402/svm-message.ts'
import { type Known, LOOK_REQUESTS, LOST_SECONDS, type Look, type Proof, type Truth } from './reconcile.ts'

/** What is asked about. */
export type SvmSubject = { kind: 'svm'; transfer: SvmTransfer }

/** A search from the newest transaction to the oldest that may matter. */
export type SvmSearch = {
  /** It goes on with what is older than this transaction. */
  before: string
  /** A node that has not reached this slot does not know that transaction, and lists nothing behind it. */
  slot: number
  /** How many transactions were passed so far. */
  searchedTo: number
  emptySinceSeconds: null
}

/** A transaction's blockhash is taken for this many blocks (Agave: MAX_PROCESSING_AGE). */
const BLOCKHASH_BLOCKS = 150
/** Nodes lag by this much at most, two minutes of blocks: the height read after the claim may be so much too low. */
const MARGIN_BLOCKS = 300
/** A message is not over sooner, whatever heights nodes tell: 150 blocks of a second, where one was far behind at the claim. */
const SOONEST_END_SECONDS = 150
/** The clocks of the chain and of this site differ by this much at most. */
const MARGIN_SECONDS = 300
/** What `getSignaturesForAddress` answers at once. */
const PAGE = 1_000
/** Kept back for the transaction that was found, and for the verdict. */
const RESERVED_REQUESTS = 3

const UNREACHABLE: Truth = { kind: 'unreachable' }
const NOTHING: Truth = { kind: 'unused', pinnedSeconds: null, reverted: null }
/** A slot is final some 13 s later: the second look finds it so. */
const TOO_FRESH: Truth = { kind: 'unclear', why: 'too fresh', inSeconds: 7 }
const NOT_CONFIRMED: Truth = { kind: 'unclear', why: 'searching' }
const FAILED: Truth = { kind: 'expired', reason: 'invalid_exact_svm_transaction_failed' }
const TOO_LATE: Truth = { kind: 'expired', reason: 'settle_exact_svm_block_height_exceeded' }

type Commitment = 'confirmed' | 'finalized'

/** What became of a payment. Makes `LOOK_REQUESTS` requests at most, and never throws. */
export async function lookOnSolana(
  rpc: Rpc,
  question: SvmSubject & Known<SvmSearch>,
  nowSeconds: number,
  budget: Budget,
): Promise<Look<SvmSearch>> {
  const own = shareOf(budget, LOOK_REQUESTS)
  const { transfer, transaction, claimedAtSeconds } = question
  const known = { seenBlock: question.seenBlock, search: question.search }
  if (transaction !== '') {
    const status = await statusOf(rpc, transaction, own)
    if (!status.ok) return { truth: UNREACHABLE, ...known }
    if (status.value) return { truth: truthOf(status.value, transaction, transfer), ...known }
  }
  const isFirst = question.seenBlock === null
  const mayBeOver = nowSeconds >= claimedAtSeconds + SOONEST_END_SECONDS
  const at = isFirst ? 'confirmed' : 'finalized'
  const epoch = isFirst || mayBeOver ? await epochAt(rpc, at, own) : ok(null)
  if (!epoch.ok && epoch.error === 'unreachable') return { truth: UNREACHABLE, ...known }
  // A node that tells no heights may know the payment all the same.
  const height = epoch.ok ? epoch.value : null
  const seenBlock = question.seenBlock ?? height?.blockHeight ?? null
  const isOver = mayBeOver && question.seenBlock !== null && height !== null && isBehind(question.seenBlock, height)
  const over = isOver ? height : null
  const found = await searchOn(rpc, question, over?.absoluteSlot ?? null, own)
  if (found.kind === 'found') return { truth: found.truth, seenBlock, search: null }
  // While it may still land, the next search begins at the newest again.
  const search = over && found.kind !== 'nothing' ? found.search : null
  if (found.kind === 'unreachable' || !epoch.ok) return { truth: UNREACHABLE, seenBlock, search }
  // What is older has not been looked at yet.
  if (found.kind === 'searching' || !over) return { truth: NOTHING, seenBlock, search }
  const isKept = await keepsSince(rpc, earliestSeconds(transfer), own)
  if (isKept === null || !isKept) return { truth: UNREACHABLE, seenBlock, search: null }
  return { truth: TOO_LATE, seenBlock, search: null }
}

/** Whether a transaction that a facilitator named is on the chain; it is this payment's by its signature. */
export async function proofOnSolana(
  rpc: Rpc,
  question: { transfer: SvmTransfer; transaction: string; settledAtSeconds: number },
  nowSeconds: number,
  budget: Budget,
): Promise<Proof> {
  const own = shareOf(budget, LOOK_REQUESTS)
  const status = await statusOf(rpc, question.transaction, own)
  if (!status.ok) return { kind: 'unreachable' }
  if (status.value) {
    const truth = truthOf(status.value, question.transaction, question.transfer)
    if (truth.kind === 'settled') return { kind: 'proven', position: truth.position }
    return { kind: truth.kind === 'expired' ? 'missing' : 'unclear' }
  }
  if (nowSeconds < question.settledAtSeconds + LOST_SECONDS) return { kind: 'unclear' }
  // By both clocks, and on a node that would know it: one that stands still has not lost it.
  const epoch = await epochAt(rpc, 'finalized', own)
  if (!epoch.ok) return { kind: 'unreachable' }
  const time = await timeOf(rpc, epoch.value.absoluteSlot, own)
  const isKept = time !== null && (await keepsSince(rpc, question.settledAtSeconds - MARGIN_SECONDS, own))
  if (time === null || !isKept) return { kind: 'unreachable' }
  return { kind: time >= question.settledAtSeconds + LOST_SECONDS ? 'missing' : 'unclear' }
}

/** Whether a message that was there at a height is over at another. */
const isBehind = (seenBlock: number, { blockHeight }: Epoch): boolean =>
  blockHeight > seenBlock + BLOCKHASH_BLOCKS + MARGIN_BLOCKS

/** Before that nobody could have carried this memo: no quote lives longer than this. */
const earliestSeconds = ({ memo }: SvmTransfer): number =>
  (memoEndsAtSeconds(memo) ?? 0) - QUOTE_SECONDS - MARGIN_SECONDS

type Status = { err: TransactionError; confirmationStatus: string | null }

/** Paid counts once it is confirmed; a failure is a verdict against the payer, and is final only then. */
function truthOf({ err, confirmationStatus }: Status, transaction: string, { position }: SvmTransfer): Truth {
  const isFinal = confirmationStatus === 'finalized'
  if (err !== null) return isFinal ? FAILED : TOO_FRESH
  return isFinal || confirmationStatus === 'confirmed' ? { kind: 'settled', transaction, position } : NOT_CONFIRMED
}

const slot = z.lazy(() => z.int().check(z.gte(0)))
/** Unix seconds. A zero would be before every memo. */
const blockTime = z.lazy(() => z.int().check(z.gte(1)))
/** Null is success. Where it is left out nothing is known. */
const transactionError = z.lazy(() => z.nullable(z.union([z.string(), z.looseObject({})])))
type TransactionError = z.infer<typeof transactionError>

const statuses = z.lazy(() =>
  z.object({
    value: z.tuple([z.nullable(z.object({ err: transactionError, confirmationStatus: z.nullable(z.string()) }))]),
  }),
)

/** Null where the node does not know it. */
async function statusOf(rpc: Rpc, transaction: string, budget: Budget): Promise<Result<Status | null, ChainFailure>> {
  const params = [[transaction], { searchTransactionHistory: true }]
  const found = read(statuses, await rpc.ask({ method: 'getSignatureStatuses', params }, budget))
  return found.ok ? ok(found.value.value[0]) : found
}

const epochInfo = z.object({ absoluteSlot: slot, blockHeight: slot })
type Epoch = z.infer<typeof epochInfo>

const epochAt = async (rpc: Rpc, commitment: Commitment, budget: Budget) =>
  read(epochInfo, await rpc.ask({ method: 'getEpochInfo', params: [{ commitment }] }, budget))

const timeOf = async (rpc: Rpc, at: number, budget: Budget): Promise<number | null> => {
  const time = read(z.nullable(blockTime), await rpc.ask({ method: 'getBlockTime', params: [at] }, budget))
  return time.ok ? time.value : null
}

/** Whether the node still has all that happened since a time (Unix seconds); null where it does not say. */
async function keepsSince(rpc: Rpc, sinceSeconds: number, budget: Budget): Promise<boolean | null> {
  const first = read(slot, await rpc.ask({ method: 'getFirstAvailableBlock', params: [] }, budget))
  if (!first.ok) return null
  const time = await timeOf(rpc, first.value, budget)
  return time === null ? null : time <= sinceSeconds
}

type Searched =
  | { kind: 'found'; truth: Truth }
  /** Everything that may matter was looked at. */
  | { kind: 'nothing' }
  | { kind: 'searching' | 'unreachable'; search: SvmSearch | null }

const page = z.lazy(() =>
  z.array(
    z.object({
      signature: z.string(),
      slot,
      err: transactionError,
      memo: z.optional(z.nullable(z.string())),
      blockTime: z.optional(z.nullable(blockTime)),
      confirmationStatus: z.optional(z.nullable(z.string())),
    }),
  ),
)

/**
 * Looks through the payer's transactions, from the newest back to when the memo was made. `finalSlot`: nothing that comes
 * later can be the payment; the node has to have reached that slot, and how far the search came is kept.
 */
async function searchOn(
  rpc: Rpc,
  { transfer, search: known }: SvmSubject & Known<SvmSearch>,
  finalSlot: number | null,
  budget: Budget,
): Promise<Searched> {
  const sinceSeconds = earliestSeconds(transfer)
  const commitment: Commitment = finalSlot === null ? 'confirmed' : 'finalized'
  const account = await searchedAccount(transfer)
  let at: SvmSearch | null = finalSlot === null ? null : known
  while (budget.left > RESERVED_REQUESTS) {
    const options = {
      commitment,
      limit: PAGE,
      ...(at === null ? {} : { before: at.before }),
      ...(finalSlot === null ? {} : { minContextSlot: Math.max(finalSlot, at?.slot ?? 0) }),
    }
    const call = { method: 'getSignaturesForAddress', params: [account, options] }
    const answer: Answer = await rpc.ask(call, budget)
    const listed = read(page, answer)
    if (!listed.ok) return { kind: 'unreachable', search: at }
    for (const entry of listed.value) {
      const isOlder = entry.blockTime !== null && entry.blockTime !== undefined && entry.blockTime < sinceSeconds
      if (isOlder) return { kind: 'nothing' }
      if (mayCarry(entry.memo ?? null, transfer.memo)) {
        if (budget.left <= RESERVED_REQUESTS) return { kind: 'searching', search: at }
        const isOurs = await isMessageOf(rpc, entry.signature, transfer, budget)
        if (isOurs === null) return { kind: 'unreachable', search: at }
        if (isOurs) {
          const confirmationStatus = entry.confirmationStatus ?? commitment
          return { kind: 'found', truth: truthOf({ err: entry.err, confirmationStatus }, entry.signature, transfer) }
        }
      }
      const reached = Math.max(entry.slot, at?.slot ?? 0)
      at = { before: entry.signature, slot: reached, searchedTo: (at?.searchedTo ?? 0) + 1, emptySinceSeconds: null }
    }
    // Some list fewer at once than they are asked for: for a verdict only an empty page is the end.
    const isEnd = finalSlot === null ? listed.value.length < PAGE : listed.value.length === 0
    if (isEnd) return { kind: 'nothing' }
  }
  return { kind: 'searching', search: at }
}

/**
 * The account that pays, where it is the payer's own; else the payer, who signs. Anybody can name an account of somebody else,
 * which may have so many transactions that the search never ends.
 */
async function searchedAccount({ source, mint, payer }: SvmTransfer): Promise<string> {
  return source === (await associatedTokenAccount(payer, mint)) ? source : payer
}

/** `[43] memo`, several joined by `; `. A node that leaves memos out says nothing of any. */
const mayCarry = (said: string | null, memo: string): boolean => said === null || said.includes(memo)

const transactionReply = z.lazy(() => z.nullable(z.object({ transaction: z.tuple([z.string(), z.literal('base64')]) })))

/** Whether a transaction carries this very message; null where the node does not say. */
async function isMessageOf(
  rpc: Rpc,
  signature: string,
  { message }: SvmTransfer,
  budget: Budget,
): Promise<boolean | null> {
  const options = { encoding: 'base64', commitment: 'confirmed', maxSupportedTransactionVersion: 0 }
  const params = [signature, options]
  const found = read(transactionReply, await rpc.ask({ method: 'getTransaction', params }, budget))
  if (!found.ok || found.value === null) return null
  const [transaction] = found.value.transaction
  const bytes = decodeBytes(transaction)
  const split = bytes && splitTransaction(bytes)
  return split?.ok ? encodePadded(split.value.message) === message : null
}
