// What the chain says: which authorizations of the readers moved money to the publisher, when and in which transaction.
import { type Address, createPublicClient, http, parseAbi } from 'viem'

export type Settlement = {
  payer: Address
  nonce: string
  transaction: string
  value: bigint
  /** Of its block, in Unix seconds. */
  timeSeconds: number
}

const abi = parseAbi([
  'event Transfer(address indexed from, address indexed to, uint256 value)',
  'event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)',
])

const EVERYTHING = { fromBlock: 0n, toBlock: 'latest' } as const

/**
 * Every transfer to the publisher, with the authorization used in the same transaction by the same payer. A transfer
 * without one is reported as `stray`.
 */
export async function settlementsOnChain(
  rpcUrl: string,
  token: Address,
  publisher: Address,
): Promise<{ settlements: Settlement[]; stray: string[] }> {
  const client = createPublicClient({ transport: http(rpcUrl) })
  const [transfers, uses] = await Promise.all([
    client.getContractEvents({ address: token, abi, eventName: 'Transfer', args: { to: publisher }, ...EVERYTHING }),
    client.getContractEvents({ address: token, abi, eventName: 'AuthorizationUsed', ...EVERYTHING }),
  ])
  const times = new Map<bigint, number>()
  const settlements: Settlement[] = []
  const stray: string[] = []
  for (const { transactionHash, blockNumber, args } of transfers) {
    const { from, value } = args
    const use = uses.find((entry) => entry.transactionHash === transactionHash && entry.args.authorizer === from)
    if (from === undefined || value === undefined || use?.args.nonce === undefined) {
      stray.push(transactionHash)
      continue
    }
    const known = times.get(blockNumber) ?? Number((await client.getBlock({ blockNumber })).timestamp)
    times.set(blockNumber, known)
    settlements.push({
      payer: from,
      nonce: use.args.nonce.toLowerCase(),
      transaction: transactionHash.toLowerCase(),
      value,
      timeSeconds: known,
    })
  }
  return { settlements, stray }
}
