import { describe, expect, test } from 'vitest'
import {
  forOrigin,
  forUpstream,
  isDecoded,
  locationAt,
  type Purpose,
  withoutClaims,
  withoutSellers,
} from '../../src/headers.ts'

const sent = (headers: Record<string, string>, purpose: Purpose) =>
  Object.fromEntries(forOrigin(new Request('https://news.example/a', { headers }), purpose))

describe('an origin is not told of another path, host or method', () => {
  test.each([
    'Forwarded',
    'X-Forwarded-Prefix',
    'X-Forwarded-Path',
    'X-Forwarded-PathBase',
    'X-Forwarded-Uri',
    'X-Forwarded-Url',
    'X-Forwarded-Host',
    'X-Forwarded-Server',
    'X-Forwarded-Scheme',
    'X-Forwarded-Method',
    'X-Original-URL',
    'X-Original-URI',
    'X-Original-Path',
    'X-Original-Prefix',
    'X-Original-Host',
    'X-Original-Method',
    'X-Rewrite-URL',
    'X-Rewrite-URI',
    'X-Envoy-Original-Path',
    'X-Envoy-Original-Host',
    'X-MS-Original-URL',
    'X-WAWS-Unencoded-URL',
    'X-Replaced-Path',
    'X-Request-URI',
    'X-Requested-Path',
    'Request-URI',
    'X-Matched-Path',
    'X-Invoke-Path',
    'X-Invoke-Query',
    'X-Middleware-Rewrite',
    'X-Middleware-Subrequest',
    'X-Ingress-Path',
    'X-Base-Path',
    'X-Base-URL',
    'Base-URL',
    'X-Context-Path',
    'X-Proxy-URL',
    'X-HTTP-Path-Override',
    'X-HTTP-Method',
    'X-HTTP-Method-Override',
    'X-Method-Override',
    'X-Script-Name',
    'Script-Name',
    'SCRIPT_NAME',
    'Script-URL',
    'Script-Filename',
    'Path-Info',
    'PATH_INFO',
    'X-Path-Info',
    'Path-Translated',
    'Document-URI',
    'Redirect-URL',
    'X-Accel-Mapping',
    'X-Sendfile-Type',
    'X_Original_URL',
    'X_HTTP_Method-Override',
    'X_Forwarded_Host',
  ])('by %s', (name) => {
    for (const purpose of ['free', 'holder', 'purchase'] as const) {
      expect(sent({ [name]: '/premium/other', 'X-Own': 'kept' }, purpose)).toEqual({ 'x-own': 'kept' })
    }
  })

  test.each([
    'X-Forwarded-For',
    'X-Requested-With',
    'X-Request-ID',
    'HX-Current-URL',
    'X-Original-Filename',
    'X-CSRF-Token',
    'Content-Type',
    'Referer',
    'Upgrade-Insecure-Requests',
  ])('%s is the reader’s to send', (name) => {
    expect(sent({ [name]: 'x' }, 'purchase')).toEqual({ [name.toLowerCase()]: 'x' })
  })
})

test.each([
  ['PAYMENT-SIGNATURE', []],
  ['X_PAYMENT', []],
  ['Sign-In-With-X', []],
  ['X-Newsstand-Hop', []],
  ['If-None-Match', ['free']],
  ['If_Modified_Since', ['free']],
  ['If-Range', ['free']],
  ['Range', ['free', 'holder']],
])('%s reaches the origin only for what is: %j', (name, purposes) => {
  const reached = (['free', 'holder', 'purchase'] as const).filter(
    (purpose) => Object.keys(sent({ [name]: 'x' }, purpose)).length > 0,
  )
  expect(reached).toEqual(purposes)
})

describe('what is bought comes in an encoding that can be looked into', () => {
  test.each([
    ['gzip, deflate, br, zstd', 'gzip, br'],
    ['zstd', 'identity'],
    ['*', 'identity'],
    ['identity;q=1, *;q=0', 'identity;q=1'],
    ['GZIP;q=0.5,x-gzip', 'GZIP;q=0.5'],
  ])('%s → %s', (accepted, asked) => {
    expect(sent({ 'Accept-Encoding': accepted }, 'purchase')).toEqual({ 'accept-encoding': asked })
    expect(sent({ 'Accept-Encoding': accepted }, 'holder')).toEqual({ 'accept-encoding': accepted })
  })

  test.each([
    [null, false],
    ['gzip', true],
    ['br', true],
    ['GZIP', false],
    ['gzip, br', false],
    ['zstd', false],
    ['identity', false],
  ])('the platform decodes %s: %s', (encoding, expected) => {
    expect(isDecoded(encoding)).toBe(expected)
  })
})

