// Several payments for one wish: which of them is sent, which is covered, and what is owed back.
import { expect } from 'vitest'
import { job, page, pass, single } from './orders.ts'
import { objectOf, rowsOf } from './stage.ts'
import { beHonest, code, loseReplies, setRpcs } from './stories/telling.ts'
import { PAYER } from './tale.ts'
import { loseAll, many, settleBy, story } from './trial.ts'

story('a payment in doubt, whose wish another has paid for, lands all the same: a refund is due', async (tale) => {
  const article = tale.sign(page('/a/1'), { windowSeconds: 900 })
  tale.judge.caseOf(article).isExcused = true
  setRpcs(tale, 'down')
  loseAll(tale)
  expect(code(await tale.ask(article))).toBe('settlement_pending')
  beHonest(tale)
  setRpcs(tale, 'up')
  expect(code(await tale.ask(tale.sign(pass())))).toBe('content')
  expect(code(await tale.ask(article))).toBe('content')
  tale.chain.send([{ kind: 'pay', authorization: article.authorization }])
  await tale.wait(1_200_000)
  expect(tale.entries(article).map(({ remark }) => remark)).toEqual(['refund_due'])
})

story('the object died while it sent a payment, and another has paid: the first is covered', async (tale) => {
  settleBy(tale, () => ({ kind: 'nothing', reply: 'silent' }))
  const article = tale.sign(page('/a/1'), { windowSeconds: 900 })
  const asked = tale.ask(article, { hangsUpAfterMs: 1_500 })
  await tale.wait(2_000)
  tale.stage.objects.crash(objectOf(PAYER), { isRetryable: false })
  await asked
  expect(tale.row(article)?.status).toBe('settling')
  beHonest(tale)
  expect(code(await tale.ask(tale.sign(pass(), { windowSeconds: 900 })))).toBe('content')
  expect(code(await tale.ask(article))).toBe('content')
  expect(tale.row(article)?.status).toBe('covered')
  expect(tale.stage.logged.map(({ event }) => event)).not.toContain('too_many_steps')
})

story('what another payment has paid for is served, also once its signer has cancelled it', async (tale) => {
  loseReplies(tale)
  const paid = tale.sign(job())
  await tale.ask(paid, { hangsUpAfterMs: 300 })
  await tale.wait(30_000)
  beHonest(tale)
  expect(tale.row(paid)).toMatchObject({ status: 'settled', handouts: 0 })
  const covered = tale.sign(job(), { windowSeconds: 900 })
  await tale.ask(covered, { originFails: true })
  await tale.wait(1_000)
  expect(tale.row(covered)?.status).toBe('covered')
  const { from, nonce } = covered.authorization
  tale.chain.send([{ kind: 'cancel', from, nonce }])
  await tale.wait(700_000)
  expect(code(await tale.ask(covered))).toBe('content')
  expect(tale.sent(covered)).toBe(0)
})

story('what was answered with another payment’s content is used, and not sent again', async (tale) => {
  const [lost, paid] = many(2, () => tale.sign(single(), { windowSeconds: 900 }))
  if (!lost || !paid) throw new Error('two were signed')
  settleBy(tale, ({ authorization: { nonce } }) =>
    nonce === lost.authorization.nonce ? { kind: 'nothing', reply: 'lost' } : { kind: 'honest' },
  )
  const first = tale.ask(lost)
  await tale.wait(300)
  const [answer] = await Promise.all([first, tale.ask(paid, { hangsUpAfterMs: 500 })])
  expect([code(answer), tale.sent(lost)]).toEqual(['content', 1])
  await tale.wait(5_000)
  beHonest(tale)
  expect(code(await tale.ask(lost))).toBe('payment_already_used')
  expect([tale.sent(lost), tale.isPaid(lost)]).toEqual([1, false])
})

story('a payment whose reader has gone and two new ones, all at once: as many answers as charges', async (tale) => {
  loseReplies(tale)
  const gone = tale.sign(single())
  await tale.ask(gone, { hangsUpAfterMs: 300 })
  await tale.wait(30_000)
  beHonest(tale)
  const answers = await Promise.all([tale.sign(single()), gone, tale.sign(single())].map((order) => tale.ask(order)))
  expect(answers.map(code).filter((one) => one === 'content')).toHaveLength(tale.sent())
})

story('eight articles that the chain is slow to tell of do not keep their payer from the day pass', async (tale) => {
  loseReplies(tale)
  tale.rpc.knobs.dropsLogs = true
  const articles = many(8, (i) => tale.sign(single(`/a/${i}`), { windowSeconds: 900 }))
  await Promise.all(articles.map((order) => tale.ask(order)))
  expect(rowsOf(tale.stage, PAYER).map(({ status }) => status)).toEqual(many(8, () => 'unknown'))
  await tale.wait(30_000)
  beHonest(tale)
  expect(code(await tale.ask(tale.sign(pass(), { windowSeconds: 900 })))).toBe('content')
})

story('eight articles that a facilitator has called failed do not keep their payer from the day pass', async (tale) => {
  const transaction = `0x${'ef'.repeat(32)}`
  settleBy(tale, () => ({ kind: 'refuses', reason: 'invalid_transaction_state', transaction }))
  const articles = many(8, (i) => tale.sign(single(`/a/${i}`), { windowSeconds: 900 }))
  await Promise.all(articles.map((order) => tale.ask(order)))
  await tale.wait(30_000)
  beHonest(tale)
  expect(code(await tale.ask(tale.sign(pass(), { windowSeconds: 900 })))).toBe('content')
})
