// The payer's object from inside, in the real runtime: what it stores and for whom, what its alarm does beside what is
// broken, and what it forgets.
import { applyD1Migrations, evictDurableObject, reset, runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Payer } from '../../src/payer/payer.ts'
import { PROTOCOL, type SignInRequest } from '../../src/payer/protocol.ts'
import { type Asked, PaymentRecords } from '../../src/payer/records.ts'
import { CLAIMED } from '../../src/payer/redemption.ts'
import type { PaymentRow } from '../../src/payer/rows.ts'
import {
  chainSays,
  DAY,
  inside,
  leave,
  NAME,
  NETWORK,
  NOW,
  nobodyAnswers,
  object,
  PAYER,
  REFUSED,
  requestFor,
  rowOf,
  rows,
  SETTLED,
  SITE,
  TX,
  UNKNOWN,
} from './object.ts'

const OTHER_NETWORK = 'eip155:8453'
const THIRD_NETWORK = 'eip155:137'
const due = { lookAtSeconds: NOW - 1 }
const many = (count: number, row: (number: number) => PaymentRow) => Array.from({ length: count }, (_, i) => row(i + 1))

const alarmAt = () => inside((state) => state.storage.getAlarm())
const sql = (text: string, ...bindings: (string | number)[]) =>
  inside((state) => void state.storage.sql.exec(text, ...bindings))
const tables = () =>
  inside((state) =>
    state.storage.sql
      .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
      .toArray()
      .map(({ name }) => name),
  )

/** Rings the alarm of an object in which something of the environment is replaced. Meanwhile so much fake time passes. */
const ringWith = (over: Record<string, unknown>, passingMs = 0) =>
  inside(async (state) => {
    // The alarm of the object that is there already is out of the way.
    await state.storage.setAlarm(Date.now() + 3_600_000)
    const payer = new Payer(state, Object.assign({ ...env }, over))
    const alarm = payer.alarm()
    if (passingMs > 0) await vi.advanceTimersByTimeAsync(passingMs)
    await alarm
    return state.storage.getAlarm()
  })
async function ring() {
  await inside((state) => state.storage.setAlarm(Date.now() + 3_600_000))
  await runDurableObjectAlarm(object())
}
const at = async <Value>(seconds: number, act: () => Promise<Value>): Promise<Value> => {
  vi.useFakeTimers({ now: seconds * 1000, toFake: ['Date'] })
  try {
    return await act()
  } finally {
    vi.useRealTimers()
  }
}

const ledger = async () =>
  (await env.LEDGER_DB.prepare('SELECT id, amount, "transaction", remark FROM payments ORDER BY id').all()).results

/** The events that were logged. */
let events: string[] = []
beforeEach(async () => {
  events = []
  vi.spyOn(console, 'error').mockImplementation((line) => void events.push(String(line)))
  await applyD1Migrations(env.LEDGER_DB, env.TEST_MIGRATIONS)
})
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await reset()
})

const asked: Asked = {
  owner: 'key',
  network: NETWORK,
  site: SITE,
  method: 'GET',
  scope: '=/articles/hello',
  accessSeconds: DAY,
}
const signInFor = (over: Partial<SignInRequest> = {}): SignInRequest => ({
  protocol: PROTOCOL,
  payer: PAYER,
  owner: 'key',
  network: NETWORK,
  nonce: '0123456789abcdef',
  nonceEndsAtSeconds: NOW + 300,
  resource: requestFor().resource,
  ...over,
})

describe('a stranger leaves nothing behind', () => {
  test.each<[string, () => Promise<unknown>]>([
    [
      'a payment that may not be sent',
      () => object().redeem(requestFor(1, { objection: { code: 'invalid_payment_requirements' } })),
    ],
    ['a payment that was used before', () => object().redeem(requestFor(1, { look: { kind: 'used' } }))],
    ['a question what would be refused', () => object().objectionTo(requestFor())],
    ['a signature nobody has proven', () => object().recognise({ protocol: PROTOCOL, key: 'x', signatureHash: 'y' })],
    ['a sign-in of who bought nothing', () => object().signIn(signInFor())],
    ['a question what somebody owns', () => object().ownsAt(signInFor())],
    ['a report of a handout that never was', () => object().delivered({ protocol: PROTOCOL, key: 'x', number: 1 })],
    ['a handout taken back that never was', () => object().released({ protocol: PROTOCOL, key: 'x', number: 1 })],
    ['a word that it is still open', () => object().stillOpen({ protocol: PROTOCOL, key: 'x', number: 1 })],
  ])('%s', async (_, act) => {
    await act()
    expect(await tables()).toEqual([])
    expect(await alarmAt()).toBeNull()
  })
})

