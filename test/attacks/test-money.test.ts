// A site that was tried out with test money at its own address, and now sells for real money, as docs/deploy.md has it by hand.
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Network, startFacilitatorFor, startNetwork } from '../world/networks.ts'
import { pay } from '../world/payer.ts'
import { NOTHING, openShop, type Shop } from '../world/shop.ts'
import { signIn, signInOf } from '../world/sign-in.ts'

const CONTENT = 'the whole article'
const PAGE = '/articles/hello'
const OTHER = '/articles/other'
let shop: Shop
let real: Network
let facilitator: Awaited<ReturnType<typeof startFacilitatorFor>>
let account: PrivateKeyAccount
let pass: string
/** Signed before, for what was asked then, and not sent yet. */
let unsent: Record<string, string>

beforeAll(async () => {
  const ROUTES = [{ path: '/articles/*', content: 'kv', price: '$1', access: '365d' }]
  shop = await openShop({ ROUTES, PAY_TO: { eip155: privateKeyToAccount(generatePrivateKey()).address } })
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, CONTENT)
  account = await shop.reader()
  const bought = await shop.buy('v2', PAGE, account)
  expect(bought.status).toBe(200)
  pass = bought.pass
  unsent = await pay('v2', await shop.challenge(OTHER), await shop.reader())
  real = await startNetwork('eip155:8453')
  facilitator = await startFacilitatorFor([real])
  await shop.site.become({
    NETWORKS: [real.asset.network],
    FACILITATORS: [facilitator.facilitator.url],
    RPC_URLS: { [real.asset.network]: real.chain.rpcUrl },
  })
})

afterAll(async () => {
  await shop.close()
  await facilitator.stop()
  await real.chain.stop()
})

test('a pass that was bought with test money opens nothing that is sold for real money', async () => {
  const answer = await shop.ask(PAGE, { headers: { Cookie: pass } })
  expect([answer.status, answer.text]).not.toEqual([200, CONTENT])
})

test('who has bought with test money signs in to nothing that is sold for real money', async () => {
  const challenge = await shop.challenge(PAGE)
  const answer = await shop.ask(PAGE, { headers: await signIn(signInOf(challenge), account) })
  expect([answer.status, answer.text]).not.toEqual([200, CONTENT])
})

test('a price that was asked for in test money is paid by it no more', async () => {
  const { result: answer, cost } = await shop.costOf(() => shop.ask(OTHER, { headers: unsent }))
  expect([answer.status, cost]).toEqual([402, NOTHING])
})
