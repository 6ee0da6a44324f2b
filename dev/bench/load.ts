// Sends requests that were made before, so many at a time, and looks at each answer. Nothing is signed here.
import { Agent, request as begin, type IncomingHttpHeaders } from 'node:http'
import { LOOPBACK } from '../stack/ports.ts'

/** One request, and what its answer has to be. `code`: what the answer's JSON calls its error. */
export type Asked = {
  method?: string
  path: string
  headers: Record<string, string>
  status: number
  code?: string
}

export type Answered = { status: number; headers: IncomingHttpHeaders; bytes: number; text: string }

/** What a round came to. `latencies` in milliseconds, in the order of the requests. */
export type Round = { seconds: number; latencies: number[] }

/** Longer bodies are counted, not kept. */
const LONGEST_KEPT = 256 * 1024
const ANSWER_LIMIT_MS = 60_000

/** Every request has an address of its own. */
let addresses = 0
export function nextAddress(): string {
  const number = addresses++
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
}

/** Sends one request. */
export function ask(port: number, { method = 'GET', path, headers }: Asked, agent?: Agent): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = begin({ host: LOOPBACK, port, method, path, agent, headers }, (response) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes <= LONGEST_KEPT) chunks.push(chunk)
      })
      response.once('error', reject)
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes,
          text: bytes <= LONGEST_KEPT ? Buffer.concat(chunks).toString('utf8') : '',
        }),
      )
    })
    request.setTimeout(ANSWER_LIMIT_MS, () => request.destroy(new Error('no answer')))
    request.once('error', reject)
    request.end()
  })
}

/** A row in which this is thrown is void. */
export class WrongAnswer extends Error {}

function check({ status, code, path }: Asked, answer: Answered): void {
  if (answer.status !== status)
    throw new WrongAnswer(`${path}: ${answer.status} in place of ${status}: ${answer.text.slice(0, 300)}`)
  if (code !== undefined && !answer.text.includes(`"${code}"`))
    throw new WrongAnswer(`${path}: ${status}, but not ${code}: ${answer.text.slice(0, 300)}`)
  if (status === 200 && answer.bytes === 0) throw new WrongAnswer(`${path}: an empty answer`)
}

/** All of them, `atOnce` at a time. */
export async function sendAll(port: number, asked: readonly Asked[], atOnce: number): Promise<Round> {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
  const latencies: number[] = []
  let next = 0
  const one = async () => {
    for (let i = next++; i < asked.length; i = next++) {
      const request = asked[i]
      if (!request) return
      const begun = performance.now()
      const answer = await ask(port, request, agent)
      latencies[i] = performance.now() - begun
      check(request, answer)
    }
  }
  const begun = performance.now()
  try {
    await Promise.all(Array.from({ length: atOnce }, one))
    return { seconds: (performance.now() - begun) / 1000, latencies }
  } finally {
    agent.destroy()
  }
}

/** So many a second, whatever becomes of those before. A latency begins when its request was due. */
export async function sendAtRate(port: number, asked: readonly Asked[], perSecond: number): Promise<Round> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const begun = performance.now()
  const latencies = asked.map(async (request, i) => {
    const dueMs = begun + (i * 1000) / perSecond
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())))
    check(request, await ask(port, request, agent))
    return performance.now() - dueMs
  })
  try {
    const all = await Promise.all(latencies)
    return { seconds: (performance.now() - begun) / 1000, latencies: all }
  } finally {
    agent.destroy()
  }
}
