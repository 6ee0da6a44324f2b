// Signing in to what somebody else paid for, or to more than was paid for: the reference extension grants what the
// client's own payment names, takes any nonce, and any number of times (x402.md §7.3, 3).
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { verifyMessage } from 'viem/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type Listening, listening } from '../../dev/stack/ports.ts'
import { type Answer, send, served } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { authorize, headerOf, paying, unpack } from '../world/payer.ts'
import { NETWORK, NOTHING, openShop, PRICE, type Shop, SITE } from '../world/shop.ts'
import { type Declaration, type SignInChange, signIn, signInOf } from '../world/sign-in.ts'
import { stockPayment } from '../world/stock.ts'

const CHEAP = '/articles/cheap'
const EXPENSIVE = '/articles/expensive'
const CHEAP_PRICE = 10_000n
const HIGH_PRICE = 1_000_000n
const SECRETS = 'the expensive article'
/** `isValidSignature(bytes32,bytes)` of ERC-1271. */
const IS_VALID_SIGNATURE = '0x1626ba7e'
const JSON_TYPE = 'application/json'
const OFFERS = [{ name: 'Day pass', price: '$5.00', access: '24h', scope: '/articles/*' }]
/** Twice the `simple.limit` of FAILED_PAYMENTS in wrangler.toml, and some more: a minute may end in between. */
const TRIES = 220
let shop: Shop
/** Another shop, of the same publisher. */
let other: Shop
/** The chain's RPC as the site has it, and how often a wallet was asked there whether a signature is its own. */
let rpc: Listening
let walletsAsked = 0

