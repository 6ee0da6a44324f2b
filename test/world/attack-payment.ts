// Payments as an attacker writes them: taken apart, put together differently, or signed by hand.
import type { Hex } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount } from 'viem/accounts'
import * as z from 'zod'
import { CHAIN_ID, USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { asSent, signTransfer } from './payer.ts'

const hex = z.custom<Hex>((text) => typeof text === 'string' && /^0x[0-9a-fA-F]*$/.test(text))

const authorization = z.object({
  from: hex,
  to: hex,
  value: z.string(),
  validAfter: z.string(),
  validBefore: z.string(),
  nonce: hex,
})
const payload = z.object({ signature: hex, authorization })
const paymentV2 = z.looseObject({
  x402Version: z.number(),
  accepted: z.looseObject({ network: z.string(), amount: z.string() }),
  payload,
})

export type Signed = z.infer<typeof payload>

/** The JSON of a payment header. */
export const unpack = (header: string) => paymentV2.parse(JSON.parse(Buffer.from(header, 'base64').toString()))
/** Any JSON as a payment header. */
export const pack = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64')

/** The same signed fields as an `X-PAYMENT` of version 1. */
export const asV1 = (header: string) =>
  pack({ x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload: unpack(header).payload })

export type Wish = {
  value: bigint
  to?: Hex
  nonce?: Hex
  validBefore?: bigint
}

/** Signs a transfer of USDC by hand, to the publisher unless told otherwise, valid for five minutes. */
export async function sign(account: PrivateKeyAccount, wish: Wish): Promise<Signed> {
  const message = {
    from: account.address,
    to: wish.to ?? wallets.publisher.address,
    value: wish.value,
    validAfter: 0n,
    validBefore: wish.validBefore ?? BigInt(Math.floor(Date.now() / 1000) + 300),
    nonce: wish.nonce ?? generatePrivateKey(),
  }
  const token = { name: 'USDC', version: '2', chainId: CHAIN_ID, verifyingContract: USDC }
  return { signature: await signTransfer(account, token, message), authorization: asSent(message) }
}

/** A `PAYMENT-SIGNATURE` that claims to accept `amount`, with whatever else an attacker would like to say. */
export function headerOf(signed: Signed, says: { amount?: string; extra?: unknown; more?: object } = {}): string {
  return pack({
    x402Version: 2,
    accepted: {
      scheme: 'exact',
      network: `eip155:${CHAIN_ID}`,
      amount: says.amount ?? signed.authorization.value,
      asset: USDC,
      payTo: wallets.publisher.address,
      maxTimeoutSeconds: 300,
      extra: says.extra ?? { name: 'USDC', version: '2' },
    },
    payload: signed,
    ...says.more,
  })
}
