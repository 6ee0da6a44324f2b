// Outcomes that a facilitator leaves open, or that only the chain can confirm: what the answer says, and what becomes of
// the payment. The tests run at the same time, since most have to wait.
import { createWalletClient, type Hex, http, publicActions } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inOrder } from '../../dev/stack/in-order.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import type { Answer } from '../world/answer.ts'
import { type Behaviour, behaviours, says } from '../world/behaviour.ts'
import { pay, VERSIONS, type Version } from '../world/payer.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../world/shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
const facilitator = behaviours()
const queue = inOrder()
let shop: Shop

beforeAll(async () => {
  shop = await openShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PAGE, CONTENT)
  await shop.site.kv.put('/articles/other', 'the other article')
})

afterAll(() => shop.close())

const failure = (errorReason: string, transaction: unknown) => ({
  status: 200,
  body: { success: false, errorReason, transaction, network: NETWORK },
})
const fails =
  (errorReason: string, transaction: unknown): Behaviour =>
  async () =>
    failure(errorReason, transaction)
/** Settles, and says that it failed; `isNamed`: in the transaction that settled it. */
const settlesAndFails =
  (errorReason: string, isNamed: boolean): Behaviour =>
  async (proceed) => {
    const { body } = await proceed()
    return failure(errorReason, isNamed ? Object(body).transaction : '')
  }

/** A transaction of the facilitator's that failed on the chain. */
async function reverted(): Promise<Hex> {
  const transport = http(shop.stack.chain.rpcUrl)
  const client = createWalletClient({ account: wallets.erin.account, transport, pollingInterval: 15 })
  // A call that the token does not know.
  const hash = await queue(() =>
    client.sendTransaction({ chain: null, to: shop.stack.chain.usdc, data: '0xdeadbeef', gas: 100_000n }),
  )
  const receipt = await client.extend(publicActions).waitForTransactionReceipt({ hash })
  if (receipt.status !== 'reverted') throw new Error('it went through')
  return hash
}

const spent = async (reader: { address: Hex }) => 1_000_000n - (await shop.stack.chain.balance(reader.address))

async function payingReader(version: Version, path = PAGE) {
  const reader = await shop.reader()
  const headers = await pay(version, await shop.challenge(path), reader)
  return { reader, show: () => shop.ask(path, { headers }) }
}

function expectOpen(answer: Answer): void {
  expect(answer.status).toBe(503)
  expect(answer.error).toBe('settlement_pending')
  expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  expect(answer.text).not.toContain('accepts')
  expect(answer.text).not.toContain(CONTENT)
  expect(answer.header('Set-Cookie')).toBeNull()
}

/** The answer once it is no longer open: within the hold of the first request, or of one of the next. */
async function decided(show: () => Promise<Answer>): Promise<Answer> {
  let answer = await show()
  for (let tries = 0; answer.status === 503 && tries < 2; tries++) {
    expectOpen(answer)
    answer = await show()
  }
  return answer
}

describe.concurrent.each(VERSIONS)('in %s', (version) => {
  test('settlement_pending with a transaction: it is named while nobody knows more', async ({ expect }) => {
    const { reader, show } = await payingReader(version)
    const transaction = `0x${'ab'.repeat(32)}`
    facilitator.set(reader.address, fails('settlement_pending', transaction))
    const answer = await show()
    expectOpen(answer)
    expect(answer.receipt).toMatchObject({ success: false, errorReason: 'settlement_pending', transaction })
    if (version === 'v1') expect(answer.receiptV1).toMatchObject({ errorReason: 'settlement_pending', transaction })
    expect(await spent(reader)).toBe(0n)
  })

  test('settlement_pending without one: the header says settlement_unknown', async ({ expect }) => {
    const { reader, show } = await payingReader(version)
    facilitator.set(reader.address, fails('settlement_pending', ''))
    const answer = await show()
    expectOpen(answer)
    expect(answer.receipt).toMatchObject({ success: false, errorReason: 'settlement_unknown', transaction: '' })
    expect(await spent(reader)).toBe(0n)
  })

  test('settlement_pending with a transaction that has landed: served', async ({ expect }) => {
    const { reader, show } = await payingReader(version)
    facilitator.set(reader.address, settlesAndFails('settlement_pending', true))
    const answer = await show()
    expect(answer.text).toBe(CONTENT)
    expect(answer.receipt).toMatchObject({ success: true, transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/) })
    expect(await spent(reader)).toBe(PRICE)
  })

  test('a refusal for policy that names a transaction which failed: 403 once that is certain', async ({ expect }) => {
    const { reader, show } = await payingReader(version)
    facilitator.set(reader.address, fails('invalid_exact_evm_payload_authorization_from_address_kyt', await reverted()))
    const answer = await decided(show)
    expect(answer.status).toBe(403)
    expect(answer.error).toBe('payment_refused')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text + JSON.stringify(answer.receipt)).not.toMatch(/kyt/)
    expect(await spent(reader)).toBe(0n)
    expect(await shop.ledger(reader.address)).toEqual([])
  })

  test('a refusal for policy that names a transaction which landed: it is paid, and served', async ({ expect }) => {
    const { reader, show } = await payingReader(version)
    facilitator.set(reader.address, settlesAndFails('kyt_risk_detected', true))
    const answer = await show()
    expect(answer.text).toBe(CONTENT)
    expect(await spent(reader)).toBe(PRICE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })

  test('a transaction that failed on chain: 402 once that is certain, and the next payment pays', async ({
    expect,
  }) => {
    const { reader, show } = await payingReader(version)
    facilitator.set(reader.address, fails('invalid_transaction_state', await reverted()))
    const answer = await decided(show)
    expect(answer.status).toBe(402)
    expect(answer.error).toBe('invalid_transaction_state')
    expect(answer.challenge.v2.accepts).toHaveLength(1)
    expect(answer.receipt).toMatchObject({ success: false, errorReason: 'invalid_transaction_state' })
    expect(await spent(reader)).toBe(0n)
    facilitator.set(reader.address, null)
    expect((await shop.buy(version, PAGE, reader)).text).toBe(CONTENT)
    expect(await spent(reader)).toBe(PRICE)
  })

  test('a failure that is said to be on chain, and is not: served', async ({ expect }) => {
    const { reader, show } = await payingReader(version)
    facilitator.set(reader.address, settlesAndFails('invalid_transaction_state', false))
    expect((await show()).text).toBe(CONTENT)
    expect(await spent(reader)).toBe(PRICE)
  })

  test('one transaction that is named for two payments pays one of them', async ({ expect }) => {
    const { reader, show } = await payingReader(version)
    const first = await show()
    expect(first.text).toBe(CONTENT)
    const transaction = first.receipt?.transaction
    facilitator.set(reader.address, says({ success: true, transaction, network: NETWORK }))
    const path = '/articles/other'
    const headers = await pay(version, await shop.challenge(path), reader)
    expectOpen(await shop.ask(path, { headers }))
    expect(facilitator.calls(reader.address)).toEqual(['/settle', '/settle'])
    expect(await spent(reader)).toBe(PRICE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)

    // The facilitator comes to its senses: the same payment is settled, and buys what it was for.
    facilitator.set(reader.address, null)
    const answer = await shop.ask(path, { headers })
    expect(answer.text).toBe('the other article')
    expect(answer.receipt?.transaction).not.toBe(transaction)
    expect(await spent(reader)).toBe(2n * PRICE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(2)
  })
})
