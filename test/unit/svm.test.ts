// A transfer on Solana as it comes: what the reference client makes is read right, whoever reads it reads the same, and each way
// to write it wrong is refused.

import {
  type AccountMeta,
  address,
  appendTransactionMessageInstructions,
  blockhash,
  createKeyPairSignerFromPrivateKeyBytes,
  createNoopSigner,
  createTransactionMessage,
  decompileTransactionMessage,
  getBase64EncodedWireTransaction,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  type Instruction,
  partiallySignTransactionMessageWithSigners,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
} from '@solana/kit'
import { getSetComputeUnitLimitInstruction, getSetComputeUnitPriceInstruction } from '@solana-program/compute-budget'
import {
  getApproveInstruction,
  getTransferCheckedInstruction,
  identifyTokenInstruction,
  parseTransferCheckedInstruction,
  TokenInstruction,
} from '@solana-program/token'
import { ExactSvmScheme } from '@x402/svm/exact/client'
import { ExactSvmScheme as SvmFacilitator } from '@x402/svm/exact/facilitator'
import { ExactSvmSchemeV1 } from '@x402/svm/exact/v1/client'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { associatedTokenAccount, isSignedBySigners, svmReplayKey } from '../../src/networks/solana.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import { readMessage, readTransaction, type SvmTransfer, signersOf, transactionOf } from '../../src/x402/svm.ts'
import { serveMint } from '../world/solana-mint.ts'
import {
  ASSOCIATED,
  AT,
  assertion,
  BUDGET,
  base64,
  bytesOf,
  DRAFT,
  type Draft,
  FEE_WALLET,
  LIGHTHOUSE,
  limitStep,
  MEMO,
  memoStep,
  number,
  OLD_MEMO,
  OTHER_WALLET,
  PAYING_WALLET,
  priceStep,
  type Step,
  signatures,
  TOKEN,
  TOKEN_2022,
  text,
  transaction,
  transactionBytes,
  transferStep,
  USDC,
  wallet,
  withKey,
  withSigner,
  withStep,
  withSteps,
} from '../world/svm.ts'

const DEVNET = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const PAYEE = wallet(21).address
const RECENT = encodeBase58(new Uint8Array(32).fill(9))

function read(base64Text: string): SvmTransfer {
  const result = readTransaction(base64Text)
  if (!result.ok) throw new Error(result.error)
  return result.value
}

const bytesIn = (base64Text: string): Uint8Array => Uint8Array.from(Buffer.from(base64Text, 'base64'))

/** What the reference packages read in a transaction. */
function readByReference(bytes: Uint8Array) {
  const { messageBytes, signatures: signed } = getTransactionDecoder().decode(bytes)
  const compiled = getCompiledTransactionMessageDecoder().decode(messageBytes)
  const decompiled = decompileTransactionMessage(compiled)
  const instructions: readonly Instruction[] = decompiled.instructions
  const kinds = instructions.map(({ programAddress }) => String(programAddress))
  const position = kinds.indexOf(TOKEN)
  const step = instructions[position]
  if (!step?.data || !step.accounts) throw new Error('the reference reads no transfer')
  const { accounts, data } = parseTransferCheckedInstruction({
    programAddress: address(TOKEN),
    accounts: step.accounts,
    data: step.data,
  })
  expect(identifyTokenInstruction(step.data)).toBe(TokenInstruction.TransferChecked)
  const memo = instructions[kinds.indexOf(MEMO)]
  return {
    facts: {
      kind: 'svm',
      message: base64(Uint8Array.from(messageBytes)),
      feePayer: String(decompiled.feePayer.address),
      payer: String(accounts.authority.address),
      source: String(accounts.source.address),
      mint: String(accounts.mint.address),
      destination: String(accounts.destination.address),
      amount: data.amount,
      decimals: data.decimals,
      memo: Buffer.from(memo?.data ?? []).toString('latin1'),
      position,
    },
    signed: Object.keys(signed),
  }
}

const facts = ({ signature, ...rest }: SvmTransfer) => rest

describe('what the reference client makes', () => {
  let mint: Awaited<ReturnType<typeof serveMint>>
  beforeAll(async () => {
    mint = await serveMint({ mint: USDC, decimals: 6, blockhash: RECENT })
  })
  afterAll(() => mint.close())

  const requirements = {
    scheme: 'exact',
    network: DEVNET,
    asset: USDC,
    amount: '50000',
    maxAmountRequired: '50000',
    payTo: PAYEE,
    maxTimeoutSeconds: 60,
    resource: 'https://news.example/articles/hello',
    description: '',
    mimeType: '',
    extra: { feePayer: FEE_WALLET.address, memo: 'quote 7' },
  } as const

  const CLIENTS = [
    [2, ExactSvmScheme],
    [1, ExactSvmSchemeV1],
  ] as const

  test.each(CLIENTS)('is read right, in version %i', async (version, Client) => {
    const signer = await createKeyPairSignerFromPrivateKeyBytes(PAYING_WALLET.seed)
    const client = new Client(signer, { rpcUrl: mint.url })
    const { payload } = await client.createPaymentPayload(version, { ...requirements })
    const sent = String(Object.entries(payload).find(([key]) => key === 'transaction')?.[1])
    const transfer = read(sent)
    expect(facts(transfer)).toEqual({
      kind: 'svm',
      message: transfer.message,
      feePayer: FEE_WALLET.address,
      payer: PAYING_WALLET.address,
      source: await associatedTokenAccount(PAYING_WALLET.address, USDC),
      mint: USDC,
      destination: await associatedTokenAccount(PAYEE, USDC),
      amount: 50_000n,
      decimals: 6,
      memo: 'quote 7',
      position: 2,
    })
    expect(transactionOf(transfer)).toBe(sent)
    expect(readMessage(transfer.message, transfer.signature)).toEqual({ ok: true, value: transfer })
    expect(await isSignedBySigners(transfer)).toBe(true)
  })

  test('another payer is not taken for having signed', async () => {
    const signer = await createKeyPairSignerFromPrivateKeyBytes(OTHER_WALLET.seed)
    const { payload } = await new ExactSvmScheme(signer, { rpcUrl: mint.url }).createPaymentPayload(2, {
      ...requirements,
    })
    const sent = bytesIn(String(payload.transaction))
    const point = Buffer.from(sent).indexOf(OTHER_WALLET.point)
    sent.set(PAYING_WALLET.point, point)
    const transfer = read(base64(sent))
    expect(transfer.payer).toBe(PAYING_WALLET.address)
    expect(await isSignedBySigners(transfer)).toBe(false)
  })
})

