// How long our headers grow: servers on the way give up at 8 KiB for all of an answer, browsers at 4,096 bytes for a cookie.
import { generateKeyPairSync } from 'node:crypto'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { issuePass } from '../../src/pass.ts'
import { deriveKey, type KeyPurpose } from '../../src/token.ts'
import { type Answer, decodeHeader, send } from '../world/answer.ts'
import { challengesIn } from '../world/mpp.ts'
import { type Network, startFacilitatorFor, startNetwork } from '../world/networks.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { PRICE, SITE } from '../world/shop.ts'
import { BASE_VARS, type Site, startSite, type Vars } from '../world/site.ts'
import { CELLS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

/** The longest address that is sold. */
const LONGEST = `/pages/${'p'.repeat(505)}?q=${'q'.repeat(1021)}`
const NETWORKS = ['eip155:8453', 'eip155:137', 'eip155:42161', 'eip155:43114']
let base: Network
let facilitator: Awaited<ReturnType<typeof startFacilitatorFor>>
let origin: OriginServer
let site: Site
/** On test networks of both kinds: those of real money cannot stand beside them. */
let shop: SolanaShop
/** A cookie that has no room for another grant: of the site that takes real money, and of the other. */
const fullCookies = { real: '', test: '' }

/** One price. */
const PLAIN = {
  path: '/pages/*',
  price: '$0.05',
  access: '24h',
  description: 'd'.repeat(500),
  mimeType: 'text/html; charset=utf-8',
}
/** And a second one, wordy. */
const ROUTE = {
  ...PLAIN,
  offers: [{ name: 'Day pass over the archive of pages', price: '$0.50', access: '24h', scope: '/pages/*' }],
}
const { x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
const vars = {
  RECEIPT_KEY: JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x, d }),
  BRAND: { name: 'The Daily Stand', logo: 'https://images.news.example/logo.svg', accent: '#0b6e4f' },
  ROUTES: [ROUTE],
}

beforeAll(async () => {
  base = await startNetwork('eip155:8453')
  facilitator = await startFacilitatorFor([base])
  origin = await startOrigin()
  site = await startSite({
    ...vars,
    ORIGIN_URL: origin.url,
    PAY_TO: privateKeyToAccount(generatePrivateKey()).address,
    NETWORKS,
    FACILITATORS: [facilitator.facilitator.url],
    RPC_URLS: { 'eip155:8453': base.chain.rpcUrl },
  })
  shop = await openSolanaShop({ ...vars, ORIGIN_URL: origin.url })
  const now = Math.floor(Date.now() / 1000)
  const grants = Array.from({ length: 200 }, (_, i) => ({
    scope: `=/elsewhere/${i}`,
    method: 'GET',
    endsAtSeconds: now + 86_400,
    payer: base.asset.asset,
  }))
  const cookieBy = async (purpose: KeyPurpose) =>
    `__Host-newsstand=${await issuePass(grants, SITE, await deriveKey(BASE_VARS.PASS_SECRET, purpose), now)}`
  fullCookies.real = await cookieBy('pass')
  fullCookies.test = await cookieBy('pass for test money')
})

afterAll(async () => {
  await shop.close()
  await site.stop()
  await facilitator.stop()
  await origin.stop()
  await base.chain.stop()
})

type Case = {
  sold: string
  site: () => Pick<Site, 'url'>
  cookie: keyof typeof fullCookies
  offers: number
  /** Somebody new signs what is asked, or a little less. */
  pay(unpaid: Answer, less?: bigint): Promise<Record<string, string>>
}

const CASES: Case[] = [
  ...VERSIONS.map((version) => ({
    sold: `on four networks, in ${version}`,
    site: () => site,
    cookie: 'real' as const,
    offers: 8,
    async pay({ challenge }: Answer, less = 0n) {
      const reader = privateKeyToAccount(generatePrivateKey())
      await base.fund(reader.address, 1_000_000n)
      return pay(version, challenge, reader, { signed: { value: PRICE - less } })
    },
  })),
  ...CELLS.map(({ version, name, kind }) => ({
    sold: `on two kinds of networks, in ${version} on ${name}`,
    site: () => shop.site,
    cookie: 'test' as const,
    offers: 4,
    pay: async (unpaid: Answer, less = 0n) =>
      (await (await kind.reader(shop)).sign(version, unpaid, { less }))(version),
  })),
]

