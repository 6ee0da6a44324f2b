// What reading a chain has in common, whichever it is: how far back it goes, and what is said on the way.
import type { View } from './compare.ts'
import type { Chain } from './endpoint.ts'
import { printable } from './rows.ts'

const DAY_SECONDS = 86_400
/** Without --days: this far back, or to the oldest row where that is older. */
const DEFAULT_DAYS = 30
/** The clock of the site and that of the chain differ, and a row is written after its transfer. */
const MARGIN_SECONDS = 3_600
const SHOWN_EVERY_MS = 2_000
/** Behind the machine's clock by more than this, an RPC does not know what happened lately. */
const LAG_SECONDS = 300

export type Wish = { fromBlock: number | null; days: number | null; isAfresh: boolean }

/** A payee of one network, and when they were first paid (Unix seconds), by the ledger. */
export type Group = { network: string; payee: string; since: number }

/** What was read of one network. `others`: transfers to the payees that are no payments. */
export type Reading = { view: View; others: number }

export const oldestOf = (groups: readonly Group[]): number => Math.min(...groups.map(({ since }) => since))

/** Unix seconds from which everything is read, unless a block was named. */
export const backTo = (groups: readonly Group[], { days }: Wish, nowSeconds: number): number =>
  Math.min(
    nowSeconds - (days ?? DEFAULT_DAYS) * DAY_SECONDS,
    days === null ? oldestOf(groups) - MARGIN_SECONDS : Number.POSITIVE_INFINITY,
  )

/** Beside the report, which may go into a file. */
export const say = (text: string) => console.error(printable(text))

/** Says a line every two seconds at most. */
export function saying(): (text: () => string) => void {
  let shownAt = Date.now()
  return (text) => {
    if (Date.now() - shownAt < SHOWN_EVERY_MS) return
    shownAt = Date.now()
    say(text())
  }
}

export function sayLag({ asset, host }: Chain, headSeconds: number): void {
  const behind = Math.floor(Date.now() / 1000) - headSeconds
  if (behind <= LAG_SECONDS) return
  say(`${asset.name}: the RPC at ${host} is ${behind} s behind; what is younger is looked at when it knows of it`)
}
