// The local Solana by itself: what its node answers, and what its faults do.
import { execFileSync } from 'node:child_process'
import { address, createSolanaRpc } from '@solana/kit'
import { fetchMint, fetchToken } from '@solana-program/token'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { BLOCKHASH_LIFE, FINALIZED_AFTER, SLOT_MS, startClock } from '../../dev/stack/solana/clock.ts'
import { readTransaction, UNSIGNED } from '../../dev/stack/solana/message.ts'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { LIGHTHOUSE, SOLANA_EURC, SOLANA_USDC, type Solana } from '../../dev/stack/solana.ts'
import { startRpc } from '../world/rpc.ts'
import { call, errorOf, resultOf, startBareSolana, valueIn } from '../world/solana-node.ts'
import { arrivals, drainSolana, withFeePayer } from '../world/solana-on-chain.ts'
import { memoOf, type SolanaChallenge, type SolanaChange, signSolana, solanaTerms } from '../world/solana-payer.ts'

const PRICE = 50_000n
const { publisher } = solanaWallets
const TERMS = solanaTerms(PRICE, 'quote 1')

const CONFIRMED = { commitment: 'confirmed' }
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const WIRE = { encoding: 'base64', ...CONFIRMED }

/** A whole transaction, ready to be sent. */
const signed = async (chain: Solana, reader: SolanaWallet, change?: SolanaChange, terms: SolanaChallenge = TERMS) =>
  withFeePayer(await signSolana(chain, terms, reader, change))

/** It lands, and this is its signature. */
async function landed(chain: Solana, reader: SolanaWallet, change?: SolanaChange): Promise<string> {
  expect(chain.land(await signed(chain, reader, change))).toBeNull()
  return chain.ledger.landed.at(-1)?.signature ?? ''
}

const entries = z.array(
  z.object({
    signature: z.string(),
    slot: z.number(),
    err: z.unknown(),
    memo: z.string().nullable(),
    blockTime: z.number(),
    confirmationStatus: z.string(),
  }),
)
async function signaturesOf(chain: Solana, owner: string, options: object = {}) {
  const account = await chain.tokenAccount(owner)
  return entries.parse(await resultOf(chain, 'getSignaturesForAddress', account, { ...CONFIRMED, ...options }))
}

const statuses = z.tuple([z.object({ slot: z.number(), err: z.unknown(), confirmationStatus: z.string() }).nullable()])
async function statusOf(chain: Solana, signature: string, searchTransactionHistory = false) {
  const value = await valueIn(chain, 'getSignatureStatuses', [signature], { searchTransactionHistory })
  return statuses.parse(value)[0]
}

const balance = z.object({
  accountIndex: z.number(),
  mint: z.string(),
  owner: z.string(),
  uiTokenAmount: z.object({ amount: z.string() }),
})

