// Proof of a transfer on Solana: who has signed is judged as Solana judges it, token accounts are where everybody looks for them,
// and one payment has one key.
import { createHash } from 'node:crypto'
import { address, isOffCurveAddress } from '@solana/kit'
import { findAssociatedTokenPda, TOKEN_PROGRAM_ADDRESS } from '@solana-program/token'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  associatedTokenAccount,
  isSignedBySigners,
  isSignedText,
  isTransactionOf,
  solanaAddressProblem,
  svmReplayKey,
} from '../../src/networks/solana.ts'
import { encodeBase58 } from '../../src/x402/base58.ts'
import { readTransaction, type SvmTransfer } from '../../src/x402/svm.ts'
import {
  AT,
  bytesOf,
  DRAFT,
  type Draft,
  FEE_WALLET,
  memoStep,
  messageBytes,
  OTHER_WALLET,
  PAYING_WALLET,
  signatures,
  text,
  transaction,
  USDC,
  wallet,
  withSigner,
} from '../world/svm.ts'

const DEVNET = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1'
const MAINNET = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp'
const L = 2n ** 252n + 27742317777372353535851937790883648493n

const little = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
const littleBytes = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse())
const hex = (digits: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(digits, 'hex'))
const sha512 = (...parts: Uint8Array[]): Uint8Array => createHash('sha512').update(Buffer.concat(parts)).digest()

/** The number behind a wallet's point (RFC 8032, section 5.1.5). */
function scalarOf({ seed }: { seed: Uint8Array }): bigint {
  const bytes = Uint8Array.from(sha512(seed).subarray(0, 32))
  bytes[0] = (bytes[0] ?? 0) & 0xf8
  bytes[31] = ((bytes[31] ?? 0) & 0x7f) | 0x40
  return little(bytes)
}

function read(draft: Draft, signed?: readonly Uint8Array[]): SvmTransfer {
  const result = readTransaction(transaction(draft, signed))
  if (!result.ok) throw new Error(result.error)
  return result.value
}

const FF = 'ff'.repeat(30)
const EIGHT = '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc'
const MINUS_EIGHT = 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03'

/** Every way to write a point whose order is 8 or less: their y, and both signs of x. */
const SMALL_ORDER: readonly [name: string, point: Uint8Array][] = [
  ['y is 0', hex('00'.repeat(32))],
  ['y is 0, with a sign', hex(`${'00'.repeat(31)}80`)],
  ['y is 1', hex(`01${'00'.repeat(31)}`)],
  ['y is 1, with a sign that zero does not have', hex(`01${'00'.repeat(30)}80`)],
  ['y is -1', hex(`ec${FF}7f`)],
  ['y is -1, with a sign that zero does not have', hex(`ec${FF}ff`)],
  ['a point of order 8', hex(`${EIGHT}05`)],
  ['a point of order 8, with a sign', hex(`${EIGHT}85`)],
  ['the other point of order 8', hex(`${MINUS_EIGHT}7a`)],
  ['the other point of order 8, with a sign', hex(`${MINUS_EIGHT}fa`)],
  ['y is p', hex(`ed${FF}7f`)],
  ['y is p, with a sign', hex(`ed${FF}ff`)],
  ['y is p + 1', hex(`ee${FF}7f`)],
  ['y is p + 1, with a sign', hex(`ee${FF}ff`)],
]

const RIGHT = read(DRAFT)
const MESSAGE = messageBytes(DRAFT)