describe('who owns what', () => {
  test('a sign-in is told what was bought at its site, once per nonce', async () => {
    await leave(rowOf(1, SETTLED))
    const grant = { scope: '=/articles/hello', method: 'GET', endsAtSeconds: NOW - 60 + DAY, payer: PAYER }
    const elsewhere = { ...requestFor().resource, site: 'https://other.example' }
    expect(await object().signIn(signInFor({ resource: elsewhere }))).toEqual({ kind: 'nothing', isPending: false })
    expect(await object().signIn(signInFor())).toEqual({ kind: 'owned', grants: [grant] })
    expect(await object().signIn(signInFor())).toEqual({ kind: 'used' })
    await evictDurableObject(object())
    expect(await object().signIn(signInFor())).toEqual({ kind: 'used' })
    expect(await object().signIn(signInFor({ nonce: 'f'.repeat(16) }))).toEqual({ kind: 'owned', grants: [grant] })
  })

  test('access that has ended is nothing to sign in for', async () => {
    await leave(rowOf(1, SETTLED, { settledAtSeconds: NOW - DAY }))
    expect(await object().signIn(signInFor())).toEqual({ kind: 'nothing', isPending: false })
  })

  test('a payment with an open outcome is pending, which uses no nonce up', async () => {
    await leave(rowOf(1, UNKNOWN))
    expect(await object().signIn(signInFor())).toEqual({ kind: 'nothing', isPending: true })
    const other = { ...requestFor().resource, path: '/articles/other', id: '/articles/other' }
    expect(await object().signIn(signInFor({ resource: other }))).toMatchObject({ isPending: false })
    expect(await inside((state) => state.storage.sql.exec('SELECT * FROM used_nonces').toArray())).toEqual([])
  })

  test('a contract at the same address on another network owns nothing, squats nothing and fills nothing', async () => {
    const foreign = { owner: 'code', network: OTHER_NETWORK, identifier: NAME } as const
    const single = { ...foreign, accessSeconds: 0 }
    await leave(
      rowOf(1, SETTLED, foreign),
      rowOf(2, SETTLED, single),
      rowOf(3, UNKNOWN, foreign),
      rowOf(4, { ...REFUSED }, { ...foreign, ...due }),
      rowOf(5, { ...CLAIMED, status: 'covered' }, foreign),
    )
    expect(await object().ownsAt(signInFor())).toBe(false)
    expect(await object().ownsAt(signInFor({ owner: 'code' }))).toBe(false)
    expect(await object().ownsAt(signInFor({ owner: 'code', network: OTHER_NETWORK }))).toBe(true)
    const found = await inside((state) => {
      const records = new PaymentRecords(state.storage, () => {})
      return {
        named: records.byIdentifier(NAME, asked),
        open: records.openAt(asked, NOW),
        refused: records.refusedFor(asked, NOW),
        lasting: records.lastingFor(asked, NOW),
        unclaimed: records.unclaimedFor({ ...asked, accessSeconds: 0 }),
        load: records.loadOf(asked, NOW),
      }
    })
    expect(found).toEqual({
      named: [],
      open: [],
      refused: [],
      lasting: [],
      unclaimed: [],
      load: { open: 0, covered: 0, refusedLately: 0 },
    })
  })

  test('a key owns on one network what it bought on another', async () => {
    await leave(rowOf(1, SETTLED, { network: THIRD_NETWORK }))
    expect(await object().ownsAt(signInFor({ network: OTHER_NETWORK }))).toBe(true)
  })

  test('what was bought with test money is owned by nobody where money is real', async () => {
    await leave(rowOf(1, SETTLED, { network: OTHER_NETWORK }))
    expect(await object().ownsAt(signInFor())).toBe(false)
  })
})

