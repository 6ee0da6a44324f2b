// Forged transactions on Solana: what somebody else should have signed, what pays less than it says, or does more. And
// squatting: transactions that name somebody who has not signed. None of them reaches the facilitator, the chain or a store.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Instruction } from '../../dev/stack/solana/message.ts'
import { TOKEN_2022_PROGRAM, TOKEN_PROGRAM } from '../../dev/stack/solana/shapes.ts'
import { type SolanaWallet, solanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { LIGHTHOUSE, SOLANA_EURC, SOLANA_USDC } from '../../dev/stack/solana.ts'
import { VERSIONS } from '../world/payer.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { NOBODY, signAsNobody } from '../world/solana-ed25519.ts'
import { memoOf, type SolanaChange, signSolana, transferChecked, wrapSolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
const SYSTEM = '11111111111111111111111111111111'
const RECENT_BLOCKHASHES = 'SysvarRecentB1ockHashes11111111111111111111'
const { publisher, alice, bob } = solanaWallets
const SHAPE = [400, 'invalid_payload'] as const
const mismatch = (what: string) => [402, `invalid_exact_svm_payload_${what}_mismatch`] as const
const UNSIGNED = [402, 'invalid_exact_svm_payload_signature_invalid'] as const
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put(ARTICLE, CONTENT)
  // The victim has money, and so that euros could arrive the publisher has an account for them.
  await shop.solana.fund(alice.address, 10_000_000n)
  await shop.solana.fund(publisher.address, 0n, SOLANA_EURC)
})
afterAll(() => shop.close())

/** Another instruction behind the honest ones, or in front. */
const more =
  (build: (reader: SolanaWallet, account: string) => Instruction, isFirst = false): Hostile =>
  async (reader) => {
    const added = build(reader, await shop.solana.tokenAccount(reader.address))
    return { instructions: (honest) => (isFirst ? [added, ...honest] : [...honest, added]) }
  }
/** Another one in place of the transfer. */
const instead =
  (build: (honest: Instruction) => Instruction[]): Hostile =>
  async () => ({
    instructions: (honest) => honest.flatMap((one) => (one.program === TOKEN_PROGRAM ? build(one) : [one])),
  })

const data = (...bytes: number[]) => Uint8Array.from(bytes)
const u64 = (value: bigint): number[] => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return [...bytes]
}
const account = async (owner: string, mint?: string) => shop.solana.tokenAccount(owner, mint)
const ofToken = (accounts: Instruction['accounts'], ...bytes: number[]): Instruction => ({
  program: TOKEN_PROGRAM,
  ...(accounts && { accounts }),
  data: data(...bytes),
})
const bytewise = (change: (bytes: number[]) => number[]) => (bytes: Uint8Array) => Uint8Array.from(change([...bytes]))

/** How the attacker, who has a dollar of their own, changes an honest payment. */
type Hostile = (reader: SolanaWallet) => Promise<SolanaChange>

