// Stories of several payments for one wish, and of what an origin carries out.
import { job, month, type Order, page, pass, single } from '../orders.ts'
import { POLYGON } from '../tale.ts'
import { beHonest, code, codes, expect, group, loseReplies, payInTheDark, setRpcs, story } from './telling.ts'

group('two payments for one wish', () => {
  story('an article under a day pass that may have been paid is not sold beside it', async (tale) => {
    const [day, article] = [tale.sign(pass(86_400, 50_000n)), tale.sign(single('/a/7'))]
    await payInTheDark(tale, day)
    expect(code(await tale.ask(article))).toBe('settlement_pending')
    expect(tale.sent(article)).toBe(0)
    setRpcs(tale, 'up')
    expect(code(await tale.ask(article))).toBe('content')
    expect([tale.sent(article), tale.isPaid(article)]).toEqual([0, false])
  })

  story(
    'a day that may have been paid, and then the month: the month is bought, and the day not sent again',
    async (tale) => {
      const [day, more] = [tale.sign(pass()), tale.sign(month())]
      setRpcs(tale, 'down')
      tale.first.settling = () => ({ kind: 'nothing', reply: 'lost' })
      expect(code(await tale.ask(day))).toBe('settlement_pending')
      beHonest(tale)
      setRpcs(tale, 'up')
      const before = tale.sent(day)
      expect(code(await tale.ask(more))).toBe('content')
      expect(code(await tale.ask(day))).toBe('content')
      expect(tale.sent(day)).toBe(before)
    },
  )

  story('fifty cents that may have been paid, and then five: not sold until it is certain', async (tale) => {
    const day = tale.sign(pass())
    setRpcs(tale, 'down')
    tale.first.settling = () => ({ kind: 'nothing', reply: 'lost' })
    expect(code(await tale.ask(day))).toBe('settlement_pending')
    beHonest(tale)
    setRpcs(tale, 'up')
    const sent = tale.sent(day)
    const article = tale.sign(single(), { windowSeconds: 900 })
    expect(code(await tale.ask(article))).toBe('settlement_pending')
    expect([tale.sent(day), tale.sent(article)]).toEqual([sent, 0])
    await tale.wait(400_000)
    expect(code(await tale.ask(article))).toBe('content')
  })

  story('a dear payment that was never sent is left alone, and holds up nothing', async (tale) => {
    const day = tale.sign(pass())
    tale.first.state = 'page'
    tale.second.state = 'page'
    for (const facilitator of [tale.first, tale.second])
      facilitator.settling = () => ({ kind: 'nothing', reply: { status: 429 } })
    tale.first.state = 'up'
    tale.second.state = 'up'
    expect(code(await tale.ask(day))).toBe('facilitator_unavailable')
    beHonest(tale)
    const before = tale.sent(day)
    expect(code(await tale.ask(tale.sign(single())))).toBe('content')
    expect([tale.sent(day), tale.isPaid(day)]).toEqual([before, false])
  })

  story('a covered payment that its signer sends is settled, and marked for refund', async (tale) => {
    expect(code(await tale.ask(tale.sign(pass())))).toBe('content')
    const article = tale.sign(single('/a/5'), { windowSeconds: 900 })
    tale.judge.caseOf(article).isExcused = true
    expect(code(await tale.ask(article))).toBe('content')
    expect(tale.sent(article)).toBe(0)
    tale.chain.send([{ kind: 'pay', authorization: article.authorization }])
    await tale.wait(2_400_000)
    expect(tale.entries(article).map(({ remark }) => remark)).toEqual(['refund_due'])
  })

  story('two copies of a payment wait for the same earlier one', async (tale) => {
    tale.first.settling = () => ({ kind: 'honest', afterMs: 8_000 })
    const day = tale.sign(pass(86_400, 50_000n))
    const bought = tale.ask(day)
    await tale.wait(1_000)
    const article = tale.sign(single('/a/3'), { identifier: 'a-name-of-sixteen' })
    const answers = await Promise.all([tale.ask(article), tale.ask(article), bought])
    expect(codes(answers)).toEqual(['content', 'content', 'content'])
    expect(tale.sent()).toBe(1)
  })

  story('bought on one network, asked for with a payment on another: not settled', async (tale) => {
    expect(code(await tale.ask(tale.sign(page())))).toBe('content')
    const other = tale.sign(page(), { network: POLYGON })
    expect(code(await tale.ask(other))).toBe('content')
    expect(tale.sent()).toBe(1)
  })

  story('a stranger’s contract at the same address on another chain owns nothing, and squats nothing', async (tale) => {
    const identifier = 'one-and-the-same-name'
    expect(code(await tale.ask(tale.sign(page(), { identifier })))).toBe('content')
    const other = tale.sign(page(), { network: POLYGON, owner: 'code', identifier })
    expect(code(await tale.ask(other))).toBe('content')
    expect(tale.sent(other)).toBe(1)
  })

  story(
    'a smart account that signs one authorization twice, as a key and through its code, has paid once',
    async (tale) => {
      const order = tale.sign(single())
      const twin: Order = { ...order, owner: 'code', verified: { ...order.verified, owner: 'code' } }
      expect(code(await tale.ask(order))).toBe('content')
      await tale.wait(1_000)
      expect(code(await tale.ask(twin))).toBe('payment_already_used')
      expect(tale.sent()).toBe(1)
    },
  )

  story('a wait for an earlier payment does not outlast the request', async (tale) => {
    setRpcs(tale, 'down')
    tale.first.settling = () => ({ kind: 'nothing', reply: 'silent' })
    const day = tale.sign(pass(86_400, 50_000n))
    await tale.ask(day, { hangsUpAfterMs: 1_000 })
    const started = tale.stage.world.now()
    expect(code(await tale.ask(tale.sign(single())))).toBe('settlement_pending')
    expect(tale.stage.world.now() - started).toBeLessThan(28_000)
    setRpcs(tale, 'up')
  })
})

group('what an origin carries out', () => {
  story('with an identifier, passed on to another signature: three runs for one settlement', async (tale) => {
    const first = tale.sign(job(), { identifier: 'first-identifier-1' })
    loseReplies(tale)
    await tale.ask(first, { hangsUpAfterMs: 300 })
    await tale.wait(20_000)
    const second = tale.sign(job(), { identifier: 'second-identifier-2' })
    const runs = []
    for (let i = 0; i < 6; i++) {
      runs.push(code(await tale.ask(i % 2 === 0 ? second : first, { originFails: true })))
      await tale.wait(1_000)
    }
    expect(runs.filter((one) => one === 'content')).toHaveLength(3)
    expect(tale.sent()).toBe(1)
  })

  story('what was carried out is not carried out for another payment', async (tale) => {
    await tale.ask(tale.sign(job()), { originFails: true })
    await tale.wait(1_000)
    expect(code(await tale.ask(tale.sign(job())))).toBe('content')
    expect(tale.sent()).toBe(2)
  })

  story('it landed after its 503, and is signed again: one charge', async (tale) => {
    const order = tale.sign(job())
    tale.first.settling = () => ({ kind: 'settles, but', reply: 'lost', afterMs: 27_000 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    beHonest(tale)
    await tale.wait(10_000)
    expect(code(await tale.ask(tale.sign(job())))).toBe('content')
    expect(tale.sent()).toBe(1)
  })
})
