// Tokens without EIP-3009, paid by Permit2: what is offered, bought, refused, and what becomes of a payment nobody has heard of.
import { decodePaymentResponseHeader } from '@x402/core/http'
import { wrapFetchWithPayment } from '@x402/fetch'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSigner, wrapFetchWithPayment as wrapV1 } from 'x402-fetch'
import { addressOf, mint, OTHER_TOKEN, PLAIN_TOKEN } from '../../dev/stack/permit2.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { refuses, says } from '../world/behaviour.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, type Signer } from '../world/payer.ts'
import { atSettle, type PermitBehaviour, permitBehaviours } from '../world/permit2-behaviour.ts'
import { approve, approveByCode, burnElsewhere, invalidate, isUsed, settlePermit } from '../world/permit2-on-chain.ts'
import { type PermitChange, payByPermit, permitChallenge, signPermit, wrapPermit } from '../world/permit2-payer.ts'
import { openPermitShop, type PermitShop, POLYGON } from '../world/permit2-shop.ts'
import { type Cost, NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { signIn, signInOf } from '../world/sign-in.ts'
import { installWallets, safeOfKey } from '../world/smart-wallets.ts'
import { stockClientFor } from '../world/stock.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const BOTH = '/both/hello'
const ONCE = '/once/hello'
const ASK = '/api/ask'
const CONTENT = 'the whole article'
const TOKEN = { network: POLYGON, asset: addressOf(PLAIN_TOKEN) } as const
/** Only the chain knows of the approval, and a facilitator looks at it when it verifies. */
const ONE_PERMIT_SALE: Cost = { ...ONE_SALE, verifies: 1 }
const ONE_QUESTION: Cost = { ...NOTHING, verifies: 1 }

const facilitator = permitBehaviours()
let origin: OriginServer
let shop: PermitShop

beforeAll(async () => {
  origin = await startOrigin()
  origin.tell(() => ({ body: 'high tide' }))
  const kv = { content: 'kv', access: '24h' }
  const ROUTES = [
    { ...kv, path: '/articles/*', price: '€0.05' },
    { ...kv, path: '/once/*', price: '€0.05', access: 'once' },
    { ...kv, path: '/both/*', price: ['$0.05', '€0.05'] },
    { path: ASK, methods: ['POST'], price: '€0.05', access: 'once' },
  ]
  shop = await openPermitShop({ ROUTES, ORIGIN_URL: origin.url }, { hook: facilitator.hook })
  await installWallets(shop.stack.chain)
  for (const path of [PAGE, OTHER, BOTH, ONCE]) await shop.site.kv.put(path, CONTENT)
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

async function readerMeeting(behaviour: PermitBehaviour): Promise<PrivateKeyAccount> {
  const reader = await shop.reader()
  facilitator.set(reader.address, behaviour)
  return reader
}

/** A wallet with code that can pay once. */
async function poorSafe(): Promise<Signer> {
  const { chain } = shop.stack
  const safe = safeOfKey(chain, await shop.reader({ funds: 0n, isApproved: false }))
  await safe.deploy()
  await mint(chain, safe.wallet.address, PRICE)
  await approveByCode(chain, safe.wallet.address)
  return safe.wallet
}

const spent = async ({ address }: PrivateKeyAccount) => 1_000_000n - (await shop.balance(address))

describe('is offered', () => {
  test('in v2 as what the client needs, and in the body of v1 not at all', async () => {
    const answer = await shop.ask(PAGE)
    expect(answer.status).toBe(402)
    expect(permitChallenge(answer).accepts).toMatchObject([
      { network: POLYGON, asset: TOKEN.asset, amount: PRICE.toString(), payTo: shop.payTo },
    ])
    expect(answer.challenge.v1.accepts).toEqual([])
    expect(answer.text).not.toContain('permit2')
    expect(answer.header('PAYMENT-REQUIRED')?.length).toBeLessThan(2_048)
  })

  test('beside dollars, with which both versions pay as ever', async () => {
    const answer = await shop.ask(BOTH)
    expect(permitChallenge(answer).accepts).toHaveLength(1)
    const { v1, v2 } = answer.challenge
    for (const accepts of [v1.accepts, v2.accepts]) expect(accepts).toMatchObject([{ asset: shop.usdc.asset.asset }])
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, PRICE)
    expect((await shop.ask(BOTH, { headers: await pay('v2', answer.challenge, reader) })).text).toBe(CONTENT)
    expect(await shop.usdc.balance(reader.address)).toBe(0n)
    expect(await spent(reader)).toBe(0n)
  })

  test('in a way that the stock client of v1 is not led astray by: it pays dollars, or nothing', async () => {
    const key = generatePrivateKey()
    const reader = privateKeyToAccount(key)
    await shop.usdc.fund(reader.address, PRICE * 2n)
    await mint(shop.stack.chain, reader.address, PRICE)
    const buy = wrapV1(fetch, await createSigner('polygon', key))
    const { cost } = await shop.costOf(async () => {
      expect(await (await buy(shop.site.url + BOTH)).text()).toBe(CONTENT)
      await expect(buy(shop.site.url + PAGE)).rejects.toThrow()
    })
    expect(await shop.usdc.balance(reader.address)).toBe(PRICE)
    expect(cost).toEqual({ earned: 0n, settles: 1, verifies: 0 })
  })
})

describe('is bought', () => {
  test('once: served, with its receipt and its pass, in the ledger, and never charged again', async () => {
    const reader = await shop.reader()
    const payer = reader.address.toLowerCase()
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([answer.status, answer.text]).toEqual([200, CONTENT])
    expect(answer.receipt).toMatchObject({ success: true, network: POLYGON, payer })
    expect(answer.receipt?.transaction).toMatch(/^0x[0-9a-f]{64}$/)
    expect(cost).toEqual(ONE_PERMIT_SALE)
    expect(await spent(reader)).toBe(PRICE)

    const receipt = await shop.ask(`/_newsstand/receipts/${answer.receipt?.transaction}`, {
      headers: { Cookie: answer.pass, Accept: 'application/json' },
    })
    expect(receipt.json).toMatchObject({ transaction: answer.receipt?.transaction })
    const { cost: later } = await shop.costOf(async () => {
      expect((await shop.ask(PAGE, { headers: { Cookie: answer.pass } })).text).toBe(CONTENT)
      const again = await shop.ask(PAGE, { headers })
      expect([again.status, again.error]).toEqual([402, 'payment_already_used'])
      expect(again.receipt).toMatchObject({ success: false, transaction: answer.receipt?.transaction })
      expect((await shop.ask(OTHER, { headers })).error).toBe('payment_already_used')
    })
    expect(later).toEqual(NOTHING)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    expect(await shop.ledger(reader.address)).toMatchObject([
      {
        payer,
        network: POLYGON,
        scheme: 'exact',
        asset: TOKEN.asset,
        symbol: PLAIN_TOKEN.symbol,
        currency: 'EUR',
        decimals: 6,
        amount: PRICE.toString(),
        pay_to: shop.payTo,
        transaction: answer.receipt?.transaction,
        remark: null,
      },
    ])
  })

  test('who owns it signs another permit and is not charged for it', async () => {
    const reader = await shop.reader()
    expect((await shop.buy(PAGE, reader)).text).toBe(CONTENT)
    const challenge = await shop.challenge(PAGE)
    const next = await signPermit(challenge, reader)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers: wrapPermit(challenge, next) }))
    expect(answer.text).toBe(CONTENT)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    expect(await isUsed(shop.stack.chain, next)).toBe(false)
    expect((await shop.ask(OTHER, { headers: wrapPermit(challenge, next, { echo: false }) })).status).toBe(402)
    expect(await spent(reader)).toBe(PRICE)
  })

  test('by the stock client, where it is told that the token is fine; then it is free', async () => {
    const reader = await shop.reader()
    const buy = wrapFetchWithPayment(fetch, stockClientFor(reader, TOKEN))
    const { result: bought, cost } = await shop.costOf(() => buy(shop.site.url + PAGE))
    expect(await bought.text()).toBe(CONTENT)
    expect(decodePaymentResponseHeader(bought.headers.get('PAYMENT-RESPONSE') ?? '')).toMatchObject({
      success: true,
      payer: reader.address.toLowerCase(),
    })
    expect(cost).toEqual(ONE_PERMIT_SALE)
    expect(await (await buy(shop.site.url + PAGE)).text()).toBe(CONTENT)
    expect(await spent(reader)).toBe(PRICE)
  })

  test('and delivered again by its identifier, which belongs to this payment and this page', async () => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(ONCE)
    const signed = await signPermit(challenge, reader)
    const identifier = 'an-identifier-of-a-permit'
    const headers = wrapPermit(challenge, signed, { identifier })
    const first = await shop.ask(ONCE, { headers })
    expect(first.text).toBe(CONTENT)
    const { cost } = await shop.costOf(async () => {
      for (let time = 0; time < 2; time++) {
        const again = await shop.ask(ONCE, { headers })
        expect(again.text).toBe(CONTENT)
        expect(again.receipt).toEqual(first.receipt)
      }
      const another = await payByPermit(challenge, reader, { identifier })
      expect((await shop.ask(ONCE, { headers: another })).error).toBe('payment_identifier_conflict')
      expect((await shop.ask(ONCE, { headers: wrapPermit(challenge, signed) })).error).toBe('payment_already_used')
    })
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    expect(await spent(reader)).toBe(PRICE)
  })

  test('and owned: by a sign-in as well, and beside the other token in which it is sold', async () => {
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, PRICE)
    expect((await shop.buy(BOTH, reader)).text).toBe(CONTENT)
    const { challenge } = await shop.ask(BOTH)
    const { cost } = await shop.costOf(async () => {
      const headers = await signIn(signInOf(challenge), reader)
      expect((await shop.ask(BOTH, { headers })).text).toBe(CONTENT)
      expect((await shop.ask(BOTH, { headers: await pay('v2', challenge, reader) })).text).toBe(CONTENT)
    })
    expect(cost).toEqual(NOTHING)
    expect(await shop.usdc.balance(reader.address)).toBe(PRICE)
    expect(await spent(reader)).toBe(PRICE)
  })

  test('and known after the worker has been killed: what was bought, and what may be tried again', async () => {
    const [buyer, late] = [await shop.reader(), await readerMeeting(atSettle(refuses('permit2_allowance_required')))]
    const challenge = await shop.challenge(ONCE)
    const identifier = 'an-identifier-that-outlives'
    const bought = await payByPermit(challenge, buyer, { identifier })
    const refused = await payByPermit(challenge, late)
    const first = await shop.ask(ONCE, { headers: bought })
    expect(first.text).toBe(CONTENT)
    expect((await shop.ask(ONCE, { headers: refused })).status).toBe(412)
    await shop.site.kill()
    facilitator.set(late.address, null)
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask(ONCE, { headers: bought }),
      await shop.ask(ONCE, { headers: refused }),
      await shop.ask(ONCE, { headers: refused }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 402])
    expect(answers[0]?.receipt).toEqual(first.receipt)
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
    expect([await spent(buyer), await spent(late)]).toEqual([PRICE, PRICE])
  })

  test('before it is carried out, where a method does something', async () => {
    const question = { method: 'POST', body: 'when?' }
    const unpaid = permitChallenge(await shop.ask(ASK, question))
    expect(unpaid.accepts[0]?.extra).toEqual({ assetTransferMethod: 'permit2', paymentFlow: 'upfront' })
    const seen = origin.seen.length
    const headers = await payByPermit(unpaid, await shop.reader())
    const { result: statuses, cost } = await shop.costOf(async () => {
      const all: number[] = []
      for (let time = 0; time < 2; time++) all.push((await shop.ask(ASK, { ...question, headers })).status)
      return all
    })
    expect(statuses).toEqual([200, 402])
    expect(origin.seen).toHaveLength(seen + 1)
    expect(cost).toEqual(ONE_PERMIT_SALE)
  })

  test('by a wallet with code, whose contract Permit2 asks; a stranger signs nothing for it', async () => {
    const { chain } = shop.stack
    const owner = await shop.reader({ funds: 0n, isApproved: false })
    const safe = safeOfKey(chain, owner)
    await safe.deploy()
    const stranger = await shop.reader()
    const { result: refused, cost } = await shop.costOf(() =>
      shop.buy(PAGE, stranger, { signed: { from: safe.wallet.address } }),
    )
    expect([refused.status, refused.error]).toEqual([402, 'invalid_permit2_signature'])
    expect(cost).toEqual(ONE_QUESTION)
    await mint(chain, safe.wallet.address, 1_000_000n)
    expect((await shop.buy(PAGE, safe.wallet)).error).toBe('permit2_allowance_required')
    await approveByCode(chain, safe.wallet.address)
    const { result: bought, cost: price } = await shop.costOf(() => shop.buy(PAGE, safe.wallet))
    expect(bought.text).toBe(CONTENT)
    expect(price).toEqual(ONE_PERMIT_SALE)
    await expect.poll(() => shop.ledger(safe.wallet.address)).toHaveLength(1)
  })

  test('not by a wallet that is not on the chain yet: Permit2 creates none', async () => {
    const { chain } = shop.stack
    const safe = safeOfKey(chain, await shop.reader({ funds: 0n, isApproved: false }))
    await mint(chain, safe.undeployed.address, PRICE)
    const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, safe.undeployed))
    expect([answer.status, answer.error]).toEqual([402, 'invalid_permit2_signature'])
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })
})

