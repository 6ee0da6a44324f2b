// The chain and the facilitator for tests, on free ports. Use it from a Vitest global setup or directly.
import { type Chain, startChain } from '../../dev/stack/chain.ts'
import { type Facilitator, type FacilitatorHook, startFacilitator } from '../../dev/stack/facilitator.ts'

/** What a test gets: stop it with `stop`, in the end. */
export type Stack = { chain: Chain; facilitator: Facilitator; stop(): Promise<void> }

/** `blockTime`: see `startChain`; instant by default. The others: see `startFacilitator`. */
export type StackOptions = {
  blockTime?: 'instant' | number
  hook?: FacilitatorHook
  eip6492AllowedFactories?: string[]
}

/** Starts a fresh chain and a facilitator for it: under two seconds. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const chain = await startChain(options.blockTime === undefined ? {} : { blockTime: options.blockTime })
  try {
    const facilitator = await startFacilitator({
      rpcUrl: chain.rpcUrl,
      ...(options.hook && { hook: options.hook }),
      ...(options.eip6492AllowedFactories && { eip6492AllowedFactories: options.eip6492AllowedFactories }),
    })
    return {
      chain,
      facilitator,
      async stop() {
        await facilitator.stop()
        await chain.stop()
      },
    }
  } catch (error) {
    await chain.stop()
    throw error
  }
}
