// The vocabulary of a payment, free of wire versions: Offer → Payment → VerifiedPayment → Settlement.
// Each stage is made in one file; skipping one does not compile.

import type { Asset } from './assets.ts'

/** One entry of `accepts`, with what it buys (x402 v2 §5.1). Amounts are atomic units. */
export type Offer = {
  network: string
  asset: string
  payTo: string
  amount: bigint
  eip712: { name: string; version: string }
  maxTimeoutSeconds: number
  /** What the offer is called, where a route sells several things. */
  name: string | null
  /** Seconds of access it buys; 0 is one answer. */
  accessSeconds: number
  /** The path pattern it opens; null is the requested resource itself. */
  scope: string | null
  /** `upfront`: settled before the request is carried out (exact scheme, "payment flows"). */
  flow: 'authorization' | 'upfront'
}

/** `maxTimeoutSeconds` of every offer: how long an authorization may take to be settled; shorter than a quote. */
const PAYMENT_SECONDS = 300

/** What differs from one offer to the next. */
type OfferTerms = Pick<Offer, 'payTo' | 'amount' | 'name' | 'accessSeconds' | 'scope' | 'flow'>

/** The offer of these terms in an asset. Every offer is made here. */
export const offerOf = ({ network, asset, eip712 }: Asset, terms: OfferTerms): Offer => ({
  network,
  asset,
  eip712,
  maxTimeoutSeconds: PAYMENT_SECONDS,
  ...terms,
})

/** EIP-3009 `TransferWithAuthorization`. Addresses and nonce are lower case. */
export type Authorization = {
  from: `0x${string}`
  to: `0x${string}`
  value: bigint
  validAfter: bigint
  validBefore: bigint
  nonce: `0x${string}`
}

/** A decoded payment: well-formed, nothing about it proven. */
export type Payment = {
  /** The wire version it was sent in. The outcome of a v1 payment is in `X-PAYMENT-RESPONSE` too. */
  x402Version: 1 | 2
  scheme: string
  /** CAIP-2; the name as sent where v1 names a network we do not know. */
  network: string
  authorization: Authorization
  /** Lower-case hex of any length: contract wallets sign as they like. */
  signature: `0x${string}`
  /** The terms the client says it accepted, and the URL of what it says it buys, where it says so (v2 only). */
  accepted: { amount: bigint; asset: string; payTo: string; resource: string | null } | null
  /** `payment-identifier` extension, `^[A-Za-z0-9_-]{16,128}$`. */
  identifier: string | null
  /** The quote this payment answers, as issued by this site; unchecked. */
  quote: string | null
}

/** What the chain said of an authorization before anything was sent. `block`: a height at which it was unused. */
export type FirstLook = { kind: 'unused'; block: number } | { kind: 'used' }

/** Whether the chain would still accept the authorization at the time it was checked. */
export type Window = 'open' | 'not_yet' | 'over'

/** Who signed. `key`: the payer's own key, one person on every network. `code`: a contract, one person on its network. */
export type Owner = 'key' | 'code'

declare const verified: unique symbol

/**
 * A payment whose signature is proven, here or by a facilitator's `/verify`. Made by `networks/network.ts` alone.
 * `offer` is null when it answers no live quote: such a payment may only be recognised, never settled.
 */
export type VerifiedPayment = {
  readonly [verified]: true
  payment: Payment
  offer: Offer | null
  window: Window
  owner: Owner
  /** Replay key, from signed fields only: one per authorization, whichever wire version it came in. */
  key: string
}

/** What a facilitator or the chain said became of a payment. */
export type Settlement = { transaction: string; network: string; payer: string; amount: bigint }