describe('of an origin’s cookies', () => {
  const left = (cookies: string[], ours = '__Host-newsstand') => {
    const headers = new Headers()
    for (const cookie of cookies) headers.append('Set-Cookie', cookie)
    withoutClaims(headers, [ours])
    return headers.getSetCookie()
  }

  test.each([
    '__Host-newsstand=x; Path=/; Secure',
    '__Host-newsstand=; Path=/; Secure; Max-Age=0',
    ' __Host-newsstand =x',
    '__Host-newsstand',
    '__Host-newsstand; Path=/',
    '=__Host-newsstand=x',
    ' = __Host-newsstand=x',
  ])('“%s” is ours, and dropped', (cookie) => {
    expect(left(['a=1; Expires=Sat, 01 Jan 2050 00:00:00 GMT', cookie, 'b=2'])).toEqual([
      'a=1; Expires=Sat, 01 Jan 2050 00:00:00 GMT',
      'b=2',
    ])
  })

  test.each([
    'newsstand=1',
    '__Host-newsstand2=x',
    'x__Host-newsstand=x',
    'x=__Host-newsstand',
    '__Secure-newsstand=x',
  ])('“%s” is the origin’s', (cookie) => {
    expect(left([cookie])).toEqual([cookie])
  })

  test('on a site without https ours has its other name', () => {
    expect(left(['newsstand=x', '__Host-newsstand=x'], 'newsstand')).toEqual(['__Host-newsstand=x'])
  })
})

test.each([
  ['"cookies"', null],
  ['"*"', null],
  ['"cache", "cookies"', '"cache"'],
  ['"COOKIES","storage" , "*"', '"storage"'],
  ['"cache", "storage"', '"cache", "storage"'],
])('Clear-Site-Data: %s → %s', (said, left) => {
  const headers = new Headers({ 'Clear-Site-Data': said })
  withoutClaims(headers, ['newsstand'])
  expect(headers.get('Clear-Site-Data')).toBe(left)
})

describe('a redirect of an origin', () => {
  const SITE = 'https://news.example'
  test.each([
    // Below its base path: the site's own.
    ['https://o.example/base', '/base/x?y#z', `${SITE}/x?y#z`],
    ['https://o.example/base', '/base', `${SITE}/`],
    ['https://o.example/base', '/base?y', `${SITE}/?y`],
    ['https://o.example/base', 'https://o.example/base/x', `${SITE}/x`],
    ['https://o.example/base', 'HTTPS://O.Example:443/base/x', `${SITE}/x`],
    ['https://o.example/base', '//o.example/base/x', `${SITE}/x`],
    ['https://o.example/base', 'https://news.example/base/x', `${SITE}/x`],
    ['https://o.example/base', '/base//evil.example/x', `${SITE}//evil.example/x`],
    ['https://o.example', 'https://o.example/x', `${SITE}/x`],
    ['https://o.example', 'https://o.example', `${SITE}/`],
    ['https://o.example', 'https://o.example?y', `${SITE}/?y`],
    // Anywhere else: as it is.
    ['https://o.example/base', '/x', '/x'],
    ['https://o.example/base', '/basement/x', '/basement/x'],
    ['https://o.example/base', 'x', 'x'],
    ['https://o.example/base', '?y', '?y'],
    ['https://o.example/base', '', ''],
    ['https://o.example/base', 'https://o.example/x', 'https://o.example/x'],
    ['https://o.example/base', 'http://o.example/base/x', 'http://o.example/base/x'],
    ['https://o.example/base', 'https://o.example.evil/base/x', 'https://o.example.evil/base/x'],
    ['https://o.example/base', 'https://o.example@evil.example/base/x', 'https://o.example@evil.example/base/x'],
    ['https://o.example/base', 'https://[/base/x', 'https://[/base/x'],
    ['https://o.example/base', 'https://news.example/x', 'https://news.example/x'],
    ['https://o.example/base', 'mailto:a@b.example', 'mailto:a@b.example'],
    ['https://o.example', '/x', '/x'],
    ['https://o.example', '//evil.example/x', '//evil.example/x'],
    ['https://o.example', 'https://news.example/x', 'https://news.example/x'],
    ['https://news.example', '/x', '/x'],
  ])('at %s to “%s” leads to %s', (base, location, expected) => {
    expect(locationAt(SITE, base, location)).toBe(expected)
  })
})