describe('the node', () => {
  test('is devnet by its genesis, with the tokens at their addresses', async () => {
    const { chain, reader } = await startBareSolana()
    const rpc = createSolanaRpc(chain.rpcUrl)
    expect(await rpc.getGenesisHash().send()).toBe('EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG')
    expect(await rpc.getHealth().send()).toBe('ok')
    for (const mint of [SOLANA_USDC, SOLANA_EURC]) {
      expect((await fetchMint(rpc, address(mint))).data).toMatchObject({ decimals: 6, isInitialized: true })
    }
    const account = await fetchToken(rpc, address(await chain.tokenAccount(reader.address)))
    expect(account.data).toMatchObject({ owner: reader.address, mint: SOLANA_USDC, amount: 1_000_000n })
    const parsed = await rpc.getAccountInfo(account.address, { encoding: 'jsonParsed' }).send()
    expect(parsed.value?.data).toMatchObject({ parsed: { type: 'account', info: { state: 'initialized' } } })
    expect(await valueIn(chain, 'getTokenAccountBalance', account.address)).toEqual({
      amount: '1000000',
      decimals: 6,
      uiAmount: 1,
      uiAmountString: '1',
    })
    expect(
      await valueIn(chain, 'getTokenAccountsByOwner', reader.address, { mint: SOLANA_USDC }, { encoding: 'base64' }),
    ).toMatchObject([{ pubkey: account.address }])
    expect(
      await valueIn(chain, 'getMultipleAccounts', [account.address, LIGHTHOUSE], { encoding: 'base64' }),
    ).toMatchObject([{ space: 165, rentEpoch: Number(2n ** 64n - 1n) }, null])
  })

  test.each([
    ['a method that nobody knows', 'getNothing', [], -32601],
    ['a name of what every object has', 'toString', [], -32601],
    ['an address that is none', 'getBalance', ['hello'], -32602],
    ['a signature that is none', 'getTransaction', ['hello'], -32602],
    ['an older commitment than history has', 'getTransaction', ['1'.repeat(64), { commitment: 'processed' }], -32602],
    ['more entries than are given', 'getSignaturesForAddress', [SOLANA_USDC, { limit: 1001 }], -32602],
    ['a slot that is not there yet', 'getSlot', [{ minContextSlot: 999_999_999 }], -32016],
    ['the time of a slot to come', 'getBlockTime', [999_999_999], -32004],
    ['bytes that are no transaction', 'sendTransaction', ['AAAA', { encoding: 'base64' }], -32602],
    ['a long account in base58', 'getAccountInfo', ['ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL'], -32600],
  ])('refuses %s', async (_, method, params, code) => {
    const { chain } = await startBareSolana()
    expect(await errorOf(chain, method, ...params)).toMatchObject({ code })
  })

  test('answers several calls at once, and refuses what is no JSON', async () => {
    const { chain } = await startBareSolana()
    const ask = async (body: string) => (await fetch(chain.rpcUrl, { method: 'POST', body })).json()
    const one = { jsonrpc: '2.0', method: 'getHealth' }
    expect(
      await ask(
        JSON.stringify([
          { ...one, id: 1 },
          { ...one, id: 2 },
        ]),
      ),
    ).toEqual([
      { jsonrpc: '2.0', result: 'ok', id: 1 },
      { jsonrpc: '2.0', result: 'ok', id: 2 },
    ])
    expect(await ask('{')).toMatchObject({ error: { code: -32700 } })
    expect(await ask('{}')).toMatchObject({ error: { code: -32600 } })
  })

  test('gives lamports, and tells the fee of a message', async () => {
    const { chain, reader } = await startBareSolana()
    await resultOf(chain, 'requestAirdrop', reader.address, 5_000_000)
    expect(await valueIn(chain, 'getBalance', reader.address, CONFIRMED)).toBe(5_000_000)
    const { messageBytes } = readTransaction(await signed(chain, reader))
    // Two signatures, and 20,000 units at a millionth of a lamport.
    expect(await valueIn(chain, 'getFeeForMessage', base64(messageBytes), CONFIRMED)).toBe(10_001)
    expect(await resultOf(chain, 'getMinimumBalanceForRentExemption', 165)).toBe(2_039_280)
  })

  test('has a slot every 400 ms by the clock, and none by hand', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const [ticking, still] = [
        startClock({ slots: 'by clock', confirmedAfter: 1 }),
        startClock({ slots: 'by hand', confirmedAfter: 1 }),
      ]
      const [first, standing] = [ticking.slot(), still.slot()]
      vi.setSystemTime(Date.now() + 10 * SLOT_MS)
      expect(ticking.slot()).toBe(first + 10)
      expect(ticking.slotAt('confirmed')).toBe(first + 9)
      expect(ticking.slotAt('finalized')).toBe(first + 9 - FINALIZED_AFTER)
      expect(ticking.time(ticking.slot()) - ticking.time(first)).toBe(4)
      expect(still.slot()).toBe(standing)
      still.pass(5)
      expect(still.slot()).toBe(standing + 5)
    } finally {
      vi.useRealTimers()
    }
  })

  test('can be hidden behind one that fails, and comes back', async () => {
    const { chain } = await startBareSolana()
    const front = await startRpc(chain.rpcUrl)
    onTestFinished(front.stop)
    expect((await call(front.url, 'getHealth')).result).toBe('ok')
    await front.set('answers 500')
    expect((await fetch(front.url, { method: 'POST', body: '{}' })).status).toBe(500)
    await front.set('is down')
    await expect(call(front.url, 'getHealth')).rejects.toThrow()
    await front.set('hangs')
    const waiting = call(front.url, 'getHealth')
    await front.set(null)
    expect((await waiting).result).toBe('ok')
  })
})

