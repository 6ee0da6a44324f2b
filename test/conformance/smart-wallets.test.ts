// Wallets with code, of real contracts: ERC-1271 (a Safe, and one with a passkey), ERC-6492 (a Safe that is not on the chain
// yet) and EIP-7702 (a key with code).
import type { Address } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Facilitator, startFacilitator } from '../../dev/stack/facilitator.ts'
import { freePort } from '../../dev/stack/ports.ts'
import { behaviours, says } from '../world/behaviour.ts'
import { mppReceipt, payMpp } from '../world/mpp.ts'
import { broadcast } from '../world/on-chain.ts'
import { otherVersion, pay, sign, VERSIONS, wrap } from '../world/payer.ts'
import { type Cost, NETWORK, NOTHING, ONE_SALE, openShop, PRICE, type Shop } from '../world/shop.ts'
import { signIn, signInOf } from '../world/sign-in.ts'
import {
  delegate,
  hasCode,
  installWallets,
  PASSKEY,
  SAFE,
  SIMPLE_7702_ACCOUNT,
  safeOfKey,
  safeOfPasskey,
  type Wallet,
} from '../world/smart-wallets.ts'

const PAGE = '/articles/hello'
const OTHER = '/articles/other'
const CONTENT = `the whole of ${PAGE}`
const ONE_DOLLAR = 1_000_000n
const LONGEST_HEADER = 8192
const facilitator = behaviours()
let shop: Shop

beforeAll(async () => {
  shop = await openShop({}, { hook: facilitator.hook, eip6492AllowedFactories: [SAFE.factory] })
  await installWallets(shop.stack.chain)
  for (const path of [PAGE, OTHER]) await shop.site.kv.put(path, `the whole of ${path}`)
})

afterAll(() => shop.close())

/** Nothing reaches it: that is what its edge answers then. */
const isDown = (wallet: Wallet) => facilitator.set(wallet.address, says('the origin is down', 521))
const fund = (address: Address, amount = ONE_DOLLAR) => shop.stack.chain.fund(address, amount)

/** A wallet as it pays first, and as it signs once it has paid. */
type Case = {
  name: string
  open(): Promise<{ first: Wallet; later: Wallet }>
  /** A facilitator has to be asked whether its signature is good. */
  isAsked: boolean
}

const always = (wallet: Wallet) => ({ first: wallet, later: wallet })

async function newSafe() {
  const safe = safeOfKey(shop.stack.chain, await shop.reader(0n))
  await fund(safe.wallet.address)
  return safe
}

const CASES: readonly Case[] = [
  {
    name: 'a Safe',
    async open() {
      const safe = await newSafe()
      await safe.deploy()
      return always(safe.wallet)
    },
    isAsked: true,
  },
  {
    name: 'a Safe with a passkey',
    async open() {
      const safe = await safeOfPasskey(shop.stack.chain)
      await safe.deploy()
      await fund(safe.wallet.address)
      return always(safe.wallet)
    },
    isAsked: true,
  },
  {
    name: 'a Safe that its first payment puts on the chain',
    async open() {
      const { undeployed, wallet } = await newSafe()
      return { first: undeployed, later: wallet }
    },
    isAsked: true,
  },
  {
    name: 'a Safe that goes on wrapping its signatures',
    open: async () => always((await newSafe()).undeployed),
    isAsked: true,
  },
  {
    name: 'a key with the code of Simple7702Account',
    async open() {
      const key = await shop.reader()
      await delegate(shop.stack.chain, key, SIMPLE_7702_ACCOUNT)
      return always(key)
    },
    isAsked: false,
  },
]

test('the contracts are those that are deployed everywhere', async () => {
  expect({ ...SAFE, simple7702Account: SIMPLE_7702_ACCOUNT }).toEqual({
    singleton: '0x41675C099F32341bf84BFc5382aF534df5C7461a',
    factory: '0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67',
    handler: '0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99',
    simple7702Account: '0xe6Cae83BdE06E4c305530e199D7217f42808555B',
  })
  for (const address of [...Object.values(SAFE), ...Object.values(PASSKEY), SIMPLE_7702_ACCOUNT]) {
    expect(await hasCode(shop.stack.chain, address)).toBe(true)
  }
})

