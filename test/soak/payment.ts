// Payments as the soak's readers make them: one signed authorization, wrapped for either version of the wire.
import type { Address, Hex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import * as z from 'zod'
import { asSent, signTransfer, type Version } from '../world/payer.ts'
import type { Item } from './catalogue.ts'
import type { Random } from './random.ts'

const hex = z.templateLiteral(['0x', z.string()])

/** Short, so that what was sent three times in vain, and is only asked about from then on, ends within the run. */
export const WINDOW_SECONDS = 90

const challenge = z.looseObject({
  resource: z.unknown(),
  accepts: z.tuple(
    [
      z.looseObject({
        network: z.string(),
        amount: z.string(),
        asset: hex,
        payTo: hex,
        maxTimeoutSeconds: z.number(),
        extra: z.looseObject({ name: z.string(), version: z.string() }),
      }),
    ],
    z.unknown(),
  ),
  extensions: z.record(z.string(), z.unknown()),
})

/** A 402's `PAYMENT-REQUIRED`. */
export type Challenge = z.infer<typeof challenge>

export function readChallenge(header: string): Challenge {
  return challenge.parse(JSON.parse(Buffer.from(header, 'base64').toString('utf8')))
}

/** One signed authorization. `items`: what it is presented for, the first first. */
export type Payment = {
  payer: Address
  nonce: Hex
  value: bigint
  identifier: string | null
  items: [Item, ...Item[]]
  /** The header that pays, in one version's wrapping. */
  header(version: Version): Record<string, string>
}

export type Terms = { challenge: Challenge; chainId: number; random: Random; named: boolean }

/** Signs the first offer of a challenge. `named`: with a payment-identifier. */
export async function signPayment(
  account: PrivateKeyAccount,
  items: [Item, ...Item[]],
  { challenge, chainId, random, named }: Terms,
): Promise<Payment> {
  const [offer] = challenge.accepts
  const nonce = random.hex()
  const identifier = named ? `soak-${random.hex().slice(2, 34)}` : null
  const message = {
    from: account.address,
    to: offer.payTo,
    value: BigInt(offer.amount),
    validAfter: 0n,
    validBefore: BigInt(Math.floor(Date.now() / 1000) + Math.min(offer.maxTimeoutSeconds, WINDOW_SECONDS)),
    nonce,
  }
  const { name, version } = offer.extra
  const signature = await signTransfer(account, { name, version, chainId, verifyingContract: offer.asset }, message)
  const authorization = asSent(message)
  const payload = { signature, authorization }
  const named_ = identifier === null ? {} : { 'payment-identifier': { info: { required: false, id: identifier } } }
  return {
    payer: account.address,
    nonce,
    value: message.value,
    identifier,
    items,
    header(version) {
      const payment =
        version === 'v1'
          ? { x402Version: 1, scheme: 'exact', network: 'base-sepolia', payload, extensions: named_ }
          : {
              x402Version: 2,
              resource: challenge.resource,
              accepted: offer,
              payload,
              extensions: { ...challenge.extensions, ...named_ },
            }
      const name = version === 'v1' ? 'X-PAYMENT' : 'PAYMENT-SIGNATURE'
      return { [name]: Buffer.from(JSON.stringify(payment)).toString('base64') }
    },
  }
}
