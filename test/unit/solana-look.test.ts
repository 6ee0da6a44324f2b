import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Budget, Rpc } from '../../src/chain.ts'
import { associatedTokenAccount } from '../../src/networks/solana.ts'
import { type Known, LOOK_REQUESTS, LOST_SECONDS, type Look } from '../../src/payer/reconcile.ts'
import { lookOnSolana, proofOnSolana, type SvmSearch, type SvmSubject } from '../../src/payer/solana.ts'
import { CLUSTER, imitatedSolana, OUT_OF_MONEY, type Signed, signedFor } from '../world/imitated-solana.ts'
import { AT, DRAFT, USDC } from '../world/svm.ts'

type Chain = ReturnType<typeof imitatedSolana>
type Question = SvmSubject & Known<SvmSearch>

/** What the 150 blocks of a blockhash and the margin make. */
const END_BLOCKS = 450
const FINAL_SLOTS = 32
const plenty = (): Budget => ({ left: 1_000 })
const newRpc = () => new Rpc('https://rpc.example/', CLUSTER)

/** A payment claimed now whose quote was made now. */
const signedNow = (chain: Chain, id?: string): Signed => signedFor(chain.nowSeconds() + 600, id)

const questionOf = (chain: Chain, { transfer }: Signed, change: Partial<Question> = {}): Question => ({
  kind: 'svm',
  transfer,
  seenBlock: null,
  claimedAtSeconds: chain.nowSeconds(),
  search: null,
  transaction: '',
  wantsPinned: false,
  ...change,
})

/** One look, which is within its bound of requests. */
async function lookOnce(chain: Chain, question: Question, rpc = newRpc(), nowSeconds = chain.nowSeconds()) {
  const before = chain.counts.requests
  const found = await lookOnSolana(rpc, question, nowSeconds, plenty())
  expect(chain.counts.requests - before).toBeLessThanOrEqual(LOOK_REQUESTS)
  return found
}

const goingOn = (question: Question, { seenBlock, search }: Look<SvmSearch>): Question => ({
  ...question,
  seenBlock,
  search,
})

/** A payment that was claimed, looked at once, and whose message is over by now: all that is left is the verdict. */
async function overdue(chain: Chain, signed = signedNow(chain)): Promise<Question> {
  const question = questionOf(chain, signed)
  const first = await lookOnce(chain, question)
  expect(first).toEqual({ truth: NOTHING, seenBlock: chain.height() - 2, search: null })
  chain.pass(END_BLOCKS + FINAL_SLOTS)
  return goingOn(question, first)
}

/** Looks on while nothing is said, and each look gets further. */
async function lookOn(chain: Chain, question: Question, most = 400): Promise<Look<SvmSearch> & { looks: number }> {
  let found = await lookOnce(chain, question)
  let looks = 1
  while (found.truth.kind === 'unused' && looks < most) {
    const next = await lookOnce(chain, goingOn(question, found))
    expect(next.search?.searchedTo ?? Number.POSITIVE_INFINITY).toBeGreaterThan(found.search?.searchedTo ?? 0)
    found = next
    looks += 1
  }
  return { ...found, looks }
}

const NOTHING = { kind: 'unused', pinnedSeconds: null, reverted: null }
const UNREACHABLE = { kind: 'unreachable' }
const TOO_LATE = { kind: 'expired', reason: 'settle_exact_svm_block_height_exceeded' }
const FAILED = { kind: 'expired', reason: 'invalid_exact_svm_transaction_failed' }
const TOO_FRESH = { kind: 'unclear', why: 'too fresh', inSeconds: 7 }
const NOT_CONFIRMED = { kind: 'unclear', why: 'searching' }
const paidBy = (transaction: string) => ({ kind: 'settled', transaction, position: 2 })

afterEach(() => {
  vi.restoreAllMocks()
})

test('a transaction of more bytes than there can be is none, and breaks nothing off', async () => {
  const chain = imitatedSolana()
  const signed = signedNow(chain)
  chain.land(signed)
  chain.pass(4)
  const huge = ['A'.repeat(1_600_000), 'base64']
  chain.knobs.instead = (method) => (method === 'getTransaction' ? { slot: 1, transaction: huge } : undefined)
  const { truth } = await lookOnce(chain, questionOf(chain, signed))
  expect(['unused', 'unreachable', 'unclear']).toContain(truth.kind)
})

