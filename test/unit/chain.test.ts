import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Budget, blockAt, Gate, isValidSignature, newRpcMemory, nonceUsed, Rpc, shareOf } from '../../src/chain.ts'
import { imitatedRpc, TOKEN } from '../world/imitated-rpc.ts'

const CHAIN_ID = 84_532
const NETWORK = `eip155:${CHAIN_ID}`
const URL = 'https://rpc.example/'
const WALLET = `0x${'11'.repeat(20)}`
const NONCE = { from: `0x${'11'.repeat(20)}`, nonce: `0x${'cc'.repeat(32)}` } as const
const plenty = (): Budget => ({ left: 1_000 })
const newRpc = () => new Rpc(URL, NETWORK)
const block = (at: string) => ({ method: 'eth_getBlockByNumber', params: [at, false] })

/** Replies to everything alike, after the chain id. */
function answering(reply: (body: unknown) => Response) {
  const bodies: unknown[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (_url, init) => {
    const body = JSON.parse(String(init?.body))
    if (body.method === 'eth_chainId') return Response.json({ id: 1, result: `0x${CHAIN_ID.toString(16)}` })
    bodies.push(body)
    return reply(body)
  })
  return bodies
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
})

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('the head', () => {
  test('is shared while it is asked for, and for a second', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    const heads = await Promise.all([rpc.head(plenty()), rpc.head(plenty()), rpc.head({ left: 0 })])
    expect(heads.map((head) => head?.number)).toEqual([chain.head(), chain.head(), chain.head()])
    chain.pass(3)
    vi.advanceTimersByTime(999)
    expect((await rpc.head(plenty()))?.number).toBe(chain.head() - 3)
    expect(chain.counts.calls).toEqual(['eth_chainId', 'eth_getBlockByNumber'])
    vi.advanceTimersByTime(1)
    expect(await rpc.head(plenty())).toEqual({ number: chain.head(), time: chain.nowSeconds() })
  })

  test('is not shared for an hour where the clock was set back by one', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    await rpc.head(plenty())
    chain.pass(3)
    vi.setSystemTime(Date.now() - 3_540_000)
    expect((await rpc.head(plenty()))?.number).toBe(chain.head())
  })

  test('that nobody answered is asked again at once', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    chain.knobs.isDown = true
    expect(await rpc.head(plenty())).toBeNull()
    chain.knobs.isDown = false
    expect((await rpc.head(plenty()))?.number).toBe(chain.head())
  })
})

describe('requests', () => {
  test('at most two of one endpoint are out at once, and each is made', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    const blocks = await Promise.all(Array.from({ length: 20 }, (_, i) => blockAt(rpc, i, plenty())))
    expect(blocks.map((found) => found?.number)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(chain.counts.mostOut).toBe(2)
    expect(chain.counts.requests).toBe(21)
  })

  test('at most three of one object are out at once, and a silent endpoint leaves room for another', async () => {
    const gate = new Gate()
    const entered: string[] = []
    const enter = (url: string) => gate.enter(url).then(() => void entered.push(url))
    for (const url of ['silent', 'silent', 'silent', 'well', 'well']) void enter(url)
    await vi.waitFor(() => expect(entered).toEqual(['silent', 'silent', 'well']))
    gate.leave('well')
    await vi.waitFor(() => expect(entered).toEqual(['silent', 'silent', 'well', 'well']))
    gate.leave('silent')
    await vi.waitFor(() => expect(entered).toEqual(['silent', 'silent', 'well', 'well', 'silent']))
  })

  test('a request that fails gives its place to the next', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    chain.knobs.isDown = true
    await Promise.all(Array.from({ length: 9 }, () => blockAt(rpc, 1, plenty())))
    chain.knobs.isDown = false
    expect((await blockAt(rpc, 1, plenty()))?.number).toBe(1)
  })

  test('none is made that the budget does not allow', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    const budget = { left: 3 }
    const found = await Promise.all([1, 2, 3, 4].map((at) => blockAt(rpc, at, budget)))
    // The chain id took one.
    expect(found.map((one) => one !== null)).toEqual([true, true, false, false])
    expect([budget.left, chain.counts.requests]).toEqual([0, 3])
  })

  test('a share takes from the budget it is of, and no more than its own', () => {
    const budget = { left: 5 }
    const [one, two] = [shareOf(budget, 3), shareOf(budget, 4)]
    one.left -= 2
    expect([budget.left, one.left, two.left]).toEqual([3, 1, 3])
    two.left -= 3
    expect([budget.left, one.left, two.left]).toEqual([0, 0, 0])
  })

  test('end after five seconds', async () => {
    vi.spyOn(globalThis, 'fetch').mockImplementation(
      (_url, init) =>
        new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('aborted')))),
    )
    const found = newRpc().head(plenty())
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await found).toBeNull()
  })

  test('replies of up to 2 MiB are read, and no larger ones', async () => {
    const chain = imitatedRpc()
    chain.knobs.hashesPerBlock = 25_000
    expect((await newRpc().head(plenty()))?.number).toBe(chain.head())
    chain.knobs.hashesPerBlock = 35_000
    expect(await newRpc().head(plenty())).toBeNull()
  })
})

