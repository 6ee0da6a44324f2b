// Content, and what is stored of it: in KV or R2 it is found before it is sold, and streamed.
import { bytesOf, newStart, peeked, type Start, watched } from './body.ts'
import { fail, ok, type Result } from './errors.ts'
import { isDecoded } from './headers.ts'
import { log, nameOf } from './log.ts'
import { type Article, type ArticleProblem, parseArticle } from './policy/article.ts'
import { type Asking, partOf } from './range.ts'
import { endsHead, soldTitle, TITLE_WITHIN, titleInBytes } from './wall/facts.ts'

export const MARKDOWN_TYPE = 'text/markdown; charset=utf-8'
/** In front of an article's key, the key of its Markdown. No address leads there: each begins with a slash. */
const MARKDOWN = 'md:'

/** What was opened, and whether all of its body was taken (`Watched`). Null: it has none, or none that is for sale. */
export type Content = { response: Response; taken: Promise<void> | null; title: Title }

/** What content is called; "" for nothing. `atOnce`: where that is sure before it is sent; `asRead`: in what has passed by then. */
export type Title = { atOnce: () => string; asRead: () => string }

export type StoredContent = {
  article: Article
  /** The content itself; a file's conditions and range are those of who asks, null is for the whole. Its body is had once. */
  open: (asking: Asking | null) => Promise<Content>
  /** Its Markdown as it is stored, without its body for `HEAD`; null where none is. */
  markdown: (isForHead: boolean) => Promise<Content | null>
  /** Lets go of content that is not opened. */
  discard: () => Promise<void>
}

/**
 * The stored content at a path. `not_found` where there is none or it is empty, `configuration_error` where its metadata
 * cannot be read, `unavailable` where the store does not answer.
 */
export async function findStored(
  env: Pick<Env, 'CONTENT_KV' | 'CONTENT_R2'>,
  source: 'kv' | 'r2',
  path: string,
  mimeType: string,
): Promise<Result<StoredContent>> {
  try {
    const found = await (source === 'kv'
      ? findInKv(env.CONTENT_KV, path, mimeType)
      : findInR2(env.CONTENT_R2, path, mimeType))
    if (!found.ok) log({ event: 'configuration_error', path: found.error.key, problem: found.error.problem })
    if (!found.ok) return fail({ code: 'configuration_error' })
    return found.value ? ok(found.value) : fail({ code: 'not_found' })
  } catch (fault) {
    log({ event: `${source}_unavailable`, problem: nameOf(fault) })
    return fail({ code: 'unavailable' })
  }
}

/** KV has no longer ones, and refuses to look for them. */
const LONGEST_KEY = 512
const isKey = (key: string): boolean => new TextEncoder().encode(key).length <= LONGEST_KEY

/** Whether anything lies in KV under a path. */
export async function holdsKey(kv: KVNamespace, path: string): Promise<Result<boolean>> {
  try {
    const value = await firstOf(keysOf(path).filter(isKey), (key) => kv.get(key, 'stream'))
    await value?.cancel()
    return ok(value !== null)
  } catch (fault) {
    log({ event: 'kv_unavailable', problem: nameOf(fault) })
    return fail({ code: 'unavailable' })
  }
}

/** Opens stored content; for `HEAD` without its body. */
export async function openStored(
  found: StoredContent,
  request: Request,
  asking: Asking | null,
): Promise<Result<Content>> {
  const content = await reached(() => found.open(asking))
  if (!content.ok || request.method !== 'HEAD') return content
  const { response } = content.value
  await response.body?.cancel()
  return ok(unwatched(new Response(null, response)))
}

/** What a file is sent with. Nothing of it is read. */
export async function headersOfFile(found: StoredContent): Promise<Headers> {
  const { response } = await found.open({ method: 'HEAD', headers: new Headers() })
  return response.headers
}

/** Content without a body, or one that nobody pays for. */
export const unwatched = (response: Response): Content => ({ response, taken: null, title: known('') })

/** What a page begins with is kept while it is sold, for its title; null for all else. */
export const startFor = (contentType: string, isEncoded: boolean): Start | null =>
  /^text\/html\s*(?:;|$)/i.test(contentType) && !isEncoded ? newStart(TITLE_WITHIN, endsHead) : null

const known = (title: string): Title => ({ atOnce: () => title, asRead: () => title })

/** The title in what was kept. Nothing is read before it is asked for. */
export function titleIn(contentType: string, start: Start | null): Title {
  if (start === null) return known('')
  let last: string | null = null
  const asRead = () => {
    if (last !== null) return last
    const title = titleInBytes(contentType, bytesOf(start))
    // Nothing is added any more.
    if (start.left === 0) last = title
    return title
  }
  return { atOnce: () => (start.left === 0 ? asRead() : ''), asRead }
}

/** Whether what is in a body can be read here: files are passed on encoded as they are stored. */
export function isReadable({ headers }: Response, isFile: boolean): boolean {
  const encoding = headers.get('Content-Encoding')
  return encoding === null || (!isFile && isDecoded(encoding))
}

/** Content that cannot be had, in our own words, which may be logged. */
export class Missing extends Error {}

/** What `open` brings; `content_unavailable`, and a line in the log, where it throws. */
export async function reached<Found>(open: () => Promise<Found>): Promise<Result<Found>> {
  try {
    return ok(await open())
  } catch (fault) {
    log({ event: 'content_unavailable', problem: fault instanceof Missing ? fault.message : nameOf(fault) })
    return fail({ code: 'content_unavailable' })
  }
}

