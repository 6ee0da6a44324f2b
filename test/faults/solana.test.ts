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
import { type RpcFault, startRpc } from '../world/rpc.ts'
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
const CASES = RPC.flatMap((fault, i) =>
  Object.keys(LOST).map((outcome, j) => ({ fault, outcome, version: VERSIONS[(i + j) % 2] ?? 'v2' })),
)

test.concurrent.for(CASES)(
  'the node $fault; the payment is $outcome ($version)',
  { timeout: LONGEST_MS },
  async ({ fault, outcome, version }, { expect }) => {
    const rpc = await startRpc(stack.solana.rpcUrl)
    stops.unshift(rpc.stop)
    const shop = await opening(() => shopBehind(rpc.url))
    const reader = await solanaReader(stack.solana)
    facilitator.set(reader.address, LOST[outcome] ?? null)
    const challenge = solanaChallenge(await shop.ask(PAGE))
    const headers = await paySolana(version, stack.solana, challenge, reader)
    await rpc.set(fault)
    const first = await shop.ask(PAGE, { headers })
    expect(first.header('PAYMENT-REQUIRED')).toBeNull()
    if (first.status !== 200) {
      expect([first.status, first.error]).toEqual([503, 'settlement_pending'])
      expect(first.text).not.toContain(CONTENT)
    } else expect([fault, outcome]).toEqual(['is slow', 'landed, then lost'])

    await rpc.set(null)
    facilitator.set(reader.address, null)
    if (first.status !== 200) expect((await shop.ask(PAGE, { headers })).text).toBe(CONTENT)
    expect((await shop.ask(PAGE, { headers })).error).toBe('payment_already_used')
    expect(await paidBy(stack.solana, reader)).toMatchObject([{ amount: PRICE }])
    await expect.poll(() => shop.ledger(reader.address), { timeout: 60_000 }).toHaveLength(1)
  },
)

test.concurrent.for([
  ['leaves out memos', { leavesOutMemos: true }],
  ['keeps no history', { keepsNoHistory: true }],
  ['lags by forty slots', { lag: 40 }],
] as const)(
  'the node %s: what landed is found or stays open, and is never refused',
  { timeout: LONGEST_MS },
  async ([name, faults], { expect }) => {
    const own = solanaBehaviours()
    const shop = await opening(() => openSolanaShop({}, { hook: own.hook }))
    stops.unshift(shop.close)
    await shop.site.kv.put(PAGE, CONTENT)
    const reader = await shop.readerOnSolana()
    own.set(reader.address, async (proceed) => {
      await proceed()
      // It tells the facilitator what it needs, and the site too little.
      Object.assign(shop.solana.faults, faults)
      return 'drop'
    })
    const headers = await paySolana('v2', shop.solana, await shop.challengeOnSolana(PAGE), reader)
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

test.concurrent.for(['shared', 'none'] as const)(
  'sent a second time while no node can tell, to a facilitator with memory "%s": it is paid once',
  { timeout: LONGEST_MS },
  async (memory, { expect }) => {
    const own = solanaBehaviours()
    const shop = await opening(() => openSolanaShop({}, { hook: own.hook, solana: { memory } }))
    stops.unshift(shop.close)
    const rpc = await startRpc(shop.solana.rpcUrl)
    stops.unshift(rpc.stop)
    const RPC_URLS = { [NETWORK]: shop.stack.chain.rpcUrl, [SOLANA_NETWORK]: rpc.url }
    await opening(() => shop.site.restart({ RPC_URLS }))
    await shop.site.kv.put(PAGE, CONTENT)
    const reader = await shop.readerOnSolana()
    const headers = await paySolana('v2', shop.solana, await shop.challengeOnSolana(PAGE), reader)
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
