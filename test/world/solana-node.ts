// The local Solana in a test: a chain that ends with the test, and its node asked call by call.
import { onTestFinished } from 'vitest'
import * as z from 'zod'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { type Solana, type SolanaOptions, startSolana } from '../../dev/stack/solana.ts'
import { solanaReader } from './solana-payer.ts'

/** A chain with slots by hand, a publisher who can be paid, and a reader with a dollar. It stops with the test. */
export async function startBareSolana(options: SolanaOptions = {}): Promise<{ chain: Solana; reader: SolanaWallet }> {
  const chain = await startSolana({ slots: 'by hand', ...options })
  onTestFinished(chain.stop)
  await chain.fund(solanaWallets.publisher.address, 0n)
  return { chain, reader: await solanaReader(chain) }
}

const reply = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }).optional(),
})

/** One call to a node, with its answer as it stands. */
export async function call(url: string, method: string, ...params: unknown[]) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  return reply.parse(await (await fetch(url, { method: 'POST', body })).json())
}
/** What a call that succeeds answers. */
export const resultOf = async ({ rpcUrl }: Solana, method: string, ...params: unknown[]) =>
  (await call(rpcUrl, method, ...params)).result
/** What a call that fails answers. */
export const errorOf = async ({ rpcUrl }: Solana, method: string, ...params: unknown[]) =>
  (await call(rpcUrl, method, ...params)).error
/** The same, out of its context. */
export const valueIn = async (chain: Solana, method: string, ...params: unknown[]) =>
  z.object({ value: z.unknown() }).parse(await resultOf(chain, method, ...params)).value
