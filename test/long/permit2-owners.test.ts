// A facilitator is asked about a permit before it is claimed. What the chain says of a wallet that has paid already (nothing left,
// no approval left) is no reason to turn away who owns the thing, or to ask them to pay once more.
import type { PrivateKeyAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mint } from '../../dev/stack/permit2.ts'
import { says } from '../world/behaviour.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, type Signer } from '../world/payer.ts'
import { atSettle, permitBehaviours } from '../world/permit2-behaviour.ts'
import { approve, approveByCode, settlePermit, transfer } from '../world/permit2-on-chain.ts'
import { payByPermit, permitChallenge, signPermit, wrapPermit } from '../world/permit2-payer.ts'
import { openPermitShop, type PermitShop } from '../world/permit2-shop.ts'
import { PRICE } from '../world/shop.ts'
import { delegate, installWallets, SIMPLE_7702_ACCOUNT, safeOfKey } from '../world/smart-wallets.ts'
import { askInVain } from '../world/story.ts'

const PAGE = '/articles/hello'
const ONCE = '/once/hello'
const BOTH = '/both/hello'
const ASK = '/api/ask'
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const CONTENT = 'the whole article'

const facilitator = permitBehaviours()
let origin: OriginServer
let shop: PermitShop

beforeAll(async () => {
  const kv = { content: 'kv', price: '€0.05' }
  const ROUTES = [
    { ...kv, path: '/articles/*', access: '24h' },
    { ...kv, path: '/once/*', access: 'once' },
    { ...kv, path: '/both/*', price: ['$0.05', '€0.05'], access: '24h' },
    { path: ASK, methods: ['POST'], price: '€0.05', access: 'once' },
  ]
  origin = await startOrigin()
  shop = await openPermitShop({ ROUTES, ORIGIN_URL: origin.url }, { hook: facilitator.hook })
  await installWallets(shop.stack.chain)
  for (const path of [PAGE, ONCE, BOTH]) await shop.site.kv.put(path, CONTENT)
})

afterAll(async () => {
  await shop.close()
  await origin.stop()
})

/** Can pay once, and then never again: of the two the one or the other is used up. */
const WALLETS: [string, () => Promise<PrivateKeyAccount>][] = [
  ['money for one article', () => shop.reader({ funds: PRICE })],
  [
    'an approval for one article',
    async () => {
      const reader = await shop.reader({ isApproved: false })
      await approve(shop.stack.chain, reader, PRICE)
      return reader
    },
  ],
]

/** Two requests with one permit. A facilitator says of the second what is true once the first is settled. */
async function showTwice(wallet: Signer): Promise<void> {
  const headers = await payByPermit(await shop.challenge(PAGE), wallet)
  const settled = Promise.withResolvers<void>()
  let asked = 0
  facilitator.set(wallet.address, async (proceed, _, path) => {
    asked += path === '/verify' ? 1 : 0
    if (path === '/verify' && asked === 2) await settled.promise
    return proceed()
  })
  const { cost } = await shop.costOf(async () => {
    const both = [shop.ask(PAGE, { headers }), shop.ask(PAGE, { headers })]
    expect((await Promise.race(both)).text).toBe(CONTENT)
    settled.resolve()
    const [refused, ...more] = (await Promise.all(both)).filter(({ status }) => status !== 200)
    expect([refused?.status, refused?.error]).toEqual([402, 'payment_already_used'])
    expect(more).toEqual([])
  })
  expect(cost).toEqual({ earned: PRICE, settles: 1, verifies: 2 })
}