/** A transfer as wallets may write it: legacy or version 0, with assertions and the memo in any order. */
const WRITTEN = fc.record({
  version: fc.constantFrom('legacy' as const, 0 as const),
  payer: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  fee: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  accounts: fc.uniqueArray(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
    minLength: 3,
    maxLength: 3,
    selector: (bytes) => encodeBase58(bytes),
  }),
  recent: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  amount: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
  decimals: fc.nat(255),
  units: fc.nat(0xffffffff),
  price: fc.bigInt({ min: 0n, max: 5_000_000n }),
  memo: fc.string({
    unit: fc.constantFrom(...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))),
    minLength: 1,
    maxLength: 100,
  }),
  isMemoSigned: fc.boolean(),
  assertions: fc.array(fc.uint8Array({ minLength: 0, maxLength: 140 }), { maxLength: 3 }),
  memoAt: fc.nat(3),
})

type LegacyStep = Instruction<string, readonly AccountMeta[]>
type Written = typeof WRITTEN extends fc.Arbitrary<infer One> ? One : never

/** Made by the reference packages. */
async function writtenByReference(one: Written): Promise<string> {
  const payer = await createKeyPairSignerFromPrivateKeyBytes(one.payer)
  const fee = createNoopSigner((await createKeyPairSignerFromPrivateKeyBytes(one.fee)).address)
  const [source, mint, destination] = one.accounts.map((bytes) => address(encodeBase58(bytes)))
  if (!source || !mint || !destination) throw new Error('three accounts are needed')
  const behind: LegacyStep[] = one.assertions.map((data) => ({
    programAddress: address(LIGHTHOUSE),
    accounts: [{ address: payer.address, role: 0 }],
    data: Uint8Array.of(2 + ((data[0] ?? 0) % 14), ...data),
  }))
  behind.splice(one.memoAt % (behind.length + 1), 0, {
    programAddress: address(MEMO),
    accounts: one.isMemoSigned ? [{ address: payer.address, role: 2 }] : [],
    data: text(one.memo),
  })
  const steps: LegacyStep[] = [
    getSetComputeUnitLimitInstruction({ units: one.units }),
    getSetComputeUnitPriceInstruction({ microLamports: one.price }),
    getTransferCheckedInstruction({
      source,
      mint,
      destination,
      authority: payer,
      amount: one.amount,
      decimals: one.decimals,
    }),
    ...behind,
  ]
  const recent = { blockhash: blockhash(encodeBase58(one.recent)), lastValidBlockHeight: 0n }
  // The two versions have types of their own.
  const signed =
    one.version === 0
      ? await partiallySignTransactionMessageWithSigners(
          appendTransactionMessageInstructions(
            steps,
            setTransactionMessageLifetimeUsingBlockhash(
              recent,
              setTransactionMessageFeePayerSigner(fee, createTransactionMessage({ version: 0 })),
            ),
          ),
        )
      : await partiallySignTransactionMessageWithSigners(
          appendTransactionMessageInstructions(
            steps,
            setTransactionMessageLifetimeUsingBlockhash(
              recent,
              setTransactionMessageFeePayerSigner(fee, createTransactionMessage({ version: 'legacy' })),
            ),
          ),
        )
  return getBase64EncodedWireTransaction(signed)
}

