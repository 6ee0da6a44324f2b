// A shop that sells on Solana beside the EVM chain, with the questions that tests ask about the two.
import { networkVars } from '../../dev/stack/offered.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK, type Solana } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Answer } from './answer.ts'
import type { Version } from './payer.ts'
import { type Cost, NETWORK, openShop, type Shop, type ShopOptions } from './shop.ts'
import type { Vars } from './site.ts'
import { paySolana, type SolanaChallenge, type SolanaChange, solanaChallenge, solanaReader } from './solana-payer.ts'
import { type SolanaStackOptions, startSolanaStack } from './stack.ts'

/** `costOf` counts the money of both chains. */
export type SolanaShop = Shop & {
  solana: Solana
  /** Asks without paying, and reads what the 402 offers on Solana. */
  challengeOnSolana(path: string): Promise<SolanaChallenge>
  /** A reader nobody has seen before, with a dollar on Solana or with what is given. */
  readerOnSolana(atomicUnits?: bigint, mint?: string): Promise<SolanaWallet>
  /** Asks for the challenge and pays it on Solana. */
  buyOnSolana(version: Version, path: string, reader: SolanaWallet, change?: SolanaChange): Promise<Answer>
  /** Does something, and tells what it cost on Solana. */
  costOnSolana<Result>(act: () => Promise<Result>): Promise<{ result: Result; cost: Cost }>
}

/** `vars` lie over those of a small shop on both networks, the EVM one first; see `openShop`. */
export async function openSolanaShop(
  vars: Vars = {},
  { solana: solanaOptions, ...options }: Omit<ShopOptions, 'stack'> & Pick<SolanaStackOptions, 'solana'> = {},
): Promise<SolanaShop> {
  const stack = await startSolanaStack({ ...options, ...(solanaOptions && { solana: solanaOptions }) })
  const { solana, chain, facilitator } = stack
  const { publisher } = solanaWallets
  const both = networkVars([
    { network: NETWORK, payTo: wallets.publisher.address, rpcUrl: chain.rpcUrl },
    { network: SOLANA_NETWORK, payTo: publisher.address, rpcUrl: solana.rpcUrl },
  ])
  try {
    await solana.fund(publisher.address, 0n)
    const shop = await openShop({ ...both, ...vars }, { ...options, stack })
    const challengeOnSolana = async (path: string) => solanaChallenge(await shop.ask(path))
    return {
      ...shop,
      solana,
      challengeOnSolana,
      readerOnSolana: (atomicUnits, mint) => solanaReader(solana, atomicUnits, mint),
      async buyOnSolana(version, path, reader, change) {
        const headers = await paySolana(version, solana, await challengeOnSolana(path), reader, change)
        return shop.ask(path, { headers })
      },
      async costOnSolana(act) {
        const before = { ...facilitator.counts, earned: await solana.balance(publisher.address) }
        const result = await act()
        const cost = {
          earned: (await solana.balance(publisher.address)) - before.earned,
          settles: facilitator.counts.settle - before.settle,
          verifies: facilitator.counts.verify - before.verify,
        }
        return { result, cost }
      },
      async costOf(act) {
        const before = await solana.balance(publisher.address)
        const { result, cost } = await shop.costOf(act)
        return { result, cost: { ...cost, earned: cost.earned + (await solana.balance(publisher.address)) - before } }
      },
      async close() {
        await shop.close()
        await stack.stop()
      },
    }
  } catch (error) {
    await stack.stop()
    throw error
  }
}
