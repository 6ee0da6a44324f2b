// The look at the claim at endpoints that fail in part: what they do answer alone is heard.
import { afterEach, expect, test, vi } from 'vitest'
import { newRpcMemory, Rpc } from '../../src/chain.ts'
import { firstLook } from '../../src/payer/reconcile.ts'

const NETWORK = 'eip155:84532'
const SUBJECT = {
  kind: 'eip3009',
  asset: `0x${'70'.repeat(20)}`,
  authorization: {
    from: `0x${'11'.repeat(20)}`,
    to: `0x${'22'.repeat(20)}`,
    value: 10_000n,
    validAfter: 0n,
    validBefore: 2_000_000_000n,
    nonce: `0x${'cc'.repeat(32)}`,
  },
} as const

const BLOCK = { result: { number: '0x10', timestamp: '0x65000000' } }
const USED = { result: `0x${'1'.padStart(64, '0')}` }
const BUSY = { error: { code: -32005, message: 'daily request count exceeded, rate limited' } }

/** Answers by method; `atBatch`: instead of several calls in one request. */
function answering(block: object, state: object, atBatch: () => Response): void {
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (_url, init) => {
    const body = JSON.parse(String(init?.body))
    if (Array.isArray(body)) return atBatch()
    if (body.method === 'eth_chainId') return Response.json({ id: 1, result: '0x14a34' })
    return Response.json({ id: 1, ...(body.method === 'eth_call' ? state : block) })
  })
}

const refused = () => Response.json({ error: { code: -32600, message: 'batches are not supported' } })

afterEach(() => vi.restoreAllMocks())

test('where the head is not to be had, a used nonce is used', async () => {
  answering(BUSY, USED, refused)
  expect(await firstLook(new Rpc('https://rpc.example/', NETWORK), SUBJECT, { left: 4 })).toEqual({ kind: 'used' })
})

test('an endpoint that has taken batches, and takes none any more, is asked one by one', async () => {
  answering(BLOCK, USED, () => new Response('', { status: 503 }))
  const memory = { ...newRpcMemory(), takesBatches: true }
  expect(await firstLook(new Rpc('https://rpc.example/', NETWORK, memory), SUBJECT, { left: 4 })).toEqual({
    kind: 'used',
  })
})