describe('without an approval', () => {
  test.each([
    ['none', 0n],
    ['one of too little', PRICE - 1n],
  ])('(%s): 412 with a fresh challenge, and after the approval the same payment is taken', async (_, amount) => {
    const { chain } = shop.stack
    const reader = await shop.reader({ isApproved: false })
    if (amount > 0n) await approve(chain, reader, amount)
    const challenge = await shop.challenge(PAGE)
    const signed = await signPermit(challenge, reader)
    const headers = wrapPermit(challenge, signed)
    const objects = await shop.site.objects()
    const { result: refused, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([refused.status, refused.error]).toEqual([412, 'permit2_allowance_required'])
    expect(permitChallenge(refused)).toMatchObject({ error: 'permit2_allowance_required', accepts: [{}] })
    expect(refused.receipt).toMatchObject({ success: false, errorReason: 'permit2_allowance_required' })
    expect(refused.header('Cache-Control')).toBe('no-store')
    expect(refused.header('Set-Cookie')).toBeNull()
    expect(refused.text).not.toContain(CONTENT)
    expect(cost).toEqual(ONE_QUESTION)
    // Nothing was claimed: the payer has no record yet.
    expect(await shop.site.objects()).toBe(objects)

    await approve(chain, reader)
    const { result: bought, cost: price } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect(bought.text).toBe(CONTENT)
    expect(price).toEqual(ONE_PERMIT_SALE)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    expect(await spent(reader)).toBe(PRICE)
  })

  test.each(['permit2_allowance_required', 'invalid_exact_evm_permit2_payload_allowance_required'])(
    'said only when it is settled (%s): 412, and the same payment is taken afterwards',
    async (reason) => {
      const reader = await readerMeeting(atSettle(refuses(reason)))
      const headers = await payByPermit(await shop.challenge(PAGE), reader)
      const refused = await shop.ask(PAGE, { headers })
      expect([refused.status, refused.error]).toEqual([412, 'permit2_allowance_required'])
      expect(permitChallenge(refused).accepts).toHaveLength(1)
      expect(await shop.ledger(reader.address)).toEqual([])
      facilitator.set(reader.address, null)
      const { result: bought, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(bought.text).toBe(CONTENT)
      expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
    },
  )
})

test('extensions that sponsor the approval are neither offered nor handed on', async () => {
  const reader = await shop.reader({ isApproved: false })
  const challenge = await shop.challenge(PAGE)
  expect(Object.keys(challenge.extensions).join()).not.toMatch(/sponsoring/i)
  const bodies: string[] = []
  shop.stack.facilitator.setHook(async (call, proceed) => {
    bodies.push(JSON.stringify(call.body))
    return facilitator.hook(call, proceed)
  })
  const sponsored = { eip2612GasSponsoring: { info: { from: reader.address, asset: TOKEN.asset } } }
  const answer = await shop.buy(PAGE, reader, { payment: { extensions: sponsored } })
  shop.stack.facilitator.setHook(facilitator.hook)
  expect([answer.status, answer.error]).toEqual([412, 'permit2_allowance_required'])
  expect(bodies).toHaveLength(1)
  expect(bodies.join()).not.toMatch(/sponsoring/i)
})

describe('what /verify refuses is known here all the same', () => {
  test.each<[string, () => Promise<PrivateKeyAccount>]>([
    ['has nothing left', () => shop.reader({ funds: PRICE })],
    [
      'has taken the approval back',
      async () => {
        const reader = await shop.reader({ isApproved: false })
        await approve(shop.stack.chain, reader, PRICE)
        return reader
      },
    ],
  ])('who owns it and %s signs another permit, and reads on', async (_, newReader) => {
    const reader = await newReader()
    expect((await shop.buy(PAGE, reader)).text).toBe(CONTENT)
    const challenge = await shop.challenge(PAGE)
    const next = await signPermit(challenge, reader)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers: wrapPermit(challenge, next) }))
    expect([answer.status, answer.text]).toEqual([200, CONTENT])
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    // It counts as used here.
    expect((await shop.ask(OTHER, { headers: wrapPermit(challenge, next, { echo: false }) })).error).toBe(
      'payment_already_used',
    )
  })

  test.each<[string, () => Promise<Signer>]>([
    ['by a key', () => shop.reader({ funds: PRICE })],
    ['by a wallet with code', poorSafe],
  ])(
    'signed %s and sent twice at once: settled while /verify looks at the second, it is not refused',
    async (_, who) => {
      const [second, settled] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let verifies = 0
      const reader = await who()
      facilitator.set(reader.address, async (proceed, _, path) => {
        if (path === '/settle') {
          const reply = await proceed()
          settled.resolve()
          return reply
        }
        // The first is answered once the second is asked about, so neither is known when that is.
        if (++verifies === 1) await second.promise
        else {
          second.resolve()
          await settled.promise
        }
        return proceed()
      })
      const headers = await payByPermit(await shop.challenge(ONCE), reader)
      const answers = await Promise.all([shop.ask(ONCE, { headers }), shop.ask(ONCE, { headers })])
      const [served, other] = answers.toSorted((a, b) => a.status - b.status)
      expect(served?.text).toBe(CONTENT)
      expect([other?.status, other?.error]).toEqual([402, 'payment_already_used'])
      expect(other?.receipt).toMatchObject({ success: false, transaction: served?.receipt?.transaction })
      expect(facilitator.calls(reader.address)).toEqual(['/verify', '/verify', '/settle'])
    },
  )
})

