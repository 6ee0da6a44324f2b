// Facilitators that ask for a key: what they are sent, and what becomes of a sale where the key is wrong. The gate stands in
// front of the real facilitator, and has no leeway.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import { openGate } from '../world/gate.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NOTHING, ONE_SALE, openShop, type Shop } from '../world/shop.ts'
import type { Vars } from '../world/site.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
const ROUTES = [
  { path: '/articles/free', content: 'kv', price: 'free' },
  { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
]

async function open(vars: Vars, options: Parameters<typeof openShop>[1] = {}): Promise<Shop> {
  const shop = await openShop({ ROUTES, ...vars }, options)
  for (const path of [PAGE, '/articles/free']) await shop.site.kv.put(path, CONTENT)
  return shop
}

const payloadKeys = (body: unknown): string[] =>
  typeof body === 'object' && body !== null
    ? Object.entries(body).flatMap(([name, value]) => [name, ...payloadKeys(value).map((below) => `${name}.${below}`)])
    : []

describe.each([
  ['EdDSA' as const, 0],
  ['ES256' as const, 0],
  ['EdDSA' as const, 25],
  ['ES256' as const, -25],
])('a key of Coinbase, %s, before a gate whose clock is %i s off', (kind, off) => {
  const gate = openGate(kind, off)
  let shop: Shop

  beforeAll(async () => {
    shop = await open(
      { CDP_API_KEY_ID: gate.keyId, CDP_API_KEY_SECRET: gate.keySecret },
      { hook: gate.hook, facilitators: (url) => [{ url, auth: 'cdp' }] },
    )
  })
  afterAll(() => shop.close())
  beforeEach(() => void gate.letIn.splice(0))

  test.each(VERSIONS)('sells in %s', async (version) => {
    const reader = await shop.reader()
    const { result, cost } = await shop.costOf(() => shop.buy(version, PAGE, reader))
    expect(result.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect(gate.refused).toEqual([])
  })

  test('has the signature of a contract wallet checked', async () => {
    const owner = await shop.reader(0n)
    const wallet = await deployContractWallet(shop.stack.chain, owner.address)
    await shop.stack.chain.fund(wallet, 1_000_000n)
    const answer = await shop.buy('v2', PAGE, owner, { signed: { from: wallet } })
    expect(answer.status).toBe(200)
    expect(gate.letIn.map(({ path }) => path)).toEqual(['/verify', '/settle'])
    expect(gate.refused).toEqual([])
  })

  test('a call holds the payment alone: not what is bought, and nothing of the client’s', async () => {
    const reader = await shop.reader()
    await shop.buy('v2', PAGE, reader, {
      payment: { extensions: { bazaar: { info: { input: 'mine' } } } },
    })
    const [call] = gate.letIn
    // `CF-Worker` is the platform's.
    expect(Object.keys(call?.headers ?? {}).sort()).toEqual([
      'accept',
      'authorization',
      'cf-worker',
      'content-length',
      'content-type',
      'host',
    ])
    const keys = payloadKeys(call?.body)
    for (const name of ['resource', 'extensions', 'description']) {
      expect(keys.filter((key) => key.endsWith(name))).toEqual([])
    }
    expect(JSON.stringify(call?.body)).not.toContain(PAGE)
  })

  test('the log holds no key and no token', () => {
    const log = shop.site.logs.join('\n')
    const tokens = gate.letIn.map(({ headers }) => headers.authorization?.slice('Bearer '.length) ?? '-')
    for (const secret of [gate.keySecret.slice(0, 12), ...tokens]) expect(log).not.toContain(secret)
  })
})

describe('a secret in a header', () => {
  let shop: Shop
  let elsewhere: OriginServer
  let turning: OriginServer
  const keys: (string | undefined)[] = []

  beforeAll(async () => {
    elsewhere = await startOrigin()
    turning = await startOrigin()
    turning.tell({ status: 307, headers: { Location: `${elsewhere.url}/settle` } })
    shop = await open(
      { FACILITATOR_KEY: 'a secret of some length' },
      {
        hook: async ({ headers }, proceed) => {
          keys.push(headers['x-api-key']?.toString())
          return proceed()
        },
        facilitators: (url) => [{ url, auth: { header: 'X-Api-Key', secret: 'FACILITATOR_KEY' } }],
      },
    )
    shop.onClose(elsewhere.stop)
    shop.onClose(turning.stop)
  })
  afterAll(() => shop.close())

  test('goes along as it is', async () => {
    const { result, cost } = await shop.costOf(async () => shop.buy('v2', PAGE, await shop.reader()))
    expect(result.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect(keys).toEqual(['a secret of some length'])
  })

  test('goes nowhere after a redirect, and is in no log and no answer', async () => {
    const auth = { header: 'X-Api-Key', secret: 'FACILITATOR_KEY' }
    await shop.site.restart({ FACILITATORS: [{ url: turning.url, auth }] })
    const reader = await shop.reader()
    const headers = await pay('v2', await shop.challenge(PAGE), reader)
    // What a redirect may have done is not known, and is waited for.
    const client = new AbortController()
    const asking = fetch(`${shop.site.url}${PAGE}`, { headers, signal: client.signal }).catch(() => 'gone')
    await expect.poll(() => turning.seen.map(({ url }) => url)).toContain('/settle')
    await shop.site.turn()
    client.abort()
    expect(await asking).toBe('gone')
    expect(turning.seen.map(({ headers: sent }) => sent['x-api-key'])).toContain('a secret of some length')
    expect(elsewhere.seen).toEqual([])
    expect(shop.site.logs.join('\n')).not.toContain('a secret of some length')
  })
})

describe('where the key is wrong', () => {
  const gate = openGate('EdDSA')
  const broken = 'not a key of anything at all'
  let shop: Shop
  let bad: OriginServer[]

  beforeAll(async () => {
    bad = await Promise.all([1, 2, 3].map(startOrigin))
    shop = await open({}, {})
    for (const { stop } of bad) shop.onClose(stop)
  })
  afterAll(() => shop.close())

  test('a spare sells, once, after four answers that are about us', async () => {
    const [unauthorized, malformed, busy] = bad
    unauthorized?.tell({ status: 401, body: '{"errorType":"unauthorized"}' })
    malformed?.tell({ status: 400, body: '{"errorType":"invalid_request","errorMessage":"too long"}' })
    busy?.tell({ status: 429, headers: { 'Retry-After': '60' } })
    await shop.site.restart({
      CDP_API_KEY_ID: gate.keyId,
      CDP_API_KEY_SECRET: gate.keySecret,
      FACILITATORS: [...bad.map(({ url }) => ({ url, auth: 'cdp' })), shop.stack.facilitator.url],
    })
    const reader = await shop.reader()
    const { result, cost } = await shop.costOf(() => shop.buy('v2', PAGE, reader))
    expect(result.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect(bad.map(({ seen }) => seen.length)).toEqual([1, 1, 1])
    expect(await shop.ledger(reader.address)).toHaveLength(1)
    const events = shop.site.logs.map((line) => JSON.parse(line).event)
    expect(events).toEqual(expect.arrayContaining(['facilitator_key_refused', 'facilitator_request_refused']))
    // They rest: the next buyer does not wait for them.
    await shop.buy('v2', PAGE, await shop.reader())
    expect(bad[0]?.seen.length).toBe(1)
    expect(bad[2]?.seen.length).toBe(1)
  })

  test('a spare sells where the key cannot be read, and nothing is sent in its name', async () => {
    for (const server of bad) server.tell({ status: 401 })
    const [first] = bad
    await shop.site.restart({
      CDP_API_KEY_SECRET: broken,
      FACILITATORS: [{ url: first?.url ?? '', auth: 'cdp' }, shop.stack.facilitator.url],
    })
    const { result, cost } = await shop.costOf(async () => shop.buy('v2', PAGE, await shop.reader()))
    expect(result.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect(first?.seen).toEqual([])
  })

  test.each<[string, Vars, string]>([
    ['cannot be read', { CDP_API_KEY_SECRET: broken }, 'CDP_API_KEY_SECRET'],
    ['is not there', { CDP_API_KEY_SECRET: '' }, 'FACILITATORS[0].auth'],
  ])('alone, and %s: nothing is for sale, free pages go on, and the log says what to do', async (_what, vars, path) => {
    for (const server of bad) server.tell({ status: 401 })
    const [first] = bad
    await shop.site.restart({ FACILITATORS: [{ url: first?.url ?? '', auth: 'cdp' }], ...vars })
    const { result, cost } = await shop.costOf(() => shop.ask(PAGE))
    expect(result.status).toBe(500)
    expect(result.error).toBe('configuration_error')
    expect(result.header('PAYMENT-REQUIRED')).toBeNull()
    expect(cost).toEqual(NOTHING)
    expect((await shop.ask('/articles/free')).text).toBe(CONTENT)
    expect(first?.seen).toEqual([])
    await expect.poll(() => shop.site.logs.join('\n')).toContain(`"path":"${path}"`)
    expect(shop.site.logs.join('\n')).not.toContain(broken)
  })

  test.each([401, 402, 403, 429])(
    'alone, and refused with %i: 503, never 402, and the same payment is good later',
    async (status) => {
      for (const server of bad) server.tell({ status, body: '{}' })
      const [first] = bad
      await shop.site.restart({
        CDP_API_KEY_SECRET: gate.keySecret,
        FACILITATORS: [{ url: first?.url ?? '', auth: 'cdp' }],
      })
      const reader = await shop.reader()
      const headers = await pay('v2', await shop.challenge(PAGE), reader)
      const { cost } = await shop.costOf(async () => {
        const answer = await shop.ask(PAGE, { headers })
        expect(answer.status).toBe(503)
        expect(answer.error).toBe('facilitator_unavailable')
        expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      })
      expect(cost).toEqual(NOTHING)
      await shop.site.restart({ FACILITATORS: [shop.stack.facilitator.url] })
      const { result, cost: later } = await shop.costOf(() => shop.ask(PAGE, { headers }))
      expect(result.text).toBe(CONTENT)
      expect(later).toEqual(ONE_SALE)
    },
  )
})