describe('a transaction', () => {
  test.each(['legacy', 0] as const)('of version %s lands, and is told in each encoding', async (message) => {
    const { chain, reader } = await startBareSolana()
    const bytes = await signed(chain, reader, { message })
    const signature = await resultOf(chain, 'sendTransaction', base64(bytes), {
      ...WIRE,
      preflightCommitment: 'confirmed',
    })
    expect(signature).toBe(chain.ledger.landed[0]?.signature)
    const ask = (encoding: string) =>
      resultOf(chain, 'getTransaction', signature, { ...CONFIRMED, encoding, maxSupportedTransactionVersion: 0 })
    const [source, destination] = [
      await chain.tokenAccount(reader.address),
      await chain.tokenAccount(publisher.address),
    ]
    expect(await ask('base64')).toMatchObject({
      slot: chain.clock.slot(),
      blockTime: chain.clock.time(chain.clock.slot()),
      transaction: [base64(bytes), 'base64'],
      version: message,
      meta: { err: null, fee: 10_001, innerInstructions: [], status: { Ok: null } },
    })
    expect(await ask('json')).toMatchObject({
      transaction: { signatures: [signature, expect.any(String)], message: { header: { numRequiredSignatures: 2 } } },
    })
    const told = z
      .object({
        transaction: z.object({
          message: z.object({
            accountKeys: z.array(z.object({ pubkey: z.string() })),
            instructions: z.array(z.unknown()),
          }),
        }),
        meta: z.object({
          logMessages: z.array(z.string()),
          preTokenBalances: z.array(balance),
          postTokenBalances: z.array(balance),
        }),
      })
      .parse(await ask('jsonParsed'))
    const { accountKeys, instructions } = told.transaction.message
    expect(instructions).toContainEqual(
      expect.objectContaining({
        program: 'spl-token',
        parsed: {
          type: 'transferChecked',
          info: expect.objectContaining({ source, destination, authority: reader.address }),
        },
      }),
    )
    expect(instructions).toContainEqual(expect.objectContaining({ program: 'spl-memo', parsed: 'quote 1' }))
    const of = (balances: z.infer<typeof balance>[]) =>
      Object.fromEntries(balances.map((one) => [accountKeys[one.accountIndex]?.pubkey, one.uiTokenAmount.amount]))
    expect(of(told.meta.preTokenBalances)).toEqual({ [source]: '1000000', [destination]: '0' })
    expect(of(told.meta.postTokenBalances)).toEqual({ [source]: '950000', [destination]: '50000' })
    expect(told.meta.logMessages).toContain('Program log: quote 1')
  })

  test('of a version that the client does not know is refused', async () => {
    const { chain, reader } = await startBareSolana()
    const signature = await landed(chain, reader)
    expect(await errorOf(chain, 'getTransaction', signature, CONFIRMED)).toMatchObject({ code: -32015 })
  })

  test('is known by its message: it lands once, whatever its signatures', async () => {
    const { chain, reader } = await startBareSolana()
    const bytes = await signed(chain, reader)
    expect(chain.land(bytes)).toBeNull()
    expect(chain.land(bytes)).toBe('AlreadyProcessed')
    expect(
      await errorOf(chain, 'sendTransaction', base64(bytes), { ...WIRE, preflightCommitment: 'confirmed' }),
    ).toMatchObject({
      code: -32002,
      message: 'Transaction simulation failed: This transaction has already been processed',
      data: { err: 'AlreadyProcessed' },
    })
    const again = await resultOf(chain, 'sendTransaction', base64(bytes), { ...WIRE, skipPreflight: true })
    expect(again).toBe(chain.ledger.landed[0]?.signature)
    const unsigned = Buffer.from(bytes)
    unsigned.set(UNSIGNED, 1)
    expect(await valueIn(chain, 'simulateTransaction', base64(unsigned), WIRE)).toMatchObject({
      err: 'AlreadyProcessed',
    })
    expect(await chain.balance(publisher.address)).toBe(PRICE)
    expect(chain.ledger.landed).toHaveLength(1)
  })

  test('that was signed for one chain lands on no other', async () => {
    const [{ chain, reader }, { chain: other }] = [await startBareSolana(), await startBareSolana()]
    await other.fund(reader.address, 1_000_000n)
    const bytes = await signed(chain, reader)
    expect(other.land(bytes)).toBe('BlockhashNotFound')
    expect(chain.land(bytes)).toBeNull()
    expect([await chain.balance(publisher.address), await other.balance(publisher.address)]).toEqual([PRICE, 0n])
  })

  test('that fails is stopped before it is sent; sent all the same it lands, moves nothing and costs its fee', async () => {
    const { chain, reader } = await startBareSolana()
    const bytes = base64(await signed(chain, reader, { amount: 2_000_000n }))
    const err = { InstructionError: [2, { Custom: 1 }] }
    const stopped = await errorOf(chain, 'sendTransaction', bytes, { ...WIRE, preflightCommitment: 'confirmed' })
    expect(stopped).toMatchObject({
      code: -32002,
      message: 'Transaction simulation failed: Error processing Instruction 2: custom program error: 0x1',
      data: { err, logs: expect.arrayContaining([expect.stringContaining('insufficient funds')]) },
    })
    expect(chain.ledger.landed).toEqual([])
    const [payer] = solanaWallets.feePayers
    const before = chain.ledger.account(payer.address, chain.clock.slot())?.lamports ?? 0n
    const signature = await resultOf(chain, 'sendTransaction', bytes, { ...WIRE, skipPreflight: true })
    expect(await statusOf(chain, z.string().parse(signature))).toMatchObject({ err, confirmationStatus: 'confirmed' })
    expect(before - (chain.ledger.account(payer.address, chain.clock.slot())?.lamports ?? 0n)).toBe(10_001n)
    expect(await chain.balance(publisher.address)).toBe(0n)
    expect(await arrivals(chain, publisher.address)).toEqual([])
  })

  test('whose signatures are wrong never lands', async () => {
    const { chain, reader } = await startBareSolana()
    const open = await signSolana(chain, TERMS, reader)
    expect(chain.land(open)).toBe('SignatureFailure')
    expect(await errorOf(chain, 'sendTransaction', base64(open), WIRE)).toMatchObject({ code: -32003 })
    expect(await valueIn(chain, 'simulateTransaction', base64(open), { ...WIRE, sigVerify: true })).toMatchObject({
      err: 'SignatureFailure',
    })
    expect(await valueIn(chain, 'simulateTransaction', base64(open), WIRE)).toMatchObject({ err: null })
    expect(await resultOf(chain, 'sendTransaction', base64(open), { ...WIRE, skipPreflight: true })).toEqual(
      expect.any(String),
    )
    expect(chain.ledger.landed).toEqual([])
  })

  test('lands until its blockhash is 150 blocks old, and not in the block after', async () => {
    const { chain, reader } = await startBareSolana()
    const [inTime, late] = [await signed(chain, reader), await signed(chain, reader, { memo: 'late' })]
    const { blockhash, height } = {
      blockhash: readTransaction(late).blockhash,
      height: chain.clock.height(chain.clock.slot()),
    }
    expect(chain.clock.lastValidHeight(blockhash, chain.clock.slot())).toBe(height + BLOCKHASH_LIFE)
    // Slots without a block are not counted.
    chain.clock.pass(40, { skipped: true })
    chain.clock.pass(BLOCKHASH_LIFE - 1)
    expect(chain.clock.height(chain.clock.slot())).toBe(height + BLOCKHASH_LIFE - 1)
    expect(await valueIn(chain, 'isBlockhashValid', blockhash, CONFIRMED)).toBe(true)
    expect(chain.land(inTime)).toBeNull()
    expect(chain.clock.height(chain.clock.slot())).toBe(height + BLOCKHASH_LIFE)
    expect(chain.land(late)).toBe('BlockhashNotFound')
    chain.clock.pass(1)
    expect(await valueIn(chain, 'isBlockhashValid', blockhash, CONFIRMED)).toBe(false)
    expect(await valueIn(chain, 'simulateTransaction', base64(late), WIRE)).toMatchObject({ err: 'BlockhashNotFound' })
    expect(await chain.balance(publisher.address)).toBe(PRICE)
  })

  test('goes through the three commitments', async () => {
    const { chain, reader } = await startBareSolana({ confirmedAfter: 2 })
    const bytes = await signed(chain, reader)
    expect(chain.land(bytes)).toBeNull()
    const signature = chain.ledger.landed[0]?.signature ?? ''
    const seen = async () => ({
      status: (await statusOf(chain, signature))?.confirmationStatus,
      confirmed: (await signaturesOf(chain, publisher.address)).length,
      finalized: (await signaturesOf(chain, publisher.address, { commitment: 'finalized' })).length,
    })
    const balanceAt = (commitment: string) =>
      chain
        .tokenAccount(publisher.address)
        .then((account) => valueIn(chain, 'getTokenAccountBalance', account, { commitment }))
    expect(await seen()).toEqual({ status: 'processed', confirmed: 0, finalized: 0 })
    expect(await balanceAt('processed')).toMatchObject({ amount: '50000' })
    expect(await balanceAt('confirmed')).toMatchObject({ amount: '0' })
    chain.clock.pass(2)
    expect(await seen()).toEqual({ status: 'confirmed', confirmed: 1, finalized: 0 })
    expect(await balanceAt('finalized')).toMatchObject({ amount: '0' })
    chain.clock.pass(FINALIZED_AFTER - 1)
    expect(await seen()).toEqual({ status: 'confirmed', confirmed: 1, finalized: 0 })
    chain.clock.pass(1)
    expect(await seen()).toEqual({ status: 'finalized', confirmed: 1, finalized: 1 })
    expect(await balanceAt('finalized')).toMatchObject({ amount: '50000' })
  })

  test('of a frozen account fails, and of an empty one', async () => {
    const { chain, reader } = await startBareSolana()
    const bytes = await signSolana(chain, TERMS, reader)
    await chain.freeze(publisher.address, true)
    expect(await valueIn(chain, 'simulateTransaction', base64(bytes), WIRE)).toMatchObject({
      err: { InstructionError: [2, { Custom: 17 }] },
    })
    await chain.freeze(publisher.address, false)
    await drainSolana(chain, reader)
    expect(await valueIn(chain, 'simulateTransaction', base64(bytes), WIRE)).toMatchObject({
      err: { InstructionError: [2, { Custom: 1 }] },
    })
    expect(await chain.balance(solanaWallets.bob.address)).toBe(1_000_000n)
  })
})