describe('the signatures of a transfer', () => {
  test('are good where every signer has signed', async () => {
    expect(await isSignedBySigners(RIGHT)).toBe(true)
    expect(await isSignedBySigners(read(withSigner(OTHER_WALLET.address)))).toBe(true)
  })

  test('are not where one of them is of somebody else', async () => {
    const draft = withSigner(OTHER_WALLET.address)
    const [fee, payer, other] = signatures(draft)
    if (!fee || !payer || !other) throw new Error('three sign')
    expect(await isSignedBySigners(read(draft, [fee, other, payer]))).toBe(false)
    expect(await isSignedBySigners(read(draft, [fee, payer, payer]))).toBe(false)
    expect(await isSignedBySigners(read(draft, [fee, other, other]))).toBe(false)
    expect(await isSignedBySigners(read(draft, [fee, payer, signatures(DRAFT)[1] ?? fee]))).toBe(false)
  })

  test('are not where they are of another message', async () => {
    const other = { ...DRAFT, version: null }
    expect(await isSignedBySigners(read(DRAFT, signatures(other)))).toBe(false)
    expect(await isSignedBySigners(read(other, signatures(DRAFT)))).toBe(false)
  })

  test('are not of an account that is no point', async () => {
    const program = await associatedTokenAccount(OTHER_WALLET.address, USDC)
    const keys = DRAFT.keys.map((key, i) => (i === AT.payer ? program : key))
    expect(await isSignedBySigners(read({ ...DRAFT, keys }))).toBe(false)
  })
})

/** With a key of small order, `s` and `R` of one wallet sign every message whose hash its order divides. */
const forgery = Uint8Array.from([...OTHER_WALLET.point, ...littleBytes(scalarOf(OTHER_WALLET) % L)])

/** A payment of the owner of this point, under such a forgery. Only the memo is not the same in all. */
function forgedPayment(point: Uint8Array): SvmTransfer {
  const keys = DRAFT.keys.map((key, i) => {
    if (i === AT.payer) return encodeBase58(point)
    return i === AT.other ? wallet(50).address : key
  })
  for (let i = 0; ; i += 1) {
    const steps = [...DRAFT.steps.slice(0, 3), { ...memoStep, data: text(`quote ${i}`) }]
    const draft = { ...DRAFT, keys, steps }
    const hash = little(sha512(forgery.subarray(0, 32), point, messageBytes(draft))) % L
    // s·B = R + hash·A holds, since hash·A is zero.
    if (hash % 8n === 0n) return read(draft, [new Uint8Array(64), forgery])
  }
}

/** What the wallet itself can make and Solana does not take: `R` is the point zero, so that `s` is the hash times its number. */
function signedWithZero(): Uint8Array {
  const zero = hex(`01${'00'.repeat(31)}`)
  const hash = little(sha512(zero, PAYING_WALLET.point, MESSAGE)) % L
  return Uint8Array.from([...zero, ...littleBytes((hash * scalarOf(PAYING_WALLET)) % L)])
}

const [NO_FEE = new Uint8Array(), SIGNED = new Uint8Array()] = signatures(DRAFT)
const withS = (s: bigint) => Uint8Array.from([...SIGNED.subarray(0, 32), ...littleBytes(s)])
const withR = (point: Uint8Array) => Uint8Array.from([...point, ...SIGNED.subarray(32)])

/** Every way to write a number of 255 bits that is p or more. */
const NOT_REDUCED = Array.from({ length: 19 }, (_, i) => 2n ** 255n - 19n + BigInt(i)).flatMap((y) => [
  littleBytes(y),
  littleBytes(y + 2n ** 255n),
])

