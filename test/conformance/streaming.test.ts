// What is long: it streams through, whole, with its length where it is known, and is not kept on the way. Whether all of
// it was taken is known at its end.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pay } from '../world/payer.ts'
import { ONE_SALE, openShop, type Shop } from '../world/shop.ts'
import { isLinux, usageOf } from '../world/usage.ts'
import { startZeros, swallow, type Zeros } from '../world/zeros.ts'

const MIB = 1024 * 1024
const LONG = 256 * MIB
/** More than fits into the sockets on the way. */
const MIDDLING = 64 * MIB
/** What the platform's sockets and streams may take for one answer; an eighth of it. */
const MOST_MEMORY_MIB = 32
let zeros: Zeros
let shop: Shop

beforeAll(async () => {
  zeros = await startZeros()
  shop = await openShop({ ORIGIN_URL: zeros.url, ROUTES: [{ path: '/films/*', price: '$0.05', access: 'once' }] })
})

afterAll(async () => {
  await shop.close()
  await zeros.stop()
})

const payment = async (path: string) => pay('v2', await shop.challenge(path), await shop.reader())
const watch = (path: string, headers: Record<string, string>, enough?: number) =>
  swallow(`${shop.site.url}${path}`, { headers, ...(enough ? { enough } : {}) })

test.each([
  ['of a length that its origin says', `/films/${LONG}`, String(LONG)],
  ['of a length nobody knows', `/films/${LONG}.live`, undefined],
])('256 MiB %s are bought whole, and memory stays flat', async (_, path, length) => {
  // Not the first purchase of this workerd: what it reads once is in memory.
  expect((await watch(`/films/${MIB}`, await payment(`/films/${MIB}`))).isWhole).toBe(true)
  const headers = await payment(path)
  const usage = isLinux ? usageOf(shop.site) : null
  const before = usage?.peakMiB() ?? 0
  const { result: answer, cost } = await shop.costOf(() => watch(path, headers))
  expect(answer).toMatchObject({ status: 200, bytes: LONG, isWhole: true })
  expect(answer.headers['content-length']).toBe(length)
  expect(answer.headers['payment-response']).toBeDefined()
  expect(cost).toEqual(ONE_SALE)
  expect((usage?.peakMiB() ?? 0) - before).toBeLessThan(MOST_MEMORY_MIB)
  expect((await shop.ask(path, { headers })).error).toBe('payment_already_used')
})

test.each([`/films/${MIDDLING}`, `/films/${MIDDLING}.live`])(
  'whoever hangs up in the middle of %s may ask again, and pays once',
  async (path) => {
    const headers = await payment(path)
    const { result: answers, cost } = await shop.costOf(async () => [
      await watch(path, headers, 8 * MIB),
      await watch(path, headers),
      await watch(path, headers),
    ])
    expect(answers.map(({ status, isWhole }) => `${status} ${isWhole}`)).toEqual(['200 false', '200 true', '402 true'])
    expect(answers[0]?.bytes).toBeLessThan(MIDDLING)
    expect(answers[1]?.bytes).toBe(MIDDLING)
    expect(cost).toEqual(ONE_SALE)
  },
)

test('what breaks off at its origin breaks off at its reader, who may ask again, three times in all', async () => {
  const path = `/films/${8 * MIB}.broken`
  const headers = await payment(path)
  const { result: answers, cost } = await shop.costOf(async () => [
    await watch(path, headers),
    await watch(path, headers),
    await watch(path, headers),
    await watch(path, headers),
  ])
  expect(answers.map(({ status, isWhole }) => `${status} ${isWhole}`)).toEqual([
    '200 false',
    '200 false',
    '200 false',
    '402 true',
  ])
  expect(cost).toEqual(ONE_SALE)
})
