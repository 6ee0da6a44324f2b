// Clients that people use, each buying from the built worker: `npm run matrix`. It writes `docs/interoperability.md`, and ends with 1
// where something is not as it should be. The clients are installed once, in folders of their own, so that they weigh on nothing else.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { buffer, text } from 'node:stream/consumers'
import { isDeepStrictEqual, promisify } from 'node:util'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'
import { listening } from '../../dev/stack/ports.ts'
import build from '../world/build.ts'
import { startOrigin } from '../world/origin.ts'
import { type Cost, openShop, PRICE } from '../world/shop.ts'

const run = promisify(execFile)
const ONE_DOLLAR = 1_000_000n
const CONTENT = 'The paid words.'
const MCP = '/_newsstand/mcp'

type Client = {
  /** As its folder's `buy.js` knows it. */
  name: string
  folder: 'http' | 'mcp'
  dialect: string
  /** Whose versions are shown. */
  packages: readonly string[]
}
const overHttp = (name: string, dialect: string): Client => ({ name, folder: 'http', dialect, packages: [name] })
const overTools = (name: string, dialect: string, ...packages: string[]): Client => ({
  name,
  folder: 'mcp',
  dialect,
  packages,
})
const CLIENTS: readonly Client[] = [
  overHttp('@x402/fetch', 'x402 v2'),
  overHttp('@x402/axios', 'x402 v2'),
  overHttp('x402-fetch', 'x402 v1'),
  overHttp('x402-axios', 'x402 v1'),
  overHttp('@faremeter/fetch', 'x402'),
  overHttp('mppx', 'MPP'),
  overTools('sdk', 'MCP', '@modelcontextprotocol/sdk'),
  overTools('client', 'MCP, newest revision', '@modelcontextprotocol/client'),
  overTools('client-legacy', 'MCP', '@modelcontextprotocol/client'),
  overTools('sdk+agents', 'MCP, Cloudflare’s payer', 'agents', '@modelcontextprotocol/sdk'),
  overTools('client+agents', 'MCP, Cloudflare’s payer', 'agents', '@modelcontextprotocol/client'),
]

/** What is sold, and what has to come of it: bought, the same payment sent again, and bought by the same wallet once more. */
const SOLD = [
  { of: 'lasting access', method: 'GET', path: '/articles/hello', expected: ['sold', 'refused', 'free'] },
  { of: 'one answer', method: 'GET', path: '/once/hello', expected: ['sold', 'refused', 'sold'] },
  { of: 'one answer by POST', method: 'POST', path: '/api/ask', expected: ['sold', 'refused', 'sold'] },
] as const

/** What a payment travels in, over HTTP; over MCP it is in the body. */
const CARRIERS = ['payment-signature', 'x-payment', 'payment-authorization']
const isPayment = ({ headers, body }: Sent) =>
  CARRIERS.some((name) => name in headers) ||
  /^payment /i.test(headers.authorization ?? '') ||
  body.includes('x402/payment"')

type Sent = { method: string; path: string; headers: IncomingHttpHeaders; body: Buffer }

/** Sends something to the site as it is. */
const send = (siteUrl: string, { method, path, headers, body }: Sent) =>
  new Promise<IncomingMessage>((resolve, reject) => {
    const { hostname, port } = new URL(siteUrl)
    const own = Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'transfer-encoding'))
    const outgoing = request({
      hostname,
      port,
      method,
      path,
      headers: { ...own, 'content-length': body.length },
      agent: false,
    })
    outgoing.on('response', resolve).on('error', reject).end(body)
  })

/** In front of the site: passes everything on, and keeps the last request that carried a payment. */
async function startRecorder(siteUrl: string) {
  let paid: Sent | null = null
  const server = createServer(async (asking, response) => {
    const { method = '', url: path = '', headers } = asking
    const sent: Sent = { method, path, headers, body: await buffer(asking) }
    if (isPayment(sent)) paid = sent
    const answer = await send(siteUrl, sent)
    response.writeHead(answer.statusCode ?? 500, answer.headers)
    answer.pipe(response)
  })
  const { url, stop } = await listening(server)
  return {
    url,
    stop,
    /** The last payment once more; what it is answered. */
    async replay(): Promise<string> {
      return paid === null ? 'nothing was paid' : text(await send(siteUrl, paid))
    },
  }
}

/** What came of one try, in a word. */
function outcome(said: string, { earned, settles }: Cost): string {
  const isOpen = said.includes(CONTENT)
  if (isOpen && earned === PRICE && settles === 1) return 'sold'
  if (earned === 0n && settles === 0) return isOpen ? 'free' : 'refused'
  return `${isOpen ? 'open' : 'closed'}, ${earned} units, ${settles} settlements`
}

