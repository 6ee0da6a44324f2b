// What the chain says of a permit: only a transaction that is this very permit, sent straight to the proxy, has paid.
import { x402ExactPermit2ProxyABI } from '@x402/evm'
import { encodeFunctionData } from 'viem'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Budget, Rpc } from '../../src/chain.ts'
import { EXACT_PROXY } from '../../src/networks/permit2.ts'
import { type EvmSubject, firstLook, type Known, LOOK_REQUESTS, look, proofOf } from '../../src/payer/reconcile.ts'
import type { Permit } from '../../src/x402/payment.ts'
import { imitatedRpc, OTHER_TOKEN, TOKEN, transfer } from '../world/imitated-rpc.ts'

type Chain = ReturnType<typeof imitatedRpc>
type Question = Extract<EvmSubject, { kind: 'permit2' }> & Known

const PAYER = `0x${'11'.repeat(20)}` as const
const PAYEE = `0x${'22'.repeat(20)}` as const
const STRANGER = `0x${'33'.repeat(20)}` as const
const LARGEST = 2n ** 256n - 1n
const plenty = (): Budget => ({ left: 1_000 })
const newRpc = () => new Rpc('https://rpc.example/', 'eip155:84532')

/** A permit claimed now, good for five minutes. */
const permitOn = (chain: Chain, change: Partial<Permit> = {}): Permit => ({
  from: PAYER,
  asset: TOKEN,
  value: 10_000n,
  spender: EXACT_PROXY,
  nonce: 0x1234n,
  deadline: BigInt(chain.nowSeconds() + 300),
  to: PAYEE,
  validAfter: 0n,
  ...change,
})

/** Asked about by who saw it unused at the claim. */
const asked = (chain: Chain, permit: Permit, change: Partial<Known> = {}): Question => ({
  kind: 'permit2',
  permit,
  seenBlock: chain.head(),
  claimedAtSeconds: chain.nowSeconds(),
  search: null,
  transaction: '',
  wantsPinned: false,
  ...change,
})

const SIGNATURE = `0x${'5a'.repeat(65)}` as const
const HASH = `0x${'77'.repeat(32)}` as const

const argsOf = ({ asset, value, nonce, deadline, from, to, validAfter }: Permit) =>
  [{ permitted: { token: asset, amount: value }, nonce, deadline }, from, { to, validAfter }, SIGNATURE] as const
const settling = (permit: Permit) =>
  encodeFunctionData({ abi: x402ExactPermit2ProxyABI, functionName: 'settle', args: argsOf(permit) }).toLowerCase()
const settlingWithPermit = (permit: Permit) =>
  encodeFunctionData({
    abi: x402ExactPermit2ProxyABI,
    functionName: 'settleWithPermit',
    args: [{ value: permit.value, deadline: 1n, r: HASH, s: HASH, v: 27 }, ...argsOf(permit)],
  }).toLowerCase()

/** The permit is settled as the proxy does it; `change`: what is different of that. */
const settle = (chain: Chain, permit: Permit, change: Parameters<Chain['mine']>[1] = {}, logs = [transfer(permit)]) =>
  chain.mine(logs, { to: EXACT_PROXY, input: settling(permit), bits: [permit], ...change })

async function lookOnce(chain: Chain, question: Question, rpc = newRpc(), nowSeconds = chain.nowSeconds()) {
  const before = chain.counts.requests
  const found = await look(rpc, question, nowSeconds, plenty())
  expect(chain.counts.requests - before).toBeLessThanOrEqual(LOOK_REQUESTS)
  return found
}

/** Looks again and again, as the alarm does, until something but "searching" is said. */
async function lookOn(chain: Chain, question: Question, most = 20, rpc = newRpc()) {
  let found = await lookOnce(chain, question, rpc)
  for (let i = 0; i < most && found.truth.kind === 'unclear' && found.truth.why === 'searching'; i++) {
    const { seenBlock, search } = found
    found = await lookOnce(chain, { ...question, seenBlock, search }, rpc)
  }
  return found
}

const SEARCHING = { kind: 'unclear', why: 'searching' }

afterEach(() => {
  vi.restoreAllMocks()
})

