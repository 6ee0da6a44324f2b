// The key `origin` of a route as it may be written, and what is said of what may not.
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { upstreamOf } from '../../src/policy/upstream.ts'
import { OWN_SECRETS } from '../../src/settings.ts'

const URL = 'https://api.upstream.example/v1'
const ENV = {
  SITE_URL: ['https://news.example', 'https://daily.example:8443'],
  PAY_TO: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
  NETWORKS: ['eip155:8453'],
  FACILITATORS: ['https://facilitator.example'],
  PASS_SECRET: 'a secret for tests, long enough',
  UPSTREAM_KEY: 'Bearer of-the-seller',
  PAYERS: {},
  LEDGER_DB: {},
  CONTENT_KV: {},
  CONTENT_R2: {},
}

const read = (origin: unknown, route = {}, env = {}) =>
  parseConfig({ ...ENV, ...env, ROUTES: [{ path: '/x', price: '$0.05', origin, ...route }] })

function problems(origin: unknown, route = {}) {
  const parsed = read(origin, route)
  return parsed.ok ? [] : parsed.error.map(({ path, message }) => `${path}: ${message}`)
}

/** What became of the one route's upstream. */
function upstream(origin: unknown, route = {}, env = {}) {
  const parsed = read(origin, route, env)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return parsed.value.rules[0]?.upstream
}

describe('what may be written', () => {
  test.each<[string, unknown, object]>([
    ['an address alone', { url: `${URL}/` }, { url: URL, headers: [], secrets: [], priced: [] }],
    ['this machine, without https', { url: 'http://127.0.0.1:9' }, { url: 'http://127.0.0.1:9' }],
    [
      'headers, some of them secret',
      { url: URL, headers: { Authorization: 'secret:UPSTREAM_KEY', 'X-Plain': 'a text' } },
      {
        headers: [
          ['Authorization', 'Bearer of-the-seller'],
          ['X-Plain', 'a text'],
        ],
        secrets: ['bearer of-the-seller', 'bearer%20of-the-seller', 'of-the-seller'],
      },
    ],
  ])('%s', (_what, origin, expected) => {
    expect(upstream(origin)).toMatchObject({ ok: true, value: expected })
  })

  test('on a route that is free, and as JSON', () => {
    const ROUTES = JSON.stringify([{ path: '/x', price: 'free', content: 'origin', origin: { url: URL } }])
    expect(parseConfig({ ...ENV, ROUTES })).toMatchObject({
      ok: true,
      value: { rules: [{ upstream: { ok: true, value: { url: URL } } }] },
    })
  })

  test('a route without it has none', () => {
    expect(upstream(undefined)).toBeNull()
  })

  test('headers that make a price go along, and none that says who somebody is', () => {
    const header = { 'X-Model': 'large', Authorization: 'Bearer partner', Cookie: 'a=b', 'CF-IPCountry': 'DE' }
    expect(upstream({ url: URL }, { prices: [{ when: { header }, price: '$1' }] })).toMatchObject({
      value: { priced: [['x-model', 'large']] },
    })
  })
})

