// A proxy in front of the chain's RPC, for the worker alone: now and then it is down, slow, broken or leaves out logs.
// It always behaves like a full node in one thing: the state of blocks long gone is not to be had.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod'
import { LOOPBACK } from '../ports.ts'
import { type Witness, wait } from './faults.ts'
import type { Random } from './random.ts'

/** Full nodes keep the states of this many blocks (geth, op-geth). */
const STATES_KEPT = 128n

const WEATHER = { fine: 60, down: 15, 'error 500': 5, slow: 8, 'without logs': 6, garbled: 6 }
type Weather = keyof typeof WEATHER

const call = z.object({ id: z.unknown(), method: z.string(), params: z.array(z.unknown()) })
const block = z.templateLiteral(['0x', z.string()])

export type RpcProxy = {
  url: string
  /** Draws the weather of the next moment. */
  change(): void
  lift(): void
  stop(): Promise<void>
}

export async function startRpcProxy(rpcUrl: string, random: Random, witness: Witness): Promise<RpcProxy> {
  let weather: Weather = 'fine'

  const forward = async (body: string): Promise<string> => {
    const response = await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return response.text()
  }
  const heightOf = async (): Promise<bigint> => {
    const text = await forward('{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}')
    return BigInt(z.object({ result: block }).parse(JSON.parse(text)).result)
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const body = Buffer.concat(chunks).toString('utf8')
    const now = weather
    if (now !== 'fine') witness.count(`RPC: ${now}`)
    if (now === 'down') return void request.socket.destroy()
    if (now === 'slow') await wait(random.between(200, 4_000))
    if (now === 'error 500') return void response.writeHead(500).end('{"error":"internal"}')
    if (now === 'garbled') return void response.writeHead(200).end('<html>')
    const { id, method, params } = call.parse(JSON.parse(body))
    const json = (value: object) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ jsonrpc: '2.0', id, ...value }))
    if (now === 'without logs' && method === 'eth_getLogs') return void json({ result: [] })
    const at = block.safeParse(params[1])
    if (method === 'eth_call' && at.success && BigInt(at.data) + STATES_KEPT < (await heightOf())) {
      witness.count('RPC: state asked for that a full node has no more')
      return void json({ error: { code: -32000, message: 'missing trie node' } })
    }
    const text = await forward(body)
    response.writeHead(200, { 'content-type': 'application/json' }).end(text)
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy())
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, LOOPBACK, () => {
      const address = server.address()
      if (address === null || typeof address === 'string') reject(new Error('no port'))
      else resolve(address.port)
    })
  })
  return {
    url: `http://${LOOPBACK}:${port}`,
    change() {
      weather = random.weighed(WEATHER, 'fine')
      witness.storm(weather !== 'fine')
    },
    lift() {
      weather = 'fine'
      witness.storm(false)
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
