// `npm run ledger` on real purchases: a real chain, the site's own D1, and wrangler between them and the command.
import { type ChildProcess, execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Address, encodeFunctionData, parseAbi } from 'viem'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { openProgress } from '../../cli/ledger/progress.ts'
import { compareAll } from '../../cli/ledger/reconcile.ts'
import { settingsOf } from '../../cli/ledger/source.ts'
import { startChain, USDC } from '../../dev/stack/chain.ts'
import { inCheckout } from '../../dev/stack/paths.ts'
import { listening } from '../../dev/stack/ports.ts'
import { wallets } from '../../dev/stack/wallets.ts'
import { quietWrangler, wranglerProgram } from '../../dev/stack/worker.ts'
import { monthOf, payerAlias, paymentAlias } from '../../src/networks/alias.ts'
import { COLUMNS, copyOf, OTHER_ID, withLedger } from '../world/ledger-rows.ts'
import { broadcast, broadcastTogether, passTime } from '../world/on-chain.ts'
import { authorize } from '../world/payer.ts'
import { type Rpc, startRpc } from '../world/rpc.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../world/shop.ts'

const PAGE = '/articles/hello'
/** Part of an RPC's URL, as providers have it. Nothing may ever print it. */
const KEY = 'KEY-OF-THE-RPC'
const UNTIL_LATER = BigInt(Math.floor(Date.now() / 1000) + 100_000)
const NEW_PAYEE = wallets.carol.address
const ELEVEN_MINUTES = 660

const transferAbi = parseAbi(['function transfer(address to, uint256 value) returns (bool)'])
const report = z.object({
  ok: z.boolean(),
  networks: z.array(
    z.object({
      network: z.string(),
      rpcHost: z.string(),
      payees: z.array(z.string()),
      fromBlock: z.number(),
      rows: z.number(),
      payments: z.number(),
      otherTransfers: z.number(),
    }),
  ),
  ...(() => {
    const findings = z.array(
      z.object({
        kind: z.string(),
        transaction: z.string(),
        ids: z.array(z.string()),
        what: z.string(),
        advice: z.string(),
      }),
    )
    return { errors: findings, notYet: findings, open: findings }
  })(),
})

type Ran = { status: number; out: string; said: string }
type RunOptions = { env?: Record<string, string>; started?: (child: ChildProcess) => void }

/** One command, as `npm run ledger` starts it. */
function ledger(args: readonly string[], { env = {}, started }: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['cli/ledger.ts', ...args],
      { cwd: inCheckout('.'), env: { ...process.env, ...env } },
      (error, out, said) => resolve({ status: error === null ? 0 : Number(error.code ?? -1), out, said }),
    )
    started?.(child)
  })
}

let shop: Shop
let rpc: Rpc
let folder: string
let config: string
/** Where the chain's money came from an authorization, and where not. */
const spam = { zeros: 2, topUps: 1 }

const local = () => ['--local', '-c', config, '--persist-to', shop.site.database.persistTo]
const keyed = (url: string) => `${url}/v2/${KEY}`
let runs = 0
/** What no run before has written to. */
const freshProgress = () => {
  runs += 1
  return join(folder, `progress-${runs}.jsonl`)
}

/** The comparison without a process and wrangler: it takes a second instead of ten. */
async function compared({ url = keyed(rpc.url), file = freshProgress() } = {}) {
  const query = async (sql: string) => (await shop.site.db.prepare(sql).all()).results
  const source = { place: 'local', configPath: config, env: null, persistTo: null, isDemo: false } as const
  const settings = await settingsOf(source, [`${NETWORK}=${url}`])
  const wish = { fromBlock: null, days: null, isAfresh: false }
  const { checked, findings } = await compareAll(query, settings, wish, openProgress(file))
  expect(JSON.stringify(findings)).not.toContain(KEY)
  return { checked, ...findings }
}