describe('what is found counts at once', () => {
  test('a payment whose reply was lost is found in the newest block', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    const transaction = settle(chain, permit)
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'settled', transaction, position: 0 })
  })

  test('a named transaction is enough, and nothing is searched', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    const other = transfer({ ...permit, to: STRANGER })
    const transaction = settle(chain, permit, {}, [other, transfer(permit)])
    const { truth } = await lookOnce(chain, { ...question, transaction })
    expect(truth).toEqual({ kind: 'settled', transaction, position: 1 })
    expect(chain.counts.calls).not.toContain('eth_getLogs')
  })

  test('whoever sends it, with an approval before or a mark behind: it is this permit', async () => {
    for (const inputOf of [settlingWithPermit, (permit: Permit) => `${settling(permit)}c0ffee`]) {
      const chain = imitatedRpc()
      const permit = permitOn(chain)
      const question = asked(chain, permit)
      const transaction = settle(chain, permit, { input: inputOf(permit) })
      expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'settled', transaction, position: 0 })
      vi.restoreAllMocks()
    }
  })

  test('the last nonce there is, and the last bit of a word', async () => {
    for (const nonce of [LARGEST, 255n, 256n, 0n]) {
      const chain = imitatedRpc()
      const permit = permitOn(chain, { nonce })
      const question = asked(chain, permit)
      const first = await firstLook(newRpc(), question, plenty())
      expect(first).toEqual({ kind: 'unused', block: chain.head() })
      // Its neighbours are other payments.
      settle(chain, { ...permit, nonce: nonce === 0n ? 1n : nonce - 1n, to: STRANGER })
      expect(await firstLook(newRpc(), question, plenty())).toMatchObject({ kind: 'unused' })
      const transaction = settle(chain, permit)
      expect(await firstLook(newRpc(), question, plenty())).toEqual({ kind: 'used' })
      expect((await lookOnce(chain, question)).truth).toMatchObject({ kind: 'settled', transaction })
      vi.restoreAllMocks()
    }
  })

  test('other payments of the same payer to the same payee are passed over, two in one block too', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    for (const nonce of [1n, 2n, 3n]) settle(chain, { ...permit, nonce })
    settle(chain, { ...permit, nonce: 4n })
    const transaction = settle(chain, permit, { block: chain.head() })
    settle(chain, { ...permit, nonce: 5n })
    expect((await lookOn(chain, question)).truth).toEqual({ kind: 'settled', transaction, position: 0 })
  })

  test('a permit that is good for hours is looked for up to its deadline', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain, { deadline: BigInt(chain.nowSeconds() + 20_000) })
    const question = asked(chain, permit)
    chain.passSeconds(15_000)
    const transaction = settle(chain, permit)
    chain.passSeconds(600)
    expect((await lookOn(chain, question)).truth).toEqual({ kind: 'settled', transaction, position: 0 })
  })

  test('behind twenty other payments it is found in several looks, each within its bound', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    for (let nonce = 1n; nonce <= 20n; nonce++) settle(chain, { ...permit, nonce })
    const transaction = settle(chain, permit)
    chain.passSeconds(60)
    const first = await lookOnce(chain, question)
    expect(first.truth).toEqual(SEARCHING)
    expect((await lookOn(chain, { ...question, search: first.search })).truth).toMatchObject({ transaction })
  })
})

describe('what strangers put beside it', () => {
  /** Whoever likes moves nothing of the payer's to the payee: tokens ask for no approval of that. */
  const moveNothing = (chain: Chain, permit: Permit, block?: number) =>
    chain.mine([transfer({ ...permit, value: 0n })], { to: STRANGER, ...(block === undefined ? {} : { block }) })

  test('transfers of nothing are not read: neither their number nor their block holds up what is found', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    const block = chain.head() + 1
    for (let i = 0; i < 20; i++) moveNothing(chain, permit, block)
    const transaction = settle(chain, permit, { block })
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'settled', transaction, position: 0 })
    expect(chain.counts.calls.filter((method) => method === 'eth_getTransactionByHash')).toHaveLength(2)
  })

  test.each([
    ['takes batches', false],
    ['takes none', true],
  ])(
    'nor do more of them than can be read at once, of a node that %s: fewer blocks are asked for',
    async (_, refuses) => {
      const chain = imitatedRpc()
      chain.knobs.refusesBatches = refuses
      const permit = permitOn(chain)
      const question = asked(chain, permit)
      const transaction = settle(chain, permit)
      const many = Array.from({ length: 40 }, () => transfer({ ...permit, value: 0n }))
      for (let i = 0; i < 800; i++) chain.mine(many, { to: STRANGER })
      const rpc = newRpc()
      expect((await lookOn(chain, question, 3, rpc)).truth).toEqual({ kind: 'settled', transaction, position: 0 })
      // It has not shown that it takes no batches, nor that it answers for fewer blocks of others.
      expect(rpc.memory).toMatchObject({ takesBatches: !refuses, logBlocks: 2_000 })
    },
  )

  test('more of them in one block than can be read at once leave it unknown; the search comes up to them', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    chain.mine([], { bits: [permit] })
    const block = chain.head() + 1
    chain.mine(Array.from({ length: 8_000 }, () => transfer({ ...permit, value: 0n })))
    chain.passSeconds(400)
    const rpc = newRpc()
    let found = await lookOnce(chain, question, rpc)
    for (let i = 0; i < 4; i++) {
      expect(found.truth).toEqual(SEARCHING)
      found = await lookOnce(chain, { ...question, search: found.search }, rpc)
    }
    expect(found.search).toMatchObject({ searchedTo: block - 1, emptySinceSeconds: null })
  })

  test('nor do they hold up a verdict', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    chain.mine([], { bits: [permit] })
    const block = chain.head() + 1
    for (let i = 0; i < 20; i++) moveNothing(chain, permit, block)
    chain.passSeconds(400)
    const once = await lookOn(chain, question, 1)
    expect(once.search?.emptySinceSeconds).not.toBeNull()
    chain.passSeconds(700)
    const again = await lookOnce(chain, { ...question, search: once.search })
    expect(again.truth).toEqual({ kind: 'used_before' })
  })
})

