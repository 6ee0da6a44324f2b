// The counts. Out of the chain's logs, the ledger's rows and what the readers received; never out of the worker's state.
import type { Witness } from './faults.ts'
import { type Entry, groupOf, type Journal, type Try } from './journal.ts'
import type { LedgerRow } from './site.ts'
import type { Settlement } from './truth.ts'

export type Violation = { kind: Kind; text: string; nonces: string[] }

/** What must not happen. The first four are the contract's; the others follow from its money rules. */
export const KINDS = [
  'served unpaid',
  'paid unserved after retry',
  'redeemed twice',
  'missing from the ledger',
  'paid twice for the same thing',
  'in the ledger, not on chain',
] as const
export type Kind = (typeof KINDS)[number]

export type Evidence = {
  journal: Journal
  settlements: readonly Settlement[]
  stray: readonly string[]
  ledger: readonly LedgerRow[]
  /** When the worker was killed, in milliseconds. */
  kills: readonly number[]
  witness: Witness
  once: (path: string) => boolean
}

export type Findings = {
  violations: Violation[]
  served: number
  /** Single answers the reader or a kill cut off when the worker could not see it any more. */
  cutOff: number
  /** Second settlements after a facilitator denied the first, while the RPC failed: nobody could have told. */
  lied: number
  /** Content handed out once more because a kill lost the note that it had been. */
  againAfterKill: number
}

/** A kill this soon after an answer may have lost the note that it was handed out. */
const KILL_SLACK_MS = 2_000
/** Two processes' clocks and the time an answer spends in buffers. */
const CLOCK_SLACK_MS = 50
/** Blocks are dated in whole seconds, and may be dated ahead. */
const BLOCK_SLACK_SECONDS = 3

type Group = { paid: Settlement[]; entries: Entry[] }

export function audit(evidence: Evidence): Findings {
  const { journal, settlements, stray, ledger, kills, witness, once } = evidence
  const violations: Violation[] = []
  const report = (kind: Kind, text: string, nonces: string[]) => violations.push({ kind, text, nonces })
  const rowOf = new Map(ledger.map((row) => [nonceOf(row), row]))
  const groups = new Map<string, Group>()
  const groupAt = (payer: string, path: string): Group => {
    const key = groupOf(payer, path)
    const group = groups.get(key) ?? { paid: [], entries: [] }
    groups.set(key, group)
    return group
  }
  let served = 0
  let cutOff = 0
  let againAfterKill = 0
  let lied = 0

  for (const settlement of settlements) {
    const row = rowOf.get(settlement.nonce)
    const entry = journal.entries.get(settlement.nonce)
    if (!row) report('missing from the ledger', `transaction ${settlement.transaction}`, [settlement.nonce])
    else if (row.transaction !== settlement.transaction || BigInt(row.amount) !== settlement.value)
      report('missing from the ledger', `its row says ${row.transaction} ${row.amount}`, [settlement.nonce])
    const path = row?.resource ?? entry?.payment.items[0].path ?? ''
    groupAt(settlement.payer, path).paid.push(settlement)
    const elsewhere = entry?.tries.find((made) => made.content !== 'none' && made.path !== path)
    if (elsewhere) report('redeemed twice', `paid for ${path}, opened ${elsewhere.path}`, [settlement.nonce])
  }
  for (const transaction of stray) report('redeemed twice', `a transfer of no authorization: ${transaction}`, [])
  for (const nonce of repeated(settlements.map((each) => each.nonce)))
    report('redeemed twice', 'settled twice', [nonce])
  for (const [nonce, row] of rowOf) {
    if (!settlements.some((each) => each.nonce === nonce))
      report('in the ledger, not on chain', row.transaction, [nonce])
  }

  for (const entry of journal.entries.values()) {
    const { payment, tries } = entry
    for (const path of new Set(tries.map((made) => made.path))) groupAt(payment.payer, path).entries.push(entry)
    const opened = new Set(tries.filter((made) => made.content !== 'none').map((made) => made.path))
    served += tries.filter((made) => made.content === 'whole').length
    if (opened.size > 1) report('redeemed twice', `opened ${[...opened].join(' and ')}`, [payment.nonce])
    const whole = tries.filter((made) => made.content === 'whole').sort((a, b) => a.endedMs - b.endedMs)
    if (payment.identifier !== null || whole.length < 2) continue
    const [first] = whole
    if (first && kills.some((at) => isNear(first, at))) againAfterKill += whole.length - 1
    else report('redeemed twice', `${whole.length} whole answers`, [payment.nonce])
  }

  for (const [key, group] of groups) {
    const [, path = ''] = key.split(' ')
    const opened = group.entries.flatMap(({ tries }) => tries).filter((m) => m.path === path && m.content !== 'none')
    const all = [...group.paid.map((each) => each.nonce), ...group.entries.map(({ payment }) => payment.nonce)]
    const nonces = [...new Set(all)]
    const early = opened.find(
      (made) => !group.paid.some((each) => each.timeSeconds * 1_000 <= made.endedMs + BLOCK_SLACK_SECONDS * 1_000),
    )
    if (early) report('served unpaid', `${key}: content before any settlement, ${group.paid.length} in all`, nonces)
    if (!once(path)) {
      if (group.paid.length > 1) {
        if (isLie(group, witness)) lied += 1
        else report('paid twice for the same thing', `${key}: ${group.paid.length} settlements`, nonces)
      }
      if (group.paid.length > 0 && !opened.some(({ content }) => content === 'whole')) {
        report('paid unserved after retry', `${key}, 24 hours`, nonces)
      }
      continue
    }
    const { unbacked, undelivered } = matchAnswers(group, path)
    for (const free of early ? [] : unbacked) {
      if (kills.some((at) => isNear(free, at))) againAfterKill += 1
      else report('served unpaid', `${key}: an answer without a settlement of its own`, nonces)
    }
    const lost = lostInDelivery(group, path, witness.knownAt, kills)
    const isNamed = undelivered.some((nonce) => journal.entries.get(nonce)?.payment.identifier !== null)
    if (!isNamed && lost >= undelivered.length) cutOff += undelivered.length
    else report('paid unserved after retry', `${key}, single answers: ${undelivered.length} undelivered`, nonces)
  }
  return { violations, served, cutOff, lied, againAfterKill }
}

