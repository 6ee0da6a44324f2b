import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Budget, newRpcMemory, Rpc } from '../../src/chain.ts'
import { readReceipt } from '../../src/payer/proof.ts'
import {
  type EvmSubject,
  firstLook,
  type Known,
  LOOK_REQUESTS,
  type Look,
  look,
  proofOf,
} from '../../src/payer/reconcile.ts'
import type { Authorization } from '../../src/x402/payment.ts'
import { approval, canceled, imitatedRpc, OTHER_TOKEN, TOKEN, transfer, used } from '../world/imitated-rpc.ts'

type Chain = ReturnType<typeof imitatedRpc>

const CHAIN_ID = 84_532
const PAYER = `0x${'11'.repeat(20)}` as const
const PAYEE = `0x${'22'.repeat(20)}` as const
const STRANGER = `0x${'33'.repeat(20)}` as const
const nonceOf = (i: number): `0x${string}` => `0x${i.toString(16).padStart(64, 'c')}`
const plenty = (): Budget => ({ left: 1_000 })
const newRpc = () => new Rpc('https://rpc.example/', `eip155:${CHAIN_ID}`)

type Question = Extract<EvmSubject, { kind: 'eip3009' }> & Known

/** A payment claimed now, good for five minutes. */
function payment(chain: Chain, change: Partial<Authorization> = {}): Authorization {
  const validBefore = BigInt(chain.nowSeconds() + 300)
  return { from: PAYER, to: PAYEE, value: 10_000n, validAfter: 0n, validBefore, nonce: nonceOf(1), ...change }
}

/** Asked about by who saw it unused at the claim. */
function asked(chain: Chain, authorization: Authorization, change: Partial<Question> = {}): Question {
  return {
    kind: 'eip3009',
    asset: TOKEN,
    authorization,
    seenBlock: chain.head(),
    claimedAtSeconds: chain.nowSeconds(),
    search: null,
    transaction: '',
    wantsPinned: false,
    ...change,
  }
}

const paying = (authorization: Authorization) => [used(authorization), transfer(authorization)]

/** One look, which is within its bound of requests. */
async function lookOnce(
  chain: Chain,
  question: Question,
  rpc = newRpc(),
  nowSeconds = chain.nowSeconds(),
): Promise<Look> {
  const before = chain.counts.requests
  const found = await look(rpc, question, nowSeconds, plenty())
  expect(chain.counts.requests - before).toBeLessThanOrEqual(LOOK_REQUESTS)
  return found
}

/** Looks until something but "searching" is said; `rpcOf` gives what is asked each time. */
async function lookOn(chain: Chain, question: Question, most: number, rpcOf = newRpc) {
  let found = await lookOnce(chain, question, rpcOf())
  let looks = 1
  while (found.truth.kind === 'unclear' && found.truth.why === 'searching' && looks < most) {
    const { seenBlock, search } = found
    found = await lookOnce(chain, { ...question, seenBlock, search }, rpcOf())
    looks += 1
  }
  return { ...found, looks }
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('what is found counts at once', () => {
  test('a payment whose reply was lost is found in the newest block', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(paying(authorization))
    const { truth } = await lookOnce(chain, question)
    expect(truth).toEqual({ kind: 'settled', transaction, position: 0 })
    expect(chain.counts.requests).toBeLessThanOrEqual(7)
  })

  test('the receipt of a named transaction is enough, and nothing is searched', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine([approval(authorization), ...paying(authorization)])
    const { truth } = await lookOnce(chain, { ...question, transaction })
    expect(truth).toEqual({ kind: 'settled', transaction, position: 1 })
    expect(chain.counts.calls).not.toContain('eth_getLogs')
  })

  test('a transaction named in capitals is the same transaction', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(paying(authorization))
    const named = `0x${transaction.slice(2).toUpperCase()}`
    expect((await lookOnce(chain, { ...question, transaction: named })).truth).toMatchObject({ transaction })
  })

  test('a named transaction counts though the node that tells the state lags', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(paying(authorization))
    chain.knobs.lags = { eth_call: 5 }
    expect((await lookOnce(chain, { ...question, transaction })).truth.kind).toBe('settled')
  })

  test('a named transaction that is another does not hide the one that paid', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const other = chain.mine([transfer({ ...authorization, to: STRANGER })])
    const transaction = chain.mine(paying(authorization))
    for (const named of [other, `0x${'9'.repeat(64)}`, 'no hash']) {
      const { truth } = await lookOnce(chain, { ...question, transaction: named })
      expect(truth).toEqual({ kind: 'settled', transaction, position: 0 })
    }
  })

  test('a chain of a few blocks has nothing settled, and a payment all the same', async () => {
    const chain = imitatedRpc({ height: 3 })
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.mine(paying(authorization))
    expect((await lookOnce(chain, question)).truth.kind).toBe('settled')
    const other = payment(chain, { nonce: nonceOf(2) })
    expect((await lookOnce(chain, asked(chain, other, { wantsPinned: true }))).truth).toEqual({
      kind: 'unused',
      pinnedSeconds: null,
      reverted: null,
    })
    chain.mine([canceled(other)])
    expect((await lookOnce(chain, asked(chain, other))).truth).toMatchObject({ kind: 'unclear', why: 'too fresh' })
  })
})

