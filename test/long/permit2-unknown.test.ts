// Permits whose outcome nobody can tell at once: nothing is served, charged again or asked for again meanwhile.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wallets } from '../../dev/stack/wallets.ts'
import { says } from '../world/behaviour.ts'
import { atSettle, permitBehaviours } from '../world/permit2-behaviour.ts'
import { approve, burnElsewhere, invalidate, settleWrapped, transfer } from '../world/permit2-on-chain.ts'
import { payByPermit, type SignedPermit } from '../world/permit2-payer.ts'
import { openPermitShop, type PermitShop, POLYGON } from '../world/permit2-shop.ts'
import { PRICE } from '../world/shop.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = 'the whole article'
const WEALTH = 1_000_000n

const facilitator = permitBehaviours()
let shop: PermitShop

beforeAll(async () => {
  shop = await openPermitShop({}, { hook: facilitator.hook })
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, CONTENT)
})
afterAll(() => shop.close())

const settlesOf = ({ address }: PrivateKeyAccount) => facilitator.calls(address).filter((path) => path === '/settle')
const spent = async ({ address }: PrivateKeyAccount) => WEALTH - (await shop.balance(address))

/** The permit of a reader, in whose settlement somebody is faster than the facilitator. */
async function meeting(trick: (reader: PrivateKeyAccount, signed: SignedPermit) => Promise<unknown>) {
  const reader = await shop.reader()
  facilitator.set(
    reader.address,
    atSettle((proceed, signed) => trick(reader, signed).then(proceed)),
  )
  return { reader, headers: await payByPermit(await shop.challenge(PAGE), reader) }
}

describe.concurrent('while it settles, the payer', () => {
  test.each<[string, bigint, (reader: PrivateKeyAccount, signed: SignedPermit) => Promise<unknown>]>([
    ['takes the nonce back', 0n, (reader, { permit }) => invalidate(shop.stack.chain, reader, permit.nonce)],
    [
      'spends the nonce on something else',
      0n,
      (reader, signed) => burnElsewhere(shop.stack.chain, reader, signed, reader.address),
    ],
    [
      'takes the nonce back beside a transfer of the price by hand',
      PRICE,
      async (reader, { permit }) => {
        await transfer(shop.stack.chain, reader, permit.to, permit.amount)
        await invalidate(shop.stack.chain, reader, permit.nonce)
      },
    ],
    ['takes the approval back', 0n, (reader) => approve(shop.stack.chain, reader, 0n)],
    [
      'empties the wallet',
      WEALTH,
      async (reader) => transfer(shop.stack.chain, reader, wallets.bob.address, await shop.balance(reader.address)),
    ],
  ])('%s: it reads nothing', async (_, moved, trick) => {
    const { reader, headers } = await meeting(trick)
    for (const path of [PAGE, PAGE, OTHER]) {
      const answer = await shop.ask(path, { headers })
      expect([402, 503]).toContain(answer.status)
      expect(answer.text).not.toContain(CONTENT)
      if (answer.status === 503) expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    }
    expect(await spent(reader)).toBe(moved)
    expect(await shop.ledger(reader.address)).toEqual([])
  })
})

test.concurrent('a stranger settles it through another contract: while nobody knows, a second permit is not sent', async () => {
  const { reader, headers } = await meeting((_, signed) => settleWrapped(shop.stack.chain, [signed]))
  for (const payment of [headers, await payByPermit(await shop.challenge(PAGE), reader)]) {
    const answer = await shop.ask(PAGE, { headers: payment })
    expect([answer.status, answer.error]).toEqual([503, 'settlement_pending'])
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  }
  expect(settlesOf(reader)).toHaveLength(1)
  expect(await spent(reader)).toBe(PRICE)
})

test.concurrent.each([
  ['as it stands', (hash: string) => hash],
  ['in capitals', (hash: string) => `0x${hash.slice(2).toUpperCase()}`],
])('a facilitator names the transaction of another permit of this payer (%s): it is not believed', async (_, spell) => {
  const reader = await shop.reader()
  const first = await shop.buy(PAGE, reader)
  expect(first.text).toBe(CONTENT)
  const transaction = spell(first.receipt?.transaction ?? '')
  facilitator.set(reader.address, atSettle(says({ success: true, transaction, network: POLYGON })))
  const answer = await shop.buy(OTHER, reader)
  expect([answer.status, answer.error]).toEqual([503, 'settlement_pending'])
  expect(await spent(reader)).toBe(PRICE)
  expect(await shop.ledger(reader.address)).toHaveLength(1)
})

test('a token is not sold any more when the ledger comes back: what was sold is in it as it was sold', async () => {
  const reader = await shop.reader()
  await shop.site.hideLedger(true)
  expect((await shop.buy(PAGE, reader)).text).toBe(CONTENT)
  await shop.site.become({ ASSETS: {}, ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05' }] })
  await shop.site.hideLedger(false)
  await expect.poll(() => shop.ledger(reader.address), { timeout: 60_000 }).toHaveLength(1)
  const sold = { symbol: 'PLAIN', currency: 'EUR', decimals: 6, amount: PRICE.toString(), remark: null }
  expect(await shop.ledger(reader.address)).toMatchObject([sold])
})
