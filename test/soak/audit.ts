// The counts. Out of the chain's logs, the ledger's rows and what the readers received; never out of the worker's state.
import type { Witness } from './faults.ts'
import { type Entry, groupOf, isSeenThrough, type Journal, type Try, wholeOf } from './journal.ts'
import { type Group, matchAnswers } from './singles.ts'
import type { Settlement } from './truth.ts'
import { type LedgerRow, nonceOf } from './truth.ts'

export type Violation = { kind: Kind; text: string; nonces: string[] }

/** What must not happen. The first four are the issue's; the others follow from the contract's money rules. */
export const KINDS = [
  'served unpaid',
  'paid unserved after retry',
  'redeemed twice',
  'missing from the ledger',
  'paid twice for the same thing',
  'in the ledger, not on chain',
  'walked away, and no alarm finished it',
  'outcome still open after retry',
] as const
export type Kind = (typeof KINDS)[number]

export type Evidence = {
  journal: Journal
  settlements: readonly Settlement[]
  stray: readonly string[]
  ledger: readonly LedgerRow[]
  witness: Witness
  once: (path: string) => boolean
  /** Nonces of walk-aways on chain, not in the ledger, after the time alarms need. */
  unfinished: readonly string[]
  open: readonly Entry[]
}

/** What the contract allows, and how often it happened. */
export type Findings = {
  violations: Violation[]
  /** Whole answers. */
  served: number
  /** Single answers the reader or a kill cut off when the worker could not see it any more. */
  cutOff: number
  /** Handed out once more: a kill came while the first was under way. */
  againAfterKill: number
  /** Handed out once more: the reader hung up with the last byte. */
  againAfterHangUp: number
  /** New signatures that opened what was owned. */
  reopened: number
}

/** Contract §3: an answer that was not seen through is handed out again, three times in all. */
const MOST_HANDOUTS = 3

export function audit(evidence: Evidence): Findings {
  const { journal, settlements, stray, ledger, witness, once } = evidence
  const violations: Violation[] = []
  const report = (kind: Kind, text: string, nonces: string[]) => violations.push({ kind, text, nonces })
  const findings: Findings = {
    violations,
    served: 0,
    cutOff: 0,
    againAfterKill: 0,
    againAfterHangUp: 0,
    reopened: 0,
  }
  const explain = (again: readonly Try[]): void => {
    for (const { metKill } of again) findings[metKill ? 'againAfterKill' : 'againAfterHangUp'] += 1
  }
  const rowOf = new Map(ledger.map((row) => [nonceOf(row), row]))
  const groups = new Map<string, Group>()
  const groupAt = (payer: string, path: string): Group => {
    const key = groupOf(payer, path)
    const group = groups.get(key) ?? { path, paid: [], entries: [] }
    groups.set(key, group)
    return group
  }

  for (const settlement of settlements) {
    const { nonce, transaction, value, payer } = settlement
    const row = rowOf.get(nonce)
    const entry = journal.entries.get(nonce)
    if (!row) report('missing from the ledger', `transaction ${transaction}`, [nonce])
    else if (row.transaction !== transaction || BigInt(row.amount) !== value)
      report('missing from the ledger', `its row says ${row.transaction} ${row.amount}`, [nonce])
    const path = row?.resource ?? entry?.payment.items[0].path ?? ''
    groupAt(payer, path).paid.push(settlement)
    const elsewhere = entry?.tries.find((made) => made.content !== 'none' && made.path !== path)
    if (elsewhere) report('redeemed twice', `paid for ${path}, opened ${elsewhere.path}`, [nonce])
  }
  for (const transaction of stray) report('redeemed twice', `a transfer of no authorization: ${transaction}`, [])
  for (const nonce of repeated(settlements.map((each) => each.nonce)))
    report('redeemed twice', 'settled twice', [nonce])
  for (const nonce of repeated(ledger.map(nonceOf))) report('redeemed twice', 'twice in the ledger', [nonce])
  const onChain = new Set(settlements.map(({ nonce }) => nonce))
  for (const [nonce, row] of rowOf) {
    if (!onChain.has(nonce)) report('in the ledger, not on chain', row.transaction, [nonce])
  }
  for (const nonce of evidence.unfinished)
    report('walked away, and no alarm finished it', 'on chain all the while', [nonce])
  for (const { payment } of evidence.open) report('outcome still open after retry', '', [payment.nonce])

  for (const entry of journal.entries.values()) {
    const { payment, tries } = entry
    for (const path of new Set(tries.map((made) => made.path))) groupAt(payment.payer, path).entries.push(entry)
    const opened = new Set(tries.filter((made) => made.content !== 'none').map((made) => made.path))
    if (opened.size > 1) report('redeemed twice', `opened ${[...opened].join(' and ')}`, [payment.nonce])
    const whole = wholeOf(entry)
    findings.served += whole.length
    const isNamed = payment.identifier !== null
    if (!isNamed) {
      const again = whole.slice(0, -1)
      if (again.some(isSeenThrough)) report('redeemed twice', `${whole.length} whole answers`, [payment.nonce])
      else explain(again)
    }
    const isBounded = !isNamed || payment.items[0].method === 'POST'
    if (isBounded && whole.length > MOST_HANDOUTS)
      report('redeemed twice', `handed out ${whole.length} times`, [payment.nonce])
    if (tries[0]?.phase === 'ownership') {
      if (onChain.has(payment.nonce))
        report('paid twice for the same thing', 'a new signature was settled', [payment.nonce])
      if (whole.length > 0) findings.reopened += 1
      else report('paid unserved after retry', 'a new signature did not open what is owned', [payment.nonce])
    }
  }

  for (const [key, group] of groups) {
    const { path, paid, entries } = group
    const opened = entries.flatMap(({ tries }) => tries).filter((m) => m.path === path && m.content !== 'none')
    const nonces = [...new Set([...paid.map((each) => each.nonce), ...entries.map(({ payment }) => payment.nonce)])]
    // Content cannot be paid for before the first of its settlements had begun.
    const firstMs = Math.min(...paid.map(({ nonce }) => witness.begunAt.get(nonce) ?? 0))
    if (opened.some((made) => made.endedMs < firstMs))
      report('served unpaid', `${key}: content before any settlement, ${paid.length} in all`, nonces)
    else if (once(path)) {
      const { unbacked, again, undelivered, cutOff } = matchAnswers(group, witness)
      explain(again)
      findings.cutOff += cutOff.length
      for (const { status } of unbacked)
        report('served unpaid', `${key}: an answer (${status}) without a settlement of its own`, nonces)
      for (const nonce of undelivered)
        report('paid unserved after retry', `${key}, a single answer`, [nonce, ...nonces])
    } else if (paid.length > 1) report('paid twice for the same thing', `${key}: ${paid.length} settlements`, nonces)
    if (!once(path) && paid.length > 0 && !opened.some(({ content }) => content === 'whole'))
      report('paid unserved after retry', `${key}, 24 hours`, nonces)
  }
  return findings
}

const repeated = (values: readonly string[]): string[] => values.filter((value, i) => values.indexOf(value) !== i)
