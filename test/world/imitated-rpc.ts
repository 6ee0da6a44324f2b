// A chain with one token and the nodes behind one RPC address, in place of `fetch`. Blocks are numbers: only those
// with transactions are kept, so that a hundred thousand of them cost nothing.
import { vi } from 'vitest'

export const TOKEN = `0x${'70'.repeat(20)}` as const
const PERMIT2 = '0x000000000022d473030f116ddee9f6b43ac78ba3'
export const OTHER_TOKEN = `0x${'71'.repeat(20)}` as const
const USED = '0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5'
const CANCELED = '0x1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81'
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const APPROVAL = '0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925'

type Nonce = { from: string; nonce: string }
type Transfer = { from: string; to: string; value: bigint }
export type FakeLog = { address: string; topics: string[]; data: string }

const topic = (address: string) => `0x${address.slice(2).padStart(64, '0')}`
const number = (value: number | bigint) => `0x${value.toString(16)}`

export const used = ({ from, nonce }: Nonce, address: string = TOKEN): FakeLog => ({
  address,
  topics: [USED, topic(from), nonce],
  data: '0x',
})
export const canceled = ({ from, nonce }: Nonce): FakeLog => ({
  address: TOKEN,
  topics: [CANCELED, topic(from), nonce],
  data: '0x',
})
export const transfer = ({ from, to, value }: Transfer, address: string = TOKEN): FakeLog => ({
  address,
  topics: [TRANSFER, topic(from), topic(to)],
  data: `0x${value.toString(16).padStart(64, '0')}`,
})
export const approval = ({ from, to, value }: Transfer): FakeLog => ({
  address: TOKEN,
  topics: [APPROVAL, topic(from), topic(to)],
  data: `0x${value.toString(16).padStart(64, '0')}`,
})

/** The call of a transaction, and the nonces of Permit2 it uses: they leave no log. */
type Sent = { to: string | null; input: string; bits: { from: string; nonce: bigint }[] }
type Transaction = { hash: string; block: number; isSuccess: boolean; logs: FakeLog[] } & Sent
type Mined = { block: number; isSuccess: boolean } & Sent
type Call = { id: number; method: string; params: [unknown, unknown] }

/** What the nodes do wrong. `lags`: how many blocks the node that answers this method is behind. */
export type Knobs = {
  isDown: boolean
  chainId: number
  lags: Partial<Record<string, number>>
  mostLogBlocks: number
  refusesBatches: boolean
  /** States older than this many blocks are gone. */
  keptStates: number
  hashesPerBlock: number
  /** Replaces what is answered to a method; undefined leaves it. */
  instead: (method: string) => unknown
  /** Transactions whose receipt no node has, though their logs are found. */
  lostReceipts: Set<string>
}

export const GENESIS_SECONDS = 1_700_000_000

