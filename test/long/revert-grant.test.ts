// Revert-grant (arXiv 2605.11781, I-A) and denial of settlement (arXiv 2605.30998): the content is taken, and then the
// settlement fails, because the payer makes it fail.
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { send } from '../world/answer.ts'
import { openNaive } from '../world/naive.ts'
import { cancel, drain, passTime } from '../world/on-chain.ts'
import { authorize, headerOf, paying, unpack } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'
import { stockPayment } from '../world/stock.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
let shop: Shop

beforeAll(async () => {
  shop = await openShop()
  await shop.site.kv.put(ARTICLE, CONTENT)
})

afterAll(() => shop.close())

/** Lets the payer act after everything was checked and before the settlement. */
function beforeSettling(act: () => Promise<void>): void {
  shop.stack.facilitator.setHook(async ({ path }, proceed) => {
    if (path === '/settle') {
      shop.stack.facilitator.setHook(undefined)
      await act()
    }
    return proceed()
  })
}

describe('against a shop that serves what is verified and settles afterwards', () => {
  test('a wallet that is emptied in between reads for nothing', async () => {
    let settling: Promise<boolean> | undefined
    const naive = await openNaive(shop, async ({ payment, verify, settle }) => {
      if (!payment || !(await verify(payment))) return null
      settling = settle(payment)
      return CONTENT
    })
    const thief = await shop.reader(PRICE)
    const payment = await stockPayment(await send(naive), thief)
    beforeSettling(() => drain(shop.stack.chain, thief))
    const { result: answer, cost } = await shop.costOf(async () => {
      const got = await send(naive, paying(payment))
      expect(await settling).toBe(false)
      return got
    })
    expect(answer.text).toBe(CONTENT)
    expect(cost.earned).toBe(0n)
  })

  test('who hangs up before the last byte is never charged, where a hang-up ends the request', async () => {
    let settlements = 0
    let ended: () => void = () => {}
    const end = new Promise<void>((done) => {
      ended = done
    })
    const naive = await openNaive(shop, async ({ payment, verify, settle, response }) => {
      if (!payment || !(await verify(payment))) return null
      response.write(CONTENT)
      response.on('finish', () => void settle(payment).then(() => settlements++))
      response.on('close', ended)
      return 'answered'
    })
    const payment = await stockPayment(await send(naive), await shop.reader(PRICE))
    const { result: text, cost } = await shop.costOf(async () => {
      const reading = await fetch(naive, paying(payment))
      const reader = reading.body?.getReader()
      const first = await reader?.read()
      await reader?.cancel()
      await end
      return new TextDecoder().decode(first?.value)
    })
    expect(text).toBe(CONTENT)
    expect([cost.earned, settlements]).toEqual([0n, 0])
  })
})

describe('here', () => {
  test('a wallet that is emptied while its payment settles reads nothing', { timeout: 90_000 }, async () => {
    const thief = await shop.reader(PRICE)
    const payment = await stockPayment(await shop.ask(ARTICLE), thief)
    beforeSettling(() => drain(shop.stack.chain, thief))
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, paying(payment)))
    expect([402, 503]).toContain(answer.status)
    expect(answer.text).not.toContain(CONTENT)
    expect(answer.header('Set-Cookie')).toBeNull()
    expect(cost.earned).toBe(0n)
  })

  test('an authorization that is cancelled while it settles reads nothing, and its payer may pay anew', async () => {
    const thief = await shop.reader(PRICE)
    const challenge = await shop.ask(ARTICLE)
    const payment = await stockPayment(challenge, thief)
    const next = await stockPayment(challenge, thief)
    beforeSettling(() => cancel(shop.stack.chain, thief, unpack(payment).payload))
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, paying(payment)))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('payment_already_used')
    expect(answer.text).not.toContain(CONTENT)
    expect(cost.earned).toBe(0n)
    expect((await shop.ask(ARTICLE, paying(next))).text).toBe(CONTENT)
  })

  test('not a byte is sent before the money is there, and who hangs up has paid all the same', async () => {
    const reader = await shop.reader(PRICE)
    const payment = await stockPayment(await shop.ask(ARTICLE), reader)
    let release: () => void = () => {}
    const released = new Promise<void>((done) => {
      release = done
    })
    let arrived: () => void = () => {}
    const settling = new Promise<void>((done) => {
      arrived = done
    })
    beforeSettling(async () => {
      arrived()
      await released
    })
    const { port } = new URL(shop.site.url)
    const { cost } = await shop.costOf(async () => {
      let received = ''
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(`GET ${ARTICLE} HTTP/1.1\r\nHost: news.example\r\nPAYMENT-SIGNATURE: ${payment}\r\n\r\n`),
      )
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1')
      })
      await settling
      expect(received).toBe('')
      socket.resetAndDestroy()
      release()
      await expect.poll(() => shop.ledger(reader.address), { timeout: 10_000 }).toHaveLength(1)
    })
    expect(cost.earned).toBe(PRICE)
    const next = await stockPayment(await shop.ask(ARTICLE), reader)
    const again = await shop.costOf(() => shop.ask(ARTICLE, paying(next)))
    expect(again.result.text).toBe(CONTENT)
    expect(again.cost.settles).toBe(0)
  })

  test('an authorization that runs out while it settles reads nothing', async () => {
    const thief = await shop.reader(PRICE)
    const validBefore = BigInt(Math.floor(Date.now() / 1000) + 20)
    const payment = headerOf(await authorize(thief, { value: PRICE, validBefore }))
    beforeSettling(() => passTime(shop.stack.chain, 60))
    const { result: answer, cost } = await shop.costOf(() => shop.ask(ARTICLE, paying(payment)))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('invalid_exact_evm_payload_authorization_valid_before')
    expect(answer.text).not.toContain(CONTENT)
    expect(cost.earned).toBe(0n)
  })
})
