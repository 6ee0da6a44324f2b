// Payments as the soak's readers make them: one signed authorization, wrapped for either version of the wire.
import type { Address, Hex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import type { Challenge } from '../world/answer.ts'
import { sign, type Version, wrap } from '../world/payer.ts'
import type { Item } from './catalogue.ts'
import type { Random } from './random.ts'

/** Short, so that what was sent three times in vain, and is only asked about from then on, ends within the run. */
export const WINDOW_SECONDS = 90

/** One signed authorization. `items`: what it is presented for, the first first. */
export type Payment = {
  payer: Address
  nonce: Hex
  identifier: string | null
  items: [Item, ...Item[]]
  /** The header that pays, in one version's wrapping. */
  header(version: Version): Record<string, string>
}

export type Terms = { challenge: Challenge; random: Random; named: boolean }

/** Signs the first offer of a challenge. `named`: with a payment-identifier. */
export async function signPayment(
  account: PrivateKeyAccount,
  items: [Item, ...Item[]],
  { challenge, random, named }: Terms,
): Promise<Payment> {
  const nonce = random.hex()
  const identifier = named ? `soak-${random.hex().slice(2, 34)}` : null
  const validBefore = BigInt(Math.floor(Date.now() / 1000) + WINDOW_SECONDS)
  const signed = await sign('v2', challenge, account, { signed: { nonce, validBefore } })
  return {
    payer: account.address,
    nonce,
    identifier,
    items,
    header: (version) => wrap(version, challenge, signed, identifier === null ? {} : { identifier }),
  }
}
