// What one transaction's receipt says about authorizations: which were used, and what each of them moved. Pure.
import type { Log, Receipt } from '../../src/payer/proof.ts'
import { AUTHORIZATION_USED, isHash, TRANSFER } from '../../src/payer/proof.ts'
import { chainIdOf } from '../../src/x402/assets.ts'

/** A transfer by authorization, by its place on the chain. Addresses and hashes are lower case. */
export type Transfer = {
  transaction: string
  /** Place of `AuthorizationUsed` among all logs of the receipt. */
  position: number
  block: number
  payer: string
  payTo: string
  nonce: string
  amount: bigint
}

const isAddressTopic = (topic: string | undefined): topic is string => topic !== undefined && isHash(topic)
const addressIn = (topic: string) => `0x${topic.slice(-40)}`

/**
 * The transfers of a token by authorization, whoever they pay. Only the token's next log behind `AuthorizationUsed` is the
 * transfer of that authorization (decisions 005 and 017).
 */
export function transfersIn(transaction: string, { block, isSuccess, logs }: Receipt, asset: string): Transfer[] {
  if (!isSuccess) return []
  const isToken = ({ address }: Log) => address === asset.toLowerCase()
  return logs.flatMap((log, position) => {
    const [event, payer, nonce] = log.topics
    if (!isToken(log) || event !== AUTHORIZATION_USED || !isAddressTopic(payer) || nonce === undefined) return []
    const next = logs.slice(position + 1).find(isToken)
    const [nextEvent, from, to] = next?.topics ?? []
    const isOwn = nextEvent === TRANSFER && from === payer && isAddressTopic(to)
    if (next === undefined || !isOwn || !isHash(next.data)) return []
    return [
      {
        transaction: transaction.toLowerCase(),
        position,
        block,
        payer: addressIn(payer),
        payTo: addressIn(to),
        nonce,
        amount: BigInt(next.data),
      },
    ]
  })
}

/** The replay key of a transfer, which is the id of its row in the ledger. */
export const keyOf = ({ payer, nonce }: Transfer, asset: { network: string; asset: string }): string =>
  `3009|${chainIdOf(asset.network)}|${asset.asset.toLowerCase()}|${payer}|${nonce}`
