// A publisher's page as it comes: what is read of it, for how long, and that it is let go.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { answerElsewhere, cutPage, LONGEST_MS } from '../../src/wall.ts'

const ADDRESS = 'https://news.example/articles/tides'
const SETTINGS = { select: null, keep: 2 }
const words = (count: number) => '<p>words of the sea and the moon over it</p>'.repeat(count)
const PAGE = `<!doctype html><title>T</title><article><h1>T</h1>${words(40)}</article><footer>Imprint</footer>`

/** A page in these pieces; a function is waited for. `gone`: why it was let go. */
function pageOf(pieces: readonly (string | Uint8Array | (() => Promise<void>))[], type = 'text/html; charset=utf-8') {
  const gone: unknown[] = []
  const left = [...pieces]
  const body = new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      const next = left.shift()
      if (next === undefined) {
        controller.close()
        // Whoever waits with room of their own hears of the end only so.
        controller.byobRequest?.respond(0)
      } else if (typeof next === 'function') await next()
      else controller.enqueue(typeof next === 'string' ? new TextEncoder().encode(next) : Uint8Array.from(next))
    },
    cancel: (reason) => void gone.push(reason),
  })
  return { response: new Response(body, { headers: { 'Content-Type': type } }), gone }
}

const cut = (response: Response) => cutPage(response, SETTINGS, ADDRESS, Date.now() + LONGEST_MS)

async function wholeOf(response: Response) {
  const page = await cut(response)
  if (page === null || page === 'late') return null
  let after = ''
  for await (const part of page.after()) after += part
  return { before: page.before, after }
}

const never = () => new Promise<void>(() => {})

describe('is cut', () => {
  test('in pieces of any size, the same', async () => {
    const whole = await wholeOf(pageOf([PAGE]).response)
    expect(whole?.after).toContain('Imprint')
    expect(await wholeOf(pageOf([...PAGE]).response)).toEqual(whole)
  })
})

test('is asked for in large pieces: each costs as much as what is in it', async () => {
  const bytes = new TextEncoder().encode(PAGE.replace('</article>', `${words(3_000)}</article>`))
  let at = 0
  let asked = 0
  const body = new ReadableStream({
    type: 'bytes',
    pull(controller) {
      const view = controller.byobRequest?.view
      if (!view) throw new TypeError('read without room of its own')
      const piece = bytes.subarray(at, at + view.byteLength)
      if (piece.byteLength === 0) controller.close()
      else new Uint8Array(view.buffer, view.byteOffset).set(piece)
      at += piece.byteLength
      asked += 1
      controller.byobRequest?.respond(piece.byteLength)
    },
  })
  const page = await wholeOf(new Response(body, { headers: { 'Content-Type': 'text/html; charset=utf-8' } }))
  expect(page?.after).toContain('Imprint')
  expect(bytes.byteLength).toBeGreaterThan(100_000)
  expect(asked).toBeLessThan(5)
})

describe('is not cut, and is let go', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['as another type', PAGE, 'application/xhtml+xml'],
    ['in an encoding nobody knows', PAGE, 'text/html; charset=x-klingon'],
    [
      'that is no text in its own encoding',
      Uint8Array.of(...new TextEncoder().encode('<article><p>a'), 0xff, 0xfe),
      'text/html; charset=utf-8',
    ],
    ['in a form for telephones', PAGE.replace('<title>', '<html amp><title>'), 'text/html'],
  ])('a page %s', async (_what, piece, type) => {
    const { response, gone } = pageOf([piece, ...Array.from({ length: 9 }, () => words(40)), never], type)
    expect(await cut(response)).toBeNull()
    expect(gone).toHaveLength(1)
  })

  test('a page of more than 512 KB in front of its cut', async () => {
    const { response, gone } = pageOf(Array.from({ length: 20 }, () => `<!--${'x'.repeat(32_768)}-->`).concat(PAGE))
    expect(await cut(response)).toBeNull()
    expect(gone).toHaveLength(1)
  })
})

describe('in time', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('or the plain page is shown, and the origin is let go', async () => {
    const { response, gone } = pageOf(['<!doctype html><article><p>a</p>', never])
    const cutting = cut(response)
    await vi.advanceTimersByTimeAsync(LONGEST_MS)
    expect(await cutting).toBe('late')
    expect(gone).toHaveLength(1)
  })

  test('behind the cut: it ends where nothing comes for long, and says that it was not whole', async () => {
    const { response, gone } = pageOf([PAGE.slice(0, PAGE.indexOf('<footer')), never])
    const page = await cut(response)
    if (page === 'late') throw new Error('late')
    const parts = page?.after()
    const first = parts?.next()
    await vi.advanceTimersByTimeAsync(5_000)
    expect((await first)?.value).toBe('</article>')
    expect(await parts?.next()).toEqual({ done: true, value: false })
    expect(gone).toHaveLength(1)
  })
})

test.each<[number, string | null, number | null]>([
  [404, null, 404],
  [410, null, 410],
  [301, '/articles/other', 301],
  [302, 'https://news.example/login', 302],
  [302, 'https://elsewhere.example/', null],
  [301, ADDRESS, null],
  [304, '/x', null],
  [200, null, null],
  [500, null, null],
])('an origin that says %i to %s: %s', (status, location, expected) => {
  const body = status === 304 ? null : 'words'
  const headers: HeadersInit = location === null ? { 'Set-Cookie': 'a=b' } : { Location: location, 'Set-Cookie': 'a=b' }
  const answer = answerElsewhere(new Response(body, { status, headers }), ADDRESS)
  expect(answer?.status ?? null).toBe(expected)
  expect(answer?.headers.get('Set-Cookie') ?? null).toBeNull()
})
