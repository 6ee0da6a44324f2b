// Our proof of a signature beside viem's, which many wallets sign with: the same hashes, and the same signers, whatever is sent.
import fc from 'fast-check'
import { hashDomain, hashMessage, hashTypedData, keccak256, recoverAddress, stringToBytes } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { getAddress } from 'viem/utils'
import { describe, expect, test } from 'vitest'
import { challengeNonce, isSignedByPayer, isSignedHash, TRANSFER_WITH_AUTHORIZATION } from '../../src/networks/evm.ts'
import { isPermitSigned, PERMIT2, permitTypedData } from '../../src/networks/permit2.ts'
import { checksummed, hashOfText, messageHash, separatorOf } from '../../src/networks/typed-data.ts'
import { ASSETS, chainIdOf, type Eip3009Asset } from '../../src/x402/assets.ts'

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const FIELD = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2fn
const HALF = ORDER / 2n

const hex = (bytes: number) =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((array) => `0x${Buffer.from(array).toString('hex')}` as const)
const uint256 = fc.oneof(fc.bigInt(0n, 2n ** 256n - 1n), fc.constantFrom(0n, 1n, 2n ** 256n - 1n, 2n ** 255n))
const key = hex(32).filter((text) => BigInt(text) > 0n && BigInt(text) < ORDER)
const tokens = ASSETS.filter((asset): asset is Eip3009Asset => asset.kind === 'eip3009')
const authorization = fc.record({
  to: hex(20),
  value: uint256,
  validAfter: uint256,
  validBefore: uint256,
  nonce: hex(32),
})
const lower = (address: string): `0x${string}` => `0x${address.slice(2).toLowerCase()}`
const word = (number: bigint) => number.toString(16).padStart(64, '0')
/** Numbers where the order of the curve and its field end, and any. */
const scalar = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, HALF, HALF + 1n, ORDER - 1n, ORDER, ORDER + 1n, FIELD - 1n, FIELD, 2n ** 256n - 1n),
  fc.bigInt(0n, HALF),
  fc.bigInt(0n, 2n ** 256n - 1n),
)
const signature = fc
  .tuple(scalar, scalar, fc.constantFrom('1b', '1c', '1B', '1C', '00', '01', '1a', '1d', 'ff'))
  .map(([r, s, v]) => `0x${word(r)}${word(s)}${v}` as const)

/** Who signed, as viem finds it; null where nobody did. */
const signerOf = async (hash: `0x${string}`, signed: `0x${string}`) =>
  recoverAddress({ hash, signature: signed }).catch(() => null)

describe('hashes', () => {
  test('a token that is signed for has the domain viem makes of it', () => {
    for (const { eip712, network, asset } of tokens) {
      const domain = { ...eip712, chainId: chainIdOf(network), verifyingContract: asset }

      expect(separatorOf(domain)).toBe(
        hashDomain({
          domain: { ...domain, chainId: BigInt(domain.chainId) },
          types: {
            EIP712Domain: [
              { name: 'name', type: 'string' },
              { name: 'version', type: 'string' },
              { name: 'chainId', type: 'uint256' },
              { name: 'verifyingContract', type: 'address' },
            ],
          },
        }),
      )
    }
    expect(tokens.length).toBeGreaterThan(5)
  })

  test('texts, messages and checksums', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), hex(20), (text, address) => {
        expect(hashOfText(text)).toBe(keccak256(stringToBytes(text)))
        expect(messageHash(text)).toBe(hashMessage(text))
        expect(checksummed(address)).toBe(getAddress(address))
        expect(challengeNonce(text, 'news.example')).toBe(keccak256(stringToBytes(`${text}news.example`)))
      }),
      { numRuns: 500 },
    )
  })
})

describe('signatures that viem makes', () => {
  test('an authorization: its signer and nobody else, for its token and no other', async () => {
    await fc.assert(
      fc.asyncProperty(key, authorization, fc.constantFrom(...tokens), async (secret, fields, token) => {
        const account = privateKeyToAccount(secret)
        const message = { from: lower(account.address), ...fields }
        const signed = await account.signTypedData({
          domain: { ...token.eip712, chainId: chainIdOf(token.network), verifyingContract: token.asset },
          types: TRANSFER_WITH_AUTHORIZATION,
          primaryType: 'TransferWithAuthorization',
          message,
        })
        expect(await isSignedByPayer(message, signed, token)).toBe(true)
        for (const other of tokens.filter((known) => known !== token).slice(0, 2))
          expect(await isSignedByPayer(message, signed, other)).toBe(false)
        expect(await isSignedByPayer({ ...message, from: fields.to }, signed, token)).toBe(false)
        expect(await isSignedByPayer({ ...message, value: message.value ^ 1n }, signed, token)).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  test('a permit: its signer and nobody else, on its chain alone', async () => {
    const permit = fc.record({
      asset: hex(20),
      value: uint256,
      spender: hex(20),
      nonce: uint256,
      deadline: uint256,
      to: hex(20),
      validAfter: uint256,
    })
    await fc.assert(
      fc.asyncProperty(key, permit, async (secret, fields) => {
        const account = privateKeyToAccount(secret)
        const message = { from: lower(account.address), ...fields }
        const signed = await account.signTypedData(permitTypedData(message, 'eip155:8453'))
        expect(await isPermitSigned(message, signed, 'eip155:8453')).toBe(true)
        expect(await isPermitSigned(message, signed, 'eip155:1')).toBe(false)
        expect(await isPermitSigned({ ...message, validAfter: message.validAfter ^ 1n }, signed, 'eip155:8453')).toBe(
          false,
        )
      }),
      { numRuns: 60 },
    )
    expect(PERMIT2).toHaveLength(42)
  })
})

describe('signatures that nobody made', () => {
  test('whatever stands in 65 bytes has the signer viem finds, or none', async () => {
    let found = 0
    await fc.assert(
      fc.asyncProperty(hex(32), signature, hex(20), async (hash, signed, stranger) => {
        const signer = await signerOf(hash, signed)
        const isLow = BigInt(`0x${signed.slice(66, 130)}`) <= HALF
        // Tokens take a recovery id of 27 or 28 and the lower of two values of s, and nothing else.
        const isTaken = signer !== null && isLow && /1[bc]$/i.test(signed)
        if (signer !== null) expect(await isSignedHash(hash, signer, signed)).toBe(isTaken)
        expect(await isSignedHash(hash, stranger, signed)).toBe(false)
        found += Number(isTaken)
      }),
      { numRuns: 1500 },
    )
    expect(found).toBeGreaterThan(100)
  })

  test('what has another length is nobody’s', async () => {
    const account = privateKeyToAccount(`0x${'11'.repeat(32)}`)
    const hash = hashTypedData({
      domain: {},
      types: { Empty: [] },
      primaryType: 'Empty',
      message: {},
    })
    const signed = await account.sign({ hash })
    expect(await isSignedHash(hash, account.address, signed)).toBe(true)
    for (const text of [signed.slice(0, -2), `${signed}00`, `${signed.slice(0, 130)}`, '0x', ''])
      expect(await isSignedHash(hash, account.address, text)).toBe(false)
  })
})
