// What a settlement whose outcome is unknown turned out to be, as the chain tells it. A used nonce proves nothing by
// itself: paid means a Transfer of that value to our payTo, in the transaction that used the nonce, after our claim.
import { blockTime, findUse, isNonceUsed, movedFunds } from '../chain.ts'
import type { Authorization } from '../x402/payment.ts'

export type Truth =
  | { kind: 'settled'; transaction: string }
  /** Used before this site first saw it: it may have bought something elsewhere. */
  | { kind: 'used_before'; transaction: string }
  /** The nonce was cancelled, or spent by another authorization: this one can never pay. */
  | { kind: 'spent_otherwise' }
  /** Not used, and no longer usable. */
  | { kind: 'expired' }
  /** Not used yet; it may still land. */
  | { kind: 'unused' }
  /** The RPC does not answer, or leaves out what it must know: unknown stays unknown. */
  | { kind: 'unreachable' }

export type Claim = {
  authorization: Authorization
  asset: string
  /** Height of the chain when we first saw the authorization; null where the RPC did not answer then. */
  block: bigint | null
  atSeconds: number
}

/** Public RPCs answer for about this many blocks of logs at once; it bounds the search where the claim has no height. */
const SEARCH_BLOCKS = 2_000n
/** Blocks are final enough, and their clocks close enough, this long after an authorization's window ended. */
const EXPIRY_MARGIN_SECONDS = 60n

/** @param head height of the newest block */
export async function reconcile(rpcUrl: string, claim: Claim, head: bigint): Promise<Truth> {
  const { authorization, asset } = claim
  const unreachable: Truth = { kind: 'unreachable' }
  const used = await isNonceUsed(rpcUrl, asset, authorization, null)
  if (!used.ok) return unreachable
  if (!used.value) {
    const now = await blockTime(rpcUrl, null)
    if (!now.ok) return unreachable
    return { kind: now.value > authorization.validBefore + EXPIRY_MARGIN_SECONDS ? 'expired' : 'unused' }
  }
  if (claim.block !== null) {
    const before = await isNonceUsed(rpcUrl, asset, authorization, claim.block)
    if (!before.ok) return unreachable
    if (before.value) return { kind: 'used_before', transaction: '' }
  }
  const from = claim.block ?? (head > SEARCH_BLOCKS ? head - SEARCH_BLOCKS : 0n)
  const use = await findUse(rpcUrl, asset, authorization, from)
  if (!use.ok || use.value === null) return unreachable
  if (claim.block === null) {
    const time = await blockTime(rpcUrl, use.value.block)
    if (!time.ok) return unreachable
    if (time.value < BigInt(claim.atSeconds)) return { kind: 'used_before', transaction: use.value.transaction }
  }
  const paid = await movedFunds(rpcUrl, asset, authorization, use.value.transaction)
  if (!paid.ok) return unreachable
  return paid.value ? { kind: 'settled', transaction: use.value.transaction } : { kind: 'spent_otherwise' }
}