const wranglerToml = (more: string, databaseId = shop.site.database.id) => `
name = "newsstand"
compatibility_date = "2026-08-01"
[[d1_databases]]
binding = "LEDGER_DB"
database_name = "newsstand-ledger"
database_id = "${databaseId}"
migrations_dir = "${inCheckout('migrations')}"
[vars]
NETWORKS = ["${NETWORK}"]
${more}
`

beforeAll(async () => {
  // How far it came is said on the way.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  shop = await openShop()
  rpc = await startRpc(shop.stack.chain.rpcUrl)
  shop.onClose(rpc.stop)
  folder = await mkdtemp(join(tmpdir(), 'newsstand-'))
  shop.onClose(() => rm(folder, { recursive: true, force: true }))
  config = join(folder, 'wrangler.toml')
  // The payee was changed since: the old one is in the ledger alone.
  const rpcUrls = JSON.stringify({ [NETWORK]: keyed(rpc.url) })
  await writeFile(config, wranglerToml(`PAY_TO = { eip155 = "${NEW_PAYEE}" }\nRPC_URLS = '${rpcUrls}'`))
  await shop.site.kv.put(PAGE, 'the whole article')

  const { chain } = shop.stack
  for (const version of ['v1', 'v2', 'v2'] as const) {
    expect((await shop.buy(version, PAGE, await shop.reader())).status).toBe(200)
  }
  await vi.waitFor(async () => expect(await shop.ledger()).toHaveLength(3), { timeout: 20_000 })
  const transfer = (to: Address, value: bigint) =>
    chain.send({
      to: USDC,
      data: encodeFunctionData({ abi: transferAbi, functionName: 'transfer', args: [to, value] }),
    })
  await transfer(wallets.publisher.address, 0n)
  await broadcast(chain, await authorize(await shop.reader(), { value: 0n }))
  await chain.fund(wallets.publisher.address, PRICE)
  // Nobody's business here.
  await broadcast(chain, await authorize(await shop.reader(), { value: PRICE, to: wallets.bob.address }))
  await passTime(chain, ELEVEN_MINUTES)
}, 60_000)

afterAll(async () => {
  vi.restoreAllMocks()
  await shop.close()
})

const FIRST = '(SELECT min(id) FROM payments)'
const copied = (id: string, transaction?: string) => copyOf(FIRST, { id, ...(transaction && { transaction }) })
const NO_TRANSACTION = `'0x${'ab'.repeat(32)}'`

