// What doctor says of each expensive mistake, word for word, beside a real chain and a real facilitator; and that it shows
// no secret and no address that may hold one.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { encodeFunctionData, pad, parseAbi } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { asJson, asText, hasErrors } from '../../cli/doctor/findings.ts'
import { type Chain, deployContractWallet, startChain, USDC } from '../../dev/stack/chain.ts'
import { inCheckout } from '../../dev/stack/paths.ts'
import { freePort, LOOPBACK } from '../../dev/stack/ports.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { assetAt, assetsOn } from '../../src/x402/assets.ts'
import { says } from '../world/behaviour.ts'
import { SECRET, type Settings, said, startFront, type Visit, visit, writeDeployment } from '../world/doctor.ts'
import { openGate } from '../world/gate.ts'
import { type Network, placeToken, startFacilitatorFor, startNetwork } from '../world/networks.ts'
import { type OriginServer, startOrigin } from '../world/origin.ts'
import { type Rpc, type RpcFault, startRpc } from '../world/rpc.ts'
import { NETWORK } from '../world/shop.ts'
import type { Vars } from '../world/site.ts'
import { type Stack, startStack } from '../world/stack.ts'

const BASE = 'eip155:8453'
const POLYGON = 'eip155:137'
/** Nobody has its key. */
const PAYEE = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359'
const FOUND = 'https://facilitator.example'

let stack: Stack
let rpc: Rpc
let base: Network
let polygon: Network
let both: Awaited<ReturnType<typeof startFacilitatorFor>>
/** Whatever a test wants to hear from it. */
let stand: OriginServer
let closed: string

beforeAll(async () => {
  ;[stack, base, polygon, stand] = await Promise.all([
    startStack(),
    startNetwork(BASE),
    startNetwork(POLYGON),
    startOrigin(),
  ])
  rpc = await startRpc(stack.chain.rpcUrl)
  both = await startFacilitatorFor([base, polygon])
  closed = `http://${LOOPBACK}:${await freePort()}`
})

afterEach(async () => {
  stack.facilitator.setHook(undefined)
  await rpc.set(null)
})

afterAll(async () => {
  await Promise.all([both.stop(), rpc.stop(), stand.stop()])
  await Promise.all([stack.stop(), base.chain.stop(), polygon.chain.stop()])
})

const host = (url: string) => new URL(url).host

/** A small shop on the local stack; a test changes one thing. */
const UPSTREAM_ROUTE = (key: string) => ({
  path: '/api/*',
  price: '$0.05',
  origin: { url: 'https://api.upstream.example/v1', headers: { 'X-Key': key } },
})

const shop = (over: Settings = {}): Settings => ({
  FACILITATORS: [stack.facilitator.url],
  RPC_URLS: { [NETWORK]: `${rpc.url}/v2/a-key-in-a-path?key=another-one` },
  ...over,
})

/** The same for real money, on a chain that calls itself Base. */
const realShop = (over: Settings = {}): Settings => ({
  PAY_TO: PAYEE,
  NETWORKS: [BASE],
  FACILITATORS: [FOUND],
  RPC_URLS: { [BASE]: base.chain.rpcUrl },
  ...over,
})

const route = (over: Record<string, Vars[string]>) => ({
  path: '/articles/*',
  content: 'kv',
  price: '$0.05',
  access: '24h',
  ...over,
})
const routes = (...all: Record<string, Vars[string]>[]) => ({ ROUTES: all.map(route) })

/** All that doctor showed in this file. */
const shown: string[] = []

async function sentences(what: Visit): Promise<string[]> {
  const report = await visit(what)
  shown.push(asText(report), asJson(report))
  return said(report)
}

const LOCAL_HOSTS = /is this machine, which a deployed worker cannot reach/

test('a good shop has no errors; doctor settles nothing, and warns of what is only here', async () => {
  const settles = stack.facilitator.counts.settle
  const verifies = stack.facilitator.counts.verify
  const report = await visit({ vars: shop() })
  expect(hasErrors(report)).toBe(false)
  expect(said(report).filter((line) => !LOCAL_HOSTS.test(line))).toEqual([])
  expect(stack.facilitator.counts).toMatchObject({ settle: settles, verify: verifies + 1 })
})

test.each(['EdDSA', 'ES256'] as const)(
  'a facilitator that asks for a key of Coinbase (%s) is asked with it',
  async (kind) => {
    const gate = openGate(kind)
    stack.facilitator.setHook(gate.hook)
    const report = await visit({
      vars: shop({ FACILITATORS: [{ url: stack.facilitator.url, auth: 'cdp' }] }),
      environment: { CDP_API_KEY_ID: gate.keyId, CDP_API_KEY_SECRET: gate.keySecret },
    })
    expect(said(report).filter((line) => !LOCAL_HOSTS.test(line))).toEqual([])
    expect(gate.refused).toEqual([])
    expect(gate.letIn.map(({ path }) => path).sort()).toEqual(['/supported', '/verify'])
    expect(JSON.stringify(report)).not.toContain(gate.keySecret)
  },
)

test('a good shop for real money on two networks has no errors', async () => {
  const report = await visit({
    vars: realShop({
      PAY_TO: (await deployEverywhere()).wallet,
      NETWORKS: [BASE, POLYGON],
      FACILITATORS: [both.facilitator.url],
      RPC_URLS: { [BASE]: base.chain.rpcUrl, [POLYGON]: polygon.chain.rpcUrl },
    }),
    options: { isFirst: true },
    // The facilitator stands in front of two, and lists the first.
    ...(await listing([BASE, POLYGON])),
  })
  expect(said(report).filter((line) => line.startsWith('error'))).toEqual([])
})

