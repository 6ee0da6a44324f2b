// What the page asks of the site before a payment on Solana: for the site's own pages, about what it sells for, and never more
// than a few questions to the chain.
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_EURC, SOLANA_NETWORK, SOLANA_USDC } from '../../dev/stack/solana.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { ELSEWHERE } from '../../src/browser/elsewhere.gen.ts'
import { SOLANA } from '../../src/browser/solana.gen.ts'
import { LOOK } from '../../src/checkout.ts'
import { RPC_FAULTS, type Rpc, startRpc } from '../world/rpc.ts'
import { NETWORK, openShop, type Shop } from '../world/shop.ts'
import { solanaReader } from '../world/solana-payer.ts'
import { type SolanaStack, startSolanaStack } from '../world/stack.ts'

const PAY_TO = { eip155: wallets.publisher.address, solana: solanaWallets.publisher.address }
let stack: SolanaStack
let rpc: Rpc
let shop: Shop

const onBoth = () => ({
  NETWORKS: [NETWORK, SOLANA_NETWORK],
  PAY_TO,
  RPC_URLS: { [NETWORK]: stack.chain.rpcUrl, [SOLANA_NETWORK]: rpc.url },
})

beforeAll(async () => {
  stack = await startSolanaStack()
  rpc = await startRpc(stack.solana.rpcUrl)
  shop = await openShop(onBoth(), { stack })
  await stack.solana.fund(solanaWallets.publisher.address, 0n)
})
afterAll(async () => {
  await shop.close()
  await rpc.stop()
  await stack.stop()
})

/** The policy of a page that was asked for by this host. */
function raw(port: number, path: string, host: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const headers = { Host: host, Accept: 'text/html', 'Sec-Fetch-Dest': 'document' }
  request({ port, host: '127.0.0.1', path, headers }, (response) => {
    response.resume()
    resolve([response.headers['content-security-policy']].flat().join(', '))
  })
    .on('error', reject)
    .end()
  return promise
}

type Query = Partial<Record<'network' | 'asset' | 'payer', string>>
const honest = { network: SOLANA_NETWORK, asset: SOLANA_USDC, payer: solanaWallets.alice.address }
const ask = (change: Query = {}, headers: Record<string, string> = {}, at = shop) =>
  at.ask(`${LOOK}?${new URLSearchParams({ ...honest, ...change })}`, { headers })
const asked = () => Object.values(stack.solana.calls).reduce((sum, count) => sum + count, 0)

describe('what a transfer needs to name', () => {
  test('blockhash, both accounts and the balance, for this reader alone', async () => {
    const reader = await solanaReader(stack.solana, 1_234_567n)
    const answer = await ask({ payer: reader.address }, { 'Sec-Fetch-Site': 'same-origin' })
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual({
      blockhash: expect.stringMatching(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/),
      source: await stack.solana.tokenAccount(reader.address),
      destination: await stack.solana.tokenAccount(solanaWallets.publisher.address),
      balance: '1234567',
      decimals: 6,
    })
    expect(answer.header('Cache-Control')).toBe('private, no-store')
  })

  test('a wallet that never had the token holds nothing', async () => {
    const reader = await solanaReader(stack.solana, 0n)
    expect((await ask({ payer: reader.address })).json).toMatchObject({ balance: '0' })
  })

  test('where nobody can be paid yet, nobody is asked to sign', async () => {
    const PAY_TO_NOBODY = { ...PAY_TO, solana: solanaWallets.bob.address }
    const other = await openShop({ ...onBoth(), PAY_TO: PAY_TO_NOBODY }, { stack })
    expect(await ask({}, {}, other)).toMatchObject({ status: 503, error: 'unavailable' })
    await other.close()
  })
})

