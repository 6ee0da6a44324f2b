// What the worker asks of a payer's object, and what it is told. Two releases run side by side while one replaces the
// other, so each request says which protocol it speaks.
import type { Refusal } from '../errors.ts'
import type { Grant } from '../pass.ts'
import type { Resource } from '../policy/scope.ts'
import type { Cost, FirstLook, Offer, Owner, Payment, Settlement } from '../x402/payment.ts'

/** Raised when a request or an outcome changes its meaning. An object refuses what is newer than itself. */
export const PROTOCOL = 2
/** Before that a payment was an authorization on EVM: such a request is not understood. Reports are. */
export const OLDEST_PAYMENTS = 2

export type Message = { protocol: number }

export type RedeemRequest = Message & {
  /** Made by the worker, one per request, so that each has its own hang-up. */
  requestId: string
  /** Replay key of the payment, from signed fields only. */
  key: string
  owner: Owner
  payment: Payment
  /** Null when the payment answers no live quote: it may only be recognised. */
  offer: Offer | null
  /** What the wish costs in every token it is sold for. */
  costs: readonly Cost[]
  /** Why the payment may not be sent. What is known of it here already is answered all the same. */
  objection: Refusal | null
  /** What a facilitator refuses it for now. It is not claimed then; what is owned or under way is answered all the same. */
  verdict: Refusal | null
  resource: Resource
  /** Scope text of what is being bought. */
  scope: string
  accessSeconds: number
  /** SHA-256 of the signature as sent. It recognises a payment that can no longer be confirmed. */
  signatureHash: string
  /** What the chain said before anything was sent; null where it did not answer in time. */
  look: FirstLook | null
  /** What the content in hand is called, where that is sure already; older workers say none. */
  title?: string
}

/** The payment whose content is handed out, and which of its handouts it is. `delivered` and the like name it. */
export type Handout = { key: string; number: number }

/** What became of a handout. `title`: what its content is called, as far as was read; older workers say none. */
export type HandoutReport = Message & Handout & { title?: string }

export type RedeemOutcome =
  | {
      kind: 'granted'
      settlement: Settlement
      settledAtSeconds: number
      /** Scope text of what is owned now. */
      scope: string
      /** Null where a single answer was bought. */
      endsAtSeconds: number | null
      handout: Handout
      /** Whether it was this payment that paid; older objects do not say. */
      isOwn?: boolean
    }
  | { kind: 'refused'; refusal: Refusal }

/** A payment whose signature nobody here can check: is it one that was proven before? */
export type RecogniseRequest = Message & { key: string; signatureHash: string }

export type UseUpRequest = Message & Omit<RedeemRequest, 'requestId' | 'look' | 'objection' | 'verdict' | 'protocol'>

/** `resource` is where the sign-in was sent to; what opens it comes first. `owner` and `network`: how it was proven. */
export type SignInRequest = Message & {
  /** Address of the payer, whose object is asked. */
  payer: string
  owner: Owner
  network: string
  nonce: string
  nonceEndsAtSeconds: number
  resource: Resource
}

/** For receipts: the nonce of a sign-in whose signer has some at the site. */
export type NonceRequest = Message & { nonce: string; nonceEndsAtSeconds: number }

export type SignInOutcome =
  | { kind: 'owned'; grants: Grant[] }
  /** The nonce has been used by this payer. */
  | { kind: 'used' }
  /** Nothing so far. `isPending`: a payment that would open the resource may still turn out to have landed. */
  | { kind: 'nothing'; isPending: boolean }
  | { kind: 'unavailable' }

/** What one screen hands over to another: what opens the page there, and until when it may be fetched. */
export type HandOverRequest = Message & {
  scope: string
  method: string
  endsAtSeconds: number
  waitsUntilSeconds: number
}

/** What was handed over: a grant without its payer. */
export type HandedOver = Omit<Grant, 'payer'>

export const refusedWith = (refusal: Refusal): RedeemOutcome => ({ kind: 'refused', refusal })

export const refused = (code: Refusal['code'], transaction = ''): RedeemOutcome => ({
  kind: 'refused',
  refusal: { code, transaction },
})
