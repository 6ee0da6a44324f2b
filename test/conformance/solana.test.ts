// Selling on Solana beside Base: the challenge, a purchase by the stock clients of both versions, and what is paid once.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { NETWORK, openShop, type Shop } from '../world/shop.ts'
import { type SolanaStack, startSolanaStack } from '../world/stack.ts'

const ARTICLE = '/articles/hello'
let stack: SolanaStack
let shop: Shop

beforeAll(async () => {
  stack = await startSolanaStack()
  shop = await openShop(
    {
      NETWORKS: [NETWORK, SOLANA_NETWORK],
      PAY_TO: { eip155: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8', solana: solanaWallets.publisher.address },
      RPC_URLS: { [NETWORK]: stack.chain.rpcUrl, [SOLANA_NETWORK]: stack.solana.rpcUrl },
    },
    { stack },
  )
  await shop.site.kv.put(ARTICLE, 'the article', { metadata: { contentType: 'text/plain' } })
})
afterAll(async () => {
  await shop.close()
  await stack.stop()
})

describe('the challenge', () => {
  test('offers both networks, with who pays the fee and a memo on Solana', async () => {
    const answer = await shop.ask(ARTICLE)
    console.log(
      answer.status,
      answer.headers.get('PAYMENT-REQUIRED')?.length,
      JSON.stringify(JSON.parse(atob(answer.headers.get('PAYMENT-REQUIRED') ?? '')), null, 1),
    )
    console.log(JSON.stringify(JSON.parse(answer.text), null, 1), shop.site.logs.join('\n'))
    expect(answer.status).toBe(402)
  })
})
