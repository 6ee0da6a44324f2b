// HTML as tokens, after the standard's tokenizer, for text that comes in pieces. A token is handed on when it is whole, so
// where a piece ends never shows. What raw text is, only the tree knows: it is asked after each start tag.

export type StartTag = {
  kind: 'start'
  name: string
  /** By name in small letters, as written: references are not decoded. */
  attributes: ReadonlyMap<string, string>
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
  | 'tagName'
  | 'beforeAttribute'
  | 'attributeName'
  | 'afterAttributeName'
  | 'beforeValue'
  | 'quoted'
  | 'unquoted'
  | 'selfClosing'
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

const isLetter = (char: string) => (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z')
const isSpace = (char: string) => char === ' ' || char === '\n' || char === '\t' || char === '\r' || char === '\f'
const END_OF_NAME = /[\t\n\f\r />]/g
const END_OF_ATTRIBUTE = /[\t\n\f\r />=]/g
const END_OF_UNQUOTED = /[\t\n\f\r >]/g
const NOT_LETTER = /[^A-Za-z]/g
const DASH = /-/g
const OF_ESCAPE = /[<>-]/g

/** Small letters of ASCII alone: the standard folds no others, and some others fold to ASCII. */
export const lower = (text: string): string =>
  /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (part) => part.toLowerCase()) : text

const withoutNull = (text: string) => (text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text)

export function newTokenizer(sink: Sink): Tokenizer {
  let state: State = 'text'
  let reading: Reading = 'data'
  let input = ''
  let at = 0
  let text = ''
  /** What was read of something that may still be text. */
  let held = ''
  let tag = newTag(false)
  let lastStart = ''
  let attribute = { name: '', value: '' }
  let quote = '"'
  /** How deep in the escapes of a script: none, a comment, a script in a comment. */
  let escapes = 0
  let dashes = 0
  let ending: Ending = 'start'

  function flush(isPlain = reading !== 'data' && reading !== 'rcdata') {
    if (text === '') return
    const whole = reading === 'data' && text.includes('\0') ? text.replaceAll('\0', '') : withoutNull(text)
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

  function endAttribute() {
    if (attribute.name === '') return
    const name = withoutNull(lower(attribute.name))
    // Of equal names the first counts.
    if (!tag.attributes.has(name)) tag.attributes.set(name, withoutNull(attribute.value))
    attribute = { name: '', value: '' }
  }

  function endTag(isSelfClosing: boolean) {
    endAttribute()
    const name = withoutNull(lower(tag.name))
    if (tag.isEnd) {
      sink.take({ kind: 'end', name })
      reading = 'data'
    } else {
      lastStart = name
      reading = sink.take({ kind: 'start', name, attributes: tag.attributes, isSelfClosing })
    }
    escapes = 0
    state = reading === 'data' ? 'text' : 'raw'
  }

  function begin(isEnd: boolean) {
    flush()
    tag = newTag(isEnd)
    state = 'tagName'
  }

  /** Behind a name or a value: whether the character belongs to the tag's own end. */
  function behind(char: string): boolean {
    if (char === '>') endTag(false)
    else if (char === '/') state = 'selfClosing'
    else return false
    at += 1
    return true
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
    if (ending === 'no') upTo(DASH)
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
    if (isLetter(char)) {
      held += upTo(NOT_LETTER)
      return
    }
    if (lower(held) === lastStart && /[\t\n\f\r />]/.test(char)) {
      const name = held
      held = ''
      begin(true)
      tag.name = name
      state = 'beforeAttribute'
      return
    }
    text += `</${held}`
    held = ''
    state = escapes > 0 ? 'escaped' : 'raw'
  }

  /** In the escapes of a script: a name after `<` leads deeper, one after `</` leads out. */
  function escapedName(char: string) {
    if (isLetter(char)) {
      held += upTo(NOT_LETTER)
      return
    }
    if (/[\t\n\f\r />]/.test(char) && lower(held) === 'script') escapes = escapes === 1 ? 2 : 1
    text += held
    held = ''
    dashes = 0
    state = 'escaped'
  }

  function step(char: string) {
    switch (state) {
      case 'text':
      case 'raw': {
        const found = past('<')
        if (found === null) {
          text += held
          held = ''
          return
        }
        text += found
        state = state === 'text' ? 'tagOpen' : 'rawOpen'
        return
      }
      case 'tagOpen':
        if (isLetter(char)) return begin(false)
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
        if (isLetter(char)) return begin(true)
        flush()
        state = char === '>' ? 'text' : 'bogus'
        if (char === '>') at += 1
        return
      case 'tagName':
        tag.name += upTo(END_OF_NAME)
        if (at < input.length) state = 'beforeAttribute'
        return
      case 'beforeAttribute':
        if (isSpace(char)) at += 1
        else if (!behind(char)) {
          endAttribute()
          // An equals sign here begins a name.
          attribute = { name: char, value: '' }
          at += 1
          state = 'attributeName'
        }
        return
      case 'attributeName':
        attribute.name += upTo(END_OF_ATTRIBUTE)
        if (at < input.length) state = 'afterAttributeName'
        return
      case 'afterAttributeName':
        if (isSpace(char)) at += 1
        else if (char === '=') {
          at += 1
          state = 'beforeValue'
        } else {
          endAttribute()
          state = 'beforeAttribute'
        }
        return
      case 'beforeValue':
        if (isSpace(char)) at += 1
        else if (char === '>') behind(char)
        else if (char === '"' || char === "'") {
          at += 1
          quote = char
          state = 'quoted'
        } else state = 'unquoted'
        return
      case 'quoted': {
        const found = past(quote)
        attribute.value += found ?? held
        held = ''
        if (found !== null) {
          endAttribute()
          state = 'beforeAttribute'
        }
        return
      }
      case 'unquoted':
        attribute.value += upTo(END_OF_UNQUOTED)
        if (at < input.length) {
          endAttribute()
          state = 'beforeAttribute'
        }
        return
      case 'selfClosing':
        state = 'beforeAttribute'
        if (char !== '>') return
        at += 1
        return endTag(true)
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
          state = escapes === 1 && isLetter(char) ? 'escapedName' : 'escaped'
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
      while (at < input.length) step(input.charAt(at))
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

const newTag = (isEnd: boolean) => ({ isEnd, name: '', attributes: new Map<string, string>() })
