// The imitated chain, its RPC and its facilitators, asked by the house's own code.
import { expect, test } from 'vitest'
import { Breaker } from '../../src/breaker.ts'
import { Rpc } from '../../src/chain.ts'
import { settle } from '../../src/facilitator.ts'
import { newKeyring } from '../../src/keyring.ts'
import { look, type Question } from '../../src/payer/reconcile.ts'
import type { Authorization } from '../../src/x402/payment.ts'
import { usdcOn } from '../world/usdc.ts'
import { type Chain, createChain } from './chain.ts'
import { createWorld, run, type World } from './clock.ts'
import { serveFacilitator } from './facilitator.ts'
import { serveRpc } from './rpc.ts'
import { createSolanaChain } from './solana-chain.ts'

const NETWORK = 'eip155:8453'
const RPC_URL = 'https://rpc.example/v1'
const FACILITATOR = 'https://facilitator.example/x402'
const PAYER = `0x${'a1'.repeat(20)}` as const
const SHOP = `0x${'b2'.repeat(20)}` as const
const VALUE = 50_000n

const asset = usdcOn(NETWORK)

const MOST_LOOKS = 10

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const nonceOf = (n: number): `0x${string}` => `0x${n.toString(16).padStart(64, '0')}`
const nowSeconds = () => Math.floor(Date.now() / 1000)

function scene(seed: string, options: { isReversed?: boolean } = {}) {
  const world = createWorld({ seed })
  const chain = createChain(world, { network: NETWORK, blockMs: 2_000, ...options })
  const rpc = serveRpc(world, chain, RPC_URL)
  const facilitator = serveFacilitator(world, [chain], FACILITATOR, createSolanaChain(world))
  return { world, chain, rpc, facilitator, asked: new Rpc(RPC_URL, NETWORK) }
}

/** A payment its payer has signed; nobody has sent it. */
function sign(world: World, chain: Chain, n: number, changes: Partial<Authorization> = {}): Authorization {
  const validBefore = BigInt(Math.floor(world.now() / 1000) + 300)
  const authorization = {
    from: PAYER,
    to: SHOP,
    value: VALUE,
    validAfter: 0n,
    validBefore,
    nonce: nonceOf(n),
    ...changes,
  }
  chain.authorize(authorization)
  return authorization
}

const questionOf = (authorization: Authorization): Question => ({
  kind: 'eip3009',
  asset: asset.asset,
  authorization,
  seenBlock: null,
  claimedAtSeconds: nowSeconds(),
  search: null,
  transaction: '',
  wantsPinned: false,
})

/** One look may not get to the end of a search: the next goes on from there. */
async function ask(rpc: Rpc, authorization: Authorization) {
  let question = questionOf(authorization)
  for (let looks = 1; ; looks++) {
    const { truth, search, seenBlock } = await look(rpc, question, nowSeconds(), { left: 50 })
    if (truth.kind !== 'unclear' || looks === MOST_LOOKS) return truth
    question = { ...question, search, seenBlock }
  }
}

const sendTo = (authorization: Authorization) =>
  settle(
    [{ url: FACILITATOR, auth: { kind: 'none' }, isListed: false }],
    { breaker: new Breaker(), keyring: newKeyring() },
    {
      payer: authorization.from,
      transfer: { kind: 'eip3009', authorization, signature: '0x22' },
      bought: null,
      offer: {
        network: NETWORK,
        asset: asset.asset,
        payTo: SHOP,
        amount: VALUE,
        transfer: { kind: 'eip3009', ...asset.eip712 },
        maxTimeoutSeconds: 300,
        name: null,
        accessSeconds: 0,
        scope: null,
        flow: 'authorization',
      },
    },
    false,
  )

test('an honest facilitator settles, and the chain bears it out', async () => {
  const { world, chain, asked } = scene('honest')
  chain.fund(PAYER, VALUE)
  await run(world, async () => {
    const authorization = sign(world, chain, 1)
    expect(await ask(asked, authorization)).toMatchObject({ kind: 'unused' })
    const reply = await sendTo(authorization)
    const fate = chain.truth.fateOf(PAYER, authorization.nonce)
    expect(fate).toMatchObject({ kind: 'moved', to: SHOP, value: VALUE, position: 0 })
    if (fate.kind !== 'moved') return
    expect(reply).toEqual({ kind: 'settled', transaction: fate.transaction })
    expect(await ask(asked, authorization)).toEqual({ kind: 'settled', transaction: fate.transaction, position: 0 })
    expect(chain.balance(SHOP)).toBe(VALUE)
  })
})

