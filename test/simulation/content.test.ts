// Answers: what is handed out and how often, whom an object knows, and what is no refusal.
import { expect } from 'vitest'
import { job, type Order, page, single } from './orders.ts'
import { objectOf, rowsOf } from './stage.ts'
import { code, QUICK } from './stories/telling.ts'
import { BASE, PAYER, type Tale } from './tale.ts'
import { many, settleBy, story } from './trial.ts'
import { json, serve } from './wire.ts'

const PROTOCOL = 1
const payerOf = ({ stage }: Tale) => stage.objects.binding.getByName(objectOf(PAYER))
const signInAt = ({ stage }: Tale, { owner, network, resource }: Order) => ({
  protocol: PROTOCOL,
  payer: PAYER,
  owner,
  network,
  nonce: 'n0123456789',
  nonceEndsAtSeconds: Math.floor(stage.world.now() / 1000) + 300,
  resource,
})
/** Says yes or no, or nothing. */
const saidBy = (asked: Promise<unknown> | undefined) =>
  Promise.resolve(asked).then(
    (said) => said,
    () => 'a fault',
  )

story('an object that does not speak the worker’s protocol never says that it knows no payment', async (tale) => {
  const order = tale.sign(single(), { owner: 'code' })
  await tale.ask(order, { originFails: true })
  await tale.wait(60_000)
  const question = { protocol: PROTOCOL, key: order.key, signatureHash: tale.row(order)?.signature_hash }
  expect(await payerOf(tale).recognise?.(question)).toBe(true)
  expect(await saidBy(payerOf(tale).recognise?.({ ...question, protocol: PROTOCOL + 1 }))).not.toBe(false)
})

story('an object that does not speak the worker’s protocol never says that a wallet owns nothing', async (tale) => {
  const order = tale.sign(page(), { owner: 'code' })
  expect(code(await tale.ask(order))).toBe('content')
  const question = signInAt(tale, order)
  expect(await payerOf(tale).ownsAt?.(question)).toBe(true)
  expect(await saidBy(payerOf(tale).ownsAt?.({ ...question, protocol: PROTOCOL + 1 }))).not.toBe(false)
})

story('the nonce of a sign-in stays used for a worker whose clock is behind', async (tale) => {
  const order = tale.sign(page(), { network: BASE })
  expect(code(await tale.ask(order))).toBe('content')
  const request = signInAt(tale, order)
  expect(await payerOf(tale).signIn?.(request)).toMatchObject({ kind: 'owned' })
  expect(await payerOf(tale).signIn?.(request)).toMatchObject({ kind: 'used' })
  // It has ended by the object's clock, and three seconds ago.
  await tale.wait(303_000)
  expect(await payerOf(tale).signIn?.(request)).not.toMatchObject({ kind: 'owned' })
})

story('content that was taken back is in nobody’s hands, whatever is said of it later', async (tale) => {
  const order = tale.sign(single())
  await tale.ask(order, { originFails: true })
  await tale.wait(200)
  expect(tale.row(order)?.released).toBe(1)
  await payerOf(tale).stillOpen?.({ protocol: PROTOCOL, key: order.key, number: 1 })
  expect(code(await tale.ask(order))).toBe('content')
})

story('what waits for its turn to be sent is not refused to a second copy under other terms', async (tale) => {
  settleBy(tale, () => ({ kind: 'honest', afterMs: 8_000 }))
  const others = many(5, (i) => tale.ask(tale.sign(single(`/a/${10 + i}`))))
  await tale.wait(500)
  const order = tale.sign(single('/a/1'))
  const first = tale.ask(order, { hangsUpAfterMs: 1_000 })
  await tale.wait(700)
  expect(tale.row(order)?.status).toBe('claimed')
  const second = await tale.ask(order, { isOffTerms: true })
  await Promise.all([first, ...others])
  await tale.wait(20_000)
  expect([code(second), tale.isPaid(order)]).toEqual(['content', true])
})

story('a call is tried again, and its reader hangs up meanwhile: charged once, and owed the content', async (tale) => {
  tale.stage.world.latency.callMs = [300, 300]
  const order = tale.sign(single())
  const asked = tale.ask(order, { hangsUpAfterMs: 700, isBlind: true })
  await tale.wait(340)
  expect(tale.stage.objects.crash(objectOf(PAYER), { isRetryable: true })).toBe(true)
  await asked
  await tale.wait(20_000)
  expect(rowsOf(tale.stage, PAYER)).toMatchObject([{ status: 'settled', handouts: 0, released: 0 }])
  const sent = tale.sent()
  expect(code(await tale.ask(tale.sign(single())))).toBe('content')
  expect(tale.sent()).toBe(sent)
})

story(
  'a reader who hangs up thirty times before the first byte pays once, and is handed it three times',
  async (tale) => {
    const order = tale.sign(single(), { windowSeconds: 900 })
    for (let i = 0; i < 30; i++) {
      await tale.ask(order, { hangsUpAfterMs: 5 + 7 * i })
      await tale.wait(300)
    }
    await tale.wait(50_000)
    expect(tale.row(order)).toMatchObject({ status: 'settled', handouts: 3, released: 3 })
    expect([tale.sent(), tale.entries(order).length]).toEqual([1, 1])
  },
)

story('an order with an identifier is carried out three times, reported or not', async (tale) => {
  const order = tale.sign(job(), { identifier: 'first-identifier-1', windowSeconds: 900 })
  const runs: string[] = []
  for (let i = 0; i < 8; i++) {
    runs.push(code(await tale.ask(order, { originFails: i % 2 === 0 })))
    await tale.wait(500)
  }
  expect(runs).toEqual([...many(3, () => 'content'), ...many(5, () => 'payment_already_used')])
})

story(
  'refused after five seconds, and broadcast by somebody else meanwhile: paid, and served',
  async (tale) => {
    const order = tale.sign(single())
    const { stage, chain } = tale
    const { authorization, network } = order
    stage.world.routes.delete(tale.first.url)
    serve(stage.world, tale.first.url, async ({ path }) => {
      if (!path.endsWith('/settle')) return json({})
      await tale.wait(5_000)
      chain.send([{ kind: 'pay', authorization }])
      await tale.wait(500)
      const refusal = { success: false, errorReason: 'insufficient_funds', transaction: '', network }
      return json({ ...refusal, payer: authorization.from })
    })
    expect(code(await tale.ask(order))).toBe('content')
    expect(tale.isPaid(order)).toBe(true)
  },
  { blockMs: QUICK },
)