const HOSTILE: readonly (readonly [name: string, change: Hostile, readonly [status: number, error: string]])[] = [
  ['nobody has signed', async () => ({ signers: [] }), SHAPE],
  [
    'somebody else has signed in the payer’s place',
    async (reader) => ({ signers: [{ ...bob, address: reader.address }] }),
    UNSIGNED,
  ],
  [
    'the signature is of the message with another amount',
    async () => ({
      sent: bytewise((bytes) => bytes.map((byte, i) => (i === bytes.indexOf(12, 130) + 1 ? byte ^ 1 : byte))),
    }),
    UNSIGNED,
  ],
  [
    'it is a victim’s money, and the attacker has signed',
    async (reader) => ({
      authority: alice.address,
      source: await account(alice.address),
      signers: [{ ...reader, address: alice.address }],
    }),
    UNSIGNED,
  ],
  [
    'it is a victim’s money, and the victim is not said to sign',
    async (reader) => ({
      instructions: (honest) =>
        honest.map((one) =>
          one.program === TOKEN_PROGRAM
            ? { ...one, accounts: [...(one.accounts ?? []).slice(0, 3), { address: alice.address }] }
            : {
                ...one,
                ...(one.program.startsWith('Memo') && { accounts: [{ address: reader.address, isSigner: true }] }),
              },
        ),
    }),
    SHAPE,
  ],
  [
    'its payer is the point zero, of which everything is signed',
    async () => ({ authority: NOBODY, signers: [{ address: NOBODY, seed: data(), sign: signAsNobody }] }),
    UNSIGNED,
  ],
  ['it is in euros', async () => ({ mint: SOLANA_EURC }), mismatch('mint')],
  [
    'it is in a token of the attacker’s own, with six decimals',
    async () => ({ mint: solanaWallet('a mint of mine').address }),
    mismatch('mint'),
  ],
  ['it is of Token-2022', instead((honest) => [{ ...honest, program: TOKEN_2022_PROGRAM }]), SHAPE],
  ['it goes to the attacker', async () => ({ destination: await account(bob.address) }), mismatch('recipient')],
  [
    'it goes to the publisher’s wallet, and not to its token account',
    async () => ({ destination: publisher.address }),
    mismatch('recipient'),
  ],
  [
    'it goes to the publisher’s account for euros',
    async () => ({ destination: await account(publisher.address, SOLANA_EURC) }),
    mismatch('recipient'),
  ],
  [
    'it goes to a token account that the attacker made for the publisher',
    async () => ({ destination: solanaWallet('an account that is not associated').address }),
    mismatch('recipient'),
  ],
  ['it goes back to where it came from', async (reader) => ({ destination: await account(reader.address) }), SHAPE],
  ['it is one unit too little', async () => ({ amount: PRICE - 1n }), mismatch('amount')],
  ['it is one unit too much', async () => ({ amount: PRICE + 1n }), mismatch('amount')],
  ['it is of nothing', async () => ({ amount: 0n }), SHAPE],
  ['it is as much as fits', async () => ({ amount: 2n ** 64n - 1n }), mismatch('amount')],
  ['it is made of two halves', instead((one) => [one, one]), SHAPE],
  [
    'the money is taken back by a second transfer',
    more((reader, own) =>
      transferChecked({ source: own, mint: SOLANA_USDC, destination: own, authority: reader.address }, PRICE),
    ),
    SHAPE,
  ],
  ['it is a transfer that is not checked', instead((one) => [{ ...one, data: data(3, ...u64(PRICE)) }]), SHAPE],
  [
    'it has a fee, as Token-2022 has it',
    instead((one) => [{ ...one, data: data(26, 1, ...u64(PRICE), 6, ...u64(PRICE - 1n)) }]),
    SHAPE,
  ],
  [
    'somebody is allowed to spend the rest',
    more((reader, own) =>
      ofToken(
        [{ address: own, isWritable: true }, { address: bob.address }, { address: reader.address, isSigner: true }],
        4,
        ...u64(PRICE),
      ),
    ),
    SHAPE,
  ],
  [
    'the account is given away',
    more((reader, own) =>
      ofToken(
        [
          { address: own, isWritable: true },
          { address: reader.address, isSigner: true },
        ],
        6,
        2,
        1,
        ...new Uint8Array(32),
      ),
    ),
    SHAPE,
  ],
  [
    'the account is closed before it pays',
    more(
      (reader, own) =>
        ofToken(
          [
            { address: own, isWritable: true },
            { address: reader.address, isWritable: true },
            { address: reader.address, isSigner: true },
          ],
          9,
        ),
      true,
    ),
    SHAPE,
  ],
  [
    'a token account is made at the expense of whoever pays the fee',
    more((reader) => ({
      program: 'ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL',
      accounts: [{ address: reader.address, isSigner: true, isWritable: true }, { address: bob.address }],
      data: data(1),
    })),
    SHAPE,
  ],
  [
    'lamports are sent along',
    more((reader) => ({
      program: SYSTEM,
      accounts: [
        { address: reader.address, isSigner: true, isWritable: true },
        { address: bob.address, isWritable: true },
      ],
      data: data(2, 0, 0, 0, ...u64(1n)),
    })),
    SHAPE,
  ],
  [
    'it has a nonce in place of a blockhash, and never ends',
    more(
      (reader) => ({
        program: SYSTEM,
        accounts: [
          { address: bob.address, isWritable: true },
          { address: RECENT_BLOCKHASHES },
          { address: reader.address, isSigner: true },
        ],
        data: data(4, 0, 0, 0),
      }),
      true,
    ),
    SHAPE,
  ],
  [
    'it looks addresses up in a table',
    async () => ({
      signed: bytewise((bytes) => [...bytes.slice(0, -1), 1, ...new Uint8Array(32).fill(9), 0, 1, 0]),
    }),
    SHAPE,
  ],
  ['it is of version 1', async () => ({ signed: bytewise(([, ...rest]) => [0x81, ...rest]) }), SHAPE],
  ['bytes follow the message', async () => ({ sent: bytewise((bytes) => [...bytes, 0]) }), SHAPE],
  [
    'a signature follows the ones it needs',
    async () => ({
      sent: bytewise(([, ...rest]) => [3, ...rest.slice(0, 128), ...new Uint8Array(64).fill(1), ...rest.slice(128)]),
    }),
    SHAPE,
  ],
  [
    'its number of signatures is written in two bytes',
    async () => ({ sent: bytewise(([first = 0, ...rest]) => [first | 0x80, 0, ...rest]) }),
    SHAPE,
  ],
  ['the fee is paid by its payer alone', async (reader) => ({ feePayer: reader.address }), SHAPE],
  [
    'the money is that of whoever pays the fee',
    async () => {
      const fee = (await shop.challengeOnSolana(ARTICLE)).v2.accepts[0]?.extra.feePayer ?? ''
      return { authority: fee, source: await account(fee) }
    },
    SHAPE,
  ],
  [
    'an assertion of a wallet names whoever pays the fee',
    async () => {
      const fee = (await shop.challengeOnSolana(ARTICLE)).v2.accepts[0]?.extra.feePayer ?? ''
      return {
        instructions: (honest) => [
          ...honest,
          { program: LIGHTHOUSE, accounts: [{ address: fee, isWritable: true }], data: data(5, 0, 0, 4) },
        ],
      }
    },
    SHAPE,
  ],
  ['in place of an assertion it writes to memory', more(() => ({ program: LIGHTHOUSE, data: data(0, 1, 2) })), SHAPE],
  ['its fee is above what facilitators pay', async () => ({ unitPrice: 5_000_001n }), SHAPE],
  ['it has two memos', more(() => memoOf('another')), SHAPE],
]