describe('an upstream', () => {
  const UPSTREAM = {
    url: 'https://api.upstream.example/v1',
    headers: [
      ['Authorization', 'Bearer the-key-of-the-seller'],
      ['X-Api-Version', '2'],
    ],
    secrets: ['bearer the-key-of-the-seller', 'bearer%20the-key-of-the-seller', 'the-key-of-the-seller'],
    priced: [['x-model', 'large']],
  } as const
  const OWN = { authorization: 'Bearer the-key-of-the-seller', 'x-api-version': '2', 'user-agent': 'newsstand' }
  const asked = (headers: Record<string, string>, purpose: Purpose = 'purchase', own = {}) => {
    const request = new Request('https://news.example/a', { headers })
    return Object.fromEntries(forUpstream(request, purpose, { ...UPSTREAM, ...own }, ['x-model']))
  }

  test.each([
    'Authorization',
    'authorization',
    'Cookie',
    'X-Api-Version',
    'X_Api_Version',
    'X-API_VERSION',
    'Proxy-Authorization',
    'PAYMENT-SIGNATURE',
    'X-PAYMENT',
    'SIGN-IN-WITH-X',
    'Payment-Authorization',
    'User-Agent',
    'Referer',
    'Origin',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Real-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'CF-Connecting-IPv6',
    'CF-IPCountry',
    'CF-Ray',
    'Via',
    'DNT',
    'Sec-CH-UA',
    'Sec-Fetch-Site',
    'Upgrade',
    'X-Request-ID',
    'Idempotency-Key',
    'If-None-Match',
    'X-Amz-Target',
    'OpenAI-Organization',
    'Stripe-Account',
    'X-HTTP-Method-Override',
    'Content-Location',
  ])('is told nothing of %s, as the reader sends it', (name) => {
    for (const purpose of ['free', 'holder', 'purchase'] as const) {
      expect(asked({ [name]: 'of the reader' }, purpose)).toEqual(OWN)
    }
  })

  test.each(['Accept', 'Accept-Language', 'Content-Type', 'Content-Encoding', 'Content-Language', 'Content-Length'])(
    'is told the reader’s %s',
    (name) => {
      expect(asked({ [name]: '7' })).toEqual({ ...OWN, [name.toLowerCase()]: '7' })
    },
  )

  test('is asked by a holder for a range, and by a purchase for the whole, in an encoding that can be looked into', () => {
    const headers = { Range: 'bytes=0-1', 'Accept-Encoding': 'zstd, br' }
    expect(asked(headers, 'holder')).toEqual({ ...OWN, range: 'bytes=0-1', 'accept-encoding': 'zstd, br' })
    expect(asked(headers)).toEqual({ ...OWN, 'accept-encoding': 'br' })
  })

  test.each([
    ['large', { 'x-model': 'large' }],
    ['LARGE', {}],
    ['larger', {}],
    ['small', {}],
  ])('is told of a header that makes the price, where it makes it: %s', (value, told) => {
    expect(asked({ 'X-Model': value })).toEqual({ ...OWN, ...told })
    expect(asked({ X_Model: value })).toEqual(OWN)
    // Another rule made the price.
    const request = new Request('https://news.example/a', { headers: { 'X-Model': value } })
    expect(Object.fromEntries(forUpstream(request, 'purchase', UPSTREAM, ['x-tools']))).toEqual(OWN)
  })

  test('is told the seller’s word where the reader has another', () => {
    const own = { headers: [['accept', 'application/json'], ...UPSTREAM.headers, ['User-Agent', 'the shop']] }
    expect(asked({ Accept: 'text/html' }, 'purchase', own)).toEqual({
      ...OWN,
      accept: 'application/json',
      'user-agent': 'the shop',
    })
  })

  const left = (headers: Record<string, string>, secrets: readonly string[] = UPSTREAM.secrets) => {
    const kept = new Headers(headers)
    withoutSellers(kept, { secrets })
    return Object.fromEntries(kept)
  }

  test.each([
    'Set-Cookie',
    'Set-Cookie2',
    'WWW-Authenticate',
    'Proxy-Authenticate',
    'Authentication-Info',
    'Proxy-Authentication-Info',
    'Authorization',
    'Server-Timing',
    'RateLimit',
    'RateLimit-Policy',
    'RateLimit-Remaining',
    'X-RateLimit-Limit',
    'X-Ratelimit-Remaining-Tokens',
    'X-Rate-Limit-Reset',
    'X_RateLimit_Limit',
    'anthropic-ratelimit-requests-limit',
    'x-ms-ratelimit-remaining-requests',
    'X-App-Rate-Limit',
    'X-Quota-Remaining',
    'X-Credits-Left',
    'X-Throttling-Control',
    'openai-organization',
    'openai-project',
    'X-Account-Id',
    'Clear-Site-Data',
    'Strict-Transport-Security',
    'Alt-Svc',
    'NEL',
    'Report-To',
    'Reporting-Endpoints',
    'Service-Worker-Allowed',
  ])('says %s to the seller alone', (name) => {
    expect(left({ [name]: 'x', 'X-Own': 'kept' })).toEqual({ 'x-own': 'kept' })
  })

  test.each([
    'Content-Type',
    'Content-Encoding',
    'Content-Length',
    'ETag',
    'Link',
    'Location',
    'Retry-After',
    'X-Request-Id',
    'X-Accounting',
    'X-Projected',
  ])('says %s to the reader', (name) => {
    expect(left({ [name]: 'x' })).toEqual({ [name.toLowerCase()]: 'x' })
  })

  test.each([
    ['X-Echo', 'Bearer the-key-of-the-seller'],
    ['X-Echo', '{"key":"the-key-of-the-seller"}'],
    ['X-Echo', 'THE-KEY-OF-THE-SELLER'],
    ['Location', 'https://login.example/?key=Bearer%20the-key-of-the-seller'],
    ['X-the-key-of-the-seller', 'known'],
  ])('gives no secret away: %s: %s', (name, value) => {
    expect(left({ [name]: value, 'X-Own': 'kept' })).toEqual({ 'x-own': 'kept' })
  })
})

