import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { bearerToken, cookieToken, grantFor, isPass, issuePass, passCookie, readPass } from '../../src/pass.ts'
import { identifyingQuery } from '../../src/policy/query.ts'
import { type Resource, scopeIncludes, scopeOpens } from '../../src/policy/scope.ts'
import { issueQuote, QUOTE_SECONDS, quotedOffers } from '../../src/quote.ts'
import { deriveKey } from '../../src/token.ts'
import { ASSETS } from '../../src/x402/assets.ts'

const SITE = 'https://news.example'
const NOW = 1_800_000_000
const PAYER = '0x90f79bf6eb2c4f870365e785982e1f101e93b906'

const resource = (id: string, method = 'GET'): Resource => ({ site: SITE, method, path: id.split('?')[0] ?? '', id })
const grant = (scope: string, endsAtSeconds = NOW + 60) => ({ scope, method: 'GET', endsAtSeconds, payer: PAYER })

let key: CryptoKey
let quoteKey: CryptoKey
beforeAll(async () => {
  key = await deriveKey('a secret for tests', 'pass')
  quoteKey = await deriveKey('a secret for tests', 'quote')
})

describe('a scope opens what it names and nothing else', () => {
  test.each([
    ['=/articles/hello', '/articles/hello', true],
    ['=/articles/hello', '/articles/hello/more', false],
    ['=/articles/hello', '/articles/other', false],
    ['=/list?page=1', '/list?page=2', false],
    ['=/articles/*', '/articles/hello', false],
    ['=/:slug', '/hello', false],
    ['~/articles/*', '/articles/hello', true],
    ['~/articles/*', '/articles/hello?page=2', true],
    ['~/articles/*', '/media/film', false],
    ['', '/articles/hello', false],
    ['/articles/*', '/articles/hello', false],
  ])('%s and %s: %s', (scope, id, opens) => {
    expect(scopeOpens(scope, resource(id))).toBe(opens)
  })

  test.each([
    ['=/a/x', '=/a/x', true],
    ['~/a/*', '=/a/x', true],
    ['~/a/*', '~/a/:slug', true],
    ['=/a/x', '~/a/*', false],
    ['~/a/:slug', '~/a/*', false],
  ])('owning %s makes %s paid for: %s', (owned, wanted, included) => {
    expect(scopeIncludes(owned, wanted, resource('/a/x'))).toBe(included)
  })

  test('a query tells content apart, tracking does not', () => {
    expect(identifyingQuery('?b=2&utm_source=x&a=1&fbclid=y')).toEqual({ ok: true, value: '?a=1&b=2' })
    expect(identifyingQuery('?utm_medium=x')).toEqual({ ok: true, value: '' })
  })

  test.each([
    ['?x=%E9', '?x=%e9', true],
    ['?x=%E9', '?x=%E8', false],
    ['?x=%E9', '?x=%EF%BF%BD', false],
    ['?a=1&b=2', '?b=2&a=1', true],
    ['?a=1&a=2', '?a=2&a=1', false],
    ['?a=b%26c=d', '?a=b&c=d', false],
    ['?a=%20b', '?a=+b', true],
    ['?a=1;b=2', '?a=1&b=2', false],
    // PHP takes both names for `id`, and the last wins; others cut at a semicolon, or decode before they cut.
    ['?id=1&+id=2', '?+id=2&id=1', false],
    ['?id=1&id%00=2', '?id%00=2&id=1', false],
    ['?a[x]=1&a%5Bx=2', '?a%5Bx=2&a[x]=1', false],
    ['?ID=1&id=2', '?id=2&ID=1', false],
    ['?a;id=1&b;id=2', '?b;id=2&a;id=1', false],
    ['?id=1', '?id=1&utm_source=x;id=2', false],
    ['?id=1', '?id=1&fbclid=x%26id=2', false],
    ['?id=1', '?id=1&utm_source=a-b_c.d%20e', true],
    ['?caf\u00e9', '?caf%C3%A9=', true],
  ])('%s and %s are one query: %s', (one, other, isSame) => {
    expect(JSON.stringify(identifyingQuery(one)) === JSON.stringify(identifyingQuery(other))).toBe(isSame)
  })

  test('it is written as the platform writes it', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.stringMatching(/^[a-z0-9_-]*$/),
            fc.string({ unit: fc.constantFrom('a', '1', ' ', '=', '\u00e9', '\u20ac', '~', '/') }),
          ),
        ),
        (pairs) => {
          const sent = new URLSearchParams(pairs)
          const found = identifyingQuery(`?${sent}`)
          sent.sort()
          if (found.ok) expect(found.value).toBe(sent.size === 0 ? '' : `?${sent}`)
        },
      ),
    )
  })

  test('a long one is refused, tracking apart', () => {
    expect(identifyingQuery(`?x=${'y'.repeat(1_022)}`)).toMatchObject({ ok: true })
    expect(identifyingQuery(`?x=${'y'.repeat(1_023)}`)).toEqual({ ok: false, error: { code: 'uri_too_long' } })
    expect(identifyingQuery(`?x=1&utm_source=${'y'.repeat(6_000)}`)).toEqual({ ok: true, value: '?x=1' })
  })
})

