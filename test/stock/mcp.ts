// Stock clients that use tools, against the built worker: `node test/stock/mcp.ts`. They are installed in a folder of their own, once,
// and weigh on nothing else. It prints what each has seen, and ends with 1 where one was not sold to once.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { inCheckout } from '../../dev/stack/paths.ts'
import build from '../world/build.ts'
import { openShop, PRICE } from '../world/shop.ts'

const run = promisify(execFile)
const FOLDER = inCheckout('test/stock/mcp')
/** `+agents`: Cloudflare's client pays; else the protocol's own package signs what the challenge says. */
const CLIENTS = ['sdk', 'client', 'client-legacy', 'sdk+agents', 'client+agents']
const PATH = '/articles/hello'
const ONE_DOLLAR = 1_000_000n

if (!existsSync(`${FOLDER}/node_modules`)) {
  // Their peers are ours, or wanted by parts of them that are not used here.
  await run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps', '--no-package-lock'],
    {
      cwd: FOLDER,
    },
  )
}
const stop = await build()
const shop = await openShop({
  ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', description: 'An article — “dear”' }],
})
await shop.site.kv.put(PATH, '<article><h1>Hello</h1><p>The paid words.</p></article>', { metadata: { title: 'Züge' } })
for (const client of CLIENTS) {
  const key = generatePrivateKey()
  await shop.stack.chain.fund(privateKeyToAccount(key).address, ONE_DOLLAR)
  const { result, cost } = await shop.costOf(() =>
    run(process.execPath, ['buy.js', client, `${shop.site.url}/_newsstand/mcp`, PATH, key], { cwd: FOLDER }).then(
      ({ stdout }) => stdout.trim(),
      (fault: unknown) => String(fault).slice(0, 2_000),
    ),
  )
  const isSold = cost.earned === PRICE && cost.settles === 1
  if (!isSold) process.exitCode = 1
  process.stdout.write(`${isSold ? 'sold once' : 'NOT sold once'}  ${result}\n`)
}
await shop.close()
await stop()