describe('is refused', () => {
  const now = () => BigInt(Math.floor(Date.now() / 1000))
  test.each<[string, string, () => PermitChange]>([
    ['another spender', 'invalid_permit2_spender', () => ({ signed: { spender: wallets.bob.address } })],
    ['another payee', 'invalid_permit2_recipient_mismatch', () => ({ signed: { to: wallets.bob.address } })],
    ['too little', 'permit2_amount_mismatch', () => ({ signed: { amount: PRICE - 1n } })],
    ['too much', 'permit2_amount_mismatch', () => ({ signed: { amount: PRICE + 1n } })],
    ['nothing', 'permit2_amount_mismatch', () => ({ signed: { amount: 0n } })],
    ['another token', 'permit2_token_mismatch', () => ({ signed: { token: addressOf(OTHER_TOKEN) } })],
    ['dollars', 'permit2_token_mismatch', () => ({ signed: { token: shop.usdc.asset.asset } })],
    ['a deadline in the past', 'permit2_deadline_expired', () => ({ signed: { deadline: now() - 1n } })],
    ['a deadline at once', 'permit2_deadline_expired', () => ({ signed: { deadline: now() + 2n } })],
    ['a deadline in a month', 'permit2_deadline_expired', () => ({ signed: { deadline: now() + 31n * 86_400n } })],
    ['no time yet', 'permit2_not_yet_valid', () => ({ signed: { validAfter: now() + 60n } })],
  ])('where the permit is for %s: 402 with the reason, and no charge', async (_, reason, change) => {
    const reader = await shop.reader()
    const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, reader, change()))
    expect([answer.status, answer.error]).toEqual([402, reason])
    expect(answer.receipt).toMatchObject({ success: false, errorReason: reason, transaction: '', network: POLYGON })
    expect(permitChallenge(answer).accepts).toHaveLength(1)
    expect(answer.text).not.toContain(CONTENT)
    expect(answer.header('Set-Cookie')).toBeNull()
    expect(cost).toEqual(NOTHING)
    expect(await spent(reader)).toBe(0n)
  })

  test.each<[string, () => PermitChange]>([
    ['of another chain', () => ({ chainId: 1 })],
    [
      'of another amount than is sent',
      () => ({ signed: { amount: 1n }, sent: { permitted: { token: TOKEN.asset, amount: '50000' } } }),
    ],
    ['of another nonce than is sent', () => ({ sent: { nonce: '7' } })],
    ['of somebody else', () => ({ signed: { from: wallets.alice.address } })],
  ])('where the signature is %s', async (_, change) => {
    const reader = await shop.reader()
    const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, reader, change()))
    expect([answer.status, answer.error]).toEqual([402, 'invalid_permit2_signature'])
    expect(cost).toEqual(ONE_QUESTION)
    expect(await spent(reader)).toBe(0n)
  })

  test('where the wallet has too little', async () => {
    const reader = await shop.reader({ funds: PRICE - 1n })
    const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, reader))
    expect([answer.status, answer.error]).toEqual([402, 'insufficient_funds'])
    expect(cost).toEqual(ONE_QUESTION)
  })

  test('where the wallet has too little, and after it was topped up no longer: the same payment is taken', async () => {
    const reader = await shop.reader({ funds: PRICE - 1n })
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    expect((await shop.ask(PAGE, { headers })).error).toBe('insufficient_funds')
    await mint(shop.stack.chain, reader.address, 1n)
    expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['an authorization beside the permit', {}, { authorization: {} }],
    ['another field beside the permit', {}, { extra: '1' }],
    ['a number that is no text', { nonce: 7 }, {}],
    ['a number with a leading zero', { nonce: '007' }, {}],
    ['a number in hexadecimal', { deadline: '0xffffffff' }, {}],
    ['a number that is too big', { nonce: (2n ** 256n).toString() }, {}],
    ['no witness', { witness: undefined }, {}],
    ['another field in the permit', { facilitator: wallets.bob.address }, {}],
    ['no signature', {}, { signature: undefined }],
  ])('as malformed with %s', async (_, sent, payload) => {
    const reader = await shop.reader()
    const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, reader, { sent, payload }))
    expect([answer.status, answer.error]).toEqual([400, 'invalid_payload'])
    expect(cost).toEqual(NOTHING)
  })

  test('for policy: 403, and no new challenge', async () => {
    const reader = await readerMeeting(says({ isValid: false, invalidReason: 'kyt_risk_detected' }))
    const answer = await shop.buy(PAGE, reader)
    expect([answer.status, answer.error]).toEqual([403, 'payment_refused'])
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(await spent(reader)).toBe(0n)
  })

  test('by a facilitator for sure: the content is withheld', async () => {
    const reader = await readerMeeting(atSettle(refuses('permit2_insufficient_balance')))
    const answer = await shop.buy(PAGE, reader)
    expect([answer.status, answer.error]).toEqual([402, 'insufficient_funds'])
    expect(answer.text).not.toContain(CONTENT)
    expect(await shop.ledger(reader.address)).toEqual([])
  })
})

