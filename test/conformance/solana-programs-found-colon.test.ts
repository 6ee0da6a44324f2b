// A finding of a review of wallets that are programs: plain payments, where a facilitator says more behind a colon.
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import type { FacilitatorHook } from '../../dev/stack/facilitator.ts'
import { assemble, readTransaction } from '../../dev/stack/solana/message.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { PRICE } from '../world/shop.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const sent = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})
let shop: SolanaShop
let held: Uint8Array | null = null
const hook: FacilitatorHook = async ({ path, body }, proceed) => {
  const settled = path === '/settle' ? sent.safeParse(body).data : undefined
  if (!settled || held) return proceed()
  // It has broadcast it, its node is slow, and it does not name the transaction.
  held = new Uint8Array(Buffer.from(settled.paymentPayload.payload.transaction, 'base64'))
  return {
    status: 200,
    body: { success: false, errorReason: 'invalid_rpc_response: settlement_pending', transaction: '' },
  }
}
beforeAll(async () => {
  shop = await openSolanaShop({}, { hook })
  await shop.site.kv.put(PAGE, 'the whole article')
})
afterAll(() => shop.close())

test('a plain payment that its facilitator calls pending is not refused, and its reader does not pay twice', async () => {
  const reader = await shop.readerOnSolana()
  const { cost } = await shop.costOnSolana(async () => {
    const first = await shop.buyOnSolana('v2', PAGE, reader)
    expect.soft([first.status, first.error]).toEqual([503, 'settlement_pending'])
    // Who is told 402 signs another one.
    if (first.status === 402) expect((await shop.buyOnSolana('v2', PAGE, reader)).status).toBe(200)
    const read = readTransaction(held ?? new Uint8Array())
    const payer = solanaWallets.feePayers.find(({ address }) => address === read.keys[0])
    const own = payer?.sign(read.messageBytes) ?? new Uint8Array(64)
    expect(shop.solana.land(assemble([own, ...read.signatures.slice(1)], read.messageBytes))).toBeNull()
  })
  expect(cost.earned).toBe(PRICE)
}, 60_000)
