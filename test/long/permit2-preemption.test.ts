// Preemption by Permit2: anybody who sees a permit may settle it, in whatever way the contracts allow, and anybody may write the
// token's log of a transfer of nothing.
import { createTestClient, encodeFunctionData, http, parseAbi, publicActions, walletActions } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXACT_PROXY } from '../../dev/stack/exact-proxy.ts'
import { addressOf, PLAIN_TOKEN } from '../../dev/stack/permit2.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { says } from '../world/behaviour.ts'
import { atSettle, permitBehaviours } from '../world/permit2-behaviour.ts'
import { settleCall, settlePermit } from '../world/permit2-on-chain.ts'
import { payByPermit, type SignedPermit } from '../world/permit2-payer.ts'
import { openPermitShop, type PermitShop, POLYGON } from '../world/permit2-shop.ts'
import { PRICE } from '../world/shop.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const SPAM = 40
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

const facilitator = permitBehaviours()
let shop: PermitShop

beforeAll(async () => {
  shop = await openPermitShop({}, { hook: facilitator.hook })
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, CONTENT)
})
afterAll(() => shop.close())

const abi = parseAbi(['function transferFrom(address from, address to, uint256 amount) returns (bool)'])

/** Puts the permit's settlement into a block behind many transfers of nothing from its payer to its payee, which cost their sender no more than the gas. */
async function settleBehindDust(signed: SignedPermit): Promise<void> {
  const client = createTestClient({ mode: 'anvil', transport: http(shop.stack.chain.rpcUrl) })
    .extend(publicActions)
    .extend(walletActions)
  const { from, to } = signed.permit
  const dust = encodeFunctionData({ abi, functionName: 'transferFrom', args: [from, to, 0n] })
  const send = (to: `0x${string}`, data: `0x${string}`) =>
    client.sendTransaction({ account: wallets.deployer.address, chain: null, to, data, gas: 200_000n })
  await client.setAutomine(false)
  await client.setIntervalMining({ interval: 0 })
  for (let i = 0; i < SPAM; i++) await send(addressOf(PLAIN_TOKEN), dust)
  const hash = await send(EXACT_PROXY, settleCall(signed))
  await client.mine({ blocks: 1 })
  const receipt = await client.getTransactionReceipt({ hash })
  expect(receipt.status).toBe('success')
  expect(receipt.transactionIndex).toBe(SPAM)
  await client.setAutomine(true)
  await client.setIntervalMining({ interval: 1 })
}

/** The same signature in other bytes: both are good for Permit2. */
const twinOf = (signature: `0x${string}`): `0x${string}` => {
  const s = (ORDER - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, '0')
  return `0x${signature.slice(2, 66)}${s}${signature.endsWith('1b') ? '1c' : '1b'}`
}
const compactOf = (signature: `0x${string}`): `0x${string}` => {
  const s = BigInt(`0x${signature.slice(66, 130)}`) | (signature.endsWith('1c') ? 1n << 255n : 0n)
  return `0x${signature.slice(2, 66)}${s.toString(16).padStart(64, '0')}`
}

describe('a stranger settles a permit first, after our claim', () => {
  test.each<[string, (signed: SignedPermit) => Promise<void>]>([
    ['behind transfers of nothing in the same block', settleBehindDust],
    [
      'with the other s of its signature',
      (signed) => settlePermit(shop.stack.chain, { ...signed, signature: twinOf(signed.signature) }),
    ],
    [
      'with its signature in 64 bytes',
      (signed) => settlePermit(shop.stack.chain, { ...signed, signature: compactOf(signed.signature) }),
    ],
  ])('%s: its reader is served, charged once, and in the ledger', async (_, settle) => {
    const reader = await shop.reader()
    facilitator.set(
      reader.address,
      atSettle(async (proceed, signed) => settle(signed).then(proceed)),
    )
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([answer.status, answer.text]).toEqual([200, CONTENT])
    expect(cost.earned).toBe(PRICE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    expect((await shop.ask(OTHER, { headers })).status).toBe(402)
  })
})

test.each([
  ['when it has looked', false],
  ['before it looks, and finds it settled', true],
])(
  'a facilitator that settles what it is only asked about, %s: its reader has paid, and is served',
  async (_, isFirst) => {
    const reader = await shop.reader()
    facilitator.set(reader.address, async (proceed, signed, path) => {
      if (path !== '/verify') return proceed()
      if (isFirst) await settlePermit(shop.stack.chain, signed)
      const said = await proceed()
      if (!isFirst) await settlePermit(shop.stack.chain, signed)
      return said
    })
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([answer.status, answer.text]).toEqual([200, CONTENT])
    expect(cost.earned).toBe(PRICE)
  },
)

test('a facilitator names a wrong transaction, and it had landed all the same: found', async () => {
  const reader = await shop.reader()
  const wrong = {
    success: false,
    errorReason: 'settlement_pending',
    transaction: `0x${'77'.repeat(32)}`,
    network: POLYGON,
  }
  facilitator.set(
    reader.address,
    atSettle((proceed) => proceed().then(says(wrong))),
  )
  const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, reader))
  expect(answer.text).toBe(CONTENT)
  expect(cost.earned).toBe(PRICE)
})