describe.each(WALLETS)('a wallet with %s', (_, open) => {
  test('that has bought an article and lost its pass is given it for another permit, which is not settled', async () => {
    const reader = await open()
    expect((await shop.buy(PAGE, reader)).text).toBe(CONTENT)
    const { result: again, cost } = await shop.costOf(() => shop.buy(PAGE, reader))
    expect([again.status, again.text]).toEqual([200, CONTENT])
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })

  test('shows its permit twice at the same moment: the second is asked about when the first is settled', async () => {
    await showTwice(await open())
  })

  test('signs eight permits for one article at the same moment: all are served, and one is paid', async () => {
    const reader = await open()
    const challenge = await shop.challenge(PAGE)
    const all = await Promise.all(Array.from({ length: 8 }, () => payByPermit(challenge, reader)))
    const { result: answers, cost } = await shop.costOf(() =>
      Promise.all(all.map((headers) => shop.ask(PAGE, { headers }))),
    )
    expect(answers.map(({ text }) => text)).toEqual(all.map(() => CONTENT))
    expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
    const later = await Promise.all(all.map((headers) => shop.ask(PAGE, { headers })))
    expect(later.map(({ error }) => error)).toEqual(all.map(() => 'payment_already_used'))
  })

  test('whose reader hangs up, and shows the permit again before it is settled, is given what it has paid for', async () => {
    const reader = await open()
    const headers = await payByPermit(await shop.challenge(ONCE), reader)
    const settling = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    facilitator.set(
      reader.address,
      atSettle(async (proceed) => {
        settling.resolve()
        await go.promise
        return proceed()
      }),
    )
    const first = askInVain(shop.site.url + ONCE, headers)
    await settling.promise
    first.hangUp()
    await shop.site.turn()
    const second = shop.ask(ONCE, { headers })
    go.resolve()
    expect((await second).text).toBe(CONTENT)
  })

  test('whose first permit was settled unheard is given the article for the second one, and pays once', async () => {
    const reader = await open()
    const settled = Promise.withResolvers<void>()
    facilitator.set(
      reader.address,
      atSettle(async (_, signed) => {
        await settlePermit(shop.stack.chain, signed)
        settled.resolve()
        return new Promise<never>(() => {})
      }),
    )
    const challenge = await shop.challenge(PAGE)
    const first = askInVain(shop.site.url + PAGE, await payByPermit(challenge, reader))
    await settled.promise
    first.hangUp()
    await shop.site.turn()
    const { result: answer, cost } = await shop.costOf(async () =>
      shop.ask(PAGE, { headers: await payByPermit(challenge, reader) }),
    )
    expect([answer.status, answer.text]).toEqual([200, CONTENT])
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
  })
})

test('a wallet with code shows its permit twice at the same moment: the second is asked about when the first is settled', async () => {
  const { chain } = shop.stack
  const { wallet, deploy } = safeOfKey(chain, await shop.reader({ funds: 0n, isApproved: false }))
  await deploy()
  await mint(chain, wallet.address, PRICE)
  await approveByCode(chain, wallet.address)
  await showTwice(wallet)
})

test('a key that has given itself code signs one permit as a key and as its code: one of them is paid', async () => {
  const { chain } = shop.stack
  const key = await shop.reader()
  await delegate(chain, key, SIMPLE_7702_ACCOUNT)
  const challenge = await shop.challenge(PAGE)
  const signed = await signPermit(challenge, key)
  const s = (ORDER - BigInt(`0x${signed.signature.slice(66, 130)}`)).toString(16).padStart(64, '0')
  const twin = `${signed.signature.slice(0, 66)}${s}${signed.signature.endsWith('1b') ? '1c' : '1b'}`
  const all = [wrapPermit(challenge, signed), wrapPermit(challenge, signed, { signature: () => twin })]
  const { result: answers, cost } = await shop.costOf(() =>
    Promise.all([...all, ...all].flatMap((headers) => [PAGE, ONCE].map((path) => shop.ask(path, { headers })))),
  )
  expect(answers.filter(({ text }) => text === CONTENT)).toHaveLength(1)
  expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
})

describe.each(WALLETS)('settled before it is carried out, a wallet with %s', (_, open) => {
  test('has three tries where the origin fails, and none of them asks the wallet again', async () => {
    const reader = await open()
    let fails = 2
    origin.tell(() => (fails-- > 0 ? { status: 500, body: 'no' } : { body: CONTENT }))
    const question = { method: 'POST', body: 'when?' }
    const challenge = permitChallenge(await shop.ask(ASK, question))
    const headers = await payByPermit(challenge, reader)
    const { result: answers, cost } = await shop.costOf(async () => {
      const all: number[] = []
      for (let time = 0; time < 4; time++) all.push((await shop.ask(ASK, { ...question, headers })).status)
      return all
    })
    expect(answers).toEqual([500, 500, 200, 402])
    expect(origin.seen).toHaveLength(3)
    expect(cost).toEqual({ earned: PRICE, settles: 1, verifies: 1 })
  })
})

test('a permit that is shown six times at once, before it is carried out, is carried out once', async () => {
  origin.tell({ body: CONTENT })
  const question = { method: 'POST', body: 'when?' }
  const headers = await payByPermit(permitChallenge(await shop.ask(ASK, question)), await shop.reader({ funds: PRICE }))
  const { result: answers, cost } = await shop.costOf(() =>
    Promise.all(Array.from({ length: 6 }, () => shop.ask(ASK, { ...question, headers }))),
  )
  expect(answers.filter(({ text }) => text === CONTENT)).toHaveLength(1)
  expect(origin.seen).toHaveLength(1)
  expect(cost).toMatchObject({ earned: PRICE, settles: 1 })
})

