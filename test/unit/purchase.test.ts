// A client that hangs up on its payment: counted while the payment causes work, and not once its outcome is known.
import { expect, test } from 'vitest'
import { Limits } from '../../src/limits.ts'
import { countHangUp } from '../../src/purchase.ts'

function hangingUp(isHeard: boolean): number {
  const counted: string[] = []
  const world: Parameters<typeof countHangUp>[0] = {
    env: {
      FAILED_PAYMENTS: {
        limit: async ({ key }) => {
          counted.push(key)
          return { success: true }
        },
      },
    },
    isolate: { limits: new Limits() },
    waitUntil: () => {},
  }
  const client = new AbortController()
  const request = new Request('https://news.example/', {
    headers: { 'CF-Connecting-IP': '203.0.113.4' },
    signal: client.signal,
  })
  const hearNow = countHangUp(world, request)
  if (isHeard) hearNow()
  client.abort()
  return counted.length
}

test('before the outcome is known it counts as a failure', () => expect(hangingUp(false)).toBe(1))

test('a reader who has paid may hang up', () => expect(hangingUp(true)).toBe(0))
