// In which characters a page is written: as HTTP says, a byte order mark, or the page itself in its first kilobyte. A page in
// an encoding that nobody names is read as UTF-8 only where it is UTF-8. Pure.

/** A page names its encoding within these bytes (HTML Standard). */
export const PRESCAN_BYTES = 1024

/** Encodings in which ASCII does not stand for itself, or which browsers replace: a cut there could be another one. */
const REFUSED = /^(?:utf-?16|utf-?7|iso-2022|hz-gb|replacement|x-user-defined|csiso2022)/i

const BOM_UTF8 = [0xef, 0xbb, 0xbf]

/** The encoding's name for a decoder; null where it is unknown, or not to be read here. */
export function charsetOf(contentType: string, start: Uint8Array): string | null {
  const isMarked = BOM_UTF8.every((byte, i) => start[i] === byte)
  if (isMarked) return 'utf-8'
  if ((start[0] === 0xfe && start[1] === 0xff) || (start[0] === 0xff && start[1] === 0xfe)) return null
  const said = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1]
  const name = said ?? namedIn(start) ?? 'utf-8'
  return isReadable(name) ? name.toLowerCase() : null
}

/** `<meta charset>` or `<meta http-equiv=content-type>`, outside comments. */
function namedIn(start: Uint8Array): string | undefined {
  const ascii = Array.from(start.subarray(0, PRESCAN_BYTES), (byte) => String.fromCharCode(byte < 0x80 ? byte : 0x3f))
  const text = ascii.join('').replace(/<!--.*?(?:-->|$)/gs, '')
  for (const [meta] of text.matchAll(/<meta[\s/][^>]*>?/gi)) {
    const name = /charset\s*=\s*["']?\s*([^\s"'>;/]+)/i.exec(meta)?.[1]
    if (name !== undefined) return name
  }
  return undefined
}

function isReadable(name: string): boolean {
  if (REFUSED.test(name)) return false
  try {
    return new TextDecoder(name).encoding !== 'replacement'
  } catch {
    return false
  }
}
