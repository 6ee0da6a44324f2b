// Stories of Permit2: a nonce is a bit that leaves no log, and only a call of the exact proxy that anybody can read is a payment.

import type { Settling } from '../facilitator.ts'
import { page, single } from '../orders.ts'
import { PAYER, type Tale } from '../tale.ts'
import { code, codes, expect, group, setRpcs, story } from './telling.ts'

const settleBy = ({ first, second }: Tale, settling: Settling): void => {
  for (const facilitator of [first, second]) facilitator.settlingPermit = () => settling
}
const NOTHING = { kind: 'nothing', reply: 'lost' } as const
/** The whole window is searched twice, ten minutes apart. */
const SEARCHED_MS = 2_400_000

group('by permit', () => {
  story('an article is bought, once, and its proof is the place of the transfer', async (tale) => {
    const order = tale.signPermit(single())
    expect(code(await tale.ask(order))).toBe('content')
    expect(code(await tale.ask(order))).toBe('payment_already_used')
    expect(tale.sent(order)).toBe(1)
    await tale.wait(60_000)
    expect([tale.row(order)?.status, tale.row(order)?.position]).toEqual(['settled', 0])
  })

  for (const reply of ['lost', 'silent', 'page'] as const) {
    story(`the answer is ${reply}: the payment is found in seconds`, async (tale) => {
      settleBy(tale, { kind: 'settles, but', reply })
      const startMs = tale.stage.world.now()
      for (const nonce of [6n, 7n, 2n ** 255n + 9n]) {
        const order = tale.signPermit(single(`/a/${nonce}`), { nonce })
        expect(code(await tale.ask(order))).toBe('content')
        expect(tale.sent(order)).toBe(1)
      }
      expect(tale.stage.world.now() - startMs).toBeLessThan(45_000)
    })
  }

  for (const reason of ['permit2_invalid_nonce', 'unexpected_settle_error']) {
    story(`"${reason}" is no refusal while it may land`, async (tale) => {
      settleBy(tale, { kind: 'refuses', reason, settlesAfterMs: 40_000 })
      const order = tale.signPermit(single())
      expect(code(await tale.ask(order))).toBe('settlement_pending')
      await tale.wait(60_000)
      expect(code(await tale.ask(order))).toBe('content')
    })
  }

  story('said to have failed, and broadcast a moment later: it is found', async (tale) => {
    settleBy(tale, { kind: 'refuses', reason: 'permit2_simulation_failed', settlesAfterMs: 5_000 })
    expect(code(await tale.ask(tale.signPermit(single())))).toBe('content')
  })

  story('without an approval nothing is used up: the same permit is good after it', async (tale) => {
    settleBy(tale, { kind: 'refuses', reason: 'permit2_allowance_required' })
    const order = tale.signPermit(page())
    expect(code(await tale.ask(order))).toBe('permit2_allowance_required')
    settleBy(tale, { kind: 'honest' })
    await tale.wait(1_000)
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('nobody sent it: it is over after its deadline, and another signature pays', async (tale) => {
    settleBy(tale, NOTHING)
    const order = tale.signPermit(single(), { windowSeconds: 120 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(300_000)
    expect([tale.row(order)?.status, tale.row(order)?.reason]).toEqual(['refused', 'permit2_deadline_expired'])
    settleBy(tale, { kind: 'honest' })
    expect(code(await tale.ask(tale.signPermit(single())))).toBe('content')
  })

  story('it lands in the second of its deadline, and is paid', async (tale) => {
    const order = tale.signPermit(single(), { windowSeconds: 40 })
    settleBy(tale, { kind: 'pending', names: false, afterMs: 38_000 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(60_000)
    expect(tale.isPaid(order)).toBe(true)
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('a stranger sends it straight to the proxy while nobody answers: it is paid, and served', async (tale) => {
    settleBy(tale, NOTHING)
    const order = tale.signPermit(single())
    tale.stage.world.after(2_000, 'a stranger sends it', () =>
      tale.chain.send([{ kind: 'permit', permit: order.permit }]),
    )
    expect(code(await tale.ask(order))).toBe('content')
    await tale.wait(60_000)
    expect(tale.entries(order)).toHaveLength(1)
  })

  story(
    'its nonce is spent on something else: it is never taken for paid, and void once all is searched',
    async (tale) => {
      settleBy(tale, NOTHING)
      const order = tale.signPermit(single())
      tale.stage.world.after(3_000, 'the nonce is spent', () =>
        tale.chain.send([{ kind: 'spend', from: PAYER, nonce: order.permit.nonce }]),
      )
      expect(code(await tale.ask(order))).toBe('settlement_pending')
      await tale.wait(300_000)
      expect(tale.row(order)?.status).toBe('unknown')
      await tale.wait(SEARCHED_MS)
      expect([tale.row(order)?.status, code(await tale.ask(order))]).toEqual(['void', 'payment_already_used'])
      settleBy(tale, { kind: 'honest' })
      expect(code(await tale.ask(tale.signPermit(single())))).toBe('content')
    },
  )

  story('through another contract it proves nothing: the same', async (tale) => {
    settleBy(tale, NOTHING)
    const order = tale.signPermit(single())
    tale.stage.world.after(3_000, 'another contract calls the proxy', () =>
      tale.chain.send([{ kind: 'permit', permit: order.permit, isWrapped: true }]),
    )
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(SEARCHED_MS + 300_000)
    expect([tale.row(order)?.status, tale.entries(order).length]).toEqual(['void', 0])
  })

  story('another’s transaction of the same amount is named: it is not believed', async (tale) => {
    const paid = tale.signPermit(page('/a/1', 50_000n))
    expect(code(await tale.ask(paid))).toBe('content')
    await tale.wait(60_000)
    const transaction = String(tale.row(paid)?.tx)
    settleBy(tale, { kind: 'claims', transaction })
    const order = tale.signPermit(single('/a/2'), { windowSeconds: 120 })
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    settleBy(tale, { kind: 'honest' })
    await tale.wait(300_000)
    expect(tale.row(order)?.status).toBe('refused')
  })

  story('many payments of one amount to one payee: each finds its own', async (tale) => {
    settleBy(tale, { kind: 'settles, but', reply: 'lost', afterMs: 2_000 })
    const orders = Array.from({ length: 5 }, (_, i) => tale.signPermit(single(`/a/${i}`)))
    const answers = await Promise.all(orders.map((order) => tale.ask(order)))
    expect(codes(answers)).toEqual(Array(5).fill('content'))
    await tale.wait(60_000)
    expect(new Set(orders.map((order) => tale.row(order)?.tx)).size).toBe(5)
  })

  story('a permit and an authorization for one page, side by side: one of them is paid', async (tale) => {
    const answers = await Promise.all([tale.ask(tale.signPermit(page())), tale.ask(tale.sign(page()))])
    expect(codes(answers)).toEqual(['content', 'content'])
    expect(tale.sent()).toBe(1)
  })

  story('one nonce signed for two tokens’ worth of things is one payment', async (tale) => {
    const dear = tale.signPermit(single('/a/1'), { nonce: 5n })
    expect(code(await tale.ask(dear))).toBe('content')
    const again = tale.signPermit(single('/a/2'), { nonce: 5n })
    expect(code(await tale.ask(again))).toBe('payment_already_used')
    expect(tale.sent()).toBe(1)
  })

  story('used before it came: it may have bought something elsewhere', async (tale) => {
    const order = tale.signPermit(single())
    tale.chain.send([{ kind: 'permit', permit: order.permit }])
    await tale.wait(10_000)
    tale.judge.caseOf(order).isExcused = true
    expect(code(await tale.ask(order))).toBe('payment_already_used')
    expect(tale.sent(order)).toBe(0)
  })

  story('paid in the dark: it is found when the RPC is back, however late', async (tale) => {
    setRpcs(tale, 'down')
    settleBy(tale, { kind: 'settles, but', reply: 'lost' })
    const order = tale.signPermit(single())
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(4_000_000)
    setRpcs(tale, 'up')
    await tale.wait(600_000)
    expect(code(await tale.ask(order))).toBe('content')
  })

  for (const place of ['later', 'pool'] as const) {
    story(`a fork puts it ${place}: it is paid once, and its proof follows`, async (tale) => {
      settleBy(tale, { kind: 'settles, but', reply: 'lost' })
      const order = tale.signPermit(page())
      expect(code(await tale.ask(order))).toBe('content')
      tale.judge.reorganises()
      const head = tale.chain.headNumber()
      tale.chain.reorganise(4, () => (place === 'pool' ? 'pool' : head))
      await tale.wait(60_000)
      expect(code(await tale.ask(order))).toBe('payment_already_used')
      expect(code(await tale.ask(tale.signPermit(page())))).toBe('content')
      expect(tale.sent()).toBe(1)
    })
  }
})
