// One request of a reader, who may hang up at a moment of his choice; and what he received of the answer.
import { request } from 'node:http'
import * as z from 'zod'
import { headersOf, Answer as Read } from '../world/answer.ts'
import { type Item, opensWith, textOf } from './catalogue.ts'

/** When the client destroys the connection: after some time, when the headers are there, or some way into the body. */
export type HangUp = { at: 'time'; ms: number } | { at: 'headers' } | { at: 'body'; share: number }

export type Answer = {
  path: string
  startedMs: number
  endedMs: number
  /** Null when no headers came. */
  status: number | null
  /** The public code of a refusal. */
  code: string | null
  /** How much of the content came. */
  content: 'none' | 'part' | 'whole'
  end: 'read' | 'hung up' | 'broken' | 'timed out'
  /** What was read to its end, and is no content. */
  refusal: Read | null
}

const refusal = z.object({ error: z.string() })
/** Longer than the worker ever holds a request. */
const PATIENCE_MS = 35_000

export function ask(
  port: number,
  { path, method }: Item,
  headers: Record<string, string>,
  hangUp: HangUp | null = null,
): Promise<Answer> {
  const startedMs = Date.now()
  return new Promise((resolve) => {
    let status: number | null = null
    let received = new Headers()
    let text = ''
    let end: Answer['end'] | null = null
    const finish = (how: Answer['end']): void => {
      if (end !== null) return
      end = how
      clearTimeout(timer)
      clearTimeout(patience)
      const whole = text === textOf(path)
      const part = text.startsWith(opensWith(path)) || (text !== '' && status === 200)
      const isRefusal = how === 'read' && status !== 200
      resolve({
        path,
        startedMs,
        endedMs: Date.now(),
        status,
        code: isRefusal ? (refusal.safeParse(parse(text)).data?.error ?? null) : null,
        content: whole ? 'whole' : part ? 'part' : 'none',
        end: how,
        refusal: isRefusal ? new Read(status ?? 0, received, Buffer.from(text, 'latin1')) : null,
      })
    }
    const outgoing = request({
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: { ...headers, Host: 'news.example' },
      agent: false,
    })
    const leave = (): void => {
      finish('hung up')
      outgoing.socket?.resetAndDestroy()
      outgoing.destroy()
    }
    const timer = hangUp?.at === 'time' ? setTimeout(leave, hangUp.ms) : undefined
    const patience = setTimeout(() => {
      finish('timed out')
      outgoing.destroy()
    }, PATIENCE_MS)
    outgoing.on('error', () => finish('broken'))
    outgoing.on('response', (incoming) => {
      status = incoming.statusCode ?? 0
      received = headersOf(incoming)
      if (hangUp?.at === 'headers') return leave()
      incoming.setEncoding('latin1')
      incoming.on('data', (chunk: string) => {
        text += chunk
        if (hangUp?.at === 'body' && text.length > textOf(path).length * hangUp.share) leave()
      })
      incoming.on('end', () => finish(incoming.complete ? 'read' : 'broken'))
      incoming.on('aborted', () => finish('broken'))
      incoming.on('error', () => finish('broken'))
    })
    outgoing.end(method === 'POST' ? '{}' : undefined)
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
