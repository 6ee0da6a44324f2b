// What a settlement whose outcome is unknown turned out to be, as the chain tells it. A used nonce proves nothing by
// itself: paid means a Transfer of that value to our payTo, in the transaction that used the nonce, after our claim.
import { blockTime, findUse, head, isNonceUsed, movedFunds } from '../chain.ts'
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
/** A block this much later than the window is not undone together with one that could still have taken the payment. */
const EXPIRY_MARGIN_SECONDS = 20n

export async function reconcile(rpcUrl: string, claim: Claim): Promise<Truth> {
  const { authorization, asset } = claim
  const unreachable: Truth = { kind: 'unreachable' }
  const newest = await head(rpcUrl)
  if (!newest.ok) return unreachable
  // Asked as of that very block: behind one address there may be nodes that lag.
  const used = await isNonceUsed(rpcUrl, asset, authorization, newest.value.number)
  if (!used.ok) return unreachable
  if (!used.value) {
    const isOver = newest.value.time > authorization.validBefore + EXPIRY_MARGIN_SECONDS
    return { kind: isOver ? 'expired' : 'unused' }
  }
  const earliest = newest.value.number - SEARCH_BLOCKS
  const from = claim.block ?? (earliest > 0n ? earliest : 0n)
  const use = await findUse(rpcUrl, asset, authorization, from, newest.value.number)
  if (!use.ok) return unreachable
  if (use.value === null) {
    // No log since the claim: only the state as of then can say that it was used before. Nodes keep old states briefly.
    const before = claim.block === null ? null : await isNonceUsed(rpcUrl, asset, authorization, claim.block)
    return before?.ok && before.value ? { kind: 'used_before', transaction: '' } : unreachable
  }
  if (claim.block !== null && use.value.block <= claim.block) {
    return { kind: 'used_before', transaction: use.value.transaction }
  }
  if (claim.block === null) {
    const time = await blockTime(rpcUrl, use.value.block)
    if (!time.ok) return unreachable
    if (time.value < BigInt(claim.atSeconds)) return { kind: 'used_before', transaction: use.value.transaction }
  }
  if (use.value.isCanceled) return { kind: 'spent_otherwise' }
  const paid = await movedFunds(rpcUrl, asset, authorization, use.value.transaction)
  if (!paid.ok) return unreachable
  return paid.value ? { kind: 'settled', transaction: use.value.transaction } : { kind: 'spent_otherwise' }
}