/** A hook in front of the facilitator of both networks, which lists them. */
async function listing(networks: readonly string[]): Promise<Visit> {
  const kinds = networks.map((network) => ({ x402Version: 2, scheme: 'exact', network }))
  const own = `${both.facilitator.url}/supported`
  return {
    machine: {
      fetch: async (input, init) =>
        String(input) === own ? Response.json({ kinds, extensions: [], signers: {} }) : fetch(input, init),
    },
  }
}

/** The same contract at one address on both networks, and at another on the first alone. */
async function deployEverywhere() {
  const owner = privateKeyToAccount(generatePrivateKey()).address
  const wallet = privateKeyToAccount(generatePrivateKey()).address
  const lone = privateKeyToAccount(generatePrivateKey()).address
  const like = await deployContractWallet(base.chain, owner)
  const likePolygon = await deployContractWallet(polygon.chain, owner)
  await base.disguise(wallet, like, pad(owner))
  await base.disguise(lone, like, pad(owner))
  await polygon.disguise(wallet, likePolygon, pad(owner))
  return { wallet, lone }
}

/** What is wrong, how to get there, and what doctor says. */
type Mistake = [what: string, visit: () => Visit, sentence: string | (() => string)]

describe('each mistake in the settings meets its sentence', () => {
  const only = (vars: () => Settings) => () => ({ vars: vars() })
  const mistakes: Mistake[] = [
    [
      'no payee',
      only(() => shop({ PAY_TO: undefined })),
      'error: PAY_TO.eip155: write the EVM address that is paid, as PAY_TO = { eip155 = "0x…" }',
    ],
    [
      'the zero address as payee',
      only(() => shop({ PAY_TO: `0x${'0'.repeat(40)}` })),
      'error: PAY_TO.eip155: this is the zero address, and what is paid to it is lost; write your own',
    ],
    [
      'a payee with a digit too few',
      only(() => shop({ PAY_TO: PAYEE.slice(0, 41) })),
      'error: PAY_TO.eip155: write an EVM address: 0x and 40 hexadecimal digits',
    ],
    [
      'a payee whose checksum is wrong',
      only(() => shop({ PAY_TO: PAYEE.replace('fB', 'Fb') })),
      'error: PAY_TO.eip155: its checksum (EIP-55) is wrong, so a character is mistyped; copy it again from your wallet',
    ],
    [
      'a development key that is paid real money',
      only(() => realShop({ PAY_TO: wallets.publisher.address })),
      'error: PAY_TO.eip155: everybody has the key of this development address; write your own address, or only test networks in NETWORKS',
    ],
    [
      'a test network beside a real one',
      only(() => realShop({ NETWORKS: [BASE, NETWORK] })),
      'error: NETWORKS[1]: Base Sepolia is a test network, whose money is worth nothing; remove it, or the real ones',
    ],
    [
      'a facilitator for tests beside a real network',
      only(() => realShop({ FACILITATORS: ['https://x402.org/facilitator'] })),
      'error: FACILITATORS: x402.org serves test networks only; write a facilitator that serves Base, or only test networks in NETWORKS',
    ],
    [
      'real money at localhost',
      only(() => realShop({ SITE_URL: 'http://localhost:8787' })),
      'error: SITE_URL: nobody pays real money at localhost; write your site\'s origin, such as "https://news.example", or only test networks in NETWORKS',
    ],
    [
      'a network nobody knows',
      only(() => shop({ NETWORKS: ['eip155:5'] })),
      'error: NETWORKS[0]: this network is not supported; write one of eip155:8453, eip155:84532, eip155:137, eip155:42161, eip155:43114, eip155:1, solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp, solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1',
    ],
    [
      'no facilitator',
      only(() => shop({ FACILITATORS: undefined })),
      'error: FACILITATORS: write a list of base URLs, such as ["https://x402.org/facilitator"]',
    ],
    [
      'a price beyond six decimals',
      only(() => shop(routes({ price: '$0.0000001' }))),
      'error: ROUTES[0].price: a price has at most 6 decimals, this one has 7; write fewer, e.g. "$0.000001"',
    ],
    [
      'two offers of one amount',
      only(() => shop(routes({ offers: [{ name: 'Day', price: '$0.05', access: '24h', scope: '/articles/*' }] }))),
      'error: ROUTES[0].offers: two offers have the same price, and a payment could not say which it buys; make them differ',
    ],
    [
      'a price rule with the amount of an offer',
      only(() =>
        shop(
          routes({
            offers: [{ name: 'Day', price: '$0.50', access: '24h', scope: '/articles/*' }],
            prices: [{ when: { country: ['CH'] }, price: '$0.50' }],
          }),
        ),
      ),
      'error: ROUTES[0].prices[0].price: $0.50 is the price of "Day" too, which is then sold for it; make them differ',
    ],
    [
      'a price rule that always applies',
      only(() => shop(routes({ prices: [{ when: {}, price: '$0.01' }] }))),
      'error: ROUTES[0].prices[0].when: it is empty and always applies, so that no later price does; write a condition',
    ],
    [
      'a route behind a wider one',
      only(() => shop(routes({}, { path: '/articles/dear/*', price: '$1.00' }))),
      'error: ROUTES[1].path: it never matches: ROUTES[0] ("/articles/*") stands before it and takes all of "/articles/dear/*"; move this route before that one, or remove it',
    ],
    [
      'a route of one method behind one of all',
      only(() =>
        shop(
          routes({ path: '/api/:name', content: 'origin' }, { path: '/api/ask', content: 'origin', methods: ['POST'] }),
        ),
      ),
      'error: ROUTES[1].path: it never matches: ROUTES[0] ("/api/:name") stands before it and takes all of "/api/ask"; move this route before that one, or remove it',
    ],
    [
      'a route of HEAD alone',
      only(() => shop(routes({ methods: ['HEAD'] }))),
      'error: ROUTES[0].methods: it never matches: HEAD goes with GET; write methods = ["GET"]',
    ],
    [
      'a route at an address of ours',
      only(() => shop(routes({ path: '/_newsstand/*' }))),
      'error: ROUTES[0].path: it never matches: /_newsstand/* belongs to newsstand; write another path, or remove the route',
    ],
    [
      'routes that differ in case alone',
      only(() => shop(routes({}, { path: '/Articles/*', price: '$1.00' }))),
      'error: ROUTES[1].path: every address such as /Articles/example is refused, since other software could take it for an address of another route; write paths that differ in more than case',
    ],
    [
      'a stored article that is posted to',
      only(() => shop(routes({ methods: ['POST'] }))),
      'error: ROUTES[0].methods: content "kv" answers GET and HEAD only; add "GET", or write content = "origin"',
    ],
    [
      'an offer for somewhere else',
      only(() => shop(routes({ offers: [{ name: 'Day', price: '$0.50', access: '24h', scope: '/films/*' }] }))),
      'error: ROUTES[0].offers[0].scope: "Day" is never offered: "/films/*" has no address of this route; write a scope such as "/articles/*"',
    ],
    [
      'a large file sold by the answer',
      only(() => shop(routes({ content: 'r2', access: 'once' }))),
      'warning: ROUTES[0].access: "once" sells a single answer, in which a file of more than 100 MB hardly arrives; write a duration such as "24h", whose holders get ranges',
    ],
    [
      'a challenge over 2 KiB',
      only(() => shop(routes({ mimeType: `text/html; profile=${'x'.repeat(900)}` }))),
      'error: ROUTES[0]: its challenge takes 2700 characters, 2048 are the most; shorten mimeType, or the path',
    ],
    [
      'a misspelt key',
      only(() => shop({ ROUTES: [{ path: '/a', prise: '$0.05', price: '$0.05' }] })),
      'error: ROUTES[0]: prise is not a known key; write one of path, host, methods, price, access, content, origin, description, mimeType, wall, mode, offers, prices',
    ],
    [
      'a misspelt variable',
      only(() => shop({ PAUSE: true })),
      'warning: PAUSE: newsstand reads no variable of this name; correct the name, or remove it',
    ],
    [
      'a variable that Cloudflare does not take',
      only(() => shop({ BRAND: { name: 'n'.repeat(6000) } })),
      'error: BRAND: it has 6011 bytes, and Cloudflare takes 5120; make it shorter',
    ],
    [
      'a secret in the file',
      only(() => shop({ PASS_SECRET: 'for everybody to read' })),
      'error: PASS_SECRET: a secret in a file is none; remove it, make a new one: npx wrangler secret put PASS_SECRET',
    ],
    [
      'no PASS_SECRET',
      () => ({ vars: shop(), secrets: {} }),
      'error: PASS_SECRET: set it: npx wrangler secret put PASS_SECRET, with 32 or more random characters',
    ],
    [
      'a PASS_SECRET anybody could guess',
      () => ({ vars: shop(), secrets: { PASS_SECRET: 'hunter2' } }),
      'error: PASS_SECRET: it is too short to be a secret; use 32 or more random characters',
    ],
    [
      'a RECEIPT_KEY without its private half',
      () => ({ vars: shop(), environment: { RECEIPT_KEY: '{"kty":"OKP","crv":"Ed25519","x":"AAAA"}' } }),
      'error: RECEIPT_KEY: write an Ed25519 private key as JSON: {"kty":"OKP","crv":"Ed25519","x":"…","d":"…"}',
    ],
    [
      'a facilitator without its key',
      () => ({ vars: shop({ FACILITATORS: [{ url: FOUND, auth: 'cdp' }] }) }),
      'error: FACILITATORS[0].auth: set CDP_API_KEY_ID and CDP_API_KEY_SECRET: npx wrangler secret put CDP_API_KEY_ID, then the other',
    ],
    [
      'a facilitator with a key that is none',
      () => ({
        vars: shop({ FACILITATORS: [{ url: FOUND, auth: 'cdp' }] }),
        environment: { CDP_API_KEY_ID: 'an id', CDP_API_KEY_SECRET: 'no key' },
      }),
      'error: CDP_API_KEY_SECRET: it is no key; set it to the secret as Coinbase shows it: base64 of 64 bytes, or a PEM with its first and last line',
    ],
    [
      'an upstream without its key',
      () => ({ vars: shop({ ROUTES: [UPSTREAM_ROUTE('secret:UPSTREAM_KEY')] }) }),
      'error: ROUTES[0].origin.headers.X-Key: set it: npx wrangler secret put UPSTREAM_KEY',
    ],
    [
      'an upstream that is sent a secret of ours',
      () => ({ vars: shop({ ROUTES: [UPSTREAM_ROUTE('secret:PASS_SECRET')] }) }),
      "error: ROUTES[0].origin.headers.X-Key: PASS_SECRET is newsstand's own and is sent to nobody; name another",
    ],
    [
      'an upstream with a key that everybody can read',
      () => ({ vars: shop({ ROUTES: [{ ...UPSTREAM_ROUTE('the-key-itself'), methods: ['GET'] }] }) }),
      'warning: ROUTES[0].origin.headers.X-Key: it looks like a key, and stands in a file; write "secret:UPSTREAM_KEY", and put the key: npx wrangler secret put UPSTREAM_KEY',
    ],
    [
      'an upstream that does whatever it is asked',
      () => ({
        vars: shop({ ROUTES: [UPSTREAM_ROUTE('secret:UPSTREAM_KEY')] }),
        environment: { UPSTREAM_KEY: 'a-key-of-the-seller' },
      }),
      'warning: ROUTES[0].methods: every method goes there with your key, DELETE too, at one price; write those you sell, such as methods = ["GET"]',
    ],
    [
      'an upstream for everybody',
      () => ({
        vars: shop({ ROUTES: [{ ...UPSTREAM_ROUTE('secret:UPSTREAM_KEY'), price: 'free', methods: ['GET'] }] }),
        environment: { UPSTREAM_KEY: 'a-key-of-the-seller' },
      }),
      'warning: ROUTES[0].price: anybody spends your key for nothing; write a price, or remove the secret',
    ],
    [
      'no Durable Object',
      () => ({ vars: shop(), file: { durable_objects: { bindings: [] } } }),
      'error: PAYERS: this binding is missing; add it to wrangler.toml as docs/deploy.md shows',
    ],
    [
      'no store for what is sold from KV',
      () => ({ vars: shop(), file: { kv_namespaces: [] } }),
      'error: CONTENT_KV: this binding is missing; add it to wrangler.toml as docs/deploy.md shows',
    ],
    [
      'a KV namespace that was never made',
      () => ({ vars: shop(), file: { kv_namespaces: [{ binding: 'CONTENT_KV', id: '0'.repeat(32) }] } }),
      'error: CONTENT_KV: its id is the file\'s placeholder; write what "npx wrangler kv namespace create CONTENT_KV" prints',
    ],
    [
      'a ledger that was never made',
      () => ({
        vars: shop(),
        file: {
          d1_databases: [
            { binding: 'LEDGER_DB', database_name: 'books', database_id: '00000000-0000-0000-0000-000000000000' },
          ],
        },
      }),
      'error: LEDGER_DB: its database_id is the file\'s placeholder; write what "npx wrangler d1 create books" prints',
    ],
    [
      'objects that no migration makes',
      () => ({ vars: shop(), file: { migrations: [] } }),
      'error: PAYERS: no migration makes the class Payer with SQLite, which it needs; add [[migrations]] with tag = "v1" and new_sqlite_classes = ["Payer"]',
    ],
    [
      'no flag for hang-ups',
      () => ({ vars: shop(), file: { compatibility_flags: [] } }),
      'warning: compatibility_flags: a reader who hangs up goes unnoticed, and uses a handout up; add "enable_request_signal"',
    ],
    [
      'no way from the site to the worker',
      () => ({ vars: shop(), file: { routes: [] } }),
      'warning: routes: no route leads from news.example to the worker; add routes = [{ pattern = "news.example/*", zone_name = "…" }]',
    ],
    [
      'a way for some spellings only',
      () => ({ vars: shop(), file: { routes: [{ pattern: 'news.example/articles/*', zone_name: 'news.example' }] } }),
      'warning: routes: news.example/articles/* leaves other spellings of news.example\'s addresses to your origin, unpaid; write "news.example/*"',
    ],
    [
      'too little time for a purchase',
      () => ({ vars: shop(), file: { limits: { cpu_ms: 50 } } }),
      'warning: limits.cpu_ms: 50 is too little: a first purchase may take 150 ms, and would be cut off after it is settled; write 200 or more, or remove it',
    ],
    [
      'real money on a plan nobody knows',
      () => ({ vars: realShop() }),
      'not checked: plan: which plan the account has is not seen from here; the Free plan gives a request 10 ms of CPU time, and a purchase takes more: take the Paid plan',
    ],
    [
      'a single facilitator for real money',
      () => ({ vars: realShop() }),
      'warning: FACILITATORS: while facilitator.example is down nothing is sold; name a second one behind it',
    ],
    [
      'an endpoint for everybody, for real money',
      () => ({ vars: realShop({ RPC_URLS: undefined }) }),
      `warning: RPC_URLS.${BASE}: mainnet.base.org is for everybody on Base and limits requests; write your own endpoint, as RPC_URLS = { "${BASE}" = "https://…" }`,
    ],
    [
      'a facilitator that only this machine can reach',
      () => ({ vars: shop() }),
      () =>
        `warning: FACILITATORS[0]: ${host(stack.facilitator.url)} is this machine, which a deployed worker cannot reach; write an address on the internet`,
    ],
  ]

  test.each(mistakes)('%s', async (_what, mistake, sentence) => {
    const wanted = typeof sentence === 'string' ? sentence : sentence()
    const lines = await sentences(mistake())
    expect(lines, lines.join('\n')).toContain(wanted)
  })

  test('what hides the rest says so, and nobody is asked', async () => {
    const asked = { ...stack.facilitator.counts }
    expect(await sentences({ vars: shop({ PAY_TO: undefined }) })).toContain(
      'not checked: FACILITATORS: facilitators and chains are asked once the errors above are mended; run doctor again',
    )
    expect(stack.facilitator.counts).toEqual(asked)
  })

  test('a missing secret or binding hides nothing', async () => {
    const lines = await sentences({ vars: shop({ FACILITATORS: [closed] }), secrets: {}, file: { kv_namespaces: [] } })
    expect(lines.filter((line) => line.startsWith('error')).map((line) => line.split(': ')[1])).toEqual([
      'PASS_SECRET',
      'CONTENT_KV',
    ])
    expect(lines).toContain(
      `not checked: FACILITATORS[0]: ${host(closed)} did not answer within 10 s; run doctor again, or name another facilitator`,
    )
  })
})