describe('reconcile', () => {
  test('is all well after real purchases, whatever else was sent to the payee', async () => {
    const { status, out, said } = await ledger(['reconcile', ...local(), '--progress', freshProgress()])
    expect(status).toBe(0)
    expect(out).toContain('3 rows, 3 payments by authorization, 3 other transfers')
    expect(out).toContain('All well: every row has its transfer, and every transfer its row.')
    expect(said).toContain('Base Sepolia: reading blocks')
    expect(said + out).toContain(new URL(rpc.url).host)
    expect(said + out).not.toContain(KEY)
  })

  test('covers the payees of the ledger, and the one who is paid from now on', async () => {
    const { checked, errors } = await compared()
    const payees = [wallets.publisher.address, NEW_PAYEE].map((payee) => payee.toLowerCase()).sort()
    expect(checked.map(({ view }) => view.payees)).toEqual([payees])
    expect(errors).toEqual([])
  })

  test.each<[string, string, string[]]>([
    ['a row without a transfer', copied(OTHER_ID, NO_TRANSACTION), ['row_without_transfer']],
    ['a transfer without a row', `DELETE FROM payments WHERE id = ${FIRST}`, ['transfer_without_row']],
    ['a wrong amount', `UPDATE payments SET amount = '500000' WHERE id = ${FIRST}`, ['wrong_amount']],
    ['a wrong payee', `UPDATE payments SET pay_to = '${wallets.dave.address}' WHERE id = ${FIRST}`, ['wrong_payee']],
    ['a wrong payer', `UPDATE payments SET payer = '${wallets.dave.address}' WHERE id = ${FIRST}`, ['wrong_payer']],
    ['a double', copied(OTHER_ID), ['double']],
  ])('finds %s, and nothing else', async (_, sql, kinds) => {
    await withLedger(shop, sql, async () => {
      const { errors, notYet, open } = await compared()
      expect(errors.map(({ kind }) => kind)).toEqual(kinds)
      expect({ notYet, open }).toEqual({ notYet: [], open: [] })
      expect(errors[0]?.advice).not.toBe('')
    })
  })

  test('names both amounts, both rows of a double, and what to do', async () => {
    const sql = `UPDATE payments SET amount = '500000' WHERE id = ${FIRST}`
    await withLedger(shop, sql, async () => {
      const { status, out } = await ledger(['reconcile', ...local(), '--progress', join(folder, 'amount.jsonl')])
      expect(status).toBe(1)
      expect(out).toMatch(/ERROR: a wrong amount\n {2}0\.50 USDC from 0x.* the chain says 0\.05 USDC\n/)
      expect(out).toMatch(/what to do: .*\n/)
      expect(out).not.toContain('All well')
    })
    await withLedger(shop, copied(OTHER_ID), async () => {
      const { errors } = await compared()
      expect(errors[0]?.ids).toHaveLength(2)
    })
  })

  test('lists what is to be given back and what is unproven, and counts neither as an error', async () => {
    const [first, second] = (await shop.ledger()).map(({ id }) => id)
    const sql = `UPDATE payments SET remark = CASE id WHEN '${first}' THEN 'refund_due' ELSE 'unproven' END
      WHERE id IN ('${first}', '${second}')`
    await withLedger(shop, sql, async () => {
      const { errors, open } = await compared()
      expect(errors).toEqual([])
      expect(open.map(({ kind }) => kind).sort()).toEqual(['refund_due', 'unproven'])
    })
  })

  test('does not believe an endpoint that leaves out logs', async () => {
    await rpc.set('leaves out logs')
    const { errors } = await compared()
    await rpc.set(null)
    expect(errors).toHaveLength(3)
    expect(new Set(errors.map(({ kind }) => kind))).toEqual(new Set(['logs_left_out']))
  })

  test('does not ask an endpoint of another chain, and names its host alone', async () => {
    const other = await startChain({ chainId: 8453 })
    const { checked, errors } = await compared({ url: `${other.rpcUrl}/?key=${KEY}` })
    await other.stop()
    expect(checked).toEqual([])
    expect(errors.map(({ kind }) => kind)).toEqual(['not_checked'])
    expect(errors[0]?.what).toMatch(/the RPC at 127\.0\.0\.1:\d+ is of chain 8453, and eip155:84532 is chain 84532/)
  })

  test('halves what is refused, and goes on where it broke off', async () => {
    const narrow = await startNarrowRpc(shop.stack.chain.rpcUrl)
    const args = ['reconcile', '--json', ...local(), '--rpc', `${NETWORK}=${narrow.url}`]
    const progress = ['--progress', join(folder, 'broken-off.jsonl')]
    narrow.hangAfter(MOST_ANSWERS)
    const ended = ledger([...args, ...progress], {
      started: (child) => void narrow.hangs.then(() => child.kill('SIGKILL')),
    })
    await ended
    const before = [...narrow.answered]
    expect(before).toHaveLength(MOST_ANSWERS)
    expect(before[0]?.from).toBe(0)

    narrow.hangAfter(Number.POSITIVE_INFINITY)
    const { status, out } = await ledger([...args, ...progress])
    await narrow.stop()
    expect(status).toBe(0)
    expect(report.parse(JSON.parse(out)).networks[0]).toMatchObject({
      rows: 3,
      payments: 3,
      otherTransfers: spam.zeros + spam.topUps,
    })
    const last = before.at(-1)
    expect(narrow.answered[MOST_ANSWERS]?.from).toBe(last && last.from + last.blocks)
  })

  test('a payment without a row is not yet an error, and one after ten minutes', async () => {
    const { chain } = shop.stack
    const [a, b] = [await shop.reader(), await shop.reader()]
    const value = 70_000n
    const two = [
      await authorize(a, { value, validBefore: UNTIL_LATER }),
      await authorize(b, { value, validBefore: UNTIL_LATER }),
    ]
    await broadcastTogether(chain, two)
    await passTime(chain, 60)
    const file = freshProgress()
    const young = await compared({ file })
    expect(young.notYet.map(({ kind }) => kind)).toEqual(['transfer_without_row', 'transfer_without_row'])
    expect(young.errors).toEqual([])

    await passTime(chain, ELEVEN_MINUTES)
    const old = await compared({ file })
    expect(old.errors.map(({ kind }) => kind)).toEqual(['transfer_without_row', 'transfer_without_row'])
    const ids = two.map(({ authorization: { from, nonce } }) => `3009|84532|${USDC}|${from}|${nonce}`.toLowerCase())
    expect(old.errors.flatMap((error) => error.ids).sort()).toEqual(ids.sort())
    expect(old.notYet).toEqual([])
  })
})

