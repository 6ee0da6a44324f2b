// A body on its way, through the platform's own streams: no script copies its bytes. Tells whether all of it was taken.

/** A body that is still to be read. It cannot be sent through another stream of the platform. */
export type Watched = {
  body: ReadableStream<Uint8Array>
  /** Resolves when all of it was taken; rejects when it broke off at either end, or was let go. */
  taken: Promise<void>
}

/** The body, watched. `bytes`: how long it is; null where nobody knows. */
export function watched(source: ReadableStream<Uint8Array>, bytes: number | null): Watched {
  const { readable, writable } = passage(bytes)
  return { body: readable, taken: mayFail(source.pipeTo(writable)) }
}

/** The same with its first bytes at hand; null when it has none. */
export async function peeked(source: ReadableStream<Uint8Array>, bytes: number | null): Promise<Watched | null> {
  const reader = source.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return null
    if (value.byteLength === 0) continue
    reader.releaseLock()
    const { readable, writable } = passage(bytes)
    const writer = writable.getWriter()
    const rest = async () => {
      await writer.write(value)
      writer.releaseLock()
      await source.pipeTo(writable)
    }
    return { body: readable, taken: mayFail(rest()) }
  }
}

const passage = (bytes: number | null) =>
  bytes === null ? new IdentityTransformStream() : new FixedLengthStream(bytes)

/** A reader that goes away breaks it off; that is no fault of ours. */
function mayFail(taken: Promise<void>): Promise<void> {
  taken.catch(() => {})
  return taken
}
