// Amplification on Solana, where keys cost nothing: good signatures of wallets that are empty, from one address.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import type { Answer } from '../world/answer.ts'
import { says } from '../world/behaviour.ts'
import { signSolana, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const ARTICLE = '/articles/hello'
/** Twice the `simple.limit` of FAILED_PAYMENTS in wrangler.toml, and some more: a minute may end in between. */
const TRIES = 220
const REFUSED = {
  success: false,
  errorReason: 'invalid_exact_svm_transaction_simulation_failed',
  transaction: '',
  network: SOLANA_NETWORK,
}
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put(ARTICLE, 'the whole article')
  // The site knows who pays fees by now.
  await shop.challengeOnSolana(ARTICLE)
})
afterEach(() => shop.stack.facilitator.setHook(undefined))
afterAll(() => shop.close())

/** All that a node was asked, but for what readers ask themselves. */
const callsToNode = () => {
  const { getLatestBlockhash: _, ...calls } = shop.solana.calls
  return calls
}

async function empty(): Promise<Record<string, string>> {
  const challenge = await shop.challengeOnSolana(ARTICLE)
  return wrapSolana('v2', challenge, await signSolana(shop.solana, challenge, await shop.readerOnSolana(0n)))
}

test('an address whose wallets on Solana are all empty is soon told to wait, and nobody is asked any more', async () => {
  let asked = 0
  shop.stack.facilitator.setHook(async ({ path }, proceed) => {
    if (path !== '/settle') return proceed()
    asked += 1
    return says(REFUSED)()
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
  const before = { objects: await shop.site.objects(), calls: callsToNode() }
  expect((await shop.ask(ARTICLE, { headers: { ...(await empty()), ...from } })).status).toBe(429)
  expect({ objects: await shop.site.objects(), calls: callsToNode() }).toEqual(before)
  expect(asked).toBe(TRIES - told)
})
