// Which part of a file a request asks for, and on which conditions (RFC 9110 §13, §14). Pure.

/** Who asks: its method, and its headers with conditions and range. */
export type Asking = { method: string; headers: Headers }

export type File = {
  size: number
  /** Strong, with its quotes. */
  etag: string
  modifiedAt: Date
  /** Stored compressed. */
  isEncoded: boolean
}

/** What is to be answered: the whole, a part, that nothing changed, that too much did, or that there is no such part. */
export type Part =
  | { status: 200 | 206; offset: number; length: number }
  | { status: 304 }
  | { status: 412 }
  | { status: 416 }

/** The part of a file for who asks; null asks for the whole. */
export function partOf(asking: Asking | null, file: File): Part {
  const whole: Part = { status: 200, offset: 0, length: file.size }
  if (!asking) return whole
  const { method, headers } = asking
  if (isChanged(headers, file)) return { status: 412 }
  if (isKnown(headers, file)) return { status: 304 }
  // What is stored encoded may be decoded on its way: a part of it would be of no use then.
  if (method !== 'GET' || file.isEncoded || !isRangeWanted(headers, file)) return whole
  const range = parseRange(headers.get('Range'), file.size)
  if (range === 'unsatisfiable') return { status: 416 }
  return range ? { status: 206, ...range } : whole
}

/** `If-Match` and, in its absence, `If-Unmodified-Since` fail: it is no longer the file that was asked about. */
function isChanged(headers: Headers, { etag, modifiedAt }: File): boolean {
  const match = headers.get('If-Match')
  if (match !== null) return !listed(match).some((tag) => tag === '*' || tag === etag)
  const since = secondsOf(headers.get('If-Unmodified-Since'))
  return since !== null && toSeconds(modifiedAt) > since
}

/** `If-None-Match` and, in its absence, `If-Modified-Since` fail: the client has the file. */
function isKnown(headers: Headers, { etag, modifiedAt }: File): boolean {
  const match = headers.get('If-None-Match')
  if (match !== null) return listed(match).some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag)
  const since = secondsOf(headers.get('If-Modified-Since'))
  return since !== null && toSeconds(modifiedAt) <= since
}

/** `If-Range` names this very file. A date never does: two files can be of one second, and the whole is always right. */
function isRangeWanted(headers: Headers, { etag }: File): boolean {
  const wanted = headers.get('If-Range')
  return wanted === null || wanted.trim() === etag
}

const listed = (tags: string): string[] => tags.split(',').map((tag) => tag.trim())

const toSeconds = (date: Date): number => Math.floor(date.getTime() / 1000)

function secondsOf(date: string | null): number | null {
  const parsed = date === null ? Number.NaN : Date.parse(date)
  return Number.isNaN(parsed) ? null : Math.floor(parsed / 1000)
}

/** One range of `bytes=a-b`, `a-` or `-n`; null where the whole is served, as for several ranges. */
export function parseRange(
  header: string | null,
  size: number,
): { offset: number; length: number } | 'unsatisfiable' | null {
  const match = /^bytes=(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/.exec(header ?? '')
  if (!match) return null
  const [, first, last, suffix] = match
  const offset = first === undefined ? Math.max(0, size - Number(suffix)) : Number(first)
  const end = first === undefined || last === undefined ? size - 1 : Math.min(Number(last), size - 1)
  if (first !== undefined && last !== undefined && Number(last) < offset) return null
  return offset >= size || Number(suffix) === 0 ? 'unsatisfiable' : { offset, length: end - offset + 1 }
}
