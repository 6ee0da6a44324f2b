// What the wire versions and dialects share: canonical integers, hex and addresses, and the `exact` payload of each kind of network.
import * as z from 'zod/mini'
import type { Signed } from './extensions/offer-receipt.ts'
import { PAYMENT_IDENTIFIER, paymentIdentifierEcho } from './extensions/payment-identifier.ts'
import type { Authorization, Offer, Permit, Transfer } from './payment.ts'
import { readTransaction, type SvmTransfer, transactionOf } from './svm.ts'

/** The extension that carries this site's own quote. */
export const QUOTE = 'newsstand-quote'

const LARGEST_UINT256 = (1n << 256n) - 1n

/** A decimal string without sign, spaces or leading zeros, that fits a uint256. */
export const atomicUnits = z.lazy(() =>
  z.pipe(
    z.string().check(z.regex(/^(0|[1-9][0-9]{0,77})$/)),
    z.pipe(
      z.transform((text: string) => BigInt(text)),
      z.bigint().check(z.maximum(LARGEST_UINT256)),
    ),
  ),
)

const hex = (pattern: RegExp) =>
  z.pipe(
    z.string().check(z.regex(pattern)),
    z.transform((text: string): `0x${string}` => `0x${text.slice(2).toLowerCase()}`),
  )

const address = hex(/^0x[0-9a-fA-F]{40}$/)

export const signatureText = hex(/^0x(?:[0-9a-fA-F]{2})+$/)

/** What is signed for EIP-3009. */
export const authorizationFields = {
  from: address,
  to: address,
  value: atomicUnits,
  validAfter: atomicUnits,
  validBefore: atomicUnits,
  nonce: hex(/^0x[0-9a-fA-F]{64}$/),
}

/** Strict: a second authorization beside the first (`permit2Authorization`) must not pass unread. */
const eip3009Payload = z.lazy(() =>
  z.strictObject({
    signature: signatureText,
    authorization: z.strictObject(authorizationFields) satisfies z.core.$ZodType<Authorization>,
  }),
)

/** Permit2 (scheme_exact_evm.md, "Permit2"), as strict. */
const permit2Payload = z.lazy(() =>
  z.strictObject({
    signature: signatureText,
    permit2Authorization: z.pipe(
      z.strictObject({
        permitted: z.strictObject({ token: address, amount: atomicUnits }),
        from: address,
        spender: address,
        nonce: atomicUnits,
        deadline: atomicUnits,
        witness: z.strictObject({ to: address, validAfter: atomicUnits }),
      }),
      z.transform(
        ({ permitted, from, spender, nonce, deadline, witness }): Permit => ({
          from,
          asset: permitted.token,
          value: permitted.amount,
          spender,
          nonce,
          deadline,
          to: witness.to,
          validAfter: witness.validAfter,
        }),
      ),
    ),
  }),
)

/** On Solana: a transaction that the payer has signed, and the fee payer has not (scheme_exact_svm.md). */
const svmPayload = z.lazy(() =>
  z.pipe(
    z.strictObject({ transaction: z.string() }),
    z.transform(({ transaction }, context): SvmTransfer => {
      const read = readTransaction(transaction)
      if (read.ok) return read.value
      context.issues.push({ code: 'custom', message: read.error, input: transaction })
      return z.NEVER
    }),
  ),
)

/** The `payload` of a payment with `exact`, of a network's kind. */
export const exactPayload = z.lazy(() =>
  z.union([
    z.pipe(
      eip3009Payload,
      z.transform(({ signature, authorization }): Transfer => ({ kind: 'eip3009', authorization, signature })),
    ),
    z.pipe(
      permit2Payload,
      z.transform(
        ({ signature, permit2Authorization }): Transfer => ({
          kind: 'permit2',
          permit: permit2Authorization,
          signature,
        }),
      ),
    ),
    svmPayload,
  ]),
)

/** The `payload` as it was signed, for a facilitator. */
export function payloadOf(transfer: Transfer) {
  if (transfer.kind === 'svm') return { transaction: transactionOf(transfer) }
  const { signature } = transfer
  if (transfer.kind === 'permit2') return { signature, permit2Authorization: permitOnTheWire(transfer.permit) }
  const { authorization } = transfer
  return {
    signature,
    authorization: {
      from: authorization.from,
      to: authorization.to,
      value: authorization.value.toString(),
      validAfter: authorization.validAfter.toString(),
      validBefore: authorization.validBefore.toString(),
      nonce: authorization.nonce,
    },
  }
}

const permitOnTheWire = ({ from, asset, value, spender, nonce, deadline, to, validAfter }: Permit) => ({
  permitted: { token: asset, amount: value.toString() },
  from,
  spender,
  nonce: nonce.toString(),
  deadline: deadline.toString(),
  witness: { to, validAfter: validAfter.toString() },
})

/** What both versions say in `extra` of an offer. `memo`: what the payment has to carry, on Solana. */
export function extraOf({ transfer, flow }: Offer, memo: string | null) {
  return { ...termsOnTheWire(transfer, memo), ...(flow === 'upfront' ? { paymentFlow: 'upfront' } : {}) }
}

function termsOnTheWire(transfer: Offer['transfer'], memo: string | null) {
  switch (transfer.kind) {
    case 'svm':
      return { feePayer: transfer.feePayer, ...(memo === null ? {} : { memo }) }
    case 'permit2':
      return { assetTransferMethod: 'permit2' }
    case 'eip3009':
      return { name: transfer.name, version: transfer.version }
  }
}

export const extensionsEcho = z.lazy(() =>
  z.optional(
    z.object({
      [PAYMENT_IDENTIFIER]: z.optional(paymentIdentifierEcho),
      [QUOTE]: z.optional(z.object({ info: z.object({ proof: z.string() }) })),
    }),
  ),
)

/** What is being paid for, as the challenge names it. */
export type ResourceInfo = { url: string; description: string; mimeType: string }

/** A quote as it goes out: this site's proof of the offers it made, and when it ends. */
export type QuoteToken = {
  id: string
  expiresAtSeconds: number
  proof: string
  /** The same offers in the protocol's own signed form; none where the site has no key for that. */
  signedOffers: readonly Signed[]
  /** What a payment of each offer has to carry, in their order; null where it can carry nothing. */
  memos: readonly (string | null)[]
}
