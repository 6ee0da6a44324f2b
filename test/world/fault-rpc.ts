// A JSON-RPC endpoint in front of the real chain that misbehaves on command. Nothing else uses it: what a test finds on
// the chain, it asks the chain itself.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod'
import { listening } from '../../dev/stack/ports.ts'

export const RPC_FAULTS = [
  'is down',
  'hangs',
  'answers 500',
  'answers HTML',
  'refuses every call',
  'hears of no new block',
  'leaves out logs',
  'leaves out receipts',
] as const
export type RpcFault = (typeof RPC_FAULTS)[number]

export type FaultyRpc = {
  url: string
  /** From now on; `null` is the real thing again, for calls that hang as well. */
  set(fault: RpcFault | null): Promise<void>
  stop(): Promise<void>
}

const quantity = z.templateLiteral(['0x', z.string()])
const rpcCall = z.object({ id: z.unknown(), method: z.string(), params: z.array(z.unknown()) })
type RpcCall = z.infer<typeof rpcCall>
const reply = z.looseObject({ result: z.unknown().optional(), error: z.unknown().optional() })
const toHex = (height: bigint) => `0x${height.toString(16)}`

/** `statesKept`: of how many blocks the node still has the states, where it is no archive. */
export async function startFaultyRpc(rpcUrl: string, statesKept = 1_000_000n): Promise<FaultyRpc> {
  let fault: RpcFault | null = null
  /** Where `hears of no new block` stands still. */
  let lastHeard = 0n
  let lifted = Promise.withResolvers<void>()

  async function forward(call: RpcCall): Promise<z.infer<typeof reply>> {
    const body = JSON.stringify({ jsonrpc: '2.0', ...call })
    const response = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return reply.parse(await response.json())
  }

  async function height(): Promise<bigint> {
    return BigInt(quantity.parse((await forward({ id: 1, method: 'eth_blockNumber', params: [] })).result))
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    if (fault === 'hangs') await lifted.promise
    if (fault === 'is down') return void request.socket.destroy()
    if (fault === 'answers 500') return void response.writeHead(500).end('{"error":"internal"}')
    if (fault === 'answers HTML') return void response.writeHead(200).end('<html>Welcome</html>')
    const call = rpcCall.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
    const said = await twist(fault, call)
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...said }))
  }

  async function twist(now: RpcFault | null, call: RpcCall): Promise<object> {
    const at = quantity.safeParse(call.params[1])
    switch (now) {
      case 'refuses every call':
        return { error: { code: -32005, message: 'limit exceeded' } }
      case 'leaves out logs':
        return call.method === 'eth_getLogs' ? { result: [] } : forward(call)
      case 'leaves out receipts':
        return call.method === 'eth_getTransactionReceipt' ? { result: null } : forward(call)
      case 'hears of no new block':
        return asOf(lastHeard, call)
      default:
        return call.method === 'eth_call' && at.success && BigInt(at.data) + statesKept < (await height())
          ? { error: { code: -32000, message: 'missing trie node' } }
          : forward(call)
    }
  }

  /** What a node says that has not heard of the newest blocks. */
  async function asOf(newest: bigint, call: RpcCall): Promise<object> {
    const [first, second] = call.params
    const known = toHex(newest)
    if (call.method === 'eth_getBlockByNumber') {
      return forward({ ...call, params: [first === 'latest' ? known : first, second] })
    }
    if (call.method === 'eth_call') {
      const at = quantity.safeParse(second)
      return at.success && BigInt(at.data) > newest
        ? { error: { code: -32001, message: 'header not found' } }
        : forward({ ...call, params: [first, at.success ? at.data : known] })
    }
    if (call.method === 'eth_getLogs') return { result: [] }
    return { result: null }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy())
  })
  const { url, stop } = await listening(server)
  return {
    url,
    async set(next) {
      lastHeard = await height()
      fault = next
      lifted.resolve()
      lifted = Promise.withResolvers()
    },
    stop: () => {
      lifted.resolve()
      return stop()
    },
  }
}