test('an honest facilitator refuses what is used, late, unsigned or not covered', async () => {
  const { world, chain } = scene('refuses')
  await run(world, async () => {
    expect(await sendTo(sign(world, chain, 1))).toEqual({ kind: 'refused', reason: 'insufficient_funds' })
    chain.fund(PAYER, VALUE)
    const late = sign(world, chain, 2, { validBefore: BigInt(nowSeconds() + 3) })
    expect(await sendTo(late)).toMatchObject({ kind: 'refused' })
    expect(await sendTo({ ...late, nonce: nonceOf(3) })).toMatchObject({
      reason: 'invalid_exact_evm_payload_signature',
    })
    const used = sign(world, chain, 4)
    await chain.included(chain.send([{ kind: 'cancel', from: PAYER, nonce: used.nonce }]))
    expect(await sendTo(used)).toEqual({ kind: 'nonce_used' })
  })
})

test('ten nonces beside one transfer: one is paid', async () => {
  const { world, chain, asked } = scene('exploit')
  chain.fund(PAYER, VALUE)
  await run(world, async () => {
    const shown = Array.from({ length: 10 }, (_, n) => sign(world, chain, n + 1))
    const spent = shown.map((authorization, n) =>
      n === 4 ? authorization : sign(world, chain, n + 1, { to: PAYER, value: 0n }),
    )
    const hash = chain.send(spent.map((authorization) => ({ kind: 'pay', authorization })))
    const { logs } = await chain.included(hash)
    expect(logs).toHaveLength(20)
    await pause(60_000)
    const kinds: string[] = []
    for (const authorization of shown) kinds.push((await ask(asked, authorization)).kind)
    expect(kinds.filter((kind) => kind === 'settled')).toHaveLength(1)
    expect(kinds[4]).toBe('settled')
    expect(chain.truth.moves().filter(({ to }) => to === SHOP)).toEqual([
      expect.objectContaining({ nonce: nonceOf(5), position: 8 }),
    ])
  })
})

test('a transaction that reverts has a receipt and no logs; one call of several may fail alone', async () => {
  const { world, chain } = scene('reverts')
  await run(world, async () => {
    const authorization = sign(world, chain, 1)
    const receipt = await chain.included(chain.send([{ kind: 'pay', authorization }]))
    expect(receipt).toMatchObject({ isSuccess: false, logs: [] })
    chain.fund(PAYER, VALUE)
    const calls = [
      { kind: 'pay', authorization },
      { kind: 'revert', isTry: true },
    ] as const
    expect(await chain.included(chain.send([...calls]))).toMatchObject({ isSuccess: true })
    // What failed changed nothing, and is not paid twice.
    expect(chain.balance(SHOP)).toBe(VALUE)
    expect(await chain.included(chain.send([{ kind: 'pay', authorization }]))).toMatchObject({ isSuccess: false })
    expect(chain.balance(SHOP)).toBe(VALUE)
  })
})

test('a reorganisation moves a payment to another block, or loses it; hashes change with it', async () => {
  const { world, chain } = scene('reorganisation')
  chain.fund(PAYER, 2n * VALUE)
  await run(world, async () => {
    const [one, two] = [sign(world, chain, 1), sign(world, chain, 2)]
    const first = await chain.included(chain.send([{ kind: 'pay', authorization: one }]))
    const second = await chain.included(chain.send([{ kind: 'pay', authorization: two }]))
    await pause(10_000)
    const before = chain.block(first.blockNumber)?.hash
    chain.reorganise(10, (hash) => (hash === first.transactionHash ? first.blockNumber - 2 : 'lost'))
    expect(chain.receipt(first.transactionHash)?.blockNumber).toBe(first.blockNumber - 2)
    expect(chain.receipt(second.transactionHash)).toBe(null)
    expect(chain.block(first.blockNumber)?.hash).not.toBe(before)
    expect(chain.truth.fateOf(PAYER, two.nonce)).toEqual({ kind: 'unused' })
    expect(chain.truth.mayLand(two)).toBe(true)
    expect(chain.balance(SHOP)).toBe(VALUE)
    chain.reorganise(15, () => 'pool')
    expect(chain.balance(SHOP)).toBe(0n)
    await pause(3_000)
    expect(chain.balance(SHOP)).toBe(VALUE)
  })
})

