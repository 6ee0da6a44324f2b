// A facilitator that lies about what a program has moved on Solana: the chain is believed, and a verdict against the payer
// waits until it is final.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { PRICE } from '../world/shop.ts'
import { CONTENT, openVaultShop } from '../world/solana-vault-shop.ts'

const { publisher } = solanaWallets
const { shop, vault, newReader, header, ask, toPublisher, cheats, lie, landAndPraise, praise } = await openVaultShop()

afterAll(() => shop.close())

describe('what does not arrive is not served', () => {
  beforeAll(async () => {
    // The publisher has let the vault take from her account: the worst that can be.
    await shop.solana.delegate(publisher.address, vault.address, 1_000_000_000n)
  })

  const TAKEN_BACK: (typeof cheats)[number] = [
    'and takes it back',
    async () => [await toPublisher(PRICE), await vault.move(vault.address, PRICE, publisher.address)],
  ]
  test.concurrent.each([...cheats, TAKEN_BACK])(
    'where a facilitator has put it on the chain and calls it paid, the chain is believed: %s',
    async (_, cheat) => {
      const reader = await newReader()
      const headers = await header('v2', reader, cheat)
      lie(reader, landAndPraise)
      const answer = await ask(headers)
      expect([answer.status, answer.error]).toEqual([402, 'invalid_exact_svm_transaction_failed'])
      expect(answer.text).not.toContain(CONTENT)
      expect(answer.header('Set-Cookie')).toBeNull()
      // Nor later, here or elsewhere.
      const again = await ask(headers)
      expect(again.status).toBe(402)
      expect(again.text).not.toContain(CONTENT)
      expect(await shop.ledger(reader.address)).toEqual([])
    },
    40_000,
  )

  test.concurrent('a success that nobody has sent is no outcome', async () => {
    const reader = await newReader()
    const headers = await header('v2', reader)
    lie(reader, praise)
    const answer = await ask(headers)
    expect([answer.status, answer.error]).toEqual([503, 'settlement_pending'])
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text).not.toContain(CONTENT)
  }, 40_000)
})
