// A facilitator on Solana that loses its answer, and a node that cannot tell either, or tells too little. Nobody is asked to sign
// again while the payment may have landed; when the node is mended each has what they paid for, once.
import { afterAll, beforeAll, test } from 'vitest'
import { inOrder } from '../../dev/stack/in-order.ts'
import { networkVars } from '../../dev/stack/offered.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { says } from '../world/behaviour.ts'
import { VERSIONS } from '../world/payer.ts'
import { type Rpc, type RpcFault, startRpc } from '../world/rpc.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../world/shop.ts'
import { type SolanaBehaviour, solanaBehaviours } from '../world/solana-behaviour.ts'
import { arrivals } from '../world/solana-on-chain.ts'
import { paySolana, solanaChallenge, solanaReader } from '../world/solana-payer.ts'
import { openSolanaShop } from '../world/solana-shop.ts'
import { type SolanaStack, startSolanaStack } from '../world/stack.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
const LONGEST_MS = 180_000
const { publisher } = solanaWallets
const facilitator = solanaBehaviours()
const stops: (() => Promise<void>)[] = []
/** One at a time, so that no two take the same free port. */
const opening = inOrder()
let stack: SolanaStack

beforeAll(async () => {
  stack = await startSolanaStack({ hook: facilitator.hook })
  await stack.solana.fund(publisher.address, 0n)
})
afterAll(async () => {
  for (const stop of stops) await stop()
  await stack.stop()
})

const LOST: Record<string, SolanaBehaviour> = {
  'landed, then lost': (proceed) => proceed().then(says({ error: 'database is locked' }, 500)),
  'lost before it landed': says({ error: 'database is locked' }, 500),
}

async function shopBehind(rpcUrl: string): Promise<Shop> {
  const shop = await openShop(
    networkVars([
      { network: NETWORK, payTo: wallets.publisher.address, rpcUrl: stack.chain.rpcUrl },
      { network: SOLANA_NETWORK, payTo: publisher.address, rpcUrl },
    ]),
    { stack },
  )
  stops.push(shop.close)
  await shop.site.kv.put(PAGE, CONTENT)
  return shop
}

const paidBy = async (solana: SolanaStack['solana'], { address }: SolanaWallet) =>
  (await arrivals(solana, publisher.address)).filter(({ from }) => from.includes(address))

const RPC: readonly RpcFault[] = ['is down', 'hangs', 'is slow', 'answers 500', 'answers HTML', 'refuses every call']
/** One site behind each of these nodes, for all of its readers. */
const sites = new Map<RpcFault, Promise<{ rpc: Rpc; shop: Shop }>>()

function siteBehind(fault: RpcFault): Promise<{ rpc: Rpc; shop: Shop }> {
  const known = sites.get(fault)
  if (known) return known
  const opened = opening(async () => {
    const rpc = await startRpc(stack.solana.rpcUrl)
    stops.unshift(rpc.stop)
    return { rpc, shop: await shopBehind(rpc.url) }
  })
  sites.set(fault, opened)
  return opened
}

test.concurrent.for(RPC)('the node %s', { timeout: LONGEST_MS }, async (fault, { expect }) => {
  const { rpc, shop } = await siteBehind(fault)
  const readers = Object.entries(LOST).flatMap(([outcome, behaviour]) =>
    VERSIONS.map((version) => ({ outcome, behaviour, version })),
  )
  const paying = await Promise.all(
    readers.map(async ({ behaviour, version, outcome }) => {
      const reader = await solanaReader(stack.solana)
      facilitator.set(reader.address, behaviour)
      const challenge = solanaChallenge(await shop.ask(PAGE))
      return { reader, outcome, headers: await paySolana(version, stack.solana, challenge, reader) }
    }),
  )
  await rpc.set(fault)
  const first = await Promise.all(paying.map(({ headers }) => shop.ask(PAGE, { headers })))
  for (const [i, answer] of first.entries()) {
    expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
    // A node that is merely slow can tell of what has landed.
    const isTold = fault === 'is slow' && paying[i]?.outcome === 'landed, then lost'
    if (isTold && answer.status === 200) continue
    expect([answer.status, answer.error]).toEqual([503, 'settlement_pending'])
    expect(answer.text).not.toContain(CONTENT)
  }
  await rpc.set(null)
  for (const [i, { reader, headers }] of paying.entries()) {
    facilitator.set(reader.address, null)
    if (first[i]?.status !== 200) expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    expect(await paidBy(stack.solana, reader)).toMatchObject([{ amount: PRICE }])
    await expect.poll(() => shop.ledger(reader.address), { timeout: 60_000 }).toHaveLength(1)
  }
})

/** A shop with a chain of its own, and a node in between that can be taken away. */
async function openBehindRpc(memory: 'shared' | 'none') {
  const own = solanaBehaviours()
  const shop = await openSolanaShop({}, { hook: own.hook, solana: { memory } })
  stops.unshift(shop.close)
  const rpc = await startRpc(shop.solana.rpcUrl)
  stops.unshift(rpc.stop)
  await shop.site.restart({ RPC_URLS: { [NETWORK]: shop.stack.chain.rpcUrl, [SOLANA_NETWORK]: rpc.url } })
  await shop.site.kv.put(PAGE, CONTENT)
  const reader = await shop.readerOnSolana()
  const headers = await paySolana('v2', shop.solana, await shop.challengeOnSolana(PAGE), reader)
  return { own, shop, rpc, reader, headers }
}

test.for([
  ['leaves out memos', { leavesOutMemos: true }],
  ['keeps no history', { keepsNoHistory: true }],
  ['lags by forty slots', { lag: 40 }],
] as const)(
  'the node %s: what landed is found or stays open, and is never refused',
  { timeout: LONGEST_MS },
  async ([name, faults], { expect }) => {
    const { own, shop, reader, headers } = await openBehindRpc('shared')
    own.set(reader.address, async (proceed) => {
      await proceed()
      // The facilitator was told what it needs; the site is told too little.
      Object.assign(shop.solana.faults, faults)
      return 'drop'
    })
    const first = await shop.ask(PAGE, { headers })
    expect(first.header('PAYMENT-REQUIRED')).toBeNull()
    expect([200, 503]).toContain(first.status)
    if (name === 'leaves out memos') expect(first.text).toBe(CONTENT)
    Object.assign(shop.solana.faults, { leavesOutMemos: false, keepsNoHistory: false, lag: 0 })
    if (first.status === 503) expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    expect(await paidBy(shop.solana, reader)).toMatchObject([{ amount: PRICE }])
    await expect.poll(() => shop.ledger(reader.address), { timeout: 60_000 }).toHaveLength(1)
  },
)

test.for(['shared', 'none'] as const)(
  'sent a second time while no node can tell, to a facilitator with memory "%s": it is paid once',
  { timeout: LONGEST_MS },
  async (memory, { expect }) => {
    const { own, shop, rpc, reader, headers } = await openBehindRpc(memory)
    await rpc.set('is down')
    own.set(reader.address, LOST['landed, then lost'] ?? null)
    expect((await shop.ask(PAGE, { headers })).error).toBe('settlement_pending')
    own.set(reader.address, null)
    const again = await shop.ask(PAGE, { headers })
    // "I have it already" is no refusal, and no success either.
    if (memory === 'shared') {
      expect([again.status, again.error]).toEqual([503, 'settlement_pending'])
      await rpc.set(null)
      expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    } else expect(again.text).toBe(CONTENT)
    expect(await paidBy(shop.solana, reader)).toMatchObject([{ amount: PRICE }])
  },
)
