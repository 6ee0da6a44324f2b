// What the alarm looks after: whatever has landed is found soon, nothing holds up anything else, and in the end it is quiet.
import { expect } from 'vitest'
import { type Order, single } from './orders.ts'
import { rowsOf } from './stage.ts'
import { beHonest, code, loseReplies, QUICK, setRpcs } from './stories/telling.ts'
import { BASE, PAYER, POLYGON, type Tale } from './tale.ts'
import { countFrom, DAY_MS, loseAll, many, settleBy, story, until } from './trial.ts'

const MINUTE_MS = 60_000
const HALF_HOUR_MS = 30 * MINUTE_MS

/** Payments that have landed, one after the other; the chain could not be asked. */
async function payUnseen(tale: Tale, orders: readonly Order[]): Promise<void> {
  setRpcs(tale, 'down')
  loseReplies(tale)
  const asked: Promise<unknown>[] = []
  for (const order of orders) {
    asked.push(tale.ask(order, { isBlind: true }))
    await tale.wait(50)
  }
  await Promise.all(asked)
  beHonest(tale)
}
const alarmRings = async (tale: Tale) => {
  const count = countFrom(tale)
  await until(tale, 100, () => count().alarms > 0)
  expect(count().alarms).toBe(1)
}
async function expectQuiet(tale: Tale): Promise<void> {
  await tale.wait(HALF_HOUR_MS)
  expect(rowsOf(tale.stage, PAYER).filter(({ look_at }) => look_at !== null)).toEqual([])
  const count = countFrom(tale)
  await tale.wait(10 * MINUTE_MS)
  expect(count()).toEqual({ alarms: 0, requests: 0 })
}

story('a payment that a reader settles while the alarm runs leaves the alarm quiet', async (tale) => {
  const [one, two] = [1, 2].map((i) => tale.sign(single(`/a/${i}`), { windowSeconds: 900 }))
  if (!one || !two) throw new Error('two were signed')
  await payUnseen(tale, [one, two])
  for (const { knobs } of tale.stage.rpcs.values()) knobs.state = 'silent'
  await alarmRings(tale)
  // The alarm waits for an answer about the first; what is asked from now on is answered.
  await tale.wait(300)
  setRpcs(tale, 'up')
  expect(code(await tale.ask(two))).toBe('content')
  await expectQuiet(tale)
})

story('what a reader has settled is not put off by what the alarm read before', async (tale) => {
  const networks = [BASE, POLYGON, POLYGON, POLYGON, BASE]
  const orders = networks.map((network, i) => tale.sign(single(`/a/${i}`), { windowSeconds: 900, network }))
  await payUnseen(tale, orders)
  setRpcs(tale, 'up')
  tale.rpc.knobs.state = 'silent'
  await alarmRings(tale)
  // The alarm has given up the first, and asks the other chain about the next.
  const firstLook = () => rowsOf(tale.stage, PAYER)[0]?.look_at
  const before = firstLook()
  await until(tale, 10, () => firstLook() !== before)
  expect(firstLook()).not.toBe(before)
  tale.rpc.knobs.state = 'up'
  const last = orders.at(-1)
  if (!last) throw new Error('five were signed')
  expect(code(await tale.ask(last))).toBe('content')
  await tale.wait(10_000)
  expect(tale.row(last)?.look_at).toBeNull()
  await expectQuiet(tale)
})

story(
  'a node that is three blocks behind does not make later searches crawl',
  async (tale) => {
    const slow = tale.sign(single('/a/1'), { windowSeconds: 900 })
    Object.assign(tale.rpc.knobs, { lags: [0, 0, 3], beyondHead: 'error' })
    loseReplies(tale)
    for (let i = 0; i < 6; i++) {
      await tale.ask(tale.sign(single(`/a/${10 + i}`)))
      await tale.wait(5_000)
    }
    Object.assign(tale.rpc.knobs, { lags: [0], beyondHead: 'empty' })
    setRpcs(tale, 'down')
    await tale.ask(slow)
    await tale.wait(500_000)
    setRpcs(tale, 'up')
    expect(await until(tale, MINUTE_MS, () => tale.entries(slow).length > 0)).toBeLessThan(2 * 60 * MINUTE_MS)
  },
  { blockMs: QUICK },
)

