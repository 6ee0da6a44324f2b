// Crashes: what is confirmed stays, what is not goes with everything sent behind it. Alarms, eviction, the ledger.
import { expect, test } from 'vitest'
import { createWorld, run, type World } from './clock.ts'
import { createLedger } from './ledger.ts'
import { createNamespace, type ObjectContext } from './objects.ts'
import { json, serve } from './wire.ts'

const SITE = 'https://service.example'
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** An object that writes, sends and waits as it is told. */
class Notes {
  readonly #ctx: ObjectContext
  constructor(ctx: ObjectContext) {
    this.#ctx = ctx
    ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS notes (text TEXT PRIMARY KEY)')
  }
  async add(text: string): Promise<number> {
    this.#ctx.storage.sql.exec('INSERT INTO notes (text) VALUES (?)', text)
    return this.#ctx.storage.sql.exec('SELECT text FROM notes').toArray().length
  }
  async addAndSend(text: string): Promise<number> {
    const count = await this.add(text)
    await fetch(`${SITE}/${text}`)
    return count
  }
  async addTwice(text: string): Promise<void> {
    await this.add(`${text} 1`)
    await this.add(`${text} 2`)
    await this.#ctx.storage.setAlarm(Date.now() + 1_000)
  }
  async wait(ms: number): Promise<string> {
    await pause(ms)
    return 'waited'
  }
  async all(): Promise<unknown> {
    return this.#ctx.storage.sql
      .exec('SELECT text FROM notes ORDER BY text')
      .toArray()
      .map(({ text }) => text)
  }
  async ring(ms: number): Promise<void> {
    await this.#ctx.storage.setAlarm(Date.now() + ms)
  }
  alarm = async () => {
    await this.add(`alarm at ${Date.now()}`)
  }
}

function scene(seed: string) {
  const world = createWorld({ seed })
  const sent: string[] = []
  serve(world, SITE, async ({ path }) => {
    sent.push(path.slice(1))
    return json({})
  })
  const objects = createNamespace({ world, create: (ctx) => new Notes(ctx) })
  return { world, sent, objects, notes: () => objects.binding.getByName('a') }
}

/** Lets the world go on until something holds. */
async function until(world: World, holds: () => boolean) {
  while (!holds()) await world.wait(1)
}

test('a crash before the confirmation loses the write, the answer and the request behind it', async () => {
  const { world, sent, objects, notes } = scene('lost')
  world.latency.confirmMs = [50, 50]
  await run(world, async () => {
    const call = notes().addAndSend?.('one')
    const told = expect(call).rejects.toMatchObject({ retryable: true })
    await until(world, () => objects.isInMemory('a') && objects.disk('a').unconfirmed() > 0)
    await world.wait(20)
    expect(objects.crash('a')).toBe(true)
    await told
    await world.wait(1_000)
    expect(sent).toEqual([])
    expect(await notes().all?.()).toEqual([])
  })
})

test('what had reached the disk may survive although nobody heard of it', async () => {
  const { world, sent, objects, notes } = scene('kept')
  world.latency.confirmMs = [50, 50]
  await run(world, async () => {
    const told = expect(notes().addAndSend?.('one')).rejects.toThrow('Network connection lost.')
    await until(world, () => objects.isInMemory('a') && objects.disk('a').unconfirmed() > 0)
    objects.crash('a', { isRetryable: false, keeps: 2 })
    await told
    expect(await notes().all?.()).toEqual(['one'])
    expect(sent).toEqual([])
  })
})

test('a crash after the confirmation keeps the write; what was sent was sent, and nothing follows', async () => {
  const { world, sent, objects, notes } = scene('after')
  await run(world, async () => {
    const told = expect(notes().addAndSend?.('one')).rejects.toThrow('reset')
    await until(world, () => sent.length === 1)
    objects.crash('a')
    await told
    expect(await notes().all?.()).toEqual(['one'])
  })
})

test('commits are counted by turns; the alarm is one more here, as it comes after an await', async () => {
  const { world, objects, notes } = scene('count')
  await run(world, async () => {
    await notes().all?.()
    const before = objects.disk('a').commits()
    await notes().addTwice?.('x')
    expect(objects.disk('a').commits() - before).toBe(3)
    expect(objects.disk('a').flushes()).toBe(2)
  })
})

test('a crash between two commits keeps the first, and an alarm goes with its commit', async () => {
  const { world, objects, notes } = scene('between')
  world.latency.confirmMs = [10, 10]
  await run(world, async () => {
    await notes().all?.()
    const told = expect(notes().addTwice?.('x')).rejects.toThrow('reset')
    await until(world, () => objects.disk('a').unconfirmed() === 3)
    objects.crash('a', { keeps: 1 })
    await told
    await world.wait(5_000)
    expect(await notes().all?.()).toEqual(['x 1'])
    expect(objects.counts.alarms).toBe(0)
  })
})

