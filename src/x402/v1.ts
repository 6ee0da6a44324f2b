// x402 version 1: challenge in the body, payment in `X-PAYMENT`, outcome in `X-PAYMENT-RESPONSE`.
// Shapes: specs/x402-specification-v1.md and transports-v1/http.md of the protocol.
import * as z from 'zod/mini'
import { NETWORKS, networkOf } from './assets.ts'
import { offersExtension } from './extensions/offer-receipt.ts'
import { PAYMENT_IDENTIFIER } from './extensions/payment-identifier.ts'
import { type Offer, type Payment, payerOf, type Settlement } from './payment.ts'
import { exactPayload, extensionsEcho, extraOf, QUOTE, type QuoteToken, type ResourceInfo } from './wire.ts'

/** `X-PAYMENT`. v1 has no extensions, but `paymentId` and `extensions` are read where a client sends them. */
export const paymentV1 = z.lazy(() =>
  z.pipe(
    z.object({
      x402Version: z.literal(1),
      scheme: z.string(),
      network: z.string(),
      payload: exactPayload,
      paymentId: z.optional(z.string()),
      extensions: extensionsEcho,
    }),
    z.transform(
      (wire): Payment => ({
        x402Version: 1,
        scheme: wire.scheme,
        network: NETWORKS.find(({ v1Name }) => v1Name === wire.network)?.network ?? wire.network,
        payer: payerOf(wire.payload),
        transfer: wire.payload,
        accepted: null,
        identifier: wire.extensions?.[PAYMENT_IDENTIFIER]?.info?.id ?? null,
        quote: wire.paymentId ?? wire.extensions?.[QUOTE]?.info.proof ?? null,
        answering: null,
      }),
    ),
  ),
)

/**
 * The body of a 402. Offers on networks that v1 has no name for are left out: its clients would refuse them all. So are those
 * of Permit2, which its clients do not know: they would sign what cannot be settled.
 * `expiresAt` is in seconds; `paymentId` may be echoed as a key of the payment, to hold us to the quote.
 */
export function challengeV1(resource: ResourceInfo, offers: readonly Offer[], quote: QuoteToken) {
  const known = offers.flatMap((offer, i) => {
    const network = networkOf(offer.network)?.v1Name
    const isKnown = network && offer.transfer.kind !== 'permit2'
    return isKnown ? [{ offer, network, memo: quote.memos[i] ?? null, signed: quote.signedOffers[i] }] : []
  })
  // A client with a bare EVM account takes the first USDC of whatever network.
  known.sort((a, b) => Number(a.offer.transfer.kind === 'svm') - Number(b.offer.transfer.kind === 'svm'))
  const signed = known.flatMap((entry) => entry.signed ?? [])
  return {
    x402Version: 1,
    accepts: known.map(({ offer, network, memo }) => ({
      scheme: 'exact',
      network,
      maxAmountRequired: offer.amount.toString(),
      resource: resource.url,
      description: offer.name ?? resource.description,
      mimeType: resource.mimeType,
      payTo: offer.payTo,
      maxTimeoutSeconds: offer.maxTimeoutSeconds,
      asset: offer.asset,
      extra: extraOf(offer, memo),
    })),
    expiresAt: quote.expiresAtSeconds,
    paymentId: quote.proof,
    ...(signed.length === 0 ? {} : { extensions: offersExtension(signed) }),
  }
}

/** v1's own name of a reason, where it differs. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['invalid_exact_evm_payload_authorization_value_mismatch', 'invalid_exact_evm_payload_authorization_value'],
])

const v1Network = (network: string) => networkOf(network)?.v1Name ?? network

export const settlementV1 = (settlement: Settlement) => ({
  success: true,
  transaction: settlement.transaction,
  network: v1Network(settlement.network),
  payer: settlement.payer,
})

export const failureV1 = (reason: string, network: string, payer: string, transaction: string) => ({
  success: false,
  errorReason: REASONS.get(reason) ?? reason,
  transaction,
  network: v1Network(network),
  payer,
})
