// What strangers may cost: whose failures are counted together, and how long an isolate remembers them.
import { describe, expect, test } from 'vitest'
import { addressKey, addressOf, Fading, Limits } from '../../src/limits.ts'

const NOW_MS = 1_800_000_000_000
const ADDRESS = '203.0.113.4'

/** A rate limit that allows so many; it notes the keys it was asked for. */
function counterOf(allowed: number) {
  const keys: string[] = []
  return {
    keys,
    limit: async ({ key }: { key: string }) => {
      keys.push(key)
      return { success: keys.length <= allowed }
    },
  }
}

test('questions to the chain are counted apart from failures, per address; who has none is not counted', async () => {
  const limits = new Limits()
  const counter = counterOf(1)
  expect(await limits.mayLook(counter, ADDRESS)).toBe(true)
  expect(await limits.mayLook(counter, ADDRESS)).toBe(false)
  expect(await limits.mayLook(counter, null)).toBe(true)
  expect(await limits.mayLook(undefined, ADDRESS)).toBe(true)
  expect(counter.keys).toEqual([`look ${ADDRESS}`, `look ${ADDRESS}`])
  expect(limits.mayTry(ADDRESS, NOW_MS)).toBe(true)
  expect(limits.hadRefusal(ADDRESS, NOW_MS)).toBe(false)
})