/** As HTTP/1.1 has them: a colon, a space and a line's end for each. */
const sizeOf = ({ headers }: Answer) =>
  [...headers].reduce((size, [name, value]) => size + name.length + value.length + 4, 0)

function expectShort(answer: Answer): void {
  expect(sizeOf(answer)).toBeLessThan(8192)
  for (const cookie of answer.headers.getSetCookie()) expect(cookie.length).toBeLessThan(4096)
}

describe('an unpaid answer with a challenge of MPP', () => {
  const unpaidBytes = async (change: Vars, Accept: string) => {
    await site.restart({ ...vars, ...change })
    const answer = await send(site.url + LONGEST, { headers: { Accept } })
    return { bytes: sizeOf(answer), challenges: challengesIn(answer).length }
  }

  test.each(['application/json', 'text/html'])('as %s', async (accept) => {
    const onOne = { NETWORKS: NETWORKS.slice(0, 1), ROUTES: [PLAIN] }
    const one = await unpaidBytes(onOne, accept)
    expect(one.bytes).toBeLessThan(4096)
    expect(one.challenges).toBe(1)
    const two = await unpaidBytes({ ...onOne, ROUTES: [ROUTE] }, accept)
    expect(two.bytes).toBeLessThan(6144)
    expect(two.challenges).toBe(2)
    const four = await unpaidBytes({ NETWORKS, ROUTES: [PLAIN] }, accept)
    expect(four.bytes).toBeLessThan(6144)
    expect(four.challenges).toBeGreaterThan(0)
    // As many as there can be: they alone take more, and MPP has its first.
    const eight = await unpaidBytes({ NETWORKS, ROUTES: [ROUTE] }, accept)
    expect(eight.bytes).toBeLessThan(8192)
    expect(eight.challenges).toBe(1)
  })
})

const pass = z.object({
  extensions: z.object({ 'newsstand-pass': z.object({ info: z.object({ token: z.string() }) }) }),
})
const all = z.object({ accepts: z.array(z.unknown()) })
const offersIn = (answer: Answer) => all.parse(decodeHeader(answer.header('PAYMENT-REQUIRED') ?? '')).accepts

describe.each(CASES)('at the longest address, with all that can be configured, $sold', (each) => {
  const ask = (headers: Record<string, string> = {}) => send(each.site().url + LONGEST, { headers })
  const expectOpen = async (headers: Record<string, string>) => expect((await ask(headers)).text).toBe('the page')

  test.each(['application/json', 'text/html'])('the challenge as %s, which refuses a payment', async (Accept) => {
    const unpaid = await ask()
    expect(offersIn(unpaid)).toHaveLength(each.offers)
    const answer = await ask({ ...(await each.pay(unpaid, 1n)), Accept, Cookie: fullCookies[each.cookie] })
    expect(answer.status).toBe(402)
    expect(offersIn(answer)).toHaveLength(each.offers)
    expect(answer.receipt?.success).toBe(false)
    expectShort(answer)
  })

  test('a purchase has its cookie, and the oldest grants drop out of it', async () => {
    const answer = await ask({ ...(await each.pay(await ask())), Cookie: fullCookies[each.cookie] })
    expect(answer.receipt).toHaveProperty('extensions.offer-receipt')
    expectShort(answer)
    await expectOpen({ Cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' })
  })

  test('a purchase by a script of another origin has its token', async () => {
    const payment = await each.pay(await ask())
    const answer = await ask({ ...payment, Cookie: fullCookies[each.cookie], Origin: 'https://partner.example' })
    expect(answer.receipt).toHaveProperty('extensions.offer-receipt')
    expectShort(answer)
    await expectOpen({ Authorization: `Bearer ${pass.parse(answer.receipt).extensions['newsstand-pass'].info.token}` })
  })
})