test('calls over one stub keep their order, and values are copied, bigints too', async () => {
  const { world } = scene('order')
  const seen: unknown[] = []
  const objects = createNamespace({
    world,
    create: () => ({
      async take(value: { n: bigint; list: number[] }) {
        seen.push(value.n)
        value.list.push(1)
        return value
      },
    }),
  })
  await run(world, async () => {
    const stub = objects.binding.getByName('b')
    const list = [0]
    const replies = await Promise.all([1n, 2n, 3n, 4n].map((n) => stub.take?.({ n, list })))
    expect(seen).toEqual([1n, 2n, 3n, 4n])
    expect(list).toEqual([0])
    expect(replies[3]).toEqual({ n: 4n, list: [0, 1] })
    await expect(stub.nothing?.()).rejects.toThrow('does not implement')
    expect(() => stub.take?.(() => 1)).toThrow('Could not serialize')
  })
})

test('an alarm wakes an evicted object, and one that throws is tried six times more', async () => {
  const { world, objects, notes } = scene('alarm')
  const rings: number[] = []
  const failing = createNamespace({
    world,
    label: 'failing',
    create: (ctx) => ({
      ring: () => ctx.storage.setAlarm(Date.now() + 1_000),
      async alarm() {
        rings.push(Date.now())
        throw new Error('not today')
      },
    }),
  })
  await run(world, async () => {
    await notes().ring?.(60_000)
    await until(world, () => objects.isIdle('a'))
    expect(objects.evict('a')).toBe(true)
    await world.wait(61_000)
    expect(await notes().all?.()).toHaveLength(1)
    await failing.binding.getByName('f').ring?.()
    await world.wait(600_000)
  })
  expect(rings.slice(1).map((at, i) => Math.round((at - (rings[i] ?? 0)) / 1000))).toEqual([2, 4, 8, 16, 32, 64])
  expect(failing.counts.alarmsGivenUp).toBe(1)
})

test('an alarm that a crash cut short runs again', async () => {
  const { world, objects, notes } = scene('cut short')
  await run(world, async () => {
    await notes().ring?.(1_000)
    await until(world, () => objects.counts.alarms === 1)
    expect(objects.crash('a')).toBe(true)
    await world.wait(10_000)
    expect(objects.counts.alarms).toBe(2)
    expect(await notes().all?.()).toHaveLength(1)
  })
})

test('an object that waits is awake, one that has nothing to do is put to sleep', async () => {
  const { world, objects, notes } = scene('sleep')
  await run(world, async () => {
    const waits = notes().wait?.(30_000)
    await world.wait(20_000)
    expect(objects.isIdle('a')).toBe(false)
    expect(objects.evict('a')).toBe(false)
    expect(await waits).toBe('waited')
    await world.wait(9_000)
    expect(objects.isInMemory('a')).toBe(true)
    await world.wait(2_000)
    expect(objects.isInMemory('a')).toBe(false)
  })
})

test('an object whose constructor throws answers with it, and is made anew at the next call', async () => {
  const { world } = scene('constructor')
  let isBroken = true
  const objects = createNamespace({
    world,
    create: () => {
      if (isBroken) throw new Error('broken')
      return { hello: async () => 'hello' }
    },
  })
  await run(world, async () => {
    await expect(objects.binding.getByName('c').hello?.()).rejects.toThrow('broken')
    isBroken = false
    expect(await objects.binding.getByName('c').hello?.()).toBe('hello')
  })
})

const ROW = ['k', 's', '/', 'exact', 'n', 'a', '1', 'p', 'q', '0x1', '', 0, 0]
const INSERT = `INSERT INTO payments (id, site, resource, scheme, network, asset, amount, payer, pay_to, "transaction", offer,
  access_seconds, settled_at_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`

test('the ledger counts changes, and may lose a reply after it has stored the row', async () => {
  const world = createWorld({ seed: 'ledger' })
  const ledger = createLedger(world)
  await run(world, async () => {
    const insert = () => ledger.binding.prepare(INSERT).bind(...ROW)
    ledger.behave = () => 'reply lost'
    await expect(insert().run()).rejects.toThrow('D1_ERROR: Network connection lost.')
    ledger.behave = () => 'honest'
    expect((await insert().run()).meta.changes).toBe(0)
    expect(await ledger.binding.prepare('SELECT id FROM payments WHERE id = ?').bind('k').first()).toEqual({ id: 'k' })
    expect(await ledger.binding.prepare('SELECT id FROM payments WHERE id = ?').bind('x').first()).toBe(null)
    const double = ledger.binding.prepare(INSERT.replace(' ON CONFLICT (id) DO NOTHING', '')).bind(...ROW)
    const other = ledger.binding.prepare(INSERT).bind('other', ...ROW.slice(1))
    await expect(ledger.binding.batch([other, double])).rejects.toThrow(
      'D1_ERROR: UNIQUE constraint failed: payments.id',
    )
    ledger.behave = () => 'hangs'
    const silent = insert().run()
    expect(await Promise.race([silent, pause(60_000).then(() => 'still waiting')])).toBe('still waiting')
  })
})

test('a run leaves nothing to the next', async () => {
  const world = createWorld({ seed: 'next' })
  const ledger = createLedger(world)
  const objects = createNamespace({ world, create: (ctx) => new Notes(ctx) })
  await run(world, async () => {
    expect(await objects.binding.getByName('a').all?.()).toEqual([])
    expect(ledger.read('SELECT * FROM payments')).toEqual([])
  })
})
