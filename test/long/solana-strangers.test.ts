// Amplification on Solana, where keys cost nothing: good signatures of wallets that are empty, from one address.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Answer } from '../world/answer.ts'
import { refuses } from '../world/behaviour.ts'
import { askedOf } from '../world/solana-on-chain.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const ARTICLE = '/articles/hello'
/** Twice the `simple.limit` of FAILED_PAYMENTS in wrangler.toml, and some more: a minute may end in between. */
const TRIES = 220
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put(ARTICLE, 'the whole article')
  // The site knows who pays fees by now.
  await shop.challengeOnSolana(ARTICLE)
})
afterEach(() => shop.stack.facilitator.setHook(undefined))
afterAll(() => shop.close())

const empty = async () =>
  paySolana('v2', shop.solana, await shop.challengeOnSolana(ARTICLE), await shop.readerOnSolana(0n))

test('an address whose wallets on Solana are all empty is soon told to wait, and nobody is asked any more', async () => {
  let asked = 0
  shop.stack.facilitator.setHook(async ({ path }, proceed) => {
    if (path !== '/settle') return proceed()
    asked += 1
    return refuses('invalid_exact_svm_transaction_simulation_failed')()
  })
  const from = { 'CF-Connecting-IP': '203.0.113.40' }
  const answers: Answer[] = []
  for (let i = 0; i < TRIES; i += 10) {
    answers.push(
      ...(await Promise.all(
        Array.from({ length: 10 }, async () => shop.ask(ARTICLE, { headers: { ...(await empty()), ...from } })),
      )),
    )
  }
  const told = answers.filter(({ status }) => status === 429).length
  expect(told).toBeGreaterThan(0)
  expect(told + answers.filter(({ status }) => status === 402).length).toBe(TRIES)
  expect(asked).toBe(TRIES - told)
  const before = { objects: await shop.site.objects(), calls: askedOf(shop.solana) }
  expect((await shop.ask(ARTICLE, { headers: { ...(await empty()), ...from } })).status).toBe(429)
  expect({ objects: await shop.site.objects(), calls: askedOf(shop.solana) }).toEqual(before)
  expect(asked).toBe(TRIES - told)
})
