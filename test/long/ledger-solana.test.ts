// `npm run ledger` on real purchases on Solana: a real chain behind its node's JSON-RPC, the site's own D1, and wrangler between
// them and the command.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { openProgress } from '../../cli/ledger/progress.ts'
import type { Wish } from '../../cli/ledger/reading.ts'
import { compareAll } from '../../cli/ledger/reconcile.ts'
import { settingsOf } from '../../cli/ledger/source.ts'
import { inCheckout } from '../../dev/stack/paths.ts'
import { solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { SOLANA_NETWORK } from '../../dev/stack/solana.ts'
import { startFront } from '../world/doctor.ts'
import { copyOf, OTHER_ID, withLedger } from '../world/ledger-rows.ts'
import { passTime } from '../world/on-chain.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../world/shop.ts'
import { BASE_VARS } from '../world/site.ts'
import { arrivals, landSilently } from '../world/solana-on-chain.ts'
import { paySolana, signSolana, solanaChallenge, solanaReader, solanaTerms } from '../world/solana-payer.ts'
import { type SolanaStack, startSolanaStack } from '../world/stack.ts'

const PAGE = '/articles/hello'
/** Part of an RPC's URL, as providers have it. Nothing may ever print it. */
const KEY = 'KEY-OF-THE-RPC'
const PAYEE = solanaWallets.publisher.address
const ELEVEN_MINUTES_OF_SLOTS = 1_650
const MAINNET_GENESIS = '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d'

let stack: SolanaStack
let shop: Shop
let folder: string
let config: string

const local = () => ['--local', '-c', config, '--persist-to', shop.site.database.persistTo]
let runs = 0
/** What no run before has written to. */
const freshProgress = () => {
  runs += 1
  return join(folder, `progress-${runs}.jsonl`)
}

/** One command, as `npm run ledger` starts it. */
function ledger(...args: string[]): Promise<{ status: number; out: string; said: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['cli/ledger.ts', ...args], { cwd: inCheckout('.') }, (error, out, said) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? -1), out, said }),
    )
  })
}

/** The comparison without a process and wrangler. */
async function compared({
  url = stack.solana.rpcUrl,
  file = freshProgress(),
  wish,
}: {
  url?: string
  file?: string
  wish?: Partial<Wish>
} = {}) {
  const query = async (sql: string) => (await shop.site.db.prepare(sql).all()).results
  const source = { place: 'local', configPath: config, env: null, persistTo: null, isDemo: false } as const
  const settings = await settingsOf(source, [`${SOLANA_NETWORK}=${url}/?key=${KEY}`])
  const wanted = { fromBlock: null, days: null, isAfresh: false, ...wish }
  const { checked, findings } = await compareAll(query, settings, wanted, openProgress(file))
  expect(JSON.stringify(findings)).not.toContain(KEY)
  const onSolana = checked.find(({ view }) => view.asset.network === SOLANA_NETWORK)
  return { solana: onSolana, ...findings }
}

/** A payment as somebody signs it, and the facilitator puts it on the chain without telling the site. */
async function payBehindItsBack() {
  const challenge = solanaChallenge(await shop.ask(PAGE))
  const transaction = await signSolana(stack.solana, challenge, await solanaReader(stack.solana))
  expect(landSilently(stack.solana, transaction)).toBeNull()
}

beforeAll(async () => {
  // How far it came is said on the way.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  stack = await startSolanaStack()
  const { chain, solana } = stack
  await solana.fund(PAYEE, 0n)
  const rpcUrls = { [NETWORK]: chain.rpcUrl, [SOLANA_NETWORK]: solana.rpcUrl }
  const payTo = { ...BASE_VARS.PAY_TO, solana: PAYEE }
  shop = await openShop({ NETWORKS: [NETWORK, SOLANA_NETWORK], PAY_TO: payTo, RPC_URLS: rpcUrls }, { stack })
  shop.onClose(stack.stop)
  folder = await mkdtemp(join(tmpdir(), 'newsstand-'))
  shop.onClose(() => rm(folder, { recursive: true, force: true }))
  config = join(folder, 'wrangler.toml')
  await writeFile(
    config,
    `
name = "newsstand"
compatibility_date = "2026-08-01"
[[d1_databases]]
binding = "LEDGER_DB"
database_name = "newsstand-ledger"
database_id = "${shop.site.database.id}"
migrations_dir = "${inCheckout('migrations')}"
[vars]
NETWORKS = ["${NETWORK}", "${SOLANA_NETWORK}"]
PAY_TO = { eip155 = "${payTo.eip155}", solana = "${PAYEE}" }
RPC_URLS = '${JSON.stringify(rpcUrls)}'
`,
  )
  await shop.site.kv.put(PAGE, 'the whole article')

  expect((await shop.buy('v2', PAGE, await shop.reader())).status).toBe(200)
  for (const version of ['v1', 'v2', 'v2'] as const) {
    const reader = await solanaReader(solana)
    const headers = await paySolana(version, solana, solanaChallenge(await shop.ask(PAGE)), reader)
    expect((await shop.ask(PAGE, { headers })).status).toBe(200)
  }
  await vi.waitFor(async () => expect(await shop.ledger()).toHaveLength(4), { timeout: 20_000 })
  // Money with another memo: a present.
  const present = await signSolana(solana, solanaTerms(PRICE, 'for you'), await solanaReader(solana))
  expect(landSilently(solana, present)).toBeNull()
  solana.clock.pass(ELEVEN_MINUTES_OF_SLOTS)
  await passTime(chain, 660)
}, 60_000)

