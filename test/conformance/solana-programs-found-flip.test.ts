// A review of wallets that are programs: what has landed is served, whatever /supported says by then.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import type { FacilitatorHook } from '../../dev/stack/facilitator.ts'
import { assemble, readTransaction } from '../../dev/stack/solana/message.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { openVault } from '../world/solana-vault.ts'

const PAGE = '/articles/hello'
const sent = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})
let shop: SolanaShop
let isSilent = false
let says = ''
let held = new Uint8Array()
const hook: FacilitatorHook = async ({ path, body }, proceed) => {
  if (path === '/supported' && isSilent) {
    const answer = await proceed()
    const said = JSON.stringify(answer.body).replaceAll('"smartWalletSupported":true', '"smartWalletSupported":false')
    return { ...answer, body: JSON.parse(said) }
  }
  const settled = path === '/settle' ? sent.safeParse(body).data : undefined
  if (!settled) return proceed()
  held = new Uint8Array(Buffer.from(settled.paymentPayload.payload.transaction, 'base64'))
  return { status: 200, body: { success: false, errorReason: says, transaction: '' } }
}
beforeAll(async () => {
  shop = await openSolanaShop({}, { solana: { vault: true, simulates: true }, hook })
  await shop.site.kv.put(PAGE, 'the whole article')
})
beforeEach(async () => {
  isSilent = false
  await flip()
})
afterAll(() => shop.close())
async function flip() {
  await shop.site.tick()
  await shop.site.restart({})
  await shop.ask(PAGE)
  await shop.site.turn()
}

test.each([
  ['settlement_pending', true],
  ['settlement_pending', false],
  ['invalid_exact_svm_smart_wallet_simulation_failed', true],
  ['invalid_exact_svm_smart_wallet_simulation_failed', false],
])(
  '%s, and it landed; the facilitator has stopped to simulate: %s',
  async (word, stops) => {
    says = word
    const vault = await openVault(shop.solana)
    await shop.solana.fund(vault.address, 1_000_000n)
    const reader = await shop.readerOnSolana(0n)
    const challenge = await shop.challengeOnSolana(PAGE)
    const headers = await paySolana('v2', shop.solana, challenge, reader, await vault.honest(challenge, reader))
    const first = await shop.ask(PAGE, { headers })
    expect([402, 503]).toContain(first.status)
    const read = readTransaction(held)
    const payer = solanaWallets.feePayers.find(({ address }) => address === read.keys[0])
    const own = payer?.sign(read.messageBytes) ?? new Uint8Array(64)
    expect(shop.solana.land(assemble([own, ...read.signatures.slice(1)], read.messageBytes))).toBeNull()
    isSilent = stops
    if (stops) await flip()
    const again = await shop.ask(PAGE, { headers })
    expect.soft([again.status, again.text.slice(0, 60)]).toEqual([200, 'the whole article'])
    // And nobody pays twice: a second payment, with a key, is not sent.
    await shop.solana.fund(reader.address, 1_000_000n)
    const { result: other, cost } = await shop.costOnSolana(() => shop.buyOnSolana('v2', PAGE, reader))
    expect(cost).toEqual({ earned: 0n, settles: 0, verifies: 0 })
    expect(other.status).toBe(200)
  },
  60_000,
)
