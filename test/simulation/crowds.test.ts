// Many payments of one payer: what is sent, asked and stored stays within its limits, and nobody else has to wait for it.
import { expect } from 'vitest'
import { type Order, page, pass, single } from './orders.ts'
import { rowsOf } from './stage.ts'
import { beHonest, code, loseReplies } from './stories/telling.ts'
import { BASE, PAYER, POLYGON, type Tale } from './tale.ts'
import { countFrom, DAY_MS, DAY_SECONDS, loseAll, many, refuseAll, settleBy, story } from './trial.ts'

/** A free worker may make no more subrequests for one request. */
const MOST_SUBREQUESTS = 50

const silence = ({ stage }: Tale, silent: string) => {
  for (const [network, { knobs }] of stage.rpcs) if (network === silent) knobs.state = 'silent'
}

story('a hundred and twenty articles in doubt do not keep a payer from the day pass', async (tale) => {
  loseAll(tale)
  const articles = many(120, (i) => tale.sign(single(`/a/${i}`), { windowSeconds: 900 }))
  await Promise.all(articles.map((order) => tale.ask(order)))
  const inDoubt = rowsOf(tale.stage, PAYER).filter(({ status }) => status === 'unknown')
  expect(inDoubt.length).toBeGreaterThan(100)
  beHonest(tale)
  expect(code(await tale.ask(tale.sign(pass(), { windowSeconds: 900 })))).toBe('content')
  expect(tale.stage.logged.map(({ event }) => event)).not.toContain('too_many_steps')
})

/** A dozen articles in doubt, and their network hangs; then a day pass on another. */
async function passBesideSilence(tale: Tale): Promise<Order> {
  loseAll(tale)
  const dead = many(12, (i) => tale.sign(single(`/a/${i}`), { network: POLYGON, windowSeconds: 900 }))
  await Promise.all(dead.map((order) => tale.ask(order, { isBlind: true })))
  beHonest(tale)
  silence(tale, POLYGON)
  return tale.sign(pass(), { network: BASE })
}

for (const seed of ['s0', 's5', 's9']) {
  story(
    `a dozen articles in doubt on a network that hangs: the day pass is bought on another, within one request (${seed})`,
    async (tale) => {
      const day = await passBesideSilence(tale)
      const startMs = tale.stage.world.now()
      expect(code(await tale.ask(day))).toBe('content')
      expect(tale.stage.world.now() - startMs).toBeLessThan(12_000)
      expect([tale.sent(day), tale.isPaid(day)]).toEqual([1, true])
    },
    { seed },
  )
}

story('sixty requests that ask a network that hangs leave room to ask another', async (tale) => {
  loseAll(tale)
  silence(tale, POLYGON)
  const dead = many(60, (i) => tale.sign(single(`/a/${i}`), { network: POLYGON, windowSeconds: 900 }))
  const asking = dead.map((order) => tale.ask(order, { isBlind: true }))
  await tale.wait(6_000)
  loseReplies(tale)
  expect(code(await tale.ask(tale.sign(page('/a/99'), { network: BASE })))).toBe('content')
  await Promise.all(asking)
})

story('a stranger’s contract at the same address on another chain does not use up the held requests', async (tale) => {
  settleBy(tale, ({ chain: { network } }) =>
    network === POLYGON ? { kind: 'nothing', reply: 'silent' } : { kind: 'honest' },
  )
  const strange = many(128, (i) => tale.sign(single(`/a/${i}`), { network: POLYGON, owner: 'code' }))
  const asking = strange.map((order) => tale.ask(order, { isBlind: true }))
  await tale.wait(3_000)
  expect(code(await tale.ask(tale.sign(page('/a/1'), { network: BASE, owner: 'code' })))).toBe('content')
  await Promise.all(asking)
})

story('sixty payments that were never sent are not sent by one request', async (tale) => {
  settleBy(tale, () => ({ kind: 'nothing', reply: { status: 429 } }))
  const orders = many(60, () => tale.sign(single(), { windowSeconds: 900 }))
  await Promise.all(orders.map((order) => tale.ask(order)))
  refuseAll(tale)
  await tale.wait(60_000)
  const sent = tale.sent()
  tale.stage.world.mostMade = 0
  await tale.ask(tale.sign(single()))
  expect(tale.stage.world.mostMade).toBeLessThanOrEqual(MOST_SUBREQUESTS)
  expect(tale.sent() - sent).toBeLessThanOrEqual(10)
})

story('of a hundred signatures of an empty wallet at once a few are sent', async (tale) => {
  refuseAll(tale)
  const orders = many(100, (i) => tale.sign(single(`/a/${i}`)))
  await Promise.all(orders.map((order) => tale.ask(order)))
  expect(tale.sent()).toBeLessThanOrEqual(15)
})

story('a signature of an empty wallet, good for thirty days, is asked about once or twice a day', async (tale) => {
  refuseAll(tale)
  await tale.ask(tale.sign(single(), { windowSeconds: 29 * DAY_SECONDS }))
  const count = countFrom(tale)
  for (let day = 0; day < 31; day++) await tale.wait(DAY_MS)
  expect(count().requests).toBeLessThan(60)
  expect(rowsOf(tale.stage, PAYER)).toEqual([])
})

story(
  'two hundred signatures of an empty wallet, good for thirty days, cost less than a thousand requests a day',
  async (tale) => {
    refuseAll(tale)
    for (let round = 0; round < 2; round++) {
      const orders = many(100, (i) => tale.sign(single(`/a/${round}-${i}`), { windowSeconds: 29 * DAY_SECONDS }))
      await Promise.all(orders.map((order) => tale.ask(order)))
    }
    await tale.wait(DAY_MS)
    const count = countFrom(tale)
    await tale.wait(DAY_MS)
    expect(count().requests).toBeLessThan(1_000)
  },
)

story('after ten refusals in a minute a payment in doubt is waited for all the same', async (tale) => {
  loseAll(tale)
  const order = tale.sign(single('/a/99'), { windowSeconds: 900 })
  await tale.ask(order)
  refuseAll(tale)
  await Promise.all(many(10, (i) => tale.ask(tale.sign(single(`/a/${i}`)))))
  beHonest(tale)
  expect(code(await tale.ask(order))).toBe('settlement_pending')
})

story('with a dozen facilitators a payment is sent', async (tale) => {
  const others = many(10, (i) => `https://facilitator-${i}.example`)
  tale.stage.env = { ...tale.stage.env, FACILITATORS: [tale.first.url, tale.second.url, ...others] }
  expect(code(await tale.ask(tale.sign(single())))).toBe('content')
})
