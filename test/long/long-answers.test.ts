// An answer that is longer on its way than anybody holds a request. While it streams it is neither lost nor for the taking:
// the next payments for the same thing pay for answers of their own. In bare workerd, which does not buffer.
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, test } from 'vitest'
import { startOrigin } from '../world/origin.ts'
import { pay, VERSIONS } from '../world/payer.ts'
import { openShop, PRICE, type Shop } from '../world/shop.ts'

/** Longer than a request is held, and than a handout may be silent. */
const LONG_SECONDS = 62
let shop: Shop

/** A line a second. */
async function* long() {
  yield 'a long answer\n'
  for (let seconds = 0; seconds <= LONG_SECONDS + 10; seconds++) {
    await setTimeout(1_000)
    yield `${seconds}\n`
  }
}

beforeAll(async () => {
  const origin = await startOrigin()
  // Only the first reader of a page gets the long answer.
  origin.tell(({ url }) => {
    const isFirst = origin.seen.filter((request) => request.url === url).length === 1
    return { body: isFirst ? Readable.from(long()) : 'a short answer' }
  })
  shop = await openShop({
    ORIGIN_URL: origin.url,
    ROUTES: [{ path: '/answers/*', price: '$0.05', access: 'once' }],
  })
  shop.onClose(origin.stop)
})

afterAll(() => shop.close())

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
    const path = `/answers/${version}`
    const reader = await shop.reader(5n * PRICE)
    // An unpaid question asks nothing of the origin.
    const challenge = await shop.challenge(path)
    const [first, second, third, fourth] = await Promise.all(
      Array.from({ length: 4 }, () => pay(version, challenge, reader)),
    )
    const spent = async () => 5n * PRICE - (await shop.stack.chain.balance(reader.address))
    const long = await fetch(`${shop.site.url}${path}`, { headers: first ?? {} })
    expect(long.status).toBe(200)
    const body = long.body?.getReader()
    if (!body) throw new Error('no body')
    await readUntil(body, 'a long answer\n')
    // At once, and when a minute is over.
    expect((await shop.ask(path, { headers: second ?? {} })).text).toBe('a short answer')
    expect(await spent()).toBe(2n * PRICE)
    await readUntil(body, `\n${LONG_SECONDS}\n`)
    for (const [headers, sold] of [
      [third, 3n],
      [fourth, 4n],
    ] as const) {
      const answer = await shop.ask(path, { headers: headers ?? {} })
      expect(answer.status).toBe(200)
      expect(answer.text).toBe('a short answer')
      expect(await spent()).toBe(sold * PRICE)
    }
    // It is still on its way: whoever shows its payment gets no second answer.
    const copy = await shop.ask(path, { headers: first ?? {} })
    expect(copy.text).not.toContain('answer\n')
    expect([402, 503]).toContain(copy.status)
    while (!(await body.read()).done);
    expect((await shop.ask(path, { headers: first ?? {} })).error).toBe('payment_already_used')
    expect(await spent()).toBe(4n * PRICE)
  },
)
