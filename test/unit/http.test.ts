// `exchange` against a `fetch` of our own: what each fault is called, and that nothing of a call outlives it.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { exchange } from '../../src/http.ts'

const SERVICE = 'https://service.example/settle'
const KIB = 1024

/** A `fetch` that answers in this way, and the requests it got. */
function answering(answer: (signal: AbortSignal) => Promise<Response> | Response) {
  const stub = vi.spyOn(globalThis, 'fetch')
  stub.mockImplementation(async (_url, init) => answer(init?.signal ?? new AbortController().signal))
  return stub
}

/** As the platform's: breaks off when it is aborted. */
const never = (signal: AbortSignal) =>
  new Promise<Response>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })

/** A reply that begins, and of which no more comes; aborted, it breaks. */
const stalled = (signal: AbortSignal) =>
  new Response(
    new ReadableStream({
      start(stream) {
        stream.enqueue(new TextEncoder().encode('{"success":'))
        signal.addEventListener('abort', () => stream.error(signal.reason))
      },
    }),
  )

const broken = () =>
  new Response(
    new ReadableStream({
      pull: (stream) => stream.error(new TypeError('terminated')),
    }),
  )

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('what is sent', () => {
  test('JSON by POST, no redirect followed', async () => {
    const stub = answering(() => Response.json({}))
    await exchange(SERVICE, { a: 1 }, 1_000)
    expect(stub.mock.calls[0]).toEqual([
      SERVICE,
      expect.objectContaining({
        method: 'POST',
        body: '{"a":1}',
        headers: { Accept: 'application/json', 'Content-Type': 'application/json' },
        redirect: 'manual',
      }),
    ])
  })

  test('what a key needs goes along', async () => {
    const stub = answering(() => Response.json({}))
    await exchange(SERVICE, {}, 1_000, { headers: { 'x-api-key': 'a key' } })
    expect(stub.mock.calls[0]?.[1]?.headers).toEqual({
      Accept: 'application/json',
      'Content-Type': 'application/json',
      'x-api-key': 'a key',
    })
  })

  test('without a body, a GET', async () => {
    const stub = answering(() => Response.json({}))
    await exchange(SERVICE, undefined, 1_000)
    expect(stub.mock.calls[0]?.[1]).toMatchObject({ method: 'GET', headers: { Accept: 'application/json' } })
    expect(stub.mock.calls[0]?.[1]).not.toHaveProperty('body')
  })
})