describe('the chain id', () => {
  test('is asked once, beside the first call', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    await Promise.all([rpc.head(plenty()), rpc.learn(nonceUsed(TOKEN, NONCE, 'latest'), plenty())])
    await blockAt(rpc, 1, plenty())
    expect(chain.counts.calls.filter((method) => method === 'eth_chainId')).toHaveLength(1)
    expect(chain.counts.requests).toBe(4)
  })

  test('is asked again where it was not answered, and until then nothing is believed', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    chain.knobs.instead = (method) => (method === 'eth_chainId' ? 'Base' : undefined)
    expect(await rpc.head(plenty())).toBeNull()
    chain.knobs.instead = () => undefined
    expect(await rpc.head(plenty())).not.toBeNull()
  })

  test('of another chain ends it, for all who share the memory, with one line in the log', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(() => {})
    const chain = imitatedRpc({ chainId: 1 })
    const memory = newRpcMemory()
    for (let i = 0; i < 3; i++) {
      const rpc = new Rpc(URL, NETWORK, memory)
      expect(await rpc.head(plenty())).toBeNull()
      expect(await isValidSignature(rpc, WALLET, NONCE.nonce, '0x12', plenty())).toEqual({
        ok: false,
        error: 'unreachable',
      })
    }
    expect(chain.counts.requests).toBe(2)
    expect(error.mock.calls).toEqual([['{"event":"rpc_wrong_chain","network":"eip155:84532"}']])
    expect(await new Rpc(URL, 'eip155:1', memory).head(plenty())).not.toBeNull()
  })
})

describe('batches', () => {
  test('are answered in any order, and remembered', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    const answers = await rpc.askAll([block('0x1'), block('0x2')], plenty())
    expect(answers.map((answer) => answer.ok && answer.value)).toMatchObject([{ number: '0x1' }, { number: '0x2' }])
    expect([chain.counts.requests, rpc.memory.takesBatches]).toEqual([2, true])
  })

  test('that are refused are asked one by one, and not tried again', async () => {
    const chain = imitatedRpc()
    chain.knobs.refusesBatches = true
    const rpc = newRpc()
    const calls = [block('0x1'), block('0x2')]
    expect((await rpc.askAll(calls, plenty())).every(({ ok }) => ok)).toBe(true)
    expect([chain.counts.requests, rpc.memory.takesBatches]).toEqual([4, false])
    await rpc.askAll(calls, plenty())
    expect(chain.counts.requests).toBe(6)
  })

  test('are not taken for refused by who is down or too busy', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    chain.knobs.isDown = true
    expect(await rpc.askAll([block('0x1'), block('0x2')], plenty())).toHaveLength(2)
    expect(rpc.memory.takesBatches).toBeNull()
    for (const status of [429, 502, 503, 504]) {
      const bodies = answering(() => new Response('<html>', { status }))
      expect(await newRpc().askAll([block('0x1'), block('0x2')], plenty())).toEqual([
        { ok: false, error: 'unreachable' },
        { ok: false, error: 'unreachable' },
      ])
      // Too busy is asked no more; what may break off at the sight of a batch is asked for one call.
      expect(bodies).toHaveLength(status === 429 ? 1 : 2)
    }
  })

  test('whose answer is too large say so, and nothing of whether batches are taken', async () => {
    const chain = imitatedRpc()
    const rpc = newRpc()
    chain.knobs.hashesPerBlock = 35_000
    const oversized = { ok: false, error: 'oversized' }
    const requests = chain.counts.requests
    expect(await rpc.askAll([block('0x1'), block('0x2')], plenty())).toEqual([oversized, oversized])
    // With the one for the chain id.
    expect(chain.counts.requests - requests).toBe(2)
    expect(rpc.memory.takesBatches).toBeNull()
    expect(await rpc.ask(block('0x1'), plenty())).toEqual(oversized)
  })

  test('are no longer tried where the connection breaks at the sight of one', async () => {
    const bodies = answering((body) => {
      if (Array.isArray(body)) throw new TypeError('Network connection lost.')
      return Response.json({ id: 1, result: 'single' })
    })
    const rpc = newRpc()
    for (const requests of [3, 5]) {
      expect((await rpc.askAll([block('0x1'), block('0x2')], plenty())).every(({ ok }) => ok)).toBe(true)
      expect(bodies).toHaveLength(requests)
    }
    expect(rpc.memory.takesBatches).toBe(false)
  })

  test.each<[string, unknown]>([
    ['an answer too few', [{ id: 0, result: 1 }]],
    ['one answer twice', [0, 0].map((id) => ({ id, result: 1 }))],
    ['ids of its own', [7, 8].map((id) => ({ id, result: 1 }))],
    ['nothing in the list', [null, null]],
    ['neither result nor error', [{ id: 0 }, { id: 1 }]],
  ])('%s is no answer to a batch', async (_, reply) => {
    answering((body) => Response.json(Array.isArray(body) ? reply : { id: 1, result: 'single' }))
    const answers = await newRpc().askAll([block('0x1'), block('0x2')], plenty())
    expect(answers).toEqual([
      { ok: true, value: 'single' },
      { ok: true, value: 'single' },
    ])
  })
})

