// Articles as Markdown, for whoever asks for it: as it is stored, else made of the page's article. It is whole before anything is
// paid for it; where there is none, the page goes out as it is.
import { htmlToMarkdown } from '@mdream/js/core'
import { prefersMarkdown } from './accept.ts'
import { watched } from './body.ts'
import { type Content, holdsKey, isReadable, MARKDOWN_TYPE, reached, type StoredContent } from './content.ts'
import { ok, type Result } from './errors.ts'
import { OF_THE_BYTES } from './headers.ts'
import { decide } from './policy/policy.ts'
import type { Rule } from './policy/rules.ts'
import { isSafe, type Target, targetOf } from './request.ts'
import type { World } from './site.ts'
import { within } from './waiting.ts'
import { articleIn } from './wall/article.ts'
import { charsetOf } from './wall/charset.ts'
import { titleInBytes } from './wall/facts.ts'

/** No page is read further for its cut, either: a longer one is no article. */
const MOST_BYTES = 512 * 1024
/** A page that comes slower goes out as it comes. */
const LONGEST_MS = 5_000

const SUFFIX = '.md'

/** What Markdown says of a page is about its HTML no more. */
const OF_THE_PAGE = [...OF_THE_BYTES, 'Content-Encoding', 'ETag', 'Last-Modified', 'Accept-Ranges', 'Link']

/**
 * What is asked for, and in which form. A stored article has a second address for its Markdown, its own with `.md` behind it,
 * unless something is stored under that very name. Policy sees the article's own address alone.
 */
export async function askedFor(request: Request, world: World): Promise<Result<Target>> {
  const found = targetOf(request, world.config)
  if (!found.ok || !world.config.machines.markdown || !isSafe(request.method)) return found
  const target = found.value
  const named: Target = prefersMarkdown(request.headers.get('Accept')) ? { ...target, markdown: 'accepted' } : target
  const article = withoutSuffix(target)
  if (article === null || !isInKv(target, world) || !isInKv(article, world)) return ok(named)
  const isKept = await holdsKey(world.env.CONTENT_KV, target.facts.path)
  return isKept.ok ? ok(isKept.value ? named : article) : isKept
}

/** Only what is spelt plainly has the suffix. */
function withoutSuffix(target: Target): Target | null {
  const { path, rawPath, isCanonical } = target.facts
  if (!isCanonical || !path.endsWith(SUFFIX) || !rawPath.endsWith(SUFFIX)) return null
  const article = path.slice(0, -SUFFIX.length)
  if (article.endsWith('/')) return null
  const facts = { ...target.facts, path: article, rawPath: rawPath.slice(0, -SUFFIX.length) }
  return { ...target, originPath: article, facts, markdown: 'addressed' }
}

function isInKv({ facts }: Target, { config }: World): boolean {
  const decided = decide(facts, config.rules)
  return decided.ok && decided.value.kind !== 'open' && decided.value.rule.content === 'kv'
}

/** Stored content in the form that is asked for; null where no Markdown is stored, or none is asked for. */
export async function storedAsked(found: StoredContent, method: string): Promise<Result<Content> | null> {
  const stored = await reached(() => found.markdown(method === 'HEAD'))
  if (stored.ok && stored.value === null) return null
  await found.discard()
  return stored.ok && stored.value ? ok(stored.value) : { ok: false, error: { code: 'content_unavailable' } }
}

/**
 * The same content as Markdown, where it is a page with an article in it; else as it is.
 *
 * @param address where it lies, for its links
 */
export async function asMarkdown(content: Content, method: string, rule: Rule, address: string): Promise<Content> {
  const { response, title } = content
  const type = response.headers.get('Content-Type') ?? ''
  const isPage = response.status === 200 && /^text\/html\s*(?:;|$)/i.test(type) && rule.content !== 'r2'
  if (!isPage || !isReadable(response, false)) return content
  // What a GET would get, most likely: it is not read for its headers.
  if (method === 'HEAD') return { ...content, response: answerWith(null, response, MARKDOWN_TYPE) }
  if (response.body === null || Number(response.headers.get('Content-Length') ?? 0) > MOST_BYTES) return content
  const { bytes, rest } = await readStart(response.body.getReader())
  const text = rest === null ? markdownOf(bytes, type, rule, address, title.asRead()) : null
  const [source, length] =
    text !== null ? sized(new TextEncoder().encode(text)) : rest === null ? sized(bytes) : [followed(bytes, rest), null]
  const { body, taken } = watched(source, length, null)
  const read = title.asRead() || titleInBytes(type, bytes)
  return {
    response: answerWith(body, response, text === null ? type : MARKDOWN_TYPE),
    taken: content.taken && taken,
    title: { atOnce: () => read, asRead: () => read },
  }
}

function answerWith(
  body: ReadableStream<Uint8Array> | null,
  { status, headers: said }: Response,
  type: string,
): Response {
  const headers = new Headers(said)
  for (const name of OF_THE_PAGE) headers.delete(name)
  headers.set('Content-Type', type)
  headers.set('X-Content-Type-Options', 'nosniff')
  return new Response(body, { status, headers })
}

/** The Markdown of a page; null where it has no article, or cannot be read. Never throws. */
function markdownOf(bytes: Uint8Array, type: string, rule: Rule, address: string, title: string): string | null {
  try {
    const charset = charsetOf(type, bytes)
    if (charset === null) return null
    const html = new TextDecoder(charset, { fatal: true, ignoreBOM: false }).decode(bytes)
    const article = articleIn(html, rule.wall?.select ?? null, rule.content === 'kv')
    const text = article === null ? '' : htmlToMarkdown(article, { origin: address }).trim()
    if (article === null || !/[\p{L}\p{N}]/u.test(text)) return null
    const heading = title || titleInBytes(type, bytes)
    const hasHeading = heading === '' || /<h1[\s>]/.test(article)
    return `${hasHeading ? '' : `# ${escaped(heading)}\n\n`}${text}\n`
  } catch {
    return null
  }
}

const escaped = (text: string) => text.replace(/[\\`*_[\]<>#]/g, '\\$&')

type Reader = ReadableStreamDefaultReader<Uint8Array>
/** `next`: what was asked for already and has not come. */
type Rest = { reader: Reader; next: ReturnType<Reader['read']> | null }

/** All of a body, or what of it comes in time and is not too much. Throws where it breaks off. */
async function readStart(reader: Reader): Promise<{ bytes: Uint8Array; rest: Rest | null }> {
  const untilMs = Date.now() + LONGEST_MS
  const pieces: Uint8Array[] = []
  let size = 0
  for (;;) {
    const next = reader.read()
    const came = await within(next, untilMs - Date.now())
    if (came === null) return { bytes: joined(pieces, size), rest: { reader, next } }
    if (came.done) return { bytes: joined(pieces, size), rest: null }
    pieces.push(came.value)
    size += came.value.byteLength
    if (size > MOST_BYTES) return { bytes: joined(pieces, size), rest: { reader, next: null } }
  }
}

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

const sized = (bytes: Uint8Array): [source: ReadableStream<Uint8Array>, length: number] => [
  new Blob([bytes]).stream(),
  bytes.byteLength,
]

/** What was read, and then what is still to come. */
function followed(bytes: Uint8Array, { reader, next }: Rest): ReadableStream<Uint8Array> {
  let asked = next
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes),
    async pull(controller) {
      const { done, value } = await (asked ?? reader.read())
      asked = null
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}
