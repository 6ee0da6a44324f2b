// What the chain says of a permit. Its nonce is a bit that leaves no log and that anybody's permit of this payer may set, so only
// a transaction that is this very permit, sent straight to the proxy, is a payment.
import * as z from 'zod/mini'
import {
  type Answer,
  type Asking,
  type Budget,
  type Call,
  type ChainFailure,
  type Rpc,
  read,
  stateCall,
  word,
} from '../chain.ts'
import { fail, ok, type Result } from '../errors.ts'
import { EXACT_PROXY, PERMIT2 } from '../networks/permit2.ts'
import type { Permit } from '../x402/payment.ts'
import { type Log, type Reading, type Receipt, receiptCall, receiptIn, TRANSFER, transactionHash } from './proof.ts'
import type { Trail } from './search.ts'

/** `nonceBitmap(address,uint256)`: 256 nonces of an owner. */
const NONCE_BITMAP = '0x4fe02b44'
/** `settle(permit, owner, witness, signature)` of the exact proxy. */
const SETTLE = '0x13cd3b53'
/** `settleWithPermit`: the same behind an approval (EIP-2612) of five words. It pays, whatever became of that. */
const SETTLE_WITH_PERMIT = '0xfa340378'
const APPROVAL_WORDS = 5
const WORD_DIGITS = 64

const uint256 = z.lazy(() => z.string().check(z.regex(/^0x[0-9a-fA-F]{1,64}$/)))

const numberWord = (value: bigint) => word(`0x${value.toString(16)}`)

/** Whether the permit's nonce was used as of a block, for whatever. */
export const permitUsed = (
  { from, nonce }: Pick<Permit, 'from' | 'nonce'>,
  at: number | 'latest',
): Asking<boolean> => ({
  call: stateCall(PERMIT2, `${NONCE_BITMAP}${word(from)}${numberWord(nonce >> 8n)}`, at),
  read: (answer) => {
    const bits = read(uint256, answer)
    return bits.ok ? ((BigInt(bits.value) >> (nonce & 255n)) & 1n) === 1n : null
  },
})

/** A call that a transaction makes; `to` is null where it creates a contract. */
type Sent = { to: string | null; input: string }

const lowerCase = z.transform((text: string) => text.toLowerCase())
const hex = z.lazy(() => z.pipe(z.string().check(z.regex(/^0x[0-9a-fA-F]*$/)), lowerCase))
const storedTransaction = z.lazy(() => z.nullable(z.object({ hash: transactionHash, to: z.nullable(hex), input: hex })))

const transactionCall = (transaction: string): Call => ({ method: 'eth_getTransactionByHash', params: [transaction] })

/** Null where the node knows no such transaction. */
function sentIn(answer: Answer | undefined, transaction: string): Result<Sent | null, ChainFailure> {
  const found = read(storedTransaction, answer)
  if (!found.ok) return found
  return found.value === null || found.value.hash === transaction.toLowerCase() ? ok(found.value) : fail('unreachable')
}

/** Whether a call is this very permit. What stands behind its words (the signature, a suffix) the contracts have judged. */
function isOfPermit(
  { to, input }: Sent,
  { asset, value, nonce, deadline, from, to: payee, validAfter }: Permit,
): boolean {
  if (to !== EXACT_PROXY) return false
  const words = [
    word(asset),
    numberWord(value),
    numberWord(nonce),
    numberWord(deadline),
    word(from),
    word(payee),
    numberWord(validAfter),
  ].join('')
  const skipped = input.startsWith(SETTLE) ? 0 : input.startsWith(SETTLE_WITH_PERMIT) ? APPROVAL_WORDS : null
  return skipped !== null && input.startsWith(words, SETTLE.length + skipped * WORD_DIGITS)
}

const isTransfer = ({ address, topics }: Log, { asset, from, to }: Permit): boolean =>
  address === asset &&
  topics.length === 3 &&
  topics[0] === TRANSFER &&
  topics[1] === `0x${word(from)}` &&
  topics[2] === `0x${word(to)}`

/** Anybody may have a token log that nothing was moved between others, as often as they pay the gas for it. */
const movesNothing = ({ data }: Log): boolean => /^0x0*$/.test(data)

/** What a transaction proves of a permit. `position`: place of the transfer among all logs of the receipt. */
function readPermit({ isSuccess, logs }: Receipt, sent: Sent, permit: Permit): Reading {
  if (!isSuccess || !isOfPermit(sent, permit)) return { kind: 'absent' }
  const position = logs.findIndex((log) => isTransfer(log, permit) && log.data === `0x${numberWord(permit.value)}`)
  // It went through, and moved another amount than the token was told to: a fee, or shares.
  return position < 0 ? { kind: 'strange' } : { kind: 'paid', position }
}

/** A transaction's receipt, and what it proves of a permit; null where the node does not know it. */
export async function permitEvidence(
  rpc: Rpc,
  permit: Permit,
  transaction: string,
  budget: Budget,
): Promise<Result<{ receipt: Receipt; reading: Reading } | null, ChainFailure>> {
  const answers = await rpc.askAll([receiptCall(transaction), transactionCall(transaction)], budget)
  const receipt = receiptIn(answers[0], transaction)
  if (!receipt.ok) return receipt
  const sent = sentIn(answers[1], transaction)
  if (!sent.ok) return sent
  if (receipt.value === null) return ok(null)
  // A receipt without its transaction: the nodes behind the address differ.
  if (sent.value === null) return fail('unreachable')
  return ok({ receipt: receipt.value, reading: readPermit(receipt.value, sent.value, permit) })
}

/** Where to look for it: the token's transfers from the payer to the payee, of which each transaction is read. */
export const permitTrail = (rpc: Rpc, permit: Permit): Trail => ({
  endsAtSeconds: permit.deadline,
  filter: { address: permit.asset, topics: [TRANSFER, `0x${word(permit.from)}`, `0x${word(permit.to)}`] },
  isOnIt: (log) => isTransfer(log, permit) && !movesNothing(log),
  isIt: async (transaction, budget) => {
    const sent = sentIn(await rpc.ask(transactionCall(transaction), budget), transaction)
    return sent.ok && sent.value !== null ? isOfPermit(sent.value, permit) : null
  },
})
