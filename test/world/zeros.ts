// An origin of files that are as long as their names say, all zeros: `/…/1024` says its length beforehand, `/…/1024.live`
// does not, `/…/1024.broken` says it and breaks off in the middle. Nothing of it is kept in memory.
import { createServer, type IncomingHttpHeaders, request, type ServerResponse } from 'node:http'
import { listening } from '../../dev/stack/ports.ts'

/** As a file server reads its disk. */
const CHUNK = Buffer.alloc(64 * 1024)

export type Zeros = { url: string; stop(): Promise<void> }

/** Starts on a free port of 127.0.0.1. */
export async function startZeros(): Promise<Zeros> {
  const server = createServer((incoming, response) => {
    const [, name = '0', kind] = /\/(\d+)(?:\.(\w+))?$/.exec(incoming.url ?? '') ?? []
    const bytes = Number(name)
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      ...(kind === 'live' ? {} : { 'Content-Length': bytes }),
    })
    pour(response, bytes, kind === 'broken' ? bytes / 2 : bytes)
  })
  const { url, stop } = await listening(server)
  return { url, stop }
}

/** Writes as fast as it is taken, up to `end`; what is missing of `bytes` then is never sent. */
function pour(response: ServerResponse, bytes: number, end: number): void {
  let sent = 0
  const more = () => {
    while (sent < end) {
      const chunk = CHUNK.subarray(0, Math.min(CHUNK.length, end - sent))
      sent += chunk.length
      if (!response.write(chunk)) return void response.once('drain', more)
    }
    if (sent === bytes) response.end()
    else response.destroy()
  }
  more()
}

export type Swallowed = { status: number; headers: IncomingHttpHeaders; bytes: number; isWhole: boolean }

/** Reads an answer, keeps nothing of it but the count of its bytes, and hangs up when it has had `enough` of them. */
export function swallow(
  url: string,
  { headers = {}, enough = Number.POSITIVE_INFINITY }: { headers?: Record<string, string>; enough?: number } = {},
): Promise<Swallowed> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, agent: false }, (answer) => {
      let bytes = 0
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes >= enough) answer.destroy()
      })
      // Hanging up is an error too, and so is an answer that breaks off.
      answer.on('error', () => {})
      answer.on('close', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes, isWhole: answer.complete }),
      )
    })
    asked.on('error', reject).end()
  })
}