story('a success whose transaction nobody knows yet holds up no other payment', async (tale) => {
  const [bad, good] = [tale.sign(single('/a/1')), tale.sign(single('/a/2'), { windowSeconds: 900 })]
  const transaction = `0x${'cd'.repeat(32)}`
  settleBy(tale, ({ authorization: { nonce } }) =>
    nonce === bad.authorization.nonce ? { kind: 'claims', transaction } : { kind: 'settles, but', reply: 'lost' },
  )
  tale.judge.caseOf(bad).isExcused = true
  setRpcs(tale, 'down')
  const asked = tale.ask(bad, { isBlind: true })
  await tale.wait(100)
  await Promise.all([asked, tale.ask(good, { isBlind: true })])
  setRpcs(tale, 'up')
  expect(await until(tale, 2_000, () => tale.row(good)?.status === 'settled')).toBeLessThan(90_000)
})

story('a hundred payments on a network that hangs do not hide one that landed on another', async (tale) => {
  loseAll(tale)
  const dead = many(100, (i) => tale.sign(single(`/a/${i}`), { network: POLYGON, windowSeconds: 900 }))
  await Promise.all(dead.map((order) => tale.ask(order, { isBlind: true })))
  for (const [network, { knobs }] of tale.stage.rpcs) if (network === POLYGON) knobs.state = 'silent'
  loseReplies(tale)
  const good = tale.sign(single('/a/500'), { windowSeconds: 900 })
  await tale.ask(good, { hangsUpAfterMs: 400 })
  expect(await until(tale, 2_000, () => tale.entries(good).length > 0)).toBeLessThan(10 * MINUTE_MS)
})

story('a minute without the ledger costs no hour', async (tale) => {
  tale.stage.ledger.behave = () => 'refused'
  loseReplies(tale)
  const orders = many(10, (i) => tale.sign(single(`/a/${i}`)))
  await Promise.all(orders.map((order) => tale.ask(order)))
  await tale.wait(MINUTE_MS)
  tale.stage.ledger.behave = () => 'honest'
  expect(await until(tale, 5_000, () => orders.flatMap(tale.entries).length === 10)).toBeLessThan(5 * MINUTE_MS)
})

story('a success that is never borne out, with the RPC gone for good, is told of in the end', async (tale) => {
  const order = tale.sign(single())
  expect(code(await tale.ask(order, { isBlind: true }))).toBe('content')
  setRpcs(tale, 'down')
  for (let day = 0; day < 33; day++) await tale.wait(DAY_MS)
  expect(tale.stage.logged.map(({ event }) => event)).toContain('settlement_unproven')
})

const noted = (tale: Tale) => tale.stage.ledger.read('SELECT payments, since_seconds FROM unresolved')

story(
  'what is unknown after a minute is noted for the publisher, once for each payer, and taken back',
  async (tale) => {
    const orders = [1, 2].map((i) => tale.sign(single(`/a/${i}`), { windowSeconds: 900 }))
    await payUnseen(tale, orders)
    expect(noted(tale)).toEqual([])
    await until(tale, 5_000, () => noted(tale).length > 0)
    await until(tale, 5_000, () => noted(tale)[0]?.payments === 2)
    expect(noted(tale)).toEqual([{ payments: 2, since_seconds: rowsOf(tale.stage, PAYER)[0]?.claimed_at }])
    for (const name of tale.stage.objects.names()) tale.stage.objects.crash(name)
    setRpcs(tale, 'up')
    expect(await until(tale, 5_000, () => noted(tale).length === 0)).toBeLessThan(HALF_HOUR_MS)
    expect(orders.flatMap(tale.entries)).toHaveLength(2)
  },
)

story('a purchase as usual writes no note', async (tale) => {
  expect(code(await tale.ask(tale.sign(single())))).toBe('content')
  await tale.wait(HALF_HOUR_MS)
  const statements = tale.stage.ledger.read('SELECT count(*) AS n FROM unresolved')
  expect(statements).toEqual([{ n: 0 }])
})

story('what was never sent is nobody’s worry: it is not noted', async (tale) => {
  for (const facilitator of [tale.first, tale.second])
    facilitator.settling = () => ({ kind: 'nothing', reply: { status: 429 } })
  const order = tale.sign(single(), { windowSeconds: 900 })
  expect(code(await tale.ask(order))).toBe('facilitator_unavailable')
  setRpcs(tale, 'down')
  expect(tale.row(order)?.status).toBe('claimed')
  await tale.wait(10 * MINUTE_MS)
  expect(noted(tale)).toEqual([])
})
