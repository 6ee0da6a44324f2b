// Waiting with an end. A timer never outlives what it waits for: an object with nothing to do must be able to sleep.

/** The value of a promise, or null when it takes longer. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value | null> {
  const { promise: over, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(() => resolve(null), Math.max(0, ms))
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves after a while. */
export const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

/** So many at a time; the others wait in order. */
export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(most: number) {
    this.#free = most
  }

  /** True at once where a slot is free, later where one becomes free by `deadlineMs`, else false. */
  take(deadlineMs: number): true | Promise<boolean> {
    if (this.#free > 0) {
      this.#free--
      return true
    }
    const { promise, resolve } = Promise.withResolvers<true>()
    const turn = () => resolve(true)
    this.#waiting.push(turn)
    return within(promise, deadlineMs - Date.now()).then((isTaken) => {
      if (isTaken) return true
      const index = this.#waiting.indexOf(turn)
      if (index >= 0) this.#waiting.splice(index, 1)
      // Its turn came as its time was over: the next one has it.
      else this.give()
      return false
    })
  }

  give(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#free++
  }
}
