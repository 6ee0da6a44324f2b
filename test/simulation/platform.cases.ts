// What the payer's object takes for granted of the platform, as one table of small cases. Each runs against the imitation
// and against workerd, and must give the same. It imports neither.

/** A cursor, storage and state, as far as the cases use them. */
type Row = Record<string, string | number | null | ArrayBuffer>
type Cursor = Iterable<Row> & {
  toArray(): Row[]
  one(): Row
  raw(): Iterable<unknown[]>
  readonly columnNames: string[]
  readonly rowsWritten: number
}
export type CaseStorage = {
  readonly sql: { exec(query: string, ...bindings: (string | number | null | ArrayBuffer)[]): Cursor }
  transactionSync<Value>(act: () => Value): Value
  sync(): Promise<void>
  getAlarm(): Promise<number | null>
  setAlarm(at: number): Promise<void>
  deleteAlarm(): Promise<void>
  deleteAll(): Promise<void>
}
export type CaseState = {
  readonly storage: CaseStorage
  blockConcurrencyWhile<Value>(act: () => Promise<Value>): Promise<Value>
}
type Statement = {
  bind(...values: unknown[]): Statement
  run(): Promise<{ meta: { changes: number } }>
  first(): Promise<unknown>
}

export type Platform = {
  /** Runs code inside of the object, which is empty at first. */
  inside<Value>(act: (state: CaseState) => Value | Promise<Value>): Promise<Value>
  /** Calls the object from outside: `echo` hands back what it is given, `append` adds 'mine' to a list, `fail` throws. */
  call(method: string, ...given: unknown[]): Promise<unknown>
  /** Sets what the alarm does, sets the alarm inside of the object, and waits until it has rung and ended. */
  ring(set: (storage: CaseStorage) => Promise<void>, alarm: (storage: CaseStorage) => Promise<void>): Promise<void>
  /** A statement of the ledger, whose table is empty at first. */
  prepare(query: string): Statement
}

export type PlatformCase = { name: string; act: (platform: Platform) => Promise<unknown>; gives: unknown }

/** What an attempt says when it fails. */
async function textOf(act: () => unknown): Promise<string> {
  try {
    await act()
    return 'no error'
  } catch (fault) {
    return fault instanceof Error ? fault.message : String(fault)
  }
}

const MINUTE_MS = 60_000
const SOON_MS = 20
const NOTES = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE, n INTEGER NOT NULL DEFAULT 0) STRICT'
const COUNT = 'SELECT count(*) AS n FROM notes'
const PAYMENT = `INSERT INTO payments (id, site, resource, scheme, network, asset, amount, payer, pay_to, "transaction",
  offer, access_seconds, settled_at_seconds) VALUES (?, 's', '/', 'exact', 'n', 'a', '1', 'p', 'q', ?, '', 0, 0)`

/** A case about SQL: `act` finds the table of notes. */
const sql = (name: string, gives: unknown, act: (storage: CaseStorage) => unknown): PlatformCase => ({
  name,
  gives,
  act: ({ inside }) =>
    inside(async ({ storage }) => {
      storage.sql.exec(NOTES)
      return act(storage)
    }),
})

const storageCase = (name: string, gives: unknown, act: (storage: CaseStorage) => unknown): PlatformCase => ({
  name,
  gives,
  act: ({ inside }) => inside(async ({ storage }) => act(storage)),
})

