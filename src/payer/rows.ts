// One row of a payer's records, and what follows from it alone: how long it is kept, when the chain is next asked about
// it, what it stands for at the facilitator, on chain and in the ledger. Pure.
import type { LedgerRow } from '../ledger.ts'
import { memoEndsAtSeconds } from '../networks/memo.ts'
import { pathAndQueryOf, pathOf, type Resource } from '../policy/scope.ts'
import type { SignedPayment } from '../replies.ts'
import { ASSETS, type Asset, assetAt, isSameToken } from '../x402/assets.ts'
import {
  type Cost,
  type Offer,
  type Owner,
  offerOf,
  type Payment,
  payerOf,
  type Transfer,
  type TransferTerms,
} from '../x402/payment.ts'
import { type EvmSubject, evmSubjectOf, type Known, type Look, type Search } from './reconcile.ts'
import { isOpen, type Redemption, step, wasSent } from './redemption.ts'
import { SETTLED_SECONDS } from './search.ts'
import type { SvmSearch, SvmSubject } from './solana.ts'
import { type Domain, isUnsigned, type Named, storedOf, type Terms, termsOf, termsText } from './stored.ts'

/** What is being bought: the thing, what a purchase of it opens, and for how long. */
export type Wish = { resource: Resource; scope: string; accessSeconds: number }

export type PaymentRow = {
  /** Order of claims. A payment waits for earlier ones only. */
  seq: number
  key: string
  identifier: string | null
  owner: Owner
  network: string
  site: string
  method: string
  /** Canonical path and identifying query. */
  resource: string
  scope: string
  accessSeconds: number
  /** `upfront`: settled before the request is carried out. */
  flow: Offer['flow']
  amount: bigint
  validBeforeSeconds: number
  state: Redemption
  claimedAtSeconds: number
  /** When the last sending began. */
  sentAtSeconds: number | null
  settledAtSeconds: number | null
  /** How often the content was handed out. */
  handouts: number
  /** How many of these were taken back, in their order. */
  released: number
  /** Whether the content of one was taken. */
  isDelivered: boolean
  outbox: Outbox
  /** When the chain is asked about it next; null when there is nothing left to ask. */
  lookAtSeconds: number | null
  seenBlock: number | null
  search: Search | SvmSearch | null
  signatureHash: string
  /** The rest, as one text (`stored.ts`). */
  terms: string
}

/**
 * Whose payments share a cap: those of a key on all networks, or those of a contract on its own. A stranger's contract at
 * the same address does not use up the cap of the key.
 */
export const personOf = (owner: Owner, network: string): string => (owner === 'key' ? owner : network)

export type Outbox = 'empty' | 'due' | 'disputed'

/** Three in all: a hang-up or a failing origin must not cost the payer, nor hand out content without end. */
export const MOST_HANDOUTS = 3
/** An answer that was paid for and not handed out, or may be asked for by its identifier, waits this long. */
const UNCLAIMED_SECONDS = 30 * 86_400
/** The chain's clock may be behind ours by this much when it still accepts an authorization. */
export const CLOCK_MARGIN_SECONDS = 3600
/** An open payment is given up when its outcome is unknown this long after its authorization ended. */
export const UNRESOLVED_SECONDS = 30 * 86_400
/** Stands for no end, as a number that SQL can compare. */
export const FOREVER_SECONDS = 9_000_000_000_000

/** The first look after a sending; until then its request, or the next one, sees to it. */
const FIRST_LOOK_SECONDS = 45
const SOONEST_LOOK_SECONDS = 20
const LATEST_LOOK_SECONDS = 3600
/** Between two looks at a payment that only its signer can still broadcast: at least this, then ever longer. */
const RARE_LOOK_SECONDS = 600
/** After the end of the window, so that the answer is final: the chain is asked about blocks 20 s old. */
const FINAL_LOOK_SECONDS = 60

export const endsAtSeconds = (row: PaymentRow) => (row.settledAtSeconds ?? row.claimedAtSeconds) + row.accessSeconds

