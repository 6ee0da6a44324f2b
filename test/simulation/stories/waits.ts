// Stories of what becomes true while a payment waits: for its turn, for a look, for a facilitator.
import { page, single } from '../orders.ts'
import { SOLANA_PAY_TO } from '../solana-orders.ts'
import { objectOf } from '../stage.ts'
import { PAYER, type Tale } from '../tale.ts'
import { beHonest, code, codes, expect, group, story } from './telling.ts'

/** Facilitators that do not look at what they are sent. */
const turnAway = ({ first, second }: Tale): void => {
  for (const facilitator of [first, second]) facilitator.settling = () => ({ kind: 'nothing', reply: { status: 429 } })
}
const settleAfter = ({ first, second }: Tale, delayOf: (nonce: string) => number): void => {
  for (const facilitator of [first, second])
    facilitator.settling = ({ authorization: { nonce } }) => ({ kind: 'honest', afterMs: delayOf(nonce) })
}
/** Payments for other pages, which take the turns. */
const others = (tale: Tale, count: number) =>
  Array.from({ length: count }, (_, i) => tale.ask(tale.sign(single(`/a/${i + 2}`), { windowSeconds: 900 })))
const long = { windowSeconds: 900 }

group('while it waits', () => {
  for (const copies of [0, 1]) {
    story(`a day is bought while an earlier payment waits for its turn, ${copies} copies: not sent`, async (tale) => {
      const earlier = tale.sign(single('/a/1'), long)
      turnAway(tale)
      expect(code(await tale.ask(earlier))).toBe('facilitator_unavailable')
      const day = tale.sign(page('/a/1'), long)
      settleAfter(tale, (nonce) => (nonce === day.authorization.nonce ? 3_000 : 12_000))
      const bought = tale.ask(day)
      await tale.wait(300)
      const elsewhere = others(tale, 5)
      await tale.wait(1_000)
      const before = tale.sent(earlier)
      const second = tale.sign(single('/a/1'), long)
      const waiting = tale.ask(second)
      expect(code(await bought)).toBe('content')
      await tale.wait(200)
      for (let i = 0; i < copies; i++) expect(code(await tale.ask(second))).toBe('content')
      await Promise.all([...elsewhere, waiting])
      await tale.wait(30_000)
      expect([tale.sent(earlier) - before, ...[earlier, day, second].map(tale.isPaid)]).toEqual([0, false, true, false])
    })

    story(`a day is bought while an earlier payment is looked at, ${copies} copies: not sent`, async (tale) => {
      const earlier = tale.sign(single('/a/1'), long)
      tale.rpc.knobs.state = 'silent'
      for (const facilitator of [tale.first, tale.second])
        facilitator.settling = () => ({ kind: 'nothing', reply: 'lost' })
      expect(code(await tale.ask(earlier))).toBe('settlement_pending')
      await tale.wait(2_000)
      beHonest(tale)
      const before = tale.sent(earlier)
      const day = tale.sign(page('/a/1'), long)
      const second = tale.sign(single('/a/1'), long)
      const bought = tale.ask(day, { isBlind: true })
      await tale.wait(4_500)
      const waiting = tale.ask(second, { isBlind: true })
      expect(code(await bought)).toBe('content')
      for (let i = 0; i < copies; i++) expect(code(await tale.ask(second, { isBlind: true }))).toBe('content')
      await waiting
      tale.rpc.knobs.state = 'up'
      await tale.wait(10_000)
      expect([tale.sent(earlier) - before, tale.isPaid(earlier)]).toEqual([0, false])
    })
  }

  story('the payment it is sent for turns out to have landed: the earlier one is not sent', async (tale) => {
    const own = tale.sign(page('/a/1'), long)
    tale.judge.caseOf(own).isExcused = true
    tale.first.settling = () => ({ kind: 'refuses', reason: 'insufficient_funds', settlesAfterMs: 30_000 })
    expect(code(await tale.ask(own))).toBe('insufficient_funds')
    const startMs = tale.stage.world.now()
    turnAway(tale)
    const earlier = tale.sign(page('/a/1'), long)
    expect(code(await tale.ask(earlier))).toBe('facilitator_unavailable')
    const before = tale.sent(earlier)
    settleAfter(tale, () => 22_000)
    await tale.wait(27_000 - (tale.stage.world.now() - startMs))
    const elsewhere = others(tale, 5)
    await tale.wait(500)
    const answer = code(await tale.ask(own))
    await Promise.all(elsewhere)
    await tale.wait(30_000)
    expect([answer, tale.isPaid(own), tale.sent(earlier) - before]).toEqual(['content', true, 0])
  })

  story('the reader of an earlier copy goes while this one waits for its turn: one charge', async (tale) => {
    const [one, two] = [tale.sign(single('/a/1'), long), tale.sign(single('/a/1'), long)]
    const quick = tale.sign(single('/a/9'), long)
    settleAfter(tale, (nonce) => (nonce === quick.authorization.nonce ? 4_000 : 12_000))
    const gone = tale.ask(one, { hangsUpAfterMs: 2_000 })
    const elsewhere = [...others(tale, 3), tale.ask(quick)]
    await tale.wait(1_000)
    const answer = code(await tale.ask(two))
    await Promise.all([gone, ...elsewhere])
    expect([answer, tale.sent(two), tale.isPaid(one), tale.isPaid(two)]).toEqual(['content', 0, true, false])
  })

  story(
    'a row whose terms cannot be read takes no turn for ever',
    async (tale) => {
      const order = tale.sign(single('/a/1'), long)
      turnAway(tale)
      expect(code(await tale.ask(order))).toBe('facilitator_unavailable')
      beHonest(tale)
      tale.stage.objects.disk(objectOf(PAYER)).read("UPDATE payments SET terms = '{}' RETURNING key")
      // What an object has read it still knows.
      tale.stage.objects.crash(objectOf(PAYER))
      for (let i = 0; i < 5; i++) await tale.ask(order)
      expect(code(await tale.ask(tale.sign(single('/a/2'), long)))).toBe('content')
    },
    { calmMs: null, sleepsAfterMs: null },
  )
})

