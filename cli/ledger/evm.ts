// Reads one EVM network for the comparison: all payments to the payees since a time, and single transactions.
import { SETTLED_SECONDS } from '../../src/payer/search.ts'
import { Refusal } from '../command.ts'
import { noteOf, type Progress } from './progress.ts'
import { backTo, type Group, type Reading, say, saying, sayLag, type Wish } from './reading.ts'
import { blockOf, type EvmChain, hashOf, newestUpTo, paymentsAt, scan } from './scan.ts'
import type { Transfer } from './transfers.ts'

/** Reads one network's transfers to the payees, up to 20 seconds behind its head. */
export async function readEvm(
  chain: EvmChain,
  payees: readonly string[],
  groups: readonly Group[],
  wish: Wish,
  progress: Progress,
): Promise<Reading> {
  const { name } = chain.asset
  const note = noteOf(chain.asset)
  const head = await blockOf(chain, 'latest')
  sayLag(chain, head.time)
  const at = (height: number) => blockOf(chain, height)
  const to = await newestUpTo(at, head, head.time - SETTLED_SECONDS)
  const from = wish.fromBlock ?? (await newestUpTo(at, head, backTo(groups, wish, head.time)))
  if (from > head.number) throw new Refusal(`--from-block ${from} is not there yet; the newest block is ${head.number}`)

  if (!(await goesOn(chain, payees, from, wish, progress))) progress.forget(note)
  const start = (progress.known(note)?.to ?? from - 1) + 1
  if (start <= to) say(`${name}: reading blocks ${start} to ${to} at ${chain.host}`)
  const sayNow = saying()
  for await (const scanned of scan(chain, payees, { from: start, to })) {
    progress.add(note, payees, scanned)
    const percent = () => Math.floor((100 * (scanned.to - start)) / (to - start + 1))
    sayNow(() => `${name}: block ${scanned.to} of ${to} (${percent()} %)`)
  }
  const known = progress.known(note)
  const fromSeconds = (await at(from)).time
  return {
    view: {
      asset: chain.asset,
      payees,
      from,
      to,
      fromSeconds,
      nowSeconds: head.time,
      transfers: (known?.transfers ?? []).filter(({ block }) => block >= from && block <= to),
      inReceipts: [],
    },
    others: known?.others ?? 0,
  }
}

/** Whether what an earlier run read is of this chain and these payees, and begins early enough. */
async function goesOn(
  chain: EvmChain,
  payees: readonly string[],
  from: number,
  { isAfresh }: Wish,
  progress: Progress,
): Promise<boolean> {
  const known = progress.known(noteOf(chain.asset))
  if (!known || isAfresh || known.from > from || known.to < from - 1) return false
  if (known.payees.join() !== payees.join()) return false
  return (await hashOf(chain, known.to)) === known.hash
}

/** What single transactions show. */
export async function lookUpEvm(chain: EvmChain, transactions: readonly string[]): Promise<Transfer[]> {
  if (transactions.length > 0) say(`${chain.asset.name}: asking for ${transactions.length} single transactions`)
  const found: Transfer[] = []
  for (const transaction of transactions) {
    found.push(...((await paymentsAt(chain, transaction)) ?? []))
  }
  return found
}