describe('the tables', () => {
  test('are made in one transaction: after a crash in the middle there is nothing, and then everything', async () => {
    const crash = (statements: number) =>
      inside((state) => {
        const { storage } = state
        let left = statements
        const exec = (text: string, ...bindings: unknown[]) => {
          if (!text.startsWith('SELECT') && left-- === 0) throw new Error('the power is gone')
          return storage.sql.exec(text, ...bindings)
        }
        const broken = new Proxy(storage, {
          get: (_, name) =>
            name === 'sql'
              ? { exec }
              : name === 'transactionSync'
                ? storage.transactionSync.bind(storage)
                : Reflect.get(storage, name),
        })
        expect(() => new PaymentRecords(broken, () => {}).insert(rowOf(1, CLAIMED))).toThrow('the power is gone')
      })
    for (const statements of [0, 1, 2, 3]) {
      await crash(statements)
      expect(await tables()).toEqual([])
    }
    await leave(rowOf(1, CLAIMED))
    expect(await tables()).toEqual(['version', 'payments', 'used_nonces'])
    expect(await rows()).toHaveLength(1)
  })

  test('are made once: a second start changes nothing', async () => {
    await leave(rowOf(1, SETTLED))
    const before = await rows()
    await evictDurableObject(object())
    expect(await object().ownsAt(signInFor())).toBe(true)
    expect(await rows()).toEqual(before)
  })

  test('of a newer release: 503, nothing asked, nothing written', async () => {
    await leave(rowOf(1, SETTLED, { handouts: 1 }), rowOf(2, UNKNOWN, due))
    await sql('UPDATE version SET number = number + 1')
    await evictDurableObject(object())
    const before = await rows()
    const fetched = nobodyAnswers()
    const unavailable = { kind: 'refused', refusal: { code: 'unavailable' } }
    expect(await object().redeem(requestFor(1))).toMatchObject(unavailable)
    expect(await object().redeem(requestFor(9))).toMatchObject(unavailable)
    expect(await object().objectionTo(requestFor(9))).toEqual({ code: 'unavailable' })
    expect(await object().signIn(signInFor())).toEqual({ kind: 'unavailable' })
    const { requestId: _, objection: __, look: ___, ...used } = requestFor(9)
    await object().useUp(used)
    await ring()
    expect(await rows()).toEqual(before)
    expect(fetched).not.toHaveBeenCalled()
  })

  test('of a newer release: a report of a handout writes nothing either', async () => {
    await leave(rowOf(1, SETTLED, { handouts: 1 }))
    await sql('UPDATE version SET number = number + 1')
    await evictDurableObject(object())
    const before = await rows()
    await object().delivered({ protocol: PROTOCOL, key: 'payment 1', number: 1 })
    await object().released({ protocol: PROTOCOL, key: 'payment 1', number: 1 })
    expect(await rows()).toEqual(before)
  })

  test('a worker that speaks a newer protocol is told to come again', async () => {
    expect(await object().redeem(requestFor(1, { protocol: PROTOCOL + 1 }))).toMatchObject({
      refusal: { code: 'unavailable' },
    })
    expect(await tables()).toEqual([])
  })

  test('two payments are never stored with one proof', async () => {
    await leave(rowOf(1, SETTLED))
    await expect(leave(rowOf(2, { ...SETTLED }, { state: { ...SETTLED, position: 1 } }))).rejects.toThrow('UNIQUE')
    expect(await rows()).toHaveLength(1)
  })
})