describe('only the next log of the token is a payment', () => {
  test('one transfer and nine nonces spent on transfers of nothing: one is paid, nine can never pay', async () => {
    const chain = imitatedRpc()
    const all = Array.from({ length: 10 }, (_, i) => payment(chain, { nonce: nonceOf(i) }))
    const questions = all.map((authorization) => asked(chain, authorization))
    const logs = all.flatMap((authorization, i) => [
      used(authorization),
      transfer(i === 4 ? authorization : { from: PAYER, to: PAYER, value: 0n }),
    ])
    const transaction = chain.mine(logs)
    const look1 = await Promise.all(questions.map((question) => look(newRpc(), question, chain.nowSeconds(), plenty())))
    expect(look1.map(({ truth }) => truth)).toEqual(
      all.map((_, i) =>
        i === 4 ? { kind: 'settled', transaction, position: 8 } : { kind: 'unclear', why: 'too fresh', inSeconds: 20 },
      ),
    )
    chain.passSeconds(90)
    const look2 = await Promise.all(questions.map((question) => look(newRpc(), question, chain.nowSeconds(), plenty())))
    expect(look2.map(({ truth }) => truth.kind)).toEqual(all.map((_, i) => (i === 4 ? 'settled' : 'void')))
  })

  test('ten nonces in a row before one transfer: the last is paid, and of the others nothing is proven', async () => {
    const chain = imitatedRpc()
    const all = Array.from({ length: 10 }, (_, i) => payment(chain, { nonce: nonceOf(i) }))
    const questions = all.map((authorization) => asked(chain, authorization))
    const [first = payment(chain)] = all
    chain.mine([...all.map((authorization) => used(authorization)), transfer(first)])
    chain.passSeconds(90)
    const kinds: string[] = []
    for (const question of questions) kinds.push((await lookOnce(chain, question)).truth.kind)
    expect(kinds).toEqual([...Array.from({ length: 9 }, () => 'unclear'), 'settled'])
  })

  test.each<[string, (authorization: Authorization) => ReturnType<typeof used>[], string]>([
    ['the logs are reversed', (a) => [transfer(a), used(a)], 'strange logs'],
    ['another log of the token lies in between', (a) => [used(a), approval(a), transfer(a)], 'strange logs'],
    ['no transfer follows', (a) => [used(a)], 'strange logs'],
    ['the transfer is of another token', (a) => [used(a), transfer(a, OTHER_TOKEN)], 'strange logs'],
    ['the transfer is somebody else’s', (a) => [used(a), transfer({ ...a, from: STRANGER })], 'strange logs'],
    ['the nonce is used twice', (a) => [used(a), transfer(a), used(a), transfer(a)], 'strange logs'],
  ])('nothing is proven where %s', async (_, logsOf, why) => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.mine(logsOf(authorization))
    chain.passSeconds(90)
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'unclear', why })
  })

  test('logs of another token in between are passed over, and counted in the position', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const foreign = transfer(authorization, OTHER_TOKEN)
    const transaction = chain.mine([
      used(authorization, OTHER_TOKEN),
      foreign,
      used(authorization),
      foreign,
      transfer(authorization),
    ])
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'settled', transaction, position: 2 })
  })

  test.each<[string, (authorization: Authorization) => ReturnType<typeof used>[]]>([
    ['cancelled', (a) => [canceled(a)]],
    ['spent on another payee', (a) => [used(a), transfer({ ...a, to: STRANGER })]],
    ['spent on another value', (a) => [used(a), transfer({ ...a, value: 9_999n })]],
  ])('a nonce %s can never pay, once that is not undone any more', async (_, logsOf) => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(logsOf(authorization))
    expect((await lookOnce(chain, question)).truth).toMatchObject({ kind: 'unclear', why: 'too fresh' })
    chain.passSeconds(60)
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'void', transaction })
    expect((await lookOnce(chain, { ...question, transaction })).truth).toEqual({ kind: 'void', transaction })
  })

  test.each([0.25, 1, 2, 12])(
    'too fresh for a verdict, it is known when it will be old enough (%d seconds a block)',
    async (secondsPerBlock) => {
      const chain = imitatedRpc({ secondsPerBlock })
      const authorization = payment(chain)
      const question = asked(chain, authorization)
      const transaction = chain.mine([canceled(authorization)])
      chain.passSeconds(5)
      const { truth } = await lookOnce(chain, question)
      if (truth.kind !== 'unclear' || truth.why !== 'too fresh') throw new Error(`it is ${truth.kind}`)
      expect(truth.inSeconds).toBeLessThanOrEqual(16)
      chain.passSeconds(truth.inSeconds)
      expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'void', transaction })
    },
  )

  test('a state that was read elsewhere makes a fresh cancellation no verdict', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.mine([canceled(authorization)])
    chain.knobs.instead = (method) => (method === 'eth_call' ? '0x1' : undefined)
    expect((await lookOnce(chain, question)).truth).toMatchObject({ kind: 'unclear', why: 'too fresh' })
  })

  test('a transaction that failed proves nothing, whatever logs a node gives it', () => {
    const authorization = payment(imitatedRpc())
    const receipt = { block: 1, isSuccess: true, logs: paying(authorization) }
    expect(readReceipt(receipt, TOKEN, authorization)).toEqual({ kind: 'paid', position: 0 })
    expect(readReceipt({ ...receipt, isSuccess: false }, TOKEN, authorization)).toEqual({ kind: 'absent' })
  })

  test('addresses count in any spelling', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain, { from: `0x${'ab'.repeat(20)}`, to: `0x${'cd'.repeat(20)}` })
    const question = asked(chain, authorization)
    const [use, move] = paying(authorization)
    const upper = (log = used(authorization)) => ({
      ...log,
      topics: log.topics.map((topic) => `0x${topic.slice(2).toUpperCase()}`),
    })
    const transaction = chain.mine([upper(use), upper(move)])
    expect((await lookOnce(chain, { ...question, transaction })).truth.kind).toBe('settled')
  })

  test('a receipt with 100 settlements is read, and the 73rd found', async () => {
    const chain = imitatedRpc()
    const all = Array.from({ length: 100 }, (_, i) => payment(chain, { nonce: nonceOf(i) }))
    const authorization = all[72] ?? payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(all.flatMap(paying))
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'settled', transaction, position: 144 })
  })

  test('blocks with 5,000 transactions are read', async () => {
    const chain = imitatedRpc()
    chain.knobs.hashesPerBlock = 5_000
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.mine(paying(authorization))
    expect((await lookOnce(chain, question)).truth.kind).toBe('settled')
  })
})

