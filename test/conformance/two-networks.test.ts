// One wallet on two networks is one payer: what it bought on one it does not pay for on the other. A contract at the same
// address on another network is somebody else.
import type { Address } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployContractWallet, USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { type Answer, send } from '../world/answer.ts'
import { type Network, startFacilitatorFor, startNetwork } from '../world/networks.ts'
import { type Change, sign, wrap } from '../world/payer.ts'
import { PRICE } from '../world/shop.ts'
import { signIn, signInOf } from '../world/sign-in.ts'
import { type Site, startSite } from '../world/site.ts'

const CONTENT = 'the whole article'
const PAGE = '/articles/hello'
const OTHER = '/articles/other'
/** Development keys are no payees of real networks. */
const payTo = privateKeyToAccount(generatePrivateKey()).address
let base: Network
let polygon: Network
let facilitator: Awaited<ReturnType<typeof startFacilitatorFor>>
let site: Site

beforeAll(async () => {
  base = await startNetwork('eip155:8453')
  polygon = await startNetwork('eip155:137')
  facilitator = await startFacilitatorFor([base, polygon])
  const networks = [base, polygon]
  site = await startSite({
    PAY_TO: { eip155: payTo },
    NETWORKS: networks.map(({ asset }) => asset.network),
    FACILITATORS: [facilitator.facilitator.url],
    RPC_URLS: Object.fromEntries(networks.map(({ asset, chain }) => [asset.network, chain.rpcUrl])),
    ROUTES: [
      { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
      { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
    ],
  })
  for (const path of [PAGE, OTHER, '/once/a']) await site.kv.put(path, CONTENT)
})

afterAll(async () => {
  await site.stop()
  await facilitator.stop()
  await Promise.all([base.chain.stop(), polygon.chain.stop()])
})

/** Where the networks stand in `accepts`. */
const ON_BASE = { offer: 0 }
const ON_POLYGON = { offer: 1 }

const ask = (path: string, headers: Record<string, string> = {}): Promise<Answer> => send(site.url + path, { headers })

async function payment(path: string, signer: PrivateKeyAccount, change: Change): Promise<Record<string, string>> {
  const { challenge } = await ask(path)
  return wrap('v2', challenge, await sign('v2', challenge, signer, change), change)
}

/** A reader with a dollar on each network. */
async function newReader(): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(generatePrivateKey())
  for (const network of [base, polygon]) await network.fund(account.address, 1_000_000n)
  return account
}

const spent = async (address: Address) => [
  1_000_000n - (await base.balance(address)),
  1_000_000n - (await polygon.balance(address)),
]

async function ledger(payer: Address): Promise<string[]> {
  const query = site.db.prepare('SELECT network FROM payments WHERE payer = ? ORDER BY settled_at_seconds')
  const { results } = await query.bind(payer.toLowerCase()).all()
  return results.map(({ network }) => String(network))
}

test('the tokens are those of the table, on both networks', async () => {
  expect((await ask(PAGE)).challenge.v2.accepts).toMatchObject([
    { network: 'eip155:8453', asset: base.asset.asset },
    { network: 'eip155:137', asset: polygon.asset.asset },
  ])
  expect([base.asset.asset, polygon.asset.asset]).not.toContain(USDC)
})

test.each([
  ['Base', 'Polygon', ON_BASE, ON_POLYGON, [PRICE, 0n]],
  ['Polygon', 'Base', ON_POLYGON, ON_BASE, [0n, PRICE]],
] as const)('bought on %s and asked for with a payment on %s: not settled', async (_, __, first, second, cost) => {
  const reader = await newReader()
  expect((await ask(PAGE, await payment(PAGE, reader, first))).text).toBe(CONTENT)
  const next = await payment(PAGE, reader, second)
  expect((await ask(PAGE, next)).text).toBe(CONTENT)
  expect(await spent(reader.address)).toEqual(cost)
  await expect.poll(() => ledger(reader.address)).toHaveLength(1)
  // It counts as used all the same, there and elsewhere.
  for (const path of [PAGE, OTHER]) {
    expect((await ask(path, next)).error).toBe('payment_already_used')
  }
  expect(await spent(reader.address)).toEqual(cost)
})

test('one payment on each network at once for one article: one of them is settled', async () => {
  const reader = await newReader()
  const both = [await payment(PAGE, reader, ON_BASE), await payment(PAGE, reader, ON_POLYGON)]
  const answers = await Promise.all(both.map((headers) => ask(PAGE, headers)))
  expect(answers.map(({ text }) => text)).toEqual([CONTENT, CONTENT])
  const [onBase = 0n, onPolygon = 0n] = await spent(reader.address)
  expect(onBase + onPolygon).toBe(PRICE)
  await expect.poll(() => ledger(reader.address)).toHaveLength(1)
})

test('one nonce on both networks is two payments', async () => {
  const reader = await newReader()
  const nonce = generatePrivateKey()
  for (const on of [ON_BASE, ON_POLYGON]) {
    const headers = await payment('/once/a', reader, { ...on, signed: { nonce } })
    expect((await ask('/once/a', headers)).text).toBe(CONTENT)
  }
  expect(await spent(reader.address)).toEqual([PRICE, PRICE])
  await expect.poll(() => ledger(reader.address)).toHaveLength(2)
})

/** A contract of a stranger on Polygon, at the address of somebody's key. */
async function impostor(address: Address): Promise<PrivateKeyAccount> {
  const stranger = privateKeyToAccount(generatePrivateKey())
  const wallet = await deployContractWallet(polygon.chain, wallets.bob.address)
  await polygon.disguise(address, wallet, stranger.address)
  return stranger
}

test('a stranger’s contract at the buyer’s address on another network owns nothing', async () => {
  const reader = await newReader()
  expect((await ask(PAGE, await payment(PAGE, reader, ON_BASE))).text).toBe(CONTENT)
  const stranger = await impostor(reader.address)
  const change = { ...ON_POLYGON, signed: { from: reader.address } }
  // It pays for itself, from the money at its own address.
  expect((await ask(PAGE, await payment(PAGE, stranger, change))).text).toBe(CONTENT)
  expect(await spent(reader.address)).toEqual([PRICE, PRICE])
})

test('a stranger’s contract without money gets nothing for the buyer’s purchase', async () => {
  const reader = privateKeyToAccount(generatePrivateKey())
  await base.fund(reader.address, PRICE)
  expect((await ask(PAGE, await payment(PAGE, reader, ON_BASE))).text).toBe(CONTENT)
  const stranger = await impostor(reader.address)
  const change = { ...ON_POLYGON, signed: { from: reader.address } }
  const answer = await ask(PAGE, await payment(PAGE, stranger, change))
  expect(answer.status).toBe(402)
  expect(answer.error).toBe('insufficient_funds')
  expect(answer.text).not.toContain(CONTENT)
})

test('a stranger’s contract takes no identifier away', async () => {
  const reader = await newReader()
  const stranger = await impostor(reader.address)
  const identifier = 'a-name-for-one-payment'
  const change = { ...ON_POLYGON, identifier, signed: { from: reader.address } }
  expect((await ask(PAGE, await payment(PAGE, stranger, change))).text).toBe(CONTENT)
  const headers = await payment(PAGE, reader, { ...ON_BASE, identifier })
  for (let time = 0; time < 2; time++) expect((await ask(PAGE, headers)).text).toBe(CONTENT)
  expect(await spent(reader.address)).toEqual([PRICE, PRICE])
})

test('one key has an identifier once, on whichever network it pays', async () => {
  const reader = await newReader()
  const identifier = 'a-name-for-two-payments'
  const headers = await payment(PAGE, reader, { ...ON_BASE, identifier })
  const first = await ask(PAGE, headers)
  expect(first.text).toBe(CONTENT)
  const conflict = await ask(PAGE, await payment(PAGE, reader, { ...ON_POLYGON, identifier }))
  expect(conflict.status).toBe(409)
  expect(conflict.error).toBe('payment_identifier_conflict')
  const again = await ask(PAGE, headers)
  expect(again.text).toBe(CONTENT)
  expect(again.header('PAYMENT-RESPONSE')).toBe(first.header('PAYMENT-RESPONSE'))
  expect(await spent(reader.address)).toEqual([PRICE, 0n])
})

/** A sign-in on Polygon at a page, under an address. */
async function comeBack(path: string, signer: PrivateKeyAccount, address: Address): Promise<Answer> {
  const { challenge } = await ask(path)
  return ask(path, await signIn(signInOf(challenge), signer, { signed: { address, chainId: 'eip155:137' } }))
}

test('the buyer signs in on the other network, and a stranger’s contract at the same address does not', async () => {
  const reader = await newReader()
  expect((await ask(PAGE, await payment(PAGE, reader, ON_BASE))).text).toBe(CONTENT)
  const stranger = await impostor(reader.address)
  const refused = await comeBack(PAGE, stranger, reader.address)
  expect(refused.status).toBe(402)
  expect(refused.error).toBe('invalid_siwx_signature')
  expect(refused.headers.getSetCookie()).toEqual([])
  expect((await comeBack(PAGE, reader, reader.address)).text).toBe(CONTENT)
})

test('a stranger’s contract signs in to what it bought itself, and gets nothing of the buyer’s with it', async () => {
  const reader = await newReader()
  expect((await ask(PAGE, await payment(PAGE, reader, ON_BASE))).text).toBe(CONTENT)
  const stranger = await impostor(reader.address)
  const change = { ...ON_POLYGON, signed: { from: reader.address } }
  expect((await ask(OTHER, await payment(OTHER, stranger, change))).text).toBe(CONTENT)
  const refused = await comeBack(PAGE, stranger, reader.address)
  expect(refused.status).toBe(402)
  expect(refused.error).toBe('sign_in_nothing_bought')
  const back = await comeBack(OTHER, stranger, reader.address)
  expect(back.text).toBe(CONTENT)
  const Cookie = back.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  expect((await ask(OTHER, { Cookie })).text).toBe(CONTENT)
  expect((await ask(PAGE, { Cookie })).error).toBe('payment_required')
})
