// What the till of the demo shows, out of the ledger. The worker of `npm start` alone has it: no deployed one tells strangers
// what it has sold.
import * as z from 'zod/mini'
import { formatPrice } from '../../src/policy/rules.ts'

/** Where the till's page asks. */
export const SALES = '/till/sales'

/** As many as fit on a screen. */
const MOST_SHOWN = 12

const row = z.object({
  id: z.string(),
  title: z.nullable(z.string()),
  resource: z.string(),
  network: z.string(),
  amount: z.string(),
  payer: z.string(),
  settled_at_seconds: z.number(),
})
const sums = z.object({ sold: z.number(), micros: z.number() })

const NETWORKS: Record<string, string> = { eip155: 'Base Sepolia', solana: 'Solana Devnet' }

/** The demo takes USDC alone, which counts in millionths on each of its networks. */
const price = (micros: bigint): string => formatPrice({ currency: 'USD', micros })

/** The newest sales and what all came to. */
export async function salesIn(ledger: D1Database): Promise<Response> {
  const [found, summed] = await ledger.batch([
    ledger
      .prepare(
        'SELECT id, title, resource, network, amount, payer, settled_at_seconds FROM payments ORDER BY settled_at_seconds DESC, id LIMIT ?',
      )
      .bind(MOST_SHOWN),
    ledger.prepare('SELECT count(*) AS sold, coalesce(sum(CAST(amount AS INTEGER)), 0) AS micros FROM payments'),
  ])
  const rows = z.array(row).parse(found?.results)
  const { sold, micros } = sums.parse(summed?.results[0])
  const sales = rows.map(({ id, title, resource, network, amount, payer, settled_at_seconds: time }) => ({
    id,
    title,
    resource,
    price: price(BigInt(amount)),
    network: NETWORKS[network.split(':')[0] ?? ''] ?? network,
    payer: `${payer.slice(0, 6)}…${payer.slice(-4)}`,
    time,
  }))
  return Response.json({ total: price(BigInt(micros)), sold, sales }, { headers: { 'Cache-Control': 'no-store' } })
}