afterAll(async () => {
  vi.restoreAllMocks()
  await shop.close()
})

const FIRST = `(SELECT min(id) FROM payments WHERE network = '${SOLANA_NETWORK}')`
const copied = (id: string, transaction?: string) =>
  copyOf(FIRST, { id, ...(transaction ? { transaction } : { position: 'NULL' }) })
const NO_TRANSACTION = `'${'5'.repeat(88)}'`
const kinds = (findings: readonly { kind: string }[]) => findings.map(({ kind }) => kind)

describe('reconcile', () => {
  test('is all well after real purchases on both networks, whatever else came in', async () => {
    const { status, out, said } = await ledger('reconcile', ...local(), '--progress', freshProgress())
    expect(out + said).toContain('3 rows, 3 payments by memo, 1 other transfer\n')
    expect(out).toContain('1 row, 1 payment by authorization')
    expect(out).toContain('All well: every row has its transfer, and every transfer its row.')
    expect(said).toContain('Solana Devnet: reading from ')
    expect(status).toBe(0)
  })

  test.each<[string, string, string[]]>([
    ['a row without a transfer', copied(OTHER_ID, NO_TRANSACTION), ['row_without_transfer']],
    ['a transfer without a row', `DELETE FROM payments WHERE id = ${FIRST}`, ['transfer_without_row']],
    ['a wrong amount', `UPDATE payments SET amount = '500000' WHERE id = ${FIRST}`, ['wrong_amount']],
    [
      'a wrong payee',
      `UPDATE payments SET pay_to = '${solanaWallets.carol.address}' WHERE id = ${FIRST}`,
      ['wrong_payee'],
    ],
    ['a payer in another spelling', `UPDATE payments SET payer = lower(payer) WHERE id = ${FIRST}`, ['wrong_payer']],
    ['a double', copied(OTHER_ID), ['double']],
  ])('finds %s, and nothing else', async (_, sql, expected) => {
    await withLedger(shop, sql, async () => {
      const { errors, notYet, open } = await compared()
      expect(kinds(errors), JSON.stringify(errors)).toEqual(expected)
      expect({ notYet, open }).toEqual({ notYet: [], open: [] })
    })
  })

  test('names amounts in whole units, the payment id, and the explorer’s page', async () => {
    await withLedger(shop, `UPDATE payments SET amount = '500000' WHERE id = ${FIRST}`, async () => {
      const [error] = (await compared()).errors
      expect(error?.what).toContain('0.50 USDC from ')
      expect(error?.what).toContain('; the chain says 0.05 USDC')
      expect(error?.ids[0]).toMatch(/^svm\|EtWTRABZaYq6iMfeYKouRu166VU2xqa1\|[0-9a-f]{64}$/)
      expect(error?.link).toBe(`https://explorer.solana.com/tx/${error?.transaction}?cluster=devnet`)
      expect((await arrivals(stack.solana, PAYEE)).map(({ signature }) => signature)).toContain(error?.transaction)
    })
  })

  test('goes on where it was: nothing is read twice', async () => {
    const file = freshProgress()
    await compared({ file })
    const before = stack.solana.calls.getTransaction
    const { solana, errors } = await compared({ file })
    expect(errors).toEqual([])
    expect(solana?.view.transfers).toHaveLength(3)
    expect(stack.solana.calls.getTransaction).toBe(before)
    await compared({ file, wish: { isAfresh: true } })
    expect(stack.solana.calls.getTransaction).toBeGreaterThan(before ?? 0)
  })

  test('does not need the memos of the list', async () => {
    stack.solana.faults.leavesOutMemos = true
    const { errors, solana } = await compared()
    stack.solana.faults.leavesOutMemos = false
    expect(errors).toEqual([])
    expect(solana).toMatchObject({ rows: 3, others: 1 })
  })

  test('does not believe an endpoint that lists nothing', async () => {
    const front = await startFront(stack.solana.rpcUrl, (method) =>
      method === 'getSignaturesForAddress' ? { result: [] } : null,
    )
    const { errors } = await compared({ url: front.url })
    await front.stop()
    expect(kinds(errors)).toEqual(['logs_left_out', 'logs_left_out', 'logs_left_out'])
  })

  test('compares nothing on an endpoint that lists a transaction and does not show it', async () => {
    const front = await startFront(stack.solana.rpcUrl, (method) =>
      method === 'getTransaction' ? { result: null } : null,
    )
    const { errors, solana } = await compared({ url: front.url })
    await front.stop()
    expect(kinds(errors)).toEqual(['not_checked'])
    expect(errors[0]?.what).toMatch(/lists \w{80,88} and does not show it; set RPC_URLS/)
    expect(solana).toBeUndefined()
  })

  test('compares nothing on an endpoint that has forgotten the oldest row, and says so', async () => {
    const { faults, clock } = stack.solana
    faults.prunedBelow = clock.slotAt('finalized') - 10
    const { errors, solana } = await compared()
    faults.prunedBelow = 0
    expect(kinds(errors)).toEqual(['not_checked'])
    expect(errors[0]?.what).toMatch(
      /remembers nothing before 20.*Z, and 20.*Z is the oldest to look at; name one that keeps/,
    )
    expect(solana).toBeUndefined()
  })

  test('goes on with an endpoint that has forgotten what an earlier run has read', async () => {
    const file = freshProgress()
    await compared({ file })
    const { faults, clock } = stack.solana
    faults.prunedBelow = clock.slotAt('finalized') - 10
    const { errors, solana } = await compared({ file })
    faults.prunedBelow = 0
    expect(errors).toEqual([])
    expect(solana?.view.transfers).toHaveLength(3)
  })

  test('does not ask an endpoint of another cluster, and names its host alone', async () => {
    const front = await startFront(stack.solana.rpcUrl, (method) =>
      method === 'getGenesisHash' ? { result: MAINNET_GENESIS } : null,
    )
    const { errors } = await compared({ url: front.url })
    await front.stop()
    expect(kinds(errors)).toEqual(['not_checked'])
    expect(errors[0]?.what).toMatch(
      /the RPC at 127\.0\.0\.1:\d+ is of solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp, and not of solana:EtWTRAB/,
    )
  })
})

