// As much of a Solana node as the reference client asks for: one mint of the classic token program, and a blockhash.
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import * as z from 'zod'
import { TOKEN } from './svm.ts'

const asked = z.object({ id: z.unknown(), method: z.string(), params: z.array(z.unknown()).default([]) })

/** An account of a mint: 82 bytes, of which the client reads the decimals. */
function mintAccount(decimals: number): string {
  const bytes = Buffer.alloc(82)
  bytes.writeUInt8(decimals, 44)
  bytes.writeUInt8(1, 45)
  return bytes.toString('base64')
}

export async function serveMint({ mint, decimals, blockhash }: { mint: string; decimals: number; blockhash: string }) {
  const context = { slot: 1 }
  const answers = (method: string, first: unknown) => {
    if (method === 'getLatestBlockhash') return { context, value: { blockhash, lastValidBlockHeight: 151 } }
    const data = [mintAccount(decimals), 'base64']
    const account = { data, executable: false, lamports: 1, owner: TOKEN, rentEpoch: 0, space: 82 }
    return { context, value: method === 'getAccountInfo' && first === mint ? account : null }
  }
  const server = createServer(async (request, response) => {
    const { id, method, params } = asked.parse(await json(request))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result: answers(method, params[0]) }))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const bound = z.object({ port: z.number() }).parse(server.address())
  return {
    url: `http://127.0.0.1:${bound.port}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
