// Whether a token of `ASSETS` behaves as what proves a payment needs: its transfer comes right behind the use of an authorization,
// and one that is used breaks a transaction off. It is read from what was lately paid on the chain, by the worker's own rule.
import { encodeFunctionData, type Hex, isHex, parseAbi } from 'viem'
import { type Block, type Budget, blockAt, type Rpc, read, toHex } from '../../src/chain.ts'
import { AUTHORIZATION_USED, type Log, movedBehind, receiptOf } from '../../src/payer/proof.ts'
import { foundLogs } from '../../src/payer/search.ts'
import type { Eip3009Asset } from '../../src/x402/assets.ts'
import { error, type Finding, hostOf, notChecked, warning } from './findings.ts'

/** Transactions that are looked at closely. */
const MOST_TRANSACTIONS = 6
/** Kept back for them, and for the question about one that is used. */
const RESERVED_REQUESTS = MOST_TRANSACTIONS + 1
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
  const what = `${token.symbol} on ${token.name}`
  const silence = `${hostOf(rpc.url)} does not show how payments in ${what} are logged`
  const silent = [notChecked(at, `${silence}; write another endpoint`)]
  const head = await blockAt(rpc, 'latest', budget)
  const found = head && (await lastUses(rpc, token, head, budget))
  if (!found) return silent
  const [newest] = found.uses
  if (newest === undefined) {
    const lost = 'where an answer of a facilitator is lost, what became of the payment can stay unknown'
    const advice = 'pay a cent in it by authorization, and run doctor again'
    const why = `in the last ${found.blocks} blocks nobody paid in ${what} by authorization`
    return [warning(at, `${why}, so the order of its logs is unknown; ${lost}: ${advice}`)]
  }
  const findings: Finding[] = []
  if (await takesUsed(rpc, token, newest, budget)) {
    const lost = 'a transaction that moved nothing would look like a payment'
    findings.push(
      error(at, `${what} does not break off at an authorization that is used; ${lost}: take it out of ASSETS`),
    )
  }
  let seen = 0
  for (const transaction of new Set(found.uses.map(({ transactionHash }) => transactionHash))) {
    const receipt = await receiptOf(rpc, transaction, budget)
    const isGood = receipt.ok && receipt.value ? isInOrder(receipt.value.logs, token.asset) : null
    if (isGood === false) {
      const other = `${what} does not log its transfer right behind AuthorizationUsed (${transaction})`
      const lost = 'what became of a payment could never be proven'
      return [...findings, error(at, `${other}; ${lost}: take it out of ASSETS`)]
    }
    if (isGood) seen += 1
  }
  return seen > 0 ? findings : [...findings, ...silent]
}

type Use = Log & { transactionHash: string }

/**
 * The newest uses of an authorization of the token, of few transactions, and how many blocks were looked through for them; null
 * where the node does not answer.
 */
async function lastUses(
  rpc: Rpc,
  { asset }: Eip3009Asset,
  head: Block,
  budget: Budget,
): Promise<{ uses: readonly Use[]; blocks: number } | null> {
  let length = FIRST_BLOCKS
  let isTooLong = false
  let to = head.number
  while (to >= 0 && budget.left > RESERVED_REQUESTS) {
    const from = Math.max(0, to - Math.min(length, rpc.memory.logBlocks) + 1)
    const filter = { address: asset, topics: [AUTHORIZATION_USED], fromBlock: toHex(from), toBlock: toHex(to) }
    const logs = read(foundLogs, await rpc.ask({ method: 'eth_getLogs', params: [filter] }, budget))
    if (logs.ok) {
      const uses = logs.value.filter(({ removed }) => removed !== true).toReversed()
      to = from - 1
      if (uses.length > 0) return { uses: ofFewTransactions(uses), blocks: head.number - to }
      if (!isTooLong) length *= GROWTH
    } else if (logs.error === 'unreachable') {
      // An answer that is too large gets lost as well: one block is tried.
      if (isTooLong) return null
      length = 1
      isTooLong = true
    } else if (!rpc.refuseLogs(to - from + 1)) return null
  }
  return { uses: [], blocks: head.number - to }
}

function ofFewTransactions(uses: readonly Use[]): Use[] {
  const few = [...new Set(uses.map(({ transactionHash }) => transactionHash))].slice(0, MOST_TRANSACTIONS)
  return uses.filter(({ transactionHash }) => few.includes(transactionHash))
}

const abi = parseAbi([
  'function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)',
])
const NOTHING: Hex = `0x${'0'.repeat(64)}`
const FOR_EVER = 2n ** 64n

/** Whether the token goes on where an authorization is used: nobody has signed this one, so it may not. */
async function takesUsed(rpc: Rpc, { asset }: Eip3009Asset, { topics }: Use, budget: Budget): Promise<boolean> {
  const [, signer = '', nonce = ''] = topics
  const from = `0x${signer.slice(-40)}` as const
  if (!isHex(nonce) || nonce.length !== 66) return false
  const args = [from, from, 0n, 0n, FOR_EVER, nonce, 27, NOTHING, NOTHING] as const
  const data = encodeFunctionData({ abi, functionName: 'transferWithAuthorization', args })
  return (await rpc.ask({ method: 'eth_call', params: [{ to: asset, data }, 'latest'] }, budget)).ok
}
