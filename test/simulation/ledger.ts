// The ledger: D1 over SQLite in memory, with every file of `migrations/` applied. It may be down, hang, or lose a reply
// after it has stored what it was sent.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { countSubrequest, here, type World } from './clock.ts'
import { platformError } from './sql.ts'

/** How one request to the ledger goes. `refused`: nothing happens and an error comes back. */
export type LedgerBehaviour = 'honest' | 'refused' | 'hangs' | 'reply lost' | 'hangs after it stored'

export type LedgerResult = {
  success: true
  results: Record<string, unknown>[]
  meta: {
    changes: number
    last_row_id: number
    changed_db: boolean
    duration: number
    rows_read: number
    rows_written: number
  }
}

export type LedgerStatement = {
  bind(...values: unknown[]): LedgerStatement
  run(): Promise<LedgerResult>
  all(): Promise<LedgerResult>
  first(column?: string): Promise<unknown>
}

export type Ledger = {
  /** What `env.LEDGER_DB` is. */
  readonly binding: {
    prepare(query: string): LedgerStatement
    batch(statements: readonly LedgerStatement[]): Promise<LedgerResult[]>
  }
  /** Asked at each request, with its number from 1; `honest` at first. */
  behave: (number: number) => LedgerBehaviour
  /** Requests so far. */
  requests(): number
  /** Reads for a judge. */
  read(query: string, ...bindings: SQLInputValue[]): Record<string, unknown>[]
}

const MIGRATIONS = join(import.meta.dirname, '../../migrations')

type Database = { db: DatabaseSync; statements: Map<string, StatementSync> }
const spare: Database[] = []

function takeDatabase(): Database {
  const found = spare.pop()
  if (found) return found
  const db = new DatabaseSync(':memory:')
  const files = readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'))
  for (const name of files.sort()) db.exec(readFileSync(join(MIGRATIONS, name), 'utf8'))
  return { db, statements: new Map() }
}

type Bound = { query: string; values: SQLInputValue[] }

export function createLedger(world: World): Ledger {
  const database = takeDatabase()
  const { db } = database
  db.exec('BEGIN')
  world.closing.push(() => {
    db.exec('ROLLBACK')
    spare.push(database)
  })
  let number = 0
  const prepared = (query: string) => {
    const statement = database.statements.get(query) ?? db.prepare(query)
    database.statements.set(query, statement)
    return statement
  }

  const execute = ({ query, values }: Bound): LedgerResult => {
    const statement = prepared(query)
    const isQuery = statement.columns().length > 0
    const results = isQuery ? statement.all(...values).map((row) => ({ ...row })) : []
    const { changes, lastInsertRowid } = isQuery ? { changes: 0, lastInsertRowid: 0 } : statement.run(...values)
    const changed = Number(changes)
    const meta = { changes: changed, last_row_id: Number(lastInsertRowid), changed_db: changed > 0, duration: 1 }
    return { success: true, results, meta: { ...meta, rows_read: results.length, rows_written: changed } }
  }

  /** All of it or nothing, as a batch is. */
  const together = (bound: readonly Bound[]): { ok: true; results: LedgerResult[] } | { ok: false; fault: unknown } => {
    db.exec('SAVEPOINT batch')
    try {
      const results = bound.map(execute)
      db.exec('RELEASE batch')
      return { ok: true, results }
    } catch (fault) {
      db.exec('ROLLBACK TO batch; RELEASE batch')
      return { ok: false, fault: d1Error(fault) }
    }
  }

  const send = (bound: readonly Bound[]): Promise<LedgerResult[]> => {
    const of = here()
    const { process } = of
    countSubrequest(of)
    return new Promise((resolve, reject) => {
      process.busy.calls += 1
      const label = `the ledger, for ${process.name}`
      const back = (act: () => void) =>
        world.after(
          world.draw(world.latency.ledgerMs),
          `back from ${label}`,
          () => {
            process.busy.calls -= 1
            act()
          },
          of,
        )
      const work = () => {
        number += 1
        const behaviour = ledger.behave(number)
        world.note(
          `ledger ${number} ${behaviour}: ${bound.map(({ query, values }) => `${query} ${values.join(' ')}`).join('; ')}`,
        )
        if (behaviour === 'hangs') return
        if (behaviour === 'refused') {
          back(() => reject(lost()))
          return
        }
        const stored = together(bound)
        if (behaviour === 'hangs after it stored') return
        if (behaviour === 'reply lost') back(() => reject(lost()))
        else if (stored.ok) back(() => resolve(stored.results))
        else back(() => reject(stored.fault))
      }
      process.gate(() => world.after(world.draw(world.latency.ledgerMs), `to ${label}`, work))
    })
  }

  const boundOf = new WeakMap<LedgerStatement, Bound>()
  const statementOf = (bound: Bound): LedgerStatement => {
    const one = async () => {
      const [result] = await send([bound])
      if (!result) throw new Error('the ledger answered with nothing')
      return result
    }
    const statement: LedgerStatement = {
      bind: (...values) => statementOf({ query: bound.query, values: values.map(bindable) }),
      run: one,
      all: one,
      async first(column) {
        const [row] = (await one()).results
        return row === undefined ? null : column === undefined ? row : row[column]
      },
    }
    boundOf.set(statement, bound)
    return statement
  }

  const ledger: Ledger = {
    binding: {
      prepare: (query) => statementOf({ query, values: [] }),
      batch: async (statements) =>
        send(
          statements.map((statement) => {
            const bound = boundOf.get(statement)
            if (!bound) throw new Error('a batch takes statements of its own database')
            return bound
          }),
        ),
    },
    behave: () => 'honest',
    requests: () => number,
    read: (query, ...bindings) => prepared(query).all(...bindings),
  }
  return ledger
}

const lost = () => new Error('D1_ERROR: Network connection lost.')

function d1Error(fault: unknown): unknown {
  const named = platformError(fault)
  return named instanceof Error ? new Error(`D1_ERROR: ${named.message}`) : named
}

function bindable(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  throw new Error(`D1_TYPE_ERROR: Type '${typeof value}' not supported for value '${String(value)}'`)
}
