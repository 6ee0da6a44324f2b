// The publisher moves to another address, or to another network. What was paid before is recognised, whatever is on offer
// today. In bare workerd, which keeps its Durable Objects on disk while its variables change.
import { request } from 'node:http'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import { LOOPBACK } from '../../dev/stack/ports.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { send } from '../world/answer.ts'
import { behaviours } from '../world/behaviour.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, type Signed, sign, VERSIONS, wrap } from '../world/payer.ts'
import { NETWORK, PRICE } from '../world/shop.ts'
import type { Vars } from '../world/site.ts'
import { BASE_VARS } from '../world/site.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { startWorkerd, type Workerd } from '../world/workerd.ts'

const facilitator = behaviours()
let stack: Stack
let origin: OriginServer
let site: Workerd

beforeAll(async () => {
  stack = await startStack({ hook: facilitator.hook })
  origin = await startOrigin()
  site = await startWorkerd({
    RPC_URLS: { [NETWORK]: stack.chain.rpcUrl },
    ORIGIN_URL: origin.url,
    FACILITATORS: [stack.facilitator.url],
    ROUTES: [
      { path: '/pages/*', price: '$0.05', access: '24h' },
      { path: '/once/*', price: '$0.05', access: 'once' },
    ],
  })
})

afterAll(async () => {
  await site.stop()
  await origin.stop()
  await stack.stop()
})

const BEFORE = { PAY_TO: BASE_VARS.PAY_TO, NETWORKS: BASE_VARS.NETWORKS }
const CHANGES: [string, Vars][] = [
  ['PAY_TO', { PAY_TO: { eip155: wallets.carol.address } }],
  ['NETWORKS', { NETWORKS: ['eip155:8453'] }],
]

afterEach(() => site.restart(BEFORE))

const ask = (path: string, headers: Record<string, string> = {}) =>
  send(`http://${LOOPBACK}:${site.port}${path}`, { headers })
const left = (payer: { address: `0x${string}` }) => stack.chain.balance(payer.address)

async function newReader(): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(generatePrivateKey())
  await stack.chain.fund(account.address, 2n * PRICE)
  return account
}

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
  const outgoing = request({ host: LOOPBACK, port: site.port, path: '/once/a', headers, agent: false })
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
  expect.poll(async () => (await ask('/once/b', headers)).receipt?.transaction).toMatch(/^0x[0-9a-f]{64}$/)

describe.each(VERSIONS)('in %s', (version) => {
  describe.each(CHANGES)('after a change of %s', (_, change) => {
    test.each([
      ['with its quote', 'before its outcome was known', true],
      ['without a quote', 'before its outcome was known', false],
      ['without a quote', 'after it was settled', false],
    ])('what was paid and not handed out, shown %s, is served, once: changed %s', async (_, when, echo) => {
      const reader = await newReader()
      const headers = await pay(version, (await ask('/once/a')).challenge, reader, { echo })
      await payAndLeave(headers, reader.address)
      if (when === 'after it was settled') await known(headers)
      await site.restart(change)
      const settles = stack.facilitator.counts.settle
      const answer = await ask('/once/a', headers)
      expect(answer.status).toBe(200)
      expect(answer.text).toBe('the page')
      expect(answer.receipt?.success).toBe(true)
      const again = await ask('/once/a', headers)
      expect(again.status).toBe(402)
      expect(again.error).toBe('payment_already_used')
      expect(stack.facilitator.counts.settle).toBe(settles)
      expect(await left(reader)).toBe(PRICE)
    })

    test('what was paid is not for sale elsewhere', async () => {
      const reader = await newReader()
      const headers = await pay(version, (await ask('/once/a')).challenge, reader, { echo: false })
      expect((await ask('/once/a', headers)).status).toBe(200)
      await site.restart(change)
      const answer = await ask('/once/b', headers)
      expect(answer.status).toBe(402)
      expect(answer.error).toBe('payment_already_used')
    })

    test('a contract wallet’s payment is recognised by its signature', async () => {
      const owner = privateKeyToAccount(generatePrivateKey())
      const from = await deployContractWallet(stack.chain, owner.address)
      await stack.chain.fund(from, PRICE)
      const challenge = (await ask('/once/a')).challenge
      const signed: Signed = await sign(version, challenge, owner, { signed: { from } })
      const headers = wrap(version, challenge, signed, { echo: false })
      await payAndLeave(headers, from)
      await known(headers)
      await site.restart(change)
      const asked = facilitator.calls(from).length
      expect((await ask('/once/a', headers)).text).toBe('the page')
      expect(facilitator.calls(from)).toHaveLength(asked)
    })

    test('new payments for the old terms are refused, and leave nothing behind', async () => {
      const reader = await newReader()
      const headers = await pay(version, (await ask('/once/a')).challenge, reader, { echo: false })
      await site.restart(change)
      const answer = await ask('/once/a', headers)
      expect(answer.status).toBe(402)
      expect(answer.challenge.v2.accepts[0]?.payTo).toBe(
        'PAY_TO' in change ? wallets.carol.address : wallets.publisher.address,
      )
      await site.restart(BEFORE)
      expect((await ask('/once/a', headers)).text).toBe('the page')
    })
  })

  test('who owns a page does not pay the new address for it', async () => {
    const reader = await newReader()
    const headers = await pay(version, (await ask('/pages/a')).challenge, reader)
    expect((await ask('/pages/a', headers)).status).toBe(200)
    await site.restart({ PAY_TO: { eip155: wallets.carol.address } })
    const next = await pay(version, (await ask('/pages/a')).challenge, reader)
    expect((await ask('/pages/a', next)).text).toBe('the page')
    expect(await left(reader)).toBe(PRICE)
  })
})