describe('what may not', () => {
  const URL_ADVICE = 'origin.url: write an https:// URL (http:// is for localhost only)'
  const TAKEN = 'this header says something else already; write the one your upstream asks for, such as "Authorization"'
  const WHOLE =
    'a secret is the whole value; write "secret:UPSTREAM_KEY", and put what stands before it, such as "Bearer ", into the secret'
  const NAME = 'write the name of a secret behind "secret:", such as "secret:UPSTREAM_KEY"'
  const PLAIN = 'write plain ASCII on one line, or "secret:" and the name of a secret'
  const taken = [
    'Host',
    'cookie',
    'Connection',
    'Keep-Alive',
    'Proxy-Authorization',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'transfer_encoding',
    'Upgrade',
    'Expect',
    'Range',
    'If-None-Match',
    'Accept-Encoding',
    'Content-Type',
    'content-length',
    'Sec-WebSocket-Key',
    'CF-Connecting-IP',
    'PAYMENT-SIGNATURE',
    'X-PAYMENT',
    'Payment-Authorization',
    'SIGN-IN-WITH-X',
    'X-Newsstand-Hop',
    'Settlement-Overrides',
  ].map((name): [string, unknown, string] => [
    `the header ${name}`,
    { url: URL, headers: { [name]: 'x' } },
    `origin.headers.${name}: ${TAKEN}`,
  ])
  const valued = (value: unknown) => ({ url: URL, headers: { Authorization: value } })

  test.each<[string, unknown, string]>([
    ['no table', URL, 'origin: write a table'],
    [
      'no address',
      { headers: {} },
      'origin.url: write the base URL of the upstream, such as "https://api.upstream.example/v1"',
    ],
    ['http', { url: 'http://api.upstream.example' }, URL_ADVICE],
    ['a host that only looks like this machine', { url: 'http://127.0.0.1.example' }, URL_ADVICE],
    ['a password', { url: 'https://a:b@api.upstream.example' }, URL_ADVICE],
    ['a query', { url: `${URL}?key=1` }, 'origin.url: write a base URL without query or fragment'],
    ['a misspelt key', { url: URL, header: {} }, 'origin: header is not a known key; write one of url, headers'],
    [
      'headers as a list',
      { url: URL, headers: ['x'] },
      'origin.headers: write a table of headers, such as { Authorization = "secret:UPSTREAM_KEY" }',
    ],
    [
      'no header’s name',
      { url: URL, headers: { 'x api key': 'x' } },
      'origin.headers.x api key: this is no name of a header; write one such as "Authorization"',
    ],
    ...taken,
    [
      'the site itself',
      { url: 'https://news.example/v1' },
      'origin.url: this is the site itself; write the address of another server, or remove origin',
    ],
    [
      'another of the sites',
      { url: 'https://DAILY.example:8443' },
      'origin.url: this is the site itself; write the address of another server, or remove origin',
    ],
    [
      'a number as a value',
      valued(1),
      'origin.headers.Authorization: write a text, or "secret:" and the name of a secret',
    ],
    ['a secret behind a word', valued('Bearer secret:KEY'), `origin.headers.Authorization: ${WHOLE}`],
    ['a secret in capitals', valued('SECRET:KEY'), `origin.headers.Authorization: ${WHOLE}`],
    ['a secret without a name', valued('secret:'), `origin.headers.Authorization: ${NAME}`],
    ['a secret with a space', valued('secret: KEY'), `origin.headers.Authorization: ${NAME}`],
    ['two lines', valued('a\r\nX-Other: b'), `origin.headers.Authorization: ${PLAIN}`],
    ['nothing', valued(''), `origin.headers.Authorization: ${PLAIN}`],
    ['other letters than ASCII', valued('schlüssel'), `origin.headers.Authorization: ${PLAIN}`],
  ])('%s', (_what, origin, said) => {
    expect(problems(origin)).toEqual([`ROUTES[0].${said}`])
  })

  test('one header in two spellings', () => {
    const said = 'this header is there twice; write it once'
    expect(problems({ url: URL, headers: { 'X-Key': 'a', 'x-key': 'b' } })).toEqual([
      `ROUTES[0].origin.headers.X-Key: ${said}`,
      `ROUTES[0].origin.headers.x-key: ${said}`,
    ])
  })

  test.each(['kv', 'r2'])('beside content = "%s"', (content) => {
    expect(problems({ url: URL }, { content })).toEqual([
      `ROUTES[0].origin: content = "${content}" is not fetched; remove one of the two`,
    ])
  })
})

describe('a secret that cannot be used stops its route alone', () => {
  test.each<[string, string, Record<string, unknown>, string]>([
    ['not set', 'KEY', {}, 'set it: npx wrangler secret put KEY'],
    ['empty', 'KEY', { KEY: '' }, 'set it: npx wrangler secret put KEY'],
    ['a binding', 'LEDGER_DB', {}, 'set it: npx wrangler secret put LEDGER_DB'],
    [
      'of two lines',
      'KEY',
      { KEY: 'a\r\nX-Other: b' },
      'KEY holds characters that no header can carry; set it again, in plain ASCII on one line',
    ],
    ...OWN_SECRETS.map((own): [string, string, Record<string, unknown>, string] => [
      'newsstand’s own',
      own,
      { [own]: 'a secret for tests, long enough' },
      `${own} is newsstand's own and is sent to nobody; name another`,
    ]),
  ])('%s: %s', (_what, name, env, message) => {
    const origin = { url: URL, headers: { Authorization: `secret:${name}`, 'X-Other': 'secret:UPSTREAM_KEY' } }
    expect(upstreamOf(origin, [], { ...ENV, ...env }, 'ROUTES[0].origin')).toEqual({
      ok: false,
      error: [{ path: 'ROUTES[0].origin.headers.Authorization', message }],
    })
  })

  test('the configuration can be read all the same', () => {
    expect(upstream({ url: URL, headers: { 'x-key': 'secret:NOT_SET' } })).toMatchObject({ ok: false })
  })
})
