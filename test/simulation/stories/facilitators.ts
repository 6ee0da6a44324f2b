// Stories of facilitators that fail, hide or refuse, and what is said to the payer.
import { single } from '../orders.ts'
import { objectOf } from '../stage.ts'
import { PAYER } from '../tale.ts'
import { beHonest, code, expect, group, loseReplies, payInTheDark, setRpcs, story } from './telling.ts'

group('facilitators', () => {
  story('one may have got it, the other refuses: no challenge, and one charge in the end', async (tale) => {
    setRpcs(tale, 'down')
    tale.first.settling = () => {
      tale.first.state = 'silent'
      return { kind: 'settles, but', reply: 'lost' }
    }
    tale.second.settling = () => ({ kind: 'refuses', reason: 'insufficient_funds' })
    const order = tale.sign(single())
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    expect([tale.first.settles.length, tale.second.settles.length]).toEqual([1, 1])
    setRpcs(tale, 'up')
    expect(code(await tale.ask(order))).toBe('content')
  })

  for (const reply of ['page', 'lost', 'silent'] as const) {
    story(`the answer of a settlement is ${reply}: the chain is asked, and the content comes`, async (tale) => {
      loseReplies(tale, reply)
      expect(code(await tale.ask(tale.sign(single())))).toBe('content')
      expect(tale.sent()).toBe(1)
    })
  }

  story('all are down three times, and then up: bought', async (tale) => {
    tale.first.state = 'lost'
    tale.second.state = 'page'
    const order = tale.sign(single(), { windowSeconds: 900 })
    for (let i = 0; i < 3; i++) {
      expect(code(await tale.ask(order))).toBe('facilitator_unavailable')
      await tale.wait(5_000)
    }
    tale.first.state = 'up'
    tale.second.state = 'up'
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('all are down, somebody else broadcast it, and the logs lag: the content comes', async (tale) => {
    for (const facilitator of [tale.first, tale.second]) facilitator.state = 'page'
    for (const path of ['/a/1', '/a/2', '/a/3']) await tale.ask(tale.sign(single(path)))
    // By now they are known to be down, and it has not left the house.
    const order = tale.sign(single('/a/4'))
    expect(code(await tale.ask(order))).toBe('facilitator_unavailable')
    expect(tale.row(order)?.status).toBe('claimed')
    tale.chain.send([{ kind: 'pay', authorization: order.authorization }])
    await tale.wait(3_000)
    tale.rpc.knobs.dropsLogs = true
    const asked = tale.ask(order)
    await tale.wait(8_000)
    tale.rpc.knobs.dropsLogs = false
    expect(code(await asked)).toBe('content')
  })

  story('asked for again after it has landed, it is not sent again', async (tale) => {
    const order = tale.sign(single())
    await payInTheDark(tale, order)
    setRpcs(tale, 'up')
    expect(code(await tale.ask(order))).toBe('content')
    expect(tale.sent()).toBe(1)
  })

  story(
    'the object dies in the middle of a sending that came to nothing: the next request sends it again',
    async (tale) => {
      const order = tale.sign(single())
      tale.first.settling = () => ({ kind: 'nothing', reply: 'silent' })
      const asked = tale.ask(order, { hangsUpAfterMs: 4_000 })
      await tale.wait(2_000)
      tale.stage.objects.crash(objectOf(PAYER), { isRetryable: false })
      await asked
      beHonest(tale)
      expect(code(await tale.ask(order))).toBe('content')
    },
  )

  story('a payment that verifies and always fails on chain is refused, and not sent for ever', async (tale) => {
    tale.first.settling = () => ({ kind: 'fails on chain' })
    const order = tale.sign(single(), { windowSeconds: 900 })
    const answers = []
    for (let i = 0; i < 8; i++) {
      answers.push(code(await tale.ask(order)))
      await tale.wait(30_000)
    }
    expect(answers).toContain('invalid_transaction_state')
    expect(tale.sent()).toBeLessThanOrEqual(3)
  })

  story('the answer comes after twenty-five seconds: it counts', async (tale) => {
    setRpcs(tale, 'down')
    tale.first.settling = () => ({ kind: 'honest', afterMs: 26_000 })
    const order = tale.sign(single())
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(5_000)
    expect(tale.row(order)?.status).toBe('settled')
    setRpcs(tale, 'up')
    expect(code(await tale.ask(order))).toBe('content')
    expect(tale.sent()).toBe(1)
  })

  story('a refusal by policy that names a transaction is no refusal until the chain agrees', async (tale) => {
    tale.first.settling = () => ({
      kind: 'refuses',
      reason: 'blocked',
      transaction: `0x${'ab'.repeat(32)}`,
      settlesAfterMs: 70_000,
    })
    const order = tale.sign(single())
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(30_000)
    expect(code(await tale.ask(order))).toBe('content')
  })

  for (const names of [true, false]) {
    story(`it is pending, and a transaction is ${names ? '' : 'not '}named`, async (tale) => {
      tale.first.settling = () => ({ kind: 'pending', names, afterMs: 40_000 })
      const order = tale.sign(single())
      const answer = await tale.ask(order)
      expect(code(answer)).toBe('settlement_pending')
      const named = answer.kind === 'refused' ? (answer.refusal.transaction ?? '') : ''
      expect(named !== '').toBe(names)
      await tale.wait(30_000)
      expect(code(await tale.ask(order))).toBe('content')
      expect(tale.sent()).toBe(1)
    })
  }

  story('one transaction named for two payments pays for one', async (tale) => {
    const [one, two] = [tale.sign(single('/a/1')), tale.sign(single('/a/2'))]
    expect(code(await tale.ask(one))).toBe('content')
    const transaction = String(tale.row(one)?.tx)
    tale.first.settling = () => ({ kind: 'claims', transaction })
    expect(code(await tale.ask(two))).not.toBe('content')
    expect(tale.entries(two)).toEqual([])
  })

  story('sent twice, and refused the second time: the first may still land', async (tale) => {
    setRpcs(tale, 'down')
    const order = tale.sign(single())
    loseReplies(tale)
    tale.first.settling = () => ({ kind: 'settles, but', reply: 'lost', afterMs: 60_000 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    tale.first.settling = () => ({ kind: 'refuses', reason: 'insufficient_funds' })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    setRpcs(tale, 'up')
    await tale.wait(30_000)
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('said to have failed, and broadcast a moment later: no challenge', async (tale) => {
    tale.first.settling = () => ({ kind: 'refuses', reason: 'transaction_simulation_failed', settlesAfterMs: 9_000 })
    const order = tale.sign(single())
    const answers = [code(await tale.ask(order)), code(await tale.ask(order))]
    expect(answers.filter((one) => !['content', 'settlement_pending', 'payment_already_used'].includes(one))).toEqual(
      [],
    )
    expect(answers).toContain('content')
  })

  story('a refused payment lands while the chain says nothing: it is not forgotten', async (tale) => {
    const order = tale.sign(single())
    tale.judge.caseOf(order).isExcused = true
    tale.first.settling = () => ({ kind: 'refuses', reason: 'insufficient_funds', settlesAfterMs: 60_000 })
    expect(code(await tale.ask(order))).toBe('insufficient_funds')
    setRpcs(tale, 'down')
    await tale.wait(6 * 3_600_000)
    setRpcs(tale, 'up')
    await tale.wait(2 * 3_600_000)
    expect(tale.entries(order)).toHaveLength(1)
  })

  story('a refusal that was wrong: before another signature pays, the chain is asked about the first', async (tale) => {
    const order = tale.sign(single())
    tale.judge.caseOf(order).isExcused = true
    tale.first.settling = () => ({ kind: 'refuses', reason: 'insufficient_funds', settlesAfterMs: 5_000 })
    expect(code(await tale.ask(order))).toBe('insufficient_funds')
    beHonest(tale)
    await tale.wait(15_000)
    expect(code(await tale.ask(tale.sign(single())))).toBe('content')
    expect(tale.sent()).toBe(1)
  })
})
