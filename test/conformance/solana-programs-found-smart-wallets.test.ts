// Findings of a review of wallets that are programs. What fails here today is named in the report.
import { getBase58Decoder } from '@solana/kit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import type { FacilitatorHook } from '../../dev/stack/facilitator.ts'
import { assemble, type Instruction, readTransaction } from '../../dev/stack/solana/message.ts'
import { MEMO_PROGRAM } from '../../dev/stack/solana/shapes.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { NOTHING, PRICE } from '../world/shop.ts'
import { paySolana, type SolanaChange } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { openVault, type Vault } from '../world/solana-vault.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
const { publisher, feePayers, bob } = solanaWallets
const sent = z.looseObject({
  paymentPayload: z.looseObject({ payload: z.looseObject({ transaction: z.base64() }) }),
})
let shop: SolanaShop
let vault: Vault
const lies = new Map<string, (transaction: Uint8Array) => object>()
const hook: FacilitatorHook = async ({ path, body }, proceed) => {
  const settled = path === '/settle' ? sent.safeParse(body).data : undefined
  if (!settled) return proceed()
  const transaction = new Uint8Array(Buffer.from(settled.paymentPayload.payload.transaction, 'base64'))
  const lie = lies.get(readTransaction(transaction).keys[1] ?? '')
  return lie ? { status: 200, body: JSON.stringify(lie(transaction)) } : proceed()
}
beforeAll(async () => {
  shop = await openSolanaShop({}, { solana: { vault: true, simulates: true }, hook })
  vault = await openVault(shop.solana)
  await shop.site.kv.put(PAGE, CONTENT)
  await shop.solana.fund(vault.address, 1_000_000_000n)
})
afterAll(() => shop.close())

function land(transaction: Uint8Array): string {
  const read = readTransaction(transaction)
  const payer = feePayers.find(({ address }) => address === read.keys[0])
  if (!payer) throw new Error('no fee payer')
  const signature = payer.sign(read.messageBytes)
  const problem = shop.solana.land(assemble([signature, ...read.signatures.slice(1)], read.messageBytes))
  if (problem !== null) throw new Error(`it did not land: ${JSON.stringify(problem)}`)
  return getBase58Decoder().decode(signature)
}
const praise = (transaction: Uint8Array) => ({
  success: true,
  transaction: land(transaction),
  network: SOLANA_NETWORK,
  payer: vault.address,
})
const ask = (headers: Record<string, string>) => shop.ask(PAGE, { headers })
async function header(reader: SolanaWallet, moves: readonly Instruction[], change: SolanaChange = {}) {
  const challenge = await shop.challengeOnSolana(PAGE)
  return paySolana('v2', shop.solana, challenge, reader, vault.paying(reader, moves, change))
}

test('what somebody else owes the publisher, and a program lets anybody push, buys nothing for who pushes it', async () => {
  // Bob has let the program take what he owes. Mallory has no part in that: she signs a memo beside the push.
  await shop.solana.fund(bob.address, 10n * PRICE)
  await shop.solana.delegate(bob.address, vault.address, 10n * PRICE)
  const mallory = await shop.readerOnSolana(0n)
  const before = await shop.solana.balance(bob.address)
  const answer = await ask(await header(mallory, [await vault.move(publisher.address, PRICE, bob.address)]))
  expect.soft(before - (await shop.solana.balance(bob.address))).toBe(PRICE)
  expect(answer.text).not.toContain(CONTENT)
  expect(answer.status).not.toBe(200)
})

test('who has paid in part is not told that nothing was paid', async () => {
  const reader = await shop.readerOnSolana(0n)
  const headers = await header(reader, [await vault.move(publisher.address, PRICE - 1n)])
  lies.set(reader.address, praise)
  const { result: answer, cost } = await shop.costOnSolana(() => ask(headers))
  expect([answer.status, cost.earned]).toEqual([402, PRICE - 1n])
  expect(answer.text).not.toMatch(/nothing was paid/i)
  // And the publisher's books know of it.
  await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
}, 60_000)

test('a wallet of two keys is one person, in whatever order its library lists them', async () => {
  const [one, two] = [await shop.readerOnSolana(0n), await shop.readerOnSolana(0n)]
  const signedBoth = async (first: SolanaWallet, second: SolanaWallet) => {
    const challenge = await shop.challengeOnSolana(PAGE)
    const moves = [await vault.move(publisher.address, PRICE)]
    const paying = vault.paying(first, moves, { signers: [one, two] })
    const instructions = (honest: Instruction[]) =>
      (paying.instructions?.(honest) ?? honest).map((step) =>
        step.program === MEMO_PROGRAM
          ? { ...step, accounts: [first, second].map(({ address }) => ({ address, isSigner: true })) }
          : step,
      )
    return paySolana('v2', shop.solana, challenge, first, { ...paying, instructions })
  }
  expect((await ask(await signedBoth(one, two))).status).toBe(200)
  const again = await signedBoth(two, one)
  const { result: answer, cost } = await shop.costOnSolana(() => ask(again))
  expect(answer.status).toBe(200)
  expect(cost).toEqual(NOTHING)
})
