// HTML as tokens, after the standard's tokenizer, for text that comes in pieces. A token is handed on when it is whole, so
// where a piece ends never shows. What raw text is, only the tree knows: it is asked after each start tag.
import {
  type Attributes,
  attributesOf,
  DOUBLE,
  EQUALS,
  isSpaceCode,
  lower,
  SINGLE,
  SLASH,
  withoutNull,
} from './attributes.ts'

export { lower } from './attributes.ts'

export type StartTag = {
  kind: 'start'
  name: string
  attributes: Attributes
  isSelfClosing: boolean
}
export type Token =
  | StartTag
  | { kind: 'end'; name: string }
  /** As written, without what cannot be in a text; `isPlain` says that an ampersand in it is only that. */
  | { kind: 'text'; text: string; isPlain: boolean }
  | { kind: 'comment' }
  | { kind: 'doctype'; text: string }

/** How text behind a start tag is read. */
export type Reading = 'data' | 'rcdata' | 'rawtext' | 'script'

/** Who takes tokens: it says how what follows is read, and whether a CDATA section may stand here. */
export type Sink = { take(token: Token): Reading; isForeign(): boolean }

export type Tokenizer = { push(text: string): void; end(): void }

type State =
  | 'text'
  | 'tagOpen'
  | 'endTagOpen'
  | 'tag'
  | 'declaration'
  | 'comment'
  | 'bogus'
  | 'doctype'
  | 'cdata'
  | 'raw'
  | 'rawOpen'
  | 'rawEndName'
  | 'rawDeclaration'
  | 'escaped'
  | 'escapedOpen'
  | 'escapedName'

/** Where in a tag the next character stands. */
type Part = 'name' | 'before' | 'attribute' | 'after' | 'value' | 'double' | 'single' | 'unquoted' | 'slash'

/** How much of its end has been read of a comment, and what the next character makes of it; others make it none. */
type Ending = 'start' | 'startDash' | 'no' | 'dash' | 'dashes' | 'bang' | 'over'
const ENDING: Readonly<Record<Ending, Readonly<Record<string, Ending>>>> = {
  start: { '-': 'startDash', '>': 'over' },
  startDash: { '-': 'dashes', '>': 'over' },
  no: { '-': 'dash' },
  dash: { '-': 'dashes' },
  dashes: { '>': 'over', '!': 'bang', '-': 'dashes' },
  bang: { '-': 'dash', '>': 'over' },
  over: {},
}

const isLetter = (code: number) => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a
const END = 0x3e
const endsName = (code: number) => code <= END && (code === END || code === SLASH || isSpaceCode(code))
const NOT_LETTER = /[^A-Za-z]/g
const OF_ESCAPE = /[<>-]/g

/** Names that people write, as they are and in capitals: what has been seen once is not lowered again. */
const MOST_NAMES = 500
const LONGEST_NAME = 30