describe('what is found', () => {
  test('a payment whose reply was lost is paid once it is confirmed', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    const question = questionOf(chain, signed)
    expect((await lookOnce(chain, question)).truth).toEqual(NOTHING)
    chain.pass(2)
    expect((await lookOnce(chain, question)).truth).toEqual(paidBy(transaction))
  })

  test('what landed before it was first seen is paid, too', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    chain.passSeconds(500)
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(paidBy(transaction))
  })

  test('a failure is no verdict while a fork may undo it', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    chain.land(signed, { err: OUT_OF_MONEY })
    chain.pass(FINAL_SLOTS - 1)
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(TOO_FRESH)
    chain.pass(1)
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(FAILED)
  })

  test('a payment that failed in a fork and is paid in the one that won is paid', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = questionOf(chain, signed)
    const transaction = chain.land(signed, { err: OUT_OF_MONEY })
    chain.pass(10)
    expect((await lookOnce(chain, question)).truth).toEqual(TOO_FRESH)
    chain.drop(transaction)
    chain.land(signed)
    chain.pass(3)
    expect((await lookOnce(chain, question)).truth).toEqual(paidBy(transaction))
  })

  test('another message with the same memo is another payment', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const other = signedFor(chain.nowSeconds() + 600, 'quote', (draft) => ({ ...draft, version: null }))
    expect(other.transfer.memo).toBe(signed.transfer.memo)
    chain.land(other)
    chain.pass(40)
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(NOTHING)
    expect((await lookOnce(chain, questionOf(chain, other))).truth).toEqual(paidBy(other.transaction))
  })

  test('a transaction with another memo is not even asked for', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    chain.dust(500, '[5] hello')
    const transaction = chain.land(signed)
    chain.dust(500, `[${signed.transfer.memo.length}] ${signed.transfer.memo.replace('quote', 'other')}`)
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(paidBy(transaction))
    expect(chain.counts.calls.filter(({ method }) => method === 'getTransaction')).toHaveLength(1)
  })

  test('several memos in one line are looked through', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    chain.pass(2)
    const { memo } = signed.transfer
    chain.knobs.instead = (method, said) =>
      method === 'getSignaturesForAddress' && Array.isArray(said)
        ? said.map((entry) => ({ ...entry, memo: `[2] hi; [${memo.length}] ${memo}` }))
        : undefined
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(paidBy(transaction))
  })

  test('a node that leaves memos out is asked for each transaction', async () => {
    const chain = imitatedSolana()
    chain.knobs.leavesOutMemos = true
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    chain.dust(4, '[5] hello')
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(paidBy(transaction))
  })

  test('a node that tells no heights may know the payment', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    chain.pass(2)
    chain.knobs.instead = (method) => (method === 'getEpochInfo' ? new Error('Method not found') : undefined)
    const question = questionOf(chain, signed)
    expect((await lookOnce(chain, question)).truth).toEqual(paidBy(transaction))
    chain.drop(transaction)
    expect((await lookOnce(chain, question)).truth).toEqual(UNREACHABLE)
  })

  test('an entry that does not say how final it is is as final as was asked for', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    chain.pass(2)
    chain.knobs.instead = (method, said) =>
      method === 'getSignaturesForAddress' && Array.isArray(said)
        ? said.map((entry) => ({ ...entry, confirmationStatus: null }))
        : undefined
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(paidBy(transaction))
    chain.knobs.instead = (method, said) =>
      method === 'getSignaturesForAddress' && Array.isArray(said)
        ? said.map((entry) => ({ ...entry, confirmationStatus: null, err: OUT_OF_MONEY }))
        : undefined
    chain.pass(40)
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(TOO_FRESH)
  })

  test('what is merely processed is not paid, even in a list of what is confirmed', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    chain.land(signed)
    chain.pass(2)
    chain.knobs.instead = (method, said) =>
      method === 'getSignaturesForAddress' && Array.isArray(said)
        ? said.map((entry) => ({ ...entry, confirmationStatus: 'processed' }))
        : undefined
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(NOT_CONFIRMED)
  })
})