/** Given up: its outcome stays unknown. It is kept, holds up no purchase, and is not asked about any more. */
export const isUnresolved = (row: PaymentRow, nowSeconds: number) =>
  isOpen(row.state) && nowSeconds >= row.validBeforeSeconds + UNRESOLVED_SECONDS

/** Until when a row must be kept (Unix seconds): this is the protection against replay. */
export function keptUntilSeconds(row: PaymentRow): number {
  const { state } = row
  if (isOpen(state) || row.outbox === 'due' || row.lookAtSeconds !== null) return FOREVER_SECONDS
  const spendable = row.validBeforeSeconds + CLOCK_MARGIN_SECONDS
  if (state.status !== 'settled') return spendable
  const settledAt = row.settledAtSeconds ?? row.claimedAtSeconds
  const isWanted = row.identifier !== null || (!row.isDelivered && row.handouts < MOST_HANDOUTS)
  return Math.max(spendable, endsAtSeconds(row), isWanted ? settledAt + UNCLAIMED_SECONDS : 0)
}

/**
 * When the chain is to be asked next about a row in this state; null for never. `isAnswered`: a look has just been
 * answered, and found nothing that changed the state.
 */
export function nextLookSeconds(row: PaymentRow, nowSeconds: number, isAnswered: boolean): number | null {
  const { state, claimedAtSeconds, sentAtSeconds, validBeforeSeconds } = row
  const since = Math.max(claimedAtSeconds, sentAtSeconds ?? 0, row.settledAtSeconds ?? 0)
  const age = Math.max(0, nowSeconds - since)
  const backoff = nowSeconds + Math.min(Math.max(SOONEST_LOOK_SECONDS, Math.floor(age / 2)), LATEST_LOOK_SECONDS)
  const first = since + FIRST_LOOK_SECONDS
  const soon = age < FIRST_LOOK_SECONDS ? first : backoff
  if (nowSeconds >= validBeforeSeconds + UNRESOLVED_SECONDS) return null
  const final = validBeforeSeconds + FINAL_LOOK_SECONDS
  const rare =
    nowSeconds < final
      ? Math.min(final, nowSeconds + Math.max(RARE_LOOK_SECONDS, age))
      : nowSeconds + Math.min(Math.max(RARE_LOOK_SECONDS, Math.floor(age / 2)), LATEST_LOOK_SECONDS)
  switch (state.status) {
    case 'claimed':
      // Nobody has sent it: only its signer could.
      return age < FIRST_LOOK_SECONDS ? first : rare
    case 'settling':
    case 'unknown':
      return soon
    case 'settled':
      return state.position === null ? soon : null
    case 'void':
      return null
    case 'refused':
    case 'covered': {
      // Asked about until the chain answers from after the end of the window.
      if (isAnswered || (state.status === 'covered' && !wasSent(state))) return rare
      return soon
    }
  }
}

/** What the facilitator is sent for a row; null where the signature is gone. */
export function signedPaymentOf(row: PaymentRow): SignedPayment | null {
  const terms = termsOf(row)
  const { payTo, offer, transfer } = terms
  if (!terms.isSigned) return null
  const { amount, accessSeconds, flow } = row
  const way = { asset: { network: row.network, asset: terms.asset }, payTo, transfer: transferTermsOf(row, terms) }
  const sold = offerOf(way, { amount, name: offer, accessSeconds, scope: null, flow })
  const bought = { url: row.site + pathOf(row.resource), method: row.method }
  return { payer: payerOf(transfer), transfer, offer: sold, bought }
}

/** Throws where nobody knows the token any more. */
function transferTermsOf({ network }: PaymentRow, { asset, domain, transfer, facilitator }: Terms): TransferTerms {
  if (transfer.kind === 'svm') return { kind: 'svm', feePayer: transfer.feePayer, facilitator: facilitator ?? '' }
  if (transfer.kind === 'permit2') return { kind: 'permit2' }
  const known = assetAt(network, asset)
  const signed = domain ?? (known?.kind === 'eip3009' ? known.eip712 : null)
  if (!signed) throw new Error('a stored payment is of an unknown token')
  return { kind: 'eip3009', ...signed }
}

