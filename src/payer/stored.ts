// What was signed and sold, as a row keeps it in one text, and as it is read again: whatever release wrote it. Pure.
import * as z from 'zod/mini'
import { type Asset, assetsOn } from '../x402/assets.ts'
import type { Transfer } from '../x402/payment.ts'
import { readMessage } from '../x402/svm.ts'

export type Domain = { name: string; version: string }

/** What a token is called, and counted in. */
export type Named = Pick<Asset, 'symbol' | 'currency' | 'decimals'>

/** The signed payment and the offer as sold. */
export type Terms = {
  /** The token's address. */
  asset: string
  /** Of a token that is not in the table: what it was called when it was sold in. Older rows do not say. */
  token: Named | null
  /** Of an EVM token that is not in the table: its EIP-712 domain. */
  domain: Domain | null
  transfer: Transfer
  /** False once it is not to be sent any more: then its signature is gone. */
  isSigned: boolean
  /** On Solana: whose key pays the fee, by its base URL. */
  facilitator: string | null
  payTo: string
  /** Name of the offer; null is the resource itself. */
  offer: string | null
  /** What was bought is called so; null where nobody has read it. */
  title: string | null
}

/** Decimal text of an amount. */
export const amountText = z.lazy(() =>
  z.pipe(
    z.string().check(z.regex(/^[0-9]+$/)),
    z.transform((text: string) => BigInt(text)),
  ),
)
const hex = z.lazy(() =>
  z.pipe(
    z.string().check(z.regex(/^0x[0-9a-f]*$/)),
    z.transform((text: string): `0x${string}` => `0x${text.slice(2)}`),
  ),
)

const rest = {
  /** Older rows name none: it is the network's first. */
  asset: z.optional(z.string()),
  domain: z.optional(z.object({ name: z.string(), version: z.string() })),
  // An older release knew tokens of six decimals alone, and did not say so.
  token: z.optional(
    z.object({ symbol: z.string(), currency: z.enum(['USD', 'EUR']), decimals: z._default(z.number(), 6) }),
  ),
  payTo: z.string(),
  offer: z.nullable(z.string()),
  // Older rows, and those without one, say nothing.
  title: z.optional(z.string()),
}

/** An authorization lies flat beside the rest, as the first release wrote it. A permit has a place of its own. */
const termsSchema = z.lazy(() =>
  z.union([
    z.object({
      permit: z.object({
        from: hex,
        asset: hex,
        value: amountText,
        spender: hex,
        nonce: amountText,
        deadline: amountText,
        to: hex,
        validAfter: amountText,
      }),
      signature: z.nullable(hex),
      ...rest,
    }),
    z.object({
      from: hex,
      to: hex,
      value: amountText,
      validAfter: amountText,
      validBefore: amountText,
      nonce: hex,
      signature: z.nullable(hex),
      ...rest,
    }),
    z.object({ message: z.string(), signature: z.nullable(z.string()), facilitator: z.string(), ...rest }),
  ]),
)

/** The terms as they are stored, the token by its address; null for a row of the first release. */
type Stored = Omit<Terms, 'asset'> & { asset: string | null }

export function termsText({
  asset,
  token,
  domain,
  transfer,
  isSigned,
  facilitator,
  payTo,
  offer,
  title,
}: Stored): string {
  const signature = isSigned ? transfer.signature : null
  const sold = {
    ...(asset === null ? {} : { asset }),
    ...(token === null ? {} : { token }),
    ...(domain === null ? {} : { domain }),
  }
  const named = { ...sold, payTo, offer, ...(title === null ? {} : { title }) }
  return JSON.stringify({ ...signedIn(transfer, facilitator), signature, ...named }, (_, value) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
}

/** Whether a stored text has no signature any more. */
export const isUnsigned = (text: string): boolean => text.includes('"signature":null')

/** What was signed, as it is stored. */
function signedIn(transfer: Transfer, facilitator: string | null): object {
  if (transfer.kind === 'svm') return { message: transfer.message, facilitator }
  return transfer.kind === 'permit2' ? { permit: transfer.permit } : transfer.authorization
}

/** Throws where it cannot be read. */
export function storedOf(text: string): Stored {
  const {
    asset = null,
    token = null,
    domain = null,
    payTo,
    offer,
    title = null,
    ...signed
  } = z.parse(termsSchema, JSON.parse(text))
  const isSigned = signed.signature !== null
  const named = { asset, token, domain, payTo, offer, title, isSigned }
  if ('message' in signed) {
    const transfer = readMessage(signed.message, signed.signature ?? '')
    if (!transfer.ok) throw new Error('a stored message cannot be read')
    return { ...named, transfer: transfer.value, facilitator: signed.facilitator }
  }
  if ('permit' in signed) {
    const { permit, signature } = signed
    return { ...named, transfer: { kind: 'permit2', permit, signature: signature ?? '0x' }, facilitator: null }
  }
  const { signature, ...authorization } = signed
  return { ...named, transfer: { kind: 'eip3009', authorization, signature: signature ?? '0x' }, facilitator: null }
}

/** The signed payment and the offer of a row. Throws where the row cannot be read. */
export function termsOf({ network, terms }: { network: string; terms: string }): Terms {
  const stored = storedOf(terms)
  const asset = stored.asset ?? assetsOn(network)[0]?.asset
  if (asset === undefined) throw new Error('a stored payment is of an unknown network')
  return { ...stored, asset }
}
