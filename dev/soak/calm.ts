// After the storm: every payment that is open is presented again until its outcome is definite.
import type { PrivateKeyAccount } from 'viem/accounts'
import { wait } from './faults.ts'
import { type Entry, groupOf, isDefinite, type Journal } from './journal.ts'
import type { Random } from './random.ts'
import type { Settlement } from './truth.ts'

const AT_ONCE = 8
const PAUSE_MS = 1_000

/** Presents each payment that brought no content yet, where it was presented before. Returns those left open. */
export async function retryAll(journal: Journal, deadlineMs: number): Promise<Entry[]> {
  const waiting = [...journal.entries.values()].filter(
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
 * Who paid for 24 hours and never received the content: a new signature has to open it, without being settled. Signs
 * and presents one for each such purchase.
 */
export async function signAgain(
  journal: Journal,
  settlements: readonly Settlement[],
  accounts: readonly PrivateKeyAccount[],
  random: Random,
): Promise<void> {
  const served = new Set<string>()
  for (const { payment, tries } of journal.entries.values()) {
    for (const { content, path } of tries) if (content === 'whole') served.add(groupOf(payment.payer, path))
  }
  const unserved = settlements.flatMap(({ nonce }) => {
    const entry = journal.entries.get(nonce)
    return entry ? [entry] : []
  })
  const asked = new Set<string>()
  await inParallel(unserved, async ({ payment }) => {
    for (const item of payment.items) {
      const group = groupOf(payment.payer, item.path)
      const account = accounts.find(({ address }) => address === payment.payer)
      if (item.once || served.has(group) || asked.has(group) || !account || payment.items.length > 1) continue
      asked.add(group)
      const again = await journal.sign(account, [item], random, false)
      if (again) await journal.present(again, item, 'v2')
    }
  })
}

async function inParallel<Value>(values: readonly Value[], work: (value: Value) => Promise<void>): Promise<void> {
  const queue = [...values]
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(next)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