const body = z.object({
  x402Version: z.literal(2),
  paymentPayload: z.object({ payload: z.object({ authorization: z.object({ from: z.string(), value: z.string() }) }) }),
})

describe('each mistake with a facilitator meets its sentence', () => {
  const at = () => `FACILITATORS[0]: ${host(stack.facilitator.url)}`
  /** The real one, but for what it answers here. */
  const answering = (path: string, reply: ReturnType<typeof says>) => () => {
    stack.facilitator.setHook((call, proceed) => (call.path === path ? reply() : proceed()))
    return { vars: shop() }
  }
  const lists = (...kinds: object[]) => says({ kinds, extensions: [], signers: {} })
  const refuses = (invalidReason: string) => says({ isValid: false, invalidReason })
  const keyed = { header: 'x-api-key', secret: 'FACILITATOR_KEY' }

  const mistakes: Mistake[] = [
    [
      'it does not answer',
      () => ({ vars: shop({ FACILITATORS: [closed] }) }),
      () =>
        `not checked: FACILITATORS[0]: ${host(closed)} did not answer within 10 s; run doctor again, or name another facilitator`,
    ],
    [
      'it wants a key',
      answering('/supported', says({ error: 'unauthorized' }, 401)),
      () => `error: ${at()} asks for a key (401); write { url = "…", auth = … }, as docs/configuration.md shows`,
    ],
    [
      'it does not take the key',
      () => {
        stack.facilitator.setHook(says({ error: 'the key very-secret-key is unknown' }, 403))
        const FACILITATORS = [{ url: stack.facilitator.url, auth: keyed }]
        return { vars: shop({ FACILITATORS }), environment: { FACILITATOR_KEY: 'very-secret-key' } }
      },
      () =>
        `error: FACILITATORS[0].auth: ${host(stack.facilitator.url)} refuses the key (403); set the secret of its auth again, and look at what the key may do`,
    ],
    [
      'it does not take the key for payments',
      answering('/verify', says({ error: 'not for you' }, 401)),
      () => `error: ${at()} asks for a key (401); write { url = "…", auth = … }, as docs/configuration.md shows`,
    ],
    [
      'it has moved',
      answering('/supported', says('', 308, { location: 'https://elsewhere.example/' })),
      () => `error: ${at()} redirects (308), and a payment follows no redirect; write the address it leads to`,
    ],
    [
      'it is somebody else',
      answering('/supported', says('<html>Welcome</html>')),
      () => `error: ${at()} answered 200 to /supported, without a list of networks; write a facilitator's base URL`,
    ],
    [
      'it has no such path',
      answering('/supported', says({ error: 'not_found' }, 404)),
      () => `error: ${at()} answered 404 to /supported, without a list of networks; write a facilitator's base URL`,
    ],
    [
      'it is down',
      answering('/supported', says('', 503)),
      () => `not checked: ${at()} answered 503 to /supported; run doctor again, or name another facilitator`,
    ],
    [
      'a test network at a facilitator for real ones',
      answering('/supported', lists({ x402Version: 2, scheme: 'exact', network: BASE })),
      () => `error: ${at()} serves no test network; write a facilitator that serves Base Sepolia (${NETWORK})`,
    ],
    [
      'a real network at a facilitator for tests',
      () => ({ vars: realShop({ FACILITATORS: [stack.facilitator.url] }) }),
      () => `error: ${at()} serves test networks only; write a facilitator that serves Base (${BASE})`,
    ],
    [
      'a scheme that is not sold',
      answering('/supported', lists({ x402Version: 2, scheme: 'upto', network: NETWORK })),
      () =>
        `error: ${at()} serves Base Sepolia (${NETWORK}) only with scheme "upto" in version 2; write one that serves it with scheme "exact" in version 2, or remove the network from NETWORKS`,
    ],
    [
      'a network that it does not list',
      answering(
        '/supported',
        lists(
          { x402Version: 2, scheme: 'exact', network: 'eip155:80002' },
          { x402Version: 2, scheme: 'exact', network: BASE },
        ),
      ),
      () =>
        `error: ${at()} serves Base Sepolia (${NETWORK}) not at all; write one that serves it with scheme "exact" in version 2, or remove the network from NETWORKS`,
    ],
    [
      'its own wallet as payee',
      answering(
        '/supported',
        says({
          kinds: [{ x402Version: 2, scheme: 'exact', network: NETWORK }],
          signers: { 'eip155:*': [wallets.publisher.address] },
        }),
      ),
      () =>
        `error: PAY_TO.eip155: this is the address from which ${host(stack.facilitator.url)} sends transactions; write your own`,
    ],
    [
      'it knows the token by another name',
      answering('/verify', refuses('invalid_exact_evm_payload_signature')),
      () =>
        `error: ${at()} says that a trial payment in USDC on Base Sepolia is signed wrongly (invalid_exact_evm_payload_signature); newsstand signs for "USDC", version "2", at ${USDC}: name a facilitator that knows it`,
    ],
    [
      'a price under its least',
      answering('/verify', refuses('amount_too_low')),
      () =>
        `error: ROUTES[0].price: $0.05 is less than ${host(stack.facilitator.url)} settles; write a higher price, or name another facilitator`,
    ],
    [
      'a payee it does not pay',
      answering('/verify', refuses('invalid_exact_evm_payload_authorization_to_address_kyt')),
      () =>
        `error: PAY_TO.eip155: ${host(stack.facilitator.url)} settles nothing to this address (invalid_exact_evm_payload_authorization_to_address_kyt); write another, or ask them why`,
    ],
    [
      'it calls everything good',
      answering('/verify', says({ isValid: true })),
      () =>
        `warning: ${at()} calls a trial payment in USDC on Base Sepolia good although the wallet is empty; name one that looks, or expect refusals only when a payment is settled`,
    ],
    [
      'it refuses for a reason of its own',
      answering('/verify', refuses('moon_in_wrong_house')),
      () =>
        `warning: ${at()} refuses a trial payment in USDC on Base Sepolia with moon_in_wrong_house, and not for the empty wallet; look that word up in its documentation before you sell`,
    ],
    [
      'it says what nobody can read',
      answering('/verify', says({ hello: 'world' })),
      () =>
        `not checked: ${at()} answered 200 to a trial payment in USDC on Base Sepolia, with no verdict; run doctor again`,
    ],
  ]

  test.each(mistakes)('%s', async (_what, mistake, sentence) => {
    const lines = await sentences(mistake())
    expect(lines, lines.join('\n')).toContain(typeof sentence === 'string' ? sentence : sentence())
  })

  test('before the first real money, silence is an error; before any other deployment it is not', async () => {
    const vars = realShop({ FACILITATORS: [closed], RPC_URLS: { [BASE]: closed } })
    const later = await visit({ vars })
    expect(hasErrors(later)).toBe(false)
    const first = await sentences({ vars, options: { isFirst: true } })
    expect(first).toContain(
      `error: FACILITATORS[0]: ${host(closed)} did not answer within 10 s; run doctor again, or name another facilitator; the first deployment for real money needs to know`,
    )
    expect(first).toContain(
      `error: RPC_URLS.${BASE}: ${host(closed)} did not answer within 10 s; run doctor again, or write another endpoint; the first deployment for real money needs to know`,
    )
    const onTests = await visit({ vars: shop({ FACILITATORS: [closed] }), options: { isFirst: true } })
    expect(hasErrors(onTests)).toBe(false)
  })

  test('the trial payment is the cheapest thing on sale, from a new wallet each time, and is never settled', async () => {
    const sent: z.infer<typeof body>[] = []
    const paths: string[] = []
    stack.facilitator.setHook((call, proceed) => {
      paths.push(`${call.method} ${call.path}`)
      if (call.path === '/verify') sent.push(body.parse(call.body))
      return proceed()
    })
    const offers = [{ name: 'Day', price: '$0.50', access: '24h', scope: '/articles/*' }]
    const vars = shop(routes({ offers, prices: [{ when: { country: ['CH'] }, price: '$0.02' }] }))
    await sentences({ vars })
    await sentences({ vars })
    const all = sent.map(({ paymentPayload }) => paymentPayload.payload.authorization)
    expect(all.map(({ value }) => value)).toEqual(['20000', '20000'])
    expect(new Set(all.map(({ from }) => from)).size).toBe(2)
    expect(new Set(paths)).toEqual(new Set(['GET /supported', 'POST /verify']))
  })

  test('there is one in each token that is sold in, at its own lowest price', async () => {
    const asked: string[] = []
    const requirements = z.object({ paymentRequirements: z.object({ asset: z.string(), amount: z.string() }) })
    stack.facilitator.setHook((call, proceed) => {
      if (call.path === '/verify') {
        const { asset, amount } = requirements.parse(call.body).paymentRequirements
        asked.push(`${amount} of ${assetAt(NETWORK, asset)?.symbol}`)
      }
      return proceed()
    })
    await sentences({ vars: shop(routes({ price: ['$0.05', '€0.04'] }, { path: '/cheap/*', price: '€0.03' })) })
    expect(asked.sort()).toEqual(['30000 of EURC', '50000 of USDC'])
  })

  test('a key from the environment opens its facilitator, and goes nowhere else', async () => {
    const keys: unknown[] = []
    stack.facilitator.setHook(async (call, proceed) => {
      keys.push(call.headers['x-api-key'])
      return call.headers['x-api-key'] === 'very-secret-key' ? proceed() : { status: 401, body: '' }
    })
    stand.tell({ status: 503 })
    const FACILITATORS = [{ url: stack.facilitator.url, auth: keyed }, stand.url]
    const lines = await sentences({ vars: shop({ FACILITATORS }), environment: { FACILITATOR_KEY: 'very-secret-key' } })
    expect(lines.filter((line) => line.startsWith('error'))).toEqual([])
    expect(keys).toEqual(['very-secret-key', 'very-secret-key'])
    expect(JSON.stringify(stand.seen)).not.toContain('very-secret-key')
  })

  test.each([61, -61])('a clock that is %i s off', async (seconds) => {
    const lines = await sentences({ vars: shop(), machine: { nowMs: () => Date.now() + seconds * 1000 } })
    const clock = lines.filter((line) => line.includes(': clock: '))
    expect(clock).toHaveLength(1)
    expect(clock[0]).toMatch(
      seconds > 0
        ? /^warning: clock: this machine's clock is 6[012] s ahead of that of 127\.0\.0\.1:\d+; set it by the network, or ask who runs /
        : /^warning: clock: this machine's clock is 6[01] s behind that of 127\.0\.0\.1:\d+; set it by the network, or ask who runs /,
    )
  })
})