describe('a transaction that was named', () => {
  const naming = (chain: Chain, signed: Signed) => questionOf(chain, signed, { transaction: signed.transaction })

  test('is asked for first, and alone', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(NOT_CONFIRMED)
    chain.pass(2)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(paidBy(transaction))
    expect(chain.counts.calls.map(({ method }) => method)).not.toContain('getSignaturesForAddress')
    const asked = chain.counts.calls.find(({ method }) => method === 'getSignatureStatuses')
    expect(asked?.params).toEqual([[transaction], { searchTransactionHistory: true }])
  })

  test('that failed is refused once that is final', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    chain.land(signed, { err: OUT_OF_MONEY })
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(TOO_FRESH)
    chain.pass(2)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(TOO_FRESH)
    chain.pass(30)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(FAILED)
  })

  test('and that nobody knows may have landed under another name', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    chain.land({ ...signed, transaction: '4'.repeat(88) })
    chain.pass(2)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(paidBy('4'.repeat(88)))
  })

  test('and that a fork has taken away is not paid any more, and can be paid again', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    chain.pass(1)
    chain.drop(transaction)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(NOTHING)
    chain.land(signed)
    chain.pass(2)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(paidBy(transaction))
  })

  test('and that never landed is dead when its message is over', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const first = await lookOnce(chain, naming(chain, signed))
    const question = goingOn(naming(chain, signed), first)
    chain.pass(END_BLOCKS + FINAL_SLOTS)
    expect((await lookOnce(chain, question)).truth).toEqual(TOO_LATE)
  })

  test.each([
    ['without the word about its failure', { confirmationStatus: 'finalized' }],
    ['with a failure that is a number', { err: 0, confirmationStatus: 'finalized' }],
    ['without how final it is', { err: null }],
    ['that is a text', 'finalized'],
  ])('with a status %s: nobody knows', async (_, status) => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    chain.knobs.instead = (method) => (method === 'getSignatureStatuses' ? { value: [status] } : undefined)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(UNREACHABLE)
  })

  test.each([[{ value: [] }], [{ value: [null, null] }], [[]], [null]])(
    'with %j in the place of a status: nobody knows',
    async (said) => {
      const chain = imitatedSolana()
      const signed = signedNow(chain)
      chain.knobs.instead = (method) => (method === 'getSignatureStatuses' ? said : undefined)
      expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(UNREACHABLE)
    },
  )

  test.each(['rooted', null])('that is called %j is not paid', async (confirmationStatus) => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const said = { value: [{ err: null, confirmationStatus }] }
    chain.knobs.instead = (method) => (method === 'getSignatureStatuses' ? said : undefined)
    expect((await lookOnce(chain, naming(chain, signed))).truth).toEqual(NOT_CONFIRMED)
  })
})

