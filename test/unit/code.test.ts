// Codes of hand-overs: what this site signed and nothing else, for one secret, one page and ten minutes.
import { beforeAll, describe, expect, test } from 'vitest'
import {
  CODE_SECONDS,
  type Code,
  isHash,
  isSecretOf,
  issueCode,
  nameOfCode,
  readCode,
  wordsOf,
} from '../../src/code.ts'
import { deriveKey } from '../../src/token.ts'

const SITE = 'https://news.example'
/** 2027-01-15T08:00:00Z. */
const NOW = 1_800_000_000
const SECRET = 's'.repeat(43)
const CODE: Code = {
  hash: 'h'.repeat(43),
  expiresAtSeconds: NOW + CODE_SECONDS,
  id: '/articles/tides?page=2',
}
let key: CryptoKey
let before: CryptoKey

beforeAll(async () => {
  key = await deriveKey('a secret for tests', 'hand-over')
  before = await deriveKey('the secret before', 'hand-over')
})

describe('a code', () => {
  test('says what it was made of, also after its time, and under the key of before', async () => {
    const text = await issueCode(CODE, SITE, key)
    expect(await readCode(text, SITE, [key])).toEqual(CODE)
    expect(await readCode(await issueCode(CODE, SITE, before), SITE, [key, before])).toEqual(CODE)
  })

  test('is nothing at another site, under another key, for another purpose, or changed by a letter', async () => {
    const text = await issueCode(CODE, SITE, key)
    expect(await readCode(text, 'https://other.example', [key])).toBeNull()
    expect(await readCode(text, SITE, [before])).toBeNull()
    expect(await readCode(text, SITE, [await deriveKey('a secret for tests', 'pass')])).toBeNull()
    for (const at of [0, 10, text.length - 1]) {
      const other = text[at] === 'A' ? 'B' : 'A'
      expect(await readCode(text.slice(0, at) + other + text.slice(at + 1), SITE, [key])).toBeNull()
    }
    expect(await readCode('', SITE, [key])).toBeNull()
    expect(await readCode('x'.repeat(5_000), SITE, [key])).toBeNull()
  })

  test('whose shape is another one is nothing, although it is signed', async () => {
    for (const change of [{ hash: 'short' }, { id: 'articles/tides' }]) {
      expect(await readCode(await issueCode({ ...CODE, ...change }, SITE, key), SITE, [key])).toBeNull()
    }
  })

  test('knows the secret that was hashed, and no other', async () => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(SECRET))
    const hash = Buffer.from(digest).toString('base64url')
    const code = { ...CODE, hash }
    expect(isHash(hash)).toBe(true)
    expect(await isSecretOf(code, SECRET)).toBe(true)
    expect(await isSecretOf(code, 't'.repeat(43))).toBe(false)
    expect(await isSecretOf(code, hash)).toBe(false)
    expect(await isSecretOf(code, '')).toBe(false)
  })
})

describe('its two words', () => {
  test('are the same each time, and others for another mac: nobody can choose a code by them', async () => {
    const text = await issueCode(CODE, SITE, key)
    const words = await wordsOf(text)
    expect(words).toMatch(/^[a-z]+ [a-z]+$/)
    expect(await wordsOf(text)).toBe(words)
    expect(await wordsOf(`other.${text.split('.')[1]}`)).toBe(words)
    const others = Array.from({ length: 200 }, (_, i) => wordsOf(`${text.split('.')[0]}.${i}`))
    expect((await Promise.all(others)).filter((other) => other === words).length).toBeLessThan(3)
  })

  test('its object is another one for each site, secret, page and time', () => {
    const others = [
      { ...CODE, id: '/articles/other' },
      { ...CODE, hash: 'x'.repeat(43) },
      { ...CODE, expiresAtSeconds: CODE.expiresAtSeconds + 1 },
    ]
    const names = [...others, CODE].map((code) => nameOfCode(code, SITE))
    expect(new Set([...names, nameOfCode(CODE, 'https://other.example')]).size).toBe(5)
  })
})
