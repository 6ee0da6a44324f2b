// The chains and the facilitator for tests, on free ports. Use it from a Vitest global setup or directly.
import { type Chain, startChain } from '../../dev/stack/chain.ts'
import { type Facilitator, type FacilitatorHook, startFacilitator } from '../../dev/stack/facilitator.ts'
import type { SolanaPart } from '../../dev/stack/solana/facilitator.ts'
import type { Solana, SolanaOptions } from '../../dev/stack/solana.ts'

/** What a test gets: stop it with `stop`, in the end. */
export type Stack = { chain: Chain; facilitator: Facilitator; stop(): Promise<void> }

/** A stack with Solana beside the EVM chain. */
export type SolanaStack = Stack & { solana: Solana }

/** `blockTime` and `chainId`: see `startChain`; instant, and Base Sepolia, by default. The others: see `startFacilitator`. */
export type StackOptions = {
  blockTime?: 'instant' | number
  chainId?: number
  hook?: FacilitatorHook
  eip6492AllowedFactories?: string[]
}

/** See `startSolana`; `memory`: see `SolanaPart`. */
export type SolanaStackOptions = StackOptions & { solana?: SolanaOptions & Pick<SolanaPart, 'memory'> }

/** Starts a fresh chain and a facilitator for it: under two seconds. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const chain = await startChain(ofChain(options))
  try {
    return together(chain, await startFacilitator({ rpcUrl: chain.rpcUrl, ...hooked(options) }))
  } catch (error) {
    await chain.stop()
    throw error
  }
}

/** Starts both chains and one facilitator for the two: what only this needs is loaded only by this. */
export async function startSolanaStack(options: SolanaStackOptions = {}): Promise<SolanaStack> {
  const { startSolana } = await import('../../dev/stack/solana.ts')
  const { memory, ...solanaOptions } = options.solana ?? {}
  const solana = await startSolana(solanaOptions)
  try {
    const chain = await startChain(ofChain(options))
    try {
      const part = { rpcUrl: solana.rpcUrl, ...(memory && { memory }) }
      const facilitator = await startFacilitator({ rpcUrl: chain.rpcUrl, solana: part, ...hooked(options) })
      return { ...together(chain, facilitator, solana), solana }
    } catch (error) {
      await chain.stop()
      throw error
    }
  } catch (error) {
    await solana.stop()
    throw error
  }
}

const ofChain = ({ blockTime, chainId }: StackOptions) => ({
  ...(blockTime !== undefined && { blockTime }),
  ...(chainId !== undefined && { chainId }),
})

const hooked = ({ hook, eip6492AllowedFactories }: StackOptions) => ({
  ...(hook && { hook }),
  ...(eip6492AllowedFactories && { eip6492AllowedFactories }),
})

const together = (chain: Chain, facilitator: Facilitator, solana?: Solana): Stack => ({
  chain,
  facilitator,
  async stop() {
    await facilitator.stop()
    await solana?.stop()
    await chain.stop()
  },
})