describe('passes', () => {
  test('what was granted is read back, until it ends', async () => {
    const token = await issuePass([grant('=/a'), grant('~/b/*', NOW + 5)], SITE, key, NOW)
    expect(await readPass(token, SITE, [key], NOW)).toHaveLength(2)
    expect(await readPass(token, SITE, [key], NOW + 5)).toEqual([grant('=/a')])
    expect(await readPass(token, SITE, [key], NOW + 60)).toEqual([])
  })

  test('a pass is worth nothing at another site, under another key, or as a quote', async () => {
    const token = await issuePass([grant('=/a')], SITE, key, NOW)
    expect(await readPass(token, 'https://other.example', [key], NOW)).toEqual([])
    expect(await readPass(token, SITE, [await deriveKey('another secret', 'pass')], NOW)).toEqual([])
    expect(await readPass(token, SITE, [quoteKey], NOW)).toEqual([])
  })

  test('no changed byte is accepted, and no text throws', async () => {
    const token = await issuePass([grant('=/a')], SITE, key, NOW)
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.base64String(), async (at, text) => {
        const other = token[at] === 'A' ? 'B' : 'A'
        const changed = token.slice(0, at) + other + token.slice(at + 1)
        // The last digit of a MAC of 32 bytes has two spare bits; every other change is another token.
        if (at < token.length - 1) expect(await readPass(changed, SITE, [key], NOW)).toEqual([])
        expect(await readPass(text, SITE, [key], NOW)).toEqual([])
      }),
    )
  })

  test('a pass for reading does not post', () => {
    expect(grantFor([grant('=/a')], resource('/a'))).toBeDefined()
    expect(grantFor([grant('=/a')], resource('/a', 'POST'))).toBeUndefined()
  })

  test('the oldest are left out before the cookie grows too long', async () => {
    const many = Array.from({ length: 200 }, (_, i) => grant(`=/articles/${i}`))
    const token = await issuePass(many, SITE, key, NOW)
    expect(token.length).toBeLessThanOrEqual(3600)
    expect((await readPass(token, SITE, [key], NOW))[0]?.scope).toBe('=/articles/0')
  })

  test('where there is less room, the newest stays', async () => {
    const many = [grant('=/new'), grant('=/old'), grant('=/older')]
    const read = async (room: number) =>
      (await readPass(await issuePass(many, SITE, key, NOW, room), SITE, [key], NOW)).map(({ scope }) => scope)
    expect(await read(3600)).toEqual(['=/new', '=/old', '=/older'])
    expect(await read(300)).toEqual(['=/new', '=/old'])
    expect(await read(1)).toEqual(['=/new'])
  })

  test('the longest address has room in a cookie', async () => {
    const longest = grant(`=/${'x'.repeat(511)}?${'y'.repeat(1023)}`)
    const token = await issuePass([longest, grant('=/old')], SITE, key, NOW)
    expect(await readPass(token, SITE, [key], NOW)).toEqual([longest, grant('=/old')])
    expect(passCookie(token, SITE, NOW + 3650 * 86_400, NOW).length).toBeLessThan(4096)
  })

  test('the cookie is as strict as the site allows', () => {
    expect(passCookie('t', SITE, NOW + 60, NOW)).toBe(
      '__Host-newsstand=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure',
    )
    expect(passCookie('t', 'http://localhost:8787', NOW + 60, NOW)).toBe(
      'newsstand=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax',
    )
  })

  test('it is found in the cookie', () => {
    expect(cookieToken(new Headers({ Cookie: 'a=b; __Host-newsstand=x.y; c=d' }), SITE)).toBe('x.y')
    expect(cookieToken(new Headers({ Cookie: 'newsstand=x.y' }), SITE)).toBeNull()
  })

  const MAC = 'm'.repeat(43)
  test.each([
    [`Bearer x.${MAC}`, `x.${MAC}`],
    [`bearer  x.${MAC}`, `x.${MAC}`],
    [`Basic x.${MAC}`, null],
    [`Bearer x.${MAC}, Bearer y.${MAC}`, null],
    [`Bearer x.y.${MAC}`, null],
    ['Bearer x.y', null],
    ['Bearer a-token-of-the-origin', null],
    [`Bearer ${'x'.repeat(4096)}.${MAC}`, null],
  ])('of “%s” it is %s', (Authorization, token) => {
    expect(bearerToken(new Headers({ Authorization }))).toBe(token)
  })

  test('what this key signed is ours, ended or for another of our sites; nothing else is', async () => {
    const other = 'https://other.example'
    const ended = await issuePass([grant('=/a', NOW + 1)], SITE, key, NOW)
    expect(await readPass(ended, SITE, [key], NOW + 2)).toEqual([])
    expect(await isPass(ended, [SITE], [key])).toBe(true)
    expect(await isPass(await issuePass([grant('=/a')], other, key, NOW), [SITE, other], [key])).toBe(true)
    expect(await isPass(await issuePass([grant('=/a')], 'https://elsewhere.example', key, NOW), [SITE], [key])).toBe(
      false,
    )
    expect(await isPass(await issuePass([grant('=/a')], SITE, quoteKey, NOW), [SITE], [key])).toBe(false)
    expect(await isPass(`x.${MAC}`, [SITE], [key])).toBe(false)
  })
})