/** What the chain is asked about. */
export function subjectOf(row: PaymentRow): EvmSubject | SvmSubject {
  const { asset, transfer } = termsOf(row)
  return transfer.kind === 'svm' ? { kind: 'svm', transfer } : evmSubjectOf(transfer, asset)
}

/** What is known of a row so far. */
export const knownOf = (row: PaymentRow, nowSeconds: number): Known<Search | SvmSearch> => ({
  seenBlock: row.seenBlock,
  claimedAtSeconds: row.claimedAtSeconds,
  search: row.search,
  transaction: row.state.transaction,
  // Before that no settled block is from after the report.
  wantsPinned: row.state.failedAtSeconds !== null && nowSeconds >= row.state.failedAtSeconds + SETTLED_SECONDS,
})

/** Only a facilitator has said that it is paid: the chain shows no log that proves it. */
export const isUnproven = ({ state, lookAtSeconds }: PaymentRow) =>
  state.status === 'settled' && state.position === null && lookAtSeconds === null

/** What the ledger is told of a settled payment. */
export function ledgerRowOf(row: PaymentRow, tokens: readonly Asset[] = ASSETS): LedgerRow {
  const { asset, token, transfer, payTo, offer, title } = termsOf(row)
  const named = token ?? namedAt(row.network, asset, tokens)
  return {
    id: row.key,
    site: row.site,
    resource: pathAndQueryOf(row.resource),
    network: row.network,
    asset,
    amount: row.amount,
    payer: payerOf(transfer),
    payTo,
    transaction: row.state.transaction,
    position: row.state.position,
    offer: offer ?? '',
    accessSeconds: row.accessSeconds,
    settledAtSeconds: row.settledAtSeconds ?? row.claimedAtSeconds,
    remark: row.state.coveredBy !== null ? 'refund_due' : isUnproven(row) ? 'unproven' : null,
    title,
    token: named,
  }
}

export type Claim = Wish & {
  key: string
  owner: Owner
  payment: Payment
  offer: Offer
  signatureHash: string
  seenBlock: number | null
  title?: string
}

/** A new row; `insert` gives it its number. `tokens`: all that are sold for today. */
export function claimRow(
  claim: Claim,
  state: Redemption,
  nowSeconds: number,
  tokens: readonly Asset[] = ASSETS,
): PaymentRow {
  const { key, owner, payment, offer, resource, scope, accessSeconds, signatureHash, seenBlock, title = null } = claim
  const { transfer, identifier } = payment
  const facilitator = offer.transfer.kind === 'svm' ? offer.transfer.facilitator : null
  const isKnown = assetAt(offer.network, offer.asset) !== undefined
  const domain = offer.transfer.kind === 'eip3009' && !isKnown ? domainOf(offer.transfer) : null
  // A token of the site's own may be gone from its settings when the ledger is told.
  const token = isKnown ? null : namedAt(offer.network, offer.asset, tokens)
  const signed = { asset: offer.asset, token, domain, transfer, isSigned: state.status !== 'covered', facilitator }
  return withLook(
    {
      seq: 0,
      key,
      identifier,
      owner,
      network: offer.network,
      site: resource.site,
      method: resource.method,
      resource: resource.id,
      scope,
      accessSeconds,
      flow: offer.flow,
      amount: offer.amount,
      validBeforeSeconds: endsAtSecondsOf(transfer),
      state,
      claimedAtSeconds: nowSeconds,
      sentAtSeconds: null,
      settledAtSeconds: null,
      handouts: 0,
      released: 0,
      isDelivered: false,
      outbox: 'empty',
      lookAtSeconds: null,
      seenBlock,
      search: null,
      signatureHash,
      terms: termsText({ ...signed, payTo: offer.payTo, offer: offer.name, title }),
    },
    nowSeconds,
  )
}

function namedAt(network: string, address: string, tokens: readonly Asset[]): Named | null {
  const known = assetAt(network, address, tokens)
  return known ? { symbol: known.symbol, currency: known.currency, decimals: known.decimals } : null
}

const domainOf = ({ name, version }: Domain): Domain => ({ name, version })

const withLook = (row: PaymentRow, nowSeconds: number): PaymentRow => ({
  ...row,
  lookAtSeconds: nextLookSeconds(row, nowSeconds, false),
})