describe.each(CASES)('$name', ({ open, isAsked }) => {
  const saleOf = (cost: Cost): Cost => (isAsked ? { ...cost, verifies: cost.verifies + 1 } : cost)

  test('buys by MPP, once, and owns what it has bought', async () => {
    const { first: wallet, later } = await open()
    const headers = await payMpp(await shop.ask(PAGE), wallet)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
    expect([answer.status, answer.text]).toEqual([200, CONTENT])
    expect(cost).toEqual(saleOf(ONE_SALE))
    expect(mppReceipt(answer)?.reference).toBe(answer.receipt?.transaction)
    const again = await shop.costOf(async () => shop.ask(PAGE, { headers: await payMpp(await shop.ask(PAGE), later) }))
    expect([again.result.text, again.cost]).toEqual([CONTENT, saleOf(NOTHING)])
    expect(mppReceipt(again.result)).toBeNull()
  })

  describe.each(VERSIONS)('in %s', (version) => {
    async function paid(identifier?: string) {
      const { first: wallet, later } = await open()
      const challenge = await shop.challenge(PAGE)
      const signed = await sign(version, challenge, wallet)
      const headers = wrap(version, challenge, signed, identifier === undefined ? {} : { identifier })
      return { wallet, later, challenge, signed, headers }
    }

    test('buys, and owns what it has bought', async () => {
      const { later, headers } = await paid()
      expect(Object.values(headers).join('').length).toBeLessThan(LONGEST_HEADER)
      const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(answer.text).toBe(CONTENT)
      expect(answer.receipt).toMatchObject({ success: true, payer: later.address.toLowerCase() })
      expect(cost).toEqual(saleOf(ONE_SALE))
      expect(await hasCode(shop.stack.chain, later.address)).toBe(true)
      await expect.poll(() => shop.ledger(later.address)).toHaveLength(1)

      const { result: again, cost: second } = await shop.costOf(() => shop.buy(version, PAGE, later))
      expect(again.text).toBe(CONTENT)
      expect(again.receipt?.transaction).toBe(answer.receipt?.transaction)
      expect(second).toEqual(saleOf(NOTHING))
      expect(await shop.ledger(later.address)).toHaveLength(1)
    })

    test('buys nothing with a payment that is used: there, at another article, in the other wrapping', async () => {
      const { challenge, signed, headers } = await paid()
      const first = await shop.ask(PAGE, { headers })
      expect(first.text).toBe(CONTENT)
      const { cost } = await shop.costOf(async () => {
        for (const [path, wrapping] of [
          [PAGE, version],
          [OTHER, version],
          [PAGE, otherVersion(version)],
        ] as const) {
          const answer = await shop.ask(path, { headers: wrap(wrapping, challenge, signed, { echo: false }) })
          expect(answer.status).toBe(402)
          expect(answer.error).toBe('payment_already_used')
          expect(answer.receipt).toMatchObject({ success: false, transaction: first.receipt?.transaction })
        }
      })
      expect(cost).toEqual(NOTHING)
    })

    test('is recognised while the facilitator is down: what it paid for comes again', async () => {
      const { wallet, headers } = await paid(`smart-wallet-is-down-${version}`)
      const first = await shop.ask(PAGE, { headers })
      expect(first.text).toBe(CONTENT)
      isDown(wallet)
      const { result: again, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(again.text).toBe(CONTENT)
      expect(again.receipt).toEqual(first.receipt)
      expect(cost).toEqual(NOTHING)
    })

    test('gets what landed after its 503, while the facilitator is down', async () => {
      const { wallet, signed, headers } = await paid()
      facilitator.set(wallet.address, async (proceed, _, path) => {
        if (path === '/verify') return proceed()
        await proceed()
        return 'drop'
      })
      const first = await shop.ask(PAGE, { headers })
      isDown(wallet)
      const { result: answers, cost } = await shop.costOf(async () => [first, await shop.ask(PAGE, { headers })])
      // The chain is asked within the first request already, so that one of the two has it.
      expect(answers.filter(({ text }) => text === CONTENT)).toHaveLength(1)
      expect(cost).toEqual(NOTHING)
      await expect(broadcast(shop.stack.chain, signed)).rejects.toThrow()
      await expect.poll(() => shop.ledger(wallet.address)).toHaveLength(1)
    })

    test('that pays first while the facilitator is down gets a 503, and pays when it is back', async () => {
      const { wallet, headers } = await paid()
      isDown(wallet)
      const objects = await shop.site.objects()
      const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(answer.status).toBe(503)
      expect(answer.error).toBe('facilitator_unavailable')
      expect(answer.header('Retry-After')).not.toBeNull()
      expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      expect(cost.earned).toBe(0n)
      // What a key has signed is claimed; what nobody could prove is not.
      expect(await shop.site.objects()).toBe(isAsked ? objects : objects + 1)
      facilitator.set(wallet.address, null)
      const { result: later, cost: paidNow } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(later.text).toBe(CONTENT)
      expect(paidNow).toEqual(saleOf(ONE_SALE))
    })

    test('signed by somebody else is refused, and pays nothing', async () => {
      const { first: wallet } = await open()
      const stranger: Wallet = { ...(await shop.reader()), address: wallet.address }
      const { result: answer, cost } = await shop.costOf(() => shop.buy(version, PAGE, stranger))
      expect(answer.status).toBe(402)
      expect(answer.error).toBe('invalid_exact_evm_payload_signature')
      expect(cost).toEqual({ ...NOTHING, verifies: 1 })
      expect(await shop.stack.chain.balance(wallet.address)).toBe(ONE_DOLLAR)
    })
  })

  describe('once it has paid', () => {
    const comeBack = async (wallet: Wallet) =>
      shop.ask(PAGE, { headers: await signIn(signInOf(await shop.challenge(PAGE)), wallet) })

    test('signs in, and its pass opens what it has bought', async () => {
      const { first, later } = await open()
      expect((await shop.buy('v2', PAGE, first)).text).toBe(CONTENT)
      const { result: back, cost } = await shop.costOf(() => comeBack(later))
      expect(back.text).toBe(CONTENT)
      expect(cost).toEqual(NOTHING)
      expect((await shop.ask(PAGE, { headers: { Cookie: back.pass } })).text).toBe(CONTENT)
      expect((await shop.ask(OTHER, { headers: { Cookie: back.pass } })).status).toBe(402)
    })

    test('is not signed in by somebody else', async () => {
      const { first, later } = await open()
      expect((await shop.buy('v2', PAGE, first)).text).toBe(CONTENT)
      const answer = await comeBack({ ...(await shop.reader()), address: later.address })
      expect(answer.status).toBe(402)
      expect(answer.error).toBe('invalid_siwx_signature')
      expect(answer.header('Set-Cookie')).toBeNull()
    })
  })
})

describe('an RPC', () => {
  const comeBack = async (wallet: Wallet) => ({ headers: await signIn(signInOf(await shop.challenge(PAGE)), wallet) })

  test('that does not answer: a wallet is told so, is given nothing, and its sign-in is still good afterwards', async () => {
    const { wallet, deploy } = await newSafe()
    await deploy()
    expect((await shop.buy('v2', PAGE, wallet)).text).toBe(CONTENT)
    const key = await shop.reader()
    expect((await shop.buy('v2', PAGE, key)).text).toBe(CONTENT)
    const question = await comeBack(wallet)
    await shop.site.become({ RPC_URLS: { [NETWORK]: `http://127.0.0.1:${await freePort()}` } })
    const { result: answer, cost } = await shop.costOf(() => shop.ask(PAGE, question))
    expect(answer.status).toBe(503)
    expect(answer.error).toBe('invalid_siwx_verifier_error')
    expect(answer.header('Retry-After')).not.toBeNull()
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    expect(answer.header('Set-Cookie')).toBeNull()
    expect(cost).toEqual(NOTHING)
    // A key needs no RPC.
    expect((await shop.ask(PAGE, await comeBack(key))).text).toBe(CONTENT)
    await shop.site.become({ RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl } })
    expect((await shop.ask(PAGE, question)).text).toBe(CONTENT)
  })
})

