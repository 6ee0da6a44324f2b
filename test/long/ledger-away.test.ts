// A ledger that is away: the payment's row is written later, and the log names the payment by the digest of that row. The
// payer's object tries again after twenty seconds.
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BASE_VARS } from '../world/site.ts'
import { type Buyer, KINDS } from '../world/solana-paying.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const PAGE = '/articles/hello'
let shop: SolanaShop

beforeAll(async () => {
  shop = await openSolanaShop()
  await shop.site.kv.put(PAGE, 'the whole article')
})
afterAll(() => shop.close())

/** The digest as the operator makes it, of a row of the ledger. */
function alias(row: string): string {
  const hmac = (key: string | Buffer, of: string) => createHmac('sha256', key).update(of).digest()
  return hmac(hmac(BASE_VARS.PASS_SECRET, 'newsstand log v1'), `payment|${row}`).toString('hex').slice(0, 16)
}

test('an event about a payment names it by the digest of its row in the ledger', async () => {
  await shop.site.hideLedger(true)
  const readers: Buyer[] = []
  for (const { kind } of KINDS) {
    const reader = await kind.reader(shop)
    expect((await shop.ask(PAGE, { headers: await reader.pay('v2', PAGE) })).status).toBe(200)
    readers.push(reader)
  }
  const events = () =>
    shop.site.logs
      .map((line): Record<string, unknown> => JSON.parse(line))
      .filter(({ event }) => event === 'ledger_unavailable')
  await expect.poll(() => new Set(events().map(({ payment }) => payment)).size).toBe(readers.length)
  await shop.site.hideLedger(false)
  for (const reader of readers) {
    await expect.poll(() => shop.ledger(reader.address), { timeout: 40_000 }).toHaveLength(1)
    const [row] = await shop.ledger(reader.address)
    expect(events()).toContainEqual({ event: 'ledger_unavailable', payment: alias(String(row?.id)) })
  }
})
