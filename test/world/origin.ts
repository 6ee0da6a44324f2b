// A publisher's origin that answers what a test tells it to, and remembers what it was sent.
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { listening } from '../../dev/stack/ports.ts'

export type OriginAnswer = {
  status?: number
  headers?: Record<string, string | string[]>
  body?: string | Buffer | Readable
}
export type OriginRequest = { method: string; url: string; headers: IncomingHttpHeaders; body: string }

export type OriginServer = {
  url: string
  /** What it answers from now on. */
  tell(answer: OriginAnswer | ((request: OriginRequest) => OriginAnswer)): void
  /** Everything it was sent since it was last told something. */
  seen: OriginRequest[]
  stop(): Promise<void>
}

/** Starts on a free port of 127.0.0.1. An answer without `content-length` is chunked; `body` undefined sends none. */
export async function startOrigin(): Promise<OriginServer> {
  let answer: (request: OriginRequest) => OriginAnswer = () => ({ body: 'the page' })
  const seen: OriginRequest[] = []
  async function receive(incoming: IncomingMessage): Promise<OriginAnswer> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk))
    const { method = '', url = '', headers } = incoming
    const request = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') }
    seen.push(request)
    return answer(request)
  }

  const server = createServer((incoming, response) => {
    receive(incoming).then(
      ({ status = 200, headers = {}, body }) => {
        response.writeHead(status, headers)
        if (body instanceof Readable) pipeline(body, response, () => {})
        else response.end(body)
      },
      // Whoever asked is gone, or sees what is wrong with the test.
      (fault: unknown) => void response.writeHead(500).end(String(fault)),
    )
  })
  const { url, stop } = await listening(server)
  return {
    url,
    tell(next) {
      seen.length = 0
      answer = typeof next === 'function' ? next : () => next
    },
    seen,
    stop,
  }
}
