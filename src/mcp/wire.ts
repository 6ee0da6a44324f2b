// What a program that uses tools sends, and is answered: JSON-RPC after MCP's Streamable HTTP, revisions 2026-07-28 and 2025-11-25,
// without sessions. Pure.
import * as z from 'zod/mini'
import { fail, ok, type Refusal, type Result, sentenceOf } from '../errors.ts'
import { VERSION } from '../version.ts'
import { isDeep } from '../x402/base64.ts'

const MODERN = '2026-07-28'
const LEGACY = '2025-11-25'
/** What else is answered as `LEGACY` is: its results have nothing that these do not know. */
const OLDER = ['2025-06-18', '2025-03-26']

/** A payment takes 8 KiB, and an address 2. */
export const LONGEST_BODY = 64 * 1024
/** Payments are four levels deep, and stand four levels below. */
const DEEPEST = 24

const META = {
  version: 'io.modelcontextprotocol/protocolVersion',
  server: 'io.modelcontextprotocol/serverInfo',
} as const

/** What a program may remember of a list of tools. */
const KEPT = { ttlMs: 300_000, cacheScope: 'public' } as const

const id = z.lazy(() => z.union([z.string().check(z.maxLength(256)), z.number()]))
const message = z.lazy(() =>
  z.object({
    jsonrpc: z.literal('2.0'),
    id: z.optional(id),
    method: z.string().check(z.maxLength(128)),
    params: z.optional(z.record(z.string(), z.unknown())),
  }),
)

export type Id = z.infer<typeof id> | null
export type Call = { id: Id; method: string; params: Record<string, unknown>; isModern: boolean }
export type RpcError = { id: Id; code: number; message: string; data?: unknown }

/** The headers that repeat what the body says. */
export type Repeated = { version: string | null; method: string | null; name: string | null }

const PARSE_ERROR = -32700
const INVALID_REQUEST = -32600
export const METHOD_NOT_FOUND = -32601
export const INVALID_PARAMS = -32602
const HEADER_MISMATCH = -32020
const UNSUPPORTED_VERSION = -32022

/** One call; null is a notification, which nobody answers. Batches are refused. */
export function readCall(text: string, repeated: Repeated): Result<Call | null, RpcError> {
  const json = parsed(text)
  if (!json.ok) return json
  const read = z.safeParse(message, json.value)
  if (!read.success)
    return fail({ id: null, code: INVALID_REQUEST, message: 'Send one JSON-RPC 2.0 request; no batches.' })
  const { method, params = {} } = read.data
  if (read.data.id === undefined) return ok(null)
  const own = read.data.id
  const said = versionIn(params)
  const mismatch =
    differs(repeated.version, said) || differs(repeated.method, method) || differs(repeated.name, textOf(params.name))
  if (mismatch) return fail({ id: own, code: HEADER_MISMATCH, message: 'A header says something else than the body.' })
  const version = said ?? repeated.version
  if (version !== null && version !== MODERN && version !== LEGACY && !OLDER.includes(version)) {
    const data = { supported: [MODERN, LEGACY], requested: version.slice(0, 64) }
    return fail({ id: own, code: UNSUPPORTED_VERSION, message: 'This revision of MCP is not spoken here.', data })
  }
  return ok({ id: own, method, params, isModern: version === MODERN || method === 'server/discover' })
}

function parsed(text: string): Result<unknown, RpcError> {
  const refused = fail({ id: null, code: PARSE_ERROR, message: 'The body is no JSON that can be read here.' })
  if (isDeep(text, DEEPEST)) return refused
  try {
    return ok(JSON.parse(text))
  } catch {
    return refused
  }
}

const differs = (header: string | null, body: string | null) => header !== null && body !== null && header !== body
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const meta = z.lazy(() => z.object({ _meta: z.record(z.string(), z.unknown()) }))

/** `params._meta`, as far as it is a table. */
export function metaOf(params: Record<string, unknown>): Record<string, unknown> {
  const read = z.safeParse(meta, params)
  return read.success ? read.data._meta : {}
}