test('no challenge of MPP comes from an origin, and no credential goes there', () => {
  const headers = { Authorization: 'Payment e30', 'Payment-Authorization': 'Payment e30', Payment_Authorization: 'x' }
  for (const purpose of ['free', 'holder', 'purchase', 'teaser'] as const) {
    expect(sent({ ...headers, 'Accept-Payment': 'evm/charge' }, purpose)).toEqual({})
    expect(sent({ Authorization: 'Basic YTpi, Payment e30' }, purpose)).toEqual({})
    expect(sent({ Authorization: 'Basic YTpi' }, purpose)).toEqual({ authorization: 'Basic YTpi' })
  }
  const answer = new Headers({ 'WWW-Authenticate': 'Basic realm="a", Payment id="b"', 'Payment-Receipt': 'e30' })
  withoutClaims(answer, ['newsstand'])
  expect([...answer]).toEqual([])
  const own = new Headers({ 'WWW-Authenticate': 'Basic realm="a"' })
  withoutClaims(own, ['newsstand'])
  expect(own.get('WWW-Authenticate')).toBe('Basic realm="a"')
})

test('a word inside the quotes of another scheme is no payment', () => {
  const asking = new Headers({ 'WWW-Authenticate': 'Basic realm="Subscribers, payment pending"' })
  withoutClaims(asking, ['newsstand'])
  expect(asking.get('WWW-Authenticate')).toBe('Basic realm="Subscribers, payment pending"')
  const Authorization = 'Digest username="ann", realm="Subscribers, payment pending", uri="/a"'
  expect(sent({ Authorization }, 'free')).toEqual({ authorization: Authorization })
})