export function imitatedRpc({ secondsPerBlock = 2, height = 1_000_000, chainId = 84_532 } = {}) {
  const knobs: Knobs = {
    isDown: false,
    chainId,
    lags: {},
    mostLogBlocks: Number.MAX_SAFE_INTEGER,
    refusesBatches: false,
    keptStates: Number.MAX_SAFE_INTEGER,
    hashesPerBlock: 0,
    instead: () => undefined,
    lostReceipts: new Set(),
  }
  const counts = { requests: 0, out: 0, mostOut: 0, calls: [] as string[] }
  let head = height
  let transactions: Transaction[] = []
  const timeOf = (block: number) => GENESIS_SECONDS + Math.floor(block * secondsPerBlock)

  const isUsed = (nonce: string, upTo: number) =>
    transactions.some(
      ({ block, isSuccess, logs }) =>
        isSuccess &&
        block <= upTo &&
        logs.some(({ address, topics }) => address === TOKEN && topics[0] !== TRANSFER && topics[2] === nonce),
    )

  /** `nonceBitmap(address,uint256)` of Permit2: 256 nonces of an owner. */
  function bitmap(owner: string, place: bigint, upTo: number): bigint {
    const used = transactions
      .filter(({ block, isSuccess }) => isSuccess && block <= upTo)
      .flatMap(({ bits }) => bits)
      .filter(({ from, nonce }) => from === owner && nonce >> 8n === place)
    return used.reduce((word, { nonce }) => word | (1n << (nonce & 255n)), 0n)
  }

  const nodeError = (message: string) => ({ error: { code: -32000, message } })

  function answer({ method, params: [first, second] }: Call): object {
    const own = head - (knobs.lags[method] ?? 0)
    const instead = knobs.instead(method)
    if (instead !== undefined) return { result: instead }
    const at = (tag: unknown) => (tag === 'latest' ? own : Number(tag))
    switch (method) {
      case 'eth_chainId':
        return { result: number(knobs.chainId) }
      case 'eth_getBlockByNumber': {
        const block = at(first)
        const hashes = Array.from({ length: knobs.hashesPerBlock }, () => `0x${'ab'.repeat(32)}`)
        const found = { number: number(block), timestamp: number(timeOf(block)), transactions: hashes }
        return { result: block > own ? null : found }
      }
      case 'eth_call': {
        const block = at(second)
        if (block > own) return nodeError('header not found')
        if (block < own - knobs.keptStates) return nodeError('missing trie node')
        const { data, to } = first as { data: string; to: string }
        if (to === PERMIT2) {
          const bits = bitmap(`0x${data.slice(34, 74)}`, BigInt(`0x${data.slice(74)}`), block)
          return { result: topic(number(bits)) }
        }
        return { result: topic(isUsed(`0x${data.slice(74)}`, block) ? '0x1' : '0x0') }
      }
      case 'eth_getLogs': {
        const filter = first as {
          fromBlock: string
          toBlock: string
          address: string
          topics: [string | string[], string, string]
        }
        const [from, to] = [Number(filter.fromBlock), Number(filter.toBlock)]
        if (to - from + 1 > knobs.mostLogBlocks) return nodeError('block range is too wide')
        const logs = transactions
          .filter(({ block, isSuccess }) => isSuccess && block >= from && block <= Math.min(to, own))
          .flatMap(({ hash, block, logs }) =>
            logs.map((log) => ({ ...log, transactionHash: hash, blockNumber: number(block) })),
          )
          .filter(
            ({ address, topics }) =>
              address === filter.address &&
              [filter.topics[0]].flat().includes(topics[0] ?? '') &&
              topics[1] === filter.topics[1] &&
              topics[2] === filter.topics[2],
          )
        return { result: logs }
      }
      case 'eth_getTransactionReceipt': {
        const found = transactions.find(({ hash, block }) => hash === first && block <= own)
        if (!found || knobs.lostReceipts.has(found.hash)) return { result: null }
        const logs = found.logs.map((log, i) => ({ ...log, logIndex: number(40 + i) }))
        return {
          result: {
            transactionHash: found.hash,
            blockNumber: number(found.block),
            status: found.isSuccess ? '0x1' : '0x0',
            // Nodes need not list them in order.
            logs: found.isSuccess ? logs.toReversed() : [],
          },
        }
      }
      case 'eth_getTransactionByHash': {
        const found = transactions.find(({ hash, block }) => hash === first && block <= own)
        return { result: found ? { hash: found.hash, to: found.to, input: found.input } : null }
      }
      default:
        return nodeError('the method does not exist')
    }
  }

  async function reply(body: Call | Call[]): Promise<Response> {
    const one = (call: Call) => {
      counts.calls.push(call.method)
      return { jsonrpc: '2.0', id: call.id, ...answer(call) }
    }
    if (!Array.isArray(body)) return Response.json(one(body))
    if (knobs.refusesBatches) return Response.json({ error: { code: -32600, message: 'batches are not supported' } })
    return Response.json(body.map(one).toReversed())
  }

  vi.spyOn(globalThis, 'fetch').mockImplementation(async (_url, init) => {
    counts.requests += 1
    counts.out += 1
    counts.mostOut = Math.max(counts.mostOut, counts.out)
    await new Promise((resolve) => setImmediate(resolve))
    counts.out -= 1
    if (knobs.isDown) throw new TypeError('fetch failed')
    return reply(JSON.parse(String(init?.body)))
  })

  return {
    knobs,
    counts,
    head: () => head,
    nowSeconds: () => timeOf(head),
    timeOf,
    /** Lets blocks pass. */
    pass: (blocks: number) => {
      head += blocks
    },
    passSeconds: (seconds: number) => {
      head += Math.ceil(seconds / secondsPerBlock)
    },
    /** A transaction in a new block, or in the one named. */
    mine: (
      logs: FakeLog[],
      { block = head + 1, isSuccess = true, to = TOKEN, input = '0x', bits = [] }: Partial<Mined> = {},
    ): string => {
      const hash = `0x${(transactions.length + 1 + block * 100).toString(16).padStart(64, 'a')}`
      transactions.push({ hash, block, isSuccess, logs, to, input, bits })
      head = Math.max(head, block)
      return hash
    },
    /** A reorganisation: the transaction is gone, or in another block. */
    move: (hash: string, block: number | null) => {
      transactions = transactions.flatMap((one) =>
        one.hash !== hash ? [one] : block === null ? [] : [{ ...one, block }],
      )
    },
  }
}
