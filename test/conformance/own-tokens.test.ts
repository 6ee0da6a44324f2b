// Tokens that a site names itself, in `ASSETS`: sold in like those of the table, and looked at more closely by doctor, since
// nobody has tested their bytecode.
import { concat, type Hex, pad, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { AUTHORIZATION_USED, TRANSFER } from '../../src/payer/proof.ts'
import { said, startFront, visit } from '../world/doctor.ts'
import { passTime } from '../world/on-chain.ts'
import { AS_WRITTEN, CONTENT, EURX, type OwnShop, openOwnShop, PAGE, POLYGON, PRICE } from '../world/own-token.ts'
import { VERSIONS } from '../world/payer.ts'

const AT = `ASSETS.${POLYGON}`
/** A height of a chain in use. */
const HEAD = 40_000_000
let shop: OwnShop

beforeAll(async () => {
  shop = await openOwnShop()
})
afterAll(() => shop.stop())

/** What doctor says of the token; `rpcUrl`: another way to the chain. */
async function look(over: object = {}, rpcUrl = shop.dollars.chain.rpcUrl): Promise<string[]> {
  const vars = { ...shop.vars, RPC_URLS: { [POLYGON]: rpcUrl }, ...over }
  return said(await visit({ vars })).filter((line) => /ASSETS|EURX|NETWORKS|token/.test(line))
}

const UNKNOWN_ORDER =
  /^warning: ASSETS\.eip155:137: in the last \d+ blocks nobody paid in EURX on Polygon by authorization, so the order of its logs is unknown; where an answer of a facilitator is lost, what became of the payment can stay unknown: pay a cent in it by authorization, and run doctor again$/

describe('before anybody has paid in it', () => {
  test('doctor says that the order of its logs is unknown, and finds nothing else', async () => {
    expect(await look()).toEqual([expect.stringMatching(UNKNOWN_ORDER)])
  })

  test('and a transfer that nobody authorized shows nothing', async () => {
    await shop.euros.fund(shop.payTo, 1n)
    expect(await look()).toEqual([expect.stringMatching(UNKNOWN_ORDER)])
  })

  test('a name that is not the token’s own is an error, and so is an address without a contract', async () => {
    const written = (over: object) => ({ ASSETS: { [POLYGON]: { ...AS_WRITTEN, ...over } } })
    expect(await look(written({ name: 'Euro Y' }))).toContain(
      `error: ${AT}: EURX on Polygon is "Euro X", version "2", and readers would sign for "Euro Y", version "2"; correct ASSETS, or take it out`,
    )
    const empty = '0x00000000000000000000000000000000e00e00ff'
    const { host } = new URL(shop.dollars.chain.rpcUrl)
    expect(await look(written({ address: empty }))).toContain(
      `error: ${AT}: ${host} shows no token at ${empty} on Polygon; correct its address, or write an endpoint of the real Polygon`,
    )
  })

  test('the dollars of the table are looked at beside it where both are sold in', async () => {
    const ROUTES = [{ path: '/articles/*', content: 'kv', price: ['$0.05', '€0.04'] }]
    const asked = new Set<string>()
    const to = z.object({ to: z.string() })
    const front = await startFront(shop.dollars.chain.rpcUrl, (method, [what]) => {
      if (method === 'eth_call') asked.add(to.parse(what).to.toLowerCase())
      return null
    })
    expect(await look({ ROUTES }, front.url)).toEqual([expect.stringMatching(UNKNOWN_ORDER)])
    await front.stop()
    expect(asked).toEqual(new Set([shop.dollars.asset.asset, EURX.asset].map((address) => address.toLowerCase())))
  })
})

test('on a long chain without payments in it few questions are asked, of ranges that endpoints allow', async () => {
  const uses = z.tuple([
    z.object({ topics: z.tuple([z.literal(AUTHORIZATION_USED)]), fromBlock: z.string(), toBlock: z.string() }),
  ])
  const lengths: number[] = []
  const front = await startFront(shop.dollars.chain.rpcUrl, (method, params) => {
    if (method === 'eth_getBlockByNumber') {
      const [height] = z.tuple([z.string()]).rest(z.unknown()).parse(params)
      const seconds = Math.floor(Date.now() / 1000)
      const number = height === 'latest' ? HEAD : Number(height)
      const timestamp = toHex(seconds - 2 * (HEAD - number))
      return { result: { number: toHex(number), timestamp, transactions: [] } }
    }
    if (method !== 'eth_getLogs') return null
    const asked = uses.safeParse(params).data
    if (asked) lengths.push(Number(asked[0].toBlock) - Number(asked[0].fromBlock) + 1)
    return { result: [] }
  })
  const lines = await look({}, front.url)
  await front.stop()
  expect(lines).toEqual([expect.stringMatching(UNKNOWN_ORDER)])
  expect(lengths.length).toBeLessThanOrEqual(20)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(2_000)
  const blocks = lengths.reduce((sum, length) => sum + length, 0)
  expect(lines[0]).toContain(`in the last ${blocks} blocks`)
})

describe.each(VERSIONS)('a purchase in %s', (version) => {
  test('is paid in it once, and stands in the ledger as what it is', async () => {
    const reader = await shop.reader()
    const before = await shop.euros.balance(shop.payTo)
    expect((await shop.buy(version, reader)).text).toBe(CONTENT)
    expect((await shop.euros.balance(shop.payTo)) - before).toBe(PRICE)
    const rows = async () =>
      (await shop.site.db.prepare('SELECT * FROM payments WHERE payer = ?').bind(reader.address.toLowerCase()).all())
        .results
    await expect
      .poll(rows)
      .toMatchObject([
        { asset: EURX.asset, amount: `${PRICE}`, symbol: 'EURX', currency: 'EUR', decimals: 6, resource: PAGE },
      ])
  })
})

/** Answers longer ranges as free endpoints do. */
const mostBlocks = (most: number) => {
  const range = z.tuple([z.object({ fromBlock: z.string(), toBlock: z.string() })])
  const lengths: number[] = []
  const twist = (method: string, params: readonly unknown[]) => {
    if (method !== 'eth_getLogs') return null
    const [{ fromBlock, toBlock }] = range.parse(params)
    const length = Number(toBlock) - Number(fromBlock) + 1
    lengths.push(length)
    return length > most ? { error: { code: -32005, message: 'range too large' } } : null
  }
  return { lengths, twist }
}

describe('once somebody has paid in it', () => {
  test('doctor has read that its transfer comes next, and says nothing', async () => {
    expect(await look()).toEqual([])
  })

  test.each([10, 1])(
    'and an endpoint that answers for %i blocks at once is asked for no more, and not for long',
    async (most) => {
      const { lengths, twist } = mostBlocks(most)
      const front = await startFront(shop.dollars.chain.rpcUrl, twist)
      const lines = await look({}, front.url)
      await front.stop()
      expect(lines.filter((line) => line.startsWith('error') || line.startsWith('not checked'))).toEqual([])
      expect(lengths.length).toBeLessThan(60)
    },
  )

  test('sales in it that the ledger does not know are counted', async () => {
    const sold = (await shop.site.db.prepare('SELECT "transaction" FROM payments').all()).results
    const lacking = async (known: object[]) => {
      const answers: Record<string, unknown> = {
        secret: [{ name: 'PASS_SECRET', type: 'secret_text' }],
        d1: [{ results: known }, { results: [] }],
        kv: [],
      }
      const wrangler = async ([command = '']: readonly string[]) => ({
        isGood: true,
        text: JSON.stringify(answers[command]),
      })
      const report = await visit({ vars: shop.vars, options: { storage: 'remote' }, machine: { wrangler } })
      return said(report).filter((line) => line.includes('the ledger lacks'))
    }
    await passTime(shop.euros.chain, 700)
    expect(sold).toHaveLength(2)
    expect(await lacking([])).toEqual([expect.stringContaining('payments of the last day on Polygon: 2.')])
    expect(await lacking(sold)).toEqual([])
  })

  test('an endpoint without logs leaves it unchecked', async () => {
    const front = await startFront(shop.dollars.chain.rpcUrl, mostBlocks(0).twist)
    const { host } = new URL(front.url)
    expect(await look({}, front.url)).toContain(
      `not checked: ${AT}: ${host} does not show how payments in EURX on Polygon are logged; write another endpoint`,
    )
    await front.stop()
  })

  test('an endpoint without receipts leaves it unchecked: logs alone show no order', async () => {
    const front = await startFront(shop.dollars.chain.rpcUrl, (method) =>
      method === 'eth_getTransactionReceipt' ? { result: null } : null,
    )
    const lines = await look({}, front.url)
    await front.stop()
    expect(lines).toContainEqual(
      expect.stringMatching(/^not checked: ASSETS\.eip155:137: .* does not show how payments/),
    )
  })
})

const [CALLER, MSTORE, LOG0, LOG3] = ['0x33', '0x52', '0xa0', '0xa3'] as const
const push = (value: Hex) => concat(['0x7f', pad(value)])
const [NOTHING, ONE_WORD] = [push('0x00'), push('0x20')]
/** A log without words. */
const A_LOG = concat([NOTHING, NOTHING, LOG0])

/** Code that logs the use of an authorization, does what is between, and logs its transfer. */
function tokenWith(between: Hex): Hex {
  const used = concat([push(toHex(7)), CALLER, push(AUTHORIZATION_USED), NOTHING, NOTHING, LOG3])
  const value = concat([push(toHex(PRICE)), NOTHING, MSTORE])
  const moved = concat([push(shop.payTo), CALLER, push(TRANSFER), ONE_WORD, NOTHING, LOG3])
  return concat([used, between, value, moved])
}

/** The token becomes another one, and is paid in once. */
async function become(code: Hex): Promise<void> {
  const { chain } = shop.euros
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'anvil_setCode', params: [EURX.asset, code] })
  await fetch(chain.rpcUrl, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
  await chain.send({ to: EURX.asset, data: '0x' })
}

