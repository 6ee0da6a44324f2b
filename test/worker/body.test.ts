// A body on its way in the real runtime, with its first bytes kept: it goes out as it came, whichever end breaks off the other
// hears of it, and it counts as taken when all of it was.
import { describe, expect, test } from 'vitest'
import { bytesOf, newStart, peeked, type Start, type Watched, watched } from '../../src/body.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (letters: string) => new TextEncoder().encode(letters)

type Source = { stream: ReadableStream<Uint8Array>; asked: () => number; cancelled: () => boolean }

/** A source of these pieces; each is made when it is asked for. After them comes the end, or a fault. */
function sourceOf(pieces: readonly string[], fault?: Error): Source {
  let asked = 0
  let isCancelled = false
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[asked]
        asked += 1
        if (piece !== undefined) controller.enqueue(bytes(piece))
        else if (fault) controller.error(fault)
        else controller.close()
      },
      cancel() {
        isCancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  return { stream, asked: () => asked, cancelled: () => isCancelled }
}

/** What the promise is by now, after all that could happen. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  const open = new Promise((resolve) => setTimeout(() => resolve('open'), 20))
  return Promise.race([
    promise.then(
      () => 'taken',
      () => 'broken off',
    ),
    open,
  ]).then(String)
}

const WAYS: readonly [string, (source: Source, length: number | null, start: Start | null) => Promise<Watched>][] = [
  ['watched from its start', async ({ stream }, length, start) => watched(stream, length, start)],
  [
    'with its first piece at hand',
    async ({ stream }, length, start) => {
      const found = await peeked(stream)
      if (!found) throw new Error('it has a first piece')
      return found.watched(length, start)
    },
  ],
]

describe.each(WAYS)('a body %s', (_, watch) => {
  test.each([
    ['shorter than what is kept', 100],
    ['as long as what is kept', 9],
    ['longer than what is kept', 5],
    ['of which nothing is kept', null],
  ])('%s comes whole, of a known length and of none', async (__, most) => {
    for (const length of [9, null]) {
      const start = most === null ? null : newStart(most)
      const { body, taken } = await watch(sourceOf(['abc', 'def', 'ghi']), length, start)
      expect(await stateOf(taken)).toBe('open')
      expect(await new Response(body).text()).toBe('abcdefghi')
      expect(await stateOf(taken)).toBe('taken')
      if (start) expect(text(bytesOf(start))).toBe('abcdefghi'.slice(0, start.pieces.length ? (most ?? 0) : 0))
    }
  })

  test('waits for its reader: no more is fetched than is taken', async () => {
    const source = sourceOf(['a', 'b', 'c', 'd', 'e', 'f'])
    const { body, taken } = await watch(source, null, newStart(100))
    const reader = body.getReader()
    expect(text((await reader.read()).value ?? bytes(''))).toBe('a')
    expect(await stateOf(taken)).toBe('open')
    expect(source.asked()).toBeLessThanOrEqual(2)
    await reader.cancel()
  })

  test.each([
    ['while it is kept', 100],
    ['later', 1],
  ])('whose reader goes away %s breaks off at its source', async (__, most) => {
    const source = sourceOf(['abc', 'def', 'ghi', 'jkl'])
    const start = newStart(most)
    const { body, taken } = await watch(source, null, start)
    const reader = body.getReader()
    await reader.read()
    await reader.read()
    await reader.cancel()
    expect(await stateOf(taken)).toBe('broken off')
    expect(source.cancelled()).toBe(true)
    expect(text(bytesOf(start))).toContain('a')
  })

  test.each([
    ['while it is kept', 100],
    ['later', 1],
  ])('whose source breaks off %s breaks off at its reader', async (__, most) => {
    const start = newStart(most)
    const { body, taken } = await watch(sourceOf(['abc', 'def'], new Error('the press stands still')), null, start)
    await expect(new Response(body).text()).rejects.toThrow()
    expect(await stateOf(taken)).toBe('broken off')
    expect(text(bytesOf(start))).toBe('abcdef'.slice(0, most))
  })

  test.each([
    ['while it is kept', newStart(100)],
    ['later', newStart(1)],
    ['and nothing is kept', null],
  ])('that is shorter than it said breaks off at its reader, %s', async (__, start) => {
    const { body } = await watch(sourceOf(['abc', 'def']), 9, start)
    await expect(new Response(body).text()).rejects.toThrow()
  })
})

describe('a body that is looked for', () => {
  test('is none without a byte', async () => {
    expect(await peeked(sourceOf([]).stream)).toBeNull()
    expect(await peeked(sourceOf(['', '']).stream)).toBeNull()
  })

  test('that nobody wants is let go', async () => {
    const source = sourceOf(['abc', 'def'])
    await (await peeked(source.stream))?.discard()
    expect(source.cancelled()).toBe(true)
  })
})

/** A source that has one piece and then says nothing for ever. */
function silentSource(): { stream: ReadableStream<Uint8Array>; cancelled: () => boolean } {
  let isCancelled = false
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes('first')),
    cancel() {
      isCancelled = true
    },
  })
  return { stream, cancelled: () => isCancelled }
}

test.each([null, newStart(1_000)])(
  'a reader who leaves before anything was read: the source is let go (kept: %o)',
  async (start) => {
    const { stream, cancelled } = silentSource()
    const found = await peeked(stream)
    const sent = found?.watched(null, start)
    await sent?.body.cancel()
    await expect(sent?.taken).rejects.toBeDefined()
    await expect.poll(cancelled).toBe(true)
  },
)
