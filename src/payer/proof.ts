// What the logs of a transaction prove about an authorization. Only the order of the token's own logs counts: "some
// transfer in the same transaction" is no payment. It weighs one receipt, and does not say whether it can be undone.
import * as z from 'zod/mini'
import { type Answer, type Budget, type Call, type ChainFailure, type Rpc, read, safeNumber, word } from '../chain.ts'
import { fail, ok, type Result } from '../errors.ts'
import type { Authorization } from '../x402/payment.ts'

/** `AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)`. */
export const AUTHORIZATION_USED = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5'
/** `AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce)`. */
export const AUTHORIZATION_CANCELED = '0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81'
/** `Transfer(address indexed from, address indexed to, uint256 value)`. */
export const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

/** Where a nonce lives: the payer and the number. */
export type Nonce = Pick<Authorization, 'from' | 'nonce'>

const HASH = /^0x[0-9a-fA-F]{64}$/
export const isHash = (text: string) => HASH.test(text)

const lowerCase = z.transform((text: string) => text.toLowerCase())
export const transactionHash = z.lazy(() => z.pipe(z.string().check(z.regex(HASH)), lowerCase))
const hex = z.lazy(() => z.pipe(z.string().check(z.regex(/^0x[0-9a-fA-F]*$/)), lowerCase))

/** A log as every reply has it. Hex becomes lower case. */
export const logEntry = z.object({ address: hex, topics: z.array(hex), data: hex })
export type Log = z.infer<typeof logEntry>

/** Whether a log is the token's word that this authorization was used or cancelled. */
export const isUse = ({ address, topics }: Log, asset: string, { from, nonce }: Nonce): boolean =>
  address === asset.toLowerCase() &&
  (topics[0] === AUTHORIZATION_USED || topics[0] === AUTHORIZATION_CANCELED) &&
  topics[1] === `0x${word(from)}` &&
  topics[2] === nonce.toLowerCase()

/** A transaction that is in a block. `logs` are all of its logs, of every contract, in their order. */
export type Receipt = { block: number; isSuccess: boolean; logs: readonly Log[] }

const storedReceipt = z.lazy(() =>
  z.nullable(
    z.object({
      transactionHash,
      blockNumber: safeNumber,
      status: safeNumber,
      logs: z.array(z.extend(logEntry, { logIndex: safeNumber })),
    }),
  ),
)

export const receiptCall = (transaction: string): Call => ({
  method: 'eth_getTransactionReceipt',
  params: [transaction],
})

/** A transaction's receipt; null where the node knows none. */
export const receiptOf = async (
  rpc: Rpc,
  transaction: string,
  budget: Budget,
): Promise<Result<Receipt | null, ChainFailure>> =>
  receiptIn(await rpc.ask(receiptCall(transaction), budget), transaction)

export function receiptIn(answer: Answer | undefined, transaction: string): Result<Receipt | null, ChainFailure> {
  const found = read(storedReceipt, answer)
  if (!found.ok) return found
  if (found.value === null) return ok(null)
  const logs = found.value.logs.toSorted((a, b) => a.logIndex - b.logIndex)
  const isOrdered = logs.every(({ logIndex }, i) => logIndex !== logs[i - 1]?.logIndex)
  if (found.value.transactionHash !== transaction.toLowerCase() || !isOrdered) return fail('unreachable')
  return ok({ block: found.value.blockNumber, isSuccess: found.value.status === 1, logs })
}

/**
 * What the token's next log behind the use of an authorization moved, if it is a transfer by the one who signed; else null.
 * `to`: a topic. `position`: of `AuthorizationUsed` among `logs`.
 */
export function movedBehind(
  logs: readonly Log[],
  position: number,
  asset: string,
): { to: string; value: bigint } | null {
  const signer = logs[position]?.topics[1]
  // Whatever event it is: a log in between could belong to another authorization, which this transfer then pays for.
  const next = logs.slice(position + 1).find(({ address }) => address === asset.toLowerCase())
  const [event, from, to = '', ...more] = next?.topics ?? []
  const isOwnTransfer = event === TRANSFER && from === signer && isHash(to) && more.length === 0
  return next && isOwnTransfer && isHash(next.data) ? { to, value: BigInt(next.data) } : null
}

/** What a receipt says of one authorization. */
export type Reading =
  /** It paid. `position`: place of the proof among all logs of the receipt, here that of `AuthorizationUsed`. */
  | { kind: 'paid'; position: number }
  /** Cancelled, or the next log is a transfer of another payee or value: this authorization can never pay. */
  | { kind: 'spent' }
  /** Used, and the logs around it prove nothing. */
  | { kind: 'strange' }
  /** The transaction failed, or has nothing to do with it. */
  | { kind: 'absent' }

export function readReceipt({ isSuccess, logs }: Receipt, asset: string, authorization: Authorization): Reading {
  const uses = isSuccess ? logs.flatMap((log, i) => (isUse(log, asset, authorization) ? [i] : [])) : []
  const [position] = uses
  if (position === undefined) return { kind: 'absent' }
  if (uses.length > 1) return { kind: 'strange' }
  if (logs[position]?.topics[0] === AUTHORIZATION_CANCELED) return { kind: 'spent' }
  const moved = movedBehind(logs, position, asset)
  if (moved === null) return { kind: 'strange' }
  const isPayment = moved.to === `0x${word(authorization.to)}` && moved.value === authorization.value
  return isPayment ? { kind: 'paid', position } : { kind: 'spent' }
}
