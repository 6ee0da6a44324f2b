// JSON-RPC in front of a chain, as public providers answer: several nodes behind one address, some of which lag, prune,
// or refuse. It only reads.
import type { Chain, PlacedLog } from './chain.ts'
import type { World } from './clock.ts'
import { json, serve, type WireReply, type WireRequest } from './wire.ts'

/** What every provider has. */
export type ServedKnobs = {
  /** `busy`: 429; `page`: a 502 in HTML. */
  state: 'up' | 'lost' | 'silent' | 'busy' | 'page'
  /** How many blocks each node is behind; requests go to them in turn. */
  lags: number[]
}
/** How the provider is right now; all of it may be changed at any time. */
export type RpcKnobs = ServedKnobs & {
  /** How many blocks the nodes are behind that are asked for a state, at least. */
  stateLag: number
  /** Whether the calls of one batch are answered by different nodes. */
  splitsBatches: boolean
  refusesBatches: boolean
  /** The most blocks one query for logs may span. */
  mostBlocks: number
  /** Logs are missing from queries, though not from receipts. */
  dropsLogs: boolean
  /** A query beyond the node's head: an empty list, as most answer, or an error. */
  beyondHead: 'empty' | 'error'
  /** States and logs older than so many blocks are gone. */
  keepsBlocks: number
  /** Another chain's, if it is to be wrong. */
  chainId: number
  /** Transaction hashes that every block seems to have besides the real ones. */
  crowd: number
}

export type Rpc = { knobs: RpcKnobs; readonly url: string; requests(): number; calls(): number }

export type RpcCall = { id: unknown; method: string; params: unknown[] }
export type Answer = { result: unknown } | { error: { code: number; message: string } }

export const refuse = (message: string, code = -32000): Answer => ({ error: { code, message } })
const quantity = (value: number) => `0x${value.toString(16)}`

/** Serves a chain at an address, such as `https://rpc-8453.example/`. */
export function serveRpc(world: World, chain: Chain, url: string, given: Partial<RpcKnobs> = {}): Rpc {
  const knobs: RpcKnobs = {
    state: 'up',
    lags: [0],
    stateLag: 0,
    splitsBatches: false,
    refusesBatches: false,
    mostBlocks: 10_000,
    dropsLogs: false,
    beyondHead: 'empty',
    keepsBlocks: Number.POSITIVE_INFINITY,
    chainId: chain.chainId,
    crowd: 0,
    ...given,
  }
  let calls = 0
  let turn = 0
  const nextLag = () => knobs.lags[turn++ % knobs.lags.length] ?? 0

  const answer = (call: RpcCall, lag: number) => {
    calls += 1
    const behind = call.method === 'eth_call' ? Math.max(lag, knobs.stateLag) : lag
    return { jsonrpc: '2.0', id: call.id, ...answerOf(chain, knobs, call, Math.max(0, chain.headNumber() - behind)) }
  }
  const requests = serveCalls(world, url, knobs, (parsed, isBatch) => {
    if (!isBatch) return parsed.map((call) => answer(call, nextLag()))[0]
    if (knobs.refusesBatches) return { jsonrpc: '2.0', id: null, ...refuse('batches are not supported', -32600) }
    const shared = nextLag()
    return parsed.map((call) => answer(call, knobs.splitsBatches ? nextLag() : shared))
  })
  return { knobs, url, requests, calls: () => calls }
}

/** Serves calls at an address while its provider is up. How many requests came, whatever became of them. */
export function serveCalls(
  world: World,
  url: string,
  knobs: ServedKnobs,
  answer: (calls: RpcCall[], isBatch: boolean) => unknown,
): () => number {
  let requests = 0
  serve(world, new URL(url).origin, async (request: WireRequest): Promise<WireReply> => {
    requests += 1
    switch (knobs.state) {
      case 'lost':
        return { kind: 'lost' }
      case 'silent':
        return { kind: 'silent' }
      case 'busy':
        return json({ jsonrpc: '2.0', id: null, error: { code: -32005, message: 'too many requests' } }, 429)
      case 'page':
        return { kind: 'reply', status: 502, body: '<html>Bad gateway</html>' }
      case 'up':
    }
    const parsed: unknown = JSON.parse(request.text)
    return json(answer([parsed].flat().map(callOf), Array.isArray(parsed)))
  })
  return () => requests
}

function callOf(value: unknown): RpcCall {
  const of = typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : new Map<string, unknown>()
  const params: unknown = of.get('params')
  return { id: of.get('id') ?? null, method: String(of.get('method')), params: Array.isArray(params) ? params : [] }
}

const fieldsOf = (value: unknown): Map<string, unknown> =>
  typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : new Map()

