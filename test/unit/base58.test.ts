// Base58: the same as the reference's in both directions, and nothing else is read.
import { getBase58Decoder, getBase58Encoder, isAddress } from '@solana/kit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase58, encodeBase58, isSolanaAddress } from '../../src/x402/base58.ts'

const WRITTEN: readonly [text: string, hex: string][] = [
  ['', ''],
  ['1', '00'],
  ['111', '000000'],
  ['z', '39'],
  ['21', '3a'],
  ['12', '0001'],
  ['112', '000001'],
  ['5Q', 'ff'],
  ['LUv', 'ffff'],
  ['2NEpo7TZRRrLZSi2U', '48656c6c6f20576f726c6421'],
  ['11111111111111111111111111111111', '00'.repeat(32)],
  ['JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG', 'ff'.repeat(32)],
]

describe('base58', () => {
  test.each(WRITTEN)('%j is %j', (text, hex) => {
    expect(encodeBase58(Uint8Array.from(Buffer.from(hex, 'hex')))).toBe(text)
    expect(Buffer.from(decodeBase58(text) ?? [1]).toString('hex')).toBe(hex)
  })

  test('bytes are written and read as the reference does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), fc.nat(4), (tail, zeros) => {
        const bytes = Uint8Array.from([...new Uint8Array(zeros), ...tail])
        const text = encodeBase58(bytes)
        expect(text).toBe(getBase58Decoder().decode(bytes))
        expect(decodeBase58(text)).toEqual(bytes)
      }),
      { numRuns: 1000 },
    )
  })

  test('texts are read as the reference does, and each has its own bytes', () => {
    const letters = fc.constantFrom(...'123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz')
    fc.assert(
      fc.property(fc.string({ unit: letters, minLength: 1, maxLength: 100 }), (text) => {
        const bytes = decodeBase58(text) ?? new Uint8Array()
        expect(bytes).toEqual(Uint8Array.from(getBase58Encoder().encode(text)))
        expect(encodeBase58(bytes)).toBe(text)
      }),
      { numRuns: 1000 },
    )
  })

  test.each(['0', 'O', 'I', 'l', ' 1', '1 ', '1\n', '1+', '1/', '1-', '1_', '=', 'é', '😀', '\u0000'])(
    '%j is not base58',
    (text) => {
      expect(decodeBase58(text)).toBeNull()
      expect(isSolanaAddress(text)).toBe(false)
    },
  )

  test('128 characters are read, and 129 are not', () => {
    expect(decodeBase58('1'.repeat(128))).toEqual(new Uint8Array(128))
    expect(decodeBase58('1'.repeat(129))).toBeNull()
    expect(decodeBase58('z'.repeat(128))?.length).toBe(94)
    expect(decodeBase58('z'.repeat(1_000_000))).toBeNull()
  })
})

describe('an address', () => {
  test.each([31, 32, 33])('of %i bytes', (length) => {
    expect(isSolanaAddress(encodeBase58(new Uint8Array(length).fill(255)))).toBe(length === 32)
    expect(isSolanaAddress(encodeBase58(new Uint8Array(length)))).toBe(length === 32)
  })

  test.each([
    '',
    '1'.repeat(31),
    '1'.repeat(33),
    'z'.repeat(44),
    '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    'EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1vv',
    '1EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v',
    ' EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v',
  ])('%j is none', (text) => {
    expect(isSolanaAddress(text)).toBe(false)
  })

  test('is one where the reference says so', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 30, maxLength: 34 }), (bytes) => {
        const text = encodeBase58(bytes)
        expect(isSolanaAddress(text)).toBe(bytes.length === 32)
        expect(isSolanaAddress(text)).toBe(isAddress(text))
      }),
      { numRuns: 500 },
    )
  })
})
