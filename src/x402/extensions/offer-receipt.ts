// The `offer-receipt` extension: the site's signature under its terms, and under what was paid, as compact JWS.
// Shapes: specs/extensions/extension-offer-and-receipt.md of the protocol, version 0.6.
import * as z from 'zod/mini'
import { keyIdOf } from '../did.ts'
import { type Signer, signJws } from '../jws.ts'
import type { Offer, Settlement } from '../payment.ts'

export const OFFER_RECEIPT = 'offer-receipt'

/** A signed offer or receipt, as it travels (§3.1). */
export type Signed = { format: 'jws'; signature: string }

const sign = async (site: string, signer: Signer, payload: Record<string, string | number>): Promise<Signed> => ({
  format: 'jws',
  signature: await signJws(payload, signer, keyIdOf(site, signer.publicJwk)),
})

/** What an offer says (§4.2). */
export const offerPayload = z.lazy(() =>
  z.object({
    version: z.literal(1),
    resourceUrl: z.url(),
    scheme: z.string(),
    network: z.string(),
    asset: z.string(),
    payTo: z.string(),
    amount: z.string().check(z.regex(/^[0-9]+$/)),
    validUntil: z.optional(z.number()),
  }),
)

/** What a receipt says (§5.2). */
export const receiptPayload = z.lazy(() =>
  z.object({
    version: z.literal(1),
    network: z.string(),
    resourceUrl: z.url(),
    payer: z.string(),
    issuedAt: z.number(),
    transaction: z.optional(z.string()),
  }),
)

/** One offer of a challenge. `validUntil`: Unix seconds. */
export const signOffer = (
  site: string,
  resourceUrl: string,
  { network, asset, payTo, amount }: Offer,
  validUntil: number,
  signer: Signer,
): Promise<Signed> =>
  sign(site, signer, {
    version: 1,
    resourceUrl,
    scheme: 'exact',
    network,
    asset,
    payTo,
    amount: amount.toString(),
    validUntil,
  } satisfies z.infer<typeof offerPayload>)

/** `issuedAt` (Unix seconds) is when the payment was settled, so that a receipt asked for again is the same. */
export const signReceipt = (
  site: string,
  resourceUrl: string,
  { network, payer, transaction }: Omit<Settlement, 'amount' | 'asset'>,
  issuedAt: number,
  signer: Signer,
): Promise<Signed> =>
  sign(site, signer, { version: 1, network, resourceUrl, payer, issuedAt, transaction } satisfies z.infer<
    typeof receiptPayload
  >)

/** Headers must be short, so the schema says only what it must. */
const schema = { type: 'object' }

/** What a challenge carries, where anything was signed. */
export const offersExtension = (offers: readonly Signed[]) =>
  offers.length === 0
    ? {}
    : {
        [OFFER_RECEIPT]: {
          info: {
            offers: offers.map(({ format, signature }, acceptIndex) => ({ format, acceptIndex, signature })),
          },
          schema,
        },
      }

/** What `PAYMENT-RESPONSE` carries. */
export const receiptExtension = (receipt: Signed | null) =>
  receipt === null ? {} : { [OFFER_RECEIPT]: { info: { receipt }, schema } }