describe('the chain is not asked', () => {
  test.each<[string, Query, Record<string, string>]>([
    ['another network', { network: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' }, {}],
    ['a network of another kind', { network: NETWORK }, {}],
    ['another token', { asset: SOLANA_EURC }, {}],
    ['no token', { asset: '' }, {}],
    ['no address', { payer: 'alice' }, {}],
    ['an address of another kind', { payer: wallets.payer.address }, {}],
    ['an address too long to read', { payer: '1'.repeat(2_000) }, {}],
    ['a page of another site', {}, { 'Sec-Fetch-Site': 'cross-site' }],
    ['an address that somebody opens', {}, { 'Sec-Fetch-Site': 'none' }],
  ])('about %s', async (_, change, headers) => {
    const before = asked()
    const answer = await ask(change, headers)
    expect(answer).toMatchObject({ status: 404, error: 'not_found' })
    expect(answer.text).not.toContain(solanaWallets.publisher.address)
    expect(asked()).toBe(before)
  })

  test('where Solana is not sold on, or nothing is', async () => {
    const before = asked()
    const other = await openShop({}, { stack })
    expect((await ask({}, {}, other)).status).toBe(404)
    await other.close()
    await shop.site.become({ PAUSED: true })
    expect((await ask()).status).toBe(503)
    await shop.site.become({ PAUSED: false })
    expect(asked()).toBe(before)
  })

  test('by one client without end: 429, and others go on', async () => {
    const from = (address: string) => ask({}, { 'CF-Connecting-IP': address })
    const statuses: number[] = []
    // Twice the limit of a minute, and some more: it may end in between.
    while (statuses.length < 220 && !statuses.includes(429)) statuses.push((await from('203.0.113.9')).status)
    expect(new Set(statuses)).toEqual(new Set([200, 429]))
    const before = asked()
    const answer = await from('203.0.113.9')
    expect(answer.error).toBe('too_many_requests')
    expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0)
    expect(asked()).toBe(before)
    expect((await from('203.0.113.10')).status).toBe(200)
    // What is asked is no failure: the same client may pay.
    const tried = { 'CF-Connecting-IP': '203.0.113.9', 'PAYMENT-SIGNATURE': 'nothing' }
    await shop.site.kv.put('/articles/hello', 'the article')
    expect((await shop.ask('/articles/hello', { headers: tried })).status).toBe(400)
  })
})

describe('a chain that does not answer', () => {
  const faults = RPC_FAULTS.slice(0, RPC_FAULTS.indexOf('breaks off at a batch'))
  test.each(faults.filter((fault) => fault !== 'is slow'))(
    '%s: 503 within seconds, in words of ours',
    async (fault) => {
      await rpc.set(fault)
      const startedAt = performance.now()
      const answer = await ask()
      await rpc.set(null)
      expect(answer).toMatchObject({ status: 503, error: 'unavailable' })
      expect(answer.header('Cache-Control')).toBe('private, no-store')
      expect(Object.keys(z.record(z.string(), z.string()).parse(answer.json))).toEqual(['error', 'message'])
      expect(answer.text).not.toContain(new URL(rpc.url).host)
      expect(performance.now() - startedAt).toBeLessThan(9_000)
    },
  )

  test('one that takes no batch is asked one by one', async () => {
    const unused = await openShop(onBoth(), { stack })
    await rpc.set('breaks off at a batch')
    const answer = await ask({}, {}, unused)
    await rpc.set(null)
    await unused.close()
    expect(answer.status).toBe(200)
  })

  test('one of another chain says nothing', async () => {
    const { chain } = stack
    const RPC_URLS = { [NETWORK]: chain.rpcUrl, [SOLANA_NETWORK]: chain.rpcUrl }
    const other = await openShop({ ...onBoth(), RPC_URLS }, { stack })
    expect((await ask({}, {}, other)).status).toBe(503)
    await other.close()
  })
})

test.each([
  ['Solana', SOLANA],
  ['wallets that are elsewhere', ELSEWHERE],
])('the part of the checkout for %s is kept for good, at an address that changes with it', async (_, part) => {
  const answer = await shop.ask(part.path)
  expect(answer.status).toBe(200)
  expect(answer.text).toBe(part.text)
  expect(answer.header('Content-Type')).toBe('text/javascript; charset=utf-8')
  expect(answer.header('Cache-Control')).toBe('public, max-age=31536000, immutable')
  expect(answer.header('X-Content-Type-Options')).toBe('nosniff')
  expect((await shop.ask(part.path.replace(/-\w/, '-x'))).status).toBe(404)
})

describe('the part of the checkout for Solana', () => {
  const asPage = { Accept: 'text/html', 'Sec-Fetch-Dest': 'document' }
  const scriptsOf = (policy: string | null) => /script-src ([^;]*)/.exec(policy ?? '')?.[1]?.split(' ')

  test('is let into a page by its exact address: that of the site, and that of the host that was asked', async () => {
    await shop.site.kv.put('/articles/page', '<p>the article</p>', { metadata: { contentType: 'text/html' } })
    const { text, ...answer } = await shop.ask('/articles/page', { headers: asPage })
    expect(scriptsOf(answer.headers.get('Content-Security-Policy'))).toEqual([
      expect.stringMatching(/^'sha256-/),
      `https://news.example${ELSEWHERE.path}`,
      `https://news.example${SOLANA.path}`,
      `${shop.site.url}${ELSEWHERE.path}`,
      `${shop.site.url}${SOLANA.path}`,
    ])
    expect(text).toContain(SOLANA.path)
    // It is not in the page, nor is the address of any RPC for it.
    expect(text).not.toContain('ComputeBudget')
    expect(text).not.toContain(new URL(rpc.url).host)
    expect(text).not.toContain('api.devnet.solana.com')
  })

  test('a host that could write into the policy is left out', async () => {
    const response = await raw(shop.site.port, '/articles/page', "a'b;script-src*,c")
    expect(scriptsOf(response)).toEqual([
      expect.stringMatching(/^'sha256-/),
      `https://news.example${ELSEWHERE.path}`,
      `https://news.example${SOLANA.path}`,
    ])
  })

  test('is not spoken of where Solana is not sold on', async () => {
    const other = await openShop({}, { stack })
    await other.site.kv.put('/articles/page', '<p>the article</p>', { metadata: { contentType: 'text/html' } })
    const { text, ...answer } = await other.ask('/articles/page', { headers: asPage })
    expect(scriptsOf(answer.headers.get('Content-Security-Policy'))).toEqual([
      expect.stringMatching(/^'sha256-/),
      `https://news.example${ELSEWHERE.path}`,
      `${other.site.url}${ELSEWHERE.path}`,
    ])
    expect(text).not.toContain(SOLANA.path)
    await other.close()
  })
})