describe('each mistake with a chain meets its sentence', () => {
  const fronts: { stop(): Promise<void> }[] = []
  afterAll(async () => {
    for (const front of fronts) await front.stop()
  })

  const at = (url: string, network = NETWORK) => `RPC_URLS.${network}: ${host(url)}`
  const refused = { error: { code: -32005, message: 'limit exceeded' } }

  async function expectSaid(sentence: string, what: Visit): Promise<string[]> {
    const lines = await sentences(what)
    expect(lines, lines.join('\n')).toContain(sentence)
    return lines
  }

  /** Base, with a node in front that answers some calls itself. */
  async function behind(twist: Parameters<typeof startFront>[1]): Promise<{ url: string; visit: Visit }> {
    const front = await startFront(base.chain.rpcUrl, twist)
    fronts.push(front)
    return { url: front.url, visit: { vars: realShop({ FACILITATORS: [closed], RPC_URLS: { [BASE]: front.url } }) } }
  }

  test('an endpoint of another chain', async () => {
    const { rpcUrl } = base.chain
    await expectSaid(
      `error: ${at(rpcUrl)} is of chain 8453 and not of Base Sepolia (84532); write an endpoint of Base Sepolia`,
      { vars: shop({ RPC_URLS: { [NETWORK]: rpcUrl } }) },
    )
  })

  test.each<[RpcFault, string]>([
    ['is down', 'did not answer within 10 s; run doctor again, or write another endpoint'],
    ['answers 500', 'answered 500, and no chain id; write the URL of a JSON-RPC endpoint'],
    ['answers HTML', 'answered 200, and no chain id; write the URL of a JSON-RPC endpoint'],
    ['refuses every call', 'answered 200, and no chain id; write the URL of a JSON-RPC endpoint'],
  ])('an endpoint that %s', async (fault, sentence) => {
    await rpc.set(fault)
    await expectSaid(`not checked: ${at(rpc.url)} ${sentence}`, { vars: shop() })
  })

  test('an endpoint that does not take its key', async () => {
    stand.tell({ status: 401, body: 'the key a-key-in-a-path is unknown' })
    await expectSaid(
      `error: ${at(stand.url)} refuses the key in its URL (401); copy the URL again from your provider`,
      { vars: shop({ RPC_URLS: { [NETWORK]: `${stand.url}/a-key-in-a-path` } }) },
    )
  })

  test('an endpoint that breaks off at several calls in one', async () => {
    await rpc.set('breaks off at a batch')
    await expectSaid(
      `warning: ${at(rpc.url)} takes one call in a request only; to find a lost payment takes longer: write another endpoint`,
      { vars: shop() },
    )
  })

  test('an endpoint without receipts', async () => {
    // The newest block but one holds a transaction.
    const { url, visit } = await behind((method, [height]) =>
      method === 'eth_getTransactionReceipt'
        ? { result: null }
        : method === 'eth_getBlockByNumber' && height !== 'latest'
          ? { result: { number: height, timestamp: '0x1', transactions: [`0x${'ab'.repeat(32)}`] } }
          : null,
    )
    await expectSaid(
      `error: ${at(url, BASE)} shows no receipt of a transaction it lists; no payment could be proven: write another endpoint`,
      visit,
    )
  })

  test('an endpoint without logs', async () => {
    const { url, visit } = await behind((method) => (method === 'eth_getLogs' ? refused : null))
    await expectSaid(
      `error: ${at(url, BASE)} does not answer for logs (eth_getLogs); a lost payment could not be found again: write another endpoint`,
      visit,
    )
  })

  test('an endpoint with logs of few blocks at once', async () => {
    const range = z.tuple([z.object({ fromBlock: z.string(), toBlock: z.string() })])
    const { url, visit } = await behind((method, params) => {
      if (method !== 'eth_getLogs') return null
      const [{ fromBlock, toBlock }] = range.parse(params)
      return Number(toBlock) > Number(fromBlock) ? refused : null
    })
    await expectSaid(
      `warning: ${at(url, BASE)} answers for the logs of 1 block at once; to find a lost payment takes long: write another endpoint`,
      visit,
    )
  })

  test('an endpoint that stands still', async () => {
    const { url, visit } = await behind((method, [height]) =>
      method === 'eth_getBlockByNumber' && height === 'latest'
        ? { result: { number: '0x5', timestamp: `0x${(Math.floor(Date.now() / 1000) - 600).toString(16)}` } }
        : null,
    )
    const lines = (await sentences(visit)).map((line) => line.replace(/60\d s old/, '600 s old'))
    expect(lines).toContain(
      `warning: RPC_URLS.${BASE}: the newest block of ${host(url)} is 600 s old, so payments look unsettled; write another endpoint`,
    )
  })

  test('a chain without the token', async () => {
    const { rpcUrl, stop } = await startChain({ chainId: 8453 })
    fronts.push({ stop })
    await expectSaid(
      `error: NETWORKS[0]: ${host(rpcUrl)} shows no token at ${base.asset.asset} on Base; write an endpoint of the real Base`,
      { vars: realShop({ FACILITATORS: [closed], RPC_URLS: { [BASE]: rpcUrl } }) },
    )
  })

  test('a token with another name', async () => {
    const chain = await startChain()
    fronts.push(chain)
    await rename(chain, 'US Dollar')
    await expectSaid(
      'error: NETWORKS[0]: USDC on Base Sepolia is "US Dollar", version "2", and readers would sign for "USDC", version "2"; remove the network from NETWORKS, and report it',
      { vars: shop({ RPC_URLS: { [NETWORK]: chain.rpcUrl } }) },
    )
  })

  test('a second token that is not there, has another name, or blocks the payee: each is named, and the first is not', async () => {
    const network = await startNetwork(BASE)
    fronts.push(network.chain)
    const eurc = assetsOn(BASE).find(({ symbol }) => symbol === 'EURC')
    if (eurc?.kind !== 'eip3009') throw new Error('the table has no EURC on Base')
    const vars = realShop({
      FACILITATORS: [closed],
      RPC_URLS: { [BASE]: network.chain.rpcUrl },
      ...routes({ price: ['$0.05', '€0.04'] }),
    })
    const errors = async () => (await sentences({ vars })).filter((line) => line.startsWith('error'))
    expect(await errors()).toEqual([
      `error: NETWORKS[0]: ${host(network.chain.rpcUrl)} shows no token at ${eurc.asset} on Base; write an endpoint of the real Base`,
    ])
    await placeToken(network.chain, { ...eurc, eip712: { name: 'Euro Coin', version: '2' } })
    const otherName =
      'error: NETWORKS[0]: EURC on Base is "Euro Coin", version "2", and readers would sign for "EURC", version "2"; remove the network from NETWORKS, and report it'
    expect(await errors()).toEqual([otherName])
    const data = encodeFunctionData({ abi: parseAbi(['function blacklist(address account)']), args: [PAYEE] })
    await network.chain.send({ to: eurc.asset, data })
    expect(await errors()).toEqual([
      otherName,
      'error: PAY_TO.eip155: the issuer of EURC blocks this address on Base; write another one',
    ])
  })

  test('an endpoint that forgets within seconds', async () => {
    const { url, visit } = await behind((method, [, height]) =>
      method === 'eth_getBalance' && height !== 'latest' ? refused : null,
    )
    await expectSaid(
      `warning: ${at(url, BASE)} does not know what a wallet was 20 s ago; payments take longer to prove: write another endpoint`,
      visit,
    )
  })

  test('a payee that the token blocks', async () => {
    const data = encodeFunctionData({
      abi: parseAbi(['function blacklist(address account)']),
      functionName: 'blacklist',
      args: [wallets.dave.address],
    })
    await stack.chain.send({ to: USDC, data })
    await expectSaid(
      'error: PAY_TO.eip155: the issuer of USDC blocks this address on Base Sepolia; write another one',
      { vars: shop({ PAY_TO: wallets.dave.address }) },
    )
  })

  test('a payee nobody has used', async () => {
    await expectSaid(
      'warning: PAY_TO.eip155: nobody has used this address on Base Sepolia yet; send a cent there and back before you sell',
      { vars: shop({ PAY_TO: privateKeyToAccount(generatePrivateKey()).address }) },
    )
  })

  test('a payee that is a contract on one network and nothing on the other', async () => {
    const { wallet, lone } = await deployEverywhere()
    const vars = (PAY_TO: string) =>
      realShop({
        PAY_TO,
        NETWORKS: [BASE, POLYGON],
        FACILITATORS: [closed],
        RPC_URLS: { [BASE]: base.chain.rpcUrl, [POLYGON]: polygon.chain.rpcUrl },
      })
    await expectSaid(
      'error: PAY_TO.eip155: it is a contract on Base and has no code on Polygon, where what is paid may be out of reach; write an address that is yours on all of NETWORKS, or remove the others',
      { vars: vars(lone) },
    )
    const lines = await expectSaid(
      'warning: PAY_TO.eip155: it is a contract on Base and Polygon; send a cent there and back before you sell',
      { vars: vars(wallet) },
    )
    expect(lines.filter((line) => line.startsWith('error'))).toEqual([])
  })

  test('a wallet that hands its calls on (EIP-7702) is no contract', async () => {
    const { visit } = await behind((method, [address]) =>
      method === 'eth_getCode' && address === PAYEE ? { result: `0xef0100${'11'.repeat(20)}` } : null,
    )
    const lines = await sentences(visit)
    expect(lines.filter((line) => line.includes('contract'))).toEqual([])
  })
})

