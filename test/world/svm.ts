// Transactions of Solana put together byte by byte, so that a test can put together wrong ones: one that is right, and what
// each of its parts may be replaced by.
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { decodeBase58, encodeBase58 } from '../../src/x402/base58.ts'

export const bytesOf = (address: string): Uint8Array<ArrayBuffer> => decodeBase58(address) ?? new Uint8Array()
export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** A wallet whose seed is 32 times this byte. */
export function wallet(seed: number) {
  const key: KeyObject = createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]),
    format: 'der',
    type: 'pkcs8',
  })
  const point = Uint8Array.from(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32))
  return {
    seed: Uint8Array.from(Buffer.alloc(32, seed)),
    point,
    address: encodeBase58(point),
    sign: (bytes: Uint8Array): Uint8Array => Uint8Array.from(sign(null, bytes, key)),
  }
}

export const FEE_WALLET = wallet(1)
export const PAYING_WALLET = wallet(2)
export const OTHER_WALLET = wallet(3)
const WALLETS = [FEE_WALLET, PAYING_WALLET, OTHER_WALLET]

export const USDC = '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU'
export const TOKEN = 'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA'
export const TOKEN_2022 = 'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb'
export const BUDGET = 'ComputeBudget111111111111111111111111111111'
export const MEMO = 'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr'
export const OLD_MEMO = 'Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo'
export const LIGHTHOUSE = 'L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95'
export const SYSTEM = '11111111111111111111111111111111'
export const ASSOCIATED = 'ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL'

/** The places of a draft's accounts. `OTHER` is a program, the system's unless a test says another. */
export const AT = {
  fee: 0,
  payer: 1,
  source: 2,
  target: 3,
  mint: 4,
  token: 5,
  budget: 6,
  memo: 7,
  lighthouse: 8,
  other: 9,
}

export type Step = { program: number; accounts: readonly number[]; data: Uint8Array }

/** What a number says how many of. */
type Counted = 'signatures' | 'keys' | 'steps' | 'accounts' | 'data' | 'lookups'

export type Draft = {
  /** The byte in front of the header; null in a legacy message. */
  version: number | null
  header: readonly [signers: number, readOnlySigners: number, readOnlyOthers: number]
  keys: readonly string[]
  steps: readonly Step[]
  lookups: readonly Uint8Array[]
  count: (counted: Counted, count: number) => readonly number[]
}

export function compact(count: number): number[] {
  if (count < 0x80) return [count]
  return [(count & 0x7f) | 0x80, ...compact(count >> 7)]
}

export function number(value: bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
}

export const text = (letters: string): Uint8Array => Uint8Array.from(Buffer.from(letters, 'utf8'))

export const limitStep: Step = { program: AT.budget, accounts: [], data: Uint8Array.of(2, ...number(20_000n, 4)) }
export const priceStep: Step = { program: AT.budget, accounts: [], data: Uint8Array.of(3, ...number(1n, 8)) }
export const transferStep: Step = {
  program: AT.token,
  accounts: [AT.source, AT.mint, AT.target, AT.payer],
  data: Uint8Array.of(12, ...number(50_000n, 8), 6),
}
export const memoStep: Step = { program: AT.memo, accounts: [], data: text('quote 1') }
/** `AssertAccountInfo`, as Phantom adds it. */
export const assertion: Step = { program: AT.lighthouse, accounts: [AT.payer], data: Uint8Array.of(5, 0, 0, 4) }

export const DRAFT: Draft = {
  version: 0x80,
  header: [2, 1, 6],
  keys: [
    FEE_WALLET.address,
    PAYING_WALLET.address,
    wallet(12).address,
    wallet(13).address,
    USDC,
    TOKEN,
    BUDGET,
    MEMO,
    LIGHTHOUSE,
    SYSTEM,
  ],
  steps: [limitStep, priceStep, transferStep, memoStep],
  lookups: [],
  count: (_, count) => compact(count),
}

/** The same draft with one step replaced, or with more behind it. */
export const withStep = (place: number, over: Partial<Step>): Draft => ({
  ...DRAFT,
  steps: DRAFT.steps.map((step, i) => (i === place ? { ...step, ...over } : step)),
})
export const withSteps = (...steps: readonly Step[]): Draft => ({ ...DRAFT, steps })
export const withKey = (place: number, key: string): Draft => ({
  ...DRAFT,
  keys: DRAFT.keys.map((own, i) => (i === place ? key : own)),
})

/** The same draft with one more signer, in the place behind the payer's. */
export function withSigner(address: string, draft: Draft = DRAFT): Draft {
  const moved = (place: number) => (place < 2 ? place : place + 1)
  const [signers, readOnly, others] = draft.header
  return {
    ...draft,
    header: [signers + 1, readOnly + 1, others],
    keys: [...draft.keys.slice(0, 2), address, ...draft.keys.slice(2)],
    steps: draft.steps.map(({ program, accounts, data }) => ({
      program: moved(program),
      accounts: accounts.map(moved),
      data,
    })),
  }
}

export function messageBytes({ version, header, keys, steps, lookups, count }: Draft): Uint8Array {
  return Uint8Array.from([
    ...(version === null ? [] : [version]),
    ...header,
    ...count('keys', keys.length),
    ...keys.flatMap((key) => [...bytesOf(key)]),
    ...Buffer.alloc(32, 9),
    ...count('steps', steps.length),
    ...steps.flatMap(({ program, accounts, data }) => [
      program,
      ...count('accounts', accounts.length),
      ...accounts,
      ...count('data', data.length),
      ...data,
    ]),
    ...(version === null ? [] : [...count('lookups', lookups.length), ...lookups.flatMap((lookup) => [...lookup])]),
  ])
}

/** Signed by all whose wallet is known, but for the fee payer. */
export function signatures(draft: Draft): Uint8Array[] {
  const message = messageBytes(draft)
  return draft.keys.slice(0, draft.header[0]).map((key, i) => {
    const known = i === 0 ? undefined : WALLETS.find(({ address }) => address === key)
    return known ? known.sign(message) : new Uint8Array(64).fill(i === 0 ? 0 : 7)
  })
}

export const transactionBytes = (draft: Draft, signed: readonly Uint8Array[] = signatures(draft)): Uint8Array =>
  Uint8Array.from([
    ...draft.count('signatures', signed.length),
    ...signed.flatMap((signature) => [...signature]),
    ...messageBytes(draft),
  ])

export const transaction = (draft: Draft, signed?: readonly Uint8Array[]): string =>
  base64(transactionBytes(draft, signed))
