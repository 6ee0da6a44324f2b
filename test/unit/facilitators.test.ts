// FACILITATORS as they may be written, and what is said of those that may not.
import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { facilitatorOf, facilitatorSchema } from '../../src/facilitators.ts'
import { OWN_SECRETS } from '../../src/settings.ts'

const URL_ADVICE = 'write an https:// URL (http:// is for localhost only)'
const HEADER_TAKEN =
  'this header says something else already; write the one your facilitator asks for, such as "x-api-key"'
const HEADER_ADVICE = 'write the name of a header, such as "x-api-key"'
const AUTH_ADVICE = 'write auth = "cdp", or { header = "x-api-key", secret = "NAME_OF_A_SECRET" }'
const url = 'https://pay.example/x402'

function read(entry: unknown, env: Record<string, unknown> = {}) {
  const parsed = z.safeParse(facilitatorSchema, entry)
  return parsed.success ? facilitatorOf(parsed.data, env, 'FACILITATORS[0]') : parsed.error.issues.flatMap(saidOf)
}

/** Of a choice, what each of its arms says. */
const saidOf = (issue: z.core.$ZodIssue): string[] =>
  issue.code === 'invalid_union' ? issue.errors.flat().flatMap(saidOf) : [issue.message]

describe('what may be written', () => {
  test.each<[string, unknown, object]>([
    ['a URL', `${url}/`, { url, auth: { kind: 'none' }, isListed: false }],
    ['a table', { url }, { url, auth: { kind: 'none' }, isListed: false }],
    ['one that lists the sale', { url, bazaar: true }, { url, auth: { kind: 'none' }, isListed: true }],
    [
      'with a secret',
      { url, auth: { header: 'X-Api-Key', secret: 'PAY_KEY' } },
      { url, auth: { kind: 'header', name: 'X-Api-Key', value: 'the key' } },
    ],
    ['of Coinbase', { url, auth: 'cdp' }, { url, auth: { kind: 'cdp', keyId: 'an id', keySecret: 'a secret' } }],
    [
      'with a key, on this machine',
      { url: 'http://127.0.0.1:4021', auth: 'cdp' },
      { url: 'http://127.0.0.1:4021', auth: { kind: 'cdp' } },
    ],
  ])('%s', (_what, entry, expected) => {
    const env = { PAY_KEY: 'the key', CDP_API_KEY_ID: 'an id', CDP_API_KEY_SECRET: 'a secret' }
    expect(read(entry, env)).toMatchObject(expected)
  })
})

describe('what may not', () => {
  test.each<[string, unknown, string]>([
    ['no URL', 'pay.example', URL_ADVICE],
    ['a URL with a query', `${url}?key=1`, 'write a base URL without query or fragment'],
    ['a table without a URL', { auth: 'cdp' }, 'write the base URL of a facilitator'],
    ['an auth nobody knows', { url, auth: 'oauth' }, AUTH_ADVICE],
    ['a key over http', { url: 'http://127.0.0.1.example/x', auth: 'cdp' }, URL_ADVICE],
    ['a header that is none', { url, auth: { header: 'x api key', secret: 'K' } }, HEADER_ADVICE],
    ['no header', { url, auth: { secret: 'K' } }, HEADER_ADVICE],
    ...['Host', 'cookie', 'Content-Type', 'content-length', 'PAYMENT-SIGNATURE', 'X-PAYMENT', 'Transfer-Encoding'].map(
      (header): [string, unknown, string] => [
        `the header ${header}`,
        { url, auth: { header, secret: 'K' } },
        HEADER_TAKEN,
      ],
    ),
    ['a word for true', { url, bazaar: 'yes' }, 'write true or false'],
    ['a misspelt key', { url, bazar: true }, 'bazar is not a known key; write one of url, auth, bazaar'],
  ])('%s', (_what, entry, said) => {
    expect(read(entry)).toContain(said)
  })
})

describe('a secret', () => {
  test.each<[string, string, Record<string, unknown>, string]>([
    ['that is not set', 'PAY_KEY', {}, 'set it: npx wrangler secret put PAY_KEY'],
    ['that is empty', 'PAY_KEY', { PAY_KEY: '' }, 'set it: npx wrangler secret put PAY_KEY'],
    ['that is a binding', 'LEDGER_DB', { LEDGER_DB: {} }, 'set it: npx wrangler secret put LEDGER_DB'],
    ['whose name is none', 'a key', {}, 'write the name of a secret, such as "API_KEY"'],
    [
      'of two lines',
      'PAY_KEY',
      { PAY_KEY: 'a\r\nX-Other: b' },
      'PAY_KEY holds characters that no header can carry; set it again, in plain ASCII on one line',
    ],
    ...OWN_SECRETS.map((own): [string, string, Record<string, unknown>, string] => [
      'of newsstand',
      own,
      { [own]: 'x' },
      `${own} is newsstand's own and is sent to nobody; name another`,
    ]),
  ])('%s: %s', (_what, secret, env, message) => {
    expect(read({ url, auth: { header: 'x-api-key', secret } }, env)).toEqual({
      url,
      auth: { kind: 'missing', problem: { path: 'FACILITATORS[0].auth', message } },
      isListed: false,
    })
  })

  test.each([
    {},
    { CDP_API_KEY_ID: 'an id' },
    { CDP_API_KEY_SECRET: 'x' },
    { CDP_API_KEY_ID: '', CDP_API_KEY_SECRET: 'x' },
  ])('of Coinbase, where only %o is set', (env) => {
    expect(read({ url, auth: 'cdp' }, env)).toMatchObject({
      auth: {
        kind: 'missing',
        problem: { message: expect.stringMatching(/^set CDP_API_KEY_ID and CDP_API_KEY_SECRET/) },
      },
    })
  })
})