export function newTokenizer(sink: Sink): Tokenizer {
  let state: State = 'text'
  let reading: Reading = 'data'
  let input = ''
  let at = 0
  let text = ''
  /** What was read of something that may still be text. */
  let held = ''
  /** Of a tag: what pieces before this one have of it. */
  let written = ''
  let nameLength = 0
  let isEndTag = false
  let part: Part = 'name'
  let lastStart = ''
  /** Whether there may be one in a text. */
  let hasNull = false
  const names = new Map<string, string>()
  /** How deep in the escapes of a script: none, a comment, a script in a comment. */
  let escapes = 0
  let dashes = 0
  let ending: Ending = 'start'

  function flush(isPlain = reading !== 'data' && reading !== 'rcdata') {
    if (text === '') return
    const whole = !hasNull ? text : reading === 'data' ? text.replaceAll('\0', '') : withoutNull(text)
    text = ''
    if (whole !== '') sink.take({ kind: 'text', text: whole, isPlain })
  }

  /** Up to the next character of a kind, or to the end of the piece. */
  function upTo(stop: RegExp): string {
    stop.lastIndex = at
    const found = stop.exec(input)
    const part = input.slice(at, found?.index ?? input.length)
    at += part.length
    return part
  }

  function past(what: string): string | null {
    const found = input.indexOf(what, at)
    const part = found === -1 ? input.slice(at) : input.slice(at, found)
    at = found === -1 ? input.length : found + what.length
    if (found === -1) held = part
    return found === -1 ? null : part
  }

  function begin(isEnd: boolean) {
    flush()
    written = ''
    nameLength = 0
    isEndTag = isEnd
    part = 'name'
    state = 'tag'
  }

  function nameOf(raw: string): string {
    const known = names.get(raw)
    if (known !== undefined) return known
    const name = withoutNull(lower(raw))
    if (names.size < MOST_NAMES && raw.length <= LONGEST_NAME) names.set(raw, name)
    return name
  }

  /** A tag's end has been read, all in front of its `>` is this. */
  function endTag(raw: string, isSelfClosing: boolean) {
    const name = nameOf(raw.slice(0, nameLength))
    written = ''
    if (isEndTag) {
      reading = 'data'
      escapes = 0
      state = 'text'
      sink.take({ kind: 'end', name })
      return
    }
    lastStart = name
    reading = sink.take({ kind: 'start', name, attributes: attributesOf(raw.slice(nameLength)), isSelfClosing })
    escapes = 0
    state = reading === 'data' ? 'text' : 'raw'
  }

  /** Reads on in a tag, up to its `>` or the end of the piece. Only its end is looked for: who asks reads the rest. */
  function inTag() {
    const piece = input
    const { length } = piece
    let index = at
    let now = part
    while (index < length) {
      const code = piece.charCodeAt(index)
      if (now === 'double' || now === 'single') {
        const end = piece.indexOf(now === 'double' ? '"' : "'", index)
        if (end === -1) break
        index = end + 1
        now = 'before'
      } else if (code === END) {
        if (now === 'name') nameLength = written.length + index - at
        const raw = written + piece.slice(at, index)
        at = index + 1
        return endTag(raw, now === 'slash')
      } else if (now === 'name') {
        while (index < length && !endsName(piece.charCodeAt(index))) index += 1
        if (index === length) break
        nameLength = written.length + index - at
        now = 'before'
      } else if (now === 'attribute') {
        let next = code
        while (next !== EQUALS && !endsName(next)) {
          index += 1
          if (index === length) break
          next = piece.charCodeAt(index)
        }
        if (index === length) break
        // Most values stand in quotes.
        const isQuoted = next === EQUALS && index + 1 < length && piece.charCodeAt(index + 1) === DOUBLE
        const end = isQuoted ? piece.indexOf('"', index + 2) : -1
        now = end === -1 ? 'after' : 'before'
        if (end !== -1) index = end + 1
      } else if (now === 'unquoted') {
        if (isSpaceCode(code)) now = 'before'
        index += 1
      } else if (isSpaceCode(code)) {
        index += 1
        if (now === 'slash') now = 'before'
      } else if (now === 'value') {
        now = code === DOUBLE ? 'double' : code === SINGLE ? 'single' : 'unquoted'
        index += 1
      } else if (now === 'after' && code === EQUALS) {
        now = 'value'
        index += 1
      } else {
        // An equals sign here begins a name.
        now = code === SLASH ? 'slash' : 'attribute'
        index += 1
      }
    }
    part = now
    written += piece.slice(at)
    at = length
  }

  function declaration(char: string) {
    const sofar = held + char
    if ('--'.startsWith(sofar) || 'doctype'.startsWith(lower(sofar)) || '[CDATA['.startsWith(sofar)) {
      held = sofar
      at += 1
      if (sofar === '--') {
        flush()
        ending = 'start'
        held = ''
        state = 'comment'
      } else if (sofar.length === 7) {
        held = ''
        const isCdata = sofar === '[CDATA['
        if (!isCdata || !sink.isForeign()) flush()
        state = isCdata ? (sink.isForeign() ? 'cdata' : 'bogus') : 'doctype'
        if (state === 'cdata') flush()
      }
    } else {
      flush()
      held = ''
      state = 'bogus'
    }
  }

  function comment() {
    if (ending === 'no') {
      const dash = input.indexOf('-', at)
      at = dash === -1 ? input.length : dash
    }
    if (at === input.length) return
    const next = ENDING[ending]
    ending = next[input.charAt(at)] ?? 'no'
    at += 1
    if (ending !== 'over') return
    sink.take({ kind: 'comment' })
    state = 'text'
  }

  /** The name of an end tag in raw text, whole once something else follows. */
  function rawEndName(char: string) {
    if (isLetter(char.charCodeAt(0))) {
      held += upTo(NOT_LETTER)
      return
    }
    if (lower(held) === lastStart && /[\t\n\f\r />]/.test(char)) {
      const name = held
      held = ''
      begin(true)
      written = name
      nameLength = name.length
      part = 'before'
      return
    }
    text += `</${held}`
    held = ''
    state = escapes > 0 ? 'escaped' : 'raw'
  }

  /** In the escapes of a script: a name after `<` leads deeper, one after `</` leads out. */
  function escapedName(char: string) {
    if (isLetter(char.charCodeAt(0))) {
      held += upTo(NOT_LETTER)
      return
    }
    if (/[\t\n\f\r />]/.test(char) && lower(held) === 'script') escapes = escapes === 1 ? 2 : 1
    text += held
    held = ''
    dashes = 0
    state = 'escaped'
  }

  function inText() {
    const found = input.indexOf('<', at)
    const end = found === -1 ? input.length : found
    if (end > at) text += input.slice(at, end)
    at = end
    if (found === -1) return
    at += 1
    state = state === 'text' ? 'tagOpen' : 'rawOpen'
    // Most of what follows is a tag, and in the same piece.
    if (state === 'rawOpen' || at + 1 >= input.length) return
    const isEnd = input.charCodeAt(at) === SLASH
    if (!isLetter(input.charCodeAt(isEnd ? at + 1 : at))) return
    if (isEnd) at += 1
    begin(isEnd)
  }

  function step(char: string) {
    switch (state) {
      case 'tagOpen':
        if (isLetter(char.charCodeAt(0))) return begin(false)
        if (char === '/') {
          at += 1
          state = 'endTagOpen'
        } else if (char === '!') {
          at += 1
          held = ''
          state = 'declaration'
        } else if (char === '?') {
          flush()
          state = 'bogus'
        } else {
          text += '<'
          state = 'text'
        }
        return
      case 'endTagOpen':
        if (isLetter(char.charCodeAt(0))) return begin(true)
        flush()
        state = char === '>' ? 'text' : 'bogus'
        if (char === '>') at += 1
        return
      case 'declaration':
        return declaration(char)
      case 'comment':
        return comment()
      case 'bogus':
        if (past('>') === null) held = ''
        else {
          sink.take({ kind: 'comment' })
          state = 'text'
        }
        return
      case 'doctype': {
        const found = past('>')
        text += found ?? held
        held = ''
        if (found !== null) {
          sink.take({ kind: 'doctype', text })
          text = ''
          state = 'text'
        }
        return
      }
      case 'cdata': {
        at += 1
        held = char === ']' ? held + char : held
        if (char === '>' && held.length >= 2) {
          text += held.slice(2)
          held = ''
          flush(true)
          state = 'text'
        } else if (char !== ']') {
          text += held + char
          held = ''
        }
        return
      }
      case 'rawOpen':
        if (char === '/') {
          at += 1
          held = ''
          state = 'rawEndName'
        } else if (char === '!' && reading === 'script') {
          at += 1
          held = '<!'
          state = 'rawDeclaration'
        } else {
          text += '<'
          state = 'raw'
        }
        return
      case 'rawEndName':
        return rawEndName(char)
      case 'rawDeclaration':
        if (char === '-') {
          at += 1
          held += char
          if (held === '<!--') {
            text += held
            held = ''
            escapes = 1
            dashes = 2
            state = 'escaped'
          }
        } else {
          text += held
          held = ''
          state = 'raw'
        }
        return
      case 'escaped': {
        const plain = upTo(OF_ESCAPE)
        if (plain !== '') {
          text += plain
          dashes = 0
          return
        }
        at += 1
        if (char === '<') {
          state = 'escapedOpen'
          return
        }
        text += char
        if (char === '>' && dashes >= 2) {
          escapes = 0
          state = 'raw'
        }
        dashes = char === '-' ? Math.min(dashes + 1, 2) : 0
        return
      }
      case 'escapedOpen':
        dashes = 0
        held = ''
        if (char === '/' && escapes === 1) {
          at += 1
          state = 'rawEndName'
        } else if (char === '/') {
          at += 1
          text += '</'
          state = 'escapedName'
        } else {
          text += '<'
          state = escapes === 1 && isLetter(char.charCodeAt(0)) ? 'escapedName' : 'escaped'
        }
        return
      case 'escapedName':
        return escapedName(char)
    }
  }

  return {
    push(piece) {
      input = piece
      at = 0
      hasNull ||= piece.includes('\0')
      while (at < input.length)
        if (state === 'tag') inTag()
        else if (state === 'text' || state === 'raw') inText()
        else step(input.charAt(at))
    },
    end() {
      if (state === 'doctype') {
        sink.take({ kind: 'doctype', text })
        text = ''
      }
      if (state === 'tagOpen' || state === 'rawOpen' || state === 'escapedOpen') text += '<'
      else if (state === 'endTagOpen') text += '</'
      else if (state === 'rawEndName') text += `</${held}`
      else if (state === 'rawDeclaration' || state === 'escapedName' || state === 'cdata') text += held
      // What is inside a tag at the end is nothing.
      flush(state === 'cdata' || (reading !== 'data' && reading !== 'rcdata'))
    },
  }
}