describe('the end of a message', () => {
  test('the first look stores a height, and gives no verdict whatever the time', async () => {
    const chain = imitatedSolana()
    const question = questionOf(chain, signedNow(chain))
    chain.passSeconds(100_000)
    const found = await lookOnce(chain, question)
    expect(found).toEqual({ truth: NOTHING, seenBlock: chain.height() - 2, search: null })
  })

  test('450 finalized blocks later it can still not be told, one more and it is dead', async () => {
    const chain = imitatedSolana()
    const question = await overdue(chain)
    chain.pass(-2)
    expect((await lookOnce(chain, question)).truth).toEqual(NOTHING)
    chain.pass(1)
    expect((await lookOnce(chain, question)).truth).toEqual(TOO_LATE)
  })

  test('the height that was read first stays', async () => {
    const chain = imitatedSolana()
    const question = questionOf(chain, signedNow(chain))
    const first = await lookOnce(chain, question)
    chain.pass(200)
    const second = await lookOnce(chain, goingOn(question, first))
    expect(second.seenBlock).toBe(first.seenBlock)
  })

  test('a height that is not finalized does not count', async () => {
    const chain = imitatedSolana()
    const question = await overdue(chain)
    chain.pass(-FINAL_SLOTS)
    expect((await lookOnce(chain, question)).truth).toEqual(NOTHING)
  })

  test('a node that was far behind at the claim does not make it end early', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = questionOf(chain, signed)
    chain.knobs.lags = { getEpochInfo: 5_000 }
    const first = await lookOnce(chain, question)
    chain.knobs.lags = {}
    chain.passSeconds(100)
    expect((await lookOnce(chain, goingOn(question, first))).truth).toEqual(NOTHING)
    const transaction = chain.land(signed)
    chain.passSeconds(100)
    expect((await lookOnce(chain, goingOn(question, first))).truth).toEqual(paidBy(transaction))
  })

  test('the payment that landed at the very end is found before it is given up', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = questionOf(chain, signed)
    const first = await lookOnce(chain, question)
    const transaction = chain.land(signed, { at: chain.slot() + 150 })
    chain.pass(END_BLOCKS)
    expect((await lookOnce(chain, goingOn(question, first))).truth).toEqual(paidBy(transaction))
  })

  test('a chain that stands still ends nothing', async () => {
    const chain = imitatedSolana()
    const question = questionOf(chain, signedNow(chain))
    const first = await lookOnce(chain, question)
    const later = chain.nowSeconds() + 86_400
    expect((await lookOnce(chain, goingOn(question, first), newRpc(), later)).truth).toEqual(NOTHING)
  })

  test('a node that has not reached that slot proves no absence', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = await overdue(chain, signed)
    const transaction = chain.land(signed, { at: chain.slot() - END_BLOCKS })
    chain.knobs.lags = { getSignaturesForAddress: END_BLOCKS + FINAL_SLOTS }
    expect((await lookOnce(chain, question)).truth).toEqual(UNREACHABLE)
    chain.knobs.lags = {}
    expect((await lookOnce(chain, question)).truth).toEqual(paidBy(transaction))
  })

  test('a node that lags by less than the margin proves absence, even where it does not say how far it is', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = await overdue(chain, signed)
    const transaction = chain.land(signed, { at: chain.slot() - END_BLOCKS - FINAL_SLOTS + 150 })
    chain.knobs.ignoresMinContextSlot = true
    chain.knobs.lags = { getSignaturesForAddress: 290 }
    expect((await lookOnce(chain, question)).truth).toEqual(paidBy(transaction))
  })

  test('a node that has forgotten the time of the memo proves nothing', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = await overdue(chain, signed)
    chain.land(signed, { at: chain.slot() - END_BLOCKS })
    chain.knobs.firstSlot = chain.slot() - 300
    expect(await lookOnce(chain, question)).toEqual({ truth: UNREACHABLE, seenBlock: question.seenBlock, search: null })
  })

  test.each([
    ['does not say what it has', 'getFirstAvailableBlock', null],
    ['has no time of its first block', 'getBlockTime', null],
    ['says that its first block is from 1970', 'getBlockTime', 0],
    ['says that time in letters', 'getBlockTime', '1700000000'],
    ['tells no height', 'getEpochInfo', { absoluteSlot: 1 }],
    ['tells a height in letters', 'getEpochInfo', { absoluteSlot: 1, blockHeight: '99999999' }],
    ['lists nothing that can be read', 'getSignaturesForAddress', { value: [] }],
    ['lists entries without a name', 'getSignaturesForAddress', [{ slot: 1, err: null }]],
    ['lists null', 'getSignaturesForAddress', null],
  ])('a node that %s proves nothing', async (_, named, said) => {
    const chain = imitatedSolana()
    const question = await overdue(chain)
    chain.knobs.instead = (method) => (method === named ? said : undefined)
    expect((await lookOnce(chain, question)).truth).toEqual(UNREACHABLE)
  })

  test('a node that is down, or of another cluster, proves nothing', async () => {
    const chain = imitatedSolana()
    const question = await overdue(chain)
    chain.knobs.isDown = true
    expect((await lookOnce(chain, question)).truth).toEqual(UNREACHABLE)
    chain.knobs.isDown = false
    chain.knobs.genesisHash = '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d'
    expect((await lookOnce(chain, question)).truth).toEqual(UNREACHABLE)
  })

  test('whether a blockhash is still taken is not asked: it proves nothing', async () => {
    const chain = imitatedSolana()
    await lookOnce(chain, await overdue(chain))
    expect(new Set(chain.counts.calls.map(({ method }) => method))).toEqual(
      new Set(['getGenesisHash', 'getEpochInfo', 'getSignaturesForAddress', 'getFirstAvailableBlock', 'getBlockTime']),
    )
  })
})