describe('the alarm beside what is broken', () => {
  test('a configuration that does not parse: the ledger is written, and the looks are put off', async () => {
    await leave(rowOf(1, SETTLED, { outbox: 'due' }), rowOf(2, UNKNOWN, due))
    const fetched = nobodyAnswers()
    const next = await ringWith({ PAY_TO: 'nonsense', NETWORKS: 'nonsense' })
    expect(await rows()).toMatchObject([{ outbox: 'empty' }, { status: 'unknown' }])
    expect(await ledger()).toMatchObject([{ id: 'payment 1' }])
    expect(fetched).not.toHaveBeenCalled()
    expect(next).toBeGreaterThan(Date.now())
  })

  test.each<[string, string]>([
    ['its terms are garbage', "UPDATE payments SET terms = 'garbage' WHERE key = 'payment 1'"],
    ['a column is garbage', "UPDATE payments SET search = 'garbage' WHERE key = 'payment 1'"],
    ['a status nobody knows', "UPDATE payments SET status = 'lost' WHERE key = 'payment 1'"],
  ])('one row that cannot be read (%s): the ledger and the looks of the others go on', async (_, spoil) => {
    await leave(
      rowOf(1, SETTLED, { outbox: 'due', ...due }),
      rowOf(2, SETTLED, { outbox: 'due' }),
      rowOf(3, UNKNOWN, due),
    )
    await sql(spoil)
    chainSays({ used: false, time: NOW + 1_000 })
    await ring()
    expect(await rows()).toMatchObject([{}, { outbox: 'empty' }, { status: 'refused' }])
    expect(await ledger()).toMatchObject([{ id: 'payment 2' }])
    expect(await alarmAt()).toBeGreaterThan(Date.now())
  })

  test('one row that cannot be read: what it is to the ledger does not keep the object awake for ever', async () => {
    await leave(rowOf(1, SETTLED, { outbox: 'due' }))
    await sql("UPDATE payments SET search = 'garbage'")
    for (let rung = 0; rung < 5; rung++) await ring()
    expect((await alarmAt()) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(Date.now() + 60_000)
  })

  test('a dozen rows that cannot be read: the ledger takes the thirteenth', async () => {
    await leave(...many(13, (number) => rowOf(number, SETTLED, { outbox: 'due' })))
    await sql("UPDATE payments SET terms = 'garbage' WHERE seq <= 12")
    await ring()
    await ring()
    expect(await ledger()).toMatchObject([{ id: 'payment 13' }])
  })

  test('two hundred open rows and no RPC: the ledger first, few fetches, and an alarm again', async () => {
    await leave(...many(200, (number) => rowOf(number, UNKNOWN, due)), rowOf(999, SETTLED, { outbox: 'due' }))
    let entered = 0
    const fetched = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => {
      entered ||= (await ledger()).length
      throw new TypeError('no connection')
    })
    await ring()
    expect(entered).toBe(1)
    expect(fetched.mock.calls.length).toBeGreaterThan(0)
    expect(fetched.mock.calls.length).toBeLessThanOrEqual(32)
    expect(await alarmAt()).toBeGreaterThan(Date.now())
    expect(await alarmAt()).toBeLessThan(Date.now() + 60_000)
  })

  test('two hundred open rows, and a platform that allows 45 requests: it ends, and none is lost', async () => {
    await leave(...many(200, (number) => rowOf(number, UNKNOWN, due)))
    const chain = chainSays({ used: true, time: NOW })
    const answer = chain.getMockImplementation()
    let calls = 0
    chain.mockImplementation(async (...request) => {
      if (++calls > 45 || !answer) throw new Error('Too many subrequests')
      return answer(...request)
    })
    await ring()
    expect(calls).toBeLessThanOrEqual(45)
    expect((await rows()).filter(({ status, look_at }) => status === 'unknown' && look_at !== null)).toHaveLength(200)
    expect(await alarmAt()).toBeGreaterThan(Date.now())
  })

  test('a conflict in the ledger beside twenty good rows: twenty are stored, one is disputed', async () => {
    await leave(...many(21, (number) => rowOf(number, SETTLED, { outbox: 'due' })))
    await env.LEDGER_DB.prepare(
      `INSERT INTO payments (id, site, resource, scheme, network, asset, amount, payer, pay_to, "transaction", position,
         offer, access_seconds, settled_at_seconds) VALUES ('another', '', '', 'exact', ?, '', '1', '', '', ?, 7, '', 0, 0)`,
    )
      .bind(NETWORK, TX)
      .run()
    // Eight at a time.
    for (let rung = 0; rung < 3; rung++) await ring()
    const states = (await rows()).map(({ outbox }) => outbox)
    expect(states.filter((state) => state === 'empty')).toHaveLength(20)
    expect(states[6]).toBe('disputed')
    expect(await ledger()).toHaveLength(21)
    expect(events.join()).toContain('ledger_disputed')
  })

  test('a ledger that never answers: the alarm ends in time, asks the chain, and comes again', async () => {
    await leave(rowOf(1, SETTLED, { outbox: 'due' }), rowOf(2, UNKNOWN, due))
    chainSays({ used: false, time: NOW + 1_000 })
    const never = () => Promise.withResolvers().promise
    const statement = { bind: () => statement, run: never, first: never }
    // No timer runs for longer: an alarm that needed more would not end.
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
    const next = await ringWith({ LEDGER_DB: { prepare: () => statement } }, 9_999)
    expect(await rows()).toMatchObject([{ outbox: 'due' }, { status: 'refused' }])
    expect(next).toBeGreaterThan(Date.now())
  })

  test('the ledger is caught up with once D1 is back', async () => {
    await leave(rowOf(1, SETTLED, { outbox: 'due' }))
    await env.LEDGER_DB.exec('ALTER TABLE payments RENAME TO away')
    await ring()
    expect(await rows()).toMatchObject([{ outbox: 'due' }])
    expect(await alarmAt()).toBeGreaterThan(Date.now())

    await env.LEDGER_DB.exec('ALTER TABLE away RENAME TO payments')
    await ring()
    expect(await rows()).toMatchObject([{ outbox: 'empty' }])
    expect(await ledger()).toEqual([{ id: 'payment 1', amount: '50000', transaction: TX, remark: null }])
  })

  test('an entry whose reply was lost is entered once', async () => {
    await leave(rowOf(1, SETTLED, { outbox: 'due' }))
    await ring()
    await sql("UPDATE payments SET outbox = 'due'")
    await evictDurableObject(object())
    await ring()
    expect(await rows()).toMatchObject([{ outbox: 'empty' }])
    expect(await ledger()).toHaveLength(1)
  })

  test('money beside another payment is entered to be given back', async () => {
    await leave(rowOf(1, { ...SETTLED, coveredBy: 'payment 2' }, { outbox: 'due' }))
    await ring()
    expect(await ledger()).toMatchObject([{ remark: 'refund_due' }])
  })
})

