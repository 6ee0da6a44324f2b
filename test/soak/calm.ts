// After the storm: every payment that is open is presented again until its outcome is definite, and everything that is
// owned is asked for with a new signature.
import type { PrivateKeyAccount } from 'viem/accounts'
import { catalogue } from './catalogue.ts'
import { wait } from './faults.ts'
import { type Entry, groupOf, isDefinite, type Journal } from './journal.ts'
import type { Random } from './random.ts'
import type { Settlement } from './truth.ts'
import { type LedgerRow, nonceOf } from './truth.ts'

const AT_ONCE = 8
const PAUSE_MS = 1_000

/** Presents each payment that brought no content yet, where it was presented before. Returns those left open. */
export async function retryAll(journal: Journal, entries: Iterable<Entry>, deadlineMs: number): Promise<Entry[]> {
  const waiting = [...entries].filter(
    ({ tries }) => tries.length > 0 && !tries.some(({ content }) => content === 'whole'),
  )
  const open: Entry[] = []
  await inParallel(waiting, async (entry) => {
    if (!(await untilDefinite(journal, entry, deadlineMs))) open.push(entry)
  })
  return open
}

async function untilDefinite(journal: Journal, { payment }: Entry, deadlineMs: number): Promise<boolean> {
  for (const item of payment.items) {
    for (;;) {
      const answer = await journal.present(payment, item, 'v2')
      if (answer.content === 'whole') return true
      if (isDefinite(answer)) break
      if (Date.now() > deadlineMs) return false
      await wait(PAUSE_MS)
    }
  }
  return true
}

/**
 * Who paid for 24 hours owns that thing: a new signature has to open it, without being settled. One is signed and
 * presented for each thing owned. What a payment bought that was tried at two things, the ledger says. Returns those
 * left open.
 */
export async function signAgain(
  journal: Journal,
  { settlements, ledger }: { settlements: readonly Settlement[]; ledger: readonly LedgerRow[] },
  accounts: readonly PrivateKeyAccount[],
  random: Random,
  deadlineMs: number,
): Promise<Entry[]> {
  const settled = new Set(settlements.map(({ nonce }) => nonce))
  const owned = new Map(
    ledger.filter((row) => settled.has(nonceOf(row))).map((row) => [groupOf(row.payer, row.resource), row]),
  )
  const accountOf = new Map(accounts.map((account) => [account.address.toLowerCase(), account]))
  const open: Entry[] = []
  await inParallel([...owned], async ([group, { payer, resource }]) => {
    const item = catalogue.find(({ path }) => path === resource)
    const account = accountOf.get(payer.toLowerCase())
    if (!item || !account) throw new Error(`the ledger says that ${payer} bought ${resource}`)
    if (item.once) return
    const payment = await journal.sign(account, [item], random.fork(group), false)
    const entry = payment && journal.entries.get(payment.nonce)
    if (!entry) throw new Error(`no challenge for ${resource} in calm`)
    if (!(await untilDefinite(journal, entry, deadlineMs))) open.push(entry)
  })
  return open
}

async function inParallel<Value>(values: readonly Value[], work: (value: Value) => Promise<void>): Promise<void> {
  const queue = [...values]
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(next)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
