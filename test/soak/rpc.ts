// A proxy in front of the chain's RPC, for the worker alone: now and then it is down or slow.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listening } from '../../dev/stack/ports.ts'
import { type Witness, wait } from './faults.ts'
import type { Random } from './random.ts'

const WEATHER = { fine: 70, down: 20, slow: 10 }
type Weather = keyof typeof WEATHER

export type RpcProxy = {
  url: string
  /** Draws the weather of the next moment. */
  change(): void
  lift(): void
  stop(): Promise<void>
}

export async function startRpcProxy(rpcUrl: string, random: Random, witness: Witness): Promise<RpcProxy> {
  let weather: Weather = 'fine'

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const now = weather
    if (now !== 'fine') witness.count(`RPC: ${now}`)
    if (now === 'down') return void request.socket.destroy()
    if (now === 'slow') await wait(random.between(200, 4_000))
    const headers = { 'content-type': 'application/json' }
    const reply = await fetch(rpcUrl, { method: 'POST', headers, body: Buffer.concat(chunks) })
    response.writeHead(200, headers).end(await reply.text())
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => request.socket.destroy())
  })
  const { url, stop } = await listening(server)
  return {
    url,
    change() {
      weather = random.weighed(WEATHER, 'fine')
    },
    lift() {
      weather = 'fine'
    },
    stop,
  }
}