describe('a bit that is set proves nothing by itself', () => {
  type Row = [string, (chain: Chain, permit: Permit) => unknown]
  const rows: Row[] = [
    ['nonces that were given up (invalidateUnorderedNonces)', (chain, permit) => chain.mine([], { bits: [permit] })],
    [
      'another spender’s permit with a transfer of the same amount to the same payee',
      (chain, permit) => chain.mine([transfer(permit)], { to: STRANGER, input: settling(permit), bits: [permit] }),
    ],
    [
      'a call through another contract',
      (chain, permit) =>
        chain.mine([transfer(permit)], {
          to: STRANGER,
          input: `0xdeadbeef${settling(permit).slice(2)}`,
          bits: [permit],
        }),
    ],
    [
      'another function of the proxy',
      (chain, permit) => settle(chain, permit, { input: `0xdeadbeef${settling(permit).slice(10)}` }),
    ],
    ['a contract that is being made', (chain, permit) => settle(chain, permit, { to: null })],
    ...(
      [
        ['amount, one more', { value: 10_001n }],
        ['amount, one less', { value: 9_999n }],
        ['token', { asset: OTHER_TOKEN }],
        ['payee in the witness', { to: STRANGER }],
        ['beginning', { validAfter: 1n }],
        ['deadline', { deadline: 1n }],
        ['owner', { from: STRANGER }],
        ['nonce', { nonce: 0x1235n }],
      ] as const
    ).map(
      ([what, change]): Row => [
        `a permit with another ${what}`,
        (chain, permit) => settle(chain, permit, { input: settling({ ...permit, ...change }) }),
      ],
    ),
  ]

  test.each(rows)('%s: unknown at first, and used before after two whole searches', async (_, happen) => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    happen(chain, permit)
    expect((await lookOnce(chain, question)).truth).toEqual(SEARCHING)
    chain.passSeconds(400)
    const once = await lookOnce(chain, question)
    expect(once.truth).toEqual(SEARCHING)
    expect(once.search?.emptySinceSeconds).not.toBeNull()
    chain.passSeconds(300)
    const soon = await lookOnce(chain, { ...question, search: once.search })
    expect(soon.truth).toEqual(SEARCHING)
    chain.passSeconds(400)
    expect((await lookOnce(chain, { ...question, search: soon.search })).truth).toEqual({ kind: 'used_before' })
  })

  test('it is used before we saw it: so says the look at the claim', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    chain.mine([], { bits: [permit] })
    expect(await firstLook(newRpc(), asked(chain, permit), plenty())).toEqual({ kind: 'used' })
  })

  test.each([
    ['a fee was taken', [transfer({ from: PAYER, to: PAYEE, value: 9_900n })]],
    ['nothing was moved', []],
    ['another token moved', [transfer({ from: PAYER, to: PAYEE, value: 10_000n }, OTHER_TOKEN)]],
  ])('it is this very permit, and %s: that is no payment, and no proof against the payer', async (_, logs) => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    const transaction = settle(chain, permit, {}, logs)
    chain.passSeconds(400)
    const { truth } = await lookOnce(chain, { ...question, transaction })
    expect(truth).toEqual({ kind: 'unclear', why: 'strange logs' })
    const proof = { ...question, transaction, settledAtSeconds: chain.nowSeconds() - 400 }
    expect(await proofOf(newRpc(), proof, chain.nowSeconds(), plenty())).toEqual({ kind: 'missing' })
  })
})