describe('the title of what was sold', () => {
  const report = (title: string, key = 'payment 1') => ({ protocol: PROTOCOL, key, number: 1, title })
  const titles = async () =>
    (await env.LEDGER_DB.prepare('SELECT id, title, remark FROM payments ORDER BY id').all()).results
  const titled = { id: 'payment 1', title: 'A day at sea', remark: null }

  test('follows its row into the ledger', async () => {
    await leave(rowOf(1, SETTLED, { outbox: 'due', handouts: 1 }))
    await ring()
    expect(await titles()).toEqual([{ ...titled, title: null }])
    await object().delivered(report('A day at sea'))
    await vi.waitFor(async () => expect(await titles()).toEqual([titled]))
    expect(await rows()).toMatchObject([{ outbox: 'empty', delivered: 1 }])
  })

  test('comes with its row where that is late', async () => {
    await leave(rowOf(1, SETTLED, { outbox: 'due', handouts: 1 }))
    await object().delivered(report('A day at sea'))
    expect(await titles()).toEqual([])
    await ring()
    expect(await titles()).toEqual([titled])
  })

  test('of what was not taken whole is noted too; the handout is taken back as ever', async () => {
    await leave(rowOf(1, SETTLED, { handouts: 1 }))
    await object().released(report('A day at sea'))
    await vi.waitFor(async () => expect(await titles()).toEqual([titled]))
    expect(await rows()).toMatchObject([{ released: 1, delivered: 0 }])
  })

  test('that comes while its row is on the way is written right behind it', async () => {
    await leave(rowOf(1, SETTLED, { outbox: 'due', handouts: 1 }))
    const statements: string[] = []
    const told = await inside(async (state) => {
      const payer: { current: Payer | null } = { current: null }
      const ledger = {
        prepare(text: string) {
          statements.push(text.trim().slice(0, 6))
          // The first statement is on its way when the reader has it all.
          if (statements.length === 1) void payer.current?.delivered(report('A day at sea'))
          return env.LEDGER_DB.prepare(text)
        },
      }
      payer.current = new Payer(state, Object.assign({ ...env }, { LEDGER_DB: ledger }))
      await payer.current.alarm()
      return state.storage.sql.exec('SELECT outbox, delivered FROM payments').toArray()
    })
    expect(told).toEqual([{ outbox: 'empty', delivered: 1 }])
    expect(await titles()).toEqual([titled])
    expect(statements.slice(0, 3)).toEqual(['INSERT', 'INSERT', 'UPDATE'])
  })

  test('waits with its row while D1 is down', async () => {
    await leave(rowOf(1, SETTLED, { handouts: 1 }))
    await env.LEDGER_DB.exec('ALTER TABLE payments RENAME TO away')
    await object().delivered(report('A day at sea'))
    await vi.waitFor(async () => expect(await alarmAt()).toBeGreaterThan(Date.now()))
    expect(await rows()).toMatchObject([{ outbox: 'due', delivered: 1 }])
    await env.LEDGER_DB.exec('ALTER TABLE away RENAME TO payments')
    await ring()
    expect(await titles()).toEqual([titled])
  })

  test('is the first that was told', async () => {
    await leave(rowOf(1, SETTLED, { handouts: 2, outbox: 'due' }))
    await object().delivered(report('A day at sea'))
    await object().delivered(report('Another'))
    await ring()
    expect(await titles()).toEqual([titled])
  })

  test('beside a remark leaves the remark', async () => {
    await leave(rowOf(1, { ...SETTLED, coveredBy: 'payment 2' }, { outbox: 'due' }))
    await ring()
    await object().delivered(report('A day at sea'))
    await vi.waitFor(async () => expect(await titles()).toEqual([{ ...titled, remark: 'refund_due' }]))
  })

  test('of a payment nobody knows stores nothing', async () => {
    await object().delivered(report('A day at sea', 'another'))
    expect(await tables()).toEqual([])
    expect(await titles()).toEqual([])
  })

  test('of a payment that another one paid for is not that one’s', async () => {
    const covered = { ...CLAIMED, status: 'covered' as const, coveredBy: 'payment 2' }
    await leave(rowOf(1, covered, { handouts: 1 }), rowOf(2, SETTLED, { outbox: 'due' }))
    await object().delivered(report('A day at sea'))
    await ring()
    expect(await titles()).toEqual([{ id: 'payment 2', title: null, remark: null }])
  })

  test('a ledger without a column for it has its rows and remarks', async () => {
    await env.LEDGER_DB.exec('ALTER TABLE payments DROP COLUMN title')
    await leave(rowOf(1, { ...SETTLED, coveredBy: 'payment 2' }, { outbox: 'due', handouts: 1 }), rowOf(2, SETTLED))
    await object().delivered(report('A day at sea'))
    await object().delivered(report('Another', 'payment 2'))
    await ring()
    expect(await ledger()).toMatchObject([{ remark: 'refund_due' }, { remark: null }])
    expect(await rows()).toMatchObject([{ outbox: 'empty' }, { outbox: 'empty' }])
    expect(events.join()).not.toContain('ledger_')
  })
})

