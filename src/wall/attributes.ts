// The attributes of a start tag, out of what is written between its name and its end. It is handed a whole tag, never a piece.

/** By name in small letters, as written: references are not decoded. */
export type Attributes = {
  get(name: string): string | undefined
  has(name: string): boolean
  all(): ReadonlyMap<string, string>
}

/** Small letters of ASCII alone: the standard folds no others, and some others fold to ASCII. */
export const lower = (text: string): string =>
  /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (part) => part.toLowerCase()) : text

/** Without the one character that cannot be in a text. */
export const withoutNull = (text: string): string => (text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text)

export const isSpaceCode = (code: number): boolean =>
  code <= 0x20 && (code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d || code === 0x0c)

export const SLASH = 0x2f
export const EQUALS = 0x3d
export const DOUBLE = 0x22
export const SINGLE = 0x27

const NONE: ReadonlyMap<string, string> = new Map()
const NO_ATTRIBUTES: Attributes = { get: () => undefined, has: () => false, all: () => NONE }

/** They are read when somebody asks: in what is gone nobody does. */
export function attributesOf(written: string): Attributes {
  if (written === '') return NO_ATTRIBUTES
  let read: ReadonlyMap<string, string> | null = null
  function all() {
    read ??= parsed(written)
    return read
  }
  return { get: (name) => all().get(name), has: (name) => all().has(name), all }
}

/** Of equal names the first counts. */
function parsed(raw: string): ReadonlyMap<string, string> {
  const written = withoutNull(raw)
  const { length } = written
  const found = new Map<string, string>()
  let at = 0
  const skip = (isSkipped: (code: number) => boolean) => {
    while (at < length && isSkipped(written.charCodeAt(at))) at += 1
  }
  for (;;) {
    skip(isBetween)
    if (at === length) return found
    const from = at
    // An equals sign here begins a name.
    at += 1
    skip(isOfName)
    const name = lower(written.slice(from, at))
    skip(isSpaceCode)
    let value = ''
    if (at < length && written.charCodeAt(at) === EQUALS) {
      at += 1
      skip(isSpaceCode)
      const quote = at < length ? written.charCodeAt(at) : 0
      const isQuoted = quote === DOUBLE || quote === SINGLE
      if (isQuoted) at += 1
      const start = at
      if (isQuoted) at = written.indexOf(quote === DOUBLE ? '"' : "'", start)
      else skip(isNoSpace)
      value = written.slice(start, at)
      if (isQuoted) at += 1
    }
    if (!found.has(name)) found.set(name, value)
  }
}

const isBetween = (code: number) => code === SLASH || isSpaceCode(code)
const isOfName = (code: number) => code > EQUALS || !(code === EQUALS || code === SLASH || isSpaceCode(code))
const isNoSpace = (code: number) => !isSpaceCode(code)
