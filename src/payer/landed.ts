// What one transaction of Solana shows: whether it carries a message, and what has arrived by it. It asks; it concludes nothing.
import * as z from 'zod/mini'
import { type Budget, type Rpc, read } from '../chain.ts'
import { associatedTokenAccount } from '../networks/solana.ts'
import { decodeBytes, encodePadded } from '../x402/base64.ts'
import type { Offer } from '../x402/payment.ts'
import type { SvmTransfer } from '../x402/svm.ts'
import { parseMessage, splitTransaction } from '../x402/svm-message.ts'

/** What has to arrive, and where. */
export type Sold = Pick<Offer, 'asset' | 'payTo' | 'amount'>

const inBase64 = z.tuple([z.base64(), z.literal('base64')])
const transactionReply = z.nullable(z.object({ transaction: inBase64 }))
/** What the token accounts of a transaction hold, each by its place among the accounts. */
const held = z.array(
  z.object({
    accountIndex: z.int(),
    mint: z.string(),
    uiTokenAmount: z.object({ amount: z.string().check(z.regex(/^[0-9]{1,20}$/)) }),
  }),
)
const landedReply = z.nullable(
  z.object({
    transaction: inBase64,
    meta: z.object({ err: z.null(), preTokenBalances: held, postTokenBalances: held }),
  }),
)

const callFor = (signature: string) => ({
  method: 'getTransaction',
  params: [signature, { encoding: 'base64', commitment: 'confirmed', maxSupportedTransactionVersion: 0 }],
})

/** Whether a transaction carries this very message; null where the node does not say. */
export async function isMessageOf(
  rpc: Rpc,
  signature: string,
  { message }: SvmTransfer,
  budget: Budget,
): Promise<boolean | null> {
  const found = read(transactionReply, await rpc.ask(callFor(signature), budget))
  const landed = found.ok && found.value !== null ? messageIn(found.value.transaction) : null
  return landed && encodePadded(landed) === message
}

function messageIn([transaction]: z.infer<typeof inBase64>): Uint8Array | null {
  const bytes = decodeBytes(transaction)
  const split = bytes && splitTransaction(bytes)
  return split?.ok ? split.value.message : null
}

/**
 * How much more the payee's token account holds after this transaction than before it, whatever was moved how often in
 * between; null where the node does not say. It is this transaction's alone: no other payment counts into it.
 */
export async function arrivedIn(
  rpc: Rpc,
  signature: string,
  { transfer, sold }: { transfer: SvmTransfer; sold: Sold },
  budget: Budget,
): Promise<bigint | null> {
  const found = read(landedReply, await rpc.ask(callFor(signature), budget))
  const landed = found.ok ? found.value : null
  const signed = landed && messageIn(landed.transaction)
  const message = signed && parseMessage(signed)
  if (!landed || !signed || !message?.ok || encodePadded(signed) !== transfer.message) return null
  const place = message.value.addresses.indexOf(await associatedTokenAccount(sold.payTo, sold.asset))
  const heldIn = (list: z.infer<typeof held>) => {
    const own = list.find(({ accountIndex, mint }) => accountIndex === place && mint === sold.asset)
    return BigInt(own?.uiTokenAmount.amount ?? 0)
  }
  return heldIn(landed.meta.postTokenBalances) - heldIn(landed.meta.preTokenBalances)
}