test('a log between the use of an authorization and its transfer is an error, with the transaction that shows it', async () => {
  await become(tokenWith('0x'))
  expect((await look()).join()).not.toContain('AuthorizationUsed')
  await become(tokenWith(A_LOG))
  expect(await look()).toContainEqual(
    expect.stringMatching(
      /^error: ASSETS\.eip155:137: EURX on Polygon does not log its transfer right behind AuthorizationUsed \(0x[0-9a-f]{64}\); what became of a payment could never be proven: take it out of ASSETS$/,
    ),
  )
})

test('a token that goes on where an authorization is used is an error: what moved nothing would look like a payment', async () => {
  expect(await look()).toContain(
    `error: ${AT}: EURX on Polygon does not break off at an authorization that is used; a transaction that moved nothing would look like a payment: take it out of ASSETS`,
  )
})

test('a contract that does not know authorizations is an error', async () => {
  expect(await look()).toContain(
    `error: ${AT}: EURX on Polygon does not say whether an authorization is used (authorizationState), as EIP-3009 has it, so nobody could pay in it; take it out of ASSETS`,
  )
  const { host } = new URL(shop.dollars.chain.rpcUrl)
  expect(await look()).toContain(
    `not checked: ${AT}: ${host} does not say how many decimals EURX on Polygon has; write another endpoint, or look them up`,
  )
})