/** The canonical key, and for names beyond ASCII the readable one, as people upload them. */
function keysOf(path: string): string[] {
  const readable = decodeURIComponent(path)
  return [path, ...(readable === path ? [] : [readable])].filter((key) => key !== '')
}

async function firstOf<Value>(keys: string[], find: (key: string) => Promise<Value | null>): Promise<Value | null> {
  for (const key of keys) {
    const found = await find(key)
    if (found !== null) return found
  }
  return null
}

/** An article in KV under its canonical path; null where there is none or it is empty. */
async function findInKv(
  kv: KVNamespace,
  path: string,
  mimeType: string,
): Promise<Result<StoredContent | null, ArticleProblem>> {
  const entry = await firstOf(keysOf(path), async (key) => {
    const { value, metadata: stored } = await kv.getWithMetadata(key, 'stream')
    return value && { value, stored }
  })
  const content = entry && (await peeked(entry.value))
  if (!content) return ok(null)
  const article = parseArticle(path, entry.stored)
  if (!article.ok) {
    await content.discard()
    return article
  }
  const { title } = article.value
  const contentType = article.value.contentType ?? (mimeType || 'text/html; charset=utf-8')
  let opened: ReadableStream | null = null
  return ok({
    article: article.value,
    open: async (asking) => {
      const start = asking === null && title === null ? startFor(contentType, false) : null
      const { body, taken } = content.watched(null, start)
      opened = body
      const headers = { 'Content-Type': contentType, 'X-Content-Type-Options': 'nosniff' }
      return {
        response: new Response(body, { headers }),
        taken,
        title: title === null ? titleIn(contentType, start) : known(soldTitle(title)),
      }
    },
    async markdown(isForHead) {
      const keys = keysOf(path).map((key) => MARKDOWN + key)
      const value = await firstOf(keys.filter(isKey), (key) => kv.get(key, 'stream'))
      const text = value && (await peeked(value))
      if (!text) return null
      const headers = { 'Content-Type': MARKDOWN_TYPE, 'X-Content-Type-Options': 'nosniff' }
      if (isForHead) await text.discard()
      const { body, taken } = isForHead ? { body: null, taken: null } : text.watched(null, null)
      return { response: new Response(body, { headers }), taken, title: known(soldTitle(title ?? '')) }
    },
    // What is being read is let go by whoever reads it.
    discard: async () => {
      if (opened === null) await content.discard()
      else if (!opened.locked) await opened.cancel()
    },
  })
}

/** A file in R2 under its path without the leading slash; null where there is none or it is empty. */
async function findInR2(
  bucket: R2Bucket,
  path: string,
  mimeType: string,
): Promise<Result<StoredContent | null, ArticleProblem>> {
  const head = await firstOf(keysOf(path.slice(1)), (name) => bucket.head(name))
  if (!head || head.size === 0) return ok(null)
  const { key, size } = head
  const article = parseArticle(key, { contentType: head.httpMetadata?.contentType, ...head.customMetadata })
  if (!article.ok) return article
  const { title } = article.value
  const contentType = article.value.contentType ?? (mimeType || 'application/octet-stream')
  const isEncoded = Boolean(head.httpMetadata?.contentEncoding)
  // What is stored encoded is passed on as it is stored.
  const answer = (body: ReadableStream | null, status: number, more: Record<string, string> = {}): Response => {
    const headers = new Headers()
    head.writeHttpMetadata(headers)
    headers.set('Content-Type', contentType)
    headers.set('X-Content-Type-Options', 'nosniff')
    headers.set('Accept-Ranges', isEncoded ? 'none' : 'bytes')
    headers.set('ETag', head.httpEtag)
    headers.set('Last-Modified', head.uploaded.toUTCString())
    // An error is about this request; a cache must not keep it in the file's place.
    if (status >= 400) headers.set('Cache-Control', 'no-store')
    for (const [name, value] of Object.entries(more)) headers.set(name, value)
    return new Response(body, { status, headers, encodeBody: 'manual' })
  }
  const open = async (asking: Asking | null): Promise<Content> => {
    const part = partOf(asking, { size, etag: head.httpEtag, modifiedAt: head.uploaded, isEncoded })
    if (part.status === 304 || part.status === 412) return unwatched(answer(null, part.status))
    if (part.status === 416) return unwatched(answer(null, 416, { 'Content-Range': `bytes */${size}` }))
    if (asking?.method === 'HEAD') return unwatched(answer(null, 200, { 'Content-Length': String(size) }))
    const { offset, length } = part
    const object = await bucket.get(key, { onlyIf: { etagMatches: head.etag }, range: { offset, length } })
    if (!object || !('body' in object)) throw new Missing('the file changed while it was being read')
    const start = asking === null && title === null ? startFor(contentType, isEncoded) : null
    const { body, taken } = watched(object.body, length, start)
    const contentRange = { 'Content-Range': `bytes ${offset}-${offset + length - 1}/${size}` }
    return {
      response: answer(body, part.status, part.status === 206 ? contentRange : {}),
      taken,
      title: title === null ? titleIn(contentType, start) : known(soldTitle(title)),
    }
  }
  return ok({ article: article.value, open, markdown: async () => null, discard: async () => {} })
}
