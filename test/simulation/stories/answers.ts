// Stories of single answers: handed out, taken back, asked for again.
import { single } from '../orders.ts'
import { objectOf } from '../stage.ts'
import { PAYER } from '../tale.ts'
import { beHonest, code, codes, expect, group, story } from './telling.ts'

group('single answers', () => {
  story('while an answer is on its way for a minute and a half, the next payments are settled, each', async (tale) => {
    const [one, two, three] = [tale.sign(single()), tale.sign(single()), tale.sign(single())]
    const slow = tale.ask(one, { streamMs: 90_000 })
    await tale.wait(35_000)
    const second = tale.ask(two, { streamMs: 90_000 })
    await tale.wait(35_000)
    const third = tale.ask(three)
    expect(codes(await Promise.all([slow, second, third]))).toEqual(['content', 'content', 'content'])
    expect([one, two, three].map(tale.isPaid)).toEqual([true, true, true])
  })

  story('the same payment is not served a second time while its answer is on its way, however long', async (tale) => {
    const order = tale.sign(single())
    const slow = tale.ask(order, { streamMs: 120_000 })
    await tale.wait(70_000)
    expect(code(await tale.ask(order))).toBe('payment_in_progress')
    await slow
    await tale.wait(1_000)
    expect(code(await tale.ask(order))).toBe('payment_already_used')
  })

  story('of two copies of a payment one hangs up: the other gets the content', async (tale) => {
    tale.first.settling = () => ({ kind: 'honest', afterMs: 5_000 })
    const order = tale.sign(single())
    const gone = tale.ask(order, { hangsUpAfterMs: 2_000 })
    expect(code(await tale.ask(order))).toBe('content')
    await gone
    expect(tale.sent()).toBe(1)
  })

  story('a payment opens one page, and none beside it', async (tale) => {
    const order = tale.sign(single())
    await tale.ask(order, { originFails: true })
    await tale.wait(1_000)
    expect(code(await tale.ask(order, { at: '/a/2' }))).toBe('payment_already_used')
    expect(code(await tale.ask(order))).toBe('content')
  })

  story(
    'a worker dies while it hands out: a minute later the content is there again',
    async (tale) => {
      const order = tale.sign(single())
      await tale.ask(order, { streamMs: 60_000, diesAfterMs: 10_000 })
      await tale.wait(60_000)
      const startMs = tale.stage.world.now()
      expect(code(await tale.ask(order))).toBe('content')
      expect(tale.stage.world.now() - startMs).toBeLessThan(2_000)
    },
    { sleepsAfterMs: null },
  )

  story('an answer whose reader hung up pays for the next signature', async (tale) => {
    tale.first.settling = () => ({ kind: 'honest', afterMs: 5_000 })
    await tale.ask(tale.sign(single()), { hangsUpAfterMs: 2_000 })
    await tale.wait(20_000)
    expect(code(await tale.ask(tale.sign(single())))).toBe('content')
    expect(tale.sent()).toBe(1)
  })

  story('a hang-up that is told twice takes back one handout, not two', async (tale) => {
    const order = tale.sign(single())
    // The first handout is out for a reader whose worker has died: nobody has taken it back.
    await tale.ask(order, { streamMs: 60_000, diesAfterMs: 20_000 })
    await tale.wait(60_000)
    // The second is granted as its reader hangs up, which both ends of the worker report.
    const object = objectOf(PAYER)
    await tale.ask(order, { originFails: true })
    await tale.wait(1_000)
    const row = tale.row(order)
    const payers = tale.stage.objects.binding.getByName(object)
    await payers.released?.({ protocol: 1, key: order.key, number: 2 })
    expect([row?.handouts, tale.row(order)?.released]).toEqual([2, row?.released])
    expect(code(await tale.ask(tale.sign(single())))).toBe('content')
    expect(tale.sent()).toBe(2)
  })

  story('what may have been paid is not sent again once another payment has paid for the page', async (tale) => {
    const [one, two] = [tale.sign(single()), tale.sign(single())]
    tale.first.settling = ({ authorization: { nonce } }) =>
      nonce === one.authorization.nonce ? { kind: 'honest', afterMs: 6_000 } : { kind: 'nothing', reply: 'lost' }
    const gone = tale.ask(one, { hangsUpAfterMs: 5_000 })
    await tale.wait(500)
    await tale.ask(two, { hangsUpAfterMs: 4_000 })
    await gone
    await tale.wait(60_000)
    beHonest(tale)
    const before = tale.sent(two)
    const answer = await tale.ask(two)
    expect([code(answer), tale.sent(two)]).toEqual(['content', before])
  })
})