describe('one key per customer of a network', () => {
  test.each([
    ['IPv4 as it is', '192.0.2.1', '192.0.2.1'],
    ['IPv4 written as IPv6', '::ffff:192.0.2.1', '192.0.2.1'],
    ['the same in hexadecimal', '::ffff:c000:201', '192.0.2.1'],
    ['in capitals', '::FFFF:C000:0201', '192.0.2.1'],
    ['in full', '0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['in full, with leading zeros', '0000:0000:0000:0000:0000:ffff:c000:0201', '192.0.2.1'],
    ['IPv6 by its /64', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['another machine of that /64', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['the same in capitals', '2001:DB8:1:2::1', '2001:db8:1:2::/64'],
    ['with leading zeros', '2001:0db8:0001:0002:0000:0000:0000:0001', '2001:db8:1:2::/64'],
    ['with an IPv4 tail', '2001:db8:1:2:3:4:192.0.2.1', '2001:db8:1:2::/64'],
    ['shortened at its end', '2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['shortened within the /64', '2001:db8::1', '2001:db8:0:0::/64'],
    ['the same written out', '2001:db8:0:0:0:0:0:1', '2001:db8:0:0::/64'],
    ['with a zone', 'fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['the machine itself', '::1', '0:0:0:0::/64'],
    ['none in particular', '::', '0:0:0:0::/64'],
    ['one group left out', '2001:db8:1:2:3:4:5::', '2001:db8:1:2::/64'],
  ])('%s: %s', (_what, address, key) => {
    expect(addressKey(address)).toBe(key)
  })

  test('the neighbour has a key of its own', () => {
    expect(addressKey('2001:db8:1:3::1')).not.toBe(addressKey('2001:db8:1:2::1'))
    expect(addressKey('192.0.2.2')).not.toBe(addressKey('192.0.2.1'))
  })

  test.each([
    '',
    'unknown',
    '[::1]',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    ':1:2:3:4:5:6:7',
    '12345::',
    'g::1',
    '::ffff:192.0.2.256',
    '::ffff:192.0.2',
    '192.0.2.1:443',
    '::-1',
    '::0x1',
    '__proto__',
  ])('what is no address stays as it is: %j', (text) => {
    expect(addressKey(text)).toBe(text)
  })

  test('and is never kept at any length', () => {
    expect(addressKey('1:'.repeat(10_000))).toHaveLength(64)
    expect(addressKey('9'.repeat(10_000))).toHaveLength(64)
  })

  test('it is read from the header of Cloudflare alone', () => {
    const request = (headers: Record<string, string>) => new Request('https://news.example/', { headers })
    expect(addressOf(request({ 'CF-Connecting-IP': '2001:db8:1:2::1' }))).toBe('2001:db8:1:2::/64')
    expect(addressOf(request({ 'CF-Connecting-IP': ADDRESS }))).toBe(ADDRESS)
    expect(addressOf(request({ 'X-Forwarded-For': ADDRESS, 'X-Real-IP': ADDRESS }))).toBeNull()
  })
})

describe('failed payments', () => {
  test('an address that failed too often waits a minute', async () => {
    const limits = new Limits()
    const counter = counterOf(1)
    await limits.failed(counter, ADDRESS, NOW_MS)
    expect(limits.mayTry(ADDRESS, NOW_MS)).toBe(true)
    await limits.failed(counter, ADDRESS, NOW_MS)
    expect(limits.mayTry(ADDRESS, NOW_MS)).toBe(false)
    expect(limits.mayTry('203.0.113.5', NOW_MS)).toBe(true)
    expect(limits.mayTry(ADDRESS, NOW_MS + 60_000)).toBe(true)
  })

  test('two machines of one /64 are counted together', async () => {
    const limits = new Limits()
    const counter = counterOf(1)
    for (const address of ['2001:db8:1:2::a', '2001:db8:1:2::b']) {
      await limits.failed(counter, addressKey(address), NOW_MS)
    }
    expect(new Set(counter.keys)).toEqual(new Set(['2001:db8:1:2::/64']))
    expect(limits.mayTry(addressKey('2001:db8:1:2::c'), NOW_MS)).toBe(false)
  })

  test('without an address nothing is counted, and nobody waits', async () => {
    const limits = new Limits()
    const counter = counterOf(0)
    await limits.failed(counter, null, NOW_MS)
    expect(counter.keys).toEqual([])
    expect(limits.mayTry(null, NOW_MS)).toBe(true)
    expect(limits.hadRefusal(null, NOW_MS)).toBe(false)
  })
})

describe('who had a refusal in the last minute', () => {
  test('nobody at first', () => {
    expect(new Limits().hadRefusal(ADDRESS, NOW_MS)).toBe(false)
  })

  test('an address from its first failure on, for a minute', async () => {
    const limits = new Limits()
    await limits.failed(counterOf(10), ADDRESS, NOW_MS)
    expect(limits.hadRefusal(ADDRESS, NOW_MS)).toBe(true)
    expect(limits.hadRefusal(ADDRESS, NOW_MS + 59_999)).toBe(true)
    expect(limits.hadRefusal(ADDRESS, NOW_MS + 60_000)).toBe(false)
    expect(limits.hadRefusal('203.0.113.5', NOW_MS)).toBe(false)
  })

  test('each failure begins the minute anew', async () => {
    const limits = new Limits()
    await limits.failed(counterOf(10), ADDRESS, NOW_MS)
    await limits.failed(counterOf(10), ADDRESS, NOW_MS + 50_000)
    expect(limits.hadRefusal(ADDRESS, NOW_MS + 100_000)).toBe(true)
  })

  test('it is known before the counter has answered, and where there is none', async () => {
    const limits = new Limits()
    const counted = limits.failed(counterOf(10), ADDRESS, NOW_MS)
    expect(limits.hadRefusal(ADDRESS, NOW_MS)).toBe(true)
    await counted
    await limits.failed(undefined, '203.0.113.5', NOW_MS)
    expect(limits.hadRefusal('203.0.113.5', NOW_MS)).toBe(true)
    expect(limits.mayTry('203.0.113.5', NOW_MS)).toBe(true)
  })
})

test('the memory is bounded: the oldest goes first', () => {
  const fading = new Fading<number>()
  for (let i = 0; i <= 2_000; i += 1) fading.set(`${i}`, i, NOW_MS)
  expect(fading.get('0', NOW_MS)).toBeNull()
  expect(fading.get('1', NOW_MS)).toBe(1)
  expect(fading.get('2000', NOW_MS)).toBe(2_000)
})
