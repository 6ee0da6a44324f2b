// Spent nonces: one transaction pays for one article and spends the nonces of nine other payments on nothing. Then the
// nonce of each is used, and a transfer to the publisher lies beside it. One transfer may open one thing.
import { createPublicClient, http, parseAbi, parseEventLogs } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { USDC } from '../../dev/stack/chain.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { type Answer, send, served } from '../world/answer.ts'
import { type Behaviour, behaviours, says } from '../world/behaviour.ts'
import { openNaive } from '../world/naive.ts'
import { broadcastTogether } from '../world/on-chain.ts'
import { authorize, headerOf, paying, type Signed, unpack } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

const CONTENT = 'the whole article'
const ARTICLES = Array.from({ length: 10 }, (_, i) => `/articles/${i}`)
const away: Behaviour = async () => 'drop'
const facilitator = behaviours()
let shop: Shop

beforeAll(async () => {
  shop = await openShop()
  // It does not show that it is there: what it lost may have gone out, and nobody is held for it.
  shop.stack.facilitator.setHook((call, proceed) =>
    call.path === '/supported' ? says({}, 503)() : facilitator.hook(call, proceed),
  )
  for (const path of ARTICLES) await shop.site.kv.put(path, `${CONTENT} ${path}`)
})

afterAll(() => shop.close())

type Wish = { path: string; signed: Signed }

/** One payment for each article, shown while the facilitator is `missing`. Each gets its claim, and a 503. */
async function claimAll(payer: PrivateKeyAccount, missing: Behaviour, paths = ARTICLES): Promise<Wish[]> {
  facilitator.set(payer.address, missing)
  const wishes = await Promise.all(
    paths.map(async (path) => ({ path, signed: await authorize(payer, { value: PRICE }) })),
  )
  for (const answer of await showAll(wishes)) {
    expect(answer.status).toBe(503)
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text).not.toContain(CONTENT)
  }
  return wishes
}

const show = ({ path, signed }: Wish) => shop.ask(path, paying(headerOf(signed)))
const showAll = (wishes: readonly Wish[]): Promise<Answer[]> => Promise.all(wishes.map(show))

/** The nonce of a payment, spent on sending nothing to oneself. */
const spentOnNothing = (payer: PrivateKeyAccount, { authorization: { nonce } }: Signed) =>
  authorize(payer, { value: 0n, to: payer.address, nonce })

/** One transaction: the payment at `paid` is paid, and the nonces of the others are spent on nothing. */
async function spend(payer: PrivateKeyAccount, wishes: readonly Wish[], paid: number): Promise<void> {
  const all = wishes.map(({ signed }, i) => (i === paid ? signed : spentOnNothing(payer, signed)))
  await broadcastTogether(shop.stack.chain, await Promise.all(all))
}

const ledgerOf = async (payer: PrivateKeyAccount) =>
  (await shop.ledger(payer.address)).map(({ resource }) => resource).sort()

/** Shows what was not served until it is refused: a verdict against the payer waits until nothing can undo it. */
async function refusedInTheEnd(wish: Wish, first: Answer): Promise<void> {
  let answer = first
  for (let tries = 0; answer.status === 503 && tries < 3; tries++) answer = await show(wish)
  expect(answer.status).toBe(402)
  expect(answer.text).toContain('payment_already_used')
}