/** A short chain has several ranges of this length, and the run breaks off between them. */
const MOST_BLOCKS = 3
const MOST_ANSWERS = 4

/** An endpoint that refuses longer ranges, and stops answering when told to. */
async function startNarrowRpc(rpcUrl: string) {
  const answered: { from: number; blocks: number }[] = []
  let limit = Number.POSITIVE_INFINITY
  const hanging = Promise.withResolvers<void>()
  const filter = z.object({ fromBlock: z.string(), toBlock: z.string() })
  const call = z.looseObject({ id: z.number(), method: z.string(), params: z.array(z.unknown()) })
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const body = Buffer.concat(chunks).toString()
    const sent = z.union([call, z.array(call)]).parse(JSON.parse(body))
    const logs = [sent].flat().find(({ method }) => method === 'eth_getLogs')
    const range = logs && filter.parse(logs.params[0])
    const blocks = range ? Number(range.toBlock) - Number(range.fromBlock) + 1 : 0
    response.setHeader('content-type', 'application/json')
    if (blocks > MOST_BLOCKS) {
      const error = { code: -32005, message: 'block range too large' }
      const refusals = [sent].flat().map(({ id }) => ({ jsonrpc: '2.0', id, error }))
      return void response.end(JSON.stringify(Array.isArray(sent) ? refusals : refusals[0]))
    }
    if (range && answered.length >= limit) return void hanging.resolve()
    if (range) answered.push({ from: Number(range.fromBlock), blocks })
    const real = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    response.end(await real.text())
  })
  const { url, stop } = await listening(server)
  return {
    url,
    stop,
    hangs: hanging.promise,
    hangAfter(ranges: number) {
      limit = ranges
    },
    answered,
  }
}

