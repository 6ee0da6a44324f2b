// What the soak's shop sells, and what its origin has of it. Every text says whose it is and where it ends, so that
// a client can tell what it was served, and whether that was all.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import type { OriginAnswer, OriginRequest } from '../world/origin.ts'

/** One thing on sale. `once`: every reading is paid for; otherwise a payment buys 24 hours. */
export type Item = { path: string; method: 'GET' | 'POST'; once: boolean }

type Shelf = { folder: string; count: number; method: Item['method']; once: boolean }

/** `/articles` lies in KV; the rest is the origin's. `/ask` is settled before the origin is called. */
const shelves = [
  { folder: '/articles', count: 60, method: 'GET', once: false },
  { folder: '/reports', count: 30, method: 'GET', once: false },
  { folder: '/answers', count: 6, method: 'GET', once: true },
  { folder: '/ask', count: 6, method: 'POST', once: true },
] as const satisfies Shelf[]

export const ROUTES = [
  { path: '/articles/*', content: 'kv', price: '$0.05', access: '24h', description: 'An article' },
  { path: '/reports/*', content: 'origin', price: '$0.03', access: '24h', description: 'A report' },
  { path: '/answers/*', content: 'origin', price: '$0.02', access: 'once', description: 'An answer' },
  { path: '/ask/*', content: 'origin', methods: ['POST'], price: '$0.01', access: 'once', description: 'A question' },
]

const itemsOf = ({ folder, count, method, once }: Shelf): Item[] =>
  Array.from({ length: count }, (_, i) => ({ path: `${folder}/${i}`, method, once }))

/** All that is on sale. */
export const catalogue: readonly Item[] = shelves.flatMap(itemsOf)
export const articles: readonly Item[] = itemsOf(shelves[0])

/** Another thing of the same price, for a payment that tries its luck elsewhere. */
export function neighbourOf(item: Item): Item {
  const folder = item.path.slice(0, item.path.lastIndexOf('/'))
  const shelf = catalogue.filter(({ path }) => path.startsWith(`${folder}/`))
  const at = shelf.findIndex(({ path }) => path === item.path)
  return shelf[(at + 1) % shelf.length] ?? item
}

const LONGEST_TEXT_BYTES = 160_000

/** The content at a path: from 1 to 160 thousand characters, always the same. */
export function textOf(path: string): string {
  const digest = createHash('sha256').update(path).digest()
  const share = digest.readUInt16BE(0) / 2 ** 16
  const line = `${digest.toString('hex')} ${path}\n`
  const lines = Math.ceil((1_000 + (LONGEST_TEXT_BYTES - 1_000) * share ** 3) / line.length)
  return `BEGIN ${path}\n${line.repeat(lines)}END ${path}\n`
}

export const opensWith = (path: string): string => `BEGIN ${path}\n`

/** How long the origin pauses in the middle of a text, so that hang-ups and kills find it there. */
const PAUSE_MS = 60

/** The origin's answer. */
export function press({ url }: OriginRequest): OriginAnswer {
  const text = textOf(new URL(url, 'http://localhost').pathname)
  const half = Math.floor(text.length / 2)
  async function* inHalves() {
    yield text.slice(0, half)
    await setTimeout(PAUSE_MS)
    yield text.slice(half)
  }
  const headers = { 'content-type': 'text/plain', 'content-length': String(text.length) }
  return { headers, body: Readable.from(inHalves()) }
}