const versionIn = (params: Record<string, unknown>) => textOf(metaOf(params)[META.version])

/** The revision that `initialize` settles on. */
export const initialized = (params: Record<string, unknown>, instructions: string) => ({
  protocolVersion: OLDER.find((known) => known === params.protocolVersion) ?? LEGACY,
  capabilities: { tools: {} },
  serverInfo: { name: 'newsstand', version: VERSION },
  instructions,
})

export const discovered = (instructions: string) => ({
  ...KEPT,
  supportedVersions: [MODERN, LEGACY],
  capabilities: { tools: {} },
  instructions,
})

export const listed = (tools: readonly unknown[], isModern: boolean) => ({ ...(isModern ? KEPT : {}), tools })

/** What a tool answers, but for its content. */
export type ToolResult = {
  isError: boolean
  structuredContent?: unknown
  _meta?: Record<string, unknown>
  content?: readonly { type: 'text'; text: string }[]
}

/** The JSON of an answer. */
export const answered = (call: Call, result: Record<string, unknown>): string =>
  JSON.stringify({ jsonrpc: '2.0', id: call.id, result: inRevision(call, result) })

/** What a tool says, for programs and for those who read it. */
export const tell = (call: Call, result: ToolResult, said: unknown): string =>
  answered(call, { ...result, structuredContent: said, content: [{ type: 'text', text: JSON.stringify(said) }] })

/** An error of a tool, in our own words. */
export const refused = (call: Call, error: string, message: string): string =>
  tell(call, { isError: true }, { error, message })

export const refusedBy = (call: Call, refusal: Refusal): string => refused(call, refusal.code, sentenceOf(refusal))

export const failed = ({ id: own, ...error }: RpcError): string => JSON.stringify({ jsonrpc: '2.0', id: own, error })

function inRevision({ isModern }: Call, result: Record<string, unknown>): Record<string, unknown> {
  if (!isModern) return result
  const said = metaOf(result)
  return {
    resultType: 'complete',
    ...result,
    _meta: { ...said, [META.server]: { name: 'newsstand', version: VERSION } },
  }
}

/** The JSON around a text, or bytes in base64, that streams by: in front of it, and behind it. */
export function around(
  call: Call,
  result: ToolResult,
  content: { type: 'text' } | { type: 'resource'; uri: string; mimeType: string },
): [before: string, after: string] {
  const open = answered(call, result).slice(0, -2)
  if (content.type === 'text') return [`${open},"content":[{"type":"text","text":"`, '"}]}}']
  const { uri, mimeType } = content
  const resource = JSON.stringify({ uri, mimeType }).slice(0, -1)
  return [`${open},"content":[{"type":"resource","resource":${resource},"blob":"`, '"}}]}}']
}

/** No control characters but line breaks and tabs, no marks that turn a text around, and none that hide one. */
const UNWANTED = /(?![\t\n\r])\p{Cc}|[\u{202a}-\u{202e}\u{2066}-\u{2069}\u{e0000}-\u{e007f}]/gu

/** A piece of a text as it stands inside a JSON text. It must not end between the halves of a letter. */
export const inJson = (text: string): string => JSON.stringify(text.replace(UNWANTED, '')).slice(1, -1)

const IN_ASCII: Readonly<Record<string, string>> = {
  '\u2013': '-',
  '\u2014': '-',
  '\u2018': "'",
  '\u2019': "'",
  '\u201c': '"',
  '\u201d': '"',
  '\u2026': '...',
  '\u00a0': ' ',
}

/** The same in ASCII alone, wherever a text stands: a client that pays writes it in base64, and cannot write more. */
export function inAscii(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/[^\x20-\x7e]/gu, (letter) => IN_ASCII[letter] ?? plainOf(letter))
  if (Array.isArray(value)) return value.map(inAscii)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, inAscii(inner)]))
}

/** Without its accents; what has none is a question mark, so that nothing reads as if it were whole. */
function plainOf(letter: string): string {
  const plain = letter.normalize('NFKD').replace(/[^\x20-\x7e]/gu, '')
  return plain === '' ? '?' : plain
}