describe('export and show', () => {
  test('export every purchase with what a bookkeeper needs', async () => {
    const out = join(folder, 'ledger.csv')
    expect(await ledger(['export', '--csv', '--out', out, ...local()])).toMatchObject({ status: 0, out: '' })
    const [heading, ...lines] = (await readFile(out, 'utf8')).trimEnd().split('\r\n')
    expect(heading).toContain('Time (UTC),Site,Resource,Network,Token,Amount')
    expect(lines).toHaveLength(3)
    for (const line of lines) expect(line).toContain(`,https://news.example,${PAGE},${NETWORK},USDC,0.05,50000,0x`)
  })

  test('no resource of a stranger becomes a formula, and the time chooses', async () => {
    const sql = `UPDATE payments SET resource = '=cmd|''/C calc''!A0', settled_at_seconds = 1700000000 WHERE id = ${FIRST}`
    await withLedger(shop, sql, async () => {
      const { out } = await ledger(['export', '--from', '2023-11-14', '--to', '2023-11-14', ...local()])
      const [, line, ...end] = out.split('\r\n')
      expect(line).toContain(`2023-11-14T22:13:20Z,https://news.example,'=cmd|'/C calc'!A0,${NETWORK}`)
      expect(end).toEqual([''])
    })
  })

  test('show finds a row by transaction and by payer, in any spelling, and says when there is none', async () => {
    const [row] = await shop.ledger()
    const { payer, transaction } = z.object({ payer: z.string(), transaction: z.string() }).parse(row)
    for (const name of [transaction.toUpperCase().replace('0X', '0x'), payer]) {
      const { status, out } = await ledger(['show', name, ...local()])
      expect(status).toBe(0)
      expect(out).toContain('0.05 USDC')
      expect(out).toContain(`https://sepolia.basescan.org/tx/${transaction}`)
    }
    const { id, settled_at_seconds } = z.object({ id: z.string(), settled_at_seconds: z.number() }).parse(row)
    const env = { PASS_SECRET: 'another secret, long enough', PASS_SECRET_PREVIOUS: 'a secret for tests, long enough' }
    const inLog = [
      paymentAlias(env.PASS_SECRET_PREVIOUS, id),
      payerAlias(env.PASS_SECRET_PREVIOUS, payer, monthOf(settled_at_seconds)),
    ]
    for (const name of inLog) expect((await ledger(['show', name, ...local()], { env })).out).toContain(transaction)
    expect((await ledger(['show', '0123456789abcdef', ...local()], { env })).status).toBe(1)
    const none = await ledger(['show', wallets.bob.address, ...local()])
    expect(none).toMatchObject({ status: 1, out: '' })
    expect(none.said).toContain(`the ledger has no row for ${wallets.bob.address}`)
  })
})

