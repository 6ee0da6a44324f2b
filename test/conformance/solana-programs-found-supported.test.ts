// A finding of a review of wallets that are programs: who is sent one after /supported has changed.
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import type { FacilitatorHook } from '../../dev/stack/facilitator.ts'
import { readTransaction } from '../../dev/stack/solana/message.ts'
import { VAULT_PROGRAM } from '../../dev/stack/solana.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { openVault } from '../world/solana-vault.ts'

const PAGE = '/articles/hello'
const sent = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})
let shop: SolanaShop
let isDown = true
let isSilent = false
const called: boolean[] = []
const hook: FacilitatorHook = async ({ path, body }, proceed) => {
  if (path === '/supported' && isSilent) {
    const answer = await proceed()
    const said = JSON.stringify(answer.body).replaceAll('"smartWalletSupported":true', '"smartWalletSupported":false')
    return { ...answer, body: JSON.parse(said) }
  }
  const settled = path === '/settle' ? sent.safeParse(body).data : undefined
  if (!settled) return proceed()
  const { keys } = readTransaction(new Uint8Array(Buffer.from(settled.paymentPayload.payload.transaction, 'base64')))
  if (isDown) return { status: 404, body: {} }
  called.push(keys.includes(VAULT_PROGRAM))
  return proceed()
}
beforeAll(async () => {
  shop = await openSolanaShop({}, { solana: { vault: true, simulates: true }, hook })
  await shop.site.kv.put(PAGE, 'the whole article')
})
afterAll(() => shop.close())

test('a facilitator that does not simulate any more is sent no program’s payment because of another payment', async () => {
  const vault = await openVault(shop.solana)
  await shop.solana.fund(vault.address, 1_000_000_000n)
  const reader = await shop.readerOnSolana()
  const challenge = await shop.challengeOnSolana(PAGE)
  const headers = await paySolana('v2', shop.solana, challenge, reader, await vault.honest(challenge, reader))
  const first = await shop.ask(PAGE, { headers })
  expect([first.status, first.error]).toEqual([503, 'facilitator_unavailable'])
  isDown = false
  isSilent = true
  await shop.site.tick()
  await shop.site.restart({})
  await shop.ask(PAGE)
  await shop.site.turn()
  const again = await shop.ask(PAGE, { headers })
  expect([again.status, again.error]).toEqual([402, 'invalid_exact_svm_payload_no_transfer_instruction'])
  expect(called).toEqual([])
  const second = await shop.buyOnSolana('v2', PAGE, reader)
  expect.soft(second.status).toBe(200)
  expect(called).toEqual([false])
}, 60_000)
