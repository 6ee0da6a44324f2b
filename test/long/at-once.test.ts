// Many payments at the same time, on a chain that mines at once and on one with a block every two seconds, as on Base.
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wallets } from '../../dev/stack/wallets.ts'
import { type Site, startSite } from '../world/site.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { stockPayment } from '../world/stock.ts'

const MANY = 100
const PRICE = 50_000n
const ARTICLE = '/articles/hello'

describe.each([
  ['instant blocks', 'instant' as const],
  ['a block every two seconds', 2],
])('on a chain with %s', (_, blockTime) => {
  let stack: Stack
  let site: Site

  beforeAll(async () => {
    stack = await startStack({ blockTime })
    site = await startSite({
      FACILITATORS: [stack.facilitator.url],
      RPC_URLS: { 'eip155:84532': stack.chain.rpcUrl },
    })
    await site.kv.put(ARTICLE, 'the whole article')
  })

  afterAll(async () => {
    await site.stop()
    await stack.stop()
  })

  const ask = (headers: Record<string, string> = {}) => fetch(`${site.url}${ARTICLE}`, { headers })
  const earned = () => stack.chain.balance(wallets.publisher.address)
  const ledgerRows = () => site.db.prepare('SELECT count(*) AS n FROM payments').first<number>('n')

  async function newReader() {
    const account = privateKeyToAccount(generatePrivateKey())
    await stack.chain.fund(account.address, PRICE)
    return account
  }

  async function atOnce(payments: string[]) {
    const before = {
      settle: stack.facilitator.counts.settle,
      verify: stack.facilitator.counts.verify,
      earned: await earned(),
    }
    const answers = await Promise.all(
      payments.map(async (payment) => {
        const response = await ask({ 'PAYMENT-SIGNATURE': payment })
        return { status: response.status, text: await response.text() }
      }),
    )
    return {
      answers,
      settled: stack.facilitator.counts.settle - before.settle,
      verified: stack.facilitator.counts.verify - before.verify,
      earned: (await earned()) - before.earned,
    }
  }

  const contents = (answers: { status: number; text: string }[]) =>
    answers.filter(({ status, text }) => status === 200 && text === 'the whole article')

  test(`${MANY} identical payments: one settlement, one content`, async () => {
    const payment = await stockPayment(await ask(), await newReader())
    const outcome = await atOnce(Array.from({ length: MANY }, () => payment))
    expect(outcome).toMatchObject({ settled: 1, verified: 0, earned: PRICE })
    expect(contents(outcome.answers)).toHaveLength(1)
    const others = outcome.answers.filter(({ status }) => status !== 200)
    expect(others).toHaveLength(MANY - 1)
    for (const { text } of others) expect(text).toMatch(/"error":"payment_(already_used|in_progress)"/)
  })

  test(`${MANY} identical payments with a payment-identifier: one settlement, the content for each`, async () => {
    const payment = await stockPayment(await ask(), await newReader(), 'an-identifier-of-the-client')
    const outcome = await atOnce(Array.from({ length: MANY }, () => payment))
    expect(outcome).toMatchObject({ settled: 1, verified: 0, earned: PRICE })
    expect(contents(outcome.answers)).toHaveLength(MANY)
  })

  test(`${MANY} payers: ${MANY} settlements, ${MANY} contents, ${MANY} rows in the ledger`, async () => {
    const before = (await ledgerRows()) ?? 0
    const readers = []
    for (let i = 0; i < MANY; i++) readers.push(await newReader())
    const challenge = await ask()
    const payments = await Promise.all(readers.map((reader) => stockPayment(challenge, reader)))
    const outcome = await atOnce(payments)
    expect(contents(outcome.answers)).toHaveLength(MANY)
    expect(outcome).toMatchObject({ settled: MANY, verified: 0, earned: PRICE * BigInt(MANY) })
    await expect.poll(ledgerRows, { timeout: 5_000 }).toBe(before + MANY)
  })

  test('ten signatures of one reader for one article: one settlement, ten contents', async () => {
    const reader = await newReader()
    await stack.chain.fund(reader.address, PRICE * 9n)
    const challenge = await ask()
    const payments = await Promise.all(Array.from({ length: 10 }, () => stockPayment(challenge, reader)))
    const outcome = await atOnce(payments)
    expect(contents(outcome.answers)).toHaveLength(10)
    expect(outcome).toMatchObject({ settled: 1, earned: PRICE })
  })
})
