// What an answer of a facilitator's `/supported` says: networks, fee payers, and what else it can do. It never fetches.
import * as z from 'zod/mini'
import type { Reply } from './http.ts'
import { isSolanaAddress } from './x402/base58.ts'

/** Of one facilitator on one network; more are not needed. */
const MOST_FEE_PAYERS = 32

/** What a facilitator serves with `exact`: networks as it names them (CAIP-2, or the names of v1), and its extensions. */
export type Supported = {
  networks: readonly string[]
  extensions: readonly string[]
  /** On Solana, by network: whose keys may pay the fee; the one it would have now comes first. */
  feePayers: Readonly<Record<string, readonly string[]>>
  /** The networks on which it simulates what wallets that are programs do. */
  simulates: readonly string[]
}

const features = z.optional(z.object({ smartWalletSupported: z.optional(z.boolean()) }))

const supported = z.object({
  kinds: z
    .array(
      z.object({
        scheme: z.string(),
        network: z.string(),
        extra: z.catch(
          z.optional(z.object({ feePayer: z.optional(z.string()), features: z.catch(features, undefined) })),
          undefined,
        ),
      }),
    )
    .check(z.minLength(1)),
  extensions: z.catch(z.array(z.string()), []),
  signers: z.catch(z.optional(z.record(z.string(), z.array(z.string()))), undefined),
})

/** What an answer of `/supported` says; null where it lists nothing, or cannot be read. */
export function readSupport({ json }: Reply): Supported | null {
  const { data } = z.safeParse(supported, json)
  if (!data) return null
  const exact = data.kinds.filter(({ scheme }) => scheme === 'exact')
  const feePayers = exact.flatMap(({ network, extra }): [string, string[]][] => {
    const named = extra?.feePayer
    if (!network.startsWith('solana:') || named === undefined) return []
    const others = [...(data.signers?.[network] ?? []), ...(data.signers?.['solana:*'] ?? [])]
    return [[network, [...new Set([named, ...others])].filter(isSolanaAddress).slice(0, MOST_FEE_PAYERS)]]
  })
  return {
    networks: exact.map(({ network }) => network),
    extensions: data.extensions,
    feePayers: Object.fromEntries(feePayers.filter(([, known]) => known.length > 0)),
    simulates: exact.flatMap(({ network, extra }) => (extra?.features?.smartWalletSupported === true ? network : [])),
  }
}
