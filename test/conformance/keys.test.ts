// Facilitators that ask for a key: what they are sent, and what becomes of a sale where the key is wrong. The gate stands in
// front of the real facilitator, and has no leeway.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { deployContractWallet } from '../../dev/stack/chain.ts'
import type { FacilitatorCall, FacilitatorHook } from '../../dev/stack/facilitator.ts'
import { says } from '../world/behaviour.ts'
import { openGate } from '../world/gate.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { NOTHING, ONE_SALE } from '../world/shop.ts'
import type { Vars } from '../world/site.ts'
import { CELLS, KIND, KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
const ROUTES = [
  { path: '/articles/free', content: 'kv', price: 'free' },
  { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
]

let shop: SolanaShop
let usual: Vars

beforeAll(async () => {
  shop = await openSolanaShop({ ROUTES })
  usual = {
    FACILITATORS: [shop.stack.facilitator.url],
    CDP_API_KEY_ID: '',
    CDP_API_KEY_SECRET: '',
    FACILITATOR_KEY: '',
  }
  for (const path of [PAGE, '/articles/free']) await shop.site.kv.put(path, CONTENT)
})
afterAll(() => shop.close())

/** From here on `hook` stands before the facilitator, and the site says this. */
async function become(vars: Vars, hook?: FacilitatorHook): Promise<void> {
  shop.stack.facilitator.setHook(hook)
  await shop.site.become({ ...usual, ...vars })
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
])('a key of Coinbase, %s, before a gate whose clock is %i s off', (algorithm, off) => {
  const gate = openGate(algorithm, off)

  beforeAll(() =>
    become(
      {
        CDP_API_KEY_ID: gate.keyId,
        CDP_API_KEY_SECRET: gate.keySecret,
        FACILITATORS: [{ url: shop.stack.facilitator.url, auth: 'cdp' }],
      },
      gate.hook,
    ),
  )
  beforeEach(() => void gate.letIn.splice(0))

  test.each(CELLS)('sells in $version on $name', async ({ version, kind }) => {
    const reader = await kind.reader(shop)
    const { result, cost } = await shop.costOf(() => reader.buy(version, PAGE))
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
    expect(gate.letIn.map(({ path }) => path).filter((path) => path !== '/supported')).toEqual(['/verify', '/settle'])
    expect(gate.refused).toEqual([])
  })

  test.each(KINDS)(
    'a call of $name holds the payment alone: not what is bought, nor of the client’s',
    async ({ kind }) => {
      const change = { payment: { extensions: { bazaar: { info: { input: 'mine' } } } } }
      expect((await (await kind.reader(shop)).buy('v2', PAGE, change)).text).toBe(CONTENT)
      const call = gate.letIn.find(({ path }) => path === '/settle')
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
      expect(JSON.stringify(call?.body)).toContain(kind.network)
      expect(JSON.stringify(call?.body)).not.toContain(PAGE)
    },
  )

  test('the log holds no key and no token', () => {
    const log = shop.site.logs.join('\n')
    const tokens = gate.letIn.map(({ headers }) => headers.authorization?.slice('Bearer '.length) ?? '-')
    for (const secret of [gate.keySecret.slice(0, 12), ...tokens]) expect(log).not.toContain(secret)
  })
})

describe('a secret in a header', () => {
  let elsewhere: OriginServer
  const keys: (string | undefined)[] = []
  const keep = ({ path, headers }: FacilitatorCall) => {
    if (path === '/settle') keys.push(headers['x-api-key']?.toString())
  }
  const auth = { header: 'X-Api-Key', secret: 'FACILITATOR_KEY' }

  beforeAll(async () => {
    elsewhere = await startOrigin()
    shop.onClose(elsewhere.stop)
  })
  beforeEach(async () => {
    keys.length = 0
    const FACILITATORS = [{ url: shop.stack.facilitator.url, auth }]
    await become({ FACILITATOR_KEY: 'a secret of some length', FACILITATORS })
  })

  test.each(KINDS)('goes along as it is on $name', async ({ kind }) => {
    shop.stack.facilitator.setHook(async (call, proceed) => {
      keep(call)
      return proceed()
    })
    const reader = await kind.reader(shop)
    const { result, cost } = await shop.costOf(() => reader.buy('v2', PAGE))
    expect(result.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
    expect(keys).toEqual(['a secret of some length'])
  })

  test.each(KINDS)('goes nowhere after a redirect on $name, and is in no log and no answer', async ({ kind }) => {
    shop.stack.facilitator.setHook(async (call, proceed) => {
      keep(call)
      return call.path === '/settle' ? says('', 307, { location: `${elsewhere.url}/settle` })() : proceed()
    })
    const headers = await (await kind.reader(shop)).pay('v2', PAGE)
    // What a redirect may have done is not known, and is waited for.
    const client = new AbortController()
    const asking = fetch(`${shop.site.url}${PAGE}`, { headers, signal: client.signal }).catch(() => 'gone')
    await expect.poll(() => keys).toContain('a secret of some length')
    await shop.site.turn()
    client.abort()
    expect(await asking).toBe('gone')
    expect(elsewhere.seen).toEqual([])
    expect(shop.site.logs.join('\n')).not.toContain('a secret of some length')
  })
})

describe('where the key is wrong', () => {
  const gate = openGate('EdDSA')
  const broken = 'not a key of anything at all'
  let bad: OriginServer[]

  beforeAll(async () => {
    bad = await Promise.all([1, 2, 3].map(startOrigin))
    for (const { stop } of bad) shop.onClose(stop)
  })
  beforeEach(() => shop.stack.facilitator.setHook(undefined))

  // On Solana a payment names its facilitator: no other can send it (`solana-facilitators.test.ts`).
  test('a spare sells, once, after four answers that are about us', async () => {
    const [unauthorized, malformed, busy] = bad
    unauthorized?.tell({ status: 401, body: '{"errorType":"unauthorized"}' })
    malformed?.tell({ status: 400, body: '{"errorType":"invalid_request","errorMessage":"too long"}' })
    busy?.tell({ status: 429, headers: { 'Retry-After': '60' } })
    await become({
      CDP_API_KEY_ID: gate.keyId,
      CDP_API_KEY_SECRET: gate.keySecret,
      FACILITATORS: [...bad.map(({ url }) => ({ url, auth: 'cdp' })), shop.stack.facilitator.url],
    })
    const reader = await KIND.eip155.reader(shop)
    const { result, cost } = await shop.costOf(() => reader.buy('v2', PAGE))
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

  test.each(KINDS)(
    'a spare sells on $name where the key cannot be read, and nothing is sent in its name',
    async ({ kind }) => {
      for (const server of bad) server.tell({ status: 401 })
      const [first] = bad
      await become({
        CDP_API_KEY_ID: gate.keyId,
        CDP_API_KEY_SECRET: broken,
        FACILITATORS: [{ url: first?.url ?? '', auth: 'cdp' }, shop.stack.facilitator.url],
      })
      const reader = await kind.reader(shop)
      const { result, cost } = await shop.costOf(() => reader.buy('v2', PAGE))
      expect(result.text).toBe(CONTENT)
      expect(cost).toEqual(ONE_SALE)
      expect(first?.seen).toEqual([])
    },
  )

  test.each<[string, Vars, string]>([
    ['cannot be read', { CDP_API_KEY_SECRET: broken }, 'CDP_API_KEY_SECRET'],
    ['is not there', { CDP_API_KEY_SECRET: '' }, 'FACILITATORS[0].auth'],
  ])('alone, and %s: nothing is for sale, free pages go on, and the log says what to do', async (_what, vars, path) => {
    for (const server of bad) server.tell({ status: 401 })
    const [first] = bad
    await become({ CDP_API_KEY_ID: gate.keyId, FACILITATORS: [{ url: first?.url ?? '', auth: 'cdp' }], ...vars })
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
      const vars = {
        CDP_API_KEY_ID: gate.keyId,
        CDP_API_KEY_SECRET: gate.keySecret,
        FACILITATORS: [{ url: shop.stack.facilitator.url, auth: 'cdp' }],
      }
      await become(vars)
      const payments = await Promise.all(
        CELLS.map(async ({ version, kind }) => (await kind.reader(shop)).pay(version, PAGE)),
      )
      // All of them are there before the first is refused: after that nobody is asked for a while.
      const together = Promise.withResolvers<void>()
      let asked = 0
      shop.stack.facilitator.setHook(async ({ path }, proceed) => {
        if (path !== '/settle') return proceed()
        asked += 1
        if (asked === payments.length) together.resolve()
        await together.promise
        return says({}, status)()
      })
      const { result: refused, cost } = await shop.costOf(() =>
        Promise.all(payments.map((headers) => shop.ask(PAGE, { headers }))),
      )
      for (const answer of refused) {
        expect([answer.status, answer.error]).toEqual([503, 'facilitator_unavailable'])
        expect(answer.header('PAYMENT-REQUIRED')).toBeNull()
      }
      expect(asked).toBe(payments.length)
      expect(cost.earned).toBe(0n)
      await become({})
      for (const headers of payments) {
        const { result, cost: later } = await shop.costOf(() => shop.ask(PAGE, { headers }))
        expect(result.text).toBe(CONTENT)
        expect(later).toEqual(ONE_SALE)
      }
    },
  )
})