describe('a claim made while the RPC was down', () => {
  const FAST = { secondsPerBlock: 0.25, height: 300_000_000 }

  test.each([2_000, 100_000])('is found when it comes back after %i blocks', async (blocks) => {
    const chain = imitatedRpc(FAST)
    chain.pass(900)
    const authorization = payment(chain)
    const question = asked(chain, authorization, { seenBlock: null })
    chain.knobs.isDown = true
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'unreachable' })
    const transaction = chain.mine(paying(authorization))
    chain.pass(blocks)
    chain.knobs.isDown = false
    const found = await lookOn(chain, question, 2)
    expect(found.truth).toEqual({ kind: 'settled', transaction, position: 0 })
  })

  test('is found though the chain was slower then, and stood still', async () => {
    const chain = imitatedRpc({ secondsPerBlock: 12, height: 5_000 })
    const authorization = payment(chain)
    const question = asked(chain, authorization, { seenBlock: null })
    const transaction = chain.mine(paying(authorization))
    chain.pass(3_000)
    // What the isolate remembers is wrong by far.
    const rpc = new Rpc('https://rpc.example/', `eip155:${CHAIN_ID}`, { ...newRpcMemory(), secondsPerBlock: 0.05 })
    expect((await lookOn(chain, question, 2, () => rpc)).truth).toEqual({ kind: 'settled', transaction, position: 0 })
  })

  test('and paid in a block stamped 3 s before the claim', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    chain.mine(paying(authorization))
    const question = asked(chain, authorization, { seenBlock: null, claimedAtSeconds: chain.nowSeconds() + 3 })
    chain.pass(100)
    expect((await lookOn(chain, question, 2)).truth.kind).toBe('settled')
  })
})

