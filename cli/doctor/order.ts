// Whether a token of `ASSETS` writes its transfer right behind the use of an authorization. What proves a payment rests on that
// order; it is read from what was lately paid on the chain, by the worker's own rule.
import { type Block, type Budget, blockAt, type Rpc, read, toHex } from '../../src/chain.ts'
import { AUTHORIZATION_USED, type Log, movedBehind, receiptOf } from '../../src/payer/proof.ts'
import { foundLogs } from '../../src/payer/search.ts'
import type { Eip3009Asset } from '../../src/x402/assets.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'

/** Transactions that are looked at closely. */
const MOST_TRANSACTIONS = 6
/** A token that is used much fills an answer with few blocks; one that is not is looked for in ever longer ranges. */
const FIRST_BLOCKS = 50
const GROWTH = 4

/** Whether each use in a transaction has its transfer right behind it; null where it has no use of this token. */
export function isInOrder(logs: readonly Log[], asset: string): boolean | null {
  const uses = logs.flatMap(({ address, topics }, position) =>
    address === asset.toLowerCase() && topics[0] === AUTHORIZATION_USED ? [position] : [],
  )
  return uses.length === 0 ? null : uses.every((position) => movedBehind(logs, position, asset) !== null)
}

/** `at`: the setting that names the token. */
export async function orderFindings(rpc: Rpc, token: Eip3009Asset, at: string, budget: Budget): Promise<Finding[]> {
  const host = hostOf(rpc.url)
  const what = `${token.symbol} on ${token.name}`
  const silent = notChecked(at, `${host} does not show how payments in ${what} are logged; write another endpoint`)
  const head = await blockAt(rpc, 'latest', budget)
  const found = head && (await lastUses(rpc, token, head, budget))
  if (!found) return [silent]
  if (found.transactions.length === 0) {
    const lost = 'where an answer of a facilitator is lost, what became of the payment can stay unknown'
    const advice = 'pay a cent in it by authorization, and run doctor again'
    const why = `in the last ${found.blocks} blocks nobody paid in ${what} by authorization`
    return [warning(at, `${why}, so the order of its logs is unknown; ${lost}: ${advice}`)]
  }
  let read = 0
  for (const transaction of found.transactions) {
    const receipt = await receiptOf(rpc, transaction, budget)
    const isGood = receipt.ok && receipt.value ? isInOrder(receipt.value.logs, token.asset) : null
    if (isGood === false) {
      const lost = 'what became of a payment could never be proven'
      return [
        error(
          at,
          `${what} does not log its transfer right behind AuthorizationUsed (${transaction}); ${lost}: take it out of ASSETS`,
        ),
      ]
    }
    if (isGood) read += 1
  }
  return read > 0 ? [] : [silent]
}

/**
 * The newest transactions that used an authorization of the token, and how many blocks were looked through for them; null where
 * the node does not answer.
 */
async function lastUses(
  rpc: Rpc,
  { asset }: Eip3009Asset,
  head: Block,
  budget: Budget,
): Promise<{ transactions: string[]; blocks: number } | null> {
  let length = FIRST_BLOCKS
  let isTooLong = false
  let to = head.number
  while (to >= 0 && budget.left > MOST_TRANSACTIONS) {
    const from = Math.max(0, to - Math.min(length, rpc.memory.logBlocks) + 1)
    const filter = { address: asset, topics: [AUTHORIZATION_USED], fromBlock: toHex(from), toBlock: toHex(to) }
    const logs = read(foundLogs, await rpc.ask({ method: 'eth_getLogs', params: [filter] }, budget))
    if (logs.ok) {
      const uses = logs.value.filter(({ removed }) => removed !== true).toReversed()
      const transactions = [...new Set(uses.map(({ transactionHash }) => transactionHash))]
      to = from - 1
      if (transactions.length > 0) {
        return { transactions: transactions.slice(0, MOST_TRANSACTIONS), blocks: head.number - to }
      }
      if (!isTooLong) length *= GROWTH
      continue
    }
    // An answer that is too large gets lost as well: one shorter range is tried.
    if (logs.error === 'unreachable') {
      if (isTooLong) return null
      length = 1
    } else if (!rpc.refuseLogs(to - from + 1)) return null
    isTooLong = logs.error === 'unreachable'
  }
  return { transactions: [], blocks: head.number - to }
}