for (const folder of ['.', 'http', 'mcp']) {
  const cwd = inCheckout(`test/stock/${folder}`)
  if (existsSync(`${cwd}/node_modules`)) continue
  process.stdout.write(`Installing the clients of test/stock/${folder} …\n`)
  // Their peers are ours, or wanted by parts of them that are not used here.
  const how = ['--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps', '--no-package-lock']
  await run('npm', ['install', ...how], { cwd })
}

const stop = await build()
const origin = await startOrigin()
origin.tell({ body: CONTENT })
const shop = await openShop({
  ORIGIN_URL: origin.url,
  ROUTES: [
    { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', description: 'An article' },
    { path: '/once/*', content: 'kv', price: '$0.05', access: 'once' },
    { path: '/api/*', methods: ['POST'], price: '$0.05', access: 'once' },
  ],
})
for (const { path } of SOLD) {
  await shop.site.kv.put(path, `<article><h1>Hello</h1><p>${CONTENT}</p></article>`, { metadata: { title: 'Trains' } })
}
const recorder = await startRecorder(shop.site.url)

/** One client buys one thing; what came of each step. Null: it cannot. */
async function cell({ name, folder }: Client, { method, path }: (typeof SOLD)[number]): Promise<string[] | null> {
  if (folder === 'mcp' && method !== 'GET') return null
  const key = generatePrivateKey()
  await shop.stack.chain.fund(privateKeyToAccount(key).address, ONE_DOLLAR)
  const what = folder === 'mcp' ? [recorder.url + MCP, path] : [method, recorder.url + path]
  const buy = () =>
    run(process.execPath, ['buy.js', name, ...what, key], { cwd: inCheckout(`test/stock/${folder}`) }).then(
      ({ stdout }) => stdout,
      (fault: unknown) => {
        process.stdout.write(`${String(fault).slice(0, 2_000)}\n`)
        return ''
      },
    )
  const came: string[] = []
  for (const act of [buy, recorder.replay, buy]) {
    const { result, cost } = await shop.costOf(act)
    came.push(outcome(result, cost))
  }
  return came
}

const manifest = z.object({ version: z.string() })
/** From the folder's own, or from one above it. */
function versionOf(name: string, folder: string): string {
  const file = [`test/stock/${folder}`, 'test/stock', '.']
    .map((where) => inCheckout(`${where}/node_modules/${name}/package.json`))
    .find(existsSync)
  return file === undefined ? '?' : manifest.parse(JSON.parse(readFileSync(file, 'utf8'))).version
}

const rows: string[] = []
for (const client of CLIENTS) {
  const packages = client.packages.map((name) => `\`${name}\` ${versionOf(name, client.folder)}`).join(', ')
  const cells: string[] = []
  for (const sold of SOLD) {
    const came = await cell(client, sold)
    const isRight = came === null || isDeepStrictEqual(came, sold.expected)
    if (!isRight) process.exitCode = 1
    cells.push(came === null ? '–' : `${isRight ? '' : '**not as it should be:** '}${came.join(' · ')}`)
  }
  rows.push(`| ${[packages, client.dialect, ...cells].join(' | ')} |`)
  process.stdout.write(`${rows.at(-1)}\n`)
}
await recorder.stop()
await shop.close()
await origin.stop()
await stop()

const heads = ['client', 'speaks', ...SOLD.map(({ of }) => of)]
writeFileSync(
  inCheckout('docs/interoperability.md'),
  `# Which clients buy here

Written by \`npm run matrix\`: each client as it is published, each version pinned in \`test/stock/\`, buys from the built worker with a
chain, a token and a facilitator of its own. Money is counted on the chain, settlements at the facilitator.

In each cell: the client buys · the very same payment is sent again · the same wallet comes back with no cookie and no pass, and its
client pays once more. *Sold*: one settlement of exactly the price, and the content. *Free*: the content, and nothing is settled.
*Refused*: no content, and nothing is settled.

| ${heads.join(' | ')} |
| ${heads.map(() => '---').join(' | ')} |
${rows.join('\n')}

Refused by intent: a payment without an identifier buys once (\`docs/redemption.md\`). \`@faremeter/fetch\` copies the description of what it buys
by \`btoa\`, which knows no text beyond Latin-1: where that holds an umlaut, its payment is not UTF-8 and is answered 400; a dash or a curly
quote, and it throws. Nothing is charged then. Over MCP all of a challenge is ASCII.

– : the tool \`read\` reads what is asked for with \`GET\`; it has nothing of what is sold by \`POST\`. A client over MCP that has bought lasting
access reads on with its pass, too. Which of them \`npm test\` runs: \`test/conformance/stock-clients\` (\`@x402/fetch\`, \`x402-fetch\`, and
\`@x402/svm\` of both versions on Solana), \`test/conformance/mpp-stock\` (\`mppx\`).
`,
)
