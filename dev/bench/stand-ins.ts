// All whom a subject asks, in one process of their own: facilitator, RPC, origin, KV, D1 and the counter of failures. Each
// answers at once, says what the protocol says, and counts.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { LOOPBACK, listening } from '../stack/ports.ts'
import { articlePage } from './article.ts'
import { answerCall, Settlement, settle } from './imitated-chain.ts'

const KINDS = ['facilitator', 'rpc', 'origin', 'kv', 'd1', 'limit'] as const
type Kind = (typeof KINDS)[number]
const Ports = z.record(z.enum(KINDS), z.number())
/** How often each was asked, by what was asked of it. */
export type Counts = Record<string, number>
const Counts = z.record(z.string(), z.number())

export type StandIns = {
  pid: number
  ports: Record<Kind, number>
  /** What was asked since the last time. */
  counts(): Promise<Counts>
  stop(): Promise<void>
}

/** Where one of them is. */
export const urlOf = ({ ports }: StandIns, kind: Kind) => `http://${LOOPBACK}:${ports[kind]}`

/** Starts them. */
export async function startStandIns(): Promise<StandIns> {
  const child = fork(fileURLToPath(import.meta.url), { stdio: 'inherit', execArgv: [] })
  const [ports] = await once(child, 'message')
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  return {
    pid: child.pid ?? 0,
    ports: Ports.parse(ports),
    async counts() {
      const told = once(child, 'message')
      child.send('counts')
      const [counts] = await told
      return Counts.parse(counts)
    },
    async stop() {
      process.removeListener('exit', kill)
      const gone = once(child, 'exit')
      kill()
      await gone
    },
  }
}

const MEGABYTE = Buffer.alloc(1024 * 1024, 'newsstand ')
const PAGE = Buffer.from(articlePage(8))
const ARTICLE = Buffer.from(articlePage(116))

const FORGED = 'invalid_exact_evm_payload_signature'
/** A part of the facilitator's path: it finds every payment good. */
export const BELIEVING = 'believing'
/** What fails from here fails too often. */
export const BLOCKED = '192.0.2.'

let counts: Counts = {}

const json = (response: ServerResponse, value: unknown) =>
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))

/** `count` gets what was asked. */
type Serve = (
  request: IncomingMessage,
  body: string,
  response: ServerResponse,
  count: (what: string) => void,
) => unknown

const SERVERS: Record<Kind, Serve> = {
  // The first part of the path is how long it takes, in milliseconds.
  async facilitator(request, body, response, count) {
    const parts = request.url?.split('/') ?? []
    const [, delay = '0'] = parts
    const what = parts.at(-1) ?? ''
    count(what)
    if (Number(delay) > 0) await new Promise((resolve) => setTimeout(resolve, Number(delay)))
    if (what === 'supported')
      return json(response, {
        kinds: [1, 2].map((x402Version) => ({
          x402Version,
          scheme: 'exact',
          network: x402Version === 1 ? 'base-sepolia' : 'eip155:84532',
        })),
        extensions: [],
        signers: {},
      })
    // The reference middleware shows every payment; newsstand only those that no key has signed, and those are forged here.
    if (what === 'verify') {
      const isGood = parts.includes(BELIEVING)
      return json(response, isGood ? { isValid: true } : { isValid: false, invalidReason: FORGED })
    }
    const settlement = Settlement.parse(JSON.parse(body))
    const transaction = settle(settlement)
    return json(response, { success: true, transaction, network: settlement.paymentRequirements.network })
  },
  rpc(_, body, response, count) {
    const asked: unknown = JSON.parse(body)
    count('request')
    json(response, Array.isArray(asked) ? asked.map((call) => answerCall(call, count)) : answerCall(asked, count))
  },
  origin(request, _, response, count) {
    const path = request.url ?? ''
    count('request')
    const megabytes = Number(/\/(\d+)mb/.exec(path)?.[1] ?? 0)
    if (megabytes > 0) {
      response.writeHead(200, { 'Content-Type': 'video/mp4', 'Content-Length': megabytes * MEGABYTE.length })
      return send(response, megabytes)
    }
    const body = path.includes('/walled/') || path.includes('/open/') ? ARTICLE : PAGE
    return response
      .writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': body.length })
      .end(body)
  },
  kv(request, _, response, count) {
    count(request.method === 'GET' ? 'get' : 'put')
    // What the worker keeps for itself begins without a slash, and is not there.
    if (!decodeURIComponent(request.url ?? '').startsWith('//')) return response.writeHead(404).end()
    const metadata = JSON.stringify({
      title: 'What the tide tables do not say',
      contentType: 'text/html; charset=utf-8',
    })
    return response.writeHead(200, { 'Content-Length': PAGE.length, 'CF-KV-Metadata': metadata }).end(PAGE)
  },
  d1(_, body, response, count) {
    const asked: unknown = JSON.parse(body)
    count('request')
    const answer = () => {
      count('statement')
      return { success: true, results: { columns: [], rows: [] }, meta: { changes: 1, duration: 0 } }
    }
    json(response, Array.isArray(asked) ? asked.map(answer) : answer())
  },
  limit(_, body, response, count) {
    count('request')
    json(response, { success: !body.includes(BLOCKED) })
  },
}

/** So many megabytes, no faster than they are taken. */
function send(response: ServerResponse, megabytes: number): void {
  let left = megabytes
  const more = () => {
    while (left > 0) {
      left--
      if (!response.write(MEGABYTE)) return void response.once('drain', more)
    }
    response.end()
  }
  more()
}

async function serve(): Promise<void> {
  const ports = await Promise.all(
    KINDS.map(async (kind) => {
      const count = (what: string) => {
        counts[`${kind} ${what}`] = (counts[`${kind} ${what}`] ?? 0) + 1
      }
      const server = createServer(async (request, response) => {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk)
        await SERVERS[kind](request, Buffer.concat(chunks).toString(), response, count)
      })
      // A connection that is closed just as it is used again would be a failure of nobody's.
      server.keepAliveTimeout = 600_000
      const { url } = await listening(server)
      return [kind, Number(new URL(url).port)]
    }),
  )
  process.on('message', () => {
    process.send?.(counts)
    counts = {}
  })
  // Without whoever started them they are of no use.
  process.on('disconnect', () => process.exit())
  process.send?.(Object.fromEntries(ports))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve()