describe('RPCs that allow little', () => {
  test.each<[string, number, boolean]>([
    ['ten blocks a query', 10, false],
    ['ten blocks a query, and no batches', 10, true],
    ['one block a query', 1, false],
    ['all blocks, and no batches', 1e9, true],
  ])('%s: the payment is found, in looks within their bound', async (_, mostLogBlocks, refusesBatches) => {
    const chain = imitatedRpc()
    Object.assign(chain.knobs, { mostLogBlocks, refusesBatches })
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.pass(5)
    const transaction = chain.mine(paying(authorization))
    chain.pass(200)
    // Without memory, as in an object that was asleep between its alarms.
    const found = await lookOn(chain, question, mostLogBlocks === 1 ? 80 : 20)
    expect(found.truth).toEqual({ kind: 'settled', transaction, position: 0 })
    const memory = newRpcMemory()
    const again = await lookOn(
      chain,
      question,
      found.looks,
      () => new Rpc('https://rpc.example/', `eip155:${CHAIN_ID}`, memory),
    )
    expect(again.truth).toEqual(found.truth)
    expect(again.looks).toBeLessThanOrEqual(found.looks)
  })

  test('one that refuses every range leaves it used, and not certain', async () => {
    const chain = imitatedRpc()
    chain.knobs.mostLogBlocks = 0
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.mine(paying(authorization))
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'unclear', why: 'searching' })
  })

  test('one that keeps no old states cannot give a verdict against the payer', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.knobs.keptStates = 3
    chain.passSeconds(900)
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'unreachable' })
    chain.mine([canceled(authorization)])
    chain.passSeconds(90)
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'unclear', why: 'searching' })
  })
})

describe('nodes that lag', () => {
  test('a head and a state from different nodes: what the one did not have yet is found later', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(paying(authorization))
    chain.pass(20)
    chain.knobs.lags = { eth_call: 30 }
    const first = await lookOnce(chain, question)
    expect(first.truth.kind).toBe('unused')
    // Seen unused at a block later than the use.
    expect(first.seenBlock).toBe(chain.head())
    chain.knobs.lags = {}
    const second = await lookOnce(chain, { ...question, ...first })
    expect(second.truth).toEqual({ kind: 'settled', transaction, position: 0 })
  })

  test('logs from a node that lacks the last block of the range prove no absence', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(paying(authorization))
    chain.passSeconds(60)
    const rpc = newRpc()
    // Its latest block is asked of another node.
    await rpc.head(plenty())
    chain.knobs.lags = { eth_getLogs: 200, eth_getBlockByNumber: 25 }
    const first = await lookOnce(chain, question, rpc)
    expect(first.truth).toEqual({ kind: 'unclear', why: 'searching' })
    expect(first.search?.searchedTo).toBe((first.search?.fromBlock ?? 0) - 1)
    chain.knobs.lags = {}
    expect((await lookOnce(chain, { ...question, ...first })).truth).toEqual({
      kind: 'settled',
      transaction,
      position: 0,
    })
  })

  test('a node that lacks the newest logs has proven no absence there', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(paying(authorization))
    // Two nodes behind one batch, which no proof can tell: nothing within 20 s of the head is taken for searched.
    chain.knobs.lags = { eth_getLogs: 3 }
    const first = await lookOnce(chain, question)
    expect(first.truth).toEqual({ kind: 'unclear', why: 'searching' })
    expect(chain.timeOf(first.search?.searchedTo ?? 0)).toBeLessThanOrEqual(chain.nowSeconds() - 20)
    chain.knobs.lags = {}
    expect((await lookOnce(chain, { ...question, ...first })).truth).toEqual({
      kind: 'settled',
      transaction,
      position: 0,
    })
  })

  test('a state that lags does not make a payment expire', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.passSeconds(290)
    const transaction = chain.mine(paying(authorization))
    chain.passSeconds(60)
    chain.knobs.lags = { eth_call: 60 }
    const first = await lookOnce(chain, question)
    // That node does not have the block it is asked about.
    expect(first).toEqual({ truth: { kind: 'unreachable' }, seenBlock: question.seenBlock, search: null })
    chain.knobs.lags = {}
    expect((await lookOnce(chain, { ...question, ...first })).truth).toEqual({
      kind: 'settled',
      transaction,
      position: 0,
    })
  })
})