group('refused, and asked for again', () => {
  const refusedOnce = async (tale: Tale) => {
    tale.first.settling = () => ({ kind: 'refuses', reason: 'insufficient_funds' })
    const order = tale.sign(single(), long)
    expect(code(await tale.ask(order))).toBe('insufficient_funds')
    return order
  }

  for (const state of ['page', 'silent'] as const) {
    story(`nobody is there (${state}): no challenge, since nobody has refused it now`, async (tale) => {
      const order = await refusedOnce(tale)
      for (const facilitator of [tale.first, tale.second]) facilitator.state = state
      expect(code(await tale.ask(order))).toBe('facilitator_unavailable')
      for (const facilitator of [tale.first, tale.second]) facilitator.state = 'up'
      beHonest(tale)
      expect(code(await tale.ask(order))).toBe('content')
    })
  }

  story('no turn comes: not refused a second time', async (tale) => {
    const order = await refusedOnce(tale)
    const before = tale.sent(order)
    settleAfter(tale, () => 26_000)
    const elsewhere = others(tale, 5)
    await tale.wait(100)
    expect(code(await tale.ask(order))).toBe('payment_in_progress')
    await Promise.all(elsewhere)
    expect(tale.sent(order) - before).toBe(0)
  })

  story('the configuration cannot be read: not refused a second time', async (tale) => {
    const order = await refusedOnce(tale)
    const { env } = tale.stage
    tale.stage.env = { ...env, ROUTES: 'none' }
    tale.stage.objects.crash(objectOf(PAYER))
    const answer = code(await tale.ask(order))
    tale.stage.env = env
    tale.stage.objects.crash(objectOf(PAYER))
    expect(answer).toBe('unavailable')
  })

  story('never sent, and all facilitators are silent and known to be: told at once', async (tale) => {
    for (const facilitator of [tale.first, tale.second]) facilitator.state = 'page'
    for (const path of ['/a/1', '/a/2', '/a/3']) await tale.ask(tale.sign(single(path)))
    for (const facilitator of [tale.first, tale.second]) facilitator.state = 'silent'
    const order = tale.sign(single('/a/4'))
    const answer = code(await tale.ask(order))
    expect([answer, tale.row(order)?.status, tale.row(order)?.sent]).toEqual(['facilitator_unavailable', 'claimed', 0])
    for (const facilitator of [tale.first, tale.second]) facilitator.state = 'up'
  })

  story('the first of six refused payments is broadcast: the seventh is not charged', async (tale) => {
    tale.first.settling = () => ({ kind: 'refuses', reason: 'insufficient_funds' })
    const orders = Array.from({ length: 6 }, () => tale.sign(page('/a/1'), long))
    const answers = []
    for (const order of orders) answers.push(await tale.ask(order))
    expect(codes(answers)).toEqual(orders.map(() => 'insufficient_funds'))
    const [first] = orders
    if (!first) return
    tale.judge.caseOf(first).isExcused = true
    tale.chain.send([{ kind: 'pay', authorization: first.authorization }])
    await tale.wait(5_000)
    beHonest(tale)
    const last = tale.sign(page('/a/1'), long)
    expect([code(await tale.ask(last)), tale.isPaid(last)]).toEqual(['content', false])
  })

  story('another has paid for a day, and it lands after all: its money is owed back', async (tale) => {
    const order = tale.sign(page('/a/1'), long)
    tale.judge.caseOf(order).isExcused = true
    tale.first.settling = () => ({ kind: 'refuses', reason: 'insufficient_funds' })
    expect(code(await tale.ask(order))).toBe('insufficient_funds')
    beHonest(tale)
    expect(code(await tale.ask(tale.sign(page('/a/1'), long)))).toBe('content')
    tale.chain.send([{ kind: 'pay', authorization: order.authorization }])
    await tale.wait(3_600_000)
    expect(tale.entries(order).map(({ remark }) => remark)).toEqual(['refund_due'])
  })
})

