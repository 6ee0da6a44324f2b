// Scripts of another origin buy with the stock clients: what they need is in the CORS headers.
import { createServer, type Server } from 'node:http'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { LOOPBACK } from '../../dev/stack/ports.ts'
import { startBrowser } from '../world/chromium.ts'
import { openShop, PRICE } from '../world/shop.ts'

/** What a program on another site would contain. It leaves `buy` behind, which gives status, content and receipt. */
const CLIENTS = {
  '@x402/fetch': `
    import { wrapFetchWithPayment, x402Client, decodePaymentResponseHeader } from '@x402/fetch'
    import { registerExactEvmScheme } from '@x402/evm/exact/client'
    import { privateKeyToAccount } from 'viem/accounts'
    globalThis.buy = async (url, key) => {
      const client = new x402Client()
      registerExactEvmScheme(client, { signer: privateKeyToAccount(key) })
      const answer = await wrapFetchWithPayment(fetch, client)(url)
      return { status: answer.status, text: await answer.text(), receipt: decodePaymentResponseHeader(answer.headers.get('PAYMENT-RESPONSE')) }
    }`,
  'x402-fetch': `
    import { wrapFetchWithPayment, decodeXPaymentResponse } from 'x402-fetch'
    import { privateKeyToAccount } from 'viem/accounts'
    globalThis.buy = async (url, key) => {
      const answer = await wrapFetchWithPayment(fetch, privateKeyToAccount(key))(url)
      return { status: answer.status, text: await answer.text(), receipt: decodeXPaymentResponse(answer.headers.get('X-PAYMENT-RESPONSE')) }
    }`,
} as const

const bought = z.object({
  status: z.number(),
  text: z.string(),
  receipt: z.looseObject({ success: z.boolean(), transaction: z.string() }),
})

const [browser, shop] = await Promise.all([startBrowser(), openShop()])
let elsewhere: Server

beforeAll(async () => {
  await shop.site.kv.put('/articles/hello', 'the whole article')
  elsewhere = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html>'))
  await new Promise<void>((done) => elsewhere.listen(0, LOOPBACK, done))
})

afterAll(async () => {
  elsewhere.close()
  await browser.close()
  await shop.close()
})

// One after the other, since the cost of each is counted.
test.each(Object.entries(CLIENTS))(
  '%s buys from a page of another origin',
  { concurrent: false },
  async (_, contents) => {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: process.cwd() },
      bundle: true,
      format: 'iife',
      platform: 'browser',
      define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
      write: false,
      logLevel: 'error',
    })
    const page = await browser.newPage()
    const { port } = z.object({ port: z.number() }).parse(elsewhere.address())
    await page.goto(`http://localhost:${port}/`)
    await page.addScriptTag({ content: outputFiles.map(({ text }) => text).join('') })
    const { generatePrivateKey, privateKeyToAccount } = await import('viem/accounts')
    const key = generatePrivateKey()
    await shop.stack.chain.fund(privateKeyToAccount(key).address, PRICE)
    const { result, cost } = await shop.costOf(() =>
      page.evaluate(`buy(${JSON.stringify(`${shop.site.url}/articles/hello`)}, ${JSON.stringify(key)})`),
    )
    const { status, text, receipt } = bought.parse(result)
    expect({ status, text, paid: receipt.success }).toEqual({ status: 200, text: 'the whole article', paid: true })
    expect(cost).toEqual({ earned: PRICE, settles: 1, verifies: 0 })
    await page.close()
  },
)