describe('what stands in the way is said', () => {
  const NO_LOGIN = {
    HOME: '/nonexistent',
    XDG_CONFIG_HOME: '/nonexistent',
    CLOUDFLARE_API_TOKEN: '',
    CLOUDFLARE_API_KEY: '',
    CLOUDFLARE_EMAIL: '',
  }
  let remote: string
  let unmade: string

  beforeAll(async () => {
    remote = join(folder, 'remote.toml')
    unmade = join(folder, 'unmade.toml')
    await writeFile(remote, wranglerToml('', '6b1ff1c0-5a5b-4c0e-9d57-111111111111'))
    await writeFile(unmade, wranglerToml('', '00000000-0000-0000-0000-000000000000'))
    await writeFile(join(folder, 'bare.toml'), 'name = "newsstand"\ncompatibility_date = "2026-08-01"\n')
  })

  test.each<[string, () => string[], RegExp]>([
    ['no verb', () => [], /usage: npm run ledger -- VERB --local \| --remote/],
    ['an unknown verb', () => ['toString'], /usage: npm run ledger/],
    ['an unknown flag', () => ['export', '--local', '--xml'], /Unknown option '--xml'/],
    ['no ledger', () => ['export'], /say which ledger is meant: --local .* or --remote/],
    ['two ledgers', () => ['export', '--local', '--remote'], /say which ledger is meant/],
    [
      'a folder that is not there',
      () => ['export', '--local', '--persist-to', '/nowhere'],
      /no local state in \/nowhere/,
    ],
    ['two formats', () => ['export', '--csv', '--json', ...local()], /--csv or --json, not both/],
    ['no database made', () => ['export', '--remote', '-c', unmade], /names no database of yours: make one/],
    ['no login', () => ['export', '--remote', '-c', remote], /not logged in.*npx wrangler login/],
    [
      'no binding',
      () => ['export', '--local', '-c', join(folder, 'bare.toml')],
      /no D1 database with the binding LEDGER_DB/,
    ],
    [
      'a network nobody knows',
      () => ['reconcile', '--rpc', 'eip155:5=https://rpc.example', ...local()],
      /eip155:5, which is not supported/,
    ],
    [
      'an RPC in the clear',
      () => ['reconcile', '--rpc', `${NETWORK}=http://rpc.example/${KEY}`, ...local()],
      /no https:\/\/ URL/,
    ],
    [
      'a progress of somebody else',
      () => ['reconcile', '--progress', config, ...local()],
      /no progress of this command/,
    ],
  ])('%s', async (_, args, problem) => {
    const { status, out, said } = await ledger(args(), { env: NO_LOGIN })
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(said).toMatch(problem)
    expect(said).not.toContain(KEY)
    expect(said).not.toMatch(/\n {4}at /)
  })

  test('a ledger without its table, which wrangler then makes; a long one is read page by page', async () => {
    const state = await mkdtemp(join(folder, 'state-'))
    const place = ['--local', '-c', config, '--persist-to', state]
    const missing = await ledger(['export', ...place])
    expect(missing).toMatchObject({ status: 1, out: '' })
    expect(missing.said).toContain(
      `run npx wrangler d1 migrations apply LEDGER_DB --local -c ${config} --persist-to ${state}`,
    )

    await wrangler('d1', 'migrations', 'apply', 'LEDGER_DB', ...place)
    expect((await ledger(['export', '--json', ...place])).out).toBe('[]\n')
    // Many of one second, so that a page ends between them.
    const many = `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
      INSERT INTO payments (${COLUMNS}) SELECT '3009|''' || i, 's', 'r', 'exact', '${NETWORK}', 'a', i, 'p', 'q', 't', 'o', 0, i / 700, NULL, NULL, NULL FROM n`
    await wrangler('d1', 'execute', 'LEDGER_DB', ...place, '--command', many)
    const { out } = await ledger(['export', '--json', ...place])
    const amounts = z.array(z.object({ amountAtomic: z.coerce.number() })).parse(JSON.parse(out))
    expect(amounts.map(({ amountAtomic }) => amountAtomic).sort((a, b) => a - b)).toEqual([...Array(2_001).keys()])
  })

  test('a remote ledger is read through Cloudflare’s API, and one that is gone is said to be', async () => {
    const asked: string[] = []
    let isThere = true
    const statement = z.object({ sql: z.string() })
    const api = await listening(
      createServer(async (request, response) => {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(Buffer.from(chunk))
        asked.push(`${request.method} ${request.url}`)
        response.setHeader('content-type', 'application/json')
        if (!isThere) {
          const errors = [{ code: 7404, message: 'The database could not be found' }]
          return void response
            .writeHead(404)
            .end(JSON.stringify({ success: false, errors, messages: [], result: null }))
        }
        const { sql } = statement.parse(JSON.parse(Buffer.concat(chunks).toString()))
        const { results } = await shop.site.db.prepare(sql).all()
        const result = [{ results, success: true, meta: {} }]
        response.end(JSON.stringify({ success: true, errors: [], messages: [], result }))
      }),
    )
    const env = {
      CLOUDFLARE_API_BASE_URL: api.url,
      CLOUDFLARE_API_TOKEN: 'TOKEN-OF-THE-TEST',
      CLOUDFLARE_ACCOUNT_ID: 'a1',
    }
    const place = ['export', '--remote', '-c', remote]
    const good = await ledger(place, { env })
    isThere = false
    const gone = await ledger(place, { env })
    await api.stop()
    expect(good).toMatchObject({ status: 0, said: '' })
    expect(good.out.split('\r\n')).toHaveLength(5)
    expect(asked[0]).toBe('POST /accounts/a1/d1/database/6b1ff1c0-5a5b-4c0e-9d57-111111111111/query')
    expect(gone).toMatchObject({ status: 1, out: '' })
    expect(gone.said).toContain('names no database of yours')
    expect(good.out + gone.said).not.toContain('TOKEN-OF-THE-TEST')
  })
})

function wrangler(...args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...quietWrangler, CI: 'true' }
    execFile(process.execPath, [wranglerProgram(), ...args], { env }, (error) => (error ? reject(error) : resolve()))
  })
}
