// The list of receipts for everybody who may come: without a pass, without a ledger, in their language; with a wallet of Solana; and after
// the publisher has blanked what was read.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import type { Answer } from '../world/answer.ts'
import { SITE } from '../world/shop.ts'
import { KIND } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'
import { signInOnSolana, solanaDeclaration } from '../world/solana-sign-in.ts'

const HELLO = '/articles/hello'
const RECEIPTS = '/_newsstand/receipts'
const JSON_ONLY = { Accept: 'application/json' }

let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop({
    ROUTES: [{ path: '/articles/*', content: 'kv', price: '$0.05', access: '24h' }],
    BRAND: { name: 'The Daily Stand', legal: 'Daily Stand Ltd' },
  })
  await shop.site.kv.put(HELLO, 'the whole article', { metadata: { title: 'The tides' } })
})

afterAll(() => shop.close())

const list = z.looseObject({
  purchases: z.array(z.looseObject({ resource: z.string(), title: z.optional(z.string()) })),
})
const passOf = (answer: Answer) => ({ Cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' })

/** A purchase on one kind of network whose row is in the ledger. */
async function bought(kind = KIND.eip155) {
  const reader = await kind.reader(shop)
  const answer = await reader.buy('v2', HELLO)
  await expect.poll(() => shop.ledger(reader.address)).toHaveLength(1)
  return { reader, answer }
}

test.each([
  ['en', 'This browser holds no pass'],
  ['de', 'Dieser Browser hat gerade keinen Ausweis'],
  ['es', 'Este navegador no tiene ahora ningún pase'],
])('without a pass it answers, and says in %s what to do', async (language, sentence) => {
  const headers = { Accept: 'text/html', 'Accept-Language': language }
  const page = await shop.ask(RECEIPTS, { headers })
  expect(page.status).toBe(200)
  expect(page.text).toContain(sentence)
  expect(page.header('Cache-Control')).toBe('private, no-store, no-transform')
})

test('a receipt says who sold it, and by which number it is called', async () => {
  const { answer } = await bought()
  const transaction = answer.receipt?.transaction ?? ''
  const page = await shop.ask(`${RECEIPTS}/${transaction}`, { headers: { Accept: 'text/html', ...passOf(answer) } })
  expect(page.text).toContain('Daily Stand Ltd')
  expect(page.text).toMatch(new RegExp(`\\d{8}-${transaction.slice(-6)}`))
})

test('without a ledger a person is told so and keeps the page, and a program gets an error', async () => {
  const { answer } = await bought()
  await shop.site.db.prepare('ALTER TABLE payments RENAME TO away').run()
  try {
    const page = await shop.ask(RECEIPTS, { headers: { Accept: 'text/html', ...passOf(answer) } })
    expect(page.status).toBe(200)
    expect(page.text).toContain('cannot be read at the moment')
    expect(page.text).toContain(`href="${HELLO}"`)
    expect((await shop.ask(RECEIPTS, { headers: { ...JSON_ONLY, ...passOf(answer) } })).error).toBe(
      'content_unavailable',
    )
  } finally {
    await shop.site.db.prepare('ALTER TABLE away RENAME TO payments').run()
  }
})

test('what was read can be blanked as the documents say, and the sums stay', async () => {
  const { reader, answer } = await bought()
  const before = await shop.ledger(reader.address)
  const document = readFileSync('docs/storage.md', 'utf8')
  const sql = /^UPDATE payments SET title = NULL.*$/m.exec(document)?.[0] ?? expect.fail('no such line')
  await shop.site.db.prepare(sql.replace('2026-01-01', '2100-01-01')).run()
  expect(await shop.ledger(reader.address)).toEqual(before.map((row) => ({ ...row, title: null, resource: '/' })))
  const transaction = answer.receipt?.transaction ?? ''
  const receipt = await shop.ask(`${RECEIPTS}/${transaction}`, { headers: { ...JSON_ONLY, ...passOf(answer) } })
  expect(receipt.text).not.toContain('tides')
})

test('a wallet of Solana and one of EVM are two people', async () => {
  const [evm, solana] = [await bought(KIND.eip155), await bought(KIND.solana)]
  for (const [mine, theirs] of [
    [evm, solana],
    [solana, evm],
  ] as const) {
    const { json } = await shop.ask(RECEIPTS, { headers: { ...JSON_ONLY, ...passOf(mine.answer) } })
    expect(list.parse(json).purchases).toMatchObject([{ resource: SITE + HELLO, title: 'The tides' }])
    expect(JSON.stringify(json)).not.toContain(theirs.answer.receipt?.transaction)
  }
})

test('a wallet of Solana signs, and reads its own receipts alone', async () => {
  const wallet = await shop.readerOnSolana()
  const answer = await shop.buyOnSolana('v2', HELLO, wallet)
  await expect.poll(() => shop.ledger(wallet.address)).toHaveLength(1)
  await bought(KIND.eip155)
  const { json } = await shop.ask(RECEIPTS, { headers: JSON_ONLY })
  const offered = z.looseObject({ extensions: z.looseObject({ 'sign-in-with-x': solanaDeclaration }) }).parse(json)
  const headers = { ...JSON_ONLY, ...signInOnSolana(offered.extensions['sign-in-with-x'], wallet) }
  const begun = await shop.ask(RECEIPTS, { method: 'POST', headers })
  expect(begun.status).toBe(303)
  const all = await shop.ask(RECEIPTS, { headers: { ...JSON_ONLY, ...passOf(begun) } })
  expect(all.json).toMatchObject({
    payer: wallet.address,
    purchases: [{ receipt: `${RECEIPTS}/${answer.receipt?.transaction}` }],
  })
})