describe('what did not happen', () => {
  test('a transaction that failed has paid nothing: the permit is unused, and may still be settled', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    const failed = settle(chain, permit, { isSuccess: false })
    chain.passSeconds(60)
    const { truth } = await lookOnce(chain, { ...question, transaction: failed, wantsPinned: true })
    expect(truth).toMatchObject({ kind: 'unused', reverted: true })
    const transaction = settle(chain, permit)
    expect((await lookOnce(chain, { ...question, transaction: failed })).truth).toMatchObject({
      kind: 'settled',
      transaction,
    })
  })

  test('past its deadline with the bit unset, 20 s behind the head, it can never pay', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    chain.passSeconds(300)
    expect((await lookOnce(chain, question)).truth).toMatchObject({ kind: 'unused' })
    chain.passSeconds(30)
    expect((await lookOnce(chain, question)).truth).toEqual({ kind: 'expired', reason: 'permit2_deadline_expired' })
  })

  test('settled in its last second, it is found after the deadline', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    chain.passSeconds(298)
    const transaction = settle(chain, permit)
    expect(BigInt(chain.nowSeconds())).toBe(permit.deadline)
    chain.passSeconds(100)
    expect((await lookOnce(chain, question)).truth).toMatchObject({ kind: 'settled', transaction })
  })

  test('a node that lags behind the settlement is no verdict', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    const transaction = settle(chain, permit)
    chain.passSeconds(10)
    for (const method of ['eth_call', 'eth_getLogs', 'eth_getTransactionByHash', 'eth_getTransactionReceipt']) {
      chain.knobs.lags = { [method]: 20 }
      expect(['unused', 'unclear', 'unreachable']).toContain((await lookOnce(chain, question)).truth.kind)
      expect(['settled', 'unused', 'unclear', 'unreachable']).toContain(
        (await lookOnce(chain, { ...question, transaction })).truth.kind,
      )
    }
    chain.knobs.lags = {}
    expect((await lookOnce(chain, question)).truth.kind).toBe('settled')
  })

  test('a settlement that is undone by a fork is unused again; in another block it is found there', async () => {
    const chain = imitatedRpc()
    const permit = permitOn(chain)
    const question = asked(chain, permit)
    const transaction = settle(chain, permit)
    chain.move(transaction, null)
    chain.passSeconds(4)
    expect((await lookOnce(chain, { ...question, transaction })).truth).toMatchObject({ kind: 'unused' })
    const again = settle(chain, permit)
    chain.move(again, chain.head() - 1)
    expect((await lookOnce(chain, { ...question, transaction })).truth).toMatchObject({ transaction: again })
  })

  test.each([
    ['null', null],
    ['a word', 'x'],
    ['an empty object', {}],
    ['an empty list', []],
    ['a hash', `0x${'9'.repeat(64)}`],
  ])('%s in place of an answer is never a verdict', async (_, result) => {
    for (const hostile of ['eth_call', 'eth_getLogs', 'eth_getTransactionByHash', 'eth_getTransactionReceipt']) {
      const chain = imitatedRpc()
      const permit = permitOn(chain)
      const question = asked(chain, permit)
      const transaction = settle(chain, permit)
      chain.passSeconds(400)
      chain.knobs.instead = (method) => (method === hostile ? result : undefined)
      for (const change of [{}, { transaction }, { wantsPinned: true }]) {
        const { truth } = await lookOnce(chain, { ...question, ...change })
        expect(['unreachable', 'settled', 'unclear']).toContain(truth.kind)
      }
      vi.restoreAllMocks()
    }
  })
})

test('one transaction proves one permit: the other that names it is missing', async () => {
  const chain = imitatedRpc()
  const [one, two] = [permitOn(chain), permitOn(chain, { nonce: 9n })]
  const at = chain.nowSeconds()
  const transaction = settle(chain, one, { bits: [one, two] })
  chain.passSeconds(60)
  const proofIn = (permit: Permit) =>
    proofOf(newRpc(), { ...asked(chain, permit), transaction, settledAtSeconds: at }, chain.nowSeconds(), plenty())
  expect(await proofIn(one)).toEqual({ kind: 'proven', position: 0 })
  expect(await proofIn(two)).toEqual({ kind: 'missing' })
})
