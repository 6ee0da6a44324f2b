// What a facilitator may answer to /settle, and what a reader is told of it.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { wallets } from '../../dev/stack/wallets.ts'
import { type Behaviour, behaviours, refuses, says } from '../world/behaviour.ts'
import { broadcast } from '../world/on-chain.ts'
import { type Change, pay, sign, VERSIONS, wrap } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'

const PAGE = '/articles/hello'
const facilitator = behaviours()
/** A payment that says nothing of the page it is for. */
const UNNAMED: Change = { echo: false, payment: { resource: undefined } }

let shop: Shop

beforeAll(async () => {
  shop = await openShop({}, { hook: facilitator.hook })
  await shop.site.kv.put(PAGE, 'the whole article')
  await shop.site.kv.put('/articles/other', 'the other article')
})

afterAll(() => shop.close())

async function readerMeeting(behaviour: Behaviour): Promise<PrivateKeyAccount> {
  const reader = await shop.reader()
  facilitator.set(reader.address, behaviour)
  return reader
}

describe.each(VERSIONS)('in %s', (version) => {
  describe.each([
    ['invalid_exact_evm_insufficient_balance', 'insufficient_funds'],
    ['insufficient_funds', 'insufficient_funds'],
    ['invalid_exact_evm_payload_authorization_valid_before', 'invalid_exact_evm_payload_authorization_valid_before'],
    ['unsupported_scheme', 'unexpected_settle_error'],
  ])('refused for sure with %s', (said, told) => {
    test('the content is withheld, with a fresh challenge', async () => {
      const reader = await readerMeeting(refuses(said))
      const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, reader))
      expect(answer.status).toBe(402)
      expect(answer.error).toBe(told)
      expect(answer.challenge.v2.accepts).toHaveLength(1)
      expect(answer.receipt).toMatchObject({ success: false, errorReason: told, transaction: '' })
      expect(answer.receiptV1?.success).toBe(version === 'v1' ? false : undefined)
      expect(answer.text).not.toContain('the whole article')
      expect(answer.text + JSON.stringify(answer.receipt)).not.toContain('unsupported')
      expect(answer.header('Set-Cookie')).toBeNull()
      expect(cost).toEqual({ ...NOTHING, settles: 1 })
      expect(await shop.ledger(reader.address)).toEqual([])
    })
  })

  test('refused, and sent again when the reader owns the thing by another payment: it brings the content once', async () => {
    const reader = await readerMeeting(refuses('insufficient_funds'))
    const headers = await pay(version, await shop.challenge(PAGE), reader)
    expect((await shop.ask(PAGE, { headers })).status).toBe(402)
    facilitator.set(reader.address, null)
    expect((await shop.buy(version, PAGE, reader)).status).toBe(200)
    const { result, cost } = await shop.costOf(async () => [
      await shop.ask(PAGE, { headers }),
      await shop.ask(PAGE, { headers }),
    ])
    const [first, second] = result
    expect(first?.text).toBe('the whole article')
    expect(second?.error).toBe('payment_already_used')
    expect(cost).toEqual(NOTHING)
  })

  test.each([
    'kyt_risk_detected',
    'invalid_exact_evm_payload_authorization_from_address_kyt',
    'request_blocked_by_location',
  ])('refused for policy with %s: 403, and no new challenge', async (reason) => {
    const reader = await readerMeeting(refuses(reason))
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, reader))
    expect(answer.status).toBe(403)
    expect(answer.error).toBe('payment_refused')
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.text + JSON.stringify(answer.receipt)).not.toMatch(/kyt|location/)
    expect(answer.text).not.toContain('accepts')
    expect(cost).toEqual({ ...NOTHING, settles: 1 })
  })

  test.each<[string, Behaviour]>([
    [
      'an error',
      async (proceed) => ({ status: (await proceed()).status + 300, body: { error: 'database is locked' } }),
    ],
    ['a page', async (proceed) => ({ ...(await proceed()), status: 502, body: '<html>Bad Gateway</html>' })],
    ['nothing', (proceed) => proceed().then(() => 'drop')],
    ['something that is no JSON', async (proceed) => ({ ...(await proceed()), body: '{"success":tr' })],
    ['an open outcome', (proceed) => proceed().then(refuses('settlement_pending'))],
    ['a timeout', (proceed) => proceed().then(refuses('settle_exact_evm_transaction_confirmation_timed_out'))],
    [
      'the success of another payer',
      async (proceed) => {
        const { status, body } = await proceed()
        return { status, body: { ...Object(body), payer: wallets.alice.address } }
      },
    ],
  ])('settled, but answered with %s: the chain tells, and the content is served', async (_, behaviour) => {
    const reader = await readerMeeting(behaviour)
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, reader))
    expect(answer.status).toBe(200)
    expect(answer.text).toBe('the whole article')
    expect(answer.receipt).toMatchObject({ success: true, transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/) })
    expect(cost).toEqual(ONE_SALE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })

  test('settled by a stranger who saw it on its way: it is paid, and served', async () => {
    const reader = await readerMeeting(async (proceed, { authorization, signature }) => {
      await broadcast(shop.stack.chain, { authorization, signature })
      return proceed()
    })
    const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, reader))
    expect(answer.status).toBe(200)
    expect(cost).toEqual(ONE_SALE)
  })

  test('used on chain before this site saw it: it buys nothing, here or elsewhere', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const signed = await sign(version, challenge, reader)
    await broadcast(shop.stack.chain, signed)
    const { cost } = await shop.costOf(async () => {
      for (const path of [PAGE, PAGE, '/articles/other']) {
        const answer = await shop.ask(path, { headers: wrap(version, challenge, signed, UNNAMED) })
        expect(answer.status).toBe(402)
        expect(answer.error).toBe('payment_already_used')
        expect(answer.receipt).toMatchObject({ success: false, errorReason: 'payment_already_used' })
        expect(answer.text).not.toMatch(/the (whole|other) article/)
      }
    })
    expect(cost).toMatchObject({ earned: 0n, verifies: 0 })
    expect(await shop.ledger(reader.address)).toEqual([])
  })

  describe('the same payment while the first is in flight', () => {
    async function together(change: { identifier?: string }) {
      const arrived = Promise.withResolvers<void>()
      const gate = Promise.withResolvers<void>()
      const reader = await readerMeeting(async (proceed) => {
        arrived.resolve()
        await gate.promise
        return proceed()
      })
      const headers = await pay(version, await shop.challenge(PAGE), reader, change)
      const { result, cost } = await shop.costOf(async () => {
        const first = shop.ask(PAGE, { headers })
        await arrived.promise
        const second = shop.ask(PAGE, { headers })
        // A third question that is answered shows that the second has been asked.
        await shop.challenge(PAGE)
        gate.resolve()
        return Promise.all([first, second])
      })
      expect(cost).toEqual(ONE_SALE)
      return result
    }

    test('waits for its outcome, and is used up then', async () => {
      const answers = await together({})
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 402])
      expect(answers.find(({ status }) => status === 402)?.error).toBe('payment_already_used')
    })

    test('waits for its outcome, and gets the content by its identifier', async () => {
      const answers = await together({ identifier: `in-flight-together-${version}` })
      expect(answers.map(({ status, text }) => `${status} ${text}`)).toEqual([
        '200 the whole article',
        '200 the whole article',
      ])
      expect(answers[0]?.receipt).toEqual(answers[1]?.receipt)
    })
  })

  test('one payment at two articles at once buys one of them', async () => {
    const headers = await pay(version, await shop.challenge(PAGE), await shop.reader(), UNNAMED)
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all([shop.ask(PAGE, { headers }), shop.ask('/articles/other', { headers })]),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 402])
    expect(answers.find(({ status }) => status === 402)?.error).toBe('payment_already_used')
    expect(cost).toEqual(ONE_SALE)
  })

  test('two payments of one reader for one article at once: one is settled, both get it', async () => {
    const arrived = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    const reader = await readerMeeting(async (proceed) => {
      arrived.resolve()
      await gate.promise
      return proceed()
    })
    const challenge = await shop.challenge(PAGE)
    const [a, b] = [await pay(version, challenge, reader), await pay(version, challenge, reader)]
    const { result: answers, cost } = await shop.costOf(async () => {
      const first = shop.ask(PAGE, { headers: a })
      await arrived.promise
      const second = shop.ask(PAGE, { headers: b })
      await shop.challenge(PAGE)
      gate.resolve()
      return Promise.all([first, second])
    })
    expect(answers.map(({ text }) => text)).toEqual(['the whole article', 'the whole article'])
    expect(cost).toEqual(ONE_SALE)
    expect(await shop.stack.chain.balance(reader.address)).toBe(1_000_000n - PRICE)
  })
})

test('what the facilitator is sent is built by the site, and holds nothing of the client’s', async () => {
  const bodies: string[] = []
  shop.stack.facilitator.setHook(async (call, proceed) => {
    bodies.push(JSON.stringify(call.body))
    return proceed()
  })
  const change = { payment: { note: 'smuggled' }, accepted: { extra: { name: 'smuggled', version: '2' } } }
  const answer = await shop.buy('v2', PAGE, await shop.reader(), change)
  shop.stack.facilitator.setHook(facilitator.hook)
  expect(answer.status).toBe(200)
  expect(bodies).toHaveLength(1)
  expect(bodies[0]).not.toContain('smuggled')
})

test('a failure that lies about a success is none', async () => {
  const reader = await readerMeeting(says({ success: false, errorReason: 'invalid_payload', transaction: '' }))
  const answer = await shop.buy('v2', PAGE, reader)
  expect(answer.status).toBe(402)
  expect(answer.receipt?.success).toBe(false)
})