describe('reorganisations', () => {
  test('a payment that moves into the block of the claim is a payment', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const claimBlock = chain.head()
    const transaction = chain.mine(paying(authorization))
    chain.move(transaction, claimBlock)
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'settled', transaction, position: 0 })
  })

  test('a cancellation that is undone was none', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const cancellation = chain.mine([canceled(authorization)])
    const first = await lookOnce(chain, question)
    expect(first.truth).toMatchObject({ kind: 'unclear', why: 'too fresh' })
    chain.move(cancellation, null)
    chain.pass(1)
    const second = await lookOnce(chain, { ...question, ...first })
    expect(second.truth.kind).toBe('unused')
    chain.mine(paying(authorization))
    expect((await lookOnce(chain, { ...question, ...second })).truth.kind).toBe('settled')
  })

  test('a log whose transaction nobody knows any more is asked for again', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.knobs.lostReceipts.add(chain.mine(paying(authorization)))
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'unclear', why: 'searching' })
    chain.knobs.lostReceipts.clear()
    expect((await lookOnce(chain, question)).truth.kind).toBe('settled')
  })
})

describe('unused', () => {
  test('a nonce seen unused remembers the block, and never an earlier one', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.pass(10)
    const found = await lookOnce(chain, question)
    expect(found).toEqual({
      truth: { kind: 'unused', pinnedSeconds: null, reverted: null },
      seenBlock: chain.head(),
      search: null,
    })
    const later = chain.head() + 50
    expect((await lookOnce(chain, { ...question, seenBlock: later })).seenBlock).toBe(later)
  })

  test('a payment expires only at a block past its window that is 20 s behind the head', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const rpc = newRpc()
    const kinds: [number, string][] = []
    for (let seconds = 280; seconds <= 360; seconds += 10) {
      chain.passSeconds(seconds - (chain.nowSeconds() - question.claimedAtSeconds))
      kinds.push([seconds, (await lookOnce(chain, question, new Rpc(rpc.url, rpc.network, rpc.memory))).truth.kind])
    }
    const expiredAt = kinds.find(([, kind]) => kind === 'expired')?.[0] ?? 0
    expect(expiredAt).toBeGreaterThan(320)
    expect(expiredAt).toBeLessThanOrEqual(350)
    expect(kinds.filter(([seconds]) => seconds < expiredAt).every(([, kind]) => kind === 'unused')).toBe(true)
  })

  test('a window that is over at the head is not over at the pinned block', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.passSeconds(310)
    const { truth } = await lookOnce(chain, { ...question, wantsPinned: true })
    expect(truth).toMatchObject({ kind: 'unused', reverted: null })
    const pinnedAgo = truth.kind === 'unused' ? chain.nowSeconds() - (truth.pinnedSeconds ?? 0) : 0
    expect(pinnedAgo).toBeGreaterThanOrEqual(20)
    expect(pinnedAgo).toBeLessThanOrEqual(23)
    chain.passSeconds(16)
    expect((await lookOnce(chain, question)).truth).toEqual({
      kind: 'expired',
      reason: 'invalid_exact_evm_payload_authorization_valid_before',
    })
  })

  test('unused at one node and used at another, well behind the head, is used', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization, { wantsPinned: true })
    const transaction = chain.mine(paying(authorization))
    chain.passSeconds(120)
    let states = 0
    chain.knobs.instead = (method) => {
      if (method === 'eth_call') states += 1
      return method === 'eth_call' && states === 1 ? '0x0' : undefined
    }
    const found = await lookOnce(chain, question)
    expect(found.truth).toEqual({ kind: 'settled', transaction, position: 0 })
    expect(found.seenBlock).toBe(question.seenBlock)
  })

  test('after a failure was reported the answer is pinned, and says whether the named transaction failed', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const failed = chain.mine([], { isSuccess: false })
    const other = chain.mine([transfer({ ...authorization, to: STRANGER })])
    chain.passSeconds(60)
    const question = asked(chain, authorization, { wantsPinned: true })
    const expected: [string, boolean | null][] = [
      [failed, true],
      [other, false],
      [`0x${'9'.repeat(64)}`, null],
      ['', null],
    ]
    for (const [transaction, reverted] of expected) {
      const { truth } = await lookOnce(chain, { ...question, transaction })
      expect(truth).toMatchObject({ kind: 'unused', reverted })
      expect(truth.kind === 'unused' ? truth.pinnedSeconds : null).toBeLessThanOrEqual(chain.nowSeconds() - 20)
    }
  })

  test('a node that lacks the pinned block gives no answer', async () => {
    const chain = imitatedRpc()
    const question = asked(chain, payment(chain), { wantsPinned: true })
    chain.knobs.lags = { eth_call: 100 }
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'unreachable' })
  })
})

