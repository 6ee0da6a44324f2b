// Reads one network of Solana for the comparison: all payments into the payees' token accounts since a time, page by page, and
// single transactions. It reads by time: nothing asks there for transfers by height.
import * as z from 'zod'
import { type Call, type ChainFailure, read } from '../../src/chain.ts'
import type { Result } from '../../src/errors.ts'
import { associatedTokenAccount } from '../../src/networks/solana.ts'
import type { SvmAsset } from '../../src/x402/assets.ts'
import { Refusal } from '../command.ts'
import { another, BOUNDLESS, type Chain, persistently, silent } from './endpoint.ts'
import { type Landed, landedReply, paymentIn, weighed } from './landed.ts'
import { type Known, noteOf, type Progress } from './progress.ts'
import { backTo, type Group, oldestOf, type Reading, say, saying, sayLag, type Wish } from './reading.ts'
import { isoTime } from './rows.ts'
import type { Transfer } from './transfers.ts'

/** What `getSignaturesForAddress` answers at once. */
const PAGE = 1_000
/** A transaction has some ten kilobytes in JSON, and an answer two megabytes at most. */
const AT_ONCE = 20
/** So many transactions are read between two notes of how far it came. */
const NOTED_EVERY = 100

type SolanaChain = Chain<SvmAsset>

/** All payments to the payees that are finalized. Throws a `Refusal` where the endpoint does not tell. */
export async function readSolana(
  chain: SolanaChain,
  payees: readonly string[],
  groups: readonly Group[],
  wish: Wish,
  progress: Progress,
): Promise<Reading> {
  const { network, name, asset: mint } = chain.asset
  const note = noteOf(chain.asset)
  if (wish.fromBlock !== null) throw new Refusal('--from-block is for EVM networks; use --days')
  const { absoluteSlot } = await answerTo(chain, epochInfo, 'getEpochInfo', [{ commitment: 'finalized' }])
  const nowSeconds = await answerTo(chain, z.int(), 'getBlockTime', [absoluteSlot])
  sayLag(chain, nowSeconds)
  // More blocks may come within the newest second.
  const to = nowSeconds - 1
  const kept = await keptSince(chain)
  const wanted = backTo(groups, wish, nowSeconds)
  const earlier = wish.isAfresh ? null : progress.known(note)
  const known = earlier && goesOn(earlier, payees, wanted, kept) ? earlier : null
  if (!known) progress.forget(note)
  // What an earlier run has read, the node may have forgotten since.
  const reach = known ? Math.min(known.from, kept) : kept
  const needed = wish.days === null ? oldestOf(groups) : wanted
  if (reach > needed) throw forgetful(chain, kept, needed)
  const from = Math.max(wanted, reach)
  if (from > wanted) say(`${name}: the RPC at ${chain.host} remembers nothing before ${isoTime(kept)}`)
  const start = (known?.to ?? from - 1) + 1
  const accounts = await Promise.all(payees.map((payee) => associatedTokenAccount(payee, mint)))
  if (start <= to) say(`${name}: reading from ${isoTime(start)} at ${chain.host}`)
  const span = { from: start, to }
  const listed = start > to ? [] : await listSince(chain, accounts, span, absoluteSlot)
  let at = start
  const sayNow = saying()
  for (const part of partsOf(listed)) {
    const landed = await transactionsAt(chain, part.entries)
    const end = part.nextSeconds === null ? to : part.nextSeconds - 1
    progress.add(note, payees, { from: at, to: end, hash: network, ...weighed(landed, chain.asset, payees) })
    at = end + 1
    sayNow(() => `${name}: up to ${isoTime(end)} (${Math.floor((100 * part.count) / listed.length)} %)`)
  }
  if (at <= to) progress.add(note, payees, { from: at, to, hash: network, transfers: [], others: 0 })
  const all = progress.known(note)
  const transfers = (all?.transfers ?? []).filter(({ block }) => block >= from && block <= to)
  const view = { asset: chain.asset, payees, from, to, fromSeconds: from, nowSeconds, transfers, inReceipts: [] }
  return { view, others: all?.others ?? 0 }
}

/** What single transactions show, confirmed ones too. */
export async function lookUpSolana(chain: SolanaChain, transactions: readonly string[]): Promise<Transfer[]> {
  if (transactions.length > 0) say(`${chain.asset.name}: asking for ${transactions.length} single transactions`)
  const found: Transfer[] = []
  for (const signature of transactions) {
    if (!isSignature(signature)) continue
    const landed = await persistently(() => landedIn(chain, signature, 'confirmed'))
    if (!landed.ok) throw landed.error === 'refused' ? refusing(chain) : silent(chain)
    const payment = landed.value && paymentIn({ ...landed.value, signature }, chain.asset)
    if (payment) found.push(payment)
  }
  return found
}

const isSignature = (text: string) => /^[1-9A-HJ-NP-Za-km-z]{64,88}$/.test(text)

const refusing = ({ host, asset }: SolanaChain) =>
  new Refusal(`the RPC at ${host} refuses the history of transactions; ${another(asset)}`)

const slot = z.int().nonnegative()
const epochInfo = z.object({ absoluteSlot: slot })

