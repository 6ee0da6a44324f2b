// One at a time: what is decided about one thing that is being bought is decided before the next payment for it is
// looked at. In memory; after a restart the records say what was open.
import { endsBy } from './waiting.ts'

export class Queue {
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `work` after all earlier work of this name; null when its turn does not come by `deadline` (milliseconds). */
  async run<Value>(name: string, deadline: number, work: () => Promise<Value>): Promise<{ value: Value } | null> {
    const before = this.#tails.get(name) ?? Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const tail = before.then(() => promise)
    this.#tails.set(name, tail)
    try {
      return (await endsBy(before, deadline)) ? { value: await work() } : null
    } finally {
      resolve()
      void tail.then(() => {
        if (this.#tails.get(name) === tail) this.#tails.delete(name)
      })
    }
  }
}