test('while no facilitator answers nothing is charged, and the same payment is good afterwards', async () => {
  const reader = await shop.reader()
  const headers = await payByPermit(await shop.challenge(PAGE), reader)
  shop.stack.facilitator.setHook(async () => 'drop')
  const answer = await shop.ask(PAGE, { headers })
  expect([answer.status, answer.error]).toEqual([503, 'facilitator_unavailable'])
  expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
  shop.stack.facilitator.setHook(facilitator.hook)
  expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
  expect(await spent(reader)).toBe(PRICE)
})

describe('settled, and nobody has heard of it: the chain tells', () => {
  test.each<[string, PermitBehaviour]>([
    ['nothing is answered', (proceed) => proceed().then(() => 'drop')],
    ['an error is answered', (proceed) => proceed().then(says({ error: 'database is locked' }, 500))],
    ['a page is answered', (proceed) => proceed().then(says('<html>Bad Gateway</html>', 502))],
    ['the outcome is said to be open', (proceed) => proceed().then(refuses('settlement_pending'))],
    ['the nonce is said to be used', (proceed) => proceed().then(refuses('permit2_invalid_nonce'))],
    ['a failure is answered', (proceed) => proceed().then(refuses('invalid_exact_evm_transaction_failed: no'))],
    [
      'another payer is said to have paid',
      async (proceed) => {
        const { status, body } = await proceed()
        return { status, body: { ...Object(body), payer: wallets.alice.address } }
      },
    ],
    [
      'a stranger was faster',
      async (proceed, signed) => {
        await settlePermit(shop.stack.chain, signed)
        return proceed()
      },
    ],
  ])('where %s', async (_, behaviour) => {
    const reader = await readerMeeting(atSettle(behaviour))
    const headers = await payByPermit(await shop.challenge(PAGE), reader)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([answer.status, answer.text]).toEqual([200, CONTENT])
    expect(answer.receipt).toMatchObject({ success: true, transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/) })
    expect(cost).toEqual(ONE_PERMIT_SALE)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
    expect(await shop.ledger(reader.address)).toMatchObject([{ transaction: answer.receipt?.transaction }])
    expect((await shop.ledger(reader.address))[0]?.position).not.toBeNull()
    expect(await spent(reader)).toBe(PRICE)
  })
})

