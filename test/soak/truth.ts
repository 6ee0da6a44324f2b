// What chain and ledger say: which authorizations of the readers moved money to the publisher, when and in which transaction.
import { type Address, createPublicClient, http, parseAbi } from 'viem'
import * as z from 'zod'
import type { Site } from '../world/site.ts'
import { wait } from './faults.ts'

const MOST_LOOKS = 10

export type Settlement = {
  payer: Address
  nonce: string
  transaction: string
  value: bigint
}

export type Truth = {
  settlements: Settlement[]
  /** Transactions that paid the publisher without an authorization of the payer. */
  stray: string[]
}

const abi = parseAbi([
  'event Transfer(address indexed from, address indexed to, uint256 value)',
  'event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)',
  'function balanceOf(address) view returns (uint256)',
])

/**
 * A reader of every transfer to the publisher, with the authorization used in the same transaction by the same payer.
 * It throws when the logs do not add up to the publisher's balance: then no count would mean anything. While blocks are
 * being made the two may be read a block apart, so it looks again.
 */
export function chainReader(rpcUrl: string, token: Address, publisher: Address): () => Promise<Truth> {
  const client = createPublicClient({ transport: http(rpcUrl) })
  const look = async (): Promise<Truth & { missing: bigint }> => {
    const toBlock = await client.getBlockNumber({ cacheTime: 0 })
    const range = { fromBlock: 0n, toBlock }
    const [transfers, uses, balance] = await Promise.all([
      client.getContractEvents({ address: token, abi, eventName: 'Transfer', args: { to: publisher }, ...range }),
      client.getContractEvents({ address: token, abi, eventName: 'AuthorizationUsed', ...range }),
      client.readContract({
        address: token,
        abi,
        functionName: 'balanceOf',
        args: [publisher],
        blockNumber: toBlock,
      }),
    ])
    const used = new Map(uses.map(({ transactionHash, args }) => [`${transactionHash} ${args.authorizer}`, args.nonce]))
    const settlements: Settlement[] = []
    const stray: string[] = []
    let sum = 0n
    for (const { transactionHash, args } of transfers) {
      const { from, value } = args
      sum += value ?? 0n
      const nonce = used.get(`${transactionHash} ${from}`)
      if (from === undefined || value === undefined || nonce === undefined) {
        stray.push(transactionHash)
        continue
      }
      settlements.push({
        payer: from,
        nonce: nonce.toLowerCase(),
        transaction: transactionHash.toLowerCase(),
        value,
      })
    }
    return { settlements, stray, missing: balance - sum }
  }

  return async () => {
    for (let looks = 1; ; looks++) {
      const { missing, ...truth } = await look()
      if (missing === 0n) return truth
      if (looks === MOST_LOOKS) throw new Error(`the chain's logs lack ${missing} of what the publisher has`)
      await wait(200)
    }
  }
}

const ledgerRow = z.object({
  id: z.string(),
  resource: z.string(),
  amount: z.string(),
  payer: z.string(),
  transaction: z.string(),
})

/** A row of the ledger, as far as the soak compares it. */
export type LedgerRow = z.infer<typeof ledgerRow>

export const ledgerOf = async ({ db }: Site): Promise<LedgerRow[]> =>
  z.array(ledgerRow).parse((await db.prepare('SELECT * FROM payments').all()).results)

/** The ledger's `id` is the replay key, which ends in the nonce. */
export const nonceOf = ({ id }: LedgerRow): string => id.slice(id.lastIndexOf('|') + 1).toLowerCase()
