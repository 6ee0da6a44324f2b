// `npm run ledger` where a site sells in a token of its own, beside those of the table.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Books, booksOf } from '../world/compared.ts'
import { passTime } from '../world/on-chain.ts'
import { AS_WRITTEN, type OwnShop, openOwnShop, POLYGON } from '../world/own-token.ts'

const ELEVEN_MINUTES = 660
let shop: OwnShop
let books: Books

beforeAll(async () => {
  // How far it came is said on the way.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  shop = await openOwnShop()
  books = await booksOf(query, { network: POLYGON, rpcUrl: shop.euros.chain.rpcUrl, payTo: shop.payTo })
  for (const version of ['v1', 'v2'] as const) {
    expect((await shop.buy(version, await shop.reader())).status).toBe(200)
  }
  await vi.waitFor(async () => expect(await rows()).toHaveLength(2), { timeout: 20_000 })
  await passTime(shop.euros.chain, ELEVEN_MINUTES)
}, 60_000)

afterAll(async () => {
  vi.restoreAllMocks()
  await shop.stop()
  await books.close()
})

const query = async (sql: string) => (await shop.site.db.prepare(sql).all()).results
const rows = () => query('SELECT * FROM payments')

const compared = (assets: string) => books.compared(assets)

const AS_JSON = `ASSETS = '${JSON.stringify({ [POLYGON]: [AS_WRITTEN] })}'`
const AS_TABLE = `[vars.ASSETS]\n"${POLYGON}" = [{ ${Object.entries(AS_WRITTEN)
  .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
  .join(', ')} }]`
const WELL = { checked: ['0 in USDC', '2 in EURX'], errors: [], notYet: [], open: [] }

test.each([
  ['a table', AS_TABLE],
  ['a JSON string', AS_JSON],
])('rows in a token of ASSETS, written as %s, have their transfers', async (_, assets) => {
  expect(await compared(assets)).toEqual(WELL)
})

test('a payment in it without a row is found, also where the ledger has no row in it at all', async () => {
  const before = await rows()
  await shop.site.db.prepare('DELETE FROM payments').run()
  const { checked, errors } = await compared(AS_TABLE)
  expect(checked).toEqual(['0 in USDC', '0 in EURX'])
  expect(errors.map(({ kind }) => kind)).toEqual(['transfer_without_row', 'transfer_without_row'])
  expect(errors[0]?.what).toContain('0.04 EURX')
  const names = Object.keys(before[0] ?? {})
  const insert = shop.site.db.prepare(
    `INSERT INTO payments (${names.map((name) => `"${name}"`).join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
  )
  await shop.site.db.batch(before.map((row) => insert.bind(...Object.values(row))))
  expect(await compared(AS_TABLE)).toEqual(WELL)
})

test('without ASSETS its rows are said to be of an unknown token, with what they were sold in, and what to write', async () => {
  const { checked, errors } = await compared('')
  expect(checked).toEqual(['0 in USDC'])
  expect(errors.map(({ kind }) => kind)).toEqual(['unknown_token', 'unknown_token'])
  expect(errors[0]).toMatchObject({
    what: expect.stringContaining('0.04 EURX'),
    advice: expect.stringContaining('write it into ASSETS again'),
  })
})

test('ASSETS that cannot be read compares nothing: its rows would look like somebody else’s', async () => {
  await expect(compared(`ASSETS = '{ "${POLYGON}": [{}] }'`)).rejects.toThrow(
    /^ASSETS of .* cannot be read; npm run doctor says what to write$/,
  )
})