describe('used, and no log that tells why', () => {
  /** Used long before the claim. */
  function usedLongAgo(change: Partial<Question> = {}) {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    chain.mine(paying(authorization), { block: 1_000 })
    return { chain, question: asked(chain, authorization, { seenBlock: null, ...change }) }
  }

  test('is not said to be used before while the window is open', async () => {
    const { chain, question } = usedLongAgo()
    const found = await lookOnce(chain, question)
    expect(found.truth).toEqual({ kind: 'unclear', why: 'searching' })
    expect(found.search?.emptySinceSeconds).toBeNull()
    // Past its end by the head, and not yet by what can no longer be undone.
    chain.passSeconds(310)
    expect((await lookOnce(chain, question)).search?.emptySinceSeconds).toBeNull()
  })

  test('logs that were undone, or lie elsewhere, are none', async () => {
    const { chain, question } = usedLongAgo()
    const { from, nonce } = question.authorization
    const log = { ...used({ from, nonce }), transactionHash: `0x${'9'.repeat(64)}`, blockNumber: '0x1' }
    const removed = { ...log, blockNumber: `0x${chain.head().toString(16)}`, removed: true }
    chain.knobs.instead = (method) => (method === 'eth_getLogs' ? [log, removed] : undefined)
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'unclear', why: 'searching' })
  })

  test('is used before when the whole window was searched twice, ten minutes apart', async () => {
    const { chain, question } = usedLongAgo()
    chain.passSeconds(400)
    const searching = { kind: 'unclear', why: 'searching' }
    const first = await lookOnce(chain, question)
    expect(first.truth).toEqual(searching)
    expect(first.search?.emptySinceSeconds).toBe(chain.nowSeconds())
    const emptySince = first.search?.emptySinceSeconds
    chain.passSeconds(590)
    const second = await lookOnce(chain, { ...question, ...first })
    expect(second.truth).toEqual(searching)
    expect(second.search).toEqual({ ...first.search, emptySinceSeconds: emptySince })
    chain.passSeconds(10)
    expect((await lookOnce(chain, { ...question, ...second })).truth).toEqual({ kind: 'used_before' })
  })

  test('is searched anew the second time, and what was overlooked is found', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    const transaction = chain.mine(paying(authorization))
    chain.passSeconds(400)
    chain.knobs.instead = (method) => (method === 'eth_getLogs' ? [] : undefined)
    const first = await lookOnce(chain, question)
    expect(first.search?.emptySinceSeconds).not.toBeNull()
    chain.knobs.instead = () => undefined
    const second = await lookOnce(chain, { ...question, ...first })
    expect(second.truth).toEqual({ kind: 'settled', transaction, position: 0 })
  })

  test('a search that was broken off goes on where it stood', async () => {
    const { chain, question } = usedLongAgo()
    chain.knobs.mostLogBlocks = 10
    chain.passSeconds(400)
    const places: number[] = []
    let found = await lookOnce(chain, question)
    while (found.search?.emptySinceSeconds === null && places.length < 20) {
      places.push(found.search.searchedTo)
      found = await lookOnce(chain, { ...question, ...found })
    }
    expect(found.search?.emptySinceSeconds).toBe(chain.nowSeconds())
    expect(places.toSorted((a, b) => a - b)).toEqual(places)
    expect(new Set(places).size).toBe(places.length)
  })

  test('a cancellation after the window is no earlier use', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const question = asked(chain, authorization)
    chain.passSeconds(5_000)
    chain.mine([canceled(authorization)])
    const first = await lookOnce(chain, question)
    expect(first.truth).toEqual({ kind: 'unclear', why: 'searching' })
    const second = await lookOnce(chain, { ...question, ...first }, newRpc(), chain.nowSeconds() + 600)
    expect(second.truth).toEqual({ kind: 'expired', reason: 'invalid_exact_evm_payload_authorization_valid_before' })
  })
})

