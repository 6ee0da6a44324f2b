// Amplification: payments that cost their sender nothing (the wallet is empty, the signature is junk) and make somebody
// else work: the facilitator, the chain, the publisher's origin.
import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { headerOf, sign } from '../support/attack-payment.ts'
import { type Answer, ask, PRICE, paying, type Scene, startScene } from '../support/attack-scene.ts'

/** Twice the `simple.limit` of FAILED_PAYMENTS in wrangler.toml, and some more: a minute may end in between. */
const TRIES = 220
const REPORT = '/premium/report'
const CONTENT = 'the whole report'
let scene: Scene
let origin: Server
let asked = 0

beforeAll(async () => {
  origin = createServer((_, response) => {
    asked += 1
    response.end(CONTENT)
  })
  await new Promise<void>((done) => origin.listen(0, '127.0.0.1', done))
  const address = origin.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  scene = await startScene({
    ORIGIN_URL: `http://127.0.0.1:${address.port}`,
    ROUTES: [{ path: '/premium/*', price: '$0.05' }],
  })
})

afterAll(async () => {
  await scene.stop()
  origin.closeAllConnections()
  await new Promise((done) => origin.close(done))
})

/** Signatures that prove nothing: a contract wallet's, for all we can tell. */
async function junk(): Promise<string> {
  const signed = await sign(await scene.buyer(0n), { value: PRICE })
  return headerOf({ ...signed, signature: `0x${'11'.repeat(96)}` })
}

async function flood(url: string, address: string, make: () => Promise<string>): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let i = 0; i < TRIES; i += 10) {
    const batch = await Promise.all(Array.from({ length: 10 }, make))
    const got = batch.map((payment) => ask(url, { ...paying(payment), 'CF-Connecting-IP': address }))
    answers.push(...(await Promise.all(got)))
  }
  return answers
}

describe('against a naive shop', () => {
  test('every piece of junk is a call to the facilitator', async () => {
    const shop = await scene.naive(async ({ payment, verify }) => (payment && (await verify(payment)) ? CONTENT : null))
    const { verified } = await scene.during(() => flood(shop, '203.0.113.1', junk))
    expect(verified).toBe(TRIES)
  })
})

describe('here', () => {
  const statuses = (answers: Answer[], status: number) => answers.filter((answer) => answer.status === status).length

  test('a copy of refused junk is refused for nothing', async () => {
    const payment = await junk()
    const { verified, settled } = await scene.during(async () => {
      for (let i = 0; i < 5; i++) expect((await scene.ask(REPORT, paying(payment))).status).toBe(402)
    })
    expect({ verified, settled }).toEqual({ verified: 1, settled: 0 })
  })

  test('an address that sends junk is soon told to wait, and the facilitator is left alone', async () => {
    const { value: answers, ...cost } = await scene.during(() => flood(scene.site.url + REPORT, '203.0.113.2', junk))
    expect(statuses(answers, 429)).toBeGreaterThan(0)
    expect(statuses(answers, 429) + statuses(answers, 402)).toBe(TRIES)
    expect(cost.verified).toBeLessThan(TRIES)
    expect(cost).toMatchObject({ earned: 0n, settled: 0 })
  })

  test('an address whose wallets are all empty is soon told to wait, and the origin is left alone', async () => {
    const empty = async () => headerOf(await sign(await scene.buyer(0n), { value: PRICE }))
    const before = asked
    const { value: answers, ...cost } = await scene.during(() => flood(scene.site.url + REPORT, '203.0.113.3', empty))
    expect(statuses(answers, 200)).toBe(0)
    expect(cost.earned).toBe(0n)
    expect(statuses(answers, 429)).toBeGreaterThan(0)
    expect(cost.settled).toBe(TRIES - statuses(answers, 429))
    expect(asked - before).toBe(TRIES - statuses(answers, 429))
  })

  test('others are served meanwhile', async () => {
    const payment = headerOf(await sign(await scene.buyer(), { value: PRICE }))
    const answer = await scene.ask(REPORT, { ...paying(payment), 'CF-Connecting-IP': '203.0.113.4' })
    expect(answer.text).toBe(CONTENT)
  })
})
