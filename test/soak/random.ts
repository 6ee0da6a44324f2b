// Chance that can be had again: the same seed makes the same choices, each actor out of a stream of its own.
import { createHash } from 'node:crypto'
import type { Hex } from 'viem'

export class Random {
  readonly #name: string
  #drawn = 0

  constructor(name: string) {
    this.#name = name
  }

  /** A stream of its own: what others draw does not change it. */
  fork(name: string): Random {
    return new Random(`${this.#name}/${name}`)
  }

  #draw(): Buffer {
    this.#drawn += 1
    return createHash('sha256').update(`${this.#name}#${this.#drawn}`).digest()
  }

  /** 32 bytes, for keys and nonces. */
  hex(): Hex {
    return `0x${this.#draw().toString('hex')}`
  }

  /** In [from, to). */
  between(from: number, to: number): number {
    return from + ((to - from) * this.#draw().readUIntBE(0, 6)) / 2 ** 48
  }

  /** A whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.between(0, count))
  }

  chance(probability: number): boolean {
    return this.between(0, 1) < probability
  }

  pick<Value>(values: readonly [Value, ...Value[]]): Value {
    return values[this.below(values.length)] ?? values[0]
  }

  /** A name by its weight. */
  weighed<Name extends string>(weights: Record<Name, number>, fallback: NoInfer<Name>): Name {
    const entries = Object.entries<number>(weights)
    let left = this.between(
      0,
      entries.reduce((sum, [, weight]) => sum + weight, 0),
    )
    for (const name in weights) {
      left -= weights[name]
      if (left < 0) return name
    }
    return fallback
  }
}