describe('whatever a node answers', () => {
  const HOSTILE: [string, unknown][] = [
    ['nothing', null],
    ['a text', 'yes'],
    ['a number', 7],
    ['a list of nothing', [null]],
    ['a block without a timestamp', { number: '0xf4240' }],
    ['a block with a height past what can be counted', { number: `0x${'f'.repeat(32)}`, timestamp: '0x1' }],
    ['a text in place of an object', { number: {}, timestamp: [], logs: {}, status: '0x1' }],
    ['an object that cannot be a text', { toString: 1, valueOf: 1 }],
    ['a deep list', JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`)],
    ['a key that is none', JSON.parse('{"__proto__":{"number":"0x1","timestamp":"0x1"}}')],
  ]
  const METHODS = ['eth_chainId', 'eth_getBlockByNumber', 'eth_call', 'eth_getLogs', 'eth_getTransactionReceipt']

  test.each(HOSTILE)('%s is no verdict', async (_, result) => {
    for (const hostile of METHODS) {
      const chain = imitatedRpc()
      const authorization = payment(chain)
      const question = asked(chain, authorization)
      const transaction = chain.mine(paying(authorization))
      chain.passSeconds(400)
      chain.knobs.instead = (method) => (method === hostile ? result : undefined)
      const search = { fromBlock: chain.head() - 300, searchedTo: chain.head() - 301, emptySinceSeconds: null }
      for (const change of [{}, { transaction }, { wantsPinned: true }, { search }]) {
        const { truth } = await lookOnce(chain, { ...question, ...change })
        expect(['unreachable', 'settled', 'unclear']).toContain(truth.kind)
      }
      const proof = { ...question, transaction, settledAtSeconds: chain.nowSeconds() }
      expect((await proofOf(newRpc(), proof, chain.nowSeconds(), plenty())).kind).not.toBe('missing')
      vi.restoreAllMocks()
    }
  })

  test('a head without a timestamp says nothing, and is asked again', async () => {
    const chain = imitatedRpc()
    const question = asked(chain, payment(chain))
    const rpc = newRpc()
    chain.knobs.instead = (method) => (method === 'eth_getBlockByNumber' ? { number: '0x10' } : undefined)
    expect(await firstLook(rpc, question, plenty())).toBeNull()
    chain.knobs.instead = () => undefined
    expect(await firstLook(rpc, question, plenty())).toEqual({
      kind: 'unused',
      block: chain.head(),
    })
  })

  test('another chain is unreachable, and says so once', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(() => {})
    const chain = imitatedRpc({ chainId: 1 })
    const question = asked(chain, payment(chain))
    const rpc = newRpc()
    expect((await lookOnce(chain, question, rpc)).truth).toEqual({ kind: 'unreachable' })
    const requests = chain.counts.requests
    expect((await lookOnce(chain, question, rpc)).truth).toEqual({ kind: 'unreachable' })
    expect(chain.counts.requests).toBe(requests)
    expect(error.mock.calls).toEqual([['{"event":"rpc_wrong_chain","network":"eip155:84532"}']])
  })

  test('no look takes more than is left, and what was known stays known', async () => {
    for (let left = 0; left <= 14; left++) {
      const chain = imitatedRpc()
      const authorization = payment(chain)
      chain.mine([canceled(authorization)], { block: chain.head() - 40 })
      const search = { fromBlock: chain.head() - 900, searchedTo: chain.head() - 700, emptySinceSeconds: null }
      const question = asked(chain, authorization, { search })
      const budget = { left }
      const found = await look(newRpc(), question, chain.nowSeconds(), budget)
      expect(budget.left).toBeGreaterThanOrEqual(0)
      expect(chain.counts.requests).toBe(left - budget.left)
      expect(found.search?.searchedTo).toBeGreaterThanOrEqual(search.searchedTo)
      expect(found.seenBlock).toBe(question.seenBlock)
      vi.restoreAllMocks()
    }
  })
})

test('once it is seen used, nothing that cannot be asked any more makes it less than used', async () => {
  const told = []
  for (let left = 0; left <= 14; left++) {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    chain.mine(paying(authorization), { block: chain.head() - 40 })
    told.push((await look(newRpc(), asked(chain, authorization), chain.nowSeconds(), { left })).truth.kind)
    vi.restoreAllMocks()
  }
  expect([...new Set(told)]).toEqual(['unreachable', 'unclear', 'settled'])
})

describe('the look at the claim', () => {
  test('tells an unused nonce, with its block, from a used one, and both from silence', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const first = () => firstLook(newRpc(), asked(chain, authorization), plenty())
    expect(await first()).toEqual({ kind: 'unused', block: chain.head() })
    expect(chain.counts.requests).toBe(3)
    chain.mine([canceled(authorization)])
    expect(await first()).toEqual({ kind: 'used' })
    chain.knobs.isDown = true
    expect(await first()).toBeNull()
    expect(await firstLook(newRpc(), asked(chain, authorization), { left: 0 })).toBeNull()
  })
})

describe('the proof of what a facilitator called settled', () => {
  const proofIn = (chain: Chain, authorization: Authorization, transaction: string, settledAtSeconds: number) =>
    proofOf(
      newRpc(),
      { kind: 'eip3009', asset: TOKEN, authorization, transaction, settledAtSeconds },
      chain.nowSeconds(),
      plenty(),
    )

  test('two successes that name one transaction: one is proven, the other missing', async () => {
    const chain = imitatedRpc()
    const [one, two] = [payment(chain), payment(chain, { nonce: nonceOf(2) })]
    const at = chain.nowSeconds()
    const transaction = chain.mine(paying(one))
    expect(await proofIn(chain, one, transaction, at)).toEqual({ kind: 'proven', position: 0 })
    expect(await proofIn(chain, two, transaction, at)).toEqual({ kind: 'unclear' })
    chain.passSeconds(90)
    expect(await proofIn(chain, two, transaction, at)).toEqual({ kind: 'missing' })
  })

  test('a transaction nobody knows, or that failed, is missing ten minutes later', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    const at = chain.nowSeconds()
    const failed = chain.mine(paying(authorization), { isSuccess: false })
    for (const transaction of [failed, `0x${'9'.repeat(64)}`]) {
      expect(await proofIn(chain, authorization, transaction, at)).toEqual({ kind: 'unclear' })
    }
    chain.passSeconds(600)
    for (const transaction of [failed, `0x${'9'.repeat(64)}`]) {
      expect(await proofIn(chain, authorization, transaction, at)).toEqual({ kind: 'missing' })
    }
  })

  test('an RPC that does not answer leaves it open', async () => {
    const chain = imitatedRpc()
    const authorization = payment(chain)
    chain.knobs.isDown = true
    chain.passSeconds(10_000)
    expect(await proofIn(chain, authorization, `0x${'9'.repeat(64)}`, 0)).toEqual({ kind: 'unreachable' })
  })
})
