import { describe, expect, test } from 'vitest'
import { acceptsGzip, prefersHtml, prefersProblem } from '../../src/accept.ts'
import { NO_BRAND } from '../../src/pages/page.tsx'
import { type Answer, dressed, refuse } from '../../src/respond.ts'

describe('who is shown a page', () => {
  test.each<[string | null, boolean]>([
    [null, false],
    ['', false],
    ['*/*', false],
    ['text/html', true],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
    ['text/*', true],
    ['application/json', false],
    ['application/json, text/html', false],
    ['application/json;q=0.5, text/html', true],
    ['text/html;q=0', false],
    ['text/html;q=0, */*', false],
    ['text/html;q=0.4, application/*;q=0.5', false],
    ['TEXT/HTML ; Q=1', true],
    ['text/html;q=2', false],
    ['text/html;q=none', false],
    ['*/*;q=0.1, text/html;q=0.2', true],
  ])('Accept: %s → %s', (accept, isShown) => {
    expect(prefersHtml(accept)).toBe(isShown)
  })
})

describe('who is sent gzip', () => {
  test.each<[string | null, boolean]>([
    [null, false],
    ['', false],
    ['gzip', true],
    ['GZIP ; Q=0.5', true],
    ['gzip, deflate, br, zstd', true],
    ['br;q=1.0, gzip;q=0.8, *;q=0.1', true],
    ['*', true],
    ['*;q=0.5', true],
    ['gzip;q=0', false],
    ['gzip;q=0.000', false],
    ['gzip;q=0, *', false],
    ['*;q=0', false],
    ['*;q=0, gzip', true],
    ['identity', false],
    ['identity, gzip;q=0.5', false],
    ['identity;q=0.5, gzip', true],
    ['br, deflate', false],
    ['gzip;q=none', false],
    ['gzipped', false],
  ])('Accept-Encoding: %s → %s', (accept, isSent) => {
    expect(acceptsGzip(accept)).toBe(isSent)
  })
})

describe('who is sent problem details', () => {
  test.each<[string | null, boolean]>([
    [null, false],
    ['*/*', false],
    ['application/*', false],
    ['application/json', false],
    ['application/problem+json', true],
    ['application/json, application/problem+json', true],
    ['application/json, application/problem+json;q=0.5', false],
    ['application/problem+json;q=0', false],
  ])('Accept: %s → %s', (accept, isSent) => {
    expect(prefersProblem(accept)).toBe(isSent)
  })
})

test('what the client accepts counts, not what the platform put in its place', async () => {
  const asked = (clientAcceptEncoding: string) => {
    const headers = { Accept: 'text/html', 'Accept-Encoding': 'gzip, br' }
    const request = Object.assign(new Request('https://news.example/', { headers }), { cf: { clientAcceptEncoding } })
    return refuse(request, NO_BRAND, { code: 'not_found' })
  }
  expect(await asked('gzip')).toMatchObject({ isZipped: true })
  expect(await asked('')).toMatchObject({ isZipped: false })
})

describe('what an answer wears', () => {
  const CACHED = {
    'Cache-Control': 'public, max-age=600',
    'CDN-Cache-Control': 'max-age=600',
    ETag: '"1"',
    'Last-Modified': 'Sat, 21 Nov 2026 12:00:00 GMT',
    'Access-Control-Allow-Origin': 'https://elsewhere.example',
    'X-Own': 'of the origin',
  }
  const response = () => new Response('the whole article', { headers: CACHED })
  const worn = (answer: Answer) => Object.fromEntries(dressed(answer).headers)

  test('what is not for sale leaves as it came', () => {
    const given = response()
    expect(dressed({ kind: 'open', response: given })).toBe(given)
  })

  test('what is free for everybody too', () => {
    const given = response()
    expect(dressed({ kind: 'free', response: given, dependsOn: [] })).toBe(given)
  })

  test('what is free for some is asked about again by every cache', () => {
    expect(worn({ kind: 'free', response: response(), dependsOn: ['X-Plan', 'CF-IPCountry'] })).toMatchObject({
      'cache-control': 'no-cache',
      vary: 'X-Plan, CF-IPCountry',
      'x-robots-tag': 'noarchive',
      etag: '"1"',
    })
  })

  test('what was paid for is nobody else’s, and keeps none of what the origin says to caches and scripts', () => {
    const headers = worn({ kind: 'gated', response: response(), headers: { 'PAYMENT-RESPONSE': 'e30=' } })
    expect(headers).toMatchObject({
      'cache-control': 'private, no-store',
      'payment-response': 'e30=',
      'access-control-allow-origin': '*',
      'x-own': 'of the origin',
    })
    expect(headers.vary).toContain('Cookie')
    for (const name of ['etag', 'last-modified', 'cdn-cache-control']) expect(headers[name]).toBeUndefined()
  })

  test.each([
    'X-Accel-Expires',
    'X-Accel-Redirect',
    'X-Accel-Buffering',
    'X-Accel-Limit-Rate',
    'Edge-Control',
    'Edge-Cache-Tag',
    'CDN-Cache-Control',
    'CDN-Tag',
    'Cloudflare-CDN-Cache-Control',
    'Vercel-CDN-Cache-Control',
    'Netlify-CDN-Cache-Control',
    'Akamai-Cache-Control',
    'X-LiteSpeed-Cache-Control',
    'X-LiteSpeed-Tag',
    'Cache-Tag',
    'Cache-Tags',
    'X-Cache-Tags',
    'Netlify-Cache-Tag',
    'X-Cache-TTL',
    'Surrogate-Control',
    'Surrogate-Key',
    'Surrogate-Capability',
    'xkey',
    'Expires',
    'Age',
    'Pragma',
  ])('no cache is told by %s to keep what is not for all', (name) => {
    const given = () =>
      new Response('the whole article', { headers: { [name]: 'public, max-age=600', 'X-Cache': 'MISS' } })
    for (const answer of [
      { kind: 'gated', response: given(), headers: {} },
      { kind: 'held', response: given(), headers: {} },
      { kind: 'free', response: given(), dependsOn: ['X-Plan'] },
    ] as const) {
      expect(dressed(answer).headers.get(name)).toBeNull()
      expect(dressed({ ...answer, response: given() }).headers.get('X-Cache')).toBe('MISS')
    }
    expect(dressed({ kind: 'open', response: given() }).headers.get(name)).toBe('public, max-age=600')
  })

  test('a file for who holds a pass is kept by its reader alone, who asks again before showing it', () => {
    const headers = worn({ kind: 'held', response: response(), headers: {} })
    expect(headers).toMatchObject({
      'cache-control': 'private, no-cache',
      etag: '"1"',
      'last-modified': CACHED['Last-Modified'],
      'access-control-allow-origin': '*',
    })
    expect(headers['cdn-cache-control']).toBeUndefined()
    expect(headers.vary).toBe(
      'Accept, PAYMENT-SIGNATURE, X-PAYMENT, SIGN-IN-WITH-X, Authorization, Payment-Authorization, Cookie, Origin',
    )
  })

  test('our own words are open to every script', () => {
    const headers = worn({ kind: 'ours', response: new Response('{}', { status: 402 }), isZipped: false })
    expect(headers['access-control-allow-origin']).toBe('*')
    expect(headers['access-control-expose-headers']).toContain('PAYMENT-REQUIRED')
  })

  test.each([204, 205, 304])('a %i has no body', async (status) => {
    const given = new Response(null, { status })
    expect(await dressed({ kind: 'gated', response: given, headers: {} }).text()).toBe('')
  })
})