describe('the history of an address', () => {
  test('is told page by page, the newest first', async () => {
    const { chain, reader } = await startBareSolana()
    const all: string[] = []
    for (const memo of ['1', '2', '3', '4', '5']) all.unshift(await landed(chain, reader, { memo }))
    const page = async (options: object) =>
      (await signaturesOf(chain, publisher.address, options)).map(({ signature }) => signature)
    expect(await page({})).toEqual(all)
    expect(await page({ limit: 2 })).toEqual(all.slice(0, 2))
    expect(await page({ limit: 2, before: all[1] })).toEqual(all.slice(2, 4))
    expect(await page({ limit: 2, before: all[3] })).toEqual(all.slice(4))
    expect(await page({ before: all[4] })).toEqual([])
    expect(await page({ until: all[2] })).toEqual(all.slice(0, 2))
    expect(await page({ before: all[0], until: all[3] })).toEqual(all.slice(1, 3))
    // Nobody knows what is older than a transaction that is not there.
    expect(await page({ before: '1'.repeat(64) })).toEqual([])
    expect(await signaturesOf(chain, solanaWallets.carol.address)).toEqual([])
  })

  test('has the memos of each, with their lengths', async () => {
    const { chain, reader } = await startBareSolana()
    await landed(chain, reader, { memo: null })
    await landed(chain, reader, { memo: 'grüß' })
    await landed(chain, reader, { instructions: (honest) => [...honest, memoOf('two')] })
    const memos = async () => (await signaturesOf(chain, publisher.address)).map(({ memo }) => memo)
    expect(await memos()).toEqual(['[7] quote 1; [3] two', '[6] grüß', null])
    chain.faults.leavesOutMemos = true
    expect(await memos()).toEqual([null, null, null])
  })
})