describe('a long list', () => {
  test('a payment behind thousands of others is found, a thousand at a time', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const transaction = chain.land(signed)
    chain.dust(4_500, '[2] hi', 0)
    chain.pass(2)
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(paidBy(transaction))
    const pages = chain.counts.calls.filter(({ method }) => method === 'getSignaturesForAddress')
    expect(pages.map(({ params: [address] }) => address)).toEqual(pages.map(() => signed.transfer.payer))
    expect(pages).toHaveLength(5)
  })

  test('of the account that pays is looked through, where it is the payer’s own', async () => {
    const chain = imitatedSolana()
    const source = await associatedTokenAccount(DRAFT.keys[AT.payer] ?? '', USDC)
    const signed = signedFor(chain.nowSeconds() + 600, 'quote', (draft) => ({
      ...draft,
      keys: draft.keys.map((key, place) => (place === AT.source ? source : key)),
    }))
    const transaction = chain.land(signed)
    chain.pass(2)
    expect((await lookOnce(chain, questionOf(chain, signed))).truth).toEqual(paidBy(transaction))
    const pages = chain.counts.calls.filter(({ method }) => method === 'getSignaturesForAddress')
    expect(pages.map(({ params: [address] }) => address)).toEqual([source])
  })

  test('of somebody else’s busy account, which a stranger names as the one that pays, is not looked through', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = questionOf(chain, signed)
    const first = await lookOnce(chain, question)
    chain.dust(END_BLOCKS + FINAL_SLOTS, null, 1, signed.transfer.source)
    const before = chain.counts.requests
    expect((await lookOnce(chain, goingOn(question, first))).truth).toEqual(TOO_LATE)
    expect(chain.counts.calls.filter(({ method }) => method === 'getTransaction')).toEqual([])
    expect(chain.counts.requests - before).toBeLessThan(LOOK_REQUESTS)
  })

  test('the search ends where nobody could have had the memo yet', async () => {
    const chain = imitatedSolana()
    chain.dust(30)
    chain.passSeconds(301)
    const question = await overdue(chain)
    expect((await lookOnce(chain, question)).truth).toEqual(TOO_LATE)
    expect(chain.counts.calls.map(({ method }) => method)).not.toContain('getTransaction')
  })

  test('dust without memos holds the verdict up, look by look, and no longer', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = await overdue(chain, signed)
    chain.dust(60)
    chain.pass(FINAL_SLOTS)
    const found = await lookOn(chain, question)
    expect(found.truth).toEqual(TOO_LATE)
    expect(found.looks).toBeGreaterThan(5)
    expect(found.looks).toBeLessThan(20)
  })

  test('dust does not hide what was paid', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = questionOf(chain, signed)
    const first = await lookOnce(chain, question)
    const transaction = chain.land(signed)
    chain.dust(60)
    chain.pass(END_BLOCKS)
    expect((await lookOn(chain, goingOn(question, first))).truth).toEqual(paidBy(transaction))
  })

  test('new dust while the search goes on does not set it back', async () => {
    const chain = imitatedSolana()
    const question = await overdue(chain)
    chain.dust(30)
    chain.pass(FINAL_SLOTS)
    const one = await lookOnce(chain, question)
    chain.dust(30)
    chain.pass(FINAL_SLOTS)
    const two = await lookOnce(chain, goingOn(question, one))
    expect(two.search?.searchedTo).toBeGreaterThan(one.search?.searchedTo ?? 0)
    expect((await lookOn(chain, goingOn(question, two), 10)).truth).toEqual(TOO_LATE)
  })

  test('while it may still land, each search begins at the newest', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = questionOf(chain, signed)
    chain.dust(30)
    chain.pass(2)
    const first = await lookOnce(chain, question)
    expect(first).toMatchObject({ truth: NOTHING, search: null })
    const transaction = chain.land(signed)
    chain.pass(2)
    expect((await lookOnce(chain, goingOn(question, first))).truth).toEqual(paidBy(transaction))
  })

  test('without block times a search ends with the list', async () => {
    const chain = imitatedSolana()
    chain.dust(20, '[2] hi')
    chain.passSeconds(5_000)
    const question = await overdue(chain)
    chain.knobs.instead = (method, said) =>
      method === 'getSignaturesForAddress' && Array.isArray(said)
        ? said.map((entry) => ({ ...entry, blockTime: null }))
        : undefined
    expect((await lookOnce(chain, question)).truth).toEqual(TOO_LATE)
  })

  test('a time that is none does not end a search', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = await overdue(chain, signed)
    chain.land(signed, { at: chain.slot() - END_BLOCKS })
    chain.dust(1, '[2] hi')
    chain.pass(FINAL_SLOTS)
    chain.knobs.instead = (method, said) =>
      method === 'getSignaturesForAddress' && Array.isArray(said)
        ? said.map((entry) => ({ ...entry, blockTime: 0 }))
        : undefined
    expect((await lookOnce(chain, question)).truth).toEqual(UNREACHABLE)
  })

  test('a provider that lists fewer at once than it is asked for does not hide what was paid', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = questionOf(chain, signed)
    const first = await lookOnce(chain, question)
    const transaction = chain.land(signed)
    chain.dust(25, '[2] hi')
    chain.pass(END_BLOCKS + FINAL_SLOTS)
    chain.knobs.mostListed = 10
    expect((await lookOnce(chain, goingOn(question, first))).truth).toEqual(paidBy(transaction))
  })

  test('a node that does not know where the search was has nothing to say', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = questionOf(chain, signed)
    const first = await lookOnce(chain, question)
    const transaction = chain.land(signed)
    chain.pass(END_BLOCKS + FINAL_SLOTS)
    chain.dust(30)
    chain.pass(FINAL_SLOTS)
    const begun = await lookOnce(chain, goingOn(question, first))
    expect(begun.search?.searchedTo).toBeGreaterThan(0)
    // All nodes of the next look are behind the one that was asked before, and far enough for a verdict.
    chain.knobs.lags = { getEpochInfo: 62, getSignaturesForAddress: 62 }
    const next = goingOn(goingOn(question, first), begun)
    expect((await lookOnce(chain, next)).truth).toEqual(UNREACHABLE)
    chain.knobs.lags = {}
    expect((await lookOn(chain, next)).truth).toEqual(paidBy(transaction))
  })

  test('a search that breaks off goes on where it was', async () => {
    const chain = imitatedSolana()
    const question = await overdue(chain)
    chain.dust(30)
    chain.pass(FINAL_SLOTS)
    const begun = await lookOnce(chain, question)
    chain.knobs.instead = (method) => (method === 'getTransaction' ? null : undefined)
    const broken = await lookOnce(chain, goingOn(question, begun))
    expect(broken).toEqual({ truth: UNREACHABLE, seenBlock: begun.seenBlock, search: begun.search })
  })
})