describe('show and export', () => {
  const rowOf = z.object({ payer: z.string(), transaction: z.string(), id: z.string() })

  test('show finds a row by transaction and payment id, and by no other spelling', async () => {
    const row = (await shop.ledger()).find(({ network }) => network === SOLANA_NETWORK)
    const { payer, transaction, id } = rowOf.parse(row)
    for (const name of [transaction, id]) {
      const { out, said } = await ledger('show', name, ...local())
      expect(out, said).toContain('0.05 USDC')
      expect(out).toContain(`https://explorer.solana.com/tx/${transaction}?cluster=devnet`)
      expect(out).toContain('said by the facilitator, and checked on the chain since; the remark would say "unproven"')
    }
    const other = await ledger('show', payer.toLowerCase().replace(/[0l]/g, '1'), ...local())
    expect(other).toMatchObject({ status: 1, out: '' })
  })

  test('show says whether the chain bears a payment out, and where', async () => {
    const row = (await shop.ledger()).find(({ network }) => network === SOLANA_NETWORK)
    const { id } = rowOf.parse(row)
    const said = async (remark: string | null, position: number | null) => {
      const change = shop.site.db.prepare('UPDATE payments SET remark = ?, position = ? WHERE id = ?')
      await change.bind(remark, position, id).run()
      const { out } = await ledger('show', id, ...local())
      return /^ {2}Proof +(.*)$/m.exec(out)?.[1]
    }
    expect(await said('unproven', null)).toBe("the facilitator's word, which the chain does not bear out")
    expect(await said(null, 2)).toBe('instruction 2 of the transaction')
    expect(await said(null, null)).not.toContain('bear out')
  })

  test('export has symbol, whole units and the mint', async () => {
    const { out } = await ledger('export', '--json', ...local())
    const rows = z.array(z.looseObject({ network: z.string() })).parse(JSON.parse(out))
    const onSolana = rows.filter(({ network }) => network === SOLANA_NETWORK)
    expect(onSolana).toHaveLength(3)
    for (const row of onSolana) {
      expect(row).toMatchObject({ token: 'USDC', amount: '0.05', amountAtomic: '50000', payee: PAYEE })
    }
  })
})

test('a payment without a row is not yet an error, and one after ten minutes', async () => {
  await payBehindItsBack()
  // Until it is finalized.
  stack.solana.clock.pass(40)
  const file = freshProgress()
  const young = await compared({ file })
  expect(kinds(young.notYet)).toEqual(['transfer_without_row'])
  expect(young.errors).toEqual([])
  stack.solana.clock.pass(ELEVEN_MINUTES_OF_SLOTS)
  const old = await compared({ file })
  expect(kinds(old.errors)).toEqual(['transfer_without_row'])
  expect(old.notYet).toEqual([])
})