/** The row with another state, and all that follows from it. */
export function withState(row: PaymentRow, state: Redemption, nowSeconds: number): PaymentRow {
  if (state === row.state) return row
  const isSettled = state.status === 'settled'
  const isNew = isSettled && row.state.status !== 'settled'
  const isSending = state.status === 'settling' && state.sent > row.state.sent
  const isOver = isSettled || state.status === 'void' || state.status === 'covered'
  const next: PaymentRow = {
    ...row,
    state,
    sentAtSeconds: isSending ? nowSeconds : row.sentAtSeconds,
    settledAtSeconds: isNew ? nowSeconds : row.settledAtSeconds,
    outbox: isNew ? 'due' : row.outbox,
    // A payment that is not to be sent any more keeps no signature.
    terms: isOver && !isUnsigned(row.terms) ? termsText({ ...storedOf(row.terms), isSigned: false }) : row.terms,
  }
  return withLook(next, nowSeconds)
}

/** The row with what was bought by its name, of which the ledger is to hear. The first name stays, as on a receipt. */
export function withTitle(row: PaymentRow, title: string): PaymentRow {
  const terms = storedOf(row.terms)
  if (row.state.status !== 'settled' || terms.title !== null) return row
  // What the ledger disputes is not in it.
  const outbox = row.outbox === 'empty' ? 'due' : row.outbox
  return { ...row, outbox, terms: termsText({ ...terms, title }) }
}

/**
 * The row after a look at the chain: with what it found, and how far its search came. For a held request a look that says
 * nothing new changes nothing. `isDue`: the look was due, and the time of the next is set.
 */
export function withLooked(
  row: PaymentRow,
  { truth, seenBlock, search }: Look<Search | SvmSearch>,
  nowSeconds: number,
  isDue: boolean,
): PaymentRow {
  const next = withState(row, step(row.state, { kind: 'truth', truth }), nowSeconds)
  // A search that begins anew has not got further.
  const isSearching =
    (search?.searchedTo ?? -1) > (row.search?.searchedTo ?? -1) ||
    search?.emptySinceSeconds !== row.search?.emptySinceSeconds
  const isWorthIt = isDue || next !== row || isSearching || row.seenBlock === null
  const looked = isWorthIt ? { ...next, seenBlock, search } : next
  // It can never land any more: this was the last look. A payment that a facilitator called settled is proven otherwise.
  const isLastWord = truth.kind === 'expired' || truth.kind === 'void' || truth.kind === 'used_before'
  if (isLastWord && next.state.status !== 'settled') {
    // Where its chain has forgotten it before its time, nothing is sent for the rest of that either.
    return { ...looked, lookAtSeconds: null, validBeforeSeconds: Math.min(looked.validBeforeSeconds, nowSeconds) }
  }
  if (!isDue) return looked
  const isAnswered = truth.kind !== 'unreachable' && truth.kind !== 'unclear'
  const at = nextLookSeconds(looked, nowSeconds, isAnswered)
  // A search that has got further goes on soon.
  return { ...looked, lookAtSeconds: at !== null && isSearching ? Math.min(at, nowSeconds + SOONEST_LOOK_SECONDS) : at }
}

/** Whether paying for a row costs no more than `costs`, in its own token. What is not sold in it any more counts as dearer. */
export function isWithin(row: PaymentRow, costs: readonly Cost[]): boolean {
  const token = tokenOf(row)
  const cost = token && costs.find((known) => isSameToken(known, token))
  return cost ? row.amount <= cost.amount : false
}

/** The token of a row; null where its terms cannot be read. */
export function tokenOf(row: PaymentRow): { network: string; asset: string } | null {
  try {
    return { network: row.network, asset: termsOf(row).asset }
  } catch {
    return null
  }
}

/** When a payment ends (Unix seconds): after that it is neither sent nor taken. */
function endsAtSecondsOf(transfer: Transfer): number {
  if (transfer.kind === 'svm') return memoEndsAtSeconds(transfer.memo) ?? 0
  return Number(transfer.kind === 'permit2' ? transfer.permit.deadline : transfer.authorization.validBefore)
}
