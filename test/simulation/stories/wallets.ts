// Stories of clever wallets, and of a configuration that changes.
import { single } from '../orders.ts'
import { objectOf } from '../stage.ts'
import { PAYER, POLYGON } from '../tale.ts'
import { code, expect, group, loseReplies, story } from './telling.ts'

group('clever wallets', () => {
  for (const isAsked of [true, false]) {
    story(
      `ten nonces and one transfer, ${isAsked ? 'asked for again' : 'and only the alarm looks'}: one is paid`,
      async (tale) => {
        const orders = Array.from({ length: 10 }, (_, i) => tale.sign(single(`/a/${i}`), { windowSeconds: 900 }))
        for (const facilitator of [tale.first, tale.second])
          facilitator.settling = () => ({ kind: 'nothing', reply: 'lost' })
        await Promise.all(orders.map((order) => tale.ask(order, { hangsUpAfterMs: 3_000 })))
        for (const order of orders) tale.judge.caseOf(order).isExcused = true
        const calls = orders.map(({ authorization }, i) => {
          const nothing = { ...authorization, to: authorization.from, value: 0n }
          tale.chain.authorize(nothing)
          return { kind: 'pay' as const, authorization: i === 9 ? authorization : nothing }
        })
        tale.chain.send(calls)
        await tale.wait(isAsked ? 10_000 : 3_000_000)
        const answers = isAsked ? await Promise.all(orders.map((order) => tale.ask(order))) : []
        expect(answers.filter((answer) => answer.kind === 'content')).toHaveLength(isAsked ? 1 : 0)
        await tale.wait(60_000)
        expect(orders.flatMap(tale.entries)).toHaveLength(1)
      },
    )
  }

  story('a nonce that was spent on a smaller transfer to us has not paid', async (tale) => {
    const order = tale.sign(single())
    tale.first.settling = () => ({ kind: 'nothing', reply: 'lost' })
    await tale.ask(order, { hangsUpAfterMs: 3_000 })
    const less = { ...order.authorization, value: 1n }
    tale.chain.authorize(less)
    tale.chain.send([{ kind: 'pay', authorization: less }])
    await tale.wait(60_000)
    expect(code(await tale.ask(order))).toBe('payment_already_used')
    expect([tale.row(order)?.status, tale.entries(order)]).toEqual(['void', []])
  })

  story(
    'a token with its logs the other way round is believed in nothing',
    async (tale) => {
      const order = tale.sign(single())
      loseReplies(tale)
      expect(code(await tale.ask(order))).toBe('settlement_pending')
      await tale.wait(600_000)
      expect(tale.row(order)?.status).toBe('unknown')
      expect(tale.entries(order)).toEqual([])
    },
    { isReversed: true, calmMs: null },
  )

  story('a payment used before it came is not sold for, and stores nothing', async (tale) => {
    const order = tale.sign(single())
    tale.judge.caseOf(order).isExcused = true
    tale.chain.send([{ kind: 'pay', authorization: order.authorization }])
    await tale.wait(5_000)
    expect(code(await tale.ask(order))).toBe('payment_already_used')
    expect(tale.row(order)).toBeUndefined()
  })

  story('a payment cancelled while it is in doubt can never pay', async (tale) => {
    const order = tale.sign(single())
    tale.first.settling = () => ({ kind: 'nothing', reply: 'lost' })
    await tale.ask(order, { hangsUpAfterMs: 3_000 })
    const { from, nonce } = order.authorization
    tale.chain.send([{ kind: 'cancel', from, nonce }])
    await tale.wait(60_000)
    expect(code(await tale.ask(order))).toBe('payment_already_used')
    expect(tale.row(order)?.status).toBe('void')
  })
})

group('another configuration', () => {
  for (const change of ['PAY_TO', 'NETWORKS'] as const) {
    story(`after a change of ${change} what was paid is still recognised`, async (tale) => {
      const order = tale.sign(single())
      loseReplies(tale)
      await tale.ask(order, { hangsUpAfterMs: 300 })
      await tale.wait(5_000)
      const changed = change === 'PAY_TO' ? { eip155: `0x${'c3'.repeat(20)}` } : [POLYGON]
      tale.stage.env = { ...tale.stage.env, [change]: changed }
      tale.stage.objects.crash(objectOf(PAYER))
      expect(code(await tale.ask(order, { isOffTerms: true }))).toBe('content')
    })
  }

  story('a configuration that does not parse stops neither the ledger nor what follows', async (tale) => {
    const order = tale.sign(single())
    tale.stage.ledger.behave = () => 'refused'
    expect(code(await tale.ask(order))).toBe('content')
    const { env } = tale.stage
    tale.stage.env = { ...env, ROUTES: 'none' }
    tale.stage.objects.crash(objectOf(PAYER))
    tale.stage.ledger.behave = () => 'honest'
    await tale.wait(120_000)
    expect(tale.entries(order)).toHaveLength(1)
    tale.stage.env = env
    tale.stage.objects.crash(objectOf(PAYER))
  })
})