/**
 * Single answers: each settlement pays for one. It is the settled payment's own, or that of a later one which was
 * accepted in its place because it had not been delivered by then.
 */
function matchAnswers({ paid, entries }: Group, path: string): { unbacked: Try[]; undelivered: string[] } {
  const settled = new Set<string>(paid.map(({ nonce }) => nonce))
  const firstWhole = ({ tries }: Entry) =>
    tries.filter((made) => made.path === path && made.content === 'whole').sort((a, b) => a.endedMs - b.endedMs)[0]
  const own = new Map<string, Try | undefined>(
    entries
      .filter(({ payment }) => settled.has(payment.nonce))
      .map((entry) => [entry.payment.nonce, firstWhole(entry)]),
  )
  const free = new Set<string>(settled)
  const unbacked: Try[] = []
  const others = entries
    .filter(({ payment }) => !settled.has(payment.nonce))
    .flatMap((entry) => firstWhole(entry) ?? [])
  for (const made of others.sort((a, b) => a.startedMs - b.startedMs)) {
    // Best the settlement that nobody else can claim; one that was delivered later by its identifier serves as well.
    const candidates = [...free].filter((nonce) => (own.get(nonce)?.endedMs ?? Infinity) > made.startedMs)
    const backing = candidates.find((nonce) => own.get(nonce) === undefined) ?? candidates[0]
    if (backing === undefined) unbacked.push(made)
    else free.delete(backing)
  }
  return { unbacked, undelivered: [...free].filter((nonce) => own.get(nonce) === undefined) }
}

/** Every settlement but the last was denied by the facilitator, and the RPC failed when the next came. */
function isLie({ paid, entries }: Group, witness: Witness): boolean {
  const inOrder = [...paid].sort((a, b) => a.timeSeconds - b.timeSeconds)
  return inOrder.slice(1).every(({ nonce }, i) => {
    const tries = entries.find(({ payment }) => payment.nonce === nonce)?.tries ?? []
    const earlier = inOrder[i]?.nonce ?? ''
    return witness.wasLiedAbout(earlier) && tries.some((made) => witness.wasStormy(made.startedMs, made.endedMs))
  })
}

/** Answers that ended unread when they could have been on their way. */
function lostInDelivery(
  { paid, entries }: Group,
  path: string,
  knownAt: ReadonlyMap<string, number>,
  kills: readonly number[],
): number {
  const known = Math.min(...paid.map(({ nonce, timeSeconds }) => knownAt.get(nonce) ?? timeSeconds * 1_000))
  return entries
    .flatMap(({ tries }) => tries)
    .filter((made) => made.path === path && made.content !== 'whole')
    .filter(
      (made) =>
        (made.end === 'hung up' && (made.status !== null || made.endedMs > known - CLOCK_SLACK_MS)) ||
        (made.end === 'broken' && kills.some((at) => isNear(made, at))),
    ).length
}

const isNear = (made: Try, killMs: number) =>
  killMs > made.startedMs - KILL_SLACK_MS && killMs < made.endedMs + KILL_SLACK_MS

/** The ledger's `id` is the replay key, which ends in the nonce. */
const nonceOf = (row: LedgerRow): string => row.id.slice(row.id.lastIndexOf('|') + 1).toLowerCase()

const repeated = (values: readonly string[]): string[] => values.filter((value, i) => values.indexOf(value) !== i)
