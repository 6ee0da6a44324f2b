// A paying client written by hand from the protocol's text. It shares no code with the worker or the stock packages,
// and can do any one thing wrong.
import { randomBytes } from 'node:crypto'
import type { Address, Hex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import * as z from 'zod'
import { CHAIN_ID, USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Challenge } from './answer.ts'

export type Version = 'v1' | 'v2'
export const VERSIONS: readonly Version[] = ['v1', 'v2']
export const otherVersion = (version: Version): Version => (version === 'v1' ? 'v2' : 'v1')

/** EIP-3009 `TransferWithAuthorization`. */
export type Authorization = {
  from: Address
  to: Address
  value: bigint
  validAfter: bigint
  validBefore: bigint
  nonce: Hex
}

/** Whoever signs: a key, or a wallet with code. */
export type Signer = Pick<PrivateKeyAccount, 'address' | 'signTypedData'>

export type Signed = { authorization: Authorization; signature: Hex }

/** What an honest client would not do. Each knob changes one thing. */
export type Change = {
  /** Which entry of `accepts` to pay; the first. */
  offer?: number
  /** Fields that are signed otherwise than they should be. */
  signed?: Partial<Authorization>
  /** Fields of the authorization as sent: changed after it was signed. */
  sent?: Record<string, unknown>
  /** The signature as sent. */
  signature?: (honest: Hex) => string
  /** Fields of `accepted` (v2), or of the payment itself (v1), which are what the client says it agreed to. */
  accepted?: Record<string, unknown>
  /** Fields of the payment; `undefined` removes one. */
  payment?: Record<string, unknown>
  /** What goes out as the header; standard base64 otherwise. */
  encode?: (json: string) => string
  /** Whether the quote is echoed: `extensions` in v2, `paymentId` in v1. It is. */
  echo?: boolean
  /** `payment-identifier`. */
  identifier?: string
}

/** The numbers of the networks as v1 calls them. */
const CHAIN_IDS: Record<string, number> = { 'base-sepolia': 84532, base: 8453, polygon: 137 }

const TYPES = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const

/** The token that an authorization is signed for (EIP-712). */
type Token = { name: string; version: string; chainId: number; verifyingContract: Address }

/** Every hand-written payment is signed here. */
const signTransfer = (signer: Signer, domain: Token, message: Authorization): Promise<Hex> =>
  signer.signTypedData({ domain, types: TYPES, primaryType: 'TransferWithAuthorization', message })

/** The authorization as it is sent. */
const asSent = ({ value, validAfter, validBefore, ...rest }: Authorization) => ({
  ...rest,
  value: value.toString(),
  validAfter: validAfter.toString(),
  validBefore: validBefore.toString(),
})

/** What is to be signed for one entry of `accepts`. */
function toBeSigned(version: Version, challenge: Challenge, offer: number) {
  const v1 = challenge.v1.accepts[offer]
  const v2 = challenge.v2.accepts[offer]
  if (!v1 || !v2) throw new Error(`the challenge has no offer ${offer}`)
  if (version === 'v1') return { ...v1, amount: v1.maxAmountRequired, chainId: CHAIN_IDS[v1.network] ?? 0 }
  return { ...v2, chainId: Number(v2.network.replace('eip155:', '')) }
}

/** Signs one entry of `accepts`. `from` in `change.signed` makes it a payment of somebody else, e.g. of a contract. */
export async function sign(
  version: Version,
  challenge: Challenge,
  signer: Signer,
  change: Change = {},
): Promise<Signed> {
  const terms = toBeSigned(version, challenge, change.offer ?? 0)
  const now = BigInt(Math.floor(Date.now() / 1000))
  const authorization: Authorization = {
    from: signer.address,
    to: terms.payTo,
    value: BigInt(terms.amount),
    // As the stock clients of each version do.
    validAfter: version === 'v1' ? now - 600n : 0n,
    validBefore: now + BigInt(terms.maxTimeoutSeconds),
    nonce: `0x${randomBytes(32).toString('hex')}`,
    ...change.signed,
  }
  const { name, version: tokenVersion } = terms.extra
  const token = { name, version: tokenVersion, chainId: terms.chainId, verifyingContract: terms.asset }
  return { authorization, signature: await signTransfer(signer, token, authorization) }
}

const base64 = (json: string) => Buffer.from(json, 'utf8').toString('base64')

/** Wraps a signed authorization for one version of the wire: the header that pays. */
export function wrap(
  version: Version,
  challenge: Challenge,
  { authorization, signature }: Signed,
  change: Change = {},
): Record<string, string> {
  const payload = {
    signature: change.signature ? change.signature(signature) : signature,
    authorization: { ...asSent(authorization), ...change.sent },
  }
  const payment = { ...(version === 'v1' ? wrapV1 : wrapV2)(challenge, payload, change), ...change.payment }
  const { encode = base64 } = change
  return { [HEADERS[version]]: encode(JSON.stringify(payment)) }
}

export const HEADERS = { v1: 'X-PAYMENT', v2: 'PAYMENT-SIGNATURE' } as const

/** v1 has no extensions of its own; a client may send them all the same. */
function wrapV1({ v1 }: Challenge, payload: unknown, { offer = 0, accepted, echo = true, identifier }: Change) {
  return {
    x402Version: 1,
    scheme: 'exact',
    network: v1.accepts[offer]?.network,
    ...accepted,
    payload,
    ...(echo ? { paymentId: v1.paymentId } : {}),
    ...(identifier === undefined ? {} : { extensions: { 'payment-identifier': { info: { id: identifier } } } }),
  }
}

function wrapV2({ v2 }: Challenge, payload: unknown, { offer = 0, accepted, echo = true, identifier }: Change) {
  const named = v2.extensions['payment-identifier']
  return {
    x402Version: 2,
    resource: v2.resource,
    accepted: { ...v2.accepts[offer], ...accepted },
    payload,
    extensions: {
      ...(echo ? v2.extensions : {}),
      ...(identifier === undefined
        ? {}
        : { 'payment-identifier': { ...named, info: { ...named?.info, id: identifier } } }),
    },
  }
}

/** Signs and wraps: the header that pays for what was asked. */
export async function pay(
  version: Version,
  challenge: Challenge,
  reader: Signer,
  change: Change = {},
): Promise<Record<string, string>> {
  return wrap(version, challenge, await sign(version, challenge, reader, change), change)
}

/** What a payment of this amount to the publisher is made on, as version 2 writes it. */
export const termsOf = (amount: bigint) =>
  ({
    scheme: 'exact',
    network: `eip155:${CHAIN_ID}`,
    amount: amount.toString(),
    asset: USDC,
    payTo: wallets.publisher.address,
    maxTimeoutSeconds: 300,
    extra: { name: 'USDC', version: '2' },
  }) as const

/** Signs a transfer that no challenge asked for: to the publisher, and valid for five minutes, unless told otherwise. */
export async function authorize(signer: Signer, message: Partial<Authorization> & { value: bigint }): Promise<Signed> {
  const { payTo, maxTimeoutSeconds, extra } = termsOf(message.value)
  const authorization: Authorization = {
    from: signer.address,
    to: payTo,
    validAfter: 0n,
    validBefore: BigInt(Math.floor(Date.now() / 1000) + maxTimeoutSeconds),
    nonce: `0x${randomBytes(32).toString('hex')}`,
    ...message,
  }
  const token = { ...extra, chainId: CHAIN_ID, verifyingContract: USDC }
  return { authorization, signature: await signTransfer(signer, token, authorization) }
}

/** The header of a payment on `termsOf` its value. `change`: what else it says. */
export const headerOf = (
  { authorization, signature }: Signed,
  { accepted, payment }: Pick<Change, 'accepted' | 'payment'> = {},
): string =>
  pack({
    x402Version: 2,
    accepted: { ...termsOf(authorization.value), ...accepted },
    payload: { signature, authorization: asSent(authorization) },
    ...payment,
  })

const hex = z.templateLiteral(['0x', z.string()])
const paymentV2 = z.looseObject({
  x402Version: z.number(),
  accepted: z.looseObject({ network: z.string(), amount: z.string() }),
  payload: z.object({
    signature: hex,
    authorization: z.object({
      from: hex,
      to: hex,
      value: z.string(),
      validAfter: z.string(),
      validBefore: z.string(),
      nonce: hex,
    }),
  }),
})

/** The JSON in the header of a payment, as it was sent. */
export const unpack = (header: string) => paymentV2.parse(JSON.parse(Buffer.from(header, 'base64').toString()))
/** Any JSON as the header of a payment. */
export const pack = (json: unknown) => base64(JSON.stringify(json))

/** The same signed fields as an `X-PAYMENT` of version 1. */
export const asV1 = (header: string) =>
  pack({ x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload: unpack(header).payload })

/** The request that pays in version 2, with whatever other headers. */
export const paying = (header: string, others: Record<string, string> = {}) => ({
  headers: { [HEADERS.v2]: header, ...others },
})
