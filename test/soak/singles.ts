// Single answers: each settlement pays for one. It is the settled payment's own, or that of another payment which was
// accepted in its place because it had not been delivered by then.
import type { Witness } from './faults.ts'
import { type Entry, isSeenThrough, type Try, wholeOf } from './journal.ts'
import type { Settlement } from './truth.ts'

/** What one payer paid and presented for one thing. */
export type Group = { path: string; paid: Settlement[]; entries: Entry[] }

export type Matched = {
  /** Answers without a settlement of their own. */
  unbacked: Try[]
  /** Answers handed out again because the first was not seen through. */
  again: Try[]
  /** Settlements that brought no content, and nothing on the way can have taken it. */
  undelivered: string[]
  /** Settlements whose answer was cut off when the worker could not see it any more. */
  cutOff: string[]
}

/** From the moment a settlement is on chain until the facilitator's process has noticed it. */
const NOTICE_MS = 50

/** An answer in place of another payment: the first whole one, and whether one was seen through. */
type Substitute = { first: Try; isSeen: boolean }

export function matchAnswers({ path, paid, entries }: Group, witness: Witness): Matched {
  const settled = new Map(paid.map((each) => [each.nonce, entries.find((entry) => entry.payment.nonce === each.nonce)]))
  const wholeHere = (entry: Entry | undefined) => (entry ? wholeOf(entry).filter((made) => made.path === path) : [])
  const substitutes = entries
    .filter(({ payment }) => !settled.has(payment.nonce))
    .flatMap((entry): Substitute[] => {
      const answers = wholeHere(entry)
      const [first] = answers
      return first ? [{ first, isSeen: answers.some(isSeenThrough) }] : []
    })

  /** Not delivered yet when the substitute asked; or delivered since, which only an identifier allows. */
  const mayBack = (nonce: string, { first }: Substitute): boolean => {
    const entry = settled.get(nonce)
    if (first.endedMs < (witness.begunAt.get(nonce) ?? 0)) return false
    const delivered = wholeHere(entry).find(isSeenThrough)
    return !delivered || (entry?.payment.identifier !== null && delivered.endedMs > first.startedMs)
  }
  const isOwnCut = (nonce: string): boolean =>
    settled.get(nonce)?.tries.some((made) => isCut(made, path, (witness.knownAt.get(nonce) ?? 0) - NOTICE_MS)) ?? false
  // First what brought its own payer nothing, and nothing else explains.
  const rank = (nonce: string) => wholeHere(settled.get(nonce)).length * 2 + (isOwnCut(nonce) ? 1 : 0)
  const nonces = [...settled.keys()].sort((a, b) => rank(a) - rank(b))
  const backed = new Map<string, Substitute>()
  const assign = (substitute: Substitute, tried: Set<string>): boolean => {
    for (const nonce of nonces) {
      if (tried.has(nonce) || !mayBack(nonce, substitute)) continue
      tried.add(nonce)
      const rival = backed.get(nonce)
      if (rival && !assign(rival, tried)) continue
      backed.set(nonce, substitute)
      return true
    }
    return false
  }

  const unbacked: Try[] = []
  const again: Try[] = []
  for (const substitute of substitutes.filter(({ isSeen }) => isSeen)) {
    if (!assign(substitute, new Set())) unbacked.push(substitute.first)
  }
  // What was not seen through may be followed by another answer for the same money.
  for (const substitute of substitutes.filter(({ isSeen }) => !isSeen)) {
    if (assign(substitute, new Set())) continue
    if (nonces.some((nonce) => mayBack(nonce, substitute))) again.push(substitute.first)
    else unbacked.push(substitute.first)
  }
  for (const [nonce] of backed) {
    const own = settled.get(nonce)
    if (own?.payment.identifier === null) again.push(...wholeHere(own).slice(-1))
  }

  const empty = nonces.filter((nonce) => wholeHere(settled.get(nonce)).length === 0 && !backed.has(nonce))
  const lostElsewhere = entries.filter((entry) => !settled.has(entry.payment.nonce) && wholeHere(entry).length === 0)
  const cutOff = empty.filter((nonce) => {
    if (settled.get(nonce)?.payment.identifier !== null) return false
    if (isOwnCut(nonce)) return true
    // Accepted in its place, and lost there.
    const known = (witness.knownAt.get(nonce) ?? 0) - NOTICE_MS
    const at = lostElsewhere.findIndex((entry) => entry.tries.some((made) => isCut(made, path, known)))
    return at >= 0 && lostElsewhere.splice(at, 1).length > 0
  })
  return { unbacked, again, undelivered: empty.filter((nonce) => !cutOff.includes(nonce)), cutOff }
}

/** It ended unread, by the reader or by a kill, when the content could have been on its way. */
const isCut = (made: Try, path: string, knownMs: number): boolean =>
  made.path === path &&
  made.content !== 'whole' &&
  (made.end === 'hung up' || (made.end === 'broken' && made.metKill)) &&
  (made.status === 200 || (made.status === null && made.endedMs > knownMs))