describe('quotes', () => {
  const offer = {
    network: 'eip155:8453',
    asset: '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913',
    payTo: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
    amount: 50_000n,
    transfer: { kind: 'eip3009' as const, name: 'USD Coin', version: '2' },
    maxTimeoutSeconds: 300,
    name: 'Day pass',
    accessSeconds: 86_400,
    scope: '/articles/*',
    flow: 'authorization' as const,
  }
  const issue = () => issueQuote([offer], resource('/a'), quoteKey, NOW, new Uint8Array(9))

  test('the offers are honoured until the quote expires', async () => {
    const { proof, expiresAtSeconds } = await issue()
    expect(expiresAtSeconds).toBe(NOW + QUOTE_SECONDS)
    expect(await quotedOffers(proof, resource('/a'), [quoteKey], expiresAtSeconds, ASSETS)).toEqual([offer])
    expect(await quotedOffers(proof, resource('/a'), [quoteKey], expiresAtSeconds + 1, ASSETS)).toEqual([])
  })

  test('a quote is for one resource, method and site, and only from us', async () => {
    const { proof } = await issue()
    expect(await quotedOffers(proof, resource('/b'), [quoteKey], NOW, ASSETS)).toEqual([])
    expect(await quotedOffers(proof, resource('/a', 'POST'), [quoteKey], NOW, ASSETS)).toEqual([])
    expect(
      await quotedOffers(proof, { ...resource('/a'), site: 'https://other.example' }, [quoteKey], NOW, ASSETS),
    ).toEqual([])
    expect(await quotedOffers(proof, resource('/a'), [key], NOW, ASSETS)).toEqual([])
    expect(await quotedOffers('nonsense', resource('/a'), [quoteKey], NOW, ASSETS)).toEqual([])
  })
})