// Platforms differ in what they take: some versions of OpenSSL refuse points of small order, and others do not.
describe.each(['this platform', 'a platform that takes every signature'])(
  'as Solana, and stricter than %s',
  (platform) => {
    beforeEach(() => {
      if (platform !== 'this platform') vi.spyOn(crypto.subtle, 'verify').mockResolvedValue(true)
    })
    afterEach(() => {
      vi.restoreAllMocks()
    })

    test('a good signature is taken', async () => {
      expect(await isSignedBySigners(RIGHT)).toBe(true)
    })

    test.each(SMALL_ORDER)('a key of small order has signed nothing: %s', async (_, point) => {
      const transfer = forgedPayment(point)
      expect(transfer.payer).toBe(encodeBase58(point))
      expect(await isSignedBySigners(transfer)).toBe(false)
      expect(await isSignedText('text', encodeBase58(point), encodeBase58(forgery))).toBe(false)
      expect(await isTransactionOf(encodeBase58(forgery), { ...transfer, feePayer: encodeBase58(point) })).toBe(false)
    })

    test.each(SMALL_ORDER)('an R of small order is not taken: %s', async (_, point) => {
      expect(await isSignedBySigners(read(DRAFT, [NO_FEE, withR(point)]))).toBe(false)
    })

    test('an R of small order is not taken where the equation holds', async () => {
      expect(await isSignedBySigners(read(DRAFT, [NO_FEE, signedWithZero()]))).toBe(false)
    })

    test('a key or an R that is not written in its one way is not taken', async () => {
      for (const point of NOT_REDUCED) {
        expect(await isSignedText('text', encodeBase58(point), encodeBase58(forgery))).toBe(false)
        expect(await isSignedBySigners(read(DRAFT, [NO_FEE, withR(point)]))).toBe(false)
      }
    })

    test('an s that is not below L is not taken', async () => {
      const s = little(SIGNED.subarray(32))
      for (const other of [s + L, L, s + 8n * L, 2n ** 256n - 1n]) {
        expect(await isSignedBySigners(read(DRAFT, [NO_FEE, withS(other)]))).toBe(false)
      }
      expect(await isSignedBySigners(read(DRAFT, [NO_FEE, withS(s)]))).toBe(true)
    })

    test('keys and signatures of another length are not taken', async () => {
      const words = encodeBase58(PAYING_WALLET.sign(text('text')))
      expect(await isSignedText('text', PAYING_WALLET.address, words)).toBe(true)
      expect(await isSignedText('text', PAYING_WALLET.address, `1${words}`)).toBe(false)
      expect(await isSignedText('text', PAYING_WALLET.address, encodeBase58(SIGNED.subarray(1)))).toBe(false)
      expect(await isSignedText('text', encodeBase58(PAYING_WALLET.point.subarray(1)), words)).toBe(false)
      expect(await isSignedText('text', `1${PAYING_WALLET.address}`, words)).toBe(false)
      expect(await isTransactionOf(`1${words}`, RIGHT)).toBe(false)
    })
  },
)

test('fourteen ways to write a point of small order', () => {
  expect(new Set(SMALL_ORDER.map(([, point]) => encodeBase58(point))).size).toBe(14)
})

test('a transfer that only its fee payer signs is signed by nobody', async () => {
  const alone = { ...DRAFT, header: [1, 0, 6] as const }
  const message = Buffer.from(messageBytes(alone)).toString('base64')
  const signature = Buffer.alloc(64).toString('base64')
  expect(await isSignedBySigners({ ...RIGHT, message, signature })).toBe(false)
})

describe('a transaction id', () => {
  const id = encodeBase58(FEE_WALLET.sign(MESSAGE))

  test("is the fee payer's signature of the message", async () => {
    expect(await isTransactionOf(id, RIGHT)).toBe(true)
  })

  test.each<[string, string]>([
    ['an empty text', ''],
    ["another message's", encodeBase58(FEE_WALLET.sign(messageBytes({ ...DRAFT, version: null })))],
    ["the payer's signature", encodeBase58(PAYING_WALLET.sign(MESSAGE))],
    ["another wallet's signature", encodeBase58(OTHER_WALLET.sign(MESSAGE))],
    ['zeros', encodeBase58(new Uint8Array(64))],
    ['63 bytes', encodeBase58(FEE_WALLET.sign(MESSAGE).subarray(0, 63))],
    ['65 bytes', encodeBase58(Uint8Array.from([...FEE_WALLET.sign(MESSAGE), 0]))],
    ['a zero in front', `1${id}`],
    ['a space behind', `${id} `],
    ['hexadecimal digits', Buffer.from(FEE_WALLET.sign(MESSAGE)).toString('hex')],
    ['base64', Buffer.from(FEE_WALLET.sign(MESSAGE)).toString('base64')],
    [
      's + L',
      encodeBase58(
        Uint8Array.from([
          ...FEE_WALLET.sign(MESSAGE).subarray(0, 32),
          ...littleBytes(little(FEE_WALLET.sign(MESSAGE).subarray(32)) + L),
        ]),
      ),
    ],
  ])('is not %s', async (_, transactionId) => {
    expect(await isTransactionOf(transactionId, RIGHT)).toBe(false)
  })

  test('is not one of another fee payer', async () => {
    const keys = DRAFT.keys.map((key, i) => (i === AT.fee ? OTHER_WALLET.address : key))
    const other = { ...DRAFT, keys }
    expect(await isTransactionOf(encodeBase58(FEE_WALLET.sign(messageBytes(other))), read(other))).toBe(false)
    expect(await isTransactionOf(encodeBase58(OTHER_WALLET.sign(messageBytes(other))), read(other))).toBe(true)
  })
})