describe.each(VERSIONS)('in %s', (version) => {
  test('the honest payment, of which the others are changes, is served', async () => {
    const reader = await shop.readerOnSolana()
    const { result, cost } = await shop.costOnSolana(() => shop.buyOnSolana(version, ARTICLE, reader))
    expect([result.text, cost]).toEqual([CONTENT, ONE_SALE])
  })

  test.each(HOSTILE)('nothing is served, sent or stored where %s', async (_, hostile, [status, error]) => {
    const reader = await shop.readerOnSolana()
    const change = await hostile(reader)
    const before = { objects: await shop.site.objects(), calls: { ...shop.solana.calls } }
    const challenge = await shop.challengeOnSolana(ARTICLE)
    const transaction = await signSolana(shop.solana, challenge, reader, change)
    const { result, cost } = await shop.costOnSolana(() =>
      shop.ask(ARTICLE, { headers: wrapSolana(version, challenge, transaction) }),
    )
    expect([result.status, result.error]).toEqual([status, error])
    expect(result.text).not.toContain(CONTENT)
    expect(cost).toEqual(NOTHING)
    expect(await shop.site.objects()).toBe(before.objects)
    // The one call is the reader's own, for a blockhash.
    const { getLatestBlockhash: own = 0, ...others } = shop.solana.calls
    const { getLatestBlockhash: known = 0, ...known_others } = before.calls
    expect([own - known, others]).toEqual([1, known_others])
  })
})

