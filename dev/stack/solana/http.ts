// The node's HTTP: one call of JSON-RPC, or a batch of them, on the loopback interface.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod'
import { type Listening, listening } from '../ports.ts'
import { RpcError } from './asked.ts'
import type { Methods } from './rpc.ts'

const MAX_BODY_BYTES = 1024 * 1024

const call = z.object({
  jsonrpc: z.literal('2.0'),
  id: z.unknown(),
  method: z.string(),
  params: z.unknown().optional(),
})

/** Serves these methods, and counts how often each is called. */
export function serve(methods: Methods, calls: Record<string, number>, port?: number): Promise<Listening> {
  const failure = (id: unknown, code: number, message: string, data?: unknown) => ({
    jsonrpc: '2.0',
    error: { code, message, ...(data !== undefined && { data }) },
    id,
  })
  function one(sent: unknown): object {
    const read = call.safeParse(sent)
    if (!read.success) return failure(null, -32600, 'Invalid request')
    const { id, method, params = [] } = read.data
    const run = methods[method]
    if (!Object.hasOwn(methods, method) || run === undefined) return failure(id, -32601, 'Method not found')
    if (!Array.isArray(params)) return failure(id, -32602, 'Invalid params: use an array')
    calls[method] = (calls[method] ?? 0) + 1
    try {
      return { jsonrpc: '2.0', result: run(params), id }
    } catch (error) {
      if (error instanceof RpcError) return failure(id, error.code, error.message, error.data)
      return failure(id, -32603, `Internal error: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of request) {
      const bytes = Buffer.from(chunk)
      size += bytes.length
      if (size > MAX_BODY_BYTES) return void response.writeHead(413).end()
      chunks.push(bytes)
    }
    if (request.method !== 'POST') return void response.writeHead(405).end('Used HTTP Method is not allowed. POST is\n')
    let said: unknown
    try {
      const sent: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
      said = Array.isArray(sent) ? sent.map(one) : one(sent)
    } catch {
      said = failure(null, -32700, 'Parse error')
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(toJson(said))
  }
  const server = createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy())
  })
  return listening(server, port)
}

/** Numbers of nodes have 64 bits, and stand in JSON as they are. */
const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `\u0000${one}` : one)).replace(
    /"\\u0000(\d+)"/g,
    '$1',
  )
