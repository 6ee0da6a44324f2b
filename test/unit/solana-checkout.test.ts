// The part of the checkout for Solana, as it is served: the transaction it writes is what the site takes, and it is small.
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { SOLANA } from '../../src/browser/solana.gen.ts'
import { decodeBase58, encodeBase58 } from '../../src/x402/base58.ts'
import { readTransaction } from '../../src/x402/svm.ts'
import { parseMessage, splitTransaction } from '../../src/x402/svm-message.ts'

type Bytes = Uint8Array<ArrayBuffer>
const made = z.custom<(terms: object, look: object, payer: string) => Bytes>((value) => typeof value === 'function')
const encoder = z.custom<(bytes: Bytes) => string>((value) => typeof value === 'function')
const url = `data:text/javascript;base64,${Buffer.from(SOLANA.text).toString('base64')}`
type Hands = {
  ask<Result>(act: () => Promise<Result>): Promise<Result>
  stop(name: string): Error
  weigh(terms: object, others: object[], balanceOf: (terms: object) => Promise<bigint | null>): Promise<void>
}
type Payer = { payload(terms: object, others: object[]): Promise<{ transaction: string }> }
const opener = z.custom<(wallet: object, chain: string, hands: Hands) => Promise<Payer>>(
  (value) => typeof value === 'function',
)
const served = z
  .object({ transactionOf: made, encodeBase58: encoder, open: opener })
  .parse(await import(/* @vite-ignore */ url).then((module: object) => ({ ...module })))

const address = (n: number) =>
  encodeBase58(Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 0 : (n * 37 + i) % 256)))
const terms = {
  amount: '50000',
  asset: '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU',
  extra: { feePayer: address(1), memo: 'AbCdEfGhIjKl.t3k9z0.0123456789abcdefABCDEF' },
}
const look = { blockhash: address(2), source: address(3), destination: address(4), balance: '50000', decimals: 6 }
const payer = address(5)

/** A wallet signs for the second place. */
function signed(transaction: Bytes): string {
  const own = Uint8Array.from(transaction)
  own.fill(7, 1 + 64, 1 + 128)
  return Buffer.from(own).toString('base64')
}

test('the site reads in it what was offered, and nothing else', () => {
  const transaction = served.transactionOf(terms, look, payer)
  const read = readTransaction(signed(transaction))
  expect(read).toMatchObject({
    ok: true,
    value: {
      feePayer: terms.extra.feePayer,
      payer,
      source: look.source,
      mint: terms.asset,
      destination: look.destination,
      amount: 50_000n,
      decimals: 6,
      memo: terms.extra.memo,
      position: 2,
    },
  })
  // Nobody has signed yet.
  expect(transaction.subarray(1, 129).every((byte) => byte === 0)).toBe(true)
})

test('it is a message of version 0, in which only both token accounts and the fee payer are written to', () => {
  const split = splitTransaction(served.transactionOf(terms, look, payer))
  if (!split.ok) throw new Error(split.error)
  const message = parseMessage(split.value.message)
  if (!message.ok) throw new Error(message.error)
  const { addresses, isWritable, signers, instructions } = message.value
  expect(split.value.message[0]).toBe(0x80)
  expect(addresses.slice(0, signers)).toEqual([terms.extra.feePayer, payer])
  expect(addresses.filter((_, at) => isWritable(at))).toEqual([terms.extra.feePayer, look.source, look.destination])
  expect(instructions).toHaveLength(4)
})

test('any amount and memo that may be offered', () => {
  const memo = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 100,
  })
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), memo, (amount, memo) => {
      const change = { ...terms, amount: amount.toString(), extra: { ...terms.extra, memo } }
      const read = readTransaction(signed(served.transactionOf(change, look, payer)))
      expect(read).toMatchObject({ ok: true, value: { amount, memo } })
    }),
  )
})

test.each(['', '0', 'alice', address(6).slice(1), '1'.repeat(44), `${address(6)}l`])(
  '%j is no address: nothing is written',
  (bad) => {
    expect(() => served.transactionOf({ ...terms, extra: { ...terms.extra, feePayer: bad } }, look, payer)).toThrow()
    expect(() => served.transactionOf(terms, { ...look, blockhash: bad }, payer)).toThrow()
  },
)

test('base58 as the site reads it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const own = Uint8Array.from(bytes)
      expect(decodeBase58(served.encodeBase58(own))).toEqual(own)
    }),
  )
})

test('is at most 12 KiB, and needs nothing from elsewhere', () => {
  expect(gzipSync(SOLANA.text, { level: 9 }).byteLength / 1024).toBeLessThanOrEqual(12)
  expect(SOLANA.text).not.toMatch(/https?:|\bimport\b|\beval\b|new Function/)
})

describe('in several currencies', () => {
  afterEach(() => vi.unstubAllGlobals())
  const euros = { ...terms, network: 'solana:x', asset: 'HzwqbKZw8HxMN6bF2yFZNrht3c2iXXzpKcFu7uBEDKtr' }
  const dollars = { ...terms, network: 'solana:x' }
  const account = { address: payer, chains: ['solana:mainnet'], features: ['solana:signTransaction'] }
  const signTransaction = vi.fn(async () => [{ signedTransaction: Uint8Array.of(1, 2, 3) }])
  const wallet = {
    features: {
      'standard:connect': { connect: async () => ({ accounts: [account] }) },
      'solana:signTransaction': { signTransaction },
    },
  }
  const hands: Omit<Hands, 'weigh'> = { ask: (act) => act(), stop: (name) => new Error(name) }

  test('each is weighed by its own balance, and none that nobody can tell', async () => {
    const asked: (string | null)[] = []
    const balances: Record<string, string> = { [dollars.asset]: '20000' }
    vi.stubGlobal('location', { origin: 'https://news.example' })
    vi.stubGlobal('fetch', async (address: string) => {
      const asset = new URL(address).searchParams.get('asset')
      asked.push(asset)
      const balance = balances[asset ?? '']
      return balance === undefined ? new Response(null, { status: 503 }) : Response.json({ ...look, balance })
    })
    const weighed: (bigint | null)[] = []
    const paying = await served.open(wallet, 'solana:mainnet', {
      ...hands,
      async weigh(chosen, others, balanceOf) {
        expect(others).toEqual([euros])
        for (const one of [chosen, ...others]) weighed.push(await balanceOf(one))
        throw new Error('too little')
      },
    })
    await expect(paying.payload(dollars, [euros])).rejects.toThrow('too little')
    balances[euros.asset] = '40000'
    await expect(paying.payload(dollars, [euros])).rejects.toThrow('too little')
    expect(weighed).toEqual([20_000n, null, 20_000n, 40_000n])
    expect(asked).toEqual([dollars.asset, euros.asset, dollars.asset, euros.asset])
    expect(signTransaction).not.toHaveBeenCalled()
  })
})