export const PLATFORM_CASES: readonly PlatformCase[] = [
  sql('rows come as plain values', [{ a: 1, b: 'x', c: null, d: 1.5, e: 4 }], ({ sql }) =>
    sql.exec("SELECT 1 AS a, 'x' AS b, NULL AS c, 1.5 AS d, length(x'01020304') AS e").toArray(),
  ),
  sql('a blob comes back as an ArrayBuffer', [true, [1, 2]], ({ sql }) => {
    const { bytes } = sql.exec('SELECT ? AS bytes', new Uint8Array([1, 2]).buffer).one()
    return [bytes instanceof ArrayBuffer, bytes instanceof ArrayBuffer && [...new Uint8Array(bytes)]]
  }),
  sql(
    'one() wants exactly one row',
    [
      { n: 0 },
      'Expected exactly one result from SQL query, but got no results.',
      'Expected exactly one result from SQL query, but got multiple results.',
    ],
    async ({ sql }) => [
      sql.exec(COUNT).one(),
      await textOf(() => sql.exec('SELECT 1 WHERE 0').one()),
      await textOf(() => sql.exec('VALUES (1), (2)').one()),
    ],
  ),
  sql('a cursor is read once', [[{ n: 1 }, { n: 2 }], [], [[1], [2]], ['n']], ({ sql }) => {
    const query = 'SELECT column1 AS n FROM (VALUES (1), (2))'
    const cursor = sql.exec(query)
    return [[...cursor], cursor.toArray(), [...sql.exec(query).raw()], sql.exec(query).columnNames]
  }),
  sql('rowsWritten says whether anything was written', [true, false, false, false, true, true], ({ sql }) => {
    const wrote = (query: string) => sql.exec(query).rowsWritten > 0
    return [
      wrote("INSERT INTO notes (text) VALUES ('a')"),
      wrote("INSERT INTO notes (text) VALUES ('a') ON CONFLICT (text) DO NOTHING"),
      wrote("UPDATE notes SET n = 1 WHERE text = 'b'"),
      wrote('SELECT * FROM notes'),
      wrote("UPDATE notes SET n = 1 WHERE text = 'a'"),
      wrote("DELETE FROM notes WHERE text = 'a'"),
    ]
  }),
  sql('RETURNING hands rows back', [{ id: 1, n: 7 }], ({ sql }) =>
    sql.exec("INSERT INTO notes (text, n) VALUES ('a', 7) RETURNING id, n").toArray(),
  ),
  sql("several statements at once, the bindings are the last one's", [{ n: 2 }], ({ sql }) => {
    sql.exec(
      "INSERT INTO notes (text) VALUES ('a;b'); -- a comment; with a semicolon\nINSERT INTO notes (text) VALUES (?)",
      'c',
    )
    return sql.exec(COUNT).toArray()
  }),
  sql(
    'a unique value stays unique',
    [
      'UNIQUE constraint failed: notes.text: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)',
      'UNIQUE constraint failed: notes.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)',
      'NOT NULL constraint failed: notes.n: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)',
      { n: 1 },
    ],
    async ({ sql }) => {
      sql.exec("INSERT INTO notes (id, text) VALUES (1, 'a')")
      return [
        await textOf(() => sql.exec("INSERT INTO notes (id, text) VALUES (2, 'a')")),
        await textOf(() => sql.exec("INSERT INTO notes (id, text) VALUES (1, 'b')")),
        await textOf(() => sql.exec("INSERT INTO notes (text, n) VALUES ('c', NULL)")),
        sql.exec(COUNT).one(),
      ]
    },
  ),
  sql(
    'a partial unique index holds where it says',
    ['no error', 'UNIQUE constraint failed: notes.n: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)'],
    async ({ sql }) => {
      sql.exec(
        "CREATE UNIQUE INDEX one_paid ON notes (n) WHERE text GLOB 'paid*'; INSERT INTO notes (text, n) VALUES ('paid 1', 5)",
      )
      return [
        await textOf(() => sql.exec("INSERT INTO notes (text, n) VALUES ('open', 5)")),
        await textOf(() => sql.exec("INSERT INTO notes (text, n) VALUES ('paid 2', 5)")),
      ]
    },
  ),
  sql(
    'a strict table refuses another type',
    [
      'cannot store TEXT value in INTEGER column notes.n: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_DATATYPE)',
      'integer',
    ],
    async ({ sql }) => {
      sql.exec("INSERT INTO notes (text, n) VALUES ('a', ?)", 5)
      return [
        await textOf(() => sql.exec("INSERT INTO notes (text, n) VALUES ('b', ?)", 'x')),
        sql.exec('SELECT typeof(n) AS type FROM notes').one().type,
      ]
    },
  ),
  sql('transactions are not for SQL', [true, true], async ({ sql }) => [
    (await textOf(() => sql.exec('BEGIN TRANSACTION'))) !== 'no error',
    (await textOf(() => sql.exec('SAVEPOINT s'))) !== 'no error',
  ]),
  sql(
    'what does not parse or is not there is an error',
    ['no such table: nowhere: SQLITE_ERROR', true],
    async ({ sql }) => [
      await textOf(() => sql.exec('SELECT * FROM nowhere')),
      (await textOf(() => sql.exec('SELEC 1'))).startsWith('near "SELEC": syntax error'),
    ],
  ),
  sql('SQLite reads JSON', { name: 'x' }, ({ sql }) =>
    sql.exec("SELECT json_extract(?, '$.a.b') AS name", JSON.stringify({ a: { b: 'x' } })).one(),
  ),
  sql('transactionSync takes everything back when it throws', ['no', { n: 1 }, 'value'], async (storage) => {
    storage.sql.exec("INSERT INTO notes (text) VALUES ('before')")
    const said = await textOf(() =>
      storage.transactionSync(() => {
        storage.sql.exec("INSERT INTO notes (text) VALUES ('inside'); CREATE TABLE more (n)")
        throw new Error('no')
      }),
    )
    return [said, storage.sql.exec(COUNT).one(), storage.transactionSync(() => 'value')]
  }),
  sql('an inner transaction may fail by itself', [{ text: 'outer' }], (storage) => {
    storage.transactionSync(() => {
      storage.sql.exec("INSERT INTO notes (text) VALUES ('outer')")
      try {
        storage.transactionSync(() => {
          storage.sql.exec("INSERT INTO notes (text) VALUES ('inner')")
          throw new Error('no')
        })
      } catch {
        // Only the inner one is taken back.
      }
    })
    return storage.sql.exec('SELECT text FROM notes').toArray()
  }),
  sql('sync resolves after writes, and without any', [undefined, undefined], async (storage) => {
    storage.sql.exec("INSERT INTO notes (text) VALUES ('a')")
    return [await storage.sync(), await storage.sync()]
  }),
  sql(
    'deleteAll drops the tables and the alarm; a table may be made anew at once',
    [null, { n: 1 }],
    async (storage) => {
      storage.sql.exec("INSERT INTO notes (text) VALUES ('a'), ('b')")
      await storage.setAlarm(Date.now() + MINUTE_MS)
      const emptied = storage.deleteAll()
      storage.sql.exec(`${NOTES}; INSERT INTO notes (text) VALUES ('c')`)
      await emptied
      return [await storage.getAlarm(), storage.sql.exec(COUNT).one()]
    },
  ),
  storageCase('the last alarm that was set counts, be it earlier or later', [null, 3, 1, 2, null], async (storage) => {
    const start = Date.now()
    const minutes = async () => {
      const at = await storage.getAlarm()
      return at === null ? null : (at - start) / MINUTE_MS
    }
    const seen = [await minutes()]
    for (const n of [3, 1, 2]) {
      await storage.setAlarm(start + n * MINUTE_MS)
      seen.push(await minutes())
    }
    await storage.deleteAlarm()
    return [...seen, await minutes()]
  }),
  storageCase('an alarm is there as soon as it is set, without waiting for it', true, async (storage) => {
    void storage.setAlarm(Date.now() + MINUTE_MS)
    return (await storage.getAlarm()) !== null
  }),
  storageCase('a transaction that fails takes its alarm back', null, async (storage) => {
    await textOf(() =>
      storage.transactionSync(() => {
        void storage.setAlarm(Date.now() + MINUTE_MS)
        throw new Error('no')
      }),
    )
    return storage.getAlarm()
  }),
  {
    name: 'an alarm that runs is none: what it sets inside is the next',
    gives: [null, 5, 5],
    async act({ ring, inside }) {
      const seen: (number | null)[] = []
      const at = Date.now() + 5 * MINUTE_MS
      const minutes = (ms: number | null) => (ms === null ? null : 5 + (ms - at) / MINUTE_MS)
      await ring(
        (storage) => storage.setAlarm(Date.now() + SOON_MS),
        async (storage) => {
          seen.push(minutes(await storage.getAlarm()))
          await storage.setAlarm(at)
          seen.push(minutes(await storage.getAlarm()))
        },
      )
      return [...seen, minutes(await inside(({ storage }) => storage.getAlarm()))]
    },
  },
  {
    name: 'an alarm that has run is gone',
    gives: null,
    async act({ ring, inside }) {
      await ring(
        (storage) => storage.setAlarm(Date.now() + SOON_MS),
        async () => {},
      )
      return inside(({ storage }) => storage.getAlarm())
    },
  },
  {
    name: 'an alarm for the past rings at once',
    gives: 1,
    async act({ ring }) {
      let rings = 0
      await ring(
        (storage) => storage.setAlarm(Date.now() - MINUTE_MS),
        async () => {
          rings += 1
        },
      )
      return rings
    },
  },
  {
    name: 'arguments and results are copies, of bigints and bytes too',
    gives: { n: 123n, list: [1, null, 'x'], bytes: new Uint8Array([1, 2]), left: undefined },
    act: ({ call }) => call('echo', { n: 123n, list: [1, null, 'x'], bytes: new Uint8Array([1, 2]), left: undefined }),
  },
  {
    name: 'what the object does to an argument stays with the object',
    gives: [[1], [1, 'mine']],
    async act({ call }) {
      const list = [1]
      const appended = await call('append', list)
      return [list, appended]
    },
  },
  {
    name: 'an instance of a class is not sent',
    gives: true,
    async act({ call }) {
      class Money {
        readonly amount = 1
      }
      return (await textOf(() => call('echo', new Money()))) !== 'no error'
    },
  },
  {
    name: 'an error keeps its text, and the object lives on',
    gives: ['too bad', 'still here'],
    act: async ({ call }) => [await textOf(() => call('fail', 'too bad')), await call('echo', 'still here')],
  },
  {
    name: 'a method that is not there is an error',
    gives: true,
    act: async ({ call }) => (await textOf(() => call('missing'))) !== 'no error',
  },
  {
    name: 'calls wait while blockConcurrencyWhile runs',
    gives: ['blocked', 'free', 'called'],
    async act({ inside, call }) {
      const said: string[] = []
      await inside(async (state) => {
        const blocked = state.blockConcurrencyWhile(async () => {
          said.push('blocked')
          await new Promise((resolve) => setTimeout(resolve, SOON_MS))
          said.push('free')
        })
        void blocked
      })
      await call('echo', 'hello')
      said.push('called')
      return said
    },
  },
  {
    name: 'the ledger says what changed, and what is not unique',
    gives: [
      1,
      0,
      'D1_ERROR: UNIQUE constraint failed: payments.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)',
      { n: 1 },
      null,
    ],
    async act({ prepare }) {
      const insert = (tail = '') =>
        prepare(PAYMENT + tail)
          .bind('k', '0x1')
          .run()
      return [
        (await insert()).meta.changes,
        (await insert(' ON CONFLICT (id) DO NOTHING')).meta.changes,
        await textOf(() => insert()),
        await prepare('SELECT count(*) AS n FROM payments').first(),
        await prepare("SELECT id FROM payments WHERE id = 'none'").first(),
      ]
    },
  },
]