describe('when the alarm comes', () => {
  test('a payer that claims every thirty seconds: its first row is still looked at in time', async () => {
    const fetched = nobodyAnswers()
    const first = NOW - 45
    await inside((state) => {
      const records = new PaymentRecords(state.storage, () => {})
      records.insert(rowOf(1, UNKNOWN, { lookAtSeconds: first + 45, claimedAtSeconds: first }))
    })
    await evictDurableObject(object())
    // Waking up sets the alarm; the claims that follow leave it where it is.
    await object().ownsAt(signInFor())
    const armed = await alarmAt()
    expect(armed).not.toBeNull()
    for (let claim = 2; claim < 12; claim++) {
      await at(NOW + claim * 30, async () => {
        const { requestId: _, objection: __, look: ___, ...used } = requestFor(claim)
        await object().useUp(used)
      })
      expect(await alarmAt()).toBe(armed)
    }
    await runDurableObjectAlarm(object())
    expect(fetched).toHaveBeenCalled()
  })

  test('a row that is due sooner moves it', async () => {
    await leave(rowOf(1, UNKNOWN, { lookAtSeconds: NOW + 3_000 }))
    await object().ownsAt(signInFor())
    expect(await alarmAt()).toBe((NOW + 3_000) * 1000)
    const { requestId: _, objection: __, look: ___, ...used } = requestFor(2)
    await object().useUp(used)
    expect(await alarmAt()).toBeLessThan((NOW + 3_000) * 1000)
  })

  test('an object that starts with open rows and no alarm sets one', async () => {
    await leave(rowOf(1, UNKNOWN, due))
    expect(await object().ownsAt(signInFor())).toBe(false)
    expect(await alarmAt()).not.toBeNull()
  })

  test('a nonce that ends is forgotten', async () => {
    await leave(rowOf(1, SETTLED))
    await object().signIn(signInFor())
    expect(await alarmAt()).toBe((NOW + 360) * 1000)
    await at(NOW + 361, ring)
    expect(await inside((state) => state.storage.sql.exec('SELECT * FROM used_nonces').toArray())).toEqual([])
  })
})