/** One call that has to be answered. */
async function answerTo<Schema extends z.ZodType>(
  chain: SolanaChain,
  schema: Schema,
  method: string,
  params: readonly unknown[],
): Promise<z.infer<Schema>> {
  const answer = await persistently(async () => read(schema, await chain.rpc.ask({ method, params }, BOUNDLESS)))
  if (answer.ok) return answer.value
  throw answer.error === 'refused' ? refusing(chain) : silent(chain)
}

/** From when on the node has everything (Unix seconds); 0 where it has all. */
async function keptSince(chain: SolanaChain): Promise<number> {
  const first = await answerTo(chain, slot, 'getFirstAvailableBlock', [])
  return first === 0 ? 0 : answerTo(chain, z.int(), 'getBlockTime', [first])
}

const forgetful = ({ host, asset }: SolanaChain, kept: number, needed: number) =>
  new Refusal(
    `the RPC at ${host} remembers nothing before ${isoTime(kept)}, and ${isoTime(needed)} is the oldest to look at; ` +
      `name one that keeps all history: ${another(asset)}; or give fewer --days`,
  )

/** Whether what an earlier run read is of these payees, begins early enough, and leaves no gap to what the node has. */
const goesOn = (known: Known, payees: readonly string[], wanted: number, kept: number): boolean =>
  known.payees.join() === payees.join() &&
  known.from <= Math.max(wanted, kept) &&
  known.to >= Math.max(wanted, kept) - 1

/** One that did not fail. */
type Entry = { signature: string; slot: number; blockTime: number }

const page = z.array(
  z.object({ signature: z.string().refine(isSignature), slot, blockTime: z.int(), err: z.unknown() }),
)

/** The transactions that touched an account, from the newest back to a time; then in the order of the chain. */
async function listSince(
  chain: SolanaChain,
  accounts: readonly string[],
  { from, to }: { from: number; to: number },
  minContextSlot: number,
): Promise<Entry[]> {
  const found = new Map<string, Entry>()
  const sayNow = saying()
  for (const account of accounts) {
    const seen = new Set<string>()
    for (let before: string | null = null, isOver = false; !isOver; ) {
      const options = { commitment: 'finalized', limit: PAGE, minContextSlot, ...(before === null ? {} : { before }) }
      const entries: z.infer<typeof page> = await answerTo(chain, page, 'getSignaturesForAddress', [account, options])
      const news = entries.filter(({ signature }) => !seen.has(signature))
      if (entries.length > 0 && news.length === 0) {
        throw new Refusal(
          `the RPC at ${chain.host} lists the same transactions again and again; ${another(chain.asset)}`,
        )
      }
      for (const entry of news) {
        seen.add(entry.signature)
        const isAsked = entry.blockTime >= from && entry.blockTime <= to
        if (isAsked && (entry.err === null || entry.err === undefined)) found.set(entry.signature, entry)
      }
      const last = entries.at(-1)
      isOver = entries.length < PAGE || last === undefined || last.blockTime < from
      before = last?.signature ?? null
      sayNow(
        () => `${chain.asset.name}: ${found.size} transactions so far, back to ${isoTime(last?.blockTime ?? from)}`,
      )
    }
  }
  return [...found.values()].sort((a, b) => a.slot - b.slot)
}

/** Lists of a hundred and more that end where a second does, and when the next begins. `count`: how many so far. */
function* partsOf(
  listed: readonly Entry[],
): Generator<{ entries: readonly Entry[]; nextSeconds: number | null; count: number }> {
  for (let start = 0; start < listed.length; ) {
    let end = Math.min(listed.length, start + NOTED_EVERY)
    while (end < listed.length && listed[end]?.blockTime === listed[end - 1]?.blockTime) end += 1
    yield { entries: listed.slice(start, end), nextSeconds: listed[end]?.blockTime ?? null, count: end }
    start = end
  }
}

const callFor = (signature: string, commitment: 'confirmed' | 'finalized'): Call => ({
  method: 'getTransaction',
  params: [signature, { encoding: 'base64', commitment, maxSupportedTransactionVersion: 0 }],
})

const landedIn = async (
  { rpc }: SolanaChain,
  signature: string,
  commitment: 'confirmed' | 'finalized',
): Promise<Result<z.infer<typeof landedReply>, ChainFailure>> =>
  read(landedReply, await rpc.ask(callFor(signature, commitment), BOUNDLESS))

/** Each of the listed transactions, several in one request where that is taken. */
async function transactionsAt(chain: SolanaChain, entries: readonly Entry[]): Promise<Landed[]> {
  const found: Landed[] = []
  for (let start = 0; start < entries.length; start += AT_ONCE) {
    const some = entries.slice(start, start + AT_ONCE)
    const answers = await chain.rpc.askAll(
      some.map(({ signature }) => callFor(signature, 'finalized')),
      BOUNDLESS,
    )
    for (const [i, { signature }] of some.entries()) {
      const first = read(landedReply, answers[i])
      const landed = first.ok ? first : await persistently(() => landedIn(chain, signature, 'finalized'))
      if (!landed.ok) throw landed.error === 'refused' ? refusing(chain) : silent(chain)
      if (landed.value === null) {
        throw new Refusal(`the RPC at ${chain.host} lists ${signature} and does not show it; ${another(chain.asset)}`)
      }
      found.push({ ...landed.value, signature })
    }
  }
  return found
}
