// Sales on Solana that the ledger does not know: the mark of two deployments that share one payee. It looks at the last day, as far
// as a node lists it at once.
import * as z from 'zod'
import { type Budget, Rpc, read } from '../../src/chain.ts'
import type { Config } from '../../src/config.ts'
import { memoEndsAtSeconds } from '../../src/networks/memo.ts'
import { associatedTokenAccount } from '../../src/networks/solana.ts'
import type { SvmAsset } from '../../src/x402/assets.ts'
import { type Finding, hostOf, notChecked } from './findings.ts'
import { DAY_SECONDS, lacking, MOST_UNKNOWN, NOT_YET_SECONDS } from './sales.ts'
import { mintsSold } from './tokens.ts'

/** The list, the chain's name, and each transaction that is looked at closely. */
const MOST_REQUESTS = 2 + MOST_UNKNOWN
/** What nodes list at once. */
const PAGE = 1_000

/** @param known transactions of the ledger; more than the last day's do no harm */
export async function solanaSalesFindings(
  config: Config,
  known: ReadonlySet<string>,
  nowSeconds: number,
): Promise<Finding[]> {
  const payTo = config.payTo.solana ?? ''
  const each = mintsSold(config).map(async (asset) => {
    const { network } = asset
    const rpc = new Rpc(config.rpcUrls[network] ?? asset.rpcUrl, network)
    return unknownSales(rpc, asset, payTo, known, nowSeconds)
  })
  return (await Promise.all(each)).flat()
}

const listed = z.array(
  z.object({ signature: z.string(), err: z.unknown(), memo: z.string().nullish(), blockTime: z.int().nullish() }),
)

async function unknownSales(
  rpc: Rpc,
  asset: SvmAsset,
  payTo: string,
  known: ReadonlySet<string>,
  nowSeconds: number,
): Promise<Finding[]> {
  const budget: Budget = { left: MOST_REQUESTS }
  const account = await associatedTokenAccount(payTo, asset.asset)
  const params = [account, { commitment: 'finalized', limit: PAGE }]
  const list = read(listed, await rpc.ask({ method: 'getSignaturesForAddress', params }, budget))
  if (!list.ok) {
    const message = `${hostOf(rpc.url)} does not show a day of transfers on ${asset.name}; write another endpoint`
    return [notChecked('PAY_TO.solana', message)]
  }
  const isOfTheDay = (time: number) => time >= nowSeconds - DAY_SECONDS && time <= nowSeconds - NOT_YET_SECONDS
  const strange = list.value.filter(
    ({ signature, err, memo, blockTime }) =>
      (err ?? null) === null && hasOurForm(memo ?? '') && isOfTheDay(blockTime ?? 0) && !known.has(signature),
  )
  let sales = 0
  for (const { signature } of strange.slice(0, MOST_UNKNOWN)) {
    if (await cameIn(rpc, signature, payTo, asset, budget)) sales += 1
  }
  return lacking(sales, asset)
}

/** Lists have each memo with its length in front: `[43] text; [2] hi`. */
const hasOurForm = (memos: string): boolean =>
  memos.split('; ').some((memo) => memoEndsAtSeconds(memo.replace(/^\[\d+\] /, '')) !== null)

const balances = z
  .array(
    z.object({
      mint: z.string(),
      owner: z.string().optional(),
      uiTokenAmount: z.object({
        amount: z
          .string()
          .regex(/^\d{1,20}$/)
          .transform(BigInt),
      }),
    }),
  )
  .nullish()
const landed = z.object({ meta: z.object({ preTokenBalances: balances, postTokenBalances: balances }) })

/** Whether the payee had more of the token after it: what the payee buys elsewhere is no sale. */
async function cameIn(rpc: Rpc, signature: string, payTo: string, asset: SvmAsset, budget: Budget): Promise<boolean> {
  const options = { encoding: 'base64', commitment: 'finalized', maxSupportedTransactionVersion: 0 }
  const found = read(landed, await rpc.ask({ method: 'getTransaction', params: [signature, options] }, budget))
  if (!found.ok) return false
  const total = (list: z.infer<typeof balances>) =>
    (list ?? [])
      .filter(({ owner, mint }) => owner === payTo && mint === asset.asset)
      .reduce((sum, { uiTokenAmount }) => sum + uiTokenAmount.amount, 0n)
  return total(found.value.meta.postTokenBalances) > total(found.value.meta.preTokenBalances)
}