describe('what the alarm finds', () => {
  test('an authorization that lapsed: refused, and nothing is sent to a facilitator', async () => {
    await leave(rowOf(1, { ...UNKNOWN, status: 'settling' }, due))
    const chain = chainSays({ used: false, time: NOW + 1_000 })
    await ring()
    expect(await rows()).toMatchObject([
      { status: 'refused', reason: 'invalid_exact_evm_payload_authorization_valid_before', look_at: null },
    ])
    for (const [url] of chain.mock.calls) expect(String(url)).not.toMatch(/settle/)
  })

  test('what may still land stays open, and is looked at again', async () => {
    await leave(rowOf(1, UNKNOWN, due))
    chainSays({ used: false, time: NOW })
    await ring()
    expect(await rows()).toMatchObject([{ status: 'unknown' }])
    expect(await alarmAt()).toBeGreaterThan(Date.now())
  })

  test('a used nonce without a log proves nothing', async () => {
    await leave(rowOf(1, UNKNOWN, due))
    chainSays({ used: true, time: NOW })
    await ring()
    expect(await rows()).toMatchObject([{ status: 'unknown' }])
  })

  test('a refused row whose last question nobody answers is kept, and asked about again', async () => {
    await leave(rowOf(1, REFUSED, due))
    nobodyAnswers()
    for (const later of [400, 4_000, 20_000]) await at(NOW + later, ring)
    expect(await rows()).toMatchObject([{ status: 'refused' }])
    expect((await rows())[0]?.look_at).toBeGreaterThan(NOW + 20_000)
  })

  test('a row that was sent again and refused is looked at soon after that', async () => {
    await leave(rowOf(1, REFUSED, { lookAtSeconds: NOW + 3_000 }))
    const kinds = [{ x402Version: 2, scheme: 'exact', network: NETWORK }]
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (url) => {
      if (String(url).endsWith('/supported')) return Response.json({ kinds, extensions: [], signers: {} })
      if (!String(url).endsWith('/settle')) throw new TypeError('no connection')
      return Response.json({ success: false, errorReason: 'insufficient_funds', transaction: '', network: NETWORK })
    })
    await object().redeem(requestFor(1))
    const [row] = await rows()
    expect(row).toMatchObject({ status: 'refused', sent: 2 })
    expect(row?.look_at).toBeLessThanOrEqual(Math.floor(Date.now() / 1000) + 45)
  }, 30_000)

  test('nobody can say for thirty days: it is given up, kept without an alarm, and holds up nothing', async () => {
    await leave(rowOf(1, UNKNOWN, due))
    nobodyAnswers()
    const end = NOW + 300 + 30 * DAY
    await at(end + 1, ring)
    expect(await rows()).toMatchObject([{ status: 'unknown', look_at: null }])
    expect(await alarmAt()).toBeNull()
    expect(events.join()).toContain('payment_unresolved')
  })

  test('as many given up as may be open: they hold up nothing', async () => {
    await leave(...many(256, (number) => rowOf(number, UNKNOWN)))
    const load = await inside((state) =>
      new PaymentRecords(state.storage, () => {}).loadOf(asked, NOW + 300 + 30 * DAY),
    )
    expect(load.open).toBe(0)
  })
})