describe('a signed text', () => {
  const signed = encodeBase58(PAYING_WALLET.sign(text('news.example wants you to sign in. Grüße')))

  test("is its signer's", async () => {
    expect(await isSignedText('news.example wants you to sign in. Grüße', PAYING_WALLET.address, signed)).toBe(true)
  })

  test('of RFC 8032 is good', async () => {
    const signature = hex(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
    const key = hex('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    expect(await isSignedText('r', encodeBase58(key), encodeBase58(signature))).toBe(true)
    expect(await isSignedText('s', encodeBase58(key), encodeBase58(signature))).toBe(false)
  })

  test.each<[string, string, string, string]>([
    ['another text', 'news.example wants you to sign in. Grüsse', PAYING_WALLET.address, signed],
    ['another spelling of the text', 'news.example wants you to sign in. Gru\u0308ße', PAYING_WALLET.address, signed],
    ['another address', 'news.example wants you to sign in. Grüße', OTHER_WALLET.address, signed],
    ['an address of 31 bytes', 'text', encodeBase58(PAYING_WALLET.point.subarray(1)), signed],
    ['an EVM address', 'text', '0x70997970C51812dc3A010C7d01b50e0d17dc79C8', signed],
    ['no address', 'text', '', signed],
    ['no signature', 'text', PAYING_WALLET.address, ''],
    ['a signature that is not base58', 'text', PAYING_WALLET.address, '0OIl'],
    ['a signature of 63 bytes', 'text', PAYING_WALLET.address, encodeBase58(new Uint8Array(63).fill(1))],
    ['a signature of 96 bytes', 'text', PAYING_WALLET.address, encodeBase58(new Uint8Array(96).fill(1))],
  ])('is not with %s', async (_, words, signer, signature) => {
    expect(await isSignedText(words, signer, signature)).toBe(false)
  })

  test('is none of an address of a program', async () => {
    const account = await associatedTokenAccount(PAYING_WALLET.address, USDC)
    expect(await isSignedText('text', account, encodeBase58(PAYING_WALLET.sign(text('text'))))).toBe(false)
  })

  test('is good for any text and wallet, and for no other text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.nat(255), fc.string(), async (words, seed, others) => {
        const { address: signer, sign } = wallet(seed)
        const signature = encodeBase58(sign(text(words)))
        expect(await isSignedText(words, signer, signature)).toBe(true)
        expect(await isSignedText(`${words}${others} `, signer, signature)).toBe(false)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the replay key', () => {
  const digest = createHash('sha256').update(MESSAGE).digest('hex')

  test('is of chain and message', () => {
    expect(svmReplayKey(DEVNET, RIGHT)).toBe(`svm|EtWTRABZaYq6iMfeYKouRu166VU2xqa1|${digest}`)
    expect(svmReplayKey(MAINNET, RIGHT)).toBe(`svm|5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp|${digest}`)
  })

  test('knows no signatures', () => {
    const other = read(DRAFT, [new Uint8Array(64).fill(1), new Uint8Array(64).fill(2)])
    expect(other.signature).not.toBe(RIGHT.signature)
    expect(svmReplayKey(DEVNET, other)).toBe(svmReplayKey(DEVNET, RIGHT))
  })
})

const KEY = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('associated token accounts', () => {
  test('are where the reference looks for them, for 2,000 owners', async () => {
    await fc.assert(
      fc.asyncProperty(KEY, fc.option(KEY), async (owner, other) => {
        const mint = other ? encodeBase58(other) : USDC
        const [expected] = await findAssociatedTokenPda({
          owner: address(encodeBase58(owner)),
          mint: address(mint),
          tokenProgram: TOKEN_PROGRAM_ADDRESS,
        })
        expect(await associatedTokenAccount(encodeBase58(owner), mint)).toBe(String(expected))
      }),
      { numRuns: 2000 },
    )
  })

  test.each(['', '0x70997970C51812dc3A010C7d01b50e0d17dc79C8', encodeBase58(new Uint8Array(31).fill(1))])(
    'are not guessed for %j',
    async (text_) => {
      await expect(associatedTokenAccount(text_, USDC)).rejects.toThrow('check it with isSolanaAddress')
      await expect(associatedTokenAccount(PAYING_WALLET.address, text_)).rejects.toThrow(
        'check it with isSolanaAddress',
      )
    },
  )
})

describe('what payTo may be', () => {
  test('a wallet', () => {
    for (let seed = 0; seed < 50; seed += 1) expect(solanaAddressProblem(wallet(seed).address)).toBeNull()
  })

  test('a key on the curve, as the reference sees it, of 2,000', () => {
    let wallets = 0
    fc.assert(
      fc.property(KEY, (key) => {
        const isOff = isOffCurveAddress(address(encodeBase58(key)))
        if (!isOff) wallets += 1
        const problem = solanaAddressProblem(encodeBase58(key))
        if (isOff) expect(problem).toContain('address of a program')
        else expect(problem === null || problem.includes('nobody can hold')).toBe(true)
      }),
      { numRuns: 2000 },
    )
    expect(wallets).toBeGreaterThan(800)
  })

  test('and the same for the smallest and the largest keys', () => {
    for (let y = 0n; y < 300n; y += 1n) {
      for (const value of [y, 2n ** 255n + y, 2n ** 255n - 20n - y]) {
        const key = encodeBase58(littleBytes(value))
        // Zero has no sign, and the reference says so; Solana does not look at it.
        if (SMALL_ORDER.some(([, point]) => encodeBase58(point) === key)) continue
        expect(solanaAddressProblem(key) === null).toBe(!isOffCurveAddress(address(key)))
      }
    }
  })

  test.each<[string, string]>([
    ['', 'write a Solana address'],
    [' ', 'write a Solana address'],
    ['0x70997970C51812dc3A010C7d01b50e0d17dc79C8', 'write a Solana address'],
    [`${PAYING_WALLET.address} `, 'write a Solana address'],
    [PAYING_WALLET.address.slice(2), 'write a Solana address'],
    [encodeBase58(new Uint8Array(64).fill(1)), 'write a Solana address'],
    ['11111111111111111111111111111111', 'the system program'],
    ['TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA', 'the token program'],
    ['TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb', 'Token-2022'],
    ['ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL', 'associated token accounts'],
    ['ComputeBudget111111111111111111111111111111', 'the compute budget program'],
    ['MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr', 'the memo program'],
    ['Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo', 'the first memo program'],
    ['L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95', 'Lighthouse'],
    ['Stake11111111111111111111111111111111111111', 'the stake program'],
    ['Vote111111111111111111111111111111111111111', 'the vote program'],
    ['BPFLoaderUpgradeab1e11111111111111111111111', 'the program loader'],
    ['1nc1nerator11111111111111111111111111111111', 'the incinerator'],
    ['So11111111111111111111111111111111111111112', 'the mint of wrapped SOL'],
    ['EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v', 'the mint of USDC'],
    ['4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU', 'the mint of USDC on devnet'],
    ['HzwqbKZw8HxMN6bF2yFZNrht3c2iXXzpKcFu7uBEDKtr', 'the mint of EURC'],
  ])('not %j', (payTo, problem) => {
    expect(solanaAddressProblem(payTo)).toContain(problem)
  })

  test('not a token account, of whomever', async () => {
    const account = await associatedTokenAccount(PAYING_WALLET.address, USDC)
    expect(solanaAddressProblem(account)).toContain('write the wallet that owns it')
  })

  test.each(SMALL_ORDER)('not a key of small order: %s', (_, point) => {
    expect(solanaAddressProblem(encodeBase58(point))).not.toBeNull()
  })

  test('what is wrong is not said with the address', () => {
    for (const payTo of [USDC, bytesOf(USDC).join(), encodeBase58(hex(`01${'00'.repeat(31)}`))]) {
      expect(solanaAddressProblem(payTo)).not.toContain(payTo)
    }
  })
})