describe('transactions that cannot be read', () => {
  test.each([
    ['null', null],
    ['no base64', { transaction: ['!!!', 'base64'], meta: {} }],
    ['an empty one', { transaction: ['', 'base64'], meta: {} }],
    ['one that ends within its signatures', { transaction: ['Ag==', 'base64'], meta: {} }],
    ['another encoding', { transaction: ['3Mc6vR', 'base58'], meta: {} }],
    ['parsed ones', { transaction: { message: {} }, meta: {} }],
    ['an error', new Error('Transaction version (1) is not supported')],
  ])('%s: whether it is this payment nobody knows', async (_, said) => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = await overdue(chain, signed)
    chain.land(signed, { at: chain.slot() - END_BLOCKS })
    chain.knobs.instead = (method) => (method === 'getTransaction' ? said : undefined)
    expect((await lookOnce(chain, question)).truth).toEqual(UNREACHABLE)
  })

  test.each([
    ['the word about its failure', ({ err: _, ...entry }: Record<string, unknown>) => entry],
    ['its slot', ({ slot: _, ...entry }: Record<string, unknown>) => entry],
  ])('an entry without %s is neither paid nor dead', async (_, without) => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = await overdue(chain, signed)
    chain.land(signed, { at: chain.slot() - END_BLOCKS })
    chain.knobs.instead = (method, said) =>
      method === 'getSignaturesForAddress' && Array.isArray(said) ? said.map(without) : undefined
    expect((await lookOnce(chain, question)).truth).toEqual(UNREACHABLE)
  })
})

