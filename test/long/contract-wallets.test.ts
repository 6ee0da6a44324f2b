// Contract wallets (ERC-1271): a facilitator is asked first whether the signature is good. What it may say, with a Safe.
import type { Address } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { behaviours, says } from '../world/behaviour.ts'
import { broadcast } from '../world/on-chain.ts'
import { otherVersion, sign, VERSIONS, wrap } from '../world/payer.ts'
import { type Cost, NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'
import { installWallets, safeOfKey, type Wallet } from '../world/smart-wallets.ts'

const PAGE = '/articles/hello'
const POOR = 'insufficient_funds'
const facilitator = behaviours()
let shop: Shop

beforeAll(async () => {
  shop = await openShop({}, { hook: facilitator.hook })
  await installWallets(shop.stack.chain)
  await shop.site.kv.put(PAGE, 'the whole article')
  await shop.site.kv.put('/articles/other', 'the other article')
})

afterAll(() => shop.close())

const ONE_PROVEN_SALE: Cost = { ...ONE_SALE, verifies: 1 }
const ONE_QUESTION: Cost = { ...NOTHING, verifies: 1 }

async function safe(funds = 1_000_000n): Promise<{ wallet: Wallet; from: Address }> {
  const { wallet, deploy } = safeOfKey(shop.stack.chain, await shop.reader(0n))
  await deploy()
  if (funds > 0n) await shop.stack.chain.fund(wallet.address, funds)
  return { wallet, from: wallet.address }
}

describe.each(VERSIONS)('in %s', (version) => {
  test('is asked about, settled and served', async () => {
    const { wallet, from } = await safe()
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, wallet))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('the whole article')
    expect(answer.receipt).toMatchObject({ success: true, payer: from.toLowerCase() })
    expect(cost).toEqual(ONE_PROVEN_SALE)
    expect(facilitator.calls(from)).toEqual(['/verify', '/settle'])
    await expect.poll(() => shop.ledger(from)).toHaveLength(1)
  })

  test('signed by anybody but its owner is refused before it is settled', async () => {
    const { from } = await safe()
    const stranger = await shop.reader()
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, stranger, { signed: { from } }))
    expect(answer.status).toBe(402)
    expect(answer.error).toBe('invalid_exact_evm_payload_signature')
    expect(answer.receipt?.success).toBe(false)
    expect(answer.challenge.v2.accepts).toHaveLength(1)
    expect(cost).toEqual(ONE_QUESTION)
    expect(await shop.stack.chain.balance(from)).toBe(1_000_000n)
  })

  test('with too little in it is refused before it is settled', async () => {
    const { wallet } = await safe(PRICE - 1n)
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, wallet))
    expect(answer.status).toBe(402)
    expect(answer.error).toBe('insufficient_funds')
    expect(cost).toEqual(ONE_QUESTION)
  })

  test('refused for policy is a 403, and no new challenge', async () => {
    const { wallet, from } = await safe()
    facilitator.set(from, says({ isValid: false, invalidReason: 'kyt_risk_detected' }))
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, wallet))
    expect(answer.status).toBe(403)
    expect(answer.error).toBe('payment_refused')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(cost).toEqual(ONE_QUESTION)
  })

  test.each([
    ['there', PAGE, version],
    ['at another article', '/articles/other', version],
    ['in the other wrapping', PAGE, otherVersion(version)],
  ])('once used buys nothing %s', async (_, path, wrapping) => {
    const { wallet } = await safe()
    const challenge = await shop.challenge(PAGE)
    const signed = await sign(version, challenge, wallet)
    const first = await shop.ask(PAGE, { headers: wrap(version, challenge, signed) })
    expect(first.status).toBe(200)
    const { result: answer, cost } = await shop.costOf(() =>
      shop.ask(path, { headers: wrap(wrapping, challenge, signed, { echo: false }) }),
    )
    expect(answer.status).toBe(402)
    expect(answer.error).toBe('payment_already_used')
    expect(answer.receipt).toMatchObject({ success: false, transaction: first.receipt?.transaction })
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  test('gets the content again by its identifier', async () => {
    const { wallet } = await safe()
    const identifier = `wallet-identifier-${version}`
    const challenge = await shop.challenge(PAGE)
    const signed = await sign(version, challenge, wallet)
    const headers = wrap(version, challenge, signed, { identifier })
    const first = await shop.ask(PAGE, { headers })
    const { result: again, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(again.status).toBe(200)
    expect(again.receipt).toEqual(first.receipt)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  test('with a junk signature over a used nonce learns nothing and gets nothing', async () => {
    const { wallet } = await safe()
    const challenge = await shop.challenge(PAGE)
    const signed = await sign(version, challenge, wallet)
    const identifier = `wallet-stolen-name-${version}`
    expect((await shop.ask(PAGE, { headers: wrap(version, challenge, signed, { identifier }) })).status).toBe(200)
    const junk = wrap(version, challenge, signed, { identifier, signature: () => `0x${'11'.repeat(65)}` })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers: junk }))
    expect(answer.status).toBe(402)
    expect(answer.text).not.toContain('the whole article')
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  describe.each<[string, (from: Address) => void]>([
    ['goes down', (from) => facilitator.set(from, says({ error: 'out of order' }, 500))],
    ['falls silent', (from) => facilitator.set(from, async () => 'drop')],
    [
      'says that the wallet is too poor',
      (from) => facilitator.set(from, says({ isValid: false, invalidReason: POOR })),
    ],
  ])('paid, where the facilitator %s meanwhile', (reason, change) => {
    const isRefusing = reason.startsWith('says')

    async function paid(identifier?: string) {
      const { wallet, from } = await safe(PRICE)
      const challenge = await shop.challenge(PAGE)
      const signed = await sign(version, challenge, wallet)
      const named = identifier === undefined ? {} : { identifier }
      const headers = wrap(version, challenge, signed, named)
      return { from, challenge, signed, headers }
    }

    test('a payment with an identifier is recognised, and brings the content again', async () => {
      const { from, headers } = await paid(`wallet ${reason} ${version}`.replaceAll(' ', '-'))
      const first = await shop.ask(PAGE, { headers })
      expect(first.status).toBe(200)
      change(from)
      const { result: again, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(again.text).toBe('the whole article')
      expect(again.receipt).toEqual(first.receipt)
      expect(cost).toEqual(NOTHING)
    })

    test('a payment that landed after its 503 is recognised, and brings the content', async () => {
      const { from, signed, headers } = await paid()
      shop.stack.facilitator.setHook(async ({ path }, proceed) => (path === '/verify' ? proceed() : 'drop'))
      const first = await shop.ask(PAGE, { headers })
      shop.stack.facilitator.setHook(facilitator.hook)
      expect(first.status).toBe(503)
      await broadcast(shop.stack.chain, signed)
      change(from)
      const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(answer.text).toBe('the whole article')
      expect(answer.receipt?.success).toBe(true)
      expect(cost).toEqual(NOTHING)
      await expect.poll(() => shop.ledger(from)).toHaveLength(1)
    })

    test('a used payment is known for what it is, there and elsewhere', async () => {
      const { from, headers } = await paid()
      expect((await shop.ask(PAGE, { headers })).status).toBe(200)
      change(from)
      const { cost } = await shop.costOf(async () => {
        for (const path of [PAGE, '/articles/other']) {
          const answer = await shop.ask(path, { headers })
          expect(answer.status).toBe(402)
          expect(answer.error).toBe('payment_already_used')
        }
      })
      expect(cost).toEqual(NOTHING)
    })

    test('another signature over the same nonce is not recognised', async () => {
      const identifier = `stolen ${reason} ${version}`.replaceAll(' ', '-')
      const { from, challenge, signed, headers } = await paid(identifier)
      expect((await shop.ask(PAGE, { headers })).status).toBe(200)
      change(from)
      const { result: answers, cost } = await shop.costOf(() =>
        Promise.all(
          [`0x${'11'.repeat(65)}`, `0x${'11'.repeat(96)}`, `${signed.signature}00`].map((signature) =>
            shop.ask(PAGE, { headers: wrap(version, challenge, signed, { identifier, signature: () => signature }) }),
          ),
        ),
      )
      for (const answer of answers) {
        expect(answer.status).toBe(isRefusing ? 402 : 503)
        expect(answer.text).not.toContain('the whole article')
        expect(answer.receipt?.success).not.toBe(true)
      }
      expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    })
  })
})
