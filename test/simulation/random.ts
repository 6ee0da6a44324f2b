// Chance for the simulator: small, seeded, the same on every machine (sfc32). It never asks the platform.

/** Numbers from one seed. `fork` gives a stream of its own, so that one more draw here moves nothing there. */
export type Random = {
  /** At least 0, less than 1. */
  next(): number
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  pick<Item>(items: readonly [Item, ...Item[]]): Item
  /** `0x` and this many random bytes. */
  hex(bytes: number): `0x${string}`
  fill(bytes: Uint8Array): void
  fork(name: string): Random
}

/** The first rounds of sfc32 still show the seed. */
const WARM_UP = 12

export function createRandom(seed: string): Random {
  let [a, b, c, d] = [hash(seed, 1), hash(seed, 2), hash(seed, 3), 1]
  const word = () => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  for (let i = 0; i < WARM_UP; i++) word()
  const next = () => word() / 2 ** 32
  const between = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  const fill = (bytes: Uint8Array) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = word() & 255
  }
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick: (items) => items[between(0, items.length - 1)] ?? items[0],
    hex: (size) => {
      let text = ''
      while (text.length < size * 2) text += word().toString(16).padStart(8, '0')
      return `0x${text.slice(0, size * 2)}`
    },
    fill,
    fork: (name) => createRandom(`${seed}/${name}`),
  }
}

/** FNV-1a of 32 bits. `start` tells several hashes of one text apart. */
export function hash(text: string, start: number): number {
  let value = 0x811c9dc5 ^ Math.imul(start, 0x9e3779b1)
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value ^ (value >>> 15)
}
