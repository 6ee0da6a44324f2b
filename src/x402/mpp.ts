// MPP, the `Payment` authentication scheme (draft-httpauth-payment-00), with method `evm`, intent `charge` and credential type
// `authorization` (draft-evm-charge-00): what is said on the wire. A credential becomes a Payment like any other here.
import * as z from 'zod/mini'
import { fail, ok, type Refusal, type Result } from '../errors.ts'
import { chainIdOf } from './assets.ts'
import { decodeJson, encodeText } from './base64.ts'
import { identifierText } from './extensions/payment-identifier.ts'
import type { Echo, Offer, Payment, Settlement } from './payment.ts'
import { atomicUnits, authorizationFields, signatureText } from './wire.ts'

/** The method and the intent that are offered here. */
const METHOD = 'evm'
const INTENT = 'charge'
const CREDENTIAL = 'authorization'

export type CredentialHeaders = {
  authorization: string | null
  paymentAuthorization: string | null
  idempotencyKey: string | null
}

/** Whether `Authorization` holds something of this scheme, alone or beside another. */
export const isOfScheme = (authorization: string | null): boolean =>
  /(?:^|,)\s*payment(?:[\s,]|$)/i.test((authorization ?? '').replace(QUOTED, '""'))

/** What stands in quotes names no scheme (RFC 9110 §5.6.4). */
const QUOTED = /"(?:[^"\\]|\\.)*"/g

/** One credential and nothing else. */
const CREDENTIAL_TEXT = /^Payment +([A-Za-z0-9+/_-]+=*)$/i

/** Ours have 43 characters. */
const LONGEST_ID = 128

const echoed = z.lazy(() =>
  z.object({
    challenge: z.object({
      id: z.string().check(z.maxLength(LONGEST_ID)),
      realm: z.string(),
      method: z.string(),
      intent: z.string(),
      request: z.string(),
      expires: z.optional(z.string()),
      digest: z.optional(z.string()),
      opaque: z.optional(z.string()),
    }),
    payload: z.looseObject({ type: z.optional(z.string()) }),
  }),
)

/** Strict, as every payload: nothing beside the authorization passes unread. */
const payload = z.lazy(() =>
  z.strictObject({ type: z.literal(CREDENTIAL), signature: signatureText, ...authorizationFields }),
)

/** What is read of `request`; the rest is this site's own words, which its mac vouches for. */
const charge = z.lazy(() =>
  z.object({
    amount: atomicUnits,
    currency: z.string(),
    recipient: z.string(),
    methodDetails: z.object({ chainId: z.int() }),
  }),
)

const malformed = (why: string) => fail<Refusal>({ code: 'malformed_credential', why })

/**
 * The payment in a request's credential, null where it carries none. `Idempotency-Key` beside it is a `payment-identifier`, where it
 * has that shape. Errors: `malformed_credential`; `invalid_payment_requirements` for a method that is not offered here.
 */
export function decodeCredential(headers: CredentialHeaders): Result<Payment | null> {
  const { authorization, paymentAuthorization, idempotencyKey } = headers
  const sent = [isOfScheme(authorization) ? authorization : null, paymentAuthorization].filter((text) => text !== null)
  const [text] = sent
  if (text === undefined) return ok(null)
  if (new Set(sent).size > 1) return malformed('two different credentials')
  const json = decodeJson(CREDENTIAL_TEXT.exec(text)?.[1] ?? '')
  if (!json.ok) return malformed(json.error)
  const credential = z.safeParse(echoed, json.value)
  if (!credential.success) return malformed('challenge or payload')
  const { challenge } = credential.data
  const { method, intent } = challenge
  if (method !== METHOD || intent !== INTENT || credential.data.payload.type !== CREDENTIAL)
    return fail({
      code: 'invalid_payment_requirements',
      why: 'a method, intent or credential type that is not offered',
    })
  const signed = z.safeParse(payload, credential.data.payload)
  if (!signed.success) return malformed('payload')
  const request = decodeJson(challenge.request)
  const asked = z.safeParse(charge, request.ok ? request.value : null)
  if (!asked.success) return malformed('request')
  const { type, signature, ...fields } = signed.data
  const { amount, currency, recipient, methodDetails } = asked.data
  const { id, realm, expires = '', digest = '', opaque = '' } = challenge
  return ok({
    x402Version: 2,
    scheme: 'exact',
    network: `eip155:${methodDetails.chainId}`,
    payer: fields.from,
    transfer: { kind: 'eip3009', authorization: fields, signature },
    accepted: { amount, asset: currency, payTo: recipient, resource: null },
    identifier: z.safeParse(identifierText, idempotencyKey).data ?? null,
    quote: null,
    answering: { id, realm, method, intent, request: challenge.request, expires, digest, opaque },
  })
}

