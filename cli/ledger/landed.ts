// What one transaction of Solana shows: a payment as this worker takes it, or other money. What came in is the difference of a
// token account's balances before and after. Pure.
import * as z from 'zod'
import { memoEndsAtSeconds } from '../../src/networks/memo.ts'
import { svmReplayKey } from '../../src/networks/solana.ts'
import type { SvmAsset } from '../../src/x402/assets.ts'
import { readTransaction, signedBytes } from '../../src/x402/svm.ts'
import { parseMessage } from '../../src/x402/svm-message.ts'
import type { Transfer } from './transfers.ts'

const balances = z
  .array(
    z.object({
      accountIndex: z.int(),
      mint: z.string(),
      owner: z.string().default(''),
      uiTokenAmount: z.object({
        amount: z
          .string()
          .regex(/^\d{1,20}$/)
          .transform(BigInt),
      }),
    }),
  )
  .nullish()
  .transform((list) => list ?? [])

/** What `getTransaction` answers, in base64. */
export const landedReply = z.nullable(
  z.object({
    blockTime: z.int(),
    meta: z.object({ err: z.unknown(), preTokenBalances: balances, postTokenBalances: balances }),
    transaction: z.tuple([z.string(), z.literal('base64')]),
  }),
)

/** A transaction that is on the chain. */
export type Landed = NonNullable<z.infer<typeof landedReply>> & { signature: string }

/** Tells payments from other money that came in. What went out is neither. */
export function weighed(
  landed: readonly Landed[],
  asset: SvmAsset,
  payees: readonly string[],
): { transfers: (Transfer & { time: number })[]; others: number } {
  const transfers: (Transfer & { time: number })[] = []
  let others = 0
  for (const one of landed) {
    const payment = paymentIn(one, asset)
    const isOurs = ({ owner, mint }: Balance) => payees.includes(owner) && mint === asset.asset
    if (payment && payees.includes(payment.payTo)) transfers.push({ ...payment, time: one.blockTime })
    else if (cameIn(one, isOurs) > 0n) others += 1
  }
  return { transfers, others }
}

type Balance = z.infer<typeof balances>[number]

/** How much more there is after a transaction than before. */
function cameIn({ meta }: Landed, isMeant: (balance: Balance) => boolean): bigint {
  const sum = (list: readonly Balance[]) =>
    list.filter(isMeant).reduce((total, { uiTokenAmount }) => total + uiTokenAmount.amount, 0n)
  return sum(meta.postTokenBalances) - sum(meta.preTokenBalances)
}

/**
 * The payment in a transaction: one as this worker takes it, with a memo of its form, whoever it pays. Null for anything else,
 * which is other money. A memo is not proven here: that takes the secret it was made with.
 */
export function paymentIn(landed: Landed, asset: SvmAsset): Transfer | null {
  const { err } = landed.meta
  const transfer = readTransaction(landed.transaction[0])
  if ((err !== null && err !== undefined) || !transfer.ok || transfer.value.mint !== asset.asset) return null
  const { memo, destination, payer, position } = transfer.value
  if (memoEndsAtSeconds(memo) === null) return null
  const message = parseMessage(signedBytes(transfer.value))
  const index = message.ok ? message.value.addresses.indexOf(destination) : -1
  const amount = cameIn(landed, ({ accountIndex }) => accountIndex === index)
  if (amount <= 0n) return null
  const payTo = landed.meta.postTokenBalances.find(({ accountIndex }) => accountIndex === index)?.owner ?? ''
  const nonce = svmReplayKey(asset.network, transfer.value).split('|').at(-1) ?? ''
  return { transaction: landed.signature, position, block: landed.blockTime, payer, payTo, nonce, amount }
}
