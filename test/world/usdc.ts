// USDC of the networks, as the worker's own table has it.
import { type Eip3009Asset, evmTokensOn, networkOf } from '../../src/x402/assets.ts'
import type { Way } from '../../src/x402/payment.ts'

export function usdcOn(network: string): Eip3009Asset {
  const known = networkOf(network)
  const [asset] = known ? evmTokensOn([known]) : []
  if (!asset) throw new Error(`no USDC is known on ${network}`)
  return asset
}

/** Paying somebody in it. */
export const payingIn = (asset: Eip3009Asset, payTo: string): Way => ({
  asset,
  payTo,
  transfer: { kind: 'eip3009', ...asset.eip712 },
})
