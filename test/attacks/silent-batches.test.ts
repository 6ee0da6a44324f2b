// The look at the claim is what keeps a transfer that bought something elsewhere from buying here. Endpoints differ in what
// becomes of several calls in one request: whoever answers each call alone still has to be heard in time.
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listening, listening } from '../../dev/stack/ports.ts'
import { broadcast } from '../world/on-chain.ts'
import { paying, unpack } from '../world/payer.ts'
import { NETWORK, openShop, PRICE, type Shop } from '../world/shop.ts'
import { type Stack, startStack } from '../world/stack.ts'
import { stockPayment } from '../world/stock.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'

/** What an endpoint does with several calls in one request; each alone it passes on. */
const WAYS = {
  'keeps silent': { ms: 0, atBatch: () => {} },
  'says that these are too many requests': { ms: 0, atBatch: (end: End) => end(429, '{}') },
  'takes its time, and refuses them': {
    ms: 600,
    atBatch: (end: End) => end(200, '{"id":null,"error":{"code":-32600,"message":"batches are not supported"}}'),
  },
} as const
type End = (status: number, text: string) => void
type Way = { ms: number; atBatch: (end: End) => void }

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack.stop())

function startEndpoint(rpcUrl: string, { ms, atBatch }: Way): Promise<Listening> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const body = Buffer.concat(chunks).toString('utf8')
    await new Promise((resolve) => setTimeout(resolve, ms))
    if (body.startsWith('[')) return atBatch((status, text) => void response.writeHead(status).end(text))
    const answer = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    response.writeHead(200, { 'content-type': 'application/json' }).end(await answer.text())
  })
  return listening(server)
}

describe.each(Object.entries(WAYS))('an RPC that %s at several calls in one request', (_what, way) => {
  let shop: Shop

  beforeAll(async () => {
    const endpoint = await startEndpoint(stack.chain.rpcUrl, way)
    shop = await openShop({ RPC_URLS: { [NETWORK]: endpoint.url } }, { stack })
    shop.onClose(endpoint.stop)
    await shop.site.kv.put(ARTICLE, CONTENT)
  })

  afterAll(() => shop.close())

  test('a payment that was broadcast before we first saw it is already used', async () => {
    const payment = await stockPayment(await shop.ask(ARTICLE), await shop.reader(PRICE))
    await broadcast(stack.chain, unpack(payment).payload)
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, paying(payment)))
    expect(answer.text).not.toContain(CONTENT)
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('payment_already_used')
    expect(cost.earned).toBe(0n)
  })
})
