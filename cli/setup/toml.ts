// Edits the text of a TOML file line by line, so that comments and everything written by hand stay. Pure.
// It changes what stands on one line; anything else is refused, with what to write by hand.
import { fail, ok, type Result } from '../../src/errors.ts'

/** A table of the file: its name, and for one of a list of tables a line that is in it, such as `binding = "LEDGER_DB"`. */
export type Table = { name: string; having?: { key: string; value: string } }

/** One value to be written. `value` is TOML. */
export type Edit = { table: Table; key: string; value: string }

/** One line that differs: `from` at its place before, or `to` at its place now. */
export type Change = { line: number; from: string | null; to: string | null }

/** A text as TOML. JSON's escapes are TOML's. */
export const quoted = (text: string): string => JSON.stringify(text)

type Section = { name: string; start: number; end: number }

const HEADER = /^\s*\[{1,2}\s*([A-Za-z0-9_.-]+)\s*\]{1,2}\s*(?:#.*)?$/

/** The tables of a file in their order; `end` is the line after the last one that is not empty or a comment. */
function sectionsOf(lines: readonly string[]): Section[] {
  const starts = lines.flatMap((line, at) => {
    const name = HEADER.exec(line)?.[1]
    return name === undefined ? [] : [{ name, start: at }]
  })
  return starts.map(({ name, start }, i) => {
    let end = starts[i + 1]?.start ?? lines.length
    // What is written right above the next table is about that one.
    while (end > start + 1 && /^\s*(#.*)?$/.test(lines[end - 1] ?? '')) end--
    return { name, start, end }
  })
}

/** The names of the tables of a text, each once. */
export const tableNames = (text: string): string[] => [
  ...new Set(sectionsOf(text.split('\n')).map((section) => section.name)),
]

/** Writes a value into a table that is there, in the place of the one it has or behind its last line. */
export function edited(text: string, { table, key, value }: Edit): Result<string, string> {
  const lines = text.split('\n')
  const where = placeOf(table)
  const found = sectionsOf(lines).filter(
    (section) => section.name === table.name && (table.having === undefined || has(lines, section, table.having)),
  )
  const [section] = found
  if (section === undefined || found.length > 1) {
    const what = found.length > 1 ? `more than one ${where}` : `no ${where}`
    return fail(`wrangler.toml has ${what} on lines of its own, so write it there by hand: ${key} = ${value}`)
  }
  const at = lineOf(lines, section, key)
  if (at === undefined) return ok(lines.toSpliced(section.end, 0, `${key} = ${value}`).join('\n'))
  const parts = partsOf(lines[at] ?? '')
  if (parts === undefined) {
    return fail(`wrangler.toml, line ${at + 1}: ${key} stands on several lines, so write it by hand: ${key} = ${value}`)
  }
  return ok(lines.with(at, `${parts.before}${value}${parts.after}`).join('\n'))
}

/** Puts lines behind the last table whose name `belongs`, or at the end where there is none. */
export function inserted(text: string, block: string, belongs: RegExp): string {
  const lines = text.split('\n')
  const last = sectionsOf(lines).findLast((section) => belongs.test(section.name))
  if (last === undefined) return `${text.replace(/\n*$/, '\n')}\n${block.replace(/\n*$/, '\n')}`
  return lines.toSpliced(last.end, 0, '', ...block.split('\n')).join('\n')
}

/** The text of all tables whose name `belongs`, with the comments above each, under another prefix. */
export function copied(text: string, belongs: RegExp, from: string, to: string): string {
  const lines = text.split('\n')
  return sectionsOf(lines)
    .filter(({ name }) => belongs.test(name))
    .map(({ start, end }) => {
      let first = start
      while (/^\s*#/.test(lines[first - 1] ?? '')) first--
      const [head = '', ...rest] = lines.slice(start, end)
      return [...lines.slice(first, start), head.replace(from, to), ...rest].join('\n')
    })
    .join('\n\n')
}

/** The lines in which two texts differ, in their order. Lines of the first that stay are found again in the second. */
export function changesOf(before: string, after: string): Change[] {
  const [old, now] = [before.split('\n'), after.split('\n')]
  const lengths = commonLengths(old, now)
  const changes: Change[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      i++
      j++
    } else if (j < now.length && (i === old.length || at(lengths, i, j + 1) > at(lengths, i + 1, j))) {
      changes.push({ line: ++j, from: null, to: now[j - 1] ?? '' })
    } else {
      changes.push({ line: ++i, from: old[i - 1] ?? '', to: null })
    }
  }
  return changes
}

const at = (lengths: number[][], i: number, j: number): number => lengths[i]?.[j] ?? 0

/** For each pair of ends, how many lines they have in common: the table of the longest common subsequence. */
function commonLengths(old: string[], now: string[]): number[][] {
  const lengths = old.concat('').map(() => new Array<number>(now.length + 1).fill(0))
  for (let i = old.length - 1; i >= 0; i--) {
    const row = lengths[i] ?? []
    for (let j = now.length - 1; j >= 0; j--) {
      row[j] =
        old[i] === now[j] ? at(lengths, i + 1, j + 1) + 1 : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1))
    }
  }
  return lengths
}

const placeOf = ({ name, having }: Table) =>
  having === undefined ? `[${name}]` : `[[${name}]] with ${having.key} = ${having.value}`

const has = (lines: string[], section: Section, { key, value }: { key: string; value: string }): boolean => {
  const at = lineOf(lines, section, key)
  return at !== undefined && partsOf(lines[at] ?? '')?.value === value
}

function lineOf(lines: string[], { start, end }: Section, key: string): number | undefined {
  const pattern = new RegExp(`^\\s*${key}\\s*=`)
  for (let at = start + 1; at < end; at++) if (pattern.test(lines[at] ?? '')) return at
  return undefined
}

/** What stands before a value, the value, and a comment after it; undefined where the value goes on in the next line. */
function partsOf(line: string): { before: string; value: string; after: string } | undefined {
  const before = /^[^=]*=\s*/.exec(line)?.[0] ?? ''
  const rest = line.slice(before.length)
  if (/^("""|''')/.test(rest)) return undefined
  let [depth, quote] = [0, '']
  let end = rest.length
  for (let i = 0; i < rest.length; i++) {
    const sign = rest[i] ?? ''
    if (quote !== '') {
      if (sign === '\\' && quote === '"') i++
      else if (sign === quote) quote = ''
    } else if (sign === '"' || sign === "'") quote = sign
    else if (sign === '[' || sign === '{') depth++
    else if (sign === ']' || sign === '}') depth--
    else if (sign === '#') {
      end = i
      break
    }
  }
  if (depth !== 0 || quote !== '') return undefined
  const value = rest.slice(0, end).trimEnd()
  return { before, value, after: rest.slice(value.length) }
}