describe('a fault', () => {
  test('lag: a node that is behind answers as of then, and passes on what it is sent', async () => {
    const { chain, reader } = await startBareSolana()
    const early = await landed(chain, reader)
    chain.clock.pass(5)
    const { blockhash } = readTransaction(await signed(chain, reader))
    chain.faults.lag = 5
    const bytes = await signed(chain, reader, { memo: 'on a node that is behind' })
    expect(readTransaction(bytes).blockhash).not.toBe(blockhash)
    expect(await valueIn(chain, 'isBlockhashValid', blockhash, CONFIRMED)).toBe(false)
    const late = await resultOf(chain, 'sendTransaction', base64(bytes), { ...WIRE, skipPreflight: true })
    expect(await chain.balance(publisher.address)).toBe(2n * PRICE)
    const account = await chain.tokenAccount(publisher.address)
    const seen = async () => (await signaturesOf(chain, publisher.address)).map(({ signature }) => signature)
    expect(await seen()).toEqual([early])
    expect(await valueIn(chain, 'getTokenAccountBalance', account, CONFIRMED)).toMatchObject({ amount: '50000' })
    expect(await statusOf(chain, z.string().parse(late), true)).toBeNull()
    expect(await valueIn(chain, 'simulateTransaction', base64(bytes), WIRE)).toMatchObject({ err: null })
    const minContextSlot = chain.clock.slot()
    expect(await errorOf(chain, 'getSignaturesForAddress', account, { ...CONFIRMED, minContextSlot })).toMatchObject({
      code: -32016,
      data: { contextSlot: minContextSlot - 5 },
    })
    chain.faults.lag = 0
    expect(await seen()).toEqual([late, early])
    // To look at a state of before has changed nothing.
    expect(await chain.balance(publisher.address)).toBe(2n * PRICE)
    chain.faults.lag = 200
    expect(await errorOf(chain, 'getHealth')).toMatchObject({ code: -32005, data: { numSlotsBehind: 200 } })
  })

  test('pruned: what is older than a slot is gone from the node, and not from the chain', async () => {
    const { chain, reader } = await startBareSolana()
    const old = await landed(chain, reader, { memo: 'old' })
    const slot = chain.clock.slot()
    chain.clock.pass(100)
    const young = await landed(chain, reader, { memo: 'young' })
    chain.clock.pass(250)
    const seen = async () => (await signaturesOf(chain, publisher.address)).map(({ signature }) => signature)
    const one = (signature: string) =>
      resultOf(chain, 'getTransaction', signature, { ...CONFIRMED, maxSupportedTransactionVersion: 0 })
    expect(await seen()).toEqual([young, old])
    // Old ones are found by who asks for history.
    expect(await statusOf(chain, old)).toBeNull()
    expect(await statusOf(chain, old, true)).toMatchObject({ confirmationStatus: 'finalized' })
    chain.faults.prunedBelow = slot + 1
    expect(await seen()).toEqual([young])
    expect(await one(old)).toBeNull()
    expect(await one(young)).toMatchObject({ meta: { err: null } })
    expect(await statusOf(chain, old, true)).toBeNull()
    expect(await errorOf(chain, 'getBlockTime', slot)).toMatchObject({ code: -32001 })
    expect(await resultOf(chain, 'minimumLedgerSlot')).toBe(slot + 1)
    expect(await chain.balance(publisher.address)).toBe(2n * PRICE)
    chain.faults.keepsNoHistory = true
    const account = await chain.tokenAccount(publisher.address)
    expect(await errorOf(chain, 'getSignaturesForAddress', account, CONFIRMED)).toMatchObject({ code: -32011 })
    expect(await errorOf(chain, 'getTransaction', young, CONFIRMED)).toMatchObject({ code: -32011 })
  })

  test('fork: what was confirmed is gone, and may land again', async () => {
    const { chain, reader } = await startBareSolana()
    const kept = await landed(chain, reader, { memo: 'kept' })
    chain.clock.pass(3)
    const bytes = await signed(chain, reader)
    expect(chain.land(bytes)).toBeNull()
    const [since, lost] = [chain.clock.slot(), chain.ledger.landed.at(-1)?.signature ?? '']
    chain.clock.pass(2)
    expect(await statusOf(chain, lost)).toMatchObject({ confirmationStatus: 'confirmed' })
    expect(chain.fork(since).map(({ signature }) => signature)).toEqual([lost])
    expect(await statusOf(chain, lost, true)).toBeNull()
    expect((await signaturesOf(chain, publisher.address)).map(({ signature }) => signature)).toEqual([kept])
    expect(await chain.balance(publisher.address)).toBe(PRICE)
    expect(await chain.balance(reader.address)).toBe(1_000_000n - PRICE)
    expect(chain.land(bytes)).toBeNull()
    expect(await statusOf(chain, lost)).toMatchObject({ slot: since + 3 })
    expect(await chain.balance(publisher.address)).toBe(2n * PRICE)
  })

  test('fork: a transaction that names a block which is gone never lands', async () => {
    const { chain, reader } = await startBareSolana()
    chain.clock.pass(3)
    const since = chain.clock.slot()
    const bytes = await signed(chain, reader)
    expect(chain.land(bytes)).toBeNull()
    chain.fork(since)
    expect(chain.land(bytes)).toBe('BlockhashNotFound')
    expect(await chain.balance(publisher.address)).toBe(0n)
  })

  test('fork: what is finalized stays', async () => {
    const { chain, reader } = await startBareSolana()
    await landed(chain, reader)
    const slot = chain.clock.slot()
    chain.clock.pass(FINALIZED_AFTER)
    expect(() => chain.fork(slot)).toThrow('is finalized')
    expect(await chain.balance(publisher.address)).toBe(PRICE)
  })

  test('money given by hand outlives a fork, and is there as of every slot', async () => {
    const { chain, reader } = await startBareSolana()
    await landed(chain, reader)
    await chain.fund(reader.address, 500_000n)
    chain.faults.lag = 1
    const account = await chain.tokenAccount(reader.address)
    expect(await valueIn(chain, 'getTokenAccountBalance', account, CONFIRMED)).toMatchObject({ amount: '1500000' })
    chain.faults.lag = 0
    chain.fork(chain.clock.slot())
    expect(await chain.balance(reader.address)).toBe(1_500_000n)
  })

  test('held back: what the node is sent lands when it lets go, or never', async () => {
    const { chain, reader } = await startBareSolana()
    chain.faults.holdsBack = true
    for (const memo of ['in time', 'too late']) {
      if (memo === 'too late') chain.clock.pass(BLOCKHASH_LIFE)
      const bytes = await signed(chain, reader, { memo })
      const signature = await resultOf(chain, 'sendTransaction', base64(bytes), { ...WIRE, skipPreflight: true })
      expect(await statusOf(chain, z.string().parse(signature), true)).toBeNull()
      if (memo === 'too late') chain.clock.pass(BLOCKHASH_LIFE)
      else expect(chain.release()).toEqual([null])
    }
    expect(chain.release()).toEqual(['BlockhashNotFound'])
    expect((await arrivals(chain, publisher.address)).map(({ memo }) => memo)).toEqual(['[7] in time'])
  })

  test('no LiteSVM for this machine: said in one sentence, and in CI an error', () => {
    const script = `
      import { startSolanaIfPossible } from './dev/stack/solana.ts'
      const { missing } = await startSolanaIfPossible()
      process.env.CI = 'true'
      const error = await startSolanaIfPossible().catch(({ message }) => message)
      process.stdout.write(JSON.stringify([missing, error]))`
    const env = { ...process.env, CI: '', NAPI_RS_NATIVE_LIBRARY_PATH: '/nowhere/litesvm.node' }
    const args = ['--input-type=module', '-e', script]
    const said: unknown = JSON.parse(
      execFileSync(process.execPath, args, { cwd: inCheckout('.'), env, encoding: 'utf8' }),
    )
    const sentence = expect.stringMatching(/^LiteSVM, .*npm install/)
    expect(said).toEqual([sentence, sentence])
  })
})
