// A payment on the chain, and what makes it that one. And what one transaction's receipt says about authorizations on EVM: which
// were used, and what each of them moved; and which permit a call to x402's proxy settles. Pure.
import { decodeFunctionData, type Hex, parseAbi } from 'viem'
import { EXACT_PROXY } from '../../src/networks/permit2.ts'
import { AUTHORIZATION_USED, isHash, type Log, movedBehind, type Receipt, TRANSFER } from '../../src/payer/proof.ts'
import { type Asset, chainIdOf } from '../../src/x402/assets.ts'

/** A payment as the chain has it, by its place there. Addresses and hashes are in their one spelling. */
export type Transfer = {
  transaction: string
  /**
   * Place of `AuthorizationUsed` among all logs of the receipt, by Permit2 that of `Transfer`; on Solana of the transfer among the
   * instructions.
   */
  position: number
  /** The block's height; on Solana its time (Unix seconds): nothing there asks for transfers by height. */
  block: number
  payer: string
  payTo: string
  /** What makes it that payment, beside its payer: the nonce, by Permit2 as a decimal number; on Solana the hash of the message. */
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

/** What the exact proxy of x402 is called with. */
const PROXY = parseAbi([
  'struct TokenPermissions { address token; uint256 amount; }',
  'struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }',
  'struct Witness { address to; uint256 validAfter; }',
  'struct Approval { uint256 value; uint256 deadline; bytes32 r; bytes32 s; uint8 v; }',
  'function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature)',
  'function settleWithPermit(Approval approval, PermitTransferFrom permit, address owner, Witness witness, bytes signature)',
])

/** A call that a transaction makes. */
export type Sent = { to: string | null; input: Hex }

/** The transfer of a token by the permit that a transaction settles straight at the proxy, if it does. */
export function permitTransfersIn(
  transaction: string,
  { block, isSuccess, logs }: Receipt,
  sent: Sent,
  asset: string,
): Transfer[] {
  const settled = isSuccess && sent.to?.toLowerCase() === EXACT_PROXY ? settledBy(sent.input) : null
  if (settled === null || settled.token !== asset.toLowerCase()) return []
  const { payer, payTo, nonce, amount } = settled
  const position = logs.findIndex(
    ({ address, topics: [event, from = '', to = ''], data }) =>
      address === settled.token &&
      event === TRANSFER &&
      addressIn(from) === payer &&
      addressIn(to) === payTo &&
      isHash(data) &&
      BigInt(data) === amount,
  )
  return position < 0 ? [] : [{ transaction: transaction.toLowerCase(), position, block, payer, payTo, nonce, amount }]
}

/** Null for another call. */
function settledBy(data: Hex) {
  try {
    const { functionName, args } = decodeFunctionData({ abi: PROXY, data })
    const [permit, owner, witness] = functionName === 'settle' ? args : [args[1], args[2], args[3]]
    return {
      token: permit.permitted.token.toLowerCase(),
      payer: owner.toLowerCase(),
      payTo: witness.to.toLowerCase(),
      nonce: permit.nonce.toString(),
      amount: permit.permitted.amount,
    }
  } catch {
    return null
  }
}

/** The replay key of a transfer, which is the id of its row in the ledger. */
export function keyOf({ payer, nonce }: Pick<Transfer, 'payer' | 'nonce'>, { kind, network, asset }: Asset): string {
  switch (kind) {
    case 'svm':
      return `svm|${network.slice('solana:'.length)}|${nonce}`
    case 'permit2':
      return `permit2|${chainIdOf(network)}|${payer}|${nonce}`
    case 'eip3009':
      return `3009|${chainIdOf(network)}|${asset.toLowerCase()}|${payer}|${nonce}`
  }
}

/** A replay key in its one spelling: on Solana the network's name has capitals that mean something. */
export const oneKey = (id: string): string => (id.startsWith('svm|') ? id : id.toLowerCase())
