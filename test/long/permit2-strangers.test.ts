// Strangers who make a facilitator look at permits that cannot be paid, and hang up before they are told.
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LOOPBACK } from '../../dev/stack/ports.ts'
import { says } from '../world/behaviour.ts'
import { type PermitChange, payByPermit } from '../world/permit2-payer.ts'
import { openPermitShop, type PermitShop } from '../world/permit2-shop.ts'

const PAGE = '/articles/hello'
const CONTENT = 'the whole article'
/** Twice the `simple.limit` of FAILED_PAYMENTS in wrangler.toml, and some more: a minute may end in between. */
const TRIES = 220
const refusing = says({ isValid: false, invalidReason: 'permit2_allowance_required' })

let shop: PermitShop

beforeAll(async () => {
  shop = await openPermitShop()
  await shop.site.kv.put(PAGE, CONTENT)
})

afterAll(() => shop.close())

/** Sends a payment and hangs up once a facilitator looks at it, or the answer has come. Whether a facilitator did. */
async function hangUpOnVerify(headers: Record<string, string>, address: string): Promise<boolean> {
  const looks = Promise.withResolvers<boolean>()
  const gone = Promise.withResolvers<void>()
  shop.stack.facilitator.setHook(async () => {
    looks.resolve(true)
    await gone.promise
    return refusing()
  })
  const lines = Object.entries({ ...headers, 'CF-Connecting-IP': address }).map(([name, value]) => `${name}: ${value}`)
  const socket = connect(shop.site.port, LOOPBACK, () =>
    socket.write(`GET ${PAGE} HTTP/1.1\r\nHost: news.example\r\n${lines.join('\r\n')}\r\n\r\n`),
  )
  socket.once('data', () => looks.resolve(false))
  const hasLooked = await looks.promise
  socket.resetAndDestroy()
  gone.resolve()
  return hasLooked
}

test.each<[string, string, PermitChange]>([
  ['of wallets without an approval', '203.0.113.1', {}],
  ['that nobody has signed', '203.0.113.2', { signature: () => `0x${'11'.repeat(96)}` }],
])('permits %s: who hangs up on the facilitator’s answer is soon told to wait', async (_, address, change) => {
  const challenge = await shop.challenge(PAGE)
  let looked = 0
  for (let i = 0; i < TRIES; i++) {
    const reader = await shop.reader({ funds: 0n, isApproved: false })
    looked += Number(await hangUpOnVerify(await payByPermit(challenge, reader, change), address))
  }
  expect(looked).toBeGreaterThan(0)
  expect(looked).toBeLessThan(TRIES)
  shop.stack.facilitator.setHook(undefined)
  const honest = await shop.reader()
  const headers = await payByPermit(challenge, honest)
  expect((await shop.ask(PAGE, { headers: { ...headers, 'CF-Connecting-IP': '203.0.113.3' } })).text).toBe(CONTENT)
})
