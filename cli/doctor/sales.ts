// Sales on EVM chains that the ledger does not know: the mark of two deployments that share one payee. It looks at the last
// day, as far as one endpoint answers in few calls.
import { toEventSelector } from 'viem'
import * as z from 'zod'
import { type Block, type Budget, blockAt, newRpcMemory, Rpc, read, safeNumber, toHex, word } from '../../src/chain.ts'
import type { Config } from '../../src/config.ts'
import { AUTHORIZATION_USED, type Log, movedBehind, receiptOf, transactionHash } from '../../src/payer/proof.ts'
import { startSearch } from '../../src/payer/search.ts'
import { type Eip3009Asset, type Network, namespaceOf } from '../../src/x402/assets.ts'
import { type Finding, hostOf, notChecked, warning } from './findings.ts'
import { evmTokensSold } from './tokens.ts'

export const DAY_SECONDS = 86_400
/** A sale may reach the chain before the ledger. */
export const NOT_YET_SECONDS = 600
const MOST_REQUESTS = 80
/** Transactions that are looked at closely. */
export const MOST_UNKNOWN = 10

const SHARED = 'Another deployment seems to share this address; give each its own'

const TRANSFER = toEventSelector('Transfer(address,address,uint256)')
const transferLogs = z.array(z.object({ transactionHash, blockNumber: safeNumber }))

/** @param known transactions of the ledger, in their one spelling; more than the last day's do no harm */
export async function salesFindings(
  config: Config,
  known: ReadonlySet<string>,
  nowSeconds: number,
): Promise<Finding[]> {
  const each = evmTokensSold(config).map(async (tokens) => {
    const [first] = tokens
    if (!first) return []
    const { network } = first
    const url = config.rpcUrls[network] ?? first.rpcUrl
    const rpc = new Rpc(url, network, { ...newRpcMemory(), network })
    let sales = 0
    for (const token of tokens) {
      const more = await unknownSales(rpc, token, config.payTo.eip155 ?? '', known, nowSeconds)
      if (more === null) {
        const message = `${hostOf(url)} does not show a day of transfers in ${token.symbol} on ${token.name}; write another endpoint`
        return [...lacking(sales, first), notChecked('PAY_TO.eip155', message)]
      }
      sales += more
    }
    return lacking(sales, first)
  })
  return (await Promise.all(each)).flat()
}

/** How many sales in a token the ledger does not know, as far as they are counted; null where the chain does not tell. */
async function unknownSales(
  rpc: Rpc,
  asset: Eip3009Asset,
  payTo: string,
  known: ReadonlySet<string>,
  nowSeconds: number,
): Promise<number | null> {
  const budget: Budget = { left: MOST_REQUESTS }
  const head = await blockAt(rpc, 'latest', budget)
  const paid = head && (await transfersTo(rpc, asset, payTo, head, nowSeconds, budget))
  if (!head || !paid) return null
  const strange = [...paid].filter(([transaction]) => !known.has(transaction)).slice(0, MOST_UNKNOWN)
  let sales = 0
  for (const [transaction, height] of strange) {
    const block = await blockAt(rpc, height, budget)
    if (!block || head.time - block.time < NOT_YET_SECONDS) continue
    const receipt = await receiptOf(rpc, transaction, budget)
    if (receipt.ok && receipt.value !== null && isSale(receipt.value.logs, asset, payTo)) sales += 1
  }
  return sales
}

/** What to say of sales that the ledger does not know. */
export function lacking(sales: number, { name, network }: Network): Finding[] {
  if (sales === 0) return []
  const count = sales >= MOST_UNKNOWN ? `${MOST_UNKNOWN} or more` : String(sales)
  const message = `the ledger lacks payments of the last day on ${name}: ${count}. ${SHARED}`
  return [warning(`PAY_TO.${namespaceOf(network)}`, message)]
}

/** Transactions of the last day that moved the token to the payee, and their blocks; null where the chain does not tell. */
async function transfersTo(
  rpc: Rpc,
  asset: Eip3009Asset,
  payTo: string,
  head: Block,
  nowSeconds: number,
  budget: Budget,
): Promise<Map<string, number> | null> {
  const start = await startSearch(rpc, head, { seenBlock: null, claimedAtSeconds: nowSeconds - DAY_SECONDS }, budget)
  if (!start) return null
  const found = new Map<string, number>()
  for (let from = start.fromBlock; from <= head.number; ) {
    const to = Math.min(head.number, from + rpc.memory.logBlocks - 1)
    const filter = { address: asset.asset, topics: [TRANSFER, null, `0x${word(payTo)}`] }
    const params = [{ ...filter, fromBlock: toHex(from), toBlock: toHex(to) }]
    const logs = read(transferLogs, await rpc.ask({ method: 'eth_getLogs', params }, budget))
    if (logs.ok) {
      for (const log of logs.value) found.set(log.transactionHash, log.blockNumber)
      from = to + 1
    } else if (logs.error === 'unreachable' || !rpc.refuseLogs(to - from + 1)) return null
  }
  return found
}

/** Whether the payee was paid by an authorization; what somebody just sends there is no sale. */
const isSale = (logs: readonly Log[], { asset }: Eip3009Asset, payTo: string): boolean =>
  logs.some(
    ({ address, topics }, position) =>
      address === asset.toLowerCase() &&
      topics[0] === AUTHORIZATION_USED &&
      movedBehind(logs, position, asset)?.to === `0x${word(payTo)}`,
  )
