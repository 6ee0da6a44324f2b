// The Solana part of the local facilitator: the reference package's `exact` scheme for x402 v1 and v2, with two fee payers.

import { createKeyPairSignerFromPrivateKeyBytes } from '@solana/kit'
import type { x402Facilitator } from '@x402/core/facilitator'
import type { Network, SchemeNetworkFacilitator } from '@x402/core/types'
import { type FacilitatorSvmSigner, SettlementCache, toFacilitatorSvmSigner } from '@x402/svm'
import { ExactSvmScheme } from '@x402/svm/exact/facilitator'
import { ExactSvmSchemeV1 } from '@x402/svm/exact/v1/facilitator'
import * as z from 'zod'
import { solanaWallets } from './wallets.ts'

export type SolanaPart = {
  rpcUrl: string
  /**
   * `'shared'` (the default): v1 and v2 remember together what they settled, and answer `duplicate_settlement`. `'none'`: it
   * remembers nothing, sends again what it sent before, finds it confirmed, and answers with success.
   */
  memory?: 'shared' | 'none'
}

/** devnet, as v2 and v1 call it. */
const NETWORK = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const V1_NAME = 'solana-devnet'
// The packages' type for a network is CAIP-2 only, although v1 registers plain names.
const V1Network = z.custom<Network>((name) => typeof name === 'string')

/** Registers both versions for devnet with a facilitator. */
export async function registerSolana(facilitator: x402Facilitator, { rpcUrl, memory }: SolanaPart): Promise<void> {
  const signer = await signerOf(rpcUrl)
  const cache = new SettlementCache()
  const [v2, v1] =
    memory === 'none'
      ? [forgetful((own) => new ExactSvmScheme(own), signer), forgetful((own) => new ExactSvmSchemeV1(own), signer)]
      : [new ExactSvmScheme(signer, cache), new ExactSvmSchemeV1(signer, cache)]
  facilitator.register(NETWORK, v2)
  facilitator.registerV1(V1Network.parse(V1_NAME), v1)
}

/** One signer over the keys of all fee payers. */
async function signerOf(rpcUrl: string): Promise<FacilitatorSvmSigner> {
  const each = await Promise.all(
    solanaWallets.feePayers.map(async ({ seed }) =>
      toFacilitatorSvmSigner(await createKeyPairSignerFromPrivateKeyBytes(seed), { defaultRpcUrl: rpcUrl }),
    ),
  )
  const [first] = each
  if (!first) throw new Error('there is no fee payer')
  return {
    ...first,
    getAddresses: () => each.flatMap((one) => one.getAddresses()),
    signTransaction(transaction, feePayer, network) {
      const own = each.find((one) => one.getAddresses().includes(feePayer))
      if (!own) throw new Error('that is not a fee payer of this facilitator')
      return own.signTransaction(transaction, feePayer, network)
    },
  }
}

/** Each settlement meets a scheme that has seen none before, and that minds no transaction which is on the chain already. */
function forgetful(
  make: (signer: FacilitatorSvmSigner) => SchemeNetworkFacilitator,
  signer: FacilitatorSvmSigner,
): SchemeNetworkFacilitator {
  const lenient: FacilitatorSvmSigner = {
    ...signer,
    async simulateTransaction(...of) {
      try {
        await signer.simulateTransaction(...of)
      } catch (error) {
        if (!String(error).includes('AlreadyProcessed')) throw error
      }
    },
  }
  const scheme = make(signer)
  return {
    scheme: scheme.scheme,
    caipFamily: scheme.caipFamily,
    getExtra: (network) => scheme.getExtra(network),
    getSigners: (network) => scheme.getSigners(network),
    verify: (payload, requirements) => scheme.verify(payload, requirements),
    settle: (payload, requirements) => make(lenient).settle(payload, requirements),
  }
}