describe('a stranger who names a victim', () => {
  /** A payment of the victim's, signed and kept back. */
  async function victims() {
    const victim = await shop.readerOnSolana()
    const challenge = await shop.challengeOnSolana(ARTICLE)
    return { victim, challenge, transaction: await signSolana(shop.solana, challenge, victim) }
  }

  test.each<[string, (victim: SolanaWallet) => SolanaChange]>([
    ['as the one who pays the fee', ({ address }) => ({ feePayer: address })],
    [
      'as another signer, with a signature that is none',
      (victim) => ({
        instructions: (honest) =>
          honest.map((one) =>
            one.program.startsWith('Memo') ? { ...one, accounts: [{ address: victim.address, isSigner: true }] } : one,
          ),
        sent: bytewise((bytes) => bytes.map((byte, i) => (i > 128 && i < 190 && byte === 0 ? 7 : byte))),
      }),
    ],
    [
      'as the payer, with a signature of the stranger’s',
      (victim) => ({ authority: victim.address, signers: [{ ...bob, address: victim.address }] }),
    ],
  ])('%s makes no object, costs nothing and keeps the victim out of nothing', async (_, change) => {
    const { victim, challenge, transaction } = await victims()
    const stranger = await shop.readerOnSolana()
    const stores = await shop.site.objects()
    const hostile = await signSolana(shop.solana, challenge, stranger, change(victim))
    const { result, cost } = await shop.costOnSolana(() =>
      shop.ask(ARTICLE, { headers: wrapSolana('v2', challenge, hostile) }),
    )
    expect([400, 402]).toContain(result.status)
    expect(cost).toEqual(NOTHING)
    expect(await shop.site.objects()).toBe(stores)
    const bought = await shop.costOnSolana(() =>
      shop.ask(ARTICLE, { headers: wrapSolana('v2', challenge, transaction) }),
    )
    expect([bought.result.text, bought.cost]).toEqual([CONTENT, ONE_SALE])
  })

  test('junk in the place of the victim’s signature, before, at the same moment and after, changes nothing', async () => {
    const { victim, challenge, transaction } = await victims()
    const identifier = 'an-identifier-of-the-buyer'
    const own = { headers: wrapSolana('v2', challenge, transaction, { identifier }) }
    const junk = bytewise((bytes) => bytes.map((byte, i) => (i > 64 && i <= 128 ? byte ^ 85 : byte)))(transaction)
    const forged = { headers: wrapSolana('v2', challenge, junk, { identifier }) }
    expect((await shop.ask(ARTICLE, forged)).error).toBe(UNSIGNED[1])
    const { result: answers, cost } = await shop.costOnSolana(() =>
      Promise.all([forged, own, forged].map((question) => shop.ask(ARTICLE, question))),
    )
    expect(answers.map(({ status }) => status)).toEqual([402, 200, 402])
    expect(answers[1]?.receipt?.payer).toBe(victim.address)
    expect(cost).toEqual(ONE_SALE)
    expect((await shop.ask(ARTICLE, forged)).error).toBe(UNSIGNED[1])
    expect((await shop.ask(ARTICLE, own)).text).toBe(CONTENT)
  })

  test('the same payment-identifier of two payers is that of each', async () => {
    const identifier = 'an-identifier-worth-having'
    for (const reader of [await shop.readerOnSolana(), await shop.readerOnSolana()]) {
      const { result, cost } = await shop.costOnSolana(() => shop.buyOnSolana('v2', ARTICLE, reader, { identifier }))
      expect([result.text, cost]).toEqual([CONTENT, ONE_SALE])
    }
  })
})

describe('a payment that says it is on another chain than it is', () => {
  test.each([
    ['eip155:84532', [402, 'invalid_payment_requirements']],
    ['solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp', [402, 'invalid_payment_requirements']],
    ['solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1 ', [402, 'invalid_payment_requirements']],
    ['solana', [402, 'invalid_payment_requirements']],
  ])('%s: opens nothing, and is good where it belongs', async (network, refusal) => {
    const challenge = await shop.challengeOnSolana(ARTICLE)
    const transaction = await signSolana(shop.solana, challenge, await shop.readerOnSolana())
    const stores = await shop.site.objects()
    for (const version of VERSIONS) {
      const headers = wrapSolana(version, challenge, transaction, { accepted: { network } })
      const { result, cost } = await shop.costOnSolana(() => shop.ask(ARTICLE, { headers }))
      expect([result.status, result.error]).toEqual(refusal)
      expect(cost).toEqual(NOTHING)
    }
    expect(await shop.site.objects()).toBe(stores)
    expect((await shop.ask(ARTICLE, { headers: wrapSolana('v2', challenge, transaction) })).text).toBe(CONTENT)
  })

  test('an authorization of EVM beside a transaction, or under the name of Solana, is refused', async () => {
    const challenge = await shop.challengeOnSolana(ARTICLE)
    const transaction = await signSolana(shop.solana, challenge, await shop.readerOnSolana())
    const base64 = Buffer.from(transaction).toString('base64')
    const authorization = { from: '0x', to: '0x', value: '1', validAfter: '0', validBefore: '1', nonce: '0x' }
    for (const payload of [
      { transaction: base64, signature: '0x00', authorization },
      { transaction: base64, authorization },
      { transaction: [base64] },
      { transaction: base64, message: base64 },
    ]) {
      const headers = wrapSolana('v2', challenge, transaction, { payment: { payload } })
      const { result, cost } = await shop.costOnSolana(() => shop.ask(ARTICLE, { headers }))
      expect([result.status, result.error]).toEqual(SHAPE)
      expect(cost).toEqual(NOTHING)
    }
  })
})
