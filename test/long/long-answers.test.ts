// An answer that is longer on its way than anybody holds a request. While it streams it is neither lost nor for the taking:
// the next payments for the same thing pay for answers of their own. In bare workerd, which does not buffer.
import { createServer, type Server } from 'node:http'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, test } from 'vitest'
import { LOOPBACK, listening } from '../../dev/stack/ports.ts'
import { send } from '../world/answer.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { NETWORK, PRICE } from '../world/shop.ts'
import { type Site, startSite } from '../world/site.ts'
import { type Stack, startStack } from '../world/stack.ts'

/** Longer than a request is held, and than a handout may be silent. */
const LONG_SECONDS = 62
let stack: Stack
let origin: Server
let site: Site

beforeAll(async () => {
  stack = await startStack()
  // A line a second; only the first reader of a page gets the long answer.
  const seen = new Set<string>()
  origin = createServer((request, response) => {
    const url = request.url ?? ''
    if (seen.has(url)) return void response.end('a short answer')
    seen.add(url)
    let seconds = 0
    const timer = setInterval(() => {
      response.write(`${seconds}\n`)
      seconds += 1
      if (seconds > LONG_SECONDS + 10) response.end()
    }, 1_000)
    response.on('close', () => clearInterval(timer))
    response.write('a long answer\n')
  })
  const { url } = await listening(origin)
  site = await startSite({
    RPC_URLS: { [NETWORK]: stack.chain.rpcUrl },
    ORIGIN_URL: url,
    FACILITATORS: [stack.facilitator.url],
    ROUTES: [{ path: '/answers/*', price: '$0.05', access: 'once' }],
  })
})

afterAll(async () => {
  await site.stop()
  origin.closeAllConnections()
  await new Promise((done) => origin.close(done))
  await stack.stop()
})

async function newReader(): Promise<PrivateKeyAccount> {
  const account = privateKeyToAccount(generatePrivateKey())
  await stack.chain.fund(account.address, 5n * PRICE)
  return account
}

/** Reads until a line is there. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, line: string): Promise<void> {
  const decoder = new TextDecoder()
  for (let text = ''; !text.includes(line); ) {
    const { value, done } = await reader.read()
    if (done) throw new Error(`the answer ended before ${line}`)
    text += decoder.decode(value, { stream: true })
  }
}

test.concurrent.for(VERSIONS)(
  'while an answer bought in %s streams for a minute, each further payment is settled',
  { timeout: 150_000 },
  async (version, { expect }) => {
    const url = `http://${LOOPBACK}:${site.port}/answers/${version}`
    const reader = await newReader()
    // An unpaid question asks nothing of the origin.
    const challenge = (await send(url)).challenge
    const [first, second, third, fourth] = await Promise.all(
      Array.from({ length: 4 }, () => pay(version, challenge, reader)),
    )
    const spent = async () => 5n * PRICE - (await stack.chain.balance(reader.address))
    const long = await fetch(url, { headers: first ?? {} })
    expect(long.status).toBe(200)
    const body = long.body?.getReader()
    if (!body) throw new Error('no body')
    await readUntil(body, 'a long answer\n')
    // At once, and when a minute is over.
    expect((await send(url, { headers: second ?? {} })).text).toBe('a short answer')
    expect(await spent()).toBe(2n * PRICE)
    await readUntil(body, `\n${LONG_SECONDS}\n`)
    for (const [headers, sold] of [
      [third, 3n],
      [fourth, 4n],
    ] as const) {
      const answer = await send(url, { headers: headers ?? {} })
      expect(answer.status).toBe(200)
      expect(answer.text).toBe('a short answer')
      expect(await spent()).toBe(sold * PRICE)
    }
    // It is still on its way: whoever shows its payment gets no second answer.
    const copy = await send(url, { headers: first ?? {} })
    expect(copy.text).not.toContain('answer\n')
    expect([402, 503]).toContain(copy.status)
    while (!(await body.read()).done);
    expect((await send(url, { headers: first ?? {} })).error).toBe('payment_already_used')
    expect(await spent()).toBe(4n * PRICE)
  },
)