const base64OfJson = (value: unknown) => encodeText(JSON.stringify(value))

/** RFC 3339, in UTC and whole seconds. */
const timeText = (seconds: number) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`

/**
 * The challenge for one offer, without its id. Clients decode `request` and `opaque` and write them anew in the canonical form of
 * RFC 8785, so they stand in it from the beginning: the keys below are in its order.
 *
 * @param decimals of the offer's token
 * @param opaque keys in their order
 */
export const challengeFor = (
  { network, asset, amount, payTo }: Offer,
  decimals: number,
  realm: string,
  expiresAtSeconds: number,
  opaque: Readonly<Record<string, string>>,
): Omit<Echo, 'id'> => ({
  realm,
  method: METHOD,
  intent: INTENT,
  request: base64OfJson({
    amount: amount.toString(),
    currency: asset,
    methodDetails: { chainId: chainIdOf(network), credentialTypes: [CREDENTIAL], decimals },
    recipient: payTo,
  }),
  expires: timeText(expiresAtSeconds),
  digest: '',
  opaque: base64OfJson(opaque),
})

/** What the id is the mac of: the scheme's seven slots, in their order. */
export const slotsOf = ({ realm, method, intent, request, expires, digest, opaque }: Omit<Echo, 'id'>): string =>
  [realm, method, intent, request, expires, digest, opaque].join('|')

/** A challenge as it stands in `WWW-Authenticate`. `isBeside`: `Authorization` is taken, so the credential goes to another header. */
export const challengeText = (
  { id, realm, method, intent, request, expires, opaque }: Echo,
  isBeside: boolean,
): string =>
  `Payment id="${id}", realm="${realm}", method="${method}", intent="${intent}", request="${request}", expires="${expires}", opaque="${opaque}"${isBeside ? ', header="Payment-Authorization"' : ''}`

/** `Payment-Receipt` for what this payment has paid; none for a payment of x402. */
export function encodeReceipt(
  { transaction, network }: Settlement,
  { answering }: Payment,
  settledAtSeconds: number,
): Record<string, string> {
  if (answering === null) return {}
  const receipt = {
    challengeId: answering.id,
    chainId: chainIdOf(network),
    method: METHOD,
    reference: transaction,
    status: 'success',
    timestamp: timeText(settledAtSeconds),
  }
  return { 'Payment-Receipt': base64OfJson(receipt) }
}

const PROBLEMS = 'https://paymentauth.org/problems/'

/** The scheme's own words for a refusal, where they are closer than `verification-failed`. */
const WORDS: ReadonlyMap<Refusal['code'], string> = new Map([
  ['payment_required', 'payment-required'],
  ['malformed_credential', 'malformed-credential'],
  ['invalid_payment_requirements', 'invalid-challenge'],
  ['payment_already_used', 'invalid-challenge'],
  ['payment_expired', 'payment-expired'],
  ['invalid_exact_evm_payload_authorization_valid_before', 'payment-expired'],
  ['invalid_exact_evm_payload_authorization_value_mismatch', 'payment-insufficient'],
  ['insufficient_funds', 'payment-insufficient'],
])

/** `type` of a refusal's problem details (RFC 9457). What is not about paying has none. */
export const problemType = (code: Refusal['code'], status: number): string =>
  status === 402 ? PROBLEMS + (WORDS.get(code) ?? 'verification-failed') : 'about:blank'
