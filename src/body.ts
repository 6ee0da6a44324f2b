// A body on its way, through the platform's own streams: no script copies its bytes, but for the first few where they are
// wanted. Tells whether all of it was taken.

/** A body that is still to be read. It cannot be sent through another stream of the platform. */
export type Watched = {
  body: ReadableStream<Uint8Array>
  /** Resolves when all of it was taken; rejects when it broke off at either end, or was let go. */
  taken: Promise<void>
}

/** The first bytes of a body, kept while they pass. `left`: how many more are kept; none behind a piece that is `isLast`. */
export type Start = { readonly pieces: Uint8Array[]; left: number; isLast: (piece: Uint8Array) => boolean }

export const newStart = (most: number, isLast: Start['isLast'] = () => false): Start => ({
  pieces: [],
  left: most,
  isLast,
})

/** What was kept so far, in one piece. */
export function bytesOf({ pieces }: Start): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}

/** The body, watched. `bytes`: how long it is; null where nobody knows. */
export function watched(source: ReadableStream<Uint8Array>, bytes: number | null, start: Start | null): Watched {
  const { readable, writable } = passage(bytes)
  return { body: readable, taken: mayFail(pass(null, source, writable, start)) }
}

/** A body whose first bytes are there. It is either sent on, once, or let go. */
export type Peeked = {
  watched: (bytes: number | null, start: Start | null) => Watched
  discard: () => Promise<void>
}

/** Waits for the first bytes of a body; null when it has none. */
export async function peeked(source: ReadableStream<Uint8Array>): Promise<Peeked | null> {
  const reader = source.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return null
    if (value.byteLength === 0) continue
    reader.releaseLock()
    return {
      watched(bytes, start) {
        const { readable, writable } = passage(bytes)
        return { body: readable, taken: mayFail(pass(value, source, writable, start)) }
      },
      discard: () => source.cancel(),
    }
  }
}

/** Sends on what is at hand, then the rest. */
async function pass(
  first: Uint8Array | null,
  source: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
  start: Start | null,
): Promise<void> {
  const writer = writable.getWriter()
  if (first) {
    if (start) keep(start, first)
    try {
      await writer.write(first)
    } catch (fault) {
      // Nobody wants it: the source is let go.
      void source.cancel(fault).catch(() => {})
      throw fault
    }
  }
  if (start) await passStart(source, writer, start)
  writer.releaseLock()
  // Its end too goes this way, whenever it comes.
  await source.pipeTo(writable)
}

/** Sends on each piece as it comes, and keeps a copy, until enough is kept. */
async function passStart(
  source: ReadableStream<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  start: Start,
): Promise<void> {
  const reader = source.getReader()
  try {
    while (start.left > 0) {
      const { done, value } = await reader.read()
      if (done) break
      keep(start, value)
      await writer.write(value)
    }
  } catch (fault) {
    // One end broke off, and so does the other.
    void Promise.allSettled([reader.cancel(fault), writer.abort(fault)])
    throw fault
  }
  reader.releaseLock()
}

/** A copy: what was written is the platform's. */
function keep(start: Start, bytes: Uint8Array): void {
  const piece = bytes.slice(0, start.left)
  start.pieces.push(piece)
  start.left = start.isLast(piece) ? 0 : start.left - piece.byteLength
}

const passage = (bytes: number | null) =>
  bytes === null ? new IdentityTransformStream() : new FixedLengthStream(bytes)

/** A reader that goes away breaks it off; that is no fault of ours. */
function mayFail(taken: Promise<void>): Promise<void> {
  taken.catch(() => {})
  return taken
}
