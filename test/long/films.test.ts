// A film is sold as cheaply as a page: what its bytes cost the processor, beside the same bytes for nothing; and five
// gigabytes of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pay } from '../world/payer.ts'
import { ONE_SALE, openShop, type Shop } from '../world/shop.ts'
import { isLinux, usageOf } from '../world/usage.ts'
import { startZeros, swallow, type Zeros } from '../world/zeros.ts'

const MIB = 1024 * 1024
const FILM = 256 * MIB
const FILE = 64 * MIB
const HUGE = 5 * 1024 * MIB
const ROUNDS = 5
/** What the platform's sockets and streams may take, whatever streams through them. */
const MOST_MEMORY_MIB = 32
let zeros: Zeros
let shop: Shop

beforeAll(async () => {
  zeros = await startZeros()
  shop = await openShop({
    ORIGIN_URL: zeros.url,
    ROUTES: [
      { path: '/films/*', price: '$0.05', access: 'once' },
      { path: '/trailers/*', price: 'free' },
      { path: '/files/*', content: 'r2', price: '$0.05', access: 'once' },
      { path: '/samples/*', content: 'r2', price: 'free' },
    ],
  })
  await Promise.all(
    ['files', 'samples'].flatMap((shelf) => [1, FILE].map((bytes) => store(`${shelf}/${bytes}`, bytes))),
  )
}, 180_000)

afterAll(async () => {
  await shop.close()
  await zeros.stop()
})

async function store(key: string, bytes: number): Promise<void> {
  await shop.site.r2.put(key, Buffer.alloc(bytes))
}

const payment = async (path: string) => pay('v2', await shop.challenge(path), await shop.reader())
const watch = (path: string, headers: Record<string, string> = {}) => swallow(`${shop.site.url}${path}`, { headers })
const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

describe.runIf(isLinux)('what it costs the processor', () => {
  test.each([
    // The platform hands on what nobody watches in pieces of 400 KiB, and what is watched in pieces of 64 KiB; a script
    // that copies costs sixty times as much.
    ['an origin', '/trailers/', '/films/', FILM, 1.6],
    // Free or bought, a file goes the same way.
    ['R2', '/samples/', '/files/', FILE, 1.3],
  ])(
    'each megabyte of a purchase from %s (%s, %s, %i bytes) is at most %f times one that is free',
    { timeout: 600_000 },
    async (_, free, sold, bytes, most) => {
      const usage = usageOf(shop.site)
      const costMs = async (path: string, size: number, headers?: Record<string, string>) => {
        const before = usage.cpuMs()
        const answer = await watch(path, headers)
        expect(answer).toMatchObject({ status: 200, bytes: size, isWhole: true })
        expect(answer.headers['content-length']).toBe(String(size))
        return usage.cpuMs() - before
      }
      const seen: { free: number[]; sold: number[] } = { free: [], sold: [] }
      for (let round = 0; round < ROUNDS; round++) {
        // The purchase itself costs the same whatever is bought.
        const [one, whole] = [await payment(`${sold}1`), await payment(`${sold}${bytes}`)]
        seen.free.push((await costMs(`${free}${bytes}`, bytes)) - (await costMs(`${free}1`, 1)))
        seen.sold.push((await costMs(`${sold}${bytes}`, bytes, whole)) - (await costMs(`${sold}1`, 1, one)))
      }
      expect(median(seen.sold) / median(seen.free)).toBeLessThanOrEqual(most)
    },
  )
})

test.each([`/films/${HUGE}`, `/films/${HUGE}.live`])(
  'five gigabytes (%s) are bought whole, and memory stays flat',
  { timeout: 600_000 },
  async (path) => {
    expect((await watch(`/films/${MIB}`, await payment(`/films/${MIB}`))).isWhole).toBe(true)
    const headers = await payment(path)
    const usage = isLinux ? usageOf(shop.site) : null
    const before = usage?.peakMiB() ?? 0
    const { result: answer, cost } = await shop.costOf(() => watch(path, headers))
    expect(answer).toMatchObject({ status: 200, bytes: HUGE, isWhole: true })
    expect(cost).toEqual(ONE_SALE)
    expect((usage?.peakMiB() ?? 0) - before).toBeLessThan(MOST_MEMORY_MIB)
    expect((await shop.ask(path, { headers })).error).toBe('payment_already_used')
  },
)