describe('any transfer that the reference packages write', () => {
  const differ = ({ payer, fee }: Written) => !Buffer.from(payer).equals(Buffer.from(fee))

  test('is read as they read it, and its signature is good', async () => {
    await fc.assert(
      fc.asyncProperty(WRITTEN.filter(differ), async (one) => {
        const sent = await writtenByReference(one)
        // Four instructions of 140 bytes and a memo may not fit.
        const isLarge = bytesIn(sent).length > 1232
        const result = readTransaction(sent)
        expect(result.ok).toBe(!isLarge)
        if (!result.ok) return
        const transfer = result.value
        expect(facts(transfer)).toEqual(readByReference(bytesIn(sent)).facts)
        expect(transfer).toMatchObject({ amount: one.amount, decimals: one.decimals, memo: one.memo })
        expect(transactionOf(transfer)).toBe(sent)
        expect(readMessage(transfer.message, transfer.signature)).toEqual(result)
        expect(await isSignedBySigners(transfer)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('is taken by the reference facilitator', async () => {
    await fc.assert(
      fc.asyncProperty(WRITTEN.filter(differ), async (one) => {
        const destination = bytesOf(await associatedTokenAccount(PAYEE, USDC))
        const [source = destination] = one.accounts
        const sent = await writtenByReference({ ...one, accounts: [source, bytesOf(USDC), destination] })
        const result = readTransaction(sent)
        if (!result.ok) return
        const facilitator = new SvmFacilitator({
          getAddresses: () => [address(result.value.feePayer)],
          simulateTransaction: async () => undefined,
          signTransaction: async () => '',
          sendTransaction: async () => '',
          confirmTransaction: async () => undefined,
        })
        const requirements = {
          scheme: 'exact',
          network: DEVNET,
          asset: USDC,
          amount: String(one.amount),
          payTo: PAYEE,
          maxTimeoutSeconds: 60,
          extra: { feePayer: result.value.feePayer, memo: one.memo },
        } as const
        const payload = { x402Version: 2, accepted: { ...requirements }, payload: { transaction: sent } }
        expect(await facilitator.verify(payload, { ...requirements })).toMatchObject({
          isValid: true,
          payer: result.value.payer,
        })
      }),
      { numRuns: 100 },
    )
  })
})

describe('one payment has one spelling', () => {
  const right = transaction(DRAFT)

  test('the fixture is read right', async () => {
    const transfer = read(right)
    expect(transfer).toEqual({
      kind: 'svm',
      message: base64(transactionBytes(DRAFT).subarray(1 + 128)),
      signature: base64(Buffer.concat([new Uint8Array(64), signatures(DRAFT)[1] ?? new Uint8Array()])),
      feePayer: FEE_WALLET.address,
      payer: PAYING_WALLET.address,
      source: DRAFT.keys[AT.source],
      mint: USDC,
      destination: DRAFT.keys[AT.target],
      amount: 50_000n,
      decimals: 6,
      memo: 'quote 1',
      position: 2,
    })
    expect(await isSignedBySigners(transfer)).toBe(true)
  })

  test("whatever the fee payer's place holds", () => {
    const [, own = new Uint8Array()] = signatures(DRAFT)
    for (const filling of [0, 1, 255]) {
      expect(read(transaction(DRAFT, [new Uint8Array(64).fill(filling), own]))).toEqual(read(right))
    }
    const transfer = read(right)
    const filled = base64(Buffer.concat([new Uint8Array(64).fill(3), own]))
    expect(readMessage(transfer.message, filled)).toEqual({ ok: true, value: transfer })
  })

  test('in either alphabet, padded or not', () => {
    const paddings = [4, 5, 6].map((length) => {
      const padded = transaction(withStep(3, { data: text('~?>~?>'.slice(0, length)) }))
      const bare = padded.replace(/=+$/, '')
      const urlSafe = bare.replaceAll('+', '-').replaceAll('/', '_')
      for (const spelling of [bare, urlSafe, padded.replaceAll('+', '-').replaceAll('/', '_')]) {
        expect(read(spelling)).toEqual(read(padded))
      }
      expect(transactionOf(read(urlSafe))).toBe(padded)
      const { message, signature } = read(padded)
      const otherMessage = message.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
      expect(readMessage(otherMessage, signature.replace(/=+$/, ''))).toEqual({ ok: true, value: read(padded) })
      return padded.length - bare.length
    })
    expect(paddings.toSorted()).toEqual([0, 1, 2])
  })

  test('a legacy message is another payment than one of version 0', async () => {
    const legacy = read(transaction({ ...DRAFT, version: null }))
    expect({ ...legacy, message: '', signature: '' }).toEqual({ ...read(right), message: '', signature: '' })
    expect(svmReplayKey(DEVNET, legacy)).not.toBe(svmReplayKey(DEVNET, read(right)))
    expect(await isSignedBySigners(legacy)).toBe(true)
  })

  test('more signers are read in their order', async () => {
    const transfer = read(transaction(withSigner(OTHER_WALLET.address)))
    expect(signersOf(transfer).map(({ address: signer }) => signer)).toEqual([
      FEE_WALLET.address,
      PAYING_WALLET.address,
      OTHER_WALLET.address,
    ])
    expect(await isSignedBySigners(transfer)).toBe(true)
  })

  test('assertions of wallets may stand in front of the memo and behind it', () => {
    const memoAt = [0, 1, 2, 3].map((place) => {
      const behind = [assertion, assertion, assertion]
      behind.splice(place, 0, memoStep)
      return read(transaction(withSteps(limitStep, priceStep, transferStep, ...behind))).memo
    })
    expect(memoAt).toEqual(['quote 1', 'quote 1', 'quote 1', 'quote 1'])
  })

  test('a payment may carry no memo: then it is of no offer here', () => {
    expect(read(transaction(withSteps(limitStep, priceStep, transferStep))).memo).toBe('')
    expect(read(transaction(withSteps(limitStep, priceStep, transferStep, assertion))).memo).toBe('')
  })

  test('what is stored may be without its signatures, and says the same', () => {
    const { message, ...said } = read(transaction(DRAFT))
    expect(readMessage(message, '')).toEqual({ ok: true, value: { ...said, message, signature: '' } })
  })

  test('the memo may name who signs', () => {
    const signed = transaction(withStep(3, { accounts: [AT.payer] }))
    expect(read(signed).memo).toBe('quote 1')
  })
})

// The most that each rule allows, beside the rows below.
describe('at the limits', () => {
  test.each<[string, Draft]>([
    ['a memo of 1 character', withStep(3, { data: text(' ') })],
    ['a memo of 100 characters', withStep(3, { data: text('~'.repeat(100)) })],
    ['a unit price of 5,000,000', withStep(1, { data: Uint8Array.of(3, ...number(5_000_000n, 8)) })],
    ['an amount of 1', withStep(2, { data: Uint8Array.of(12, ...number(1n, 8), 6) })],
    ['the largest amount', withStep(2, { data: Uint8Array.of(12, ...number(2n ** 64n - 1n, 8), 6) })],
    ['a writable payer', { ...DRAFT, header: [2, 0, 6] }],
    ['all accounts writable', { ...DRAFT, header: [2, 0, 0] }],
    ['the first assertion of Lighthouse', withSteps(...DRAFT.steps, { ...assertion, data: Uint8Array.of(2) })],
    ['1,232 bytes', ofSize(1232)],
  ])('%s is read', async (_, draft) => {
    expect(await isSignedBySigners(read(transaction(draft)))).toBe(true)
  })

  test('as many signers are read as there is room for, which are nine', () => {
    expect(signersOf(read(transaction(manySigners(9))))).toHaveLength(9)
    expect(transactionBytes(manySigners(10)).length).toBeGreaterThan(1232)
  })
})

/** A draft of so many bytes, filled with what an assertion says. */
function ofSize(size: number): Draft {
  const filled = (length: number) => withSteps(...DRAFT.steps, { ...assertion, data: new Uint8Array(length).fill(5) })
  return filled(200 + size - transactionBytes(filled(200)).length)
}

/** Without the accounts that are not used, and with one character of memo: there is no room for them. */
function manySigners(count: number): Draft {
  const used = [limitStep, priceStep, transferStep, { ...memoStep, data: text('q') }]
  let draft: Draft = { ...DRAFT, header: [2, 1, 4], keys: DRAFT.keys.slice(0, 8), steps: used }
  while (draft.header[0] < count) draft = withSigner(wallet(100 + draft.header[0]).address, draft)
  return draft
}

const AS_IT_IS = signatures(DRAFT)
/** An address in the place of one that has moved. */
const STAND_IN = wallet(40).address
const long = (count: number): number[] => [count | 0x80, 0]
const longer = (count: number): number[] => [count | 0x80, 0x80, 0]
const otherProgram = (key: string, step: Partial<Step> = {}): Draft => ({
  ...withKey(AT.other, key),
  steps: [...DRAFT.steps, { program: AT.other, accounts: [AT.payer], data: Uint8Array.of(2), ...step }],
})
const lengthOf = (counted: string, written: (count: number) => readonly number[]): Draft => ({
  ...DRAFT,
  count: (what, count) => (what === counted ? written(count) : [count]),
})
const cut = (from: number, to: number) => {
  const bytes = transactionBytes(DRAFT)
  return base64(Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(to)]))
}
const end = transactionBytes(DRAFT).length
const inserted = (at: number, ...more: number[]) => {
  const bytes = transactionBytes(DRAFT)
  return base64(Uint8Array.from([...bytes.subarray(0, at), ...more, ...bytes.subarray(at)]))
}
const approve = getApproveInstruction({
  source: address(wallet(12).address),
  delegate: address(OTHER_WALLET.address),
  owner: address(PAYING_WALLET.address),
  amount: 1n,
})

const BASE64 = 'not base64'
const SIGNATURES = 'ends within its signatures'
const SHORT = 'ends too early, or a length'
const TRAILING = 'bytes follow the message'
const NO_SIGNER = 'no signer, or more than 12'
const COUNT = 'another number of signatures'
const TABLES = 'lookup tables'
const NOT_THERE = 'an account that is not there'
const AS_PROGRAM = 'a signer as its program'
const LIMIT = 'not SetComputeUnitLimit'
const PRICE = 'not SetComputeUnitPrice'
const CLASSIC = 'not of the classic token program'
const CHECKED = 'not TransferChecked'
const FEW = 'fewer than four accounts'
const FEE_NAMED = 'names the fee payer'
const NEITHER = 'neither a memo nor an assertion'
const ONE_MEMO = 'more than one memo'
const MEMO_TEXT = 'printable ASCII'
const TWICE = 'stands twice'
const TABLE_LOOKUP = Uint8Array.from([...Buffer.alloc(32, 5), 1, 0, 0])

const HOSTILE: readonly [why: string, sent: string | Draft, error: string][] = [
  // The text.
  ['an empty text', '', BASE64],
  ['a text of padding', '====', BASE64],
  ['a space in it', ` ${transaction(DRAFT)}`, BASE64],
  ['a line break behind it', `${transaction(DRAFT)}\n`, BASE64],
  ['both alphabets at once', `-${transaction(DRAFT).slice(1)}`.replace(/A/, '+'), BASE64],
  ['a character that no byte needs', `${base64(new Uint8Array(300))}A`, BASE64],
  ['padding that is not needed', `${base64(new Uint8Array(300))}==`, BASE64],
  ['too little padding', `${base64(new Uint8Array(301)).slice(0, -1)}`, BASE64],
  ['too much padding', `${base64(new Uint8Array(302))}=`, BASE64],
  ['bits behind the last byte', base64(new Uint8Array(301)).replace(/A==$/, 'B=='), BASE64],
  ['a text of 1,645 characters', 'A'.repeat(1645), BASE64],
  ['1,233 bytes', ofSize(1233), 'larger than 1,232 bytes'],
  ['base58 in the place of base64', encodeBase58(new Uint8Array(20).fill(200)), SIGNATURES],

  // The signatures.
  ['no signature', base64(Uint8Array.from([0, ...transactionBytes(DRAFT).subarray(129)])), COUNT],
  ['one signature too few', transaction(DRAFT, AS_IT_IS.slice(0, 1)), COUNT],
  ['one signature too many', transaction(DRAFT, [...AS_IT_IS, new Uint8Array(64).fill(1)]), COUNT],
  ['a number of signatures in two bytes', lengthOf('signatures', long), SIGNATURES],
  ['a number of signatures in three bytes', lengthOf('signatures', longer), SIGNATURES],
  ['more signatures than bytes', lengthOf('signatures', () => [12]), SIGNATURES],
  ['the payer has not signed', transaction(DRAFT, [new Uint8Array(64), new Uint8Array(64)]), 'has not signed'],
  [
    'the fee payer has, and the payer has not',
    transaction(DRAFT, [new Uint8Array(64).fill(1), new Uint8Array(64)]),
    'has not signed',
  ],
  [
    'a third signer has not signed',
    transaction(withSigner(OTHER_WALLET.address), [
      ...signatures(withSigner(OTHER_WALLET.address)).slice(0, 2),
      new Uint8Array(64),
    ]),
    'has not signed',
  ],
  ['the message alone', base64(transactionBytes(DRAFT).subarray(129)), SIGNATURES],

  // The header.
  ['version 1', { ...DRAFT, version: 0x81 }, 'neither legacy nor version 0'],
  ['version 127', { ...DRAFT, version: 0xff }, 'neither legacy nor version 0'],
  ['a version twice', inserted(129, 0x80), TABLES],
  ['no signer', { ...DRAFT, header: [0, 0, 6] }, NO_SIGNER],
  ['13 signers', { ...DRAFT, header: [13, 1, 0] }, NO_SIGNER],
  ['all signers read-only', { ...DRAFT, header: [2, 2, 6] }, 'fee payer read-only'],
  ['more read-only signers than signers', { ...DRAFT, header: [2, 3, 6] }, 'fee payer read-only'],
  ['more accounts than there are', { ...DRAFT, header: [2, 1, 9] }, 'counts more accounts'],
  ['255 read-only accounts', { ...DRAFT, header: [2, 1, 255] }, 'counts more accounts'],
  ['more signers than accounts', { ...DRAFT, header: [11, 1, 0] }, 'counts more accounts'],
  [
    'one signer, who pays the fee and for the page',
    { ...DRAFT, header: [1, 0, 6] },
    'the authority of the transfer does not sign',
  ],
  ['a number of accounts in two bytes', lengthOf('keys', long), SHORT],
  ['a number of accounts in three bytes', lengthOf('keys', longer), SHORT],
  ['a number of accounts above 65,535', lengthOf('keys', () => [0xff, 0xff, 0x04]), SHORT],
  ['a number of accounts in four bytes', lengthOf('keys', () => [0x8a, 0x80, 0x80, 0]), SHORT],
  ['more accounts than bytes', lengthOf('keys', () => [0xff, 0x01]), SHORT],
  ['no accounts', { ...DRAFT, keys: [], header: [2, 1, 0] }, 'counts more accounts'],
  ['an account twice', withKey(AT.other, USDC), TWICE],
  ['the payer twice', withKey(AT.other, PAYING_WALLET.address), TWICE],
  ['the fee payer twice', withKey(AT.other, FEE_WALLET.address), TWICE],
  ['a payer who is the fee payer', withKey(AT.payer, FEE_WALLET.address), TWICE],

  // The message's bytes.
  ['nothing behind the signatures', cut(129, end), SHORT],
  ['no header', cut(130, end), SHORT],
  ['half a header', cut(132, end), SHORT],
  ['half an account', cut(170, end), SHORT],
  ['half a blockhash', cut(129 + 5 + 320 + 16, end), SHORT],
  ['no instructions behind the blockhash', cut(129 + 5 + 320 + 32, end), SHORT],
  ['half an instruction', cut(end - 4, end), SHORT],
  ['no end', cut(end - 1, end), TABLES],
  ['a byte behind the end', inserted(end, 0), TRAILING],
  ['a whole transaction behind the end', inserted(end, ...transactionBytes(DRAFT)), TRAILING],
  [
    'a byte behind a legacy message',
    base64(Uint8Array.from([...transactionBytes({ ...DRAFT, version: null }), 0])),
    TRAILING,
  ],
  ['an address lookup table', { ...DRAFT, lookups: [TABLE_LOOKUP] }, TABLES],
  ['no lookup table, in two bytes', lengthOf('lookups', long), TABLES],
  ['a number of instructions in two bytes', lengthOf('steps', long), SHORT],
  ['a number of instructions in three bytes', lengthOf('steps', longer), SHORT],
  ['a number of accounts of an instruction in two bytes', lengthOf('accounts', long), SHORT],
  ['a length of data in two bytes', lengthOf('data', long), SHORT],
  ['a length of data in three bytes', lengthOf('data', longer), SHORT],
  ['more data than bytes', lengthOf('data', () => [0xff, 0x01]), SHORT],
  ['no instructions', withSteps(), LIMIT],

  // The places that instructions name.
  ['a program that is not there', withStep(2, { program: 10 }), NOT_THERE],
  ['program 255', withStep(2, { program: 255 }), NOT_THERE],
  ['an account that is not there', withStep(2, { accounts: [2, 4, 10, 1] }), NOT_THERE],
  ['an account of the memo that is not there', withStep(3, { accounts: [200] }), NOT_THERE],
  ['the fee payer as a program', withStep(2, { program: 0 }), AS_PROGRAM],
  ['the payer as a program', withStep(3, { program: AT.payer }), AS_PROGRAM],
  [
    'the token program as a signer',
    {
      ...withSigner(TOKEN, withKey(AT.token, STAND_IN)),
      steps: withSigner(TOKEN).steps.map((step, i) => (i === 2 ? { ...step, program: 2 } : step)),
    },
    AS_PROGRAM,
  ],

  // The compute budget.
  ['no compute budget', withSteps(transferStep, memoStep), LIMIT],
  ['a limit alone', withSteps(limitStep, transferStep, memoStep), PRICE],
  ['a price alone', withSteps(priceStep, transferStep, memoStep), LIMIT],
  ['the price in front of the limit', withSteps(priceStep, limitStep, transferStep, memoStep), LIMIT],
  ['the limit twice', withSteps(limitStep, limitStep, transferStep, memoStep), PRICE],
  ['a price behind the transfer', withSteps(...DRAFT.steps, priceStep), NEITHER],
  [
    'a heap frame behind the transfer',
    withSteps(...DRAFT.steps, { ...limitStep, data: Uint8Array.of(1, 0, 128, 0, 0) }),
    NEITHER,
  ],
  ['a heap frame in the place of the limit', withStep(0, { data: Uint8Array.of(1, 0, 128, 0, 0) }), LIMIT],
  ['a limit of another program', withStep(0, { program: AT.other }), LIMIT],
  ['a limit with a byte more', withStep(0, { data: Uint8Array.of(...limitStep.data, 0) }), LIMIT],
  ['a limit with a byte less', withStep(0, { data: limitStep.data.subarray(0, 4) }), LIMIT],
  ['a limit with an account', withStep(0, { accounts: [AT.payer] }), LIMIT],
  ['a limit without data', withStep(0, { data: new Uint8Array() }), LIMIT],
  ['a price of another program', withStep(1, { program: AT.other }), PRICE],
  ['a price with a byte more', withStep(1, { data: Uint8Array.of(...priceStep.data, 0) }), PRICE],
  ['a price with a byte less', withStep(1, { data: priceStep.data.subarray(0, 8) }), PRICE],
  ['a price with an account', withStep(1, { accounts: [AT.payer] }), PRICE],
  ['a price of 5,000,001', withStep(1, { data: Uint8Array.of(3, ...number(5_000_001n, 8)) }), 'above 5,000,000'],
  ['the highest price', withStep(1, { data: Uint8Array.of(3, ...number(2n ** 64n - 1n, 8)) }), 'above 5,000,000'],
  [
    'a durable nonce',
    {
      ...DRAFT,
      steps: [
        { program: AT.other, accounts: [AT.source, AT.mint, AT.payer], data: Uint8Array.of(4, 0, 0, 0) },
        ...DRAFT.steps,
      ],
    },
    LIMIT,
  ],
  [
    'a durable nonce behind the price',
    {
      ...DRAFT,
      steps: [
        limitStep,
        priceStep,
        { program: AT.other, accounts: [AT.source, AT.mint, AT.payer], data: Uint8Array.of(4, 0, 0, 0) },
        transferStep,
        memoStep,
      ],
    },
    CLASSIC,
  ],

  // The transfer.
  ['no transfer', withSteps(limitStep, priceStep), CLASSIC],
  ['the memo in front of the transfer', withSteps(limitStep, priceStep, memoStep, transferStep), CLASSIC],
  [
    'an assertion in front of the transfer',
    withSteps(limitStep, priceStep, assertion, transferStep, memoStep),
    CLASSIC,
  ],
  ['Token-2022', withKey(AT.token, TOKEN_2022), CLASSIC],
  ['a program that is not the token program', withStep(2, { program: AT.other }), CLASSIC],
  ['a transfer that is not checked', withStep(2, { data: Uint8Array.of(3, ...number(50_000n, 8)) }), CHECKED],
  ['an approval', withStep(2, { data: Uint8Array.of(13, ...number(50_000n, 8), 6) }), CHECKED],
  ['a burn', withStep(2, { data: Uint8Array.of(15, ...number(50_000n, 8), 6) }), CHECKED],
  ['a transfer with a byte more', withStep(2, { data: Uint8Array.of(...transferStep.data, 0) }), CHECKED],
  ['a transfer without decimals', withStep(2, { data: transferStep.data.subarray(0, 9) }), CHECKED],
  ['a transfer without data', withStep(2, { data: new Uint8Array() }), CHECKED],
  ['a transfer of nothing', withStep(2, { data: Uint8Array.of(12, ...number(0n, 8), 6) }), 'of nothing'],
  ['a transfer without accounts', withStep(2, { accounts: [] }), FEW],
  ['a transfer without an authority', withStep(2, { accounts: [2, 4, 3] }), FEW],
  ['a signer of a multisig wallet', withStep(2, { accounts: [2, 4, 3, 1, 8] }), 'more than four accounts'],
  ['the payer as a signer of its own', withStep(2, { accounts: [2, 4, 3, 1, 1] }), 'more than four accounts'],
  ['a transfer to where it comes from', withStep(2, { accounts: [2, 4, 2, 1] }), 'names an account twice'],
  ['the mint as the source', withStep(2, { accounts: [4, 4, 3, 1] }), 'names an account twice'],
  ['the payer as the destination', withStep(2, { accounts: [2, 4, 1, 1] }), 'names an account twice'],
  ['an authority that does not sign', withStep(2, { accounts: [2, 4, 3, 9] }), 'does not sign'],
  ['the fee payer as the authority', withStep(2, { accounts: [2, 4, 3, 0] }), FEE_NAMED],
  ['the fee payer as the source', withStep(2, { accounts: [0, 4, 3, 1] }), FEE_NAMED],
  ['the fee payer as the mint', withStep(2, { accounts: [2, 0, 3, 1] }), FEE_NAMED],
  ['the fee payer as the destination', withStep(2, { accounts: [2, 4, 0, 1] }), FEE_NAMED],
  ['a source that is read-only', withStep(2, { accounts: [8, 4, 3, 1] }), 'read-only'],
  ['a destination that is read-only', withStep(2, { accounts: [2, 4, 8, 1] }), 'read-only'],
  [
    'a destination that is a read-only signer',
    {
      ...withSigner(OTHER_WALLET.address),
      steps: withSigner(OTHER_WALLET.address).steps.map((step, i) =>
        i === 2 ? { ...step, accounts: [3, 5, 2, 1] } : step,
      ),
    },
    'read-only',
  ],
  ['two transfers', withSteps(limitStep, priceStep, transferStep, transferStep, memoStep), NEITHER],
  ['a second transfer behind the memo', withSteps(...DRAFT.steps, transferStep), NEITHER],
  [
    'an approval behind the transfer',
    withSteps(...DRAFT.steps, {
      program: AT.token,
      accounts: [AT.source, AT.target, AT.payer],
      data: Uint8Array.from(approve.data),
    }),
    NEITHER,
  ],

  // Behind the transfer.
  ['a transfer of SOL', otherProgram(wallet(30).address), NEITHER],
  [
    'the system program',
    withSteps(...DRAFT.steps, {
      program: AT.other,
      accounts: [AT.payer, AT.target],
      data: Uint8Array.of(2, 0, 0, 0, ...number(1n, 8)),
    }),
    NEITHER,
  ],
  [
    'the creation of a token account',
    otherProgram(ASSOCIATED, { accounts: [1, 3, 2, 4, 5], data: Uint8Array.of(1) }),
    NEITHER,
  ],
  ['Token-2022 behind the transfer', otherProgram(TOKEN_2022, { ...transferStep, program: AT.other }), NEITHER],
  [
    'an account that Lighthouse creates',
    withSteps(...DRAFT.steps, { ...assertion, data: Uint8Array.of(0, 0, 0, 4) }),
    NEITHER,
  ],
  [
    'an account that Lighthouse closes',
    withSteps(...DRAFT.steps, { ...assertion, data: Uint8Array.of(1, 0, 0, 4) }),
    NEITHER,
  ],
  ['Lighthouse without data', withSteps(...DRAFT.steps, { ...assertion, data: new Uint8Array() }), NEITHER],
  ['an assertion about the fee payer', withSteps(...DRAFT.steps, { ...assertion, accounts: [0] }), FEE_NAMED],
  [
    'four assertions and a memo',
    withSteps(...DRAFT.steps, assertion, assertion, assertion, assertion),
    'more than four instructions',
  ],
  ['two memos', withSteps(...DRAFT.steps, memoStep), ONE_MEMO],
  [
    'two memos around an assertion',
    withSteps(...DRAFT.steps, assertion, { ...memoStep, data: text('quote 2') }),
    ONE_MEMO,
  ],
  ['the older memo program', withKey(AT.memo, OLD_MEMO), NEITHER],
  ['both memo programs', otherProgram(OLD_MEMO, { accounts: [], data: text('quote 1') }), NEITHER],
  ['a memo of no characters', withStep(3, { data: new Uint8Array() }), MEMO_TEXT],
  ['a memo of 101 characters', withStep(3, { data: text('a'.repeat(101)) }), MEMO_TEXT],
  ['a line break in the memo', withStep(3, { data: text('quote 1\n') }), MEMO_TEXT],
  ['a zero byte in the memo', withStep(3, { data: text('quote\u00001') }), MEMO_TEXT],
  ['a delete character in the memo', withStep(3, { data: text('quote\u007f') }), MEMO_TEXT],
  ['a letter in the memo that is not ASCII', withStep(3, { data: text('quoté') }), MEMO_TEXT],
  ['a memo that is not UTF-8', withStep(3, { data: Uint8Array.of(0x71, 0xff) }), MEMO_TEXT],
  ['a memo that names an account which does not sign', withStep(3, { accounts: [AT.target] }), 'does not sign'],
  ['a memo that names the first account behind the signers', withStep(3, { accounts: [AT.source] }), 'does not sign'],
  ['a memo that names the fee payer', withStep(3, { accounts: [AT.fee] }), FEE_NAMED],
]

describe('refused', () => {
  test.each(HOSTILE)('%s', (_, sent, error) => {
    const result = readTransaction(typeof sent === 'string' ? sent : transaction(sent))
    expect(result).toEqual({ ok: false, error: expect.stringContaining(error) })
  })

  test('no name of a row stands there twice', () => {
    expect(new Set(HOSTILE.map(([why]) => why)).size).toBe(HOSTILE.length)
    expect(HOSTILE.length).toBeGreaterThan(100)
  })

  test('no error holds a value', () => {
    const values = [...DRAFT.keys, 'quote', '50000']
    for (const [, sent] of HOSTILE) {
      const result = readTransaction(typeof sent === 'string' ? sent : transaction(sent))
      const said = result.ok ? '' : result.error
      expect(values.filter((value) => said.includes(value))).toEqual([])
      expect(said).not.toBe('')
    }
  })

  test('what is stored passes the same checks', () => {
    const { message, signature } = read(transaction(DRAFT))
    const refused = [
      readMessage('', signature),
      readMessage(`${message}\n`, signature),
      readMessage(signature, message),
      readMessage(message, base64(new Uint8Array(128))),
      readMessage(message, base64(new Uint8Array(127).fill(1))),
      readMessage(message, base64(new Uint8Array(192).fill(1))),
      readMessage(base64(Uint8Array.from([...bytesIn(message), 0])), signature),
    ]
    expect(refused.map(({ ok }) => ok)).toEqual(refused.map(() => false))
  })

  test('what was not read here is not written', () => {
    expect(() => transactionOf({ message: '?', signature: '' })).toThrow('make it there')
    expect(() => signersOf({ message: 'AAAA', signature: base64(new Uint8Array(64)) })).toThrow('make it there')
  })
})

describe('with one byte changed', () => {
  const bytes = transactionBytes(DRAFT)
  const signed = read(transaction(DRAFT))
  const SLOT_0 = { from: 1, to: 65 }

  /** Whether it is refused, the same payment, or another one that nobody has signed. */
  async function outcome(changed: Uint8Array): Promise<string> {
    const result = readTransaction(base64(changed))
    if (!result.ok) return 'refused'
    const transfer = result.value
    // Whoever else reads it reads the same.
    expect(facts(transfer)).toEqual(readByReference(changed).facts)
    expect(transactionOf(transfer).length).toBe(base64(changed).length)
    const isSame = svmReplayKey(DEVNET, transfer) === svmReplayKey(DEVNET, signed)
    expect(isSame).toBe(transfer.message === signed.message)
    if (await isSignedBySigners(transfer)) return transfer.signature === signed.signature && isSame ? 'same' : 'forged'
    return 'not signed'
  }

  const BITS = [0, 2, 7]

  test('a low, a middle and a high bit of each', async () => {
    const counts = new Map<string, number>()
    for (let at = 0; at < bytes.length; at += 1) {
      for (const bit of BITS) {
        const changed = Uint8Array.from(bytes)
        changed[at] = (changed[at] ?? 0) ^ (1 << bit)
        const became = await outcome(changed)
        const isIgnored = at >= SLOT_0.from && at < SLOT_0.to
        expect(isIgnored ? became === 'same' : became === 'refused' || became === 'not signed').toBe(true)
        counts.set(became, (counts.get(became) ?? 0) + 1)
      }
    }
    expect(counts.get('same')).toBe(64 * BITS.length)
    expect(counts.get('forged')).toBeUndefined()
    expect(counts.get('refused')).toBeGreaterThan(200)
    expect(counts.get('not signed')).toBeGreaterThan(200)
  })

  test('every byte taken out', async () => {
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1)])
      expect(await outcome(changed), `byte ${at}`).toMatch(/^(?:refused|not signed)$/)
    }
  })

  test('any byte put in anywhere', async () => {
    for (let at = 0; at <= bytes.length; at += 1) {
      for (const more of [0, 1, 2, 4, 12, 0x7f, 0x80, 0xff, bytes[at] ?? 3]) {
        const changed = Uint8Array.from([...bytes.subarray(0, at), more, ...bytes.subarray(at)])
        expect(await outcome(changed), `${more} at ${at}`).toMatch(/^(?:refused|not signed)$/)
      }
    }
  })

  test('bytes of any kind are refused, and never a fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1300 }), fc.nat(3), (any, kind) => {
        const parts = [
          [...any],
          [0, ...any],
          [1, ...bytes.subarray(1, 65), ...any],
          [...bytes.subarray(0, 129), ...any],
        ]
        expect(readTransaction(base64(Uint8Array.from(parts[kind] ?? []))).ok).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  test('texts of any kind are refused, and never a fault', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2000 }), fc.string(), (one, two) => {
        expect(readTransaction(one).ok).toBe(false)
        expect(readMessage(one, two).ok).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })
})

test('the programs and tokens of this file are those of the reference', () => {
  expect(getSetComputeUnitLimitInstruction({ units: 20_000 })).toMatchObject({
    programAddress: BUDGET,
    data: limitStep.data,
  })
  expect(getSetComputeUnitPriceInstruction({ microLamports: 1n })).toMatchObject({ data: priceStep.data })
})
