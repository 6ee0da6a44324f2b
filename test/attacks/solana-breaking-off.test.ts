// Breaking off on Solana: hanging up while a payment is settled, before the content comes, and before its last byte.
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SolanaWallet, solanaWallets } from '../../dev/stack/solana/wallets.ts'
import { startOrigin } from '../world/origin.ts'
import { NOTHING, ONE_SALE, PRICE } from '../world/shop.ts'
import { type SolanaBehaviours, solanaBehaviours } from '../world/solana-behaviour.ts'
import { arrivals, landSilently } from '../world/solana-on-chain.ts'
import { paySolana } from '../world/solana-payer.ts'
import { openSolanaShop, type SolanaShop } from '../world/solana-shop.ts'

const ARTICLE = '/articles/hello'
const CONTENT = 'the whole article'
const ANSWER = 'forty-two, but let me explain at length'
/** How often content is handed out for one payment, at most (docs/decisions/010). */
const MOST = 3
const TRIES = 6
let shop: SolanaShop
let facilitator: SolanaBehaviours
/** Resolves when the origin's latest answer was given up. */
let givenUp: Promise<void> = Promise.resolve()

function* explanation() {
  yield ANSWER
  for (let i = 0; i < 4_000; i++) yield 'and furthermore '.repeat(1_000)
}

beforeAll(async () => {
  const origin = await startOrigin()
  origin.tell(() => {
    // Long, so that breaking off is noticed while it is under way: what fits into a buffer counts as taken.
    const body = Readable.from(explanation())
    givenUp = new Promise((done) => body.on('close', done))
    return { body }
  })
  facilitator = solanaBehaviours()
  shop = await openSolanaShop(
    {
      ORIGIN_URL: origin.url,
      ROUTES: [
        { path: '/answers/*', price: '$0.05', access: 'once' },
        { path: '/articles/*', content: 'kv', price: '$0.05', access: 'once' },
      ],
    },
    { hook: facilitator.hook },
  )
  shop.onClose(origin.stop)
  await shop.site.kv.put(ARTICLE, CONTENT)
})
afterAll(() => shop.close())

const headersFor = async (path: string, reader: SolanaWallet) =>
  paySolana('v2', shop.solana, await shop.challengeOnSolana(path), reader)

/** Sends a request. To hang up is a reset: a mere end of sending could be a client that still listens. */
function open(path: string, headers: Record<string, string>) {
  const sent = request(`${shop.site.url}${path}`, { headers, agent: false })
  sent.on('error', () => {}).end()
  return {
    async hangUp() {
      sent.socket?.resetAndDestroy()
      await shop.site.turn()
    },
  }
}

/** Pays, reads until the answer is there, and breaks off. Whether it was. */
function readAndBreakOff(path: string, headers: Record<string, string>): Promise<boolean> {
  return new Promise((done, broke) => {
    const sent = request(`${shop.site.url}${path}`, { headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (!text.includes(ANSWER)) return
        done(true)
        sent.destroy()
      })
      response.on('end', () => done(false))
    })
    sent.on('error', broke).end()
  })
}

test.each(['before it lands', 'once it has landed'])(
  'who hangs up while the facilitator settles, %s, has paid once and is handed the content once',
  async (when) => {
    const reader = await shop.readerOnSolana()
    const headers = await headersFor(ARTICLE, reader)
    const hasIt = Promise.withResolvers<void>()
    const goesOn = Promise.withResolvers<void>()
    facilitator.set(reader.address, async (proceed) => {
      if (when === 'before it lands') {
        hasIt.resolve()
        await goesOn.promise
        return proceed()
      }
      const reply = await proceed()
      hasIt.resolve()
      await goesOn.promise
      return reply
    })
    const { result: answers, cost } = await shop.costOnSolana(async () => {
      const first = open(ARTICLE, headers)
      await hasIt.promise
      await first.hangUp()
      goesOn.resolve()
      return [await shop.ask(ARTICLE, { headers }), await shop.ask(ARTICLE, { headers })]
    })
    expect(answers.map(({ status }) => status)).toEqual([200, 402])
    expect(answers[0]?.text).toBe(CONTENT)
    expect(cost).toEqual(ONE_SALE)
  },
)

test('who hangs up while the reply is lost, and signs again, pays once', async () => {
  const reader = await shop.readerOnSolana(3n * PRICE)
  const headers = await headersFor(ARTICLE, reader)
  const hasIt = Promise.withResolvers<void>()
  facilitator.set(reader.address, async (_, transaction) => {
    landSilently(shop.solana, transaction)
    hasIt.resolve()
    return 'drop'
  })
  const first = open(ARTICLE, headers)
  await hasIt.promise
  await first.hangUp()
  facilitator.set(reader.address, null)
  const { result: again, cost } = await shop.costOnSolana(async () =>
    shop.ask(ARTICLE, { headers: await headersFor(ARTICLE, reader) }),
  )
  expect([again.status, again.text]).toEqual([200, CONTENT])
  expect(cost).toEqual(NOTHING)
  const came = await arrivals(shop.solana, solanaWallets.publisher.address)
  expect(came.filter(({ from }) => from.includes(reader.address))).toHaveLength(1)
})

test.each<[string, (path: string, reader: SolanaWallet) => () => Promise<Record<string, string>>]>([
  [
    'one payment',
    (path, reader) => {
      const own = headersFor(path, reader)
      return () => own
    },
  ],
  ['one payment and signatures of the same wallet', (path, reader) => () => headersFor(path, reader)],
])(`%s: read ${MOST} times at most`, async (name, payments) => {
  const path = `/answers/${encodeURIComponent(name)}`
  const next = payments(path, await shop.readerOnSolana(PRICE))
  const { result: reads, cost } = await shop.costOnSolana(async () => {
    let count = 0
    for (let i = 0; i < TRIES; i++) {
      if (!(await readAndBreakOff(path, await next()))) continue
      count += 1
      await givenUp
    }
    return count
  })
  expect(reads).toBeLessThanOrEqual(MOST)
  expect(reads).toBeGreaterThan(0)
  expect(cost.earned).toBe(PRICE)
})
