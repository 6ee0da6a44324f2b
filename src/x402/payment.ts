// The vocabulary of a payment, free of wire versions: Offer → Payment → VerifiedPayment → Settlement.
// Each stage is made in one file; skipping one does not compile.

import type { Asset, EvmAsset } from './assets.ts'
import type { SvmTransfer } from './svm.ts'

/** One entry of `accepts`, with what it buys (x402 v2 §5.1). Amounts are atomic units. */
export type Offer = {
  network: string
  /** The token contract or mint. */
  asset: string
  payTo: string
  amount: bigint
  /** How it is paid. */
  transfer: TransferTerms
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

/**
 * What a payment has to say beside amount and payee: of EIP-3009 the token's EIP-712 domain; of Permit2 nothing; on Solana who
 * pays the fee, and the facilitator (base URL) whose key that is. Nobody else can settle it.
 */
export type TransferTerms =
  | { kind: 'eip3009'; name: string; version: string }
  | { kind: 'permit2' }
  | { kind: 'svm'; feePayer: string; facilitator: string }

/** The terms of a token on EVM, which follow from the token alone. */
export const evmTermsOf = (asset: EvmAsset): Exclude<TransferTerms, { kind: 'svm' }> =>
  asset.kind === 'permit2' ? { kind: 'permit2' } : { kind: 'eip3009', ...asset.eip712 }

/** A token that can be paid with now, and who is paid. */
export type Way = { asset: Asset; transfer: TransferTerms; payTo: string }

/** `maxTimeoutSeconds`: how long a payment may take to be settled; shorter than a quote. Solana forgets it after about 60 s. */
const PAYMENT_SECONDS = { eip3009: 300, permit2: 300, svm: 60 }

/** What differs from one offer to the next. */
type OfferTerms = Pick<Offer, 'amount' | 'name' | 'accessSeconds' | 'scope' | 'flow'>

/** The offer of these terms, to be paid in this way. Every offer is made here. */
export const offerOf = (
  { asset, transfer, payTo }: Omit<Way, 'asset'> & { asset: Pick<Asset, 'network' | 'asset'> },
  terms: OfferTerms,
): Offer => ({
  network: asset.network,
  asset: asset.asset,
  payTo,
  transfer,
  maxTimeoutSeconds: PAYMENT_SECONDS[transfer.kind],
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

/** An EIP-3009 authorization with its signature. */
export type Eip3009Transfer = {
  kind: 'eip3009'
  authorization: Authorization
  /** Lower-case hex of any length: contract wallets sign as they like. */
  signature: `0x${string}`
}

/** `PermitWitnessTransferFrom` of Permit2, with the witness of x402's exact proxy. Addresses are lower case. */
export type Permit = {
  from: `0x${string}`
  /** The token and how much of it. */
  asset: `0x${string}`
  value: bigint
  /** Who may use it. */
  spender: `0x${string}`
  nonce: bigint
  /** The last second at which it is good (Unix). */
  deadline: bigint
  /** The witness: who is paid, and from when on. */
  to: `0x${string}`
  validAfter: bigint
}

/** A permit with its signature, as an authorization has one. */
export type Permit2Transfer = {
  kind: 'permit2'
  permit: Permit
  signature: `0x${string}`
}

/** What a wallet signs on EVM. */
export type EvmTransfer = Eip3009Transfer | Permit2Transfer

/** What a wallet has signed. */
export type Transfer = EvmTransfer | SvmTransfer

/** Whose money moves. */
export function payerOf(transfer: Unsigned | Transfer): string {
  if (transfer.kind === 'svm') return transfer.payer
  return transfer.kind === 'permit2' ? transfer.permit.from : transfer.authorization.from
}

/** A transfer whose signature is gone, or does not matter. */
export type Unsigned =
  | Omit<Eip3009Transfer, 'signature'>
  | Omit<Permit2Transfer, 'signature'>
  | Omit<SvmTransfer, 'signature'>

/** All of a signed transfer as one text, by which it is compared. */
export function textOf(transfer: Transfer): string {
  if (transfer.kind === 'svm') return [transfer.signature, transfer.message].join('|')
  const signed = transfer.kind === 'permit2' ? transfer.permit : transfer.authorization
  return [transfer.signature, ...Object.values(signed)].join('|')
}

/** A challenge of the `Payment` scheme (MPP), as it stands in a header and comes back; what is left out is "". */
export type Echo = {
  id: string
  realm: string
  method: string
  intent: string
  request: string
  expires: string
  digest: string
  opaque: string
}

/** A decoded payment: well-formed, nothing about it proven. */
export type Payment = {
  /** The wire version it was sent in; 2 for MPP. The outcome of a v1 payment is in `X-PAYMENT-RESPONSE` too. */
  x402Version: 1 | 2
  scheme: string
  /** CAIP-2; the name as sent where v1 names a network we do not know. */
  network: string
  /** Who pays, by their address: in lower case on EVM, in base58 on Solana. */
  payer: string
  transfer: Transfer
  /** The terms the client says it accepted, and the URL of what it says it buys, where it says so (v2 only). */
  accepted: { amount: bigint; asset: string; payTo: string; resource: string | null } | null
  /** `payment-identifier` extension, `^[A-Za-z0-9_-]{16,128}$`. */
  identifier: string | null
  /** The quote this payment answers, as issued by this site; unchecked. */
  quote: string | null
  /** The challenge of the `Payment` scheme that this payment answers; unchecked. Null for a payment of x402. */
  answering: Echo | null
}

/** What the chain said of an authorization before anything was sent. `block`: a height at which it was unused. */
export type FirstLook = { kind: 'unused'; block: number } | { kind: 'used' }

/** Whether the chain would still accept the authorization at the time it was checked. */
export type Window = 'open' | 'not_yet' | 'over'

/** Who signed. `key`: the payer's own key, one person on every network. `code`: a contract, one person on its network. */
export type Owner = 'key' | 'code'

/** An amount of a token. */
export type Cost = Pick<Offer, 'network' | 'asset' | 'amount'>

declare const verified: unique symbol

/**
 * A payment whose signature is proven, here or by a facilitator's `/verify`. Made by `networks/network.ts` alone.
 * `offer` is null when it answers no live quote: such a payment may only be recognised, never settled.
 */
export type VerifiedPayment = {
  readonly [verified]: true
  payment: Payment
  offer: Offer | null
  /** What the same thing costs in every token it is sold for, this one's first. */
  costs: readonly Cost[]
  window: Window
  owner: Owner
  /** Replay key, from signed fields only: one per authorization, whichever wire version it came in. */
  key: string
}

/** What a facilitator or the chain said became of a payment. */
export type Settlement = { transaction: string; network: string; asset: string; payer: string; amount: bigint }
