// A JSON-RPC endpoint in front of the real chain that misbehaves on command. Nothing else uses it: what a test finds on
// the chain, it asks the chain itself. It may stand in front of Solana's, with the faults that know no method; those of a
// Solana node's own (`Faults`) are set at the chain.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod'
import { listening } from '../../dev/stack/ports.ts'

export const RPC_FAULTS = [
  'is down',
  'hangs',
  'is slow',
  'answers 500',
  'answers HTML',
  'refuses every call',
  'breaks off at a batch',
  // From here on: of EVM chains.
  'hears of no new block',
  'leaves out logs',
  'leaves out receipts',
  'keeps the states of four blocks',
] as const
export type RpcFault = (typeof RPC_FAULTS)[number]

export type Rpc = {
  url: string
  /** From now on; `null` is the real thing again, for calls that hang as well. */
  set(fault: RpcFault | null): Promise<void>
  stop(): Promise<void>
}

export type RpcOptions = {
  /** How long a call takes while it `is slow`. */
  slownessMs?: () => number
  /** Hears of every call that meets a fault. */
  met?: (fault: RpcFault) => void
}

/** A node that is no archive forgets the states of older blocks; this one within seconds. */
const STATES_KEPT = 4n
/** Less than the worker waits for. */
const SLOWNESS_MS = 2_000

const quantity = z.templateLiteral(['0x', z.string()])
const rpcCall = z.object({ id: z.unknown(), method: z.string(), params: z.array(z.unknown()).default([]) })
type RpcCall = z.infer<typeof rpcCall>
const reply = z.looseObject({ result: z.unknown().optional(), error: z.unknown().optional() })
const toHex = (height: bigint) => `0x${height.toString(16)}`

export async function startRpc(
  rpcUrl: string,
  { slownessMs = () => SLOWNESS_MS, met = () => {} }: RpcOptions = {},
): Promise<Rpc> {
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
    const now = fault
    if (now) met(now)
    if (now === 'hangs') await lifted.promise
    if (now === 'is slow') await new Promise((resolve) => setTimeout(resolve, slownessMs()))
    if (now === 'is down') return void request.socket.destroy()
    if (now === 'answers 500') return void response.writeHead(500).end('{"error":"internal"}')
    if (now === 'answers HTML') return void response.writeHead(200).end('<html>Welcome</html>')
    const sent = z.union([rpcCall, z.array(rpcCall)]).parse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
    if (now === 'breaks off at a batch' && Array.isArray(sent)) return void request.socket.destroy()
    const one = async (call: RpcCall) => ({ jsonrpc: '2.0', ...(await twist(now, call)), id: call.id })
    const said = Array.isArray(sent) ? await Promise.all(sent.map(one)) : await one(sent)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said))
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
      case 'keeps the states of four blocks':
        return call.method === 'eth_call' && at.success && BigInt(at.data) + STATES_KEPT < (await height())
          ? { error: { code: -32000, message: 'missing trie node' } }
          : forward(call)
      default:
        return forward(call)
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
      if (next === 'hears of no new block') lastHeard = await height()
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
