// Quotes: the offers of one challenge, signed, so that a quoted price is honoured until it expires whatever happens to
// the configuration meanwhile. Issuing one writes nothing anywhere.
import * as z from 'zod/mini'
import { type Resource, scopeOf } from './policy/scope.ts'
import { openToken, sealToken } from './token.ts'
import { type Asset, assetsOn, isSameAddress } from './x402/assets.ts'
import { encodeBytes } from './x402/base64.ts'
import { evmTermsOf, type Offer, offerOf, type TransferTerms } from './x402/payment.ts'
import type { QuoteToken } from './x402/wire.ts'

/** How long a quote is honoured: time to read the page, find the wallet and sign. */
export const QUOTE_SECONDS = 600

const terms = z.lazy(() =>
  z.tuple([
    z.string(), // network, and the token where that is not the network's first
    z.string().check(z.regex(/^[0-9]+$/)), // amount
    z.string(), // payTo
    z.number(), // accessSeconds
    z.nullable(z.string()), // scope
    z.nullable(z.string()), // name
    z.literal([0, 1]), // 1: upfront
  ]),
)

const payload = z.lazy(() => z.tuple([z.string(), z.number(), z.array(terms)]))

/** A quote is for one resource of one site; it is worth nothing anywhere else. */
export const contextOf = (resource: Resource) =>
  `${resource.site} ${resource.method} ${scopeOf({ scope: null }, resource)}`

/** @param random 9 bytes or more, for the quote's identifier */
export async function issueQuote(
  offers: readonly Offer[],
  resource: Resource,
  key: CryptoKey,
  nowSeconds: number,
  random: Uint8Array,
): Promise<Omit<QuoteToken, 'signedOffers' | 'memos'>> {
  const id = encodeBytes(random)
  const expiresAtSeconds = nowSeconds + QUOTE_SECONDS
  const rows = offers.map((offer) => [
    tokenText(offer),
    offer.amount.toString(),
    offer.payTo,
    offer.accessSeconds,
    offer.scope,
    offer.name,
    offer.flow === 'upfront' ? 1 : 0,
  ])
  return {
    id,
    expiresAtSeconds,
    proof: await sealToken(key, [id, expiresAtSeconds, rows], contextOf(resource)),
  }
}

/** The offers of a live quote of this site for this resource; empty for any other proof. */
export async function quotedOffers(
  proof: string,
  resource: Resource,
  keys: readonly CryptoKey[],
  nowSeconds: number,
  tokens: readonly Asset[],
): Promise<Offer[]> {
  const parsed = z.safeParse(payload, await openToken(keys, proof, contextOf(resource)))
  if (!parsed.success) return []
  const [, expiresAtSeconds, rows] = parsed.data
  if (nowSeconds > expiresAtSeconds) return []
  return rows.flatMap(([token, amount, payTo, accessSeconds, scope, name, upfront]) => {
    const [network = '', address] = token.split(' ')
    const asset = assetsOn(network, tokens).find(
      (entry) => address === undefined || isSameAddress(entry.asset, address),
    )
    if (!asset) return []
    const flow = upfront === 1 ? 'upfront' : 'authorization'
    return offerOf(
      { asset, transfer: termsOf(asset), payTo },
      { amount: BigInt(amount), accessSeconds, scope, name, flow },
    )
  })
}

/** A network, and the token where it is not the network's first: quotes stand in headers. */
function tokenText({ network, asset }: Offer): string {
  const [first] = assetsOn(network)
  return first && isSameAddress(first.asset, asset) ? network : `${network} ${asset}`
}

/** Which fee payer an offer on Solana named stands in the payment, and its memo shows that it is the one. */
const termsOf = (asset: Asset): TransferTerms =>
  asset.kind === 'svm' ? { kind: 'svm', feePayer: '', facilitator: '' } : evmTermsOf(asset)
