// Revert-grant (arXiv 2605.11781, I-A) and denial of settlement (arXiv 2605.30998): the content is taken, and then the
// settlement fails, because the payer makes it fail.
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cancel, drain, passTime } from '../world/attack-chain.ts'
import { headerOf, sign, unpack } from '../world/attack-payment.ts'
import { ask, PRICE, paying, type Scene, startScene } from '../world/attack-scene.ts'
import { stockPayment } from '../world/stock.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
let scene: Scene

beforeAll(async () => {
  scene = await startScene()
  await scene.publish(ARTICLE, CONTENT)
})

afterAll(() => scene.stop())

/** Lets the payer act after everything was checked and before the settlement. */
function beforeSettling(act: () => Promise<void>): void {
  scene.facilitator.setHook(async ({ path }, proceed) => {
    if (path === '/settle') {
      scene.facilitator.setHook(undefined)
      await act()
    }
    return proceed()
  })
}

describe('against a shop that serves what is verified and settles afterwards', () => {
  test('a wallet that is emptied in between reads for nothing', async () => {
    let settling: Promise<boolean> | undefined
    const shop = await scene.naive(async ({ payment, verify, settle }) => {
      if (!payment || !(await verify(payment))) return null
      settling = settle(payment)
      return CONTENT
    })
    const thief = await scene.buyer()
    const payment = await stockPayment(await fetch(shop), thief)
    beforeSettling(() => drain(scene.chain, thief))
    const { value: answer, earned } = await scene.during(async () => {
      const got = await ask(shop, paying(payment))
      expect(await settling).toBe(false)
      return got
    })
    expect(answer.text).toBe(CONTENT)
    expect(earned).toBe(0n)
  })

  test('who hangs up before the last byte is never charged, where a hang-up ends the request', async () => {
    let settlements = 0
    let ended: () => void = () => {}
    const end = new Promise<void>((done) => {
      ended = done
    })
    const shop = await scene.naive(async ({ payment, verify, settle, response }) => {
      if (!payment || !(await verify(payment))) return null
      response.write(CONTENT)
      response.on('finish', () => void settle(payment).then(() => settlements++))
      response.on('close', ended)
      return 'answered'
    })
    const payment = await stockPayment(await fetch(shop), await scene.buyer())
    const { value: text, earned } = await scene.during(async () => {
      const reading = await fetch(shop, { headers: paying(payment) })
      const reader = reading.body?.getReader()
      const first = await reader?.read()
      await reader?.cancel()
      await end
      return new TextDecoder().decode(first?.value)
    })
    expect(text).toBe(CONTENT)
    expect({ earned, settlements }).toEqual({ earned: 0n, settlements: 0 })
  })
})

describe('here', () => {
  test('a wallet that is emptied while its payment settles reads nothing', { timeout: 90_000 }, async () => {
    const thief = await scene.buyer()
    const payment = await stockPayment(await scene.challenge(ARTICLE), thief)
    beforeSettling(() => drain(scene.chain, thief))
    const { value: answer, earned } = await scene.during(() => scene.ask(ARTICLE, paying(payment)))
    expect([402, 503]).toContain(answer.status)
    expect(answer.text).not.toContain(CONTENT)
    expect(answer.headers.get('Set-Cookie')).toBeNull()
    expect(earned).toBe(0n)
  })

  test('an authorization that is cancelled while it settles reads nothing, and its payer may pay anew', async () => {
    const thief = await scene.buyer()
    const challenge = await scene.challenge(ARTICLE)
    const payment = await stockPayment(challenge, thief)
    const next = await stockPayment(challenge, thief)
    beforeSettling(() => cancel(scene.chain, thief, unpack(payment).payload))
    const { value: answer, earned } = await scene.during(() => scene.ask(ARTICLE, paying(payment)))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('payment_already_used')
    expect(answer.text).not.toContain(CONTENT)
    expect(earned).toBe(0n)
    expect((await scene.ask(ARTICLE, paying(next))).text).toBe(CONTENT)
  })

  test('not a byte is sent before the money is there, and who hangs up has paid all the same', async () => {
    const reader = await scene.buyer()
    const payment = await stockPayment(await scene.challenge(ARTICLE), reader)
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
    const { port } = new URL(scene.site.url)
    const rows = await scene.ledgerRows()
    const { earned } = await scene.during(async () => {
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
      await expect.poll(scene.ledgerRows, { timeout: 10_000 }).toBe(rows + 1)
    })
    expect(earned).toBe(PRICE)
    const next = await stockPayment(await scene.challenge(ARTICLE), reader)
    const { value: again, settled } = await scene.during(() => scene.ask(ARTICLE, paying(next)))
    expect(again.text).toBe(CONTENT)
    expect(settled).toBe(0)
  })

  test('an authorization that runs out while it settles reads nothing', async () => {
    const thief = await scene.buyer()
    const validBefore = BigInt(Math.floor(Date.now() / 1000) + 20)
    const payment = headerOf(await sign(thief, { value: PRICE, validBefore }))
    beforeSettling(() => passTime(scene.chain, 60))
    const { value: answer, earned } = await scene.during(() => scene.ask(ARTICLE, paying(payment)))
    expect(answer.status).toBe(402)
    expect(answer.text).toContain('invalid_exact_evm_payload_authorization_valid_before')
    expect(answer.text).not.toContain(CONTENT)
    expect(earned).toBe(0n)
  })
})