test('with no requests left nobody knows, and nothing is asked', async () => {
  const chain = imitatedSolana()
  const question = await overdue(chain)
  const before = chain.counts.requests
  for (const left of [0, 1, 2, 3, 4]) {
    const { truth } = await lookOnSolana(newRpc(), question, chain.nowSeconds(), { left })
    expect([UNREACHABLE, NOTHING]).toContainEqual(truth)
  }
  expect(chain.counts.requests - before).toBeLessThanOrEqual(10)
})

describe('the proof of a facilitator’s word', () => {
  const asked = (chain: Chain, signed: Signed, settledAtSeconds = chain.nowSeconds()) => ({
    transfer: signed.transfer,
    transaction: signed.transaction,
    settledAtSeconds,
  })
  const proofOf = (chain: Chain, question: ReturnType<typeof asked>, nowSeconds = chain.nowSeconds()) =>
    proofOnSolana(newRpc(), question, nowSeconds, plenty())

  test('is the transaction, once it is confirmed', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = asked(chain, signed)
    expect(await proofOf(chain, question)).toEqual({ kind: 'unclear' })
    chain.land(signed)
    expect(await proofOf(chain, question)).toEqual({ kind: 'unclear' })
    chain.pass(2)
    expect(await proofOf(chain, question)).toEqual({ kind: 'proven', position: 2 })
  })

  test('is missing where the transaction has failed for good', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = asked(chain, signed)
    chain.land(signed, { err: OUT_OF_MONEY })
    chain.pass(FINAL_SLOTS - 1)
    expect(await proofOf(chain, question)).toEqual({ kind: 'unclear' })
    chain.pass(1)
    expect(await proofOf(chain, question)).toEqual({ kind: 'missing' })
  })

  test('is missing where nobody knows it ten minutes later, by the chain’s clock and ours', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = asked(chain, signed)
    chain.passSeconds(LOST_SECONDS - 1)
    expect(await proofOf(chain, question)).toEqual({ kind: 'unclear' })
    expect(await proofOf(chain, question, chain.nowSeconds() + 10_000)).toEqual({ kind: 'unclear' })
    chain.passSeconds(1)
    expect(await proofOf(chain, question)).toEqual({ kind: 'unclear' })
    chain.pass(FINAL_SLOTS)
    expect(await proofOf(chain, question)).toEqual({ kind: 'missing' })
  })

  test('is not missing where its time is forgotten, or not told', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const question = asked(chain, signed)
    chain.passSeconds(LOST_SECONDS + 100)
    chain.knobs.firstSlot = chain.slot() - 100
    expect(await proofOf(chain, question)).toEqual({ kind: 'unreachable' })
    chain.knobs.firstSlot = 0
    chain.knobs.hasNoTimes = true
    expect(await proofOf(chain, question)).toEqual({ kind: 'unreachable' })
  })

  test.each(['getSignatureStatuses', 'getEpochInfo', 'getFirstAvailableBlock'])(
    'is not missing where %s is not answered',
    async (named) => {
      const chain = imitatedSolana()
      const question = asked(chain, signedNow(chain))
      chain.passSeconds(LOST_SECONDS + 100)
      chain.knobs.instead = (method) => (method === named ? new Error('busy') : undefined)
      expect(await proofOf(chain, question)).toEqual({ kind: 'unreachable' })
    },
  )

  test('is not there in a status without the word about its failure', async () => {
    const chain = imitatedSolana()
    const signed = signedNow(chain)
    const said = { value: [{ confirmationStatus: 'finalized' }] }
    chain.knobs.instead = (method) => (method === 'getSignatureStatuses' ? said : undefined)
    expect(await proofOf(chain, asked(chain, signed))).toEqual({ kind: 'unreachable' })
  })
})