describe('what comes back', () => {
  test.each<[string, Response, { status: number; json: unknown }]>([
    ['JSON', Response.json({ success: true }), { status: 200, json: { success: true } }],
    ['JSON of a failure', Response.json({ error: 'no' }, { status: 500 }), { status: 500, json: { error: 'no' } }],
    ['a page', new Response('<h1>Bad gateway</h1>', { status: 502 }), { status: 502, json: undefined }],
    ['nothing', new Response(null, { status: 204 }), { status: 204, json: undefined }],
    ['an empty body', new Response(''), { status: 200, json: undefined }],
    ['half of a JSON text', new Response('{"success":tr'), { status: 200, json: undefined }],
    ['bytes that are no text', new Response(new Uint8Array([0xff, 0xfe, 0x00])), { status: 200, json: undefined }],
    [
      'a redirect',
      new Response(null, { status: 307, headers: { Location: 'https://elsewhere.example' } }),
      { status: 307, json: undefined },
    ],
  ])('%s', async (_what, response, value) => {
    answering(() => response)
    expect(await exchange(SERVICE, {}, 1_000)).toEqual({ ok: true, value: { ...value, retryAfterSeconds: null } })
  })

  test('a text of brackets alone ends like any other', async () => {
    answering(() => new Response('['.repeat(60 * KIB)))
    expect(await exchange(SERVICE, {}, 1_000)).toMatchObject({ ok: true, value: { status: 200, json: undefined } })
  })

  test('64 KiB are read, one byte more is not', async () => {
    const text = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2))
    answering(() => new Response(text(64 * KIB)))
    expect(await exchange(SERVICE, {}, 1_000)).toMatchObject({ ok: true })
    answering(() => new Response(text(64 * KIB + 1)))
    expect(await exchange(SERVICE, {}, 1_000)).toEqual({ ok: false, error: 'oversized' })
  })

  test('another limit is counted in bytes, whatever the parts', async () => {
    const parts = ['"é', 'é', 'é"'].map((part) => new TextEncoder().encode(part))
    const inParts = () =>
      new Response(
        new ReadableStream({
          start(controller) {
            for (const part of parts) controller.enqueue(part)
            controller.close()
          },
        }),
      )
    answering(inParts)
    expect(await exchange(SERVICE, {}, 1_000, { maxBytes: 8 })).toMatchObject({ ok: true, value: { json: 'ééé' } })
    expect(await exchange(SERVICE, {}, 1_000, { maxBytes: 7 })).toEqual({ ok: false, error: 'oversized' })
  })

  test.each<[string | null, number | null]>([
    [null, null],
    ['7', 7],
    ['0', 0],
    ['Fri, 15 Jan 2027 08:01:00 GMT', 60],
    ['Fri, 15 Jan 2027 07:00:00 GMT', 0],
    ['soon', null],
    ['-5', null],
    ['1.5', null],
  ])('Retry-After: %s', async (header, retryAfterSeconds) => {
    vi.setSystemTime(new Date('2027-01-15T08:00:00Z'))
    answering(() => new Response('{}', { status: 429, headers: header === null ? {} : { 'Retry-After': header } }))
    expect(await exchange(SERVICE, {}, 1_000)).toMatchObject({ ok: true, value: { retryAfterSeconds } })
  })

  test('what is too large is not read to its end', async () => {
    let pulled = 0
    const canceled = vi.fn()
    const endless = new ReadableStream({
      pull(stream) {
        pulled += 1
        stream.enqueue(new Uint8Array(KIB))
      },
      cancel: canceled,
    })
    answering(() => new Response(endless))
    expect(await exchange(SERVICE, {}, 1_000)).toEqual({ ok: false, error: 'oversized' })
    expect(pulled).toBeLessThan(70)
    expect(canceled).toHaveBeenCalledOnce()
  })
})

describe('what does not come back', () => {
  test('a connection that is lost before a reply began is unanswered', async () => {
    answering(() => Promise.reject(new TypeError('fetch failed')))
    expect(await exchange(SERVICE, {}, 1_000)).toEqual({ ok: false, error: 'unanswered' })
  })

  test('so is one where no reply begins in time', async () => {
    answering(never)
    const reply = exchange(SERVICE, {}, 1_000)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await reply).toEqual({ ok: false, error: 'unanswered' })
  })

  test('a reply that breaks off is garbled', async () => {
    answering(broken)
    expect(await exchange(SERVICE, {}, 1_000)).toEqual({ ok: false, error: 'garbled' })
  })

  test('so is one that is not over in time', async () => {
    answering(stalled)
    const reply = exchange(SERVICE, {}, 1_000)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await reply).toEqual({ ok: false, error: 'garbled' })
  })

  test('an address that is none throws nothing', async () => {
    answering(() => {
      throw new TypeError('Invalid SERVICE')
    })
    expect(await exchange('nowhere', {}, 1_000)).toEqual({ ok: false, error: 'unanswered' })
  })
})

describe('no timer outlives the call', () => {
  test.each<[string, (signal: AbortSignal) => Promise<Response> | Response]>([
    ['answered', () => Response.json({})],
    ['lost', () => Promise.reject(new TypeError('fetch failed'))],
    ['too large', () => new Response('x'.repeat(65 * KIB))],
    ['broken off', broken],
    ['late', never],
    ['stalled', stalled],
  ])('%s', async (_what, answer) => {
    answering(answer)
    const reply = exchange(SERVICE, {}, 1_000)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(1_000)
    await reply
    expect(vi.getTimerCount()).toBe(0)
  })

  test('and an answer cancels it at once', async () => {
    answering(() => Response.json({}))
    await exchange(SERVICE, {}, 1_000)
    expect(vi.getTimerCount()).toBe(0)
  })
})