describe('an undeployed wallet', () => {
  test('is put on the chain once, however often it pays', async () => {
    const { undeployed } = await newSafe()
    const headers = await Promise.all(
      [PAGE, OTHER].map(async (path) => pay('v2', await shop.challenge(path), undeployed)),
    )
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask(PAGE, { headers: headers[0] ?? {} }),
      await shop.ask(OTHER, { headers: headers[1] ?? {} }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(cost).toEqual({ earned: 2n * PRICE, settles: 2, verifies: 2 })
  })

  test('without its wrapping is refused: nobody could know that the wallet is to be', async () => {
    const { wallet } = await newSafe()
    const { result: answer, cost } = await shop.costOf(() => shop.buy('v2', PAGE, wallet))
    expect(answer.status).toBe(402)
    expect(answer.error).toBe('invalid_exact_evm_payload_signature')
    expect(cost).toEqual({ ...NOTHING, verifies: 1 })
    expect(await hasCode(shop.stack.chain, wallet.address)).toBe(false)
  })

  test('whose wrapper names another factory is refused, and that one is not called', async () => {
    const { undeployed, wallet } = await newSafe()
    const elsewhere = SAFE.factory.slice(2).toLowerCase()
    const named = SAFE.handler.slice(2).toLowerCase()
    const change = { signature: (honest: string) => honest.replace(elsewhere, named) }
    const { result: answer, cost } = await shop.costOf(() => shop.buy('v2', PAGE, undeployed, change))
    expect(answer.status).toBe(402)
    expect(answer.error).toBe('invalid_exact_evm_payload_signature')
    expect(cost).toEqual({ ...NOTHING, verifies: 1 })
    expect(await hasCode(shop.stack.chain, wallet.address)).toBe(false)
  })

  describe('at facilitators, the first of which calls no factory', () => {
    let strict: Facilitator
    const both = (own: string) => [strict.url, own]
    let alone: Shop
    let together: Shop

    beforeAll(async () => {
      strict = await startFacilitator({ rpcUrl: shop.stack.chain.rpcUrl })
      alone = await openShop({}, { stack: shop.stack, facilitators: () => [strict.url] })
      together = await openShop({}, { stack: shop.stack, facilitators: both })
      for (const { site } of [alone, together]) await site.kv.put(PAGE, CONTENT)
    })

    afterAll(async () => {
      await alone.close()
      await together.close()
      await strict.stop()
    })

    test.each(VERSIONS)('in %s it is refused where there is no other, and nothing is stored', async (version) => {
      const { undeployed, wallet } = await newSafe()
      const objects = await alone.site.objects()
      const answer = await alone.buy(version, PAGE, undeployed)
      expect(answer.status).toBe(402)
      expect(answer.error).toBe('invalid_exact_evm_payload_signature')
      expect(answer.receipt?.success).toBe(false)
      expect(answer.challenge.v2.accepts).toHaveLength(1)
      expect(await alone.site.objects()).toBe(objects)
      expect(await hasCode(shop.stack.chain, wallet.address)).toBe(false)
      expect(await shop.stack.chain.balance(wallet.address)).toBe(ONE_DOLLAR)
    })

    test.each(VERSIONS)('in %s the next one settles it', async (version) => {
      const { undeployed, wallet } = await newSafe()
      const { result: answer, cost } = await together.costOf(() => together.buy(version, PAGE, undeployed))
      expect(answer.text).toBe(CONTENT)
      // What the strict one was asked is not counted here.
      expect(cost).toEqual({ ...ONE_SALE, verifies: 1 })
      expect(await hasCode(shop.stack.chain, wallet.address)).toBe(true)
    })
  })
})