describe('a node’s error', () => {
  test.each<[string, number, unknown, string]>([
    ['a range too wide', 200, { code: -32000, message: 'block range is too wide' }, 'refused'],
    ['the same as a bad request', 400, { code: -32600, message: 'up to a 10 block range' }, 'refused'],
    ['too many requests', 429, { code: -32005, message: 'slow down' }, 'unreachable'],
    ['too many requests, politely', 200, { code: -32005, message: 'request rate exceeded' }, 'unreachable'],
    ['a gateway’s word', 403, 'forbidden', 'unreachable'],
    ['a message that is no text', 200, { code: 1, message: { toString: 1 } }, 'refused'],
  ])('%s', async (_, status, error, expected) => {
    answering(() => Response.json({ id: 1, error }, { status }))
    expect(await newRpc().ask(block('0x1'), plenty())).toEqual({ ok: false, error: expected })
  })

  test('ranges of logs become smaller, down to one block, and start anew when that is refused too', () => {
    const rpc = newRpc()
    const sizes: number[] = []
    while (rpc.refuseLogs(rpc.memory.logBlocks)) sizes.push(rpc.memory.logBlocks)
    expect(sizes).toEqual([500, 100, 10, 1])
    expect(rpc.memory.logBlocks).toBe(2_000)
  })
})

describe('values', () => {
  test('a block is the one that was asked for, and its numbers can be counted', async () => {
    for (const [number, timestamp] of [
      ['0x2', '0x1'],
      ['0x1', `0x${'f'.repeat(20)}`],
      ['0x1', 'now'],
      [1, 2],
    ]) {
      answering(() => Response.json({ id: 1, result: { number, timestamp } }))
      expect(await blockAt(newRpc(), 1, plenty())).toBeNull()
    }
  })

  test('a contract that is not there tells no state', async () => {
    answering(() => Response.json({ id: 1, result: '0x' }))
    expect(await newRpc().learn(nonceUsed(TOKEN, NONCE, 'latest'), plenty())).toBeNull()
  })

  test.each<[string, string, boolean]>([
    ['its own', `0x1626ba7e${'0'.repeat(56)}`, true],
    ['not its own', `0xffffffff${'0'.repeat(56)}`, false],
    ['of no contract', '0x', false],
  ])('a contract wallet says whether a signature is %s', async (_, result, expected) => {
    const bodies = answering(() => Response.json({ id: 1, result }))
    expect(await isValidSignature(newRpc(), WALLET, NONCE.nonce, `0x${'ab'.repeat(65)}`, plenty())).toEqual({
      ok: true,
      value: expected,
    })
    expect(bodies).toMatchObject([{ method: 'eth_call', params: [{ to: WALLET }, 'latest'] }])
  })

  test.each<[string, number, string, Awaited<ReturnType<typeof isValidSignature>>]>([
    ['a revert by its code', 3, 'GS026', { ok: true, value: false }],
    ['a revert in words', -32_000, 'execution reverted', { ok: true, value: false }],
    ['a revert in other words', -32_015, 'VM execution error: Reverted 0x08c379a0', { ok: true, value: false }],
    ['a node that will not answer', -32_601, 'method not found', { ok: false, error: 'refused' }],
    ['a node that is asked too often', -32_005, 'rate limit reached', { ok: false, error: 'unreachable' }],
    ['a node that is asked too often, in the code of a revert', 3, 'rate limit', { ok: false, error: 'unreachable' }],
  ])('what a contract wallet says by breaking off is told from no answer: %s', async (_, code, message, expected) => {
    answering(() => Response.json({ id: 1, error: { code, message } }))
    expect(await isValidSignature(newRpc(), WALLET, NONCE.nonce, `0x${'ab'.repeat(65)}`, plenty())).toEqual(expected)
  })
})
