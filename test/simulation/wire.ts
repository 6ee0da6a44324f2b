// The network between the parts: `fetch` with delays, lost connections, silence and replies that break off.
// Requests leave when the sender's commits are confirmed, six at a time, as the platform has it.
import { type Context, countSubrequest, here, type World } from './clock.ts'

export type WireRequest = {
  readonly url: string
  readonly path: string
  readonly method: string
  readonly text: string
  /** The name of the process that sent it. */
  readonly from: string
}

/** What `fetch` hands out: as much of a `Response` as is used. */
export type WireResponse = Pick<Response, 'status' | 'ok' | 'headers' | 'text' | 'json' | 'arrayBuffer'> & {
  readonly body:
    | (AsyncIterable<Uint8Array> & { getReader(): ReadableStreamDefaultReader<Uint8Array>; cancel(): Promise<void> })
    | null
}

/** What comes back. `breaks`: the body ends in an error after some characters; `stalls`: it never goes on. */
export type WireReply =
  | {
      kind: 'reply'
      status: number
      body: string
      headers?: Record<string, string>
      cut?: { at: number; how: 'breaks' | 'stalls' }
    }
  /** The connection is gone: `fetch` throws. */
  | { kind: 'lost' }
  /** Nothing ever comes. */
  | { kind: 'silent' }

/** Answers requests at an origin. It runs as the story, and may wait. */
export type Service = (request: WireRequest) => Promise<WireReply>

/** The platform's limit of connections that wait for the head of a reply. */
const MOST_CONNECTIONS = 6

export const json = (value: unknown, status = 200): WireReply => ({
  kind: 'reply',
  status,
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
})

/** Lets a service answer at an origin, such as `https://rpc.example`. */
export function serve(world: World, origin: string, service: Service): void {
  world.routes.set(origin, service)
}

const isService = (value: unknown): value is Service => typeof value === 'function'

const addresses = new Map<string, URL>()

function parsed(text: string): URL {
  const url = addresses.get(text) ?? new URL(text)
  addresses.set(text, url)
  return url
}

/** `fetch` of the simulated platform, for the process that is running. */
export async function virtualFetch(input: string | URL | Request, init: RequestInit = {}): Promise<WireResponse> {
  const of = here()
  const { process } = of
  countSubrequest(of)
  if (typeof input === 'object' && 'arrayBuffer' in input) throw new Error('the simulator fetches addresses only')
  const url = input.toString()
  const { origin, pathname } = parsed(url)
  const signal = init.signal ?? null
  if (signal?.aborted) throw signal.reason
  const text = typeof init.body === 'string' ? init.body : ''
  const request: WireRequest = { url, path: pathname, method: init.method ?? 'GET', text, from: process.name }
  return new Promise<WireResponse>((resolve, reject) => {
    let isOver = false
    const end = (act: () => void) => {
      if (isOver || !process.isAlive) return
      isOver = true
      process.busy.fetches -= 1
      const place = process.waiting.indexOf(send)
      if (place >= 0) process.waiting.splice(place, 1)
      else process.waiting.shift()?.()
      act()
    }
    const arrive = (reply: WireReply) => end(() => settle(reply, signal, resolve, reject))
    const send = () => process.gate(() => (isOver ? undefined : leave(of, origin, request, arrive)))
    signal?.addEventListener('abort', () => end(() => reject(signal.reason)), { once: true })
    process.busy.fetches += 1
    if (process.busy.fetches > MOST_CONNECTIONS) process.waiting.push(send)
    else send()
  })
}

/** The request travels, is answered, and the answer travels back. */
function leave(of: Context, origin: string, request: WireRequest, arrive: (reply: WireReply) => void): void {
  const { world, process } = of
  const label = `${process.name} → ${request.method} ${request.url}`
  world.note(`${label} ${request.text}`)
  world.after(world.draw(world.latency.fetchMs), `arrives: ${label}`, () => {
    const service = world.routes.get(origin)
    const answer = isService(service) ? service(request) : Promise.resolve<WireReply>({ kind: 'lost' })
    void answer.then((reply) => {
      if (reply.kind === 'silent') return
      const said = reply.kind === 'reply' ? `${reply.status} ${reply.body}` : reply.kind
      world.note(`${request.url} says ${said}`)
      world.after(world.draw(world.latency.fetchMs), `back: ${label}`, () => arrive(reply), of)
    })
  })
}

function settle(
  reply: WireReply,
  signal: AbortSignal | null,
  resolve: (response: WireResponse) => void,
  reject: (fault: unknown) => void,
): void {
  if (reply.kind !== 'reply') {
    reject(new TypeError('Network connection lost.'))
    return
  }
  const { body, cut, headers = {}, status } = reply
  if (!cut) {
    resolve(wholeReply(body, status, headers))
    return
  }
  const bytes = new TextEncoder().encode(body.slice(0, cut.at))
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes)
      if (cut.how === 'breaks') controller.error(new TypeError('Network connection lost.'))
      else signal?.addEventListener('abort', () => controller.error(signal.reason), { once: true })
    },
  })
  resolve(new Response(stream, { status, headers }))
}

const encoder = new TextEncoder()

/** A reply that is there as a whole. A real `Response` costs as much as all the rest of a message. */
function wholeReply(text: string, status: number, headers: Record<string, string>): WireResponse {
  const real = () => new Response(text, { status, headers })
  const body: NonNullable<WireResponse['body']> = {
    async *[Symbol.asyncIterator]() {
      yield encoder.encode(text)
    },
    getReader: () => {
      const stream = real().body
      if (!stream) throw new TypeError('this reply has no body')
      return stream.getReader()
    },
    cancel: async () => {},
  }
  return {
    status,
    ok: status >= 200 && status < 300,
    get headers() {
      return new Headers(headers)
    },
    body: text === '' ? null : body,
    text: async () => text,
    json: async () => JSON.parse(text),
    arrayBuffer: async () => encoder.encode(text).buffer,
  }
}