describe('twenty thousand rows', () => {
  /** Rows read by each query. */
  const readFor = () =>
    inside((state) => {
      const { storage } = state
      let read = 0
      const counting = new Proxy(storage, {
        get: (_, name) =>
          name === 'sql'
            ? {
                exec: (text: string, ...bindings: unknown[]) => {
                  const cursor = storage.sql.exec(text, ...bindings)
                  const all = cursor.toArray()
                  read += cursor.rowsRead
                  return { toArray: () => all, one: () => all[0] }
                },
              }
            : Reflect.get(storage, name),
      })
      const records = new PaymentRecords(counting, () => {})
      const count = (act: () => unknown) => {
        read = 0
        act()
        return read
      }
      return {
        byKey: count(() => records.byKey('payment 5')),
        byIdentifier: count(() => records.byIdentifier(NAME, asked)),
        openAt: count(() => records.openAt(asked, NOW)),
        refusedFor: count(() => records.refusedFor(asked, NOW)),
        lastingFor: count(() => records.lastingFor(asked, NOW)),
        unclaimedFor: count(() => records.unclaimedFor({ ...asked, accessSeconds: 0 })),
        byTransaction: count(() => records.byTransaction(NETWORK, `0x${'cd'.repeat(32)}`)),
        loadOf: count(() => records.loadOf(asked, NOW)),
        lastingAt: count(() => records.lastingAt({ ...asked, accessSeconds: 0 }, NOW, 50)),
        lookDue: count(() => records.lookDue(NOW, 8)),
        outboxDue: count(() => records.outboxDue(12)),
        dueSeconds: count(() => records.dueSeconds(NOW, 20)),
        forget: count(() => records.forget(NOW)),
        isForgotten: count(() => records.isForgotten()),
      }
    })
  const fill = (count: number) =>
    inside((state) => {
      const records = new PaymentRecords(state.storage, () => {})
      const taken = { isDelivered: true, handouts: 1 }
      state.storage.transactionSync(() => {
        records.insert(rowOf(1, SETTLED, { ...taken, scope: '~/articles/*', accessSeconds: 30 * DAY }))
        for (let number = 2; number <= count; number++) {
          const single = number % 2 === 0 ? { accessSeconds: 0 } : {}
          const state = { ...SETTLED, transaction: `0x${number.toString(16).padStart(64, '0')}` }
          records.insert(
            rowOf(number, state, {
              ...taken,
              ...single,
              scope: `=/articles/${number}`,
              resource: `/articles/${number}`,
            }),
          )
        }
      })
    })

  test('under a pass: no query reads more of them than of a hundred', async () => {
    await fill(100)
    const few = await readFor()
    await reset()
    await applyD1Migrations(env.LEDGER_DB, env.TEST_MIGRATIONS)
    await fill(20_000)
    const lots = await readFor()
    const grown = Object.entries(lots).filter(([name, read]) => read > 2 * Number(Reflect.get(few, name)) + 60)
    expect(grown).toEqual([])
  }, 60_000)
})

describe('what is forgotten', () => {
  test('what nothing depends on; and an empty object keeps no storage and no alarm', async () => {
    await leave(rowOf(1, SETTLED, { isDelivered: true, handouts: 1 }))
    await at(NOW + DAY - 120, ring)
    expect(await rows()).toHaveLength(1)
    await at(NOW + DAY + 1, ring)
    expect(await tables()).toEqual([])
    expect(await alarmAt()).toBeNull()
  })

  test('an emptied object is claimed in anew', async () => {
    await leave(rowOf(1, REFUSED))
    await at(NOW + DAY, ring)
    expect(await tables()).toEqual([])
    const { requestId: _, objection: __, look: ___, ...used } = requestFor(2)
    await object().useUp(used)
    expect(await rows()).toMatchObject([{ key: 'payment 2', status: 'covered' }])
    expect(await alarmAt()).not.toBeNull()
  })

  test('not what was paid for and never handed out, for thirty days', async () => {
    await leave(rowOf(1, SETTLED, { accessSeconds: 0 }))
    await at(NOW + 29 * DAY, ring)
    expect(await rows()).toHaveLength(1)
    await at(NOW + 31 * DAY, ring)
    expect(await tables()).toEqual([])
  })

  test('not a row that another one points to', async () => {
    const covered = { ...CLAIMED, status: 'covered' as const, coveredBy: 'payment 1' }
    const taken = { isDelivered: true, handouts: 1, accessSeconds: 0 }
    await leave(rowOf(1, SETTLED, taken), rowOf(2, covered, { validBeforeSeconds: NOW + 10 * DAY }))
    await at(NOW + 9 * DAY, ring)
    expect(await rows()).toHaveLength(2)
    await at(NOW + 11 * DAY, ring)
    await at(NOW + 11 * DAY, ring)
    expect(await tables()).toEqual([])
  })

  test('not what could be spent again: an hour beyond its window', async () => {
    await leave(rowOf(1, REFUSED))
    await at(NOW + 300 + 3_599, ring)
    expect(await rows()).toHaveLength(1)
    await at(NOW + 300 + 3_600, ring)
    expect(await tables()).toEqual([])
  })
})
