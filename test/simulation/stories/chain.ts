// Stories of RPCs that are down, lag, forget or lie, and of chains that think again.
import { single } from '../orders.ts'
import { objectOf } from '../stage.ts'
import { PAYER } from '../tale.ts'
import { beHonest, code, expect, group, loseReplies, payInTheDark, QUICK, setRpcs, story } from './telling.ts'

group('a chain that does not answer', () => {
  for (const blocks of [2_000, 100_000]) {
    story(
      `a claim made without the RPC, which is back after ${blocks} blocks: served, and the wallet can buy again`,
      async (tale) => {
        const order = tale.sign(single())
        await payInTheDark(tale, order)
        await tale.wait(blocks * 250)
        setRpcs(tale, 'up')
        const answers = [await tale.ask(order)]
        for (let i = 0; i < 5 && code(answers[i] ?? { kind: 'nothing' }) !== 'content'; i++) {
          await tale.wait(60_000)
          answers.push(await tale.ask(order))
        }
        expect(code(answers.at(-1) ?? { kind: 'nothing' })).toBe('content')
        expect(code(await tale.ask(tale.sign(single())))).toBe('content')
      },
      { blockMs: QUICK },
    )
  }

  story(
    'an RPC that answers for ten blocks at a time',
    async (tale) => {
      tale.rpc.knobs.mostBlocks = 10
      const order = tale.sign(single())
      await payInTheDark(tale, order)
      await tale.wait(400_000)
      setRpcs(tale, 'up')
      await tale.wait(3_600_000)
      expect(tale.entries(order)).toHaveLength(1)
    },
    { blockMs: QUICK },
  )

  story(
    'ten payments at once that such an RPC has to be asked about',
    async (tale) => {
      tale.rpc.knobs.mostBlocks = 10
      const orders = Array.from({ length: 10 }, (_, i) => tale.sign(single(`/a/${i}`)))
      setRpcs(tale, 'down')
      loseReplies(tale)
      await Promise.all(orders.map((order) => tale.ask(order, { hangsUpAfterMs: 10_000 })))
      await tale.wait(400_000)
      setRpcs(tale, 'up')
      await tale.wait(6 * 3_600_000)
      expect(orders.flatMap(tale.entries)).toHaveLength(10)
    },
    { blockMs: QUICK },
  )

  story('the calls of one batch go to different nodes', async (tale) => {
    Object.assign(tale.rpc.knobs, { lags: [0, 4, 1], splitsBatches: true })
    loseReplies(tale)
    expect(code(await tale.ask(tale.sign(single())))).toBe('content')
  })

  story('every other node is half a minute behind', async (tale) => {
    tale.rpc.knobs.lags = [0, 15]
    loseReplies(tale)
    const order = tale.sign(single())
    expect(['content', 'settlement_pending']).toContain(code(await tale.ask(order)))
  })

  story('logs are missing for a quarter of an hour', async (tale) => {
    const order = tale.sign(single())
    tale.rpc.knobs.dropsLogs = true
    loseReplies(tale)
    expect(code(await tale.ask(order))).toBe('settlement_pending')
    await tale.wait(900_000)
    tale.rpc.knobs.dropsLogs = false
    await tale.wait(1_800_000)
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('a payment lands in the last moment, and some nodes have not seen it', async (tale) => {
    tale.rpc.knobs.stateLag = 6
    tale.first.settling = () => ({ kind: 'pending', names: false, afterMs: 36_000 })
    const order = tale.sign(single(), { windowSeconds: 40 })
    const answers = []
    for (let i = 0; i < 6; i++) {
      answers.push(code(await tale.ask(order, { hangsUpAfterMs: i === 0 ? 5_000 : 20_000 })))
      await tale.wait(i === 0 ? 32_000 : 1_500)
    }
    expect(
      answers.filter(
        (one) =>
          one !== 'nothing' && one !== 'settlement_pending' && one !== 'content' && one !== 'payment_already_used',
      ),
    ).toEqual([])
    expect(tale.isPaid(order)).toBe(true)
  })

  story('a reorganisation moves the payment into the block of its claim', async (tale) => {
    const order = tale.sign(single())
    const claimed = tale.chain.headNumber()
    tale.rpc.knobs.dropsLogs = true
    loseReplies(tale)
    await tale.ask(order, { hangsUpAfterMs: 5_000 })
    tale.judge.reorganises()
    tale.chain.reorganise(tale.chain.headNumber() - claimed + 1, () => claimed)
    tale.rpc.knobs.dropsLogs = false
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('a cancellation is undone by a reorganisation, and the payment is made', async (tale) => {
    const order = tale.sign(single())
    tale.first.settling = () => ({ kind: 'nothing', reply: 'lost' })
    const asked = tale.ask(order, { hangsUpAfterMs: 12_000 })
    await tale.wait(3_000)
    const { from, nonce } = order.authorization
    const hash = tale.chain.send([{ kind: 'cancel', from, nonce }])
    await tale.wait(8_000)
    tale.chain.reorganise(6, (one) => (one === hash ? 'lost' : 'pool'))
    await asked
    beHonest(tale)
    await tale.wait(15_000)
    expect(code(await tale.ask(order))).toBe('content')
  })

  story('blocks with five thousand transactions', async (tale) => {
    tale.rpc.knobs.crowd = 5_000
    loseReplies(tale)
    expect(code(await tale.ask(tale.sign(single())))).toBe('content')
  })

  story(
    'an RPC of another chain is believed in nothing',
    async (tale) => {
      tale.rpc.knobs.chainId = 1
      loseReplies(tale)
      expect(code(await tale.ask(tale.sign(single())))).toBe('settlement_pending')
    },
    { calmMs: null },
  )

  story(
    'an RPC that is gone for good: the row is given up, without an alarm, and holds up no purchase',
    async (tale) => {
      const order = tale.sign(single())
      await payInTheDark(tale, order)
      await tale.wait(32 * 86_400_000)
      expect(tale.stage.logged.filter(({ event }) => event === 'payment_unresolved')).toHaveLength(1)
      expect(tale.stage.objects.disk(objectOf(PAYER)).armedMs()).toBeNull()
      expect(tale.row(order)?.status).toBe('unknown')
      expect(code(await tale.ask(tale.sign(single())))).toBe('content')
    },
    { calmMs: null },
  )

  story('a ledger that hangs holds up nothing, and has everything in the end', async (tale) => {
    tale.stage.ledger.behave = () => 'hangs'
    const order = tale.sign(single())
    expect(code(await tale.ask(order))).toBe('content')
    await tale.wait(60_000)
    tale.stage.ledger.behave = () => 'honest'
    await tale.wait(300_000)
    expect(tale.entries(order)).toHaveLength(1)
  })

  story('two hundred open payments in an outage: the ledger is written, and each ends', async (tale) => {
    const paid = tale.sign(single('/a/paid'))
    tale.stage.ledger.behave = () => 'refused'
    await tale.ask(paid)
    setRpcs(tale, 'down')
    for (const { knobs } of tale.stage.rpcs.values()) knobs.state = 'silent'
    for (const facilitator of [tale.first, tale.second])
      facilitator.settling = () => ({ kind: 'nothing', reply: 'silent' })
    for (let i = 0; i < 200; i += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, n) => tale.ask(tale.sign(single(`/a/${i + n}`), { windowSeconds: 900 }))),
      )
    }
    tale.stage.ledger.behave = () => 'honest'
    await tale.wait(60_000)
    expect(tale.entries(paid)).toHaveLength(1)
    setRpcs(tale, 'up')
    beHonest(tale)
    await tale.wait(7_200_000)
  })

  story(
    'a payer who buys every thirty seconds for an hour: what is open is looked after all the same',
    async (tale) => {
      const order = tale.sign(single('/a/open'))
      await payInTheDark(tale, order)
      setRpcs(tale, 'up')
      for (let i = 0; i < 120; i++) {
        const [answer] = await Promise.all([tale.ask(tale.sign(single(`/a/${i}`))), tale.wait(30_000)])
        expect(code(answer)).toBe('content')
        if (i === 20) expect(tale.entries(order)).toHaveLength(1)
      }
    },
  )
})