describe('against a shop that believes in a used nonce beside some transfer', () => {
  const abi = parseAbi([
    'event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)',
    'event Transfer(address indexed from, address indexed to, uint256 value)',
  ])

  /** "The nonce was used in this transaction, and in it we were sent the price." */
  async function looksPaid({ from, nonce }: Pick<Signed['authorization'], 'from' | 'nonce'>): Promise<boolean> {
    const client = createPublicClient({ transport: http(shop.stack.chain.rpcUrl), cacheTime: 0 })
    const uses = await client.getContractEvents({
      address: USDC,
      abi,
      eventName: 'AuthorizationUsed',
      args: { authorizer: from, nonce },
      fromBlock: 0n,
    })
    const hash = uses[0]?.transactionHash
    if (hash === undefined) return false
    const { logs } = await client.getTransactionReceipt({ hash })
    return parseEventLogs({ abi, eventName: 'Transfer', logs }).some(
      ({ args }) => args.to === wallets.publisher.address && args.value === PRICE,
    )
  }

  test.concurrent('ten articles are had for the price of one', async ({ expect }) => {
    const thief = await shop.reader(PRICE)
    facilitator.set(thief.address, away)
    const naive = await openNaive(shop, async ({ payment, settle }) => {
      if (payment === '') return null
      const isSettled = await settle(payment).catch(() => false)
      return isSettled || (await looksPaid(unpack(payment).payload.authorization)) ? CONTENT : null
    })
    const wishes = await Promise.all(
      ARTICLES.map(async (path) => ({ path, signed: await authorize(thief, { value: PRICE }) })),
    )
    await spend(thief, wishes, 0)
    const answers = await Promise.all(wishes.map(({ path, signed }) => send(naive + path, paying(headerOf(signed)))))
    expect(served(answers, CONTENT)).toBe(10)
  })
})

describe('here', () => {
  test.concurrent.for<[string, Behaviour, number]>([
    ['is away', away, 0],
    ['answers 500', says({ error: 'out of order' }, 500), 7],
  ])(
    'while the facilitator %s: what was paid is served, and nothing beside it',
    async ([, missing, paid], { expect }) => {
      const thief = await shop.reader(PRICE)
      const wishes = await claimAll(thief, missing)
      await spend(thief, wishes, paid)
      const answers = await showAll(wishes)
      expect(answers[paid]?.text).toBe(`${CONTENT} ${ARTICLES[paid]}`)
      expect(served(answers, CONTENT)).toBe(1)
      for (const [i, answer] of answers.entries()) if (i !== paid) expect([402, 503]).toContain(answer.status)
      const others = wishes.flatMap((wish, i) => (i === paid ? [] : [{ wish, answer: answers[i] }]))
      await Promise.all(others.map(({ wish, answer }) => answer && refusedInTheEnd(wish, answer)))
      await expect.poll(() => ledgerOf(thief)).toEqual([ARTICLES[paid]])
      expect(await shop.stack.chain.balance(thief.address)).toBe(0n)
    },
  )

  test.concurrent('a wallet that has nothing, and pays for nothing, is served nothing', async ({ expect }) => {
    const thief = await shop.reader(0n)
    const wishes = await claimAll(thief, away, ARTICLES.slice(0, 3))
    await spend(thief, wishes, -1)
    const answers = await showAll(wishes)
    expect(served(answers, CONTENT)).toBe(0)
    for (const [i, wish] of wishes.entries()) if (answers[i]) await refusedInTheEnd(wish, answers[i])
    expect(await ledgerOf(thief)).toEqual([])
  })

  test.concurrent('where nobody comes back, the ledger has what was paid, and nothing beside it', async ({
    expect,
  }) => {
    const thief = await shop.reader(PRICE)
    const wishes = await claimAll(thief, away)
    await spend(thief, wishes, 4)
    await expect.poll(() => ledgerOf(thief), { timeout: 100_000, interval: 1_000 }).toEqual([ARTICLES[4]])
    const answers = await showAll(wishes)
    expect(answers[4]?.text).toBe(`${CONTENT} ${ARTICLES[4]}`)
    expect(served(answers, CONTENT)).toBe(1)
    expect(await ledgerOf(thief)).toEqual([ARTICLES[4]])
  })

  test.concurrent('payments that are all real and land in one transaction are all served', async ({ expect }) => {
    const reader = await shop.reader(5n * PRICE)
    const paths = ARTICLES.slice(0, 5)
    const wishes = await claimAll(reader, away, paths)
    await broadcastTogether(
      shop.stack.chain,
      wishes.map(({ signed }) => signed),
    )
    const answers = await showAll(wishes)
    expect(answers.map(({ text }) => text)).toEqual(paths.map((path) => `${CONTENT} ${path}`))
    await expect.poll(() => ledgerOf(reader)).toEqual(paths)
    for (const wish of wishes) expect((await show(wish)).status).toBe(402)
    expect(await shop.stack.chain.balance(reader.address)).toBe(0n)
  })
})