group('what may not be sent today', () => {
  for (const change of ['PAY_TO', 'NETWORKS'] as const) {
    story(`after a change of ${change} an earlier payment is not sent because of another`, async (tale) => {
      const network = change === 'NETWORKS' ? 'eip155:137' : 'eip155:8453'
      const earlier = tale.sign(single('/a/1'), { ...long, network })
      turnAway(tale)
      expect(code(await tale.ask(earlier))).toBe('facilitator_unavailable')
      const before = tale.sent(earlier)
      beHonest(tale)
      const payTo = `0x${'c3'.repeat(20)}` as const
      tale.stage.env = {
        ...tale.stage.env,
        [change]: change === 'PAY_TO' ? { eip155: payTo, solana: SOLANA_PAY_TO } : ['eip155:8453'],
      }
      tale.stage.objects.crash(objectOf(PAYER))
      await tale.wait(1_000)
      expect(code(await tale.ask(earlier, { isOffTerms: true }))).toBe('invalid_payment_requirements')
      const next = tale.sign(single('/a/1'), { ...long, ...(change === 'PAY_TO' ? { payTo } : {}) })
      expect(code(await tale.ask(next))).toBe('content')
      expect([tale.sent(earlier) - before, tale.isPaid(earlier)]).toEqual([0, false])
    })
  }

  story('never sent, and its window over: it holds up no other purchase while the RPC is down', async (tale) => {
    const earlier = tale.sign(single('/a/1'), { windowSeconds: 300 })
    turnAway(tale)
    expect(code(await tale.ask(earlier))).toBe('facilitator_unavailable')
    tale.rpc.knobs.state = 'lost'
    beHonest(tale)
    await tale.wait(3_600_000)
    const answer = code(await tale.ask(tale.sign(single('/a/1'))))
    tale.rpc.knobs.state = 'up'
    expect(answer).toBe('content')
  })
})
