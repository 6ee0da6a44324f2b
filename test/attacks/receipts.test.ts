// Reading what somebody else has bought: with their session or none, with a signature made for something else or used before,
// from another site's page, with another wallet's, and with what opens an article.
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { Answer } from '../world/answer.ts'
import { pay } from '../world/payer.ts'
import { NETWORK, openShop, type Shop, SITE } from '../world/shop.ts'
import { type Declaration, type SignInChange, signIn, signInOf } from '../world/sign-in.ts'

const HELLO = '/articles/hello'
const RECEIPTS = '/_newsstand/receipts'
const JSON_ONLY = { Accept: 'application/json' }

let shop: Shop
/** Another shop, of the same publisher, with the same secrets. */
let other: Shop

beforeAll(async () => {
  const ROUTES = [
    { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' },
    { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
  ]
  shop = await openShop({ ROUTES })
  other = await openShop({ ROUTES, SITE_URL: 'https://other.example' }, { stack: shop.stack })
  for (const path of [HELLO, '/articles/other', '/once/hello']) await shop.site.kv.put(path, `all of ${path}`)
})

afterAll(async () => {
  await other.close()
  await shop.close()
})

const listed = z.looseObject({
  purchases: z.array(z.looseObject({ resource: z.string(), receipt: z.string() })),
  extensions: z.optional(z.looseObject({})),
})
const cookieOf = (answer: Answer) => ({ Cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' })
const list = async (headers: Record<string, string> = {}) =>
  listed.parse((await shop.ask(RECEIPTS, { headers: { ...JSON_ONLY, ...headers } })).json)
const resources = async (headers: Record<string, string>) =>
  (await list(headers)).purchases.map(({ resource }) => resource.replace(SITE, ''))

/** What the site offers to sign for receipts. */
async function offered(at = shop): Promise<Declaration> {
  const { json } = await at.ask(RECEIPTS, { headers: JSON_ONLY })
  return signInOf({ v2: { extensions: listed.parse(json).extensions ?? {} } })
}
const post = (headers: Record<string, string>, path = RECEIPTS) =>
  shop.ask(path, { method: 'POST', headers: { ...JSON_ONLY, ...headers } })
const signedIn = async (account: PrivateKeyAccount, change?: SignInChange) =>
  post(await signIn(await offered(), account, change))

/** A reader whose purchases are in the ledger. */
async function buyer(paths: readonly string[] = [HELLO]): Promise<{ account: PrivateKeyAccount; answers: Answer[] }> {
  const account = await shop.reader()
  const answers: Answer[] = []
  for (const path of paths) answers.push(await shop.buy('v2', path, account))
  await expect.poll(() => shop.ledger(account.address)).toHaveLength(paths.length)
  return { account, answers }
}

function expectRefused(answer: Answer, status: number, error: string) {
  expect(answer).toMatchObject({ status, error })
  expect(answer.headers.getSetCookie()).toEqual([])
}

test('a wallet that signs reads all of its receipts and nobody else’s, for fifteen minutes, and opens nothing', async () => {
  const { account } = await buyer([HELLO, '/once/hello'])
  await buyer(['/articles/other'])
  const begun = await signedIn(account)
  expect(begun.status).toBe(303)
  expect(begun.header('Cache-Control')).toBe('private, no-store')
  const [cookie = ''] = begun.headers.getSetCookie()
  expect(cookie).toMatch(/^__Host-newsstand-receipts=[^;]+; Path=\/; Max-Age=900; HttpOnly; SameSite=Strict; Secure$/)
  const session = cookieOf(begun)
  expect((await resources(session)).sort()).toEqual([HELLO, '/once/hello'])
  expect((await shop.ask(HELLO, { headers: session })).status).toBe(402)
  const token = session.Cookie.replace(/^[^=]*=/, '')
  for (const headers of [{ Cookie: `__Host-newsstand=${token}` }, { Authorization: `Bearer ${token}` }]) {
    expect((await shop.ask(HELLO, { headers })).status).toBe(402)
    expect(await resources(headers)).toEqual([])
  }
})

describe('a pass', () => {
  test('shows the purchase it was made of, and no other of the same wallet', async () => {
    const { answers } = await buyer([HELLO, '/once/hello'])
    const pass = cookieOf(answers[0] ?? expect.fail('nothing was bought'))
    expect(await resources(pass)).toEqual([HELLO])
    const single = answers[1]?.receipt?.transaction
    const receipt = await shop.ask(`${RECEIPTS}/${single}`, { headers: { ...JSON_ONLY, ...pass } })
    expect(receipt).toMatchObject({ status: 404, error: 'receipt_not_found' })
  })

  test('is no session under its name', async () => {
    const { answers } = await buyer()
    const token = cookieOf(answers[0] ?? expect.fail('nothing was bought')).Cookie.replace(/^[^=]*=/, '')
    expect(await resources({ Cookie: `__Host-newsstand-receipts=${token}` })).toEqual([])
  })
})

describe('a session', () => {
  test('shows no receipt of another wallet by its transaction', async () => {
    const [mine, theirs] = [await buyer(), await buyer()]
    const session = cookieOf(await signedIn(mine.account))
    const transaction = theirs.answers[0]?.receipt?.transaction
    const there = await shop.ask(`${RECEIPTS}/${transaction}`, { headers: { ...JSON_ONLY, ...session } })
    const nowhere = await shop.ask(`${RECEIPTS}/0x${'00'.repeat(32)}`, { headers: { ...JSON_ONLY, ...session } })
    expect(there).toMatchObject({ status: 404, error: 'receipt_not_found' })
    expect(there.text).toBe(nowhere.text)
  })

  test('that was changed is none', async () => {
    const { account } = await buyer()
    const { Cookie } = cookieOf(await signedIn(account))
    const [body = '', mac = ''] = Cookie.replace(/^[^=]*=/, '').split('.')
    const [, , endsAt] = z
      .tuple([z.string(), z.null(), z.number()])
      .parse(JSON.parse(Buffer.from(body, 'base64url').toString()))
    const victim = (await buyer()).account.address.toLowerCase()
    const forged = Buffer.from(JSON.stringify([victim, null, endsAt])).toString('base64url')
    for (const token of [`${forged}.${mac}`, `${body}.${mac.slice(0, -2)}AA`, `${body}.`, body, '']) {
      expect(await resources({ Cookie: `__Host-newsstand-receipts=${token}` })).toEqual([])
    }
  })

  test('of another site of the publisher is none', async () => {
    const account = await other.reader()
    await other.site.kv.put(HELLO, 'theirs')
    await other.ask(HELLO, { headers: await pay('v2', await other.challenge(HELLO), account) })
    await expect.poll(() => other.ledger(account.address)).toHaveLength(1)
    const headers = { ...JSON_ONLY, ...(await signIn(await offered(other), account)) }
    const begun = await other.ask(RECEIPTS, { method: 'POST', headers })
    expect(begun.status).toBe(303)
    expect(await resources(cookieOf(begun))).toEqual([])
  })

  test('ends with signing out, on this site’s own pages alone', async () => {
    for (const headers of [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
      expectRefused(await post(headers, `${RECEIPTS}/sign-out`), 404, 'not_found')
    }
    const ended = await post({ Origin: SITE, 'Sec-Fetch-Site': 'same-origin' }, `${RECEIPTS}/sign-out`)
    expect(ended.status).toBe(303)
    expect(ended.headers.getSetCookie()).toEqual([
      '__Host-newsstand-receipts=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure',
    ])
  })
})

describe('a sign-in', () => {
  test('is used once', async () => {
    const { account } = await buyer()
    const headers = await signIn(await offered(), account)
    expect((await post(headers)).status).toBe(303)
    expectRefused(await post(headers), 402, 'invalid_siwx_nonce')
  })

  test('used by two at once begins one session', async () => {
    const { account } = await buyer()
    const headers = await signIn(await offered(), account)
    const statuses = (await Promise.all([post(headers), post(headers), post(headers)])).map(({ status }) => status)
    expect(statuses.sort()).toEqual([303, 402, 402])
  })

  test('of a wallet that has bought nothing begins no session, and stores nothing', async () => {
    const headers = await signIn(await offered(), privateKeyToAccount(generatePrivateKey()))
    expectRefused(await post(headers), 402, 'sign_in_nothing_bought')
    // Where it had been stored, the nonce would be used by now.
    expectRefused(await post(headers), 402, 'sign_in_nothing_bought')
  })

  test('for an article reads no receipts, and one for receipts opens no article', async () => {
    const { account } = await buyer()
    const article = await signIn(signInOf(await shop.challenge(HELLO)), account)
    expectRefused(await post(article), 402, 'invalid_siwx_nonce')
    const receipts = await signIn(await offered(), account)
    const opened = await shop.ask(HELLO, { headers: receipts })
    expect(opened.status).toBe(402)
    expect(opened.headers.getSetCookie()).toEqual([])
  })

  test.each<[string, SignInChange, string]>([
    ['of another address of the site', { signed: { uri: `${SITE}${HELLO}` } }, 'invalid_siwx_uri_mismatch'],
    ['for another site', { signed: { domain: 'other.example' } }, 'invalid_siwx_domain_mismatch'],
    ['with a nonce of its own', { signed: { nonce: '0'.repeat(32) } }, 'invalid_siwx_nonce'],
    ['on another network', { signed: { chainId: 'eip155:1' } }, 'invalid_siwx_unsupported_chain'],
  ])('%s is refused', async (_, change, error) => {
    expectRefused(await signedIn((await buyer()).account, change), 402, error)
  })

  test('for another wallet’s address is refused', async () => {
    const { account } = await buyer()
    const address = (await buyer()).account.address
    expectRefused(await signedIn(account, { signed: { address } }), 402, 'invalid_siwx_signature')
  })

  test('from another site’s page is refused, and uses nothing up', async () => {
    const { account } = await buyer()
    const headers = await signIn(await offered(), account)
    for (const from of [{ Origin: 'https://evil.example' }, { Origin: 'null' }, { 'Sec-Fetch-Site': 'same-site' }]) {
      expectRefused(await post({ ...headers, ...from }), 404, 'not_found')
    }
    expect((await post({ ...headers, Origin: SITE })).status).toBe(303)
  })

  test('that is none is refused', async () => {
    expectRefused(await post({}), 400, 'invalid_payload')
    expectRefused(await post({ 'SIGN-IN-WITH-X': 'nonsense' }), 400, 'invalid_payload')
  })

  test('finds the rows of an address in whatever letters it is written', async () => {
    const { account } = await buyer()
    const address: `0x${string}` = `0x${account.address.slice(2).toUpperCase()}`
    const begun = await post(await signIn(await offered(), { address, signMessage: account.signMessage }))
    expect(await resources(cookieOf(begun))).toEqual([HELLO])
  })
})

test('no other site can put the receipts into a frame, and no cache keeps them', async () => {
  const page = await shop.ask(RECEIPTS, { headers: { Accept: 'text/html' } })
  expect(page.header('Content-Security-Policy')).toContain("frame-ancestors 'none'")
  expect(page.header('Content-Security-Policy')).toContain("form-action 'self'")
  expect(page.header('Cache-Control')).toBe('private, no-store, no-transform')
  expect(page.header('Vary')).toContain('Cookie')
  expect(page.header('Access-Control-Allow-Credentials')).toBeNull()
})

describe('a ledger of 10,000 purchases of one wallet', () => {
  const MANY = 10_000
  const account = privateKeyToAccount(generatePrivateKey())
  const payer = account.address.toLowerCase()

  beforeAll(async () => {
    await shop.site.db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MANY})
         INSERT INTO payments (id, site, resource, scheme, network, asset, amount, payer, pay_to, "transaction", offer, access_seconds, settled_at_seconds)
         SELECT 'many-' || i, ?1, '/articles/' || i, 'exact', ?2, '0x036cbd53842c5426634e7929541ec2318f3dcf7e', '50000', ?3, ?4,
                '0x' || printf('%064x', i), '', 86400, 1700000000 + i / 3 FROM n`,
      )
      .bind(SITE, NETWORK, payer, payer)
      .run()
  })
  afterAll(() => shop.site.db.prepare('DELETE FROM payments WHERE payer = ?').bind(payer).run())

  test('opens in under 300 ms, and shows each purchase once, page by page', async () => {
    const session = cookieOf(await signedIn(account))
    const headers = { ...JSON_ONLY, ...session }
    await shop.ask(RECEIPTS, { headers })
    const before = performance.now()
    expect((await shop.ask(RECEIPTS, { headers: { Accept: 'text/html', ...session } })).status).toBe(200)
    expect(performance.now() - before).toBeLessThan(300)
    const seen = new Set<string>()
    const page = z.looseObject({
      purchases: z.array(z.looseObject({ resource: z.string() })),
      next: z.optional(z.string()),
    })
    let next: string | undefined = RECEIPTS
    let pages = 0
    for (; next !== undefined && pages < 5; pages += 1) {
      const found: z.infer<typeof page> = page.parse((await shop.ask(next, { headers })).json)
      expect(found.purchases).toHaveLength(50)
      for (const { resource } of found.purchases) seen.add(resource)
      next = found.next
    }
    expect(seen.size).toBe(250)
  })

  test('ends at its oldest purchase', async () => {
    const session = cookieOf(await signedIn(account))
    const last = `${RECEIPTS}?after=1700000001.0x${(4).toString(16).padStart(64, '0')}`
    const { json } = await shop.ask(last, { headers: { ...JSON_ONLY, ...session } })
    const { purchases } = listed.parse(json)
    expect(purchases.map(({ resource }) => resource)).toEqual([3, 2, 1].map((i) => `${SITE}/articles/${i}`))
    expect(json).not.toHaveProperty('next')
  })
})
