// Signatures of Solana in the real runtime: good ones are taken, and those that fit a key of small order are not, whatever the
// runtime itself says of them.
import { describe, expect, test } from 'vitest'
import { isSignedText } from '../../src/networks/solana.ts'
import { decodeBase58, encodeBase58 } from '../../src/x402/base58.ts'

const hex = (digits: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
const utf8 = (text: string) => Uint8Array.from(new TextEncoder().encode(text))

// RFC 8032, section 7.1, test 2: the message is the one byte of the letter r.
const KEY = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
const R = '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da'
const S = '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
const S_PLUS_L = 'f52db7415978abc61b2c2eb6aeebfca0387b2eaeb4302aeeb00d291612bb0c10'
/** The key of test 1 as R, and the number behind it as s: with the point zero as key they sign every message. */
const ANY_R = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
const ANY_S = '7c2cac12e69be96ae9065065462385e8fcff2768d980c0a3a520f006904de90f'
const ZERO = `01${'00'.repeat(31)}`

const signed = (text: string, key: string, signature: string) =>
  isSignedText(text, encodeBase58(hex(key)), encodeBase58(hex(signature)))

describe('in the Workers runtime', () => {
  test('a good signature is taken, and none of another text', async () => {
    expect(await signed('r', KEY, R + S)).toBe(true)
    expect(await signed('s', KEY, R + S)).toBe(false)
  })

  test('a key of small order has signed nothing, though the runtime says that it has', async () => {
    const key = await crypto.subtle.importKey('raw', hex(ZERO), 'Ed25519', false, ['verify'])
    for (const text of ['r', 's']) {
      expect(await crypto.subtle.verify('Ed25519', key, hex(ANY_R + ANY_S), utf8(text))).toBe(true)
      expect(await signed(text, ZERO, ANY_R + ANY_S)).toBe(false)
    }
  })

  test('an s that is not below L is not taken', async () => {
    expect(await signed('r', KEY, R + S_PLUS_L)).toBe(false)
  })

  test('a key that is no point is refused, and no fault', async () => {
    const program = decodeBase58('ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL') ?? hex(ZERO)
    const noPoint = hex(`02${'00'.repeat(31)}`)
    for (const key of [program, noPoint]) {
      expect(await isSignedText('r', encodeBase58(key), encodeBase58(hex(R + S)))).toBe(false)
    }
  })
})
