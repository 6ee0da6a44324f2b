// The publisher moves to another address, or to another network. What was paid before is recognised, whatever is on offer
// today: what is kept on disk outlives the variables.
import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import type { Address } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import { solanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { startOrigin } from '../world/origin.ts'
import { sign, VERSIONS, type Version, wrap } from '../world/payer.ts'
import { NETWORK, PRICE } from '../world/shop.ts'
import type { Vars } from '../world/site.ts'
import { allBehaviours } from '../world/solana-behaviour.ts'
import { type Buyer, CELLS, type Kind } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

/** Development keys are no payees of real networks. */
const PAY_TO = {
  eip155: privateKeyToAccount(generatePrivateKey()).address,
  solana: solanaWallet(randomUUID()).address,
}
const facilitator = allBehaviours()
let shop: SolanaShop

beforeAll(async () => {
  const origin = await startOrigin()
  const ROUTES = [
    { path: '/pages/*', price: '$0.05', access: '24h' },
    { path: '/once/*', price: '$0.05', access: 'once' },
  ]
  shop = await openSolanaShop({ ORIGIN_URL: origin.url, ROUTES, PAY_TO }, { hook: facilitator.hook })
  shop.onClose(origin.stop)
  for (const payee of [PAY_TO.solana, solanaWallets.carol.address]) await shop.solana.fund(payee, 0n)
})

afterAll(() => shop.close())

const BEFORE = { PAY_TO, NETWORKS: [NETWORK, SOLANA_NETWORK] }
const CHANGES: [string, Vars][] = [
  ['PAY_TO', { PAY_TO: { eip155: wallets.carol.address, solana: solanaWallets.carol.address } }],
  ['NETWORKS', { NETWORKS: ['eip155:8453', 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'] }],
]

const ask = (path: string, headers: Record<string, string>) => shop.ask(path, { headers })

/** Pays and hangs up when the facilitator has the payment; resolves when it has landed. The object may not know yet. */
async function payAndLeave(headers: Record<string, string>, payer: string): Promise<void> {
  const arrived = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const landed = Promise.withResolvers<void>()
  facilitator.set(payer, async (proceed, _, called) => {
    if (called !== '/settle') return proceed()
    arrived.resolve()
    await gate.promise
    const reply = await proceed()
    landed.resolve()
    return reply
  })
  const outgoing = request(`${shop.site.url}/once/a`, { headers, agent: false })
  outgoing.on('error', () => {})
  outgoing.end()
  await arrived.promise
  outgoing.socket?.resetAndDestroy()
  gate.resolve()
  await landed.promise
  facilitator.set(payer, null)
}

/** Resolves when the site knows which transaction paid: it says so to who shows the payment elsewhere. */
const known = (headers: Record<string, string>) =>
  vi.waitFor(async () => expect((await ask('/once/b', headers)).receipt?.transaction).toMatch(/^\w{64,}$/))

/** How a payment that was never handed its content is shown after the change: with its quote or without. */
const UNDELIVERED: [string, string, boolean][] = [
  ['with its quote', 'before its outcome was known', true],
  ['without a quote', 'before its outcome was known', false],
  ['without a quote', 'after it was settled', false],
]

describe.each(CHANGES)('after a change of %s', (_, change) => {
  type Left = { payer: Buyer; headers: Record<string, string> }
  const undelivered = new Map<string, Left>()
  const delivered = new Map<string, Left>()
  const owned = new Map<string, Left>()
  const unsent = new Map<string, Left>()
  const ofContract = new Map<Version, { from: Address; headers: Record<string, string> }>()

  const payment = async (kind: Kind, version: Version, path: string, echo: boolean): Promise<Left> => {
    const payer = await kind.reader(shop, 2n * PRICE)
    return { payer, headers: await payer.pay(version, path, { echo }) }
  }

  beforeAll(async () => {
    for (const version of VERSIONS) {
      const owner = await shop.reader(0n)
      const from = await deployContractWallet(shop.stack.chain, owner.address)
      await shop.stack.chain.fund(from, PRICE)
      const challenge = await shop.challenge('/once/a')
      const headers = wrap(version, challenge, await sign(version, challenge, owner, { signed: { from } }), {
        echo: false,
      })
      await payAndLeave(headers, from)
      await known(headers)
      ofContract.set(version, { from, headers })
    }
    for (const { version, name, kind } of CELLS) {
      for (const [purchases, path] of [
        [delivered, '/once/a'],
        [owned, '/pages/a'],
      ] as const) {
        const bought = await payment(kind, version, path, false)
        expect((await ask(path, bought.headers)).status).toBe(200)
        purchases.set(`${version} ${name}`, bought)
      }
    }
    // What is not known yet comes last: the kill is to find it so.
    const late: (() => Promise<void>)[] = []
    for (const { version, name, kind } of CELLS) {
      for (const [shown, when, echo] of UNDELIVERED) {
        const bought = await payment(kind, version, '/once/a', echo)
        undelivered.set(`${version} ${name} ${shown} ${when}`, bought)
        const leave = () => payAndLeave(bought.headers, bought.payer.address)
        if (when === 'before its outcome was known') late.push(leave)
        else await leave().then(() => known(bought.headers))
      }
    }
    for (const { version, name, kind } of CELLS) {
      unsent.set(`${version} ${name}`, await payment(kind, version, '/once/a', false))
    }
    await Promise.all(late.map((leave) => leave()))
    await shop.site.restart(change)
  })

  const of = <Key, Value>(map: Map<Key, Value>, key: Key): Value => {
    const found = map.get(key)
    if (found === undefined) throw new Error(`nothing was left for ${key}`)
    return found
  }

  describe.each(CELLS)('in $version on $name', ({ version, name, kind }) => {
    const cell = `${version} ${name}`

    test.each(UNDELIVERED)(
      'what was paid and not handed out, shown %s, is served, once: changed %s',
      async (shown, when) => {
        const { payer, headers } = of(undelivered, `${cell} ${shown} ${when}`)
        const settles = shop.stack.facilitator.counts.settle
        const answer = await ask('/once/a', headers)
        expect(answer.status).toBe(200)
        expect(answer.text).toBe('the page')
        expect(answer.receipt?.success).toBe(true)
        const again = await ask('/once/a', headers)
        expect(again.status).toBe(402)
        expect(again.error).toBe('payment_already_used')
        expect(shop.stack.facilitator.counts.settle).toBe(settles)
        expect(await payer.balance()).toBe(PRICE)
      },
    )

    test('what was paid is not for sale elsewhere', async () => {
      const answer = await ask('/once/b', of(delivered, cell).headers)
      expect(answer.status).toBe(402)
      expect(answer.error).toBe('payment_already_used')
    })

    // On the other network the wallet has no money.
    if ('PAY_TO' in change) {
      test('who owns a page does not pay the new address for it', async () => {
        const { payer } = of(owned, cell)
        expect((await payer.buy(version, '/pages/a')).text).toBe('the page')
        expect(await payer.balance()).toBe(PRICE)
      })
    }

    test('new payments for the old terms are refused', async () => {
      const { payer, headers } = of(unsent, cell)
      const answer = await ask('/once/a', headers)
      expect(answer.status).toBe(402)
      const old = { network: kind.network, payTo: of(new Map(Object.entries(PAY_TO)), name) }
      expect(kind.challengeOf(answer).v2.accepts).not.toContainEqual(expect.objectContaining(old))
      expect(await payer.balance()).toBe(2n * PRICE)
    })
  })

  // Nobody signs through code on Solana.
  test.each(VERSIONS)('in %s a contract wallet’s payment is recognised by its signature', async (version) => {
    const { from, headers } = of(ofContract, version)
    const asked = facilitator.calls(from).length
    expect((await ask('/once/a', headers)).text).toBe('the page')
    expect(facilitator.calls(from)).toHaveLength(asked)
  })

  test('and leave nothing behind: they pay once the terms are back', async () => {
    await shop.site.restart(BEFORE)
    for (const { headers } of unsent.values()) expect((await ask('/once/a', headers)).text).toBe('the page')
  })
})