beforeAll(async () => {
  const ROUTES = [
    { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', offers: OFFERS },
    { path: '/forms/*', content: 'origin', price: '$0.05', access: '24h' },
  ]
  rpc = await listening(
    createServer(async (request, response) => {
      const body = await text(request)
      if (body.includes(IS_VALID_SIGNATURE)) walletsAsked += 1
      const { rpcUrl } = shop.stack.chain
      const reply = await fetch(rpcUrl, { method: 'POST', body, headers: { 'Content-Type': JSON_TYPE } })
      response.writeHead(reply.status, { 'Content-Type': JSON_TYPE }).end(await reply.text())
    }),
  )
  shop = await openShop({ ROUTES, ORIGIN_URL: 'http://127.0.0.1:9', RPC_URLS: { [NETWORK]: rpc.url } })
  other = await openShop(
    {
      ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' }],
      SITE_URL: 'https://other.example',
    },
    { stack: shop.stack },
  )
  await shop.site.kv.put(CHEAP, 'the cheap article', { metadata: { price: '$0.01' } })
  await shop.site.kv.put(EXPENSIVE, SECRETS, { metadata: { price: '$1.00' } })
  await other.site.kv.put(CHEAP, 'the cheap article', { metadata: { price: '$0.01' } })
})

afterAll(async () => {
  await other.close()
  await shop.close()
  await rpc.stop()
})

const declared = async (path: string, at = shop): Promise<Declaration> => signInOf(await at.challenge(path))

/** Signs the challenge of one address. */
const signedAt = async (path: string, account: PrivateKeyAccount, change?: SignInChange) =>
  signIn(await declared(path), account, change)

/** Pays for the cheap article. */
const payCheaply = async (account: PrivateKeyAccount): Promise<Answer> =>
  shop.ask(CHEAP, paying(headerOf(await authorize(account, { value: CHEAP_PRICE }))))

function expectRefused(answer: Answer, code: string) {
  expect(answer.status).toBe(402)
  expect(answer.text).toContain(`"error":"${code}"`)
  expect(served([answer], 'the cheap article') + served([answer], SECRETS)).toBe(0)
  expect(answer.header('Set-Cookie')).toBeNull()
}

describe('against a shop that records what its clients say they bought', () => {
  const proof = z.looseObject({ address: z.templateLiteral(['0x', z.string()]), nonce: z.string() })

  /** Ten lines: any signed message of an address whose payment named this path opens it. */
  async function openNaively(): Promise<string> {
    const owned = new Set<string>()
    return openNaive(
      shop,
      async ({ path, payment, settle, request: { headers } }) => {
        const header = headers['sign-in-with-x']
        if (typeof header === 'string') {
          const { address } = proof.parse(JSON.parse(Buffer.from(header, 'base64').toString()))
          return owned.has(address + path) ? `content of ${path}` : null
        }
        if (!payment || !(await settle(payment))) return null
        const { resource, payload } = unpack(payment)
        owned.add(payload.authorization.from + new URL(z.object({ url: z.string() }).parse(resource).url).pathname)
        return `content of ${path}`
      },
      (path) => (path === CHEAP ? CHEAP_PRICE : HIGH_PRICE),
    )
  }

  test('the price of the cheap article buys the expensive one, with one signature as often as it is sent', async () => {
    const naive = await openNaively()
    const account = await shop.reader(CHEAP_PRICE)
    const signed = await authorize(account, { value: CHEAP_PRICE })
    const header = await signIn(
      {
        info: { domain: 'x', uri: naive, version: '1', nonce: '0'.repeat(32), issuedAt: new Date().toISOString() },
        supportedChains: [{ chainId: NETWORK, type: 'eip191' }],
        schema: {},
      },
      account,
    )
    const { result: answers, cost } = await shop.costOf(async () => {
      await send(naive + CHEAP, paying(headerOf(signed, { payment: { resource: { url: naive + EXPENSIVE } } })))
      return Promise.all(Array.from({ length: 10 }, () => send(naive + EXPENSIVE, { headers: header })))
    })
    expect(served(answers, `content of ${EXPENSIVE}`)).toBe(10)
    expect(cost.earned).toBe(CHEAP_PRICE)
  })

  test('where any domain will do, a signature given to one site opens another', async () => {
    const account = await shop.reader(0n)
    const naive = await openNaive(shop, async ({ request: { headers } }) => {
      const header = headers['sign-in-with-x']
      if (typeof header !== 'string') return null
      const sent = z
        .looseObject({ message: z.string(), signature: z.templateLiteral(['0x', z.string()]) })
        .parse(JSON.parse(Buffer.from(header, 'base64').toString()))
      const isGood = await verifyMessage({ address: account.address, message: sent.message, signature: sent.signature })
      return isGood ? 'what the account has bought' : null
    })
    const message = 'evil.example wants you to sign in with your Ethereum account'
    const signature = await account.signMessage({ message })
    const header = Buffer.from(JSON.stringify({ message, signature })).toString('base64')
    expect((await send(naive, { headers: { 'SIGN-IN-WITH-X': header } })).text).toBe('what the account has bought')
  })
})

describe('here', () => {
  test('paying for the cheap article in the name of the expensive one buys neither of them', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    const signed = await authorize(account, { value: CHEAP_PRICE })
    const named = headerOf(signed, { payment: { resource: { url: SITE + EXPENSIVE } } })
    const { result, cost } = await shop.costOf(async () => [
      await shop.ask(CHEAP, paying(named)),
      await shop.ask(EXPENSIVE, paying(named)),
    ])
    for (const answer of result) expectRefused(answer, 'invalid_payment_requirements')
    expect(cost).toEqual(NOTHING)
    const headers = await signedAt(EXPENSIVE, account)
    expectRefused(await shop.ask(EXPENSIVE, { headers }), 'sign_in_nothing_bought')
  })

  test('who has bought the cheap article signs in to the cheap one only', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    expect((await payCheaply(account)).text).toBe('the cheap article')
    const { result: answers, cost } = await shop.costOf(async () => [
      await shop.ask(EXPENSIVE, { headers: await signedAt(EXPENSIVE, account) }),
      await shop.ask(EXPENSIVE, { headers: await signedAt(CHEAP, account) }),
    ])
    for (const answer of answers) expectRefused(answer, 'sign_in_nothing_bought')
    expect(cost).toEqual(NOTHING)
    const back = await shop.ask(CHEAP, { headers: await signedAt(CHEAP, account) })
    expect(back.text).toBe('the cheap article')
    expect((await shop.ask(EXPENSIVE, { headers: { Cookie: back.pass } })).status).toBe(402)
  })

  test('addresses that a sign-in names, in its uri or its resources, grant nothing', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const named = { signed: { uri: SITE + EXPENSIVE } }
    expectRefused(
      await shop.ask(EXPENSIVE, { headers: await signedAt(CHEAP, account, named) }),
      'sign_in_nothing_bought',
    )
    const listed = { sent: { resources: [SITE + EXPENSIVE, `${SITE}/articles/*`] } }
    expectRefused(
      await shop.ask(EXPENSIVE, { headers: await signedAt(CHEAP, account, listed) }),
      'invalid_siwx_signature',
    )
    expect((await shop.ask(CHEAP, { headers: await signedAt(CHEAP, account, named) })).text).toBe('the cheap article')
  })

  test('what was bought for reading does not post', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const answer = await shop.ask('/forms/order', {
      headers: await signedAt(CHEAP, account),
      method: 'POST',
      body: 'x',
    })
    expectRefused(answer, 'sign_in_nothing_bought')
  })

  test('one signature opens once, however often and wherever it is sent', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const header = await signedAt(CHEAP, account)
    expect((await shop.ask(CHEAP, { headers: header })).text).toBe('the cheap article')
    for (const path of [CHEAP, EXPENSIVE, `${CHEAP}?utm_source=x`]) {
      expectRefused(await shop.ask(path, { headers: header }), 'invalid_siwx_nonce')
    }
  })

  test('one nonce, signed anew with other words, opens once', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const challenge = await declared(CHEAP)
    expect((await shop.ask(CHEAP, { headers: await signIn(challenge, account) })).status).toBe(200)
    const again = await signIn(challenge, account, { signed: { uri: `${SITE}/` } })
    expectRefused(await shop.ask(CHEAP, { headers: again }), 'invalid_siwx_nonce')
  })

  test('many at once with one nonce: one of them is let in', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const header = await signedAt(CHEAP, account)
    const answers = await Promise.all(Array.from({ length: 20 }, () => shop.ask(CHEAP, { headers: header })))
    expect(served(answers, 'the cheap article')).toBe(1)
    expect(answers.filter(({ headers }) => headers.has('Set-Cookie'))).toHaveLength(1)
    expect(answers.filter(({ text }) => text.includes('"error":"invalid_siwx_nonce"'))).toHaveLength(19)
  })

  test('a sign-in that was sent to the wrong page is used up as well', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const header = await signedAt(CHEAP, account)
    expectRefused(await shop.ask(EXPENSIVE, { headers: header }), 'sign_in_nothing_bought')
    expectRefused(await shop.ask(CHEAP, { headers: header }), 'invalid_siwx_nonce')
  })

  test('nonces that were not made here, or not now, are worth nothing', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const elsewhere = (await declared(CHEAP, other)).info.nonce
    const { nonce } = (await declared(CHEAP)).info
    const later = (Number.parseInt(nonce.slice(0, 8), 16) + 600).toString(16) + nonce.slice(8)
    for (const made of [elsewhere, later, '0'.repeat(32), 'f'.repeat(32), 'nonce123', nonce.toUpperCase()]) {
      const header = await signedAt(CHEAP, account, { signed: { nonce: made } })
      expectRefused(await shop.ask(CHEAP, { headers: header }), 'invalid_siwx_nonce')
    }
  })

  test('a sign-in at another site opens nothing here, whatever is changed in it', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const theirs = await declared(CHEAP, other)
    expectRefused(await shop.ask(CHEAP, { headers: await signIn(theirs, account) }), 'invalid_siwx_domain_mismatch')
    const { nonce } = (await declared(CHEAP)).info
    const relayed = await signIn({ ...theirs, info: { ...theirs.info, nonce } }, account)
    expectRefused(await shop.ask(CHEAP, { headers: relayed }), 'invalid_siwx_domain_mismatch')
    const sent = { domain: 'news.example', uri: SITE + CHEAP }
    const renamed = await signIn({ ...theirs, info: { ...theirs.info, nonce } }, account, { sent })
    expectRefused(await shop.ask(CHEAP, { headers: renamed }), 'invalid_siwx_signature')
  })

  test('what was bought at another site of the same payee opens nothing here', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    const payment = await stockPayment(await other.ask(CHEAP), account)
    expect((await other.ask(CHEAP, paying(payment))).status).toBe(200)
    expectRefused(await shop.ask(CHEAP, { headers: await signedAt(CHEAP, account) }), 'sign_in_nothing_bought')
  })

  test('the Host a client sends does not choose the site', async () => {
    const account = await shop.reader(CHEAP_PRICE)
    await payCheaply(account)
    const header = await signedAt(CHEAP, account, { signed: { domain: 'evil.example', uri: 'https://evil.example/' } })
    const answer = await shop.ask(CHEAP, { headers: { ...header, 'X-Forwarded-Host': 'evil.example' } })
    expectRefused(answer, 'invalid_siwx_domain_mismatch')
  })

  test('nobody signs in as somebody else, and an address that is watched gives nothing away', async () => {
    const [owner, thief, stranger] = [await shop.reader(CHEAP_PRICE), await shop.reader(0n), await shop.reader(0n)]
    await payCheaply(owner)
    for (const victim of [owner, stranger]) {
      for (const change of [{ sent: { address: victim.address } }, { signed: { address: victim.address } }]) {
        const answer = await shop.ask(CHEAP, { headers: await signedAt(CHEAP, thief, change) })
        expectRefused(answer, 'invalid_siwx_signature')
      }
    }
    // The owner's own nonce is still good.
    expect((await shop.ask(CHEAP, { headers: await signedAt(CHEAP, owner) })).text).toBe('the cheap article')
  })

  test('a stranger with any number of keys learns and opens nothing', async () => {
    const { result: answers, cost } = await shop.costOf(async () => {
      const got: Answer[] = []
      for (let i = 0; i < 10; i += 1) {
        got.push(await shop.ask(CHEAP, { headers: await signedAt(CHEAP, await shop.reader(0n)) }))
      }
      return got
    })
    for (const answer of answers) expectRefused(answer, 'sign_in_nothing_bought')
    expect(cost).toEqual(NOTHING)
  })

  test('junk makes the chain be asked only under an address that owns something here', async () => {
    const [owner, stranger, thief] = [await shop.reader(CHEAP_PRICE), await shop.reader(0n), await shop.reader(0n)]
    await payCheaply(owner)
    const askedFor = async (address: string): Promise<number> => {
      const before = walletsAsked
      const answer = await shop.ask(CHEAP, { headers: await signedAt(CHEAP, thief, { signed: { address } }) })
      expectRefused(answer, 'invalid_siwx_signature')
      return walletsAsked - before
    }
    expect(await askedFor(stranger.address)).toBe(0)
    expect(await askedFor(owner.address)).toBe(1)
  })

  describe('an address that signs in in vain, over and over', () => {
    const from = (address: string) => ({ 'CF-Connecting-IP': address })

    /** `TRIES` sign-ins with one challenge, each by a new key, ten at a time: how often which answer came. */
    async function flood(address: string, change: SignInChange): Promise<Record<string, number>> {
      const challenge = await declared(CHEAP)
      const askOnce = async () =>
        shop.ask(CHEAP, {
          headers: {
            ...(await signIn(challenge, privateKeyToAccount(generatePrivateKey()), change)),
            ...from(address),
          },
        })
      const times: Record<string, number> = {}
      for (let i = 0; i < TRIES; i += 10) {
        for (const answer of await Promise.all(Array.from({ length: 10 }, askOnce))) {
          expect(answer.header('Set-Cookie')).toBeNull()
          const { error } = z.object({ error: z.string() }).parse(JSON.parse(answer.text))
          times[error] = (times[error] ?? 0) + 1
        }
      }
      return times
    }

    test('with made-up keys: is soon told to wait, and nobody else is', async () => {
      const { too_many_requests: told = 0, sign_in_nothing_bought: refused = 0 } = await flood('203.0.113.21', {})
      expect(told).toBeGreaterThan(0)
      expect(told + refused).toBe(TRIES)
      const reader = await shop.reader(CHEAP_PRICE)
      await payCheaply(reader)
      const header = await signedAt(CHEAP, reader)
      expect((await shop.ask(CHEAP, { headers: { ...header, ...from('203.0.113.21') } })).status).toBe(429)
      expect((await shop.ask(CHEAP, { headers: { ...header, ...from('203.0.113.22') } })).text).toBe(
        'the cheap article',
      )
    })

    test('with junk under an address that owns something: is soon told to wait, and the chain is left alone', async () => {
      const owner = await shop.reader(CHEAP_PRICE)
      await payCheaply(owner)
      const before = walletsAsked
      const change = { signed: { address: owner.address } }
      const { too_many_requests: told = 0, invalid_siwx_signature: refused = 0 } = await flood('203.0.113.23', change)
      expect(told).toBeGreaterThan(0)
      expect(told + refused).toBe(TRIES)
      expect(walletsAsked - before).toBe(refused)
    })

    test('with what nobody had to look up: is not told to wait', async () => {
      const change = { signed: { nonce: '0'.repeat(32) } }
      expect(await flood('203.0.113.24', change)).toEqual({ invalid_siwx_nonce: TRIES })
    })
  })

  test('a payment that failed bought nothing', async () => {
    const account = await shop.reader(CHEAP_PRICE - 1n)
    expect((await payCheaply(account)).status).toBe(402)
    expectRefused(await shop.ask(CHEAP, { headers: await signedAt(CHEAP, account) }), 'sign_in_nothing_bought')
  })

  test('the day pass is got by who paid for it, and by nobody who paid for an article', async () => {
    const [subscriber, reader] = [await shop.reader(5_000_000n), await shop.reader(PRICE)]
    await shop.ask(CHEAP, paying(headerOf(await authorize(subscriber, { value: 5_000_000n }))))
    await payCheaply(reader)
    expect((await shop.ask(EXPENSIVE, { headers: await signedAt(EXPENSIVE, subscriber) })).text).toBe(SECRETS)
    expectRefused(await shop.ask(EXPENSIVE, { headers: await signedAt(EXPENSIVE, reader) }), 'sign_in_nothing_bought')
  })
})