function answerOf(chain: Chain, knobs: RpcKnobs, { method, params }: RpcCall, head: number): Answer {
  const numberOf = (tag: unknown) => {
    if (tag === 'latest' || tag === 'pending') return head
    return typeof tag === 'string' && /^0x[0-9a-f]+$/i.test(tag) ? Number(tag) : null
  }
  const oldest = head - knobs.keepsBlocks
  switch (method) {
    case 'eth_chainId':
      return { result: quantity(knobs.chainId) }
    case 'eth_blockNumber':
      return { result: quantity(head) }
    case 'eth_getBlockByNumber': {
      const number = numberOf(params[0])
      if (number === null) return refuse('invalid block', -32602)
      return { result: number > head ? null : blockOf(chain, knobs, number) }
    }
    case 'eth_call': {
      const data = String(fieldsOf(params[0]).get('data') ?? fieldsOf(params[0]).get('input'))
      const number = numberOf(params[1])
      if (number === null || number > head) return refuse('header not found')
      if (number < oldest) return refuse('missing trie node')
      if (data.startsWith('0x4fe02b44')) {
        const bits = chain.nonceBits(`0x${data.slice(34, 74)}`, BigInt(`0x${data.slice(74, 138)}`), number)
        return { result: `0x${bits.toString(16).padStart(64, '0')}` }
      }
      if (!data.startsWith('0xe94a0102')) return refuse('execution reverted', 3)
      const isUsed = chain.isUsed(`0x${data.slice(34, 74)}`, `0x${data.slice(74, 138)}`, number)
      return { result: `0x${(isUsed ? '1' : '0').padStart(64, '0')}` }
    }
    case 'eth_getLogs':
      return logsOf(chain, knobs, fieldsOf(params[0]), numberOf, head)
    case 'eth_getTransactionReceipt': {
      const receipt = chain.receipt(String(params[0]))
      if (!receipt || receipt.blockNumber > head) return { result: null }
      return {
        result: {
          transactionHash: receipt.transactionHash,
          transactionIndex: quantity(receipt.transactionIndex),
          blockNumber: quantity(receipt.blockNumber),
          blockHash: receipt.blockHash,
          status: receipt.isSuccess ? '0x1' : '0x0',
          logs: receipt.logs.map(logOf),
        },
      }
    }
    case 'eth_getTransactionByHash': {
      const hash = String(params[0])
      const block = chain.receipt(hash)?.blockNumber ?? Number.POSITIVE_INFINITY
      const called = block > head ? null : chain.called(hash)
      return { result: called && { hash, ...called, blockNumber: quantity(block) } }
    }
    default:
      return refuse(`the method ${method} does not exist`, -32601)
  }
}

function blockOf(chain: Chain, knobs: RpcKnobs, number: number) {
  const block = chain.block(number)
  if (!block) return null
  const crowd = Array.from(
    { length: knobs.crowd },
    (_, i) => `0x${(number * 10_000 + i).toString(16).padStart(64, '0')}`,
  )
  return {
    number: quantity(block.number),
    hash: block.hash,
    timestamp: quantity(block.timestampSeconds),
    transactions: [...block.transactions, ...crowd],
  }
}

function logsOf(
  chain: Chain,
  knobs: RpcKnobs,
  filter: Map<string, unknown>,
  numberOf: (tag: unknown) => number | null,
  head: number,
): Answer {
  const blockHash = filter.get('blockHash')
  // A hash ends in its number; one of a branch that was left is unknown.
  const named = typeof blockHash === 'string' ? chain.block(Number(`0x${blockHash.slice(4)}`)) : null
  if (blockHash !== undefined && named?.hash !== blockHash) return refuse('unknown block')
  const from = named?.number ?? numberOf(filter.get('fromBlock') ?? 'latest')
  const to = named?.number ?? numberOf(filter.get('toBlock') ?? 'latest')
  if (from === null || to === null || from > to) return refuse('invalid block range', -32602)
  if (to - from + 1 > knobs.mostBlocks) return refuse(`block range is too large, at most ${knobs.mostBlocks}`, -32602)
  if (from < head - knobs.keepsBlocks) return refuse('history has been pruned')
  if (to > head && knobs.beyondHead === 'error') return refuse('block range extends beyond current head block')
  if (knobs.dropsLogs) return { result: [] }
  const addresses = [filter.get('address')]
    .flat()
    .flatMap((one) => (typeof one === 'string' ? [one.toLowerCase()] : []))
  const topics: unknown = filter.get('topics')
  const wanted = Array.isArray(topics) ? topics : []
  const isWanted = ({ address, topics: own }: PlacedLog) =>
    (addresses.length === 0 || addresses.includes(address.toLowerCase())) &&
    wanted.every((one: unknown, i) => {
      if (one === null) return true
      const allowed = [one].flat().map((text) => String(text).toLowerCase())
      return allowed.includes(own[i]?.toLowerCase() ?? '')
    })
  return { result: chain.logs(from, Math.min(to, head)).filter(isWanted).map(logOf) }
}

const logOf = (log: PlacedLog) => ({
  address: log.address,
  topics: log.topics,
  data: log.data,
  blockNumber: quantity(log.blockNumber),
  blockHash: log.blockHash,
  transactionHash: log.transactionHash,
  transactionIndex: quantity(log.transactionIndex),
  logIndex: quantity(log.logIndex),
  removed: false,
})
