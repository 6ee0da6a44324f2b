// SQL as the platform runs it: statements kept prepared, cursors, and what it says when it refuses. It knows no commits.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'

/** What a column holds, as the platform hands it out. */
export type SqlValue = string | number | null | ArrayBuffer
export type SqlRow = Record<string, SqlValue>

export type Cursor = {
  toArray(): SqlRow[]
  /** The only row; throws when there is none, or another. */
  one(): SqlRow
  next(): { done: false; value: SqlRow } | { done: true; value?: undefined }
  raw(): IterableIterator<SqlValue[]>
  [Symbol.iterator](): IterableIterator<SqlRow>
  readonly columnNames: string[]
  readonly rowsRead: number
  /** Rows that were changed; the platform counts those of indexes too. Zero means the same in both. */
  readonly rowsWritten: number
}

/** One statement that was prepared once, and what it does. */
type Prepared = { statement: StatementSync; isQuery: boolean; isWrite: boolean }
export type Database = { db: DatabaseSync; statements: Map<string, Prepared>; changes: StatementSync }

/** Databases are used again: a run leaves by rolling back everything it did. */
const spare: Database[] = []

/** What begins a write. */
const WRITE =
  /^\s*(?:--[^\n]*\n\s*)*(?:INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|VACUUM|REINDEX|WITH\b[\s\S]*\b(?:INSERT|UPDATE|DELETE)\b)/i
const FORBIDDEN = /^\s*(?:BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|ATTACH|DETACH|VACUUM)\b/i

/** An empty database. */
export function takeDatabase(): Database {
  const found = spare.pop()
  if (found) return found
  const db = new DatabaseSync(':memory:')
  return { db, statements: new Map(), changes: db.prepare('SELECT changes() AS changes') }
}

/** Takes a database back, once everything done in it is rolled back. */
export function giveDatabase(database: Database): void {
  spare.push(database)
}

export function prepare(database: Database, query: string): Prepared {
  const known = database.statements.get(query)
  if (known) return known
  const statement = database.db.prepare(query)
  const prepared = { statement, isQuery: statement.columns().length > 0, isWrite: WRITE.test(query) }
  database.statements.set(query, prepared)
  return prepared
}

/** Runs statements; the bindings are the last one's. `write` is called before each that writes. */
export function execute(database: Database, query: string, bindings: unknown[], write: () => void): Cursor {
  if (!database.statements.has(query)) {
    if (FORBIDDEN.test(query)) throw new Error(`not authorized: ${query}`)
    const parts = partsOf(query)
    const last = parts.at(-1)
    if (last === undefined) throw new Error('SQL code did not contain a statement.')
    if (parts.length > 1) {
      // Each is prepared when what it needs is there.
      for (const part of parts.slice(0, -1)) execute(database, part, [], write)
      return execute(database, last, bindings, write)
    }
  }
  let prepared: Prepared
  try {
    prepared = prepare(database, query)
  } catch (fault) {
    throw platformError(fault)
  }
  const { statement, isQuery, isWrite } = prepared
  if (isWrite) write()
  const given = bindings.map(bound)
  try {
    if (!isQuery) return cursor([], Number(statement.run(...given).changes), () => [])
    const rows = statement.all(...given).map(platformRow)
    const written = isWrite ? Number(database.changes.get()?.changes ?? 0) : 0
    return cursor(rows, written, () => statement.columns().map(({ name }) => name))
  } catch (fault) {
    throw platformError(fault)
  }
}

/** SQLite's extended codes, as the platform names them. */
const CONSTRAINTS: Record<number, string> = {
  275: 'CHECK',
  787: 'FOREIGNKEY',
  1299: 'NOTNULL',
  1555: 'PRIMARYKEY',
  2067: 'UNIQUE',
  2579: 'ROWID',
  3091: 'DATATYPE',
}

/** The platform adds the name of the error to its text. */
export function platformError(fault: unknown): unknown {
  if (!(fault instanceof Error) || !('errcode' in fault)) return fault
  const name = typeof fault.errcode === 'number' ? CONSTRAINTS[fault.errcode] : undefined
  if (name === undefined) return new Error(`${fault.message}: SQLITE_ERROR`)
  return new Error(`${fault.message}: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_${name})`)
}

function bound(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  if (value instanceof Uint8Array) return value
  throw new TypeError(`SQLite cannot take a ${typeof value} here`)
}

/** An ordinary object, bytes as an ArrayBuffer. Node's own rows are slow to read and have no prototype. */
function platformRow(row: Record<string, unknown>): SqlRow {
  const copy: SqlRow = {}
  for (const name in row) {
    const value = row[name]
    if (value instanceof Uint8Array) copy[name] = new Uint8Array(value).buffer
    else copy[name] = typeof value === 'string' || typeof value === 'number' ? value : null
  }
  return copy
}

function cursor(rows: SqlRow[], rowsWritten: number, columnNames: () => string[]): Cursor {
  let at = 0
  const next: Cursor['next'] = () => {
    const value = rows[at++]
    return value ? { done: false, value } : { done: true }
  }
  const rest = () => {
    const left = rows.slice(at)
    at = rows.length
    return left
  }
  return {
    toArray: rest,
    one() {
      const [row, ...others] = rest()
      if (!row) throw new Error('Expected exactly one result from SQL query, but got no results.')
      if (others.length > 0) throw new Error('Expected exactly one result from SQL query, but got multiple results.')
      return row
    },
    next,
    raw: () =>
      rest()
        .map((row) => columnNames().map((name) => row[name] ?? null))
        [Symbol.iterator](),
    [Symbol.iterator]: () => rest()[Symbol.iterator](),
    get columnNames() {
      return columnNames()
    },
    rowsRead: rows.length,
    rowsWritten,
  }
}

const knownParts = new Map<string, string[]>()

function partsOf(text: string): string[] {
  const parts = knownParts.get(text) ?? split(text)
  knownParts.set(text, parts)
  return parts
}

/** The statements of a text. Semicolons inside of quotes, comments and triggers end none. */
function split(text: string): string[] {
  const parts: string[] = []
  let part = ''
  for (const [token] of text.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|;|[^;'"\-/]+|[-/]/g)) {
    const isInTrigger = /^\s*CREATE\s+(?:TEMP\s+)?TRIGGER\b/i.test(part) && !/\bEND\s*$/i.test(part)
    if (token === ';' && !isInTrigger) {
      if (part.trim() !== '') parts.push(part)
      part = ''
    } else if (!token.startsWith('--') && !token.startsWith('/*')) {
      part += token
    }
  }
  if (part.trim() !== '') parts.push(part)
  return parts
}
