// A payment on the chain, and what makes it that one. And what one transaction's receipt says about authorizations on EVM: which
// were used, and what each of them moved. Pure.
import { AUTHORIZATION_USED, isHash, type Log, movedBehind, type Receipt } from '../../src/payer/proof.ts'
import { type Asset, chainIdOf } from '../../src/x402/assets.ts'

/** A payment as the chain has it, by its place there. Addresses and hashes are in their one spelling. */
export type Transfer = {
  transaction: string
  /** Place of `AuthorizationUsed` among all logs of the receipt; on Solana of the transfer among the instructions. */
  position: number
  /** The block's height; on Solana its time (Unix seconds): nothing there asks for transfers by height. */
  block: number
  payer: string
  payTo: string
  /** What makes it that payment, beside its payer: the authorization's nonce; on Solana the hash of the message. */
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
    const moved = movedBehind(logs, position, asset)
    if (moved === null) return []
    return [
      {
        transaction: transaction.toLowerCase(),
        position,
        block,
        payer: addressIn(payer),
        payTo: addressIn(moved.to),
        nonce,
        amount: moved.value,
      },
    ]
  })
}

/** The replay key of a transfer, which is the id of its row in the ledger. */
export const keyOf = ({ payer, nonce }: Pick<Transfer, 'payer' | 'nonce'>, { kind, network, asset }: Asset): string =>
  kind === 'svm'
    ? `svm|${network.slice('solana:'.length)}|${nonce}`
    : `3009|${chainIdOf(network)}|${asset.toLowerCase()}|${payer}|${nonce}`

/** A replay key in its one spelling: on Solana the network's name has capitals that mean something. */
export const oneKey = (id: string): string => (id.startsWith('svm|') ? id : id.toLowerCase())