describe('a nonce that was used before this site saw it buys nothing, here or elsewhere', () => {
  type Use = (reader: PrivateKeyAccount, signed: Awaited<ReturnType<typeof signPermit>>) => Promise<void>
  test.each<[string, Use, bigint]>([
    ['settled by a stranger', (_, signed) => settlePermit(shop.stack.chain, signed), PRICE],
    ['taken back by its owner', (reader, { permit }) => invalidate(shop.stack.chain, reader, permit.nonce), 0n],
    [
      'spent on something else',
      (reader, signed) => burnElsewhere(shop.stack.chain, reader, signed, reader.address),
      0n,
    ],
  ])('%s', async (_, use, moved) => {
    const reader = await shop.reader()
    const challenge = await shop.challenge(PAGE)
    const signed = await signPermit(challenge, reader)
    await use(reader, signed)
    const unnamed = { echo: false, payment: { resource: undefined } }
    const { cost } = await shop.costOf(async () => {
      for (const path of [PAGE, PAGE, OTHER]) {
        const answer = await shop.ask(path, { headers: wrapPermit(challenge, signed, unnamed) })
        expect([answer.status, answer.error]).toEqual([402, 'payment_already_used'])
        expect(answer.text).not.toContain(CONTENT)
      }
    })
    expect(cost).toMatchObject({ earned: 0n })
    expect(await spent(reader)).toBe(moved)
    expect(await shop.ledger(reader.address)).toEqual([])
  })
})