describe('what is sold in dollars and in euros', () => {
  test('is paid in one of them, where the payment in the other has landed unheard', async () => {
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, PRICE)
    const inDollars = await pay('v2', (await shop.ask(BOTH)).challenge, reader)
    const landed = Promise.withResolvers<void>()
    shop.stack.facilitator.setHook(async (call, proceed) => {
      if (call.path !== '/settle') return facilitator.hook(call, proceed)
      await proceed()
      landed.resolve()
      return new Promise<never>(() => {})
    })
    const first = askInVain(shop.site.url + BOTH, inDollars)
    await landed.promise
    first.hangUp()
    await shop.site.turn()
    shop.stack.facilitator.setHook(facilitator.hook)
    expect((await shop.buy(BOTH, reader)).text).toBe(CONTENT)
    expect(await shop.balance(reader.address)).toBe(1_000_000n)
    expect(await shop.usdc.balance(reader.address)).toBe(0n)
    expect(facilitator.calls(reader.address)).toEqual([])
  })

  test('is paid in one of them, where both payments come at the same moment', async () => {
    const reader = await shop.reader()
    await shop.usdc.fund(reader.address, PRICE)
    const inDollars = await pay('v2', (await shop.ask(BOTH)).challenge, reader)
    const inEuros = await payByPermit(await shop.challenge(BOTH), reader)
    const answers = await Promise.all(
      [inDollars, inEuros, inDollars, inEuros].map((headers) => shop.ask(BOTH, { headers })),
    )
    expect(answers.filter(({ text }) => text === CONTENT).length).toBeGreaterThanOrEqual(2)
    const spent = 1_000_000n - (await shop.balance(reader.address)) + PRICE - (await shop.usdc.balance(reader.address))
    expect(spent).toBe(PRICE)
    await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  })
})

test('a wallet that is topped up pays with the permit that was refused a moment ago', async () => {
  const reader = await shop.reader({ funds: 0n })
  const headers = await payByPermit(await shop.challenge(PAGE), reader)
  expect((await shop.ask(PAGE, { headers })).error).toBe('insufficient_funds')
  await mint(shop.stack.chain, reader.address, PRICE)
  expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
})

test('a facilitator that never says what it thinks of a permit keeps nobody waiting for long', async () => {
  const reader = await shop.reader()
  facilitator.set(reader.address, (proceed, _, path) => (path === '/verify' ? new Promise(() => {}) : proceed()))
  const { result: answer, cost } = await shop.costOf(() => shop.buy(PAGE, reader))
  expect(answer.text).toBe(CONTENT)
  expect(cost.earned).toBe(PRICE)
})

describe('a permit for what its payer owns', () => {
  test('is not handed to a facilitator, who could settle it', async () => {
    const reader = await shop.reader()
    expect((await shop.buy(PAGE, reader)).text).toBe(CONTENT)
    const asked = facilitator.calls(reader.address).length
    expect((await shop.buy(PAGE, reader)).text).toBe(CONTENT)
    expect(facilitator.calls(reader.address).slice(asked)).toEqual([])
  })

  test('is served whatever a facilitator would say of it', async () => {
    const reader = await shop.reader()
    expect((await shop.buy(PAGE, reader)).text).toBe(CONTENT)
    await transfer(shop.stack.chain, reader, shop.payTo, await shop.balance(reader.address))
    facilitator.set(reader.address, says({ isValid: false, invalidReason: 'invalid_permit2_signature' }))
    expect((await shop.buy(PAGE, reader)).text).toBe(CONTENT)
  })
})

describe('what a facilitator says of a permit before it is claimed', () => {
  const forged = async (answer: Parameters<typeof says>[0] | 'drop') => {
    const victim = await shop.reader()
    const thief = await shop.reader()
    facilitator.set(victim.address, (proceed, _, path) => {
      if (path !== '/verify') return proceed()
      return answer === 'drop' ? Promise.resolve('drop') : says(answer)()
    })
    const objects = await shop.site.objects()
    const challenge = await shop.challenge(PAGE)
    const signed = await signPermit(challenge, thief, { signed: { from: victim.address } })
    const { result, cost } = await shop.costOf(() => shop.ask(PAGE, { headers: wrapPermit(challenge, signed) }))
    expect(await shop.site.objects()).toBe(objects)
    expect(cost).toMatchObject({ earned: 0n, settles: 0 })
    expect(result.text).not.toContain(CONTENT)
    expect(facilitator.calls(victim.address)).toEqual(['/verify'])
    return result
  }
  const failing = (invalidReason: string) => ({ isValid: false, invalidReason })

  test.each([
    ['that a simulation failed', failing('permit2_simulation_failed')],
    ['that the nonce is used', failing('permit2_invalid_nonce')],
    ['something nobody knows', failing('no_such_reason')],
    ['that the transaction failed', failing('invalid_exact_evm_transaction_failed')],
    ['nothing of use', { hello: 'world' }],
    [
      'that it is good and bad',
      { isValid: true, invalidReason: 'x', payer: '0x0000000000000000000000000000000000000001' },
    ],
    ['nothing, and hangs up', 'drop'],
  ] as const)('about a forged one (%s) never claims it', async (_, answer) => {
    await forged(answer)
  })
})
