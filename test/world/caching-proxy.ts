// A shared cache in front of the site, in Node, naive on purpose: it listens to whatever caches were ever told (nginx's
// words, then those of content networks, then HTTP's), keeps what it is not told to leave alone, and tells readers apart by
// nothing but path and query; by `Vary` only where it is started to.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type Listening, listening } from '../../dev/stack/ports.ts'

type Fetched = { status: number; rawHeaders: string[]; headers: IncomingHttpHeaders; body: Buffer }

/** How long an answer is kept that says nothing about it. */
const EAGER_SECONDS = 600
/** Listened to before HTTP's own header, in this order. */
const NETWORKS = ['surrogate-control', 'cloudflare-cdn-cache-control', 'cdn-cache-control', 'edge-control']
/** A cache asks for the whole, and for itself. */
const LEFT_OUT = ['range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']
/** Of one connection alone. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'transfer-encoding']

/** Starts it in front of `upstream` on a free port, with nothing in it. Its answers say `X-Cache: HIT` or `MISS`. */
export function startCachingProxy(upstream: string, { heedsVary }: { heedsVary: boolean }): Promise<Listening> {
  const kept = new Map<string, { answer: Fetched; untilMs: number }>()
  const varying = new Map<string, string[]>()
  const keyOf = ({ url = '', headers }: IncomingMessage) =>
    JSON.stringify([url, ...(varying.get(url) ?? []).map((name) => headers[name] ?? null)])
  const isRead = ({ method }: IncomingMessage) => method === 'GET' || method === 'HEAD'

  async function serve(asking: IncomingMessage, response: ServerResponse): Promise<void> {
    const found = isRead(asking) ? kept.get(keyOf(asking)) : undefined
    if (found && found.untilMs > Date.now()) return reply(response, found.answer, 'HIT')
    const answer = await fetchFrom(upstream, asking)
    const seconds = freshSeconds(answer.headers)
    if (asking.method === 'GET' && seconds > 0) {
      if (heedsVary) varying.set(asking.url ?? '', listed(answer.headers.vary ?? ''))
      kept.set(keyOf(asking), { answer, untilMs: Date.now() + 1000 * seconds })
    }
    reply(response, answer, 'MISS')
  }

  const server = createServer((asking, response) => {
    serve(asking, response).catch((cause: unknown) => response.destroy(new Error('the cache broke', { cause })))
  })
  return listening(server)
}

function fetchFrom(upstream: string, asking: IncomingMessage): Promise<Fetched> {
  const left = Object.entries(asking.headers).filter(([name]) => ![...LEFT_OUT, ...HOP_BY_HOP].includes(name))
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(upstream)
    const { method, url: path } = asking
    const outgoing = request({ hostname, port, method, path, headers: Object.fromEntries(left), agent: false })
    outgoing.on('error', reject)
    outgoing.on('response', async (message) => {
      const { statusCode: status = 0, rawHeaders, headers } = message
      resolve({ status, rawHeaders, headers, body: Buffer.concat(await message.toArray()) })
    })
    asking.pipe(outgoing)
  })
}

function reply(response: ServerResponse, { status, rawHeaders, body }: Fetched, isFrom: 'HIT' | 'MISS'): void {
  const headers = ['X-Cache', isFrom]
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = rawHeaders.slice(i, i + 2)
    if (!HOP_BY_HOP.includes(name.toLowerCase())) headers.push(name, value)
  }
  response.writeHead(status, headers).end(body)
}

/** For how long an answer is kept, by the first header that says so. */
function freshSeconds(headers: IncomingHttpHeaders): number {
  const accelerated = said(headers, 'x-accel-expires')
  if (accelerated !== null) return Number(accelerated)
  for (const name of [...NETWORKS, 'cache-control']) {
    const words = said(headers, name)
    const seconds = words === null ? null : secondsIn(words)
    if (seconds !== null) return seconds
  }
  const expires = said(headers, 'expires')
  return expires === null ? EAGER_SECONDS : (Date.parse(expires) - Date.now()) / 1000
}

function secondsIn(header: string): number | null {
  const words = listed(header)
  if (['no-store', 'no-cache', 'private'].some((word) => words.includes(word))) return 0
  const age = /(?:s-maxage|max-age)=(\d+)/.exec(words.sort().reverse().join())?.[1]
  return age === undefined ? null : Number(age)
}

function said(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' ? value : null
}

const listed = (said: string): string[] =>
  said
    .toLowerCase()
    .split(/\s*,\s*/)
    .filter((word) => word !== '')
