// Which part of a file a `Range` header asks for. Pure.

/** One range of `bytes=a-b`, `a-` or `-n` (RFC 9110 §14); null where the whole is served, as for several ranges. */
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