/** Gives the token another name: the short text in its storage, where it stands. */
async function rename(chain: Chain, name: string): Promise<void> {
  const ask = async (method: string, ...params: unknown[]) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const reply = await fetch(chain.rpcUrl, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
    return z.object({ result: z.unknown() }).parse(await reply.json()).result
  }
  const inSlot = (text: string) =>
    `0x${Buffer.from(text).toString('hex').padEnd(62, '0')}${(text.length * 2).toString(16).padStart(2, '0')}`
  for (let slot = 0; slot < 20; slot++) {
    const place = `0x${slot.toString(16)}`
    if ((await ask('eth_getStorageAt', USDC, place, 'latest')) !== inSlot('USDC')) continue
    await ask('anvil_setStorageAt', USDC, place, inSlot(name))
  }
}

test('nothing that was shown here holds a secret, or more of an endpoint than its host', () => {
  expect(shown.length).toBeGreaterThan(100)
  const all = shown.join('\n')
  for (const secret of [
    SECRET,
    'very-secret-key',
    'hunter2',
    'for everybody to read',
    'a-key-in-a-path',
    'another-one',
  ]) {
    expect(all).not.toContain(secret)
  }
})

describe('the command', () => {
  const run = async (...args: string[]) => {
    const options = { cwd: inCheckout('.'), env: { ...process.env, NODE_NO_WARNINGS: '1' } }
    return promisify(execFile)('npm', ['run', '-s', 'doctor', '--', ...args], options).then(
      ({ stdout, stderr }) => ({ status: 0, stdout, stderr }),
      (fault: unknown) => ended.parse(fault),
    )
  }
  const ended = z
    .object({ code: z.number(), stdout: z.string(), stderr: z.string() })
    .transform(({ code, ...rest }) => ({ status: code, ...rest }))

  test('ends with 0 where there is no error, and with 1 where there is', async () => {
    const good = await run('-c', writeDeployment({ vars: shop() }))
    expect(good.stderr).toBe('')
    expect(good.stdout).toMatch(/^2 warnings\n {2}FACILITATORS\[0\]: .*\n {2}RPC_URLS\..*\n\nNo errors\.\n$/)
    expect(good.status).toBe(0)
    const bad = await run('--json', '-c', writeDeployment({ vars: shop({ PAY_TO: '0x12' }) }))
    expect(bad.status).toBe(1)
    expect(JSON.parse(bad.stdout)).toMatchObject({
      ok: false,
      findings: [
        { level: 'error', path: 'PAY_TO.eip155', message: 'write an EVM address: 0x and 40 hexadecimal digits' },
        { level: 'not checked' },
      ],
      notes: [],
    })
    for (const { stdout, stderr } of [good, bad]) {
      for (const secret of [SECRET, 'a-key-in-a-path', 'another-one']) expect(stdout + stderr).not.toContain(secret)
    }
  })
})