test('faults of a facilitator: what it says and what it does are two things', async () => {
  const { world, chain, facilitator } = scene('faults')
  chain.fund(PAYER, 100n * VALUE)
  let n = 0
  await run(world, async () => {
    const outcome = async (settling: ReturnType<typeof facilitator.settling>) => {
      facilitator.settling = () => settling
      const authorization = sign(world, chain, ++n)
      const reply = await sendTo(authorization)
      await pause(30_000)
      return [reply.kind, chain.truth.fateOf(PAYER, authorization.nonce).kind]
    }
    expect(await outcome({ kind: 'settles, but', reply: 'lost' })).toEqual(['unknown', 'moved'])
    expect(await outcome({ kind: 'settles, but', reply: 'silent' })).toEqual(['unknown', 'moved'])
    expect(await outcome({ kind: 'settles, but', reply: 'page' })).toEqual(['unknown', 'moved'])
    expect(await outcome({ kind: 'answers before it settles', afterMs: 9_000 })).toEqual(['settled', 'moved'])
    expect(await outcome({ kind: 'nothing', reply: 'lost' })).toEqual(['unknown', 'unused'])
    expect(await outcome({ kind: 'nothing', reply: { status: 429 } })).toEqual(['unsent', 'unused'])
    const lie = { kind: 'refuses', reason: 'insufficient_funds', settlesAfterMs: 5_000 } as const
    expect(await outcome(lie)).toEqual(['refused', 'moved'])
    expect(await outcome({ kind: 'pending', names: true })).toEqual(['pending', 'moved'])
    expect(await outcome({ kind: 'claims', transaction: `0x${'cd'.repeat(32)}` })).toEqual(['settled', 'unused'])
    expect(await outcome({ kind: 'fails on chain' })).toEqual(['failed', 'unused'])
    facilitator.state = 'lost'
    expect(await outcome({ kind: 'honest' })).toEqual(['unanswered', 'unused'])
  })
  expect(facilitator.settles).toHaveLength(10)
})

test('faults of an RPC: whatever it does, nothing untrue is heard', async () => {
  const { world, chain, rpc, asked } = scene('rpc')
  chain.fund(PAYER, VALUE)
  await run(world, async () => {
    const authorization = sign(world, chain, 1)
    await chain.included(chain.send([{ kind: 'pay', authorization }]))
    for (const state of ['lost', 'silent', 'busy', 'page'] as const) {
      rpc.knobs.state = state
      expect(await ask(asked, authorization)).toEqual({ kind: 'unreachable' })
    }
    rpc.knobs.state = 'up'
    const paid = { kind: 'settled', position: 0 }
    const usual = { refusesBatches: false, mostBlocks: 10_000, crowd: 0 }
    for (const knobs of [{ refusesBatches: true }, { mostBlocks: 10 }, { crowd: 5_000 }, {}]) {
      Object.assign(rpc.knobs, usual, knobs)
      expect(await ask(new Rpc(RPC_URL, NETWORK), authorization)).toMatchObject(paid)
    }
    rpc.knobs.dropsLogs = true
    expect(await ask(asked, authorization)).toMatchObject({ kind: 'unclear' })
    rpc.knobs.dropsLogs = false
    rpc.knobs.lags = [0, 20]
    expect(['settled', 'unused', 'unclear', 'unreachable']).toContain((await ask(asked, authorization)).kind)
    rpc.knobs.lags = [0]
    expect(await ask(asked, authorization)).toMatchObject(paid)
    rpc.knobs.chainId = 1
    expect(await ask(new Rpc(RPC_URL, NETWORK), authorization)).toEqual({ kind: 'unreachable' })
  })
})

test('a token with its logs reversed proves nothing', async () => {
  const { world, chain, asked } = scene('reversed', { isReversed: true })
  chain.fund(PAYER, VALUE)
  await run(world, async () => {
    const authorization = sign(world, chain, 1)
    await chain.included(chain.send([{ kind: 'pay', authorization }]))
    await pause(60_000)
    expect(await ask(asked, authorization)).toMatchObject({ kind: 'unclear', why: 'strange logs' })
  })
})
