// What both wire versions share: canonical integers, hex and addresses, and the `exact` payload on EVM.
import * as z from 'zod/mini'
import type { Signed } from './extensions/offer-receipt.ts'
import { PAYMENT_IDENTIFIER, paymentIdentifierEcho } from './extensions/payment-identifier.ts'
import type { Authorization } from './payment.ts'

/** The extension that carries this site's own quote. */
export const QUOTE = 'newsstand-quote'

const LARGEST_UINT256 = (1n << 256n) - 1n

/** A decimal string without sign, spaces or leading zeros, that fits a uint256. */
export const atomicUnits = z.pipe(
  z.string().check(z.regex(/^(0|[1-9][0-9]{0,77})$/)),
  z.pipe(
    z.transform((text: string) => BigInt(text)),
    z.bigint().check(z.maximum(LARGEST_UINT256)),
  ),
)

const hex = (pattern: RegExp) =>
  z.pipe(
    z.string().check(z.regex(pattern)),
    z.transform((text: string): `0x${string}` => `0x${text.slice(2).toLowerCase()}`),
  )

const address = hex(/^0x[0-9a-fA-F]{40}$/)

/** Strict: a second authorization beside the first (`permit2Authorization`) must not pass unread. */
export const exactEvmPayload = z.strictObject({
  signature: hex(/^0x(?:[0-9a-fA-F]{2})+$/),
  authorization: z.strictObject({
    from: address,
    to: address,
    value: atomicUnits,
    validAfter: atomicUnits,
    validBefore: atomicUnits,
    nonce: hex(/^0x[0-9a-fA-F]{64}$/),
  }) satisfies z.core.$ZodType<Authorization>,
})

export const extensionsEcho = z.optional(
  z.object({
    [PAYMENT_IDENTIFIER]: z.optional(paymentIdentifierEcho),
    [QUOTE]: z.optional(z.object({ info: z.object({ proof: z.string() }) })),
  }),
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
}
