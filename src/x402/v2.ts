// x402 version 2: challenge in `PAYMENT-REQUIRED`, payment in `PAYMENT-SIGNATURE`, outcome in `PAYMENT-RESPONSE`.
// Shapes: specs/x402-specification-v2.md §5 and transports-v2/http.md of the protocol.
import * as z from 'zod/mini'
import { type PassToken, passExtension } from './extensions/newsstand-pass.ts'
import { offersExtension, receiptExtension, type Signed } from './extensions/offer-receipt.ts'
import { PAYMENT_IDENTIFIER, paymentIdentifierDeclaration } from './extensions/payment-identifier.ts'
import { SIGN_IN_WITH_X, type SignInChallenge, signInDeclaration } from './extensions/sign-in-with-x.ts'
import { type Offer, type Payment, payerOf, type Settlement } from './payment.ts'
import {
  atomicUnits,
  exactPayload,
  extensionsEcho,
  extraOf,
  QUOTE,
  type QuoteToken,
  type ResourceInfo,
} from './wire.ts'

/** `PAYMENT-SIGNATURE`. Of `resource` only the URL is read; the rest, and that of `accepted`, is the client's word. */
export const paymentV2 = z.lazy(() =>
  z.pipe(
    z.object({
      x402Version: z.literal(2),
      resource: z.catch(z.optional(z.object({ url: z.string() })), undefined),
      accepted: z.object({
        scheme: z.string(),
        network: z.string(),
        amount: atomicUnits,
        asset: z.string(),
        payTo: z.string(),
      }),
      payload: exactPayload,
      extensions: extensionsEcho,
    }),
    z.transform(
      (wire): Payment => ({
        x402Version: 2,
        scheme: wire.accepted.scheme,
        network: wire.accepted.network,
        payer: payerOf(wire.payload),
        transfer: wire.payload,
        accepted: {
          amount: wire.accepted.amount,
          asset: wire.accepted.asset,
          payTo: wire.accepted.payTo,
          resource: wire.resource?.url ?? null,
        },
        identifier: wire.extensions?.[PAYMENT_IDENTIFIER]?.info?.id ?? null,
        quote: wire.extensions?.[QUOTE]?.info.proof ?? null,
        answering: null,
      }),
    ),
  ),
)

/** `PaymentRequirements` of one offer (§5.1.2); also what a facilitator is sent. `memo`: what the payment carries, on Solana. */
export const requirementsV2 = (offer: Offer, memo: string | null) => ({
  scheme: 'exact',
  network: offer.network,
  amount: offer.amount.toString(),
  asset: offer.asset,
  payTo: offer.payTo,
  maxTimeoutSeconds: offer.maxTimeoutSeconds,
  extra: { ...extraOf(offer, memo), ...(offer.name === null ? {} : { offer: offer.name }) },
})

/** The challenge of the `PAYMENT-REQUIRED` header, before encoding. */
export function challengeV2(
  error: string,
  resource: ResourceInfo,
  offers: readonly Offer[],
  quote: QuoteToken,
  signIn: { challenge: SignInChallenge; uri: string } | null,
) {
  return {
    x402Version: 2,
    error,
    resource: {
      url: resource.url,
      ...(resource.description === '' ? {} : { description: resource.description }),
      ...(resource.mimeType === '' ? {} : { mimeType: resource.mimeType }),
    },
    accepts: offers.map((offer, i) => requirementsV2(offer, quote.memos[i] ?? null)),
    extensions: {
      [PAYMENT_IDENTIFIER]: paymentIdentifierDeclaration,
      ...offersExtension(quote.signedOffers),
      ...(signIn ? { [SIGN_IN_WITH_X]: signInDeclaration(signIn.challenge, signIn.uri) } : {}),
      [QUOTE]: {
        info: { id: quote.id, expiresAt: quote.expiresAtSeconds, proof: quote.proof },
        schema: { type: 'object' },
      },
    },
  }
}

export const settlementV2 = (settlement: Settlement, receipt: Signed | null, pass: PassToken | null) => ({
  success: true,
  transaction: settlement.transaction,
  network: settlement.network,
  payer: settlement.payer,
  amount: settlement.amount.toString(),
  ...(receipt || pass ? { extensions: { ...receiptExtension(receipt), ...passExtension(pass) } } : {}),
})

export const failureV2 = (reason: string, network: string, payer: string, transaction: string) => ({
  success: false,
  errorReason: reason,
  transaction,
  network,
  payer,
})
