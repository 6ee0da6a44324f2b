// Stories of Solana: messages that land once or never, facilitators that forget, nodes that lag, forks, and dust.

import type { Settling } from '../facilitator.ts'
import { type Order, pass, single } from '../orders.ts'
import { objectOf } from '../stage.ts'
import { PAYER, SOLANA_PAYER, type Tale } from '../tale.ts'
import { code, codes, expect, group, setRpcs, story } from './telling.ts'

const settleBy = ({ first, second }: Tale, settling: Settling): void => {
  for (const facilitator of [first, second]) facilitator.settlingMessage = () => settling
}
const LOST = { kind: 'settles, but', reply: 'lost' } as const
const NOTHING = { kind: 'nothing', reply: 'lost' } as const
/** It can never pay any more, and nobody asks about it. */
const expectDead = (tale: Tale, order: Order): void => {
  const { status, reason, look_at } = tale.row(order) ?? {}
  expect([status, reason, look_at]).toEqual(['refused', 'settle_exact_svm_block_height_exceeded', null])
}
/** Until a message is over for certain: 450 blocks, two more looks, and what is finalized lags. */
const OVER_MS = 480_000

group('on Solana', () => {
  story('an article is bought, once, and by the key that signed alone', async (tale) => {
    const order = tale.signOnSolana(single())
    expect(code(await tale.ask(order))).toBe('content')
    expect(code(await tale.ask(order))).toBe('payment_already_used')
    expect([tale.sent(order), tale.stage.objects.names()]).toEqual([1, [`solana:${SOLANA_PAYER.address}`]])
    await tale.wait(60_000)
    expect(tale.row(order)?.position).toBe(2)
  })

  story('a key there and a key of EVM are two persons, who buy side by side', async (tale) => {
    expect(code(await tale.ask(tale.signOnSolana(pass())))).toBe('content')
    expect(code(await tale.ask(tale.sign(pass())))).toBe('content')
    expect(tale.sent()).toBe(2)
    expect(tale.stage.objects.names().sort()).toEqual([objectOf(PAYER), objectOf(SOLANA_PAYER.address)].sort())
  })

  for (const reply of ['lost', 'silent', 'page'] as const) {
    story(`the answer is ${reply}: the payment is found in seconds`, async (tale) => {
      settleBy(tale, { kind: 'settles, but', reply })
      const order = tale.signOnSolana(single())
      const startMs = tale.stage.world.now()
      expect(code(await tale.ask(order))).toBe('content')
      expect(tale.stage.world.now() - startMs).toBeLessThan(15_000)
      expect(tale.sent(order)).toBe(1)
    })
  }

  for (const memory of ['remembers', 'waits', 'simulates'] as const) {
    story(`sent again to a facilitator that ${memory}, it is paid once`, async (tale) => {
      tale.first.memory = memory
      tale.first.settlingMessage = ({ number }) => (number > 1 ? { kind: 'honest' } : { ...LOST, afterMs: 30_000 })
      const order = tale.signOnSolana(single())
      expect(code(await tale.ask(order))).toBe('settlement_pending')
      expect(code(await tale.ask(order))).toBe('content')
    })
  }

  story('nobody can say for three minutes; then it is dead, and another signature pays', async (tale) => {
    settleBy(tale, NOTHING)
    const order = tale.signOnSolana(single(), { windowSeconds: 600 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(100_000)
    expect(tale.row(order)?.status).toBe('unknown')
    await tale.wait(300_000)
    expectDead(tale, order)
    settleBy(tale, { kind: 'honest' })
    expect(code(await tale.ask(order))).toBe('settle_exact_svm_block_height_exceeded')
    expect(code(await tale.ask(tale.signOnSolana(single())))).toBe('content')
    expect(tale.sent(order)).toBe(1)
  })

  for (const reason of ['transaction_failed', 'duplicate_settlement', 'settle_exact_svm_block_height_exceeded']) {
    story(`"${reason}" is no refusal while it may land`, async (tale) => {
      settleBy(tale, { kind: 'refuses', reason, settlesAfterMs: 40_000 })
      const order = tale.signOnSolana(single())
      expect(code(await tale.ask(order))).toBe('settlement_pending')
      await tale.wait(30_000)
      expect(code(await tale.ask(order))).toBe('content')
    })
  }

  story('a simulation that fails after a sending which nobody heard of is no refusal', async (tale) => {
    tale.first.settlingMessage = ({ number }) =>
      number === 1
        ? { ...LOST, afterMs: 50_000 }
        : { kind: 'refuses', reason: 'invalid_exact_svm_transaction_simulation_failed' }
    const order = tale.signOnSolana(single())
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(10_000)
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('a success that names another’s transaction is not believed', async (tale) => {
    const paid = tale.signOnSolana(single('/a/2'))
    expect(code(await tale.ask(paid))).toBe('content')
    settleBy(tale, { kind: 'claims', transaction: String(tale.row(paid)?.tx) })
    const order = tale.signOnSolana(single())
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    expect(tale.row(order)?.tx).toBe('')
  })

  story('a wallet without money is told so at once, and may pay again', async (tale) => {
    const order = tale.signOnSolana(single('/a/1', 10n ** 13n))
    expect(code(await tale.ask(order))).toBe('invalid_exact_svm_transaction_simulation_failed')
    expect(code(await tale.ask(tale.signOnSolana(single())))).toBe('content')
  })

  story('it landed and failed: refused once that is final, and never sent again', async (tale) => {
    settleBy(tale, { kind: 'fails on chain' })
    const order = tale.signOnSolana(single(), { windowSeconds: 600 })
    expect(code(await tale.ask(order))).toBe('invalid_exact_svm_transaction_failed')
    settleBy(tale, { kind: 'honest' })
    expect(code(await tale.ask(order))).toBe('invalid_exact_svm_transaction_failed')
    expect([tale.sent(order), tale.row(order)?.look_at]).toEqual([1, null])
    expect(code(await tale.ask(tale.signOnSolana(single())))).toBe('content')
  })

  story('only the facilitator whose key pays the fee gets it, also when it is down', async (tale) => {
    tale.first.state = 'lost'
    const order = tale.signOnSolana(single())
    expect(code(await tale.ask(order))).toBe('facilitator_unavailable')
    expect(tale.second.settles.length).toBe(0)
    tale.first.state = 'up'
    expect(code(await tale.ask(order))).toBe('content')
    const other = tale.signOnSolana(single('/a/2'), { facilitator: tale.second.url })
    expect(code(await tale.ask(other))).toBe('content')
    expect([tale.first.settles.length, tale.second.settles.length]).toEqual([1, 1])
  })

  story('what its facilitator landed before it was first seen is paid here, once', async (tale) => {
    const order = tale.signOnSolana(single())
    tale.stage.solana.chain.send(order.mark)
    await tale.wait(30_000)
    settleBy(tale, { kind: 'refuses', reason: 'duplicate_settlement' })
    expect(code(await tale.ask(order))).toBe('content')
    expect(code(await tale.ask(order, { at: '/a/2' }))).toBe('payment_already_used')
  })

  story('a node far behind at the claim does not end a payment early', async (tale) => {
    const { knobs } = tale.stage.solana.rpc
    knobs.lags = [5_000]
    settleBy(tale, { ...LOST, afterMs: 55_000 })
    const order = tale.signOnSolana(single(), { windowSeconds: 600, ageBlocks: 0 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    knobs.lags = [0]
    await tale.wait(20_000)
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('nodes that lag by turns hide nothing, and end nothing', async (tale) => {
    tale.stage.solana.rpc.knobs.lags = [0, 700, 3]
    settleBy(tale, LOST)
    const order = tale.signOnSolana(single())
    await tale.ask(order)
    await tale.wait(OVER_MS)
    expect(code(await tale.ask(order))).not.toBe('settle_exact_svm_block_height_exceeded')
    expect(tale.isPaid(order)).toBe(true)
  })

  story('a node that keeps nothing says nothing; with its history back the payment is found', async (tale) => {
    const { knobs } = tale.stage.solana.rpc
    setRpcs(tale, 'down')
    settleBy(tale, LOST)
    const order = tale.signOnSolana(single(), { windowSeconds: 600 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    setRpcs(tale, 'up')
    knobs.keepsSlots = 20
    await tale.wait(OVER_MS)
    expect(tale.row(order)?.status).toBe('unknown')
    knobs.keepsSlots = Number.POSITIVE_INFINITY
    await tale.wait(OVER_MS)
    expect(tale.row(order)?.status).toBe('settled')
  })

  story('behind a stranger’s dust, on a node without memos, the payment is found', async (tale) => {
    const { rpc, chain } = tale.stage.solana
    setRpcs(tale, 'down')
    settleBy(tale, LOST)
    const order = tale.signOnSolana(single(), { windowSeconds: 600 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    chain.dust(SOLANA_PAYER.source, 40)
    rpc.knobs.leavesOutMemos = true
    rpc.knobs.mostListed = 7
    setRpcs(tale, 'up')
    await tale.wait(2 * OVER_MS)
    expect(tale.row(order)?.status).toBe('settled')
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('a fork takes the payment away before anybody heard of it: it is dead, and not served', async (tale) => {
    settleBy(tale, LOST)
    setRpcs(tale, 'down')
    const order = tale.signOnSolana(single(), { windowSeconds: 600 })
    expect(code(await tale.ask(order, { hangsUpAfterMs: 3_000 }))).toBe('nothing')
    expect(tale.isPaid(order)).toBe(true)
    tale.judge.reorganises()
    tale.stage.solana.chain.reorganise(30, () => 'lost')
    setRpcs(tale, 'up')
    expect(tale.isPaid(order)).toBe(false)
    await tale.wait(OVER_MS)
    expectDead(tale, order)
    expect(code(await tale.ask(order))).not.toBe('content')
  })

  story('a failure in a fork that lost is no verdict: the payment lands in the other', async (tale) => {
    settleBy(tale, { kind: 'fails on chain' })
    const order = tale.signOnSolana(single())
    const asked = tale.ask(order)
    await tale.wait(4_000)
    tale.stage.solana.chain.reorganise(30, () => 'pool')
    expect(code(await asked)).toBe('content')
  })

  story('two copies of one payment, and the object dies between them: sent, paid and served once', async (tale) => {
    const order = tale.signOnSolana(single())
    settleBy(tale, { ...LOST, afterMs: 3_000 })
    const asked = [tale.ask(order), tale.ask(order)]
    await tale.wait(1_000)
    tale.stage.objects.crash(objectOf(SOLANA_PAYER.address), { isRetryable: true })
    const answers = await Promise.all(asked)
    expect(codes(answers).filter((one) => one === 'content')).toHaveLength(1)
    expect(tale.isPaid(order)).toBe(true)
  })

  story('an article in doubt, and a day pass: neither is paid twice', async (tale) => {
    settleBy(tale, { ...LOST, afterMs: 20_000 })
    setRpcs(tale, 'down')
    const article = tale.signOnSolana(single())
    expect(code(await tale.ask(article))).toBe('settlement_pending')
    const again = tale.signOnSolana(single())
    expect(code(await tale.ask(again))).toBe('settlement_pending')
    expect(tale.sent(again)).toBe(0)
    setRpcs(tale, 'up')
    expect(code(await tale.ask(again))).toBe('content')
    expect([tale.sent(again), tale.isPaid(again)]).toEqual([0, false])
  })
})
